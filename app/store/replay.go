package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	dbm "github.com/cosmos/cosmos-db"
)

// Damage is what is wrong with an archive, and where.
type Damage struct {
	File   string
	Offset int64
	Err    error
}

// Error tells file, place and fault.
func (d *Damage) Error() string {
	return fmt.Sprintf("the archive's %s at %d: %v", d.File, d.Offset, d.Err)
}

// Unwrap is the fault alone.
func (d *Damage) Unwrap() error { return d.Err }

// Entry is an archive's entry and its place.
type Entry struct {
	Ref  Ref
	Data []byte
}

// At is the file and the offset that a reference leads to.
func (r Ref) At() (file string, offset int64) {
	return segmentName(r.stream, r.segment), int64(r.offset)
}

// OpenReplay opens a store whose state is computed again from an archive that is
// there already. Nothing is appended to that archive: what a block appends is
// compared, by same, with what the archive has at that place, and a difference
// fails the block. Everything else is as in any store, but that nothing is synced:
// what a replay computed can be computed again.
func OpenReplay(o Options, archive string, same func(stream Stream, want, have []byte) error) (*Store, error) {
	e, err := openEngine(o.Dir, o.Backend)
	if err != nil {
		return nil, err
	}
	return openReplay(lazyEngine{e}, diskFiles{dir: archive, readOnly: true, away: newAway(o.Elsewhere)}, o, same)
}

func openReplay(e engine, dir files, o Options, same func(stream Stream, want, have []byte) error) (*Store, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	s := &Store{engine: e, cache: newCache(o.CacheBytes), view: true}
	if err := s.load(dir, segmentSize); err != nil {
		return nil, errors.Join(err, e.close())
	}
	s.archive.same = same
	return s, nil
}

// lazyEngine leaves syncing to the system: what it holds can be computed again.
type lazyEngine struct{ engine }

func (e lazyEngine) newBatch(size int) batch { return lazyBatch{e.engine.newBatch(size)} }

type lazyBatch struct{ batch }

func (b lazyBatch) WriteSync() error { return b.batch.Write() }

// compare takes the place of append in a replay.
func (a *archive) compare(s Stream, data []byte) (Ref, error) {
	entry, next, err := a.entry(s, a.next[s])
	if errors.Is(err, io.EOF) {
		return Ref{}, &Damage{segmentName(s, next.segment), int64(next.offset), errors.New("the archive ends within a block")}
	}
	if err != nil {
		return Ref{}, err
	}
	if err := a.same(s, data, entry.Data); err != nil {
		file, offset := entry.Ref.At()
		return Ref{}, &Damage{file, offset, err}
	}
	a.next[s] = next
	return entry.Ref, nil
}

