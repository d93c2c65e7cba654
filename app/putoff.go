package app

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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

// maxLooked is at how many erasures that were put off one block looks, to find out
// whether they can be made good: further blocks look at further ones.
const maxLooked = 128

func putOffRow(p place) []byte { return append([]byte{rowPutOff}, p[:]...) }

// putOffIn are the messages of a transaction whose erasure was put off.
func (a *App) putOffIn(p place) ([]uint32, error) {
	now := a.store.Latest()
	if none, err := a.nothingPutOff(now); none || err != nil {
		return nil, err
	}
	row, err := now.Row(putOffRow(p))
	if err != nil {
		return nil, fmt.Errorf("reading which erasures were put off: %w", err)
	}
	return decodeIndexes(row), nil
}

// nothingPutOff reports whether no erasure was put off at all, as nearly always: it
// looks once for each height.
func (a *App) nothingPutOff(now *store.View) (bool, error) {
	height := now.Height()
	if none := a.punctual.Load(); none != nil && *none == height {
		return true, nil
	}
	for _, err := range now.Rows([]byte{rowPutOff}, nil, false) {
		if err != nil {
			return false, fmt.Errorf("reading which erasures were put off: %w", err)
		}
		return false, nil
	}
	a.punctual.Store(&height)
	return true, nil
}

// putOff lists, in order, the transactions with erasures that were put off, up to
// the last committed block.
func (a *App) putOff() (list []place, err error) {
	for row, err := range a.store.Latest().Rows([]byte{rowPutOff}, nil, false) {
		if err != nil {
			return nil, fmt.Errorf("reading which erasures were put off: %w", err)
		}
		if len(row.Key) != 1+len(place{}) {
			return nil, errRow
		}
		list = append(list, place(row.Key[1:]))
	}
	return list, nil
}

// AwaitedSegments lists the segments that erasures wait for: they must be brought back, and
// stay until nothing is put off in them.
func (a *App) AwaitedSegments() (segments []string, err error) {
	defer recovered(&err)
	places, err := a.putOff()
	if err != nil {
		return nil, err
	}
	view := a.store.Latest()
	row := func(key []byte) []byte {
		row, err := view.Row(key)
		if err != nil {
			panic(ioFailure{err})
		}
		return row
	}
	for _, p := range places {
		ref, _, err := bodiesRef(p, row)
		if err != nil {
			return nil, err
		}
		segments = append(segments, ref.SegmentName())
	}
	slices.Sort(segments)
	return slices.Compact(segments), nil
}

// lateErasures are the transactions, but those of list, whose erasure can be made
// good: as many as a block may. A replay does what the block did.
func (a *App) lateErasures(b *block, told *delays, list []erasing) (late []erasing, err error) {
	now := func(p place) bool { return slices.ContainsFunc(list, func(e erasing) bool { return e.at == p }) }
	if told != nil {
		for i, p := range told.late {
			if b.row(putOffRow(p)) == nil || slices.Contains(told.late[:i], p) {
				return nil, fmt.Errorf("%w: nothing was put off at %s", errRemains, p)
			}
			if !now(p) {
				late = append(late, erasing{at: p, gone: map[int]bool{}})
			}
		}
		return late, nil
	}
	looked, all := 0, true
	for row, err := range a.store.Latest().Rows([]byte{rowPutOff}, a.lookedAt, false) {
		if err != nil {
			return nil, fmt.Errorf("reading which erasures were put off: %w", err)
		}
		if len(row.Key) != 1+len(place{}) {
			return nil, errRow
		}
		if all = looked < maxLooked && len(late) < maxErasures; !all {
			a.lookedAt = bytes.Clone(row.Key)
			break
		}
		looked++
		p := place(row.Key[1:])
		ref, _, err := bodiesRef(p, b.row)
		if err != nil {
			return nil, err
		}
		if !now(p) && a.store.Hold(ref) {
			late = append(late, erasing{at: p, gone: map[int]bool{}})
		}
	}
	if all {
		a.lookedAt = nil
	}
	return late, nil
}

