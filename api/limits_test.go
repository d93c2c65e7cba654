package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

func TestRate(t *testing.T) {
	limits := defaults()
	limits.Rate, limits.Burst = 0.001, 3
	h := newHarness(t, limits)
	for range 3 {
		h.do("GET", "/epcis/v2/events", "").want(t, 200)
	}
	r := h.do("GET", "/epcis/v2/events", "")
	r.problem(t, 429, "rate_limited")
	if r.header.Get("Retry-After") == "" || r.header.Get("Retry-After") == "0" {
		t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
	}
	other, _, err := h.store.CreateKey("other", local.Query)
	if err != nil {
		t.Fatal(err)
	}
	h.do("GET", "/epcis/v2/events", "", "Authorization", "Bearer "+other).want(t, 200)
	h.do("GET", "/livez", "").want(t, 200)
}

func TestInFlight(t *testing.T) {
	limits := defaults()
	limits.InFlight, limits.Acknowledge = 2, time.Minute
	h := newHarness(t, limits)
	h.ledger.set(func() { h.ledger.quorum = false })
	done := make(chan int, 2)
	for i := range 2 {
		go func() {
			r, _ := h.try("POST", "/epcis/v2/events", event(i))
			done <- r.status
		}()
	}
	eventually(t, "two are being worked on", func() bool {
		return strings.Contains(string(h.do("GET", "/metrics", "").body), "waybill_gateway_writes 2")
	})
	h.do("POST", "/epcis/v2/events", event(3)).problem(t, 503, "overloaded")
	h.ledger.restore()
	for range 2 {
		if status := <-done; status != 201 {
			t.Errorf("status %d", status)
		}
	}
	h.do("POST", "/epcis/v2/events", event(3)).want(t, 201)
}

func TestBodiesTakeBoundedMemory(t *testing.T) {
	limits := defaults()
	limits.InFlightBytes = 24 << 20
	h := newHarness(t, limits)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A client that announces much and sends nothing holds the room it announced.
	fmt.Fprintf(conn, "POST /epcis/v2/capture HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 8388200\r\n\r\n{", h.key)
	eventually(t, "it is being read", func() bool {
		return strings.Contains(string(h.do("GET", "/metrics", "").body), "waybill_gateway_writes 1")
	})
	h.do("POST", "/epcis/v2/capture", document(event(1), event(2), event(3), event(4))).problem(t, 503, "overloaded")
	conn.Close()
	eventually(t, "its room is given back", func() bool {
		return h.do("POST", "/epcis/v2/capture", document(event(1), event(2), event(3), event(4))).status == 202
	})
}

// TestSlowHeaders: a client that sends its headers slowly is cut off.
func TestSlowHeaders(t *testing.T) {
	h := newHarness(t, defaults())
	server := api.Server(h.g, nil)
	server.ReadHeaderTimeout = 20 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
		t.Error("something was answered to half a request")
	} else if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
		t.Error("the connection stayed open")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != http.ErrServerClosed {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	h := newHarness(t, defaults())
	for name, change := range map[string]func(*api.Config){
		"Ledger":          func(c *api.Config) { c.Ledger = nil },
		"Local":           func(c *api.Config) { c.Local = nil },
		"Partner":         func(c *api.Config) { c.Partner = "" },
		"CaptureEvents":   func(c *api.Config) { c.Limits.CaptureEvents = 5001 },
		"InFlightBytes":   func(c *api.Config) { c.Limits.InFlightBytes = 20 << 20 },
		"Rate":            func(c *api.Config) { c.Limits.Rate = -1 },
		"Retention":       func(c *api.Config) { c.Limits.Retention = time.Hour },
		"MaxRetry":        func(c *api.Config) { c.Limits.Retry, c.Limits.MaxRetry = time.Second, time.Millisecond },
		"IdempotencyKeys": func(c *api.Config) { c.Limits.IdempotencyKeys = -1 },
	} {
		cfg := api.Config{Ledger: h.ledger, Local: h.store, Partner: "acme-farms"}
		change(&cfg)
		if _, err := api.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnavailable: a node that cannot sign says so, and a gateway that was not
// started takes nothing.
func TestUnavailable(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.signErr = fmt.Errorf("no height yet") })
	r := h.do("POST", "/epcis/v2/events", event(1))
	r.problem(t, 503, "unavailable")
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "no height yet") {
		t.Errorf("%v %s", r.header, r.body)
	}
	h.do("POST", "/epcis/v2/capture", document(event(1))).problem(t, 503, "unavailable")
	h.ledger.set(func() { h.ledger.signErr = &schemas.Fault{Code: schemas.TransactionTooLarge} })
	h.do("POST", "/epcis/v2/events", event(1)).problem(t, 413, "transaction_too_large")
	h.ledger.set(func() { h.ledger.signErr = nil })

	g, err := api.New(api.Config{Ledger: h.ledger, Local: h.store, Partner: "acme-farms"})
	if err != nil {
		t.Fatal(err)
	}
	old := h.server
	serve(h, g)
	h.do("POST", "/epcis/v2/events", event(1)).problem(t, 503, "unavailable")
	h.do("GET", "/readyz", "").problem(t, 503, "unavailable")
	h.do("GET", "/epcis/v2/events", "").want(t, 200)
	h.server.Close()
	h.server = old
}

func TestManyIdempotencyKeys(t *testing.T) {
	limits := defaults()
	limits.IdempotencyKeys = 2
	h := newHarness(t, limits)
	for i, key := range []string{"a", "b"} {
		h.do("POST", "/epcis/v2/events", event(i), idempotent, key).want(t, 201)
	}
	h.do("POST", "/epcis/v2/events", event(3), idempotent, "c").problem(t, 503, "overloaded")
	h.do("POST", "/epcis/v2/events", event(0), idempotent, "a").want(t, 201)
	h.do("POST", "/epcis/v2/events", event(3)).want(t, 201)
}

// TestAccessLog: what is logged of a request tells neither keys nor payloads.
func TestAccessLog(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.viewFaults = 0 })
	h.do("POST", "/epcis/v2/events", event(1)).want(t, 201)
	h.do("GET", "/nothing", "")
	logs := h.logs.String()
	for _, secret := range []string{h.key, "9521234", "Bearer"} {
		if strings.Contains(logs, secret) {
			t.Errorf("the log tells %s: %s", secret, logs)
		}
	}
	if !strings.Contains(logs, "/epcis/v2/events") || !strings.Contains(logs, "status=201") {
		t.Errorf("the log lacks the request: %s", logs)
	}
}
