package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// What proofs are made of: paths and values of the state tree, the entries of trails;
// anchors.go has the header accumulator.

// Root is the state root at the view's height: the app hash that the next header
// carries.
func (v *View) Root() schemas.Hash { return schemas.Hash(v.at.Root()) }

// Path proves a state key, present or absent, under Root.
func (v *View) Path(key []byte) (proof.Path, error) {
	p, err := v.at.Path(key)
	if err != nil {
		return proof.Path{}, v.answered(fmt.Errorf("proving a key: %w", err))
	}
	return p, nil
}

// StateValue is the value under a state key, nil where there is none.
func (v *View) StateValue(key []byte) ([]byte, error) {
	value, _, err := v.get(key)
	return value, err
}

// TrailEntry is a trail's record with its link.
type TrailEntry struct {
	Hash   schemas.Hash
	Record schemas.Record
}

// TrailEntries returns a whole trail in order: its links hash to its head.
func (v *View) TrailEntries(key schemas.TrailKey) ([]TrailEntry, error) {
	head, err := v.TrailHead(key)
	if err != nil {
		return nil, err
	}
	var records []schemas.Record
	for more := true; more; {
		page, err := v.Trail(key, uint64(len(records)), int(head.Count))
		if err != nil {
			return nil, err
		}
		records = append(records, page...)
		more = len(page) > 0 && uint64(len(records)) < head.Count
	}
	if uint64(len(records)) != head.Count {
		return nil, store.Damaged("a trail of %d entries has %d rows", head.Count, len(records))
	}
	out := make([]TrailEntry, len(records))
	for i := range records {
		r := &records[i]
		out[i] = TrailEntry{Hash: schemas.Entry(key, r.Digest, r.Transaction, r.Locator, &r.Result), Record: *r}
	}
	return out, nil
}
