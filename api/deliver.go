package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// carry takes the entries of one job, or one entry of gathered events, to their
// outcome, one after the other, so that a document's events apply in order.
func (o *outbox) carry(entries []*entry) {
	for i, e := range entries {
		if i > 0 {
			o.behind.Add(-int64(e.Size))
		}
		out, err := o.deliver(e)
		for err != nil {
			if errors.Is(err, errStopped) {
				return // what is left goes on at the next start
			}
			// A fault of this node's own, such as a full disk: nothing is decided.
			o.log.Error("delivering a transaction", slog.String("entry", e.ID), slog.Any("error", err))
			if !pause(o.ctx, o.limits.MaxRetry) {
				return
			}
			out, err = o.deliver(e)
		}
		if out == nil {
			continue // split into others, which carry on alone
		}
		last := i == len(entries)-1
		for err = o.finish(e, out, last); err != nil; err = o.finish(e, out, last) {
			o.log.Error("writing the outcome of a transaction", slog.String("entry", e.ID), slog.Any("error", err))
			if !pause(o.ctx, o.limits.MaxRetry) {
				return
			}
		}
	}
}

// pause waits, and answers false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// deliver broadcasts an entry until it has an outcome. A refusal of bytes that
// no network has seen is final. Once they may be out there, a refusal is only a
// reason to ask the ledger, which tells either the receipt or that their expiry
// has passed; only then may others be signed in their place.
func (o *outbox) deliver(e *entry) (*outcome, error) {
	known := false
	for attempt := 0; ; attempt++ {
		before := e.sent
		err := o.send(e)
		var refusal *schemas.Fault
		switch {
		case err == nil:
		case !errors.As(err, &refusal):
			return nil, err
		case refusal.Code == schemas.Replayed:
			known = known || !before && !e.sent
		case !e.sent && refusal.Code != schemas.Expired && (e.Client || refusal.Code != schemas.WrongRules):
			return o.refused(e, refusal)
		}
		receipt, err := o.await(e, attempt)
		switch {
		case err == nil:
			return &outcome{receipt: receipt, known: known}, nil
		case errors.Is(err, context.DeadlineExceeded):
			o.resent.Add(1) // it may be lost, so it is sent again
		case errors.Is(err, ErrExpired):
			if e.Client {
				if refusal == nil {
					refusal = fault(schemas.Expired, "not committed up to its expiry height")
				}
				return &outcome{fault: refusal}, nil
			}
			if err := o.renew(e); errors.As(err, &refusal) {
				return &outcome{fault: refusal}, nil // the old bytes are void, and there can be no others
			} else if err != nil {
				return nil, err
			}
			attempt = -1
		default:
			return nil, err
		}
	}
}

// send broadcasts an entry's bytes.
func (o *outbox) send(e *entry) (err error) {
	if e.parcel == nil {
		if o.line.waiting() > 0 {
			e.raw = nil // it is read again when its turn comes: memory is for others
		}
		e.parcel, err = o.line.send(o.ctx, o.loader(e), &e.sent)
	}
	if e.parcel != nil {
		e.raw = nil
		err = o.line.await(o.ctx, e.parcel)
		e.parcel = nil
	}
	if err == nil {
		e.sent, e.raw = true, nil
	}
	return err
}

// loader returns what reads an entry's bytes.
func (o *outbox) loader(e *entry) func() ([]byte, error) {
	raw, id := e.raw, e.ID
	return func() ([]byte, error) {
		if raw == nil {
			return o.store.Raw(id)
		}
		defer func() { raw = nil }() // a second try is a later one: memory is for others
		return raw, nil
	}
}

// await waits for the outcome, longer at each attempt.
func (o *outbox) await(e *entry, attempt int) (*schemas.Receipt, error) {
	patience := 2 * time.Second << min(attempt, 5)
	ctx, cancel := context.WithTimeout(o.ctx, patience)
	defer cancel()
	receipt, err := o.ledger.Await(ctx, e.Transaction, e.Expiry)
	if err != nil && o.ctx.Err() != nil {
		return nil, errStopped
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) {
		if !pause(o.ctx, o.limits.Retry) {
			return nil, errStopped
		}
		return nil, context.DeadlineExceeded
	}
	return receipt, err
}

