package e2e_test

import (
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// waits is how many transactions wait for a block at a node.
func (x *testNet) waits(t *testing.T, i int) int {
	t.Helper()
	var res struct {
		Count int `json:"n_txs,string"`
	}
	if err := call(t.Context(), x.members[i], "num_unconfirmed_txs", nil, &res); err != nil {
		t.Fatalf("asking %s what waits: %v", x.members[i].Partner, err)
	}
	return res.Count
}

// An idle network makes a block when something waits, whoever is asked and whoever's
// turn it is, also when one of four is dead: the interval never passes here.
func TestIdleNetworkIsWoken(t *testing.T) {
	x := start(t, 4, "WAYBILL_IDLE_INTERVAL=1h")
	f := newForger(t, x)
	for i := range x.members {
		raw, id := f.sign(t, nil)
		if code, err := broadcast(t.Context(), x.members[i], raw); code != 0 || err != nil {
			t.Fatalf("%s answers %d, %v", x.members[i].Partner, code, err)
		}
		x.awaitTransaction(t, id)
	}
	x.kill(t, 3)
	var last schemas.Hash
	for i := range 6 { // each of the four would propose once, one of them does not
		raw, id := f.sign(t, nil)
		if code, err := broadcast(t.Context(), x.members[i%3], raw); code != 0 || err != nil {
			t.Fatalf("%s answers %d, %v", x.members[i%3].Partner, code, err)
		}
		for j := range 3 {
			c := x.plain(t, j)
			eventually(t, x.members[j].Partner+" commits", func() bool {
				r, err := c.Receipt(t.Context(), id)
				return err == nil && len(r.Events) > 0
			})
		}
		last = id
	}
	x.restart(t, 3)
	x.awaitReady(t, 3)
	x.awaitTransaction(t, last)
	x.level(t)
	x.agree(t)
}

// A transaction outlives its origin: who got it while there was no quorum has it
// committed when there is one again, without the node that took it; and that node, when
// it returns, knows.
func TestTransactionOutlivesItsOrigin(t *testing.T) {
	x := start(t, 4)
	f := newForger(t, x)
	x.kill(t, 2)
	x.kill(t, 3)
	var ids []schemas.Hash
	for range 20 {
		raw, id := f.sign(t, nil)
		if code, err := broadcast(t.Context(), x.members[0], raw); code != 0 || err != nil {
			t.Fatalf("without quorum it is answered %d, %v", code, err)
		}
		ids = append(ids, id)
	}
	eventually(t, "the other node gets them", func() bool { return x.waits(t, 1) == len(ids) })
	x.kill(t, 0)
	x.restart(t, 2)
	x.restart(t, 3)
	for _, i := range []int{1, 2, 3} {
		x.awaitReady(t, i)
		c := x.plain(t, i)
		for _, id := range ids {
			eventually(t, x.members[i].Partner+" commits", func() bool {
				r, err := c.Receipt(t.Context(), id)
				return err == nil && len(r.Events) > 0
			})
		}
		eventually(t, "nothing waits any more", func() bool { return x.waits(t, i) == 0 })
	}
	x.restart(t, 0)
	x.awaitReady(t, 0)
	for _, id := range ids {
		x.awaitTransaction(t, id)
	}
	x.level(t)
	x.agree(t)
}
