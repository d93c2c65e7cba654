package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
)

// The page on recalls works as it stands: what one partner made and another holds is
// called back, answered for, and the recall closed.
func TestRecallsPage(t *testing.T) {
	x := shared.get(t)
	maker, holder := x.members[0], x.members[1]
	const item, lot = "https://id.gs1.org/01/09521234543213/21/recall-1", "https://id.gs1.org/01/09521234543213/10/RECALL1"
	at := time.Now().UTC()
	made := at
	of := func(kind string, i int, format string, args ...any) {
		t.Helper()
		at = at.Add(time.Millisecond)
		body := fmt.Sprintf(`{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"type":%q,"eventTime":%q,"eventTimeZoneOffset":"+00:00",`,
			kind, at.Format(time.RFC3339Nano)) + fmt.Sprintf(format, args...) + "}"
		if err := acknowledge(t.Context(), x.plain(t, i), []byte(body)); err != nil {
			t.Fatal(err)
		}
		x.level(t)
	}
	event := func(i int, format string, args ...any) { t.Helper(); of("ObjectEvent", i, format, args...) }
	event(0, `"action":"ADD","bizStep":"commissioning","epcList":["%s-packed"]`, item)
	of("AggregationEvent", 0, `"action":"ADD","bizStep":"packing","parentID":"%s-box","childEPCs":["%[1]s-packed"]`, item)
	event(0, `"action":"ADD","bizStep":"commissioning","epcList":[%q],"quantityList":[{"epcClass":%q,"quantity":100,"uom":"KGM"}]`, item, lot)
	event(0, `"action":"OBSERVE","bizStep":"shipping","epcList":[%q],"quantityList":[{"epcClass":%q,"quantity":40,"uom":"KGM"}],"destinationList":[{"type":"possessing_party","destination":"https://id.gs1.org/417/%s"}]`, item, lot, holder.GLN)
	event(1, `"action":"OBSERVE","bizStep":"receiving","epcList":[%q],"quantityList":[{"epcClass":%q,"quantity":40,"uom":"KGM"}]`, item, lot)

	shown := x.walk(t, "recalls.md", "MAKER="+maker.Partner, "ITEM="+item, "LOT="+lot, "FROM="+made.Add(-time.Hour).Format(time.RFC3339), "UNTIL="+made.Add(time.Hour).Format(time.RFC3339),
		"NODE1="+maker.REST, "KEY1="+maker.Key, "NODE2="+holder.REST, "KEY2="+holder.Key)
	var reach api.RecallReach
	if err := json.Unmarshal(shown, &reach); err != nil {
		t.Fatalf("%v: %s", err, shown)
	}
	i := 0
	for i < len(reach.Holders) && reach.Holders[i].Partner != holder.Partner {
		i++
	}
	if i == len(reach.Holders) || reach.Items != 2 || reach.OpenHolders != 1 || !reach.Holders[i].Done || reach.Holders[i].Items != 1 || reach.Holders[i].Balances[0].Quantity != "40" {
		t.Errorf("the recall reaches %+v", reach)
	}
	if open := waybill(t, "recall", "--open", "--node", holder.REST, "--key", holder.Key); strings.Contains(open, "listeria") {
		t.Errorf("closed, it is among the open ones: %s", open)
	}
	// What was in a box already the page's --packed named.
	if err := json.Unmarshal([]byte(waybill(t, "recall", "show", maker.Partner+"/tank-7", "-o", "json", "--node", holder.REST, "--key", holder.Key)), &reach); err != nil || reach.Named == 0 || len(reach.Packed) > 0 {
		t.Errorf("the recall of a span of time: %+v, %v", reach, err)
	}
}
