package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Recall is a recall as the ledger has it.
type Recall struct {
	schemas.RecallRef
	Class       string        `json:"class,omitempty"`
	Instruction string        `json:"instruction"`
	Deadline    time.Time     `json:"deadline,omitzero"`
	Issued      time.Time     `json:"issued"`
	Closed      time.Time     `json:"closed,omitzero"`
	Open        bool          `json:"open"`
	Named       uint64        `json:"named"` // things and lots that it names
	Made        []RecallSpan  `json:"made,omitempty"`
	Replies     []RecallReply `json:"replies,omitempty"`
	schemas.Locator
}

// RecallSpan is a span of time of which a recall names what its issuer made, by the
// eventTime of what brought it into being.
type RecallSpan struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"` // the first that is not in it; none: it has no end
	Class string    `json:"class,omitempty"`
}

// RecallReply is a holder's last answer to a recall.
type RecallReply struct {
	Partner string          `json:"partner"`
	Time    time.Time       `json:"time"`
	Done    bool            `json:"done"`
	Held    []RecallHolding `json:"held,omitempty"`
	HeldCut bool            `json:"held_cut,omitempty"` // held is left out: all answers together list more than one tells
}

// RecallHolding is what a holder says that it has of a thing or lot.
type RecallHolding struct {
	ID       string `json:"id"`
	Quantity string `json:"quantity,omitempty"`
	UOM      string `json:"uom,omitempty"`
	State    string `json:"state,omitempty"`
}

// Recalls is a page of recalls, by issuer and name.
type Recalls struct {
	Height        int64    `json:"height"`
	Recalls       []Recall `json:"recalls"`
	NextPageToken string   `json:"nextPageToken,omitempty"`
}

// RecallReach is a recall with where it reaches: what it names and what came of that,
// and who holds it now.
type RecallReach struct {
	Recall
	Height      int64          `json:"at_height"`
	Time        time.Time      `json:"at_time"`
	Items       int            `json:"items"` // things and lots that it reaches
	Holders     []RecallHolder `json:"holders"`
	OpenHolders int            `json:"open_holders"`     // who are not done
	Packed      []string       `json:"packed,omitempty"` // in containers, and to be named: its spans of time have them alone, of which containers do not know
	Truncated   bool           `json:"truncated"`        // it reaches farther than was looked
}

// RecallHolder is who holds something that a recall reaches.
type RecallHolder struct {
	Partner      string          `json:"partner"`
	Items        int             `json:"items"`
	Lots         int             `json:"lots"`
	IDs          []string        `json:"ids,omitempty"`      // things, at most a thousand
	Balances     []RecallBalance `json:"balances,omitempty"` // of lots, at most as many
	Acknowledged bool            `json:"acknowledged"`
	Done         bool            `json:"done"`
}

// RecallBalance is what a holder has of a class or lot.
type RecallBalance struct {
	ID string `json:"id"`
	schemas.Balance
}

func (g *Gateway) recallRoutes(m chi.Router) {
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Query), g.accepting(typeJSON), g.reading)
		m.Get("/recalls", g.listRecalls)
		m.Get("/recalls/{issuer}/{recall}", g.getRecall)
	})
	m.Group(func(m chi.Router) {
		m.Use(g.allow(local.Capture), g.accepting(typeJSON), g.sending(typeJSON))
		m.Post("/recalls", g.postAct("Recall"))
		m.Post("/recalls/{issuer}/{recall}/acknowledgements", g.postAct("AcknowledgeRecall", "issuer", "issuer", "recall", "recall"))
		m.Post("/recalls/{issuer}/{recall}/items", g.ofOwn(g.postAct("ExtendRecall", "recall", "recall")))
		m.Post("/recalls/{issuer}/{recall}/close", g.ofOwn(g.postAct("CloseRecall", "recall", "recall")))
	})
}

