package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
)

// bodiesFile is where a node archives bodies first.
func bodiesFile(m network.Member) string {
	return filepath.Join(m.Home, "data", "ledger", "archive", "bodies-0000000000.seg")
}

// startFaulty starts a node whose calls on the archive's bodies fail as injected.
func (x *testNet) startFaulty(t *testing.T, i int, fault injection) *exec.Cmd {
	t.Helper()
	return x.startTraced(t, i, []string{bodiesFile(x.members[i])}, fault.call, fault.String())
}

// startTraced starts a node of whose calls on some files the tracer injects something.
func (x *testNet) startTraced(t *testing.T, i int, files []string, call, inject string) *exec.Cmd {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(x.members[i].Home, "node.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	args := []string{"-f", "-o", os.DevNull, "-e", "trace=" + call, "-e", inject}
	for _, f := range files {
		args = append(args, "-P", f)
	}
	cmd := exec.Command("strace", append(args, program, "start", "--home", x.members[i].Home)...)
	cmd.Stdout, cmd.Stderr = log, log
	// Injections count by thread: with processors to spare a goroutine stays on its own.
	cmd.Env = append(append(os.Environ(), x.env...), "GOMAXPROCS=16")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that strace's end is the node's, too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return cmd
}

// lastBody captures an event, alone in its transaction, and returns the end of
// what the archive has of its body, which nothing else has.
func (x *testNet) lastBody(t *testing.T, i int, run string, n int) (id string, text []byte) {
	t.Helper()
	id, body := newEvent(i, run, n)
	if err := acknowledge(t.Context(), x.plain(t, i), body); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(bodiesFile(x.members[i]))
	if err != nil || len(file) < 64 {
		t.Fatal(len(file), err)
	}
	return id, bytes.Clone(file[len(file)-64:])
}

// order asks once that a body be erased: the outcome may be unknown.
func (x *testNet) order(t *testing.T, i int, id string) {
	t.Helper()
	_, err := x.plain(t, i).Order(t.Context(), api.OrderRequest{Order: "erase", EventID: id}, client.Write{IdempotencyKey: "order-" + id})
	if err != nil && !down(err) {
		t.Fatal(err)
	}
}

// erasedAfterAll waits until a node says that it holds a body no more, and looks.
func (x *testNet) erasedAfterAll(t *testing.T, i int, id string, text []byte) {
	t.Helper()
	x.awaitReady(t, i)
	x.order(t, i, id) // under its key again: who does not know the outcome asks again
	eventually(t, "the body is erased", func() bool {
		e, err := x.plain(t, i).Erasure(t.Context(), "", id)
		return err == nil && e.Standing == "erased" && e.Receipt != nil
	})
	file, err := os.ReadFile(bodiesFile(x.members[i]))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, text) {
		t.Errorf("the body of %s is on the disk", id)
	}
}

// eraseFaulty orders an event's body to be erased at a node that a fault ends. The
// tracer counts calls by thread: where the node's second call is another thread's
// first, no fault comes, and the next event is tried.
func (x *testNet) eraseFaulty(t *testing.T, n int, fault injection) (id string, text []byte, logged int, ended error) {
	t.Helper()
	for try := range 50 {
		id, text = x.lastBody(t, 0, "faulty", 100*n+try)
		x.end(t, 0)
		logged = len(nodeLog(t, x.members[0]))
		cmd := x.startFaulty(t, 0, fault)
		x.awaitReady(t, 0)
		end := make(chan error, 1)
		go func() { end <- cmd.Wait() }()
		x.order(t, 0, id)
		erased := false
		eventually(t, "the node ends, or has erased the body", func() bool {
			e, err := x.plain(t, 0).Erasure(t.Context(), "", id)
			erased = err == nil && e.Standing == "erased" && e.Receipt != nil
			return erased || len(end) > 0
		})
		if !erased {
			return id, text, logged, <-end
		}
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-end
		x.restart(t, 0)
		x.awaitReady(t, 0)
	}
	t.Fatalf("%s: the fault never comes", fault)
	return
}

// Whatever fails while a body is erased, the node stops and says so; started
// again, it has lost nothing, and the body is gone.
func TestErasureUnderFaults(t *testing.T) {
	needStrace(t)
	x := start(t, 1)
	keep, _ := newEvent(0, "kept", 1)
	if _, body := newEvent(0, "kept", 1); acknowledge(t.Context(), x.plain(t, 0), body) != nil {
		t.Fatal("nothing can be captured")
	}
	// The first write and sync are those of what remains, the second overwrite.
	for n, fault := range []injection{
		{"pwrite64", "error=EIO", 1}, {"fsync", "error=EIO", 1}, {"pwrite64", "error=EIO", 2}, {"pwrite64", "error=ENOSPC", 2}, {"fsync", "error=EIO", 2},
		{"pwrite64", "signal=SIGKILL", 1}, {"fsync", "signal=SIGKILL", 1}, {"pwrite64", "signal=SIGKILL", 2}, {"fsync", "signal=SIGKILL", 2},
	} {
		id, text, logged, err := x.eraseFaulty(t, n, fault)
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("%s: the node ends with %v", fault, err)
		}
		if said := nodeLog(t, x.members[0])[logged:]; strings.HasPrefix(fault.fault, "error=") && (exit.ExitCode() != 1 || !strings.Contains(said, "bodies-0000000000.seg")) {
			t.Errorf("%s: the node ends with status %d and says\n%s", fault, exit.ExitCode(), said)
		}
		x.restart(t, 0)
		x.erasedAfterAll(t, 0, id, text)
	}
	x.onAllNodesOnce(t, []string{keep})
	x.end(t, 0)
	x.sound(t, 0)
}

func nodeLog(t *testing.T, m network.Member) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.Home, "node.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// On a full disk an order stops the node, loudly; when there is room again, it
// goes on, nothing is lost, and the body is gone.
func TestErasureOnAFullDisk(t *testing.T) {
	x := start(t, 1)
	keep, body := newEvent(0, "kept", 1)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	id, text := x.lastBody(t, 0, "full", 1)
	x.end(t, 0)
	dir, filler := smallDisk(t, 1<<20)
	archive := filepath.Join(x.members[0].Home, "data", "ledger", "archive")
	moved := filepath.Join(dir, "archive")
	if err := errors.Join(os.CopyFS(moved, os.DirFS(archive)), os.RemoveAll(archive), os.Symlink(moved, archive)); err != nil {
		t.Fatal(err)
	}
	x.restart(t, 0)
	x.awaitReady(t, 0)
	cmd := x.again[x.members[0].Home]
	fill(t, filler)
	x.order(t, 0, id)
	if err := cmd.Wait(); err == nil {
		t.Error("the node ends well on a full disk")
	}
	delete(x.again, x.members[0].Home)
	if said := nodeLog(t, x.members[0]); !strings.Contains(said, "no space left on device") {
		t.Errorf("the node does not say that its disk is full:\n%s", said)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	x.restart(t, 0)
	x.erasedAfterAll(t, 0, id, text)
	x.onAllNodesOnce(t, []string{keep})
	x.end(t, 0)
	x.sound(t, 0)
	// Back to a disk that outlives the mount.
	back := fmt.Sprint(archive, ".back")
	if err := errors.Join(os.CopyFS(back, os.DirFS(moved)), os.Remove(archive), os.Rename(back, archive)); err != nil {
		t.Fatal(err)
	}
}
