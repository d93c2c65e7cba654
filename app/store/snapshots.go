package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Snapshots are files that other nodes restore from: a directory for each
// height, with a manifest and numbered chunks. A directory appears under its
// height's name when it is complete and durable, and not before; and it leaves that
// name, durably, before any of its files goes.
type Snapshots struct {
	dir       string
	removeAll func(path string) error // os.RemoveAll, or what tests put in its place

	mu    sync.Mutex // guards saved
	saved []Saved    // by ascending height
}

// Saved is a snapshot that is complete.
type Saved struct {
	Height   int64
	Manifest []byte
	served   time.Time // when a chunk was last read
}

const (
	// ManifestFile is a snapshot's manifest, in its directory.
	ManifestFile = "manifest"
	draftPrefix  = "draft-"
	gonePrefix   = "gone-" // what is being removed
	// beingServed is how long a snapshot outlives its successors after a node
	// fetched a chunk of it, and maxSaved how many there are at most.
	beingServed = 2 * time.Minute
	maxSaved    = 6
	// MaxChunk bounds the bytes of a chunk's file.
	MaxChunk = 8 << 20
)

// OpenSnapshots opens the snapshots in a directory, or makes it. Drafts that were
// never saved are removed, and what was being removed.
func OpenSnapshots(dir string) (*Snapshots, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory for snapshots: %w", err)
	}
	s, err := ReadSnapshots(dir)
	if err == nil {
		err = s.clear(draftPrefix, gonePrefix)
	}
	return s, err
}

// clear removes what has one of these prefixes.
func (s *Snapshots) clear(prefixes ...string) error {
	entries, err := os.ReadDir(s.dir)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.Name(), p) })
	})
	if err == nil && len(entries) > 0 {
		err = SyncPath(s.dir) // a name that was left must not come back without its files
	}
	errs := []error{err}
	for i := 0; i < len(entries) && err == nil; i++ {
		errs = append(errs, s.removeAll(filepath.Join(s.dir, entries[i].Name())))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what is left of snapshots: %w", err)
	}
	return nil
}

// ReadSnapshots lists the snapshots in a directory, of which there may be none, and
// changes nothing.
func ReadSnapshots(dir string) (*Snapshots, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing snapshots: %w", err)
	}
	s := &Snapshots{dir: dir, removeAll: os.RemoveAll}
	for _, e := range entries {
		height, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil || !e.IsDir() {
			continue // a draft, or not ours
		}
		manifest, err := os.ReadFile(filepath.Join(dir, e.Name(), ManifestFile))
		if err != nil {
			return nil, fmt.Errorf("reading the snapshot of height %d: %w (remove its directory: another is taken in time)", height, err)
		}
		s.saved = append(s.saved, Saved{Height: height, Manifest: manifest})
	}
	slices.SortFunc(s.saved, func(a, b Saved) int { return int(a.Height - b.Height) })
	return s, nil
}

// List returns the complete snapshots by ascending height.
func (s *Snapshots) List() []Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saved)
}

func (s *Snapshots) path(height int64) string {
	return filepath.Join(s.dir, strconv.FormatInt(height, 10))
}

// ChunkName is the file of a snapshot's chunk, in its directory.
func ChunkName(i int) string { return fmt.Sprintf("%06d.chunk", i) }

// Chunk reads a chunk of a snapshot; nil where there is none.
func (s *Snapshots) Chunk(height int64, i int) ([]byte, error) {
	s.mu.Lock()
	at := slices.IndexFunc(s.saved, func(o Saved) bool { return o.Height == height })
	if at >= 0 {
		s.saved[at].served = time.Now()
	}
	s.mu.Unlock()
	if at < 0 {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(s.path(height), ChunkName(i)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading chunk %d of the snapshot of height %d: %w", i, height, err)
	}
	return b, nil
}

// Draft is a snapshot that is being taken.
type Draft struct {
	snapshots *Snapshots
	height    int64
	path      string
	chunks    int
}

// Begin begins a snapshot of a height.
func (s *Snapshots) Begin(height int64) (*Draft, error) {
	d := &Draft{snapshots: s, height: height, path: filepath.Join(s.dir, draftPrefix+strconv.FormatInt(height, 10))}
	if err := errors.Join(os.RemoveAll(d.path), os.Mkdir(d.path, 0o700)); err != nil {
		return nil, fmt.Errorf("beginning a snapshot: %w", err)
	}
	return d, nil
}

// Chunk writes the next chunk.
func (d *Draft) Chunk(b []byte) error {
	if len(b) > MaxChunk {
		return fmt.Errorf("a chunk of %d bytes, %d are allowed", len(b), MaxChunk)
	}
	if err := WriteSynced(filepath.Join(d.path, ChunkName(d.chunks)), b); err != nil {
		return fmt.Errorf("writing chunk %d of the snapshot of height %d: %w", d.chunks, d.height, err)
	}
	d.chunks++
	return nil
}

// Save completes the snapshot, durably, and removes those that are older than
// the last keep. One that a node fetches right now stays for a while.
func (d *Draft) Save(manifest []byte, keep int) error {
	s := d.snapshots
	err := WriteSynced(filepath.Join(d.path, ManifestFile), manifest)
	if err == nil {
		err = SyncPath(d.path)
	}
	if err == nil {
		err = s.leave(d.height) // where one of the same height was taken before
	}
	if err == nil {
		err = os.Rename(d.path, s.path(d.height))
	}
	if err == nil {
		err = SyncPath(s.dir)
	}
	if err != nil {
		return fmt.Errorf("saving the snapshot of height %d: %w", d.height, err)
	}
	s.mu.Lock()
	s.saved = append(s.saved, Saved{Height: d.height, Manifest: manifest})
	slices.SortFunc(s.saved, func(a, b Saved) int { return int(a.Height - b.Height) })
	s.mu.Unlock()
	return s.trim(keep)
}

// trim removes old snapshots, and what is left of those before.
func (s *Snapshots) trim(keep int) error {
	for _, old := range s.old(keep) {
		if err := s.leave(old); err != nil {
			return err
		}
	}
	return s.clear(gonePrefix)
}

// old are the heights of the snapshots that may go.
func (s *Snapshots) old(keep int) (heights []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.saved[:max(0, len(s.saved)-keep)] {
		if time.Since(o.served) >= beingServed || len(s.saved)-len(heights) > maxSaved {
			heights = append(heights, o.Height)
		}
	}
	return heights
}

// leave takes a snapshot, if it is there, off the list and from under its name, where
// it must be whole or not at all. Its files go later, and hurt nobody until then.
func (s *Snapshots) leave(height int64) error {
	gone := filepath.Join(s.dir, gonePrefix+strconv.FormatInt(height, 10))
	err := s.removeAll(gone) // what is left of one of the same height
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = os.Rename(s.path(height), gone)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the snapshot of height %d: %w", height, err)
	}
	s.saved = slices.DeleteFunc(s.saved, func(o Saved) bool { return o.Height == height })
	return nil
}

// Drop gives the draft up.
func (d *Draft) Drop() error { return os.RemoveAll(d.path) }
