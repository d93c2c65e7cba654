package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Options of a store.
type Options struct {
	Dir     string // "" keeps everything in memory: for tests and dry runs
	Backend string // of cosmos-db: goleveldb (also for ""), pebbledb
	// CacheBytes bounds the pages of the state tree that are held in memory; 0 is 64 MiB.
	CacheBytes int
	// Elsewhere reads segments that were moved out of the archive's directory; nil
	// where none were.
	Elsewhere Elsewhere
	// SegmentBytes is where a segment of the archive is full; 0 is 64 MiB.
	SegmentBytes uint32
}

func (o Options) segment() uint32 {
	if o.SegmentBytes == 0 {
		return segmentSize
	}
	return o.SegmentBytes
}

// ErrExpired says that a view's height is no longer held: ask for a later one.
var ErrExpired = errors.New("the view has expired")

var errClosed = errors.New("the store is closed")

// held is how many heights before the last can be read.
const held = 8

// The database's spaces: the first byte of every key.
const (
	spaceState = 's' // key: uvarint length of the value, the value, what is beside it
	spaceRow   = 'r' // key: value
	spacePage  = 't' // depth, prefix: page of the state tree
	spaceMeta  = 'm' // nothing: what meta holds
)

// Store is the ledger's state and archive. Views may be read by any number of
// goroutines; a block under construction belongs to one.
type Store struct {
	dir     string // "" for one in memory
	engine  engine
	archive *archive
	cache   *cache
	view    bool           // the archive's files are not this store's to change
	readers sync.WaitGroup // reads under way
	known   atomic.Pointer[known]
	closing atomic.Bool
	sheet   ordering // the committing block's

	mu       sync.Mutex // guards what follows
	versions []*version // the last is the last committed
	block    *Block     // under construction
	spare    []byte     // memory of the last block's emitted rows, for the next
	fault    error      // why nothing works any more
}

// version is one committed height.
type version struct {
	height int64
	root   [32]byte
	leaves int64
	crown  *stem
	snap   snapshot

	mu      sync.Mutex // guards what follows
	reading int        // reads under way
	over    error      // why it can no longer be read
}

// meta is the row that says what the rest of the database is.
type meta struct {
	height int64
	root   [32]byte
	leaves int64
	ends   [streams]end
}

const (
	metaVersion = 1
	metaSize    = 1 + 8 + 32 + 8 + int(streams)*8
)

func (m meta) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{metaVersion}, uint64(m.height))
	b = append(b, m.root[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.leaves))
	for _, e := range m.ends {
		b = binary.BigEndian.AppendUint32(b, e.segment)
		b = binary.BigEndian.AppendUint32(b, e.offset)
	}
	return b
}

func decodeMeta(b []byte) (m meta, err error) {
	if len(b) != metaSize || b[0] != metaVersion {
		return m, Damaged("the database is damaged, or another version of the program wrote it")
	}
	m.height = int64(binary.BigEndian.Uint64(b[1:]))
	m.root = [32]byte(b[9:])
	m.leaves = int64(binary.BigEndian.Uint64(b[41:]))
	for s := range m.ends {
		m.ends[s] = end{binary.BigEndian.Uint32(b[49+8*s:]), binary.BigEndian.Uint32(b[53+8*s:])}
	}
	return m, nil
}

// Open opens the store in a directory, or makes a new one. What a block wrote
// that was never committed is gone. Only one process at a time can have it open.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		e, err := openEngine("", "")
		if err != nil {
			return nil, err
		}
		return openOn(e, &memoryFiles{files: map[string]*memoryFile{}}, o, segmentSize)
	}
	return openDisk(o, o.segment(), nil)
}

// faults wraps what a store writes to, for tests of a failing disk.
type faults interface {
	engine(engine) engine
	files(files) files
}

func openDisk(o Options, segment uint32, f faults) (*Store, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the ledger's directory: %w", err)
	}
	if err := SyncPath(filepath.Dir(o.Dir)); err != nil {
		return nil, fmt.Errorf("creating the ledger's directory: %w", err)
	}
	// The database first: it holds the lock that keeps other processes out.
	e, err := openEngine(o.Dir, o.Backend)
	if err != nil {
		return nil, err
	}
	dir, err := openDir(ArchiveDir(o.Dir), o.Elsewhere)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	if f != nil {
		e, dir = f.engine(e), f.files(dir)
	}
	return openOn(e, dir, o, segment)
}

// openOn opens a store over an engine and a directory of segments, and closes
// the engine if it cannot.
func openOn(e engine, dir files, o Options, segment uint32) (*Store, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	s := &Store{dir: o.Dir, engine: e, cache: newCache(o.CacheBytes)}
	if err := s.load(dir, segment); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return s, nil
}

