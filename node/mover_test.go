package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ledgerstore "github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// moverProcess makes this program start the node of a home, move what is to be
// moved and end, for tests that kill it.
const moverProcess = "WAYBILL_TEST_MOVER"

// smallSegments is where tests have segments full: at a body or two.
const smallSegments = 512

func moveAndEnd(home string) error {
	s, err := node.LoadSettings(home, nothing)
	if err != nil {
		return err
	}
	s.SegmentBytes = smallSegments
	n, err := node.Start(context.Background(), s, "test", io.Discard)
	if err != nil {
		return err
	}
	return errors.Join(n.TestingMove(), n.Stop())
}

// grownFor is the home of a node that committed events and has moved none, with
// settings by which it may move all but the last.
func grownFor(t *testing.T, store *s3Store) (s node.Settings, events int) {
	t.Helper()
	s = alone(t)
	s.SegmentBytes = smallSegments
	s.IdleInterval = node.Duration(time.Hour) // so that no view expires while what it needs is away
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	for events = range 12 {
		commit(t, n, event(t, 10*events+1), event(t, 10*events+2))
	}
	must(t, n.Stop())
	access := store.access()
	s.S3Endpoint, s.S3Credentials, s.ArchiveStore, s.ArchiveHeights = access.Endpoint, access.Credentials, store.name("acme/archive"), 0
	must(t, s.Save()) // for commands, which read it again
	return s, 2 * (events + 1)
}

// bodiesOf reads every event of the ledger, with its body.
func bodiesOf(t *testing.T, n *node.Node) (bodies map[string]string, err error) {
	t.Helper()
	view, err := n.Ledger().View()
	must(t, err)
	page, err := view.Page(t.Context(), schemas.EventQuery{Limit: 1000})
	if err != nil {
		return nil, err
	}
	bodies = map[string]string{}
	for _, r := range page.Records {
		bodies[r.EventID] = string(r.Body)
	}
	return bodies, nil
}

func segmentsIn(t *testing.T, home string) (local, moved int) {
	t.Helper()
	for _, path := range filesOf(t, filepath.Join(node.LedgerPath(home), "archive")) {
		switch name := filepath.Base(path); {
		case strings.HasPrefix(name, "bodies-") && strings.HasSuffix(name, ".seg"):
			local++
		case strings.HasSuffix(name, ".moved"):
			moved++
		}
	}
	return local, moved
}

func start(t *testing.T, s node.Settings) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	return n
}

// startMoved is a node that runs, and has moved what grownFor gave it to the store.
func startMoved(t *testing.T, store *s3Store) (node.Settings, *node.Node) {
	t.Helper()
	s, _ := grownFor(t, store)
	n := start(t, s)
	must(t, n.TestingMove())
	return s, n
}

// Old segments go to the store and everything is answered as before: queries,
// check, rebuild, peers, backup and restore. While the store is away, what needs
// it is told so, blocks go on, and the answers are back with it.
func TestSegmentsMove(t *testing.T) {
	store := anyS3(t)
	s, events := grownFor(t, store)
	n := start(t, s)
	must(t, n.TestingMove())
	local, moved := segmentsIn(t, s.Home)
	if objects := store.files("acme/archive/segments"); moved < 5 || local > 2 || len(objects) != moved {
		t.Fatalf("%d segments are local, %d moved, %d in the store", local, moved, len(objects))
	}
	must(t, n.Stop())
	n = start(t, s) // which remembers nothing
	whole, err := bodiesOf(t, n)
	must(t, err)
	if len(whole) != events {
		t.Errorf("%d of %d events are answered", len(whole), events)
	}
	for id, body := range whole {
		if body == "" {
			t.Errorf("%s has no body", id)
		}
	}
	peers, err := n.Archive(1)
	must(t, err)
	must(t, n.Stop())
	mustHold(t, check(t, s.Home, false))
	must(t, os.RemoveAll(filepath.Join(node.LedgerPath(s.Home), ledgerstore.DatabaseName(s.Backend))))
	if r := check(t, s.Home, true); !r.Rebuilt {
		t.Errorf("the database is not rebuilt: %+v", r)
	}
	vault := filepath.Join(t.TempDir(), "vault")
	n = start(t, s)
	backup(t, s.Home, vault)
	store.stop()
	if _, err := bodiesOf(t, n); !isFault(err, schemas.ArchiveAway) {
		t.Errorf("while the store is away: %v", err)
	}
	if _, err := n.Archive(1); err == nil {
		t.Error("while the store is away a peer is answered")
	}
	for i := range 4 {
		commit(t, n, event(t, 901+10*i), event(t, 902+10*i))
	}
	if err := n.TestingMove(); err == nil {
		t.Error("while the store is away something is moved")
	}
	store.start()
	again, err := bodiesOf(t, n)
	must(t, err)
	for id, body := range whole {
		if again[id] != body {
			t.Errorf("%s is not what it was", id)
		}
	}
	if told, err := n.Archive(1); err != nil || len(told) < len(peers) {
		t.Errorf("a peer is told %d bytes after %d, %v", len(told), len(peers), err)
	}
	must(t, n.Stop())
	home := filepath.Join(t.TempDir(), "restored")
	_, err = node.Restore(t.Context(), node.RestoreOptions{From: vault, Home: home, Keys: filepath.Join(s.Home, "keys"), NewValidatorKey: true})
	must(t, err)
	if local, moved := segmentsIn(t, home); moved > 0 || local < 5 {
		t.Errorf("a restore makes %d segments and %d stubs", local, moved)
	}
	mustHold(t, check(t, home, false))
}

