package proof_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

func TestBundleRoundTrip(t *testing.T) {
	l := newStory(t)
	for _, of := range []struct {
		subject proof.Subject
		id      string
	}{{proof.AnItem, unit}, {proof.AnItem, pallet}, {proof.AClass, lot}, {proof.AnItem, "https://id.gs1.org/01/09521234543213/21/none"}} {
		b := l.build(of.subject, of.id)
		encoded := b.Encode()
		decoded, err := proof.DecodeBundle(encoded)
		if err != nil {
			t.Fatalf("%s: %v", of.id, err)
		}
		if diff := cmp.Diff(encoded, decoded.Encode()); diff != "" {
			t.Error(diff)
		}
		r, err := proof.Verify(encoded, l.trust())
		if err != nil {
			t.Fatalf("%s: %v", of.id, err)
		}
		if r.Asked().ID != of.id || r.Height != l.height || r.Signed != 30 || r.Power != 40 || len(r.Proven()) < 2 || len(r.NotProven()) < 2 {
			t.Errorf("%s: %s", of.id, report(t, r))
		}
	}
}

func TestVerifyReport(t *testing.T) {
	l := newStory(t)
	r, err := proof.Verify(l.build(proof.AnItem, unit).Encode(), l.trust())
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Asked(); !a.Present || a.Custodian != "carrier" || !cmp.Equal(a.Containers, []string{pallet}) || a.Disposition != "in_transit" {
		t.Errorf("state: %s", report(t, r))
	}
	got := make([]string, len(r.Events))
	for i, e := range r.Events {
		got[i] = fmt.Sprintf("%d/%d/%d %s: %s %s by %s (%s %s): %s %v", e.Height, e.Position, e.Index, e.Trails[0].Trail, e.Action, e.BizStep, e.PartnerName, e.Key, e.Held, e.Effect, e.Flags)
	}
	want := []string{
		"2/0/0 custody trail: ADD commissioning by The acme-farms (k1 gateway): applied []",
		"3/0/1 observation trail: OBSERVE inspecting by The borg-foods (k1 gateway): observation [future_time]",
		"3/0/2 observation trail: OBSERVE storing by The borg-foods (k1 gateway): observation [future_time]",
		"4/0/0 custody trail: OBSERVE packing by The acme-farms (k1 gateway): applied []",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := r.Events[0]; e.EventID != "urn:uuid:1" || !bytes.Contains(e.Body, []byte(`"bizStep":"commissioning"`)) {
		t.Errorf("first event: %+v", e)
	}
	if e := r.Events[1]; e.EventID != schemas.DerivedEventID(e.Digest) {
		t.Errorf("event without id: %s", e.EventID)
	}
	if !strings.Contains(strings.Join(r.Proven(), "\n"), "custodian of the item was then the partner carrier") {
		t.Errorf("%q", r.Proven())
	}
}

// A container that was emptied no longer holds the item: who emptied it got it.
func TestVerifyReleased(t *testing.T) {
	l := newStory(t)
	l.put(pallet, schemas.Item{Custodian: "carrier", Epoch: 3})
	l.put(unit, schemas.Item{Custodian: "acme-farms", Parent: pallet, ParentEpoch: 2})
	l.set(schemas.ReleaseKey(pallet, 2), schemas.AppendRelease(nil, "borg-foods"))
	b := l.build(proof.AnItem, unit)
	r, err := proof.Verify(b.Encode(), l.trust())
	if err != nil {
		t.Fatal(err)
	}
	if r.Asked().Custodian != "borg-foods" || len(r.Asked().Containers) != 0 {
		t.Errorf("custodian %s in %v", r.Asked().Custodian, r.Asked().Containers)
	}
	b.Releases = nil
	if _, err := proof.Verify(b.Encode(), l.trust()); err == nil || !strings.Contains(err.Error(), "emptied") {
		t.Errorf("without the release: %v", err)
	}
}

// Containers nest sixteen deep, and no deeper bundle is read.
func TestVerifyNested(t *testing.T) {
	for _, c := range []struct {
		depth   int
		refused string
	}{{1, ""}, {16, ""}, {17, "deeper"}, {40, "deeper"}} {
		l := newStory(t)
		l.put(unit, schemas.Item{Parent: box(1)})
		for i := 1; i <= c.depth; i++ {
			it := schemas.Item{Custodian: "borg-foods"}
			if i < c.depth {
				it = schemas.Item{Parent: box(i + 1)}
			}
			l.put(box(i), it)
		}
		header := l.header()
		b, err := proof.Assemble(l.everything(proof.AnItem, unit))
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("depth %d: %v", c.depth, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("depth %d: %v", c.depth, err)
		}
		if err := b.Seal(l.signed(header)); err != nil {
			t.Fatal(err)
		}
		r, err := proof.Verify(b.Encode(), l.trust())
		if err != nil || r.Asked().Custodian != "borg-foods" || len(r.Asked().Containers) != c.depth {
			t.Errorf("depth %d: %v, %v", c.depth, r, err)
		}
	}
}

func box(n int) string { return fmt.Sprintf("https://id.gs1.org/01/09521234543213/21/box%d", n) }

// Whoever holds the item outside the network has no leaf to show.
func TestVerifyExternal(t *testing.T) {
	l := newStory(t)
	l.put(pallet, schemas.Item{Custodian: schemas.External + "9521234000099"})
	r, err := proof.Verify(l.build(proof.AnItem, unit).Encode(), l.trust())
	if err != nil || r.Asked().Custodian != "external:9521234000099" {
		t.Errorf("%v, %v", r, err)
	}
}

// A declaration of the recorder voids its own identical event, and nothing else.
func TestVerifyVoided(t *testing.T) {
	l := newLedger(t)
	declaration := `,"eventID":"urn:uuid:1","errorDeclaration":{"declarationTime":"2026-03-02T09:00:00.000Z","reason":"incorrect_data"}`
	first := eventJSON(unit, "ADD", "commissioning", `,"eventID":"urn:uuid:1"`)
	l.transact("acme-farms", message{body: first, trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.transact("borg-foods", message{body: first, trails: []schemas.TrailKey{observations(unit)}, result: schemas.Result{Effect: schemas.Claim}})
	l.transact("borg-foods", message{body: eventJSON(unit, "ADD", "packing", declaration), trails: []schemas.TrailKey{observations(unit)},
		result: schemas.Result{Effect: schemas.Observation, Flags: []schemas.Code{schemas.UnmatchedDeclaration}}})
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", declaration), trails: []schemas.TrailKey{observations(unit)}, result: applied})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	r, err := proof.Verify(l.build(proof.AnItem, unit).Encode(), l.trust())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*schemas.Locator{{Height: 5}, nil, nil, nil} {
		if diff := cmp.Diff(want, r.Events[i].VoidedBy); diff != "" {
			t.Errorf("event %d: %s", i, diff)
		}
	}
}

// A class's report has its trail, and what each who reported on it holds.
func TestVerifyClass(t *testing.T) {
	l := newStory(t)
	many := make([]message, 300)
	for i := range many {
		many[i] = message{body: lotJSON("ADD"), trails: []schemas.TrailKey{class(lot)}, result: applied}
	}
	l.transact("acme-farms", many...)
	l.set(schemas.ClassKey(lot), schemas.SingleHead(l.head(class(lot))))
	unknown := schemas.LotBalance{Unknown: true}
	l.set(schemas.BalanceKey(lot, "", "acme-farms"), unknown.Append(nil))
	r, err := proof.Verify(l.build(proof.AClass, lot).Encode(), l.trust())
	if err != nil || len(r.Events) != 302 {
		t.Fatalf("%v, %v", r, err)
	}
	if diff := cmp.Diff([]schemas.Balance{{Partner: "acme-farms"}, {Partner: "carrier", Quantity: "5", Known: true}}, r.Asked().Balances); diff != "" {
		t.Error(diff)
	}
}

// Two messages of one transaction that fall into two trails of one item.
func TestVerifyTwoTrailsOfOneTransaction(t *testing.T) {
	l := newLedger(t)
	l.transact("acme-farms",
		message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied},
		message{body: eventJSON(unit, "OBSERVE", "storing", ""), trails: []schemas.TrailKey{observations(unit)}, result: schemas.Result{Effect: schemas.Observation}})
	l.transactAt("borg-foods", 1, message{body: eventJSON(unit, "OBSERVE", "storing", ""), trails: []schemas.TrailKey{observations(unit)}, result: schemas.Result{Effect: schemas.Observation}})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	r, err := proof.Verify(l.build(proof.AnItem, unit).Encode(), l.trust())
	if err != nil || len(r.Events) != 3 {
		t.Fatalf("%v, %v", r, err)
	}
}

func FuzzDecodeBundle(f *testing.F) {
	l := newStory(f)
	trust := l.trust()
	f.Add(l.build(proof.AnItem, unit).Encode())
	f.Add(l.build(proof.AClass, lot).Encode())
	f.Add(l.build(proof.AnItem, "https://id.gs1.org/01/09521234543213/21/none").Encode())
	good := map[string]bool{}
	for _, id := range []string{unit, other, pallet} {
		encoded := l.build(proof.AnItem, id).Encode()
		r, err := proof.Verify(encoded, trust)
		if err != nil {
			f.Fatal(err)
		}
		good[report(f, r)] = true
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := proof.DecodeBundle(raw)
		if err != nil {
			return
		}
		if again := b.Encode(); !bytes.Equal(again, raw) {
			t.Fatalf("two encodings: %x and %x", raw, again)
		}
		r, err := proof.Verify(raw, trust)
		if err == nil && r.Asked().Kind == proof.AnItem && r.Signed == 30 && !good[report(t, r)] {
			t.Fatalf("a bundle that nobody made: %s", report(t, r))
		}
	})
}
