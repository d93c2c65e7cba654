package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// propose is what the application offers of a pool.
func (c *chain) propose(pool [][]byte) [][]byte {
	c.t.Helper()
	res, err := c.app.PrepareProposal(context.Background(), &abci.RequestPrepareProposal{Height: c.height + 1, Time: c.time, Txs: pool, MaxTxBytes: 4 << 20})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.Txs
}

// stack packs a thing into containers that are depth deep.
func stack(thing string, depth int) string {
	var events []string
	for i := range depth {
		events = append(events, fmt.Sprintf("agg add parent=P-%s%d epc=%s", thing, i, thing))
		thing = fmt.Sprintf("P-%s%d", thing, i)
	}
	return strings.ReplaceAll(strings.Join(events, "; "), "P-P-", "P-")
}

// TestLookups: what a block cannot look up it refuses, message by message, and the
// state is as if the message had not come.
func TestLookups(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
	play := func(lines ...string) (answers []string) {
		t.Helper()
		var txs [][]byte
		for _, line := range lines {
			txs = append(txs, s.sign(s.transaction(line, s.time.Add(time.Minute))))
		}
		s.block(txs...)
		for _, r := range s.last.Receipts {
			for _, e := range r.Events {
				answers = append(answers, answer(e))
			}
		}
		return answers
	}
	for _, thing := range []string{"a", "b", "c"} {
		play("farm: " + stack(thing, 4))
	}
	play("farm: agg add parent=P-x qty=lot1:1,lot2:2,lot3:3; agg add parent=P-y qty=lot4:1")
	s.app.TestingOnlyLookups(8)
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"each container is counted once", []string{"farm: obj obs epc=a disp=active; obj obs epc=a,b disp=in_transit; obj obs epc=b,a disp=active id=1"}, "applied applied applied"},
		{"one message too many", []string{"farm: obj obs epc=a disp=damaged; obj obs epc=b,c disp=damaged; obj obs epc=b disp=damaged; obj add epc=new id=2"}, "observation refused too_far_inside observation applied"},
		{"what was spent is spent", []string{"farm: obj obs epc=c,b disp=expired; obj obs epc=a disp=expired id=3"}, "observation refused too_far_inside"},
		{"atomic", []string{"farm!: obj add epc=other; obj obs epc=a,b,c disp=in_transit id=4"}, "refused undone refused too_far_inside"},
		{"lots are counted", []string{"farm: agg del parent=P-x id=5; agg del parent=P-y id=6; obj obs epc=a disp=recalled id=7; obj obs epc=b disp=recalled id=8"}, "applied applied observation refused too_far_inside"},
		{"the next block begins anew", []string{"farm: obj obs epc=b disp=recalled id=8"}, "observation"},
	} {
		got := play(test.lines...)
		for i := range got {
			got[i] = strings.Fields(strings.Replace(got[i], "refused ", "refused_", 1))[0]
		}
		// A disposition that changes is in the custody trail, the effect an observation's.
		want := strings.ReplaceAll(strings.ReplaceAll(test.want, "refused ", "refused_"), "applied applied applied", "observation observation observation")
		if strings.Join(got, " ") != want {
			t.Errorf("%s: answered %q, not %q", test.name, strings.Join(got, " "), want)
		}
	}
	for id, disposition := range map[string]string{"a": "recalled", "b": "recalled", "c": "expired"} {
		if it, err := s.view().Item(full(id)); err != nil || it.Disposition != disposition {
			t.Errorf("%s is %v, %v", id, it, err)
		}
	}
	if it, err := s.view().Item(full("other")); it != nil || err != nil {
		t.Errorf("an undone item is there: %v, %v", it, err)
	}
	s.checkAll()
}

