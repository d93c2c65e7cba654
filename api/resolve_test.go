package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

const (
	itemPath  = "/01/09521234543213/21/1"
	itemLink  = "https://id.gs1.org" + itemPath
	classLink = "https://id.gs1.org/01/09521234543213"
)

// publicPath is the resource of a publication.
func publicPath(of string) string { return "/api/v1/public/" + url.PathEscape(of) }

// publish makes something public.
func (h *harness) publish(of, body string) {
	h.t.Helper()
	if r := h.do("PUT", publicPath(of), body); r.status != 200 && r.status != 201 {
		h.t.Fatalf("publishing %s: %d %s", of, r.status, r.body)
	}
}

// stranger asks without a key.
func (h *harness) stranger(path string, headers ...string) reply {
	h.t.Helper()
	req, err := http.NewRequest("GET", h.server.URL+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Transport{}).RoundTrip(req) // follows no redirect
	if err != nil {
		h.t.Fatal(err)
	}
	return readReply(h.t, res)
}

// recordedBy makes the partner's records those of another.
func (h *harness) recordedBy(partner string) {
	h.ledger.set(func() {
		for i := range h.ledger.records {
			h.ledger.records[i].Partner = partner
		}
	})
}

// refusal is what a problem says, without what names the request.
func refusal(t *testing.T, r reply) map[string]any {
	t.Helper()
	p := r.problem(t, 404, "not_found")
	delete(p, "instance")
	return p
}

func TestResolverSignedIn(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", strings.Replace(event(1), `"OBSERVE"`, `"ADD"`, 1)).want(t, 201)
	r := h.do("GET", itemPath, "").want(t, 200)
	got := into[struct {
		api.Item
		Links map[string]string
	}](t, r)
	if got.ID != itemLink || got.Custodian != "acme-farms" || got.Events != 1 {
		t.Fatalf("%s", r.body)
	}
	for name := range map[string]bool{"item": true, "trail": true, "trace": true, "bundle": true, "events": true} {
		h.do("GET", got.Links[name], "").want(t, 200)
	}
	if r.header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		t.Errorf("a private answer is shared: %v", r.header)
	}
	if links := strings.Join(r.header.Values("Link"), ","); !strings.Contains(links, itemPath+`?linkType=linkset>; rel="linkset"`) || !strings.Contains(links, "<"+itemLink+`>; rel="http://www.w3.org/2002/07/owl#sameAs"`) {
		t.Errorf("Link: %s", links)
	}
	page := h.do("GET", itemPath, "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8").want(t, 200)
	if !strings.Contains(string(page.body), "acme-farms") || !strings.Contains(string(page.body), "shipping") {
		t.Errorf("page: %s", page.body)
	}
	h.do("GET", "/01/09521234543213/21/404", "").problem(t, 404, "not_found")
	h.do("GET", itemPath, "", "Authorization", "Bearer wrong").problem(t, 401, "unauthorized")
	key, _, err := h.store.CreateKey("capture", local.Capture)
	if err != nil {
		t.Fatal(err)
	}
	h.do("GET", itemPath, "", "Authorization", "Bearer "+key).problem(t, 403, "forbidden")
	h.publish(classLink, `{}`) // of which nothing is recorded
	if c := into[api.PublicItem](t, h.do("GET", "/01/09521234543213", "").want(t, 200)); c.ID != classLink || !c.Class {
		t.Errorf("a published class without records: %+v", c)
	}
}

