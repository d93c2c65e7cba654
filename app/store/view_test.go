package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// tick writes a block in which everything says its height.
func tick(t *testing.T, s *store.Store, height int64) {
	t.Helper()
	b := s.Begin(height)
	for i := range 20 {
		b.Set(fmt.Appendf(nil, "key %d", i), fmt.Append(nil, height), fmt.Append(nil, height))
		b.PutRow(fmt.Appendf(nil, "row %02d", i), fmt.Append(nil, height))
	}
	b.DeleteRow(fmt.Appendf(nil, "only %d", height-1))
	b.PutRow(fmt.Appendf(nil, "only %d", height), nil)
	if err := b.Commit(); err != nil {
		t.Error(err)
	}
}

// checkTick reads a view and compares everything with its height.
func checkTick(v *store.View) error {
	want := fmt.Sprint(v.Height())
	value, aside, err := v.Get([]byte("key 7"))
	if err != nil {
		return err
	}
	if string(value) != want || string(aside) != want {
		return fmt.Errorf("height %s reads %q and %q", want, value, aside)
	}
	for _, backwards := range []bool{false, true} {
		n := 0
		for row, err := range v.Rows([]byte("row "), nil, backwards) {
			if err != nil {
				return err
			}
			if n++; string(row.Value) != want {
				return fmt.Errorf("height %s has the row %q of %q", want, row.Key, row.Value)
			}
		}
		if n != 20 {
			return fmt.Errorf("height %s has %d rows", want, n)
		}
	}
	leaves := 0
	for leaf, err := range v.Leaves([]byte("key 1")) {
		if err != nil {
			return err
		}
		if leaves++; string(leaf.Value) != want || len(leaf.Key) == len("key 1") != (leaves == 1) {
			return fmt.Errorf("height %s has the leaf %q of %q", want, leaf.Key, leaf.Value)
		}
	}
	if leaves != 11 {
		return fmt.Errorf("height %s has %d leaves", want, leaves)
	}
	for row, err := range v.Rows([]byte("only "), nil, false) {
		if err != nil {
			return err
		}
		if string(row.Key) != "only "+want {
			return fmt.Errorf("height %s has %q", want, row.Key)
		}
	}
	p, err := v.Path([]byte("key 7"))
	if err != nil {
		return err
	}
	return proof.VerifyMember(v.Root(), []byte("key 7"), value, p)
}

// TestViewsBesideCommits reads every height that is held while blocks commit.
func TestViewsBesideCommits(t *testing.T) {
	for _, backend := range []string{"goleveldb", "pebbledb", "memory"} {
		t.Run(backend, func(t *testing.T) {
			o := store.Options{}
			if backend != "memory" {
				o = store.Options{Dir: t.TempDir(), Backend: backend}
			}
			s, err := store.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			tick(t, s, 1)
			done := make(chan struct{})
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-done:
							return
						default:
						}
						last, _ := s.Last()
						v, ok := s.At(max(1, last-int64((n+i)%9)))
						if !ok {
							continue
						}
						if err := checkTick(v); err != nil && !errors.Is(err, store.ErrExpired) {
							t.Error(err)
							return
						}
						b := v.Scratch()
						b.Set([]byte("key 7"), []byte("x"), nil)
						if _, err := b.Root(); err != nil && !errors.Is(err, store.ErrExpired) {
							t.Error(err)
							return
						}
					}
				})
			}
			for height := int64(2); height <= 60; height++ {
				tick(t, s, height)
			}
			close(done)
			wg.Wait()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	s, err := store.Open(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tick(t, s, 1)
	v := s.Latest()
	for height := int64(2); height <= 9; height++ {
		tick(t, s, height)
		if err := checkTick(v); err != nil {
			t.Fatalf("at height %d: %v", height, err)
		}
	}
	// A range that was begun is read to its end, over all that commits meanwhile.
	n := 0
	for row, err := range v.Rows([]byte("row "), nil, false) {
		if err != nil || string(row.Value) != "1" {
			t.Fatalf("%q: %q, %v", row.Key, row.Value, err)
		}
		if n++; n == 1 {
			tick(t, s, 10)
		}
	}
	if n != 20 {
		t.Fatalf("%d rows", n)
	}
	_, _, get := v.Get([]byte("key 7"))
	_, row := v.Row([]byte("row 01"))
	_, path := v.Path([]byte("key 7"))
	_, scratch := v.Scratch().Root()
	var rows error
	for _, err := range v.Rows(nil, nil, false) {
		rows = err
	}
	for name, err := range map[string]error{"get": get, "row": row, "path": path, "rows": rows, "scratch": scratch} {
		if !errors.Is(err, store.ErrExpired) {
			t.Errorf("%s of an expired view: %v", name, err)
		}
	}
	if _, ok := s.At(1); ok {
		t.Error("an expired height is held")
	}
	latest := s.Latest()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := latest.Row([]byte("row 01")); err == nil {
		t.Error("a closed store was read")
	}
	if err := s.Begin(11).Commit(); err == nil {
		t.Error("a closed store was written")
	}
}

func TestDroppedBlocks(t *testing.T) {
	s, err := store.Open(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	first := s.Begin(1)
	first.Set([]byte("k"), []byte("v"), nil)
	if _, err := first.Append(store.Records, []byte("dropped")); err != nil {
		t.Fatal(err)
	}
	second := s.Begin(1)
	if _, err := first.Append(store.Records, nil); err == nil {
		t.Error("a dropped block was archived")
	}
	if err := first.Commit(); err == nil {
		t.Error("a dropped block was committed")
	}
	ref, err := second.Append(store.Records, []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Commit(); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Read(store.Records, ref); err != nil || string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
	if value, _, err := s.Latest().Get([]byte("k")); value != nil || err != nil {
		t.Errorf("%q, %v", value, err)
	}
	if err := second.Commit(); err == nil {
		t.Error("a block was committed twice")
	}
	if err := s.Begin(1).Commit(); err == nil {
		t.Error("a height was committed twice")
	}
	if st := s.Stats(); st.Height != 1 || st.Keys != 0 || st.Records == 0 || st.Bodies != 0 {
		t.Errorf("%+v", st)
	}
}
