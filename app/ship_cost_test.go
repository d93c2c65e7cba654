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

// What hand-overs, or answers to a recall, list is told as far as one answer can hold it.
func TestToldIsBounded(t *testing.T) {
	s := newScript(t)
	const id = "urn:example:shipment:1"
	s.sent("farm: obj add epc=a step=commissioning",
		`farm: act AnnounceShipment {"shipment":"`+id+`","receiver":"shop","carriers":["haul","mill"],"items":["`+full("a")+`"]}`,
		`farm: act Recall {"recall":"r","instruction":"stop","items":["`+full("a")+`"]}`)
	from := "farm"
	for n := 1; n <= 7; n++ {
		to := []string{"haul", "mill"}[n%2]
		var over, held []string
		for i := range schemas.MaxDiscrepancies {
			over = append(over, fmt.Sprintf(`{"id":"urn:example:over:%d","what":"over"}`, i))
			held = append(held, fmt.Sprintf(`{"id":"urn:example:over:%d"}`, i))
		}
		codes := s.sent(fmt.Sprintf(`%s: act OfferHandover {"shipment":%q,"to":%q}`, from, id, to),
			fmt.Sprintf(`%s: act AcceptHandover {"shipment":%q,"handover":%d,"discrepancies":[%s]}`, to, id, n, strings.Join(over, ",")),
			to+`: act AcknowledgeRecall {"issuer":"farm","recall":"r","held":[`+strings.Join(held, ",")+`]}`)
		if codes[0] != schemas.OK || codes[1] != schemas.OK || codes[2] != schemas.OK {
			t.Fatal(n, codes)
		}
		from = to
	}
	info, err := s.view().Shipment(id)
	if err != nil || info.Handovers != 7 || len(info.Last) != 5 || info.Last[0].Number != 7 {
		t.Errorf("%d hand-overs are told: %v", len(info.Last), err)
	}
	recall, err := s.view().TestingOnlyRecall(schemas.RecallRef{Issuer: "farm", Recall: "r"}, schemas.MaxAcknowledged)
	if err != nil || len(recall.Replies) != 2 || recall.Replies[0].Cut || len(recall.Replies[0].Held) != schemas.MaxAcknowledged || !recall.Replies[1].Cut || recall.Replies[1].Held != nil {
		t.Errorf("the recall is told as %+v: %v", recall, err)
	}
}