func isFault(err error, code schemas.Code) bool {
	var f *schemas.Fault
	return errors.As(err, &f) && f.Code == code
}

// erasedWhileAway orders the erasure of the first event's body while the store is away.
func erasedWhileAway(t *testing.T, n *node.Node, store *s3Store) (id string) {
	t.Helper()
	view, err := n.Ledger().View()
	must(t, err)
	page, err := view.Page(t.Context(), schemas.EventQuery{Limit: 1, Ascending: true})
	must(t, err)
	id = page.Records[0].EventID
	store.stop()
	order, err := schemas.MakeOrder(schemas.OrderErase, id, "asked for by the person concerned", "2026-03-01T09:00:00Z")
	must(t, err)
	if r := commit(t, n, order); r.Events[0].Code != schemas.OK {
		t.Fatalf("the order is answered %+v", r.Events[0])
	}
	return id
}

// An erased body is gone from the store, too, as soon as that answers; the order
// itself waits for nothing.
func TestMovedSegmentIsErased(t *testing.T) {
	store := anyS3(t)
	s, n := startMoved(t, store)
	whole, err := bodiesOf(t, n)
	must(t, err)
	before := store.files("acme/archive/segments")
	id := erasedWhileAway(t, n, store)
	awaited, err := n.AwaitedSegments()
	must(t, err)
	if len(awaited) != 1 {
		t.Fatalf("awaited are %v", awaited)
	}
	if err := n.TestingMove(); err == nil {
		t.Error("a segment came from a store that is away")
	}
	must(t, n.Stop())
	n = start(t, s)
	store.start()
	must(t, n.TestingMove())
	for deadline := time.Now().Add(patience); len(awaited) > 0; {
		awaited, err = n.AwaitedSegments()
		must(t, err)
		if time.Now().After(deadline) {
			t.Fatal("no block makes the erasure good")
		}
		commit(t, n, event(t, 7000+int(time.Now().UnixNano()%1000)))
	}
	must(t, n.TestingMove())
	gone := 0
	for _, path := range before {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d objects are gone, of the one that had the body", gone)
	}
	again, err := bodiesOf(t, n)
	must(t, err)
	for other, body := range whole {
		if want := map[bool]string{true: "", false: body}[other == id]; again[other] != want {
			t.Errorf("of %s the body is %q, expected %q", other, again[other], want)
		}
	}
	must(t, n.Stop())
	mustHold(t, check(t, s.Home, false))
}

// A store that refuses, or keeps something else than it was given, takes nothing
// away; when it is mended, the move goes on.
func TestMoveToStoreThatFails(t *testing.T) {
	store := anyS3(t)
	s, _ := grownFor(t, store)
	refuse := func(status int) {
		store.refusing(func(r *http.Request) int {
			if isPut(r) {
				return status
			}
			return 0
		})
	}
	refuse(http.StatusForbidden) // from the start: a node moves as soon as it runs
	n := start(t, s)
	defer func() { must(t, n.Stop()) }()
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError, http.StatusInsufficientStorage} {
		refuse(status)
		before, _ := segmentsIn(t, s.Home)
		if err := n.TestingMove(); err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: %v", status, err)
		}
		if after, _ := segmentsIn(t, s.Home); after != before {
			t.Errorf("%d: of %d local segments %d are left", status, before, after)
		}
	}
	store.refusing(nil)
	first := filepath.Join(node.LedgerPath(s.Home), "archive", "bodies-0000000000.seg")
	content, err := os.ReadFile(first)
	must(t, err)
	must(t, n.TestingMove())
	_, moved := segmentsIn(t, s.Home)
	if moved < 5 {
		t.Errorf("%d segments are moved in the end", moved)
	}
	// As a kill leaves it between the stub and the removal of the file, and before
	// the stub.
	must(t, os.WriteFile(first, content, 0o600))
	must(t, os.WriteFile(filepath.Join(store.dir, "goods", "acme", "archive", "segments", strings.Repeat("ab", 32)), content, 0o600))
	must(t, n.Stop())
	n = start(t, s)
	must(t, n.TestingMove())
	if local, again := segmentsIn(t, s.Home); again < moved || local > 2 || len(store.files("acme/archive/segments")) != again { // blocks go on
		t.Errorf("%d segments are local, %d moved, in the store are %d", local, again, len(store.files("acme/archive/segments")))
	}
	_, err = bodiesOf(t, n)
	must(t, err)
}

