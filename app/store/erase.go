package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Erase overwrites an entry with zeros of the same length, durably; everything
// around it stays where it is. It may be called again, and must be until it has
// returned nil once: an entry that it left half written is damaged, and is whole
// again, and gone, with the next call.
//
// What Hold held for it is held no more. Of a segment that was moved it does
// nothing: none is while something in it is still to be overwritten.
func (s *Store) Erase(stream Stream, r Ref) error {
	if on, ok := s.archive.dir.(diskFiles); ok && on.isMoved(r.SegmentName()) {
		return nil
	}
	defer s.archive.release(r.SegmentName())
	return s.archive.erase(stream, r)
}

// Erased reports whether an entry's data are what Erase leaves.
func Erased(data []byte) bool { return len(data) > 0 && bytes.Count(data, []byte{0}) == len(data) }

func (a *archive) erase(s Stream, r Ref) error {
	if s != r.stream || s >= streams || r.length > maxEntry {
		return fmt.Errorf("a reference to %s was used to erase in %s", r.stream, s)
	}
	name := segmentName(s, r.segment)
	b := make([]byte, entryHeader+int(r.length))
	binary.BigEndian.PutUint32(b, r.length)
	binary.BigEndian.PutUint32(b[4:], a.sum(b[:4], b[entryHeader:]))
	a.erasing.Lock()
	defer a.erasing.Unlock()
	have := make([]byte, len(b))
	if err := a.readAt(name, have, int64(r.offset)); err != nil {
		return fmt.Errorf("erasing in the archive's %s at %d: %w", name, r.offset, err)
	}
	if binary.BigEndian.Uint32(have) != r.length {
		return fmt.Errorf("the archive's %s has no entry of %d bytes at %d to erase: it is damaged", name, r.length, r.offset)
	}
	if bytes.Equal(have, b) {
		return nil
	}
	a.erased++
	f, err := a.dir.open(name, false)
	if err != nil {
		return fmt.Errorf("erasing in the archive's %s: %w", name, err)
	}
	_, err = f.WriteAt(b, int64(r.offset))
	if err == nil {
		err = f.Sync()
	}
	if on, ok := f.(diskFile); ok && err == nil {
		punch(on.File, int64(r.offset)+entryHeader, int64(r.length))
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("erasing %d bytes in the archive's %s at %d: %w", r.length, name, r.offset, err)
	}
	return nil
}
