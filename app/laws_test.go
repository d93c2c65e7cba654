package app_test

import (
	"bytes"
	"context"
	"math/big"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// laws are what must hold of a ledger, whatever is sent to it, told of what it showed
// after the last block, of what was sent since, and of what it shows now.
type laws struct {
	t      *rapid.T
	items  map[string]*schemas.ItemState
	held   []schemas.Balance   // of the last block
	sums   map[string]*big.Rat // of a lot, by class and unit; nil for what cannot be told
	strict bool                // custody, in the next block
	ended  map[string]uint64   // last height of a key that was ended, by partner and key
}

// sent is what one block had.
type sent struct {
	actors map[string]bool // who had a message that changed something
	acts   map[string]bool // names of acts that were accepted
	events bool            // that changed something
	passed map[schemas.ChangeKind]bool
}

func (l *laws) hold(s *script, drafts []schemas.Draft) {
	v := s.view()
	done := sent{actors: map[string]bool{}, acts: map[string]bool{}, passed: map[schemas.ChangeKind]bool{}}
	for i, d := range drafts {
		for j, e := range s.last.Receipts[i].Events {
			if e.Code != schemas.OK || e.Effect == schemas.Duplicate {
				continue
			}
			done.actors[d.Partner] = done.actors[d.Partner] || e.Effect == schemas.Applied
			if a := d.Events[j].Skeleton.Act; a != nil {
				done.acts[a.Name()] = true
			} else {
				done.events = true
			}
		}
	}
	all, _, err := v.Proposals(nil, 100)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range all {
		if p.State == "passed" {
			done.passed[schemas.Reassign] = done.passed[schemas.Reassign] || strings.Contains(string(p.Change), `"reassign"`)
		}
	}
	l.custody(s, &done)
	l.balances(s, &done)
	l.keys(s)
}

// custody: a thing is with one partner, it and all that it is inside; it passes from
// one to another by the hand of one of them, and against the will of neither.
func (l *laws) custody(s *script, done *sent) {
	v := s.view()
	now := map[string]*schemas.ItemState{}
	for _, name := range things {
		it, err := v.Item(full(name))
		if err != nil {
			l.t.Fatal(err)
		}
		if it == nil {
			it = &schemas.ItemState{}
		}
		now[full(name)] = it
	}
	for id, it := range now {
		if in := now[it.Parent]; in != nil && in.Custodian != it.Custodian {
			l.t.Fatalf("%s is with %q, what it is in with %q", short(id), it.Custodian, in.Custodian)
		}
		was := l.items[id]
		if was == nil || was.Custodian == "" || was.Custodian == it.Custodian {
			continue
		}
		gave, took := was.Custodian, it.Custodian
		if it.Custodian == "" {
			l.t.Fatalf("%s was with %s, and is with nobody", short(id), gave)
		}
		if done.passed[schemas.Reassign] || done.acts["ResolveDispute"] || strings.HasPrefix(gave, "external:") {
			continue
		}
		offered := was.Offer != nil && was.Offer.Party == took
		for up := was; up != nil && up.Parent != ""; up = l.items[up.Parent] {
			if in := l.items[up.Parent]; in != nil && in.Offer != nil && in.Offer.Party == took {
				offered = true
			}
		}
		if !done.actors[gave] && !(offered && done.actors[took]) {
			l.t.Fatalf("height %d: %s passes from %s to %s, who was not offered it", s.height, short(id), gave, took)
		}
	}
	l.items = now
}

// balances: acts make nothing and lose nothing; only events do. In open custody more can
// be taken than was there, after which nobody can tell how much there is.
func (l *laws) balances(s *script, done *sent) {
	v := s.view()
	l.held = nil
	now := map[string]*big.Rat{}
	for _, name := range goods {
		add := func(uom, quantity string, known bool) {
			k := name + " " + uom
			have, ok := now[k]
			if !ok {
				have = new(big.Rat)
			}
			if amount, isNumber := new(big.Rat).SetString(quantity); known && isNumber && have != nil {
				now[k] = new(big.Rat).Add(have, amount)
			} else {
				now[k] = nil
			}
		}
		held, err := v.Balances(full(name))
		if err != nil {
			l.t.Fatal(err)
		}
		l.held = append(l.held, held...)
		for _, b := range held {
			add(b.UOM, b.Quantity, b.Known)
		}
		packed, _, err := v.Packed(full(name))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, p := range packed {
			add(p.UOM, p.Quantity, p.Known)
		}
	}
	if !done.events {
		for k, was := range l.sums {
			is, there := now[k]
			if was == nil || was.Sign() == 0 || is == nil && there && !l.strict {
				continue
			}
			if is == nil || is.Cmp(was) != 0 {
				l.t.Fatalf("height %d: of %s there were %s, now %v, and nothing but %v was done: %+v", s.height, k, was, is, done.acts, l.held)
			}
		}
	}
	l.sums = now
	value, err := v.StateValue(schemas.ParametersKey())
	if err != nil {
		l.t.Fatal(err)
	}
	parameters, err := schemas.DecodeParameters(value)
	if err != nil {
		l.t.Fatal(err)
	}
	l.strict = parameters.Strict
}

// keys: what ended stays, and never ends later than it did.
func (l *laws) keys(s *script) {
	v := s.view()
	for _, partner := range append(founders, "dock") {
		list, err := v.Keys(partner)
		if err != nil {
			l.t.Fatal(err)
		}
		now := map[string]uint64{}
		for _, k := range list {
			now[partner+" "+k.ID] = k.Until
		}
		for k, until := range l.ended {
			if p, _, _ := strings.Cut(k, " "); p != partner {
				continue
			}
			if is, ok := now[k]; !ok || is == 0 || is > until {
				l.t.Fatalf("height %d: the key %s ended with %d, and now ends with %d (%t)", s.height, k, until, is, ok)
			}
		}
		for k, until := range now {
			if until > 0 {
				l.ended[k] = until
			}
		}
	}
}

// admitted: a key that ended signs nothing.
func (l *laws) admitted(s *script, d schemas.Draft, raw []byte, code schemas.Code) {
	until, ended := l.ended[d.Partner+" "+d.KeyID]
	if !ended || until > uint64(s.height) {
		return
	}
	if code == schemas.OK {
		l.t.Fatalf("height %d: a transaction of %s is admitted, whose key ended with %d", s.height, d.Partner, until)
	}
	req := s.request([][]byte{raw})
	if res, err := s.app.ProcessProposal(context.Background(), &abci.RequestProcessProposal{Height: req.Height, Time: req.Time, Hash: req.Hash, Txs: req.Txs}); err != nil || res.Status == abci.ResponseProcessProposal_ACCEPT {
		l.t.Fatalf("height %d: a block with a transaction of %s is accepted, whose key ended with %d: %v", s.height, d.Partner, until, err)
	}
}

// TestStories plays messages of all kinds together on four replicas: one that runs
// through, one that is started again now and then, one that remembers nothing and has
// another number of threads, and one that joins by a snapshot midway. Their hashes and
// answers are equal, and the laws hold after every block.
func TestStories(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	rapid.Check(t, func(rt *rapid.T) {
		s := &script{chain: newChain(rt, store.Options{}), subjects: map[schemas.TrailKey]bool{}}
		s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
		s.init()
		stopped, forgetful := newChain(rt, store.Options{}), newChain(rt, store.Options{})
		others := []*chain{stopped, forgetful}
		l := &laws{t: rt, ended: map[string]uint64{}}
		w := world{s, rt}
		count := rapid.IntRange(4, 14).Draw(rt, "blocks")
		join := rapid.IntRange(1, count).Draw(rt, "joins at")
		for i := range count {
			s.time = s.time.Add(rapid.SampledFrom([]time.Duration{0, 0, 0, 0, time.Hour, 8 * 24 * time.Hour}).Draw(rt, "pause"))
			s.allVote()
			var txs [][]byte
			var drafts []schemas.Draft
			for _, line := range w.block() {
				d := s.transaction(line, s.time.Add(time.Minute))
				raw := s.sign(d)
				res, err := s.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
				if err != nil {
					rt.Fatal(err)
				}
				l.admitted(s, d, raw, schemas.Code(res.Code))
				if res.Code == 0 {
					txs, drafts = append(txs, raw), append(drafts, d)
				}
			}
			want := s.block(txs...)
			if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
				stopped.restart()
			}
			forgetful.app.TestingOnlyForget()
			for n, c := range others {
				runtime.GOMAXPROCS(1 + (i+n)%4)
				c.time, c.voters = s.time, s.voters
				got := c.replay(txs)
				if !bytes.Equal(got.AppHash, want.AppHash) {
					rt.Fatalf("replica %d parts at height %d", n, c.height)
				}
				if !slices.EqualFunc(got.TxResults, want.TxResults, func(a, b *abci.ExecTxResult) bool { return a.Code == b.Code && bytes.Equal(a.Data, b.Data) }) {
					rt.Fatalf("replica %d answers height %d otherwise", n, c.height)
				}
				if len(got.ValidatorUpdates) != len(want.ValidatorUpdates) {
					rt.Fatalf("replica %d changes other validators at height %d", n, c.height)
				}
			}
			l.hold(s, drafts)
			if i+1 >= join && len(others) == 2 && len(txs) > 0 {
				joined := joining(rt, store.Options{})
				joined.restored(s.chain, s.take())
				others = append(others, joined)
			}
		}
		s.checkAll()
	})
}
