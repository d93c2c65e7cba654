package proof_test

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// filled are vectors whose leaves have what those of the others lack.
func filled(t testing.TB) []vector {
	return []vector{filledItem(t), filledEvents(t), filledPartner(t), filledLot(t), filledShipment(t)}
}

// filledItem is an item with every field that the rules write, made before 1970, which
// a container let go; the partner that holds it has all that a partner can have.
func filledItem(t testing.TB) vector {
	l := newLedger(t)
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	p := schemas.Partner{ID: "acme-farms", Name: "Äcme", GLN: "9521234000006", Standing: schemas.StandingParticipant, NodeID: "f592fe4ac98875c2afc013066ff1a506d0260eae",
		Validate: secretOf("acme-farms").Public().(ed25519.PublicKey), State: schemas.Suspended, Host: "borg-foods", Sponsor: "carrier", LEI: "529900T8BM49AURSDO55", Registration: "DE HRB 7", Threshold: 2}
	l.set(schemas.PartnerKey("acme-farms"), p.Append(nil))
	l.put(unit, schemas.Item{Custodian: "borg-foods", Parent: pallet, ParentEpoch: 1, Epoch: 3, Levels: 1, Disposition: "active", Ended: true, Waiting: 2, Turn: 4, Lots: 5,
		Shipment: consigned, Maker: "acme-farms", Made: -1, Offer: &schemas.Offer{Party: "carrier", EventTime: -2, Time: l.start.UnixNano(), From: "acme-farms", Quantity: "1.5",
			Locator: schemas.Locator{Height: 2}, Shipment: consigned, Handover: 7, Until: l.start.Add(time.Hour).UnixNano()}})
	l.put(pallet, schemas.Item{Custodian: "carrier", Epoch: 2})
	l.set(schemas.ReleaseKey(pallet, 1), schemas.AppendRelease(nil, "acme-farms"))
	return vector{name: "full-item", bundle: l.build(proof.AnItem, unit), trust: l.trust()}
}

// filledEvents are a transformation and a declaration with all that rules read of such.
func filledEvents(t testing.TB) vector {
	l := newLedger(t)
	made := fmt.Sprintf(`{"type":"TransformationEvent","eventTime":"2026-03-01T09:00:00.5Z","eventTimeZoneOffset":"+00:00","eventID":"urn:example:made","transformationID":"urn:example:oven:7",`+
		`"inputQuantityList":[{"epcClass":%q,"quantity":2.50,"uom":"KGM"},{"epcClass":%q}],"outputEPCList":[%q],"outputQuantityList":[{"epcClass":%q,"quantity":1e1}],"bizStep":"urn:epcglobal:cbv:bizstep:assembling","disposition":"https://ref.gs1.org/cbv/Disp-active",`+
		`"sourceList":[{"type":"possessing_party","source":"urn:epc:id:pgln:9521234.00000"}],"destinationList":[{"type":"urn:epcglobal:cbv:sdt:owning_party","destination":"urn:example:buyer"}]`, lot, private, unit, private)
	trails := []schemas.TrailKey{custody(unit)}
	l.transact("acme-farms", message{body: made + "}", trails: trails, result: applied})
	l.transact("acme-farms", message{body: made + `,"errorDeclaration":{"declarationTime":"2026-03-01T10:00:00Z","reason":"incorrect_data","correctiveEventIDs":["urn:example:right","urn:example:other"]}}`, trails: []schemas.TrailKey{observations(unit)}, result: applied})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	return vector{name: "full-events", bundle: l.build(proof.AnItem, unit), trust: l.trust()}
}

// filledPartner is the activity of a partner whose register has a head of its events.
func filledPartner(t testing.TB) vector {
	l := newLedger(t)
	l.setKey("daily-market", schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 1})
	l.set(schemas.PartnerKey("daily-market"), (&schemas.Partner{ID: "daily-market", Name: "Daily", GLN: "9521234000006", Standing: schemas.StandingMember}).Append(nil))
	l.transact("daily-market", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.set(schemas.RegisterKey("daily-market"), (&schemas.Register{Trail: l.head(partnerTrail("daily-market")), Events: l.head(custody(unit))}).Append(nil))
	return vector{name: "full-partner", bundle: l.build(proof.APartner, "daily-market"), trust: l.trust()}
}

// filledLot is a lot of which more than a known quantity is held.
func filledLot(t testing.TB) vector {
	l := newStory(t)
	l.set(schemas.BalanceKey(lot, "", "carrier"), (&schemas.LotBalance{Amount: "5", Unknown: true}).Append(nil))
	return vector{name: "full-lot", bundle: l.build(proof.AClass, lot), trust: l.trust()}
}

