package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// next is the path that a reply's Link leads to, "" for none.
func next(r reply) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.header.Get("Link"), "<"), `>; rel="next"`)
}

func TestStoredQueries(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 5 {
		h.do("POST", "/epcis/v2/events", event(i, `"ex:size":`+fmt.Sprint(i), `"@context":[{"ex":"https://ns.example.com/"}]`)).want(t, 201)
	}
	const path = "/epcis/v2/queries"
	if all := h.do("GET", path, "").want(t, 200); string(all.body) != "[]" {
		t.Fatalf("none is stored: %s", all.body)
	}
	h.do("POST", path+"?dryRun=true", `{"name":"big","query":{}}`).want(t, 200)
	made := h.do("POST", path, `{"name": "big", "query": {"@context": {"q": "https://ns.example.com/"}, "GE_q:size": 2, "EQ_action": ["OBSERVE"], "EQ_bizStep": [], "eventType": ["ObjectEvent"]}}`).want(t, 201)
	if made.header.Get("Location") != path+"/big" {
		t.Errorf("Location: %s", made.header.Get("Location"))
	}
	// The prefix may come in a header, too; the answer to a repeat is the first.
	for range 2 {
		h.do("POST", path, `{"name":"a b?","query":{}}`, "Idempotency-Key", "k").problem(t, 400, "bad_query")
		h.do("POST", path, `{"name":"small","query":{"LT_e:size":2}}`, "GS1-Extensions", "e=https://ns.example.com/", "Idempotency-Key", "s").want(t, 201)
	}
	h.do("POST", path, `{"name":"small","query":{}}`).problem(t, 409, "name_taken")
	h.do("POST", path+"?dryRun=true", `{"name":"small","query":{}}`).problem(t, 409, "name_taken")
	if p := h.do("POST", path, `{"name":"SimpleEventQuery","query":{}}`).problem(t, 409, "name_taken"); p["type"] != "epcisException:ResourceAlreadyExistsException" {
		t.Errorf("type %v", p["type"])
	}
	h.stop()
	h.start() // they are on the disk
	first := h.do("GET", path+"?perPage=1", "").want(t, 200)
	both := append(into[[]api.QueryDefinition](t, first), into[[]api.QueryDefinition](t, h.do("GET", next(first), "").want(t, 200))...)
	if len(both) != 2 || both[0].Name != "big" || both[1].Name != "small" {
		t.Fatalf("stored: %v", both)
	}
	one := into[api.QueryDefinition](t, h.do("GET", path+"/small", "").want(t, 200))
	if one.Name != "small" || string(one.Query) != `{"LT_e:size":2}` {
		t.Errorf("small is %s", one.Query)
	}
	if got := serials(eventList(t, h.do("GET", path+"/small/events", "").want(t, 200))); got != "1 0" {
		t.Errorf("small finds %q", got)
	}
	var got []string
	for at := path + "/big/events?perPage=2"; at != ""; {
		r := h.do("GET", at, "").want(t, 200)
		if !strings.Contains(string(r.body), `"queryName":"big"`) {
			t.Errorf("an answer does not name its query: %s", r.body)
		}
		got = append(got, serials(eventList(t, r)))
		at = next(r)
	}
	if diff := cmp.Diff([]string{"4 3", "2"}, got); diff != "" {
		t.Error(diff)
	}
	h.do("DELETE", path+"/small?dryRun=true", "").want(t, 204)
	h.do("DELETE", path+"/none?dryRun=true", "").problem(t, 404, "no_such_name")
	h.do("GET", path+"/small", "").want(t, 200)
	h.do("DELETE", path+"/small", "").want(t, 204)
	for _, gone := range [][2]string{{"GET", "/small"}, {"GET", "/small/events"}, {"DELETE", "/small"}, {"GET", "/%00"}} {
		if p := h.do(gone[0], path+gone[1], "").problem(t, 404, "no_such_name"); p["type"] != "epcisException:NoSuchNameException" {
			t.Errorf("%v: %v", gone, p["type"])
		}
	}
}