// Another home's prefix is not used, and nothing in it touched.
func TestMoveToAnothersPrefix(t *testing.T) {
	store := anyS3(t)
	_, n := startMoved(t, store)
	must(t, n.Stop())
	objects := len(store.files("acme/archive"))
	other, _ := grownFor(t, store)
	n = start(t, other)
	defer func() { must(t, n.Stop()) }()
	if err := n.TestingMove(); err == nil || !strings.Contains(err.Error(), "another home") {
		t.Errorf("into another's prefix: %v", err)
	}
	if left := len(store.files("acme/archive")); left != objects {
		t.Errorf("of %d objects %d are left", objects, left)
	}
}

// Killed at any question to the store, a move leaves every segment readable, and
// the next one goes on.
func TestMoveKilled(t *testing.T) {
	store := anyS3(t)
	s, events := grownFor(t, store)
	finished := false
	for at := int64(1); !finished; at += 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), moverProcess+"="+s.Home)
		var questions atomic.Int64
		store.refusing(func(*http.Request) int {
			if questions.Add(1) == at {
				_ = cmd.Process.Kill()
			}
			return 0
		})
		must(t, cmd.Start())
		finished = cmd.Wait() == nil
		store.refusing(nil)
		if at > 500 {
			t.Fatal("no move finishes")
		}
		n := start(t, s)
		whole, err := bodiesOf(t, n)
		must(t, err)
		if len(whole) != events {
			t.Errorf("killed at %d: %d of %d events", at, len(whole), events)
		}
		must(t, n.Stop())
	}
	mustHold(t, check(t, s.Home, false))
	_, moved := segmentsIn(t, s.Home)
	if objects := store.files("acme/archive/segments"); len(objects) != moved {
		t.Errorf("%d objects for %d segments", len(objects), moved)
	}
}

// A segment that the store lost, with a body that is to be erased, keeps no other
// erasure waiting.
func TestErasureBesideALostSegment(t *testing.T) {
	store := anyS3(t)
	s, n := startMoved(t, store)
	view, err := n.Ledger().View()
	must(t, err)
	page, err := view.Page(t.Context(), schemas.EventQuery{Limit: 20, Ascending: true})
	must(t, err)
	must(t, n.Stop())
	n = start(t, s) // which remembers nothing
	defer func() { must(t, n.Stop()) }()
	for _, i := range []int{0, 10} {
		order, err := schemas.MakeOrder(schemas.OrderErase, page.Records[i].EventID, "asked for by the person concerned", "2026-03-01T09:00:00Z")
		must(t, err)
		if r := commit(t, n, order); r.Events[0].Code != schemas.OK {
			t.Fatalf("the order is answered %+v", r.Events[0])
		}
	}
	awaited, err := n.AwaitedSegments()
	must(t, err)
	if len(awaited) != 2 {
		t.Fatalf("awaited are %v", awaited)
	}
	stub, err := os.ReadFile(filepath.Join(node.LedgerPath(s.Home), "archive", strings.TrimSuffix(awaited[0], ".seg")+".moved"))
	must(t, err)
	for _, path := range store.files("acme/archive/segments") {
		if strings.Contains(string(stub), `"object":"`+filepath.Base(path)+`"`) {
			must(t, os.Remove(path))
		}
	}
	for i := 0; len(awaited) != 1; i++ {
		if i == 20 {
			t.Fatalf("awaited are %v", awaited)
		}
		if err := n.TestingMove(); err == nil {
			t.Error("nobody is told of the lost segment")
		}
		commit(t, n, event(t, 7000+i))
		awaited, err = n.AwaitedSegments()
		must(t, err)
	}
}
