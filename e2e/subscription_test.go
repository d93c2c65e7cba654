package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// listener is a subscriber. It holds its answer to some messages until the test
// lets it go, so that the node can be killed in between.
type listener struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	events []string   // eventIDs, as they came
	ids    map[string]int
	hold   chan chan struct{} // gets the message that is held
	every  int                // events between two that are held
	held   int                // events that had come with the last
}

func newListener(t *testing.T, every int) *listener {
	l := &listener{ids: map[string]int{}, hold: make(chan chan struct{}), every: every}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the node was killed while it wrote
		}
		ids := eventIDs(t, body)
		l.mu.Lock()
		l.events = append(l.events, ids...)
		l.ids[r.Header.Get("webhook-id")]++
		holds := len(l.events) >= l.held+l.every
		if holds {
			l.held = len(l.events)
		}
		l.mu.Unlock()
		if holds {
			answer := make(chan struct{})
			select {
			case l.hold <- answer:
				<-answer
			case <-t.Context().Done():
			}
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// first are the events in the order in which each came first.
func (l *listener) first() (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, id := range l.events {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

// repeated is how many messages came more than once.
func (l *listener) repeated() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.ids {
		if times > 1 {
			n++
		}
	}
	return n
}

// eventIDs are those of a document's events.
func eventIDs(t *testing.T, document []byte) (out []string) {
	var d struct {
		Body struct {
			Results struct {
				Body struct {
					Events []struct{ EventID string } `json:"eventList"`
				} `json:"resultsBody"`
			} `json:"queryResults"`
		} `json:"epcisBody"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Errorf("a message cannot be read: %v", err)
	}
	for _, e := range d.Body.Results.Body.Events {
		out = append(out, e.EventID)
	}
	return out
}

// A subscriber of a node that is killed twice in the middle of a message, while the
// others capture, gets all events that were acknowledged, in the ledger's order, and
// those of the interrupted messages again.
func TestSubscriptionSurvivesKills(t *testing.T) {
	x := start(t, 4, "WAYBILL_WEBHOOK_ALLOW=127.0.0.0/8")
	const each, kills = 30, 2
	l := newListener(t, each/2)
	at := []string{"--node", x.members[0].REST, "--key", x.members[0].Key}
	told := strings.Split(waybill(t, append([]string{"subscribe", "all", l.URL, "--parameter", "EQ_bizStep=commissioning"}, at...)...), "\t")
	if len(told) < 4 || told[0] != "all" || told[2] != l.URL || told[3] != "stream\n" {
		t.Fatalf("subscribed: %q", told)
	}
	var writers sync.WaitGroup
	for i := 1; i < 4; i++ {
		c := x.plain(t, i)
		writers.Go(func() {
			for n := range each {
				_, body := newEvent(i, "told", n)
				if err := acknowledge(t.Context(), c, body); err != nil {
					t.Errorf("%s, event %d: %v", x.members[i].Partner, n, err)
					return
				}
			}
		})
	}
	for range kills {
		answer := <-l.hold
		x.kill(t, 0)
		close(answer)
		x.restart(t, 0)
		x.awaitReady(t, 0)
	}
	writers.Wait()
	go func() { // whatever else would be held is not
		for {
			select {
			case answer := <-l.hold:
				close(answer)
			case <-t.Context().Done():
				return
			}
		}
	}()
	eventually(t, "all events are told", func() bool { return t.Failed() || len(l.first()) == 3*each })
	c := x.client(t, 1)
	all, err := c.Events(t.Context(), url.Values{"EQ_bizStep": {"commissioning"}, "orderBy": {"recordTime"}, "orderDirection": {"ASC"}, "perPage": {"1000"}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range all.List {
		var one struct{ EventID string }
		if err := json.Unmarshal(e, &one); err != nil {
			t.Fatal(err)
		}
		want = append(want, one.EventID)
	}
	if got := l.first(); !slices.Equal(got, want) || len(got) != 3*each {
		t.Errorf("told %d of %d events, or in another order:\n%v\n%v", len(got), len(want), got, want)
	}
	if n := l.repeated(); n < kills {
		t.Errorf("%d messages were sent again under their id, after %d kills", n, kills)
	}
	eventually(t, "its command tells that everything is delivered", func() bool {
		return strings.Contains(waybill(t, append([]string{"subscriptions"}, at...)...), told[1]+"\t"+l.URL+"\tstream\tcurrent, 0 heights behind")
	})
	waybill(t, append([]string{"unsubscribe", "all", told[1]}, at...)...)
	if out := waybill(t, append([]string{"subscriptions", "all"}, at...)...); out != "" {
		t.Errorf("after its end: %s", out)
	}
	waybill(t, append([]string{"unsubscribe", "all", "--all"}, at...)...)
	if out, err := tryWaybill(append([]string{"subscriptions", "all"}, at...)...); err == nil || !strings.Contains(out, "no_such_name") {
		t.Errorf("of a query that is gone: %s", out)
	}
}
