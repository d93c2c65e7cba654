package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Why an act about shipments or recalls was refused, and an event that met one: which of
// its things, lots or partners it was, and how that stands, as the own node knows by now.
// What its author has nothing to do with, it is told nothing about.

// whyNot is what is looked at to tell it.
type whyNot struct {
	view View
	by   string // who signed it
	act  schemas.Act
	e    *schemas.Skeleton
}

// reasons are what tells more of a code than its name, of acts and events.
var reasons = map[schemas.Code]func(*whyNot) (string, error){ // only ever looked up
	schemas.NotCustodian: (*whyNot).holders, schemas.BalanceTooLow: (*whyNot).lacking,
	schemas.PartnerInactive: (*whyNot).inactive, schemas.OfferToSelf: (*whyNot).toSelf, schemas.NotAParty: (*whyNot).noParty,
	schemas.InShipment: (*whyNot).inShipment, schemas.NotAUnit: (*whyNot).noUnit, schemas.OfferOpen: (*whyNot).offered,
	schemas.WrongState: (*whyNot).standing, schemas.WrongRole: (*whyNot).standing, schemas.ShipmentHeld: (*whyNot).held, schemas.OfferExpired: (*whyNot).over,
	schemas.NoSuchHandover: (*whyNot).numbers, schemas.NothingToOffer: (*whyNot).standing, schemas.BadDiscrepancy: (*whyNot).differs,
	schemas.DocumentsMissing: (*whyNot).documents, schemas.NotMaker: (*whyNot).made, schemas.RecalledItem: (*whyNot).recalled, schemas.QuantityNeeded: (*whyNot).unsaid,
}

// why tells it, "" where nothing is found: meanwhile it may stand otherwise.
func (o *outbox) why(tell func(*whyNot) (string, error), e *schemas.Event, by string) string {
	if by == "" {
		return ""
	}
	view, err := o.ledger.View()
	if err != nil {
		return ""
	}
	said, err := tell(&whyNot{view, by, e.Skeleton.Act, &e.Skeleton})
	if err != nil || said == "" {
		return ""
	}
	return ": " + said
}

// shipmentID is the shipment that an act is about, "" of others; n the hand-over.
func (w *whyNot) shipmentID() (id string, n uint64) {
	switch a := w.act.(type) {
	case *schemas.ShipmentStep:
		return a.Shipment, 0
	case *schemas.AttachDocuments:
		return a.Shipment, 0
	case *schemas.OfferHandover:
		return a.Shipment, 0
	case *schemas.ReturnShipment:
		return a.Shipment, 0
	case *schemas.AcceptHandover:
		return a.Shipment, a.Handover
	case *schemas.HandoverStep:
		return a.Shipment, a.Handover
	case *schemas.DisputeHandover:
		return a.Shipment, a.Handover
	case *schemas.AddEvidence:
		return a.Shipment, a.Handover
	case *schemas.ResolveDispute:
		return a.Shipment, a.Handover
	}
	return "", 0
}

// shipment is the one that an act is about or an event names something of, nil where there
// is none or the author is no party of it.
func (w *whyNot) shipment() (s *schemas.ShipmentInfo, n uint64, err error) {
	id, n := w.shipmentID()
	if id == "" && w.act == nil {
		for _, thing := range w.things() {
			it, err := w.view.Item(thing)
			if err != nil {
				return nil, 0, err
			}
			if it != nil && it.Shipment != "" {
				id = it.Shipment
				break
			}
		}
	}
	if id == "" {
		return nil, 0, nil
	}
	s, err = w.view.Shipment(id)
	if err != nil || s == nil || !slices.Contains(s.Parties(), w.by) {
		return nil, 0, err
	}
	return s, n, nil
}

// things are what is named, as many as are looked at.
func (w *whyNot) things() []string {
	ids := append([]string{w.e.ParentID}, w.e.EPCs...)
	switch a := w.act.(type) {
	case *schemas.AnnounceShipment:
		ids = a.Items
	case *schemas.Recall:
		ids = a.Items
	case *schemas.ExtendRecall:
		ids = a.Items
	}
	return slices.DeleteFunc(slices.Clone(ids[:min(len(ids), refusalThings)]), func(id string) bool { return id == "" })
}

// each looks at things until something is to be told of one.
func (w *whyNot) each(ids []string, tell func(id string, it *schemas.ItemState) string) (string, error) {
	for _, id := range ids {
		it, err := w.view.Item(id)
		if err != nil {
			return "", err
		}
		if it == nil {
			it = &schemas.ItemState{ID: id}
		}
		if said := tell(id, it); said != "" {
			return said, nil
		}
	}
	return "", nil
}

// partners are those that are to get something, or to be party of a shipment.
func (w *whyNot) partners() []string {
	switch a := w.act.(type) {
	case *schemas.AnnounceShipment:
		s := schemas.Shipment{ShipmentParties: a.ShipmentParties}
		return s.Parties()
	case *schemas.OfferHandover:
		return []string{a.To}
	case *schemas.ReturnShipment:
		if s, _, err := w.shipment(); err == nil && s != nil {
			return []string{s.Shipper}
		}
	}
	return nil
}

