package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

// Stream is one of the archive's sequences of segments.
type Stream uint8

const (
	Records Stream = iota // headers, skeletons, commitments, results
	Bodies                // bodies and secrets, which may be erased
	streams
)

func (s Stream) String() string {
	if s < streams {
		return [...]string{"records", "bodies"}[s]
	}
	return fmt.Sprintf("stream %d", uint8(s))
}

// Ref is a place in a stream.
type Ref struct {
	stream  Stream
	segment uint32
	offset  uint32
	length  uint32 // of the data
}

// RefSize is the length of an encoded Ref.
const RefSize = 13

// Append appends the reference's encoding: the stream's number, then segment,
// offset and length, each in 4 bytes, big endian.
func (r Ref) Append(dst []byte) []byte {
	dst = append(dst, byte(r.stream))
	dst = binary.BigEndian.AppendUint32(dst, r.segment)
	dst = binary.BigEndian.AppendUint32(dst, r.offset)
	return binary.BigEndian.AppendUint32(dst, r.length)
}

// DecodeRef reads the encoding of a reference: all of b.
func DecodeRef(b []byte) (r Ref, err error) {
	if len(b) != RefSize || Stream(b[0]) >= streams {
		return r, fmt.Errorf("a reference of %d bytes into the archive is malformed", len(b))
	}
	return Ref{Stream(b[0]), binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])}, nil
}

// end is where a stream ends: the next entry's place, unless it begins a segment.
type end struct {
	segment, offset uint32
}

const (
	// entryHeader is an entry's length and checksum, 4 bytes each, big endian.
	entryHeader = 8
	// segmentSize is where a segment is full.
	segmentSize = 64 << 20
	// maxEntry bounds an entry; a block has no more.
	maxEntry = 64 << 20
	// openSegments bounds the segments that are held open to read.
	openSegments = 32
)

// archive keeps what is only ever appended. What a block appends waits in memory
// and is written when the block commits, so that a block that is dropped leaves
// no trace.
type archive struct {
	dir     files
	limit   uint32
	ends    [streams]end // durable; the committing block's to change
	pending [streams][]chunk
	next    [streams]end    // behind what is pending
	spare   [streams][]byte // of the block before
	tails   [streams]struct {
		segment uint32
		file    file
	}
	castagnoli *crc32.Table
	same       func(s Stream, want, have []byte) error // set in a replay: what is appended is there already

	erasing sync.RWMutex // held while an entry is overwritten, and by who reads one; guards erased
	erased  int          // entries that were overwritten

	mu     sync.Mutex // guards what follows
	open   map[string]file
	held   map[string]int // segments that must not be moved, and how often
	closed bool
}

// chunk is what one segment gains.
type chunk struct {
	at   end
	data []byte
}

func segmentName(s Stream, segment uint32) string { return fmt.Sprintf("%s-%010d.seg", s, segment) }

func newArchive(dir files, ends [streams]end, limit uint32) *archive {
	return &archive{dir: dir, limit: limit, ends: ends, next: ends, castagnoli: crc32.MakeTable(crc32.Castagnoli), open: map[string]file{}, held: map[string]int{}}
}

// openArchive opens an archive that must reach to ends, and cuts what is behind:
// it belongs to a block that was never committed.
func openArchive(dir files, ends [streams]end, limit uint32) (*archive, error) {
	a := newArchive(dir, ends, limit)
	names, err := dir.names()
	if err != nil {
		return nil, fmt.Errorf("listing the archive: %w", err)
	}
	present := map[string]bool{}
	for _, n := range names {
		present[n] = true
	}
	cut := false
	for s := range streams {
		if err := a.check(s, present); err != nil {
			return nil, err
		}
		for n := range present {
			if strings.HasPrefix(n, s.String()+"-") && n > segmentName(s, ends[s].segment) {
				if err := dir.remove(n); err != nil {
					return nil, fmt.Errorf("cutting the archive's tail: %w", err)
				}
				cut = true
			}
		}
	}
	if cut {
		if err := dir.sync(); err != nil {
			return nil, fmt.Errorf("cutting the archive's tail: %w", err)
		}
	}
	return a, nil
}

