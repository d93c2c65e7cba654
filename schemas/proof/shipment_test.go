package proof_test

import (
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// forgedShipment alters the bundle of a shipment with its units: the shipment first, the
// units and the boxes behind it, each by its identifier.
var forgedShipment = []forgery{
	{"a hand-over left out", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Handovers = b.Handovers[:1] }, "hand-overs: 1 are there, the shipment has 2"},
	{"a hand-over twice", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Handovers = append(b.Handovers, b.Handovers[1]) }, "hand-overs: 3 are there"},
	{"one hand-over for the other", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Handovers[0] = b.Handovers[1] }, "hand-over 1: leaf"},
	{"another answer", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		h, _ := schemas.DecodeHandover(b.Handovers[1].Leaf.Value)
		h.Discrepancies = nil
		b.Handovers[1].Leaf.Value = h.Append(nil)
	}, "hand-over 2: leaf"},
	{"a dispute denied", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		_, path, _ := l.State(schemas.DisputeKey(consigned, 1))
		b.Handovers[1].Dispute = proof.StateLeaf{Path: path.Append(nil)}
	}, "hand-over 2: absence of a dispute"},
	{"a dispute denied by its own path", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Handovers[1].Dispute.Value = nil }, "hand-over 2: absence of a dispute"},
	{"a dispute of the other hand-over", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Handovers[0].Dispute = b.Handovers[1].Dispute }, "hand-over 1: dispute"},
	{"another state", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		s, _ := schemas.DecodeShipment(b.Subjects[0].Value)
		s.State = schemas.Closed
		b.Subjects[0].Value = s.Append(nil)
	}, "leaf: path of a member"},
	{"denied", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects[0].Value, b.Subjects[0].Trails, b.Handovers = nil, nil, nil
	}, "absence: path of an absent key"},
	{"a path too many", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].Other = b.Subjects[0].Path }, "a path too many"},
	{"under another name", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Subjects[0].ID += "8" }, "leaf: path of a member"},
	{"not asked for", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		shipment := b.Subjects[0]
		*b = *l.build(proof.AnItem, other)
		b.Subjects = append(b.Subjects, shipment)
	}, "nobody asked for it"},
	{"units without the scope", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Scope.Units = false }, "units: their leaf is missing, or nothing needs it"},
	{"the scope without units", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Units = nil }, "units: their leaf is missing"},
	{"fewer units", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		units, _ := schemas.DecodeUnits(b.Units.Value)
		b.Units.Value = schemas.AppendUnits(nil, units[1:])
	}, "units: path of a member"},
	{"a unit left out", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Subjects = append(b.Subjects[:1:1], b.Subjects[2:]...)
	}, "unit " + unit + ": its leaf is missing"},
	{"a unit's holder left out", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Releases = nil }, "it was emptied, and the leaf of who did is missing"},
	{"containers of a shipment", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Scope.Containers = true }, "scope: containers and ancestors"},
	{"ancestors of a shipment", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) { b.Scope.Ancestors = 1 }, "scope: containers and ancestors"},
	{"a record left out", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions = b.Transactions[:len(b.Transactions)-1]
	}, "it has 9 records, the bundle 8"},
	{"a record in a trail that it is not in", func(_ *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Transactions[0].Messages[0].Trails[0].Kind = schemas.PartnerTrail
	}, "of which the bundle has no records"},
	{"names without a party's", func(l *ledger, b *proof.Bundle, _ *proof.Trust) {
		b.Partners = append(b.Partners[:1:1], b.Partners[2:]...)
	}, "party \"borg-foods\": the partner's leaf is missing"},
}

// TestForgedShipments: whoever has all of the ledger, and no key of others, makes no
// bundle that says something else of a shipment.
func TestForgedShipments(t *testing.T) {
	for _, f := range forgedShipment {
		l := newShipment(t)
		m := l.everything(proof.AShipment, consigned)
		m.Scope.Units = true
		b, trust := l.make(m), l.trust()
		f.forge(l, b, trust)
		f.mustBeRefused(t, b, trust)
	}
}

// TestUnitsAreOfShipments: a bundle of anything else says nothing of units, hand-overs,
// or that it looked for them.
func TestUnitsAreOfShipments(t *testing.T) {
	l := newShipment(t)
	m := l.everything(proof.AShipment, consigned)
	m.Scope.Units = true
	shipment := l.make(m)
	for _, of := range []proof.Thing{{Kind: proof.AnItem, ID: other}, {Kind: proof.APartner, ID: "carrier"}, {Kind: proof.AShipment, ID: "urn:example:shipment:8"}} {
		for name, alter := range map[string]func(b *proof.Bundle){
			"hand-overs": func(b *proof.Bundle) { b.Handovers = shipment.Handovers },
			"units":      func(b *proof.Bundle) { b.Units = shipment.Units },
			"scope":      func(b *proof.Bundle) { b.Scope.Units = true },
		} {
			b := l.build(of.Kind, of.ID)
			if _, err := proof.Verify(b.Encode(), l.trust()); err != nil {
				t.Fatal(err)
			}
			alter(b)
			if _, err := proof.Verify(b.Encode(), l.trust()); err == nil {
				t.Errorf("%s of %s verify", name, of.Kind)
			}
		}
	}
}
