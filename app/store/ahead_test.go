package store_test

import (
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// Each is read once; behind one that is no use, or breaks down, none is begun.
func TestAhead(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		reads := make([]atomic.Int32, n)
		store.Ahead(n, func(i int) bool {
			reads[i].Add(1)
			return true
		})
		for i := range reads {
			if got := reads[i].Load(); got != 1 {
				t.Errorf("of %d, %d was read %d times", n, i, got)
			}
		}
	}
	for name, read := range map[string]func() bool{"no use": func() bool { return false }, "broken": func() bool { panic("broken") }} {
		var reads atomic.Int32
		store.Ahead(100, func(int) bool {
			reads.Add(1)
			return read()
		})
		if got := reads.Load(); got < 1 || got > 4 {
			t.Errorf("%s: %d were read", name, got)
		}
	}
}