func (w *whyNot) inactive() (string, error) {
	for _, id := range w.partners() {
		p, err := w.view.Partner(id)
		switch {
		case err != nil:
			return "", err
		case p == nil:
			return "no partner is called " + clip(id), nil
		case p.State != schemas.Active:
			return fmt.Sprintf("%s is %s", id, p.State), nil
		case p.Standing == schemas.StandingObserver && w.isOffer():
			return id + " is an observer, and takes nothing", nil
		}
	}
	return "", nil
}

func (w *whyNot) isOffer() bool { _, offers := w.act.(*schemas.OfferHandover); return offers }

func (w *whyNot) toSelf() (string, error) {
	a, ok := w.act.(*schemas.AnnounceShipment)
	switch {
	case !ok:
		return w.by + " has it", nil
	case a.Receiver == w.by:
		return "the receiver is " + w.by + ", who announces it", nil
	case slices.Contains(a.Carriers, a.Receiver):
		return a.Receiver + " is the receiver, and is not among the carriers as well", nil
	}
	return "", nil
}

func (w *whyNot) noParty() (string, error) {
	a, ok := w.act.(*schemas.OfferHandover)
	s, _, err := w.shipment()
	if !ok || s == nil || err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is not %s", clip(a.To), strings.Join(append(slices.Clone(s.Carriers), s.Receiver), " or ")), nil
}

func (w *whyNot) inShipment() (string, error) {
	return w.each(w.things(), func(id string, it *schemas.ItemState) string {
		if it.Shipment == "" {
			return ""
		}
		s, err := w.view.Shipment(it.Shipment)
		switch {
		case err != nil || s == nil || s.Free():
			return ""
		case !slices.Contains(s.Parties(), w.by):
			return clip(id) + " is in a shipment of others"
		}
		return fmt.Sprintf("%s is in shipment %s, which is %s", clip(id), clip(s.ID), s.State)
	})
}

func (w *whyNot) noUnit() (string, error) {
	return w.each(w.things(), func(id string, it *schemas.ItemState) string {
		switch {
		case it.Ended:
			return clip(id) + " was consumed, destroyed or decommissioned"
		case it.Parent != "" && it.Custodian == w.by:
			return clip(id) + " is inside " + clip(it.Parent)
		case it.Parent != "":
			return clip(id) + " is inside something"
		}
		return ""
	})
}

func (w *whyNot) offered() (string, error) {
	s, _, err := w.shipment()
	if s == nil || err != nil {
		return "", err
	}
	return w.each(s.Contents, func(id string, it *schemas.ItemState) string {
		if it.Offer == nil || it.Custodian != w.by {
			return ""
		}
		return clip(id) + " is offered to " + it.Offer.Party
	})
}

// standing is how the shipment stands, and its last hand-over.
func (w *whyNot) standing() (string, error) {
	id, _ := w.shipmentID()
	s, _, err := w.shipment()
	switch {
	case err != nil || id == "":
		return "", err
	case s == nil:
		return w.by + " is no party of the shipment", nil
	}
	said := fmt.Sprintf("%s is %s with %s", clip(s.ID), s.State, s.Holder)
	if s.HeldBy != "" {
		said += ", stopped by " + s.HeldBy
	}
	if len(s.Last) > 0 {
		h := &s.Last[0]
		said += fmt.Sprintf(", its last hand-over, %d, from %s to %s, %s", h.Number, h.Offered.Partner, h.To, strings.ReplaceAll(h.State.String(), "_", " "))
	}
	if s.Disputed > 0 {
		said += fmt.Sprintf(", and hand-over %d is argued about", s.Disputed)
	}
	return said, nil
}

func (w *whyNot) held() (string, error) {
	s, _, err := w.shipment()
	if s == nil || err != nil || s.HeldBy == "" {
		return "", err
	}
	return s.HeldBy + " stopped " + clip(s.ID), nil
}

func (w *whyNot) over() (string, error) {
	until := int64(0)
	switch a := w.act.(type) {
	case *schemas.OfferHandover:
		until = a.Until
	case *schemas.ReturnShipment:
		until = a.Until
	}
	if until != 0 {
		return fmt.Sprintf("until, %s, is past: the ledger's time is %s", ledgerTime(until).Format(time.RFC3339), w.view.Time().UTC().Format(time.RFC3339)), nil
	}
	s, n, err := w.shipment()
	if s == nil || err != nil {
		return "", err
	}
	for i := range s.Last {
		if h := &s.Last[i]; h.Number == n {
			return fmt.Sprintf("hand-over %d, to %s, ended at %s", n, h.To, ledgerTime(h.Until).Format(time.RFC3339)), nil
		}
	}
	return "", nil
}

