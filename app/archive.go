package app

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// archived is a transaction as read back from the archive. Its messages are
// decoded when they are asked for: most questions want one of hundreds. What is
// read for such a question keeps the messages that it and those before it wanted.
type archived struct {
	header    *schemas.Header
	signed    []byte // the header's bytes, as signed
	signature []byte
	id        schemas.Hash
	time      time.Time // of the block
	refs      []byte    // where the archive has it and its bodies; nil where it was read another way
	count     int       // of its messages
	only      []uint32  // the messages that are kept, ascending; nil: all
	messages  [][]byte  // those that are kept, as are results and records
	results   [][]byte
	raw       schemas.Hash                     // SHA-256 of all its bytes
	records   []atomic.Pointer[schemas.Record] // those decoded so far, without body
}

func (a *archived) weight() int {
	n := 1024
	for _, m := range a.messages {
		n += 1024 + 4*len(m)
	}
	return n
}

// slot is where a message is among those that are kept, -1 where it is not.
func (a *archived) slot(i uint32) int {
	switch {
	case a.only != nil:
		if n, ok := slices.BinarySearch(a.only, i); ok {
			return n
		}
	case int(i) < len(a.messages):
		return int(i)
	}
	return -1
}

// has reports whether messages are kept; nil asks for all.
func (a *archived) has(of []uint32) bool {
	return a.only == nil || of != nil && !slices.ContainsFunc(of, func(i uint32) bool { return a.slot(i) < 0 })
}

// transaction reads the transaction at a place; nil where there is none.
func (v *View) transaction(p place) (*archived, error) { return v.transactionOf(p, nil) }

// transactionOf reads the transaction at a place, at least some of its messages; nil
// asks for all.
func (v *View) transactionOf(p place, of []uint32) (*archived, error) {
	t, known := v.app.shelf.find(p)
	if known && t.has(of) {
		return t, nil
	}
	if known {
		of = besides(t.only, of, t.count)
	} else if of != nil {
		of = besides(nil, of, math.MaxInt)
	}
	refs, err := v.refs(p)
	if refs == nil && err == nil {
		err = v.lacks(p.height())
	}
	if refs == nil || err != nil {
		return nil, err
	}
	at, err := v.blockTime(p.height())
	if err != nil {
		return nil, err
	}
	r := v.app.borrow()
	defer v.app.giveBack(r)
	frame, err := v.read(r.read, store.Records, refs[:store.RefSize])
	if err != nil {
		return nil, err
	}
	r.read = larger(r.read, frame)
	t, err = v.app.decodeArchived(r, frame, of)
	if err != nil {
		return nil, fmt.Errorf("reading the transaction at %s: %w", p, err)
	}
	t.time, t.refs = at, refs
	v.app.shelf.keep(p, t)
	return t, nil
}

// blockTime is a block's time as it is kept: many transactions share one.
type blockTime time.Time

// maxTimes is how many bytes of times are kept.
const maxTimes = 1 << 20

func (blockTime) weight() int { return 128 }

func (v *View) blockTime(height int64) (time.Time, error) {
	p := placeOf(schemas.Locator{Height: height})
	if t, ok := v.app.times.find(p); ok {
		return time.Time(t), nil
	}
	block, err := v.row(blockRow(height))
	if err != nil {
		return time.Time{}, err
	}
	if len(block) < 8 {
		return time.Time{}, store.Damaged("block %d has no time", height)
	}
	t := time.Unix(0, int64(decodeUint64(block))).UTC()
	v.app.times.keep(p, blockTime(t))
	return t, nil
}

// refs are where the archive has the transaction: its record, then its bodies.
func (v *View) refs(p place) ([]byte, error) {
	refs, err := v.row(txRow(p))
	if err == nil && refs != nil && len(refs) != 2*store.RefSize {
		err = store.Damaged("the place of transaction %s is damaged", p)
	}
	return refs, err
}

