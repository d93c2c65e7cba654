// Package store keeps the ledger's state in memory, plainly: the first form of the agreed API.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// ErrExpired says that a view's height is no longer held.
var ErrExpired = errors.New("the view has expired")

// Options of a store.
type Options struct {
	Dir     string // "" keeps everything in memory: for tests and dry runs
	Backend string // of cosmos-db: goleveldb (also for ""), pebbledb
}

// Stream is one of the archive's sequences of segments.
type Stream uint8

const (
	Records Stream = iota // headers, skeletons, commitments, results
	Bodies                // bodies and secrets, which may be erased
)

// Ref is a place in a stream.
type Ref struct {
	segment, offset uint32
	length          uint32
}

// RefSize is the length of an encoded Ref.
const RefSize = 13

// Append appends the reference's encoding.
func (r Ref) Append(dst []byte) []byte {
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.segment)
	dst = binary.BigEndian.AppendUint32(dst, r.offset)
	return binary.BigEndian.AppendUint32(dst, r.length)
}

// DecodeRef reads what Append wrote.
func DecodeRef(b []byte) (r Ref, err error) {
	if len(b) != RefSize {
		return r, fmt.Errorf("a reference of %d bytes", len(b))
	}
	return Ref{binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])}, nil
}

type entry struct{ value, aside string }

type version struct {
	height int64
	root   [32]byte
	state  map[string]entry
	rows   map[string]string
	ends   [2]int
}

// Store keeps everything.
type Store struct {
	mu       sync.Mutex
	versions []*version
	archive  [2][][]byte
}

// Open opens a store.
func Open(o Options) (*Store, error) {
	return &Store{versions: []*version{{state: map[string]entry{}, rows: map[string]string{}}}}, nil
}

// Close closes it.
func (s *Store) Close() error { return nil }

func (s *Store) last() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[len(s.versions)-1]
}

// Last is the last committed height and its state root; 0 and the empty root before the first.
func (s *Store) Last() (height int64, root [32]byte) { v := s.last(); return v.height, v.root }

// Latest is a view of the last committed height.
func (s *Store) Latest() *View { return &View{s, s.last()} }

// At is a view of one of the last 8 heights (and the current one), false where it is no longer held.
func (s *Store) At(height int64) (*View, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.versions {
		if v.height == height {
			return &View{s, v}, true
		}
	}
	return nil, false
}

// Begin starts the block of a height over the last committed state.
func (s *Store) Begin(height int64) *Block {
	v := s.last()
	for i := range s.archive {
		s.archive[i] = s.archive[i][:v.ends[i]]
	}
	return newBlock(s, v, height)
}

func newBlock(s *Store, v *version, height int64) *Block {
	return &Block{s: s, base: v, height: height, state: map[string]*entry{}, rows: map[string]*string{}}
}

// Scratch is a block that can never be committed: for dry runs. Any number may run beside the real one.
func (v *View) Scratch() *Block { b := newBlock(v.s, v.v, 0); b.scratch = true; return b }

// Block is a block under construction: reads see its own writes.
type Block struct {
	s       *Store
	base    *version
	height  int64
	scratch bool
	state   map[string]*entry
	rows    map[string]*string
	undo    []func()
}

// Get returns a state value, and what is kept beside it unhashed; nil, nil where there is none.
func (b *Block) Get(key []byte) (value, aside []byte, err error) {
	e, ok := b.state[string(key)]
	if !ok {
		return (&View{b.s, b.base}).Get(key)
	}
	if e == nil {
		return nil, nil, nil
	}
	return []byte(e.value), []byte(e.aside), nil
}

// Set writes a state value.
func (b *Block) Set(key, value, aside []byte) {
	b.put(string(key), &entry{string(value), string(aside)})
}

// Delete removes a state value.
func (b *Block) Delete(key []byte) { b.put(string(key), nil) }

func (b *Block) put(key string, e *entry) {
	old, had := b.state[key]
	b.undo = append(b.undo, func() {
		if had {
			b.state[key] = old
		} else {
			delete(b.state, key)
		}
	})
	b.state[key] = e
}

// Row returns a row; nil where there is none.
func (b *Block) Row(key []byte) ([]byte, error) {
	r, ok := b.rows[string(key)]
	if !ok {
		return (&View{b.s, b.base}).Row(key)
	}
	if r == nil {
		return nil, nil
	}
	return []byte(*r), nil
}

// PutRow writes a row.
func (b *Block) PutRow(key, value []byte) { v := string(value); b.putRow(string(key), &v) }

// DeleteRow removes a row.
func (b *Block) DeleteRow(key []byte) { b.putRow(string(key), nil) }

func (b *Block) putRow(key string, v *string) {
	old, had := b.rows[key]
	b.undo = append(b.undo, func() {
		if had {
			b.rows[key] = old
		} else {
			delete(b.rows, key)
		}
	})
	b.rows[key] = v
}

// Mark and Revert undo the writes since the mark; marks nest.
func (b *Block) Mark() int { return len(b.undo) }

