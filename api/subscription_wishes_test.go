package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A subscription is told identifiers in the form that was asked for when it was made.
func TestSubscriptionsForm(t *testing.T) {
	h := newSubscribed(t, defaults(), nil)
	forms := map[string]string{"": `"urn:epc:id:sgtin:9521234.054321.1"`, "Never_Translates": `"urn:epc:id:sgtin:9521234.054321.1"`, "Always_GS1_Digital_Link": `"https://id.gs1.org/01/09521234543213/21/1"`}
	receivers, paths := map[string]*receiver{}, map[string]string{}
	sockets := map[string]*websocket.Conn{}
	for form := range forms {
		receivers[form] = newReceiver(t)
		r := h.do("POST", subscriptionsPath, fmt.Sprintf(`{"dest":%q,"stream":true}`, receivers[form].URL), "GS1-EPC-Format", form).want(t, 201)
		paths[form] = r.header.Get("Location")
		conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.server.URL, "http")+socketPath+"stream=true", http.Header{"Authorization": {"Bearer " + h.key}, "GS1-EPC-Format": {form}})
		if err != nil {
			t.Fatal(err, res)
		}
		t.Cleanup(func() { conn.Close() })
		sockets[form] = conn
	}
	h.do("POST", subscriptionsPath, `{"dest":"https://example.invalid","stream":true}`, "GS1-EPC-Format", "Sometimes").problem(t, 406, "not_acceptable")
	h.capture(1)
	for form, want := range forms {
		eventually(t, "a message as "+form, func() bool { return len(receivers[form].got()) > 0 })
		m := receivers[form].got()[0]
		told := form
		if form == "Never_Translates" {
			told = ""
		}
		if !strings.Contains(string(m.body), want) || m.header.Get("GS1-EPC-Format") != told || h.status(paths[form]).Format != told {
			t.Errorf("%s: %v %s", form, m.header, m.body)
		}
		if err := sockets[form].SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, body, err := sockets[form].ReadMessage(); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: WebSocket: %v %s", form, err, body)
		}
	}
	h.stop()
	h.start() // it is kept
	h.capture(2)
	eventually(t, "a message after a restart", func() bool { return len(receivers["Always_GS1_Digital_Link"].got()) > 1 })
	if m := receivers["Always_GS1_Digital_Link"].got()[1]; !strings.Contains(string(m.body), "/21/2") {
		t.Errorf("after a restart: %s", m.body)
	}
}

// A receiver that is busy is asked again when it said, and no later than an hour.
func TestRetryAfterIsHonoured(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		after  string
		wait   time.Duration // at least; 0: the usual second at most
	}{
		"seconds": {429, "90", 90 * time.Second}, "a date": {503, "Fri, 01 May 2026 12:02:00 GMT", 2 * time.Minute}, "for ever": {503, "2000000000", time.Hour}, "a date far away": {429, "Fri, 01 May 2099 12:00:00 GMT", time.Hour},
		"nonsense": {503, "soon", 0}, "negative": {503, "-5", 0}, "a date gone": {503, "Fri, 01 May 2020 12:00:00 GMT", 0}, "of another status": {500, "90", 0}, "overflow": {503, "99999999999999999999", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			h, r := newSubscribed(t, defaults(), clock), newReceiver(t)
			r.Config.Handler = withHeader(r.Config.Handler, c.after)
			r.answers(func(n int, _ []byte) int { return map[bool]int{true: c.status, false: 204}[n == 0] })
			path := h.subscribe(r.URL, `"stream":true`)
			h.capture(1)
			eventually(t, "it failed", func() bool { return h.status(path).Status.Failures == 1 })
			s := h.status(path).Status
			wait := s.Next.Sub(clock.now())
			if c.wait > 0 && wait != c.wait || c.wait == 0 && wait > time.Second {
				t.Fatalf("waits %v: %+v", wait, s)
			}
			if c.wait > 0 && !strings.Contains(s.Failure, "asked again") {
				t.Errorf("told: %q", s.Failure)
			}
			clock.pass(wait)
			r.await(t, "1 1")
			eventually(t, "delivered", func() bool { return h.status(path).Status.State == "current" })
		})
	}
}

func withHeader(next http.Handler, after string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		next.ServeHTTP(w, r)
	})
}
