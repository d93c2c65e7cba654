package store

import (
	"fmt"
	"os"
	"path/filepath"
)

// Extend lets a cursor of the store go on to the end of the last committed block.
func (s *Store) Extend(c *Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.until = s.archive.ends
}

// CursorBehind begins behind two entries of the archive: nil begins a stream at
// its beginning.
func (s *Store) CursorBehind(records, bodies *Ref) *Cursor {
	c := s.Cursor()
	for _, r := range []*Ref{records, bodies} {
		if r != nil && r.stream < streams {
			c.at[r.stream] = end{r.segment, r.offset + entryHeader + r.length}
		}
	}
	return c
}

// Copy is a cursor at the same place, which goes its own way.
func (c *Cursor) Copy() *Cursor {
	copied := *c
	return &copied
}

// Collection is an archive that is put together from another's entries, in the
// order in which that has them: byte for byte the same.
type Collection struct{ archive *archive }

// ArchiveDir is where a store in a directory has its archive.
func ArchiveDir(dir string) string { return filepath.Join(dir, "archive") }

// Collect goes on with a collection in a store's directory that a cursor has read
// to its end; what lies behind the cursor is cut.
func Collect(dir string, at *Cursor) (*Collection, error) { return collect(dir, at, segmentSize) }

func collect(dir string, at *Cursor, limit uint32) (*Collection, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("collecting an archive: %w", err)
	}
	files, err := openDir(ArchiveDir(dir), nil)
	if err != nil {
		return nil, fmt.Errorf("collecting an archive: %w", err)
	}
	a, err := openArchive(files, at.at, limit)
	if err != nil {
		return nil, fmt.Errorf("collecting an archive: %w", err)
	}
	return &Collection{a}, nil
}

// Append adds an entry, which Flush writes.
func (c *Collection) Append(stream Stream, data []byte) error {
	_, err := c.archive.append(stream, data)
	return err
}

// Flush makes what was appended durable.
func (c *Collection) Flush() error {
	if err := c.archive.sync(); err != nil {
		return fmt.Errorf("collecting an archive: %w", err)
	}
	c.archive.settle()
	return nil
}

// Erase overwrites an entry of what is durable, as a store's Erase does.
func (c *Collection) Erase(stream Stream, r Ref) error { return c.archive.erase(stream, r) }

// Close closes the collection's files.
func (c *Collection) Close() error { return c.archive.close() }
