package proof_test

import (
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	voted  = `{"type":"Vote","eventTime":"2026-03-01T10:00:00Z","proposal":"1042-0-3","approve":true}`
	argued = `{"type":"Vote","eventTime":"2026-03-01T10:05:00Z","proposal":"1042-0-4","reason":"too dear"}`
)

// newActs is a ledger where a partner's key may sign acts. The acts of these tests
// are votes: which trails an act is in, the ledger's rules say, and here the test.
func newActs(t testing.TB) *ledger {
	l := newLedger(t)
	l.setKey("acme-farms", schemas.Key{Roles: schemas.RoleCapture | schemas.RoleAdmin, Held: schemas.HeldByClient, From: 1})
	leaf := schemas.Partner{ID: "acme-farms", Name: "Acme Farms SA", GLN: "9521234000006", Standing: schemas.StandingParticipant,
		Host: "borg-foods", Sponsor: "carrier", LEI: "549300MLUDYVRQOOXS22", Registration: "DE HRB 123456", Threshold: 2}
	l.set(schemas.PartnerKey("acme-farms"), leaf.Append(nil))
	return l
}

// acting is the activity of a partner: two acts, one of them with its reason
// withheld, one that was refused, and one whose body is not held any more.
func acting(t testing.TB) vector {
	l := newActs(t)
	l.transact("acme-farms", message{body: voted, result: applied}, message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.transact("acme-farms", message{body: argued, result: applied})
	l.transact("acme-farms", message{body: argued, result: schemas.Result{Code: schemas.RuleFailed}})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	m := l.everything(proof.APartner, "acme-farms")
	m.Disclosure = proof.Disclosure{Withhold: []string{"reason"}, HashIDs: true}
	m.Source = &faulty{ledger: l, alter: func(r *proof.Record) {
		if r.Result.Code != schemas.OK {
			r.Body, r.Secret = nil, schemas.Hash{}
		}
	}}
	return vector{name: "acts", bundle: l.make(m), trust: l.trust()}
}

// actedOn is an item in whose custody trail are acts: one is shown whole, that of
// another partner is withheld.
func actedOn(t testing.TB) vector {
	l := newActs(t)
	l.setKey("carrier", schemas.Key{Roles: schemas.RoleAdmin, Held: schemas.HeldInHardware, From: 1})
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.transact("acme-farms", message{body: argued, trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.transact("carrier", message{body: voted, trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.put(unit, schemas.Item{Custodian: "carrier"})
	m := l.everything(proof.AnItem, unit)
	m.Disclosure = proof.Disclosure{Partner: "acme-farms"}
	return vector{name: "acted-on", bundle: l.make(m), trust: l.trust()}
}

// actedLot is a lot in whose trail is an act: it names no quantity, and what it
// moved is in a balance of who did it.
func actedLot(t testing.TB) vector {
	l := newActs(t)
	l.transact("carrier", message{body: lotJSON("ADD"), trails: []schemas.TrailKey{class(lot)}, result: applied})
	l.transact("acme-farms", message{body: voted, trails: []schemas.TrailKey{class(lot)}, result: applied})
	l.set(schemas.ClassKey(lot), schemas.SingleHead(l.head(class(lot))))
	held := schemas.LotBalance{Amount: "5"}
	l.set(schemas.BalanceKey(lot, "", "acme-farms"), held.Append(nil))
	return vector{name: "acted-lot", bundle: l.make(l.everything(proof.AClass, lot)), trust: l.trust()}
}

// TestActsNeedTheirRole: a key that may sign events signs no vote, one without
// roles nothing, and the skeleton beside an act's members is that of the members.
func TestActsNeedTheirRole(t *testing.T) {
	for name, roles := range map[string]uint32{"capture alone": schemas.RoleCapture, "no role": 0, "admin": schemas.RoleAdmin} {
		for form, d := range map[string]proof.Disclosure{"whole": {}, "partial": {Withhold: []string{"reason"}}, "withheld": {Partner: "borg-foods"}} {
			l := newActs(t)
			l.setKey("acme-farms", schemas.Key{Roles: roles, Held: schemas.HeldByClient, From: 1})
			l.transact("acme-farms", message{body: argued, result: applied})
			m := l.everything(proof.APartner, "acme-farms")
			m.Disclosure = d
			_, err := proof.Verify(l.make(m).Encode(), l.trust())
			// Of a withheld act nobody can tell which role it needs: some need that of capture.
			if want := roles == schemas.RoleAdmin || roles != 0 && form == "withheld"; (err == nil) != want {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
	}
}
