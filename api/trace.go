package api

import (
	"net/http"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Trace tells where an item came from and where it went, with the events that
// say so.
type Trace struct {
	*schemas.Trace
	Events   []Record `json:"events"`
	Withheld int      `json:"withheld,omitempty"` // events that the API key is not shown, with what only they say
}

// getTrace follows an item.
func (g *Gateway) getTrace(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, "direction", "maxDepth")
	query := schemas.TraceQuery{MaxEvents: g.limits.TraceEvents, MaxBytes: pageBytes}
	if err == nil {
		var id schemas.Identifier
		id, err = subject(r)
		query.ID = id.String()
	}
	if err == nil {
		query.Direction, err = direction(q)
	}
	if err == nil {
		query.MaxDepth, err = number(q, "maxDepth", 16, 1, 64)
	}
	var out Trace
	if err == nil {
		err = g.readInTurn(r, g.traces, func(view View) error {
			trace, err := view.Trace(r.Context(), query)
			if err != nil {
				return err
			}
			if trace == nil || len(trace.Events) == 0 {
				return fault(schemas.NotFound, "the ledger has no record of "+clip(query.ID))
			}
			read := pager{in: stateOf(r).read}
			if err := read.add(trace.Events...); err != nil {
				return err
			}
			shows, err := shown(view, keyOf(r))
			if err != nil {
				return err
			}
			if out.Withheld = 0; shows != nil {
				out.Withheld = only(trace, shows)
			}
			out.Trace = trace
			out.Events, err = recordsOf(trace.Events)
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

// direction reads upstream, downstream, both, or the two with a comma; both when
// it is absent.
func direction(q map[string]string) (schemas.Direction, error) {
	text, ok := q["direction"]
	if !ok {
		return schemas.Both, nil
	}
	var d schemas.Direction
	for part := range strings.SplitSeq(text, ",") {
		switch part {
		case "upstream":
			d |= schemas.Upstream
		case "downstream":
			d |= schemas.Downstream
		case "both":
			d |= schemas.Both
		default:
			return 0, fault(schemas.BadParameter, "direction is upstream, downstream or both: "+clip(text))
		}
	}
	return d, nil
}