// TestResolverShowsNothingUnasked: without a key, what is there and not public is
// answered as what is not there.
func TestResolverShowsNothingUnasked(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	unknown := h.stranger("/01/09521234543213/21/404")
	there := h.stranger(itemPath)
	want := refusal(t, unknown)
	want["detail"] = strings.Replace(want["detail"].(string), "/21/404", "/21/1", 1)
	if diff := cmp.Diff(want, refusal(t, there)); diff != "" {
		t.Fatalf("the answers differ: %s", diff)
	}
	names := func(h http.Header) (out map[string]bool) {
		out = map[string]bool{}
		for name := range h {
			out[name] = true
		}
		return out
	}
	if diff := cmp.Diff(names(unknown.header), names(there.header)); diff != "" {
		t.Fatalf("the headers differ: %s", diff)
	}
	if there.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers: %v", there.header)
	}

	// What others recorded of the partner's class is not shown, nor that they did.
	h.publish(classLink, `{"custody":true}`)
	h.stranger(itemPath).want(t, 200)
	h.recordedBy("brook-foods")
	if diff := cmp.Diff(want, refusal(t, h.stranger(itemPath))); diff != "" {
		t.Fatalf("another's item: %s", diff)
	}
	h.publish(itemLink, `{}`)
	if got := into[api.PublicItem](t, h.stranger(itemPath).want(t, 200)); len(got.Events) != 0 || got.Custodian != "" {
		t.Fatalf("another's events are shown: %+v", got)
	}
}

func TestResolverShowsWhatIsPublic(t *testing.T) {
	h := newHarness(t, defaults())
	add := strings.Replace(event(1, `"disposition":"active"`, `"readPoint":{"id":"urn:epc:id:sgln:9521234.00001.0"}`), `"OBSERVE"`, `"ADD"`, 1)
	h.do("POST", "/epcis/v2/events", add).want(t, 201)
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	for _, of := range []string{itemURN, classLink, "9521234", "952123"} {
		h.publish(of, `{"title":"One <b>tomato</b>","show":["bizStep","readPoint","nonesuch"]}`)
		got := into[api.PublicItem](t, h.stranger(itemPath).want(t, 200))
		if got.ID != itemLink || got.Publisher != (api.Publisher{Partner: "acme-farms", Name: "Acme Farms", GLN: "9521234000006"}) || got.Custodian != "" || len(got.Events) != 2 {
			t.Fatalf("%s: %+v", of, got)
		}
		if want := `{"bizStep":"shipping","readPoint":{"id":"urn:epc:id:sgln:9521234.00001.0"}}`; string(got.Events[0].Event) != want {
			t.Errorf("event: %s", got.Events[0].Event)
		}
		page := h.stranger(itemPath, "Accept", "text/html").want(t, 200)
		if text := string(page.body); !strings.Contains(text, "One &lt;b&gt;tomato") || strings.Contains(text, "<b>") || strings.Contains(text, "<script") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("page: %v %s", page.header, text)
		}
		h.publish(of, `{"custody":true}`)
		got = into[api.PublicItem](t, h.stranger(itemPath).want(t, 200))
		if got.Custodian != "acme-farms" || got.Disposition != "active" || !strings.Contains(string(got.Events[0].Event), `"eventTime"`) || strings.Contains(string(got.Events[0].Event), "sgln") {
			t.Errorf("custody: %+v", got)
		}
		h.do("DELETE", publicPath(of), "").want(t, 204)
		h.stranger(itemPath).problem(t, 404, "not_found")
	}
	// The nearest publication counts, whole.
	h.publish("9521234", `{"title":"far"}`)
	h.publish(classLink, `{"title":"near"}`)
	if got := into[api.PublicItem](t, h.stranger(itemPath).want(t, 200)); got.Title != "near" {
		t.Errorf("title %q", got.Title)
	}
	// What was published is on the disk.
	h.stop()
	h.start()
	h.stranger(itemPath).want(t, 200)
	// An event that is declared erroneous is shown no more.
	h.ledger.set(func() { h.ledger.records[0].VoidedBy = &schemas.Locator{Height: 9} })
	if got := into[api.PublicItem](t, h.stranger(itemPath).want(t, 200)); len(got.Events) != 1 {
		t.Errorf("%d events", len(got.Events))
	}
}

