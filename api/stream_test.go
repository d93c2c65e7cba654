package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// listener is a client of the stream.
type listener struct {
	t    *testing.T
	body *bufio.Reader
	last string // id that it would come back with
	stop func()
}

func (h *harness) listen(query, last string) *listener {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", h.server.URL+"/api/v1/stream"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	l := &listener{t: h.t, body: bufio.NewReader(res.Body), last: last, stop: func() { cancel(); res.Body.Close() }}
	h.t.Cleanup(l.stop)
	if got := res.Header.Get("Content-Type"); res.StatusCode != 200 || got != "text/event-stream" {
		h.t.Fatalf("%d %s", res.StatusCode, got)
	}
	return l
}

// next reads as the standard says: a block without data is none, but its id holds.
func (l *listener) next() (record *api.Streamed, err error) {
	var data, id, event string
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			return nil, err
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if id != "" {
				l.last = id
			}
			if data == "" {
				continue
			}
			record = &api.Streamed{}
			if err := json.Unmarshal([]byte(data), record); err != nil {
				return nil, err
			}
			if record.Cursor != id || record.Type != event {
				l.t.Errorf("id %s, event %s: %s", id, event, data)
			}
			return record, nil
		}
	}
}

// take reads so many records, and answers their eventIDs.
func (l *listener) take(n int) (ids []string) {
	l.t.Helper()
	for range n {
		r, err := l.next()
		if err != nil {
			l.t.Fatalf("after %v: %v", ids, err)
		}
		ids = append(ids, r.EventID)
	}
	return ids
}

func streamID(n int) string { return fmt.Sprintf("urn:uuid:%d", n) }

func (h *harness) record(n int) {
	h.t.Helper()
	h.do("POST", "/epcis/v2/events", event(n, `"eventID":"`+streamID(n)+`"`)).want(h.t, 201)
}

// TestStreamResumes: a client that goes away and comes back while blocks arrive gets
// all of them, each once, in order.
func TestStreamResumes(t *testing.T) {
	h := newHarness(t, defaults())
	h.record(0)
	l := h.listen("", "")
	const all = 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; n <= all; n++ {
			h.record(n)
		}
	}()
	var got, want []string
	for n := 1; n <= all; n++ {
		want = append(want, streamID(n))
	}
	for len(got) < all {
		got = append(got, l.take(min(7, all-len(got)))...)
		l.stop()
		l = h.listen("?after=0-0-0", l.last) // what the browser knows goes before its address
	}
	<-done
	if !slices.Equal(got, want) {
		t.Errorf("told %v", got)
	}
	if got := h.listen("?after=0-0-0", "").take(all + 1); !slices.Equal(got, append([]string{streamID(0)}, want...)) {
		t.Errorf("from the beginning: %v", got)
	}
}

// TestStreamIdle: who was told nothing yet comes back to where it began.
func TestStreamIdle(t *testing.T) {
	h := newHarness(t, defaults())
	h.record(1)
	l := h.listen("", "")
	for l.last == "" {
		line, err := l.body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		l.last = strings.TrimSpace(strings.TrimPrefix(line, "id: "))
	}
	l.stop()
	h.record(2)
	if got := h.listen("", l.last).take(1); got[0] != streamID(2) {
		t.Errorf("told %v", got)
	}
}

