package node_test

import (
	"io"
	"testing"
	"time"

	"github.com/cometbft/cometbft/consensus"
	"github.com/cometbft/cometbft/consensus/types"
	cmtlog "github.com/cometbft/cometbft/libs/log"

	"github.com/waybill-ledger/waybill/node"
)

// rung is the engine's own timer behind a doorbell.
func rung(t *testing.T, waiting func() bool) (timer consensus.TimeoutTicker, ring func(), wait func(types.RoundStepType, int64, time.Duration), fired func() bool) {
	t.Helper()
	inner := consensus.NewTimeoutTicker()
	inner.SetLogger(cmtlog.NewNopLogger())
	b, ring, wait := node.NewBell(inner, waiting)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b, ring, wait, func() bool {
		select {
		case <-b.Chan():
			return true
		default:
			return false
		}
	}
}

// A ring ends the wait for the interval and no other, once; what waits already
// when the wait begins ends it at once.
func TestBell(t *testing.T) {
	full := false
	b, ring, wait, fired := rung(t, func() bool { return full })
	ring() // nobody waits
	if fired() {
		t.Error("a ring fires a timeout that nobody set")
	}
	wait(types.RoundStepPropose, 1, time.Hour)
	if ring(); fired() {
		t.Error("a ring ends a wait for a proposal")
	}
	wait(types.RoundStepNewRound, 2, time.Hour)
	if fired() {
		t.Error("the wait for the interval ends without a ring")
	}
	if ring(); !fired() {
		t.Error("a ring does not end the wait for the interval")
	}
	if ring(); fired() {
		t.Error("a second ring ends it again")
	}
	wait(types.RoundStepNewRound, 3, time.Hour)
	wait(types.RoundStepPropose, 3, time.Hour)
	if ring(); fired() {
		t.Error("a ring ends a wait that is over")
	}
	wait(types.RoundStepNewRound, 3, time.Hour)
	if ring(); fired() {
		t.Error("a ring ends a wait that was over before")
	}
	full = true
	if wait(types.RoundStepNewRound, 4, time.Hour); !fired() {
		t.Error("what waits already does not end the wait")
	}
	full = false
	wait(types.RoundStepNewHeight, 5, 0)
	if !fired() {
		t.Error("a timeout of no duration is not due at once")
	}
	wait(types.RoundStepNewRound, 6, time.Hour)
	wait(types.RoundStepNewHeight, 6, time.Hour)
	if ring(); !fired() {
		t.Error("scheduled an earlier step again, the engine is not woken")
	}
	wait(types.RoundStepNewRound, 7, time.Millisecond)
	select {
	case <-b.Chan():
	case <-time.After(patience):
		t.Error("the interval does not pass by itself")
	}
}

// The engine may schedule more than it reads: nothing blocks it.
func TestBellNeverBlocks(t *testing.T) {
	_, ring, wait, fired := rung(t, func() bool { return true })
	for height := range int64(500) {
		wait(types.RoundStepNewRound, height, time.Hour)
		ring()
	}
	if !fired() {
		t.Error("nothing fired")
	}
}

// An idle network makes a block as soon as something waits, whatever the interval, also
// when a node was started again.
func TestIdleNetworkIsWoken(t *testing.T) {
	s := alone(t)
	s.IdleInterval = node.Duration(time.Hour)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r := commit(t, n, event(t, i))
		<-n.Ledger().Watch(r.Height) // the block that signs what this one did; then it is idle
		must(t, n.Stop())
		n = start(t, s)
	}
	must(t, n.Stop())
}
