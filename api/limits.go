package api

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// room bounds how many requests are worked on at once, and how many bytes they
// take together. What does not fit is told to come back, not queued. However much one
// API key asks for, some is left for others: it has at most three times of what is free.
type room struct {
	most      int
	mostBytes int64

	mu    sync.Mutex // guards what follows
	count int
	bytes int64
	owned map[string]held // by API key, of those that hold anything
}

// held is what an API key has of a room.
type held struct {
	count int
	bytes int64
}

// keyShare is how many times of what is free one API key may have.
const keyShare = 3

func newRoom(most int, mostBytes int64) *room {
	return &room{most: most, mostBytes: mostBytes, owned: map[string]held{}}
}

// place is what one request has of a room. One goroutine uses it.
type place struct {
	room  *room
	owner string
	bytes int64
}

// enter takes a place for a request of so many bytes, of an API key, "" for none.
func (m *room) enter(owner string, bytes int64) (*place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.owned[owner]
	if m.count >= m.most || own.count >= keyShare*(m.most-m.count) || !m.fits(bytes, own.bytes) {
		return nil, m.refusal(own)
	}
	m.take(owner, 1, bytes)
	return &place{room: m, owner: owner, bytes: bytes}, nil
}

// grow takes more bytes.
func (p *place) grow(bytes int64) error {
	m := p.room
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.owned[p.owner]
	has := own.bytes
	if has == p.bytes { // one request alone may take all that there is
		has = 0
	}
	if !m.fits(bytes, has) {
		return m.refusal(own)
	}
	m.take(p.owner, 0, bytes)
	p.bytes += bytes
	return nil
}

// leave gives the place back.
func (p *place) leave() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.room.take(p.owner, -1, -p.bytes)
}

// fits reports whether there is room for bytes of whoever has so many already; m.mu is held.
func (m *room) fits(bytes, own int64) bool {
	return m.bytes+bytes <= m.mostBytes && (own == 0 || own+bytes <= keyShare*(m.mostBytes-m.bytes))
}

// take counts what an API key takes or gives back; m.mu is held.
func (m *room) take(owner string, count int, bytes int64) {
	m.count, m.bytes = m.count+count, m.bytes+bytes
	own := m.owned[owner]
	if own = (held{own.count + count, own.bytes + bytes}); own == (held{}) {
		delete(m.owned, owner)
		return
	}
	m.owned[owner] = own
}

func (m *room) refusal(own held) error {
	return fault(schemas.Overloaded, fmt.Sprintf("%d requests are being worked on, %d of them yours", m.count, own.count))
}

func (m *room) used() (count int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count, m.bytes
}

// How many bytes are taken for each of a body: while a write is worked on, as
// sent, decoded and signed; while an answer is written, as read, cut and encoded.
const (
	weight       = 3
	answerWeight = 6
)

// Bounds of reading a body.
const (
	firstBytes = 32 << 10 // room for a body whose length nobody knows yet
	mostWaste  = 64 << 20 // of a body that is too large, read so that its sender hears why
)

// readBody reads a body of at most limit bytes. Only what has arrived takes room,
// so that a client that announces much and sends slowly keeps nobody out.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, in *place) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, refuseBody(w, r, limit)
	}
	size := min(firstBytes, limit+1)
	if r.ContentLength >= 0 {
		size = min(firstBytes, r.ContentLength+1)
	}
	if err := in.grow(size); err != nil {
		waste(w, r)
		return nil, err
	}
	out := make([]byte, 0, size)
	for {
		n, err := r.Body.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > limit:
			return nil, refuseBody(w, r, limit)
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, fault(schemas.BadJSON, "the body could not be read to its end")
		case len(out) < cap(out):
			continue
		}
		more := min(int64(cap(out)), limit+1-int64(cap(out)))
		if err := in.grow(more); err != nil {
			waste(w, r)
			return nil, err
		}
		out = append(make([]byte, 0, int64(cap(out))+more), out...)
	}
}

// waste throws away what is left of a body, within bounds: most clients send all of it
// before they read an answer.
func waste(w http.ResponseWriter, r *http.Request) {
	if _, err := io.CopyN(io.Discard, r.Body, mostWaste); err != io.EOF {
		w.Header().Set("Connection", "close")
	}
}

// refuseBody tells that a body is too large.
func refuseBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	waste(w, r)
	return fault(schemas.TooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
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
