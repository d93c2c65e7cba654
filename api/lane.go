package api

import (
	"context"
	"sync"
)

// lane lets so many do something at once; others wait. One API key has at most three
// quarters of the places, so that however much is done for it, and however slow its
// subscribers are, what is done for another does not wait for all of that.
type lane struct {
	all chan struct{} // holds one for each

	mu  sync.Mutex               // guards own
	own map[string]chan struct{} // by API key, which are few, so that none is dropped
}

func newLane(most int) *lane {
	return &lane{all: make(chan struct{}, most), own: map[string]chan struct{}{}}
}

// enter waits for a place of an API key, until the context ends.
func (l *lane) enter(ctx context.Context, key string) (leave func(), err error) {
	l.mu.Lock()
	own := l.own[key]
	if own == nil {
		own = make(chan struct{}, (keyShare*cap(l.all)+keyShare)/(keyShare+1))
		l.own[key] = own
	}
	l.mu.Unlock()
	select {
	case own <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case l.all <- struct{}{}:
		return func() { <-l.all; <-own }, nil
	case <-ctx.Done():
		<-own
		return nil, ctx.Err()
	}
}