// check finds a stream's segments and cuts the last one to its length.
func (a *archive) check(s Stream, present map[string]bool) error {
	e := a.ends[s]
	for i := range e.segment {
		if !present[segmentName(s, i)] {
			return fmt.Errorf("the archive lacks %s: "+copyBack, segmentName(s, i))
		}
	}
	name := segmentName(s, e.segment)
	if !present[name] {
		if e.offset > 0 {
			return fmt.Errorf("the archive lacks %s: "+copyBack, name)
		}
		return nil
	}
	f, err := a.dir.open(name, false)
	if err != nil {
		return fmt.Errorf("opening the archive's %s: %w", name, err)
	}
	size, err := f.size()
	switch {
	case err != nil:
	case size < int64(e.offset):
		err = fmt.Errorf("it has %d bytes, %d are recorded: "+copyBack, size, e.offset)
	case size > int64(e.offset):
		if err = f.Truncate(int64(e.offset)); err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("checking the archive's %s: %w", name, err)
	}
	return nil
}

// drop forgets what was appended and not committed.
func (a *archive) drop() {
	a.pending, a.next = [streams][]chunk{}, a.ends
}

func (a *archive) append(s Stream, data []byte) (Ref, error) {
	if s >= streams {
		return Ref{}, fmt.Errorf("the archive has no %s", s)
	}
	if len(data) > maxEntry {
		return Ref{}, fmt.Errorf("an entry of %d bytes is too large for the archive, the limit is %d", len(data), maxEntry)
	}
	if a.same != nil {
		return a.compare(s, data)
	}
	at := a.next[s]
	if at.offset > 0 && uint64(at.offset)+entryHeader+uint64(len(data)) > uint64(a.limit) {
		at = end{segment: at.segment + 1}
	}
	p := a.pending[s]
	if len(p) == 0 || p[len(p)-1].at.segment != at.segment {
		p = append(p, chunk{at: at, data: a.spare[s]})
		a.spare[s] = nil
	}
	c := &p[len(p)-1]
	var header [entryHeader]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(data)))
	binary.BigEndian.PutUint32(header[4:], a.sum(header[:4], data))
	c.data = append(append(c.data, header[:]...), data...)
	a.pending[s] = p
	a.next[s] = end{at.segment, at.offset + entryHeader + uint32(len(data))}
	return Ref{s, at.segment, at.offset, uint32(len(data))}, nil
}

func (a *archive) sum(length, data []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, a.castagnoli), a.castagnoli, data)
}

// sync writes what is pending and makes it durable: contents, and the names of
// new segments. The streams are independent of each other and sync side by side.
func (a *archive) sync() error {
	var faults [streams]error
	var wg sync.WaitGroup
	for s := range streams {
		if len(a.pending[s]) > 0 {
			wg.Go(func() { faults[s] = a.write(s) })
		}
	}
	wg.Wait()
	return errors.Join(faults[:]...)
}

func (a *archive) write(s Stream) error {
	created := false
	for _, c := range a.pending[s] {
		name := segmentName(s, c.at.segment)
		f, err := a.tail(s, c.at)
		if err != nil {
			return fmt.Errorf("opening the archive's %s to append: %w", name, err)
		}
		created = created || c.at.offset == 0
		if _, err := f.WriteAt(c.data, int64(c.at.offset)); err != nil {
			return fmt.Errorf("appending %d bytes to the archive's %s: %w", len(c.data), name, err)
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("syncing the archive's %s: %w", name, err)
		}
	}
	if created {
		if err := a.dir.sync(); err != nil {
			return fmt.Errorf("syncing the archive's directory: %w", err)
		}
	}
	return nil
}

