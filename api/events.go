package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/schemas"
)

// read runs a read over one committed view. Views are held for some heights only;
// a read that was overtaken begins again on a newer one.
func (g *Gateway) read(do func(View) error) error {
	var err error
	for range 4 {
		var view View
		if view, err = g.ledger.View(); err != nil {
			return signing(err)
		}
		var f *schemas.Fault
		if err = do(view); !errors.As(err, &f) || f.Code != schemas.ViewExpired {
			return err
		}
	}
	return fault(schemas.Overloaded, "the ledger grows faster than this can be read: ask for less")
}

// segment reads a path segment, percent-decoded.
func segment(r *http.Request, name string) (string, error) {
	s, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil {
		return "", fault(schemas.BadIdentifier, "the path holds a faulty percent-encoding")
	}
	return s, nil
}

// Bounds of one page, so that a request's memory is bounded whatever the events.
const (
	firstStep = 8       // records read at first, when their size is not known
	mostStep  = 64      // and later, where they are small
	pageBytes = 8 << 20 // of bodies; a page may end early
)

// pager counts what a page of records holds, and takes the room for it.
type pager struct {
	in    *place
	bytes int // of bodies
	count int
	shows func(*schemas.Record) bool // whether the asker is shown an event; nil where all are
}

// step is how many records to read next, at most so many.
func (p *pager) step(most int) int {
	if p.count == 0 {
		return min(most, firstStep)
	}
	fit := (pageBytes-p.bytes)/(p.bytes/p.count+1) + 1
	return max(1, min(most, fit, mostStep))
}

// add counts records that were read.
func (p *pager) add(records ...schemas.Record) error {
	bytes := 0
	for i := range records {
		bytes += len(records[i].Body)
	}
	p.bytes, p.count = p.bytes+bytes, p.count+len(records)
	return p.in.grow(answerWeight * int64(bytes))
}

func (p *pager) full() bool { return p.bytes >= pageBytes }

// pageEffort bounds what a page looks at; one that would take more is short.
const pageEffort = 1 << 20

// page reads a page of a query in steps.
func page(r *http.Request, view View, q schemas.EventQuery) (out schemas.EventPage, err error) {
	limit, read := q.Limit, pager{in: stateOf(r).read}
	out.More, q.Effort = true, pageEffort
	for out.More && len(out.Records) < limit && !read.full() && q.Effort > 0 {
		if q.Limit = limit - len(out.Records); q.OrderBy != schemas.ByField { // of which every step would sort all anew
			q.Limit = read.step(q.Limit)
		}
		step, err := view.Page(r.Context(), q)
		if err != nil {
			return out, err
		}
		step.Records = seen(keyOf(r), step.Records)
		if err := read.add(step.Records...); err != nil {
			return out, err
		}
		out.Records = append(out.Records, step.Records...)
		out.More, out.After, out.Time = step.More, step.After, step.Time
		q.After, q.AfterTime, q.Effort, q.MaxCount = &step.After, step.Time, step.Left, 0
	}
	return out, nil
}

// readPage reads a page of a query in the turn of its API key: a query may look at much, and
// as many at once as there are reads would leave no processor to whoever makes blocks, nor
// to other keys. It waits before there is a view, which would expire meanwhile.
func (g *Gateway) readPage(r *http.Request, read func(View) error) error {
	leave, err := g.queries.enter(r.Context(), keyOf(r).ID)
	if err != nil {
		return err
	}
	defer leave()
	return g.read(read)
}

// getEvent answers every partner's events of one eventID: an event and the error
// declaration that voids it share it, and two partners may use the same.
func (g *Gateway) getEvent(w http.ResponseWriter, r *http.Request) {
	_, err := parameters(r)
	var id string
	if err == nil {
		id, err = segment(r, "eventID")
	}
	if err == nil && !printable(id) {
		err = fault(schemas.NotFound, "no event has such an id")
	}
	var body []byte
	if err == nil {
		err = g.readPage(r, func(view View) error {
			p, err := page(r, view, schemas.EventQuery{EventIDs: []string{id}, OrderBy: schemas.ByRecordTime, Ascending: true,
				MaxHeight: view.Height(), Limit: maxPage})
			switch {
			case err != nil:
				return err
			case len(p.Records) == 0:
				return fault(schemas.NotFound, "no event "+clip(id))
			case !slices.ContainsFunc(p.Records, func(r schemas.Record) bool { return !r.Unkept }):
				return fault(schemas.BodyNotKept, missingOf(&p.Records[0]).Detail)
			case p.More:
				return fault(schemas.TooLarge, "more records share this eventID than one answer holds: ask GET /epcis/v2/events?EQ_eventID= page by page")
			}
			body, err = resultsDocument(w, r, p.Records, view, simpleEventQuery)
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	writeBody(w, http.StatusOK, typeJSON, body)
}
