package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
)

// harness is a gateway over a fake ledger. Its store's database outlives it, so
// that a test can kill the gateway and start another.
type harness struct {
	t      *testing.T
	ledger *fakeLedger
	db     *outliving
	store  *local.Store
	g      *api.Gateway
	server *httptest.Server
	key    string
	limits api.Limits
	logs   *logs
	// configure and prepare change a gateway before it is made, and before it starts.
	configure func(*api.Config)
	prepare   func(*api.Gateway)
}

// logs is what a gateway logs.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// outliving is a database that Close leaves open.
type outliving struct{ dbm.DB }

func (outliving) Close() error { return nil }

func defaults() api.Limits {
	return api.Limits{Acknowledge: 5 * time.Second, GatherTime: time.Millisecond, Retry: time.Millisecond, MaxRetry: 5 * time.Millisecond}
}

func newHarness(t *testing.T, limits api.Limits) *harness {
	h := &harness{t: t, ledger: newLedger(t), db: &outliving{dbm.NewMemDB()}, limits: limits}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// start runs a gateway over what the store has.
func (h *harness) start() {
	h.t.Helper()
	var err error
	if h.store, err = local.New(h.db); err != nil {
		h.t.Fatal(err)
	}
	if h.key == "" {
		if h.key, _, err = h.store.CreateKey("all", local.Scopes()...); err != nil {
			h.t.Fatal(err)
		}
	}
	h.logs = &logs{}
	cfg := api.Config{Ledger: h.ledger, Local: h.store, Partner: "acme-farms", Version: "test", Limits: h.limits,
		Logger: slog.New(slog.NewTextHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if h.configure != nil {
		h.configure(&cfg)
	}
	if h.g, err = api.New(cfg); err != nil {
		h.t.Fatal(err)
	}
	if h.prepare != nil {
		h.prepare(h.g)
	}
	if err := h.g.Start(); err != nil {
		h.t.Fatal(err)
	}
	serve(h, h.g)
}

// serve makes requests of the harness go to a handler.
func serve(h *harness, handler http.Handler) { h.server = httptest.NewServer(handler) }

// stop ends the gateway as a kill does to what it keeps: nothing else is written.
func (h *harness) stop() {
	if h.server == nil {
		return
	}
	if err := h.g.Close(); err != nil {
		h.t.Error(err)
	}
	h.server.CloseClientConnections()
	h.server.Close()
	if err := h.store.Close(); err != nil {
		h.t.Error(err)
	}
	h.server = nil
}

// reply is what a request was answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do makes a request; headers come as name, value, name, value.
func (h *harness) do(method, path, body string, headers ...string) reply {
	h.t.Helper()
	r, err := h.try(method, path, body, headers...)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *harness) try(method, path, body string, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, h.server.URL+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	if method == http.MethodPost || method == http.MethodPut {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, b}, err
}

// want fails the test unless the status is this, and returns the reply.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// into decodes the body.
func into[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("reading %s: %v", r.body, err)
	}
	return v
}

// problem checks that a reply is a problem document with this status and code.
func (r reply) problem(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	r.want(t, status)
	if ct := r.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("content type %q of a problem", ct)
	}
	p := into[map[string]any](t, r)
	if p["code"] != code || p["status"] != float64(status) || p["title"] == "" || p["type"] == nil {
		t.Fatalf("want code %s: %s", code, r.body)
	}
	return p
}

// event is an ObjectEvent of one serial number; more is further members.
func event(serial int, more ...string) string {
	return fmt.Sprintf(`{"type":"ObjectEvent","action":"OBSERVE","bizStep":"shipping","eventTime":"2026-05-01T10:%02d:00.000Z","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:9521234.054321.%d"]%s}`,
		serial%60, serial, strings.Join(append([]string{""}, more...), ","))
}

func document(events ...string) string {
	return `{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",{"ex":"https://example.com/"}],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-05-01T11:00:00Z","epcisBody":{"eventList":[` +
		strings.Join(events, ",") + `]}}`
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// job waits until a capture job has ended.
func (h *harness) job(location string) api.Job {
	h.t.Helper()
	var j api.Job
	eventually(h.t, "job "+location, func() bool {
		j = into[api.Job](h.t, h.do("GET", location, "").want(h.t, 200))
		return !j.Running
	})
	return j
}

func TestEventIsAcknowledged(t *testing.T) {
	h := newHarness(t, defaults())
	r := h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	receipt := into[map[string]any](t, r)
	events := receipt["events"].([]any)
	first := events[0].(map[string]any)
	if len(events) != 1 || first["effect"] != "observation" || first["eventID"] == "" || receipt["height"] != float64(2) {
		t.Fatalf("receipt: %s", r.body)
	}
	got := h.do("GET", r.header.Get("Location"), "").want(t, 200)
	if !bytes.Contains(got.body, []byte("9521234.054321.1")) {
		t.Fatalf("the event: %s", got.body)
	}
	again := into[map[string]any](t, h.do("POST", "/epcis/v2/events", event(1)).want(t, 200))
	if e := again["events"].([]any)[0].(map[string]any); e["effect"] != "duplicate" || e["first"] == nil {
		t.Fatalf("a known event: %v", again)
	}
	if h.ledger.count() != 1 {
		t.Fatalf("%d events recorded", h.ledger.count())
	}
}