// entry reads the entry at a place and tells where the next one is; io.EOF says
// that the stream ends there.
func (a *archive) entry(s Stream, at end) (Entry, end, error) {
	name := segmentName(s, at.segment)
	var header [entryHeader]byte
	err := a.readAt(name, header[:], int64(at.offset))
	switch {
	case errors.Is(err, fs.ErrNotExist) && at.offset == 0:
		return Entry{}, at, io.EOF
	case errors.Is(err, io.EOF) && at.offset > 0:
		if at, err = a.following(s, at); err != nil {
			return Entry{}, at, err
		}
		return a.entry(s, at)
	case err != nil:
		return Entry{}, at, &Damage{name, int64(at.offset), fmt.Errorf("reading an entry: %w", err)}
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxEntry {
		return Entry{}, at, &Damage{name, int64(at.offset), fmt.Errorf("an entry of the impossible length %d: the file is damaged", length)}
	}
	data := make([]byte, length)
	if err := a.readAt(name, data, int64(at.offset)+entryHeader); err != nil {
		return Entry{}, at, &Damage{name, int64(at.offset), fmt.Errorf("reading an entry of %d bytes: %w", length, err)}
	}
	if a.sum(header[:4], data) != binary.BigEndian.Uint32(header[4:]) {
		return Entry{}, at, &Damage{name, int64(at.offset), fmt.Errorf("the checksum of %d bytes differs: the file is damaged", length)}
	}
	return Entry{Ref{s, at.segment, at.offset, length}, data}, end{at.segment, at.offset + entryHeader + length}, nil
}

// following is the beginning of the next segment, if the one before ends at a
// place and no byte behind.
func (a *archive) following(s Stream, at end) (end, error) {
	name := segmentName(s, at.segment)
	f, err := a.segment(name)
	if err != nil {
		return at, &Damage{name, int64(at.offset), err}
	}
	size, err := f.size()
	if err != nil {
		return at, &Damage{name, int64(at.offset), err}
	}
	if size != int64(at.offset) {
		return at, &Damage{name, int64(at.offset), fmt.Errorf("%d bytes that are no entry: the file is cut short or damaged", size-int64(at.offset))}
	}
	return end{segment: at.segment + 1}, nil
}

// Cursor reads an archive's streams in order.
type Cursor struct {
	archive *archive
	at      [streams]end
	until   [streams]end // where it ends, if bounded
	bounded bool
}

// Cursor begins at the archive's beginning. It ends where the last committed
// block ends, or, in a replay, where the files do.
func (s *Store) Cursor() *Cursor {
	c := &Cursor{archive: s.archive, bounded: s.archive.same == nil}
	s.Extend(c)
	return c
}

// Next is a stream's next entry; io.EOF behind the last. Errors are Damage.
func (c *Cursor) Next(s Stream) (Entry, error) {
	if c.bounded && c.at[s] == c.until[s] {
		return Entry{}, io.EOF
	}
	entry, next, err := c.archive.entry(s, c.at[s])
	if err == nil {
		c.at[s] = next
	}
	return entry, err
}

// OpenReadOnly opens a store that nothing may change: no block can be begun, and
// what a commit that was cut short left behind stays there.
func OpenReadOnly(o Options) (*Store, error) {
	e, err := openEngineReadOnly(o.Dir, o.Backend)
	if err != nil {
		return nil, err
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	s := &Store{engine: e, cache: newCache(o.CacheBytes), view: true}
	if err := s.load(diskFiles{dir: ArchiveDir(o.Dir), readOnly: true, away: newAway(o.Elsewhere)}, segmentSize); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return s, nil
}

// Difference is a key of the database under which two stores differ.
type Difference struct {
	Space      byte   // 's' state, 'r' row, 't' page of the tree, 'm' meta
	Key        []byte // within the space
	Have, Want []byte // as the database keeps them; nil where there is none
}

// Differences compares everything that two stores hold in their databases: have
// is the one that is judged, want the one that is right.
func Differences(have, want *Store) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		hv, wv := have.Latest(), want.Latest()
		for _, v := range []*View{hv, wv} {
			if err := v.use(); err != nil {
				yield(Difference{}, err)
				return
			}
			defer v.done()
		}
		a, stopA := iter.Pull2(hv.version.snap.scan([]byte{0}, nil, false))
		defer stopA()
		b, stopB := iter.Pull2(wv.version.snap.scan([]byte{0}, nil, false))
		defer stopB()
		unshared(a, b, yield)
	}
}

type pull func() (Row, error, bool)

// unshared yields what two ordered ranges do not share.
func unshared(a, b pull, yield func(Difference, error) bool) {
	x, errX, moreX := a()
	y, errY, moreY := b()
	for moreX || moreY {
		if err := errors.Join(errX, errY); err != nil {
			yield(Difference{}, fmt.Errorf("reading the database: %w", err))
			return
		}
		order := 0
		switch {
		case !moreX:
			order = 1
		case !moreY:
			order = -1
		default:
			order = bytes.Compare(x.Key, y.Key)
		}
		d := Difference{}
		if order <= 0 {
			d.Space, d.Key, d.Have = x.Key[0], x.Key[1:], x.Value
		}
		if order >= 0 {
			d.Space, d.Key, d.Want = y.Key[0], y.Key[1:], y.Value
		}
		if (order != 0 || !bytes.Equal(x.Value, y.Value)) && !yield(d, nil) {
			return
		}
		if order <= 0 {
			x, errX, moreX = a()
		}
		if order >= 0 {
			y, errY, moreY = b()
		}
	}
}

