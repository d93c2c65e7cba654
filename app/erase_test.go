package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

func (c *chain) order(what schemas.OrderKind, eventID string) *schemas.Event {
	c.t.Helper()
	e, err := schemas.MakeOrder(what, eventID, "asked for by the person concerned", "2026-03-01T09:00:00Z")
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// give orders, in a transaction of their own, and returns its receipts.
func (c *chain) give(partner string, atomic bool, orders ...*schemas.Event) []schemas.EventReceipt {
	c.t.Helper()
	c.block(c.sign(c.draft(partner, atomic, orders...)))
	return c.last.Receipts[0].Events
}

func mustBe(t *testing.T, what string, r schemas.EventReceipt, code schemas.Code) {
	t.Helper()
	if r.Code != code {
		t.Fatalf("%s: %s, expected %s", what, r.Code, code)
	}
}

// holds reports whether a text is in the archive, compressed or not.
func (c *chain) holds(text string) bool {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.options.Dir, "archive", "*"))
	if err != nil || len(files) == 0 {
		c.t.Fatal(files, err)
	}
	for cursor := c.store.Cursor(); ; {
		e, err := cursor.Next(store.Bodies)
		if err != nil {
			break
		}
		content := e.Data
		if b, err := schemas.DecodeBodies(e.Data); err == nil {
			content, err = c.codec.Decompress(b.Frame, int(b.Size))
			if err != nil {
				c.t.Fatal(err)
			}
		} else if b, err := c.codec.Expand(e.Data); err == nil {
			content = b
		}
		if bytes.Contains(content, []byte(text)) {
			return true
		}
	}
	return false
}

// erasable is a chain with one transaction of three events, the second of which
// says where it was, and a declaration that repeats it.
func erasable(t *testing.T) *chain {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=x1 loc=hall note=first"),
		c.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret"),
		c.event("obj add epc=c step=commissioning id=x3 note=third"))
	return c
}

func (c *chain) record(id string) schemas.Record {
	c.t.Helper()
	list, _, err := c.view().Events(c.t.Context(), schemas.EventQuery{EventIDs: []string{id}, Limit: 10, Ascending: true})
	if err != nil || len(list) == 0 {
		c.t.Fatalf("event %s: %v, %v", id, list, err)
	}
	return list[0]
}

// mustReplay compares the whole database with what its archive comes to.
func (c *chain) mustReplay() {
	c.t.Helper()
	again, _, err := replay(c.t.(*testing.T), c)
	if err != nil {
		c.t.Fatal(err)
	}
	for d, err := range store.Differences(c.store, again) {
		c.t.Fatalf("the databases differ: %c %q: %x, %x, %v", d.Space, d.Key, d.Have, d.Want, err)
	}
}

