package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

func open(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, local.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func commit(t *testing.T, s *local.Store, changes ...local.Change) {
	t.Helper()
	if err := s.Commit(changes...); err != nil {
		t.Fatal(err)
	}
}

func sum(s string) schemas.Hash { return schemas.Sum("test", []byte(s)) }

func entryOf(id string) *local.Entry {
	answer := sum(id)
	return &local.Entry{ID: id, Actor: "key", Atomic: true, Transaction: sum("tx" + id), Expiry: 77, Size: 4,
		Parts: []local.Part{{Job: "a", Messages: 3}, {Job: "b", Messages: 1, Answer: &answer, Act: true}}}
}

func TestOutboxAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	now := time.Now()
	first, second := entryOf(local.NewID(now)), entryOf(local.NewID(now.Add(time.Second)))
	second.Client = true
	commit(t, s, append(local.PutEntry(second, []byte("raw2")), local.PutEntry(first, []byte("raw1"))...)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*local.Entry{first, second}, got); diff != "" {
		t.Fatal(diff)
	}
	if raw, err := s.Raw(second.ID); err != nil || string(raw) != "raw2" {
		t.Fatalf("%q %v", raw, err)
	}
	s.Later(local.DeleteEntry(first.ID)...)
	if err := s.Apply(); err != nil { // comes after what was queued before
		t.Fatal(err)
	}
	if got, err = s.Entries(); err != nil || len(got) != 1 || got[0].ID != second.ID {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := s.Raw(first.ID); err == nil {
		t.Fatal("the transaction of an ended entry is kept")
	}
}

func TestJobs(t *testing.T) {
	s := open(t, t.TempDir())
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var all []*local.Job
	for i := range 5 {
		j := &local.Job{ID: local.NewID(now.Add(time.Duration(i) * time.Hour)), Behaviour: "proceed", Base: "/x/",
			Errors: []local.JobError{{Pointer: "/x/1", Code: schemas.BadTime, Detail: "d"}},
			Chunks: []local.Chunk{{Transaction: sum("t"), Committed: true, Count: 2, Events: []int{0, 2}}}}
		if i < 4 {
			finished := now
			j.Finished = &finished
		}
		put, err := local.PutJob(j)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, s, put)
		all = append([]*local.Job{j}, all...)
	}
	got, err := s.Jobs("", 2, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range got {
		if j.Size < 100 {
			t.Errorf("a job of %d bytes", j.Size)
		}
		j.Size = 0
	}
	if diff := cmp.Diff(all[:2], got); diff != "" {
		t.Fatal(diff)
	}
	if few, err := s.Jobs("", 10, 1); err != nil || len(few) != 1 {
		t.Fatalf("of a byte: %v %v", few, err)
	}
	if got, err = s.Jobs(got[1].ID, 10, 1<<20); err != nil || len(got) != 3 || got[0].ID != all[2].ID {
		t.Fatalf("%v %v", got, err)
	}
	one, err := s.Job(all[0].ID)
	if err != nil || one.Chunks[0].Event(1) != 2 {
		t.Fatalf("%v %v", one, err)
	}
	if none, err := s.Job("none"); none != nil || err != nil {
		t.Fatalf("%v %v", none, err)
	}
	// Pruning takes what ended long ago, and never what runs.
	if n, err := s.Prune(now.Add(90 * time.Minute)); n != 2 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := s.Prune(now.Add(time.Hour * 24)); n != 2 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if got, err = s.Jobs("", 10, 1<<20); err != nil || len(got) != 1 || got[0].Finished != nil {
		t.Fatalf("%v %v", got, err)
	}
}

func TestPruneInBatches(t *testing.T) {
	s := open(t, t.TempDir())
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2500 {
		a := &local.Answer{Request: sum("r"), Made: now.Add(time.Duration(i) * time.Second), Status: 201}
		if err := s.Apply(local.PutAnswer(sum(fmt.Sprint(i)), a, true)...); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Answers(); n != 2500 {
		t.Fatalf("%d answers", n)
	}
	if n, err := s.Prune(now.Add(2400 * time.Second)); n != 2400 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if n := s.Answers(); n != 100 {
		t.Fatalf("%d answers", n)
	}
	if a, err := s.Answer(sum("1")); a != nil || err != nil {
		t.Fatalf("%v %v", a, err)
	}
	if a, err := s.Answer(sum("2450")); a == nil || err != nil {
		t.Fatalf("%v %v", a, err)
	}
}

func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	key := sum("key")
	a := &local.Answer{Request: sum("request"), Made: time.Unix(0, 1777777777000000001), Job: "job"}
	commit(t, s, local.PutAnswer(key, a, true)...)
	a.Status, a.Location, a.Type, a.Body = 201, "/x", "application/json", []byte("{}")
	commit(t, s, local.PutAnswer(key, a, false)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, err := s.Answer(key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got); diff != "" {
		t.Fatal(diff)
	}
	if n := s.Answers(); n != 1 {
		t.Fatalf("%d answers after a restart", n)
	}
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, bad := range []struct {
		name   string
		scopes []local.Scope
	}{{"", local.Scopes()}, {strings.Repeat("x", 65), local.Scopes()}, {"x", nil}, {"x", []local.Scope{"root"}}} {
		if _, _, err := s.CreateKey(bad.name, bad.scopes...); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	key, kept, err := s.CreateKey("erp", local.Capture)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := s.CreateKey("audit", local.Query)
	if err != nil || key == other || len(key) < 43 {
		t.Fatalf("%q %q %v", key, other, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, ok := s.Authenticate(key)
	if !ok || got.ID != kept.ID || !got.Has(local.Capture) || got.Has(local.Query) || got.Has(local.Admin) {
		t.Fatalf("%+v %t", got, ok)
	}
	for _, wrong := range []string{"", "x", key + "x", key[:len(key)-1], strings.ToUpper(key)} {
		if _, ok := s.Authenticate(wrong); ok {
			t.Errorf("%q is a key", wrong)
		}
	}
	if list := s.Keys(); len(list) != 2 || list[0].Name != "erp" {
		t.Fatalf("%+v", list)
	}
	if ok, err := s.RevokeKey(kept.ID); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := s.RevokeKey(kept.ID); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok := s.Authenticate(key); ok {
		t.Fatal("a revoked key is a key")
	}
}

// TestKeysAreHashed: nothing on the disk tells a key.
func TestKeysAreHashed(t *testing.T) {
	db := dbm.NewMemDB()
	s, err := local.New(db)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := s.CreateKey("erp", local.Capture)
	if err != nil {
		t.Fatal(err)
	}
	it, err := db.Iterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for ; it.Valid(); it.Next() {
		if bytes.Contains(it.Value(), []byte(key[4:20])) || bytes.Contains(it.Key(), []byte(key[4:20])) {
			t.Fatalf("the key is in row %q", it.Key())
		}
	}
	if err := errors.Join(it.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// counting is a database that counts its syncs, and fails when told to.
type counting struct {
	dbm.DB
	syncs atomic.Int64
	fail  atomic.Bool
	gate  chan struct{} // when it is set, syncs wait until it is closed
	held  chan struct{} // told of each sync that waits
}

func (c *counting) NewBatch() dbm.Batch { return &countingBatch{c.DB.NewBatch(), c} }

type countingBatch struct {
	dbm.Batch
	db *counting
}

func (b *countingBatch) WriteSync() error {
	if b.db.gate != nil {
		b.db.held <- struct{}{}
		<-b.db.gate
	}
	b.db.syncs.Add(1)
	if b.db.fail.Load() {
		return errors.New("disk full")
	}
	return b.Batch.WriteSync()
}

// TestGroupCommit: writers that come while the disk syncs share the next sync.
func TestGroupCommit(t *testing.T) {
	db := &counting{DB: dbm.NewMemDB(), gate: make(chan struct{}), held: make(chan struct{}, 10)}
	s, err := local.New(db)
	if err != nil {
		t.Fatal(err)
	}
	const writers = 100
	var wg sync.WaitGroup
	write := func(i int) {
		if err := s.Commit(local.PutEntry(entryOf(fmt.Sprint(i)), []byte("raw"))...); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { write(0) })
	<-db.held
	for i := range writers {
		wg.Go(func() { write(1 + i) })
	}
	for s.Queued() < writers {
		time.Sleep(time.Millisecond)
	}
	close(db.gate)
	wg.Wait()
	if n := db.syncs.Load(); n != 2 {
		t.Fatalf("%d syncs for one writer and then %d", n, writers)
	}
	if got, err := s.Entries(); err != nil || len(got) != 1+writers {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWriteErrors: after a write that failed nothing is written, and whoever asked is told
// once; opened again, the store goes on.
func TestWriteErrors(t *testing.T) {
	db := &counting{DB: dbm.NewMemDB()}
	s, err := local.New(db)
	if err != nil {
		t.Fatal(err)
	}
	var told []error
	s.OnFailure(func(err error) { told = append(told, err) })
	db.fail.Store(true)
	if err := s.Commit(local.PutEntry(entryOf("a"), []byte("raw"))...); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("%v", err)
	}
	if _, _, err := s.CreateKey("erp", local.Capture); err == nil {
		t.Fatal("a key that is not on the disk")
	}
	if len(s.Keys()) != 0 {
		t.Fatal("a key that is not on the disk can be used")
	}
	db.fail.Store(false)
	for _, write := range []func(...local.Change) error{s.Commit, s.Apply, func(c ...local.Change) error { return s.Queue(c...)() }} {
		if err := write(local.PutEntry(entryOf("a"), []byte("raw"))...); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Fatalf("after a write that failed: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "disk full") {
		t.Fatalf("told is %v", told)
	}
	if s, err = local.New(db); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Entries(); err != nil || len(list) != 0 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	commit(t, s, local.PutEntry(entryOf("a"), []byte("raw"))...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(local.DeleteEntry("a")...); !errors.Is(err, local.ErrClosed) {
		t.Fatalf("after the end: %v", err)
	}
	s.Later(local.DeleteEntry("a")...)
	if err := s.Queue(local.DeleteEntry("a")...)(); !errors.Is(err, local.ErrClosed) {
		t.Fatalf("after the end: %v", err)
	}
	if err := s.Close(); !errors.Is(err, local.ErrClosed) {
		t.Fatalf("closed twice: %v", err)
	}
}

// TestDamagedRows: rows that are not what was written are told, and panic nobody.
func TestDamagedRows(t *testing.T) {
	for _, kind := range "ok" {
		for _, row := range []int{1, 9} {
			db := dbm.NewMemDB()
			if err := db.Set([]byte{byte(kind), 'x'}, []byte{byte(row), 1, 1}); err != nil {
				t.Fatal(err)
			}
			s, err := local.New(db)
			if err == nil {
				_, err = s.Entries()
				if cerr := s.Close(); cerr != nil {
					t.Error(cerr)
				}
			}
			if err == nil {
				t.Errorf("row %q was read", kind)
			}
		}
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, 1<<62).Draw(t, "a")
		b := rapid.Int64Range(0, 1<<62).Draw(t, "b")
		x, y := local.NewID(time.Unix(0, a)), local.NewID(time.Unix(0, b))
		if a < b && x >= y || x == y {
			t.Fatalf("%d %s, %d %s", a, x, b, y)
		}
		if at, ok := local.IDTime(x); !ok || at.UnixNano() != a {
			t.Fatalf("%s is of %v", x, at)
		}
	})
	for _, bad := range []string{"", "x", strings.Repeat("0", 31), strings.Repeat("g", 32)} {
		if _, ok := local.IDTime(bad); ok {
			t.Errorf("%q is an id", bad)
		}
	}
}
