package api

import (
	"errors"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// gatherer lets single events that come within a few milliseconds share one
// signature and one sync. The transaction is not atomic, so each event keeps an
// outcome of its own, and nobody can tell from an answer that it was gathered.
type gatherer struct {
	outbox *outbox
	limits Limits

	mu   sync.Mutex          // guards open
	open map[string]*handful // by actor: the signed header names one
}

// handful is events that are being gathered.
type handful struct {
	actor  string
	events []*schemas.Event
	waits  []*submission
	bytes  int
	timer  *time.Timer
}

func newGatherer(o *outbox, limits Limits) *gatherer {
	return &gatherer{outbox: o, limits: limits, open: map[string]*handful{}}
}

// add submits one event. It returns at once, or after the event was accepted or
// refused; the submission tells.
func (g *gatherer) add(actor string, event *schemas.Event, s *submission) {
	// An act may need another role of its key than events do, and the signature of an
	// author may not hold: they go by themselves.
	if g.limits.Gather == 1 || event.KindOf() == schemas.KindAct || event.Skeleton.Author != "" {
		g.seal(actor, []*schemas.Event{event}, []*submission{s})
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.open[actor]
	if h != nil && h.bytes+len(event.Body) > g.limits.ChunkBytes {
		g.close(h)
		h = nil
	}
	if h == nil {
		h = &handful{actor: actor}
		h.timer = time.AfterFunc(g.limits.GatherTime, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.open[actor] == h {
				g.close(h)
			}
		})
		g.open[actor] = h
	}
	h.events, h.waits, h.bytes = append(h.events, event), append(h.waits, s), h.bytes+len(event.Body)
	if len(h.events) >= g.limits.Gather {
		g.close(h)
	}
}

// close seals what was gathered, beside the callers; g.mu is held.
func (g *gatherer) close(h *handful) {
	h.timer.Stop()
	delete(g.open, h.actor)
	go g.seal(h.actor, h.events, h.waits)
}

// seal signs events and puts them into the outbox. What does not fit one
// transaction is halved; what cannot be signed together is signed apart, so that
// a faulty event refuses nobody but itself.
func (g *gatherer) seal(actor string, events []*schemas.Event, waits []*submission) {
	signed, err := g.outbox.ledger.Sign(actor, false, events)
	if err != nil {
		var f *schemas.Fault
		if errors.As(err, &f) && len(events) > 1 {
			half := len(events) / 2
			g.seal(actor, events[:half], waits[:half])
			g.seal(actor, events[half:], waits[half:])
			return
		}
		for _, s := range waits {
			s.refuse(signing(err))
		}
		return
	}
	e := newEntry(waits[0].job, actor, false, signed)
	e.waits = waits
	for i, s := range waits {
		s.act = events[i].KindOf() != schemas.KindEvent
		e.Parts = append(e.Parts, local.Part{Job: s.job, Messages: 1, Answer: s.answer, Act: s.act})
	}
	// An error is told to everybody in waits.
	_ = g.outbox.accept([]*entry{e})
}

// signing tells why nothing was signed: a node that cannot sign is unavailable.
func signing(err error) error {
	var f *schemas.Fault
	if errors.As(err, &f) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return errors.Join(ErrUnavailable, err)
}
