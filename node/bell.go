package node

import (
	"cmp"
	"encoding/json"
	"sync"
	"time"

	"github.com/cometbft/cometbft/consensus/types"
	cmtlog "github.com/cometbft/cometbft/libs/log"
)

// ticker is consensus.TimeoutTicker. The engine does not export the type of its
// timeouts, which is inferred as T.
type ticker[T any] interface {
	Start() error
	Stop() error
	Chan() <-chan T
	ScheduleTimeout(T)
	SetLogger(cmtlog.Logger)
}

// timeout is what the engine's timeouts are encoded as.
type timeout struct {
	Duration time.Duration       `json:"duration"`
	Height   int64               `json:"height"`
	Round    int32               `json:"round"`
	Step     types.RoundStepType `json:"step"`
}

// after reports whether a timeout is of a later step than another.
func (t timeout) after(o timeout) bool {
	return cmp.Or(cmp.Compare(t.Height, o.Height), cmp.Compare(t.Round, o.Round), cmp.Compare(t.Step, o.Step)) > 0
}

// bell is the engine's timer, and a doorbell: an idle network waits for an interval
// to pass before it makes a block (timeout RoundStepNewRound), and rung, that
// time has passed.
type bell[T any] struct {
	ticker[T]
	due     chan T
	waiting func() bool // something waits for a block
	quit    chan struct{}
	once    sync.Once // of closing quit

	mu   sync.Mutex // guards what follows
	idle *T         // the wait for the interval, if that is what the engine does
	last timeout    // the latest that was scheduled
}

// newBell wraps the engine's timer. The buffer is far larger than the timeouts of
// one height.
func newBell[T any](t ticker[T], waiting func() bool) *bell[T] {
	return &bell[T]{ticker: t, due: make(chan T, 64), waiting: waiting, quit: make(chan struct{})}
}

// Start implements consensus.TimeoutTicker.
func (b *bell[T]) Start() error {
	go func() {
		for {
			select {
			case t := <-b.ticker.Chan():
				select {
				case b.due <- t:
				case <-b.quit:
					return
				}
			case <-b.quit:
				return
			}
		}
	}()
	return b.ticker.Start()
}

// Stop implements consensus.TimeoutTicker.
func (b *bell[T]) Stop() error {
	b.once.Do(func() { close(b.quit) })
	return b.ticker.Stop()
}

// Chan implements consensus.TimeoutTicker.
func (b *bell[T]) Chan() <-chan T { return b.due }

// ScheduleTimeout implements consensus.TimeoutTicker. The engine calls it while it
// reads no timeouts, so that it never waits.
func (b *bell[T]) ScheduleTimeout(t T) {
	d := decodeTimeout(t)
	b.mu.Lock()
	// An engine that begins anew schedules the height's first step once more after its
	// log led it to a later one: it ignores that, as its timer does.
	if d.after(b.last) {
		b.idle, b.last = nil, d
		if d.Step == types.RoundStepNewRound {
			b.idle = &t
		}
	}
	b.mu.Unlock()
	if d.Duration <= 0 && b.fire(t) {
		return // without waking a timer
	}
	b.ticker.ScheduleTimeout(t)
	// What came before this was scheduled found nothing to ring.
	if d.Step == types.RoundStepNewRound && b.waiting() {
		b.ring()
	}
}

// ring ends the wait for the interval, if the engine waits for it.
func (b *bell[T]) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle != nil && b.fire(*b.idle) {
		b.idle = nil
	}
}

// fire makes a timeout due. The engine ignores one that comes again, or late.
func (b *bell[T]) fire(t T) bool {
	select {
	case b.due <- t:
		return true
	default: // the timer will
		return false
	}
}

func decodeTimeout(t any) (d timeout) {
	b, err := json.Marshal(t)
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return timeout{Duration: 1} // it fires when the timer does
	}
	return d
}
