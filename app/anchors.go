package app

import (
	"fmt"
	"sort"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Anchor is a header in the accumulator: one that carries the app hash of a
// block that changed something.
type Anchor struct {
	Height int64
	Block  []byte // the block's hash
}

// AnchorHead is the accumulator's head, the zero head before the first.
func (v *View) AnchorHead() (schemas.Head, error) {
	value, _, err := v.get(schemas.AccumulatorKey())
	if value == nil || err != nil {
		return schemas.Head{}, err
	}
	return schemas.DecodeSingleHead(value)
}

// Anchors returns entries of the accumulator from the n-th, counted from 0, at
// most limit.
func (v *View) Anchors(from uint64, limit int) ([]Anchor, error) {
	var out []Anchor
	for row, err := range v.at.Rows([]byte{rowAccumulator}, accumulatorRow(from), false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading the accumulator: %w", err))
		}
		if len(out) >= limit {
			break
		}
		a, err := decodeAnchor(row.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// PendingAnchor is the header that the accumulator will hold next, nil where
// there is none.
func (v *View) PendingAnchor() (*Anchor, error) {
	row, err := v.row(anchorRow())
	if row == nil || err != nil {
		return nil, err
	}
	a, err := decodeAnchor(row)
	return &a, err
}

func decodeAnchor(b []byte) (Anchor, error) {
	if len(b) < 8 {
		return Anchor{}, store.Damaged("an anchor of %d bytes", len(b))
	}
	return Anchor{Height: int64(decodeUint64(b)), Block: b[8:]}, nil
}

// AnchorLog is the accumulator as its keeper needs it to append.
func (v *View) AnchorLog() (proof.Log, error) {
	_, aside, err := v.get(schemas.AccumulatorKey())
	if err != nil || len(aside) == 0 {
		return proof.Log{}, err
	}
	l, err := proof.DecodeLog(aside)
	if err != nil {
		return l, fmt.Errorf("reading the accumulator: %w", err)
	}
	return l, nil
}

// AnchorUpTo is the last header in the accumulator at or below a height: it carries
// the state that every header between it and the height does. It is nil where there
// is none.
func (v *View) AnchorUpTo(height int64) (*Anchor, error) {
	head, err := v.AnchorHead()
	if err != nil || head.Count == 0 {
		return nil, err
	}
	behind, err := v.searchAnchor(height+1, head.Count)
	if err != nil || behind == 0 {
		return nil, err
	}
	list, err := v.Anchors(behind-1, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// searchAnchor finds the first entry of a height or above it: heights ascend.
func (v *View) searchAnchor(height int64, count uint64) (index uint64, err error) {
	at := func(i uint64) int64 {
		if err != nil {
			return 0
		}
		var list []Anchor
		if list, err = v.Anchors(i, 1); err == nil && len(list) == 0 {
			err = store.Damaged("the accumulator of %d headers has no row %d", count, i)
		}
		if err != nil {
			return 0
		}
		return list[0].Height
	}
	index = uint64(sort.Search(int(count), func(i int) bool { return at(uint64(i)) >= height }))
	return index, err
}
