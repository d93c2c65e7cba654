package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// readEvent is an event of a partner's register, read.
type readEvent struct {
	eventID, partner string
	prior            prior
	entry            schemas.Hash // in the register's log
}

// readEventRecord reads an event as a snapshot has it.
func readEventRecord(key, value []byte) (e readEvent, err error) {
	var ok bool
	if e.eventID, e.partner, ok = cutKey(key); !ok {
		return e, errors.New("the key of an event is malformed")
	}
	p, err := decodePrior(value)
	if err == nil && !bytes.Equal(p.encode(), value) {
		err = errors.New("not the one encoding of what it says")
	}
	if err != nil {
		return e, fmt.Errorf("an event of a register: %w", err)
	}
	e.prior, e.entry = p, p.entry(e.eventID)
	return e, nil
}

// event takes an event of a partner's register, and what duplicates are found by.
func (r *restoring) event(rec *readRecord) error {
	if rec.err != nil {
		return lying("%w", rec.err)
	}
	e, p := &rec.event, &rec.event.prior
	if p.time != 0 && !r.timed { // without one it was recorded before there were classes
		return lying("an event of a register: it tells the time of its block, as those of networks with retention classes do")
	}
	if err := r.entry(e.partner, p.at, plain, e.entry); err != nil {
		return err
	}
	if p.void {
		r.voids++
	}
	if err := r.into.PutRow(eventRow(e.partner, e.eventID), rec.Value); err != nil {
		return err
	}
	return r.duplicate(e.partner, p.key, p.at)
}

// duplicate takes what a message's duplicates are found by. Duplicate keys come in
// no order: their rows are sorted before they are written, which costs less than
// having the database merge them.
func (r *restoring) duplicate(partner string, key []byte, at schemas.Locator) error {
	own := ownKey(key)
	switch len(own) {
	case 0:
		return nil
	case len(schemas.Hash{}):
		var t store.Tuple
		binary.BigEndian.PutUint32(t[:], r.registers[partner]) // it was found by the entry
		copy(t[4:], own)
		at.Append(t[:4+len(own)])
		return r.duplicates.Add(t)
	}
	return r.into.PutRow(duplicateRow(partner, own), at.Append(nil))
}

// writeDuplicates writes the rows that duplicates are found by.
func (r *restoring) writeDuplicates(ctx context.Context) error {
	n := 0
	for t, err := range r.duplicates.Sorted() {
		if err != nil {
			return err
		}
		key, at := t[4:4+len(schemas.Hash{})], t[4+len(schemas.Hash{}):][:schemas.LocatorSize]
		if err := r.into.PutRow(duplicateRow(r.names[binary.BigEndian.Uint32(t[:])], key), at); err != nil {
			return err
		}
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// cutKey reads two parts, each with a zero byte behind it.
func cutKey(b []byte) (first, second string, ok bool) {
	first, rest, ok := strings.Cut(string(b), "\x00")
	second, more, ends := strings.Cut(rest, "\x00")
	return first, second, ok && ends && more == "" && first != "" && second != ""
}

// The order of a message's entries in its partner's register.
const (
	voiding = 0
	plain   = 1
)

// entry takes an entry of a partner's register: all of them are sorted, and their
// log computed in the end.
func (r *restoring) entry(partner string, at schemas.Locator, order byte, hash schemas.Hash) error {
	number, ok := r.registers[partner]
	if !ok {
		return lying("%q has no register", partner)
	}
	var t store.Tuple
	binary.BigEndian.PutUint32(t[:], number)
	at.Append(t[:4])
	t[4+schemas.LocatorSize] = order
	copy(t[32:], hash[:])
	return r.entries.Add(t)
}

// declaration takes an error declaration of a partner's register.
func (r *restoring) declaration(rec *schemas.SnapshotRecord) error {
	name, place, ok := bytes.Cut(rec.Key, []byte{0})
	at, err := schemas.DecodeLocator(place)
	if !ok || err != nil {
		return lying("the key of a declaration is malformed")
	}
	partner := string(name)
	w, err := decodeWithdrawal(rec.Value)
	if err != nil {
		return lying("a declaration of a register: %w", err)
	}
	if err := r.entry(partner, at, plain, prior{at: at, content: w.content, key: w.key}.entry("")); err != nil {
		return err
	}
	if w.voids != nil {
		if err := r.voided(partner, at, &w); err != nil {
			return err
		}
	}
	if err := r.into.PutRow(withdrawalRow(partner, at), rec.Value); err != nil {
		return err
	}
	return r.duplicate(partner, w.key, at)
}

// voided checks that the event that a declaration voids is void, and is the one.
func (r *restoring) voided(partner string, at schemas.Locator, w *withdrawal) error {
	if err := r.entry(partner, at, voiding, schemas.VoidEntry(*w.voids, at)); err != nil {
		return err
	}
	if w.eventID == "" || strings.Contains(w.eventID, "\x00") {
		return lying("a declaration voids an event without an eventID")
	}
	row, err := r.into.Row(eventRow(partner, w.eventID))
	if err != nil {
		return err
	}
	if row == nil {
		return lying("a declaration voids an event that there is not")
	}
	p, err := decodePrior(row)
	if err != nil {
		return err
	}
	if p.at != *w.voids || !p.void {
		return lying("a declaration voids another event")
	}
	r.voids--
	return r.into.PutRow(voidRow(*w.voids), at.Append(nil))
}