func (w *whyNot) numbers() (string, error) {
	s, _, err := w.shipment()
	switch {
	case s == nil || err != nil:
		return "", err
	case s.Handovers == 0:
		return clip(s.ID) + " was not offered yet: its first hand-over will be 1", nil
	}
	return fmt.Sprintf("the last hand-over of %s is %d", clip(s.ID), s.Handovers), nil
}

func (w *whyNot) differs() (string, error) {
	a, ok := w.act.(*schemas.AcceptHandover)
	s, _, err := w.shipment()
	if !ok || s == nil || err != nil {
		return "", err
	}
	for i := range a.Discrepancies {
		d := &a.Discrepancies[i]
		if said, err := w.discrepancy(s, d); said != "" || err != nil {
			return fmt.Sprintf("discrepancy %d, %s of %s: %s", i, d.What, clip(d.ID), said), err
		}
	}
	return "what is said of a lot does not fit together: it is short or over, and no more of it damaged than came", nil
}

func (w *whyNot) discrepancy(s *schemas.ShipmentInfo, d *schemas.Discrepancy) (string, error) {
	named := slices.IndexFunc(s.Lots, func(l schemas.ShipmentLot) bool { return l.Class == d.ID })
	of := slices.IndexFunc(s.Lots, func(l schemas.ShipmentLot) bool { return l.Is(d.ID, d.UOM) })
	switch {
	case of >= 0 && d.Quantity == "":
		return "say how much", nil
	case of >= 0:
		l := s.Lots[of]
		offered, err := schemas.ParseDecimal(l.Quantity)
		said, wrong := schemas.ParseDecimal(d.Quantity)
		if err == nil && wrong == nil && offered.Sub(said).Sign() < 0 {
			return fmt.Sprintf("%s%s is offered, and not %s", l.Quantity, inUnit(l.UOM), d.Quantity), nil
		}
		return "", nil
	case named >= 0:
		return "it is offered" + inUnit(s.Lots[named].UOM) + ", and in no other unit", nil
	case d.Quantity != "" || d.UOM != "":
		return "no such lot is offered, and one thing has neither quantity nor unit", nil
	}
	it, err := w.view.Item(d.ID)
	ours := it != nil && it.Offer != nil && it.Offer.Shipment == s.ID
	switch {
	case err != nil:
		return "", err
	case ours && d.What == schemas.Over:
		return "it is offered: one thing cannot be more", nil
	case !ours && d.What != schemas.Over:
		return "it is no part of the hand-over", nil
	}
	return "", nil
}

func (w *whyNot) documents() (string, error) {
	s, _, err := w.shipment()
	if s == nil || err != nil {
		return "", err
	}
	var lacking []string
	for i, term := range s.Documents {
		if s.Attachment(i+1) != nil {
			continue
		}
		name := clip(term.Kind)
		if name == "" {
			name = term.Hash.String()
		}
		lacking = append(lacking, name)
	}
	if len(lacking) == 0 {
		return "", nil
	}
	return clip(s.ID) + " lacks " + clip(strings.Join(lacking, ", ")), nil
}

func (w *whyNot) made() (string, error) {
	return w.each(w.things(), func(id string, it *schemas.ItemState) string {
		switch it.Maker {
		case w.by:
			return ""
		case "":
			return "nobody made " + clip(id) + " on this ledger"
		}
		if party, err := partyTo(w.view, it, w.by); err != nil || !party {
			return "somebody else made " + clip(id)
		}
		return it.Maker + " made " + clip(id)
	})
}

func (w *whyNot) recalled() (string, error) {
	ids := w.things()
	for _, q := range w.e.Quantities {
		ids = append(ids, q.Class)
	}
	if w.act != nil {
		s, _, err := w.shipment()
		if s == nil || err != nil {
			return "", err
		}
		ids = slices.Clone(s.Contents[:min(len(s.Contents), refusalThings)])
		for _, l := range s.Lots {
			ids = append(ids, l.Class)
		}
	}
	for _, id := range ids {
		refs, err := w.view.Recalled(id)
		if err != nil {
			return "", err
		}
		if len(refs) > 0 {
			return fmt.Sprintf("%s is called back by %s/%s", clip(id), refs[0].Issuer, refs[0].Recall), nil
		}
		inside, err := w.view.RecallsInside(id)
		switch {
		case err != nil:
			return "", err
		case inside.Many:
			return "more open recalls than are listed name things inside " + clip(id) + ": empty it", nil
		case len(inside.Recalls) > 0:
			r := inside.Recalls[0]
			return fmt.Sprintf("%s/%s calls back %d of what is inside %s: take it out", r.Issuer, r.Recall, r.Things, clip(id)), nil
		}
	}
	return "", nil
}

func (w *whyNot) unsaid() (string, error) {
	for _, q := range append(slices.Clone(w.e.Quantities), w.e.OutputQuantities...) {
		if !q.Known {
			return "of " + clip(q.Class) + " no quantity is told", nil
		}
	}
	return "", nil
}
