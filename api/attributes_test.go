package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// HASATTR_ and EQ_ATTR_ look at every field whose values can have master data
// (EPCIS 2.0, 8.2.7.1: whose type is a vocabulary), and at extensions.
func TestAttributesOfEveryField(t *testing.T) {
	h := newHarness(t, defaults())
	for _, e := range []string{
		`{"@context":[{"ext":"https://ext.example.com/"}],"type":"ObjectEvent","action":"ADD","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.054321.1"],
"persistentDisposition":{"unset":["damaged"]},"bizTransactionList":[{"type":"po","bizTransaction":"urn:example:po:1"}],"ext:carrier":"urn:epc:id:pgln:9521234.00005",
"sourceList":[{"type":"possessing_party","source":"urn:epc:id:pgln:9521234.00003"}],"destinationList":[{"type":"owning_party","destination":"urn:epc:id:pgln:9521234.00004"}]}`,
		`{"type":"TransformationEvent","eventTime":"2026-05-01T11:00:00Z","eventTimeZoneOffset":"+00:00","transformationID":"urn:example:run:2","inputEPCList":["urn:example:in"],"outputEPCList":["urn:epc:id:sgtin:9521234.054321.2"]}`,
		`{"type":"AggregationEvent","action":"ADD","eventTime":"2026-05-01T12:00:00Z","eventTimeZoneOffset":"+00:00","parentID":"urn:epc:id:sscc:9521234.0000000003","childEPCs":["urn:example:child"],"bizTransactionList":[{"bizTransaction":"urn:example:po:1"}]}`,
		`{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-01T13:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:example:bare"]}`,
	} {
		h.do("POST", "/epcis/v2/events", e).want(t, 201)
	}
	element := func(kind, id, value string) string {
		return `{"type":"urn:epcglobal:epcis:vtype:` + kind + `","vocabularyElementList":[{"id":"` + id + `","attributes":[{"id":"urn:x:is","attribute":"` + value + `"}]}]}`
	}
	header := `"epcisHeader":{"epcisMasterData":{"vocabularyList":[` + strings.Join([]string{
		element("Disposition", "urn:epcglobal:cbv:disp:damaged", "bad"), element("BusinessTransaction", "urn:example:po:1", "order"),
		element("Party", "urn:epc:id:pgln:9521234.00003", "sender"), element("SourceDest", "https://id.gs1.org/417/9521234000044", "receiver"), element("Party", "urn:epc:id:pgln:9521234.00005", "carrier"),
		element("Transformation", "urn:example:run:2", "run"), element("EPCInstance", "https://id.gs1.org/00/095212340000000037", "pallet"), element("Anything", "urn:example:child", "child"),
		element("EPCInstance", "urn:epc:id:sgtin:9521234.054321.1", "thing"), element("EPCInstance", "urn:example:in", "input"), element("EPCInstance", "https://id.gs1.org/01/09521234543213/21/2", "output"),
	}, ",") + `]}},"epcisBody":`
	h.job(h.do("POST", "/epcis/v2/capture", strings.Replace(document(), `"epcisBody":`, header, 1)).want(t, 202).header.Get("Location"))
	hours := map[string]string{"10": "1", "11": "2", "12": "3", "13": "4"}
	for query, want := range map[string]string{
		"EQ_ATTR_persistentDisposition_urn:x:is=bad": "1", "EQ_ATTR_disposition_urn:x:is=bad": "", "EQ_ATTR_bizTransaction_urn:x:is=order": "13", "EQ_ATTR_bizTransaction_urn:x:is=other": "",
		"EQ_ATTR_source_urn:x:is=sender": "1", "EQ_ATTR_source_urn:x:is=receiver": "", "EQATTR_destination_urn:x:is=receiver": "1", "HASATTR_destination=urn:x:is": "1",
		"EQ_ATTR_transformationID_urn:x:is=run": "2", "EQ_ATTR_transformationID_urn:x:is=run&EQ_transformationID=urn:example:run:3": "", "EQ_ATTR_parentID_urn:x:is=pallet": "3", "HASATTR_childEPCs=urn:x:is": "13", "EQ_ATTR_childEPCs_urn:x:is=child": "3",
		"EQ_ATTR_epcList_urn:x:is=thing": "1", "EQ_ATTR_epcList_urn:x:is=pallet": "", "EQ_ATTR_inputEPCList_urn:x:is=input": "2", "EQ_ATTR_outputEPCList_urn:x:is=output": "2", "EQ_ATTR_outputEPCList_urn:x:is=input": "",
		"EQ_ATTR_ext:carrier_urn:x:is=carrier": "1", "EQ_ATTR_ext:carrier_urn:x:is=sender": "", "HASATTR_ext:carrier=urn:x:is": "1", "HASATTR_https://ext.example.com/carrier=urn:x:is": "1",
	} {
		q, _ := url.ParseQuery(query)
		got := ""
		for _, e := range eventList(t, h.do("GET", "/epcis/v2/events?orderBy=eventTime&orderDirection=ASC&"+q.Encode(), "", "GS1-Extensions", "ext=https://ext.example.com/").want(t, 200)) {
			got += hours[e["eventTime"].(string)[11:13]]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"HASATTR_action=urn:x:is", "EQ_ATTR_nothing_urn:x:is=1", "HASATTR_undefined:n=urn:x:is", "EQ_ATTR_source=1"} {
		h.do("GET", "/epcis/v2/events?"+query, "").problem(t, 400, "bad_parameter")
	}
}

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