func TestLinkset(t *testing.T) {
	h := newHarness(t, defaults())
	h.publish(classLink, `{"title":"Tomatoes","links":[{"type":"gs1:pip","href":"https://example.com/en","title":"About","lang":"en","media":"text/html"},
		{"type":"https://ref.gs1.org/voc/pip","href":"https://example.com/de","lang":"de-AT"},{"type":"recallStatus","href":"https://example.com/recall"}]}`)
	path := "/01/09521234543213"
	for _, r := range []reply{h.stranger(path, "Accept", "application/linkset+json"), h.stranger(path + "?linkType=linkset"), h.stranger(path + "?linkType=all")} {
		r.want(t, 200)
		if ct := r.header.Get("Content-Type"); ct != "application/linkset+json" {
			t.Fatalf("content type %s", ct)
		}
		var got map[string][]map[string]json.RawMessage
		if err := json.Unmarshal(r.body, &got); err != nil || len(got["linkset"]) != 1 {
			t.Fatalf("%s %v", r.body, err)
		}
		context := got["linkset"][0]
		anchor := h.server.URL + path
		for name, want := range map[string]string{"anchor": `"` + anchor + `"`, "description": `"Tomatoes"`, "itemDescription": `"Tomatoes"`,
			"https://ref.gs1.org/voc/defaultLink": `[{"href":"` + anchor + `","title":"Tomatoes"}]`,
			"https://ref.gs1.org/voc/pip": `[{"href":"https://example.com/en","title":"About","type":"text/html","hreflang":["en"]},` +
				`{"href":"https://example.com/de","title":"Tomatoes","hreflang":["de-AT"]}]`,
			"https://ref.gs1.org/voc/recallStatus": `[{"href":"https://example.com/recall","title":"Tomatoes"}]`} {
			if string(context[name]) != want {
				t.Errorf("%s: %s, want %s", name, context[name], want)
			}
		}
		if len(context) != 6 || !strings.Contains(strings.Join(r.header.Values("Link"), ","), "linkset-context") {
			t.Errorf("%s %v", r.body, r.header)
		}
	}
	for _, c := range []struct{ linkType, languages, want string }{
		{"gs1:pip", "", "https://example.com/en"}, {"gs1:pip", "fr, de;q=0.8, en;q=0.7", "https://example.com/de"}, {"gs1:pip", "de;q=0.8, en", "https://example.com/en"},
		{"gs1:pip", "en;q=0, de-CH;q=0.1", "https://example.com/de"}, {"gs1:pip", "en;q=x,de", "https://example.com/de"}, {"gs1:pip", "*", "https://example.com/en"}, {"https://gs1.org/voc/pip", "fr", "https://example.com/en"},
		{"recallStatus", "de", "https://example.com/recall"},
	} {
		r := h.stranger(path+"?linkType="+url.QueryEscape(c.linkType), "Accept-Language", c.languages).want(t, 307)
		if got := r.header.Get("Location"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	// The other parameters are passed on to where a link leads.
	h.publish(classLink, `{"links":[{"type":"pip","href":"https://example.com/en?a=1#top"},{"type":"recallStatus","href":"https://example.com/recall"}]}`)
	for query, want := range map[string]string{"linkType=pip&17=271231&x=%26": "https://example.com/en?a=1&17=271231&x=%26#top", "17=271231&linkType=recallStatus": "https://example.com/recall?17=271231",
		"linkType=recallStatus&": "https://example.com/recall"} {
		if got := h.stranger(path+"?"+query).want(t, 307).header.Get("Location"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	h.stranger(path+"/?linkType=gs1:defaultLink").want(t, 200)
	h.stranger(path+"?linkType=gs1:defaultLink").want(t, 200)
	h.stranger(path+"?linkType=gs1:instructions").problem(t, 404, "not_found")
	h.stranger(path+"?linkType=pip&linkType=pip").problem(t, 400, "bad_parameter")
	h.stranger(path+"?linkType=ex:%3Cscript%3E").problem(t, 400, "bad_parameter")
	h.stranger(path, "Accept", "image/png").problem(t, 406, "not_acceptable")
	h.stranger(path+"?17=271231&3103=000195&utm_source=x").want(t, 200)
	h.stranger(path+"?01=09521234543213").problem(t, 400, "bad_identifier")
	signedIn := string(h.do("GET", path+"?linkType=all", "").want(t, 200).body)
	if strings.Contains(signedIn, "voc/epcis") { // there is nothing but what is public
		t.Errorf("linkset: %s", signedIn)
	}
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	if signedIn := string(h.do("GET", itemPath+"?linkType=all", "").want(t, 200).body); !strings.Contains(signedIn, "voc/epcis") || !strings.Contains(signedIn, "voc/pip") {
		t.Errorf("linkset: %s", signedIn)
	}
}

// TestResolverMentions: of what no event is about, but that events name, the signed in are
// told as what, and where these events are; nobody else is.
func TestResolverMentions(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1, `"readPoint":{"id":"urn:epc:id:sgln:9521234.00001.dock"},"bizLocation":{"id":"urn:epc:id:sgln:9521234.00001.0"},
		"sourceList":[{"type":"possessing_party","source":"urn:epc:id:pgln:9521234.00002"},{"type":"location","source":"urn:epc:id:sgln:9521234.00001.dock"}]`)).want(t, 201)
	for path, want := range map[string]string{"/414/9521234000013/254/dock": "EQ_readPoint EQ_source_location", "/414/9521234000013": "EQ_bizLocation", "/417/9521234000020": "EQ_source_possessing_party", "/01/09521234543213": "MATCH_anyEPC"} {
		m := into[api.Mention](t, h.do("GET", path, "").want(t, 200))
		if got := strings.Join(m.As, " "); got != want || m.ID != "https://id.gs1.org"+path || m.Height == 0 {
			t.Errorf("%s: %+v, want %s", path, m, want)
		}
		for _, name := range m.As {
			if got := serials(eventList(t, h.do("GET", m.Links[name], "").want(t, 200))); got != "1" {
				t.Errorf("%s: %s", m.Links[name], got)
			}
		}
		if links := string(h.do("GET", path+"?linkType=all", "").want(t, 200).body); strings.Count(links, h.server.URL+"/epcis/v2/events?") != len(m.As) {
			t.Errorf("%s: %s", path, links)
		}
		h.do("GET", path, "", "Accept", "text/html").want(t, 200)
		h.stranger(path).problem(t, 404, "not_found")
	}
	for _, path := range []string{"/414/9521234000013/254/other", "/417/9521234000013", "/01/09521234543220", "/00/195212345678901232"} {
		h.do("GET", path, "").problem(t, 404, "not_found")
	}
}

func TestResolverReadsKeys(t *testing.T) {
	h := newHarness(t, defaults())
	for path, want := range map[string]string{
		"/01/09521234543218":           "the check digit of 09521234543218 is 8, and must be 3",
		"/01/09521234543214/21/1":      "the check digit of 09521234543214 is 4, and must be 3",
		"/00/095212345678901234":       "the check digit of 095212345678901234 is 4, and must be ",
		"/414/9521234000005/254/x":     "the check digit of 9521234000005 is 5, and must be 6",
		"/8003/095212345432171234":     "the check digit of 09521234543217 is 7, and must be 3",
		"/417/9521234000007?x=1":       "the check digit of 9521234000007 is 7, and must be 6",
		"/01/09521234543214?linkType=": "the check digit of 09521234543214 is 4, and must be 3",
	} {
		if p := h.stranger(path).problem(t, 400, "bad_check_digit"); !strings.Contains(p["detail"].(string), want) {
			t.Errorf("%s: %v", path, p["detail"])
		}
	}
	for _, path := range []string{"/01/1", "/01/0952123454321x", "/99/1", "/01/09521234543213/99/1", "/01/09521234543213/21/1/10/2", "/01/09521234543213/21/%20", "/01/09521234543213/21/" + strings.Repeat("1", 21)} {
		h.stranger(path).problem(t, 400, "bad_identifier")
	}
	h.publish("9521234", `{}`)
	for path, id := range map[string]string{
		"/01/09521234543213/10/L1":              "/01/09521234543213/10/L1",
		"/01/9521234543213":                     "/01/09521234543213",
		"/01/09521234543213/22/A/10/L1/21/7":    "/01/09521234543213/21/7",
		"/00/195212345678901232":                "/00/195212345678901232",
		"/414/9521234000006/254/dock%2F1":       "/414/9521234000006/254/dock%2F1",
		"/417/9521234000006":                    "/417/9521234000006",
		"/8003/095212345432131234":              "/8003/095212345432131234",
		"/8004/9521234ABC":                      "/8004/9521234ABC",
		"/01/09521234543213/21/a%2Fb?17=251231": "/01/09521234543213/21/a%2Fb",
	} {
		id = "https://id.gs1.org" + id
		h.stranger(path).problem(t, 404, "not_found") // nothing is recorded of it
		h.publish(id, `{}`)
		if got := into[api.PublicItem](t, h.stranger(path).want(t, 200)); got.ID != id {
			t.Errorf("%s: %s", path, got.ID)
		}
	}
	if head := h.do("HEAD", "/417/9521234000006", "").want(t, 200); len(head.body) != 0 || head.header.Get("Content-Length") == "" || len(head.header.Values("Link")) != 2 {
		t.Errorf("HEAD: %v %s", head.header, head.body)
	}
	options := h.do("OPTIONS", "/417/9521234000006", "").want(t, 204)
	if options.header.Get("Access-Control-Allow-Origin") != "*" || options.header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("OPTIONS: %v", options.header)
	}
	d := into[api.ResolverDescription](t, h.stranger("/.well-known/gs1resolver").want(t, 200))
	if d.ResolverRoot != h.server.URL || len(d.SupportedPrimaryKeys) < 10 || d.SupportedLinkType[0].Prefix != "gs1:" {
		t.Errorf("description: %+v", d)
	}
}

// TestEveryKey: what is recorded of any GS1 key is found under the company prefix
// that the key begins with, and not under another; a wrong check digit is named.
func TestEveryKey(t *testing.T) {
	keys := map[string]string{"00": "/00/195212345678901232", "01": itemPath, "253": "/253/9521234000013ABC", "255": "/255/9521234000013123", "401": "/401/9521234ABC",
		"402": "/402/95212340000000013", "414": "/414/9521234000006/254/dock", "415": "/415/9521234000006/8020/R1", "417": "/417/9521234000006", "8003": "/8003/095212345432131234",
		"8004": "/8004/9521234ABC", "8006": "/8006/095212345432130102/21/9", "8010": "/8010/9521234P1/8011/7", "8013": "/8013/9521234XYZK8",
		"8017": "/8017/952123400000000000/8019/12", "8018": "/8018/952123400000000000"}
	h := newHarness(t, defaults())
	for _, ai := range into[api.ResolverDescription](t, h.stranger("/.well-known/gs1resolver").want(t, 200)).SupportedPrimaryKeys {
		path := keys[ai]
		if path == "" {
			t.Fatalf("no example of %s", ai)
		}
		link := "https://id.gs1.org" + path
		h.do("POST", "/epcis/v2/events", strings.Replace(event(1), itemURN, link, 1)).want(t, 201)
		h.stranger(path).problem(t, 404, "not_found")
		for prefix, status := range map[string]int{"9521234": 200, "952123": 200, "95212341": 404, "521234": 404, "095212": 404} {
			h.publish(prefix, "")
			h.stranger(path).want(t, status)
			h.do("DELETE", publicPath(prefix), "").want(t, 204)
		}
		want, _, err := schemas.Canonical(link)
		if got := into[api.Item](t, h.do("GET", path, "").want(t, 200)); err != nil || got.ID != want {
			t.Errorf("%s is %s, want %s", path, got.ID, want)
		}
	}
	for path, want := range map[string]string{
		"/253/9521234000014ABC": "9521234000014 is 4, and must be 3", "/255/9521234000014123": "9521234000014 is 4, and must be 3", "/402/95212340000000014": "is 4, and must be 3",
		"/8006/095212345432140102/21/9": "09521234543214 is 4, and must be 3", "/8018/952123400000000001": "952123400000000001 is 1, and must be 0", "/8017/952123400000000001/8019/12": "is 1, and must be 0",
		"/8013/9521234XYZK9": "check digit",
	} {
		if p := h.stranger(path).problem(t, 400, "bad_check_digit"); !strings.Contains(p["detail"].(string), want) {
			t.Errorf("%s: %v", path, p["detail"])
		}
	}
}

func TestClientPublishes(t *testing.T) {
	h := newHarness(t, defaults())
	c, ctx := h.client(), t.Context()
	p, err := c.Publish(ctx, classLink, api.PublicationRequest{Title: "Tomatoes", Links: []local.Link{{Type: "gs1:pip", Href: "https://example.com/"}}})
	if err != nil || p.Of != classLink || p.Title != "Tomatoes" || len(p.Links) != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	if list, err := c.Publications(ctx, 10, ""); err != nil || len(list.Publications) != 1 || list.NextPageToken != "" {
		t.Fatalf("%+v %v", list, err)
	}
	if err := c.Unpublish(ctx, classLink); err != nil {
		t.Fatal(err)
	}
	if err := c.Unpublish(ctx, classLink); client.Code(err) != schemas.NotFound {
		t.Fatalf("%v", err)
	}
}

func TestPublications(t *testing.T) {
	h := newHarness(t, defaults())
	r := h.do("PUT", publicPath(itemURN), `{"links":[{"type":"gs1:pip","href":"https://example.com/"}]}`).want(t, 201)
	p := into[local.Publication](t, r)
	if p.Of != itemLink || p.Links[0].Type != "pip" || len(p.Show) == 0 || p.By == "" || p.Made.IsZero() {
		t.Fatalf("%s", r.body)
	}
	h.do("PUT", publicPath(itemLink), "").want(t, 200)
	h.do("PUT", publicPath("9521234")+"?dryRun=true", "").want(t, 200)
	h.do("GET", publicPath("9521234"), "").problem(t, 404, "not_found")
	h.do("DELETE", publicPath("9521234"), "").problem(t, 404, "not_found")
	h.do("DELETE", publicPath(itemLink)+"?dryRun=true", "").want(t, 204)
	if got := into[local.Publication](t, h.do("GET", publicPath(itemURN), "").want(t, 200)); got.Of != itemLink || len(got.Links) != 0 {
		t.Errorf("%+v", got)
	}
	h.publish("9521234", "")
	h.publish(classLink, "")
	var all []string
	next := "/api/v1/public?perPage=2"
	for next != "" {
		r := h.do("GET", next, "").want(t, 200)
		page := into[api.Publications](t, r)
		for _, p := range page.Publications {
			all = append(all, p.Of)
		}
		next = strings.TrimSuffix(strings.TrimPrefix(r.header.Get("Link"), "<"), `>; rel="next"`)
	}
	if diff := cmp.Diff([]string{"9521234", classLink, itemLink}, all); diff != "" {
		t.Error(diff)
	}
	for of, code := range map[string]string{"urn:example:1": "bad_identifier", "12345": "bad_identifier", "1234567890123": "bad_identifier", "https://id.gs1.org/01/09521234543214": "bad_check_digit"} {
		h.do("PUT", publicPath(of), "").problem(t, 400, code)
	}
	for body, pointer := range map[string]string{
		`{"title":"` + strings.Repeat("x", 201) + `"}`:                "/title",
		`{"show":["a","b c"]}`:                                        "/show/1",
		`{"links":[{"type":"gs1:pip","href":"javascript:alert(1)"}]}`: "/links/0/href",
		`{"links":[{"type":"gs1:defaultLink","href":"https://x/"}]}`:  "/links/0/type",
		`{"links":[{"type":"pip","href":"https://x/","lang":"<"}]}`:   "/links/0/lang",
		`{"links":[{"type":"pip","href":"https://x/","media":";"}]}`:  "/links/0/media",
	} {
		if p := h.do("PUT", publicPath(itemURN), body).problem(t, 400, "bad_value"); p["pointer"] != pointer {
			t.Errorf("%s: %v", body, p)
		}
	}
	for _, body := range []string{"[]", `{"shwo":[]}`, `{} {}`} {
		h.do("PUT", publicPath(itemURN), body).problem(t, 400, "bad_json")
	}
	h.do("PUT", publicPath(itemURN), `{"title":"`+strings.Repeat("x", 1<<17)+`"}`).problem(t, 413, "too_large")
}
