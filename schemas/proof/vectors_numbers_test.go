package proof_test

import (
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// odd is members that a reader who takes numbers as doubles tells otherwise than they
// were signed, or whose text a terminal may obey.
const odd = `,"ex:serial":9007199254740993,"ex:price":12.50,"ex:zero":-0,"ex:far":1e400,"ex:near":1E-400,"ex:list":[0.10,{"1":1,"0":0}],"ex:text":"a\u009b31mb\u2800c\u202ed"`

// numbered is an event with such members, signed by a key that ends far away.
func numbered(t testing.TB) vector {
	l := newLedger(t)
	l.setKey("acme-farms", schemas.Key{Roles: schemas.RoleCapture, Held: schemas.HeldByClient, From: 1, Until: 1<<62 - 1})
	l.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", odd), trails: []schemas.TrailKey{custody(unit)}, result: applied})
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	return vector{name: "numbers", bundle: l.build(proof.AnItem, unit), trust: l.trust()}
}
