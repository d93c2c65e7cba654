package app_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A row of the index that has an event twice, because it names a class twice, has it
// twice after the erasure: as a replay does that never had the body.
func TestErasureOfEventTwiceInARow(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	c.submit("farm", false, c.event("obj add qty=lot1:2,lot1:3 step=commissioning id=x1 loc=hall note=secret"),
		c.event("obj add qty=lot1:4 step=commissioning id=x2 loc=hall"))
	mustBe(t, "the order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x1"))[0], schemas.OK)
	c.mustReplay()
}

// Thousands of copies, within one transaction and among thousands of events of the
// same time and place, are erased together: a row is read once and not for each.
func TestErasureAmongThousands(t *testing.T) {
	c := newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})
	event := c.event("obj add epc=b step=commissioning id=x2 loc=hall read=door t=-1m note=secret")
	var among []*schemas.Event
	for i := range schemas.MaxMessages / 2 {
		among = append(among, event, c.event(fmt.Sprintf("obj add epc=z%d id=z%d step=commissioning loc=hall read=door t=-1m", i, i)))
	}
	c.submit("farm", false, event)
	var txs [][]byte
	for range 3 {
		txs = append(txs, c.sign(c.draft("farm", false, among...)))
	}
	c.block(txs...)
	mustBe(t, "the order", c.give("farm", false, c.order(schemas.OrderErase, "urn:example:event:x2"))[0], schemas.OK)
	if c.holds("secret") {
		t.Error("a copy is there")
	}
	c.mustReplay()
}
