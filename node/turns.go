package node

import (
	"context"
	"runtime"
)

// turns bounds how much of one kind that takes a processor for a while is done at once:
// reading and signing documents, judging what peers send. Consensus takes many small
// steps, and each would else wait behind all of that, until its rounds fail for being
// slow. Each kind has its own, so that hundreds of documents keep no peer waiting.
type turns chan struct{}

func newTurns() turns { return make(turns, max(1, runtime.GOMAXPROCS(0)-1)) }

// take waits for a turn. Who has it waits for nothing but the processor, and ends it.
func (t turns) take(ctx context.Context) (end func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
