package store

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// Bounds of the rows that a bulk holds in memory.
const (
	laneLimit = 12 << 20 // of one lane, with what the database adds a table's worth
	bulkLimit = 40 << 20 // of all lanes
)

// bulk gathers rows by their keys' first two bytes: the kind of row, or the depth
// of a page. Most kinds come in key order, so that what is written of one at a time
// makes tables that no other overlaps, and that the database never merges again.
type bulk struct {
	lanes map[[2]byte]*lane
	size  int
	spare []*lane
}

// lane is rows of one kind, their keys and values behind each other.
type lane struct {
	rows  []laneRow
	bytes []byte
}

// laneRow says where a row is in its lane's bytes.
type laneRow struct{ key, value, end uint32 }

func (l *lane) key(r laneRow) []byte { return l.bytes[r.key:r.value:r.value] }

// put adds a row: space and the parts of its key behind each other, the parts of
// its value likewise.
func (b *bulk) put(space byte, key []byte, value ...[]byte) *lane {
	at := [2]byte{space}
	if space != spaceState && len(key) > 0 {
		at[1] = key[0]
	}
	l := b.lanes[at]
	if l == nil {
		if b.lanes == nil {
			b.lanes = map[[2]byte]*lane{}
		}
		if n := len(b.spare); n > 0 {
			l, b.spare = b.spare[n-1], b.spare[:n-1]
		} else {
			l = &lane{}
		}
		b.lanes[at] = l
	}
	r := laneRow{key: uint32(len(l.bytes))}
	l.bytes = append(append(l.bytes, space), key...)
	r.value = uint32(len(l.bytes))
	for _, v := range value {
		l.bytes = append(l.bytes, v...)
	}
	r.end = uint32(len(l.bytes))
	l.rows = append(l.rows, r)
	b.size += int(r.end-r.key) + rowOverhead
	return l
}

// rowOverhead is what a row takes beside its key and value.
const rowOverhead = 12

func (l *lane) size() int { return len(l.bytes) + rowOverhead*len(l.rows) }

// due takes out a lane that is to be written after a row came into it: that one or,
// where there is too much in all, the largest. A limit of zero is the usual one.
func (b *bulk) due(last *lane, limit int) *lane {
	one, all := laneLimit, bulkLimit
	if limit > 0 {
		one, all = limit, limit
	}
	if last.size() < one && b.size < all {
		return nil
	}
	var largest [2]byte
	most := -1
	for at, l := range b.lanes {
		if n := l.size(); n > most || n == most && bytes.Compare(at[:], largest[:]) < 0 {
			largest, most = at, n
		}
	}
	l := b.lanes[largest]
	delete(b.lanes, largest)
	b.size -= most
	return l
}

// rest takes out everything, as lanes in key order.
func (b *bulk) rest() []*lane {
	at := make([][2]byte, 0, len(b.lanes))
	for kind := range b.lanes {
		at = append(at, kind)
	}
	slices.SortFunc(at, func(a, o [2]byte) int { return bytes.Compare(a[:], o[:]) })
	lanes := make([]*lane, len(at))
	for i, kind := range at {
		lanes[i] = b.lanes[kind]
	}
	b.lanes, b.size = nil, 0
	return lanes
}

// again keeps a lane that was written for later rows.
func (b *bulk) again(l *lane) {
	l.rows, l.bytes = l.rows[:0], l.bytes[:0]
	if len(b.spare) < 2 {
		b.spare = append(b.spare, l)
	}
}

// sort orders the rows by key, the last first, and of one key keeps the last one.
func (l *lane) sort() {
	ascending := true
	for i := 1; i < len(l.rows) && ascending; i++ {
		ascending = bytes.Compare(l.key(l.rows[i-1]), l.key(l.rows[i])) < 0
	}
	if ascending {
		slices.Reverse(l.rows)
		return
	}
	slices.SortFunc(l.rows, func(a, b laneRow) int {
		if c := bytes.Compare(l.key(b), l.key(a)); c != 0 {
			return c
		}
		return cmp.Compare(b.key, a.key)
	})
	l.rows = slices.CompactFunc(l.rows, func(a, b laneRow) bool { return bytes.Equal(l.key(a), l.key(b)) })
}

// sorted yields the rows of lanes by descending key.
func sorted(lanes []*lane) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, l := range slices.Backward(lanes) {
			l.sort()
			for _, r := range l.rows {
				if !yield(l.key(r), l.bytes[r.value:r.end:r.end]) {
					return
				}
			}
		}
	}
}
