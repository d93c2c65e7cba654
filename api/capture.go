package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Behaviours of a capture when one of its events is refused (EPCIS 2.0, 12.7).
const (
	errorBehaviour = "GS1-Capture-Error-Behaviour"
	rollback       = "rollback"
	proceed        = "proceed"
)

// postEvent captures one event and waits for its commit.
func (g *Gateway) postEvent(w http.ResponseWriter, r *http.Request) {
	g.write(w, r, g.limits.EventBytes, func(body []byte, dry bool) (*answer, error) {
		if dry {
			event, err := decodeSingle(r, body)
			if err != nil {
				return nil, err
			}
			return g.dryRun(r, false, []*schemas.Event{event})
		}
		return g.submit(r, body, func(res *reservation) (*answer, error) {
			event, err := decodeSingle(r, body)
			if err != nil {
				return nil, err
			}
			s := newSubmission(res, time.Now())
			g.gather.add(keyOf(r).ID, event, s)
			return g.await(r, s)
		})
	})
}

// write reads a write's body, within the room that there is, and answers what
// work answers.
func (g *Gateway) write(w http.ResponseWriter, r *http.Request, limit int64, work func(body []byte, dry bool) (*answer, error)) {
	dry, err := dryRunOf(r)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	body, err := g.receive(w, r, limit)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	at, err := g.writes.enter(keyOf(r).ID, weight*int64(len(body)))
	if err != nil {
		g.fail(w, r, err)
		return
	}
	defer at.leave()
	a, err := work(body, dry)
	switch {
	case err == nil && givesXML(w):
		a.inXML(w.Header().Get("Content-Type")).write(w)
	case err == nil:
		a.write(w)
	case r.Context().Err() != nil && errors.Is(err, r.Context().Err()):
		// The client went away; what it sent goes on.
	default:
		g.fail(w, r, err)
	}
}

// receive reads a body into the room that bodies have while they arrive: a slow
// one takes nothing from writes that are worked on.
func (g *Gateway) receive(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	in, err := g.bodies.enter(keyOf(r).ID, 0)
	if err != nil {
		return nil, err
	}
	defer in.leave()
	return readBody(w, r, limit, in)
}

// dryRunOf reads the only parameter that writes have.
func dryRunOf(r *http.Request) (bool, error) {
	q, err := queryValues(r)
	if err != nil {
		return false, fault(schemas.BadParameter, "the query string cannot be read")
	}
	for name, values := range q {
		if name != "dryRun" {
			return false, fault(schemas.BadParameter, "no such parameter: "+clip(name))
		}
		if len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return false, fault(schemas.BadParameter, "dryRun is true or false, once")
		}
	}
	return q.Get("dryRun") == "true", nil
}

// dryRun answers the receipt that events would get now.
func (g *Gateway) dryRun(r *http.Request, atomic bool, events []*schemas.Event) (*answer, error) {
	receipt, err := g.ledger.DryRun(r.Context(), keyOf(r).ID, atomic, events)
	if err != nil {
		return nil, err
	}
	return jsonAnswer(http.StatusOK, "", receipt)
}

func jsonAnswer(status int, location string, v any) (*answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &answer{status: status, location: location, mediaType: "application/json", body: body}, nil
}

// await waits for a submission's outcome. When it takes too long the asker gets
// its job, which tells the outcome later; but nobody is told that a write was
// accepted before the disk has it.
func (g *Gateway) await(r *http.Request, s *submission) (*answer, error) {
	patience := time.NewTimer(g.limits.Acknowledge)
	defer patience.Stop()
	// Not even a client that went away ends this: until the disk has it, its
	// idempotency key is held by nothing but this call.
	<-s.accepted
	if s.refused != nil {
		return nil, s.refused
	}
	select {
	case <-s.done:
		return g.outbox.finalAnswer(s)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-g.outbox.ctx.Done():
	case <-patience.C:
	}
	a, err := acceptedAnswer(s.job, proceed)
	if err != nil {
		return nil, err
	}
	shown, err := g.outbox.show(s, a)
	if err != nil {
		return nil, err
	}
	if !shown { // its outcome is being written at this moment
		select {
		case <-s.done:
			return g.outbox.finalAnswer(s)
		case <-g.outbox.ctx.Done():
		}
	}
	return a, nil
}

func acceptedAnswer(job, behaviour string) (*answer, error) {
	location := jobPath(job)
	a, err := jsonAnswer(http.StatusAccepted, location, Job{CaptureID: job, Running: true, Success: true, Behaviour: behaviour, Errors: []Problem{}, Location: location})
	if err == nil {
		a.retryAfter = 1
	}
	return a, err
}

// finalAnswer is what a single event, or a client's own transaction, is answered
// when its outcome is known.
func (o *outbox) finalAnswer(s *submission) (*answer, error) {
	out := s.outcome
	if out.fault != nil {
		return problemAnswer(&Problem{Code: out.fault.Code, Detail: out.fault.Detail, Pointer: out.fault.Pointer}, !s.client)
	}
	receipt := out.part()
	if receipt.Code != schemas.OK {
		return problemAnswer(&Problem{Code: receipt.Code, Detail: "the transaction was refused", Receipt: receipt}, !s.client)
	}
	if s.client {
		status := http.StatusCreated
		if out.known {
			status = http.StatusOK
		}
		return jsonAnswer(status, transactionPath(receipt), receipt)
	}
	event := receipt.Events[0]
	location := eventPath(event.EventID)
	if s.act {
		location = transactionPath(receipt)
	}
	switch {
	case event.Code != schemas.OK:
		return problemAnswer(&Problem{Code: event.Code, Detail: o.refusal(&event, &out, out.first), Receipt: receipt}, true)
	case event.Effect == schemas.Duplicate:
		return jsonAnswer(http.StatusOK, location, receipt)
	default:
		return jsonAnswer(http.StatusCreated, location, receipt)
	}
}

// part is the receipt without the messages of others.
func (o *outcome) part() *schemas.Receipt {
	r := *o.receipt
	if end := o.first + o.count; end <= len(r.Events) {
		r.Events = r.Events[o.first:end:end]
	} else {
		r.Events = nil
	}
	if r.Code == schemas.OK && len(r.Events) == 0 {
		r.Code = schemas.Internal // a ledger that keeps its contract never gets here
	}
	return &r
}

// problemAnswer does not name the request, so that a repeat gets the same bytes.
func problemAnswer(p *Problem, epcis bool) (*answer, error) {
	p = p.in(epcis, http.MethodPost, "")
	a, err := jsonAnswer(p.Status, "", p)
	if err == nil {
		a.mediaType = typeProblem
	}
	return a, err
}

func jobPath(job string) string       { return "/epcis/v2/capture/" + job }
func eventPath(eventID string) string { return "/epcis/v2/events/" + url.PathEscape(eventID) }
func transactionPath(r *schemas.Receipt) string {
	return "/api/v1/transactions/" + r.Transaction.String()
}

// clip shortens what a caller sent before it is told back.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
