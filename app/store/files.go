package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// files is the directory of the archive.
type files interface {
	names() ([]string, error)
	// open opens a file, creating it if told to and it is missing.
	open(name string, create bool) (file, error)
	remove(name string) error
	// sync makes creations and removals durable.
	sync() error
}

// file is one segment; ReadAt runs beside everything else.
type file interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
	size() (int64, error)
}

type diskFiles struct {
	dir      string
	readOnly bool
	away     *away // reads what was moved out of the directory; nil: nobody said how
}

func openDir(dir string, from Elsewhere) (files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the archive: %w", err)
	}
	// The directory itself must survive a power cut, too.
	if err := SyncPath(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("creating the archive: %w", err)
	}
	return diskFiles{dir: dir, away: newAway(from)}, nil
}

func (d diskFiles) names() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if of, ok := strings.CutSuffix(name, stubEnding); ok {
			if name = of + segmentEnding; d.isLocal(name) {
				continue
			}
		}
		names = append(names, name)
	}
	return names, nil
}

// open opens a segment that was moved as any other; it must not be written to.
func (d diskFiles) open(name string, create bool) (file, error) {
	flag := os.O_RDWR
	if d.readOnly {
		flag, create = os.O_RDONLY, false
	}
	if create {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(filepath.Join(d.dir, name), flag, 0o600)
	if errors.Is(err, fs.ErrNotExist) && !create {
		if moved, err := d.openMoved(name); !errors.Is(err, fs.ErrNotExist) {
			return moved, err
		}
	}
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (d diskFiles) remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }
func (d diskFiles) sync() error              { return SyncPath(d.dir) }

type diskFile struct{ *os.File }

func (f diskFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// memoryFiles is an archive that ends with the process.
type memoryFiles struct {
	mu    sync.Mutex // guards files
	files map[string]*memoryFile
}

func (m *memoryFiles) names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.files)), nil
}

func (m *memoryFiles) open(name string, create bool) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		if !create {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		f = &memoryFile{}
		m.files[name] = f
	}
	return f, nil
}

func (m *memoryFiles) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memoryFiles) sync() error { return nil }

type memoryFile struct {
	mu   sync.RWMutex // guards data
	data []byte
}

func (f *memoryFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt appends, or overwrites what is there.
func (f *memoryFile) WriteAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(f.data[off:], b)
	f.data = append(f.data, b[n:]...)
	return len(b), nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = f.data[:size]
	return nil
}

func (f *memoryFile) Sync() error  { return nil }
func (f *memoryFile) Close() error { return nil }

func (f *memoryFile) size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(len(f.data)), nil
}
