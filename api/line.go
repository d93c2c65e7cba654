package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// line is the way of transactions to the ledger. While the ledger takes them,
// each goes at once. When it does not, they queue, the first is tried again and
// again, and the rest follow in the order in which they came: a ledger that comes
// back is not met by everybody at once, and what was sent first is applied first.
type line struct {
	ledger   Ledger
	retry    time.Duration
	maxRetry time.Duration
	ring     chan struct{} // something waits

	mu    sync.Mutex // guards queue
	queue []*parcel
}

// parcel is a transaction on its way.
type parcel struct {
	load func() ([]byte, error)
	done chan error
}

func newLine(l Ledger, retry, maxRetry time.Duration) *line {
	return &line{ledger: l, retry: retry, maxRetry: maxRetry, ring: make(chan struct{}, 1)}
}

// send gives a transaction to the ledger, and tells that the ledger took it (nil)
// or refused it (a *schemas.Fault). When it must wait it answers its place in the
// line instead. It sets sent as soon as the bytes may have left this node.
func (l *line) send(ctx context.Context, load func() ([]byte, error), sent *bool) (*parcel, error) {
	if l.waiting() == 0 {
		err := l.try(ctx, load)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		*sent = true // it may have left before the node broke down
	}
	return l.enqueue(load), nil
}

// enqueue takes the next place in the line.
func (l *line) enqueue(load func() ([]byte, error)) *parcel {
	p := &parcel{load: load, done: make(chan error, 1)}
	l.mu.Lock()
	l.queue = append(l.queue, p)
	l.mu.Unlock()
	select {
	case l.ring <- struct{}{}:
	default:
	}
	return p
}

// await returns when the ledger took the parcel or refused it, or when the
// context ends (errStopped).
func (l *line) await(ctx context.Context, p *parcel) error {
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return errStopped
	}
}

// try gives a transaction to the ledger once. The error is a *schemas.Fault, or
// wraps ErrUnavailable, or is errStopped, or one of reading the transaction.
func (l *line) try(ctx context.Context, load func() ([]byte, error)) error {
	raw, err := load()
	if err != nil {
		return err
	}
	err = l.ledger.Broadcast(ctx, raw)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errStopped
	case transient(err) && !errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// probes is how many of those that wait are tried in one round: a transaction that
// by itself cannot be taken must not stop the others.
const probes = 4

// run sends what waits, until the context ends.
func (l *line) run(ctx context.Context) {
	wait, at := l.retry, 0
	for {
		p, more := l.at(at)
		switch {
		case p == nil && !more:
			at = 0
			select {
			case <-l.ring:
				continue
			case <-ctx.Done():
				return
			}
		case p == nil || at == probes: // none of this round was taken
			if !pause(ctx, wait) {
				return
			}
			wait, at = min(2*wait, l.maxRetry), 0
			continue
		}
		err := l.try(ctx, p.load)
		if errors.Is(err, ErrUnavailable) {
			at++
			continue
		}
		if ctx.Err() != nil {
			return
		}
		wait = l.retry
		l.remove(at)
		p.done <- err
	}
}

// at returns the i-th that waits, nil where there is none, and whether any does.
func (l *line) at(i int) (p *parcel, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i < len(l.queue) {
		p = l.queue[i]
	}
	return p, len(l.queue) > 0
}

func (l *line) remove(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.Delete(l.queue, i, i+1)
}

// waiting tells how many transactions wait.
func (l *line) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}
