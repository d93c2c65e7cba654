package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
)

// large is a ledger with 24 events of one item, each near the largest that there
// is: 22 MiB, of which one answer must not hold all.
func large(t *testing.T, limits api.Limits) *harness {
	t.Helper()
	h := newHarness(t, limits)
	for i := range 24 {
		more := []string{fmt.Sprintf(`"ex:n":%d`, i), `"ex:text":"` + strings.Repeat("y", 900<<10) + `"`, `"eventID":"urn:example:event:large"`, `"@context":[{"ex":"https://example.com/"}]`}
		if i > 0 {
			more = append(more, `"errorDeclaration":{"declarationTime":"2026-05-02T10:00:00.000Z"}`)
		}
		h.do("POST", "/epcis/v2/events", event(1, more...)).want(t, 201)
	}
	return h
}

const largeItem = "urn:epc:id:sgtin:9521234.054321.1"

// TestLargePages: pages of large events end early, and together are the whole.
func TestLargePages(t *testing.T) {
	h := large(t, defaults())
	for path, count := range map[string]func(reply) (string, int){
		"/epcis/v2/events?perPage=1000&MATCH_epc=" + url.QueryEscape(largeItem): func(r reply) (string, int) {
			return r.header.Get("nextPageToken"), strings.Count(string(r.body), `"ex:n"`)
		},
		"/api/v1/items/" + largeItem + "/trail?perPage=100": func(r reply) (string, int) {
			p := into[api.Trail](t, r)
			return p.NextPageToken, len(p.Records)
		},
		"/api/v1/exceptions?perPage=100": func(r reply) (string, int) {
			p := into[api.Exceptions](t, r)
			return p.NextPageToken, len(p.Records)
		},
	} {
		total, pages := 0, 0
		for token := ""; token != "" || pages == 0; pages++ {
			next := path
			if token != "" {
				next += "&nextPageToken=" + url.QueryEscape(token)
			}
			r := h.do("GET", next, "").want(t, 200)
			if len(r.body) > 17<<20 {
				t.Errorf("%s: %d bytes in one answer", path, len(r.body))
			}
			var n int
			token, n = count(r)
			total += n
		}
		if total != 24 || pages < 2 {
			t.Errorf("%s: %d records on %d pages", path, total, pages)
		}
	}
	p := h.do("GET", "/epcis/v2/events/urn:example:event:large", "").problem(t, 413, "too_large")
	if !strings.Contains(fmt.Sprint(p["detail"]), "EQ_eventID") {
		t.Errorf("what to do is not told: %v", p)
	}
}

// TestAnswersTakeBoundedMemory: an answer that would take more than the room there
// is tells so.
func TestAnswersTakeBoundedMemory(t *testing.T) {
	limits := defaults()
	limits.ReadBytes = 64 << 20
	h := large(t, limits)
	h.do("GET", "/api/v1/items/"+largeItem+"/trail?perPage=5", "").want(t, 200)
	h.ledger.set(func() { h.ledger.wholeTraces = true }) // as if a trace forgot its bound
	h.do("GET", "/api/v1/items/"+largeItem+"/trace", "").problem(t, 503, "overloaded")
	h.ledger.set(func() { h.ledger.wholeTraces = false })
	trace := into[struct {
		Truncated bool
		Events    []api.Record
	}](t, h.do("GET", "/api/v1/items/"+largeItem+"/trace", "").want(t, 200))
	bare := 0
	for _, r := range trace.Events {
		if r.Event == nil {
			bare++
		}
	}
	if !trace.Truncated || len(trace.Events) != 24 || bare == 0 || bare == 24 {
		t.Errorf("truncated %t, %d events, %d without a body", trace.Truncated, len(trace.Events), bare)
	}
	if _, bytes := h.g.TestingOnlyReads(); bytes != 0 {
		t.Errorf("%d bytes are held by nobody", bytes)
	}
}

// TestPlainIdentifier: whoever forgets to encode an identifier is told to.
func TestPlainIdentifier(t *testing.T) {
	h := newHarness(t, defaults())
	p := h.do("GET", "/api/v1/items/https://id.gs1.org/01/09521234543213/21/1", "").problem(t, 404, "not_found")
	if !strings.Contains(fmt.Sprint(p["detail"]), "percent-encode") {
		t.Errorf("%v", p)
	}
}

// TestTrustIsOpen: an auditor has no key.
func TestTrustIsOpen(t *testing.T) {
	h := newHarness(t, defaults())
	trust := into[api.Trust](t, h.do("GET", "/api/v1/trust", "", "Authorization", "").want(t, 200))
	if trust.ChainID != "test" {
		t.Fatalf("%+v", trust)
	}
	h.do("GET", "/api/v1/network", "", "Authorization", "").problem(t, 401, "unauthorized")
}
