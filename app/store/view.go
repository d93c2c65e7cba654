package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// View reads one committed height. It expires when 8 further heights are
// committed: reads then answer ErrExpired. A range that was begun before is read
// to its end. Any number of goroutines may use it.
type View struct {
	store   *Store
	version *version
	pinned  bool // it does not expire
}

// Row is a row of a range.
type Row struct{ Key, Value []byte }

// use begins a read; done ends it.
func (v *View) use() error {
	v.version.mu.Lock()
	defer v.version.mu.Unlock()
	if err := v.readable(); err != nil {
		return err
	}
	v.version.reading++
	v.store.readers.Add(1)
	return nil
}

func (v *View) done() {
	v.version.mu.Lock()
	v.version.reading--
	last := v.version.reading == 0 && v.version.over != nil
	v.version.mu.Unlock()
	if last {
		v.version.snap.release()
	}
	v.store.readers.Done()
}

// end makes a version unreadable; its snapshot goes with the last read.
func (v *version) end(why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over != nil {
		return
	}
	v.over = why
	if v.reading == 0 {
		v.snap.release()
	}
}

func (v *View) get(key []byte) ([]byte, error) {
	if err := v.use(); err != nil {
		return nil, err
	}
	defer v.done()
	row, err := v.version.snap.get(key)
	if err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	return row, nil
}

// Height is the view's height.
func (v *View) Height() int64 { return v.version.height }

// Root is the state root at the view's height.
func (v *View) Root() [32]byte { return v.version.root }

// Get returns a state value, and what is kept beside it unhashed; nil, nil where
// there is none. Both are the caller's to keep.
func (v *View) Get(key []byte) (value, aside []byte, err error) {
	row, err := v.get(append([]byte{spaceState}, key...))
	if err != nil || row == nil {
		return nil, nil, err
	}
	return splitState(row)
}

// Row returns a row's value; nil where there is none.
func (v *View) Row(key []byte) ([]byte, error) {
	if v.store.known.Load().lacks(v.version.height, key) {
		return nil, nil
	}
	return v.get(append([]byte{spaceRow}, key...))
}

// Rows yields the rows whose keys begin with prefix, in order, or backwards.
// from, where not nil, is the first key that may be yielded (the last one, backwards: inclusive both ways).
// An error ends the range. Key and value are the caller's to keep.
func (v *View) Rows(prefix, from []byte, backwards bool) iter.Seq2[Row, error] {
	return v.scan(spaceRow, prefix, from, backwards)
}

// Leaves yields the leaves whose state keys begin with prefix, in order, each with
// its value. The state root commits them, one by one and together: none is left out.
func (v *View) Leaves(prefix []byte) iter.Seq2[Row, error] { return v.LeavesFrom(prefix, nil) }

// LeavesFrom yields those of them from a key on, which may be there or not.
func (v *View) LeavesFrom(prefix, from []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range v.scan(spaceState, prefix, from, false) {
			if err == nil {
				row.Value, _, err = splitState(row.Value)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// scan yields the rows of a space whose keys begin with prefix.
func (v *View) scan(space byte, prefix, from []byte, backwards bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := v.use(); err != nil {
			yield(Row{}, err)
			return
		}
		defer v.done()
		start := append([]byte{space}, prefix...)
		end := behind(start)
		if from != nil {
			at := append([]byte{space}, from...)
			if !backwards && bytes.Compare(at, start) > 0 {
				start = at
			}
			if at = append(at, 0); backwards && bytes.Compare(at, end) < 0 {
				end = at
			}
		}
		if bytes.Compare(start, end) >= 0 {
			return
		}
		for row, err := range v.version.snap.scan(start, end, backwards) {
			if err != nil {
				yield(Row{}, fmt.Errorf("reading the database: %w", err))
				return
			}
			row.Key = row.Key[1:]
			if !yield(row, nil) {
				return
			}
		}
	}
}

// behind is the first key behind all that begin with prefix, whose first byte,
// that of a space, is below 0xff.
func behind(prefix []byte) []byte {
	end := bytes.TrimRight(prefix, "\xff")
	end = bytes.Clone(end)
	end[len(end)-1]++
	return end
}

// Path proves a state key, present or absent, under the view's root.
func (v *View) Path(key []byte) (proof.Path, error) {
	if err := v.use(); err != nil {
		return proof.Path{}, err
	}
	defer v.done()
	return path(v.version.crown, proof.KeyHash(key), v.version.snap.get)
}

// Scratch is a block that can never be committed: for dry runs. Any number may run beside the real one.
func (v *View) Scratch() *Block {
	b := newBlock(v, 0)
	b.scratch = true
	return b
}

// A state row is the value's length, the value, and what is beside it.
func joinState(value, aside []byte) []byte {
	b := make([]byte, 0, binary.MaxVarintLen32+len(value)+len(aside))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(append(b, value...), aside...)
}

func splitState(row []byte) (value, aside []byte, err error) {
	n, used := binary.Uvarint(row)
	if used <= 0 || n > uint64(len(row)-used) {
		return nil, nil, Damaged("a state value is damaged")
	}
	value, aside = row[used:used+int(n):used+int(n)], row[used+int(n):]
	if len(aside) == 0 {
		aside = nil
	}
	return value, aside, nil
}
