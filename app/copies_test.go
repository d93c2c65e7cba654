package app_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Every copy of an erased body goes, whatever became of the message that brought
// it, and whenever it came; what was sent beside it stays.
func TestErasureOfCopies(t *testing.T) {
	const given = "obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret"
	for name, c := range map[string]struct{ event, id string }{
		"given eventID":   {given, "urn:example:event:x2"},
		"derived eventID": {"obj add epc=b step=commissioning loc=hall read=door note=secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
			event := x.event(c.event)
			beside := func(n string) *schemas.Event {
				return x.event("obj add epc=z" + n + " step=commissioning id=z" + n + " loc=hall note=beside" + n)
			}
			x.submit("farm", true, event, x.order(schemas.OrderErase, "urn:example:event:none")) // undone
			id := x.submit("farm", false, event, beside("1"))[0].EventID
			if c.id != "" && id != c.id {
				t.Fatalf("the event is known as %q", id)
			}
			if again := x.submit("farm", false, beside("2"), event); again[1].Effect != schemas.Duplicate {
				t.Fatalf("a repetition: %+v", again[1])
			}
			if c.id != "" {
				mustBe(t, "another event of its id", x.submit("farm", false, x.event("obj add epc=k step=commissioning id=x2 note=secret"))[0], schemas.EventIDConflict)
			}
			x.submit("mill", false, x.event("obj add epc=m step=commissioning id=x2 note=anothers"))
			// In the block of the order, one before it and one behind.
			x.block(x.sign(x.draft("farm", false, beside("3"), event)), x.sign(x.draft("farm", false, x.order(schemas.OrderErase, id))),
				x.sign(x.draft("farm", false, event, beside("4"))))
			mustBe(t, "the order", x.last.Receipts[1].Events[0], schemas.OK)
			check := func(beside int) {
				t.Helper()
				if x.holds("secret") {
					t.Error("the archive still has a copy")
				}
				for n := range beside {
					if !x.holds(fmt.Sprint("beside", n+1)) {
						t.Errorf("what was sent beside the %d. copy is lost", n+1)
					}
				}
				if !x.holds("anothers") {
					t.Error("another partner's event of the same eventID is erased")
				}
				x.checkTrails(schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: "farm"})
				x.mustReplay()
			}
			check(4)
			x.submit("farm", false, beside("5"), event)
			check(5)
			x.restart()
			check(5)
		})
	}
}

// Copies beyond what one block may erase go with the blocks that follow, also
// empty ones, and until then no node says that it holds the body no more.
func TestErasureOfManyCopies(t *testing.T) {
	x := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	event := x.event("obj add epc=b step=commissioning id=x2 note=secret")
	for range 41 {
		x.submit("farm", false, event)
	}
	mustBe(t, "the order", x.give("farm", false, x.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	for blocks := 1; ; blocks++ {
		e, err := x.view().Erasure("farm", "urn:example:event:x2")
		if err != nil || e == nil || e.Held != x.holds("secret") {
			t.Fatalf("after %d blocks the node says that it holds the body: %v (%v), it does: %v", blocks, e, err, x.holds("secret"))
		}
		if e.Held {
			x.restart() // what is owed is not forgotten
			x.block()
			continue
		}
		if blocks != 3 {
			t.Errorf("40 copies take %d blocks", blocks)
		}
		break
	}
	x.mustReplay()
}

// A declaration that repeats an erased event's content, with or without its
// eventID, brings nothing back.
func TestErasureOfDeclarations(t *testing.T) {
	x := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	x.submit("farm", false, x.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret"))
	x.submit("farm", false, x.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret t=-1m void=incorrect_data"))
	mustBe(t, "the order", x.give("farm", false, x.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	if x.holds("secret") {
		t.Error("the declaration's body is there")
	}
	x.submit("farm", false, x.event("obj add epc=b step=commissioning id=x2 loc=hall read=door note=secret t=-3m void=did_not_occur"))
	if x.holds("secret") {
		t.Error("a later declaration brought the body back")
	}
	x.mustReplay()
}
