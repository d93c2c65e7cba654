package epcisxml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// many repeats a text with numbers in it.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Names and namespaces by the ten thousands, which fit a body's limit, are read or
// refused in about the time that their bytes take: a search through all for each
// would outlast a test's time.
func TestManyNamespaces(t *testing.T) {
	for name, more := range map[string]string{
		"of one prefix": many(20_000, "<q:a xmlns:q='u:%d'/>"),
		"of attributes": many(20_000, "<a q:b='c' xmlns:q='u:%d'/>"),
		"of own prefix": many(20_000, "<q%[1]d:a xmlns:q%[1]d='u:%[1]d'/>"),
		"of values":     "<q:a" + namespaces(200) + " xmlns:q='u:q'>" + many(200, "<q:b>a%d:x</q:b>") + "</q:a>",
		"just too many": many(schemas.MaxPrefixes+1, "<q:a xmlns:q='u:%d'/>"),
	} {
		doc, err := epcisxml.Decode([]byte(wrap(objectEvent(more, "")+objectEvent("", ""))), 2)
		if err != nil {
			t.Fatal(err)
		}
		if f := doc.Events[0].Fault; f == nil || f.Code != schemas.TooLarge {
			t.Errorf("%s: %v", name, f)
		}
		if doc.Events[1].Event == nil {
			t.Errorf("%s: the next event: %v", name, doc.Events[1].Fault)
		}
	}
	doc, err := epcisxml.Decode([]byte(wrap(objectEvent(many(schemas.MaxPrefixes, "<q:a xmlns:q='u:%d'/>"), ""))), 1)
	if err != nil || doc.Events[0].Fault != nil {
		t.Error("as many as there may be:", err, doc.Events[0].Fault)
	}
}

func TestManyNames(t *testing.T) {
	const n = 30_000
	doc, err := epcisxml.Decode([]byte(wrap(objectEvent(many(n, "<q:a%d>1</q:a%[1]d>")+"<q:a7>2</q:a7><q:a29999>3</q:a29999>", " xmlns:q='u:q'"))), 1)
	if err != nil || doc.Events[0].Fault != nil {
		t.Fatal(err, doc.Events[0].Fault)
	}
	body := string(doc.Events[0].Event.Body)
	for _, want := range []string{`"q:a7":["1","2"]`, `"q:a29999":["1","3"]`, `"q:a31":"1"`, `"q:a32":"1"`} {
		if strings.Count(body, want) != 1 {
			t.Errorf("%d times %s", strings.Count(body, want), want)
		}
	}
}

// An event may name its members by URIs, of as many namespaces as members.
func TestManyNamespacesOut(t *testing.T) {
	const n = 20_000
	body := `{"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-01-01T00:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.000001.1"]` +
		many(n, `,"http://h%d.example/x":"1"`) + "}"
	out, err := epcisxml.AppendEvent(nil, []byte(body), epcisxml.Form{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`="http://h0.example/"`, `="http://h19999.example/"`} {
		if strings.Count(string(out), want) != 1 {
			t.Errorf("%d times %s", strings.Count(string(out), want), want)
		}
	}
}
