package app_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestSubtreesComeAgain: the rows of subtrees are the same where a ledger is computed again
// from its archive, and, from the snapshot on, at a node that began with one: it knows the
// roots of subtrees that began before. What it lacks, it says.
func TestSubtreesComeAgain(t *testing.T) {
	c := newChain(t, store.Options{Dir: t.TempDir()})
	c.keepSnapshots(t.TempDir())
	c.init()
	var joined *chain
	for i := range 11 {
		var events []*schemas.Event
		for n := range 100 {
			events = append(events, c.event(fmt.Sprintf("obj obs epc=a step=storing note=%d", 100*i+n)))
		}
		raw := c.sign(c.draft("farm", false, events...))
		c.block(raw)
		if joined != nil {
			joined.time = c.time
			if joined.replay([][]byte{raw}); !bytes.Equal(joined.hash, c.hash) {
				t.Fatalf("they part at height %d", c.height)
			}
		}
		if i == 5 {
			joined = joining(t, store.Options{})
			joined.restored(c, c.take())
		}
	}
	rows := c.rows("A")
	if len(rows) != 8 { // two trails of 1,100 records
		t.Fatalf("there are %d rows of subtrees", len(rows))
	}
	later := maps.Clone(rows)
	maps.DeleteFunc(later, func(key, _ string) bool { return binary.BigEndian.Uint64([]byte(key[len(key)-8:])) < 600 })
	if d := cmp.Diff(later, joined.rows("A")); len(later) != 4 || d != "" {
		t.Errorf("at a node that joined rows of subtrees differ (-, +): %s", d)
	}
	again, _, err := replay(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for d, err := range store.Differences(c.store, again) {
		t.Fatalf("computed again: %c %q: %x, %x, %v", d.Space, d.Key, d.Have, d.Want, err)
	}
	b, view, err := joined.app.Bundle(t.Context(), schemas.BundleQuery{ID: "farm", Of: schemas.BundleOfPartner, First: 1030, Count: 5})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := joined.sealed(b, view); err != nil || len(r.Events) != 5 {
		t.Errorf("a part from behind the snapshot: %v", err)
	}
	var lacks *schemas.Fault
	if _, _, err := joined.app.Bundle(t.Context(), schemas.BundleQuery{ID: "farm", Of: schemas.BundleOfPartner, First: 300, Count: 5}); !errors.As(err, &lacks) || lacks.Code != schemas.HistoryMissing {
		t.Errorf("a part from before the snapshot: %v", err)
	}
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
