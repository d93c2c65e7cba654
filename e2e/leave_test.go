package e2e_test

import (
	"path/filepath"
	"testing"
)

// Three validators become two, and one, by votes: who goes signs as long as its vote
// counts, so that blocks go on, and then loses its peers, who let it in no more, also when
// they or it begin anew.
func TestMembersGoUntilOneIsLeft(t *testing.T) {
	x := start(t, 3, "WAYBILL_IDLE_INTERVAL=1s")
	ids := []string{x.acknowledged(t, 2, "three", 0)}
	for gone := 2; gone > 0; gone-- {
		x.passes(t, gone+1, "remove", "--partner", x.members[gone].Partner)
		for i := range gone {
			ids = append(ids, x.acknowledged(t, i, "fewer", 10*gone+i))
		}
		x.alone(t, gone)
		x.kill(t, gone)
		x.kill(t, 0)
		x.restart(t, 0)
		x.awaitReady(t, 0)
		log := filepath.Join(x.members[gone].Home, "node.log")
		before := mentions(log, "Stopping peer for error")
		x.restart(t, gone)
		eventually(t, "who was removed comes back, and is refused", func() bool { return mentions(log, "Stopping peer for error") > before })
		ids = append(ids, x.acknowledged(t, 0, "fewer", 10*gone+5))
		x.alone(t, gone)
		if has, knows := x.network(t, 0).Height, x.network(t, gone).Height; knows >= has {
			t.Errorf("who was removed has height %d, the others %d", knows, has)
		}
		x.kill(t, gone) // two that were removed may still know each other
	}
	x.members = x.members[:1]
	x.onAllNodesOnce(t, ids)
	x.noEvidence(t, 0)
}

// alone waits until a node has no peers.
func (x *testNet) alone(t *testing.T, i int) {
	t.Helper()
	eventually(t, "who was removed has no peers", func() bool {
		n, err := x.plain(t, i).Network(t.Context())
		return err == nil && n.Peers == 0
	})
}
