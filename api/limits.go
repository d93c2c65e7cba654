package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// room bounds how many requests are worked on at once, and how many bytes their
// bodies take together. What does not fit is told to come back, not queued.
type room struct {
	most      int
	mostBytes int64

	mu    sync.Mutex // guards what follows
	count int
	bytes int64
}

func newRoom(most int, mostBytes int64) *room { return &room{most: most, mostBytes: mostBytes} }

// enter takes a place for a request of so many bytes; leave gives it back.
func (m *room) enter(bytes int64) (leave func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count >= m.most || m.bytes+bytes > m.mostBytes {
		return nil, fault(schemas.Overloaded, fmt.Sprintf("%d requests are being worked on", m.count))
	}
	m.count, m.bytes = m.count+1, m.bytes+bytes
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.count, m.bytes = m.count-1, m.bytes-bytes
	}, nil
}

func (m *room) used() (count int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count, m.bytes
}

// weight is how many bytes a body takes while it is worked on, for each of its
// own: as sent, decoded, and signed.
const weight = 3

// bodySize is the memory that a request's body may take: what it declares, or
// the limit.
func bodySize(r *http.Request, limit int64) int64 {
	if r.ContentLength >= 0 && r.ContentLength < limit {
		return weight * r.ContentLength
	}
	return weight * limit
}

// readBody reads a body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooLarge := fault(schemas.TooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	var out []byte
	var err error
	if r.ContentLength >= 0 {
		out = make([]byte, r.ContentLength)
		_, err = io.ReadFull(body, out)
	} else {
		out, err = io.ReadAll(body)
	}
	var beyond *http.MaxBytesError
	switch {
	case err == nil:
		return out, nil
	case errors.As(err, &beyond):
		return nil, tooLarge
	default:
		return nil, fault(schemas.BadJSON, "the body could not be read to its end")
	}
}

// rates are the token buckets of API keys.
type rates struct {
	rate  float64 // tokens a second
	burst float64
	now   func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newRates(rate, burst float64) *rates {
	return &rates{rate: rate, burst: burst, now: time.Now, buckets: map[string]*bucket{}}
}

// take takes a token of an API key, or tells how long to wait for one. Keys are
// few and made by the operator, so buckets are never dropped.
func (rs *rates) take(key string) (wait time.Duration, ok bool) {
	now := rs.now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	b := rs.buckets[key]
	if b == nil {
		b = &bucket{tokens: rs.burst, at: now}
		rs.buckets[key] = b
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens, b.at = min(rs.burst, b.tokens+passed.Seconds()*rs.rate), now
	}
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / rs.rate * float64(time.Second)), false
	}
	b.tokens--
	return 0, true
}
