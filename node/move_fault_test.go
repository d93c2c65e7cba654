package node_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
)

// copyOf is a copy of a home, with a prefix of the store of its own.
func copyOf(t *testing.T, s node.Settings, store *s3Store, prefix string) node.Settings {
	t.Helper()
	from := s.Home
	s.Home = filepath.Join(t.TempDir(), "home")
	s.ArchiveStore = store.name(prefix)
	if out, err := exec.Command("cp", "-a", from, s.Home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, s.Save())
	return s
}

// nothingLost fails the test unless each segment is in the home, or whole in the store.
func nothingLost(t *testing.T, s node.Settings, store *s3Store, prefix, after string) {
	t.Helper()
	archive := filepath.Join(node.LedgerPath(s.Home), "archive")
	for _, path := range filesOf(t, archive) {
		stub, ok := strings.CutSuffix(path, ".moved")
		if !ok {
			continue
		}
		if _, err := os.Stat(stub + ".seg"); err == nil {
			continue
		}
		text, err := os.ReadFile(path)
		must(t, err)
		_, object, _ := strings.Cut(string(text), `"object":"`)
		object, _, _ = strings.Cut(object, `"`)
		content, err := os.ReadFile(filepath.Join(store.dir, "goods", prefix, "segments", object))
		if sum := sha256.Sum256(content); err != nil || hex.EncodeToString(sum[:]) != object {
			t.Errorf("%s: %s is neither here nor in the store: %v", after, filepath.Base(stub), err)
		}
	}
}

// resumed runs the node of a home until everything is moved, and checks that nothing is lost.
func resumed(t *testing.T, s node.Settings, store *s3Store, prefix string, events int, after string) {
	t.Helper()
	n := start(t, s)
	must(t, n.TestingMove())
	must(t, n.TestingMove()) // which removes what was left
	whole, err := bodiesOf(t, n)
	must(t, err)
	for id, body := range whole {
		if body == "" {
			t.Errorf("%s: %s has no body", after, id)
		}
	}
	if len(whole) != events {
		t.Errorf("%s: %d of %d events are answered", after, len(whole), events)
	}
	must(t, n.Stop())
	nothingLost(t, s, store, prefix, after)
	if local, moved := segmentsIn(t, s.Home); local > 2 || moved < 5 || len(store.files(prefix+"/segments")) != moved {
		t.Errorf("%s: in the end %d segments are local, %d moved, %d in the store", after, local, moved, len(store.files(prefix+"/segments")))
	}
	mustHold(t, check(t, s.Home, false))
}

func cut(w http.ResponseWriter) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = c.Close()
	}
}

// altered answers what the store does, with another body.
func altered(change func([]byte) []byte) meddling {
	return func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		rec := httptest.NewRecorder()
		behind.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(change(rec.Body.Bytes())) // of a short one the connection is cut
	}
}

var meddlings = map[string]meddling{
	"an error": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	"no permission":    func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusForbidden) },
	"a cut connection": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { cut(w) },
	"half of a question": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.CopyN(io.Discard, r.Body, 100)
		cut(w)
	},
	"half of an answer": altered(func(b []byte) []byte { return b[:len(b)/2] }),
	"an error after success": func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		behind.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusBadGateway)
	},
	"no answer after success": func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		behind.ServeHTTP(httptest.NewRecorder(), r)
		cut(w)
	},
	"wrong bytes": altered(func(b []byte) []byte {
		if len(b) == 0 {
			return b
		}
		b = bytes.Clone(b)
		b[len(b)/2] ^= 0x20
		return b
	}),
}

// Whatever the store does with a move, from any question on, nothing is lost, and the move
// goes on when the store does what it should.
func TestMoveUnderFaults(t *testing.T) {
	store := anyS3(t)
	grown, events := grownFor(t, store)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n := 0
	for _, what := range slices.Sorted(maps.Keys(meddlings)) {
		meddle := meddlings[what]
		for _, from := range []int64{1 + random.Int64N(4), 5 + random.Int64N(6)} {
			if from > 4 && testing.Short() {
				continue
			}
			n++
			prefix, after := fmt.Sprint("faults/", n), fmt.Sprintf("%s from question %d on", what, from)
			s := copyOf(t, grown, store, prefix)
			var asked atomic.Int64
			store.meddling(func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
				if asked.Add(1) < from {
					behind.ServeHTTP(w, r)
					return
				}
				meddle(w, r, behind)
			})
			n := start(t, s)
			if err := n.TestingMove(); err == nil {
				t.Errorf("%s: nobody is told", after)
			}
			must(t, n.Stop())
			nothingLost(t, s, store, prefix, after)
			store.meddling(nil)
			resumed(t, s, store, prefix, events, after)
		}
	}
}

// diskFault is one of a call on a file below data/ledger.
type diskFault struct{ file, call, fault string }

