package store_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// The leaves in which two stores differ are found, those and no others, whatever
// the order of their making.
func TestDiffTrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 400).Draw(t, "keys")
		changed := map[int]int{} // key to what happened: 1 other value, 2 gone, 3 added
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			changed[rapid.IntRange(0, 450).Draw(t, "key")] = rapid.IntRange(1, 2).Draw(t, "change")
		}
		stores := [2]*store.Store{}
		for side := range stores {
			s, err := store.NewMemory().Open(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			stores[side] = s
			b := s.Begin(1)
			for k := range 451 {
				what := 0
				if side == 1 {
					what = changed[k]
				}
				switch {
				case what == 1:
					b.Set(fmt.Appendf(nil, "key %d", k), []byte("other"), nil)
				case what == 0 && k < n:
					b.Set(fmt.Appendf(nil, "key %d", k), []byte("value"), nil)
				}
			}
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]bool{}
		for k, what := range changed {
			if what == 1 || k < n {
				want[fmt.Sprintf("key %d", k)] = true
			}
		}
		found, err := store.DiffTrees(stores[0], stores[1], 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range found {
			if !want[string(l.Key)] || l.KeyHash != proof.KeyHash(l.Key) {
				t.Fatalf("%q does not differ, or was found twice", l.Key)
			}
			delete(want, string(l.Key))
			if i > 0 && string(found[i-1].KeyHash[:]) >= string(l.KeyHash[:]) {
				t.Fatalf("%q is not in order", l.Key)
			}
			if string(l.Have) == string(l.Want) {
				t.Fatalf("%q: %q and %q", l.Key, l.Have, l.Want)
			}
		}
		if len(want) > 0 {
			t.Fatalf("not found: %v", want)
		}
		if first, err := store.DiffTrees(stores[0], stores[1], 1); err != nil || len(first) != min(1, len(found)) || len(first) == 1 && first[0].KeyHash != found[0].KeyHash {
			t.Fatalf("the first of %d is %v, %v", len(found), first, err)
		}
	})
}
