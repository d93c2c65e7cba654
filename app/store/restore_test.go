package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
)

// TestSorter sorts more than it may hold in memory.
func TestSorter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "sort")
		if err != nil {
			rt.Fatal(err)
		}
		s := store.NewSmallSorter(dir, rapid.IntRange(1, 50).Draw(rt, "in memory"))
		n := rapid.IntRange(0, 400).Draw(rt, "tuples")
		alike := rapid.Bool().Draw(rt, "alike")
		want := map[store.Tuple]int{}
		for i := range n {
			tuple := store.Tuple(append(make([]byte, 32), sum(fmt.Sprint(i%300))...))
			tuple[0] = byte(i % 7)
			for at := 1; alike && at < 24; at++ { // so that many differ late
				tuple[at] = tuple[40+at] & tuple[39+at] & tuple[38+at] & 1
			}
			want[tuple]++
			if err := s.Add(tuple); err != nil {
				rt.Fatal(err)
			}
		}
		var last store.Tuple
		for tuple, err := range s.Sorted() {
			if err != nil || bytes.Compare(last[:], tuple[:]) > 0 {
				rt.Fatalf("%x follows %x: %v", tuple, last, err)
			}
			if last = tuple; want[tuple] == 1 {
				delete(want, tuple)
			} else {
				want[tuple]--
			}
		}
		if len(want) > 0 {
			rt.Fatalf("%d tuples are missing or too many", len(want))
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			rt.Fatalf("%d files are left: %v", len(left), err)
		}
	})
}

func sum(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:] }

// fill restores so many keys with values of a size.
func fill(r *store.Restore, keys, size int) error {
	for i := range keys {
		if err := r.Set(fmt.Appendf(nil, "key %06d", i), bytes.Repeat([]byte{byte(i)}, size), fmt.Appendf(nil, "aside %d", i)); err != nil {
			return err
		}
		if err := r.PutRow(fmt.Appendf(nil, "row %06d", i), []byte{byte(i)}); err != nil {
			return err
		}
	}
	return nil
}

// TestRestoreIsCommit: a state that is restored is the same as one that was
// committed by blocks, and goes on as that does.
func TestRestoreIsCommit(t *testing.T) {
	for _, keys := range []int{1, 2, 100, 40_000} {
		for _, backend := range []string{"goleveldb", "pebbledb"} {
			whole := open(t, filepath.Join(t.TempDir(), "whole"), backend, nil)
			b := whole.Begin(1)
			for i := range keys {
				b.Set(fmt.Appendf(nil, "key %06d", i), bytes.Repeat([]byte{byte(i)}, 20), fmt.Appendf(nil, "aside %d", i))
				b.PutRow(fmt.Appendf(nil, "row %06d", i), []byte{byte(i)})
			}
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "restored")
			s := open(t, dir, backend, nil)
			r, err := s.Restore()
			if err == nil {
				err = fill(r, keys, 20)
			}
			if err != nil {
				t.Fatal(err)
			}
			want, n, err := r.Root(t.Context())
			if _, root := whole.Last(); err != nil || root != want || n != int64(keys) {
				t.Fatalf("%d keys have the root %x, restored %d the root %x: %v", keys, root, n, want, err)
			}
			if height, _ := s.Last(); height != 0 {
				t.Fatalf("before the commit the height is %d", height)
			}
			if err := r.Commit(1); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Restore(); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("a ledger may be restored over: %v", err)
			}
			for range 2 { // as it is, and opened again
				if err := s.Verify(t.Context()); err != nil {
					t.Fatal(err)
				}
				value, aside, err := s.Latest().Get([]byte("key 000000"))
				if !bytes.Equal(value, make([]byte, 20)) || string(aside) != "aside 0" || err != nil {
					t.Fatalf("%x, %q, %v", value, aside, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir, backend, nil)
			}
			var roots [2][32]byte
			for i, o := range []*store.Store{whole, s} {
				b := o.Begin(2)
				roots[i], _ = run(t, b, 2)
				if err := b.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			if roots[0] != roots[1] {
				t.Fatal("they part after the restore")
			}
			if err := s.Forget(); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("a ledger with blocks may be forgotten: %v", err)
			}
		}
	}
}

// counted fails, or looks at, the n-th batch.
type counted struct {
	n, at int
	after bool
	look  func()
}

func (c *counted) strike(point string, after bool) error {
	if point != "batch" || after != c.after {
		return nil
	}
	if c.n++; c.n-1 != c.at {
		return nil
	}
	if c.look != nil {
		c.look()
		return nil
	}
	return errDisk
}

func (c *counted) Before(point string) (int, error) { return 0, c.strike(point, false) }
func (c *counted) After(point string) error         { return c.strike(point, true) }

