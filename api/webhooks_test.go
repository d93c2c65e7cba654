package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

const webhooksPath = "/api/v1/webhooks"

// hook makes a webhook; more are members of the request beside its url.
func (h *harness) hook(url string, more ...string) api.Webhook {
	h.t.Helper()
	body := fmt.Sprintf(`{"url":%q`, url)
	for _, m := range more {
		body += "," + m
	}
	return into[api.Webhook](h.t, h.do("POST", webhooksPath, body+"}").want(h.t, 201))
}

func (h *harness) hookNow(id string) api.Webhook {
	h.t.Helper()
	return into[api.Webhook](h.t, h.do("GET", webhooksPath+"/"+id, "").want(h.t, 200))
}

// recordsOf are the records of a message to a webhook, in its order.
func recordsOf(t *testing.T, m received) (out []api.Streamed) {
	t.Helper()
	message := into[api.WebhookMessage](t, reply{body: m.body})
	if message.Type == "batch" {
		if err := json.Unmarshal(message.Data, &out); err != nil {
			t.Fatalf("%v: %s", err, m.body)
		}
	} else {
		out = make([]api.Streamed, 1)
		if err := json.Unmarshal(message.Data, &out[0]); err != nil || out[0].Type != message.Type {
			t.Fatalf("%v: %s", err, m.body)
		}
	}
	if last := out[len(out)-1]; !last.Time.Equal(message.Time) {
		t.Errorf("timestamp: %s", m.body)
	}
	return out
}

// told are the eventIDs of all messages, one after the other.
func (r *receiver) told(t *testing.T) (out []string) {
	t.Helper()
	for _, m := range r.got() {
		for _, one := range recordsOf(t, m) {
			out = append(out, one.EventID)
		}
	}
	return out
}

func (r *receiver) awaitTold(t *testing.T, want ...int) {
	t.Helper()
	var ids []string
	for _, n := range want {
		ids = append(ids, streamID(n))
	}
	eventually(t, fmt.Sprintf("messages of %v", want), func() bool { return slices.Equal(r.told(t), ids) })
}

func idsOf(messages []received) (out []string) {
	for _, m := range messages {
		out = append(out, m.header.Get("webhook-id"))
	}
	return out
}

// A webhook tells what the stream tells, a record a message, signed as Standard
// Webhooks are, with a secret that is told once.
func TestWebhookTells(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	h.record(1)
	made := h.hook(r.URL + "/hook")
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	if err != nil || len(secret) != 32 || !strings.HasPrefix(made.Secret, "whsec_") {
		t.Fatalf("secret %q: %v", made.Secret, err)
	}
	h.record(2)
	h.do("POST", "/api/v1/shipments/urn:example:s:1/hold", `{}`).want(t, 201)
	h.record(3)
	eventually(t, "three messages", func() bool { return len(r.got()) == 3 })
	var stream []api.Streamed
	body := h.do("GET", "/api/v1/stream?follow=false&after="+made.Cursor, "").want(t, 200).body
	for line := range strings.Lines(string(body)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			stream = append(stream, into[api.Streamed](t, reply{body: []byte(data)}))
		}
	}
	if len(stream) != 3 || stream[1].Type != "shipment.held" {
		t.Fatalf("the stream tells %+v", stream)
	}
	for i, m := range r.got() {
		if one := recordsOf(t, m); len(one) != 1 || one[0].Cursor != stream[i].Cursor || one[0].Type != stream[i].Type || one[0].EventID != stream[i].EventID {
			t.Errorf("message %d is %s, and not of %+v", i, m.body, stream[i])
		}
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", m.header.Get("webhook-id"), m.header.Get("webhook-timestamp"), m.body)
		if got, want := m.header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("webhook-signature %q, want %q", got, want)
		}
		if m.header.Get("Content-Type") != "application/json" || m.header.Get("GS1-Signature") != "" || m.header.Get("GS1-EPCIS-Version") != "" {
			t.Errorf("headers: %v", m.header)
		}
	}
	if ids := idsOf(r.got()); ids[0] == ids[1] || ids[1] == ids[2] || !strings.HasPrefix(ids[0], "msg_") {
		t.Errorf("ids: %v", ids)
	}
	eventually(t, "delivered", func() bool { s := h.hookNow(made.ID); return s.Status.State == "current" && s.Status.Lag == 0 })
	if s := h.hookNow(made.ID); s.Secret != "" || s.URL != r.URL+"/hook" || s.Notified == nil || s.Cursor == made.Cursor {
		t.Errorf("told: %+v", s)
	}
	h.stop()
	h.start()
	h.record(4)
	eventually(t, "a message after a restart", func() bool { return len(r.got()) == 4 })
	list := h.do("GET", webhooksPath, "").want(t, 200)
	if all := into[api.Webhooks](t, list).Webhooks; len(all) != 1 || all[0].ID != made.ID || strings.Contains(string(list.body), "whsec_") {
		t.Errorf("listed: %s", list.body)
	}
	h.do("DELETE", webhooksPath+"/"+made.ID+"?dryRun=true", "").want(t, 204)
	h.do("DELETE", webhooksPath+"/"+made.ID, "").want(t, 204)
	h.do("GET", webhooksPath+"/"+made.ID, "").problem(t, 404, "not_found")
	h.stop()
	h.start()
	h.record(5)
	if all := into[api.Webhooks](t, h.do("GET", webhooksPath, "")).Webhooks; len(all) != 0 || len(r.got()) != 4 {
		t.Errorf("after its end: %+v, %d messages", all, len(r.got()))
	}
}

