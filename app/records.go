package app

import (
	"context"
	"fmt"
	"iter"

	"github.com/waybill-ledger/waybill/schemas"
)

// Records are all messages of the ledger in its order, with their bodies where those
// are held. Memory holds a transaction at a time, beside what the application
// remembers anyway.
func (v *View) Records(ctx context.Context) iter.Seq2[schemas.Record, error] {
	return func(yield func(schemas.Record, error) bool) {
		if err := v.lacksAny(); err != nil {
			yield(schemas.Record{}, err)
			return
		}
		for row, err := range v.at.Rows([]byte{rowBodies}, nil, false) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && len(row.Key) != 1+len(place{}) {
				err = fmt.Errorf("the place of a transaction is damaged: restore the node from a backup or from its peers")
			}
			if err != nil {
				yield(schemas.Record{}, err)
				return
			}
			if !v.recordsAt(place(row.Key[1:]), yield) {
				return
			}
		}
	}
}

// recordsAt are the messages of one transaction; false where nobody wants more.
func (v *View) recordsAt(p place, yield func(schemas.Record, error) bool) bool {
	t, err := v.transaction(p)
	if err == nil && t == nil {
		err = fmt.Errorf("no transaction at %d/%d", placeHeight(p), placePosition(p))
	}
	if err != nil {
		yield(schemas.Record{}, err)
		return false
	}
	for i := range t.messages {
		r, err := v.Record(schemas.Locator{Height: placeHeight(p), Position: placePosition(p), Index: uint32(i)})
		if !yield(r, err) || err != nil {
			return false
		}
	}
	return true
}
