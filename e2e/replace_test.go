package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/network"
)

// The node of a member of three gives way, under load, to one of another machine with a
// node id and a consensus key of its own, as docs/joining.md tells. Three validators need
// all of them at every height, so that blocks come on shows that the old one signed as long
// as it was needed, and the new one from then on.
func TestMachineOfThreeIsReplaced(t *testing.T) {
	x := start(t, 3)
	stop := x.writing(t, "load", 0, 2)
	defer stop()
	old := x.members[1]
	var r network.Request
	b, err := os.ReadFile(x.join(t, old.Partner, old.GLN, filepath.Join(x.dir, "new")))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	waybill(t, append([]string{"keys", "add", r.Keys[0].Public, "--roles", strings.Join(r.Keys[0].Roles, ","), "--held", "gateway"}, x.at(1)...)...)
	x.passes(t, 3, "validator", "--partner", old.Partner, "--node-id", r.NodeID, "--validator", r.Validator)
	x.restart(t, 3)
	eventually(t, "the new key is in force", func() bool { return x.validator(t, 0, old.Partner) == r.Validator })
	eventually(t, "the old node has no peers", func() bool {
		n, err := x.plain(t, 1).Network(t.Context())
		return err == nil && n.Peers == 0
	})
	if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old node ends", func() bool { return !alive(old.PID) })
	x.awaitReady(t, 3)
	x.members[1], x.members = x.members[3], x.members[:3]
	ids := stop()
	ids = append(ids, x.acknowledged(t, 0, "after", 0), x.acknowledged(t, 1, "after", 1))

	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.oneState(t)
	x.noEvidence(t, 0)

	// Nobody lets the old one in again.
	x.members = append(x.members, old)
	x.restart(t, 3)
	var height int64
	eventually(t, "the old node serves again", func() bool {
		n, err := x.plain(t, 3).Network(t.Context())
		if err == nil {
			height = n.Height
		}
		return err == nil
	})
	x.acknowledged(t, 0, "after", 2)
	// It connects, and is a peer on its own side until the other has looked who it is.
	eventually(t, "the old node has no peers", func() bool {
		n, err := x.plain(t, 3).Network(t.Context())
		if err == nil && n.Height != height {
			t.Fatalf("the old node has height %d, before %d", n.Height, height)
		}
		return err == nil && n.Peers == 0
	})
}
