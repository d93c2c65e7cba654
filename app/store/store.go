// Package store keeps the ledger on disk: pending implementation of the agreed API.
package store

import (
	"iter"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

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
type Ref struct{}

func (r Ref) Append(dst []byte) []byte      { panic("pending") }
func DecodeRef(b []byte) (r Ref, err error) { panic("pending") }

// RefSize is the length of an encoded Ref.
const RefSize = 13

type Store struct{}

func Open(o Options) (*Store, error) { panic("pending") }
func (s *Store) Close() error        { panic("pending") }

// Last is the last committed height and its state root; 0 and the empty root before the first.
func (s *Store) Last() (height int64, root [32]byte) { panic("pending") }

// Latest is a view of the last committed height.
func (s *Store) Latest() *View { panic("pending") }

// At is a view of one of the last 8 heights (and the current one), false where it is no longer held.
func (s *Store) At(height int64) (*View, bool) { panic("pending") }

// Begin starts the block of a height over the last committed state. One block at
// a time is under construction; beginning another drops it, with what it appended to the archive.
func (s *Store) Begin(height int64) *Block { panic("pending") }

// Scratch is a block that can never be committed: for dry runs. Any number may run beside the real one.
func (v *View) Scratch() *Block { panic("pending") }

// Block is a block under construction: reads see its own writes.
type Block struct{}

// Get returns a state value, and what is kept beside it unhashed; nil, nil where there is none.
func (b *Block) Get(key []byte) (value, aside []byte, err error) { panic("pending") }
func (b *Block) Set(key, value, aside []byte)                    { panic("pending") }
func (b *Block) Delete(key []byte)                               { panic("pending") }
func (b *Block) Row(key []byte) ([]byte, error)                  { panic("pending") }
func (b *Block) PutRow(key, value []byte)                        { panic("pending") }
func (b *Block) DeleteRow(key []byte)                            { panic("pending") }

// Mark and Revert undo the writes since the mark; marks nest.
func (b *Block) Mark() int       { panic("pending") }
func (b *Block) Revert(mark int) { panic("pending") }

// Append adds data to the archive; it is durable with Commit. Refused on a scratch block.
func (b *Block) Append(stream Stream, data []byte) (Ref, error) { panic("pending") }

// Root is the state root with the writes so far.
func (b *Block) Root() ([32]byte, error) { panic("pending") }

// Commit syncs the archive, then writes state, rows, tree, height, root and archive lengths in one synced batch.
func (b *Block) Commit() error { panic("pending") }

// View reads one committed height. It expires when 8 further heights are committed: reads then answer ErrExpired.
type View struct{}

func (v *View) Height() int64                                   { panic("pending") }
func (v *View) Root() [32]byte                                  { panic("pending") }
func (v *View) Get(key []byte) (value, aside []byte, err error) { panic("pending") }
func (v *View) Row(key []byte) ([]byte, error)                  { panic("pending") }

// Row is a row of a range.
type Row struct{ Key, Value []byte }

// Rows yields the rows whose keys begin with prefix, in order, or backwards.
// from, where not nil, is the first key that may be yielded (the last one, backwards: inclusive both ways).
// An error ends the range. Key and value are the caller's to keep.
func (v *View) Rows(prefix, from []byte, backwards bool) iter.Seq2[Row, error] { panic("pending") }

// Path proves a state key, present or absent, under the view's root.
func (v *View) Path(key []byte) (proof.Path, error) { panic("pending") }

// Read returns archived data.
func (s *Store) Read(stream Stream, r Ref) ([]byte, error) { panic("pending") }