// What a filter leaves out is not told, however much there is of it.
func TestWebhookFilter(t *testing.T) {
	limits := defaults()
	limits.Rate, limits.Burst = 1e6, 1e6
	h := newSubscribed(t, limits, nil)
	const records = 600 // more than are looked at at once
	for n := range records {
		h.record(n)
	}
	h.do("POST", "/api/v1/shipments/urn:example:s:1/hold", `{}`).want(t, 201)
	const item = `"subject":"urn:epc:id:sgtin:9521234.054321.%d"`
	for name, c := range map[string]struct {
		filter []string
		want   int
	}{
		"the last": {[]string{`"types":["shipment.*"]`}, 1}, "one of the last": {[]string{fmt.Sprintf(item, 599)}, 1},
		"several": {[]string{`"types":["shipment.held","event.recorded"]`, fmt.Sprintf(item, 300)}, 1},
		"nothing": {[]string{`"partner":"mill"`}, 0}, "in batches": {[]string{`"types":["event.*"]`, `"batch":100`}, records},
	} {
		r := newReceiver(t)
		made := h.hook(r.URL, append(c.filter, `"after":"0-0-0"`)...)
		eventually(t, name, func() bool { return h.hookNow(made.ID).Status.Lag == 0 })
		if got := r.told(t); len(got) != c.want || len(got) > 1 && (got[0] != streamID(0) || got[599] != streamID(599)) {
			t.Errorf("%s: told %v", name, got)
		}
		if n := len(r.got()); c.want == records && n != records/100 {
			t.Errorf("%s: %d messages", name, n)
		}
	}
}

// A message has one id and one body however often it is sent: after a failure, after a
// kill of the node that had not noted that it was taken, and in a replay.
func TestWebhookKeepsIDs(t *testing.T) {
	for name, batch := range map[string]string{"single": `"batch":0`, "batches": `"batch":2`} {
		t.Run(name, func(t *testing.T) {
			limits := defaults()
			limits.Backoff, limits.MaxBackoff = 1e6, 2e6
			h, r := newSubscribed(t, limits, nil), newReceiver(t)
			h.stop()
			db := &killing{DB: h.db.DB}
			h.db.DB = db
			h.start()
			for n := 1; n <= 5; n++ {
				h.record(n)
			}
			r.answers(func(n int, _ []byte) int {
				if n == 2 {
					db.kill(true)
				}
				return map[bool]int{true: 500, false: 200}[n == 0]
			})
			made := h.hook(r.URL, `"after":"0-0-0"`, batch)
			eventually(t, "the kill", func() bool { return len(r.got()) >= 3 && h.hookNow(made.ID).Status.Failures > 0 })
			h.stop()
			db.kill(false)
			killed := len(r.got())
			r.answers(func(int, []byte) int { return 200 })
			h.start()
			h.record(6)
			eventually(t, "all", func() bool { return slices.Contains(r.told(t), streamID(6)) })
			got := r.got()
			ids := idsOf(got)
			if ids[0] != ids[1] || ids[2] != ids[killed] || ids[1] == ids[2] || string(got[0].body) != string(got[1].body) || string(got[2].body) != string(got[killed].body) {
				t.Errorf("sent again as another message: %v", ids)
			}
			var first []string
			for _, id := range r.told(t) {
				if !slices.Contains(first, id) {
					first = append(first, id)
				}
			}
			for n := range 6 {
				if first[n] != streamID(n+1) {
					t.Fatalf("told %v", first)
				}
			}
			sent := len(got)
			eventually(t, "the last is noted", func() bool { return h.hookNow(made.ID).Status.State == "current" })
			replay := webhooksPath + "/" + made.ID + "/replay"
			dry := into[api.Webhook](t, h.do("POST", replay+"?dryRun=true", `{"height":1}`).want(t, 200))
			h.do("POST", replay, `{"height":1}`, "Idempotency-Key", "once").want(t, 200)
			eventually(t, "the replay", func() bool { all := r.told(t); return len(r.got()) > sent && all[len(all)-1] == streamID(6) })
			again := r.got()[sent:]
			if dry.Cursor != "0-4294967295-4294967295" || again[0].header.Get("webhook-id") != ids[0] || string(again[0].body) != string(got[0].body) {
				t.Errorf("replayed from %s, as %v", dry.Cursor, idsOf(again))
			}
			eventually(t, "the last is noted", func() bool { return h.hookNow(made.ID).Status.State == "current" })
			sent = len(r.got())
			if h.do("POST", replay, `{"height":1}`, "Idempotency-Key", "once").want(t, 200).header.Get("Idempotency-Replayed") != "true" || len(r.got()) != sent {
				t.Error("replayed twice under one Idempotency-Key")
			}
			cursor := recordsOf(t, got[len(got)-1])[0].Cursor // of record 6, or of the batch 5 and 6
			h.do("POST", replay, fmt.Sprintf(`{"after":%q}`, cursor)).want(t, 200)
			h.record(7)
			eventually(t, "what is behind a cursor", func() bool { all := r.told(t); return all[len(all)-1] == streamID(7) })
			if behind := r.told(t)[len(r.told(t))-1:]; batch == `"batch":0` && len(r.got()) != sent+1 {
				t.Errorf("behind %s: %v", cursor, behind)
			}
		})
	}
}

