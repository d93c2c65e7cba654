package api_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// eventList reads the events of a query document.
func eventList(t *testing.T, r reply) []map[string]any {
	t.Helper()
	doc := into[struct {
		Type string
		Body struct {
			Results struct {
				Name string `json:"queryName"`
				Body struct {
					List []map[string]any `json:"eventList"`
				} `json:"resultsBody"`
			} `json:"queryResults"`
		} `json:"epcisBody"`
	}](t, r)
	if doc.Type != "EPCISQueryDocument" || doc.Body.Results.Body.List == nil {
		t.Fatalf("no query document: %s", r.body)
	}
	return doc.Body.Results.Body.List
}

func serials(events []map[string]any) string {
	var out []string
	for _, e := range events {
		epc := e["epcList"].([]any)[0].(string)
		out = append(out, epc[strings.LastIndexByte(epc, '.')+1:])
	}
	return strings.Join(out, " ")
}

func TestEventQuery(t *testing.T) {
	h := newHarness(t, defaults())
	if got := eventList(t, h.do("GET", "/epcis/v2/events", "").want(t, 200)); len(got) != 0 {
		t.Fatalf("an empty ledger has %v", got)
	}
	for i := range 5 {
		e := event(i)
		if i == 3 {
			e = strings.Replace(e, `"OBSERVE","bizStep":"shipping"`, `"ADD","bizStep":"commissioning","disposition":"active"`, 1)
		}
		h.do("POST", "/epcis/v2/events", e).want(t, 201)
	}
	record := h.ledger.now.Add(-time.Second).Format(time.RFC3339)
	for query, want := range map[string]string{
		"":                    "4 3 2 1 0",
		"orderDirection=ASC":  "0 1 2 3 4",
		"orderBy=recordTime":  "4 3 2 1 0",
		"EQ_bizStep=shipping": "4 2 1 0",
		"EQ_bizStep=commissioning|urn:epcglobal:cbv:bizstep:shipping": "4 3 2 1 0",
		"EQ_bizStep=https://ref.gs1.org/cbv/BizStep-commissioning":    "3",
		"EQ_disposition=active":                                "3",
		"EQ_action=ADD":                                        "3",
		"EQ_action=ADD|OBSERVE":                                "4 3 2 1 0",
		"eventType=AggregationEvent":                           "",
		"eventType=ObjectEvent|AggregationEvent&EQ_action=ADD": "3",
		"GE_eventTime=2026-05-01T10:02:00Z":                    "4 3 2",
		"LT_eventTime=2026-05-01T12:02:00%2B02:00":             "1 0",
		"LT_eventTime=2026-05-01T12:02:00+02:00":               "1 0",
		"GE_recordTime=" + record:                              "4 3",
		"LT_recordTime=" + record:                              "2 1 0",
		"MATCH_epc=urn:epc:id:sgtin:9521234.054321.2":          "2",
		"MATCH_anyEPC=https://id.gs1.org/01/09521234543213/21/1|urn:epc:id:sgtin:9521234.054321.2": "2 1",
		"MATCH_epc=urn:epc:id:sgtin:9521234.054321.77":                                             "",
		"perPage=5000": "4 3 2 1 0",
	} {
		r := h.do("GET", "/epcis/v2/events?"+strings.ReplaceAll(query, "|", "%7C"), "").want(t, 200)
		if got := serials(eventList(t, r)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"EQ_nonsense=1", "eventType=Event", "EQ_action=KEEP", "GE_eventTime=yesterday", "GE_eventTime=0001-01-01T00:00:00Z",
		"perPage=0", "perPage=-1", "perPage=99999999999999999999", "perPage=x", "EQ_bizStep=dancing", "EQ_bizStep=", "EQ_action=ADD%7C", "EQ_action=ADD&EQ_action=OBSERVE",
		"MATCH_epc=urn:epc:id:sgtin:95.1.1", "EQ_eventID=a%00b", "orderBy=place", "orderDirection=asc", "nextPageToken=xyz", "nextPageToken=AAAA", "%zz=1", "a;b=1",
		"EQ_eventID=" + strings.Repeat("x%7C", 500) + "x"} {
		if p := h.do("GET", "/epcis/v2/events?"+query, "").problem(t, 400, "bad_parameter"); p["type"] != "epcisException:QueryParameterException" {
			t.Errorf("%s: %v", query, p["type"])
		}
	}
}

// Characters that may stand in a query string as they are (RFC 3986, 3.4) count as such,
// in links to next pages too: a semicolon, and the plus sign of an identifier.
func TestQueryStringsAsClientsWriteThem(t *testing.T) {
	h := newHarness(t, defaults())
	const id = "ni:///sha-256;df7bb3c352fef055578554f09f5e2aa41782150ced7bd0b8af24dd3ccb30ba69?ver=CBV9"
	h.do("POST", "/epcis/v2/events", event(1, `"eventID":"`+id+`"`)).want(t, 201)
	h.do("POST", "/epcis/v2/events", strings.Replace(event(2, `"ext:s":"a b"`, `"@context":[{"ext":"https://ext.example.com/"}]`), "054321.2", "054321.a+2", 1)).want(t, 201)
	for query, want := range map[string]string{"EQ_eventID=" + id: "1", "EQ_eventID=" + url.QueryEscape(id): "1", "EQ_eventID=urn:x:1|" + id + "&EQ_action=OBSERVE": "1",
		"MATCH_epc=urn:epc:id:sgtin:9521234.054321.a+2": "a+2", "MATCH_anyEPC=urn:epc:id:sgtin:9521234.054321.a%2B2|urn:x:y": "a+2", "EQ_ext:s=a+b": "a+2", "EQ_ext:s=a%2Bb": ""} {
		if got := serials(eventList(t, h.do("GET", "/epcis/v2/events?"+query, "", "GS1-Extensions", "ext=https://ext.example.com/").want(t, 200))); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	second, _ := eventList(t, h.do("GET", "/epcis/v2/events?MATCH_epc=urn:epc:id:sgtin:9521234.054321.a+2", ""))[0]["eventID"].(string)
	r := h.do("GET", "/epcis/v2/events?perPage=1&EQ_eventID=urn:x:1|"+id+"|"+second, "").want(t, 200)
	if got := serials(eventList(t, r)) + " " + serials(eventList(t, h.do("GET", next(r), "").want(t, 200))); got != "a+2 1" {
		t.Errorf("two pages: %s", got)
	}
	for _, path := range []string{"/events?perPage=&nextPageToken=", "/capture?perPage=&nextPageToken=", "/epcs?nextPageToken=", "/queries?perPage="} { // the first page
		h.do("GET", "/epcis/v2"+path, "").want(t, 200)
	}
	h.do("GET", "/epcis/v2/events?perPage=&perPage=", "").problem(t, 400, "bad_parameter")
	h.do("GET", "/epcis/v2/events?EQ_action=ADD;EQ_bizStep=shipping", "").problem(t, 400, "bad_parameter")
}

// TestPages: pages of one query neither repeat nor skip an event while others
// arrive, in every order, also when views expire in between.
func TestPages(t *testing.T) {
	for _, order := range []string{"orderBy=eventTime", "orderBy=recordTime", "orderBy=eventTime&orderDirection=ASC", "orderBy=recordTime&orderDirection=ASC"} {
		h := newHarness(t, defaults())
		next := 0
		post := func() { h.do("POST", "/epcis/v2/events", event(next)).want(t, 201); next++ }
		for range 7 {
			post()
		}
		path := "/epcis/v2/events?perPage=2&EQ_bizStep=shipping&" + order
		var got []string
		for path != "" {
			h.ledger.set(func() { h.ledger.viewFaults = 2 })
			r := h.do("GET", path, "").want(t, 200)
			events := eventList(t, r)
			if len(events) > 2 {
				t.Fatalf("a page of %d", len(events))
			}
			got = append(got, strings.Fields(serials(events))...)
			path = ""
			if link := r.header.Get("Link"); link != "" {
				path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
				post()
				post()
			}
		}
		slices.Sort(got)
		if want := "0 1 2 3 4 5 6"; strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", order, got, want)
		}
	}
}

func TestPageTokenIsBound(t *testing.T) {
	h := newHarness(t, defaults())
	for i := range 3 {
		h.do("POST", "/epcis/v2/events", event(i)).want(t, 201)
	}
	link := h.do("GET", "/epcis/v2/events?perPage=1&EQ_action=OBSERVE", "").want(t, 200).header.Get("Link")
	u, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`))
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("nextPageToken")
	h.do("GET", "/epcis/v2/events?EQ_action=OBSERVE&nextPageToken="+token, "").want(t, 200)
	h.do("GET", "/epcis/v2/events?EQ_action=ADD&nextPageToken="+token, "").problem(t, 400, "bad_parameter")
	h.do("GET", "/epcis/v2/events?nextPageToken="+token, "").problem(t, 400, "bad_parameter")
}

// TestLongPage: a page of more events than are read at a time has them all, once.
func TestLongPage(t *testing.T) {
	h := newHarness(t, defaults())
	var events []string
	for i := range 200 {
		events = append(events, event(i))
	}
	h.job(h.do("POST", "/epcis/v2/capture", document(events...)).want(t, 202).header.Get("Location"))
	for _, query := range []string{"perPage=1000", "perPage=1000&orderBy=recordTime", "perPage=200&orderDirection=ASC"} {
		r := h.do("GET", "/epcis/v2/events?"+query, "").want(t, 200)
		got := strings.Fields(serials(eventList(t, r)))
		slices.Sort(got)
		if len(slices.Compact(got)) != 200 || r.header.Get("Link") != "" {
			t.Fatalf("%s: %d events, link %q", query, len(got), r.header.Get("Link"))
		}
	}
	if r := h.do("GET", "/epcis/v2/events?perPage=199", "").want(t, 200); len(eventList(t, r)) != 199 || r.header.Get("Link") == "" {
		t.Fatal("a page of 199 of 200")
	}
}

func TestViewThatAlwaysExpires(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.viewFaults = 100 })
	h.do("GET", "/epcis/v2/events", "").problem(t, 503, "overloaded")
}

func TestEventsByID(t *testing.T) {
	h := newHarness(t, defaults())
	id := "https://example.com/events?n=1"
	e := event(1, `"eventID":"`+id+`"`)
	location := h.do("POST", "/epcis/v2/events", e).want(t, 201).header.Get("Location")
	if want := "/epcis/v2/events/" + url.PathEscape(id); location != want {
		t.Fatalf("Location %s, want %s", location, want)
	}
	voided := strings.TrimSuffix(e, "}") + `,"errorDeclaration":{"declarationTime":"2026-05-02T10:00:00Z","reason":"incorrect_data"}}`
	h.do("POST", "/epcis/v2/events", voided).want(t, 201)
	if got := eventList(t, h.do("GET", location, "").want(t, 200)); len(got) != 2 || got[0]["eventID"] != id || got[1]["errorDeclaration"] == nil {
		t.Fatalf("events: %v", got)
	}
	if p := h.do("GET", "/epcis/v2/events/none", "").problem(t, 404, "not_found"); p["type"] != "epcisException:NoSuchResourceException" {
		t.Errorf("type %v", p["type"])
	}
	derived := into[schemas.Receipt](t, h.do("POST", "/epcis/v2/events", event(2)).want(t, 201)).Events[0].EventID
	got := eventList(t, h.do("GET", "/epcis/v2/events/"+url.PathEscape(derived), "").want(t, 200))
	if len(got) != 1 || got[0]["eventID"] != derived {
		t.Fatalf("by derived id: %v", got)
	}
	if got := eventList(t, h.do("GET", "/epcis/v2/events?EQ_eventID="+url.QueryEscape(id), "").want(t, 200)); len(got) != 2 {
		t.Fatalf("by EQ_eventID: %v", got)
	}
	decoded, err := schemas.DecodeSingle([]byte(e))
	if err != nil {
		t.Fatal(err)
	}
	hash := schemas.EventHash(decoded, schemas.CBV20)
	for _, path := range []string{"/epcis/v2/events/" + url.PathEscape(hash), "/epcis/v2/events?EQ_eventID=" + url.QueryEscape(hash)} {
		if got := eventList(t, h.do("GET", path, "").want(t, 200)); len(got) != 2 || got[0]["eventID"] != id || got[1]["eventID"] != id {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestAsSubmitted: a queried event is the submitted one, but for recordTime and a
// derived eventID; contexts are merged unless they contradict.
func TestAsSubmitted(t *testing.T) {
	h := newHarness(t, defaults())
	one := `{"type":"ObjectEvent","action":"OBSERVE","recordTime":"2001-01-01T00:00:00Z","eventTime":"2026-05-01T10:00:00.5+02:00","eventTimeZoneOffset":"+02:00",
		"epcList":["urn:epc:id:sgtin:9521234.054321.1"], "ex:weight": 1.50, "ex:deep":{"a":[1,{"b":"} , \" ]"}]}}`
	h.job(h.do("POST", "/epcis/v2/capture", document(one)).want(t, 202).header.Get("Location"))
	other := `{"@context":[{"ex":"https://other.example/"},{"zz":"https://zz.example/"}],"type":"ObjectEvent","action":"OBSERVE","eventTime":"2026-05-01T11:00:00Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.054321.2"],"ex:n":1,"event\u0049D":"urn:uuid:2"}`
	h.do("POST", "/epcis/v2/events", other).want(t, 201)
	r := h.do("GET", "/epcis/v2/events?orderDirection=ASC", "").want(t, 200)
	events := eventList(t, r)
	if len(events) != 2 {
		t.Fatalf("events: %s", r.body)
	}
	first := events[0]
	if first["recordTime"] == "2001-01-01T00:00:00Z" || first["@context"] != nil || first["eventTimeZoneOffset"] != "+02:00" || !strings.HasPrefix(first["eventID"].(string), "ni:///sha-256;") {
		t.Errorf("first: %v", first)
	}
	for _, want := range []string{`"ex:weight":1.50`, `"ex:deep":{"a":[1,{"b":"} , \" ]"}]}`, `"eventTime":"2026-05-01T10:00:00.5+02:00"`, `{"ex":"https://example.com/"}`} {
		if !strings.Contains(string(r.body), want) {
			t.Errorf("%s is not in %s", want, r.body)
		}
	}
	second := events[1]
	if second["@context"] == nil || second["eventID"] != "urn:uuid:2" || strings.Count(string(r.body), "urn:uuid:2") != 1 {
		t.Errorf("second: %v", second)
	}
}

func FuzzEventQuery(f *testing.F) {
	for _, s := range []string{"", "eventType=ObjectEvent&EQ_bizStep=shipping%7Creceiving", "GE_eventTime=2026-01-01T00:00:00%2B01:00&perPage=5",
		"MATCH_epc=urn:epc:id:sgtin:9521234.054321.1&orderBy=recordTime", "EQ_value_CEL=4&GT_INNER_ILMD_cbvmda:x=3&HASATTR_bizLocation=a%7Cb", "MATCH_anyEPC=urn:epc:idpat:sgtin:9521234.*.*", "nextPageToken=AQAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a=%zz&b;c"} {
		f.Add(s)
	}
	store, err := local.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	defer store.Close()
	g, err := api.New(api.Config{Ledger: newLedger(f), Local: store, Partner: "acme-farms"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := g.TestingOnlyQuery(raw)
		if err != nil {
			if fault := (*schemas.Fault)(nil); !errors.As(err, &fault) || fault.Code.Status() != 400 && fault.Code.Status() != 413 {
				t.Fatalf("%q: %v is not a fault of the request", raw, err)
			}
			return
		}
		if q.Limit < 1 || q.Limit > 1000 || q.MaxHeight < 0 {
			t.Fatalf("%q: limit %d, height %d", raw, q.Limit, q.MaxHeight)
		}
		ids := slices.Concat(q.BizLocations, q.ReadPoints)
		for _, w := range q.Things {
			ids = append(ids, w.IDs...)
		}
		for _, id := range ids {
			if c, _, err := schemas.Canonical(id); err != nil || c != id {
				t.Fatalf("%q: %q is not canonical", raw, id)
			}
		}
	})
}

func FuzzRender(f *testing.F) {
	f.Add([]byte(`{"type":"ObjectEvent","a":{"b":[1,"x\"}"]}}`))
	f.Add([]byte(`{"@context":[{"ex":"https://example.com/"}],"ex:a":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		record := schemas.Record{Body: body, EventID: "x"}
		out, err := api.TestingOnlyQueryDocument([]schemas.Record{record}, time.Unix(0, 0), "q")
		if compact, cerr := schemas.Compact(nil, body); cerr == nil && err == nil && string(compact) == string(body) && !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}

// Every answer of a node that lacks old records says which.
func TestMissingHistory(t *testing.T) {
	h := newHarness(t, defaults())
	for _, path := range []string{"/epcis/v2/events", "/api/v1/exceptions"} {
		if got := h.do("GET", path, "").want(t, 200).header.Get("Waybill-History-Missing"); got != "" {
			t.Errorf("%s of a whole ledger says that %s is missing", path, got)
		}
		h.ledger.set(func() { h.ledger.missing = [2]int64{1, 31} })
		if got := h.do("GET", path, "").want(t, 200).header.Get("Waybill-History-Missing"); got != "1-31" {
			t.Errorf("%s says that %q is missing", path, got)
		}
		h.ledger.set(func() { h.ledger.missing = [2]int64{} })
	}
}
