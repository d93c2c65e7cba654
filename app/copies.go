package app

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A body that is erased may have been sent more than once: in a repetition, in a
// message that was refused or undone, in an error declaration. The archive has
// those bodies too, since a block is computed again from all that it held. So each
// such message is linked to the event that it repeats, under the eventID that it
// gives, or else under its duplicate key: an order erases what is linked to its
// event, and what comes later goes in the block that it comes in.

// maxCopies bounds the transactions from which one block erases copies. A partner
// may have repeated an event any number of times: further blocks go on.
const maxCopies = 16

// link is what a message has in common with the event that it repeats.
type link struct {
	of   byte // i, an eventID; k, a duplicate key; 0, nothing
	name string
}

func linkTo(eventID string, key []byte) link {
	if eventID != "" {
		return link{'i', eventID}
	}
	if prior := priorKey(key); len(prior) > 0 {
		key = prior
	}
	if key = ownKey(key); len(key) > 0 {
		return link{'k', string(key)}
	}
	return link{}
}

func linkOf(r *schemas.Record) link { return linkTo(r.Skeleton.EventID, r.DuplicateKey) }

// copyRow leads from a link to the messages that have it.
func (l link) copyRow(partner string) []byte {
	key := append(rowKey(rowCopy, partner), l.of)
	return append(append(key, l.name...), 0)
}

// goneRow says that the body of the event at a place was ordered to be erased.
func goneRow(at schemas.Locator) []byte { return at.Append([]byte{rowGone}) }

func owedRow(partner, eventID string) []byte { return rowKey(rowOwed, partner, eventID) }

// copied is a message of the block that may repeat an event.
type copied struct {
	at      schemas.Locator
	partner string
	link    link
}

// noteCopies links a transaction's messages that are not the one record of an event.
func (b *block) noteCopies(tx *schemas.Transaction, position uint32, results []schemas.Result) {
	for i := range tx.Messages {
		m, r := &tx.Messages[i], &results[i]
		s := &m.Event.Skeleton
		if s.Order != nil || s.Act != nil || s.Declaration == nil && r.Code == schemas.OK && r.Effect != schemas.Duplicate {
			continue
		}
		l := linkTo(s.EventID, m.DuplicateKey)
		if l.of == 0 {
			continue
		}
		at := schemas.Locator{Height: b.height, Position: position, Index: uint32(i)}
		b.led.Emit(at.Append(l.copyRow(tx.Header.Partner)), present)
		b.copied = append(b.copied, copied{at, tx.Header.Partner, l})
	}
}

// ordered reports whether the body of the event that a partner's link leads to was
// ordered to be erased.
func (b *block) ordered(partner string, l link) bool {
	return l.ordered(partner, func(key []byte) []byte { value, _ := b.get(key); return value }, b.row)
}

func (l link) ordered(partner string, leaf, row func(key []byte) []byte) bool {
	switch l.of {
	case 'i':
		value := leaf(schemas.ErasureKey(partner, l.name))
		return value != nil && must(schemas.DecodeErasure(value)).Standing == schemas.BodyErased
	case 'k':
		at := row(duplicateRow(partner, []byte(l.name)))
		return at != nil && row(goneRow(must(schemas.DecodeLocator(at)))) != nil
	}
	return false
}

// excused reports whether orders that the view knows of are why the bodies of a
// transaction are gone.
func (v *View) excused(t *archived) (ok bool, err error) {
	for i := range t.messages {
		r, err := t.record(schemas.Locator{Index: uint32(i)})
		if err != nil {
			return false, err
		}
		if ok, err := v.ordered(r); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// ordered reports whether an order that the view knows of erased a message's body.
func (v *View) ordered(r *schemas.Record) (ok bool, err error) {
	defer recovered(&err)
	read := func(value []byte, err error) []byte {
		if err != nil {
			panic(ioFailure{err})
		}
		return value
	}
	leaf := func(key []byte) []byte { value, _, err := v.get(key); return read(value, err) }
	row := func(key []byte) []byte { return read(v.row(key)) }
	return linkOf(r).ordered(r.Partner, leaf, row) || (link{'i', r.EventID}).ordered(r.Partner, leaf, row), nil
}

// target is an event whose body goes, with all copies of it.
type target struct {
	partner, eventID string
	at               schemas.Locator
	key              []byte // its duplicate key
	order            int64  // height of the order: what came since went when it came
	last             []byte // row of the last copy that is erased; nil, none is
}

// encode is the target's row, while copies are owed: 1 place of the event, 2
// duplicate key, 3 height of the order, 4 row of the last copy that is erased.
func (t *target) encode() []byte {
	b := schemas.AppendField(nil, 1, t.at.Append(nil))
	b = schemas.AppendField(b, 2, t.key)
	b = schemas.AppendUint(b, 3, uint64(t.order))
	return schemas.AppendField(b, 4, t.last)
}

func decodeTarget(partner, eventID string, b []byte) (t target, err error) {
	t.partner, t.eventID = partner, eventID
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			t.at, err = schemas.DecodeLocator(v)
		case 2:
			t.key = v
		case 3:
			t.order = int64(f.Uint(n, v))
		case 4:
			t.last = v
		default:
			f.Fail(n, "unknown")
		}
		if err != nil {
			return t, err
		}
	}
	return t, f.Err()
}

