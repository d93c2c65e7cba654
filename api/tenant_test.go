package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// guests are bound keys: of a participant that works through the node, of one that
// moved away, and of observers who were shown something else.
func guests(t *testing.T, h *harness) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for name, to := range map[string]local.Binding{
		"guest": {Partner: "guest"}, "moved": {Partner: "moved"},
		"partner's observer": {Partners: []string{"guest"}}, "item's observer": {Items: []string{"https://id.gs1.org/01/09521234543213/21/999"}},
	} {
		key, _, err := h.store.CreateBoundKey(name, to, local.Capture, local.Query)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = "Bearer " + key
	}
	return keys
}

// signedBy is a transaction of another partner's own.
func (h *harness) signedBy(partner, text string) []byte {
	h.t.Helper()
	e, err := schemas.DecodeSingle([]byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	return h.signedAs(partner, e)
}

func (h *harness) signedAs(partner string, e *schemas.Event) []byte {
	h.t.Helper()
	raw, _, err := h.ledger.codec.Sign(schemas.Draft{ChainID: "test", Partner: partner, KeyID: "own", Expiry: 1000, Nonce: random(schemas.NonceSize), Secret: random(32),
		Events: []*schemas.Event{e}}, h.ledger.key)
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

const sendBinary = "application/octet-stream"

// TestBoundKeys: of every route there is, a bound key is allowed nothing of somebody
// else's; a route that is new is closed to it.
func TestBoundKeys(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1, `"eventID":"urn:uuid:none"`)).want(t, 201)
	secret := string(h.signed(event(2)))
	others := into[schemas.Receipt](t, h.do("POST", "/api/v1/transactions", secret, "Content-Type", sendBinary).want(t, 201)).Transaction.String()
	h.ledger.set(func() { h.ledger.quorum = false })
	job := h.do("POST", "/epcis/v2/capture", document(event(3))).want(t, 202).header.Get("Location")
	h.ledger.restore()
	open := map[string]bool{"/livez": true, "/readyz": true, "/metrics": true, "/openapi.json": true, "/docs": true, "/": true, "/.well-known/gs1resolver": true, "/api/v1/trust": true}
	for who, key := range guests(t, h) {
		err := chi.Walk(h.g.TestingOnlyRoutes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			if open[route] || method == http.MethodOptions || strings.HasPrefix(route, "/api/v1/headers") || strings.HasPrefix(route, "/api/v1/checkpoint") {
				return nil // open to everybody, and the same for all
			}
			path := strings.NewReplacer("{id}/keys", "acme-farms/keys", "partners/{id}", "partners/acme-farms", "{hash}", others, "/epcis/v2/capture/{captureID}", job).Replace(route)
			if path = sample(path); resolved(route) {
				path = itemPath
			}
			body, headers := "", []string{"Authorization", key}
			if strings.HasSuffix(route, "/transactions") {
				body, headers = secret, append(headers, "Content-Type", sendBinary)
			}
			if route == "/api/v1/stream" {
				path += "?after=0-0-0&follow=false"
			}
			r := h.do(method, path, body, headers...)
			if route == "/api/v1/stream" && who != "moved" {
				if r.status != 200 || strings.Contains(string(r.body), "data:") {
					t.Errorf("%s: %s %s: %d %s", who, method, path, r.status, r.body)
				}
				return nil
			}
			if method == http.MethodGet && route == "/epcis/v2/events" && who != "moved" {
				if r.status != 200 || strings.Contains(string(r.body), "urn:epc:id:sgtin") || strings.Contains(string(r.body), "uuid") {
					t.Errorf("%s: %s %s: %d %s", who, method, path, r.status, r.body)
				}
				return nil
			}
			if method == http.MethodGet && route == "/api/v1/proposals" && who != "moved" {
				if r.status != 200 || len(into[api.Proposals](t, r).Proposals) != 0 {
					t.Errorf("%s: %s %s: %d %s", who, method, path, r.status, r.body)
				}
				return nil
			}
			if method == http.MethodHead && (route == "/epcis/v2/events" || route == "/api/v1/proposals") && r.status == 200 {
				return nil
			}
			if r.status != 403 && r.status != 404 {
				t.Errorf("%s: %s %s is allowed: %d %.200s", who, method, path, r.status, r.body)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// What there is not is answered as what is somebody else's.
		for _, at := range []string{"/api/v1/items/%s", "/api/v1/items/%s/trail", "/api/v1/items/%s/trace"} {
			path := func(urn string) string { return strings.Replace(at, "%s", url.PathEscape(urn), 1) }
			there := h.do("GET", path(itemURN), "", "Authorization", key)
			not := h.do("GET", path("urn:epc:id:sgtin:9521234.054321.404"), "", "Authorization", key)
			if there.status != not.status {
				t.Errorf("%s: %s: %d of another's, %d of none", who, at, there.status, not.status)
			}
		}
	}
}

// TestGuest: what a participant signed goes through its host, and what concerns it
// is shown to it, and to an observer to whom it is granted, and to nobody else.
func TestGuest(t *testing.T) {
	h := newHarness(t, defaults())
	keys := guests(t, h)
	item := "/api/v1/items/" + url.PathEscape("urn:epc:id:sgtin:9521234.054321.7")
	r := into[schemas.Receipt](t, h.do("POST", "/api/v1/transactions", string(h.signedBy("guest", event(7, `"eventID":"urn:uuid:7"`))), "Content-Type", sendBinary, "Authorization", keys["guest"]).want(t, 201))
	h.do("POST", "/api/v1/transactions", string(h.signedBy("acme-farms", event(8))), "Content-Type", sendBinary, "Authorization", keys["guest"]).problem(t, 403, "forbidden")
	h.do("POST", "/epcis/v2/events", event(8), "Authorization", keys["guest"]).problem(t, 403, "forbidden")
	for _, path := range []string{item, item + "/trail", item + "/trace", "/api/v1/transactions/" + r.Transaction.String(), "/epcis/v2/events/urn:uuid:7", "/api/v1/exceptions?partner=guest", "/api/v1/partners/guest/keys"} {
		for _, who := range []string{"guest", "partner's observer"} {
			h.do("GET", path, "", "Authorization", keys[who]).want(t, 200)
		}
		for _, who := range []string{"moved", "item's observer"} {
			if got := h.do("GET", path, "", "Authorization", keys[who]); got.status != 403 && got.status != 404 {
				t.Errorf("%s: %s: %d", who, path, got.status)
			}
		}
	}
	if all := h.do("GET", "/epcis/v2/events", "", "Authorization", keys["guest"]).want(t, 200); !strings.Contains(string(all.body), "9521234.054321.7") {
		t.Errorf("its own event is not among %s", all.body)
	}
	// Who moved still sends what it signed: its way to another host may be this node.
	h.do("POST", "/api/v1/transactions", string(h.signedBy("moved", event(9))), "Content-Type", sendBinary, "Authorization", keys["moved"]).want(t, 201)
}

// TestGuestsProposals: a participant rehearses its own removal, with what it would do, and
// nobody else's; of proposals a bound key is shown those by and about its partners.
func TestGuestsProposals(t *testing.T) {
	h := newHarness(t, defaults())
	keys := guests(t, h)
	leave := &schemas.Propose{Change: schemas.Change{Kind: schemas.Remove, Partner: "guest"}}
	rehearse := func(partner string) reply {
		act, err := schemas.MakeAct(leave, "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return h.do("POST", "/api/v1/transactions?dryRun=true", string(h.signedAs(partner, act)), "Content-Type", sendBinary, "Authorization", keys["guest"])
	}
	if out := into[api.Rehearsal](t, rehearse("guest").want(t, 200)); out.Impact == nil || out.Impact.Stranded == nil || len(out.Receipt.Events) != 1 {
		t.Errorf("it is told %+v", out)
	}
	rehearse("mill").problem(t, 403, "forbidden")
	if n := h.ledger.broadcasts; n != 0 {
		t.Errorf("%d transactions were sent", n)
	}

	accused, _, err := h.store.CreateBoundKey("accused", local.Binding{Partners: []string{"borg-foods"}}, local.Query)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{keys["guest"]: 0, "Bearer " + accused: 3} {
		if got := into[api.Proposals](t, h.do("GET", "/api/v1/proposals", "", "Authorization", key).want(t, 200)).Proposals; len(got) != want {
			t.Errorf("%d proposals are shown, expected %d: %+v", len(got), want, got)
		}
		h.do("GET", "/api/v1/proposals/3-0-0", "", "Authorization", key).problem(t, 404, "not_found")
	}
	h.do("GET", "/api/v1/partners/guest", "", "Authorization", keys["guest"]).want(t, 200)
	h.do("GET", "/api/v1/partners/acme-farms", "", "Authorization", keys["guest"]).problem(t, 404, "not_found")
}

// TestGuestSeesItsPart: of a thing that a participant takes part in it is shown the
// events that are its own or name it as a party; of the others a trail tells that they
// are there, and a trace not even that. Who was granted the thing is shown all.
func TestGuestSeesItsPart(t *testing.T) {
	h := newHarness(t, defaults())
	keys := guests(t, h)
	key, _, err := h.store.CreateBoundKey("granted", local.Binding{Items: []string{"https://id.gs1.org/01/09521234543213/21/7"}}, local.Query)
	if err != nil {
		t.Fatal(err)
	}
	item := "/api/v1/items/" + url.PathEscape("urn:epc:id:sgtin:9521234.054321.7")
	h.do("POST", "/epcis/v2/events", event(7, `"eventID":"urn:uuid:before"`, `"disposition":"active"`)).want(t, 201)
	h.do("POST", "/api/v1/transactions", string(h.signedBy("guest", event(7, `"eventID":"urn:uuid:own"`))), "Content-Type", sendBinary, "Authorization", keys["guest"]).want(t, 201)
	for _, view := range []string{"/trail", "/trace"} {
		part := string(h.do("GET", item+view, "", "Authorization", keys["guest"]).want(t, 200).body)
		if !strings.Contains(part, "urn:uuid:own") || strings.Contains(part, "urn:uuid:before") || strings.Contains(part, "disposition") {
			t.Errorf("the guest's %s is %s", view, part)
		}
		if whole := string(h.do("GET", item+view, "", "Authorization", "Bearer "+key).want(t, 200).body); !strings.Contains(whole, "urn:uuid:own") || !strings.Contains(whole, "urn:uuid:before") {
			t.Errorf("who was granted the item has the %s %s", view, whole)
		}
	}
	if !strings.Contains(string(h.do("GET", item+"/trace", "", "Authorization", keys["guest"]).want(t, 200).body), `"withheld":1`) {
		t.Error("the trace does not say that it withholds something")
	}
}

// TestGuestBeforeItIsAdmitted: whose link does not open the node yet is told what it waits
// for, and not that it needs another key.
func TestGuestBeforeItIsAdmitted(t *testing.T) {
	h := newHarness(t, defaults())
	early := into[api.Guest](t, h.do("POST", "/api/v1/guests", `{"partner":"early"}`).want(t, 201))
	p := h.do("GET", "/api/v1/exceptions?partner=early", "", "Authorization", "Bearer "+early.Key).problem(t, 403, "not_hosted")
	if !strings.Contains(fmt.Sprint(p["detail"]), "have not admitted early yet") || strings.Contains(fmt.Sprint(p["hint"]), "scope") {
		t.Errorf("%+v", p)
	}
}

// TestGuestsJob: a job that a guest was referred to is its own.
func TestGuestsJob(t *testing.T) {
	limits := defaults()
	limits.Acknowledge = time.Millisecond
	h := newHarness(t, limits)
	keys := guests(t, h)
	h.ledger.set(func() { h.ledger.quorum = false })
	job := h.do("POST", "/api/v1/transactions", string(h.signedBy("guest", event(7))), "Content-Type", sendBinary, "Authorization", keys["guest"]).want(t, 202).header.Get("Location")
	h.do("GET", job, "", "Authorization", keys["guest"]).want(t, 200)
	h.do("GET", job, "", "Authorization", keys["partner's observer"]).problem(t, 404, "not_found")
	h.ledger.restore()
	h.job(job)
	h.do("GET", job, "", "Authorization", keys["guest"]).want(t, 200)
	h.do("GET", job, "", "Authorization", keys["moved"]).problem(t, 403, "not_hosted")
}

func TestBoundKeyIsNoAdmin(t *testing.T) {
	h := newHarness(t, defaults())
	if _, _, err := h.store.CreateBoundKey("guest", local.Binding{Partner: "guest"}, local.Query, local.Admin); err == nil {
		t.Error("a bound key with the scope admin is made")
	}
}

// TestObserver: a member shows somebody something while the node runs, and takes it back.
func TestObserver(t *testing.T) {
	h := newHarness(t, defaults())
	h.record(1)
	item := "/api/v1/items/" + url.PathEscape(itemURN)
	shown := into[api.Guest](t, h.do("POST", "/api/v1/guests", `{"name":"auditor","grant":["mill","`+itemURN+`"]}`).want(t, 201))
	key := "Bearer " + shown.Key
	h.do("GET", item, "", "Authorization", key).want(t, 200)
	h.do("GET", "/api/v1/partners/acme-farms/keys", "", "Authorization", key).problem(t, 404, "not_found")
	h.do("POST", "/epcis/v2/events", event(2), "Authorization", key).problem(t, 403, "forbidden")
	for body, code := range map[string]string{`{"name":"x"}`: "missing_field", `{"grant":["mill"]}`: "missing_field", `{"name":"x","grant":["no name"]}`: "bad_identifier",
		`{"partner":"mill","name":"x","grant":["mill"]}`: "bad_value"} {
		h.do("POST", "/api/v1/guests", body).problem(t, 400, code)
	}
	h.do("POST", "/api/v1/guests", `{"name":"x","grant":["mill"`+strings.Repeat(`,"mill"`, 100)+`]}`).problem(t, 413, "too_large")
	h.do("DELETE", "/api/v1/guests/"+shown.ID, "").want(t, 204)
	h.do("GET", item, "", "Authorization", key).problem(t, 401, "unauthorized")
}
