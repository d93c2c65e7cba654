package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	itemURN = "urn:epc:id:sgtin:9521234.054321.1"
	classID = "urn:epc:class:lgtin:9521234.054321.L1"
)

// patterns are what a router checks of a path's parameters, which OpenAPI tells
// elsewhere.
var patterns = regexp.MustCompile(`\{([a-z0-9]+):[^}]*\}`)

// documented is a route as the document names it.
func documented(route string) string { return patterns.ReplaceAllString(route, "{$1}") }

// resolved reports whether a route is a Digital Link's: it has tests of its own.
func resolved(route string) bool { return strings.HasPrefix(route, "/{ai:") }

// sample is a path that a route matches.
func sample(pattern string) string {
	return strings.NewReplacer("{id}", url.PathEscape(itemURN), "{eventID}", "urn:uuid:none", "{captureID}", "none",
		"{hash}", strings.Repeat("0", 64), "carrying/{height}", "carrying/1?size=3", "{position}", "0", "/{index}/", "/0/", "{height}", "1", "/growth", "/growth?from=1&to=2", "{index}", "0?size=3", "{queryName}", "none", "{subscriptionID}", "none",
		"{eventType}", "ObjectEvent", "{epc}", url.PathEscape(itemURN), "{bizStep}", "shipping", "{disposition}", "active",
		"{bizLocation}", "urn:example:hall", "{readPoint}", "urn:example:gate").Replace(pattern)
}

