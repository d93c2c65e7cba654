package app

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node may have moved bodies to a store that does not answer when an order to
// erase them is decided. Blocks wait for no such store. So where the bodies are not
// at hand, the block puts the erasure off: a row says which bodies nobody is shown
// any more, and the block's record that it was put off. The node brings the
// segment back meanwhile; the first block after that archives what remains, as the
// block of the order would have done, and its record says so. State and app hash
// are the same with every node; where the archive has what remains is not.

// delays are the erasures that a block put off, and those that it made good for
// earlier ones.
type delays struct{ putOff, late []place }

func overdueRow(p place) []byte { return append([]byte{rowOverdue}, p[:]...) }

// decodeIndexes reads numbers of messages, 4 bytes each, big endian.
func decodeIndexes(row []byte) (list []uint32) {
	for n := range slices.Chunk(row, 4) {
		if len(n) == 4 {
			list = append(list, binary.BigEndian.Uint32(n))
		}
	}
	return list
}

// overdueIn are the messages of a transaction whose erasure was put off.
func (a *App) overdueIn(p place) ([]uint32, error) {
	row, err := a.store.Latest().Row(overdueRow(p))
	if err != nil {
		return nil, fmt.Errorf("reading which erasures are overdue: %w", err)
	}
	return decodeIndexes(row), nil
}

// overdue lists, in order, the transactions with erasures that were put off, up to
// the last committed block.
func (a *App) overdue() (list []place, err error) {
	for row, err := range a.store.Latest().Rows([]byte{rowOverdue}, nil, false) {
		if err != nil {
			return nil, fmt.Errorf("reading which erasures are overdue: %w", err)
		}
		if len(row.Key) != 1+len(place{}) {
			return nil, errTrailRow
		}
		list = append(list, place(row.Key[1:]))
	}
	return list, nil
}

// Overdue lists the segments that erasures wait for: they must be brought back, and
// stay until nothing is overdue in them.
func (a *App) Overdue() (segments []string, err error) {
	places, err := a.overdue()
	if err != nil {
		return nil, err
	}
	view := a.store.Latest()
	for _, p := range places {
		ref, _, err := bodiesRef(p, func(key []byte) []byte {
			row, fault := view.Row(key)
			if fault != nil {
				err = fault
			}
			return row
		})
		if err != nil {
			return nil, err
		}
		segments = append(segments, ref.SegmentName())
	}
	slices.Sort(segments)
	return slices.Compact(segments), nil
}

// lateErasures are the transactions, but those of byPlace, whose erasure can be made good: as
// many as a block may. A replay does what the block did.
func (a *App) lateErasures(b *block, told *delays, byPlace map[place][]uint32) (late []place, err error) {
	if told != nil {
		return slices.DeleteFunc(slices.Clone(told.late), func(p place) bool { return byPlace[p] != nil }), nil
	}
	places, err := a.overdue()
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if len(late) == maxErasures {
			break
		}
		ref, _, err := bodiesRef(p, b.row)
		if err != nil {
			return nil, err
		}
		if byPlace[p] == nil && a.store.Hold(ref) {
			late = append(late, p)
		}
	}
	return late, nil
}

// eraseOrPutOff erases what a block's orders and those of earlier blocks say of a
// transaction, or puts it off.
func (a *App) eraseOrPutOff(b *block, archive archiver, p place, indexes []uint32, late bool, source decided, out *executed) error {
	ref, records, err := bodiesRef(p, b.row)
	if err != nil {
		return err
	}
	before := b.row(overdueRow(p))
	for _, i := range decodeIndexes(before) {
		if !slices.Contains(indexes, i) {
			indexes = append(indexes, i)
		}
	}
	here := late
	if told := source.delays(); told != nil {
		here = !slices.Contains(told.putOff, p)
	} else if !late {
		here = a.store.Hold(ref)
	}
	if !here {
		var row []byte
		for _, i := range indexes {
			row = binary.BigEndian.AppendUint32(row, i)
		}
		b.led.PutRow(overdueRow(p), row)
		out.putOff = append(out.putOff, p)
		return nil
	}
	if err := a.eraseIn(b, archive, p, ref, records, indexes, source.remains(len(out.erasedAt)), out); err != nil {
		return err
	}
	out.erasedAt = append(out.erasedAt, p)
	if before != nil {
		b.led.DeleteRow(overdueRow(p))
		out.late = append(out.late, p)
	}
	return nil
}

// bodiesRef is where the archive has a transaction's bodies, or what is left of
// them, and the encoded reference to its record.
func bodiesRef(p place, row func(key []byte) []byte) (ref store.Ref, records []byte, err error) {
	refs := row(append([]byte{rowBodies}, p[:]...))
	if len(refs) != 2*store.RefSize {
		return ref, nil, errTrailRow
	}
	bodies := refs[store.RefSize:]
	if later := row(remainsRow(p)); later != nil {
		bodies = later
	}
	ref, err = store.DecodeRef(bodies)
	return ref, refs[:store.RefSize], err
}

// owes reports whether an erased body could still be read somewhere: its erasure is
// overdue, or what had it is in the store still.
func (a *App) owes(at schemas.Locator) (bool, error) {
	p := placeOf(at)
	overdue, err := a.overdueIn(p)
	if err != nil || slices.Contains(overdue, at.Index) {
		return true, err
	}
	for row, err := range a.store.Latest().Rows([]byte{rowErasing}, nil, false) {
		if err != nil {
			return true, fmt.Errorf("reading what was erased: %w", err)
		}
		if !bytes.Equal(row.Value, p[:]) {
			continue
		}
		ref, err := store.DecodeRef(row.Key[1:])
		if err != nil || a.store.CameBack(ref) {
			return true, err
		}
	}
	return false, nil
}

// SettledBodies is the first segment of bodies that must stay: those before it have bodies of
// heights below from alone.
func (a *App) SettledBodies(from int64) (segment string, err error) {
	_, bodies, err := a.behind(a.store.Latest(), from)
	if bodies == nil || err != nil {
		return "", err
	}
	return bodies.SegmentName(), nil
}