// CheckArchive reads every entry of an archive. It returns what is damaged, how
// many bytes lie behind what have's last height refers to (have may be nil: then
// nothing is behind), and how many files it read.
func CheckArchive(ctx context.Context, dir string, have *Store, from Elsewhere) (damages []*Damage, extra int64, read int, err error) {
	on := diskFiles{dir: dir, readOnly: true, away: newAway(from)}
	names, err := on.names()
	if err != nil {
		return nil, 0, 0, fmt.Errorf("listing the archive: %w", err)
	}
	a := newArchive(on, [streams]end{}, segmentSize)
	defer a.close()
	pattern := regexp.MustCompile(`^(records|bodies)-(\d{10})\.seg$`)
	for _, name := range names {
		m := pattern.FindStringSubmatch(name)
		if m == nil {
			damages = append(damages, &Damage{name, 0, errors.New("no segment has this name")})
			continue
		}
		stream := Records
		if m[1] == Bodies.String() {
			stream = Bodies
		}
		n, err := strconv.ParseUint(m[2], 10, 32)
		if err != nil {
			damages = append(damages, &Damage{name, 0, errors.New("no segment has this name")})
			continue
		}
		until := int64(-1)
		if have != nil {
			switch e := have.archive.ends[stream]; {
			case uint32(n) > e.segment:
				until = 0
			case uint32(n) == e.segment:
				until = int64(e.offset)
			}
		}
		read++
		behind, damage := a.checkSegment(ctx, stream, uint32(n), until)
		extra += behind
		if damage != nil {
			damages = append(damages, damage)
		}
	}
	return damages, extra, read, ctx.Err()
}

// checkSegment reads one segment's entries up to a length, or all if that is
// negative, and tells how much lies behind.
func (a *archive) checkSegment(ctx context.Context, s Stream, segment uint32, until int64) (behind int64, damage *Damage) {
	name := segmentName(s, segment)
	f, err := a.segment(name)
	if err != nil {
		return 0, &Damage{name, 0, err}
	}
	size, err := f.size()
	if err != nil {
		return 0, &Damage{name, 0, err}
	}
	if until < 0 {
		until = size
	}
	if size < until {
		return 0, &Damage{name, size, fmt.Errorf("the file has %d bytes, %d are recorded", size, until)}
	}
	for at := (end{segment: segment}); int64(at.offset) < until && ctx.Err() == nil; {
		_, next, err := a.entry(s, at)
		var d *Damage
		if errors.As(err, &d) {
			return size - until, d
		}
		if err != nil {
			return size - until, &Damage{name, int64(at.offset), err}
		}
		if next.segment != segment || int64(next.offset) > until {
			return size - until, &Damage{name, int64(at.offset), fmt.Errorf("an entry reaches beyond the recorded length %d", until)}
		}
		at = next
	}
	return size - until, nil
}

// DatabaseName is the directory of a backend's database within a store's.
func DatabaseName(backend string) string {
	if backend == "" {
		backend = string(dbm.GoLevelDBBackend)
	}
	return databases()[backend] + dbm.DBFileSuffix
}

// Adopt puts the database that a replay made in scratch in the place of the
// store's own, durably. A kill in between leaves the store without a database,
// which the next rebuild makes good: the archive is not touched.
func Adopt(o Options, scratch string) error {
	name := DatabaseName(o.Backend)
	return ReplaceDatabase(filepath.Join(scratch, name), filepath.Join(o.Dir, name))
}

// ReplaceDatabase puts a database's directory in the place of another, durably. A
// kill in between leaves the place empty.
func ReplaceDatabase(from, to string) error {
	if err := SyncTree(from); err != nil {
		return fmt.Errorf("syncing the rebuilt database: %w", err)
	}
	old := to + ".replaced"
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing an older database: %w", err)
	}
	if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("putting the database aside: %w", err)
	}
	if err := errors.Join(os.Rename(from, to), SyncPath(filepath.Dir(to))); err != nil {
		return fmt.Errorf("putting the rebuilt database in place: %w", err)
	}
	return os.RemoveAll(old)
}
