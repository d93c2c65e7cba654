package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Block is a block under construction: reads see its own writes. It is not safe
// for concurrent use.
type Block struct {
	store   *Store
	base    *View
	height  int64
	scratch bool

	writes map[string][]byte // by database key; nil removes
	undo   []undo
	rows   []byte            // of Emit: each the lengths of key and value, then both
	read   map[string][]byte // state rows of the base: rules read many again and again
	buf    []byte            // of a database key

	grown *growth // the tree with the writes so far, nil if there were further ones
}

// undo is what a write replaced: of Emit, which replaces nothing, no key and
// where its row begins.
type undo struct {
	key  string
	row  []byte
	had  bool
	from int
}

// growth is a state tree that is not committed yet.
type growth struct {
	crown  *stem
	pages  []pageWrite
	leaves int64
}

func newBlock(base *View, height int64) *Block {
	return &Block{store: base.store, base: base, height: height, writes: map[string][]byte{}, read: map[string][]byte{}}
}

func (b *Block) key(space byte, key []byte) []byte {
	b.buf = append(append(b.buf[:0], space), key...)
	return b.buf
}

// Get returns a state value, and what is kept beside it unhashed; nil, nil where
// there is none. Neither may be changed.
func (b *Block) Get(key []byte) (value, aside []byte, err error) {
	k := b.key(spaceState, key)
	row, ok := b.writes[string(k)]
	if !ok {
		row, ok = b.read[string(k)]
	}
	if !ok {
		if row, err = b.state(k); err != nil {
			return nil, nil, err
		}
		b.read[string(k)] = row
	}
	if row == nil {
		return nil, nil, nil
	}
	return splitState(row)
}

// state reads a state row of the base. The tree's page, which the block needs anyway where
// it writes the key, tells for less than the database whether there is any.
func (b *Block) state(k []byte) ([]byte, error) {
	if b.current() == nil { // the cache is of its base
		if err := b.base.use(); err != nil {
			return nil, err
		}
		defer b.base.done()
		hash := proof.KeyHash(k[1:])
		if held, err := b.base.version.crown.holds(&hash, b.cached); err != nil || !held {
			return nil, err
		}
	}
	return b.base.get(k)
}

// Set writes a state value and what is kept beside it, unhashed.
func (b *Block) Set(key, value, aside []byte) { b.put(b.key(spaceState, key), joinState(value, aside)) }

// Delete removes a state value, as if it had never been there.
func (b *Block) Delete(key []byte) { b.put(b.key(spaceState, key), nil) }

// Row returns a row's value; nil where there is none. It may not be changed.
func (b *Block) Row(key []byte) ([]byte, error) {
	k := b.key(spaceRow, key)
	if row, ok := b.writes[string(k)]; ok {
		return row, nil
	}
	if b.store.known.Load().lacks(b.base.version.height, key) {
		return nil, nil
	}
	return b.base.get(k)
}

// PutRow writes a row.
func (b *Block) PutRow(key, value []byte) {
	b.put(b.key(spaceRow, key), append(make([]byte, 0, len(value)), value...))
}

// Emit writes a row that nothing reads or writes again before the block is
// committed: an index row. It costs a fraction of PutRow.
func (b *Block) Emit(key, value []byte) {
	b.undo = append(b.undo, undo{from: len(b.rows)})
	b.rows = binary.AppendUvarint(b.rows, uint64(len(key)))
	b.rows = binary.AppendUvarint(b.rows, uint64(len(value)))
	b.rows = append(append(b.rows, key...), value...)
}

// emitted yields the rows of Emit, as database keys; both are good until the next.
func (b *Block) emitted(yield func(key, value []byte) bool) {
	for rest := b.rows; len(rest) > 0; {
		k, n := binary.Uvarint(rest)
		v, o := binary.Uvarint(rest[n:])
		rest = rest[n+o:]
		if !yield(b.key(spaceRow, rest[:k]), rest[k:k+v]) {
			return
		}
		rest = rest[k+v:]
	}
}

