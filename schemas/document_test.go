package schemas_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

const plainEvent = `{"type":"ObjectEvent","eventTime":"2026-03-02T14:05:11Z","eventTimeZoneOffset":"+01:00","action":"ADD","epcList":["urn:x:y"]}`

// document returns a document with the given context and events.
func document(context string, events ...string) string {
	return `{"@context":` + context + `,"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-03-02T15:00:00Z",
	"epcisHeader":{"epcisMasterData":{"vocabularyList":[]}},"epcisBody":{"eventList":[` + strings.Join(events, " ,\n ") + `]}}`
}

// event returns an event with members added in front.
func event(members string) string { return "{" + members + "," + plainEvent[1:] }

// oneEvent returns a document whose body has one event, no list, under name.
func oneEvent(name string) string {
	return `{"@context":[],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-03-02T15:00:00Z","epcisBody":{"` + name + `":` + plainEvent + `}}`
}

func TestBodies(t *testing.T) {
	const standard = `"https://ref.gs1.org/standards/epcis/epcis-context.jsonld"`
	for _, c := range []struct{ name, context, event, want string }{
		{"standard context dropped", standard, plainEvent, plainEvent},
		{"any form of it", `["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld","https://gs1.github.io/EPCIS/epcis-context.jsonld"]`, plainEvent, plainEvent},
		{"the event's too", `[]`, event(`"@context":[` + standard + `]`), plainEvent},
		{"document's before the event's", `[` + standard + `, {"a": "urn:a:" }, "https://x.example/ctx"]`, event(`"b:c":1, "@context": {"b":"urn:b:"}`),
			`{"@context":[{"a":"urn:a:"},"https://x.example/ctx",{"b":"urn:b:"}],"b:c":1,` + plainEvent[1:]},
		{"one entry", `{"a":"urn:a:"}`, event(`"a:c" : [ 1 , " " ]`), `{"@context":[{"a":"urn:a:"}],"a:c":[1," "],` + plainEvent[1:]},
		{"escapes stay", standard, event(`"rdfs:comment":"\u00e9 \/"`), `{"rdfs:comment":"\u00e9 \/",` + plainEvent[1:]},
	} {
		got, err := schemas.DecodeDocument([]byte(document(c.context, c.event)), 1)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case got[0].Fault != nil:
			t.Errorf("%s: %v", c.name, got[0].Fault)
		case string(got[0].Event.Body) != c.want:
			t.Errorf("%s:\n got %s\nwant %s", c.name, got[0].Event.Body, c.want)
		}
	}
}

func TestDocumentForms(t *testing.T) {
	query := `{"@context":[],"type":"EPCISQueryDocument","schemaVersion":"2.0","creationDate":"2026-03-02T15:00:00Z","epcisBody":{"queryResults":
		{"queryName":"q","resultsBody":{"eventList":[` + plainEvent + `,` + plainEvent + `]}}}}`
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"document", document(`[]`, plainEvent, plainEvent), 2},
		{"no events", document(`[]`), 0},
		{"version 2.1", strings.Replace(document(`[]`, plainEvent), `"2.0"`, `"2.1"`, 1), 1},
		{"query document", query, 2},
		{"one event in the body", oneEvent("event"), 1},
		{"bare event", plainEvent, 1},
		{"bare list", `[` + plainEvent + `,` + plainEvent + `, ` + plainEvent + `]`, 3},
		{"byte order mark", "\uFEFF" + plainEvent, 1},
		{"comments of the document", strings.Replace(document(`[]`, plainEvent), `{`, `{"_comment":["x"],"sender":"me",`, 1), 1},
	} {
		got, err := schemas.DecodeDocument([]byte(c.text), 3)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d events, %v", c.name, len(got), err)
			continue
		}
		for i, e := range got {
			if e.Fault != nil || string(e.Event.Body) != plainEvent {
				t.Errorf("%s: event %d: %v", c.name, i, e.Fault)
			}
		}
	}
}

