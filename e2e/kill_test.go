package e2e_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/api/client"
)

// All partners capture while one node is killed and started again, twice. What
// was acknowledged is on all nodes, once, and all nodes have one history.
func TestKills(t *testing.T) {
	x := start(t, 4)
	const victim = 1
	var (
		mu      sync.Mutex // guards acked
		acked   []string
		count   [4]atomic.Int64
		stop    = make(chan struct{})
		writers sync.WaitGroup
	)
	for i := range x.members {
		c := x.plain(t, i)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id, body := newEvent(i, "kill", n)
				if err := acknowledge(t.Context(), c, body); err != nil {
					t.Errorf("%s, event %d: %v", x.members[i].Partner, n, err)
					return
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
				count[i].Add(1)
			}
		})
	}
	progress := func(who int, events int64) {
		from := count[who].Load()
		eventually(t, fmt.Sprintf("%s captures %d events", x.members[who].Partner, events), func() bool {
			return t.Failed() || count[who].Load() >= from+events
		})
	}
	for range 2 {
		progress(victim, 10)
		x.kill(t, victim)
		progress(0, 10) // with one of four down, captures go on
		x.restart(t, victim)
		x.awaitReady(t, victim)
		progress(victim, 5)
	}
	close(stop)
	writers.Wait()
	if t.Failed() {
		return
	}
	x.level(t)
	t.Logf("%d events were acknowledged", len(acked))
	x.onAllNodesOnce(t, acked)
	x.agree(t)
}

// With two of four down a capture waits (202, and readiness says why), and it is
// committed once when they are back, though its own node was killed meanwhile.
func TestQuorumLostAndRegained(t *testing.T) {
	x := start(t, 4)
	x.kill(t, 2)
	x.kill(t, 3)
	x.awaitNoQuorum(t, 0)
	c := x.client(t, 0)
	id, body := newEvent(0, "quorum", 1)
	w, err := c.Event(t.Context(), body, client.Write{})
	if err != nil {
		t.Fatalf("an event without quorum: %v", err)
	}
	if w.Receipt != nil || !strings.Contains(w.Job, "/capture/") {
		t.Fatalf("an event without quorum was answered %+v, not by a job", w)
	}
	job, err := c.Job(t.Context(), w.Job)
	if err != nil {
		t.Fatal(err)
	}
	if !job.Running {
		t.Fatalf("without quorum the job has ended: %+v", job)
	}
	x.kill(t, 0)
	for _, i := range []int{0, 2, 3} {
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	if err := finish(t.Context(), c, w.Job); err != nil {
		t.Fatalf("after the return: %v", err)
	}
	x.level(t)
	x.onAllNodesOnce(t, []string{id})
	x.agree(t)
}