// read reads the archive into room, where that is enough.
func (v *View) read(room []byte, stream store.Stream, encoded []byte) ([]byte, error) {
	ref, err := store.DecodeRef(encoded)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	data, err := v.app.store.ReadInto(room, stream, ref)
	if errors.Is(err, store.ErrAway) {
		v.app.logger.Warn("reading the archive", "error", err)
		return nil, &schemas.Fault{Code: schemas.ArchiveAway, Detail: store.ErrAway.Error()}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	return data, nil
}

// sparse is which part of a transaction is so little that it is kept by itself: most
// of a page's events lie in as many transactions, and to keep all that lies beside them
// costs more memory, and more of the collector's time, than to decompress it again. Who
// comes back more often than maxVisits is likely to want all of it, one by one.
const (
	sparse    = 16
	maxVisits = 4
)

// besides are the messages of a transaction that are kept where some were and others
// are asked for, ascending; nil, all, where all are asked for or they are many.
func besides(had, of []uint32, count int) []uint32 {
	if of == nil || len(had) > maxVisits {
		return nil
	}
	all := append(slices.Clone(of), had...)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > count/sparse {
		return nil
	}
	return all
}

// bodies reads the bodies of the transaction at a place, at least those
// of some messages.
func (v *View) bodies(p place, t *archived, of []uint32) (*remains, error) {
	b, known := v.app.bodies.find(p)
	if known && b.has(of) {
		return b, nil
	}
	if known {
		of = besides(b.only, of, t.count)
	} else {
		of = besides(nil, of, t.count)
	}
	dropped := v.app.bodies.dropped()
	room := v.app.borrow()
	defer v.app.giveBack(room)
	encoded, err := v.read(room.read, store.Bodies, t.refs[store.RefSize:])
	if err != nil {
		return nil, err
	}
	room.read = larger(room.read, encoded)
	if store.Erased(encoded) {
		later, err := v.row(remainsRow(p))
		if later == nil || err != nil { // an older view of what was erased since
			return nil, err
		}
		if encoded, err = v.read(nil, store.Bodies, later); err != nil {
			return nil, err
		}
	}
	r, err := v.app.readRemains(room, p, encoded, t.count, of)
	if err != nil {
		return nil, fmt.Errorf("reading the bodies at %s: %w", p, err)
	}
	if r == nil { // erased again since the view
		return nil, nil
	}
	// As of now, not of the view: what was erased since is in the archive still.
	late, err := v.app.putOffIn(p)
	if err != nil {
		return nil, err
	}
	for _, i := range late {
		if int(i) < len(r.bodies) {
			r.bodies[i] = nil
		}
	}
	v.app.bodies.keepUnless(dropped, p, r)
	return r, nil
}

// decodeArchived reads what txRecord.encode wrote: all messages, or some, which are
// copied out of the room.
func (a *App) decodeArchived(r *room, frame []byte, only []uint32) (*archived, error) {
	var into []byte
	keep := func(b []byte) []byte { return b }
	if only != nil {
		into, keep = r.content, bytes.Clone
	}
	encoded, err := a.codec.ExpandInto(into, frame)
	if err != nil {
		return nil, err
	}
	t := &archived{only: only}
	if only != nil {
		r.content = larger(r.content, encoded)
		t.messages, t.results = make([][]byte, len(only)), make([][]byte, len(only))
	}
	results := 0
	f := schemas.ReadFields(encoded)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			t.signed, t.id = keep(v), schemas.TransactionID(v)
			if t.header, err = schemas.DecodeHeader(v); err == nil && only == nil {
				most := min(t.header.Count, schemas.MaxBlockMessages)
				t.messages, t.results = make([][]byte, 0, most), make([][]byte, 0, most)
			}
		case 2:
			t.signature = keep(v)
		case 3:
			t.messages = t.put(t.messages, t.count, v)
			t.count++
		case 4:
			list := schemas.ReadFields(v)
			for k, result, ok := list.Next(); ok && k == 1; k, result, ok = list.Next() {
				t.results = t.put(t.results, results, result)
				results++
			}
			err = list.Err()
		case 5:
			t.raw = f.Hash(n, v)
		default:
			f.Fail(n, "unknown")
		}
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", n, err)
		}
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	if t.header == nil || results != t.count {
		return nil, fmt.Errorf("a header and %d results for %d messages", results, t.count)
	}
	t.records = make([]atomic.Pointer[schemas.Record], len(t.messages))
	return t, nil
}

// put adds the n-th message or result to a list, if it is one of those that are kept.
func (a *archived) put(list [][]byte, n int, b []byte) [][]byte {
	if a.only == nil {
		return append(list, b)
	}
	if i, ok := slices.BinarySearch(a.only, uint32(n)); ok {
		list[i] = bytes.Clone(b)
	}
	return list
}

// record returns a message without its body, as it stands whoever asks: what
// later heights said of it is not in it.
func (t *archived) record(at schemas.Locator) (*schemas.Record, error) {
	i := t.slot(at.Index)
	if i < 0 || t.messages[i] == nil {
		return nil, fmt.Errorf("the transaction at %d/%d has no message %d", at.Height, at.Position, at.Index)
	}
	slot := &t.records[i]
	if r := slot.Load(); r != nil {
		return r, nil
	}
	r, err := decodeMessageRecord(t.messages[i])
	if err == nil {
		r.Result, err = schemas.DecodeResult(t.results[i])
	}
	if err != nil {
		return nil, fmt.Errorf("reading message %d of %d/%d: %w", at.Index, at.Height, at.Position, err)
	}
	r.Locator, r.Time, r.Transaction = at, t.time, t.id
	r.Partner, r.KeyID, r.Actor = t.header.Partner, t.header.KeyId, t.header.Actor
	r.Digest = schemas.Digest(t.header.ChainId, r.Partner, r.Kind, r.SkeletonBytes, r.BodyRoot, r.DuplicateKey)
	if r.EventID = r.Skeleton.EventID; r.EventID == "" {
		r.EventID = schemas.DerivedEventID(r.Digest)
	}
	slot.Store(&r)
	return &r, nil
}

func decodeMessageRecord(b []byte) (r schemas.Record, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			r.Kind = schemas.Kind(f.Uint(n, v))
		case 2:
			r.DuplicateKey = v
		case 3:
			r.SkeletonBytes = v
			if r.Skeleton, err = schemas.DecodeSkeleton(v); err != nil {
				return r, err
			}
		case 4:
			r.BodyRoot = f.Hash(n, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	if f.Err() == nil && r.Skeleton == nil {
		f.Fail(3, "no skeleton")
	}
	return r, f.Err()
}
