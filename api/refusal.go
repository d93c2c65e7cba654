package api

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of looking up what an event was refused for.
const (
	refusalTime  = time.Second
	refusalLooks = 100 // for one transaction; what is refused beside is told without
	refusalReads = 32  // events of one eventID: other partners may have used it, too; of a trail
	refusalItems = 100 // that a refused event names

	refusalThings = schemas.MaxShipmentItems // of a refused act, each of which is one look at the state
)

// explain reads the events of a transaction back, where what they say tells why one
// was refused.
func (o *outbox) explain(e *entry, out *outcome) {
	if out.receipt == nil || out.events != nil || !slices.ContainsFunc(out.receipt.Events, func(r schemas.EventReceipt) bool {
		return r.Code == schemas.EventIDConflict || reasons[r.Code] != nil
	}) {
		return
	}
	events, by, err := o.signedIn(e)
	if err != nil {
		o.log.Warn("reading why a transaction was refused", slog.String("entry", e.ID), slog.Any("error", err))
		return
	}
	out.events, out.signer = events, by
}

// event is the i-th event of the outcome's transaction, nil where it was not needed.
func (o *outcome) event(i int) *schemas.Event {
	if i >= len(o.events) {
		return nil
	}
	return o.events[i]
}

// refused tells what was: an event by its id; of an act, whose id its sender never saw, that
// it was the act.
func (o *outcome) refused(e *schemas.EventReceipt) string {
	if o.act {
		return "this act was refused"
	}
	return "event " + clip(e.EventID) + " was refused"
}

// refusal tells why the i-th event of an outcome was refused, with what it met. Where only
// its receipt is known it tells less; the partner that signed it is told what it has to
// do with itself: a guest nothing of its host.
func (o *outbox) refusal(e *schemas.EventReceipt, of *outcome, i int) string {
	text, event, by := of.refused(e), of.event(i), of.signer
	if tell := reasons[e.Code]; tell != nil && event != nil {
		return text + o.why(tell, event, by)
	}
	if e.Code != schemas.EventIDConflict || by == "" {
		return text
	}
	ctx, cancel := context.WithTimeout(o.ctx, refusalTime)
	defer cancel()
	view, err := o.ledger.View()
	if err != nil {
		return text
	}
	page, err := view.Page(ctx, schemas.EventQuery{EventIDs: []string{e.EventID}, OrderBy: schemas.ByRecordTime, Ascending: true, MaxHeight: view.Height(), Limit: refusalReads})
	if err != nil {
		return text
	}
	for i := range page.Records {
		r := &page.Records[i]
		if r.Partner != by || r.EventID != e.EventID || r.Skeleton.Declaration != nil {
			continue
		}
		return fmt.Sprintf("%s: %s recorded another event under this eventID at %s, eventTime %s, as message %d of transaction %s (position %d of height %d)", text, by,
			r.Time.UTC().Format(timeFormat), time.Unix(0, r.Skeleton.EventTime).UTC().Format(time.RFC3339Nano), r.Index, r.Transaction, r.Position, r.Height)
	}
	if page.More {
		return text
	}
	return text + ": another event that was sent with it has this eventID"
}

// holders tells who holds what an event names and its author does not: the first that
// the author is a party of. What it is none of, it is told nothing about.
func (w *whyNot) holders() (string, error) {
	ids := slices.Concat([]string{w.e.ParentID}, w.e.EPCs, w.e.OutputEPCs)
	if a, ok := w.act.(*schemas.AnnounceShipment); ok {
		ids = a.Items
	}
	for _, id := range ids[:min(len(ids), refusalItems)] {
		if id == "" {
			continue
		}
		it, err := w.view.Item(id)
		if err != nil {
			return "", err
		}
		if it == nil || it.Custodian == "" || it.Custodian == w.by {
			continue
		}
		party, err := partyTo(w.view, it, w.by)
		if err != nil {
			return "", err
		}
		if party {
			return clip(id) + " is held by " + it.Custodian, nil
		}
	}
	return "", nil
}

// lacking tells of which class or lot an event takes more than its author holds, and how
// much that is, as the own node knows by now. What somebody else holds it does not tell.
func (w *whyNot) lacking() (string, error) {
	taken, err := takes(w.view, w.e)
	if err != nil {
		return "", err
	}
	for _, q := range taken[:min(len(taken), refusalItems)] {
		balances, err := w.view.Balances(q.Class)
		if err != nil {
			return "", err
		}
		of := func(b schemas.Balance) bool { return b.Partner == w.by && b.UOM == q.UOM }
		i := slices.IndexFunc(balances, of)
		if i < 0 {
			return fmt.Sprintf("%s holds none of %s%s, and not %s", w.by, clip(q.Class), inUnit(q.UOM), q.Amount), nil
		}
		if !balances[i].Known {
			continue
		}
		if held, err := schemas.ParseDecimal(balances[i].Quantity); err == nil && held.Sub(q.Amount).Sign() < 0 {
			return fmt.Sprintf("of %s%s %s holds %s, and not %s", clip(q.Class), inUnit(q.UOM), w.by, held, q.Amount), nil
		}
	}
	return "", nil
}

func inUnit(uom string) string {
	if uom == "" {
		return ""
	}
	return " in " + uom
}

// takes are the known amounts that an event takes of its author's, one of each class or
// lot and unit. An acceptance takes of somebody else's.
func takes(view View, e *schemas.Skeleton) (out []schemas.Quantity, err error) {
	list := e.Quantities
	var lots []schemas.ShipmentLot
	id := ""
	switch a := e.Act.(type) {
	case *schemas.AnnounceShipment:
		lots = a.Lots
	case *schemas.OfferHandover:
		id = a.Shipment
	case *schemas.ReturnShipment:
		id = a.Shipment
	}
	if id != "" {
		s, err := view.Shipment(id)
		if s == nil || err != nil {
			return nil, err
		}
		lots = s.Lots
	}
	for _, l := range lots {
		q := schemas.Quantity{Class: l.Class, UOM: l.UOM, Known: true}
		if q.Amount, err = schemas.ParseDecimal(l.Quantity); err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	for _, q := range list {
		if !q.Known {
			continue
		}
		if i := slices.IndexFunc(out, func(o schemas.Quantity) bool { return o.Class == q.Class && o.UOM == q.UOM }); i >= 0 {
			out[i].Amount = out[i].Amount.Add(q.Amount)
		} else {
			out = append(out, q)
		}
	}
	return out, nil
}

// partyTo reports whether a partner has to do with an item: it made it, is to get
// it, is a party of its shipment, or is among those who last changed its state. A
// receipt that waits for an offer is nobody's word but its author's, and does not count.
func partyTo(view View, it *schemas.ItemState, by string) (bool, error) {
	if it.Maker == by || it.Offer != nil && it.Offer.Party == by {
		return true, nil
	}
	if it.Shipment != "" {
		s, err := view.Shipment(it.Shipment)
		if err != nil {
			return false, err
		}
		if s != nil && slices.Contains(s.Parties(), by) {
			return true, nil
		}
	}
	key := schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: it.ID}
	records, err := view.Trail(key, max(it.Custody.Count, refusalReads)-refusalReads, refusalReads)
	return slices.ContainsFunc(records, func(r schemas.Record) bool { return r.Partner == by }), err
}
