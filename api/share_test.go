package api_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
)

// What one API key asks for leaves room for what others do.

// another makes an API key beside the harness's.
func another(h *harness) string {
	h.t.Helper()
	key, _, err := h.store.CreateKey("other", local.Scopes()...)
	if err != nil {
		h.t.Fatal(err)
	}
	return "Bearer " + key
}

// deaf asks for something and takes nothing of the answer.
func (h *harness) deaf(path string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.server.URL, "http://"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		h.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, h.key)
	return conn
}

// fills asks deaf for something until the key has all that it may have. One that comes
// while others are made may be refused itself.
func (h *harness) fills(path string) {
	h.t.Helper()
	eventually(h.t, "the key has what it may have", func() bool {
		h.deaf(path)
		return h.do("GET", path, "").status == 503
	})
}

// TestDeafReaders: a key whose clients take no answers holds up neither other keys nor
// whoever waits for a trace.
func TestDeafReaders(t *testing.T) {
	limits := defaults()
	limits.Traces = 1
	h := large(t, limits)
	other := another(h)
	h.deaf("/api/v1/items/" + largeItem + "/trace")
	eventually(t, "its answer is written", func() bool { _, bytes := h.g.TestingOnlyReads(); return bytes > 0 })
	h.do("GET", "/api/v1/items/"+largeItem+"/trace", "", "Authorization", other).want(t, 200)
	const page = "/epcis/v2/events?perPage=1000"
	h.fills(page)
	h.do("GET", page, "", "Authorization", other).want(t, 200)
}

// TestDeafReadersOfBundles: bundles that are not taken hold their room, and leave some.
func TestDeafReadersOfBundles(t *testing.T) {
	limits := defaults()
	limits.ReadBytes = 110 << 20
	h := newHarness(t, limits)
	const path = "/api/v1/items/urn:example:large/bundle"
	h.fills(path)
	h.do("GET", path, "", "Authorization", another(h)).want(t, 200)
}

// TestWritesOfOneKey: what waits of one key leaves room for another's.
func TestWritesOfOneKey(t *testing.T) {
	limits := defaults()
	limits.InFlight, limits.Acknowledge = 8, time.Minute
	h := newHarness(t, limits)
	other := another(h)
	h.ledger.set(func() { h.ledger.quorum = false })
	const most = 6 // which leave two
	done := make(chan int, most+1)
	post := func(serial int, headers ...string) {
		r, _ := h.try("POST", "/epcis/v2/events", event(serial), headers...)
		done <- r.status
	}
	worked := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d are being worked on", n), func() bool {
			return strings.Contains(string(h.do("GET", "/metrics", "").body), fmt.Sprintf("waybill_gateway_writes %d\n", n))
		})
	}
	for i := range most {
		go post(i)
	}
	worked(most)
	h.do("POST", "/epcis/v2/events", event(20)).problem(t, 503, "overloaded")
	go post(30, "Authorization", other)
	worked(most + 1)
	h.ledger.restore()
	for range most + 1 {
		if status := <-done; status != 201 {
			t.Errorf("status %d", status)
		}
	}
}

// TestBodiesOfOneKey: what one key sends and does not finish leaves room for another's.
func TestBodiesOfOneKey(t *testing.T) {
	limits := defaults()
	limits.CaptureBytes, limits.InFlightBytes = 8<<20, 24<<20
	h := newHarness(t, limits)
	other := another(h)
	part := "{" + strings.Repeat(" ", 7<<20)
	for range 6 {
		h.send(t, "Content-Length: 8388608", part)
	}
	eventually(t, "the key has what it may have", func() bool {
		return h.do("POST", "/epcis/v2/capture", document(event(1, `"ex:a":"`+strings.Repeat("a", 900<<10)+`"`, `"ex:b":1`), event(2, `"ex:a":"`+strings.Repeat("a", 900<<10)+`"`))).status == 503
	})
	h.do("POST", "/epcis/v2/capture", document(event(1, `"ex:a":"`+strings.Repeat("a", 900<<10)+`"`)), "Authorization", other).want(t, 202)
}

// TestProofsTakeNothing: whoever waits for a proof, which needs no key, takes no place from
// those who have one.
func TestProofsTakeNothing(t *testing.T) {
	limits := defaults()
	limits.Reads, limits.Proofs = 2, 1
	h := newHarness(t, limits)
	begun, end := make(chan bool, 20), make(chan bool)
	h.ledger.set(func() { h.ledger.proving = func() { begun <- true; <-end } })
	done := make(chan int, 10)
	for range cap(done) {
		go func() {
			r, _ := h.try("GET", "/api/v1/checkpoint", "", "Authorization", "")
			done <- r.status
		}()
	}
	<-begun
	for range 50 {
		h.do("GET", "/epcis/v2/events", "").want(t, 200)
	}
	close(end)
	for range cap(done) {
		if status := <-done; status != 200 {
			t.Errorf("status %d", status)
		}
	}
}

// TestQueriesTakeTurns: no more queries are answered at once than there are processors,
// however many are asked.
func TestQueriesTakeTurns(t *testing.T) {
	h := newHarness(t, defaults())
	var now, most atomic.Int32
	begun, end := make(chan bool, 100), make(chan bool)
	h.ledger.set(func() {
		h.ledger.paging = func() {
			most.Store(max(most.Load(), now.Add(1)))
			begun <- true
			<-end
			now.Add(-1)
		}
	})
	const asked = 40
	done := make(chan int, asked)
	for range asked {
		go func() {
			r, _ := h.try("GET", "/epcis/v2/events", "")
			done <- r.status
		}()
	}
	<-begun
	eventually(t, "all wait", func() bool { count, _ := h.g.TestingOnlyReads(); return count == asked })
	close(end)
	for range asked {
		if status := <-done; status != 200 {
			t.Errorf("status %d", status)
		}
	}
	if n := int(most.Load()); n > runtime.GOMAXPROCS(0) {
		t.Errorf("%d at once", n)
	}
}
