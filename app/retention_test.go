package app_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// retaining is a chain of a network with retention classes, whose blocks come a
// minute after each other.
func retaining(t tester, options store.Options) *chain {
	t.Helper()
	c := newChain(t, options)
	var g schemas.Genesis
	if err := json.Unmarshal(c.genesis, &g); err != nil {
		t.Fatal(err)
	}
	g.Retention = []schemas.RetentionClass{{Name: "standard", Min: 180, Max: 600}, {Name: "invoices", Min: 300, Max: 900}, {Name: "notes", Min: 0, Max: 120}, {Name: "for-ever", Min: 300}}
	var err error
	if c.genesis, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	c.init()
	return c
}

func (c *chain) classify(class, eventID string) schemas.EventReceipt {
	c.t.Helper()
	o, err := schemas.MakeClassification(class, eventID, "", "2026-03-01T09:00:00Z")
	if err != nil {
		c.t.Fatal(err)
	}
	return c.give("farm", false, o)[0]
}

func (c *chain) due() []string {
	c.t.Helper()
	due, err := c.view().Due("farm", 10)
	if err != nil {
		c.t.Fatal(err)
	}
	return due
}

func (c *chain) standing(id string) *app.Standing {
	c.t.Helper()
	s, err := c.view().Erasure("farm", id)
	if err != nil || s == nil {
		c.t.Fatalf("%s stands as %v, %v", id, s, err)
	}
	return s
}

// No order erases before a class's shortest time, and none puts an event into a
// class that keeps it shorter. What is due is told, unless it is held; the block's
// clock alone counts.
func TestRetention(t *testing.T) {
	const a, b, d = "urn:example:event:a", "urn:example:event:b", "urn:example:event:d"
	c := retaining(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=a note=secret"), c.event("obj add epc=b step=commissioning id=b"), c.event("obj add epc=d step=commissioning id=d"))
	recorded := c.time
	if s := c.standing(a); s.Class != "standard" || !s.From.Equal(recorded.Add(3*time.Minute)) || !s.Due.Equal(recorded.Add(10*time.Minute)) || s.Standing != 0 || !s.Held {
		t.Errorf("in the beginning: %+v", s)
	}
	mustBe(t, "at once", c.give("farm", false, c.order(schemas.OrderErase, a))[0], schemas.Retained)
	mustBe(t, "no such class", c.classify("none", a), schemas.UnknownClass)
	mustBe(t, "a class that keeps shorter", c.classify("notes", a), schemas.ShorterClass) // three minutes are over
	mustBe(t, "a longer one", c.classify("invoices", b), schemas.OK)                      // four
	mustBe(t, "and back", c.classify("standard", b), schemas.ShorterClass)
	mustBe(t, "its new shortest time counts", c.give("farm", false, c.order(schemas.OrderErase, b))[0], schemas.OK) // six
	mustBe(t, "one without an end", c.classify("for-ever", d), schemas.OK)
	if s := c.standing(d); s.Class != "for-ever" || !s.Due.IsZero() {
		t.Errorf("without an end: %+v", s)
	}
	mustBe(t, "a hold", c.give("farm", false, c.order(schemas.OrderHold, d))[0], schemas.OK)
	mustBe(t, "a release", c.give("farm", false, c.order(schemas.OrderRelease, d))[0], schemas.OK)
	if s := c.standing(d); s.Class != "for-ever" || s.Standing != 0 {
		t.Errorf("a release leaves %+v", s)
	}
	if due := c.due(); len(due) > 0 {
		t.Errorf("due before the time: %q", due)
	}
	c.block()
	if due := c.due(); !slices.Equal(due, []string{a}) { // b is erased, d is kept for ever
		t.Errorf("after ten minutes %q are due", due)
	}
	mustBe(t, "a hold", c.give("farm", false, c.order(schemas.OrderHold, a))[0], schemas.OK)
	if due := c.due(); len(due) > 0 {
		t.Errorf("held and due: %q", due)
	}
	mustBe(t, "erased while held", c.give("farm", false, c.order(schemas.OrderErase, a))[0], schemas.OnHold)
	mustBe(t, "released", c.give("farm", false, c.order(schemas.OrderRelease, a))[0], schemas.OK)
	if due := c.due(); !slices.Equal(due, []string{a}) {
		t.Errorf("released, %q are due", due)
	}
	mustBe(t, "what is due", c.give("farm", false, c.order(schemas.OrderErase, a))[0], schemas.OK)
	if due := c.due(); len(due) > 0 || c.holds("secret") {
		t.Errorf("erased, and %q are due", due)
	}
	mustBe(t, "a class for what is erased", c.classify("invoices", a), schemas.AlreadyErased)
	c.mustReplay()
	c.restart()
	mustBe(t, "after a restart", c.classify("none", d), schemas.UnknownClass)
	c.mustReplay()
}

// A network without classes knows none, and erases at once.
func TestNoRetention(t *testing.T) {
	c := erasable(t)
	mustBe(t, "a class", c.classify("standard", "urn:example:event:x1"), schemas.UnknownClass)
	if s, err := c.view().Erasure("farm", "urn:example:event:x1"); s != nil || err != nil {
		t.Errorf("an event without orders stands as %+v, %v", s, err)
	}
	mustBe(t, "an order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x1"))[0], schemas.OK)
	c.mustReplay()
}