// A receiver that says that it is gone is called no more until its owner says so, also
// after a restart; and so it is where the owner says so in the first place.
func TestWebhookPauses(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	r.answers(func(int, []byte) int { return http.StatusGone })
	made := h.hook(r.URL)
	h.record(1)
	eventually(t, "it is paused", func() bool { return h.hookNow(made.ID).Status.State == "paused" })
	h.stop()
	r.answers(func(int, []byte) int { return 200 })
	h.start()
	h.record(2)
	if s := h.hookNow(made.ID).Status; s.State != "paused" || !strings.Contains(s.Failure, "410") || s.Lag == 0 || len(r.got()) != 1 {
		t.Fatalf("after a restart: %+v, %d messages", s, len(r.got()))
	}
	path := webhooksPath + "/" + made.ID
	h.do("POST", path+"/resume?dryRun=true", "").want(t, 200)
	if s := into[api.Webhook](t, h.do("POST", path+"/resume", "").want(t, 200)).Status; s.State != "behind" || s.Failure != "" {
		t.Errorf("resumed: %+v", s)
	}
	r.awaitTold(t, 1, 1, 2)
	if ids := idsOf(r.got()); ids[0] != ids[1] {
		t.Errorf("ids: %v", ids)
	}
	eventually(t, "delivered", func() bool { return h.hookNow(made.ID).Status.State == "current" })
	if s := into[api.Webhook](t, h.do("POST", path+"/pause", "{}").want(t, 200)).Status; s.State != "paused" {
		t.Errorf("paused: %+v", s)
	}
	h.record(3)
	h.do("POST", path+"/replay", fmt.Sprintf(`{"after":%q}`, recordsOf(t, r.got()[2])[0].Cursor)).want(t, 200)
	if s := h.hookNow(made.ID).Status; s.State != "paused" || len(r.got()) != 3 {
		t.Errorf("set back while it is paused: %+v", s)
	}
	h.do("POST", path+"/resume", "").want(t, 200)
	r.awaitTold(t, 1, 1, 2, 3)
}

// A message that is paused while its receiver has it counts when it is taken.
func TestWebhookPausedWhileItTells(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	asked, goOn := make(chan bool, 1), make(chan bool)
	r.answers(func(int, []byte) int {
		asked <- true
		<-goOn
		return 200
	})
	made := h.hook(r.URL)
	h.record(1)
	<-asked
	h.do("POST", webhooksPath+"/"+made.ID+"/pause", "").want(t, 200)
	close(goOn)
	eventually(t, "it is noted", func() bool { return h.hookNow(made.ID).Status.Lag == 0 })
	if s := h.hookNow(made.ID).Status; s.State != "paused" {
		t.Errorf("%+v", s)
	}
	h.record(2)
	h.do("POST", webhooksPath+"/"+made.ID+"/resume", "").want(t, 200)
	r.awaitTold(t, 1, 2)
}

