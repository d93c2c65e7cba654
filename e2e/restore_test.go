package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/waybill-ledger/waybill/node"
)

// waybill runs the program and returns what it printed.
func waybill(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryWaybill(args...)
	if err != nil {
		t.Fatalf("waybill %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func tryWaybill(args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err := cmd.Run()
	return out.String() + diagnostics.String(), err
}

func readJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// identity makes an age identity and returns its recipient and its file.
func identity(t *testing.T) (recipient, file string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(file, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String(), file
}

// end stops a node that the network or the test started.
func (x *testNet) end(t *testing.T, i int) {
	t.Helper()
	m := x.members[i]
	if cmd := x.again[m.Home]; cmd != nil {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%s ended: %v", m.Partner, err)
		}
		delete(x.again, m.Home)
		return
	}
	if err := syscall.Kill(m.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, m.Partner+" ends", func() bool { return !alive(m.PID) })
}

// A node whose machine is lost comes back from a backup that was made while it
// worked. It has what the others have, votes again, and never votes where it may
// have voted before. The steps are those of docs/operate.md.
func TestBackupAndRestoreOfANode(t *testing.T) {
	x := start(t, 4)
	const lost = 3
	recipient, key := identity(t)
	vault := filepath.Join(t.TempDir(), "backups")
	var acked []string
	var mu sync.Mutex // guards acked
	var stop atomic.Bool
	var writers sync.WaitGroup
	for i := range x.members {
		c := x.plain(t, i)
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				id, body := newEvent(i, "backup", n)
				if err := acknowledge(t.Context(), c, body); err != nil {
					t.Errorf("%s: %v", x.members[i].Partner, err)
					return
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
			}
		})
	}
	more := func(n int) {
		mu.Lock()
		want := len(acked) + n
		mu.Unlock()
		eventually(t, fmt.Sprintf("%d events", want), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return t.Failed() || len(acked) >= want
		})
	}
	home := x.members[lost].Home
	more(20)
	first := readJSON[node.BackupReport](t, waybill(t, "backup", "-o", "json", "--home", home, "--to", vault, "--recipient", recipient, "--validator-key"))
	more(20)
	second := readJSON[node.BackupReport](t, waybill(t, "backup", "-o", "json", "--home", home, "--to", vault, "--recipient", recipient, "--validator-key"))
	more(10)
	stop.Store(true)
	writers.Wait()
	if !first.Running || !first.Encrypted || second.Height <= first.Height || second.NewChunks >= first.NewChunks {
		t.Errorf("the first backup is %+v, the second %+v", first, second)
	}

	x.kill(t, lost)
	if err := os.Rename(home, home+".lost"); err != nil {
		t.Fatal(err)
	}
	id, body := newEvent(0, "meanwhile", 0)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	acked = append(acked, id)

	dry := readJSON[node.RestoreReport](t, waybill(t, "restore", "-o", "json", "--from", vault, "--identity", key, "--dry-run"))
	if dry.Height != second.Height || dry.AppHash != second.AppHash {
		t.Errorf("a dry run finds %+v, the backup is %+v", dry, second)
	}
	if out, err := tryWaybill("restore", "--from", vault, "--identity", key, "--home", home); err == nil || !strings.Contains(out, "--sign-after HEIGHT") {
		t.Errorf("a restore that does not say how the validator goes on: %v\n%s", err, out)
	}
	now, err := x.client(t, 0).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waybill(t, "restore", "--from", vault, "--identity", key, "--home", home, "--sign-after", fmt.Sprint(now.Height+2))
	if out := waybill(t, "check", "--home", home); !strings.Contains(out, "everything holds") {
		t.Errorf("the restored home:\n%s", out)
	}
	if err := os.WriteFile(filepath.Join(home, "node.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.restart(t, lost)
	x.awaitReady(t, lost)
	x.level(t)
	x.onAllNodesOnce(t, acked)
	for n := 0; ; n++ {
		if at, err := x.client(t, 0).Network(t.Context()); err != nil || at.Height > now.Height+2 {
			break
		}
		id, body := newEvent(0, "onwards", n)
		if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
			t.Fatal(err)
		}
		acked = append(acked, id)
	}
	// With another one down there is no quorum but with the restored one's vote.
	x.kill(t, 2)
	id, body = newEvent(0, "afterwards", 0)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	x.restart(t, 2)
	x.awaitReady(t, 2)
	x.level(t)
	x.onAllNodesOnce(t, append(acked, id))
	x.agree(t)
	x.end(t, lost)
	if out := waybill(t, "check", "--home", home); !strings.Contains(out, "everything holds") {
		t.Errorf("the home after all:\n%s", out)
	}
}

// All partners lose their machines. From backups of different heights the network
// comes back with everything that any of them has, and goes on.
func TestRestoreOfAWholeNetwork(t *testing.T) {
	x := start(t, 4)
	var acked []string
	vaults := make([]string, len(x.members))
	height := int64(0)
	for i, m := range x.members {
		for n := range 5 {
			id, body := newEvent(i, "whole", n)
			if err := acknowledge(t.Context(), x.plain(t, i), body); err != nil {
				t.Fatal(err)
			}
			acked = append(acked, id)
		}
		vaults[i] = filepath.Join(t.TempDir(), "backups")
		r := readJSON[node.BackupReport](t, waybill(t, "backup", "-o", "json", "--home", m.Home, "--to", vaults[i]))
		height = max(height, r.Height)
	}
	for i, m := range x.members {
		x.kill(t, i)
		if err := os.Rename(m.Home, m.Home+".lost"); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range x.members {
		waybill(t, "restore", "--from", vaults[i], "--home", m.Home, "--keys", filepath.Join(m.Home+".lost", "keys"), "--sign-after", fmt.Sprint(height))
		if err := os.WriteFile(filepath.Join(m.Home, "node.log"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		x.restart(t, i)
	}
	for i := range x.members {
		x.awaitReady(t, i)
	}
	id, body := newEvent(1, "after", 0)
	if err := acknowledge(t.Context(), x.plain(t, 1), body); err != nil {
		t.Fatal(err)
	}
	x.level(t)
	x.onAllNodesOnce(t, append(acked, id))
	x.agree(t)
}

// A node that joined by a snapshot is checked, too, as far as it has history.
func TestCheckOfANodeThatJoined(t *testing.T) {
	x := start(t, 4, "WAYBILL_SNAPSHOT_HEIGHTS=5")
	const joins = 3
	n := 0
	snapshot := func(above int64) (last int64) {
		for last <= above && !t.Failed() {
			_, body := newEvent(0, "joined", n)
			if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
				t.Fatal(err)
			}
			n++
			for _, height := range x.network(t, 0).Snapshots {
				last = max(last, height)
			}
		}
		return last
	}
	first := snapshot(0)
	trust := x.trustFile(t)
	x.kill(t, joins)
	x.wipe(t, joins)
	snapshot(first)
	x.restart(t, joins, "--trust", trust)
	x.awaitReady(t, joins)
	x.end(t, joins)
	if out := waybill(t, "check", "--home", x.members[joins].Home); strings.Contains(out, "fault:") {
		t.Errorf("the check says:\n%s", out)
	}
}
