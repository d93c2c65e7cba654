package proof_test

import (
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// decodeMessage reads the body of an event, an order or an act.
func decodeMessage(body string) (*schemas.Event, error) {
	for _, name := range schemas.ActNames() {
		if strings.HasPrefix(body, `{"type":"`+name+`"`) {
			return schemas.DecodeAct([]byte(body))
		}
	}
	if strings.HasPrefix(body, `{"type":"ErasureOrder"`) {
		return schemas.DecodeOrder([]byte(body))
	}
	return schemas.DecodeEvent([]byte(body))
}

// ordered is the activity of a partner that recorded two events, held the body of
// one and had the body of the other erased: the body is gone, its place is proved,
// and so is the order.
func ordered(t testing.TB) vector {
	l := newLedger(t)
	order := func(what schemas.OrderKind, id string) message {
		e, err := schemas.MakeOrder(what, id, "asked for by the person concerned", "2026-03-01T10:00:00Z")
		if err != nil {
			t.Fatal(err)
		}
		return message{body: string(e.Body), result: applied}
	}
	l.transact("acme-farms",
		message{body: eventJSON(unit, "ADD", "commissioning", `,"eventID":"urn:uuid:1"`), trails: []schemas.TrailKey{custody(unit)}, result: applied},
		message{body: eventJSON(other, "ADD", "commissioning", `,"eventID":"urn:uuid:2"`), trails: []schemas.TrailKey{custody(other)}, result: applied})
	classify, err := schemas.MakeClassification("invoices", "urn:uuid:2", "", "2026-03-01T10:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	l.transact("acme-farms", order(schemas.OrderErase, "urn:uuid:1"), message{body: string(classify.Body), result: applied}, order(schemas.OrderHold, "urn:uuid:2"))
	refused := order(schemas.OrderErase, "urn:uuid:2")
	refused.result = schemas.Result{Code: schemas.OnHold}
	l.transact("acme-farms", refused)
	for _, id := range []string{unit, other} {
		l.put(id, schemas.Item{Custodian: "acme-farms"})
	}
	// As the state machine leaves it: the register has the trail, X how bodies stand.
	at := func(height int64, i uint32) schemas.Locator { return schemas.Locator{Height: height, Index: i} }
	first := l.height - 2
	erased := schemas.Erasure{Standing: schemas.BodyErased, Event: at(first, 0), Order: at(first+1, 0)}
	held := schemas.Erasure{Standing: schemas.BodyHeld, Event: at(first, 1), Order: at(first+1, 2), Class: "invoices"}
	l.set(schemas.ErasureKey("acme-farms", "urn:uuid:1"), erased.Append(nil))
	l.set(schemas.ErasureKey("acme-farms", "urn:uuid:2"), held.Append(nil))
	m := l.everything(proof.APartner, "acme-farms")
	m.Source = &faulty{ledger: l, alter: func(r *proof.Record) {
		if r.Skeleton.EventID == "urn:uuid:1" {
			r.Body, r.Secret = nil, schemas.Hash{}
		}
	}}
	return vector{name: "ordered", bundle: l.make(m), trust: l.trust()}
}
