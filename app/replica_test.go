package app_test

import (
	"bytes"
	"fmt"
	"math/big"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

var (
	things = []string{"a", "b", "c", "P-1", "P-2"}
	people = []string{"farm", "mill", "haul", "farm", "mill"}
	goods  = []string{"lot1", "lot2"}
)

// anEvent draws an event of a small world, so that events often meet.
func anEvent(t *rapid.T) string {
	some := func(label string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(things), 1, 3, rapid.ID).Draw(t, label), ",")
	}
	one := func() string { return rapid.SampledFrom(things).Draw(t, "thing") }
	amount := func() string {
		q := rapid.SampledFrom(goods).Draw(t, "lot")
		if n := rapid.IntRange(0, 4).Draw(t, "amount"); n > 0 {
			q += fmt.Sprintf(":%d.5", n)
		}
		return q
	}
	to := func() string { return rapid.SampledFrom([]string{"farm", "mill", "haul", "@7"}).Draw(t, "to") }
	action := func() string { return rapid.SampledFrom([]string{"add", "obs", "del"}).Draw(t, "action") }
	var s string
	switch rapid.IntRange(0, 13).Draw(t, "kind") {
	case 0:
		s = "obj " + action() + " epc=" + some("epcs")
	case 1:
		s = "obj " + action() + " qty=" + amount()
	case 2:
		s = "agg add parent=" + one() + " epc=" + some("children")
	case 3:
		s = "agg add parent=" + rapid.SampledFrom([]string{one(), "@dock"}).Draw(t, "parent") + " qty=" + amount() + " epc=" + one() +
			rapid.SampledFrom([]string{"", " step=receiving", " step=shipping to=" + to()}).Draw(t, "step")
	case 4:
		s = "agg del parent=" + one()
	case 5:
		s = "agg del parent=" + one() + " epc=" + some("children") + " qty=" + amount()
	case 6:
		s = "xform epc=" + some("inputs") + " out=" + one() + " qty=" + amount() + " outqty=" + amount()
	case 7:
		s = rapid.SampledFrom([]string{"txn ", "txn ", "assoc "}).Draw(t, "link") + action() + " epc=" + some("epcs") + " qty=" + amount() +
			rapid.SampledFrom([]string{"", " parent=" + one(), " step=receiving", " step=shipping to=" + to(), " step=inspecting disp=non_conformant"}).Draw(t, "step")
		if strings.HasPrefix(s, "assoc ") && !strings.Contains(s, "parent=") {
			s += " parent=@dock"
		}
	case 8, 9:
		s = "obj obs epc=" + some("epcs") + " qty=" + amount() + " step=shipping to=" + to()
	case 10, 11:
		s = "obj " + rapid.SampledFrom([]string{"obs", "obs", "add"}).Draw(t, "receipt") + " epc=" + some("epcs") + " qty=" + amount() + " step=receiving"
	case 12:
		s = "agg obs parent=" + one() + " epc=" + some("children") + " step=" + rapid.SampledFrom([]string{"receiving", "shipping to=" + to()}).Draw(t, "step")
	case 13:
		s = "obj obs epc=" + some("epcs") + " qty=" + amount() + rapid.SampledFrom([]string{" step=void_shipping to=" + to(), " step=inspecting disp=non_conformant"}).Draw(t, "step")
	}
	s += fmt.Sprintf(" id=%d t=%s", rapid.IntRange(0, 200).Draw(t, "id"), rapid.SampledFrom([]string{"0m", "-1m", "-2m", "-3m", "-800h"}).Draw(t, "ago"))
	if rapid.IntRange(0, 20).Draw(t, "void") == 0 {
		s += " void=did_not_occur"
	}
	return s
}

