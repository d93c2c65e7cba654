package e2e_test

import (
	"testing"

	"github.com/waybill-ledger/waybill/api/client"
)

// Of seven validators two may be lost: under load two are killed and captures go on.
// With a third lost nothing is decided, and with one of them back all goes on. No
// acknowledged event is lost, and all seven end with one history.
func TestTwoOfSevenAreLost(t *testing.T) {
	x := start(t, 7)
	stop := x.writing(t, "seven", 0, 1)
	goesOn := func(n int) {
		t.Helper()
		_, body := newEvent(2, "seven", n)
		if err := acknowledge(t.Context(), x.plain(t, 2), body); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
	}
	goesOn(1)
	x.kill(t, 5)
	x.kill(t, 6)
	goesOn(2)
	x.kill(t, 4)
	x.awaitNoQuorum(t, 0)
	_, body := newEvent(3, "seven", 1)
	w, err := x.client(t, 3).Event(t.Context(), body, client.Write{})
	if err != nil || w.Receipt != nil {
		t.Fatalf("four of seven decide a block: %+v %v", w, err)
	}
	x.restart(t, 4)
	goesOn(3)
	x.restart(t, 5)
	x.restart(t, 6)
	for i := range x.members {
		x.awaitReady(t, i)
	}
	acked := stop()
	x.level(t)
	t.Logf("%d events were acknowledged", len(acked))
	x.onAllNodesOnce(t, acked)
	x.agree(t)
}