// TestRestoreKilled stops a restore at every batch, by a failing disk and by a
// kill: what is left is an empty store or a complete one, and an empty one can be
// restored into, or begun with a block as if nothing had been.
func TestRestoreKilled(t *testing.T) {
	const keys, size = 40, 100
	for _, backend := range []string{"goleveldb", "pebbledb"} {
		reference := open(t, filepath.Join(t.TempDir(), "reference"), backend, nil)
		first, _ := run(t, reference.Begin(1), 1)
		for at := range 6 {
			for _, after := range []bool{false, true} {
				for _, kill := range []bool{false, true} {
					dir := filepath.Join(t.TempDir(), "ledger")
					if err := open(t, dir, backend, nil).Close(); err != nil { // its first batch founds it
						t.Fatal(err)
					}
					left := dir
					c := &counted{at: at, after: after}
					if kill {
						left = filepath.Join(t.TempDir(), "left")
						c.look = func() { image(t, left, dir) }
					}
					s := open(t, dir, backend, c)
					r, err := s.Restore()
					if err == nil {
						r.Batches(3000)
						err = fill(r, keys, size)
					}
					if err == nil {
						_, _, err = r.Root(t.Context())
					}
					if err == nil {
						err = r.Commit(7)
					}
					if c.n <= at {
						if at < 4 {
							t.Fatalf("there are %d batches only", c.n)
						}
						continue
					}
					if kill != (err == nil) {
						t.Fatalf("batch %d: %v", at, err)
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					last := at == c.n-1
					s = open(t, left, backend, nil)
					if height, _ := s.Last(); height == 7 {
						if err := s.Verify(t.Context()); err != nil || s.Latest().Keys() != keys || !last {
							t.Fatalf("batch %d of %d leaves a height of %d keys: %v", at, c.n, s.Latest().Keys(), err)
						}
						continue
					}
					for row, err := range s.Latest().Rows(nil, nil, false) {
						t.Fatalf("batch %d leaves row %q: %v", at, row.Key, err)
					}
					for state, err := range s.Latest().States() {
						t.Fatalf("batch %d leaves key %q: %v", at, state.Key, err)
					}
					b := s.Begin(1)
					if root, _ := run(t, b, 1); root != first {
						t.Fatalf("batch %d leaves something in the tree", at)
					}
					if err := errors.Join(b.Commit(), s.Verify(t.Context()), s.Close()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// TestPin: a pinned view outlives eight heights, and the store waits for it.
func TestPin(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger"), "goleveldb", nil)
	commit := func(height int) {
		b := s.Begin(int64(height))
		b.Set([]byte("key"), fmt.Appendf(nil, "value %d", height), nil)
		b.PutRow([]byte("row"), fmt.Appendf(nil, "value %d", height))
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	commit(1)
	plain := s.Latest()
	view, release, err := s.Pin()
	if err != nil {
		t.Fatal(err)
	}
	for height := 2; height < 20; height++ {
		commit(height)
	}
	if _, err := plain.Row([]byte("row")); !errors.Is(err, store.ErrExpired) {
		t.Errorf("a view of an old height is read: %v", err)
	}
	for range 3 {
		if row, err := view.Row([]byte("row")); string(row) != "value 1" || err != nil {
			t.Fatalf("the pinned view reads %q: %v", row, err)
		}
		n := 0
		for state, err := range view.States() {
			if n++; string(state.Key) != "key" || string(state.Value) != "value 1" || err != nil {
				t.Fatalf("the pinned view has %q: %q: %v", state.Key, state.Value, err)
			}
		}
		if n != 1 {
			t.Fatalf("the pinned view has %d keys", n)
		}
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for {
		_, done, err := s.Pin()
		if err != nil {
			break // it is closing
		}
		done()
	}
	if row, err := view.Row([]byte("row")); string(row) != "value 1" || err != nil {
		t.Fatalf("while the store closes, the pinned view reads %q: %v", row, err)
	}
	select {
	case err := <-closed:
		t.Fatalf("the store closed under a pinned view: %v", err)
	default:
	}
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
}

// BenchmarkRestore restores keys of the size of items.
func BenchmarkRestore(b *testing.B) {
	const keys = 300_000
	for b.Loop() {
		s, err := store.Open(store.Options{Dir: filepath.Join(b.TempDir(), "ledger")})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		r, err := s.Restore()
		if err == nil {
			err = fill(r, keys, 200)
		}
		if err == nil {
			_, _, err = r.Root(context.Background())
		}
		if err := errors.Join(err, r.Commit(1)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(keys)/time.Since(start).Seconds(), "keys/s")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
