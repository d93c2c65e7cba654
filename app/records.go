package app

import (
	"context"
	"fmt"
	"iter"

	"github.com/waybill-ledger/waybill/app/store"
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
		for p, err := range v.transactions(nil) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(schemas.Record{}, err)
				return
			}
			if !v.recordsAt(p, yield) {
				return
			}
		}
	}
}

// transactions are the places of all transactions in the ledger's order, from the row
// of one on; nil begins with the first.
func (v *View) transactions(from []byte) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		for row, err := range v.at.Rows([]byte{rowBodies}, from, false) {
			if err == nil && len(row.Key) != 1+len(place{}) {
				err = store.Damaged("the place of a transaction is damaged")
			}
			if err != nil {
				yield(place{}, err)
				return
			}
			if !yield(place(row.Key[1:]), nil) {
				return
			}
		}
	}
}

// existing reads the transaction of a place, which has one.
func (v *View) existing(p place) (*archived, error) {
	t, err := v.transaction(p)
	if err == nil && t == nil {
		err = fmt.Errorf("no transaction at %s", p)
	}
	return t, err
}

// recordsAt are the messages of one transaction; false where nobody wants more.
func (v *View) recordsAt(p place, yield func(schemas.Record, error) bool) bool {
	t, err := v.existing(p)
	if err != nil {
		yield(schemas.Record{}, err)
		return false
	}
	for i := range t.messages {
		r, err := v.Record(p.message(i))
		if !yield(r, err) || err != nil {
			return false
		}
	}
	return true
}
