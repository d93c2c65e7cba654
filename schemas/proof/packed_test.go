package proof_test

import (
	"fmt"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// packedLot is a lot of which one partner packed some into a pallet and another
// emptied it, by a record that names the pallet alone: that one's balance belongs
// to the bundle, too.
func packedLot(t testing.TB) vector {
	l := newLedger(t)
	pack := func(action, rest string) string {
		return fmt.Sprintf(`{"type":"AggregationEvent","eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00","action":%q,"parentID":%q%s}`, action, pallet, rest)
	}
	record := func(partner, body string) {
		l.transact(partner, message{body: body, trails: []schemas.TrailKey{class(lot)}, result: applied})
	}
	record("carrier", lotJSON("ADD"))
	record("borg-foods", pack("ADD", fmt.Sprintf(`,"childQuantityList":[{"epcClass":%q,"quantity":2,"uom":"KGM"}]`, lot)))
	record("acme-farms", pack("DELETE", ""))
	for _, b := range []struct{ uom, partner, amount string }{{"", "carrier", "5"}, {"KGM", "acme-farms", "2"}} {
		held := schemas.LotBalance{Amount: b.amount}
		l.set(schemas.BalanceKey(lot, b.uom, b.partner), held.Append(nil))
	}
	l.set(schemas.ClassKey(lot), schemas.SingleHead(l.head(class(lot))))
	return vector{name: "packed-lot", bundle: l.build(proof.AClass, lot), trust: l.trust()}
}

func TestBalancesOfWhoEmptied(t *testing.T) {
	v := packedLot(t)
	r, err := proof.Verify(v.bundle.Encode(), v.trust)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Asked().Balances); got != "[{carrier  5 true} {acme-farms KGM 2 true}]" {
		t.Errorf("balances: %s", got)
	}
}
