package store

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxAhead is how many read at once: what is read is decompressed by as many.
const maxAhead = 4

// Ahead calls read for each number below n, several at once, until all are done or
// one says that it is no use to go on, or breaks down, and returns behind the last. It
// is for what fills caches and changes no answer: whoever reads in turn meets again
// what went wrong.
func Ahead(n int, read func(i int) (more bool)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if more := func() bool {
				defer func() { _ = recover() }()
				return read(i)
			}(); !more {
				next.Store(int64(n))
			}
		}
	}
	var wg sync.WaitGroup
	for range min(n, maxAhead, runtime.GOMAXPROCS(0)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