func TestStoredQueryMisuse(t *testing.T) {
	h := newHarness(t, defaults())
	for body, want := range map[string][3]string{
		`{`:                                   {"bad_json", "ValidationException", ""},
		`[]`:                                  {"bad_query", "QueryValidationException", ""},
		`{"query":{}}`:                        {"bad_query", "QueryValidationException", "/name"},
		`{"name":"a/b","query":{}}`:           {"bad_query", "QueryValidationException", "/name"},
		`{"name":".","query":{}}`:             {"bad_query", "QueryValidationException", "/name"},
		`{"name":"..","query":{}}`:            {"bad_query", "QueryValidationException", "/name"},
		`{"name":7,"query":{}}`:               {"bad_query", "QueryValidationException", "/name"},
		`{"name":"a"}`:                        {"bad_query", "QueryValidationException", "/query"},
		`{"name":"a","query":[]}`:             {"bad_query", "QueryValidationException", "/query"},
		`{"name":"a","query":null}`:           {"bad_query", "QueryValidationException", "/query"},
		`{"name":"a","query":{},"more":1}`:    {"bad_query", "QueryValidationException", "/more"},
		`{"name":"a","query":{"@context":7}}`: {"bad_query", "QueryValidationException", "/query"},
		`{"name":"a","query":{"GE_eventDate":"2026-01-01T00:00:00+01:00"}}`: {"bad_parameter", "QueryParameterException", "/query/GE_eventDate"},
		`{"name":"a","query":{"EQ_nonsense":[]}}`:                           {"bad_parameter", "QueryParameterException", "/query/EQ_nonsense"},
		`{"name":"a","query":{"perPage":3}}`:                                {"bad_parameter", "QueryParameterException", "/query/perPage"},
		`{"name":"a","query":{"EQ_bizStep":["dancing"]}}`:                   {"bad_parameter", "QueryParameterException", "/query/EQ_bizStep"},
		`{"name":"a","query":{"EQ_bizStep":[{"a":1}]}}`:                     {"bad_parameter", "QueryParameterException", "/query"},
		`{"name":"a","query":{"EQ_x:a":"1"}}`:                               {"bad_parameter", "QueryParameterException", "/query/EQ_x:a"},
		`{"name":"a","query":{"GT_quantity":true}}`:                         {"bad_parameter", "QueryParameterException", "/query/GT_quantity"},
		`{"name":"a","query":{"EQ_action":["ADD",null]}}`:                   {"bad_parameter", "QueryParameterException", "/query/EQ_action"},
		`{"name":"a","query":{"EQ_action":"ADD","EQ_action":"ADD"}}`:        {"duplicate_key", "ValidationException", "/query/EQ_action"},
	} {
		p := h.do("POST", "/epcis/v2/queries", body).problem(t, 400, want[0])
		pointer, _ := p["pointer"].(string)
		if p["type"] != "epcisException:"+want[1] || pointer != want[2] {
			t.Errorf("%s: %v at %q, want %v", body, p["type"], pointer, want)
		}
	}
	if p := h.do("POST", "/epcis/v2/queries", `{"name":"a","query":{"EQ_stringValue":["`+strings.Repeat("x", 300<<10)+`"]}}`).problem(t, 413, "too_large"); p["type"] != "epcisException:QueryTooLargeException" {
		t.Errorf("type %v", p["type"])
	}
}

// A context may stand beside a query, as JSON-LD has it of a whole document.
func TestContextBesideAQuery(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", `{"@context":[{"a":"https://ext.example.com/"}],`+event(1, `"a:n":5`)[1:]).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(2)).want(t, 201)
	for name, query := range map[string]string{"beside": `"@context":{"ext":"https://ext.example.com/"},"query":{"EQ_ext:n":5}`, "inside": `"query":{"@context":{"ext":"https://ext.example.com/"},"EQ_ext:n":5}`,
		"schema": `"@context":"https://ref.gs1.org/standards/epcis/2.0.0/query-schema.json","query":{"MATCH_epc":["urn:epc:id:sgtin:9521234.054321.1"]}`} {
		h.do("POST", "/epcis/v2/queries", `{"name":"`+name+`",`+query+`}`).want(t, 201)
		if got := serials(eventList(t, h.do("GET", "/epcis/v2/queries/"+name+"/events", "").want(t, 200))); got != "1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, bad := range []string{`"@context":{"a":"https://a.example/"},"query":{"@context":{"b":"https://b.example/"}}`, `"@context":5,"query":{}`, `"@context":{},"query":[]`, `"@context":{}`} {
		h.do("POST", "/epcis/v2/queries", `{"name":"bad",`+bad+`}`).problem(t, 400, "bad_query")
	}
}