// Who restores a snapshot judges by the same times, and believes no others.
func TestRetentionOfARestoredNode(t *testing.T) {
	c := retaining(t, store.Options{})
	c.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	c.init()
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=a"))
	c.block(c.sign(c.draft("farm", false, c.event("obj add epc=b step=commissioning id=b"))))
	o := c.take()
	lie := forged(t, o, func(records []schemas.SnapshotRecord) []schemas.SnapshotRecord {
		for i := range records {
			if v := records[i].Value; records[i].Kind == schemas.SnapshotEvent {
				v[len(v)-2] ^= 1 // of the time, its last field
				return records
			}
		}
		return nil
	}, nil)
	if _, last := joining(t, store.Options{}).restore(lie); last == nil || last.Result.String() == "ACCEPT" {
		t.Error("another time of a record is restored")
	}
	r := joining(t, store.Options{})
	r.restored(c, o)
	for range 4 {
		raw := c.sign(c.draft("farm", false, c.order(schemas.OrderErase, "urn:example:event:a")))
		c.block(raw)
		r.block(raw)
		if string(c.hash) != string(r.hash) {
			t.Fatalf("at height %d the restored node differs", c.height)
		}
	}
	if s := c.standing("urn:example:event:a"); s.Standing != schemas.BodyErased {
		t.Errorf("after four minutes the body stands as %s", s.Standing)
	}
}

// Members can agree on classes where there were none: they hold for what is recorded
// from then on. What was before is in none, is never due, and restores with the rest.
func TestRetentionFromNone(t *testing.T) {
	const before, held, behind = "urn:example:event:a", "urn:example:event:b", "urn:example:event:d"
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	c.init()
	c.submit("farm", false, c.event("obj add epc=a step=commissioning id=a"), c.event("obj add epc=b step=commissioning id=b"))
	vote := `{"proposal":"2-0-0","approve":true}`
	if codes := c.acts([3]string{"farm", "Propose", `{"kind":"parameters","parameters":{"retention":[{"name":"standard","minSeconds":180,"maxSeconds":300},{"name":"invoices","minSeconds":600}]}}`},
		[3]string{"mill", "Vote", vote}, [3]string{"haul", "Vote", vote}); !slices.Equal(codes, []schemas.Code{schemas.OK, schemas.OK, schemas.OK}) {
		t.Fatal(codes)
	}
	c.submit("farm", false, c.event("obj add epc=d step=commissioning id=d"))
	mustBe(t, "of before, a class", c.classify("invoices", before), schemas.UnknownClass)
	mustBe(t, "from now on, too early", c.give("farm", false, c.order(schemas.OrderErase, behind))[0], schemas.Retained)
	mustBe(t, "a hold", c.give("farm", false, c.order(schemas.OrderHold, held))[0], schemas.OK)
	mustBe(t, "a release", c.give("farm", false, c.order(schemas.OrderRelease, held))[0], schemas.OK)
	if s, err := c.view().Erasure("farm", before); s != nil || err != nil {
		t.Errorf("what was recorded before stands as %+v, %v", s, err)
	}
	c.submit("farm", false, c.event("obj obs epc=d"))
	if due := c.due(); !slices.Equal(due, []string{behind}) {
		t.Errorf("after five minutes %q are due", due)
	}
	r := joining(t, store.Options{})
	r.restored(c, c.take())
	for _, id := range []string{before, behind} {
		raw := c.sign(c.draft("farm", false, c.order(schemas.OrderErase, id)))
		c.block(raw)
		r.block(raw)
		mustBe(t, id, c.last.Receipts[0].Events[0], schemas.OK)
		if string(c.hash) != string(r.hash) {
			t.Fatalf("at height %d the restored node differs", c.height)
		}
	}
	c.mustReplay()
}
