package proof_test

import (
	"crypto/ed25519"
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

// phone is the key of a person of acme-farms, in their phone.
const phone = "phone"

func withPhone(l *ledger, roles uint32) {
	k := schemas.Key{Public: keyOf(77).Public().(ed25519.PublicKey), Roles: roles, Held: schemas.HeldInHardware, From: 1}
	l.set(schemas.KeyKey("acme-farms", phone), k.Append(nil))
}

// authoredBy is a body with the author's signature in it.
func authoredBy(t testing.TB, l *ledger, body string, key ed25519.PrivateKey) string {
	t.Helper()
	e, err := decodeMessage(body)
	if err != nil {
		t.Fatal(err)
	}
	out, err := schemas.Author(l.chain, "acme-farms", phone, e, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// authored is the activity of a partner, one of whose people signs what it reports:
// of one event a member is withheld, and with it the signature, from which it could
// be guessed.
func authored(t testing.TB) vector {
	l := newActs(t)
	withPhone(l, schemas.RoleDevice)
	l.transact("acme-farms",
		message{body: authoredBy(t, l, eventJSON(unit, "ADD", "commissioning", ""), keyOf(77)), trails: []schemas.TrailKey{custody(unit)}, result: applied},
		message{body: authoredBy(t, l, eventJSON(unit, "OBSERVE", "storing", price), keyOf(77)), trails: []schemas.TrailKey{custody(unit)}, result: applied},
		message{body: eventJSON(unit, "OBSERVE", "packing", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.transact("acme-farms", message{body: authoredBy(t, l, argued, keyOf(77)), result: applied})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	m := l.everything(proof.APartner, "acme-farms")
	m.Disclosure = proof.Disclosure{Withhold: []string{"ex:price"}}
	return vector{name: "authored", bundle: l.make(m), trust: l.trust()}
}

// TestAuthorsAreChecked: who is told as author had a key for it, and signed.
func TestAuthorsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		roles uint32
		by    int
		good  bool
	}{
		"a device's":       {schemas.RoleDevice, 77, true},
		"one that signs":   {schemas.RoleCapture, 77, true},
		"another's role":   {schemas.RoleAdmin, 77, false},
		"somebody else's":  {schemas.RoleDevice, 78, false},
		"no key there was": {0, 77, false},
	} {
		l := newActs(t)
		withPhone(l, tc.roles)
		l.transact("acme-farms", message{body: authoredBy(t, l, eventJSON(unit, "ADD", "commissioning", ""), keyOf(tc.by)), trails: []schemas.TrailKey{custody(unit)}, result: applied})
		l.put(unit, schemas.Item{Custodian: "acme-farms"})
		r, err := proof.Verify(l.build(proof.AnItem, unit).Encode(), l.trust())
		if (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (r.Events[0].Author != phone || r.Events[0].AuthorHeld != schemas.HeldInHardware) {
			t.Errorf("%s: told as %q, %v", name, r.Events[0].Author, r.Events[0].AuthorHeld)
		}
	}
}
