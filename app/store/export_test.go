package store

import (
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// OpenSegments opens a store whose segments are full at a size, over a disk that
// may fail.
func OpenSegments(o Options, segment uint32, f Faults) (*Store, error) {
	if f == nil {
		return openDisk(o, segment, nil)
	}
	return openDisk(o, segment, disk{f})
}

// Memory outlives the stores that are opened over it, as a disk does.
type Memory struct {
	storage storage.Storage
	files   *memoryFiles
}

func NewMemory() *Memory {
	return &Memory{storage.NewMemStorage(), &memoryFiles{files: map[string]*memoryFile{}}}
}

func (m *Memory) Open(segment uint32) (*Store, error) {
	db, err := leveldb.Open(m.storage, &opt.Options{WriteBuffer: 16 << 10})
	if err != nil {
		return nil, err
	}
	// A cache of a few pages, so that it is full all the time.
	return openOn(&levelEngine{db: db}, m.files, Options{CacheBytes: 2 << 10}, segment)
}

// Stream is the stream that a reference leads into.
func (r Ref) Stream() Stream { return r.stream }

// Faults is asked before and after whatever reaches the disk. An error is the
// disk's: before, nothing happened; after, everything did, and it is not known.
// Of a write that fails before, the first torn bytes are written all the same.
type Faults interface {
	Before(point string) (torn int, err error)
	After(point string) error
}

type disk struct{ Faults }

func (d disk) engine(e engine) engine { return faultyEngine{e, d} }
func (d disk) files(f files) files    { return faultyFiles{f, d} }

func (d disk) run(point string, act func() error) error {
	if _, err := d.Before(point); err != nil {
		return err
	}
	return errors.Join(act(), d.After(point))
}

type faultyEngine struct {
	engine
	disk disk
}

func (e faultyEngine) newBatch(size int) batch { return faultyBatch{e.engine.newBatch(size), e.disk} }

func (e faultyEngine) load(rows iter.Seq2[[]byte, []byte]) error {
	return e.disk.run("batch", func() error { return e.engine.load(rows) })
}

type faultyBatch struct {
	batch
	disk disk
}

func (b faultyBatch) WriteSync() error { return b.disk.run("batch", b.batch.WriteSync) }

type faultyFiles struct {
	files
	disk disk
}

func (f faultyFiles) sync() error { return f.disk.run("directory sync", f.files.sync) }

func (f faultyFiles) open(name string, create bool) (file, error) {
	var inner file
	open := func() (err error) { inner, err = f.files.open(name, create); return err }
	err := error(nil)
	if create {
		err = f.disk.run("segment creation", open)
	} else {
		err = open()
	}
	if err != nil {
		return nil, err
	}
	return faultyFile{inner, f.disk}, nil
}

type faultyFile struct {
	file
	disk disk
}

func (f faultyFile) Sync() error { return f.disk.run("archive sync", f.file.Sync) }

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	torn, err := f.disk.Before("archive write")
	if err != nil {
		n, _ := f.file.WriteAt(b[:min(torn, len(b))], off)
		return n, err
	}
	n, err := f.file.WriteAt(b, off)
	return n, errors.Join(err, f.disk.After("archive write"))
}

// Tree is a state tree driven by key hashes, so that tests can choose them.
type Tree struct {
	crown  *stem
	pages  map[string][]byte
	Leaves int64
}

func NewTree() *Tree { return &Tree{pages: map[string][]byte{}} }

func (t *Tree) load(key []byte) ([]byte, error) {
	data, ok := t.pages[string(key)]
	if !ok {
		return nil, fmt.Errorf("no page %x", key)
	}
	return data, nil
}

// Change is a leaf that is set, or removed if Gone.
type Change struct {
	proof.Leaf
	Gone bool
}

// Apply applies changes sorted by key hash.
func (t *Tree) Apply(changes []Change) error {
	cs := make([]change, len(changes))
	for i, c := range changes {
		cs[i] = change{c.Leaf, c.Gone}
	}
	crown, writes, leaves, err := grow(t.crown, cs, t.load)
	if err != nil {
		return err
	}
	t.crown = crown
	t.Leaves += leaves
	for _, w := range writes {
		if w.data == nil {
			if _, ok := t.pages[string(w.key)]; !ok {
				return fmt.Errorf("page %x was deleted and was not there", w.key)
			}
			delete(t.pages, string(w.key))
		} else {
			t.pages[string(w.key)] = w.data
		}
	}
	return nil
}

func (t *Tree) Root() [32]byte { return t.crown.root().hash }

// Pages are the tree's pages by their keys.
func (t *Tree) Pages() map[string][]byte { return t.pages }

func (t *Tree) Path(key [32]byte) (proof.Path, error) { return path(t.crown, key, t.load) }

// NewSmallSorter is a sorter that holds so many tuples in memory.
func NewSmallSorter(dir string, limit int) *Sorter { return &Sorter{dir: dir, limit: limit} }

// Batches makes a restore write rows once they have this size.
func (r *Restore) Batches(size int) { r.limit = size }

// Lacks reports whether the store knows, without asking its database, that there is no
// row at the last height; only once it has read all keys.
func (s *Store) Lacks(key []byte) bool {
	for k := s.known.Load(); !k.full.Load(); {
		runtime.Gosched()
	}
	height, _ := s.Last()
	return s.known.Load().lacks(height, key)
}

// Removing makes the removal of a snapshot's files what remove does.
func (s *Snapshots) Removing(remove func(path string) error) { s.removeAll = remove }