func TestStreamTells(t *testing.T) {
	h := newHarness(t, defaults())
	h.record(1)
	h.do("POST", "/api/v1/shipments/urn:example:s:1/hold", `{}`).want(t, 201)
	h.record(2)
	read := func(query string) (out []api.Streamed) {
		t.Helper()
		r := h.do("GET", "/api/v1/stream?after=0-0-0&follow=false"+query, "").want(t, 200)
		if strings.Contains(string(r.body), "eventTime") {
			t.Errorf("a body is told: %s", r.body)
		}
		l := &listener{t: t, body: bufio.NewReader(strings.NewReader(string(r.body)))}
		for {
			one, err := l.next()
			if err == io.EOF {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, *one)
		}
	}
	if got := read(""); len(got) != 3 || got[1].Type != "shipment.held" || got[1].Partner != "acme-farms" || !slices.Equal(got[1].Subjects, []string{"urn:example:s:1"}) {
		t.Fatalf("told %+v", got)
	}
	for query, want := range map[string]int{"&type=event.recorded": 2, "&type=shipment.*": 1, "&type=shipment.held|event.recorded": 3, "&type=recall.*": 0,
		"&partner=acme-farms": 3, "&partner=borg": 0, "&subject=urn:example:s:1": 1, "&subject=urn:epc:id:sgtin:9521234.054321.2": 1, "&subject=urn:example:none": 0} {
		if got := read(query); len(got) != want {
			t.Errorf("%s: told %+v", query, got)
		}
	}
	one := read("&subject=urn:example:s:1")[0]
	h.do("GET", one.Link, "").want(t, 200)
	for _, query := range []string{"type=nonsense", "type=shipment", "after=1-2", "after=-1-0-0", "after=1-4294967296-0", "follow=yes", "x=1", "partner=No+Body", "after=99999-0-0"} {
		h.do("GET", "/api/v1/stream?"+query, "").problem(t, 400, "bad_parameter")
	}
	if got := h.do("HEAD", "/api/v1/stream", ""); got.status != 200 {
		t.Errorf("HEAD: %d", got.status)
	}
}

// TestStreamEnds: streams are bounded, and end with their key and with the server.
func TestStreamEnds(t *testing.T) {
	limits := defaults()
	limits.Subscriptions = 1
	h := newHarness(t, limits)
	l := h.listen("", "")
	h.do("GET", "/api/v1/stream", "").problem(t, 413, "too_large")
	h.g.EndStreams()
	if one, err := l.next(); err == nil {
		t.Errorf("it goes on: %v", one)
	}
	eventually(t, "its end is noticed", func() bool { return h.g.TestingOnlySockets() == 0 })
	l = h.listen("", "")
	l.stop()
	eventually(t, "the client's end is noticed", func() bool { return h.g.TestingOnlySockets() == 0 })
}

// TestStreamsOfAll: all keys together have a bounded number of streams, and whose key has
// none is not told that it has too many.
func TestStreamsOfAll(t *testing.T) {
	h := newHarness(t, defaults())
	h.g.TestingOnlyMostStreams(2)
	h.listen("", "")
	l := h.listen("", "")
	r := h.do("GET", "/api/v1/stream", "")
	if p := r.problem(t, 503, "overloaded"); !strings.Contains(fmt.Sprint(p["detail"]), "all API keys together") || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %v", p, r.header)
	}
	h.do("POST", webhooksPath, `{"url":"https://example.invalid/x"}`).problem(t, 503, "overloaded")
	l.stop()
	eventually(t, "the client's end is noticed", func() bool { return h.g.TestingOnlySockets() == 1 })
	h.listen("", "")
}

// TestStreamTypes: every act has one type of its own.
func TestStreamTypes(t *testing.T) {
	types, used := api.TestingOnlyStreamTypes(), map[string]bool{}
	for _, name := range schemas.ActNames() {
		if of := types[name]; of == "" || used[of] {
			t.Errorf("the act %s has the type %q", name, of)
		}
		used[types[name]] = true
	}
	if len(types) != len(used) {
		t.Errorf("%d types are of no act", len(types)-len(used))
	}
}

// TestStreamsTakeTurns: what streams read counts among what is read for subscribers, of
// which there is a bounded part of the machine, however many look for what there is not.
func TestStreamsTakeTurns(t *testing.T) {
	h := newHarness(t, defaults())
	h.record(0)
	outOfTurn := make(chan bool, 100)
	h.ledger.mu.Lock()
	h.ledger.looked = func() { outOfTurn <- h.g.TestingOnlySubscribersRead() == 0 }
	h.ledger.mu.Unlock()
	for range 4 {
		h.listen("?after=0-0-0", "").take(1)
	}
	h.ledger.mu.Lock()
	h.ledger.looked = nil
	h.ledger.mu.Unlock()
	for range 4 {
		if <-outOfTurn {
			t.Error("a stream read when it was not its turn")
		}
	}
}