// Revert undoes the writes since the mark.
func (b *Block) Revert(mark int) {
	for len(b.undo) > mark {
		b.undo[len(b.undo)-1]()
		b.undo = b.undo[:len(b.undo)-1]
	}
}

// Append adds data to the archive; it is durable with Commit. Refused on a scratch block.
func (b *Block) Append(stream Stream, data []byte) (Ref, error) {
	if b.scratch {
		return Ref{}, errors.New("a scratch block has no archive")
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.archive[stream] = append(b.s.archive[stream], slices.Clone(data))
	return Ref{0, uint32(len(b.s.archive[stream]) - 1), uint32(len(data))}, nil
}

func (b *Block) next() *version {
	v := &version{height: b.height, state: maps.Clone(b.base.state), rows: maps.Clone(b.base.rows)}
	for k, e := range b.state {
		if e == nil {
			delete(v.state, k)
		} else {
			v.state[k] = *e
		}
	}
	for k, r := range b.rows {
		if r == nil {
			delete(v.rows, k)
		} else {
			v.rows[k] = *r
		}
	}
	v.root = rootOf(leavesOf(v.state), 0)
	return v
}

// Root is the state root with the writes so far.
func (b *Block) Root() ([32]byte, error) { return b.next().root, nil }

// Commit makes the block the last.
func (b *Block) Commit() error {
	if b.scratch {
		return errors.New("a scratch block cannot be committed")
	}
	v := b.next()
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for i := range b.s.archive {
		v.ends[i] = len(b.s.archive[i])
	}
	b.s.versions = append(b.s.versions, v)
	if len(b.s.versions) > 9 {
		b.s.versions = b.s.versions[1:]
	}
	return nil
}

// View reads one committed height. It expires when 8 further heights are committed: reads then answer ErrExpired.
type View struct {
	s *Store
	v *version
}

// Height is the view's.
func (v *View) Height() int64 { return v.v.height }

// Root is the state root at the view's height.
func (v *View) Root() [32]byte { return v.v.root }

// Get returns a state value and what is kept beside it; nil, nil where there is none.
func (v *View) Get(key []byte) (value, aside []byte, err error) {
	e, ok := v.v.state[string(key)]
	if !ok {
		return nil, nil, nil
	}
	return []byte(e.value), []byte(e.aside), nil
}

// Row returns a row; nil where there is none.
func (v *View) Row(key []byte) ([]byte, error) {
	r, ok := v.v.rows[string(key)]
	if !ok {
		return nil, nil
	}
	return []byte(r), nil
}

// Row is a row of a range.
type Row struct{ Key, Value []byte }

// Rows yields the rows whose keys begin with prefix, in order, or backwards.
// from, where not nil, is the first key that may be yielded (the last one, backwards: inclusive both ways).
// An error ends the range. Key and value are the caller's to keep.
func (v *View) Rows(prefix, from []byte, backwards bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var keys []string
		for k := range v.v.rows {
			if strings.HasPrefix(k, string(prefix)) && (from == nil || !backwards && k >= string(from) || backwards && k <= string(from)) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		if backwards {
			slices.Reverse(keys)
		}
		for _, k := range keys {
			if !yield(Row{[]byte(k), []byte(v.v.rows[k])}, nil) {
				return
			}
		}
	}
}

// Path proves a state key, present or absent, under the view's root.
func (v *View) Path(key []byte) (proof.Path, error) {
	var p proof.Path
	leaves, keyHash := leavesOf(v.v.state), proof.KeyHash(key)
	for depth := 0; len(leaves) > 1; depth++ {
		half, b := halves(leaves, depth), proof.Bit(&keyHash, depth)
		p.Siblings = append(p.Siblings, rootOf(half[1-b], depth+1))
		leaves = half[b]
	}
	if len(leaves) == 1 && leaves[0].Key != keyHash {
		p.Other = &leaves[0]
	}
	return p, nil
}

func leavesOf(set map[string]entry) (leaves []proof.Leaf) {
	for k, e := range set {
		leaves = append(leaves, proof.Leaf{Key: proof.KeyHash([]byte(k)), Value: proof.ValueHash([]byte(e.value))})
	}
	return leaves
}

func rootOf(leaves []proof.Leaf, depth int) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return proof.LeafHash(leaves[0].Key, leaves[0].Value)
	}
	half := halves(leaves, depth)
	return proof.NodeHash(rootOf(half[0], depth+1), rootOf(half[1], depth+1))
}

func halves(leaves []proof.Leaf, depth int) (half [2][]proof.Leaf) {
	for _, l := range leaves {
		b := proof.Bit(&l.Key, depth)
		half[b] = append(half[b], l)
	}
	return half
}

// Read returns archived data.
func (s *Store) Read(stream Stream, r Ref) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(r.offset) >= len(s.archive[stream]) {
		return nil, fmt.Errorf("nothing is archived at %d", r.offset)
	}
	return slices.Clone(s.archive[stream][r.offset]), nil
}
