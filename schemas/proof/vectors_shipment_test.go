package proof_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const consigned = "urn:example:shipment:7"

func shipmentTrail(id string) schemas.TrailKey {
	return schemas.TrailKey{Kind: schemas.ShipmentTrail, Subject: id}
}

// did records what a partner did about the shipment, and answers how the ledger notes
// who did it. Members of an act are written behind its type.
func (l *ledger) did(partner, body string, trails ...schemas.TrailKey) schemas.Signing {
	l.t.Helper()
	if act, members, ok := strings.Cut(body, " "); ok && !strings.HasPrefix(body, "{") {
		body = fmt.Sprintf(`{"type":%q,"eventTime":"2026-03-01T10:00:00Z","shipment":%q%s}`, act, consigned, members)
	}
	l.transact(partner, message{body: body, trails: append(trails, shipmentTrail(consigned)), result: applied})
	key, err := schemas.DecodeKey(partner, "k1", []byte(l.state[string(schemas.KeyKey(partner, "k1"))]))
	if err != nil {
		l.t.Fatal(err)
	}
	return schemas.Signing{Partner: partner, KeyID: "k1", Held: key.Held, Time: l.start.Add(time.Duration(l.height) * time.Second).UnixNano(),
		EventTime: l.start.Add(2 * time.Hour).UnixNano(), At: schemas.Locator{Height: l.height}}
}

// ship writes a shipment's leaves.
func (l *ledger) ship(s schemas.Shipment, units []string, handovers ...schemas.Handover) {
	s.Trail, s.Handovers, s.Items = l.head(shipmentTrail(consigned)), uint64(len(handovers)), uint64(len(units))
	l.set(schemas.ShipmentKey(consigned), s.Append(nil))
	if len(units) > 0 {
		l.set(schemas.UnitsKey(consigned), schemas.AppendUnits(nil, units))
	}
	for i := range handovers {
		l.set(schemas.HandoverKey(consigned, uint64(i+1)), handovers[i].Append(nil))
	}
}

// newShipment is a shipment that went through a carrier's hands, and that its receiver
// took with differences, argued about, and unpacked elsewhere: two of its units came out
// of the same box, and one lies in another.
func newShipment(t testing.TB) *ledger {
	l := newLedger(t)
	l.setKey("carrier", schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 1})
	l.setKey("borg-foods", schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldInHardware, From: 1})
	for _, id := range []string{unit, other, other2} {
		l.transact("acme-farms", message{body: eventJSON(id, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(id)}, result: applied})
	}
	announced := l.did("acme-farms", fmt.Sprintf(`AnnounceShipment ,"carriers":["carrier"],"receiver":"borg-foods","items":[%q,%q,%q],"lots":[{"class":%q,"quantity":40,"uom":"KGM"}]`, unit, other, other2, lot),
		custody(unit), custody(other), custody(other2), class(lot))
	first := l.did("acme-farms", `OfferHandover ,"to":"carrier"`, custody(unit), custody(other), custody(other2))
	attached := l.did("carrier", `AttachDocuments ,"documents":[{"kind":"invoice","document":"02`+strings.Repeat("00", 31)+`"}]`)
	taken := l.did("carrier", eventJSON(unit, "OBSERVE", "receiving", price), custody(unit))
	last := l.did("carrier", `OfferHandover ,"to":"borg-foods"`, custody(unit))
	accepted := l.did("borg-foods", fmt.Sprintf(`AcceptHandover ,"handover":2,"discrepancies":[{"id":%q,"what":"short","quantity":1.5,"uom":"KGM"},{"id":%q,"what":"damaged"}],"reason":"wet"`, lot, unit), custody(unit))
	argues := l.did("carrier", `DisputeHandover ,"handover":2,"evidence":[{"document":"00000000000000000000000000000000000000000000000000000000000000ff"}],"reason":"it was dry"`)
	l.did("borg-foods", `ResolveDispute ,"handover":2,"outcome":"delivered"`)
	settled := l.did("carrier", `ResolveDispute ,"handover":2,"outcome":"delivered"`)

	until := l.start.Add(720 * time.Hour).UnixNano()
	kept := []schemas.ShipmentLot{{Class: lot, Quantity: "38.5", UOM: "KGM"}}
	l.ship(schemas.Shipment{Shipper: "acme-farms", ShipmentParties: schemas.ShipmentParties{Carriers: []string{"carrier"}, Receiver: "borg-foods"},
		ShipmentTerms: schemas.ShipmentTerms{Deadline: until, Bands: []schemas.Band{{Of: schemas.Temperature, Min: "2", Max: "8.5"}}, Documents: []schemas.Document{{Hash: schemas.Hash{1}}, {Kind: "invoice"}}},
		Lots:          kept, Units: 4, State: schemas.Delivered, Holder: "borg-foods", Announced: announced.Time, At: announced.At,
		Attached: []schemas.Attachment{{Term: 2, Document: schemas.Hash{2}, Partner: "carrier", Time: attached.Time, At: attached.At}}},
		[]string{unit, other, other2},
		schemas.Handover{To: "carrier", Offered: first, Until: until, Units: 4, Took: 4, State: schemas.HandoverAccepted, Answered: taken, Lots: []schemas.ShipmentLot{{Class: lot, Quantity: "40", UOM: "KGM"}}},
		schemas.Handover{To: "borg-foods", Offered: last, Until: until, Units: 4, Took: 4, State: schemas.HandoverAcceptedWith, Answered: accepted, Lots: kept,
			Discrepancies: []schemas.Discrepancy{{ID: lot, What: schemas.Short, Quantity: "1.5", UOM: "KGM"}, {ID: unit, What: schemas.Damaged}}})
	dispute := schemas.Dispute{Opened: argues, Evidence: []schemas.Evidence{{Document: schemas.Hash{31: 0xff}}, {Event: "urn:example:photo:1"}}, From: schemas.Settled, To: schemas.Settled, Outcome: schemas.Settled, Resolved: settled}
	l.set(schemas.DisputeKey(consigned, 2), dispute.Append(nil))

	l.put(unit, schemas.Item{Parent: box(1), ParentEpoch: 1, Disposition: "damaged", Shipment: consigned})
	l.put(other, schemas.Item{Parent: box(1), ParentEpoch: 1, Shipment: consigned})
	l.put(other2, schemas.Item{Parent: box(2), Shipment: consigned})
	l.put(box(1), schemas.Item{Custodian: "borg-foods", Epoch: 2})
	l.put(box(2), schemas.Item{Custodian: "carrier"})
	l.set(schemas.ReleaseKey(box(1), 1), schemas.AppendRelease(nil, "borg-foods"))
	return l
}

