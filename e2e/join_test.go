package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/node"
)

// wipe removes what a node wrote, but for its sign state, without which it could
// sign twice, and its gateway's keys.
func (x *testNet) wipe(t *testing.T, i int) {
	t.Helper()
	data := filepath.Join(x.members[i].Home, "data")
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "sign_state.json" || e.Name() == "gateway" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *testNet) network(t *testing.T, i int) *api.Network {
	t.Helper()
	n, err := x.client(t, i).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sound checks the home of a node that does not run.
func (x *testNet) sound(t *testing.T, i int) {
	t.Helper()
	if out, errOut, code := x.waybill(t, "check", "--home", x.members[i].Home); code != 0 {
		t.Fatalf("waybill check of %s ends with status %d:\n%s%s", x.members[i].Partner, code, out, errOut)
	}
}

// A node that lost its data joins again by a snapshot of its peers while they
// capture, is killed while it does, and stands where they stand.
func TestJoinBySnapshot(t *testing.T) {
	x := start(t, 4, "WAYBILL_SNAPSHOT_HEIGHTS=15")
	const joins = 3
	var (
		captured atomic.Int64
		mu       sync.Mutex // guards ids
		ids      []string
		stop     = make(chan struct{})
		writers  sync.WaitGroup
	)
	erased, body := newEvent(0, "join-erased", 0)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	for i := range joins {
		c := x.plain(t, i)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id, body := newEvent(i, "join", n)
				if err := acknowledge(t.Context(), c, body); err != nil {
					t.Errorf("%s, event %d: %v", x.members[i].Partner, n, err)
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
				captured.Add(1)
			}
		})
	}
	snapshot := func(above int64) int64 {
		var last int64
		eventually(t, "a snapshot is taken", func() bool {
			n, err := x.plain(t, 0).Network(t.Context())
			if err == nil && len(n.Snapshots) > 0 {
				last = slices.Max(n.Snapshots)
			}
			return t.Failed() || last > above
		})
		return last
	}
	first := snapshot(0)
	trust := x.trustFile(t)
	x.kill(t, joins)
	x.wipe(t, joins)
	snapshot(first)
	if err := node.PauseHistory(x.members[joins].Home, true); err != nil {
		t.Fatal(err)
	}
	x.restart(t, joins, "--trust", trust)
	eventually(t, "the node restores a snapshot", func() bool {
		n, err := x.plain(t, joins).Network(t.Context())
		return t.Failed() || err == nil && n.Height > 0
	})
	x.kill(t, joins)
	x.sound(t, joins)
	x.restart(t, joins, "--trust", trust)
	x.awaitReady(t, joins)
	// An order about an event that the node does not have is no matter to it.
	x.order(t, 0, erased)
	from := captured.Load()
	eventually(t, "captures go on", func() bool { return t.Failed() || captured.Load() > from+20 })
	close(stop)
	writers.Wait()
	if t.Failed() {
		return
	}
	x.level(t)
	x.oneState(t)
	if n := x.network(t, joins); n.Missing == nil || n.Missing.First != 1 {
		t.Errorf("the node that joined does not say which history it lacks: %+v", n.Missing)
	}
	if err := node.PauseHistory(x.members[joins].Home, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the history is complete", func() bool {
		n, err := x.plain(t, joins).Network(t.Context())
		return err == nil && n.Missing == nil
	})
	x.awaitReady(t, joins)
	for i := range x.members {
		if e, err := x.client(t, i).Erasure(t.Context(), x.members[0].Partner, erased); err != nil || e.Standing != "erased" || e.Receipt == nil {
			t.Errorf("%s says of the erased body %+v, %v", x.members[i].Partner, e, err)
		}
	}
	mu.Lock()
	x.onAllNodesOnce(t, ids)
	mu.Unlock()
	x.oneState(t)
	// It validates again: without another one there is a quorum.
	x.kill(t, 1)
	id, body := newEvent(joins, "join", 0)
	if err := acknowledge(t.Context(), x.client(t, joins), body); err != nil {
		t.Fatalf("with the node that joined and two others: %v", err)
	}
	x.restart(t, 1)
	x.awaitReady(t, 1)
	x.level(t)
	x.onAllNodesOnce(t, []string{id})
	x.oneState(t)
	// Its ledger is what the archive computes to, row by row.
	x.kill(t, joins)
	x.sound(t, joins)
	t.Logf("%d events were captured meanwhile", captured.Load())
}
