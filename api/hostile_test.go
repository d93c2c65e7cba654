package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// What is hostile or broken is answered with the standard's error, and nothing of it is
// recorded.
func TestHostileInput(t *testing.T) {
	h := newHarness(t, defaults())
	long := strings.Repeat("a", 2<<20)
	utf16 := func(s string) string {
		var b strings.Builder
		b.WriteString("\xff\xfe")
		for i := range len(s) {
			b.WriteString(s[i:i+1] + "\x00")
		}
		return b.String()
	}
	xml := `<ObjectEvent>` + strings.Repeat(" ", 9)
	const events, capture, queries, json, inXML = "/epcis/v2/events", "/epcis/v2/capture", "/epcis/v2/queries", "application/json", "application/xml"
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"a%d":1`, i)
		}
		return b.String()[1:]
	}
	for name, c := range map[string]struct {
		path, body, mediaType string
		status                int
		code                  string
	}{
		"charset UTF-16":          {events, event(1), json + "; charset=utf-16", 415, "unsupported_media_type"},
		"charset Latin-1":         {events, event(1), json + "; charset=iso-8859-1", 415, "unsupported_media_type"},
		"no charset's name":       {events, event(1), json + "; charset=", 415, "unsupported_media_type"},
		"UTF-16":                  {events, utf16(event(1)), json, 400, "bad_json"},
		"Latin-1":                 {events, event(1, `"ex:a":"`+"\xe4"+`"`), json, 400, "bad_json"},
		"two encodings":           {capture, document(event(1, `"ex:a":"ä"`), event(2, `"ex:a":"`+"\xe4"+`"`)), json, 400, "bad_json"},
		"half a surrogate":        {events, event(1, `"ex:a":"\ud800"`), json, 400, "bad_json"},
		"NUL":                     {events, event(1) + "\x00", json, 400, "bad_json"},
		"XML in UTF-16":           {events, utf16(xml), inXML, 400, "bad_xml"},
		"XML that says Latin-1":   {events, `<?xml version="1.0" encoding="ISO-8859-1"?>` + xml, inXML, 400, "bad_xml"},
		"XML that says nonsense":  {events, `<?xml version="1.0" encoding="nonsense"?>` + xml, inXML, 400, "bad_xml"},
		"XML in Latin-1":          {events, xml + "\xe4", inXML, 400, "bad_xml"},
		"an event of one string":  {events, event(1, `"ex:a":"`+long+`"`), json, 413, "too_large"},
		"a document of it":        {capture, document(event(1, `"ex:a":"`+long+`"`)), json, 413, "too_large"},
		"a name":                  {events, `{"` + long[:1<<19] + `":1}`, json, 400, "unknown_field"},
		"a number":                {capture, `{"a":` + strings.Repeat("1", 2<<20) + `}`, json, 400, "bad_document"},
		"backslashes":             {capture, `{"a":"` + strings.Repeat(`\`, 2<<20) + `"}`, json, 400, "bad_document"},
		"an open string":          {capture, `{"a":"` + long, json, 400, "bad_json"},
		"brackets":                {capture, strings.Repeat("[", 2<<20), json, 400, "too_deep"},
		"XML text":                {capture, `<ObjectEvent><bizStep>` + long, inXML, 413, "too_large"},
		"an XML attribute":        {capture, `<ObjectEvent a="` + long, inXML, 413, "too_large"},
		"an XML name":             {capture, `<` + long, inXML, 413, "too_large"},
		"an XML comment":          {capture, `<!--` + long, inXML, 413, "too_large"},
		"a query of parameters":   {queries, `{"name":"q","query":{` + members(10000) + `}}`, json, 413, "query_too_complex"},
		"one of alternatives":     {queries, `{"name":"q","query":{"EQ_bizStep":["` + strings.Repeat(`urn:x:a","`, 10000) + `urn:x:b"]}}`, json, 413, "query_too_complex"},
		"a long query":            {queries, `{"name":"q","query":{` + members(100000) + `}}`, json, 413, "too_large"},
		"a subscription to what?": {queries + "/none/subscriptions", `{"dest":"https://example.com/","stream":true}`, json, 404, "no_such_name"},
	} {
		r := h.do("POST", c.path, c.body, "Content-Type", c.mediaType)
		if r.status != c.status || !strings.Contains(string(r.body), `"code":"`+c.code+`"`) || !strings.Contains(string(r.body), `"type":"epcisException:`) || len(r.body) > 4096 {
			t.Errorf("%s: %d %.300s, want %d %s", name, r.status, r.body, c.status, c.code)
		}
	}
	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, "&a%d", i)
	}
	for query, code := range map[string]string{many.String()[1:]: "query_too_complex", strings.Repeat("&a=1", 1800): "bad_parameter", "EQ_bizStep=%zz": "bad_parameter", "EQ_eventID=%00": "bad_parameter",
		"EQ_bizStep=" + strings.Repeat("%7C", 600): "bad_parameter", strings.Repeat("a", 9000): "uri_too_long"} {
		if r := h.do("GET", "/epcis/v2/events?"+query, ""); !strings.Contains(string(r.body), `"code":"`+code+`"`) || len(r.body) > 4096 {
			t.Errorf("%.60s: %d %.300s, want %s", query, r.status, r.body, code)
		}
	}
	if r := h.do("GET", "/epcis/v2/", "", "GS1-Extensions", strings.Repeat("a=urn:a:,", 6000)).want(t, 200); len(r.header.Get("GS1-Extensions")) > 4096 {
		t.Errorf("a header of %d bytes comes back", len(r.header.Get("GS1-Extensions")))
	}
	if n := h.ledger.count(); n != 0 {
		t.Errorf("%d events were recorded", n)
	}
}
