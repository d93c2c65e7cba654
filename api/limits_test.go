package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
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

// TestSlowBodies: clients that announce much and send nothing keep nobody out.
func TestSlowBodies(t *testing.T) {
	limits := defaults()
	limits.InFlight = 2
	h := newHarness(t, limits)
	for range 50 {
		h.send(t, "Content-Length: 8388608", "{")
		h.send(t, "Transfer-Encoding: chunked", "1\r\n{\r\n")
	}
	h.do("POST", "/epcis/v2/capture", document(event(1), event(2))).want(t, 202)
	h.do("POST", "/epcis/v2/events", event(3)).want(t, 201)
}

// TestBodiesTakeBoundedMemory: what has arrived takes room until it is worked on.
func TestBodiesTakeBoundedMemory(t *testing.T) {
	limits := defaults()
	limits.CaptureBytes, limits.InFlightBytes = 8<<20, 24<<20
	h := newHarness(t, limits)
	part := "{" + strings.Repeat(" ", 7<<20)
	var held []net.Conn
	for range 3 {
		held = append(held, h.send(t, "Content-Length: 8388608", part))
	}
	eventually(t, "what does not fit is refused", func() bool {
		return h.do("POST", "/epcis/v2/events", event(3)).status == 503
	})
	for _, conn := range held {
		conn.Close()
	}
	eventually(t, "the room is given back", func() bool {
		return h.do("POST", "/epcis/v2/events", event(3)).status < 300
	})
}

// send begins a capture with a header of its own and a part of its body.
func (h *harness) send(t *testing.T, header, part string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /epcis/v2/capture HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s\r\n\r\n%s", h.key, header, part)
	return conn
}

// TestTooLargeIsHeard: a client that sends all of a body before it reads hears why
// the body was refused, whether its length was announced or not.
func TestTooLargeIsHeard(t *testing.T) {
	h := newHarness(t, defaults())
	text := strings.Repeat(" ", 20<<20)
	for _, sent := range [][2]string{
		{fmt.Sprintf("Content-Length: %d", len(text)), text},
		{"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text)},
	} {
		conn := h.send(t, sent[0], sent[1])
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", sent[0], err)
		}
		answer.Body.Close()
		if answer.StatusCode != 413 {
			t.Errorf("%s: status %d", sent[0], answer.StatusCode)
		}
	}
}

// TestConnections: connections that do nothing give way to one that asks.
func TestConnections(t *testing.T) {
	h := newHarness(t, defaults())
	server := api.Server(h.g, nil, 3)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	var idle []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	eventually(t, "one that asks is answered", func() bool {
		res, err := http.Get("http://" + l.Addr().String() + "/livez")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	open := 0
	for _, conn := range idle {
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var late net.Error
		if _, err := conn.Read(make([]byte, 1)); errors.As(err, &late) && late.Timeout() {
			open++
		}
	}
	if open > 3 {
		t.Errorf("%d connections are open, 3 are allowed", open)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != http.ErrServerClosed {
		t.Fatal(err)
	}
}

// TestSlowHeaders: a client that sends its headers slowly is cut off.
func TestSlowHeaders(t *testing.T) {
	h := newHarness(t, defaults())
	server := api.Server(h.g, nil, 0)
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

// fromAfar is a listener whose first connections seem to be from one other address.
type fromAfar struct {
	net.Listener
	first *atomic.Int32
}

type afar struct{ net.Conn }

func (afar) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

func (l fromAfar) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.first.Add(-1) >= 0 {
		conn = afar{conn}
	}
	return conn, err
}

// TestConnectionsOfOneAddress: where all connections do something, one of the address that
// has the most gives way to another's, and none to its own.
func TestConnectionsOfOneAddress(t *testing.T) {
	h := newHarness(t, defaults())
	begun, end := make(chan bool, 10), make(chan bool)
	server := api.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			begun <- true
			<-end
			return
		}
		h.g.ServeHTTP(w, r)
	}), nil, 3)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended, first := make(chan error, 1), atomic.Int32{}
	first.Store(4)
	go func() { ended <- server.Serve(fromAfar{l, &first}) }()
	hang := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, "GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
		return conn
	}
	for range 3 {
		hang()
		<-begun
	}
	_, _ = io.ReadAll(hang()) // ends, by a reset or not: the fourth of its address is closed
	eventually(t, "another address is answered", func() bool {
		res, err := http.Get("http://" + l.Addr().String() + "/livez")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	close(end)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != http.ErrServerClosed {
		t.Fatal(err)
	}
}
