package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/waybill-ledger/waybill/api/local"
)

const socketPath = "/epcis/v2/queries/all/events?"

// dial opens a WebSocket.
func (h *harness) dial(query, key string) (*websocket.Conn, *http.Response, error) {
	return websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.server.URL, "http")+socketPath+query, http.Header{"Authorization": {"Bearer " + key}, "Origin": {"https://elsewhere.example.com"}})
}

func (h *harness) socket(query string) *websocket.Conn {
	h.t.Helper()
	conn, _, err := h.dial(query, h.key)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// heard reads messages until so many events came, and the last message's cursor.
func heard(t *testing.T, conn *websocket.Conn, events int) (serials []string, cursor string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for len(serials) < events {
		kind, body, err := conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			t.Fatalf("after %v: %d %v", serials, kind, err)
		}
		serials = append(serials, serialsOf(t, body)...)
		if c, ok := into[map[string]any](t, reply{body: body})["waybill:cursor"].(string); ok {
			cursor = c
		}
	}
	return serials, cursor
}

func TestWebSocket(t *testing.T) {
	limits := defaults()
	limits.MessageEvents, limits.Subscriptions = 2, 3
	h := newSubscribed(t, limits, nil)
	h.do("GET", socketPath+"stream=true", "", "Connection", "Upgrade", "Upgrade", "websocket").problem(t, 400, "bad_subscription") // no version, no key: no handshake
	h.capture(1, 2, 3)
	strict, conn := h.socket("stream=true"), h.socket("stream=true&cursors=true")
	h.capture(4, 5)
	if got, cursor := heard(t, strict, 2); strings.Join(got, " ") != "4 5" || cursor != "" {
		t.Errorf("told %v, cursor %q", got, cursor)
	}
	got, cursor := heard(t, conn, 2)
	if strings.Join(got, " ") != "4 5" || cursor == "" {
		t.Errorf("told %v, cursor %q", got, cursor)
	}
	conn.Close()
	h.capture(6, 7, 8)
	eventually(t, "its end is noticed", func() bool { return h.g.TestingOnlySockets() == 1 })
	if got, _ := heard(t, h.socket("stream=true&after="+cursor), 3); strings.Join(got, " ") != "6 7 8" {
		t.Errorf("resumed: %v", got)
	}
	since, res, err := h.dial("stream=true&initialRecordTime=2026-05-01T14:00:02%2B02:00", h.key)
	if err != nil || res.Header.Get("GS1-Query-Min-Record-Time") != "2026-05-01T12:00:02.000Z" {
		t.Fatal(res, err)
	}
	defer since.Close()
	if got, _ := heard(t, since, 7); strings.Join(got, " ") != "2 3 4 5 6 7 8" {
		t.Errorf("from a record time: %v", got)
	}
	if _, res, err := h.dial("stream=true", h.key); err == nil || res.StatusCode != 413 {
		t.Errorf("one too many: %v %v", res, err)
	}
	for query, status := range map[string]int{"": 400, "stream=false": 400, "stream=1": 400, "stream=true&hour=1": 400, "hour=25": 400, "stream=true&after=x": 400, "stream=true&initialRecordTime=x": 400,
		"stream=true&initialRecordTime=2026-05-01T12:00:02Z&after=" + cursor: 400, "stream=true&x=1": 400} {
		if _, res, err := h.dial(query, h.key); err == nil || res.StatusCode != status {
			t.Errorf("%s: %v %v", query, res, err)
		}
	}
	if _, res, err := h.dial("stream=true", "wrong"); err == nil || res.StatusCode != 401 {
		t.Errorf("without a key: %v %v", res, err)
	}
	h.do("DELETE", "/epcis/v2/queries/all", "").want(t, 204)
	if _, _, err := strict.ReadMessage(); err != nil { // what was not read yet
		t.Log(err)
	}
	eventually(t, "all end with their query", func() bool { return h.g.TestingOnlySockets() == 0 })
}

func TestScheduledWebSocket(t *testing.T) {
	c := newClock()
	h := newSubscribed(t, defaults(), c)
	conn := h.socket("minute=10&reportIfEmpty=true")
	h.capture(1, 2)
	eventually(t, "it waits", func() bool { return c.waiting() == 1 })
	c.pass(10 * time.Minute)
	if got, _ := heard(t, conn, 2); strings.Join(got, " ") != "1 2" {
		t.Errorf("told %v", got)
	}
	eventually(t, "it waits", func() bool { return c.waiting() == 1 })
	c.pass(time.Hour)
	if _, body, err := conn.ReadMessage(); err != nil || serialsOf(t, body) != nil {
		t.Errorf("empty report: %s %v", body, err)
	}
}

// A client that reads nothing is cut off, at no cost of memory; a revoked key's, too.
func TestSlowWebSocket(t *testing.T) {
	limits := defaults()
	limits.Receiver = 50 * time.Millisecond
	h := newSubscribed(t, limits, nil)
	big := `"ex:text":"` + strings.Repeat("x", 900000) + `","@context":[{"ex":"https://ns.example.com/"}]`
	for n := 1; n <= 40; n++ { // more than the connection's buffers hold
		h.do("POST", "/epcis/v2/events", event(n, big)).want(t, 201)
	}
	h.socket("stream=true&initialRecordTime=2026-05-01T00:00:00Z")
	eventually(t, "the slow client is cut off", func() bool {
		return strings.Contains(h.logs.String(), "a WebSocket was closed") && h.g.TestingOnlySockets() == 0
	})

	key, kept, err := h.store.CreateKey("guest", local.Query)
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := h.dial("stream=true", key)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := h.store.RevokeKey(kept.ID); err != nil {
		t.Fatal(err)
	}
	h.capture(50)
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("a revoked key's: %v", err)
	}
}
