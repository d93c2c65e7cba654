package store_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// What is erased takes no room any more: a body of some bytes that goes has all the others
// of its transaction archived again, and what held them must not stay for ever.
func TestErasedEntriesTakeNoRoom(t *testing.T) {
	dir := t.TempDir()
	if !punches(t, filepath.Join(dir, "probe")) {
		t.Skip("the file system punches no holes")
	}
	s, err := store.Open(store.Options{Dir: filepath.Join(dir, "ledger")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := s.Begin(1)
	large := make([]byte, 0, 1<<20)
	for sum := sha256.Sum256(nil); len(large) < cap(large); sum = sha256.Sum256(sum[:]) {
		large = append(large, sum[:]...)
	}
	first, err := b.Append(store.Bodies, large)
	if err != nil {
		t.Fatal(err)
	}
	kept := []byte("what stays")
	second, err := b.Append(store.Bodies, kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(dir, "ledger", "archive", "bodies-0000000000.seg")
	before := allocated(t, segment)
	if err := s.Erase(store.Bodies, first); err != nil {
		t.Fatal(err)
	}
	if after := allocated(t, segment); before < int64(len(large)) || after > before-int64(len(large))*9/10 {
		t.Errorf("the segment takes %d bytes, before the erasure %d", after, before)
	}
	if data, err := s.Read(store.Bodies, first); err != nil || len(data) != len(large) || !store.Erased(data) {
		t.Errorf("the entry is read as %d bytes, erased %t: %v", len(data), store.Erased(data), err)
	}
	if data, err := s.Read(store.Bodies, second); err != nil || !bytes.Equal(data, kept) {
		t.Errorf("the entry behind it is read as %q: %v", data, err)
	}
}

// allocated is what a file takes of the disk.
func allocated(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

func punches(t *testing.T, name string) bool {
	t.Helper()
	if err := os.WriteFile(name, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return syscall.Fallocate(int(f.Fd()), 3, 0, 1<<15) == nil
}
