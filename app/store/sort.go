package store

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// Tuple is what a Sorter sorts: by all of its bytes.
type Tuple [64]byte

// tuplesInMemory is how many tuples a Sorter holds before it writes them out, as
// a sorted run: 16 MiB of them.
const tuplesInMemory = 1 << 18

// Sorter sorts any number of tuples in bounded memory. Its files live as long as
// it does, and in its own directory.
type Sorter struct {
	dir   string // "" keeps everything in memory
	limit int
	tuple []Tuple
	runs  []*os.File
}

// NewSorter returns a sorter that writes its runs into a directory that exists;
// with "" it keeps everything in memory.
func NewSorter(dir string) *Sorter { return &Sorter{dir: dir, limit: tuplesInMemory} }

// Add adds a tuple.
func (s *Sorter) Add(t Tuple) error {
	s.tuple = append(s.tuple, t)
	if s.dir == "" || len(s.tuple) < s.limit {
		return nil
	}
	return s.spill()
}

func (s *Sorter) spill() error {
	f, err := os.CreateTemp(s.dir, "run-")
	if err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	// It has no name any more, so that nothing is left of it whatever happens.
	s.runs = append(s.runs, f)
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for _, k := range ordered(s.tuple) {
		if _, err := w.Write(s.tuple[k.at][:]); err != nil {
			return fmt.Errorf("sorting: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sorting: %w", err)
	}
	s.tuple = s.tuple[:0]
	return nil
}

// tupleKey stands for a tuple while it is sorted: the first sixteen of the bytes in
// which the tuples differ at all, and which one it is.
type tupleKey struct {
	high, low uint64
	at        uint32
}

// ordered is the order of tuples. They stay where they are: comparing and moving so
// many bytes costs several times as much.
func ordered(ts []Tuple) []tupleKey {
	keys := make([]tupleKey, len(ts))
	differing := differences(ts)
	told := differing[:min(16, len(differing))]
	for i := range ts {
		k := &keys[i]
		k.at = uint32(i)
		for n, at := range told {
			if n < 8 {
				k.high |= uint64(ts[i][at]) << (56 - 8*n)
			} else {
				k.low |= uint64(ts[i][at]) << (120 - 8*n)
			}
		}
	}
	slices.SortFunc(keys, func(a, b tupleKey) int {
		switch {
		case a.high != b.high:
			return cmp.Compare(a.high, b.high)
		case a.low != b.low:
			return cmp.Compare(a.low, b.low)
		}
		return bytes.Compare(ts[a.at][:], ts[b.at][:])
	})
	return keys
}

// differences are the places of the bytes that are not the same in all tuples.
func differences(ts []Tuple) (places []int) {
	var differ Tuple
	for i := range ts {
		for at := 0; at < len(differ); at += 8 {
			d := binary.NativeEndian.Uint64(ts[i][at:]) ^ binary.NativeEndian.Uint64(ts[0][at:])
			binary.NativeEndian.PutUint64(differ[at:], binary.NativeEndian.Uint64(differ[at:])|d)
		}
	}
	for at, d := range differ {
		if d != 0 {
			places = append(places, at)
		}
	}
	return places
}

// Sorted yields all tuples in order. Nothing may be added afterwards.
func (s *Sorter) Sorted() iter.Seq2[Tuple, error] {
	return func(yield func(Tuple, error) bool) {
		rest := ordered(s.tuple)
		m := heads{{next: func() (t Tuple, err error) {
			if len(rest) == 0 {
				return t, io.EOF
			}
			t, rest = s.tuple[rest[0].at], rest[1:]
			return t, nil
		}}}
		for _, f := range s.runs {
			r := bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), 256<<10)
			m = append(m, &run{next: func() (t Tuple, err error) {
				_, err = io.ReadFull(r, t[:])
				return t, err
			}})
		}
		if err := m.each(func(t Tuple) bool { return yield(t, nil) }); err != nil {
			yield(Tuple{}, fmt.Errorf("sorting: %w", err))
		}
	}
}

// Close removes the sorter's files.
func (s *Sorter) Close() error {
	var errs []error
	for _, f := range s.runs {
		errs = append(errs, f.Close())
	}
	s.runs, s.tuple = nil, nil
	return errors.Join(errs...)
}

// heads is a heap of sorted runs by their first tuples.
type heads []*run

type run struct {
	first Tuple
	next  func() (Tuple, error)
}

func (m heads) Len() int           { return len(m) }
func (m heads) Less(i, j int) bool { return bytes.Compare(m[i].first[:], m[j].first[:]) < 0 }
func (m heads) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *heads) Push(x any)        { *m = append(*m, x.(*run)) }
func (m *heads) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

func (m heads) each(yield func(Tuple) bool) error {
	live := m[:0]
	for _, r := range m {
		switch t, err := r.next(); {
		case err == nil:
			r.first = t
			live = append(live, r)
		case !errors.Is(err, io.EOF):
			return err
		}
	}
	m = live
	heap.Init(&m)
	for len(m) > 0 {
		if !yield(m[0].first) {
			return nil
		}
		switch t, err := m[0].next(); {
		case err == nil:
			m[0].first = t
			heap.Fix(&m, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&m)
		default:
			return err
		}
	}
	return nil
}