// DeleteRow removes a row.
func (b *Block) DeleteRow(key []byte) { b.put(b.key(spaceRow, key), nil) }

func (b *Block) put(key, row []byte) {
	k := string(key)
	old, had := b.writes[k]
	b.undo = append(b.undo, undo{key: k, row: old, had: had})
	b.writes[k] = row
	if key[0] == spaceState {
		b.grown = nil
	}
}

// Mark is the place in the block's writes that Revert goes back to; marks nest.
func (b *Block) Mark() int { return len(b.undo) }

// Revert undoes the writes since the mark.
func (b *Block) Revert(mark int) {
	for i := len(b.undo) - 1; i >= mark; i-- {
		u := b.undo[i]
		if u.key == "" {
			b.rows = b.rows[:u.from]
			continue
		}
		if u.had {
			b.writes[u.key] = u.row
		} else {
			delete(b.writes, u.key)
		}
		if u.key[0] == spaceState {
			b.grown = nil
		}
	}
	clear(b.undo[mark:])
	b.undo = b.undo[:mark]
}

// Keep forgets how to undo the writes so far: no mark from before is reverted to any
// more. What a key held in between is then held no longer.
func (b *Block) Keep() {
	clear(b.undo)
	b.undo = b.undo[:0]
}

// current reports why the block may not go on: it is the store's block no more.
func (b *Block) current() error {
	if b.scratch {
		return errors.New("a scratch block cannot be kept")
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if b.store.fault != nil {
		return b.store.fault
	}
	if b.store.block != b {
		return fmt.Errorf("block %d was dropped or committed before", b.height)
	}
	return nil
}

// Append adds data to the archive; it is durable, and can be read, with Commit.
// Refused on a scratch block.
func (b *Block) Append(stream Stream, data []byte) (Ref, error) {
	if err := b.current(); err != nil {
		return Ref{}, err
	}
	return b.store.archive.append(stream, data)
}

// Root is the state root with the writes so far.
func (b *Block) Root() ([32]byte, error) {
	if err := b.grow(); err != nil {
		return [32]byte{}, err
	}
	return b.grown.crown.root().hash, nil
}

// grow brings the tree up to the writes.
func (b *Block) grow() error {
	load := b.base.version.snap.get
	if !b.scratch {
		// The cache is of the last height: the base of the current block, but
		// perhaps not of one that was dropped or of a scratch block.
		if err := b.current(); err != nil {
			return err
		}
		load = b.cached
	}
	if b.grown != nil {
		return nil
	}
	if err := b.base.use(); err != nil {
		return err
	}
	defer b.base.done()
	cs := b.changes()
	crown, pages, leaves, err := grow(b.base.version.crown, cs, load)
	if err != nil {
		return err
	}
	b.grown = &growth{crown, pages, b.base.version.leaves + leaves}
	return nil
}

func (b *Block) cached(key []byte) ([]byte, error) {
	if data, ok := b.store.cache.get(key); ok {
		return data, nil
	}
	data, err := b.base.version.snap.get(key)
	if err == nil && data != nil {
		b.store.cache.put(key, data)
	}
	return data, err
}

// changes are the leaves that the block's writes make, by key hash.
func (b *Block) changes() []change {
	type write struct {
		key string
		row []byte
	}
	var ws []write
	for k, row := range b.writes {
		if k[0] == spaceState {
			ws = append(ws, write{k, row})
		}
	}
	cs := make([]change, len(ws))
	hash := func(from, to int) {
		for i, w := range ws[from:to] {
			c := &cs[from+i]
			c.Key = proof.KeyHash([]byte(w.key[1:]))
			if c.gone = w.row == nil; c.gone {
				continue
			}
			value, _, _ := splitState(w.row) // the block's own encoding
			c.Value = proof.ValueHash(value)
		}
	}
	if n := runtime.GOMAXPROCS(0); n > 1 && len(ws) >= parallelFrom {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { hash(len(ws)*i/n, len(ws)*(i+1)/n) })
		}
		wg.Wait()
	} else {
		hash(0, len(ws))
	}
	slices.SortFunc(cs, func(x, y change) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	return cs
}

