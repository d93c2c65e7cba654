package e2e_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api"
)

// Who follows the stream is told everything once and in order, though the node is
// killed, stopped and started meanwhile; and the command prints the same.
func TestStreamSurvivesKills(t *testing.T) {
	x := start(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan *api.Streamed, 100), make(chan error, 1)
	go func() {
		ended <- x.client(t, 0).Stream(ctx, url.Values{"after": {"0-0-0"}, "type": {"event.*"}}, func(one *api.Streamed) error {
			told <- one
			return nil
		})
	}()
	var want, got []string
	for n, stop := range []func(*testing.T, int){x.kill, x.end, nil} {
		id, body := newEvent(0, "stream", n)
		if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
		select {
		case one := <-told:
			got = append(got, one.EventID)
		case err := <-ended:
			t.Fatalf("the stream ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("nothing is told")
		}
		if stop != nil {
			stop(t, 0)
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
	m := x.members[0]
	out := waybill(t, "stream", "--node", m.REST, "--key", m.Key, "--after", "0-0-0", "--once")
	for _, id := range want {
		if strings.Count(out, id) != 1 {
			t.Errorf("%s is not once in\n%s", id, out)
		}
	}
}