func TestEventQueryLimits(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 7 {
		h.do("POST", "/epcis/v2/events", event(i)).want(t, 201)
	}
	var got []string
	for at := "/epcis/v2/events?eventCountLimit=5&orderBy=eventTime&perPage=2"; at != ""; {
		r := h.do("GET", at, "").want(t, 200)
		got = append(got, serials(eventList(t, r)))
		at = next(r)
	}
	if diff := cmp.Diff([]string{"6 5", "4 3", "2"}, got); diff != "" {
		t.Error(diff)
	}
	h.do("GET", "/epcis/v2/events?maxEventCount=7", "").want(t, 200)
	if p := h.do("GET", "/epcis/v2/events?maxEventCount=6", "").problem(t, 413, "query_too_large"); p["type"] != "epcisException:QueryTooLargeException" {
		t.Errorf("type %v", p["type"])
	}
	for _, q := range []string{"eventCountLimit=1&maxEventCount=2&orderBy=eventTime", "eventCountLimit=1", "EQ_x:a=1", "EQ_value=1", "LT_quantity=1%7C2"} {
		if p := h.do("GET", "/epcis/v2/events?"+q, "").problem(t, 400, "bad_parameter"); p["type"] != "epcisException:QueryParameterException" {
			t.Errorf("%s: %v", q, p["type"])
		}
	}
	h.do("GET", "/epcis/v2/events", "", "GS1-Extensions", "nonsense").problem(t, 400, "bad_parameter")
	h.do("GET", "/epcis/v2/events?EXISTS_x:a", "", "GS1-Extensions", "x=https://a.example/, y=https://b.example/").want(t, 200)
	h.ledger.set(func() { h.ledger.tooComplex = true })
	if p := h.do("GET", "/epcis/v2/events", "").problem(t, 413, "query_too_complex"); p["type"] != "epcisException:QueryTooComplexException" {
		t.Errorf("type %v", p["type"])
	}
}

// A page that would have cost too much is short, and the next goes on behind what was
// looked at.
func TestShortPages(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 6 {
		h.do("POST", "/epcis/v2/events", event(i)).want(t, 201)
	}
	h.ledger.set(func() { h.ledger.short = true })
	var got []string
	empty := 0
	for at := "/epcis/v2/events?MATCH_epc=urn:epc:id:sgtin:9521234.054321.1%7Curn:epc:id:sgtin:9521234.054321.4"; at != ""; {
		r := h.do("GET", at, "").want(t, 200)
		list := eventList(t, r)
		if len(list) == 0 {
			empty++
		} else {
			got = append(got, serials(list))
		}
		at = next(r)
	}
	if strings.Join(got, " ") != "4 1" || empty == 0 {
		t.Errorf("%v, and %d empty pages", got, empty)
	}
}

