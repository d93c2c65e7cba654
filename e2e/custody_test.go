package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// The page on custody works as it stands: a shipment goes from hand to hand between
// three partners, comes short and damaged, is argued about, and closed.
func TestCustodyPage(t *testing.T) {
	x := shared.get(t)
	shipper, carrier, receiver, arbiter := x.members[0], x.members[1], x.members[2], x.members[3]
	const pallet, lot = "urn:example:pallet:custody-1", "https://id.gs1.org/01/09521234543213/10/CUSTODY1"
	body := fmt.Sprintf(`{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","eventTime":%q,"eventTimeZoneOffset":"+00:00",
		"action":"ADD","bizStep":"commissioning","epcList":[%q],"quantityList":[{"epcClass":%q,"quantity":100,"uom":"KGM"}]}`, time.Now().UTC().Format(time.RFC3339Nano), pallet, lot)
	if err := acknowledge(t.Context(), x.plain(t, 0), []byte(body)); err != nil {
		t.Fatal(err)
	}
	x.level(t)

	env := []string{"PALLET=" + pallet, "LOT=" + lot, "CARRIER=" + carrier.Partner, "RECEIVER=" + receiver.Partner, "ARBITER=" + arbiter.Partner}
	for i, m := range []int{0, 1, 2} {
		env = append(env, fmt.Sprintf("NODE%d=%s", i+1, x.members[m].REST), fmt.Sprintf("KEY%d=%s", i+1, x.members[m].Key))
	}
	shown := x.walk(t, "custody.md", env...)
	var raw struct {
		State     string `json:"state"`
		Handovers []struct {
			State string `json:"state"`
			Taken int    `json:"taken"`
		} `json:"handovers"`
	}
	if err := json.Unmarshal(shown, &raw); err != nil {
		t.Fatalf("%v: %s", err, shown)
	}
	if raw.State != schemas.Delivered.String() || len(raw.Handovers) != 2 || raw.Handovers[0].State != schemas.HandoverAcceptedWith.String() || raw.Handovers[0].Taken != 2 {
		t.Errorf("delivered, it is %s", shown)
	}
	if item := waybill(t, "item", pallet, "--node", shipper.REST, "--key", shipper.Key, "-o", "json"); !strings.Contains(item, `"custodian": "`+receiver.Partner+`"`) || !strings.Contains(item, "urn:example:shipment:7") {
		t.Errorf("the pallet is %s", item)
	}
	if list := waybill(t, "shipment", "--state", "closed", "--node", arbiter.REST, "--key", arbiter.Key); !strings.Contains(list, "urn:example:shipment:7") {
		t.Errorf("closed, it is not among the closed ones: %s", list)
	}
}
