package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What is broken in a document of good events: nothing of it is recorded where one thing
// wrong rolls all back, and exactly the good ones where they proceed.
func TestBombsAmongGoodEvents(t *testing.T) {
	nested := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `,"ex:m%d":1`, i)
	}
	for name, c := range map[string]struct {
		bad  string
		code string
	}{
		"a string":   {event(2, `"ex:a":"`+strings.Repeat("a", 2<<20)+`"`), "too_large"},
		"a name":     {event(2, `"ex:`+strings.Repeat("a", 100_000)+`":1`), "bad_context"},
		"members":    {event(2, many.String()[1:]), "too_large"},
		"a number":   {event(2, `"quantityList":[{"epcClass":"urn:epc:class:lgtin:9521234.054321.1","quantity":`+strings.Repeat("9", 10_000)+`}]`), "bad_quantity"},
		"identifier": {event(2, `"readPoint":{"id":"https://id.gs1.org/414/`+strings.Repeat("9", 10_000)+`"}`), "bad_identifier"},
		"depth":      {event(2, `"ex:a":`+nested), "too_deep"},
	} {
		text := document(event(1), c.bad, event(3))
		h := newHarness(t, defaults())
		r := h.do("POST", "/epcis/v2/capture", text)
		if r.status != 400 && r.status != 413 || !strings.Contains(string(r.body), `"code":"`+c.code+`"`) || h.ledger.count() != 0 {
			t.Errorf("%s, rollback: %d events, %d %.300s, want %s", name, h.ledger.count(), r.status, r.body, c.code)
		}
		if c.code == "too_deep" { // of a document that is too deep nothing can be read
			h.do("POST", "/epcis/v2/capture", text, behaviour, "proceed").problem(t, 400, c.code)
			continue
		}
		r = h.do("POST", "/epcis/v2/capture", text, behaviour, "proceed")
		if r.status != 202 {
			t.Errorf("%s: %d %.300s", name, r.status, r.body)
			continue
		}
		j := h.job(r.header.Get("Location"))
		if len(j.Errors) != 1 || j.Errors[0].Code.String() != c.code || len(j.Receipt.Events) != 2 || h.ledger.count() != 2 {
			t.Errorf("%s, proceed: %d events, %+v", name, h.ledger.count(), j.Errors)
		}
	}
}

// TestHugeRequests: a million parameters and strings of ten megabytes are refused with
// the standard's error, wherever they stand.
func TestHugeRequests(t *testing.T) {
	h := newHarness(t, defaults())
	parameters := strings.Repeat("a=1&", 1_000_000)
	long := strings.Repeat("a", 10<<20)
	h.do("GET", "/epcis/v2/events?"+parameters[:80<<10], "").problem(t, 414, "uri_too_long")
	// Of more, the server reads no further than this.
	if r := h.do("GET", "/epcis/v2/events?"+parameters, ""); r.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a million parameters: %d %.200s", r.status, r.body)
	}
	for name, c := range map[string][2]string{
		"query":        {"/epcis/v2/queries", `{"name":"q","query":{` + strings.TrimSuffix(strings.Repeat(`"a":"1",`, 1_000_000), ",") + `}}`},
		"query value":  {"/epcis/v2/queries", `{"name":"q","query":{"EQ_bizStep":["` + long + `"]}}`},
		"query name":   {"/epcis/v2/queries", `{"name":"` + long + `","query":{}}`},
		"event":        {"/epcis/v2/events", event(1, `"ex:a":"`+long+`"`)},
		"document":     {"/epcis/v2/capture", document(event(1, `"ex:a":"`+long+`"`))},
		"subscription": {"/epcis/v2/queries/q/subscriptions", `{"dest":"` + long + `","stream":true}`},
	} {
		h.do("POST", c[0], c[1]).problem(t, 413, "too_large")
		if name == "document" || name == "event" {
			h.do("POST", c[0], `<?xml version="1.0"?><a b="`+long+`"/>`, sendXML...).problem(t, 413, "too_large")
		}
	}
	if n := h.ledger.count(); n != 0 {
		t.Errorf("%d events were recorded", n)
	}
}