// ofOwn lets requests pass about what the node's own partner issued: the act names no
// issuer, since that is who signs it.
func (g *Gateway) ofOwn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := dryRunOf(r)
		var issuer string
		if err == nil {
			issuer, err = segment(r, "issuer")
		}
		if err == nil && issuer != g.cfg.Partner {
			err = fault(schemas.NoSuchRecall, "only "+clip(issuer)+", who issued it, does this, at its own node")
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		next(w, r)
	}
}

// listRecalls answers recalls, page by page.
func (g *Gateway) listRecalls(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r, "open")
	open := false
	if err == nil {
		open, err = flag(q, "open", false)
	}
	var after schemas.RecallRef
	if token, ok := q["nextPageToken"]; err == nil && ok {
		if after.Issuer, after.Recall, ok = strings.Cut(token, "/"); !ok || !schemas.IsPartnerID(after.Issuer) || !schemas.IsPartnerID(after.Recall) {
			err = fault(schemas.BadParameter, "nextPageToken is not one of this list")
		}
	}
	out := Recalls{Recalls: []Recall{}}
	if err == nil {
		err = g.read(func(view View) error {
			list, more, err := view.Recalls(after, open, min(limit, maxRecords))
			out.Height, out.Recalls, out.NextPageToken = view.Height(), []Recall{}, ""
			for i := range list {
				out.Recalls = append(out.Recalls, recallOf(&list[i]))
			}
			if more && len(list) > 0 {
				last := list[len(list)-1]
				out.NextPageToken = last.Issuer + "/" + last.Recall
			}
			return err
		})
	}
	g.writePage(w, r, out, out.NextPageToken, err)
}

// getRecall answers a recall, with where it reaches now.
func (g *Gateway) getRecall(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var ref schemas.RecallRef
	if err == nil {
		ref.Issuer, err = segment(r, "issuer")
	}
	if err == nil {
		ref.Recall, err = segment(r, "recall")
	}
	var out RecallReach
	if err == nil {
		err = g.read(func(view View) error {
			reach, err := view.RecallReach(r.Context(), ref)
			if err == nil && reach == nil {
				err = fault(schemas.NotFound, "no recall "+clip(ref.Recall)+" of "+clip(ref.Issuer))
			}
			if err == nil {
				out = reachOf(reach)
			}
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	g.writeJSON(w, r, http.StatusOK, out)
}

func recallOf(s *schemas.RecallInfo) Recall {
	out := Recall{RecallRef: s.RecallRef, Class: s.Class, Instruction: s.Instruction, Deadline: ledgerTime(s.Deadline), Issued: ledgerTime(s.Issued),
		Closed: ledgerTime(s.Closed), Open: s.Closed == 0, Named: s.Named, Locator: s.At}
	for _, span := range s.Made {
		out.Made = append(out.Made, RecallSpan{ledgerTime(span.From), ledgerTime(span.Until), span.Class})
	}
	for _, a := range s.Replies {
		reply := RecallReply{Partner: a.Partner, Time: ledgerTime(a.Time), Done: a.Done, HeldCut: a.Cut}
		for _, h := range a.Held {
			reply.Held = append(reply.Held, RecallHolding(h))
		}
		out.Replies = append(out.Replies, reply)
	}
	return out
}

func reachOf(s *schemas.RecallReach) RecallReach {
	out := RecallReach{Recall: recallOf(&s.RecallInfo), Height: s.Height, Time: s.Time, Items: s.Items, Holders: []RecallHolder{},
		OpenHolders: s.Open, Packed: s.Packed, Truncated: s.Truncated}
	for _, h := range s.Holders {
		holder := RecallHolder{Partner: h.Partner, Items: h.Items, Lots: h.Lots, IDs: h.IDs, Acknowledged: h.Acknowledged, Done: h.Done}
		for _, b := range h.Balances {
			holder.Balances = append(holder.Balances, RecallBalance(b))
		}
		out.Holders = append(out.Holders, holder)
	}
	return out
}

// ledgerTime is a time of the ledger; 0 is none.
func ledgerTime(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}