func (f diskFault) String() string { return fmt.Sprintf("%s at %s of %s", f.fault, f.call, f.file) }

// diskFaults are kills and failures at every step by which a file of the archive appears
// under its name, and another goes; a few of them, others in each run, with -short.
func diskFaults(t *testing.T, temporary, goes string) (list []diskFault) {
	t.Helper()
	for _, call := range []string{"openat", "write", "fsync", "renameat"} {
		fault := "error=EIO"
		if call == "openat" || call == "write" {
			fault = "error=ENOSPC"
		}
		list = append(list, diskFault{temporary, call, "signal=SIGKILL"}, diskFault{temporary, call, fault})
	}
	for _, fault := range []string{"signal=SIGKILL", "error=EIO"} {
		list = append(list, diskFault{"archive", "fsync", fault}, diskFault{goes, "unlinkat", fault})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	if testing.Short() {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:4]
	}
	return list
}

// movedUnder runs a process that moves what is to be moved, or brought back, under a fault,
// which must end it.
func movedUnder(t *testing.T, s node.Settings, f diskFault) {
	t.Helper()
	inject := "inject=" + f.call + ":" + f.fault + ":when=1+"
	cmd := exec.Command("strace", "-f", "-o", os.DevNull, "-P", filepath.Join(node.LedgerPath(s.Home), f.file), "-e", "trace="+f.call, "-e", inject, os.Args[0])
	cmd.Env = append(os.Environ(), moverProcess+"="+s.Home)
	var exit *exec.ExitError
	if out, err := cmd.CombinedOutput(); !errors.As(err, &exit) || strings.HasPrefix(f.fault, "error=") && len(out) == 0 {
		t.Errorf("%s: the process ends with %v and says %q", f, err, out)
	}
}

func needStrace(t *testing.T) {
	t.Helper()
	if err := exec.Command("strace", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace does not work here: %v", err)
	}
}

// Killed between any two steps of a move, or with a disk that fails at one, a home has lost
// nothing, and moves the rest.
func TestMoveOnDiskThatFails(t *testing.T) {
	needStrace(t)
	store := anyS3(t)
	grown, events := grownFor(t, store)
	for n, f := range diskFaults(t, "moving.moved", "archive/bodies-0000000000.seg") {
		prefix := fmt.Sprint("disk/", n)
		s := copyOf(t, grown, store, prefix)
		movedUnder(t, s, f)
		nothingLost(t, s, store, prefix, f.String())
		resumed(t, s, store, prefix, events, f.String())
	}
}

// The same while a segment is brought back, for a body in it that is to be erased: in the end
// that body is gone, and no other.
func TestRecallOnDiskThatFails(t *testing.T) {
	needStrace(t)
	store := anyS3(t)
	grown, n := startMoved(t, store)
	whole, err := bodiesOf(t, n)
	must(t, err)
	id := erasedWhileAway(t, n, store)
	must(t, n.Stop())
	store.start()
	for i, f := range diskFaults(t, "moving.seg", "archive/bodies-0000000000.moved") {
		prefix := fmt.Sprint("recall/", i)
		s := copyOf(t, grown, store, prefix)
		at := filepath.Join(store.dir, "goods", prefix)
		must(t, os.MkdirAll(filepath.Dir(at), 0o700))
		if out, err := exec.Command("cp", "-a", filepath.Join(store.dir, "goods", "acme", "archive"), at).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if f.call != "unlinkat" { // the stub goes only when the body has
			movedUnder(t, s, f)
		}
		nothingLost(t, s, store, prefix, f.String())
		n := start(t, s)
		must(t, n.TestingMove())
		if f.call == "unlinkat" {
			erasePutOff(t, n)
			must(t, n.Stop())
			if _, err := os.Stat(filepath.Join(node.LedgerPath(s.Home), f.file)); err == nil { // the node was not faster
				movedUnder(t, s, f)
			}
			nothingLost(t, s, store, prefix, f.String())
			n = start(t, s)
		}
		erasePutOff(t, n)
		must(t, n.TestingMove())
		again, err := bodiesOf(t, n)
		must(t, err)
		for other, body := range whole {
			if want := map[bool]string{true: "", false: body}[other == id]; again[other] != want {
				t.Errorf("%s: of %s the body is %q, expected %q", f, other, again[other], want)
			}
		}
		must(t, n.Stop())
		nothingLost(t, s, store, prefix, f.String())
		mustHold(t, check(t, s.Home, false))
	}
}

// erasePutOff commits events until no erasure waits.
func erasePutOff(t *testing.T, n *node.Node) {
	t.Helper()
	for i, deadline := 0, time.Now().Add(patience); ; i++ {
		awaited, err := n.AwaitedSegments()
		must(t, err)
		if len(awaited) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no block makes the erasure of %v good", awaited)
		}
		commit(t, n, event(t, 8000+i))
	}
}
