package schemas_test

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// A document is taken apart: each event becomes a body that stands alone, and a
// skeleton that rules read. What is wrong is told with its place.
func ExampleDecodeDocument() {
	const text = `{
	  "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld", {"mill": "https://ns.mill.example/"}],
	  "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-03-02T15:00:00Z",
	  "epcisBody": {"eventList": [
	    {"type": "ObjectEvent", "eventTime": "2026-03-02T14:05:11Z", "eventTimeZoneOffset": "+01:00", "action": "OBSERVE",
	     "bizStep": "urn:epcglobal:cbv:bizstep:shipping", "epcList": ["urn:epc:id:sscc:9521234.0000000017"], "mill:dock": 3},
	    {"type": "ObjectEvent", "eventTime": "2026-03-02T14:05:11Z", "eventTimeZoneOffset": "+01:00", "action": "OBSERVE",
	     "bizStep": "teleporting", "epcList": ["urn:epc:id:sscc:9521234.0000000017"]}
	  ]}
	}`
	events, err := schemas.DecodeDocument([]byte(text), 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.44s...\n", events[0].Event.Body)
	fmt.Println(events[0].Event.Skeleton.BizStep, events[0].Event.Skeleton.EPCs)
	fmt.Println(events[1].Fault)
	// Output:
	// {"@context":[{"mill":"https://ns.mill.exampl...
	// shipping [https://id.gs1.org/00/095212340000000174]
	// unknown_vocabulary at /epcisBody/eventList/1/bizStep: no business step of the Core Business Vocabulary: "teleporting"
}
