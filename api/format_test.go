package api_test

import (
	"bytes"
	"net/url"
	"testing"

	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// Every answer with events writes their identifiers as it is asked, says so, and
// leaves all else as it was submitted.
func TestEPCFormat(t *testing.T) {
	h := newHarness(t, defaults())
	// One Digital Link whose company prefix the event's URNs tell, and one of another company.
	more := []string{`"readPoint":{"id":"https://id.gs1.org/414/9521234000013"}`, `"bizLocation":{"id":"https://id.gs1.org/414/4012345000009"}`,
		`"eventID":"urn:uuid:1"`, `"@context":[{"ex":"https://example.com/"}]`, `"ex:epc":"` + itemURN + `"`, `"ex:n":1.50`}
	h.do("POST", "/epcis/v2/events", event(1, more...), "GS1-EPC-Format", "Always_GS1_Digital_Link").want(t, 201)
	h.do("POST", "/epcis/v2/queries", `{"name":"stored","query":{}}`).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(2), "GS1-EPC-Format", "Sometimes").problem(t, 406, "not_acceptable")

	for _, path := range []string{"/epcis/v2/events", "/epcis/v2/events/urn:uuid:1", "/epcis/v2/epcs/" + url.PathEscape(itemURN) + "/events", "/epcis/v2/queries/stored/events"} {
		for format, want := range map[string][3]string{ // said, EPC, place
			"":                        {"Never_Translates", "urn:epc:id:sgtin:9521234.054321.1", "https://id.gs1.org/414/9521234000013"},
			"No_Preference":           {"Never_Translates", "urn:epc:id:sgtin:9521234.054321.1", "https://id.gs1.org/414/9521234000013"},
			"Never_Translates":        {"Never_Translates", "urn:epc:id:sgtin:9521234.054321.1", "https://id.gs1.org/414/9521234000013"},
			"Always_GS1_Digital_Link": {"Always_GS1_Digital_Link", "https://id.gs1.org/01/09521234543213/21/1", "https://id.gs1.org/414/9521234000013"},
			"Always_EPC_URN":          {"Always_EPC_URN", "urn:epc:id:sgtin:9521234.054321.1", "urn:epc:id:sgln:9521234.00001.0"},
		} {
			for _, accept := range []string{"application/json", "application/xml"} {
				r := h.do("GET", path, "", "GS1-EPC-Format", format, "Accept", accept).want(t, 200)
				if said := r.header.Get("GS1-EPC-Format"); said != want[0] {
					t.Errorf("%s: %q: %q is said", path, format, said)
				}
				body := r.body
				if accept == "application/xml" {
					doc, err := epcisxml.Decode(body, 10)
					if err != nil || len(doc.Events) != 1 || doc.Events[0].Fault != nil {
						t.Fatalf("%v: %s", err, body)
					}
					body = doc.Events[0].Event.Body
				} else if !bytes.Contains(body, []byte(`"ex:n":1.50`)) {
					t.Errorf("a number was written anew: %s", body)
				}
				for _, part := range []string{`"epcList":["` + want[1] + `"]`, `"readPoint":{"id":"` + want[2] + `"}`, `"bizLocation":{"id":"https://id.gs1.org/414/4012345000009"}`, `"ex:epc":"` + itemURN + `"`} {
					if !bytes.Contains(body, []byte(part)) {
						t.Errorf("%s: %q: %s is not in %s", path, format, part, body)
					}
				}
			}
		}
	}
	h.do("GET", "/epcis/v2/events", "", "GS1-EPC-Format", "Always_EPC_URN", "Accept", "text/csv").want(t, 200)
	// What neither the event tells nor anybody registered stays; what is registered does not.
	h.do("POST", "/epcis/v2/events", event(3, `"eventID":"urn:uuid:3"`, `"readPoint":{"id":"https://id.gs1.org/414/9529876000019"}`)).want(t, 201)
	if r := h.do("GET", "/epcis/v2/events/urn:uuid:3", "", "GS1-EPC-Format", "Always_EPC_URN").want(t, 200); !bytes.Contains(r.body, []byte(`"readPoint":{"id":"urn:epc:id:sgln:9529876.00001.0"}`)) {
		t.Errorf("under a registered prefix: %s", r.body)
	}
	if list := h.do("GET", "/epcis/v2/readPoints", "", "GS1-EPC-Format", "Always_EPC_URN").want(t, 200); !bytes.Contains(list.body, []byte(`"urn:epc:id:sgln:9529876.00001.0"`)) || list.header.Get("GS1-EPC-Format") != "Always_EPC_URN" {
		t.Errorf("%v %s", list.header, list.body)
	}
	if list := h.do("GET", "/epcis/v2/bizSteps", "", "GS1-EPC-Format", "Always_EPC_URN").want(t, 200); list.header.Get("GS1-EPC-Format") != "Never_Translates" {
		t.Errorf("%v", list.header)
	}
}
