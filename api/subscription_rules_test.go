package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

func TestSubscriptionMisuse(t *testing.T) {
	limits := defaults()
	limits.Subscriptions = 2
	h := newSubscribed(t, limits, nil)
	const dest = `"dest":"https://example.com/events"`
	for _, body := range []string{`[]`, `{}`, `{` + dest + `}`, `{` + dest + `,"stream":false}`, `{` + dest + `,"stream":true,"schedule":{"hour":"1"}}`, `{` + dest + `,"schedule":{}}`,
		`{` + dest + `,"schedule":{"hour":"24"}}`, `{` + dest + `,"schedule":{"hour":1}}`, `{` + dest + `,"schedule":{"day":"1"}}`, `{` + dest + `,"schedule":{"month":"2","dayOfMonth":"30"}}`,
		`{` + dest + `,"stream":"true"}`, `{` + dest + `,"stream":true,"initialRecordTime":"noon"}`, `{` + dest + `,"stream":true,"secret":"a b"}`, `{` + dest + `,"stream":null}`, `{` + dest + `,"stream":true,"colour":"x"}`, `{` + dest + `,"stream":true,"signatureToken":""}`,
		`{` + dest + `,"stream":true,"signatureToken":"a b"}`, `{"stream":true}`, `{"dest":"ftp://example.com/","stream":true}`, `{"dest":"https://u:p@example.com/","stream":true}`,
		`{"dest":"https://example.com/#x","stream":true}`, `{"dest":"https:///x","stream":true}`, `{"dest":"https://10.0.0.1/","stream":true}`, `{"dest":"http://[::1]/","stream":true}`,
		`{"dest":"http://169.254.169.254/latest","stream":true}`, `{"dest":"https://example.com/` + strings.Repeat("x", 2048) + `","stream":true}`} {
		if p := h.do("POST", subscriptionsPath, body).problem(t, 400, "bad_subscription"); p["type"] != "epcisException:SubscriptionControlsException" {
			t.Errorf("%s: %v", body, p["type"])
		}
	}
	h.do("POST", subscriptionsPath, `{"dest":"https://example.com/","dest":"https://example.com/","stream":true}`).problem(t, 400, "duplicate_key")
	good := `{` + dest + `,"schedule":{"hour":"1","minute":"5"},"reportIfEmpty":true}`
	h.do("POST", "/epcis/v2/queries/none/subscriptions", good).problem(t, 404, "no_such_name")
	h.do("GET", "/epcis/v2/queries/none/subscriptions", "").problem(t, 404, "no_such_name")
	h.do("POST", subscriptionsPath+"?dryRun=true", good).want(t, 200)
	first := h.do("POST", subscriptionsPath, good, "Idempotency-Key", "k").want(t, 201)
	if again := h.do("POST", subscriptionsPath, good, "Idempotency-Key", "k").want(t, 201); again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("made twice: %v", again.header)
	}
	h.do("POST", subscriptionsPath, good).want(t, 201)
	h.do("POST", subscriptionsPath, good).problem(t, 413, "too_large")
	page := h.do("GET", subscriptionsPath+"?perPage=1", "").want(t, 200)
	if rest := into[[]api.Subscription](t, h.do("GET", next(page), "").want(t, 200)); len(rest) != 1 || rest[0].ID == into[[]api.Subscription](t, page)[0].ID {
		t.Errorf("second page: %+v", rest)
	}
	h.do("POST", "/epcis/v2/queries", `{"name":"other","query":{}}`).want(t, 201)
	path := first.header.Get("Location")
	h.do("GET", strings.Replace(path, "/all/", "/other/", 1), "").problem(t, 404, "not_found")
	h.do("GET", strings.Replace(path, "/all/", "/none/", 1), "").problem(t, 404, "no_such_name")
	h.do("GET", subscriptionsPath+"/none", "").problem(t, 404, "not_found")
}