// eraseOrPutOff erases what a block's orders and those of earlier blocks say of a
// transaction, or puts it off.
func (a *App) eraseOrPutOff(b *block, archive archiver, e erasing, late bool, source decided, recorded []txRecord, out *executed) error {
	given := source.remains(len(out.erasedAt))
	if e.at.height() == b.height {
		k, err := a.keptOfBlock(e.at, &recorded[e.at.position()])
		if err != nil {
			return err
		}
		return a.eraseIn(b, archive, e, k, given, out)
	}
	if absent, err := a.neverHad(b, e.at); absent || err != nil {
		return err
	}
	ref, records, err := bodiesRef(e.at, b.row)
	if err != nil {
		return err
	}
	before := b.row(putOffRow(e.at))
	for _, i := range decodeIndexes(before) {
		e.gone[int(i)], e.most = true, max(e.most, int(i))
	}
	here := late
	if told := source.delays(); told != nil {
		here = !slices.Contains(told.putOff, e.at)
	} else if !late {
		here = a.store.Hold(ref)
	}
	if !here {
		var row []byte
		for _, i := range slices.Sorted(maps.Keys(e.gone)) {
			row = binary.BigEndian.AppendUint32(row, uint32(i))
		}
		b.led.PutRow(putOffRow(e.at), row)
		out.putOff = append(out.putOff, e.at)
		return nil
	}
	k, err := a.keptOf(e.at, ref, records)
	if err != nil {
		return err
	}
	if err := a.eraseIn(b, archive, e, k, given, out); err != nil {
		return err
	}
	if before != nil {
		b.led.DeleteRow(putOffRow(e.at))
		out.late = append(out.late, e.at)
	}
	return nil
}

// neverHad reports whether a transaction lies before the snapshot that the node
// joined by: it has no body of it, and gets none by an order.
func (a *App) neverHad(b *block, p place) (bool, error) {
	if b.row(txRow(p)) != nil {
		return false, nil
	}
	restored, err := decodeRestored(b.row([]byte{rowRestored}))
	return p.height() <= restored, err
}

// bodiesRef is where the archive has a transaction's bodies, or what is left of
// them, and the encoded reference to its record.
func bodiesRef(p place, row func(key []byte) []byte) (ref store.Ref, records []byte, err error) {
	refs := row(txRow(p))
	if len(refs) != 2*store.RefSize {
		return ref, nil, errRow
	}
	bodies := refs[store.RefSize:]
	if later := row(remainsRow(p)); later != nil {
		bodies = later
	}
	ref, err = store.DecodeRef(bodies)
	return ref, refs[:store.RefSize], err
}

// owes reports whether a body of an erased event, or of a copy of it, could still be
// read somewhere: its erasure was put off, or what had it is in the store still.
func (v *View) owes(partner, eventID string, at schemas.Locator) (bool, error) {
	bodies, err := v.bodiesOfEvent(partner, eventID, at)
	if err != nil {
		return true, err
	}
	latest := v.app.store.Latest()
	for row, err := range latest.Rows([]byte{rowPutOff}, nil, false) {
		if err != nil || len(row.Key) != 1+len(place{}) {
			return true, errors.Join(errors.New("reading which erasures were put off"), err)
		}
		for _, i := range decodeIndexes(row.Value) {
			if slices.Contains(bodies[place(row.Key[1:])], i) {
				return true, nil
			}
		}
	}
	for row, err := range latest.Rows([]byte{rowErasing}, nil, false) {
		if err != nil {
			return true, fmt.Errorf("reading what was erased: %w", err)
		}
		if len(row.Value) != len(place{}) || bodies[place(row.Value)] == nil {
			continue
		}
		ref, err := store.DecodeRef(row.Key[1:])
		if err != nil || v.app.store.CameBack(ref) {
			return true, err
		}
	}
	return false, nil
}

// bodiesOfEvent are the messages that have an event's body, the event's own and
// copies, by transaction.
func (v *View) bodiesOfEvent(partner, eventID string, at schemas.Locator) (map[place][]uint32, error) {
	bodies := map[place][]uint32{placeOf(at): {at.Index}}
	links := []link{{'i', eventID}}
	row, err := v.row(eventRow(partner, eventID))
	if err != nil {
		return nil, err
	}
	if row != nil {
		p, err := decodePrior(row)
		if err != nil {
			return nil, err
		}
		if key := ownKey(p.key); len(key) > 0 {
			links = append(links, link{'k', string(key)})
		}
	}
	for _, l := range links {
		prefix := l.copyRow(partner)
		for row, err := range v.at.Rows(prefix, nil, false) {
			if err != nil {
				return nil, fmt.Errorf("reading copies of an event: %w", err)
			}
			c, err := schemas.DecodeLocator(row.Key[len(prefix):])
			if err != nil {
				return nil, fmt.Errorf("reading copies of an event: %w", err)
			}
			bodies[placeOf(c)] = append(bodies[placeOf(c)], c.Index)
		}
	}
	return bodies, nil
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
