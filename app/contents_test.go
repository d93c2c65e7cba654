package app_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// known is how much of each lot is known to be somewhere: loose, or in a container.
func (c *chain) known(t rapid.TB) map[lot]*big.Rat {
	t.Helper()
	sum := map[lot]*big.Rat{}
	add := func(k lot, amount string, known bool) {
		if n, ok := new(big.Rat).SetString(amount); ok && known {
			if sum[k] == nil {
				sum[k] = new(big.Rat)
			}
			sum[k].Add(sum[k], n)
		}
	}
	for _, name := range goods {
		balances, err := c.view().Balances(full(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range balances {
			add(lot{name, b.UOM}, b.Quantity, b.Known)
		}
		packed, _, err := c.view().Packed(full(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packed {
			add(lot{name, p.UOM}, p.Quantity, p.Known)
		}
	}
	return sum
}

// TestUnpackingCreatesNothing: whatever happened before, and whoever unpacks, empties
// and hands over containers whatever they hold, there is never more of a lot than
// before; nor less, but where an amount cannot be told any more.
func TestUnpackingCreatesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		play := func(txs []string) {
			var raw [][]byte
			for _, line := range txs {
				raw = append(raw, s.sign(s.transaction(line, s.time.Add(time.Minute))))
			}
			s.block(raw...)
		}
		h := aHistory(rt)
		for i, block := range h.blocks {
			s.time = s.time.Add(h.pauses[i])
			play(block)
		}
		for i := range rapid.IntRange(1, 10).Draw(rt, "steps") {
			before := s.known(rt)
			who := rapid.SampledFrom(people).Draw(rt, "who")
			box := rapid.SampledFrom(things).Draw(rt, "box")
			event := rapid.SampledFrom([]string{
				"agg del parent=" + box,
				"agg del parent=" + box + " qty=" + rapid.SampledFrom([]string{"lot1", "lot1:1", "lot2:0.5", "lot1:2,lot1:100", "lot2:1000,lot1:1:KGM"}).Draw(rt, "amount"),
				"agg del parent=" + box + " epc=a,b qty=lot1:2",
				"obj del epc=" + box,
				"xform epc=" + box + " out=b",
				"obj obs epc=" + box + " step=shipping to=" + rapid.SampledFrom(people).Draw(rt, "to"),
				"obj obs epc=" + box + " step=receiving",
				"agg add parent=" + box + " qty=lot1:1", // what is packed is there already, or is seen now
			}).Draw(rt, "event")
			packs := strings.HasPrefix(event, "agg add")
			play([]string{fmt.Sprintf("%s: %s id=step%d", who, event, i)})
			unknown := false
			for _, r := range s.last.Receipts {
				for _, e := range r.Events {
					for _, f := range e.Flags {
						unknown = unknown || f == schemas.UnknownQuantity
					}
				}
			}
			after := s.known(rt)
			for k, n := range after {
				was := before[k]
				if was == nil {
					was = new(big.Rat)
				}
				if c := n.Cmp(was); c > 0 && !(packs && unknown) || c < 0 && !unknown {
					rt.Fatalf("%s: %s: of %v there were %s, there are %s", who, event, k, was.FloatString(1), n.FloatString(1))
				}
			}
			for k, was := range before {
				if after[k] == nil && was.Sign() > 0 && !unknown {
					rt.Fatalf("%s: %s: of %v there were %s, and none are left", who, event, k, was.FloatString(1))
				}
			}
		}
		s.checkAll()
	})
}
