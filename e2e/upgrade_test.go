package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The nodes of a network get another program one by one while it is written to: two in
// front of the height of an upgrade, where programs agree, two when they stopped there.
func TestUpgradeUnderLoad(t *testing.T) {
	x := start(t, 4)
	newer := filepath.Join(t.TempDir(), "waybill")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.newestRules=2", "-o", newer, "../node/waybill").CombinedOutput(); err != nil {
		t.Fatalf("building the newer program: %v\n%s", err, out)
	}
	stop := x.writing(t, "upgraded", 0, 1, 2, 3)
	defer stop()
	at := x.network(t, 0).Height + 300
	x.passes(t, 3, "upgrade", "--height", fmt.Sprint(at), "--rules", "2")
	x.upgrade(t, 0, newer)
	x.upgrade(t, 1, newer)
	if n := x.network(t, 0); n.Rules != 1 && n.Height < at-1 {
		t.Errorf("at height %d the rules are %d", n.Height, n.Rules)
	}
	for _, i := range []int{2, 3} {
		m := x.members[i]
		eventually(t, m.Partner+" stops in front of the upgrade", func() bool { return !alive(m.PID) })
		b, err := os.ReadFile(filepath.Join(m.Home, "node.log"))
		if err != nil || !strings.Contains(string(b), fmt.Sprintf("from height %d on the network follows rules version 2, this program knows 1", at)) {
			t.Errorf("%s does not tell why it stopped: %v", m.Partner, err)
		}
		if out, err := tryWaybill("start", "--home", m.Home); err == nil || !strings.Contains(out, "install a version") {
			t.Errorf("%s starts again with the old program: %s", m.Partner, out)
		}
	}
	x.begin(t, 2, newer)
	eventually(t, "three of four go on", func() bool {
		n, err := x.plain(t, 0).Network(t.Context())
		return err == nil && n.Height >= at+5 && n.Rules == 2
	})
	x.begin(t, 3, newer)
	x.awaitReady(t, 3)
	ids := stop()
	ids = append(ids, x.acknowledged(t, 3, "with-new-rules", 0))
	x.level(t)
	x.onAllNodesOnce(t, ids)
	x.agree(t)
	x.kill(t, 3)
	if out, err := exec.Command(newer, "check", "--home", x.members[3].Home).CombinedOutput(); err != nil {
		t.Errorf("the newer program finds faults in what the older one began: %v\n%s", err, out)
	}
}

// upgrade stops a node and starts it with another program.
func (x *testNet) upgrade(t *testing.T, i int, program string) {
	t.Helper()
	x.kill(t, i)
	x.begin(t, i, program)
	x.awaitReady(t, i)
}