// TestProposalsAfford: whatever waits, a proposer's blocks look up no more than a block
// affords, and everything comes into some block. What no block affords comes alone.
func TestProposalsAfford(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		most := rapid.IntRange(1, 12).Draw(rt, "lookups")
		s.app.TestingOnlyLookups(most)
		h := aHistory(rt)
		var pool [][]byte
		for i, block := range h.blocks {
			s.time = s.time.Add(h.pauses[i])
			for _, line := range block {
				pool = append(pool, s.sign(s.transaction(line, s.time.Add(time.Minute))))
			}
			if rapid.Bool().Draw(rt, "wait") {
				continue
			}
			for len(pool) > 0 {
				txs := s.propose(pool)
				if len(txs) == 0 {
					rt.Fatalf("nothing of %d is offered", len(pool))
				}
				pool = pool[len(txs):] // all can be admitted, so they come in order
				s.block(txs...)
				for _, r := range s.last.Receipts {
					for _, e := range r.Events {
						if e.Code == schemas.TooFarInside && len(txs) > 1 {
							rt.Fatalf("block %d of %d transactions looks up more than %d", s.height, len(txs), most)
						}
					}
				}
			}
		}
		s.checkAll()
	})
}

// BenchmarkDeep times a block that names things, each at the bottom of a stack of
// sixteen of its own, with the bound and without.
func BenchmarkDeep(b *testing.B) {
	const stacks, depth = 10_000, 16
	c := newChain(b, store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
	for level := range depth {
		var txs [][]byte
		for first := 0; first < stacks; first += 5000 {
			var events []*schemas.Event
			for i := first; i < first+5000; i++ {
				thing := fmt.Sprintf("P-%dx%d", i, depth-level)
				if level == 0 {
					thing = fmt.Sprintf("u%d", i)
				}
				events = append(events, c.event(fmt.Sprintf("agg add parent=P-%dx%d epc=%s", i, depth-level-1, thing)))
			}
			txs = append(txs, c.sign(c.draft("farm", false, events...)))
		}
		c.block(txs...)
	}
	for _, bench := range []struct {
		name string
		most int
	}{{"unbounded", 1 << 30}, {"bounded", 100_000}} {
		b.Run(bench.name, func(b *testing.B) {
			for range b.N {
				c.app.TestingOnlyLookups(bench.most)
				raw := c.sign(c.draft("farm", false, c.event("obj obs disp=active note="+bench.name+" epc="+many("u", stacks))))
				c.prepare([][]byte{raw})
				c.time = c.time.Add(time.Minute)
				begun := time.Now()
				offered := c.propose([][]byte{raw})
				proposing := time.Since(begun)
				begun = time.Now()
				if _, err := c.app.FinalizeBlock(context.Background(), c.request(offered)); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(proposing.Milliseconds()), "proposing-ms")
				b.ReportMetric(float64(time.Since(begun).Milliseconds()), "executing-ms")
			}
		})
	}
}

// TestLongNames: the names in a container's list are bounded together, so that a block
// that writes it again and again does not grow beyond its bytes.
func TestLongNames(t *testing.T) {
	c := newChain(t, store.Options{})
	long := func(n int) *schemas.Event {
		e, err := schemas.DecodeEvent(fmt.Appendf(nil, `{"@context":[{"a":"urn:%s:"}],"type":"AggregationEvent","action":"ADD","eventTime":"2026-03-01T08:00:00Z","eventTimeZoneOffset":"+00:00","parentID":"urn:example:pallet:1","childQuantityList":[{"epcClass":"a:%d","quantity":1}]}`, strings.Repeat("x", 900), n))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var events []*schemas.Event
	for n := range 12 {
		events = append(events, long(n))
	}
	for i, r := range c.submit("farm", false, events...) {
		full := len(r.Flags) > 0 && r.Flags[len(r.Flags)-1] == schemas.TooManyLots
		if r.Code != schemas.OK || full != (i >= 9) {
			t.Errorf("lot %d is answered %s", i, answer(r))
		}
	}
	if it, err := c.view().Item("urn:example:pallet:1"); err != nil || len(it.Inside) != 9 {
		t.Errorf("inside are %v, %v", it, err)
	}
}
