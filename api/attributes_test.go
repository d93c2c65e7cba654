package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// Queries ask for places inside of others, and for attributes of what events name, as
// the node's master data has them.
func TestMasterDataQueries(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/queries", `{"name":"cold","query":{"EQ_ATTR_readPoint_cbvmda:city":["Bonn"]}}`).want(t, 201)
	place := func(n int) string {
		id, err := schemas.ParseIdentifier(fmt.Sprintf("urn:epc:id:sgln:9521234.0000%d.0", n))
		if err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	header := `"epcisHeader":{"epcisMasterData":{"vocabularyList":[
{"type":"urn:epcglobal:epcis:vtype:ReadPoint","vocabularyElementList":[{"id":"urn:epc:id:sgln:9521234.00001.0","attributes":[{"id":"cbvmda:city","attribute":"Bonn"},{"id":"urn:x:none","attribute":null}],"children":["urn:epc:id:sgln:9521234.00002.0"]},
 {"id":"` + place(2) + `","children":["` + place(3) + `","` + place(1) + `"],"attributes":[{"id":"urn:epcglobal:cbv:mda:city","attribute":"Berlin"}]}]},
{"type":"urn:epcglobal:epcis:vtype:Location","vocabularyElementList":[{"id":"` + place(3) + `","attributes":[{"id":"urn:epcglobal:cbv:mda#city","attribute":"Bonn"}]}]},
{"type":"urn:epcglobal:epcis:vtype:BusinessStep","vocabularyElementList":[{"id":"urn:epcglobal:cbv:bizstep:shipping","attributes":[{"id":"urn:x:risk","attribute":"high"}]}]},
{"type":"urn:epcglobal:epcis:vtype:EPCClass","vocabularyElementList":[{"id":"` + classID + `","attributes":[{"id":"urn:x:grade","attribute":7}]}]}]}},"epcisBody":`
	events := []string{
		event(1, `"readPoint":{"id":"urn:epc:id:sgln:9521234.00001.0"}`), event(2, `"readPoint":{"id":"`+place(2)+`"}`), event(3, `"readPoint":{"id":"`+place(3)+`"}`),
		event(4, `"readPoint":{"id":"`+place(4)+`"}`, `"quantityList":[{"epcClass":"`+classID+`","quantity":1}]`), strings.Replace(event(5, `"bizLocation":{"id":"`+place(1)+`"}`), "shipping", "packing", 1),
	}
	h.job(h.do("POST", "/epcis/v2/capture", strings.Replace(document(events...), `"epcisBody":`, header, 1)).want(t, 202).header.Get("Location"))
	for query, want := range map[string]string{
		"WD_readPoint=" + place(1): "1 2 3", "WD_readPoint=" + place(3): "3", "WD_readPoint=" + place(4) + "|urn:epc:id:sgln:9521234.00002.0": "1 2 3 4",
		"WD_readPoint=" + place(1) + "&EQ_readPoint=" + place(2): "2", "WD_bizLocation=" + place(1): "5", "EQ_readPoint=" + place(1): "1",
		"HASATTR_readPoint=cbvmda:city": "1 2 3", "HASATTR_readPoint=urn:epcglobal:cbv:mda#city|urn:x:other": "1 2 3", "HASATTR_readPoint=urn:x:none": "", "HASATTR_bizLocation=cbvmda:city": "",
		"EQ_ATTR_readPoint_cbvmda:city=Bonn": "1 3", "EQATTR_readPoint_urn:epcglobal:cbv:mda:city=Berlin|Paris": "2", "EQ_ATTR_readPoint_cbvmda:city=Paris": "",
		"EQ_ATTR_readPoint_cbvmda:city=Bonn&WD_readPoint=" + place(2) + "&EQ_action=OBSERVE": "1 3", "EQ_ATTR_readPoint_cbvmda:city=Bonn&EQ_readPoint=" + place(2): "",
		"HASATTR_bizStep=urn:x:risk": "1 2 3 4", "EQ_ATTR_bizStep_urn:x:risk=high&EQ_bizStep=packing": "", "EQ_ATTR_epcClass_urn:x:grade=7": "4", "HASATTR_source=urn:x:risk": "",
	} {
		q, _ := url.ParseQuery(strings.NewReplacer("#", "%23").Replace(query))
		if got := serials(eventList(t, h.do("GET", "/epcis/v2/events?orderBy=eventTime&orderDirection=ASC&"+q.Encode(), "").want(t, 200))); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := len(eventList(t, h.do("GET", "/epcis/v2/queries/cold/events", "").want(t, 200))); got != 2 {
		t.Errorf("a stored query finds %d", got)
	}
	many := make([]string, schemas.MaxAlternatives+1)
	for i := range many {
		many[i] = fmt.Sprintf(`{"id":"urn:x:place:%d","attributes":[{"id":"urn:x:many","attribute":"1"}]}`, i)
	}
	h.job(h.do("POST", "/epcis/v2/capture", strings.Replace(document(), `"epcisBody":`, `"epcisHeader":{"epcisMasterData":{"vocabularyList":[{"type":"urn:epcglobal:epcis:vtype:ReadPoint","vocabularyElementList":[`+strings.Join(many, ",")+`]}]}},"epcisBody":`, 1)).want(t, 202).header.Get("Location"))
	h.do("GET", "/epcis/v2/events?HASATTR_readPoint=urn:x:many", "").problem(t, 413, "query_too_complex")
}