// An erased body is gone from the archive, its neighbours are there with their
// secrets, everything is still proved, and the ledger computes again from what is
// left.
func TestErasure(t *testing.T) {
	c := erasable(t)
	before := c.record("urn:example:event:x2")
	if !c.holds("secret") || before.Body == nil {
		t.Fatal("the body is not there in the beginning")
	}
	mustBe(t, "an order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	check := func() {
		t.Helper()
		if c.holds("secret") {
			t.Error("the archive still has the body")
		}
		r := c.record("urn:example:event:x2")
		if r.Body != nil || !r.Secret.IsZero() || r.Digest != before.Digest || r.BodyRoot != before.BodyRoot {
			t.Errorf("the record is %+v", r)
		}
		for _, id := range []string{"urn:example:event:x1", "urn:example:event:x3"} {
			r := c.record(id)
			e, err := schemas.DecodeEvent(r.Body)
			if err != nil || e.BodyRoot(r.Secret) != r.BodyRoot {
				t.Errorf("%s: its body does not come to its root: %v", id, err)
			}
		}
		hall, _, err := c.view().Events(t.Context(), schemas.EventQuery{BizLocations: []string{c.event("obj add epc=z step=commissioning loc=hall").BizLocation}, Limit: 10})
		if err != nil || len(hall) != 1 || hall[0].EventID != "urn:example:event:x1" {
			t.Errorf("in the hall were %v, %v", hall, err)
		}
		all, _, err := c.view().Events(t.Context(), schemas.EventQuery{Limit: 10})
		if err != nil || len(all) != 3 {
			t.Errorf("%d events, %v: an order is none", len(all), err)
		}
		c.checkTrails(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"})
		c.mustReplay()
	}
	check()
	c.restart()
	check()
	mustBe(t, "again", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.AlreadyErased)
	mustBe(t, "a hold, too late", c.give("farm", false, c.order(schemas.OrderHold, "urn:example:event:x2"))[0], schemas.AlreadyErased)
	mustBe(t, "its neighbour", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x1"))[0], schemas.OK)
	if c.holds("first") || !c.holds("third") {
		t.Error("of the neighbours the wrong one is erased")
	}
	c.mustReplay()
	third, err := schemas.DecodeEvent(c.record("urn:example:event:x3").Body)
	if err != nil {
		t.Fatal(err)
	}
	dup := c.submit("farm", false, third)
	if dup[0].Effect != schemas.Duplicate {
		t.Errorf("a repeated event: %+v", dup[0])
	}
	c.mustReplay()
}

// Only who recorded an event orders about it; a hold is in the way of an erasure,
// and an atomic transaction that is undone erases nothing.
func TestErasureRules(t *testing.T) {
	c := erasable(t)
	mustBe(t, "another's", c.give("mill", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.UnknownEvent)
	mustBe(t, "of nothing", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x9"))[0], schemas.UnknownEvent)
	mustBe(t, "a hold", c.give("farm", false, c.order(schemas.OrderHold, "urn:example:event:x2"))[0], schemas.OK)
	mustBe(t, "while held", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OnHold)
	mustBe(t, "a release", c.give("farm", false, c.order(schemas.OrderRelease, "urn:example:event:x2"))[0], schemas.OK)
	undone := c.give("farm", true, c.order(schemas.OrderErase, "urn:example:event:x2"), c.order(schemas.OrderErase, "urn:example:event:x9"))
	mustBe(t, "undone", undone[0], schemas.Undone)
	if !c.holds("secret") {
		t.Fatal("an order that was refused or undone erased")
	}
	// In the block of the event itself it is not there yet.
	d := c.draft("farm", false, c.event("obj add epc=d step=commissioning id=x4"))
	c.block(c.sign(d), c.sign(c.draft("farm", false, c.order(schemas.OrderErase, "urn:example:event:x4"))))
	mustBe(t, "too early", c.last.Receipts[1].Events[0], schemas.UnknownEvent)
	c.mustReplay()
}

// A block erases a bounded number of bodies; the others are refused, not lost.
func TestErasuresOfOneBlockAreBounded(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	var orders []*schemas.Event
	for _, x := range strings.Split("abcdefghijklmnopqrst", "") {
		c.submit("farm", false, c.event("obj add epc="+x+" step=commissioning id=y"+x))
		orders = append(orders, c.order(schemas.OrderErase, "urn:example:event:y"+x))
	}
	done := map[schemas.Code]int{}
	for _, r := range c.give("farm", false, orders...) {
		done[r.Code]++
	}
	if done[schemas.OK] != 16 || done[schemas.TooManyErasures] != 4 {
		t.Errorf("codes %v", done)
	}
	c.mustReplay()
}

// A node that was stopped between the block and the overwriting, or in the middle
// of it, erases when it opens, before it answers anything.
func TestErasureIsDoneAgainAfterAStop(t *testing.T) {
	c := erasable(t)
	segment := filepath.Join(c.options.Dir, "archive", "bodies-0000000000.seg")
	before, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "an order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	if err := c.store.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"not begun": len(before), "half done": len(before) / 2} {
		torn := append([]byte(nil), after...)
		copy(torn[len(before)-n:], before[len(before)-n:])
		copy(torn[:8], before[:8]) // length and checksum are those of before
		if err := os.WriteFile(segment, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		c.open()
		if c.holds("secret") || c.record("urn:example:event:x2").Body != nil {
			t.Errorf("%s: the body is there", name)
		}
		c.mustReplay()
		if err := c.store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c.open()
}
