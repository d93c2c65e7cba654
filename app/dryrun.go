package app

import (
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// DryRun answers the receipt that the events would get in the next block, in this
// order and before anything else that waits. Nothing is recorded. The keys that
// duplicates are found by are the events' own, or none at all.
//
// The receipt names no transaction and no digests: those depend on the secret
// and the nonce that are drawn when a transaction is signed.
func (a *App) DryRun(actor, partner string, atomic bool, events []*schemas.Event, duplicateKeys ...[]byte) (receipt *schemas.Receipt, err error) {
	if len(events) == 0 || len(events) > schemas.MaxMessages || len(duplicateKeys) != 0 && len(duplicateKeys) != len(events) {
		return nil, &schemas.Fault{Code: schemas.TransactionTooLarge, Detail: fmt.Sprintf("%d events, 1 to %d fit one transaction", len(events), schemas.MaxMessages)}
	}
	v, err := a.View()
	if err != nil {
		return nil, err
	}
	if known, _, err := v.get(schemas.PartnerKey(partner)); known == nil || err != nil {
		return nil, orUnknown(partner, err)
	}
	key, err := v.rehearsing(partner, events[0].Role())
	if err != nil {
		return nil, err
	}
	tx := &schemas.Transaction{
		Header:   &schemas.Header{ChainId: a.chainID(), Rules: schemas.RulesVersion, Partner: partner, KeyId: key, Actor: actor, Expiry: uint64(v.Height() + 1), Atomic: atomic},
		Messages: make([]schemas.Message, len(events)),
	}
	for i, e := range events {
		m := &tx.Messages[i]
		m.Kind, m.Event, m.Skeleton = e.KindOf(), e, e.Skeleton.Append(nil)
		if tx.Weight = tx.Weight.Plus(e.Weight(len(m.Skeleton))); tx.Weight.Check() != nil {
			return nil, tx.Weight.Check() // as signing would answer
		}
		if len(duplicateKeys) > 0 {
			m.DuplicateKey = duplicateKeys[i]
		}
		// Events that have no eventID need different digests to have different ids.
		m.Digest = schemas.Sum("waybill/dryrun", fmt.Appendf(nil, "%d", i), m.Skeleton)
	}
	b := &block{led: v.at.Scratch(), chain: a.chainID(), height: v.Height() + 1, time: v.nextTime(), dir: a.directory.Load(),
		before: leavesOf(v.at), most: a.lookups, followed: map[string]bool{}}
	receipt, err = v.rehearse(b, tx)
	return receipt, v.answered(err)
}

// rehearse runs a transaction over a scratch block.
func (v *View) rehearse(b *block, tx *schemas.Transaction) (receipt *schemas.Receipt, err error) {
	defer recovered(&err)
	at := schemas.Locator{Height: b.height}
	results, ok := b.safely(tx, at.Position)
	if !ok {
		return nil, &schemas.Fault{Code: schemas.RuleFailed}
	}
	r := receiptOf(tx, at, b.time, results)
	var hasher schemas.EventHasher
	for i := range r.Events {
		e := &r.Events[i]
		if e.Code == schemas.OK && e.Effect != schemas.Duplicate {
			e.Hash = mainHash(hasher.IDs(tx.Messages[i].Event)) // an event of the caller's, not to be changed
		}
		e.EventID, e.Digest = tx.Messages[i].Event.Skeleton.EventID, schemas.Hash{}
		if e.First != nil && e.First.Height == b.height {
			first := int(e.First.Index) // an event of this very rehearsal
			e.First.Time = b.time
			e.First.EventReceipt = eventReceipt(tx.Messages[first].Event.Skeleton.EventID, schemas.Hash{}, &results[first])
		}
	}
	if err := v.completeReceipt(&r); err != nil {
		return nil, err
	}
	return &r, nil
}

// nextTime is the least that the next block's time can be.
func (v *View) nextTime() time.Time {
	if v.time.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return v.time
}

func orUnknown(partner string, err error) error {
	if err != nil {
		return err
	}
	return &schemas.Fault{Code: schemas.UnknownPartner, Detail: fmt.Sprintf("no partner %q", partner)}
}
