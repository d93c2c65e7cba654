package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
)

// hooked is the receiver of a webhook. It holds its answer to some records, the first
// time that it is told of them, until the test lets it go.
type hooked struct {
	*httptest.Server
	holds map[string]chan chan struct{} // by eventID; gets what ends the answer's wait

	mu     sync.Mutex // guards what follows
	events []string   // eventIDs, each as it came first
	ids    []string   // webhook-id of each
	again  int        // messages that came before
	wrong  []string
}

func newHooked(t *testing.T, holds ...string) *hooked {
	l := &hooked{holds: map[string]chan chan struct{}{}}
	for _, id := range holds {
		l.holds[id] = make(chan chan struct{})
	}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Data api.Streamed }
		if json.NewDecoder(r.Body).Decode(&message) != nil {
			return // the node was killed while it wrote
		}
		event := message.Data.EventID
		if l.note(event, r.Header.Get("webhook-id")) && l.holds[event] != nil {
			answer := make(chan struct{})
			select {
			case l.holds[event] <- answer:
				<-answer
			case <-t.Context().Done():
			}
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// note reports whether a record came for the first time.
func (l *hooked) note(event, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.events, event)
	if at < 0 {
		l.events, l.ids = append(l.events, event), append(l.ids, id)
		return true
	}
	if l.again++; l.ids[at] != id {
		l.wrong = append(l.wrong, event+" comes again as "+id)
	}
	return false
}

func (l *hooked) got() (events []string, again int, wrong []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events), l.again, slices.Clone(l.wrong)
}

// Who follows the stream is told everything once and in order, and the receiver of a
// webhook at least once, though the node is killed, stopped and started meanwhile, in
// the middle of a message, too; and the command prints the same.
func TestStreamSurvivesKills(t *testing.T) {
	x := start(t, 1, "WAYBILL_WEBHOOK_ALLOW=127.0.0.0/8")
	m, each := x.members[0], 3
	at := []string{"--node", m.REST, "--key", m.Key}
	var want, held []string
	var bodies [][]byte
	stops := []func(*testing.T, int){x.kill, x.end, nil}
	for n := range each * len(stops) {
		id, body := newEvent(0, "stream", n)
		want, bodies = append(want, id), append(bodies, body)
		if n%each == 1 && n/each < 2 { // of each that is stopped the second
			held = append(held, id)
		}
	}
	hook := newHooked(t, held...)
	made := strings.Split(strings.TrimSpace(waybill(t, append([]string{"webhook", "add", hook.URL, "--after", "0-0-0", "--type", "event.*"}, at...)...)), "\t")
	if len(made) != 3 || made[1] != hook.URL || !strings.HasPrefix(made[2], "whsec_") {
		t.Fatalf("made: %q", made)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan *api.Streamed, 100), make(chan error, 1)
	go func() {
		ended <- x.client(t, 0).Stream(ctx, url.Values{"after": {"0-0-0"}, "type": {"event.*"}}, func(one *api.Streamed) error {
			told <- one
			return nil
		})
	}()
	var got []string
	for round, stop := range stops {
		for n := round * each; n < (round+1)*each; n++ {
			if err := acknowledge(t.Context(), x.plain(t, 0), bodies[n]); err != nil {
				t.Fatal(err)
			}
			select {
			case one := <-told:
				got = append(got, one.EventID)
			case err := <-ended:
				t.Fatalf("the stream ended: %v", err)
			case <-t.Context().Done():
				t.Fatal("nothing is told")
			}
		}
		if stop != nil {
			answer := <-hook.holds[held[round]]
			stop(t, 0)
			close(answer)
			x.restart(t, 0)
			x.awaitReady(t, 0)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ends with %v", err)
	}
	for len(told) > 0 {
		got = append(got, (<-told).EventID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out := waybill(t, append([]string{"stream", "--after", "0-0-0", "--once"}, at...)...)
	for _, id := range want {
		if strings.Count(out, id) != 1 {
			t.Errorf("%s is not once in\n%s", id, out)
		}
	}
	x.hookedAll(t, hook, made[0], want, len(held), at)
}

// hookedAll checks that a webhook told all, what was interrupted again under its id, and
// that a replay tells all of it again.
func (x *testNet) hookedAll(t *testing.T, hook *hooked, id string, want []string, interrupted int, at []string) {
	t.Helper()
	current := func() bool {
		return strings.Contains(waybill(t, append([]string{"webhook", "show", id}, at...)...), "\tevent.*\t") &&
			strings.Contains(waybill(t, append([]string{"webhook"}, at...)...), "\tcurrent, 0 heights behind\n")
	}
	eventually(t, "the webhook's command tells that everything is delivered", current)
	events, again, wrong := hook.got()
	if diff := cmp.Diff(want, events); diff != "" || len(wrong) > 0 || again < interrupted {
		t.Errorf("%d messages came again, after %d that were interrupted: %v %s", again, interrupted, wrong, diff)
	}
	waybill(t, append([]string{"webhook", "replay", id, "--height", "1"}, at...)...)
	eventually(t, "the replay", func() bool {
		_, now, _ := hook.got()
		return now >= again+len(want) && current()
	})
	if events, _, wrong := hook.got(); len(events) != len(want) || len(wrong) > 0 {
		t.Errorf("replayed: %v %v", events, wrong)
	}
	waybill(t, append([]string{"webhook", "remove", id}, at...)...)
	if out := waybill(t, append([]string{"webhook", "list", "-o", "json"}, at...)...); strings.TrimSpace(out) != "[]" {
		t.Errorf("after its end: %s", out)
	}
}
