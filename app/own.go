package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node may keep only the bodies of what its own partner has to do with. Of other
// messages the archive gets no body and no secret, and the index nothing that only
// the body says: what never was there need not be overwritten. Which they are, the
// block's record tells, so that the archive computes to the same ledger whoever
// reads it, and whatever the node is set to then. State and app hash are the same
// with every node: no rule reads a body.

// errNotKept is of a body that an archive does not have by its node's choice.
var errNotKept = errors.New("the archive keeps the bodies of one partner alone")

// unkeptRow tells which messages' bodies of a transaction are not kept.
func unkeptRow(p place) []byte { return append([]byte{rowUnkept}, p[:]...) }

// heed decides, behind the rules, whether the node keeps the message's body.
func (m *message) heed() {
	switch {
	case m.own == "" || m.partner == m.own:
	case m.concerned || m.parties.has(m.own) || m.names(m.event.Sources) || m.names(m.event.Destinations) || m.holds():
		m.heeded[m.at] = true
	default:
		m.foreign = true
	}
}

// names reports whether the node's partner is among an event's parties, of
// whatever type.
func (m *message) names(parties []schemas.Party) bool {
	return slices.ContainsFunc(parties, func(p schemas.Party) bool {
		id, err := schemas.ParseIdentifier(p.ID)
		if err != nil {
			return false
		}
		gln, ok := id.GLN()
		return ok && m.dir.byGLN[gln] == m.own
	})
}

// holds reports whether the node's partner holds something of the event's behind it.
func (m *message) holds() bool {
	return slices.ContainsFunc(m.order, func(it *item) bool { return it.Parent == "" && it.Custodian == m.own })
}

// unkept are the messages of a transaction whose bodies this node does not keep:
// orders and acts stay, since they bind it.
func (b *block) unkept(tx *schemas.Transaction, position uint32) (list []uint32) {
	if b.own == "" || tx.Header.Partner == b.own {
		return nil
	}
	for i := range tx.Messages {
		at := schemas.Locator{Height: b.height, Position: position, Index: uint32(i)}
		if tx.Messages[i].Event.KindOf() == schemas.KindEvent && !b.heeded[at] {
			list = append(list, uint32(i))
		}
	}
	return list
}

// keptBodies is what the archive gets of a transaction's bodies.
func (a *App) keptBodies(r *txRecord, p place) ([]byte, error) {
	encoded, n := schemas.EncodeBodies(r.tx.Bodies), len(r.tx.Messages)
	if len(r.unkept) == 0 {
		return encoded, nil
	}
	left := &remains{at: p, bodies: make([][]byte, n), salts: make([]schemas.Hash, n)}
	if len(r.unkept) < n {
		var err error
		if left, err = a.readRemains(nil, p, encoded, n, nil); err != nil {
			return nil, err
		}
		left.drop(r.unkept)
	}
	return a.codec.Compress(left.encode()), nil
}

// assembleKept puts a transaction together of which some bodies were not kept.
func (r *Replay) assembleKept(tx *replayedTx, t *archived, p place, entry []byte) (err error) {
	if r.judge != nil {
		return errNotKept
	}
	tx.gone = entry
	if tx.left, err = reassemble(t); err != nil {
		return err
	}
	left, err := r.app.readRemains(nil, p, entry, len(t.messages), nil)
	if err != nil {
		return err
	}
	for i, body := range left.bodies {
		if there := !slices.Contains(tx.unkept, uint32(i)); there != (body != nil) {
			return fmt.Errorf("body %d is there: %v, the block's record says: %v", i, body != nil, there)
		}
	}
	return tx.dress(left)
}

// dress gives a transaction back what is left of its bodies.
func (tx *replayedTx) dress(left *remains) (err error) {
	if tx.left == nil || len(tx.left.Messages) != len(left.bodies) {
		return errRemains
	}
	for i, body := range left.bodies {
		if m := &tx.left.Messages[i]; body != nil {
			if m.Event, err = heldBody(m.Kind, m.Skeleton, m.BodyRoot, body, left.salt(i)); err != nil {
				return fmt.Errorf("%w: body %d: %w", errRemains, i, err)
			}
		}
	}
	hashEvents(tx.left.Messages)
	return nil
}

// isUnkept reports whether a message's body is missing because this node chose not
// to keep it, and not because an order erased it.
func (v *View) isUnkept(r *schemas.Record) (bool, error) {
	row, err := v.row(unkeptRow(placeOf(r.Locator)))
	if err != nil || !slices.Contains(decodeIndexes(row), r.Index) {
		return false, err
	}
	ordered, err := v.ordered(r)
	return !ordered, err
}

// Withholds reports whether this node's archive lacks bodies by the node's choice.
func (a *App) Withholds() (bool, error) { return anyUnkept(a.store, nil) }

// UnkeptAt is the same of one block, in a store that need not be run.
func UnkeptAt(s *store.Store, height int64) (bool, error) { return anyUnkept(s, be64(height)) }

func anyUnkept(s *store.Store, places []byte) (bool, error) {
	for _, err := range s.Latest().Rows(append([]byte{rowUnkept}, places...), nil, false) {
		if err != nil {
			return false, fmt.Errorf("reading which bodies are not kept: %w", err)
		}
		return true, nil
	}
	return false, nil
}
