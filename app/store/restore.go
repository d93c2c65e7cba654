package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Bounds of a restore.
const (
	restoreBatch = 1 << 20 // bytes of a batch that removes rows
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
	rows   bulk
	full   []*lane    // rows that are being written
	wrote  chan error // what came of that
	limit  int        // bytes of rows in memory; 0: as many as is usual
	sorter *Sorter
	crown  *stem
	leaves int64
	built  bool
	length [binary.MaxVarintLen64]byte // of a value
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
	return &Restore{store: s, wrote: make(chan error, 1), sorter: sorter}, nil
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

// StateLeaf is a state value's leaf in the tree. It takes hashing, and may be
// computed anywhere.
func StateLeaf(key, value []byte) proof.Leaf {
	return proof.Leaf{Key: proof.KeyHash(key), Value: proof.ValueHash(value)}
}

// Set writes a state value and what is kept beside it, each key once.
func (r *Restore) Set(key, value, aside []byte) error {
	return r.SetLeaf(StateLeaf(key, value), key, value, aside)
}

// SetLeaf is Set with the leaf that the tree has of the value.
func (r *Restore) SetLeaf(leaf proof.Leaf, key, value, aside []byte) error {
	var t Tuple
	copy(t[:], leaf.Key[:])
	copy(t[32:], leaf.Value[:])
	if err := r.sorter.Add(t); err != nil {
		return err
	}
	return r.wrought(r.rows.put(spaceState, key, binary.AppendUvarint(r.length[:0], uint64(len(value))), value, aside))
}

// PutRow writes a row.
func (r *Restore) PutRow(key, value []byte) error {
	return r.wrought(r.rows.put(spaceRow, key, value))
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

// wrought writes what is due, after a row came into a lane.
func (r *Restore) wrought(last *lane) error {
	l := r.rows.due(last, r.limit)
	if l == nil {
		return nil
	}
	// It is written while the next rows come.
	if err := r.settle(); err != nil {
		return err
	}
	r.full = []*lane{l}
	go func() { r.wrote <- r.store.engine.load(sorted(r.full)) }()
	return nil
}

// settle waits until nothing is being written.
func (r *Restore) settle() error {
	if r.full == nil {
		return nil
	}
	err := <-r.wrote
	for _, l := range r.full {
		r.rows.again(l)
	}
	if r.full = nil; err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

// Flush makes durable, and readable, what was written: the row that says height
// and root must never be durable before it.
func (r *Restore) Flush() error {
	if err := r.settle(); err != nil {
		return err
	}
	lanes := r.rows.rest()
	if len(lanes) == 0 {
		return nil
	}
	if err := r.store.engine.load(sorted(lanes)); err != nil {
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
		if err := r.wrought(r.rows.put(p.key[0], p.key[1:], p.data)); err != nil {
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
	if err := r.Flush(); err != nil {
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
	r.rows = bulk{}
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
