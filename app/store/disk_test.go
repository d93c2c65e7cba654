package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// ledger commits blocks 1 to 3 into a directory, and closes it.
func ledger(t *testing.T) (dir string, refs []store.Ref) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ledger")
	s := open(t, dir, "", nil)
	for height := 1; height <= 3; height++ {
		b := s.Begin(int64(height))
		_, r := run(t, b, height)
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, refs
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "archive", "records-*.seg"))
	if err != nil || len(names) < 2 {
		t.Fatalf("segments %q, %v", names, err)
	}
	return names
}

// Every byte of the archive is guarded: with any one changed, an entry is an
// error that names the file, and no other data.
func TestFlippedBits(t *testing.T) {
	dir, refs := ledger(t)
	s := open(t, dir, "", nil)
	name := segments(t, dir)[0]
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, ref := range refs {
			if _, err := s.Read(store.Records, ref); err != nil {
				failed++
				if !strings.Contains(err.Error(), filepath.Base(name)) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		}
		if failed != 1 {
			t.Fatalf("byte %d changed, %d entries fail", i, failed)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dir, refs := ledger(t)
	s := open(t, dir, "", nil)
	if _, err := s.Read(store.Bodies, refs[0]); err == nil {
		t.Error("a reference of another stream was read")
	}
	encoded := refs[0].Append(nil)
	for name, change := range map[string]func(b []byte) []byte{
		"stream":      func(b []byte) []byte { b[0] = 9; return b },
		"short":       func(b []byte) []byte { return b[:12] },
		"long":        func(b []byte) []byte { return append(b, 0) },
		"no segment":  func(b []byte) []byte { b[4] = 99; return b },
		"behind":      func(b []byte) []byte { b[5] = 99; return b },
		"huge":        func(b []byte) []byte { b[9] = 0xff; return b },
		"other place": func(b []byte) []byte { b[8]++; return b },
	} {
		r, err := store.DecodeRef(change(append([]byte{}, encoded...)))
		if err == nil {
			_, err = s.Read(store.Records, r)
		}
		if err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// What a directory lacks is named when it is opened, and nothing is cut.
func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string) error
		want   string
	}{
		"short segment": {func(t *testing.T, dir string) error {
			names := segments(t, dir)
			return os.Truncate(names[len(names)-1], 3)
		}, "has 3 bytes"},
		"no last segment": {func(t *testing.T, dir string) error {
			names := segments(t, dir)
			return os.Remove(names[len(names)-1])
		}, "the archive lacks records-"},
		"no first segment": {func(t *testing.T, dir string) error { return os.Remove(segments(t, dir)[0]) }, "the archive lacks records-0000000000.seg"},
		"no database":      {func(_ *testing.T, dir string) error { return os.RemoveAll(filepath.Join(dir, "state.db")) }, "its database is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := ledger(t)
			if err := c.damage(t, dir); err != nil {
				t.Fatal(err)
			}
			before := listing(t, dir)
			for range 2 {
				_, err := store.OpenSegments(store.Options{Dir: dir}, crashSegment, nil)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "backup") {
					t.Fatalf("opened: %v", err)
				}
			}
			if after := listing(t, dir); after != before {
				t.Fatalf("the archive was %s, now %s", before, after)
			}
		})
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + " " + strings.Repeat("i", int(info.Size())) + "\n")
	}
	return b.String()
}

func TestOneProcess(t *testing.T) {
	for _, backend := range []string{"goleveldb", "pebbledb"} {
		dir := filepath.Join(t.TempDir(), "ledger")
		s := open(t, dir, backend, nil)
		if _, err := store.Open(store.Options{Dir: dir, Backend: backend}); err == nil || !strings.Contains(err.Error(), "process") {
			t.Errorf("%s: opened twice: %v", backend, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		other := map[string]string{"goleveldb": "pebbledb", "pebbledb": "goleveldb"}[backend]
		if _, err := store.Open(store.Options{Dir: dir, Backend: other}); err == nil || !strings.Contains(err.Error(), backend) {
			t.Errorf("a %s ledger opened as %s: %v", backend, other, err)
		}
	}
	if _, err := store.Open(store.Options{Dir: t.TempDir(), Backend: "none"}); err == nil {
		t.Error("a backend that is none")
	}
}

func TestVerifyStops(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ledger"), "", nil)
	b := s.Begin(1)
	for i := range 3000 {
		b.Set([]byte{byte(i >> 8), byte(i)}, nil, nil)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Verify(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
