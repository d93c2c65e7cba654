package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// What an acceptance listed is not read for nothing by the messages that come after it:
// a block of short ones takes no longer than its lookups.
func TestHandoverIsCharged(t *testing.T) {
	s := newScript(t)
	var over []string
	for i := range 200 {
		over = append(over, fmt.Sprintf(`{"id":%q,"what":"over"}`, full(fmt.Sprintf("over%d", i))))
	}
	s.sent("farm: obj add epc=a step=commissioning",
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","inspectors":["mill"],"items":["`+full("a")+`"]}`,
		`farm: act OfferHandover {"shipment":"urn:example:shipment:1","to":"shop"}`,
		`shop: act AcceptHandover {"shipment":"urn:example:shipment:1","handover":1,"discrepancies":[`+strings.Join(over, ",")+`]}`)
	if code := s.last.Receipts[3].Events[0].Code; code != schemas.OK {
		t.Fatal(code)
	}
	s.app.TestingOnlyLookups(300)
	const named = `{"shipment":"urn:example:shipment:1","handover":1}`
	codes := s.sent("haul: act DisputeHandover "+named, "haul: act AcceptHandover "+named, // strangers spend nothing
		"shop: act DisputeHandover "+named, "shop: act AcceptHandover "+named,
		`mill: obj obs epc=a step=sensor_reporting`)
	want := fmt.Sprint([]schemas.Code{schemas.WrongRole, schemas.WrongState, schemas.OK, schemas.TooFarInside, schemas.OK})
	if got := fmt.Sprint(codes); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
