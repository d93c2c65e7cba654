package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Between two collections the heap grows by heapRoom, or by leastGrowth percent of
// what is live, whichever is more: a node whose heap is small would else collect
// several times a second under load, which took a sixth of its processor time, and
// one whose heap is large takes no more memory for it.
const (
	heapRoom    = 96 << 20
	leastGrowth = 50 // percent
	mostGrowth  = 400
)

// growth is by how many percent the heap may grow over what is live, in bytes.
func growth(live uint64) int {
	return int(min(mostGrowth, max(leastGrowth, heapRoom*100/max(live, 1))))
}

// paceCollector sets the collector's percentage again after each collection, by what
// was found to be live.
func paceCollector() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	var again func(int)
	again = func(int) {
		metrics.Read(live)
		// To set it stops all goroutines for a moment: not for little.
		if want := growth(live[0].Value.Uint64()); want*10 > set*11 || want*11 < set*10 {
			debug.SetGCPercent(want)
			set = want
		}
		runtime.AddCleanup(new([16]byte), again, 0) // the next collection finds it gone
	}
	again(0)
}
