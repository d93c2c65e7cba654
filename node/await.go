package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
)

// waits tells who waits for a transaction, or for a height, what was committed.
// It takes one lock for a block, whatever the number of transactions.
type waits struct {
	mu       sync.Mutex // guards what follows
	height   int64
	time     time.Time // of the last block
	arrived  time.Time // when this node committed it, by its own clock
	receipts map[schemas.Hash][]*wait
	expiries map[int64]map[*wait]bool
	heights  map[int64]chan struct{} // closed when a greater height is committed
}

// wait is one caller that waits for a transaction.
type wait struct {
	id     schemas.Hash
	expiry int64
	done   chan *schemas.Receipt // of one; nil says that it expired
}

func newWaits(height int64, at time.Time) *waits {
	return &waits{height: height, arrived: at, receipts: map[schemas.Hash][]*wait{},
		expiries: map[int64]map[*wait]bool{}, heights: map[int64]chan struct{}{}}
}

// committed is called after each durable block.
func (w *waits) committed(c app.Committed, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.height, w.time, w.arrived = c.Height, c.Time, now
	for i := range c.Receipts {
		for _, waiting := range w.receipts[c.Receipts[i].Transaction] {
			waiting.done <- &c.Receipts[i]
			w.forget(waiting)
		}
		delete(w.receipts, c.Receipts[i].Transaction)
	}
	// Blocks come one by one, so only this height's can have expired.
	for waiting := range w.expiries[c.Height] {
		waiting.done <- nil
		w.drop(waiting)
	}
	for height, ch := range w.heights {
		if height < c.Height {
			close(ch)
			delete(w.heights, height)
		}
	}
}

// forget takes a wait out of the expiries; the caller holds the lock.
func (w *waits) forget(waiting *wait) {
	set := w.expiries[waiting.expiry]
	delete(set, waiting)
	if len(set) == 0 {
		delete(w.expiries, waiting.expiry)
	}
}

// drop takes a wait out of both; the caller holds the lock.
func (w *waits) drop(waiting *wait) {
	w.forget(waiting)
	list := slices.DeleteFunc(w.receipts[waiting.id], func(have *wait) bool { return have == waiting })
	if len(list) == 0 {
		delete(w.receipts, waiting.id)
		return
	}
	w.receipts[waiting.id] = list
}

// last returns the last committed height, its block's time, and when it arrived.
func (w *waits) last() (height int64, at, arrived time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.height, w.time, w.arrived
}

// waiting is how many callers wait for a transaction.
func (w *waits) waiting() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range w.receipts {
		n += len(list)
	}
	return n
}

// add begins a wait. expired says that the expiry has passed already, so that
// only what is committed can still be an answer.
func (w *waits) add(id schemas.Hash, expiry int64) (waiting *wait, expired bool) {
	waiting = &wait{id: id, expiry: expiry, done: make(chan *schemas.Receipt, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.height >= expiry {
		return nil, true
	}
	w.receipts[id] = append(w.receipts[id], waiting)
	if w.expiries[expiry] == nil {
		w.expiries[expiry] = map[*wait]bool{}
	}
	w.expiries[expiry][waiting] = true
	return waiting, false
}

func (w *waits) cancel(waiting *wait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(waiting)
}

// watch returns a channel that is closed when a height above this is committed.
func (w *waits) watch(height int64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch, ok := w.heights[height]
	if !ok {
		ch = make(chan struct{})
		if w.height > height {
			close(ch)
			return ch
		}
		w.heights[height] = ch
	}
	return ch
}

// wait blocks until the transaction's fate is known or the context ends. find
// looks for it in what is committed: it is asked after the wait began, so that
// nothing is missed between the two.
func (w *waits) wait(ctx context.Context, id schemas.Hash, expiry int64, find func() (*schemas.Receipt, error)) (*schemas.Receipt, error) {
	waiting, expired := w.add(id, expiry)
	if !expired {
		defer w.cancel(waiting)
	}
	receipt, err := find()
	switch {
	case err != nil || receipt != nil:
		return receipt, err
	case expired:
		return nil, api.ErrExpired
	}
	select {
	case receipt = <-waiting.done:
		if receipt == nil {
			return nil, api.ErrExpired
		}
		if repeats(receipt) {
			return find() // the first receipts are in the archive
		}
		return receipt, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// repeats reports whether a receipt tells of duplicates.
func repeats(r *schemas.Receipt) bool {
	return slices.ContainsFunc(r.Events, func(e schemas.EventReceipt) bool { return e.First != nil })
}
