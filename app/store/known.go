package store

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// known is a Bloom filter over the keys of rows of some kinds, those that are nearly
// always asked for in vain: whether an event came before. A database answers that
// by searching each of its levels, which is what most of an event's rules cost. What
// is not in here is in no view of the heights that it covers; of what is, the database
// is asked. It forgets nothing that was deleted, and its size is fixed: it lets more
// through as it fills, at 10^7 keys one of 150, at 3·10^7 one of seven.
//
// It is kept in memory alone. A store that opens fills it beside its other work, and
// asks the database until that is done.
type known struct {
	kinds []byte // first bytes of rows
	seed  maphash.Seed
	bits  []uint64
	since int64 // the height from which on it has all keys
	full  atomic.Bool
}

const (
	knownBytes = 16 << 20
	knownWords = 8 // a key's bits lie in one line of the processor's cache
	knownBits  = 4 // of a key
)

func newKnown(kinds []byte, since int64) *known {
	return &known{kinds: kinds, seed: maphash.MakeSeed(), bits: make([]uint64, knownBytes/8), since: since}
}

// covers reports whether a row's key, without its space, is of a kind that is kept here.
func (k *known) covers(key []byte) bool {
	return k != nil && len(key) > 0 && bytes.IndexByte(k.kinds, key[0]) >= 0
}

// bit is the word and the mask of a key's n-th bit.
func (k *known) bit(sum uint64, n int) (word *uint64, mask uint64) {
	line := sum >> 40 % (knownBytes / 8 / knownWords) * knownWords
	at := sum >> (9 * n) & (knownWords*64 - 1)
	return &k.bits[line+at/64], 1 << (at % 64)
}

func (k *known) add(key []byte) {
	sum := maphash.Bytes(k.seed, key)
	for n := range knownBits {
		word, mask := k.bit(sum, n)
		atomic.OrUint64(word, mask)
	}
}

// lacks reports whether no view of a height has the row: false, where it may.
func (k *known) lacks(height int64, key []byte) bool {
	if !k.covers(key) || height < k.since || !k.full.Load() {
		return false
	}
	sum := maphash.Bytes(k.seed, key)
	for n := range knownBits {
		if word, mask := k.bit(sum, n); atomic.LoadUint64(word)&mask == 0 {
			return true
		}
	}
	return false
}

// Expect says of which kinds, the first bytes of their keys, rows are mostly asked for
// in vain: their keys are remembered, so far as 16 MiB of memory serve, and the database
// is not asked for others. It is for the time before the first block of whoever uses the
// store.
func (s *Store) Expect(kinds ...byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expect(kinds)
}

// expect begins to remember; s.mu is held.
func (s *Store) expect(kinds []byte) {
	if s.fault != nil {
		return
	}
	last := s.versions[len(s.versions)-1]
	k := newKnown(kinds, last.height)
	s.known.Store(k)
	view := &View{store: s, version: last}
	if last.height == 0 {
		k.full.Store(true)
		return
	}
	if err := view.use(); err != nil {
		return
	}
	go func() {
		defer view.done()
		for _, kind := range kinds {
			for row, err := range last.snap.scan([]byte{spaceRow, kind}, []byte{spaceRow, kind + 1}, false) {
				if err != nil || s.closing.Load() || s.known.Load() != k {
					return // whoever needs what cannot be read is told
				}
				k.add(row.Key[1:])
			}
		}
		k.full.Store(true)
	}()
}

// remember adds a database key if it is one that is kept here. One too many, of a block
// that is not committed after all, does no harm.
func (k *known) remember(key []byte) {
	if key[0] == spaceRow && k.covers(key[1:]) {
		k.add(key[1:])
	}
}
