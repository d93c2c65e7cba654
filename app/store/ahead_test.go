package store_test

import (
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// Each is read once, also behind one that breaks down.
func TestAhead(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		reads := make([]atomic.Int32, n)
		store.Ahead(n, func(i int) {
			if reads[i].Add(1); i%3 == 0 {
				panic("broken")
			}
		})
		for i := range reads {
			if got := reads[i].Load(); got != 1 {
				t.Errorf("of %d, %d was read %d times", n, i, got)
			}
		}
	}
}
