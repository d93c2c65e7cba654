package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Messages are what was recorded behind a place, in the ledger's order, with their
// results and without bodies, refused ones and duplicates too; behind those of a block
// stands what happened in it without a message, as moments. At most limit are returned,
// and no more than fit a page; more tells whether others may follow. A
// *schemas.Fault history_missing says that the node does not have them yet. The
// records are the caller's, what they point to is shared: it must not be changed.
func (v *View) Messages(after schemas.Locator, limit int) (out []schemas.Record, more bool, err error) {
	out, more, err = v.messages(after, limit)
	if err != nil {
		return nil, false, err
	}
	moments, err := v.moments(after, limit)
	if err != nil {
		return nil, false, err
	}
	n := len(out)
	for i := range moments {
		if !more || n > 0 && moments[i].Compare(out[n-1].Locator) < 0 {
			out = append(out, moments[i])
		}
	}
	slices.SortFunc(out, func(x, y schemas.Record) int { return x.Compare(y.Locator) })
	return out[:min(limit, len(out))], more || len(out) >= limit, nil
}

func (v *View) messages(after schemas.Locator, limit int) (out []schemas.Record, more bool, err error) {
	if _, last, err := v.Missing(); err != nil || after.Height < last {
		return nil, false, errors.Join(err, v.lacksAny())
	}
	var page page
	for p, err := range v.transactions(txRow(placeOf(after))) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading messages: %w", err))
		}
		t, err := v.existing(p)
		if err != nil {
			return nil, false, err
		}
		first := uint64(0)
		if p == placeOf(after) {
			first = uint64(after.Index) + 1
		}
		for i := first; i < uint64(len(t.messages)); i++ {
			if len(out) >= limit {
				return out, true, nil
			}
			r, err := t.record(p.message(int(i)))
			if err != nil {
				return nil, false, err
			}
			if page.full(r) {
				return out, true, nil
			}
			out = append(out, *r)
		}
	}
	return out, false, nil
}
