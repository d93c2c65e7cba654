package app

import (
	"crypto/sha256"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/waybill-ledger/waybill/schemas"
)

// ErrPoolFull says that too much waits for a block: the same may be offered again.
var ErrPoolFull = errors.New("too many transactions wait for a block")

// A pool holds the transactions that wait for a block: those that the node's own
// users handed in, of source "", and those that peers sent.
//
// A block is filled fairly (start-time fair queueing): a transaction is tagged, when it
// comes, with the clock, or with where its source's last one ended, whichever is later;
// the least tag goes first, and the clock is the greatest tag that was committed. So a
// source that hands in much waits behind its own, and each source's order stays.
//
// The node's own may take half of the pool and are never pushed out. Of the others, whoever
// holds most loses its newest when one that holds less needs the room.
type pool struct {
	most  int // cost of all
	least int // cost of one at least, so that their number is bounded, too

	mu      sync.Mutex // guards what follows
	height  int64      // last committed
	byKey   map[[sha256.Size]byte]*waiting
	byID    map[schemas.Hash]*waiting
	sources []*source
	cost    int
	bytes   int
	clock   int
	drawn   uint64 // the newest's number
}

// source is who hands in transactions, and what of its waits, oldest first.
type source struct {
	name  string
	queue []*waiting
	cost  int
	bytes int
	end   int // of its last one, by the clock
}

// waiting is a transaction that waits.
type waiting struct {
	Waiting
	from   *source
	key    [sha256.Size]byte
	id     schemas.Hash
	header *schemas.Header
	tag    int
	number uint64 // in the order of coming
	gone   bool
}

// Waiting is a transaction that waits for a block.
type Waiting struct {
	From string // who handed it in: the peer's id, or "" for the node's own
	Raw  []byte
}

func newPool(bytes, count int) *pool {
	return &pool{most: bytes, least: max(1, bytes/count), byKey: map[[sha256.Size]byte]*waiting{}, byID: map[schemas.Hash]*waiting{}}
}

func (p *pool) costOf(size int) int { return max(size, p.least) }

// find returns a source, nil if nothing of its waits.
func (p *pool) find(name string) *source {
	if i := slices.IndexFunc(p.sources, func(s *source) bool { return s.name == name }); i >= 0 {
		return p.sources[i]
	}
	return nil
}

// costliest is the source, besides the node itself, that holds most.
func (p *pool) costliest() (most *source) {
	for _, s := range p.sources {
		if s.name != "" && (most == nil || s.cost > most.cost) {
			most = s
		}
	}
	return most
}

// victim is whose newest makes room for another of a source that holds so much;
// nil, there is room. ok is false if there is none to be made.
func (p *pool) victim(name string, held, cost int) (v *source, ok bool) {
	if name == "" && held+cost > p.most/2 {
		return nil, false
	}
	if p.cost+cost <= p.most {
		return nil, true
	}
	v = p.costliest()
	return v, v != nil && (name == "" || v.cost > held+cost)
}

// takes tells, before anything is decoded, whether a transaction waits already, and
// whether there would be room.
func (p *pool) takes(name string, key [sha256.Size]byte, size int) (known, room bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byKey[key] != nil {
		return true, true
	}
	held := 0
	if s := p.find(name); s != nil {
		held = s.cost
	}
	_, room = p.victim(name, held, p.costOf(size))
	return false, room
}

// add puts in a transaction that was admissible after a height. It answers false
// if a block was committed since: what admits it must be asked again.
func (p *pool) add(w *waiting, height int64) (current bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if height < p.height {
		return false, nil
	}
	if p.byID[w.id] != nil {
		return true, nil
	}
	s := p.find(w.From)
	if s == nil {
		s = &source{name: w.From}
	}
	cost := p.costOf(len(w.Raw))
	for {
		v, ok := p.victim(s.name, s.cost, cost)
		if !ok {
			return true, ErrPoolFull
		}
		if v == nil {
			break
		}
		newest := v.queue[len(v.queue)-1]
		v.end = newest.tag
		p.remove(newest)
		p.sweep(v)
	}
	if len(s.queue) == 0 {
		p.sources = append(p.sources, s)
	}
	p.drawn++
	w.from, w.tag, w.number = s, max(p.clock, s.end), p.drawn
	s.end = w.tag + cost
	s.queue = append(s.queue, w)
	s.cost, s.bytes = s.cost+cost, s.bytes+len(w.Raw)
	p.cost, p.bytes = p.cost+cost, p.bytes+len(w.Raw)
	p.byKey[w.key], p.byID[w.id] = w, w
	return true, nil
}

// remove takes a transaction out of everything but its source's queue.
func (p *pool) remove(w *waiting) {
	cost := p.costOf(len(w.Raw))
	w.gone = true
	w.from.cost, w.from.bytes = w.from.cost-cost, w.from.bytes-len(w.Raw)
	p.cost, p.bytes = p.cost-cost, p.bytes-len(w.Raw)
	delete(p.byKey, w.key)
	delete(p.byID, w.id)
}