// refused judges the refusal of bytes that nobody has. Where several requests
// share them, one event must not refuse its neighbours: each is tried alone.
func (o *outbox) refused(e *entry, why *schemas.Fault) (*outcome, error) {
	if len(e.Parts) == 1 {
		return &outcome{fault: why}, nil
	}
	events, err := o.events(e)
	if err != nil {
		return nil, err
	}
	var alone []*entry
	changes := local.DeleteEntry(e.ID)
	for i, p := range e.Parts {
		signed, err := o.sign(e.Actor, false, events[i:i+1])
		if errors.As(err, &why) {
			return &outcome{fault: why}, nil
		} else if err != nil {
			return nil, err
		}
		one := newEntry(p.Job, e.Actor, false, signed)
		one.Parts, one.waits = []local.Part{p}, e.waits[i:i+1]
		alone = append(alone, one)
		changes = append(changes, local.PutEntry(&one.Entry, one.raw)...)
	}
	if err := o.store.Commit(changes...); err != nil {
		return nil, err
	}
	o.count(alone, 1)
	o.count([]*entry{e}, -1)
	for _, one := range alone {
		o.work.Go(func() { o.carry([]*entry{one}) })
	}
	return nil, nil
}

// renew signs an entry's events again. The duplicate keys stay the same, and so
// does the job.
func (o *outbox) renew(e *entry) error {
	events, err := o.events(e)
	if err != nil {
		return err
	}
	signed, err := o.sign(e.Actor, e.Atomic, events)
	if err != nil {
		return err
	}
	next := e.Entry
	next.Transaction, next.Expiry, next.Size = signed.ID, signed.Expiry, len(signed.Raw)
	if err := o.store.Commit(local.PutEntry(&next, signed.Raw)...); err != nil {
		return err
	}
	o.bytes.Add(int64(next.Size - e.Size))
	e.Entry, e.raw, e.sent = next, signed.Raw, false
	o.signed.Add(1)
	o.log.Info("signed again after expiry", slog.String("entry", e.ID), slog.Int64("expiry", e.Expiry))
	return nil
}

// events reads an entry's events back from its own transaction.
func (o *outbox) events(e *entry) ([]*schemas.Event, error) {
	events, _, err := o.signedIn(e)
	return events, err
}

// signedIn reads the events of an entry's transaction, and the partner that signed it.
func (o *outbox) signedIn(e *entry) (events []*schemas.Event, by string, err error) {
	raw := e.raw
	if raw == nil {
		if raw, err = o.store.Raw(e.ID); err != nil {
			return nil, "", err
		}
	}
	tx, err := o.codec.Decode(raw)
	if err != nil {
		return nil, "", err
	}
	events = make([]*schemas.Event, len(tx.Messages))
	for i := range tx.Messages {
		events[i] = tx.Messages[i].Event
	}
	return events, tx.Header.Partner, nil
}

// sign signs events, and waits while the node cannot.
func (o *outbox) sign(actor string, atomic bool, events []*schemas.Event) (Signed, error) {
	for {
		signed, err := o.ledger.Sign(actor, atomic, events)
		if err == nil || !transient(err) {
			return signed, err
		}
		if !pause(o.ctx, o.limits.MaxRetry) {
			return Signed{}, errStopped
		}
	}
}

// transient reports whether the same may succeed later.
func transient(err error) bool {
	var f *schemas.Fault
	if errors.As(err, &f) {
		return f.Code == schemas.Unavailable || f.Code == schemas.Overloaded
	}
	return true
}

func newEntry(id, actor string, atomic bool, s Signed) *entry {
	return &entry{Entry: local.Entry{ID: id, Actor: actor, Atomic: atomic, Transaction: s.ID, Expiry: s.Expiry, Size: len(s.Raw)}, raw: s.Raw, chunk: -1}
}