// A batch that is too large for its receiver comes in parts.
func TestWebhookBatchTooLarge(t *testing.T) {
	limits := defaults()
	limits.Backoff, limits.MaxBackoff = 1e6, 2e6
	h, r := newSubscribed(t, limits, nil), newReceiver(t)
	for n := 1; n <= 8; n++ {
		h.record(n)
	}
	var taken [][]api.Streamed
	r.answers(func(_ int, body []byte) int {
		records := recordsOf(t, received{body: body})
		if len(records) > 3 {
			return 413
		}
		taken = append(taken, records) // one message at a time
		return 200
	})
	made := h.hook(r.URL, `"after":"0-0-0"`, `"batch":8`)
	eventually(t, "delivered", func() bool { return h.hookNow(made.ID).Status.State == "current" })
	next := 1
	for _, records := range taken {
		for _, one := range records {
			if one.EventID != streamID(next) {
				t.Fatalf("%s, want %s", one.EventID, streamID(next))
			}
			next++
		}
	}
	if next != 9 {
		t.Errorf("%d records", next-1)
	}
}

// A receiver that does not answer holds up none but itself, and no request.
func TestWebhookSlowReceiver(t *testing.T) {
	limits := defaults()
	limits.Deliveries = 2
	h, r, slow := newSubscribed(t, limits, nil), newReceiver(t), newReceiver(t)
	held := make(chan bool)
	t.Cleanup(func() { close(held) })
	slow.answers(func(int, []byte) int { <-held; return 200 })
	stuck := h.hook(slow.URL)
	h.hook(r.URL)
	var want []int
	for n := range 20 {
		h.record(n)
		want = append(want, n)
	}
	r.awaitTold(t, want...)
	if s := h.hookNow(stuck.ID).Status; s.State == "current" || len(slow.got()) != 1 {
		t.Errorf("the slow one: %+v, %d messages", s, len(slow.got()))
	}
	h.do("DELETE", webhooksPath+"/"+stuck.ID, "").want(t, 204)
}

// However many receivers of one key do not answer, those of another are told at once.
func TestWebhookSlowReceiversOfAnotherKey(t *testing.T) {
	limits := defaults()
	limits.Deliveries, limits.Receiver = 4, time.Minute
	h, r, slow := newSubscribed(t, limits, nil), newReceiver(t), newReceiver(t)
	held := make(chan bool)
	t.Cleanup(func() { close(held) })
	slow.answers(func(int, []byte) int { <-held; return 200 })
	for range 12 {
		h.hook(slow.URL)
	}
	h.record(1)
	eventually(t, "they hang", func() bool { return len(slow.got()) >= 3 })
	h.do("POST", webhooksPath, fmt.Sprintf(`{"url":%q,"after":"0-0-0"}`, r.URL), "Authorization", another(h)).want(t, 201)
	r.awaitTold(t, 1)
}