// tail is the file that a stream appends to. Readers have handles of their own,
// which come and go.
func (a *archive) tail(s Stream, at end) (file, error) {
	t := &a.tails[s]
	if t.file != nil && t.segment == at.segment {
		return t.file, nil
	}
	f, err := a.dir.open(segmentName(s, at.segment), at.offset == 0)
	if err != nil {
		return nil, err
	}
	if t.file != nil {
		err = t.file.Close()
	}
	t.file, t.segment = f, at.segment
	return f, err
}

// settle records that what was pending is committed.
func (a *archive) settle() {
	for s, p := range a.pending {
		if len(p) > 0 && cap(p[0].data) <= spareBytes/4 {
			a.spare[s] = p[0].data[:0]
		}
	}
	a.ends, a.pending = a.next, [streams][]chunk{}
}

// segment is a segment's file to read, kept open for the next one who asks.
func (a *archive) segment(name string) (file, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, errClosed
	}
	if f, ok := a.open[name]; ok {
		return f, nil
	}
	f, err := a.dir.open(name, false)
	if err != nil {
		return nil, err
	}
	for other, old := range a.open {
		if len(a.open) < openSegments {
			break
		}
		// Whoever is reading it finishes first, or is told and opens it again.
		delete(a.open, other)
		if err := old.Close(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	a.open[name] = f
	return f, nil
}

func (a *archive) read(room []byte, s Stream, r Ref) ([]byte, error) {
	if s != r.stream || s >= streams {
		return nil, fmt.Errorf("a reference to %s was used to read %s", r.stream, s)
	}
	name := segmentName(s, r.segment)
	if r.length > maxEntry {
		return nil, fmt.Errorf("a reference into the archive's %s has the impossible length %d", name, r.length)
	}
	b := slices.Grow(room[:0], entryHeader+int(r.length))[:entryHeader+int(r.length)]
	err := a.readWhole(name, b, int64(r.offset))
	if err != nil {
		return nil, fmt.Errorf("reading the archive's %s at %d: %w", name, r.offset, err)
	}
	header, data := b[:entryHeader], b[entryHeader:]
	if binary.BigEndian.Uint32(header) != r.length {
		return nil, fmt.Errorf("the archive's %s has no entry of %d bytes at %d: it or the reference is damaged: "+copyBack, name, r.length, r.offset)
	}
	if a.sum(header[:4], data) != binary.BigEndian.Uint32(header[4:]) {
		return nil, fmt.Errorf("the archive's %s is damaged at %d, the checksum of %d bytes differs: "+copyBack, name, r.offset, r.length)
	}
	return data, nil
}

// readWhole reads while nothing is overwritten. Nothing ever is in a segment that
// was moved, which may take long to read: nobody waits for that.
func (a *archive) readWhole(name string, b []byte, offset int64) error {
	a.erasing.RLock()
	f, err := a.segment(name)
	if moved, ok := f.(*movedFile); ok {
		a.erasing.RUnlock()
		_, err := moved.ReadAt(b, offset)
		return err
	}
	defer a.erasing.RUnlock()
	if err != nil {
		return err
	}
	return a.readAt(name, b, offset)
}

func (a *archive) readAt(name string, b []byte, offset int64) error {
	for {
		f, err := a.segment(name)
		if err != nil {
			return err
		}
		_, err = f.ReadAt(b, offset)
		if errors.Is(err, os.ErrClosed) || errors.Is(err, fs.ErrClosed) {
			continue // closed for another segment in between
		}
		return err
	}
}

func (a *archive) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var faults []error
	for _, f := range a.open {
		faults = append(faults, f.Close())
	}
	for s := range a.tails {
		if f := a.tails[s].file; f != nil {
			faults = append(faults, f.Close())
		}
	}
	a.open = nil
	return errors.Join(faults...)
}

// bytes is how long a stream's last segment and the full ones before it are, at most.
func (e end) bytes(limit uint32) int64 { return int64(e.segment)*int64(limit) + int64(e.offset) }
