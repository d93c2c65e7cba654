package app_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// TestBrokenRule: a rule that panics costs its message and nothing else.
func TestBrokenRule(t *testing.T) {
	for _, atomic := range []bool{false, true} {
		broken, whole := newChain(t, store.Options{}), newChain(t, store.Options{})
		broken.app.TestingOnlyProbe(func(id string) {
			if strings.HasSuffix(id, ":boom") {
				panic("a rule broke down")
			}
		})
		first, boom, last := broken.event("obj add epc=a id=1"), broken.event("agg add parent=P-1 epc=a,b qty=lot1:5 id=boom disp=damaged"), broken.event("obj obs epc=a id=2")
		answers := broken.submit("farm", atomic, first, boom, last)
		if answers[1].Code != schemas.RuleFailed {
			t.Fatalf("the broken rule's message is answered %s", answers[1].Code)
		}
		if want := schemas.OK; !atomic && (answers[0].Code != want || answers[2].Code != want) {
			t.Errorf("its neighbours are answered %s and %s", answers[0].Code, answers[2].Code)
		}
		if want := schemas.Undone; atomic && (answers[0].Code != want || answers[2].Code != want) {
			t.Errorf("its neighbours are answered %s and %s", answers[0].Code, answers[2].Code)
		}
		if it, err := broken.view().Item(full("b")); it != nil || err != nil {
			t.Error("a write of the broken rule is left")
		}
		if found, err := broken.view().EventsByID("urn:example:event:boom"); len(found) != 0 || err != nil {
			t.Error("the broken rule's event is found")
		}
		if b, err := broken.view().Balances(full("lot1")); len(b) != 0 || err != nil {
			t.Error("a balance of the broken rule is left")
		}
		// Sent again, when the rule is mended, it is no duplicate.
		broken.app.TestingOnlyProbe(func(string) {})
		if again := broken.submit("farm", false, boom); again[0].Effect != schemas.Applied {
			t.Errorf("sent again, it is answered %s %s", again[0].Code, again[0].Effect)
		}
		whole.submit("farm", atomic, first, last)
		broken.checkTrails(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"}, schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: full("a")})
	}
}

// TestEmptyBlocks change nothing, expire nothing and bring no hash forward.
func TestEmptyBlocks(t *testing.T) {
	c := newChain(t, store.Options{})
	genesis := c.hash
	c.block()
	if !bytes.Equal(c.hash, genesis) {
		t.Error("an empty first block changes the app hash")
	}
	d := c.draft("farm", false, c.event("obj add epc=a"))
	d.Expiry = uint64(c.height + 2)
	raw := c.sign(d)
	c.block(raw)
	after := c.hash
	for range 30 {
		if c.block(); !bytes.Equal(c.hash, after) {
			t.Fatalf("the empty block %d changes the app hash", c.height)
		}
	}
	nonces, err := c.view().StateValue(schemas.NoncesKey(d.Expiry))
	if nonces == nil || err != nil {
		t.Error("an empty block dropped a nonce")
	}
	c.submit("farm", false, c.event("obj obs epc=a"))
	if nonces, err = c.view().StateValue(schemas.NoncesKey(d.Expiry)); nonces != nil || err != nil {
		t.Error("a nonce that expired is kept")
	}
	check, err := c.app.CheckTx(context.Background(), &abci.RequestCheckTx{Tx: raw})
	if err != nil || schemas.Code(check.Code) != schemas.Expired {
		t.Errorf("the expired transaction, sent again, is answered %s, %v", schemas.Code(check.Code), err)
	}
}

// TestAccumulator: every header that carries the app hash of a block with
// transactions is in the accumulator once the next such block is made, in order.
func TestAccumulator(t *testing.T) {
	c := newChain(t, store.Options{})
	filled := map[int64]bool{2: true, 3: true, 7: true, 8: true, 9: true, 15: true, 20: true}
	var want []int64
	for h := int64(1); h <= 20; h++ {
		if !filled[h] {
			c.block()
			continue
		}
		c.submit("farm", false, c.event("obj obs epc=a"))
		for f := int64(1); f < h; f++ {
			if filled[f] && (len(want) == 0 || want[len(want)-1] < f+1) {
				want = append(want, f+1)
			}
		}
	}
	v := c.view()
	anchors, err := v.Anchors(0, 100)
	if err != nil || len(anchors) != len(want) {
		t.Fatalf("%d headers are in the accumulator, %d should be: %v", len(anchors), len(want), err)
	}
	entries := make([][]byte, len(anchors))
	for i, a := range anchors {
		if hash := anchorHash(a.Height); a.Height != want[i] || !bytes.Equal(a.Block, hash) {
			t.Errorf("header %d is %d, %x", i, a.Height, a.Block)
		}
		entry := schemas.AnchorEntry(a.Height, a.Block)
		entries[i] = entry[:]
	}
	head, err := v.AnchorHead()
	if err != nil || head.Count != uint64(len(want)) || head.Root != schemas.MerkleRoot(entries) {
		t.Errorf("the accumulator's head is %v, %v", head, err)
	}
	if p, err := v.PendingAnchor(); p != nil || err != nil {
		t.Errorf("a header is pending before there is one: %v %v", p, err)
	}
	c.block()
	if p, err := c.view().PendingAnchor(); err != nil || p == nil || p.Height != 21 {
		t.Errorf("the header to come is %v, %v", p, err)
	}
}

func anchorHash(height int64) []byte {
	c := chain{height: height - 1}
	return c.request(nil).Hash
}

// TestCrashBeforeCommit: a block that was executed and not committed leaves no
// trace, and comes again to the same end.
func TestCrashBeforeCommit(t *testing.T) {
	for _, dir := range []string{"", "disk"} {
		t.Run("store"+dir, func(t *testing.T) {
			options := store.Options{}
			if dir != "" {
				options.Dir = filepath.Join(t.TempDir(), dir)
			}
			c, steady := newChain(t, options), newChain(t, store.Options{})
			for h := range 12 {
				texts := []string{fmt.Sprintf("obj add epc=i%d step=commissioning", h), "agg add parent=P-1 epc=x", "obj obs epc=i1 step=shipping to=mill"}
				var events []*schemas.Event
				for _, text := range texts {
					events = append(events, c.event(text))
				}
				raw := c.sign(c.draft("farm", false, events...))
				c.time, steady.time = c.time.Add(time.Minute), steady.time.Add(time.Minute)
				req := c.request([][]byte{raw})
				first, err := c.app.FinalizeBlock(context.Background(), req)
				if err != nil {
					t.Fatal(err)
				}
				switch h % 3 {
				case 0: // the process ends here
					c.restart()
				case 1: // the engine asks again
					if _, err = c.app.FinalizeBlock(context.Background(), req); err != nil {
						t.Fatal(err)
					}
				}
				if info, err := c.app.Info(context.Background(), nil); err != nil || info.LastBlockHeight != c.height {
					t.Fatalf("block %d is told of before it is committed: %v %v", req.Height, info, err)
				}
				again := c.finish(req)
				want := steady.finish(steady.request([][]byte{raw}))
				if !bytes.Equal(first.AppHash, again.AppHash) || !bytes.Equal(again.AppHash, want.AppHash) {
					t.Fatalf("block %d comes to another end the second time", req.Height)
				}
				info, err := c.app.Info(context.Background(), nil)
				if err != nil || info.LastBlockHeight != req.Height || !bytes.Equal(info.LastBlockAppHash, again.AppHash) {
					t.Fatalf("after block %d: %v, %v", req.Height, info, err)
				}
			}
			c.checkTrails(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"}, schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: full("P-1")})
		})
	}
}

// TestReceipts: what OnCommit tells of a block is what the view tells later.
func TestReceipts(t *testing.T) {
	c := newChain(t, store.Options{})
	e := c.event("obj add epc=a step=commissioning")
	first := c.submit("farm", false, e)
	again := c.submit("farm", false, e)
	if again[0].First == nil || again[0].First.Digest != first[0].Digest || again[0].First.Transaction.IsZero() || again[0].EventID != first[0].EventID {
		t.Errorf("a duplicate is answered %+v", again[0])
	}
	told := c.last.Receipts[0]
	later, info, err := c.view().Transaction(told.Transaction)
	if err != nil || later == nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v %+v", *later, *later.Events[0].First) != fmt.Sprintf("%+v %+v", told, *told.Events[0].First) && fmt.Sprint(later.Events[0].First.Locator) != fmt.Sprint(told.Events[0].First.Locator) {
		t.Errorf("told %+v, later %+v", told, *later)
	}
	if info.Partner != "farm" || info.Actor != "test" || info.KeyID != c.members["farm"].keyID() || !later.Time.Equal(c.time) {
		t.Errorf("signed by %+v at %s", info, later.Time)
	}
	if r, _, err := c.view().Transaction(schemas.Hash{1}); r != nil || err != nil {
		t.Errorf("an unknown transaction is answered %v, %v", r, err)
	}
}

// TestViewsExpire: a height is held for some time, and then says so.
func TestViewsExpire(t *testing.T) {
	c := newChain(t, store.Options{})
	c.submit("farm", false, c.event("obj add epc=a"))
	old, root := c.view(), c.view().Root()
	for i := range 8 {
		c.submit("farm", false, c.event(fmt.Sprintf("obj obs epc=a step=storing t=%dm", i)))
		if it, err := old.Item(full("a")); err != nil || it.Observations.Count != 0 || old.Root() != root {
			t.Fatalf("%d blocks later the view has moved: %v %v", i+1, it, err)
		}
	}
	c.block()
	var err error
	if _, err = old.Item(full("a")); !isFault(err, schemas.ViewExpired) {
		t.Errorf("an old view answers %v", err)
	}
	if _, err = c.app.ViewAt(1); !isFault(err, schemas.ViewExpired) {
		t.Errorf("an old height answers %v", err)
	}
	if v, err := c.app.ViewAt(c.height - 3); err != nil || v.Height() != c.height-3 || !v.Time().Equal(c.time.Add(-3*time.Minute)) {
		t.Errorf("a recent height answers %v", err)
	}
	_, _, err = old.Events(context.Background(), schemas.EventQuery{Limit: 1})
	if !isFault(err, schemas.ViewExpired) {
		t.Errorf("a query of an old view answers %v", err)
	}
	_, err = old.Trace(context.Background(), schemas.TraceQuery{ID: full("a"), Direction: schemas.Both, MaxDepth: 3, MaxEvents: 10})
	if !isFault(err, schemas.ViewExpired) {
		t.Errorf("a trace of an old view answers %v", err)
	}
}

func isFault(err error, code schemas.Code) bool {
	f, ok := err.(*schemas.Fault)
	return ok && f.Code == code
}

// TestEmptyLedger: before the first block, reading answers that there is nothing.
func TestEmptyLedger(t *testing.T) {
	s, err := store.Open(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.View()
	if err != nil {
		t.Fatal(err)
	}
	records, more, err := v.Events(context.Background(), schemas.EventQuery{Limit: 1})
	if len(records) != 0 || more || err != nil {
		t.Error(records, more, err)
	}
	if _, err := a.DryRun("", "farm", false, []*schemas.Event{{}}); !isFault(err, schemas.UnknownPartner) {
		t.Error(err)
	}
	if _, err := a.FinalizeBlock(context.Background(), &abci.RequestFinalizeBlock{Height: 1}); err == nil {
		t.Error("a block is executed without a genesis state")
	}
	if _, err := a.InitChain(context.Background(), &abci.RequestInitChain{ChainId: "c", AppStateBytes: []byte(`{}`)}); err == nil {
		t.Error("a genesis state without rules is taken")
	}
}

// A partner knows what eventID will be derived for an event that it has signed,
// and may give it to another event first: that one keeps it.
func TestDerivedEventIDTaken(t *testing.T) {
	c := newChain(t, store.Options{})
	later := c.draft("farm", false, c.event("obj obs epc=b"))
	raw, signed, err := c.codec.SignDecoded(later, c.members["farm"].key)
	if err != nil {
		t.Fatal(err)
	}
	id := schemas.DerivedEventID(signed.Messages[0].Digest)
	taken, err := schemas.DecodeSingle([]byte(`{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-01-31T12:00:00Z",` +
		`"eventTimeZoneOffset":"+00:00","epcList":["` + full("a") + `"],"eventID":"` + id + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	first := c.submit("farm", false, taken)
	if first[0].Code != schemas.OK {
		t.Fatalf("the first is %v", first[0])
	}
	results, err := schemas.DecodeResults(c.block(raw).TxResults[0].Data)
	if err != nil || results[0].Code != schemas.EventIDConflict {
		t.Fatalf("the second is %v, %v", results, err)
	}
	records, err := c.view().EventsByID(id)
	if err != nil || len(records) != 1 || records[0].Digest != first[0].Digest {
		t.Fatalf("%s is %v, %v", id, records, err)
	}
}