// aFlow draws what honest partners do: things that are made, packed, sent on,
// received and unpacked in this order, so that events have something to meet. Any
// step may be left out, and the receipt may come first.
func aFlow(t *rapid.T) []string {
	if rapid.Bool().Draw(t, "no flow") {
		return nil
	}
	from, to := rapid.SampledFrom(people).Draw(t, "from"), rapid.SampledFrom(people).Draw(t, "to")
	thing, box := rapid.SampledFrom(things[:3]).Draw(t, "thing"), rapid.SampledFrom(things[3:]).Draw(t, "box")
	sent := rapid.SampledFrom([]string{"epc=" + box, "epc=" + thing, "qty=lot1:2", "qty=lot1:9", "qty=lot1"}).Draw(t, "sent")
	lag := rapid.SampledFrom([]string{"-1m", "-800h"}).Draw(t, "lag")
	steps := []string{
		from + ": obj add epc=" + thing + "," + box + " qty=lot1:9",
		from + ": agg add parent=" + box + rapid.SampledFrom([]string{" epc=" + thing, " epc=" + thing + " qty=lot1:3", " qty=lot1:7,lot2", " qty=lot1"}).Draw(t, "packed"),
		from + ": obj obs " + sent + " step=shipping to=" + to + " t=" + lag,
		to + ": obj " + rapid.SampledFrom([]string{"obs", "add"}).Draw(t, "receipt") + " " + sent + " step=receiving",
		to + ": " + rapid.SampledFrom([]string{"agg del parent=" + box, "agg del parent=" + box + " qty=lot1:2", "agg del parent=" + box + " qty=lot1:99",
			"agg del parent=" + box + " qty=lot1,lot2:1", "obj del epc=" + box, "xform epc=" + box + " out=" + thing}).Draw(t, "unpacked"),
		to + ": obj obs epc=" + thing + " step=shipping to=" + from,
	}
	if at := rapid.SampledFrom([]int{0, 0, 0, 2, 3}).Draw(t, "void"); at > 0 { // the offer, or the receipt, is taken back at once
		who, event, _ := strings.Cut(steps[at], ": ")
		event += fmt.Sprintf(" id=f%d", rapid.IntRange(0, 50).Draw(t, "flow"))
		steps[at] = who + ": " + event + "; " + event + " void=did_not_occur"
	}
	switch rapid.IntRange(0, 3).Draw(t, "early") {
	case 0: // received before it is shipped
		steps[2], steps[3] = steps[3], steps[2]
	case 1: // packed after it is offered
		steps[1], steps[2] = steps[2], steps[1]
	}
	first := rapid.IntRange(0, 5).Draw(t, "first step")
	last := rapid.IntRange(first, 5).Draw(t, "last step")
	return steps[first : last+1]
}

// history is a random history: blocks of transactions.
type history struct {
	blocks [][]string // PARTNER[!]: EVENT; EVENT
	pauses []time.Duration
}

func aHistory(t *rapid.T) (h history) {
	for range rapid.IntRange(3, 12).Draw(t, "blocks") {
		txs := aFlow(t)
		for range rapid.IntRange(0, 3).Draw(t, "transactions") {
			var events []string
			for range rapid.IntRange(1, 5).Draw(t, "events") {
				events = append(events, anEvent(t))
			}
			who := rapid.SampledFrom(append(people, "farm!")).Draw(t, "who")
			txs = append(txs, who+": "+strings.Join(events, "; "))
		}
		h.blocks = append(h.blocks, txs)
		h.pauses = append(h.pauses, rapid.SampledFrom([]time.Duration{0, 0, 0, time.Hour, 31 * 24 * time.Hour}).Draw(t, "pause"))
	}
	return h
}

// TestModel plays random histories on the ledger and on the model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := aHistory(rt)
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		m := newModel(s.members)
		for i, block := range h.blocks {
			s.time = s.time.Add(h.pauses[i])
			var drafts []schemas.Draft
			var txs [][]byte
			for _, line := range block {
				d := s.transaction(line, s.time.Add(time.Minute))
				drafts, txs = append(drafts, d), append(txs, s.sign(d))
			}
			s.block(txs...)
			for j, d := range drafts {
				m.compare(rt, s, d, j)
			}
			m.check(rt, s)
		}
		s.checkAll()
	})
}

// compare applies a transaction to the model and compares what became of it.
func (m *model) compare(t *rapid.T, s *script, d schemas.Draft, position int) {
	events := s.last.Receipts[position].Events
	if d.Atomic {
		for _, e := range events {
			if e.Code != schemas.OK {
				return // undone as a whole: the state says whether that is so
			}
		}
	}
	for i, e := range d.Events {
		code, effect, built := m.apply(d.Partner, &e.Skeleton, string(d.DuplicateKeys[i]), s.time)
		if got := events[i]; got.Code != code || got.Effect != effect || slices.Contains(got.Flags, schemas.BuiltUpon) != built {
			t.Fatalf("%d/%d/%d: the ledger answers %s, the model %s %s, built upon: %t: %s", s.height, position, i, answer(got), code, effect, built, e.Body)
		}
	}
}