func TestTopLevelResources(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 5 {
		h.do("POST", "/epcis/v2/events", event(i, `"disposition":"in_transit"`)).want(t, 201)
	}
	h.do("POST", "/epcis/v2/events", strings.Replace(event(9), "shipping", "receiving", 1)).want(t, 201)
	var members []string
	for at := "/epcis/v2/epcs?perPage=4"; at != ""; {
		r := h.do("GET", at, "").want(t, 200)
		page := into[api.Collection](t, r)
		if page.Type != "Collection" || len(page.Member) > 4 {
			t.Fatalf("a page: %s", r.body)
		}
		members = append(members, page.Member...)
		if at = next(r); at != "" { // what arrives meanwhile is on a page once, or behind those read
			h.do("POST", "/epcis/v2/events", event(len(members)*100)).want(t, 201)
		}
	}
	if len(members) != 7 || !slices.IsSorted(members) {
		t.Errorf("EPCs: %v", members)
	}
	for path, want := range map[string]string{"/bizSteps?perPage=3": "receiving shipping accepting", "/bizSteps?perPage=1": "receiving", "/dispositions?perPage=2": "in_transit active", "/eventTypes?perPage=2": "AggregationEvent AssociationEvent",
		"/bizSteps/shipping": "events", "/bizSteps/loading": "events", "/dispositions/urn:epcglobal:cbv:disp:recalled": "events", "/eventTypes/AssociationEvent": "events", "/epcs/" + url.PathEscape(itemURN): "events",
		"/": "bizLocations bizSteps capture dispositions epcs eventTypes events queries readPoints"} {
		if got := strings.Join(into[api.Collection](t, h.do("GET", "/epcis/v2"+path, "").want(t, 200)).Member, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{"/bizSteps/receiving/events": "9", "/bizSteps/" + url.PathEscape("https://ref.gs1.org/cbv/BizStep-receiving") + "/events": "9",
		"/epcs/" + url.PathEscape(itemURN) + "/events": "1", "/epcs/urn:epc:id:sgtin:9521234.054321.1/events?EQ_bizStep=receiving": "", "/eventTypes/AssociationEvent/events": "",
		"/dispositions/in_transit/events?perPage=2": "4 3", "/bizSteps/loading/events": "", "/epcs/" + url.PathEscape(classID) + "/events": ""} {
		if got := serials(eventList(t, h.do("GET", "/epcis/v2"+path, "").want(t, 200))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/bizSteps/dancing", "/bizSteps/dancing/events", "/bizSteps/urn:example:dancing", "/eventTypes/Event/events", "/epcs/thing", "/epcs/urn:example:none", "/readPoints/%00/events"} {
		if p := h.do("GET", "/epcis/v2"+path, "").problem(t, 404, "not_found"); p["type"] != "epcisException:NoSuchResourceException" {
			t.Errorf("%s: %v", path, p["type"])
		}
	}
	for _, path := range []string{"/bizSteps/shipping/events?EQ_bizStep=receiving", "/epcs?nextPageToken=x", "/epcs?perPage=0", "/bizSteps?nextPageToken=" + h.g.TestingOnlyNameToken("/epcs", "x")} {
		h.do("GET", "/epcis/v2"+path, "").problem(t, 400, "bad_parameter")
	}
	h.do("HEAD", "/epcis/v2/", "").want(t, 200)
	if r := h.do("HEAD", "/epcis/v2/epcs", "").want(t, 200); len(r.body) != 0 {
		t.Error("HEAD has a body")
	}
}

// The standard's words are listed whether or not an event has them, behind what events
// have, each once, though some are recorded between the pages.
func TestTopLevelWords(t *testing.T) {
	h := newHarness(t, defaults())
	step := func(serial int, term string) {
		h.do("POST", "/epcis/v2/events", `{"@context":[{"own":"https://own.example.com/"}],`+strings.Replace(event(serial), `"shipping"`, `"`+term+`"`, 1)[1:]).want(t, 201)
	}
	for i, term := range []string{"shipping", "own:weighing", "packing"} {
		step(i, term)
	}
	later := []string{"accepting", "void_shipping", "unpacking", "own:ageing"}
	var members []string
	for at := "/epcis/v2/bizSteps?perPage=4"; at != ""; {
		r := h.do("GET", at, "").want(t, 200)
		members = append(members, into[api.Collection](t, r).Member...)
		if at = next(r); at != "" && len(later) > 0 {
			step(len(members)*100, later[0])
			later = later[1:]
		}
	}
	if diff := cmp.Diff([]string{"https://own.example.com/weighing", "packing", "shipping", "accepting"}, members[:4]); diff != "" {
		t.Error(diff)
	}
	seen := map[string]int{}
	for _, m := range members {
		seen[m]++
	}
	for _, word := range schemas.BizSteps.Words() {
		if seen[word] != 1 {
			t.Errorf("%s comes %d times: %v", word, seen[word], members)
		}
	}
}

// Values may be written, and are told, with prefixes that the request defines.
func TestTopLevelPrefixes(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", `{"@context":[{"own":"https://own.example.com/"}],`+strings.Replace(event(1), `"shipping"`, `"own:weighing"`, 1)[1:]).want(t, 201)
	header := []string{"GS1-Extensions", "x=https://own.example.com/, y=https://own.example.com/we, z=https://other.example.com/"}
	r := h.do("GET", "/epcis/v2/bizSteps?perPage=1", "", header...).want(t, 200)
	if got, want := string(r.body), `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",{"y":"https://own.example.com/we"}],"type":"Collection","member":["y:ighing"]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, path := range []string{"x:weighing", "y:ighing", url.PathEscape("https://own.example.com/weighing")} {
		h.do("GET", "/epcis/v2/bizSteps/"+path, "", header...).want(t, 200)
		if got := serials(eventList(t, h.do("GET", "/epcis/v2/bizSteps/"+path+"/events", "", header...).want(t, 200))); got != "1" {
			t.Errorf("%s: %q", path, got)
		}
	}
	h.do("GET", "/epcis/v2/bizSteps/x:weighing", "").problem(t, 404, "not_found")
	if r := h.do("GET", "/epcis/v2/bizSteps?perPage=1", "", append(header, "Accept", "application/xml")...).want(t, 200); !strings.Contains(string(r.body), "<member>https://own.example.com/weighing</member>") {
		t.Errorf("XML: %s", r.body)
	}
}

// Lists name things in the form that is asked for, as far as events or registered
// prefixes tell it, page by page.
func TestTopLevelForms(t *testing.T) {
	h := newHarness(t, defaults())
	// The prefix 952123 is registered; a URN that was submitted tells more.
	const other, first, second = "https://id.gs1.org/01/04012345123456/21/3", "https://id.gs1.org/01/09521234543213/21/1", "https://id.gs1.org/01/09521234543213/21/2"
	h.do("POST", "/epcis/v2/events", event(1, `"readPoint":{"id":"urn:epc:id:sgln:9521234.00001.0"}`)).want(t, 201)
	h.do("POST", "/epcis/v2/events", strings.Replace(event(2), "urn:epc:id:sgtin:9521234.054321.2", second, 1)).want(t, 201)
	h.do("POST", "/epcis/v2/events", strings.Replace(event(3), "urn:epc:id:sgtin:9521234.054321.3", other, 1)).want(t, 201)
	list := func(path, form string) (out []string) {
		for at := "/epcis/v2" + path + "?perPage=1"; at != ""; {
			r := h.do("GET", at, "", "GS1-EPC-Format", form).want(t, 200)
			if got := r.header.Get("GS1-EPC-Format"); got != form {
				t.Errorf("%s: form %s, want %s", path, got, form)
			}
			out = append(out, into[api.Collection](t, r).Member...)
			at = next(r)
		}
		return out
	}
	for form, want := range map[string][]string{"Never_Translates": {other, first, second}, "Always_GS1_Digital_Link": {other, first, second},
		"Always_EPC_URN": {other, "urn:epc:id:sgtin:9521234.054321.1", "urn:epc:id:sgtin:952123.0454321.2"}} {
		if diff := cmp.Diff(want, list("/epcs", form)); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
	if diff := cmp.Diff([]string{"urn:epc:id:sgln:9521234.00001.0"}, list("/readPoints", "Always_EPC_URN")); diff != "" {
		t.Error(diff)
	}
}

// What is delivered of a stored query is what was recorded behind a place, in order.
func TestBehind(t *testing.T) {
	q := api.StoredQuery{Query: schemas.EventQuery{OrderBy: schemas.ByField, OrderFields: []string{"x"}, CountLimit: 3, MaxCount: 4, BizSteps: []string{"shipping"}}}
	at := &schemas.Locator{Height: 7}
	got, err := json.Marshal(q.Behind(at, 10))
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(schemas.EventQuery{OrderBy: schemas.ByRecordTime, Ascending: true, After: at, Limit: 10, BizSteps: []string{"shipping"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// Of what is open, offers that nobody answered come behind all records, each once.
func TestOpenExceptionsArePaged(t *testing.T) {
	h := newHarness(t, defaults())
	for serial := range 3 {
		h.do("POST", "/epcis/v2/events", event(serial+1)).want(t, 201)
	}
	seen := map[string]int{}
	for token, pages := "", 0; ; pages++ {
		path := "/api/v1/exceptions?open=true&perPage=1"
		if token != "" {
			path += "&nextPageToken=" + token
		}
		page := into[api.Exceptions](t, h.do("GET", path, "").want(t, 200))
		if len(seen) > 0 && len(page.Records) > 0 {
			t.Errorf("records behind offers: %+v", page)
		}
		for _, r := range page.Overdue {
			seen[fmt.Sprint(r.Locator)]++
		}
		if token = page.NextPageToken; token == "" {
			break
		}
		if pages > 20 {
			t.Fatal("there is no last page")
		}
	}
	if len(seen) != 3 {
		t.Errorf("unanswered offers: %v", seen)
	}
	for place, n := range seen {
		if n != 1 {
			t.Errorf("%s comes %d times", place, n)
		}
	}
	for _, bad := range []string{"open=true&nextPageToken=o.", "open=true&nextPageToken=o.x", "nextPageToken=o.AQ"} {
		h.do("GET", "/api/v1/exceptions?"+bad, "").problem(t, 400, "bad_parameter")
	}
}
