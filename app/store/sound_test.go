package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// journaled makes a store of many heights, all of them still in its journal.
func journaled(t *testing.T) (o store.Options, journal string, content []byte) {
	t.Helper()
	o = store.Options{Dir: filepath.Join(t.TempDir(), "ledger")}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for h := int64(1); h <= 700; h++ {
		b := s.Begin(h)
		b.Set(fmt.Appendf(nil, "key %d", h%7), fmt.Appendf(nil, "value %d", h), nil)
		if _, err := b.Append(store.Records, fmt.Appendf(nil, "record %d", h)); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(o.Dir, "state.db", "*.log"))
	if err != nil || len(names) != 1 {
		t.Fatalf("journals %v, %v", names, err)
	}
	if content, err = os.ReadFile(names[0]); err != nil || len(content) < 3*32<<10 {
		t.Fatalf("a journal of %d bytes, %v", len(content), err)
	}
	return o, names[0], content
}

// goleveldb drops what it cannot read of a journal and goes on behind it. A store
// would open on a state that no height had.
func TestOpenRefusesAJournalDamagedInTheMiddle(t *testing.T) {
	o, journal, content := journaled(t)
	for _, at := range []int{3, 5000, 40000} {
		damaged := append([]byte(nil), content...)
		damaged[at] ^= 0x20
		if err := os.WriteFile(journal, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(o)
		if err == nil {
			height, _ := s.Last()
			s.Close()
			t.Fatalf("with byte %d damaged the store opens at height %d", at, height)
		}
		if !strings.Contains(err.Error(), filepath.Base(journal)) || !strings.Contains(err.Error(), "--rebuild") {
			t.Errorf("with byte %d damaged: %v", at, err)
		}
		if damages, err := store.CheckDatabase(filepath.Dir(journal)); err != nil || len(damages) != 1 || damages[0].File != filepath.Base(journal) || damages[0].Offset > int64(at) {
			t.Errorf("with byte %d damaged the check finds %v, %v", at, damages, err)
		}
	}
}

// A machine that stops in the middle of a batch leaves it cut short, or as zeros:
// it never was.
func TestOpenDropsABatchThatWasCutShort(t *testing.T) {
	for name, tail := range map[string]func([]byte) []byte{
		"cut":   func(b []byte) []byte { return b[:len(b)-9] },
		"zeros": func(b []byte) []byte { return append(b[:len(b)-9:len(b)-9], make([]byte, 5000)...) },
	} {
		o, journal, content := journaled(t)
		if err := os.WriteFile(journal, tail(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if height, _ := s.Last(); height != 699 {
			t.Errorf("%s: the store opens at height %d", name, height)
		}
		if err := s.Verify(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
