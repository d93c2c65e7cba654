package node_test

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// stopped makes the home of a node that committed some events, took a snapshot and was
// stopped.
func stopped(t *testing.T) node.Settings {
	t.Helper()
	s := alone(t)
	s.SnapshotHeights = 3
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		commit(t, n, event(t, 10*i+1), event(t, 10*i+2), event(t, 10*i+2))
	}
	for deadline := time.Now().Add(patience); ; {
		net, err := n.Ledger().Network(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("no snapshot was taken: %v", err)
		}
		if len(net.Snapshots) > 0 {
			break
		}
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, home string, rebuild bool) *node.CheckReport {
	t.Helper()
	report, err := node.Check(t.Context(), node.CheckOptions{Home: home, Scratch: t.TempDir(), Rebuild: rebuild})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func mustHold(t *testing.T, r *node.CheckReport) {
	t.Helper()
	for _, f := range r.Faults {
		t.Errorf("fault: %s", f)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// filesOf lists the files below a directory.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// unguarded are the files that say nothing a check could be wrong about: what is
// written for people, locks, addresses of peers, the second copy of a database's
// pointer, and settings, which are the operator's to change.
func unguarded(home, path string) bool {
	switch name := filepath.Base(path); name {
	case "LOCK", "LOG", "CURRENT.bak", "addresses.json", "peers.json", node.SettingsFile:
		return true
	}
	return false
}

// flipped fails the test unless a check of a home finds each of some bits that are flipped in
// files of it, one at a time.
func flipped(t *testing.T, home string, files []string, flips int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, path := range files {
		before, err := os.ReadFile(path)
		must(t, err)
		for range flips {
			at, bit := random.IntN(len(before)), random.IntN(8)
			after := append([]byte(nil), before...)
			after[at] ^= 1 << bit
			must(t, os.WriteFile(path, after, 0o600))
			if r := check(t, home, false); len(r.Faults) == 0 {
				t.Errorf("%s: bit %d of byte %d of %d was flipped, and nothing is found", path, bit, at, len(before))
			}
		}
		must(t, os.WriteFile(path, before, 0o600))
	}
	mustHold(t, check(t, home, false))
}

// flips is how many bits of each file are flipped.
func flips() int {
	if testing.Short() {
		return 3
	}
	return 12
}

// A flipped bit in any file of a home is found, wherever it is.
func TestCheckFindsAFlippedBitInEveryFile(t *testing.T) {
	s := stopped(t)
	mustHold(t, check(t, s.Home, false))
	var guarded []string
	for _, path := range filesOf(t, s.Home) {
		info, err := os.Stat(path)
		must(t, err)
		if !unguarded(s.Home, path) && info.Size() > 0 {
			guarded = append(guarded, path)
		}
	}
	if len(guarded) < 17 {
		t.Errorf("only %d files are looked at", len(guarded))
	}
	flipped(t, s.Home, guarded, flips())
}

// A flipped bit in keys that are encrypted is found, and in what a passphrase opens.
func TestCheckFindsAFlippedBitInEncryptedKeys(t *testing.T) {
	s := stopped(t)
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	encrypt(t, &s, "identity:"+writePrivate(t, "identity", identity.String()+"\n"), 4)
	keys := filesOf(t, filepath.Join(s.Home, "keys"))
	if len(keys) != 4 {
		t.Fatalf("the home has the keys %v", keys)
	}
	flipped(t, s.Home, keys, flips())

	s = stopped(t)
	encrypt(t, &s, "file:"+writePrivate(t, "passphrase", "correct horse\n"), 4)
	flipped(t, s.Home, []string{filepath.Join(s.Home, "keys", "identity.age")}, 3)
}

// A flipped bit is found in the stub of a segment that was moved, and in what is in the store.
func TestCheckFindsAFlippedBitInAMovedSegment(t *testing.T) {
	objects := anyS3(t)
	s, n := startMoved(t, objects)
	must(t, n.Stop())
	stubs, err := filepath.Glob(filepath.Join(node.LedgerPath(s.Home), "archive", "*.moved"))
	if err != nil || len(stubs) < 5 {
		t.Fatal(stubs, err)
	}
	flipped(t, s.Home, stubs, flips())
	flipped(t, s.Home, objects.files("acme/archive/segments")[:3], flips())
}

// A flipped bit is found in the history that a node is fetching; in its database, when that is
// about to be used.
func TestCheckFindsAFlippedBitInHistory(t *testing.T) {
	n, blocks := grown(t)
	s := stopped(t)
	h := history(t, n, s.Home)
	must(t, h.Keep(answerOf(blocks)))
	must(t, h.Close())
	segments, err := filepath.Glob(filepath.Join(node.HistoryPath(s.Home), "archive", "*.seg"))
	if err != nil || len(segments) < 2 {
		t.Fatal(segments, err)
	}
	flipped(t, s.Home, segments, flips())
	h = history(t, n, s.Home)
	must(t, h.Complete())
	var guarded []string
	for _, path := range filesOf(t, node.HistoryPath(s.Home)) {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 && !unguarded(s.Home, path) {
			guarded = append(guarded, path)
		}
	}
	if len(guarded) < 5 {
		t.Fatalf("of a complete history there is %v", guarded)
	}
	flipped(t, s.Home, guarded, flips())
}

// The rows by which parts of long trails are proven are missed when they are not there, and
// come back.
func TestCheckRebuildsSubtrees(t *testing.T) {
	s := alone(t)
	n := start(t, s)
	for i := range 3 {
		var events []*schemas.Event
		for j := range 100 {
			events = append(events, event(t, 100*i+j))
		}
		commit(t, n, events...)
	}
	must(t, n.Stop())
	rows := func(remove bool) (count int) {
		t.Helper()
		db, err := leveldb.OpenFile(filepath.Join(node.LedgerPath(s.Home), "state.db"), nil)
		must(t, err)
		defer func() { must(t, db.Close()) }()
		it := db.NewIterator(util.BytesPrefix([]byte("rA")), nil)
		defer it.Release()
		for it.Next() {
			count++
			if remove {
				must(t, db.Delete(it.Key(), nil))
			}
		}
		return count
	}
	had := rows(true)
	if had == 0 || rows(false) != 0 {
		t.Fatalf("of a trail of 300 records there were %d rows of subtrees", had)
	}
	if r := check(t, s.Home, false); len(r.Faults) != had || !strings.Contains(r.Faults[0].Detail, "is missing") {
		t.Errorf("of %d rows that are missing the check says %v", had, r.Faults)
	}
	mustHold(t, check(t, s.Home, true))
	mustHold(t, check(t, s.Home, false))
	if have := rows(false); have != had {
		t.Errorf("there were %d rows of subtrees, after a rebuild there are %d", had, have)
	}
}

// What a database lost comes back from the archive, and the node goes on from it.
func TestCheckRebuilds(t *testing.T) {
	s := stopped(t)
	database := filepath.Join(node.LedgerPath(s.Home), "state.db")
	first := check(t, s.Home, false)
	for name, damage := range map[string]func(){
		"nothing":  func() {},
		"all gone": func() { must(t, os.RemoveAll(database)) },
		"one table or journal damaged": func() {
			for _, path := range filesOf(t, database) {
				if b, err := os.ReadFile(path); err == nil && len(b) > 1000 {
					for i := 500; i < len(b); i += 700 {
						b[i] ^= 0x10
					}
					must(t, os.WriteFile(path, b, 0o600))
				}
			}
		},
		"a rebuild that was killed between two renamings": func() { must(t, os.Rename(database, database+".replaced")) },
		"a rebuild that was killed before": func() {
			must(t, os.MkdirAll(filepath.Join(node.LedgerPath(s.Home), "rebuild", "state.db"), 0o700))
			must(t, os.WriteFile(filepath.Join(node.LedgerPath(s.Home), "rebuild", "state.db", "000001.log"), []byte("half"), 0o600))
		},
	} {
		damage()
		r := check(t, s.Home, true)
		mustHold(t, r)
		if !r.Rebuilt || r.Height != first.Height || r.AppHash != first.AppHash {
			t.Errorf("%s: rebuilt %v, height %d, root %s; it was %d, %s", name, r.Rebuilt, r.Height, r.AppHash, first.Height, first.AppHash)
		}
		mustHold(t, check(t, s.Home, false))
		if left, _ := filepath.Glob(filepath.Join(node.LedgerPath(s.Home), "re*")); len(left) > 0 {
			t.Errorf("%s: a rebuild leaves %v", name, left)
		}
	}
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	again := commit(t, n, event(t, 1), event(t, 77))
	if again.Events[0].Effect != schemas.Duplicate || again.Events[1].Effect != schemas.Applied {
		t.Errorf("after a rebuild: %+v", again.Events)
	}
	must(t, n.Stop())
	mustHold(t, check(t, s.Home, false))
}

// An archive with faults is never rebuilt from: what the database still has may
// be all there is.
func TestCheckRefusesToRebuildFromADamagedArchive(t *testing.T) {
	s := stopped(t)
	segment := filepath.Join(node.LedgerPath(s.Home), "archive", "records-0000000000.seg")
	b, err := os.ReadFile(segment)
	must(t, err)
	b[len(b)/2] ^= 1
	must(t, os.WriteFile(segment, b, 0o600))
	database := filesOf(t, filepath.Join(node.LedgerPath(s.Home), "state.db"))
	r := check(t, s.Home, true)
	if r.Rebuilt || len(r.Faults) == 0 || !strings.Contains(r.Faults[0].File, "records-0000000000.seg") || r.Faults[0].Offset == 0 || r.Faults[0].Height == 0 {
		t.Errorf("rebuilt %v, faults %v", r.Rebuilt, r.Faults)
	}
	if got := filesOf(t, filepath.Join(node.LedgerPath(s.Home), "state.db")); strings.Join(got, " ") != strings.Join(database, " ") {
		t.Errorf("the database was touched: %v, before %v", got, database)
	}
}

// A home that a node runs in is left alone.
func TestCheckOfARunningNode(t *testing.T) {
	s := alone(t)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, n.Stop()) }()
	if _, err := node.Check(t.Context(), node.CheckOptions{Home: s.Home, Scratch: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("checking a running node: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
