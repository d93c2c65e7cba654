package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/app/store"
)

// save takes a snapshot of three chunks, of which two are kept.
func save(t *testing.T, s *store.Snapshots, height int64) error {
	t.Helper()
	draft, err := s.Begin(height)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := draft.Chunk(fmt.Appendf(nil, "chunk %d of %d", i, height)); err != nil {
			t.Fatal(err)
		}
	}
	return draft.Save(fmt.Appendf(nil, "manifest of %d", height), 2)
}

// whole fails the test unless all that is listed can be read, and the heights are these.
func whole(t *testing.T, s *store.Snapshots, want ...int64) {
	t.Helper()
	var heights []int64
	for _, saved := range s.List() {
		heights = append(heights, saved.Height)
		for i := range 3 {
			if b, err := s.Chunk(saved.Height, i); err != nil || string(b) != fmt.Sprintf("chunk %d of %d", i, saved.Height) {
				t.Errorf("chunk %d of the snapshot of height %d is listed, and reads %q, %v", i, saved.Height, b, err)
			}
		}
	}
	if !slices.Equal(heights, want) {
		t.Errorf("listed are the snapshots of heights %d, expected %d", heights, want)
	}
}

// onlyFirst removes the first file of a directory alone, and fails.
func onlyFirst(path string) error {
	files, err := os.ReadDir(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if len(files) > 0 {
		err = os.Remove(filepath.Join(path, files[0].Name()))
	}
	return errors.Join(err, errDisk)
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A snapshot of which some files could be removed, and others not, is offered no more;
// the next removal, or the next start, ends what was begun.
func TestSnapshotThatIsHalfRemoved(t *testing.T) {
	for _, again := range []bool{false, true} {
		dir := t.TempDir()
		s, err := store.OpenSnapshots(dir)
		if err != nil {
			t.Fatal(err)
		}
		for height := int64(1); height <= 2; height++ {
			if err := save(t, s, height); err != nil {
				t.Fatal(err)
			}
		}
		s.Removing(onlyFirst)
		if err := save(t, s, 3); !errors.Is(err, errDisk) {
			t.Errorf("the failure is not told: %v", err)
		}
		whole(t, s, 2, 3)
		read, err := store.ReadSnapshots(dir)
		if err != nil {
			t.Fatal(err)
		}
		whole(t, read, 2, 3)
		if again {
			if s, err = store.OpenSnapshots(dir); err != nil {
				t.Fatal(err)
			}
			whole(t, s, 2, 3)
			if left := names(t, dir); !slices.Equal(left, []string{"2", "3"}) {
				t.Errorf("a start leaves %v", left)
			}
		}
		s.Removing(os.RemoveAll)
		if err := save(t, s, 4); err != nil {
			t.Error(err)
		}
		// Since their chunks were read just now, the older ones stay for a while.
		whole(t, s, 2, 3, 4)
		if left := names(t, dir); !slices.Equal(left, []string{"2", "3", "4"}) {
			t.Errorf("the next removal leaves %v", left)
		}
	}
}

// One that is taken again takes the place of the other in one step.
func TestSnapshotThatIsTakenAgain(t *testing.T) {
	dir := t.TempDir()
	s, err := store.OpenSnapshots(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := save(t, s, 1); err != nil {
		t.Fatal(err)
	}
	s.Removing(onlyFirst)
	if err := save(t, s, 1); !errors.Is(err, errDisk) {
		t.Errorf("the failure is not told: %v", err)
	}
	whole(t, s, 1)
	if s, err = store.OpenSnapshots(dir); err != nil {
		t.Fatal(err)
	}
	whole(t, s, 1)
	if left := names(t, dir); !slices.Equal(left, []string{"1"}) {
		t.Errorf("a start leaves %v", left)
	}
}