func TestDocumentRefused(t *testing.T) {
	doc := document(`[]`, plainEvent)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "bad_json -"},
		{"xml", "<epcis:EPCISDocument/>", "bad_json -"},
		{"text behind", doc + "x", "bad_json -"},
		{"a string", `"x"`, "bad_document -"},
		{"no type", `{}`, "bad_document /type"},
		{"type no string", `{"type":[]}`, "bad_document /type"},
		{"version 1.2", strings.Replace(doc, `"2.0"`, `"1.2"`, 1), "bad_document /schemaVersion"},
		{"version a number", strings.Replace(doc, `"2.0"`, `2.0`, 1), "bad_document /schemaVersion"},
		{"version of letters", strings.Replace(doc, `"2.0"`, `"2.x"`, 1), "bad_document /schemaVersion"},
		{"no date", strings.Replace(doc, `creationDate`, `x:y`, 1), "bad_document /creationDate"},
		{"no date at all", strings.Replace(doc, `2026-03-02T15:00:00Z`, `today`, 1), "bad_document /creationDate"},
		{"no body", strings.Replace(doc, `epcisBody`, `x:y`, 1), "bad_document /epcisBody"},
		{"body a list", `{"@context":[],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-03-02T15:00:00Z","epcisBody":[]}`, "bad_document /epcisBody"},
		{"no list", strings.Replace(doc, `eventList`, `x:y`, 1), "bad_document /epcisBody/eventList"},
		{"list no list", oneEvent("eventList"), "bad_document /epcisBody/eventList"},
		{"no context", strings.Replace(doc, `@context`, `x:y`, 1), "bad_document /@context"},
		{"no query", `{"@context":[],"type":"EPCISQueryDocument","epcisBody":{"queryResults":{"resultsBody":{"eventList":[]}}}}`, "bad_document /epcisBody/queryResults/queryName"},
		{"no results", `{"@context":[],"type":"EPCISQueryDocument","epcisBody":{"eventList":[]}}`, "bad_document /epcisBody/queryResults"},
		{"context a number", document(`7`, plainEvent), "bad_context /@context"},
		{"context of a number", document(`[{"a":7}]`, plainEvent), "bad_context /@context/0/a"},
		{"repeated member", strings.Replace(doc, `"type"`, `"schemaVersion":"2.0","type"`, 1), "duplicate_key /schemaVersion"},
		{"too many", document(`[]`, plainEvent, plainEvent, plainEvent), "too_large /epcisBody/eventList"},
		{"too deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), "too_deep " + strings.Repeat("/0", 64)},
	} {
		_, err := schemas.DecodeDocument([]byte(c.text), 2)
		if got := faultOf(err); got != c.want {
			t.Errorf("%s: %q, want %q: %v", c.name, got, c.want, err)
		}
	}
}

func faultOf(err error) string {
	var f *schemas.Fault
	if !errors.As(err, &f) {
		return fmt.Sprint(err)
	}
	return f.Code.String() + " " + or(f.Pointer, "-")
}

// What is wrong with one event stands in its place, with a pointer into the
// document, and the others are decoded.
func TestEventFaultsInDocument(t *testing.T) {
	events := []string{
		plainEvent,
		event(`"bizStep":"flying"`),
		`7`,
		event(`"@context":[{"a":"nowhere"}]`),
		event(`"rdfs:comment":` + strings.Repeat("[", 33) + strings.Repeat("]", 33)),
		event(`"a:b":1`),
		plainEvent,
	}
	want := []string{
		"", "unknown_vocabulary P/1/bizStep", "bad_value P/2", "bad_context P/3/@context/0/a",
		"too_deep P/4/rdfs:comment" + strings.Repeat("/0", 31), "bad_context P/5/a:b", "",
	}
	for base, text := range map[string]string{
		"/epcisBody/eventList": document(`"https://a.example/ctx"`, events...),
		"/epcisBody/queryResults/resultsBody/eventList": `{"@context":"https://a.example/ctx","type":"EPCISQueryDocument","epcisBody":{"queryResults":{"queryName":"q","resultsBody":{"eventList":[` +
			strings.Join(events, ",") + `]}}}}`,
		"": "[" + strings.Join(events, ",") + "]",
	} {
		got, err := schemas.DecodeDocument([]byte(text), 100)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %d events, %v", base, len(got), err)
		}
		for i := range want {
			fault := ""
			if got[i].Fault != nil {
				fault = faultOf(got[i].Fault)
			}
			if w := strings.Replace(want[i], "P", base, 1); fault != w || (got[i].Event == nil) != (w != "") {
				t.Errorf("%q, event %d: %q, want %q", base, i, fault, w)
			}
		}
	}
}

func TestDecodeSingle(t *testing.T) {
	e, err := schemas.DecodeSingle([]byte("\uFEFF \n" + event(`"a:b": 1, "@context": {"a":"urn:a:"}`) + "\n"))
	if err != nil || string(e.Body) != `{"@context":[{"a":"urn:a:"}],"a:b":1,`+plainEvent[1:] {
		t.Errorf("%v, %v", e, err)
	}
	for text, want := range map[string]string{
		"":                             "bad_json -",
		"[" + plainEvent + "]":         "bad_value -",
		document(`[]`, plainEvent):     "bad_document /type",
		event(`"bizStep":"flying"`):    "unknown_vocabulary /bizStep",
		event(`"@context":[1]`):        "bad_context /@context/0",
		event(`"type":"AssociationX"`): "duplicate_key /type",
		`{"rdfs:comment":"` + strings.Repeat("x", 5*schemas.MaxBody) + `"}`: "too_large -",
	} {
		if _, err := schemas.DecodeSingle([]byte(text)); faultOf(err) != want {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}
