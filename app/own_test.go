package app_test

import (
	"path/filepath"
	"slices"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// newOwn is a chain like newChain's that keeps the bodies of one partner alone, on
// disk if a directory is given.
func newOwn(t *testing.T, dir, partner string) *chain {
	t.Helper()
	options := store.Options{}
	if dir != "" {
		options.Dir = filepath.Join(dir, "own")
	}
	c := newChain(t, options)
	c.own = partner
	c.restart()
	return c
}

// beside is a second application that gets a chain's blocks, and keeps the bodies
// of one partner alone. Its app hashes must be the same.
func beside(t *testing.T, c *chain, partner string) *chain {
	t.Helper()
	o := newOwn(t, t.TempDir(), partner)
	c.told = func(req *abci.RequestFinalizeBlock, appHash []byte) {
		o.time, o.voters = req.Time, c.voters
		o.finish(req)
		if string(o.hash) != string(appHash) {
			t.Fatalf("block %d comes to another app hash where bodies are not kept", req.Height)
		}
	}
	return o
}

// Whatever the rules do, who keeps one partner's bodies alone comes to the same
// state, has all bodies of what that partner recorded, and none that is not in the
// ledger; and its archive computes to its database.
func TestOwnBodiesOfEveryScript(t *testing.T) {
	unkept := 0
	for file, text := range scripts(t) {
		s := &script{chain: newChain(t, store.Options{})}
		o := beside(t, s.chain, "mill")
		s.play(text)
		o.mustReplay()
		for _, partner := range partners {
			key := schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: partner}
			o.checkTrails(key)
			all, err := s.view().Trail(key, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := o.view().Trail(key, 0, 1000)
			if err != nil || len(kept) != len(all) {
				t.Fatalf("%s: %d records of %d: %v", file, len(kept), len(all), err)
			}
			for i, r := range kept {
				want := all[i]
				if r.Digest != want.Digest || r.Body != nil && string(r.Body) != string(want.Body) {
					t.Fatalf("%s: record %d of %s is another", file, i, partner)
				}
				if r.Unkept {
					unkept++
				}
				if missing := r.Body == nil && want.Body != nil; missing != r.Unkept || missing && (partner == "mill" || r.Kind != schemas.KindEvent) {
					t.Errorf("%s: record %d of %s lacks its body: %v, it was not kept: %v", file, i, partner, missing, r.Unkept)
				}
			}
		}
	}
	if unkept == 0 {
		t.Error("every body was kept")
	}
}

// What concerns the partner is kept: what it recorded, what names it, what touches
// what it holds. Of the rest the skeleton is left, in the same transaction, too,
// and bundles prove both.
func TestOwnBodies(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	o := beside(t, c, "mill")
	kept := func(ids ...string) {
		t.Helper()
		for _, x := range []string{"x1", "x2", "x3", "x4", "x5"} {
			r := o.record("urn:example:event:" + x)
			want := slices.Contains(ids, x)
			if (r.Body != nil) != want || r.Unkept == want {
				t.Errorf("the body of %s is there: %v, not kept: %v", x, r.Body != nil, r.Unkept)
			}
			if e, err := schemas.DecodeEvent(r.Body); want && (err != nil || e.BodyRoot(r.Secret) != r.BodyRoot) {
				t.Errorf("the body of %s does not come to its root: %v", x, err)
			}
		}
	}
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=x1 loc=hall note=farmsown"),
		c.event("obj add epc=b step=commissioning id=x2 loc=hall note=farmsother"),
		c.event("obj obs epc=a step=shipping id=x3 loc=hall to=mill note=forthemill"))
	c.submit("mill", false, c.event("obj obs epc=a step=receiving id=x4 loc=yard"))
	c.submit("haul", false, c.event("obj del epc=a step=destroying id=x5 note=claimed"))
	check := func() {
		t.Helper()
		kept("x3", "x4", "x5")
		if o.holds("farmsown") || o.holds("farmsother") || !o.holds("forthemill") || !o.holds("claimed") {
			t.Error("the archive has other bodies")
		}
		hall := schemas.EventQuery{BizLocations: []string{c.event("obj add epc=z step=commissioning loc=hall").BizLocation}, Limit: 10}
		if list, _, err := o.view().Events(t.Context(), hall); err != nil || len(list) != 1 || list[0].EventID != "urn:example:event:x3" {
			t.Errorf("in the hall were %v, %v", list, err)
		}
		o.mustReplay()
		o.proves(t, full("a")) // two bodies of five are not there
		o.proves(t, full("b")) // none is
	}
	check()
	o.restart()
	check()
	if withholds, err := o.app.Withholds(); !withholds || err != nil {
		t.Errorf("it says that it has all: %v", err)
	}
	// A node that keeps all from now on still lacks what it did not keep.
	o.own = ""
	o.restart()
	check()
	o.own = "mill"
	o.restart()
	// An order to erase holds for what is kept and for what is not.
	mustBe(t, "the first order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x1"))[0], schemas.OK)
	kept1 := o.record("urn:example:event:x1")
	if kept1.Unkept || kept1.Body != nil {
		t.Error("an erased body is told to be with who recorded it")
	}
	o.mustReplay()
	mustBe(t, "the second order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x3"))[0], schemas.OK)
	if o.holds("forthemill") {
		t.Error("the archive still has an erased body")
	}
	if r := o.record("urn:example:event:x2"); !r.Unkept {
		t.Error("it is not told any more why a body is missing")
	}
	o.mustReplay()
	o.restart()
	o.mustReplay()
}

// Copies of an erased body in a block with their order, where others of their
// transaction were not kept.
func TestOwnBodiesAndCopies(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	o := beside(t, c, "mill")
	event := c.event("obj add epc=b step=commissioning id=x2 loc=hall note=secret")
	c.submit("farm", false, event)
	mustBe(t, "the order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	c.submit("farm", false, event, c.event("obj add epc=d step=commissioning id=x6 loc=hall note=foreign"),
		c.event("obj obs epc=d step=shipping id=x7 loc=hall to=mill note=forthemill"))
	if o.holds("secret") || o.holds("foreign") || !o.holds("forthemill") {
		t.Error("the archive has other bodies")
	}
	o.mustReplay()
	o.restart()
	o.mustReplay()
}

// Nobody gives a block for the truth of which bodies were left out by choice.
func TestOwnBodiesAreNoHistory(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	o := beside(t, c, "mill")
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=x1"))
	for name, machine := range map[string]*chain{"whole": c, "own": o} {
		r, err := machine.app.Archive(1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.app.ReadArchived(&b); (err == nil) != (name == "whole") {
			t.Errorf("the block of the %s archive: %v", name, err)
		}
	}
}