// check compares the state with the model.
func (m *model) check(t *rapid.T, s *script) {
	v := s.view()
	m.lapse(s.time)
	for _, name := range things {
		id := full(name)
		it, err := v.Item(id)
		if err != nil {
			t.Fatal(err)
		}
		if it == nil {
			it = &schemas.ItemState{}
		}
		if it.Custodian != m.owner(id) || it.Parent != m.inside[id] {
			t.Fatalf("after %d, %s is with %q in %q; the model has %q in %q", s.height, name, it.Custodian, short(it.Parent), m.owner(id), short(m.inside[id]))
		}
		if o, open := m.offer[id]; it.Parent == "" && (open != (it.Offer != nil) || open && it.Offer.Party != o.party) {
			t.Fatalf("after %d, the offer of %s is %v; the model has %v", s.height, name, it.Offer, o)
		}
		if len(it.Receipts) != len(m.waits[id]) {
			t.Fatalf("after %d, %v wait for %s; the model has %v", s.height, it.Receipts, name, m.waits[id])
		}
		for _, r := range it.Receipts {
			if w, ok := m.waits[id][r.Party]; !ok || w.claimed.UnixNano() != r.EventTime {
				t.Fatalf("after %d, %v waits for %s; the model has %v", s.height, r, name, m.waits[id])
			}
		}
		m.checkInside(t, s, it)
	}
	for _, name := range goods {
		balances, err := v.Balances(full(name))
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]*big.Rat{}
		for _, b := range balances {
			have[b.Partner] = nil
			if b.Known {
				have[b.Partner], _ = new(big.Rat).SetString(b.Quantity)
			}
		}
		want := m.lots[lot{class: full(name)}]
		for partner, amount := range want {
			got, ok := have[partner]
			if !ok || (got == nil) != (amount == nil) || got != nil && got.Cmp(amount) != 0 {
				t.Fatalf("after %d, %s holds %v of %s; the model has %v", s.height, partner, got, name, amount)
			}
		}
		if len(have) != len(want) {
			t.Fatalf("after %d, %d partners hold %s; the model has %d", s.height, len(have), name, len(want))
		}
	}
}

// checkInside compares the lots in a container with the model.
func (m *model) checkInside(t *rapid.T, s *script, it *schemas.ItemState) {
	want := m.packed[it.ID]
	if len(it.Inside) != len(want) {
		t.Fatalf("after %d, %s holds %v; the model has %v", s.height, short(it.ID), it.Inside, want)
	}
	for _, h := range it.Inside {
		amount, ok := want[lot{h.Class, h.UOM}]
		if !ok || (amount == nil) != h.Unknown {
			t.Fatalf("after %d, %s holds %v; the model has %v", s.height, short(it.ID), h, amount)
		}
		if got, _ := new(big.Rat).SetString(h.Amount); amount != nil && got.Cmp(amount) != 0 {
			t.Fatalf("after %d, %s holds %v; the model has %v", s.height, short(it.ID), h, amount)
		}
	}
}

// TestReplicas plays random histories on several applications: one that runs
// through, one that is stopped and started, in some from disk, one that remembers
// nothing and has another number of threads, one that keeps a partner's bodies alone
// and, where it is on disk, is computed again from its archive. They agree on every hash and every
// result. A failure tells the seed of its history.
func TestReplicas(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for seed := range 24 {
		options := store.Options{}
		if seed%8 == 0 { // slow: it waits for the disk
			options.Dir = filepath.Join(t.TempDir(), "stopped")
		}
		h := rapid.Custom(aHistory).Example(seed)
		through := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		stopped, forgetful := newChain(t, options), newChain(t, store.Options{})
		own := newOwn(t, options.Dir, "mill")
		if seed%3 == 0 { // blocks run out of what they may look up
			for _, c := range []*chain{through.chain, stopped, forgetful, own} {
				c.lookups = 1 + seed%2
				c.app.TestingOnlyLookups(c.lookups)
			}
		}
		for i, block := range h.blocks {
			through.time = through.time.Add(h.pauses[i])
			var txs [][]byte
			for _, line := range block {
				txs = append(txs, through.sign(through.transaction(line, through.time.Add(time.Minute))))
			}
			want := through.block(txs...)
			if (seed+i)%3 == 0 {
				stopped.restart()
			}
			for n, c := range []*chain{stopped, forgetful, own} {
				runtime.GOMAXPROCS(1 + (seed+i+n)%4)
				forgetful.app.TestingOnlyForget()
				c.time = through.time
				got := c.finish(c.request(txs))
				if !bytes.Equal(got.AppHash, want.AppHash) {
					t.Fatalf("seed %d: the replicas part at height %d", seed, c.height)
				}
				for j := range want.TxResults {
					if !bytes.Equal(got.TxResults[j].Data, want.TxResults[j].Data) || got.TxResults[j].Code != want.TxResults[j].Code {
						t.Fatalf("seed %d: the replicas answer transaction %d of height %d differently", seed, j, c.height)
					}
				}
			}
		}
		if options.Dir != "" {
			own.mustReplay()
		}
		if err := stopped.store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
