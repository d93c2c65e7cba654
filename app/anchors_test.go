package app_test

import (
	"context"
	"testing"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// TestAnchorProofs: what is proven from rows and remembered tiles holds under the
// root of all entries, whatever the size and in whatever order it is asked for;
// also with the anchor that the accumulator does not hold yet.
func TestAnchorProofs(t *testing.T) {
	const blocks = 530 // two tiles and a part
	c := newChain(t, store.Options{})
	for range blocks {
		c.submit("farm", false, c.event("obj obs epc=a"))
		c.block()
	}
	v := c.view()
	list, err := v.Anchors(0, blocks)
	if err != nil || len(list) != blocks-1 {
		t.Fatalf("%d anchors: %v", len(list), err)
	}
	pending, err := v.PendingAnchor()
	if err != nil || pending == nil {
		t.Fatalf("no anchor waits: %v", err)
	}
	if changed, err := v.LastChanged(); err != nil || changed != pending.Height-1 {
		t.Errorf("the last change is at %d, its header at %d: %v", changed, pending.Height, err)
	}
	list = append(list, *pending)
	entries := make([][32]byte, len(list))
	for i, a := range list {
		entries[i] = schemas.AnchorEntry(a.Height, a.Block)
	}
	log, err := v.AnchorLog()
	if err != nil || log.Check(proof.Head{Root: proof.RootOf(entries[:blocks-1]), Count: blocks - 1}) != nil {
		t.Errorf("the accumulator's log is of %d: %v", log.Count, err)
	}
	for _, asked := range [][]uint64{{blocks, 513, 512, 300, 257, 256, 255, 2, 1}, {1, 2, 257, 512, blocks - 1, blocks}} {
		keeper := app.NewAnchors(c.app)
		for _, size := range asked {
			var last *app.Anchor
			if size == blocks {
				last = pending
			}
			head := proof.Head{Root: proof.RootOf(entries[:size]), Count: size}
			for _, index := range []uint64{0, 1, 255, 256, 511, 512, size - 1} {
				if index >= size {
					continue
				}
				a, path, err := keeper.Inclusion(context.Background(), index, size, last)
				if err != nil || a.Height != list[index].Height || proof.VerifyInclusion(head, index, entries[index], path) != nil {
					t.Errorf("anchor %d of %d: %+v, %v", index, size, a, err)
				}
				old := proof.Head{Root: proof.RootOf(entries[:index+1]), Count: index + 1}
				growth, err := keeper.Consistency(context.Background(), index+1, size, last)
				if err != nil || proof.VerifyConsistency(old, head, growth) != nil {
					t.Errorf("growth from %d to %d: %v", index+1, size, err)
				}
			}
		}
		if _, _, err := keeper.Inclusion(context.Background(), 0, blocks+5, nil); err == nil {
			t.Error("a log that is not there is proven")
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := app.NewAnchors(c.app).Consistency(ended, 1, blocks, pending); err == nil {
		t.Error("work goes on for somebody who is gone")
	}
}