func TestWebhookMisuse(t *testing.T) {
	limits := defaults()
	limits.Subscriptions = 2
	h := newSubscribed(t, limits, nil)
	h.record(1)
	const url = `"url":"https://example.com/hook"`
	for body, pointer := range map[string]string{
		``: "/url", `{}`: "/url", `[]`: "", `{"url":1}`: "/url", `{"url":"ftp://example.com/"}`: "/url", `{"url":"http://10.0.0.1/"}`: "/url", `{"url":"https://u:p@example.com/"}`: "/url",
		`{` + url + `,"dest":"x"}`: "", `{` + url + `,"types":["shipment"]}`: "/types", `{` + url + `,"types":"shipment.*"}`: "/types", `{` + url + `,"types":[` + strings.Repeat(`"event.*",`, 64) + `"event.*"]}`: "/types",
		`{` + url + `,"partner":"No Name"}`: "/partner", `{` + url + `,"after":"1-2"}`: "/after", `{` + url + `,"after":"99-0-0"}`: "/after", `{` + url + `,"batch":101}`: "/batch", `{` + url + `,"batch":-1}`: "/batch", `{` + url + `,"batch":1.5}`: "/batch",
		`{` + url + `,"secret":"short"}`: "/secret", `{` + url + `,"secret":"whsec_c2hvcnQ="}`: "/secret", `{` + url + `,"secret":"whsec_not base64"}`: "/secret",
	} {
		p := h.do("POST", webhooksPath, body).problem(t, 400, "bad_webhook")
		if got, _ := p["pointer"].(string); got != pointer {
			t.Errorf("%s: %v", body, p)
		}
	}
	h.do("POST", webhooksPath, `{`+url+`,`+url+`}`).problem(t, 400, "duplicate_key")
	h.do("POST", webhooksPath, `{"url":"https://example.com/`+strings.Repeat("x", 20<<10)+`"}`).problem(t, 413, "too_large")
	secret := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24))
	if dry := h.do("POST", webhooksPath+"?dryRun=true", `{`+url+`}`).want(t, 200); strings.Contains(string(dry.body), "whsec_") {
		t.Errorf("a dry run tells a secret: %s", dry.body)
	}
	first := h.do("POST", webhooksPath, `{`+url+`,"secret":"`+secret+`"}`, "Idempotency-Key", "k").want(t, 201)
	if again := h.do("POST", webhooksPath, `{`+url+`,"secret":"`+secret+`"}`, "Idempotency-Key", "k").want(t, 201); again.header.Get("Location") != first.header.Get("Location") || string(again.body) != string(first.body) {
		t.Errorf("made twice: %s", again.body)
	}
	path := first.header.Get("Location")
	for _, body := range []string{``, `{"after":"0-0-0","height":1}`, `{"height":-1}`, `{"height":9}`, `{"after":"9-0-0"}`, `{"after":"x"}`, `{"recordTime":"2026-05-01T00:00:00Z"}`} {
		h.do("POST", path+"/replay", body).problem(t, 400, "bad_webhook")
	}
	if p := h.do("POST", path+"/replay", `{"height":9}`).problem(t, 400, "bad_webhook"); p["pointer"] != "/height" {
		t.Errorf("a height that is to come: %v", p)
	}
	h.do("POST", path+"/replay", `{"height":2}`).want(t, 200) // what comes next
	h.do("POST", path+"/pause", `{"x":1}`).problem(t, 400, "bad_webhook")
	h.do("POST", webhooksPath, `{`+url+`}`).want(t, 201)
	h.do("POST", webhooksPath, `{`+url+`}`).problem(t, 413, "too_large")
	page := h.do("GET", webhooksPath+"?perPage=1", "").want(t, 200)
	if rest := into[api.Webhooks](t, h.do("GET", next(page), "").want(t, 200)); len(rest.Webhooks) != 1 || rest.NextPageToken != "" || rest.Webhooks[0].ID == into[api.Webhooks](t, page).Webhooks[0].ID {
		t.Errorf("second page: %+v", rest)
	}
}

// A webhook is its API key's alone, ends with it, and is no subscription of a query.
func TestWebhooksEnd(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	key, kept, err := h.store.CreateKey("other", local.Query)
	if err != nil {
		t.Fatal(err)
	}
	path := h.do("POST", webhooksPath, fmt.Sprintf(`{"url":%q}`, r.URL), "Authorization", "Bearer "+key).want(t, 201).header.Get("Location")
	id := path[strings.LastIndex(path, "/")+1:]
	h.record(1)
	r.awaitTold(t, 1)
	for _, ask := range [][2]string{{"GET", path}, {"DELETE", path}, {"POST", path + "/pause"}, {"POST", path + "/resume"}} {
		h.do(ask[0], ask[1], "").problem(t, 404, "not_found")
	}
	subscription := h.subscribe("https://example.invalid/", `"stream":true`)
	h.do("GET", webhooksPath+"/"+subscription[strings.LastIndex(subscription, "/")+1:], "").problem(t, 404, "not_found")
	own := h.hook("https://example.invalid/")
	h.do("POST", "/api/v1/subscriptions/"+own.ID+"/replay", `{"recordTime":"2026-05-01T12:00:02Z"}`).problem(t, 404, "not_found")
	h.do("DELETE", "/epcis/v2/queries/all/subscriptions/"+own.ID, "").problem(t, 404, "not_found")
	h.do("POST", path+"/pause", "", "Authorization", "Bearer "+key).want(t, 200)
	if _, err := h.store.RevokeKey(kept.ID); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.start()
	eventually(t, "it ends, though it was paused", func() bool {
		all, err := h.store.Subscriptions()
		return err == nil && !slices.ContainsFunc(all, func(s *local.Subscription) bool { return s.ID == id })
	})
}

// A node that lacks old records skips none of them.
func TestWebhookWaitsForHistory(t *testing.T) {
	limits := defaults()
	limits.Backoff, limits.MaxBackoff = 1e6, 2e6
	h, r := newSubscribed(t, limits, nil), newReceiver(t)
	h.record(1)
	h.ledger.set(func() { h.ledger.missing = [2]int64{1, 1} })
	made := h.hook(r.URL, `"after":"0-0-0"`)
	eventually(t, "it waits", func() bool {
		return strings.Contains(h.hookNow(made.ID).Status.Failure, schemas.HistoryMissing.String())
	})
	h.ledger.set(func() { h.ledger.missing = [2]int64{} })
	r.awaitTold(t, 1)
}
