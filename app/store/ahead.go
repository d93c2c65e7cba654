package store

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxAhead is how many read at once: what is read is decompressed by as many.
const maxAhead = 4

// Ahead calls read for each number below n, several at once, and returns when all
// are done. It is for what fills caches and changes no answer: a read that breaks
// down is met again by whoever reads in turn, so that here it is passed over.
func Ahead(n int, read func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			func() {
				defer func() { _ = recover() }()
				read(i)
			}()
		}
	}
	var wg sync.WaitGroup
	for range min(n, maxAhead, runtime.GOMAXPROCS(0)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