// TestOpenAPI: the document tells every route, and nothing else.
func TestOpenAPI(t *testing.T) {
	h := newHarness(t, defaults())
	doc := into[struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}](t, h.do("GET", "/openapi.json", "").want(t, 200))
	if doc.OpenAPI != "3.1.0" {
		t.Fatalf("version %q", doc.OpenAPI)
	}
	told := map[string]bool{}
	for path, operations := range doc.Paths {
		for method := range operations {
			if method != "parameters" {
				told[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	err := chi.Walk(h.g.TestingOnlyRoutes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		name := method + " " + documented(route)
		if method != http.MethodHead && !told[name] { // HEAD goes with GET
			t.Errorf("%s is not in openapi.json", name)
		}
		delete(told, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range told {
		t.Errorf("openapi.json tells of %s, which there is not", name)
	}
	references(t, h.do("GET", "/openapi.json", "").body)
}

// references checks that every reference leads somewhere.
func references(t *testing.T, body []byte) {
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				if ref, ok := e.(string); ok && k == "$ref" {
					at := doc
					for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
						m, _ := at.(map[string]any)
						at = m[part]
					}
					if at == nil {
						t.Errorf("%s leads nowhere", ref)
					}
				}
				walk(e)
			}
		}
	}
	walk(doc)
}

// TestEveryRouteIsGuarded: without a key 401, with a key of the wrong scope 403,
// an unacceptable Accept 406, an unknown parameter 400, and all as problems.
func TestEveryRouteIsGuarded(t *testing.T) {
	h := newHarness(t, defaults())
	keys := map[string]string{}
	for _, s := range local.Scopes() {
		key, _, err := h.store.CreateKey(string(s), s)
		if err != nil {
			t.Fatal(err)
		}
		keys[string(s)] = "Bearer " + key
	}
	open := map[string]bool{"/livez": true, "/readyz": true, "/metrics": true, "/openapi.json": true, "/docs": true, "/": true, "/api/v1/trust": true,
		"/api/v1/headers/{height}": true, "/api/v1/checkpoint": true, "/api/v1/checkpoint/growth": true, "/api/v1/checkpoint/anchors/{index}": true,
		"/api/v1/checkpoint/carrying/{height}": true, "/.well-known/gs1resolver": true}
	err := chi.Walk(h.g.TestingOnlyRoutes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if resolved(route) {
			return nil
		}
		path := sample(route)
		if open[route] || method == "OPTIONS" {
			if r := h.do(method, path, "", "Authorization", ""); r.status >= 400 {
				t.Errorf("%s %s is open, and answers %d", method, route, r.status)
			}
			return nil
		}
		if method == "HEAD" { // its problems have no body
			h.do(method, path, "", "Authorization", "Bearer wrong").want(t, 401)
			return nil
		}
		p := h.do(method, path, "", "Authorization", "Bearer wrong").problem(t, 401, "unauthorized")
		if strings.HasPrefix(route, "/epcis") != (p["type"] == "epcisException:SecurityException") {
			t.Errorf("%s: type %v", route, p["type"])
		}
		h.do(method, path, "", "Authorization", "Basic x").problem(t, 401, "unauthorized")
		scope := "query"
		if method == "POST" && route != "/api/v1/bundles" && !strings.HasPrefix(route, "/epcis/v2/queries") && !strings.Contains(route, "/subscriptions/") && !strings.HasPrefix(route, "/api/v1/webhooks") || strings.Contains(route, "capture") { // a renewed bundle is read
			scope = "capture"
		}
		if method == "POST" && (route == "/api/v1/erasures" || strings.HasPrefix(route, "/api/v1/keys") || strings.HasPrefix(route, "/api/v1/proposals")) || strings.HasPrefix(route, "/api/v1/public") || strings.HasPrefix(route, "/api/v1/guests") {
			scope = "admin"
		}
		allowed := path
		if route == "/api/v1/stream" { // which otherwise never ends
			allowed += "?follow=false"
		}
		for s, key := range keys {
			r := h.do(method, allowed, "", "Authorization", key)
			if s == scope && r.status == 403 || s != scope && r.status != 403 {
				t.Errorf("%s %s with scope %s: %d", method, route, s, r.status)
			}
		}
		h.do(method, path, "", "Accept", "image/png").problem(t, 406, "not_acceptable")
		mediaType := "application/json"
		if strings.HasSuffix(route, "/transactions") || strings.HasSuffix(route, "/bundles") {
			mediaType = "application/octet-stream"
		}
		if strings.HasSuffix(route, "/imports") {
			mediaType = "multipart/form-data; boundary=x"
		}
		h.do(method, path+"?frobnicate=1", "", "Content-Type", mediaType).problem(t, 400, "bad_parameter")
		if method == "POST" || method == "PUT" {
			h.do(method, path, "", "Content-Type", "text/csv").problem(t, 415, "unsupported_media_type")
			h.do(method, path, "", "Content-Encoding", "br").problem(t, 415, "unsupported_media_type")
		}
		h.do("PATCH", path, "").problem(t, 405, "method_not_allowed")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.do("GET", "/epcis/v2/nonsense", "").problem(t, 404, "not_found")
	h.do("GET", "/nonsense", "").problem(t, 404, "not_found")
	r := h.do("PATCH", "/epcis/v2/events", "")
	r.problem(t, 405, "method_not_allowed")
	if allow := r.header.Get("Allow"); allow != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("Allow: %s", allow)
	}
	r = h.do("PUT", "/epcis/v2/", "")
	r.problem(t, 405, "method_not_allowed")
	if allow := r.header.Get("Allow"); allow != "GET, HEAD, OPTIONS" {
		t.Errorf("Allow: %s", allow)
	}
	h.do("GET", "/epcis/v2/events?EQ_bizStep="+strings.Repeat("x", 9000), "").problem(t, 414, "uri_too_long")
}

func TestStandardHeaders(t *testing.T) {
	h := newHarness(t, defaults())
	for _, path := range []string{"/epcis/v2/", "/epcis/v2/events", "/epcis/v2/events/x", "/epcis/v2/capture", "/epcis/v2/capture/x"} {
		r := h.do("OPTIONS", path, "", "Authorization", "").want(t, 204)
		for name, want := range map[string]string{"GS1-EPCIS-Version": "2.0.0", "GS1-CBV-Version": "2.0.0", "GS1-EPCIS-Capture-Limit": "5000",
			"GS1-EPCIS-Capture-File-Size-Limit": "16777216", "GS1-Vendor-Version": "waybill/test", "GS1-EPC-Format": "No_Preference", "GS1-CBV-XML-Format": "No_Preference"} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s of %s: %q", name, path, got)
			}
		}
		if !strings.Contains(r.header.Get("Allow"), "GET") {
			t.Errorf("Allow of %s: %q", path, r.header.Get("Allow"))
		}
	}
	if got := h.do("OPTIONS", "/epcis/v2/capture", "").header.Get("GS1-Capture-Error-Behaviour"); got != "all" {
		t.Errorf("the ways to capture: %q", got)
	}
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"GS1-EPCIS-Version", "2.0", 200}, {"GS1-EPCIS-Version", "2.0.1", 200}, {"GS1-EPCIS-Version", "1.2", 406}, {"GS1-EPCIS-Version", "x", 406},
		{"GS1-EPCIS-Min", "1.2", 200}, {"GS1-EPCIS-Min", "2.1", 406}, {"GS1-EPCIS-Max", "2.1", 200}, {"GS1-EPCIS-Max", "1.2", 406},
		{"GS1-CBV-Version", "2.0.0", 200}, {"GS1-CBV-Version", "3", 406}, {"GS1-EPC-Format", "Never_Translates", 200}, {"GS1-EPC-Format", "Always_EPC_URN", 200}, {"GS1-EPC-Format", "always_epc_urn", 406},
	} {
		if r := h.do("GET", "/epcis/v2/events", "", c.name, c.value); r.status != c.status {
			t.Errorf("%s %s: %d", c.name, c.value, r.status)
		}
	}
	// What is asked for together must be there together.
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{406, []string{"GS1-EPCIS-Version", "2.0, 1.2"}},
		{406, []string{"GS1-EPC-Format", "Always_EPC_URN, Never_Translates"}},
		{406, []string{"GS1-EPCIS-Min", "2.0", "GS1-EPCIS-Max", "1.2", "Accept", "application/xml"}},
		{406, []string{"GS1-EPCIS-Version", "1.2", "GS1-EPCIS-Min", "2.0", "Accept", "application/xml"}},
		{406, []string{"GS1-CBV-Min", "1.3", "GS1-CBV-Max", "1.9", "Accept", "application/xml"}},
		{406, []string{"GS1-EPCIS-Min", "x"}}, {406, []string{"GS1-CBV-Max", "-1"}},
		{200, []string{"GS1-EPCIS-Min", "1.0", "GS1-EPCIS-Max", "1.9", "Accept", "application/xml"}},
		{200, []string{"GS1-EPCIS-Min", "1.2", "GS1-EPCIS-Max", "2.0", "GS1-EPCIS-Version", "2.0"}},
	} {
		if r := h.do("GET", "/epcis/v2/events", "", c.headers...); r.status != c.status {
			t.Errorf("%s: %d, want %d", c.headers, r.status, c.status)
		}
	}
	h.do("POST", "/epcis/v2/capture", document(event(1)), "GS1-Extensions", "ex").problem(t, 400, "bad_parameter")
	for sent, want := range map[string]string{"": "", "ex=https://ex.example.com/, b=urn:b:": "ex=https://ex.example.com/, b=urn:b:", "ex": "", "ex=x": ""} {
		if got := h.do("GET", "/epcis/v2/", "", "GS1-Extensions", sent).want(t, 200).header.Get("GS1-Extensions"); got != want {
			t.Errorf("GS1-Extensions of %q: %q", sent, got)
		}
	}
	h.do("POST", "/epcis/v2/capture", document(event(1)), "GS1-Capture-Error-Behaviour", "explode").problem(t, 400, "bad_parameter")
}