func shipped(t testing.TB, name string, alter func(*proof.Material)) vector {
	l := newShipment(t)
	m := l.everything(proof.AShipment, consigned)
	alter(&m)
	return vector{name: name, bundle: l.make(m), trust: l.trust()}
}

// shippedOpen is a shipment of a lot alone that is stopped while a second offer's time
// is over; a receipt that came before the first offer answered that.
func shippedOpen(t testing.TB) vector {
	l := newLedger(t)
	announced := l.did("acme-farms", fmt.Sprintf(`AnnounceShipment ,"carriers":["carrier"],"receiver":"borg-foods","lots":[{"class":%q,"quantity":40}]`, lot), class(lot))
	first := l.did("acme-farms", `OfferHandover ,"to":"carrier"`, class(lot))
	second := l.did("carrier", strings.Replace(lotJSON("OBSERVE"), `"action"`, `"bizStep":"shipping","action"`, 1), class(lot))
	l.did("acme-farms", `HoldShipment `)
	argues := l.did("acme-farms", `DisputeHandover ,"handover":1`)
	met := schemas.Signing{Partner: "carrier", Time: first.Time - 1, EventTime: l.start.UnixNano(), At: schemas.Locator{Height: 1, Position: 3, Index: 9}}
	lots := []schemas.ShipmentLot{{Class: lot, Quantity: "40"}}
	second.Author, second.Held = "phone-1", schemas.HeldInHardware
	l.ship(schemas.Shipment{Shipper: "acme-farms", ShipmentParties: schemas.ShipmentParties{Carriers: []string{"carrier"}, Receiver: "borg-foods", Inspectors: []string{"borg-foods"}, Arbiter: "borg-foods"},
		Lots: lots, Units: 1, State: schemas.HandoverPending, Holder: "carrier", HeldBy: "acme-farms", Disputed: 1, Announced: announced.Time, At: announced.At}, nil,
		schemas.Handover{To: "carrier", Offered: first, Until: l.start.Add(time.Hour).UnixNano(), Units: 1, Took: 1, State: schemas.HandoverAccepted, Answered: met, Lots: lots},
		schemas.Handover{To: "borg-foods", Offered: second, Until: l.start.Add(time.Second).UnixNano(), Units: 1, Open: 1, State: schemas.HandoverOpen})
	dispute := schemas.Dispute{Opened: argues, To: schemas.GoOn}
	l.set(schemas.DisputeKey(consigned, 1), dispute.Append(nil))
	m := l.everything(proof.AShipment, consigned)
	m.Scope.Units = true
	return vector{name: "shipment-open", bundle: l.make(m), trust: l.trust()}
}

// shipments are the vectors of shipments.
func shipments(t testing.TB) []vector {
	return []vector{
		shipped(t, "shipment", func(m *proof.Material) { m.Scope.Units = true }),
		shipped(t, "shipment-alone", func(m *proof.Material) {
			m.Scope.Names, m.Disclosure = false, proof.Disclosure{Withhold: []string{"reason", "ex:price", "discrepancies"}}
		}),
		shipped(t, "shipment-unknown", func(m *proof.Material) { m.Asked[0].ID, m.Scope.Units = "urn:example:shipment:8", true }),
		shippedOpen(t),
	}
}
