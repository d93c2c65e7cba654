package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tokenOf is the token that an answer tells, with when it expires.
func tokenOf(t *testing.T, r reply) (token string, expires time.Time) {
	t.Helper()
	r.want(t, 200)
	token = r.header.Get("nextPageToken")
	expires, err := time.Parse(time.RFC3339, r.header.Get("GS1-Next-Page-Token-Expires"))
	if err != nil || token == "" || !strings.Contains(r.header.Get("Link"), "nextPageToken="+token) {
		t.Fatalf("token %q, expires %v, link %q: %v: %s", token, expires, r.header.Get("Link"), err, r.body)
	}
	return token, expires
}

// pagedLists are the lists of the standard that have pages, on a gateway that has two
// of everything.
func pagedLists(h *harness) []string {
	for n := range 2 {
		h.do("POST", "/epcis/v2/events", event(n, fmt.Sprintf(`"bizLocation":{"id":"urn:epc:id:sgln:9521234.0000%d.0"}`, n))).want(h.t, 201)
		h.do("POST", "/epcis/v2/queries", fmt.Sprintf(`{"name":"q%d","query":{}}`, n)).want(h.t, 201)
		h.do("POST", "/epcis/v2/queries/q1/subscriptions", fmt.Sprintf(`{"dest":"https://example.invalid/%d","schedule":{"month":"1"}}`, n))
		h.job(h.do("POST", "/epcis/v2/capture", document(event(n))).want(h.t, 202).header.Get("Location"))
	}
	h.do("POST", "/epcis/v2/queries/q1/subscriptions", `{"dest":"https://example.invalid/3","schedule":{"month":"1"}}`)
	return []string{"/events", "/queries/q1/events", "/queries", "/queries/q1/subscriptions", "/epcs", "/bizSteps/shipping/events", "/eventTypes", "/capture"}
}

// A page token is told with when it expires, and then refused as the standard's error:
// at every list.
func TestPageTokensExpire(t *testing.T) {
	c := newClock()
	h := newSubscribed(t, defaults(), c)
	lists := pagedLists(h)
	tokens := map[string]string{}
	for _, path := range lists {
		token, expires := tokenOf(t, h.do("GET", "/epcis/v2"+path+"?perPage=1", ""))
		if want := c.now().Add(24 * time.Hour); !expires.Equal(want) {
			t.Errorf("%s: expires at %v, want %v", path, expires, want)
		}
		tokens[path] = token
	}
	c.pass(24*time.Hour - time.Second)
	for path, token := range tokens {
		h.do("GET", "/epcis/v2"+path+"?perPage=1&nextPageToken="+token, "").want(t, 200)
	}
	c.pass(time.Second)
	for path, token := range tokens {
		p := h.do("GET", "/epcis/v2"+path+"?perPage=1&nextPageToken="+token, "").problem(t, 410, "view_expired")
		if p["type"] != "epcisException:QueryParameterException" || !strings.Contains(fmt.Sprint(p["detail"]), "2026-05-02T12:00:00Z") {
			t.Errorf("%s: %v", path, p)
		}
	}
	for _, forged := range []string{"x", ".", "1.", "zz.abc", "-1.abc", "7fffffffffffffff.", "7fffffffffffffff.abc", strings.Repeat("7", 40) + ".a", "7fffffff." + strings.Repeat("a", 5000)} {
		if r := h.do("GET", "/epcis/v2/events?nextPageToken="+forged, ""); r.status != 400 && r.status != 410 || !strings.Contains(string(r.body), "QueryParameterException") {
			t.Errorf("%.40s: %d %s", forged, r.status, r.body)
		}
	}
}

// A token that is deleted is refused from then on; others are not.
func TestDeletedPageToken(t *testing.T) {
	h := newHarness(t, defaults())
	lists := pagedLists(h)
	for _, path := range lists {
		if strings.HasSuffix(path, "subscriptions") {
			continue // none can be made here
		}
		token, _ := tokenOf(t, h.do("GET", "/epcis/v2"+path+"?perPage=1", ""))
		h.do("DELETE", "/epcis/v2/nextPageToken/"+token, "").want(t, http.StatusNoContent)
		h.do("GET", "/epcis/v2"+path+"?perPage=1&nextPageToken="+token, "").problem(t, 410, "view_expired")
		if p := h.do("DELETE", "/epcis/v2/nextPageToken/"+token, "").problem(t, 404, "not_found"); p["type"] != "epcisException:NoSuchResourceException" {
			t.Errorf("%s: %v", path, p)
		}
	}
	first, _ := tokenOf(t, h.do("GET", "/epcis/v2/events?perPage=2", ""))
	gone := strings.Replace(first, ".", ".0", 1)
	h.do("DELETE", "/epcis/v2/nextPageToken/"+gone, "").want(t, http.StatusNoContent)
	h.stop()
	h.start() // which forgets nothing
	h.do("GET", "/epcis/v2/events?perPage=1&nextPageToken="+gone, "").problem(t, 410, "view_expired")
	h.do("GET", "/epcis/v2/events?perPage=1&nextPageToken="+first, "").want(t, http.StatusOK)
	h.do("DELETE", "/epcis/v2/nextPageToken/none", "").problem(t, 404, "not_found")
	h.do("DELETE", "/epcis/v2/nextPageToken/none", "", "Authorization", "").problem(t, 401, "unauthorized")
	for n := range 2000 { // more than are remembered
		token := "/epcis/v2/nextPageToken/" + strings.Replace(first, ".", fmt.Sprintf(".n%d", n), 1)
		if h.do("DELETE", token, "").want(t, http.StatusNoContent); n%500 == 499 {
			h.do("DELETE", token, "").problem(t, 404, "not_found")
		}
	}
}
