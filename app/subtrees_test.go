package app_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// TestPartOfALongTrail: any part of a trail is proven, of whatever begin of the trail,
// by few records however long it is; where a ledger lacks the rows of its subtrees, by
// more.
func TestPartOfALongTrail(t *testing.T) {
	const count = 11 * 100
	c := newChain(t, store.Options{})
	for i := range count / 100 {
		var events []*schemas.Event
		for n := range 100 {
			events = append(events, c.event(fmt.Sprintf("obj obs epc=a step=storing note=%d", 100*i+n)))
		}
		c.submit("farm", false, events...)
	}
	keys := []schemas.TrailKey{{Kind: schemas.PartnerTrail, Subject: "farm"}, {Kind: schemas.ObservationTrail, Subject: full("a")}, {Kind: schemas.CustodyTrail, Subject: full("a")}}
	keys = slices.DeleteFunc(keys, func(key schemas.TrailKey) bool {
		head, err := c.view().TrailHead(key)
		return err != nil || head.Count < count-1
	})
	if len(keys) != 2 {
		t.Fatalf("%d long trails", len(keys))
	}
	prove := func(most int) {
		t.Helper()
		v := c.view()
		for _, key := range keys {
			list, err := v.TrailEntries(key)
			if err != nil {
				t.Fatal(err)
			}
			entries := make([][32]byte, len(list))
			for i := range list {
				entries[i] = list[i].Hash
			}
			for _, size := range []int{len(entries), 1024, 1023, 513, 512, 256, 255} {
				head := proof.Head{Root: proof.RootOf(entries[:size]), Count: uint64(size)}
				for _, first := range []int{0, 1, 255, 256, 257, 511, 512, 700, size - 1} {
					for _, n := range []int{1, 2, 255, 256, 257, size - first} {
						if first < 0 || n < 1 || first+n > size {
							continue
						}
						beside, read, err := v.TestingOnlyBeside(key, uint64(size), uint64(first), uint64(first+n))
						if err != nil {
							t.Fatalf("%d from %d of %d: %v", n, first, size, err)
						}
						if err := proof.VerifyRange(head, uint64(first), entries[first:first+n], beside); err != nil || read > most {
							t.Fatalf("%d from %d of %d, %d read: %v", n, first, size, read, err)
						}
					}
				}
			}
		}
	}
	prove(3 * 255)
	b, view, err := c.app.Bundle(t.Context(), schemas.BundleQuery{ID: "farm", Of: schemas.BundleOfPartner, First: 777, Count: 5})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.sealed(b, view); err != nil || len(r.Events) != 5 {
		t.Errorf("a part of a partner's trail: %v", err)
	}

	lacking := c.store.Begin(c.height + 1)
	for _, key := range keys {
		row := app.TestingOnlySubtreeRow(key, 512)
		if value, err := lacking.Row(row); err != nil || len(value) != 64 {
			t.Errorf("the subtrees that end at record 512 have %d bytes: %v", len(value), err)
		}
		for n := uint64(256); n <= 768; n += 256 {
			lacking.DeleteRow(app.TestingOnlySubtreeRow(key, n))
		}
	}
	if err := lacking.Commit(); err != nil {
		t.Fatal(err)
	}
	prove(count)
}

// BenchmarkPartOfALongTrail makes bundles of a hundred records of a partner that has
// recorded more than 300,000.
func BenchmarkPartOfALongTrail(b *testing.B) {
	const transactions, each = 302, 1000
	c := newChain(b, store.Options{})
	for i := range transactions {
		var events []*schemas.Event
		for n := range each {
			events = append(events, c.event(fmt.Sprintf("obj obs epc=b%d step=storing note=%d", n, i)))
		}
		c.submit("farm", false, events...)
	}
	first := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		first = (first + 77_777) % (transactions*each - 100)
		part, view, err := c.app.Bundle(b.Context(), schemas.BundleQuery{ID: "farm", Of: schemas.BundleOfPartner, First: first, Count: 100})
		if err != nil {
			b.Fatal(err)
		}
		if r, err := c.sealed(part, view); err != nil || len(r.Events) != 100 {
			b.Fatal(err)
		}
	}
}