// sweep takes what is gone out of a source's queue, and the source, if nothing of
// its waits any more.
func (p *pool) sweep(s *source) {
	s.queue = slices.DeleteFunc(s.queue, func(w *waiting) bool { return w.gone })
	if len(s.queue) == 0 {
		p.sources = slices.DeleteFunc(p.sources, func(other *source) bool { return other == s })
	}
}

// drop takes out a transaction that no block may hold.
func (p *pool) drop(raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.byKey[sha256.Sum256(raw)]; w != nil {
		p.remove(w)
		p.sweep(w.from)
	}
}

// committed takes out what a block held, and what no later one may hold by its
// header.
func (p *pool) committed(height int64, held []schemas.Hash, stays func(*schemas.Header) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.height = height
	for _, id := range held {
		if w := p.byID[id]; w != nil {
			p.clock = max(p.clock, w.tag)
			p.remove(w)
		}
	}
	for _, s := range slices.Clone(p.sources) {
		for _, w := range s.queue {
			if !w.gone && !stays(w.header) {
				p.remove(w)
			}
		}
		p.sweep(s)
	}
}

// merged are all that wait, in an order that each source's queue has already.
func (p *pool) merged(before func(a, b *waiting) bool) iter.Seq[*waiting] {
	return func(yield func(*waiting) bool) {
		rest := make([][]*waiting, len(p.sources))
		for i, s := range p.sources {
			rest[i] = s.queue
		}
		for {
			first := -1
			for i, q := range rest {
				if len(q) > 0 && (first < 0 || before(q[0], rest[first][0])) {
					first = i
				}
			}
			if first < 0 || !yield(rest[first][0]) {
				return
			}
			rest[first] = rest[first][1:]
		}
	}
}

// next lists what goes into a block of so many bytes, and some that might in its
// stead.
func (p *pool) next(size int64) (out [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.merged(func(a, b *waiting) bool { return a.tag < b.tag || a.tag == b.tag && a.number < b.number }) {
		if size -= int64(len(w.Raw)); size < -schemas.MaxTransaction {
			break
		}
		out = append(out, w.Raw)
	}
	return out
}

// Offer puts a transaction into the pool from where it gets into a block. One that
// waits there already is welcome. From is the peer that sent it, "" for the node's
// own users. It keeps raw. The error is a *schemas.Fault, which refuses these bytes; or
// ErrPoolFull; or one of the disk. Offers run beside each other and beside blocks.
func (a *App) Offer(from string, raw []byte) error {
	key := sha256.Sum256(raw)
	known, room := a.pool.takes(from, key, len(raw))
	switch {
	case known:
		return nil
	case !room:
		return ErrPoolFull
	}
	for {
		state, height := a.before()
		tx, err := a.admission(state, height+1).admitKeyed(key, raw)
		if err != nil {
			return err
		}
		w := &waiting{Waiting: Waiting{From: from, Raw: raw}, key: key, id: tx.ID, header: tx.Header}
		if current, err := a.pool.add(w, height); err != nil {
			return err
		} else if current {
			a.onOffer()
			return nil
		}
	}
}

// Crowd tells how many bytes of peers go into blocks before what the node itself hands
// in next, where so many bytes of its own wait: of no peer more than its share.
func (a *App) Crowd(own int) (bytes int) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	for _, s := range a.pool.sources {
		if s.name != "" {
			bytes += min(s.bytes, own)
		}
	}
	return bytes
}

// ProposeAtMost bounds the transactions of the blocks that this node proposes, in bytes.
// A single one that is larger has a block of its own. 0 leaves it to the engine.
func (a *App) ProposeAtMost(bytes int64) { a.mostProposed.Store(bytes) }

// Pending tells how many transactions wait for a block, and their bytes.
func (a *App) Pending() (count, bytes int) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	return len(a.pool.byID), a.pool.bytes
}

// Older lists those of the transactions that wait, oldest first and of so many
// bytes at most, that have the given number or a lower one, and the number of the
// newest that waits, to be given next time.
func (a *App) Older(number uint64, size int) (out []Waiting, newest uint64) {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.merged(func(a, b *waiting) bool { return a.number < b.number }) {
		if size -= len(w.Raw); w.number > number || size < 0 {
			break
		}
		out = append(out, w.Waiting)
	}
	return out, p.drawn
}

// settle takes out of the pool what a committed block leaves nothing to wait for.
func (a *App) settle(done *executed) {
	state, height := a.before()
	ad := a.admission(state, height+1)
	a.pool.committed(height, done.admitted, func(h *schemas.Header) bool {
		if int64(h.Expiry) <= height {
			return false
		}
		_, err := ad.signer(h)
		_, refused := faultCode(err)
		return err == nil || !refused // a fault of the disk decides nothing
	})
}
