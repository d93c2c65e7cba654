package app

import (
	"time"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// receiptOf is what the caller of a transaction is told; what it says of
// duplicates is completed by a view.
func receiptOf(tx *schemas.Transaction, at schemas.Locator, t time.Time, results []schemas.Result) schemas.Receipt {
	r := schemas.Receipt{Transaction: tx.ID, Height: at.Height, Position: at.Position, Time: t, Events: make([]schemas.EventReceipt, len(results))}
	for i := range results {
		m := &tx.Messages[i]
		r.Events[i] = eventReceipt(m.EventIDOf(), m.Digest, &results[i])
	}
	return r
}

// eventReceipt has a list of flags even where there is none: JSON shows it empty.
// Of a duplicate it has only the place of the first.
func eventReceipt(eventID string, digest schemas.Hash, r *schemas.Result) schemas.EventReceipt {
	e := schemas.EventReceipt{EventID: eventID, Digest: digest, Code: r.Code, Effect: r.Effect, Flags: append([]schemas.Code{}, r.Flags...)}
	if r.First != nil {
		e.First = &schemas.FirstReceipt{Locator: *r.First}
	}
	return e
}

// completeReceipt fills in the first receipts of duplicates. An event without an
// eventID of its own has the one that was derived when it was recorded.
func (v *View) completeReceipt(r *schemas.Receipt) error {
	for i := range r.Events {
		first := r.Events[i].First
		if first == nil || first.Height > v.Height() {
			continue // none, or one of a dry run, which the archive does not have
		}
		record, err := v.bare(first.Locator)
		if isFault(err, schemas.HistoryMissing) {
			continue // its place is known, what was said of it is not yet
		}
		if err != nil {
			return err
		}
		first.Transaction, first.Time = record.Transaction, record.Time
		first.EventReceipt = eventReceipt(record.EventID, record.Digest, &record.Result)
		if first.Hash, err = v.hashOf(record); err != nil {
			return err
		}
		r.Events[i].EventID, r.Events[i].Hash = record.EventID, first.Hash
	}
	return nil
}

// Transaction returns the receipt of a committed transaction and who signed it,
// nil where there is none.
func (v *View) Transaction(id schemas.Hash) (*schemas.Receipt, *schemas.TransactionInfo, error) {
	row, err := v.row(transactionRow(id))
	if row == nil || err != nil {
		return nil, nil, err
	}
	p, _, err := decodeTransactionValue(row)
	if err != nil {
		return nil, nil, err
	}
	t, err := v.transaction(p)
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, store.Damaged("transaction %s is not in the archive", id)
	}
	if t.id != id { // a restored place is only checked for its order
		return nil, nil, store.Damaged("transaction %s is not where it should be", id)
	}
	r := &schemas.Receipt{Transaction: id, Height: p.height(), Position: p.position(), Time: t.time, Events: make([]schemas.EventReceipt, len(t.messages))}
	for i := range t.messages {
		record, err := t.record(p.message(i))
		if err != nil {
			return nil, nil, err
		}
		r.Events[i] = eventReceipt(record.EventID, record.Digest, &record.Result)
		if record.Result.Code == schemas.OK && record.Result.Effect != schemas.Duplicate {
			if r.Events[i].Hash, err = v.hashOf(record); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := v.completeReceipt(r); err != nil {
		return nil, nil, err
	}
	h := t.header
	return r, &schemas.TransactionInfo{Partner: h.Partner, KeyID: h.KeyId, Actor: h.Actor, Expiry: int64(h.Expiry), Atomic: h.Atomic}, nil
}