// Commit syncs the archive, then writes state, rows, tree, height, root and
// archive lengths in one synced batch. If it fails, nobody knows how much of the
// block is on disk: the store refuses everything further, and opening it again
// finds either this height or the one before.
func (b *Block) Commit() error {
	if err := b.grow(); err != nil {
		return fmt.Errorf("hashing the state: %w", err)
	}
	if b.scratch {
		return errors.New("a scratch block cannot be committed")
	}
	if last := b.base.version.height; b.height <= last {
		return fmt.Errorf("block %d cannot follow height %d", b.height, last)
	}
	next, err := b.write()
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.fault != nil {
		next.end(s.fault)
		err = s.fault
	}
	if err != nil {
		if s.fault == nil {
			s.stop(fmt.Errorf("the store stopped when a commit failed, restart the node: %w", err))
		}
		return err
	}
	s.archive.settle()
	s.cache.commit(b.grown.pages)
	s.versions = append(s.versions, next)
	if len(s.versions) > held+1 {
		s.versions[0].end(ErrExpired)
		s.versions = slices.Delete(s.versions, 0, 1)
	}
	s.block = nil
	if cap(b.rows) <= spareBytes {
		s.spare, b.rows = b.rows, nil
	}
	return nil
}

// write makes the block durable.
func (b *Block) write() (*version, error) {
	s := b.store
	if err := s.archive.sync(); err != nil {
		return nil, err
	}
	m := meta{height: b.height, root: b.grown.crown.root().hash, leaves: b.grown.leaves, ends: s.archive.next}
	if err := b.writeBatch(m); err != nil {
		return nil, fmt.Errorf("writing block %d to the database: %w", b.height, err)
	}
	snap, err := s.engine.snapshot()
	if err != nil {
		return nil, fmt.Errorf("reading block %d back: %w", b.height, err)
	}
	return &version{height: m.height, root: m.root, leaves: m.leaves, crown: b.grown.crown, snap: snap}, nil
}

func (b *Block) writeBatch(m meta) (err error) {
	size := metaSize + 2*len(b.rows)
	for k, row := range b.writes {
		size += len(k) + len(row) + 16
	}
	for _, p := range b.grown.pages {
		size += len(p.key) + len(p.data) + 16
	}
	w := b.store.engine.newBatch(size)
	defer func() { err = errors.Join(err, w.Close()) }()
	known := b.store.known.Load()
	for key, data := range b.ordered() {
		known.remember(key) // before anybody can read its height
		if data == nil {
			err = w.Delete(key)
		} else {
			err = w.Set(key, data)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Set([]byte{spaceMeta}, m.encode()); err != nil {
		return err
	}
	return w.WriteSync()
}

// batched is a row of the batch; no data deletes it.
type batched struct{ key, data []byte }

// ordered are all rows of the block by their keys: a database that gets neighbours
// one after the other finds its way to the next in what it has just read. Of rows of
// the same key the later comes later, and counts.
func (b *Block) ordered() iter.Seq2[[]byte, []byte] {
	size := len(b.rows) // no fewer bytes than their keys take
	for k := range b.writes {
		size += len(k)
	}
	keys := make([]byte, 0, size)
	list := make([]batched, 0, 2*len(b.writes)+len(b.grown.pages))
	add := func(key, data []byte) { list = append(list, batched{key, data}) }
	for k, row := range b.writes {
		from := len(keys)
		keys = append(keys, k...)
		add(keys[from:], row)
	}
	for k, row := range b.emitted {
		from := len(keys)
		keys = append(keys, k...)
		add(keys[from:], row)
	}
	for _, p := range b.grown.pages {
		add(p.key, p.data)
	}
	// Indexes are cheaper to move than rows, of which the collector must be told.
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		if c := bytes.Compare(list[x].key, list[y].key); c != 0 {
			return c
		}
		return cmp.Compare(x, y)
	})
	return func(yield func(key, data []byte) bool) {
		for _, i := range order {
			if !yield(list[i].key, list[i].data) {
				return
			}
		}
	}
}
