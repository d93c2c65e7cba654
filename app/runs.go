package app

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"

	"github.com/waybill-ledger/waybill/schemas"
)

// The index is made of ranges: all events, those of a business step, those at a
// place. A range is cut into slices of event time, and what one block adds to a
// slice is one row, a run: a document of a hundred events that share their
// business step costs one row there and not a hundred. A slice is read whole and
// sorted by whoever asks for an order.
//
// A run's key is the range's prefix, the slice and the height. Its value is, for
// each event in the ledger's order: the rest of the event time, the position and
// twice the index as unsigned varints, one more where a sketch follows; without,
// it is that of the event before.

// sliceBits are the low bits of an event time, in nanoseconds, that do not say in
// which slice it is: one takes 17 seconds.
const sliceBits = 34

func sliceOf(t int64) uint32 { return uint32(uint64(t^math.MinInt64) >> sliceBits) }

// runKey is where a range has what a block added to a slice.
func runKey(prefix []byte, slice uint32, height int64) []byte {
	key := make([]byte, 0, len(prefix)+12)
	key = binary.BigEndian.AppendUint32(append(key, prefix...), slice)
	return append(key, be64(height)...)
}

// runs are what a block adds to the index.
type runs struct {
	list []run
	of   map[string]int // by prefix and slice, only ever looked up
	log  []addition
	key  []byte // of the one that is looked up
}

type run struct {
	prefix []byte
	slice  uint32
	data   []byte
	sketch sketch // of the last event
}

// addition is what a run was before an event was added.
type addition struct {
	run, size int
	sketch    sketch
}

// add adds an event to a range. Events come in the ledger's order.
func (r *runs) add(prefix []byte, t int64, at schemas.Locator, s sketch) {
	slice := sliceOf(t)
	r.key = binary.BigEndian.AppendUint32(append(r.key[:0], prefix...), slice)
	i, ok := r.of[string(r.key)]
	if !ok {
		if r.of == nil {
			r.of = map[string]int{}
		}
		i = len(r.list)
		key := string(r.key)
		r.of[key] = i
		r.list = append(r.list, run{prefix: []byte(key[:len(prefix)]), slice: slice})
	}
	u := &r.list[i]
	r.log = append(r.log, addition{i, len(u.data), u.sketch})
	fresh := uint64(0)
	if len(u.data) == 0 || u.sketch != s {
		fresh, u.sketch = 1, s
	}
	u.data = binary.AppendUvarint(u.data, uint64(t^math.MinInt64)&(1<<sliceBits-1))
	u.data = binary.AppendUvarint(u.data, uint64(at.Position))
	u.data = binary.AppendUvarint(u.data, uint64(at.Index)<<1|fresh)
	if fresh == 1 {
		u.data = append(u.data, s[:]...)
	}
}

// find is what the block adds to a range's slice, nil where that is nothing.
func (r *runs) find(prefix []byte, t int64) *run {
	i, ok := r.of[string(binary.BigEndian.AppendUint32(bytes.Clone(prefix), sliceOf(t)))]
	if !ok {
		return nil
	}
	return &r.list[i]
}

// revert drops what was added since the log had this length.
func (r *runs) revert(mark int) {
	for i := len(r.log) - 1; i >= mark; i-- {
		a := &r.log[i]
		r.list[a.run].data, r.list[a.run].sketch = r.list[a.run].data[:a.size], a.sketch
	}
	r.log = r.log[:mark]
}

// keep forgets how to drop what was added so far: no mark from before is reverted to.
func (r *runs) keep() { r.log = r.log[:0] }

// emitRuns writes what the block added to the index.
func (b *block) emitRuns() {
	for i := range b.runs.list {
		if u := &b.runs.list[i]; len(u.data) > 0 {
			b.led.Emit(runKey(u.prefix, u.slice, b.height), u.data)
		}
	}
}

// decodeRun yields the events of a run, in the ledger's order. prefix is how much
// of the key is the range's.
func decodeRun(key, data []byte, prefix int) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		if len(key) != prefix+12 {
			yield(candidate{}, errRow)
			return
		}
		begin := uint64(binary.BigEndian.Uint32(key[prefix:])) << sliceBits
		height := int64(decodeUint64(key[prefix+4:]))
		var last sketch
		for first := true; len(data) > 0; first = false {
			var field [3]uint64
			for i := range field {
				v, n := binary.Uvarint(data)
				if n <= 0 {
					yield(candidate{}, errRow)
					return
				}
				field[i], data = v, data[n:]
			}
			if field[2]&1 == 1 {
				if len(data) < len(last) {
					yield(candidate{}, errRow)
					return
				}
				last, data = sketch(data), data[len(last):]
			} else if first {
				yield(candidate{}, errRow)
				return
			}
			at := schemas.Locator{Height: height, Position: uint32(field[1]), Index: uint32(field[2] >> 1)}
			if !yield(candidate{time: int64(begin|field[0]) ^ math.MinInt64, at: at, sketch: last, sketched: true}, nil) {
				return
			}
		}
	}
}

// inRange yields the events of a range, slice by slice, in no order within one:
// from a slice on, backwards where that is asked for.
func (v *View) inRange(prefix []byte, from *uint32, backwards bool) iter.Seq2[candidate, error] {
	var key []byte
	switch {
	case from != nil && backwards:
		key = runKey(prefix, *from, math.MaxInt64)
	case from != nil:
		key = runKey(prefix, *from, 0)
	}
	return func(yield func(candidate, error) bool) {
		for row, err := range v.at.Rows(prefix, key, backwards) {
			if err != nil {
				yield(candidate{}, err)
				return
			}
			for cand, err := range decodeRun(row.Key, row.Value, len(prefix)) {
				if !yield(cand, err) || err != nil {
					return
				}
			}
		}
	}
}

// isInRange reports whether a range has the event at a place.
func (v *View) isInRange(prefix []byte, t int64, at schemas.Locator) (bool, error) {
	key := runKey(prefix, sliceOf(t), at.Height)
	data, err := v.row(key)
	if err != nil {
		return false, err
	}
	for cand, err := range decodeRun(key, data, len(prefix)) {
		if err != nil {
			return false, err
		}
		if order := cand.at.Compare(at); order >= 0 {
			return order == 0, nil
		}
	}
	return false, nil
}