// erasing is a transaction, and which of its messages' bodies go.
type erasing struct {
	at   place
	gone map[int]bool // of which messages; only ever looked up
	most int          // the last of them
}

// toErase is what a block erases, in the ledger's order: events that its orders
// name, copies of them and of what is owed from blocks before, and copies that the
// block brought.
func (a *App) toErase(b *block) ([]erasing, error) {
	places := map[place]*erasing{}
	add := func(at schemas.Locator) {
		p := placeOf(at)
		e := places[p]
		if e == nil {
			e = &erasing{at: p, gone: map[int]bool{}}
			places[p] = e
		}
		e.gone[int(at.Index)], e.most = true, max(e.most, int(at.Index))
	}
	for _, c := range b.copied {
		if b.ordered(c.partner, c.link) {
			add(c.at)
		}
	}
	room := maxCopies
	for t, err := range a.owed(b.height) {
		if err == nil {
			err = a.copies(b, &t, &room, add)
		}
		if err != nil {
			return nil, err
		}
		if room == 0 {
			break // what is owed besides is so still
		}
	}
	for i := range b.erased {
		add(b.erased[i].at)
		if err := a.copies(b, &b.erased[i], &room, add); err != nil {
			return nil, err
		}
	}
	list := make([]erasing, 0, len(places))
	for _, p := range slices.SortedFunc(maps.Keys(places), func(x, y place) int { return bytes.Compare(x[:], y[:]) }) {
		list = append(list, *places[p])
	}
	return list, nil
}

// owed are the events of which copies were left over by the blocks before. Those of
// another partner come first with every height: one that owes more than blocks can
// do does not keep others waiting.
func (a *App) owed(height int64) iter.Seq2[target, error] {
	return func(yield func(target, error) bool) {
		view := a.store.Latest()
		first := rowKey(rowOwed, a.turn(height))
		rows := func(from, to []byte) bool {
			for row, err := range view.Rows([]byte{rowOwed}, from, false) {
				var t target
				switch {
				case err == nil && to != nil && bytes.Compare(row.Key, to) >= 0:
					return true
				case err == nil:
					t, err = owedTarget(row)
				}
				if err != nil {
					err = fmt.Errorf("reading which erasures are owed: %w", err)
				}
				if !yield(t, err) || err != nil {
					return false
				}
			}
			return true
		}
		_ = rows(first, nil) && rows(nil, first)
	}
}

// turn is the partner whose turn it is at a height, "" where there are none.
func (a *App) turn(height int64) string {
	d := a.directory.Load()
	if d == nil || len(d.turns) == 0 {
		return ""
	}
	return d.turns[height%int64(len(d.turns))]
}

func owedTarget(row store.Row) (t target, err error) {
	partner, eventID, ok := cutKey(row.Key[1:])
	if !ok {
		return t, errRow
	}
	return decodeTarget(partner, eventID, row.Value)
}

// copies adds the event's copies, from as many transactions as there is room for,
// and notes what is owed to the blocks that follow.
func (a *App) copies(b *block, t *target, room *int, add func(schemas.Locator)) error {
	for _, l := range []link{{'i', t.eventID}, {'k', string(t.key)}} {
		prefix := l.copyRow(t.partner)
		if l.name == "" || bytes.Compare(t.last, prefix) > 0 && !bytes.HasPrefix(t.last, prefix) {
			continue
		}
		from, last := t.last, place{}
		if from == nil || !bytes.HasPrefix(from, prefix) {
			from = nil
		}
		for row, err := range a.store.Latest().Rows(prefix, from, false) {
			if err != nil {
				return fmt.Errorf("reading copies of an event: %w", err)
			}
			at, err := schemas.DecodeLocator(row.Key[len(prefix):])
			if err != nil {
				return fmt.Errorf("reading copies of an event: %w", err)
			}
			if at.Height >= t.order {
				break // it went when it came, as all that follow
			}
			if bytes.Equal(row.Key, t.last) {
				continue
			}
			if p := placeOf(at); p != last {
				if *room == 0 {
					b.led.PutRow(owedRow(t.partner, t.eventID), t.encode())
					return nil
				}
				*room, last = *room-1, p
			}
			add(at)
			t.last = bytes.Clone(row.Key)
		}
	}
	b.led.DeleteRow(owedRow(t.partner, t.eventID))
	return nil
}
