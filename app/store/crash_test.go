package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

var errDisk = errors.New("no space left on device")

// fault fails, or looks at, one point of a commit.
type fault struct {
	point string
	after bool // what was asked for is done before the disk fails
	torn  int  // bytes of a write that are done
	armed bool
	hit   int
	look  func() // instead of failing
}

func (f *fault) strike(point string, after bool) error {
	if !f.armed || point != f.point || after != f.after {
		return nil
	}
	f.hit++
	if f.look != nil {
		if f.hit == 1 {
			f.look()
		}
		return nil
	}
	return errDisk
}

func (f *fault) Before(point string) (int, error) { return f.torn, f.strike(point, false) }
func (f *fault) After(point string) error         { return f.strike(point, true) }

// points is every place where a commit reaches the disk. Streams sync side by
// side, so the blocks below append to one of them only.
var points = []fault{
	{point: "segment creation"},
	{point: "segment creation", after: true},
	{point: "archive write"},
	{point: "archive write", torn: 1},
	{point: "archive write", torn: 9},
	{point: "archive write", after: true},
	{point: "archive sync"},
	{point: "archive sync", after: true},
	{point: "directory sync"},
	{point: "directory sync", after: true},
	{point: "batch"},
	{point: "batch", after: true},
}

func (f *fault) name() string {
	when := "before"
	if f.after {
		when = "after"
	}
	return fmt.Sprintf("%s %s, %d torn", when, f.point, f.torn)
}

const crashSegment = 200

// run executes the block of a height: each fills a segment and begins another.
func run(t *testing.T, b *store.Block, height int) (root [32]byte, refs []store.Ref) {
	t.Helper()
	for i := range 20 {
		b.Set(fmt.Appendf(nil, "key %d", (height*7+i)%30), fmt.Appendf(nil, "%d of %d", i, height), []byte("aside"))
		b.PutRow(fmt.Appendf(nil, "row %d %d", height, i), []byte{byte(i)})
	}
	b.Delete(fmt.Appendf(nil, "key %d", height))
	for i := range 3 {
		ref, err := b.Append(store.Records, entryOf(height, i))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	root, err := b.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root, refs
}

func entryOf(height, i int) []byte { return bytes.Repeat([]byte{byte(height), byte(i)}, 40) }

// crash is a ledger of two blocks, and what the third will be.
type crash struct {
	dir   string
	store *store.Store
	roots [4][32]byte
	refs  [4][]store.Ref
	third *store.Block
}

func newCrash(t *testing.T, f *fault, backend string) *crash {
	t.Helper()
	c := &crash{dir: filepath.Join(t.TempDir(), "ledger")}
	c.store = open(t, c.dir, backend, f)
	for height := 1; height <= 3; height++ {
		b := c.store.Begin(int64(height))
		c.roots[height], c.refs[height] = run(t, b, height)
		if height == 3 {
			c.third = b
		} else if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func open(t *testing.T, dir, backend string, f store.Faults) *store.Store {
	t.Helper()
	s, err := store.OpenSegments(store.Options{Dir: dir, Backend: backend}, crashSegment, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// recovered checks that a directory holds exactly a height, and that the ledger
// goes on from there as if nothing had been.
func (c *crash) recovered(t *testing.T, dir, backend string, height int) {
	t.Helper()
	s := open(t, dir, backend, nil)
	for {
		if h, root := s.Last(); h != int64(height) || root != c.roots[height] {
			t.Fatalf("height %d with root %x, want %d with %x", h, root, height, c.roots[height])
		}
		if err := s.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range s.Latest().Rows([]byte("row "), nil, false) {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
		if rows != 20*height {
			t.Fatalf("%d rows at height %d", rows, height)
		}
		for h := 1; h <= height; h++ {
			for i, ref := range c.refs[h] {
				if data, err := s.Read(store.Records, ref); err != nil || !bytes.Equal(data, entryOf(h, i)) {
					t.Fatalf("entry %d of block %d: %x, %v", i, h, data, err)
				}
			}
		}
		if height == 3 {
			return
		}
		height++
		b := s.Begin(int64(height))
		root, refs := run(t, b, height)
		if root != c.roots[height] || fmt.Sprint(refs) != fmt.Sprint(c.refs[height]) {
			t.Fatalf("block %d executed again: root %x, want %x; refs %v, want %v", height, root, c.roots[height], refs, c.refs[height])
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// durable is the height that a fault at this point leaves.
func (f *fault) durable() int {
	if f.point == "batch" && f.after {
		return 3
	}
	return 2
}

// TestFailingDisk fails every write, sync and creation of a commit, done or not,
// and opens the store again.
func TestFailingDisk(t *testing.T) {
	for _, backend := range []string{"goleveldb", "pebbledb"} {
		for _, f := range points {
			t.Run(backend+" "+f.name(), func(t *testing.T) {
				c := newCrash(t, &f, backend)
				f.armed = true
				if err := c.third.Commit(); !errors.Is(err, errDisk) {
					t.Fatalf("committed: %v", err)
				}
				checkStopped(t, c.store)
				if err := c.store.Close(); err != nil {
					t.Fatal(err)
				}
				c.recovered(t, c.dir, backend, f.durable())
			})
		}
	}
}

// checkStopped checks that a store whose commit failed refuses everything.
func checkStopped(t *testing.T, s *store.Store) {
	t.Helper()
	b := s.Begin(4)
	_, _, get := b.Get([]byte("key 1"))
	_, appended := b.Append(store.Records, []byte("x"))
	_, root := b.Root()
	_, row := s.Latest().Row([]byte("row 1 1"))
	_, path := s.Latest().Path([]byte("key 1"))
	for name, err := range map[string]error{"get": get, "append": appended, "root": root, "row": row, "path": path, "commit": b.Commit()} {
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "restart the node") {
			t.Errorf("%s after a failed commit: %v", name, err)
		}
	}
}

// TestKill copies the directory in the middle of a commit, as a killed process
// leaves it, and opens the copy.
func TestKill(t *testing.T) {
	for _, backend := range []string{"goleveldb", "pebbledb"} {
		for _, f := range points {
			if f.torn > 0 {
				continue
			}
			t.Run(backend+" "+f.name(), func(t *testing.T) {
				c := newCrash(t, &f, backend)
				left := filepath.Join(t.TempDir(), "left")
				f.look = func() { image(t, left, c.dir) }
				f.armed = true
				if err := c.third.Commit(); err != nil {
					t.Fatal(err)
				}
				if f.hit == 0 {
					t.Fatal("the point was not reached")
				}
				c.recovered(t, left, backend, f.durable())
			})
		}
	}
}

// image makes left what a process that is killed now leaves of dir. The database
// moves files in the background: what was copied while it did is no moment's
// image, and is copied again.
func image(t *testing.T, left, dir string) {
	t.Helper()
	for {
		before := dirState(t, dir)
		err := errors.Join(os.RemoveAll(left), os.CopyFS(left, os.DirFS(dir)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
			return
		}
		if err == nil && dirState(t, dir) == before {
			return
		}
	}
}

// dirState tells every file of dir, how long it is and when it was written.
func dirState(t *testing.T, dir string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				fmt.Fprintln(&list, path, info.Size(), info.ModTime().UnixNano())
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile: the next listing tells
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return list.String()
}
