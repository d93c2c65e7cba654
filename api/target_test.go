package api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
)

// Paths as clients write them who were made for servers that tell less apart.
func TestPathsAsClientsWriteThem(t *testing.T) {
	h := newHarness(t, defaults())
	const id = "https://example.com/events/7"
	h.do("POST", "/epcis/v2/Events/", event(1, `"readPoint":{"id":"https://example.com/docks/a%2Fb"}`)).want(t, 201)
	h.do("POST", "/epcis/v2//events", event(2, `"eventID":"`+id+`"`)).want(t, 201)
	h.job(h.do("POST", "/epcis/v2/Capture", document(event(3))).want(t, 202).header.Get("Location"))
	const hash = "ni:///sha-256;000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f?ver=CBV2.0"
	h.do("POST", "/epcis/v2/events", event(4, `"eventID":"`+hash+`"`)).want(t, 201)
	h.do("POST", "/epcis/v2/queries/", `{"name":"Mine","query":{"eventType":["ObjectEvent"]}}`).want(t, 201)
	const item, place = "https://id.gs1.org/01/09521234543213/21/1", "https://example.com/docks/a%2Fb"
	for path, want := range map[string]string{
		"/events/": "4 3 2 1", "//events": "4 3 2 1", "/EVENTS": "4 3 2 1", "/Queries/Mine/events/": "4 3 2 1", "/eventtypes/ObjectEvent/events/": "4 3 2 1",
		"/epcs/" + item + "/events": "1", "/epcs/" + item + "/events/": "1", "/epcs/" + strings.Replace(item, "//", "/", 1) + "/events": "1", "/epcs/" + strings.Replace(item, "https", "HTTPS", 1) + "/events": "1",
		"/EPCs/https:%2f%2fid.gs1.org%2f01%2f09521234543213%2f21%2f1/events": "1", "/bizSteps/https://ref.gs1.org/cbv/BizStep-shipping/events?perPage=1": "4",
		"/readPoints/" + place + "/events": "1", "/readPoints/" + url.PathEscape(place) + "/events": "1", "/events/" + id: "2", "/events/" + url.PathEscape(id): "2",
		"/events/" + url.PathEscape(hash): "4", "/events/" + strings.Replace(hash, "?", "%3F", 1): "4", "/events/" + strings.NewReplacer("///", "/", "?", "%3f").Replace(hash): "4",
	} {
		if got := serials(eventList(t, h.do("GET", "/epcis/v2"+path, "").want(t, 200))); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"/epcs/", "/epcs/" + item, "/epcs/" + item + "/", "/readPoints/" + place, "/capture/", "/queries/Mine/"} {
		h.do("GET", "/epcis/v2"+path, "").want(t, 200)
	}
	link := h.do("GET", "/epcis/v2/epcs/"+strings.Replace(item, "/21/1", "", 1)+"/events?perPage=1", "").want(t, 200).header.Get("Link")
	if !strings.HasPrefix(link, "</epcis/v2/epcs/https:%2F%2Fid.gs1.org%2F01%2F09521234543213/events?") && link != "" {
		t.Errorf("the next page is at %s", link)
	}
	// A name of a query, and what is no resource, are as they are written.
	h.do("GET", "/epcis/v2/queries/mine/events", "").problem(t, 404, "no_such_name")
	for _, path := range []string{"/epcis/v2/event", "/epcis/v2x/events", "/epcis/v2/events/a/b", "/epcis/v2/eventTypes/https://a.example/events", "/EPCIS/v2/events"} {
		h.do("GET", path, "").problem(t, 404, "not_found")
	}
}

// Each resource that is refused a method says which it has.
func TestAllow(t *testing.T) {
	h := newHarness(t, defaults())
	for path, want := range map[string]string{"": "GET, HEAD, OPTIONS", "/": "GET, HEAD, OPTIONS", "/events": "GET, HEAD, POST, OPTIONS", "/queries/x": "GET, HEAD, DELETE, OPTIONS", "/nextPageToken/x": "DELETE, OPTIONS"} {
		if r := h.do("PUT", "/epcis/v2"+path, "{}").want(t, 405); r.header.Get("Allow") != want {
			t.Errorf("PUT %s: %s, want %s", path, r.header.Get("Allow"), want)
		}
		if r := h.do("OPTIONS", "/epcis/v2"+path, "").want(t, 204); r.header.Get("Allow") != want {
			t.Errorf("OPTIONS %s: %s, want %s", path, r.header.Get("Allow"), want)
		}
	}
}

// Every path means one that means itself, and a resource that has a slash inside keeps it.
func FuzzMeantPath(f *testing.F) {
	for _, path := range []string{"/epcis/v2/events/", "/epcis/v2/epcs/https://id.gs1.org/00/1/events", "/epcis/v2//", "/01/1/", "/", "", "/epcis/v2/queries/a%2Fb/events//", "/epcis/v2/events/http:/%/", "/epcis/v2/events/ni:///sha-256;00%3Fver=CBV2.0", "/epcis/v2/events/ni://%/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		meant := api.TestingOnlyMeantPath(path)
		if again := api.TestingOnlyMeantPath(meant); again != meant {
			t.Errorf("%q means %q, which means %q", path, meant, again)
		}
	})
}