// filledShipment is one of which something was refused, and where it is told who brought
// the evidence about it.
func filledShipment(t testing.TB) vector {
	l := newShipment(t)
	h, err := schemas.DecodeHandover([]byte(l.state[string(schemas.HandoverKey(consigned, 2))]))
	if err != nil {
		t.Fatal(err)
	}
	h.Took, h.Refused = 3, 1
	l.set(schemas.HandoverKey(consigned, 2), h.Append(nil))
	d, err := schemas.DecodeDispute([]byte(l.state[string(schemas.DisputeKey(consigned, 2))]))
	if err != nil {
		t.Fatal(err)
	}
	d.Evidence[0].Partner, d.Evidence[1].Partner = "carrier", "borg-foods"
	l.set(schemas.DisputeKey(consigned, 2), d.Append(nil))
	return vector{name: "full-shipment", bundle: l.build(proof.AShipment, consigned), trust: l.trust()}
}

// TestVectorsHaveEverything: what rules write into a leaf that bundles show, some vector
// has, so that a verifier which does not know a field of it is found here.
func TestVectorsHaveEverything(t *testing.T) {
	seen := map[string]bool{}
	see := func(leaf any, err error) {
		if err == nil {
			fieldsSeen(seen, reflect.ValueOf(leaf))
		}
	}
	for _, v := range vectors(t) {
		b := v.bundle
		for i := range b.Subjects {
			switch s := &b.Subjects[i]; {
			case s.Value == nil:
			case s.Kind == proof.AnItem:
				see(first(schemas.DecodeItem(s.Value)))
			case s.Kind == proof.APartner:
				see(first(schemas.DecodeRegister(s.Value)))
			case s.Kind == proof.AShipment:
				see(first(schemas.DecodeShipment(s.Value)))
			}
		}
		for i := range b.Partners {
			p := &b.Partners[i]
			if p.Leaf != nil {
				see(first(schemas.DecodePartner(p.ID, p.Leaf.Value)))
			}
			for _, k := range p.Keys {
				see(first(schemas.DecodeKey(p.ID, k.ID, k.Leaf.Value)))
			}
		}
		for i := range b.Balances {
			see(first(schemas.DecodeLotBalance(b.Balances[i].Value)))
		}
		r, err := proof.Verify(b.Encode(), v.trust, v.accept...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Events {
			if e := &r.Events[i]; e.Body != nil && e.Withheld == 0 {
				decode := schemas.DecodeEvent
				if e.Order != "" {
					decode = schemas.DecodeOrder
				} else if slices.Contains(schemas.ActNames(), e.Type) {
					decode = schemas.DecodeAct
				}
				event, err := decode(e.Body)
				if err != nil {
					t.Fatal(err)
				}
				see(event.Skeleton, nil)
			}
		}
		for i := range b.Handovers {
			see(first(schemas.DecodeHandover(b.Handovers[i].Leaf.Value)))
			see(first(schemas.DecodeDispute(b.Handovers[i].Dispute.Value)))
		}
	}
	for _, leaf := range []any{schemas.Item{}, schemas.Offer{}, schemas.Register{}, schemas.Shipment{}, schemas.Partner{}, schemas.Key{}, schemas.LotBalance{}, schemas.Handover{},
		schemas.Signing{}, schemas.Dispute{}, schemas.Evidence{}, schemas.Attachment{}, schemas.Discrepancy{}, schemas.ShipmentLot{}, schemas.Document{}, schemas.Band{},
		schemas.Skeleton{}, schemas.Quantity{}, schemas.Party{}, schemas.Declaration{}, schemas.BodyOrder{}, schemas.Sensor{}} {
		of := reflect.TypeOf(leaf)
		for i := range of.NumField() {
			if name := fmt.Sprint(of.Name(), ".", of.Field(i).Name); !seen[name] {
				t.Errorf("no vector has %s", name)
			}
		}
	}
	if t.Failed() {
		t.Log(slices.Sorted(maps.Keys(seen)))
	}
}

// first is a pair as any and error.
func first[T any](v T, err error) (any, error) { return v, err }

// fieldsSeen notes which fields have a value, in whatever is nested.
func fieldsSeen(seen map[string]bool, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fieldsSeen(seen, v.Elem())
		}
	case reflect.Interface: // an act: its members are not all that it can have
	case reflect.Slice:
		for i := range v.Len() {
			fieldsSeen(seen, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				seen[fmt.Sprint(v.Type().Name(), ".", v.Type().Field(i).Name)] = true
				fieldsSeen(seen, f)
			}
		}
	}
}
