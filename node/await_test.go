package node_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

func hash(i int) schemas.Hash { return schemas.Sum("test", []byte{byte(i), byte(i >> 8)}) }

func block(height int64, ids ...schemas.Hash) app.Committed {
	c := app.Committed{Height: height, Time: time.Unix(height, 0)}
	for _, id := range ids {
		c.Receipts = append(c.Receipts, schemas.Receipt{Transaction: id, Height: height})
	}
	return c
}

func nowhere() (*schemas.Receipt, error) { return nil, nil }

// awaiting starts waits and returns when all of them are registered.
func awaiting(t *testing.T, w *node.Waits, n int, wait func(i int)) (join func()) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { wait(i) })
	}
	deadline := time.Now().Add(10 * time.Second)
	for node.WaitsWaiting(w) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d wait", node.WaitsWaiting(w), n)
		}
		time.Sleep(time.Millisecond) // until the condition holds
	}
	return all.Wait
}

func TestAwaitCommitted(t *testing.T) {
	w := node.NewWaits(5, time.Now())
	const n = 100
	join := awaiting(t, w, n, func(i int) {
		r, err := node.WaitsWait(w, t.Context(), hash(i), 20, nowhere)
		if err != nil || r.Height != 6+int64(i%3) || r.Transaction != hash(i) {
			t.Errorf("wait %d ended with %+v, %v", i, r, err)
		}
	})
	for height := int64(6); height < 9; height++ {
		var ids []schemas.Hash
		for i := range n {
			if int64(i%3) == height-6 {
				ids = append(ids, hash(i))
			}
		}
		node.WaitsCommitted(w, block(height, ids...), time.Now())
	}
	join()
	if left := node.WaitsWaiting(w); left != 0 {
		t.Errorf("%d waits are left behind", left)
	}
}

// A transaction may be committed up to its expiry height, and never beyond: the
// block of that height decides.
func TestAwaitExpired(t *testing.T) {
	w := node.NewWaits(5, time.Now())
	results := make([]error, 2)
	join := awaiting(t, w, 2, func(i int) {
		_, results[i] = node.WaitsWait(w, t.Context(), hash(i), 7, nowhere)
	})
	node.WaitsCommitted(w, block(6), time.Now())
	if left := node.WaitsWaiting(w); left != 2 {
		t.Fatalf("before the expiry height %d wait", left)
	}
	node.WaitsCommitted(w, block(7, hash(1)), time.Now())
	join()
	if !errors.Is(results[0], api.ErrExpired) || results[1] != nil {
		t.Errorf("at the expiry height: %v and %v", results[0], results[1])
	}
	if _, err := node.WaitsWait(w, t.Context(), hash(2), 7, nowhere); !errors.Is(err, api.ErrExpired) {
		t.Errorf("a wait that begins after the expiry: %v", err)
	}
	old := &schemas.Receipt{Height: 3}
	if r, err := node.WaitsWait(w, t.Context(), hash(3), 7, func() (*schemas.Receipt, error) { return old, nil }); r != old || err != nil {
		t.Errorf("what is committed, though expired by now: %v, %v", r, err)
	}
}

func TestAwaitCancelled(t *testing.T) {
	w := node.NewWaits(5, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	join := awaiting(t, w, 2, func(i int) {
		if _, err := node.WaitsWait(w, ctx, hash(7), 20, nowhere); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled wait ended with %v", err)
		}
	})
	cancel()
	join()
	if left := node.WaitsWaiting(w); left != 0 {
		t.Errorf("%d waits are left behind", left)
	}
	node.WaitsCommitted(w, block(6, hash(7)), time.Now()) // nobody is there: nothing blocks
}

func TestWatch(t *testing.T) {
	w := node.NewWaits(5, time.Now())
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if !closed(node.WaitsWatch(w, 4)) {
		t.Error("a height that is passed already is not told")
	}
	this, later := node.WaitsWatch(w, 5), node.WaitsWatch(w, 7)
	if closed(this) || closed(later) {
		t.Error("told before it came")
	}
	node.WaitsCommitted(w, block(6), time.Now())
	if !closed(this) || closed(later) {
		t.Error("after height 6 those above 5, and only those, are to be told")
	}
	node.WaitsCommitted(w, block(7), time.Now())
	node.WaitsCommitted(w, block(8), time.Now())
	if !closed(later) {
		t.Error("height 8 is above 7, and not told")
	}
}
