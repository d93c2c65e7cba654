package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Bounds of a restore.
const (
	restoreBatch = 1 << 20 // bytes of a batch
	pageGroup    = 1 << 14 // leaves that are made pages of at once, at least
	maxGroup     = 1 << 20 // and at most: what shares 18 bits of its hash by chance is far less
)

// sortDir is where sorted runs are, beside the database.
const sortDir = "sort"

// ErrNotEmpty says that a store holds a ledger already.
var ErrNotEmpty = errors.New("the store holds a ledger already")

// Restore fills an empty store. The row that says a height and a root is written
// last: until then the store is empty, whatever the database holds, and opening
// it again, or beginning again, removes that. It is not safe for concurrent use.
type Restore struct {
	store  *Store
	batch  batch
	full   batch      // the one before, that is being written
	wrote  chan error // what came of that
	size   int
	limit  int // of size, where a batch is written
	sorter *Sorter
	crown  *stem
	leaves int64
	built  bool
}

// Restore begins to fill an empty store.
func (s *Store) Restore() (*Restore, error) {
	if height, _ := s.Last(); height > 0 {
		return nil, fmt.Errorf("restoring over height %d: %w", height, ErrNotEmpty)
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	if err := wipe(s.engine); err != nil {
		return nil, err
	}
	if s.dir != "" {
		if err := os.RemoveAll(filepath.Join(s.dir, sortDir)); err != nil {
			return nil, fmt.Errorf("removing what a restore left: %w", err)
		}
	}
	sorter, err := s.Sorter()
	if err != nil {
		return nil, err
	}
	return &Restore{store: s, wrote: make(chan error, 1), limit: restoreBatch, sorter: sorter}, nil
}

func (s *Store) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// Sorter is a sorter whose files are beside the database.
func (s *Store) Sorter() (*Sorter, error) {
	if s.dir == "" {
		return NewSorter(""), nil
	}
	dir := filepath.Join(s.dir, sortDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory to sort in: %w", err)
	}
	return NewSorter(dir), nil
}

// wipe removes everything but the row that says what the database is.
func wipe(e engine) (err error) {
	snap, err := e.snapshot()
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	defer snap.release()
	b, size := e.newBatch(0), 0
	defer func() { err = errors.Join(err, b.Close()) }()
	for row, err := range snap.scan(nil, nil, false) {
		if err != nil {
			return fmt.Errorf("reading the database: %w", err)
		}
		if len(row.Key) == 1 && row.Key[0] == spaceMeta {
			continue
		}
		if err := b.Delete(row.Key); err != nil {
			return err
		}
		if size += len(row.Key) + 16; size < restoreBatch {
			continue
		}
		if err := errors.Join(b.WriteSync(), b.Close()); err != nil {
			return fmt.Errorf("emptying the database: %w", err)
		}
		b, size = e.newBatch(0), 0
	}
	if size == 0 {
		return nil
	}
	if err := b.WriteSync(); err != nil {
		return fmt.Errorf("emptying the database: %w", err)
	}
	return nil
}

// Set writes a state value and what is kept beside it, each key once.
func (r *Restore) Set(key, value, aside []byte) error {
	var t Tuple
	keyHash, valueHash := proof.KeyHash(key), proof.ValueHash(value)
	copy(t[:], keyHash[:])
	copy(t[32:], valueHash[:])
	if err := r.sorter.Add(t); err != nil {
		return err
	}
	return r.put(append([]byte{spaceState}, key...), joinState(value, aside))
}

// PutRow writes a row.
func (r *Restore) PutRow(key, value []byte) error {
	return r.put(append([]byte{spaceRow}, key...), value)
}

// Row reads a row that was written before the last Flush, nil where there is none.
func (r *Restore) Row(key []byte) ([]byte, error) {
	snap, err := r.store.engine.snapshot()
	if err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	defer snap.release()
	return snap.get(append([]byte{spaceRow}, key...))
}

func (r *Restore) put(key, value []byte) error {
	if r.batch == nil {
		r.batch, r.size = r.store.engine.newBatch(r.limit+r.limit/4), 0
	}
	if err := r.batch.Set(key, value); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	if r.size += len(key) + len(value) + 16; r.size < r.limit {
		return nil
	}
	// It is written while the next one is filled.
	if err := r.settle(); err != nil {
		return err
	}
	b := r.batch
	r.batch, r.full = nil, b
	go func() { r.wrote <- b.WriteSync() }()
	return nil
}

// settle waits until nothing is being written.
func (r *Restore) settle() error {
	if r.full == nil {
		return nil
	}
	err := errors.Join(<-r.wrote, r.full.Close())
	if r.full = nil; err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

// Flush makes durable, and readable, what was written.
func (r *Restore) Flush() error { return r.flush() }

// flush syncs what was put: the last batch must never be durable before it.
func (r *Restore) flush() error {
	if err := r.settle(); err != nil {
		return err
	}
	if r.batch == nil {
		return nil
	}
	err := errors.Join(r.batch.WriteSync(), r.batch.Close())
	if r.batch = nil; err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

// Root makes the state tree of all values that were set, and returns its root
// and the number of keys. Nothing may be set afterwards.
func (r *Restore) Root(ctx context.Context) (root [32]byte, leaves int64, err error) {
	if r.built {
		return r.crown.root().hash, r.leaves, nil
	}
	var group []change
	for t, err := range r.sorter.Sorted() {
		if err != nil {
			return root, 0, err
		}
		c := change{Leaf: proof.Leaf{Key: [32]byte(t[:32]), Value: [32]byte(t[32:])}}
		n := len(group)
		if n > 0 && group[n-1].Key == c.Key {
			return root, 0, fmt.Errorf("restoring: two values of one key")
		}
		// A page's leaves stay together, so that no page is ever read.
		if n >= pageGroup && !shared(&group[n-1].Key, &c.Key, crownDepth) {
			if err := r.grow(group); err != nil {
				return root, 0, err
			}
			if err := ctx.Err(); err != nil {
				return root, 0, err
			}
			group = group[:0]
		}
		if len(group) >= maxGroup {
			return root, 0, errors.New("restoring: too many keys share the beginning of their hash")
		}
		group = append(group, c)
	}
	if err := r.grow(group); err != nil {
		return root, 0, err
	}
	r.built = true
	return r.crown.root().hash, r.leaves, r.sorter.Close()
}

func (r *Restore) grow(cs []change) error {
	crown, pages, leaves, err := grow(r.crown, cs, func([]byte) ([]byte, error) { return nil, errPage })
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	r.crown, r.leaves = crown, r.leaves+leaves
	for _, p := range pages {
		if p.data == nil {
			return fmt.Errorf("restoring: %w", errPage)
		}
		if err := r.put(p.key, p.data); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes the store that of a height: durably, and all at once. Root must
// have been called.
func (r *Restore) Commit(height int64) error {
	if !r.built || height < 1 {
		return errors.New("restoring: the state is not complete")
	}
	if err := r.flush(); err != nil {
		return err
	}
	s := r.store
	m := meta{height: height, root: r.crown.root().hash, leaves: r.leaves, ends: s.archive.ends}
	b := s.engine.newBatch(0)
	if err := errors.Join(b.Set([]byte{spaceMeta}, m.encode()), b.WriteSync(), b.Close()); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	snap, err := s.engine.snapshot()
	if err != nil {
		return fmt.Errorf("reading the restored state back: %w", err)
	}
	s.become(&version{height: m.height, root: m.root, leaves: m.leaves, crown: r.crown, snap: snap})
	return nil
}

// become replaces everything that the store remembers.
func (s *Store) become(v *version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.versions {
		old.end(ErrExpired)
	}
	s.versions, s.block = []*version{v}, nil
	s.cache.clear()
	if s.fault != nil {
		v.end(s.fault)
	} else if k := s.known.Load(); k != nil {
		s.expect(k.kinds)
	}
}

// Abort drops what was written.
func (r *Restore) Abort() error {
	// What a disk that failed says of the last batch, it says again below.
	_ = r.settle()
	if r.batch != nil {
		if err := r.batch.Close(); err != nil {
			return err
		}
		r.batch = nil
	}
	return errors.Join(r.sorter.Close(), wipe(r.store.engine))
}

// Forget empties a store that holds nothing but a restored height: no block was
// committed, and nothing archived, since.
func (s *Store) Forget() error {
	if s.archive.ends != ([streams]end{}) {
		return fmt.Errorf("forgetting height %d: blocks were committed: %w", s.last().height, ErrNotEmpty)
	}
	b := s.engine.newBatch(0)
	if err := errors.Join(b.Set([]byte{spaceMeta}, meta{}.encode()), b.WriteSync(), b.Close()); err != nil {
		return fmt.Errorf("emptying the database: %w", err)
	}
	if err := wipe(s.engine); err != nil {
		return err
	}
	snap, err := s.engine.snapshot()
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	s.become(&version{snap: snap})
	return nil
}
