package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

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

// getEvents answers an event query (EPCIS 2.0, 8.2.7.1) page by page.
func (g *Gateway) getEvents(w http.ResponseWriter, r *http.Request) {
	q, err := parameters(r, eventParameters...)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	query, mark, err := pagedQuery(q)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	var body []byte
	var token string
	err = g.read(func(view View) error {
		at := query
		if at.MaxHeight == 0 {
			at.MaxHeight = view.Height()
		}
		records, more, err := page(r.Context(), view, at)
		if err != nil {
			return err
		}
		token = ""
		if more && len(records) > 0 {
			last := records[len(records)-1]
			token = pageToken{height: at.MaxHeight, after: last.Locator, time: last.Skeleton.EventTime, query: mark}.String()
		}
		body, err = queryDocument(records, view.Time())
		return err
	})
	if err != nil {
		g.fail(w, r, err)
		return
	}
	if token != "" {
		linkNext(w, r, token)
		w.Header().Set("nextPageToken", token)
	}
	writeBody(w, http.StatusOK, typeJSON, body)
}

// Bounds of one page, so that a request's memory is bounded whatever the events.
const (
	stepEvents = 64       // read at a time
	pageBytes  = 16 << 20 // of bodies; a page may end early
)

// page reads a page of a query in steps.
func page(ctx context.Context, view View, q schemas.EventQuery) (records []schemas.Record, more bool, err error) {
	limit, bytes := q.Limit, 0
	for more = true; more && len(records) < limit && bytes < pageBytes; {
		var step []schemas.Record
		q.Limit = min(limit-len(records), stepEvents)
		if step, more, err = view.Events(ctx, q); err != nil {
			return nil, false, err
		}
		for i := range step {
			bytes += len(step[i].Body)
		}
		if records = append(records, step...); len(records) > 0 {
			last := records[len(records)-1]
			q.After, q.AfterTime = &last.Locator, last.Skeleton.EventTime
		}
	}
	return records, more, nil
}

// pagedQuery reads an event query with its page.
func pagedQuery(q map[string]string) (query schemas.EventQuery, mark [8]byte, err error) {
	if query, err = eventQuery(q); err != nil {
		return query, mark, err
	}
	if query.Limit, err = perPage(q); err != nil {
		return query, mark, err
	}
	mark = queryMark(q, "events")
	if text, ok := q["nextPageToken"]; ok {
		token, err := parsePageToken(text)
		if err != nil {
			return query, mark, err
		}
		if token.query != mark {
			return query, mark, fault(schemas.BadParameter, "nextPageToken belongs to another query")
		}
		query.MaxHeight, query.After, query.AfterTime = token.height, &token.after, token.time
	}
	return query, mark, nil
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
		err = g.read(func(view View) error {
			records, err := view.EventsByID(id)
			if err != nil {
				return err
			}
			if len(records) == 0 {
				return fault(schemas.NotFound, "no event "+clip(id))
			}
			body, err = queryDocument(records, view.Time())
			return err
		})
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	writeBody(w, http.StatusOK, typeJSON, body)
}
