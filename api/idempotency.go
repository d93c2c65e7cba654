package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	idempotencyKey    = "Idempotency-Key"
	maxIdempotencyKey = 255
)

// answer is a response to a write, so that it can be given twice.
type answer struct {
	status     int
	location   string
	mediaType  string
	body       []byte
	retryAfter int
	replayed   bool
}

// record writes the answer into an idempotency record.
func (a *answer) record(r *local.Answer) {
	r.Status, r.Location, r.Type, r.Body = a.status, a.location, a.mediaType, a.body
}

func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	h.Set("Content-Type", a.mediaType)
	writeBody(w, a.status, a.mediaType, a.body)
}

// reservation is the right to be the first with an idempotency key.
type reservation struct {
	key     schemas.Hash // of the record
	request schemas.Hash // of what was sent
}

// reservationOf reads a request's Idempotency-Key; nil when it has none. The
// record is the API key's own, so that no client is answered what another asked.
func reservationOf(r *http.Request, body []byte) (*reservation, error) {
	values := r.Header.Values(idempotencyKey)
	if len(values) == 0 {
		return nil, nil
	}
	value := values[0]
	if len(values) > 1 || value == "" || len(value) > maxIdempotencyKey {
		return nil, fault(schemas.BadParameter, fmt.Sprintf("%s: one value of 1 to %d bytes", idempotencyKey, maxIdempotencyKey))
	}
	return &reservation{
		key:     schemas.Sum("waybill/gateway/answer", []byte(keyOf(r).ID), []byte(value), []byte(r.Method), []byte(r.URL.Path)),
		request: schemas.Sum("waybill/gateway/request", body, []byte(r.Header.Get(errorBehaviour))),
	}, nil
}

// keep is what is written with a change so that a repeat of its request gets the same
// answer; nothing for a request without a key.
func (res *reservation) keep(a *answer, made time.Time) []local.Change {
	if res == nil {
		return nil
	}
	record := &local.Answer{Request: res.request, Made: made}
	a.record(record)
	return local.PutAnswer(res.key, record, true)
}

// flights are the requests with an idempotency key that this process works on.
type flights struct {
	mu   sync.Mutex // guards open
	open map[schemas.Hash]*flight
}

type flight struct {
	request schemas.Hash
	landed  chan struct{}
}

func newFlights() *flights { return &flights{open: map[schemas.Hash]*flight{}} }

// enter makes the caller the one that works on a key, or tells who does.
func (f *flights) enter(res *reservation) (other *flight, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.open[res.key]; other != nil {
		return other, nil
	}
	own := &flight{request: res.request, landed: make(chan struct{})}
	f.open[res.key] = own
	return nil, func() {
		f.mu.Lock()
		delete(f.open, res.key)
		f.mu.Unlock()
		close(own.landed)
	}
}

var errOtherBody = fault(schemas.IdempotencyConflict, "the "+idempotencyKey+" was used with another body")

// once runs a write at most once for its Idempotency-Key. A repeat gets the first
// answer; while the first runs, a repeat waits for it. A write that recorded
// nothing (it was malformed, or there was no room) leaves its key free.
func (g *Gateway) once(r *http.Request, body []byte, run func(*reservation) (*answer, error)) (*answer, error) {
	res, err := reservationOf(r, body)
	if err != nil {
		return nil, err
	}
	if res == nil {
		return run(nil)
	}
	patience := time.NewTimer(g.limits.Acknowledge)
	defer patience.Stop()
	for {
		other, leave := g.flights.enter(res)
		if other == nil {
			defer leave()
			return g.first(r, res, run)
		}
		if other.request != res.request {
			return nil, errOtherBody
		}
		select {
		case <-other.landed:
		case <-patience.C:
			return nil, &Problem{Code: schemas.InProgress, Detail: "the first request with this " + idempotencyKey + " is still being worked on", RetryAfter: 1}
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// submit is once for what is going to the ledger: while too much waits there, only
// repeats are answered otherwise than that they should come back.
func (g *Gateway) submit(r *http.Request, body []byte, run func(*reservation) (*answer, error)) (*answer, error) {
	return g.once(r, body, func(res *reservation) (*answer, error) {
		if err := g.outbox.crowded(len(body)); err != nil {
			return nil, err
		}
		return run(res)
	})
}

// first answers a request that no other of its key runs beside.
func (g *Gateway) first(r *http.Request, res *reservation, run func(*reservation) (*answer, error)) (*answer, error) {
	record, err := g.local.Answer(res.key)
	if err != nil {
		return nil, err
	}
	if record == nil {
		if g.local.Answers() >= g.limits.IdempotencyKeys {
			return nil, fault(schemas.Overloaded, "too many idempotency records are held")
		}
		return run(res)
	}
	if record.Request != res.request {
		return nil, errOtherBody
	}
	if record.Status == 0 {
		// Reserved by a process that was killed, or by a client that went away.
		if s := g.outbox.find(record.Job); s != nil {
			return g.await(r, s)
		}
		if record, err = g.local.Answer(res.key); err != nil {
			return nil, err
		}
		if record == nil || record.Status == 0 {
			return nil, errors.New("an idempotency record without an answer and without a job")
		}
	}
	return &answer{status: record.Status, location: record.Location, mediaType: record.Type, body: record.Body, replayed: true}, nil
}
