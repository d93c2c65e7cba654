package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Full segments may be moved out of the archive's directory, to where there is
// more room. A stub takes a segment's place:
//
//	bodies-0000000003.moved    name of the object, its size, SHA-256 of each block
//
// What is read comes block by block from there, and is held against the stub: it
// is what was moved, or an error. A segment whose file is there, too, is local,
// and its stub tells of an object that is no longer needed. So nothing that ends
// a move or a recall, at any moment, leaves a segment that is neither.

// Elsewhere reads what was moved: any number at once. Its errors wrap ErrAway
// where it does not answer, or has no such object.
type Elsewhere interface {
	Range(object string, offset, length int64) ([]byte, error)
}

// ErrAway says that a segment was moved to where it cannot be read now.
var ErrAway = errors.New("a part of the archive was moved to a store that cannot be read now")

const (
	segmentEnding = ".seg"
	stubEnding    = ".moved"
	blockSize     = 1 << 20
	cachedBlocks  = 16 // of moved segments, in memory
	maxStub       = 1 << 20
)

// stub is what stays of a segment that was moved.
type stub struct {
	Object string   `json:"object"` // hexadecimal SHA-256 of the content
	Size   int64    `json:"size"`
	Blocks []string `json:"blocks"` // hexadecimal SHA-256 of each
	Sum    string   `json:"sum"`    // hexadecimal SHA-256 of the stub without it
}

// encode is the stub's one encoding. It has a sum, since objects that no stub names
// are removed: one with a flipped bit would lose its own.
func (s *stub) encode() ([]byte, error) {
	sealed := *s
	sealed.Sum = ""
	text, err := json.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	sealed.Sum = objectName(text)
	return json.Marshal(sealed)
}

