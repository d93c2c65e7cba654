package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"

	"github.com/waybill-ledger/waybill/api"
)

// clock is a time that a test sets. It runs only when it is told to.
type clock struct {
	mu     sync.Mutex // guards what follows
	at     time.Time
	timers map[chan time.Time]time.Time
}

func newClock() *clock {
	return &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), timers: map[chan time.Time]time.Time{}}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) after(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	fires := make(chan time.Time, 1)
	if d <= 0 {
		fires <- c.at
	} else {
		c.timers[fires] = c.at.Add(d)
	}
	return fires
}

// pass lets time pass.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	for fires, at := range c.timers {
		if !at.After(c.at) {
			delete(c.timers, fires)
			fires <- c.at
		}
	}
}

// waiting tells how many timers run.
func (c *clock) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// received is a message that a receiver got.
type received struct {
	header http.Header
	body   []byte
}

// receiver is a subscriber's endpoint.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows
	messages []received
	answer   func(n int, body []byte) int // status of the n-th, from 0
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: func(int, []byte) int { return 204 }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		n, answer := len(r.messages), r.answer
		r.messages = append(r.messages, received{q.Header, body})
		r.mu.Unlock()
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answer(n, body))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *receiver) answers(f func(n int, body []byte) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// serialsOf are the serial numbers in a message, in its order.
func serialsOf(t *testing.T, body []byte) []string {
	t.Helper()
	if text := serials(eventList(t, reply{body: body})); text != "" {
		return strings.Split(text, " ")
	}
	return nil
}

// serials are those of all messages, one after the other.
func (r *receiver) serials(t *testing.T) (out []string) {
	t.Helper()
	for _, m := range r.got() {
		out = append(out, serialsOf(t, m.body)...)
	}
	return out
}

func (r *receiver) await(t *testing.T, want string) {
	t.Helper()
	eventually(t, "messages of "+want, func() bool { return strings.Join(r.serials(t), " ") == want })
}

const subscriptionsPath = "/epcis/v2/queries/all/subscriptions"

// newSubscribed is a gateway with a stored query of all events, whose subscribers may be
// on this machine.
func newSubscribed(t *testing.T, limits api.Limits, c *clock) *harness {
	h := &harness{t: t, ledger: newLedger(t), db: &outliving{dbm.NewMemDB()}, limits: limits}
	h.configure = func(cfg *api.Config) { cfg.Destinations = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	if c != nil {
		h.prepare = func(g *api.Gateway) { g.TestingOnlyClock(c.now, c.after) }
	}
	h.start()
	t.Cleanup(h.stop)
	h.do("POST", "/epcis/v2/queries", `{"name":"all","query":{}}`).want(t, 201)
	return h
}

// subscribe makes a subscription, and returns its path.
func (h *harness) subscribe(dest, controls string) string {
	h.t.Helper()
	r := h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,"signatureToken":"secret-token",%s}`, dest, controls)).want(h.t, 201)
	if strings.Contains(string(r.body), "secret-token") {
		h.t.Fatalf("the token is told: %s", r.body)
	}
	return r.header.Get("Location")
}

func (h *harness) capture(serials ...int) {
	h.t.Helper()
	for _, n := range serials {
		h.do("POST", "/epcis/v2/events", event(n)).want(h.t, 201)
	}
}

func (h *harness) status(path string) api.Subscription {
	h.t.Helper()
	return into[api.Subscription](h.t, h.do("GET", path, "").want(h.t, 200))
}

func TestStreamedSubscription(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	h.capture(1)
	path := h.subscribe(r.URL, `"stream":true`)
	h.capture(2, 3)
	r.await(t, "2 3") // what was recorded before is not told
	eventually(t, "delivered", func() bool { s := h.status(path).Status; return s.State == "current" && s.Lag == 0 })
	m := r.got()[0]
	document := into[map[string]any](t, reply{body: m.body})
	results := document["epcisBody"].(map[string]any)["queryResults"].(map[string]any)
	if results["queryName"] != "all" || !strings.HasSuffix(path, "/"+results["subscriptionID"].(string)) || document["type"] != "EPCISQueryDocument" {
		t.Errorf("message: %s", m.body)
	}
	again := http.Header{}
	at, err := time.ParseDuration(m.header.Get("webhook-timestamp") + "s")
	if err != nil {
		t.Fatal(err)
	}
	api.TestingOnlySign(again, "secret-token", m.header.Get("webhook-id"), time.Unix(int64(at/time.Second), 0), m.body)
	for name := range again {
		if m.header.Get(name) != again.Get(name) || m.header.Get(name) == "" {
			t.Errorf("%s: %q, want %q", name, m.header.Get(name), again.Get(name))
		}
	}
	told := h.do("OPTIONS", path, "").want(t, 204).header.Get("GS1-Query-Min-Record-Time")
	if at, err := time.Parse(time.RFC3339, told); err != nil || !at.Equal(h.status(path).Least.Truncate(time.Millisecond)) {
		t.Errorf("least record time %q, want %v", told, h.status(path).Least)
	}
	if other := h.do("OPTIONS", path, "", "Authorization", "").want(t, 204).header.Get("GS1-Query-Min-Record-Time"); other != "" {
		t.Errorf("a stranger is told %q", other)
	}
	if m.header.Get("Content-Type") != "application/json" || m.header.Get("GS1-EPCIS-Version") != "2.0.0" {
		t.Errorf("headers: %v", m.header)
	}
	s := h.status(path)
	if s.Notified == nil || !s.Stream || s.Dest != r.URL || s.Query != "all" {
		t.Errorf("told: %+v", s)
	}
	if list := into[[]api.Subscription](t, h.do("GET", subscriptionsPath, "").want(t, 200)); len(list) != 1 || list[0].ID != s.ID {
		t.Errorf("listed: %+v", list)
	}
	h.do("DELETE", path+"?dryRun=true", "").want(t, 204)
	h.do("GET", path, "").want(t, 200)
	h.do("DELETE", path, "").want(t, 204)
	h.do("GET", path, "").problem(t, 404, "not_found")
	h.do("DELETE", path, "").problem(t, 404, "not_found")
	h.stop()
	h.start()
	h.capture(4)
	h.do("GET", path, "").problem(t, 404, "not_found")
	if got := r.serials(t); len(got) != 2 {
		t.Errorf("after its end: %v", got)
	}
}

// A receiver that is down for an hour loses nothing, is tried at growing intervals,
// and gets the message that failed under the same id.
func TestReceiverIsDown(t *testing.T) {
	limits, c := defaults(), newClock()
	limits.MessageEvents = 2
	h, r := newSubscribed(t, limits, c), newReceiver(t)
	r.answers(func(int, []byte) int { return 503 })
	path := h.subscribe(r.URL, `"stream":true`)
	h.capture(1)
	tries := 0
	for began := c.now(); c.now().Sub(began) < time.Hour; tries++ {
		eventually(t, "a try that fails", func() bool { return len(r.got()) == tries+1 && c.waiting() == 1 })
		s := h.status(path).Status
		if s.State != "retrying" || s.Failures != tries+1 || s.Next == nil || !strings.Contains(s.Failure, "503") {
			t.Fatalf("status: %+v", s)
		}
		wait := s.Next.Sub(c.now())
		if most := min(5*time.Minute, time.Second<<tries); wait > most || wait < most/2 {
			t.Fatalf("try %d waits %s", tries, wait)
		}
		if tries == 2 {
			h.capture(2, 3, 4, 5)
		}
		c.pass(wait)
	}
	failed := r.got()
	for _, m := range failed {
		if m.header.Get("webhook-id") != failed[0].header.Get("webhook-id") || string(m.body) != string(failed[0].body) {
			t.Fatalf("a repeat differs: %v %s", m.header, m.body)
		}
	}
	r.answers(func(int, []byte) int { return 200 })
	h.stop()
	r.mu.Lock()
	r.messages = nil
	r.mu.Unlock()
	h.start() // and tries at once
	r.await(t, "1 2 3 4 5")
	if first := r.got()[0]; first.header.Get("webhook-id") != failed[0].header.Get("webhook-id") {
		t.Errorf("the id changed to %v", first.header)
	}
}

// killing is a database that refuses to write from a moment on, as a node does that
// is killed.
type killing struct {
	dbm.DB
	mu   sync.Mutex // guards dead
	dead bool
}

func (k *killing) Close() error { return nil }

func (k *killing) kill(dead bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = dead
}

type killedBatch struct {
	dbm.Batch
	of *killing
}

func (k *killing) NewBatch() dbm.Batch { return killedBatch{k.DB.NewBatch(), k} }

func (b killedBatch) killed() error {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.dead {
		return fmt.Errorf("killed")
	}
	return nil
}

func (b killedBatch) Write() error {
	if err := b.killed(); err != nil {
		return err
	}
	return b.Batch.Write()
}

func (b killedBatch) WriteSync() error {
	if err := b.killed(); err != nil {
		return err
	}
	return b.Batch.WriteSync()
}

// A node that is killed when a receiver has a message, and before it noted that,
// sends the same message again and skips none.
func TestKilledBeforeTheCursorIsSynced(t *testing.T) {
	limits := defaults()
	limits.MessageEvents = 2
	h, r := newSubscribed(t, limits, nil), newReceiver(t)
	h.stop()
	db := &killing{DB: h.db.DB}
	h.db.DB = db
	h.start()
	r.answers(func(n int, _ []byte) int {
		if n == 1 {
			db.kill(true)
		}
		return 200
	})
	h.capture(1, 2, 3, 4, 5)
	path := h.subscribe(r.URL, `"stream":true,"initialRecordTime":"2026-05-01T00:00:00Z"`)
	eventually(t, "the kill", func() bool { return len(r.got()) >= 2 && h.status(path).Status.Failures > 0 })
	h.stop()
	db.kill(false)
	seen := len(r.got())
	r.answers(func(int, []byte) int { return 200 })
	h.start()
	h.capture(6)
	eventually(t, "all", func() bool { all := r.serials(t); return len(all) > 0 && all[len(all)-1] == "6" })
	got := r.got()
	if got[1].header.Get("webhook-id") != got[seen].header.Get("webhook-id") || string(got[1].body) != string(got[seen].body) {
		t.Errorf("sent again: %s, not %s", got[seen].body, got[1].body)
	}
	inOrder(t, r, 6)
}

// inOrder checks that all serials up to the last came, and each for the first time
// in order.
func inOrder(t *testing.T, r *receiver, last int) {
	t.Helper()
	var first []string
	for _, s := range r.serials(t) {
		if !slices.Contains(first, s) {
			first = append(first, s)
		}
	}
	var want []string
	for n := range last {
		want = append(want, fmt.Sprint(n+1))
	}
	if !slices.Equal(first, want) {
		t.Errorf("delivered %v", first)
	}
}

// Events that come while a message is delivered are in the next, and a query that
// matches few of them skips none; views that expire and short pages change nothing.
func TestEventsWhileDelivering(t *testing.T) {
	limits := defaults()
	limits.MessageEvents = 3
	h, r := newSubscribed(t, limits, nil), newReceiver(t)
	h.do("POST", "/epcis/v2/queries", `{"name":"odd","query":{"EQ_bizStep":["packing"]}}`).want(t, 201)
	odd := newReceiver(t)
	h.do("POST", "/epcis/v2/queries/odd/subscriptions", fmt.Sprintf(`{"dest":%q,"stream":true}`, odd.URL)).want(t, 201)
	h.subscribe(r.URL, `"stream":true`)
	r.answers(func(n int, _ []byte) int {
		switch {
		case n == 0:
			h.ledger.set(func() { h.ledger.short = true })
		case n == 1:
			return 500
		case n == 2:
			return 413 // fewer at a time
		case n == 5:
			h.ledger.set(func() { h.ledger.short, h.ledger.viewFaults = false, 2 })
		}
		return 200
	})
	h.limits.Backoff = time.Millisecond
	var want []string
	for n := 1; n <= 40; n++ {
		e := event(n)
		if n%7 == 0 {
			e = strings.Replace(e, "shipping", "packing", 1)
			want = append(want, fmt.Sprint(n))
		}
		h.do("POST", "/epcis/v2/events", e).want(t, 201)
	}
	eventually(t, "all events", func() bool { all := r.serials(t); return len(all) > 0 && all[len(all)-1] == "40" })
	inOrder(t, r, 40)
	odd.await(t, strings.Join(want, " "))
	for _, m := range odd.got() {
		if m.header.Get("GS1-Signature") != "" || m.header.Get("webhook-id") == "" {
			t.Errorf("without a token: %v", m.header)
		}
	}
}

func TestScheduledSubscription(t *testing.T) {
	c := newClock()
	h, r := newSubscribed(t, defaults(), c), newReceiver(t)
	empty := newReceiver(t)
	path := h.subscribe(r.URL, `"schedule":{"minute":"[10-11],30"}`)
	h.subscribe(empty.URL, `"schedule":{"minute":"10"},"reportIfEmpty":true`)
	h.capture(1, 2)
	eventually(t, "both wait", func() bool { return c.waiting() == 2 })
	if len(r.got()) != 0 {
		t.Fatalf("told before it is due: %s", r.got()[0].body)
	}
	c.pass(10 * time.Minute)
	r.await(t, "1 2")
	empty.await(t, "1 2")
	eventually(t, "both wait", func() bool { return c.waiting() == 2 })
	h.capture(3)
	c.pass(time.Minute) // 12:11
	r.await(t, "1 2 3")
	eventually(t, "both wait", func() bool { return c.waiting() == 2 })
	c.pass(19 * time.Minute) // 12:30: nothing new, and nothing is told
	eventually(t, "the run", func() bool { return c.waiting() == 2 })
	if n := len(r.got()); n != 2 {
		t.Errorf("%d messages", n)
	}
	// A run that was missed is made up for, once.
	h.stop()
	c.pass(3 * time.Hour)
	h.start()
	empty.await(t, "1 2 3")
	eventually(t, "both wait", func() bool { return c.waiting() >= 2 })
	c.pass(time.Hour)
	eventually(t, "an empty report", func() bool { return len(empty.got()) == 3 })
	report := empty.got()[2]
	if ids := serialsOf(t, report.body); ids != nil || report.header.Get("GS1-Signature") == "" {
		t.Errorf("empty report: %s", report.body)
	}
	if s := h.status(path); s.Schedule["minute"] != "[10-11],30" || s.Stream {
		t.Errorf("told: %+v", s)
	}
}

func TestInitialRecordTimeAndReplay(t *testing.T) {
	h, r := newSubscribed(t, defaults(), nil), newReceiver(t)
	h.capture(1, 2, 3, 4) // recorded a second apart, from 12:00:01
	path := h.subscribe(r.URL, `"stream":true,"initialRecordTime":"2026-05-01T14:00:03+02:00"`)
	r.await(t, "3 4")
	if s := h.status(path); s.Initial == nil || !s.Initial.Equal(time.Date(2026, 5, 1, 12, 0, 3, 0, time.UTC)) {
		t.Errorf("told: %+v", s)
	}
	id := path[strings.LastIndex(path, "/")+1:]
	replay := "/api/v1/subscriptions/" + id + "/replay"
	h.do("POST", replay+"?dryRun=true", `{"recordTime":"2026-05-01T12:00:02Z"}`).want(t, 200)
	h.do("POST", replay, `{"recordTime":"2026-05-01T12:00:02Z"}`).want(t, 200)
	r.await(t, "3 4 2 3 4")
	got := r.got()
	ids := map[string]bool{}
	for _, m := range got {
		ids[m.header.Get("webhook-id")] = true
	}
	if len(ids) != len(got) {
		t.Errorf("what is delivered anew has an id of before")
	}
	h.do("POST", replay, `{"recordTime":"yesterday"}`).problem(t, 400, "bad_subscription")
	h.do("POST", replay, `{}`).problem(t, 400, "bad_subscription")
	h.do("POST", "/api/v1/subscriptions/none/replay", `{"recordTime":"2026-05-01T12:00:02Z"}`).problem(t, 404, "not_found")
	eventually(t, "the cursor is written", func() bool { return h.status(path).Status.State == "current" })
	h.stop()
	h.start()
	h.capture(5)
	r.await(t, "3 4 2 3 4 5")
}
