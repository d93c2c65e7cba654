package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

	reading := filepath.Join(t.TempDir(), "reading.json")
	body = fmt.Sprintf(`{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":"ObjectEvent","eventTime":%q,"eventTimeZoneOffset":"+00:00",
		"action":"OBSERVE","bizStep":"sensor_reporting","epcList":[%q],"sensorElementList":[{"sensorMetadata":{"deviceID":"urn:example:logger:5"},"sensorReport":[{"type":"Temperature","value":48.2,"uom":"FAH"}]}]}`,
		time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339Nano), pallet)
	if err := os.WriteFile(reading, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}

	trail, err := x.plain(t, 0).Trail(t.Context(), pallet, 1, "")
	if err != nil || len(trail.Records) != 1 {
		t.Fatal(trail, err)
	}
	record := trail.Records[0].Locator
	env := []string{fmt.Sprintf("RECORD=%d/%d/%d", record.Height, record.Position, record.Index), "READING=" + reading, "PALLET=" + pallet, "LOT=" + lot, "CARRIER=" + carrier.Partner, "RECEIVER=" + receiver.Partner, "ARBITER=" + arbiter.Partner}
	for i, m := range []int{0, 1, 2} {
		env = append(env, fmt.Sprintf("NODE%d=%s", i+1, x.members[m].REST), fmt.Sprintf("KEY%d=%s", i+1, x.members[m].Key))
	}
	dir := t.TempDir()
	shown := x.walkIn(t, dir, "custody.md", env...)
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
	statement, err := os.ReadFile(filepath.Join(dir, "statement.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"Its state was then closed; " + receiver.Partner + " held it, with 38.5 KGM of " + lot, "Hand-over 1: " + shipper.Partner + " (key ", "accepted in full by " + carrier.Partner + " (key ",
		"accepted with differences by " + receiver.Partner + " (key ", "held by the partner's gateway", "short: 1.5 KGM of " + lot + ", damaged: " + pallet, "resolved as delivered, which both sides said",
		receiver.Partner + " held 1.", schemas.Excursion.String(), "That everything that happened was reported"} {
		if !strings.Contains(string(statement), says) {
			t.Errorf("the statement lacks %q:\n%s", says, statement)
		}
	}
	for _, m := range x.members[:4] {
		told := waybill(t, "shipment", "conditions", "urn:example:shipment:7", "--outside", "--node", m.REST, "--key", m.Key)
		if !strings.Contains(told, "temperature measured by "+carrier.Partner+" with urn:example:logger:5: 9 to 9 in 1 readings") || !strings.Contains(told, "still") {
			t.Errorf("%s is told of the excursion: %s", m.Partner, told)
		}
		if !strings.Contains(waybill(t, "exceptions", "--node", m.REST, "--key", m.Key), schemas.Excursion.String()) {
			t.Errorf("%s does not find the excursion among its exceptions", m.Partner)
		}
	}
	if item := waybill(t, "item", pallet, "--node", shipper.REST, "--key", shipper.Key, "-o", "json"); !strings.Contains(item, `"custodian": "`+receiver.Partner+`"`) || !strings.Contains(item, "urn:example:shipment:7") {
		t.Errorf("the pallet is %s", item)
	}
	for of, hands := range map[string]int{"urn:example:shipment:7": 6, pallet: 6} { // who offered and who took, each with how its key is held
		args := []string{"trail", of, "--node", arbiter.REST, "--key", arbiter.Key}
		if of != pallet {
			args = append(args, "--shipment")
		}
		if told := waybill(t, args...); strings.Count(told, " gateway ") < hands {
			t.Errorf("the trail of %s: %s", of, told)
		}
	}
	if list := waybill(t, "shipment", "--state", "closed", "--node", arbiter.REST, "--key", arbiter.Key); !strings.Contains(list, "urn:example:shipment:7") {
		t.Errorf("closed, it is not among the closed ones: %s", list)
	}
}
