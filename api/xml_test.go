package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// xmlEvent is the ObjectEvent of one serial number, as event has it in JSON.
func xmlEvent(serial int, more string) string {
	return fmt.Sprintf(`<ObjectEvent><eventTime>2026-05-01T10:%02d:00.000Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
<epcList><epc>urn:epc:id:sgtin:9521234.054321.%d</epc></epcList><action>OBSERVE</action>
<bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep>%s</ObjectEvent>`, serial%60, serial, more)
}

func xmlDocument(version string, events ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:` + version[:1] + `" xmlns:ex="https://example.com/" schemaVersion="` + version + `" creationDate="2026-05-01T11:00:00Z">
<EPCISBody><EventList>` + strings.Join(events, "\n") + `</EventList></EPCISBody></epcis:EPCISDocument>`
}

var sendXML = []string{"Content-Type", "application/xml"}

// An event is one, whether it comes as XML or as JSON.
func TestXMLEvent(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", xmlEvent(1, ""), sendXML...).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 200) // a duplicate
	h.do("POST", "/epcis/v2/events", event(2)).want(t, 201)
	h.do("POST", "/epcis/v2/events", xmlEvent(2, ""), "Content-Type", "text/xml; charset=UTF-8").want(t, 200)
	h.do("POST", "/epcis/v2/events?dryRun=true", xmlEvent(3, ""), sendXML...).want(t, 200)
	if h.ledger.count() != 2 {
		t.Fatalf("%d events recorded", h.ledger.count())
	}
	for _, accept := range []string{"application/xml", "text/xml"} { // a client of XML alone
		r := h.do("POST", "/epcis/v2/events", xmlEvent(4, ""), "Content-Type", "application/xml", "Accept", accept)
		var receipt struct {
			XMLName xml.Name `xml:"urn:waybill:receipt receipt"`
			Height  int      `xml:"height"`
			ID      string   `xml:"events>event>eventID"`
			Effect  string   `xml:"events>event>effect"`
		}
		if err := xml.Unmarshal(r.body, &receipt); err != nil || receipt.Height < 1 || r.header.Get("Location") != "/epcis/v2/events/"+url.PathEscape(receipt.ID) || r.header.Get("Content-Type") != accept {
			t.Errorf("%v %v %s", err, r.header, r.body)
		}
		if accept == "text/xml" && (r.status != 200 || receipt.Effect != "duplicate") || accept != "text/xml" && (r.status != 201 || receipt.Effect != "observation") {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	p := h.do("POST", "/epcis/v2/events", xmlEvent(4, "<action>LOOK</action>"), sendXML...).problem(t, 400, "duplicate_key")
	if p["line"] != float64(3) {
		t.Errorf("%v", p)
	}
	h.do("POST", "/epcis/v2/events", xmlDocument("2.0", xmlEvent(5, "")), sendXML...).problem(t, 400, "bad_document")
	h.do("POST", "/epcis/v2/events", event(5), sendXML...).problem(t, 400, "bad_xml")
	h.do("POST", "/epcis/v2/events", xmlEvent(5, "")).problem(t, 400, "bad_json")
	h.do("POST", "/epcis/v2/events", xmlEvent(5, ""), "Content-Type", "").want(t, 201) // by what it begins with
	for _, other := range []string{"application/xml; charset=utf-16", "text/xml; charset=iso-8859-1", "application/soap+xml", "text/plain"} {
		h.do("POST", "/epcis/v2/events", xmlEvent(6, ""), "Content-Type", other).problem(t, 415, "unsupported_media_type")
	}
	entity := `<!DOCTYPE x [<!ENTITY a "b">]>` + xmlEvent(6, "")
	if p := h.do("POST", "/epcis/v2/events", entity, sendXML...).problem(t, 400, "bad_xml"); !strings.Contains(p["detail"].(string), "document type") {
		t.Errorf("%v", p)
	}
}

func TestXMLCapture(t *testing.T) {
	h := newHarness(t, defaults())
	for i, version := range []string{"2.0", "1.2", "1.1", "1.0"} {
		j := h.job(h.do("POST", "/epcis/v2/capture", xmlDocument(version, xmlEvent(2*i, ""), xmlEvent(2*i+1, "<ex:a>1</ex:a>")), sendXML...).want(t, 202).header.Get("Location"))
		if !j.Success || len(j.Receipt.Events) != 2 || j.Receipt.Events[1].Pointer != "/epcisBody/eventList/1" {
			t.Fatalf("%s: %+v", version, j)
		}
	}
	bad := strings.Replace(xmlEvent(21, ""), "9521234.054321", "95.1", 1)
	unknown := strings.Replace(xmlEvent(22, ""), "bizstep:shipping", "bizstep:sailing", 1)
	// Rollback: all that is wrong is told, with its line, and nothing is recorded.
	p := h.do("POST", "/epcis/v2/capture", xmlDocument("2.0", xmlEvent(20, ""), bad, unknown), sendXML...).problem(t, 400, "bad_identifier")
	errs := p["errors"].([]any)
	if p["pointer"] != "/epcisBody/eventList/1/epcList/0" || p["line"] != float64(7) || len(errs) != 2 || errs[1].(map[string]any)["line"] != float64(11) {
		t.Fatalf("%v", p)
	}
	if h.ledger.count() != 8 {
		t.Fatalf("%d events recorded", h.ledger.count())
	}
	// Proceed: the good one is recorded, the others are in the job.
	j := h.job(h.do("POST", "/epcis/v2/capture", xmlDocument("2.0", xmlEvent(20, ""), bad, unknown), "Content-Type", "text/xml", behaviour, "proceed").want(t, 202).header.Get("Location"))
	if codes(j) != "1/epcList/0:bad_identifier 2/bizStep:unknown_vocabulary" || j.Errors[0].Line != 7 || j.Errors[1].Line != 11 || len(j.Receipt.Events) != 1 {
		t.Fatalf("%+v", j)
	}
	r := h.do("GET", "/epcis/v2/capture/"+j.CaptureID, "", "Accept", "application/xml").want(t, 200)
	var job struct {
		XMLName xml.Name
		Success bool     `xml:"success,attr"`
		Types   []string `xml:"errors>error>type"`
	}
	if err := xml.Unmarshal(r.body, &job); err != nil || job.XMLName.Local != "EPCISCaptureJob" || job.Success || len(job.Types) != 2 {
		t.Fatalf("%v: %s", err, r.body)
	}
	// The header's master data is kept with the job.
	header := `<EPCISHeader><extension><EPCISMasterData><VocabularyList><Vocabulary type="urn:epcglobal:epcis:vtype:Location"><VocabularyElementList>
<VocabularyElement id="urn:epc:id:sgln:9521234.00001.0"><attribute id="urn:epcglobal:cbv:mda:city">Bonn</attribute></VocabularyElement>
</VocabularyElementList></Vocabulary></VocabularyList></EPCISMasterData></extension></EPCISHeader><EPCISBody>`
	j = h.job(h.do("POST", "/epcis/v2/capture", strings.Replace(xmlDocument("2.0", xmlEvent(30, "")), "<EPCISBody>", header, 1), sendXML...).want(t, 202).header.Get("Location"))
	want := `{"vocabularyList":[{"type":"urn:epcglobal:epcis:vtype:Location","vocabularyElementList":[{"id":"urn:epc:id:sgln:9521234.00001.0","attributes":[{"id":"urn:epcglobal:cbv:mda:city","attribute":"Bonn"}]}]}]}`
	if string(j.MasterData) != want {
		t.Fatalf("%s", j.MasterData)
	}
}

// Master data of headers, XML or JSON, is kept by the node, the last word of each
// thing, when what came with it is recorded.
func TestMasterData(t *testing.T) {
	h := newHarness(t, defaults())
	header := func(city string) string {
		return `"epcisHeader":{"epcisMasterData":{"vocabularyList":[{"type":"urn:epcglobal:epcis:vtype:Location","vocabularyElementList":[{"id":"urn:epc:id:sgln:9521234.00001.0","attributes":[{"id":"cbvmda:city","attribute":"` +
			city + `"}]},{"id":"https://example.com/dock"}]},{"type":"urn:x:other","vocabularyElementList":[{"id":"urn:x:1"}]}]}},"epcisBody":`
	}
	post := func(document string) api.Job {
		return h.job(h.do("POST", "/epcis/v2/capture", document).want(t, 202).header.Get("Location"))
	}
	all := func(query string) string {
		return string(h.do("GET", "/api/v1/masterdata"+query, "").want(t, 200).body)
	}
	if got := all(""); got != `{"vocabularyList":[]}` {
		t.Fatal(got)
	}
	post(strings.Replace(document(event(1, `"eventID":"urn:uuid:1"`)), `"epcisBody":`, header("Bonn"), 1))
	post(strings.Replace(document(), `"epcisBody":`, header("Berlin"), 1)) // without events, later
	// What is undone says nothing.
	if j := post(strings.Replace(document(event(2, `"eventID":"urn:uuid:1"`)), `"epcisBody":`, header("Paris"), 1)); j.Success {
		t.Fatal("a conflict was recorded")
	}
	if got := all(""); !strings.Contains(got, "Berlin") || strings.Contains(got, "Bonn") || strings.Contains(got, "Paris") || !strings.Contains(got, "urn:x:1") {
		t.Error(got)
	}
	if got := all("?id=https%3A%2F%2Fid.gs1.org%2F414%2F9521234000013"); !strings.Contains(got, "Berlin") || strings.Contains(got, "dock") {
		t.Error(got)
	}
	if got := all("?type=urn:x:other"); !strings.Contains(got, "urn:x:1") || strings.Contains(got, "dock") {
		t.Error(got)
	}
	seen, token := 0, ""
	for page := 0; page == 0 || token != ""; page++ {
		list := into[api.MasterData](t, h.do("GET", "/api/v1/masterdata?perPage=1"+token, "").want(t, 200))
		seen += len(list.Vocabularies)
		if token = list.NextPageToken; token != "" {
			token = "&nextPageToken=" + token
		}
	}
	if seen != 3 {
		t.Errorf("%d seen page by page", seen)
	}
	h.do("GET", "/api/v1/masterdata?nextPageToken=x", "").problem(t, 400, "bad_parameter")
	for _, bad := range []string{`"epcisHeader":{"epcisMasterData":7},"epcisBody":`, `"epcisHeader":{"epcisMasterData":{"vocabularyList":[{"vocabularyElementList":[{"id":"urn:x:1"}]}]}},"epcisBody":`} {
		h.do("POST", "/epcis/v2/capture", strings.Replace(document(event(3)), `"epcisBody":`, bad, 1)).problem(t, 400, "bad_document")
	}
}

// Answers in XML say what answers in JSON say.
func TestXMLAnswers(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1, `"@context":[{"ex":"https://example.com/"}]`, `"ex:a":{"ex:b":"<&>"}`, `"eventID":"urn:uuid:1"`)).want(t, 201)
	for _, path := range []string{"/epcis/v2/events", "/epcis/v2/events/urn:uuid:1", "/epcis/v2/bizSteps/shipping/events"} {
		for _, accept := range []string{"application/xml", "text/xml", "text/html, application/xml;q=0.9, application/json;q=0.1"} {
			r := h.do("GET", path, "", "Accept", accept).want(t, 200)
			if ct := r.header.Get("Content-Type"); !strings.Contains(accept, ct) || !strings.Contains(ct, "xml") {
				t.Errorf("%s: %s: content type %q", path, accept, ct)
			}
			doc, err := epcisxml.Decode(r.body, 10)
			if err != nil || len(doc.Events) != 1 || doc.Events[0].Fault != nil || doc.Version != "2.0" {
				t.Fatalf("%s: %v: %s", path, err, r.body)
			}
			if body := string(doc.Events[0].Event.Body); !strings.Contains(body, `"ex:a":{"ex:b":"<&>"}`) || !strings.Contains(body, `"recordTime"`) {
				t.Errorf("%s", body)
			}
		}
	}
	old := h.do("GET", "/epcis/v2/events", "", "Accept", "application/xml", "GS1-EPCIS-Max", "1.2").want(t, 200)
	if !bytes.Contains(old.body, []byte(`schemaVersion="1.2"`)) || !bytes.Contains(old.body, []byte("<baseExtension><eventID>")) || old.header.Get("GS1-EPCIS-Version") != "1.2.0" {
		t.Errorf("%v %s", old.header, old.body)
	}
	for format, want := range map[string]string{"": "urn:epcglobal:cbv:bizstep:shipping", "No_Preference": "urn:epcglobal:cbv:bizstep:shipping",
		"Always_URN": "urn:epcglobal:cbv:bizstep:shipping", "Always_Web_URI": "https://ref.gs1.org/cbv/BizStep-shipping"} {
		r := h.do("GET", "/epcis/v2/events", "", "Accept", "text/xml", "GS1-CBV-XML-Format", format).want(t, 200)
		if !bytes.Contains(r.body, []byte(">"+want+"<")) {
			t.Errorf("%s: %s", format, r.body)
		}
		if r := h.do("GET", "/epcis/v2/events", "", "GS1-CBV-XML-Format", format).want(t, 200); !bytes.Contains(r.body, []byte(`"shipping"`)) {
			t.Errorf("%s: %s", format, r.body)
		}
	}
	h.do("GET", "/epcis/v2/events", "", "GS1-CBV-XML-Format", "Sometimes").problem(t, 406, "not_acceptable")
	h.do("GET", "/epcis/v2/events", "", "GS1-CBV-XML-Format", "Never_Translates").want(t, 200)
	h.do("POST", "/epcis/v2/events", strings.Replace(event(2, `"disposition":"urn:epcglobal:cbv:disp:active"`), `"shipping"`, `"https://ref.gs1.org/cbv/BizStep-packing"`, 1)).want(t, 201)
	for format, want := range map[string][]string{
		"Never_Translates": {"urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-packing", "urn:epcglobal:cbv:disp:active"},
		"Always_URN":       {"urn:epcglobal:cbv:bizstep:shipping", "urn:epcglobal:cbv:bizstep:packing", "urn:epcglobal:cbv:disp:active"},
		"Always_Web_URI":   {"https://ref.gs1.org/cbv/BizStep-shipping", "https://ref.gs1.org/cbv/BizStep-packing", "https://ref.gs1.org/cbv/Disp-active"},
	} {
		r := h.do("GET", "/epcis/v2/events", "", "Accept", "text/xml", "GS1-CBV-XML-Format", format).want(t, 200)
		for _, term := range want {
			if !bytes.Contains(r.body, []byte(">"+term+"<")) || r.header.Get("GS1-CBV-XML-Format") != format {
				t.Errorf("%s: %s is not in %v %s", format, term, r.header, r.body)
			}
		}
	}
}

// Problems are JSON unless XML is all that is accepted.
func TestXMLProblems(t *testing.T) {
	h := newHarness(t, defaults())
	for accept, want := range map[string]string{
		"application/xml": "application/problem+xml", "text/xml, application/xml": "application/problem+xml", "application/problem+xml, text/xml": "application/problem+xml",
		"application/xml, application/json;q=0.1": "application/problem+json", "application/xml, */*;q=0.1": "application/problem+json", "*/*": "application/problem+json",
	} {
		r := h.do("GET", "/epcis/v2/events?frobnicate=1", "", "Accept", accept).want(t, 400)
		if ct := r.header.Get("Content-Type"); ct != want {
			t.Errorf("%s: %q", accept, ct)
		}
		if !strings.HasSuffix(want, "xml") {
			continue
		}
		var q struct {
			XMLName xml.Name `xml:"urn:ietf:rfc:7807 problem"`
			Type    string   `xml:"type"`
			Status  int      `xml:"status"`
			Code    string   `xml:"code"`
			Hint    string   `xml:"hint"`
		}
		if err := xml.Unmarshal(r.body, &q); err != nil || q.Type != "epcisException:QueryParameterException" || q.Status != 400 || q.Code != "bad_parameter" || q.Hint == "" {
			t.Errorf("%v %s", err, r.body)
		}
	}
	r := h.do("POST", "/epcis/v2/events", "<x", "Content-Type", "text/xml", "Accept", "text/xml").want(t, 400)
	if !bytes.Contains(r.body, []byte("<code>bad_xml</code>")) || !bytes.Contains(r.body, []byte("<line>1</line>")) {
		t.Errorf("%s", r.body)
	}
	h.do("GET", "/api/v1/network", "", "Accept", "application/xml").problem(t, 406, "not_acceptable")
}

// Bodies may be zipped. What they hold is bounded as if they were not.
func TestZippedBodies(t *testing.T) {
	limits := defaults()
	limits.CaptureBytes = 1 << 20
	h := newHarness(t, limits)
	zipped := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(text)) // a buffer takes all
		z.Close()
		return b.String()
	}
	gz := func(mediaType string) []string {
		return []string{"Content-Type", mediaType, "Content-Encoding", "gzip"}
	}
	j := h.job(h.do("POST", "/epcis/v2/capture", zipped(xmlDocument("2.0", xmlEvent(1, ""))), gz("application/xml")...).want(t, 202).header.Get("Location"))
	if !j.Success {
		t.Fatalf("%+v", j)
	}
	h.do("POST", "/epcis/v2/events", zipped(event(2)), gz("application/json")...).want(t, 201)
	h.do("POST", "/epcis/v2/events", zipped(event(4)), "Content-Encoding", "x-gzip").want(t, 201)
	h.do("POST", "/epcis/v2/capture", zipped(strings.Repeat(" ", 64<<20)), gz("application/json")...).problem(t, 413, "too_large")
	h.do("POST", "/epcis/v2/events", event(3), gz("application/json")...).problem(t, 400, "bad_json")
	h.do("POST", "/epcis/v2/events", zipped(event(3))[:40], gz("application/json")...).problem(t, 400, "bad_json")
	h.do("POST", "/epcis/v2/events", "", gz("application/json")...).problem(t, 400, "bad_json")
	r := h.do("POST", "/epcis/v2/events", event(3), "Content-Encoding", "gzip, gzip")
	r.problem(t, 415, "unsupported_media_type")
	if r.header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("Accept-Encoding: %q", r.header.Get("Accept-Encoding"))
	}
}

// A large document of XML is captured where its events may be split; all or nothing
// it would not fit one transaction.
func TestXMLMany(t *testing.T) {
	h := newHarness(t, defaults())
	events := make([]string, 10_000)
	for i := range events {
		events[i] = xmlEvent(i, `<ex:a>`+strings.Repeat("x", 200)+`</ex:a>`)
	}
	text := xmlDocument("1.2", events...)
	h.do("POST", "/epcis/v2/capture", text, sendXML...).problem(t, 413, "too_large")
	r := h.do("OPTIONS", "/epcis/v2/capture", "", behaviour, "proceed").want(t, 204)
	if limit := r.header.Get("GS1-EPCIS-Capture-Limit"); limit != "20000" || r.header.Get(behaviour) != "all" {
		t.Errorf("limit %s, %v", limit, r.header)
	}
	j := h.job(h.do("POST", "/epcis/v2/capture", text, "Content-Type", "application/xml", behaviour, "proceed").want(t, 202).header.Get("Location"))
	if !j.Success || h.ledger.count() != len(events) {
		t.Fatalf("%d events recorded, %d errors", h.ledger.count(), len(j.Errors))
	}
}

// Lists are told as XML, where that is asked for: names of queries and subscriptions as
// the standard's schema of queries has them, jobs as its capture jobs.
func TestXMLLists(t *testing.T) {
	h := newHarness(t, defaults())
	job := h.job(h.do("POST", "/epcis/v2/capture", document(event(1))).want(t, 202).header.Get("Location"))
	h.do("POST", "/epcis/v2/queries", `{"name":"a<&b","query":{}}`).want(t, 201)
	const subscriptions = "/epcis/v2/queries/a%3C&b/subscriptions"
	made := into[api.Subscription](t, h.do("POST", subscriptions, `{"dest":"https://example.invalid/","schedule":{"month":"1"}}`).want(t, 201))
	type list struct {
		XMLName xml.Name
		Member  []string `xml:"member"`
		String  []string `xml:"string"`
		Job     []struct {
			ID string `xml:"captureID,attr"`
		} `xml:"urn:epcglobal:epcis:xsd:2 EPCISCaptureJob"`
	}
	const query = "urn:epcglobal:epcis-query:xsd:2"
	for path, want := range map[string]list{
		"/epcis/v2/":                     {XMLName: xml.Name{Local: "Collection"}, Member: []string{"bizLocations", "bizSteps", "capture", "dispositions", "epcs", "eventTypes", "events", "queries", "readPoints"}},
		"/epcis/v2/bizSteps?perPage=1":   {XMLName: xml.Name{Local: "Collection"}, Member: []string{"urn:epcglobal:cbv:bizstep:shipping"}},
		"/epcis/v2/eventTypes?perPage=1": {XMLName: xml.Name{Local: "Collection"}, Member: []string{"AggregationEvent"}},
		"/epcis/v2/bizSteps/shipping":    {XMLName: xml.Name{Local: "Collection"}, Member: []string{"events"}},
		"/epcis/v2/queries":              {XMLName: xml.Name{Space: query, Local: "GetQueryNamesResult"}, String: []string{"a<&b"}},
		subscriptions:                    {XMLName: xml.Name{Space: query, Local: "GetSubscriptionIDsResult"}, String: []string{made.ID}},
		"/epcis/v2/capture": {XMLName: xml.Name{Local: "Collection"}, Job: []struct {
			ID string `xml:"captureID,attr"`
		}{{job.CaptureID}}},
	} {
		r := h.do("GET", path, "", "Accept", "application/xml").want(t, 200)
		var got list
		if err := xml.Unmarshal(r.body, &got); err != nil || r.header.Get("Content-Type") != "application/xml" {
			t.Errorf("%s: %v %s", path, err, r.body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	for form, want := range map[string]string{"Always_Web_URI": "https://ref.gs1.org/cbv/Disp-active", "Never_Translates": "urn:epcglobal:cbv:disp:active"} {
		if r := h.do("GET", "/epcis/v2/dispositions?perPage=2", "", "Accept", "text/xml", "GS1-CBV-XML-Format", form).want(t, 200); !strings.Contains(string(r.body), "<member>"+want+"</member>") {
			t.Errorf("%s: %s", form, r.body)
		}
	}
	h.do("GET", "/epcis/v2/queries/a%3C&b", "", "Accept", "application/xml").want(t, 406)
}