func (s *Store) load(dir files, segment uint32) (err error) {
	snap, err := s.engine.snapshot()
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	defer func() {
		if err != nil {
			snap.release()
		}
	}()
	row, err := snap.get([]byte{spaceMeta})
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	var m meta
	if row != nil {
		if m, err = decodeMeta(row); err != nil {
			return err
		}
	} else if err := s.found(dir); err != nil {
		return err
	}
	if m.height == 0 && !s.view {
		// What else is there was restored, and did not become complete.
		if err := wipe(s.engine); err != nil {
			return err
		}
		wiped, err := s.engine.snapshot()
		if err != nil {
			return fmt.Errorf("reading the database: %w", err)
		}
		snap.release()
		snap = wiped
	}
	v := &version{height: m.height, root: m.root, leaves: m.leaves, snap: snap}
	if v.crown, err = openCrown(snap); err != nil {
		return err
	}
	if v.crown.root().hash != m.root {
		return Damaged("the state tree of height %d does not lead to its root", m.height)
	}
	if s.view {
		s.archive = newArchive(dir, m.ends, segment)
	} else if s.archive, err = openArchive(dir, m.ends, segment); err != nil {
		return err
	}
	s.versions = []*version{v}
	return nil
}

// found marks an empty database as one, durably and before anything is archived:
// an archive beside a database without the mark has lost its database, and must
// not be cut.
func (s *Store) found(dir files) error {
	if s.view {
		return nil
	}
	names, err := dir.names()
	if err != nil {
		return fmt.Errorf("listing the archive: %w", err)
	}
	if len(names) > 0 {
		return errors.New("the archive is there, but its database is missing: restore the node's whole directory from one backup")
	}
	b := s.engine.newBatch(0)
	if err := errors.Join(b.Set([]byte{spaceMeta}, meta{}.encode()), b.WriteSync(), b.Close()); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	return nil
}

// Close ends the use of the store: reads that are under way are waited for,
// later ones are refused. A block under construction is dropped.
func (s *Store) Close() error {
	s.mu.Lock()
	if errors.Is(s.fault, errClosed) {
		s.mu.Unlock()
		return nil
	}
	s.stop(errClosed)
	s.closing.Store(true)
	s.mu.Unlock()
	s.readers.Wait()
	if err := errors.Join(s.archive.close(), s.engine.close()); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// stop refuses further use; s.mu is held.
func (s *Store) stop(why error) {
	s.fault = why
	s.block = nil
	for _, v := range s.versions {
		v.end(why)
	}
}

func (s *Store) last() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[len(s.versions)-1]
}

// Last is the last committed height and its state root; 0 and the empty root before the first.
func (s *Store) Last() (height int64, root [32]byte) {
	v := s.last()
	return v.height, v.root
}

// Latest is a view of the last committed height.
func (s *Store) Latest() *View { return &View{store: s, version: s.last()} }

// At is a view of one of the last 8 heights (and the current one), false where it is no longer held.
func (s *Store) At(height int64) (*View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.versions {
		if v.height == height {
			return &View{store: s, version: v}, true
		}
	}
	return nil, false
}

// Begin starts the block of a height over the last committed state. One block at
// a time is under construction; beginning another drops it, with what it appended to the archive.
func (s *Store) Begin(height int64) *Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive.drop()
	b := newBlock(&View{store: s, version: s.versions[len(s.versions)-1]}, height)
	if s.fault == nil {
		s.block, b.rows, s.spare = b, s.spare[:0], nil
	}
	return b
}

// Read returns archived data. What is damaged on disk is an error, never data.
func (s *Store) Read(stream Stream, r Ref) ([]byte, error) { return s.archive.read(nil, stream, r) }

// ReadInto is Read into room that is used again, where it is enough.
func (s *Store) ReadInto(room []byte, stream Stream, r Ref) ([]byte, error) {
	return s.archive.read(room, stream, r)
}

// Stats tells how much the store holds.
type Stats struct {
	Height     int64
	Keys       int64 // leaves of the state tree
	Records    int64 // bytes of the archive's streams, full segments counted whole
	Bodies     int64
	Pages      int // of the state tree, cached
	CacheBytes int
}

// Stats is the store's size at the last committed height.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	v := s.versions[len(s.versions)-1]
	ends := s.archive.ends
	s.mu.Unlock()
	out := Stats{Height: v.height, Keys: v.leaves}
	out.Records, out.Bodies = ends[Records].bytes(s.archive.limit), ends[Bodies].bytes(s.archive.limit)
	out.Pages, out.CacheBytes = s.cache.stats()
	return out
}