// A subscription is its API key's alone, and ends with it; and with its query.
func TestSubscriptionsEnd(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	own := h.subscribe(r.URL, `"stream":true`)
	key, kept, err := h.store.CreateKey("guest", local.Query)
	if err != nil {
		t.Fatal(err)
	}
	guest := newReceiver(t)
	path := h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,"stream":true}`, guest.URL), "Authorization", "Bearer "+key).want(t, 201).header.Get("Location")
	h.capture(1)
	guest.await(t, "1")
	for _, other := range [][2]string{{own, key}, {path, h.key}} {
		h.do("GET", other[0], "", "Authorization", "Bearer "+other[1]).problem(t, 404, "not_found")
		h.do("DELETE", other[0], "", "Authorization", "Bearer "+other[1]).problem(t, 404, "not_found")
	}
	if list := into[[]api.Subscription](t, h.do("GET", subscriptionsPath, "")); len(list) != 1 {
		t.Errorf("others are listed: %+v", list)
	}
	if _, err := h.store.RevokeKey(kept.ID); err != nil {
		t.Fatal(err)
	}
	h.capture(2)
	r.await(t, "1 2")
	eventually(t, "the guest's ends", func() bool {
		all, err := h.store.Subscriptions()
		return err == nil && len(all) == 1
	})
	guest.await(t, "1")
	h.do("DELETE", "/epcis/v2/queries/all", "").want(t, 204)
	h.do("POST", "/epcis/v2/queries", `{"name":"all","query":{}}`).want(t, 201)
	h.do("GET", own, "").problem(t, 404, "not_found")
	h.capture(3)
	r.await(t, "1 2")
	if all, err := h.store.Subscriptions(); err != nil || len(all) != 0 {
		t.Errorf("kept: %v %v", all, err)
	}
}

// What is not allowed is not called, though its name looked harmless, and neither
// is what a receiver redirects to.
func TestDestinations(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	r.answers(func(int, []byte) int { return 307 })
	path := h.subscribe(r.URL, `"stream":true`)
	h.configure = nil
	h.capture(1)
	eventually(t, "a redirection is a failure", func() bool { return strings.Contains(h.status(path).Status.Failure, "307") })
	h.stop()
	seen := len(r.got())
	h.start() // with nothing allowed
	eventually(t, "refused", func() bool { return strings.Contains(h.logs.String(), "internal address") })
	byName := h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,"stream":true,"initialRecordTime":"2026-05-01T00:00:00Z"}`, strings.Replace(r.URL, "127.0.0.1", "localhost", 1))).want(t, 201)
	eventually(t, "a name is refused", func() bool { return h.status(byName.header.Get("Location")).Status.Failures > 0 })
	if n := len(r.got()); n != seen {
		t.Errorf("called %d times", n-seen)
	}
	for _, m := range r.got() {
		if !json.Valid(m.body) {
			t.Errorf("followed to %s", m.body)
		}
	}
}

// A node that lacks old records does not skip them.
func TestSubscriptionWaitsForHistory(t *testing.T) {
	limits := defaults()
	limits.Backoff, limits.MaxBackoff = time.Millisecond, 2*time.Millisecond
	h, r := newSubscribed(t, limits, nil), newReceiver(t)
	h.capture(1, 2)
	h.ledger.set(func() { h.ledger.missing = [2]int64{1, 2} })
	path := h.subscribe(r.URL, `"stream":true,"initialRecordTime":"2026-05-01T00:00:00Z"`)
	eventually(t, "it waits", func() bool {
		return strings.Contains(h.status(path).Status.Failure, schemas.HistoryMissing.String())
	})
	h.ledger.set(func() { h.ledger.missing = [2]int64{} })
	r.await(t, "1 2")
}

// What clients write who follow the schemas of the REST binding to the letter: a stream
// that is false beside a schedule, members that are null, and a secret, which these want.
func TestSubscriptionsAsSchemasHaveThem(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	for _, body := range []string{`"schedule":{"hour":"1","minute":"5"},"stream":false`, `"schedule":{"second":"0/30"},"stream":null,"signatureToken":null,"initialRecordTime":null`,
		`"stream":true,"schedule":null,"reportIfEmpty":false`} {
		h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,%s}`, r.URL, body)).want(t, 201)
	}
	signed := newReceiver(t)
	h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,"stream":true,"secret":"token"}`, signed.URL)).want(t, 201)
	h.capture(1)
	signed.await(t, "1")
	mac := hmac.New(sha256.New, []byte("token"))
	mac.Write(signed.got()[0].body)
	if got, want := signed.got()[0].header.Get("GS1-Signature"), hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	r.await(t, "1")
}