func TestChoose(t *testing.T) {
	for _, c := range []struct{ accept, want string }{
		{"", "a/json"}, {"*/*", "a/json"}, {"a/*", "a/json"}, {"a/ld", "a/ld"}, {"a/ld, a/json;q=0.5", "a/ld"}, {"a/json;q=0", ""},
		{"a/json;q=0, */*", "a/ld"}, {"text/html, */*;q=0.1", "a/json"}, {"b/xml", ""}, {"a/json;q=2", ""}, {";;;", ""},
	} {
		if got := api.TestingOnlyChoose(c.accept, "a/json", "a/ld"); got != c.want {
			t.Errorf("%q: %q, want %q", c.accept, got, c.want)
		}
	}
	h := newHarness(t, defaults())
	if ct := h.do("GET", "/epcis/v2/events", "", "Accept", "application/ld+json").want(t, 200).header.Get("Content-Type"); ct != "application/ld+json" {
		t.Errorf("content type %q", ct)
	}
}

func TestHealth(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("GET", "/livez", "", "Authorization", "").want(t, 200)
	h.do("GET", "/readyz", "", "Authorization", "").want(t, 200)
	for reason, set := range map[string]func(*api.Network){
		"no quorum":                  func(n *api.Network) { n.Quorum = false },
		"catching up":                func(n *api.Network) { n.CatchingUp = true },
		"catching up, and no quorum": func(n *api.Network) { n.CatchingUp, n.Quorum = true, false },
		"halted":                     func(n *api.Network) { n.Halted = true },
	} {
		good := h.ledger.network
		h.ledger.set(func() { set(&h.ledger.network) })
		if p := h.do("GET", "/readyz", "").problem(t, 503, "unavailable"); p["detail"] != reason {
			t.Errorf("detail %v, want %s", p["detail"], reason)
		}
		h.ledger.set(func() { h.ledger.network = good })
	}
	h.do("GET", "/livez", "").want(t, 200)
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	metrics := string(h.do("GET", "/metrics", "", "Authorization", "").want(t, 200).body)
	for _, want := range []string{`waybill_gateway_requests_total{method="POST",route="/epcis/v2/events",status="201"} 1`, "waybill_gateway_outbox 0"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if page := h.do("GET", "/", "", "Authorization", "").want(t, 200); !strings.Contains(string(page.body), "/openapi.json") {
		t.Errorf("the page: %s", page.body)
	}
	docs := string(h.do("GET", "/docs", "", "Authorization", "").want(t, 200).body)
	for _, want := range []string{"<code>/epcis/v2/events</code>", `<b>POST</b> Capture one event`, "<code>GE_eventTime</code>", `<a href="#EPCISEvent">`, `<details id="EPCISEvent">`, "API key with scope capture."} {
		if !strings.Contains(docs, want) {
			t.Errorf("the page of the document lacks %s", want)
		}
	}
	h.do("HEAD", "/readyz", "").want(t, 200)
}

// panicking is a ledger that breaks down.
type panicking struct{ api.Ledger }

func (panicking) View() (api.View, error) { panic("secret detail") }

func TestPanic(t *testing.T) {
	h := newHarness(t, defaults())
	h.stop()
	store, err := local.New(h.db)
	if err != nil {
		t.Fatal(err)
	}
	g, err := api.New(api.Config{Ledger: panicking{h.ledger}, Local: store, Partner: "acme-farms"})
	if err != nil {
		t.Fatal(err)
	}
	serve(h, g)
	r := h.do("GET", "/epcis/v2/events", "")
	r.problem(t, 500, "internal")
	if strings.Contains(string(r.body), "secret") {
		t.Fatalf("internals are told: %s", r.body)
	}
	h.do("GET", "/livez", "").want(t, 200)
	h.server.Close()
	h.server = nil
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestItems(t *testing.T) {
	h := newHarness(t, defaults())
	add := strings.Replace(event(1), `"OBSERVE"`, `"ADD"`, 1)
	h.do("POST", "/epcis/v2/events", add).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(1, `"disposition":"in_transit"`)).want(t, 201)
	link := "https://id.gs1.org/01/09521234543213/21/1"
	for _, form := range []string{itemURN, link, "https://example.com/01/09521234543213/21/1"} {
		item := into[api.Item](t, h.do("GET", "/api/v1/items/"+url.PathEscape(form), "").want(t, 200))
		if item.ID != link || item.Custodian != "acme-farms" || item.Events != 1 || item.Observations != 2 || item.Head == "" || item.Height != 4 || item.Disposition != "active" || item.URN != itemURN {
			t.Fatalf("%s: %+v", form, item)
		}
	}
	other := "https://id.gs1.org/01/09521234543213/21/2"
	h.do("POST", "/epcis/v2/events", strings.Replace(add, itemURN, other, 1)).want(t, 201)
	if item := into[api.Item](t, h.do("GET", "/api/v1/items/"+url.PathEscape(other), "").want(t, 200)); item.ID != other || item.URN != "" {
		t.Errorf("an item that nobody wrote as a URN: %+v", item)
	}
	base := "/api/v1/items/" + url.PathEscape(link)
	var seen []string
	next := base + "/trail?perPage=1"
	for next != "" {
		r := h.do("GET", next, "").want(t, 200)
		page := into[api.Trail](t, r)
		for _, rec := range page.Records {
			seen = append(seen, rec.Trail)
			if !strings.Contains(string(rec.Event), `"recordTime"`) || rec.Partner != "acme-farms" {
				t.Fatalf("record: %+v", rec)
			}
		}
		next = ""
		if l := r.header.Get("Link"); l != "" {
			next = strings.TrimSuffix(strings.TrimPrefix(l, "<"), `>; rel="next"`)
		}
	}
	if strings.Join(seen, ",") != "custody,observations,observations" {
		t.Fatalf("trail: %v", seen)
	}
	trace := into[api.Trace](t, h.do("GET", base+"/trace?direction=upstream&maxDepth=3", "").want(t, 200))
	if trace.ID != link || len(trace.Events) != 3 || trace.Items[0].Direction != "1 3" {
		t.Fatalf("trace: %+v", trace)
	}
	for _, q := range []string{"direction=sideways", "maxDepth=0", "maxDepth=65", "maxDepth=x", "direction="} {
		h.do("GET", base+"/trace?"+q, "").problem(t, 400, "bad_parameter")
	}
	bundle := h.do("GET", base+"/bundle", "").want(t, 200)
	if bundle.header.Get("Content-Type") != "application/vnd.waybill.bundle" || string(bundle.body) != "bundle\x00"+link {
		t.Fatalf("bundle: %q", bundle.body)
	}
	bundles(t, h, base, link)
	unknown := "/api/v1/items/" + url.PathEscape("urn:epc:id:sgtin:9521234.054321.404")
	for _, path := range []string{unknown, unknown + "/trail", unknown + "/trace"} {
		h.do("GET", path, "").problem(t, 404, "not_found")
	}
	h.do("GET", "/api/v1/items/"+url.PathEscape("urn:epc:id:sgtin:95.1.2"), "").problem(t, 400, "bad_identifier")
	h.do("GET", base+"/trail?nextPageToken=x", "").problem(t, 400, "bad_parameter")
}

func TestClasses(t *testing.T) {
	h := newHarness(t, defaults())
	lot := `{"type":"ObjectEvent","action":"ADD","bizStep":"commissioning","eventTime":"2026-05-01T10:00:00Z","eventTimeZoneOffset":"+00:00","quantityList":[{"epcClass":"` + classID + `","quantity":12.5,"uom":"KGM"}]}`
	h.do("POST", "/epcis/v2/events", lot).want(t, 201)
	c := into[api.Class](t, h.do("GET", "/api/v1/items/"+url.PathEscape(classID), "").want(t, 200))
	if !c.Class || c.Events != 1 || len(c.Balances) != 1 || c.Balances[0].Quantity != "12.5" || !strings.HasPrefix(c.ID, "https://id.gs1.org/01/") {
		t.Fatalf("class: %+v", c)
	}
	if want := (schemas.Packed{Container: "urn:example:pallet", Custodian: "acme-farms", UOM: "KGM", Quantity: "3", Known: true}); len(c.Packed) != 1 || c.Packed[0] != want || !c.More {
		t.Errorf("packed: %+v", c)
	}
	trail := into[api.Trail](t, h.do("GET", "/api/v1/items/"+url.PathEscape(classID)+"/trail", "").want(t, 200))
	if len(trail.Records) != 1 || trail.Records[0].Trail != "class" {
		t.Fatalf("trail: %+v", trail)
	}
	h.do("GET", "/api/v1/items/"+url.PathEscape("urn:epc:class:lgtin:9521234.054321.L2"), "").problem(t, 404, "not_found")
}

func TestNativeReads(t *testing.T) {
	h := newHarness(t, defaults())
	receipt := into[schemas.Receipt](t, h.do("POST", "/epcis/v2/events", event(1)).want(t, 201))
	tx := into[api.Transaction](t, h.do("GET", "/api/v1/transactions/"+receipt.Transaction.String(), "").want(t, 200))
	if tx.Height != receipt.Height || tx.Partner != "acme-farms" || len(tx.Events) != 1 {
		t.Fatalf("transaction: %+v", tx)
	}
	h.do("GET", "/api/v1/transactions/"+strings.Repeat("0", 64), "").problem(t, 404, "not_found")
	h.do("GET", "/api/v1/transactions/xyz", "").problem(t, 400, "bad_value")
	if n := into[api.Network](t, h.do("GET", "/api/v1/network", "").want(t, 200)); n.ChainID != "test" || n.Height != 2 {
		t.Fatalf("network: %+v", n)
	}
	if p := into[api.Partners](t, h.do("GET", "/api/v1/partners", "").want(t, 200)); len(p.Partners) != 1 || p.Partners[0].ID != "acme-farms" {
		t.Fatalf("partners: %+v", p)
	}
	if trust := into[api.Trust](t, h.do("GET", "/api/v1/trust", "").want(t, 200)); trust.ChainID != "test" {
		t.Fatalf("trust: %+v", trust)
	}
	h.do("POST", "/epcis/v2/events", event(2)).want(t, 201)
	first := into[api.Exceptions](t, h.do("GET", "/api/v1/exceptions?perPage=1", "").want(t, 200))
	if len(first.Records) != 1 || first.NextPageToken == "" || first.Partner != "acme-farms" {
		t.Fatalf("exceptions: %+v", first)
	}
	second := into[api.Exceptions](t, h.do("GET", "/api/v1/exceptions?perPage=1&nextPageToken="+first.NextPageToken, "").want(t, 200))
	if len(second.Records) != 1 || second.NextPageToken != "" || second.Records[0].EventID == first.Records[0].EventID {
		t.Fatalf("exceptions: %+v", second)
	}
	if e := into[api.Exceptions](t, h.do("GET", "/api/v1/exceptions?partner=other", "").want(t, 200)); len(e.Records) != 0 {
		t.Fatalf("another's exceptions: %+v", e)
	}
	for _, q := range []string{"nextPageToken=%0A", "nextPageToken=AQ", "partner=a%00b"} {
		h.do("GET", "/api/v1/exceptions?"+q, "").problem(t, 400, "bad_parameter")
	}
	h.do("GET", "/epcis/v2/events/a%00b", "").problem(t, 404, "not_found")
}
