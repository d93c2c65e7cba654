package app

import (
	"errors"
	"fmt"
	"iter"

	"github.com/waybill-ledger/waybill/schemas"
)

// TrailHead returns a trail's head; of a trail without entries the zero head.
func (v *View) TrailHead(key schemas.TrailKey) (schemas.Head, error) {
	none := schemas.Head{}
	value, _, err := v.get(trailLeaf(key))
	if value == nil || err != nil {
		return none, err
	}
	switch key.Kind {
	case schemas.CustodyTrail, schemas.ObservationTrail:
		it, err := schemas.DecodeItem(value)
		if key.Kind == schemas.CustodyTrail {
			return it.Custody, err
		}
		return it.Observations, err
	case schemas.ShipmentTrail:
		s, err := schemas.DecodeShipment(value)
		return s.Trail, err
	case schemas.PartnerTrail:
		r, err := schemas.DecodeRegister(value)
		return r.Trail, err
	}
	return schemas.DecodeSingleHead(value)
}

// trailLeaf is the key of the leaf that holds a trail's head.
func trailLeaf(key schemas.TrailKey) []byte {
	switch key.Kind {
	case schemas.ClassTrail:
		return schemas.ClassKey(key.Subject)
	case schemas.ShipmentTrail:
		return schemas.ShipmentKey(key.Subject)
	case schemas.PartnerTrail:
		return schemas.RegisterKey(key.Subject)
	}
	return schemas.ItemKey(key.Subject)
}

// Trail returns records of a trail from the n-th, counted from 0, at most limit,
// and no more than fit a page: one at least, if there is one.
func (v *View) Trail(key schemas.TrailKey, from uint64, limit int) ([]schemas.Record, error) {
	var out []schemas.Record
	var page page
	held := map[[2]string]schemas.Holding{}
	for at, err := range v.places(key, from) {
		if err != nil {
			return nil, err
		}
		if len(out) >= limit {
			break
		}
		r, err := v.Record(at)
		if err != nil {
			return nil, err
		}
		if page.full(&r) {
			break
		}
		if r.Held, err = v.holding(held, &r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// holding tells how the key is held that signed a message, or its author's where one
// signed it by itself. A key's holding never changes.
func (v *View) holding(known map[[2]string]schemas.Holding, r *schemas.Record) (schemas.Holding, error) {
	id := [2]string{r.Partner, r.KeyID}
	if r.Skeleton != nil && r.Skeleton.Author != "" {
		id[1] = r.Skeleton.Author
	}
	if held, ok := known[id]; ok {
		return held, nil
	}
	k, err := v.Key(id[0], id[1])
	if err != nil {
		return 0, err
	}
	if k != nil {
		known[id] = k.Held
	}
	return known[id], nil
}

// places yields where the records of a trail are, from the n-th.
func (v *View) places(key schemas.TrailKey, from uint64) iter.Seq2[schemas.Locator, error] {
	prefix := trailPrefix(key)
	return func(yield func(schemas.Locator, error) bool) {
		next := from
		for row, err := range v.at.Rows(prefix, trailRow(key, from), false) {
			if err != nil {
				yield(schemas.Locator{}, v.answered(fmt.Errorf("reading a trail: %w", err)))
				return
			}
			at, _, err := decodeTrailValue(row.Value)
			if err != nil || len(row.Key) != len(prefix)+8 {
				yield(at, errors.Join(err, errRow))
				return
			}
			// A partner's trail has one row a transaction, all of whose messages follow each other.
			n := decodeUint64(row.Key[len(prefix):])
			first := n
			if key.Kind == schemas.PartnerTrail {
				first -= uint64(at.Index)
			}
			if first = max(first, from); first != next {
				// A trail begins in the middle where its first records are not there yet.
				if err := v.lacksAny(); err != nil {
					yield(at, err)
					return
				}
			}
			next = n + 1
			for ; first <= n; first++ {
				if !yield(schemas.Locator{Height: at.Height, Position: at.Position, Index: at.Index - uint32(n-first)}, nil) {
					return
				}
			}
		}
		if next == from {
			if err := v.lacksTrail(key, from); err != nil {
				yield(schemas.Locator{}, err)
			}
		}
	}
}

// decodeTrailValue reads what trailValue wrote.
func decodeTrailValue(b []byte) (at schemas.Locator, eventTime int64, err error) {
	if len(b) != schemas.LocatorSize+8 {
		return at, 0, errRow
	}
	at, err = schemas.DecodeLocator(b[:schemas.LocatorSize])
	return at, unsortable(b[schemas.LocatorSize:]), err
}
