package store

// Cut is where an archive ended at a height. What lies before is never moved, so
// that a copy of it can be made while the store goes on.
type Cut struct {
	Height int64
	Root   [32]byte
	Files  []CutFile // in the archive's directory, streams one behind the other
}

// CutFile is how much of a segment belongs to a cut.
type CutFile struct {
	Name string
	Size int64 // -1: all of it, the segment is full
}

// Cut is the archive at the last committed height.
func (s *Store) Cut() Cut {
	s.mu.Lock()
	v := s.versions[len(s.versions)-1]
	ends := s.archive.ends
	s.mu.Unlock()
	c := Cut{Height: v.height, Root: v.root}
	for stream := range streams {
		for n := range ends[stream].segment {
			c.Files = append(c.Files, CutFile{segmentName(stream, n), -1})
		}
		if e := ends[stream]; e.offset > 0 {
			c.Files = append(c.Files, CutFile{segmentName(stream, e.segment), int64(e.offset)})
		}
	}
	return c
}
