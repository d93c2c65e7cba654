package e2e_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// victim is the member at whose node faults come.
const victim = 3

// forgetful makes a network whose nodes take snapshots all the time, and soon have evidence
// that is too old to keep blocks for: it begins again with a genesis document that says so.
func forgetful(t *testing.T) *testNet {
	t.Helper()
	x := start(t, 4, "WAYBILL_SNAPSHOT_HEIGHTS=5", "WAYBILL_IDLE_INTERVAL=50ms")
	for i, m := range x.members {
		x.end(t, i)
		x.wipe(t, i)
		doc, err := types.GenesisDocFromFile(node.GenesisPath(m.Home))
		if err != nil {
			t.Fatal(err)
		}
		doc.ConsensusParams.Evidence.MaxAgeNumBlocks, doc.ConsensusParams.Evidence.MaxAgeDuration = 5, time.Millisecond
		fresh := []byte("{\n  \"height\": \"0\",\n  \"round\": 0,\n  \"step\": 0\n}") // of a chain that begins
		if err := errors.Join(doc.ValidateAndComplete(), doc.SaveAs(node.GenesisPath(m.Home)), os.WriteFile(filepath.Join(m.Home, "data", "sign_state.json"), fresh, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range x.members {
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	return x
}

// earliest is the first block that a node's engine has, 0 while it does not answer.
func (x *testNet) earliest(t *testing.T, i int) int64 {
	var status struct {
		SyncInfo struct {
			Earliest int64 `json:"earliest_block_height,string"`
		} `json:"sync_info"`
	}
	_ = call(t.Context(), x.members[i], "status", nil, &status)
	return status.SyncInfo.Earliest
}

// snapshots are the heights that a node lists, nil while it does not answer.
func (x *testNet) snapshots(t *testing.T, i int) []int64 {
	n, err := x.plain(t, i).Network(t.Context())
	if err != nil {
		return nil
	}
	return n.Snapshots
}

func snapshotsPath(x *testNet) string { return node.SnapshotsPath(x.members[victim].Home) }

// offersWhole checks that what a node that does not run would offer its peers is whole.
func (x *testNet) offersWhole(t *testing.T, what any) {
	t.Helper()
	entries, err := os.ReadDir(snapshotsPath(x))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		dir := filepath.Join(snapshotsPath(x), e.Name())
		text, err := os.ReadFile(filepath.Join(dir, store.ManifestFile))
		if err != nil {
			t.Fatalf("%v: %v", what, err)
		}
		m, err := schemas.DecodeManifest(text)
		if err != nil {
			t.Fatalf("%v: %s: %v", what, dir, err)
		}
		for i, sum := range m.Chunks {
			if chunk, err := os.ReadFile(filepath.Join(dir, store.ChunkName(i))); err != nil || sha256.Sum256(chunk) != sum {
				t.Errorf("%v: chunk %d of %s is not what its manifest says: %v", what, i, dir, err)
			}
		}
	}
}

// stage is a fault at a step of taking a snapshot, or of removing one: a call on a file whose
// name has a height.
type stage struct {
	of string
	injection
}

func (s stage) String() string {
	if s.call == "unlinkat" { // which is tried in several ways before it fails
		return s.injection.String() + "+"
	}
	return s.injection.String()
}

// files are those of the heights around a node's.
func (s stage) files(x *testNet, height int64) (list []string) {
	for h := max(1, height-200); h < height+400; h++ {
		list = append(list, filepath.Join(snapshotsPath(x), strings.ReplaceAll(s.of, "HEIGHT", fmt.Sprint(h))))
	}
	return slices.Compact(list)
}

// stages are those at which a node is killed, and those at which its disk fails.
func stages() (kills, failures []stage) {
	const draft, chunk, manifest, gone = "draft-HEIGHT", "draft-HEIGHT/000000.chunk", "draft-HEIGHT/manifest", "gone-HEIGHT"
	for _, c := range []struct {
		of, call string
		n        int
	}{
		{draft, "mkdirat", 1}, {chunk, "openat", 1}, {chunk, "write", 1}, {chunk, "fsync", 1}, {manifest, "write", 1}, {manifest, "fsync", 1},
		{draft, "fsync", 1}, {draft, "renameat", 1}, {"", "fsync", 1}, {"", "fsync", 2}, {gone, "renameat", 1}, {gone, "unlinkat", 5},
	} {
		kills = append(kills, stage{c.of, injection{c.call, "signal=SIGKILL", c.n}})
		if c.of == "" { // a start ends at it, too
			continue
		}
		fault := "error=EIO"
		if c.call == "write" || c.call == "mkdirat" || c.call == "openat" {
			fault = "error=ENOSPC"
		}
		failures = append(failures, stage{c.of, injection{c.call, fault, c.n}})
	}
	return kills, failures
}

// ends waits for the end of what was started, with its children.
func ends(t *testing.T, cmd *exec.Cmd, what any) error {
	t.Helper()
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }()
	eventually(t, fmt.Sprintf("the node ends at %v", what), func() bool { return len(end) > 0 })
	return <-end
}

// Whatever kills a node while it takes snapshots and drops blocks, fails, or fills its disk:
// what it offers is whole, it goes on or stops and says so, and started again it has
// everything, and takes snapshots and drops blocks as before.
func TestRetentionUnderFaults(t *testing.T) {
	needStrace(t)
	x := forgetful(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	written := x.writing(t, "retention", 0, victim)
	x.end(t, victim)
	kills, failures := stages()
	for _, at := range random.Perm(len(kills))[:2] {
		x.killedAtSnapshot(t, kills[at])
	}
	for _, at := range random.Perm(len(failures))[:2] {
		x.failsAtSnapshot(t, failures[at])
	}
	database := []string{"blockstore", "state"}[random.IntN(2)]
	x.killedWhilePruning(t, database)
	for _, fault := range []injection{{"fsync", "error=EIO", 1 + random.IntN(8)}, {"write", "error=ENOSPC", 1 + random.IntN(8)}} {
		x.failsInEngine(t, []string{"blockstore", "state"}[random.IntN(2)], fault)
	}
	x.fullDisk(t)
	ids := written()
	x.awaitReady(t, victim)
	x.level(t)
	x.oneState(t)
	t.Logf("%d events were acknowledged", len(ids))
	for _, id := range ids {
		if events, err := x.client(t, victim).EventsByID(t.Context(), id); err != nil || len(events.List) != 1 {
			t.Fatalf("%s is lost: %v", id, err)
		}
	}
	x.end(t, victim)
	x.sound(t, victim)
}

// goesOn starts the node again, and waits until it has taken another snapshot and dropped
// more blocks.
func (x *testNet) goesOn(t *testing.T, after any) {
	t.Helper()
	x.restart(t, victim)
	x.takesAnother(t, after)
	base := x.earliest(t, victim)
	eventually(t, fmt.Sprintf("after %v more blocks go", after), func() bool { return x.earliest(t, victim) > base })
	x.end(t, victim)
	x.offersWhole(t, after)
}

func (x *testNet) killedAtSnapshot(t *testing.T, s stage) {
	t.Helper()
	cmd := x.startTraced(t, victim, s.files(x, x.network(t, 0).Height), s.call, s.String())
	_ = ends(t, cmd, s) // it was killed
	x.offersWhole(t, s)
}

// failsAtSnapshot has a snapshot fail, which the node says and tries again.
func (x *testNet) failsAtSnapshot(t *testing.T, s stage) {
	t.Helper()
	logged := len(nodeLog(t, x.members[victim]))
	cmd := x.startTraced(t, victim, s.files(x, x.network(t, 0).Height), s.call, s.String())
	eventually(t, fmt.Sprintf("a snapshot fails at %v", s), func() bool {
		return strings.Contains(nodeLog(t, x.members[victim])[logged:], `msg="taking a snapshot"`)
	})
	x.takesAnother(t, s)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, cmd, s); err != nil {
		t.Errorf("%v: the node ends with %v", s, err)
	}
	x.offersWhole(t, s)
}

func (x *testNet) takesAnother(t *testing.T, after any) {
	t.Helper()
	x.awaitReady(t, victim)
	height := x.network(t, victim).Height
	eventually(t, fmt.Sprintf("after %v another snapshot is taken", after), func() bool {
		list := x.snapshots(t, victim)
		return len(list) > 0 && slices.Max(list) > height
	})
}

// journals are the files that one of the engine's databases writes first.
func journals(x *testNet, database string) (list []string) {
	for n := range 500 {
		list = append(list, filepath.Join(x.members[victim].Home, "data", database+".db", fmt.Sprintf("%06d.log", n)))
	}
	return list
}

// killedWhilePruning kills the node between the moment when the engine begins to drop blocks
// and that when one of its databases has it on the disk.
func (x *testNet) killedWhilePruning(t *testing.T, database string) {
	t.Helper()
	cmd := x.startTraced(t, victim, journals(x, database), "fsync", "inject=fsync:delay_enter=20ms")
	x.awaitReady(t, victim)
	for base := x.earliest(t, victim); ; {
		if now := x.earliest(t, victim); now > base {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("no block is dropped")
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = ends(t, cmd, "pruning") // it was killed
	x.offersWhole(t, "pruning of "+database)
}

// failsInEngine has a write to one of the engine's databases fail, which ends the node.
func (x *testNet) failsInEngine(t *testing.T, database string, fault injection) {
	t.Helper()
	logged := len(nodeLog(t, x.members[victim]))
	err := ends(t, x.startTraced(t, victim, journals(x, database), fault.call, fault.String()), fault)
	var exit *exec.ExitError
	said := nodeLog(t, x.members[victim])[logged:]
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, "writing the engine's "+database) {
		t.Errorf("%s of %s: the node ends with %v and says\n%s", fault, database, err, said)
	}
}

// fullDisk fills the disk that has the snapshots, and then the one that has the blocks.
func (x *testNet) fullDisk(t *testing.T) {
	t.Helper()
	dir, filler := smallDisk(t, 8<<20)
	const full = "no space left on device"
	back := x.onto(t, dir, "snapshots")
	x.restart(t, victim)
	x.awaitReady(t, victim)
	logged := len(nodeLog(t, x.members[victim]))
	fill(t, filler)
	eventually(t, "a snapshot finds the disk full", func() bool {
		said := nodeLog(t, x.members[victim])[logged:]
		return strings.Contains(said, `msg="taking a snapshot"`) && strings.Contains(said, full)
	})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	x.takesAnother(t, "a full disk")
	x.end(t, victim)
	x.offersWhole(t, "a full disk")
	back()

	back = x.onto(t, dir, "blockstore.db")
	x.restart(t, victim)
	x.awaitReady(t, victim)
	logged = len(nodeLog(t, x.members[victim]))
	cmd := x.again[x.members[victim].Home]
	fill(t, filler)
	err := ends(t, cmd, "a full disk")
	delete(x.again, x.members[victim].Home)
	if said := nodeLog(t, x.members[victim])[logged:]; err == nil || !strings.Contains(said, "writing the engine's blockstore") || !strings.Contains(said, full) {
		t.Errorf("on a full disk the node ends with %v and says\n%s", err, said)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	x.goesOn(t, "a full disk")
	back()
	x.restart(t, victim)
}

// onto moves a directory of the node's data to another disk, and answers what moves it back.
func (x *testNet) onto(t *testing.T, dir, name string) (back func()) {
	t.Helper()
	own, there := filepath.Join(x.members[victim].Home, "data", name), filepath.Join(dir, name)
	if err := errors.Join(os.CopyFS(there, os.DirFS(own)), os.RemoveAll(own), os.Symlink(there, own)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.Remove(own), os.CopyFS(own, os.DirFS(there)), os.RemoveAll(there)); err != nil {
			t.Fatal(err)
		}
	}
}