// stubOf reads a segment, block by block.
func stubOf(from io.Reader) (*stub, error) {
	s, whole, block := &stub{}, sha256.New(), make([]byte, blockSize)
	for {
		n, err := io.ReadFull(from, block)
		if n > 0 {
			whole.Write(block[:n]) // a hash takes everything
			s.Size += int64(n)
			s.Blocks = append(s.Blocks, objectName(block[:n]))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			s.Object = hex.EncodeToString(whole.Sum(nil))
			return s, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// objectName is the name of content elsewhere: its SHA-256, in hexadecimal.
func objectName(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func readStub(path string) (*stub, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxStub))
	if err != nil {
		return nil, fmt.Errorf("reading where %s was moved: %w", filepath.Base(path), err)
	}
	s := &stub{}
	var again []byte
	if err = json.Unmarshal(text, s); err == nil {
		again, err = s.encode()
	}
	if err == nil && (!bytes.Equal(again, text) || s.Size < 1 || s.Size > 2*maxEntry || int64(len(s.Blocks)) != (s.Size+blockSize-1)/blockSize || len(s.Object) != 2*sha256.Size) {
		err = errors.New("nobody wrote it so")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: restore it from a backup: %w", path, err)
	}
	return s, nil
}

// away reads moved segments, and keeps what was read last.
type away struct {
	from Elsewhere // nil: nobody said where they are

	mu     sync.Mutex // guards what follows
	blocks map[string][]byte
	order  []string // in which they came
}

func newAway(from Elsewhere) *away { return &away{from: from, blocks: map[string][]byte{}} }

func (a *away) block(s *stub, i int64) ([]byte, error) {
	want := s.Blocks[i]
	a.mu.Lock()
	b, ok := a.blocks[want]
	a.mu.Unlock()
	if ok {
		return b, nil
	}
	if a.from == nil {
		return nil, fmt.Errorf("%w: setting archive_store does not say where", ErrAway)
	}
	length := min(blockSize, s.Size-i*blockSize)
	b, err := a.from.Range(s.Object, i*blockSize, length)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != length || objectName(b) != want {
		return nil, fmt.Errorf("the store's object %s is not what was moved there, at %d: restore it from a backup", s.Object, i*blockSize)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.blocks[want]; !ok {
		if len(a.order) == cachedBlocks {
			delete(a.blocks, a.order[0])
			a.order = a.order[1:]
		}
		a.blocks[want], a.order = b, append(a.order, want)
	}
	return b, nil
}

// movedFile is a segment that was moved. It never changes.
type movedFile struct {
	*stub
	away *away
}

var errMoved = errors.New("the segment was moved, and must be recalled before it changes")

// ReadAt implements io.ReaderAt.
func (f *movedFile) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		if at >= f.Size {
			return n, io.EOF
		}
		block, err := f.away.block(f.stub, at/blockSize)
		if err != nil {
			return n, err
		}
		n += copy(b[n:], block[at%blockSize:])
	}
	return n, nil
}

func (f *movedFile) WriteAt([]byte, int64) (int, error) { return 0, errMoved }
func (f *movedFile) Truncate(int64) error               { return errMoved }
func (f *movedFile) Sync() error                        { return nil }
func (f *movedFile) Close() error                       { return nil }
func (f *movedFile) size() (int64, error)               { return f.Size, nil }

func (d diskFiles) stubPath(segment string) string {
	return filepath.Join(d.dir, strings.TrimSuffix(segment, segmentEnding)+stubEnding)
}

// isMoved reports whether a segment has a stub and no file.
func (d diskFiles) isMoved(segment string) bool {
	_, err := os.Stat(d.stubPath(segment))
	return err == nil && !d.isLocal(segment)
}

// isLocal reports whether a segment's file is in the directory.
func (d diskFiles) isLocal(segment string) bool {
	_, err := os.Stat(filepath.Join(d.dir, segment))
	return err == nil
}

// openMoved opens a segment that was moved; fs.ErrNotExist says that none was.
func (d diskFiles) openMoved(segment string) (file, error) {
	s, err := readStub(d.stubPath(segment))
	if err != nil {
		return nil, err
	}
	from := d.away
	if from == nil {
		from = newAway(nil)
	}
	return &movedFile{s, from}, nil
}

// SegmentReader reads a segment of the archive in a directory, wherever it is,
// and tells its length. The caller closes it.
func SegmentReader(dir, segment string, from Elsewhere) (r io.Reader, size int64, closing func() error, err error) {
	f, err := diskFiles{dir: dir, readOnly: true, away: newAway(from)}.open(segment, false)
	if err != nil {
		return nil, 0, nil, err
	}
	if size, err = f.size(); err != nil {
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	return io.NewSectionReader(f, 0, size), size, f.Close, nil
}

// Segment is one of the archive's that is full.
type Segment struct {
	Name   string
	Local  bool   // its file is in the directory
	Object string // what holds it elsewhere, "" for none; of a local one no longer needed
}

// Segments lists a stream's full segments, oldest first; nil for a store in memory.
func (s *Store) Segments(stream Stream) (list []Segment, err error) {
	on, ok := s.archive.dir.(diskFiles)
	if !ok {
		return nil, nil
	}
	s.mu.Lock()
	last := s.archive.ends[stream].segment
	s.mu.Unlock()
	for i := range last {
		g := Segment{Name: segmentName(stream, i)}
		g.Local = on.isLocal(g.Name)
		switch moved, err := readStub(on.stubPath(g.Name)); {
		case err == nil:
			g.Object = moved.Object
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// SegmentName is the name of the segment that a reference leads into.
func (r Ref) SegmentName() string { return segmentName(r.stream, r.segment) }

// Hold keeps the segment of a reference in the directory until Erase was called
// for it, if it is there; else it reports false.
func (s *Store) Hold(r Ref) bool {
	a := s.archive
	on, ok := a.dir.(diskFiles)
	if !ok {
		return true
	}
	name := r.SegmentName()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !on.isLocal(name) {
		return false
	}
	a.held[name]++
	return true
}

// CameBack reports whether the segment of a reference is in the directory, and what
// it was elsewhere still there, as far as the store knows.
func (s *Store) CameBack(r Ref) bool {
	on, ok := s.archive.dir.(diskFiles)
	if !ok || !on.isLocal(r.SegmentName()) {
		return false
	}
	_, err := os.Stat(on.stubPath(r.SegmentName()))
	return err == nil
}

func (a *archive) release(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held[name]--; a.held[name] <= 0 {
		delete(a.held, name)
	}
}

// Content is a full segment, to be kept elsewhere under the name of object. The
// caller closes it.
func (s *Store) Content(segment string) (content *os.File, object string, err error) {
	on, ok := s.archive.dir.(diskFiles)
	if !ok {
		return nil, "", errors.New("a store in memory moves nothing")
	}
	f, err := os.Open(filepath.Join(on.dir, segment))
	if err != nil {
		return nil, "", fmt.Errorf("reading the archive's %s: %w", segment, err)
	}
	moved, err := stubOf(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("reading the archive's %s: %w", segment, err), f.Close())
	}
	return f, moved.Object, nil
}

// Moved puts a stub in the place of a segment that is elsewhere by now, durably,
// and removes its file. It reports false, and changes nothing, where the segment
// is not that object any more, or is held.
func (s *Store) Moved(segment, object string) (moved bool, err error) {
	a := s.archive
	on, ok := a.dir.(diskFiles)
	if !ok {
		return false, nil
	}
	a.erasing.RLock()
	before := a.erased
	a.erasing.RUnlock()
	f, err := os.Open(filepath.Join(on.dir, segment))
	if err != nil {
		return false, fmt.Errorf("moving the archive's %s: %w", segment, err)
	}
	now, err := stubOf(f)
	if err = errors.Join(err, f.Close()); err != nil || now.Object != object {
		return false, err
	}
	text, err := now.encode()
	if err != nil {
		return false, fmt.Errorf("moving the archive's %s: %w", segment, err)
	}
	// Nobody reads or overwrites an entry meanwhile, or begins to hold the segment.
	a.erasing.Lock()
	defer a.erasing.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.erased != before || a.held[segment] > 0 || a.closed {
		return false, nil
	}
	if err := putFile(on.dir, on.stubPath(segment), bytes.NewReader(text)); err != nil {
		return false, fmt.Errorf("moving the archive's %s: %w", segment, err)
	}
	err = errors.Join(on.remove(segment), a.forget(segment), on.sync())
	if err != nil {
		return false, fmt.Errorf("moving the archive's %s: %w", segment, err)
	}
	return true, nil
}

// Recall brings a segment back into the directory, durably. Its stub stays until
// ForgetMoved.
func (s *Store) Recall(segment string) error {
	a := s.archive
	on, ok := a.dir.(diskFiles)
	if !ok || on.isLocal(segment) {
		return nil
	}
	f, err := on.openMoved(segment)
	if err != nil {
		return fmt.Errorf("recalling the archive's %s: %w", segment, err)
	}
	m := f.(*movedFile)
	// Each block is held against the stub.
	if err := putFile(on.dir, filepath.Join(on.dir, segment), io.NewSectionReader(m, 0, m.Size)); err != nil {
		return fmt.Errorf("recalling the archive's %s: %w", segment, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.forget(segment)
}

// ForgetMoved removes the stub of a segment that is local, durably: its object is
// gone.
func (s *Store) ForgetMoved(segment string) error {
	on, ok := s.archive.dir.(diskFiles)
	if !ok || !on.isLocal(segment) {
		return fmt.Errorf("the archive's %s is not local", segment)
	}
	if err := errors.Join(os.Remove(on.stubPath(segment)), on.sync()); err != nil {
		return fmt.Errorf("forgetting where %s was: %w", segment, err)
	}
	return nil
}

// forget closes the segment's file, so that who reads next opens what is there
// now; a.mu is held.
func (a *archive) forget(segment string) error {
	f := a.open[segment]
	delete(a.open, segment)
	if f == nil {
		return nil
	}
	return f.Close()
}

// putFile gives a file of the archive's directory its name when it is whole and
// synced. Until then it is beside the directory, where nothing else is looked for.
func putFile(dir, path string, content io.Reader) error {
	temporary := filepath.Join(filepath.Dir(dir), "moving"+filepath.Ext(path))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return SyncPath(dir)
}
