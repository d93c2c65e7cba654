package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Loose lots in shipments. A thing is in one shipment at a time, and knows which. Some
// of a lot may be in several, and looks like what is in none: so a leaf lists those in
// which a holder has some of it. They are the holder's own: nobody fills it for another.

// promise lists a shipment with the lots that its holder has of it. What has ended or
// gone on is dropped when the list is full; a shipment for which there is no room then
// is handed over by acts.
func (m *message) promise(s *shipment) {
	for _, l := range s.Lots {
		key := schemas.LotShipmentsKey(l.Class, l.UOM, s.Holder)
		value, _ := m.get(key)
		ids := must(schemas.DecodeLotShipments(value))
		if slices.Contains(ids, s.id) {
			continue
		}
		if len(ids) >= schemas.MaxLotShipments {
			ids = slices.DeleteFunc(ids, func(id string) bool { return m.heldIn(id, s.Holder) == nil })
		}
		if len(ids) < schemas.MaxLotShipments {
			m.led.Set(key, schemas.AppendLotShipments(nil, append(ids, s.id)), nil)
		}
	}
}

// promised reports whether the author has some of a lot in a shipment.
func (m *message) promised(q schemas.Quantity) bool {
	value, _ := m.get(schemas.LotShipmentsKey(q.Class, q.UOM, m.partner))
	return value != nil
}

// heldIn is a shipment that a partner holds and that is not over, else nil.
func (m *message) heldIn(id, holder string) *shipment {
	if s := m.shipment(id); s != nil && !s.Free() && s.Holder == holder {
		return s
	}
	return nil
}

// enlistLot makes the offer of some of a lot part of a hand-over: of that which the act
// makes, or of a shipment in which the author has at least as much of it. One that is
// of the same amount goes before others, what was announced first before later ones.
func (m *message) enlistLot(o *schemas.Offer, q schemas.Quantity) {
	if m.shipping != nil {
		m.enterLot(m.shipping, o, q)
		return
	}
	value, _ := m.get(schemas.LotShipmentsKey(q.Class, q.UOM, m.partner))
	if value == nil || !q.Known {
		return
	}
	of := func(l schemas.ShipmentLot) bool { return l.Is(q.Class, q.UOM) }
	var fits, larger []*shipment
	for _, id := range must(schemas.DecodeLotShipments(value)) {
		s := m.heldIn(id, m.partner)
		if s == nil {
			continue
		}
		i := slices.IndexFunc(s.Lots, of)
		if i < 0 || m.enlisted(s, q) {
			continue
		}
		switch quantityOfLot(s.Lots[i]).Amount.Sub(q.Amount).Sign() {
		case 0:
			fits = append(fits, s)
		case 1:
			larger = append(larger, s)
		}
	}
	for _, s := range append(fits, larger...) {
		if m.joins(s, o.Party) {
			m.enterLot(s, o, q)
			return
		}
	}
}

func (m *message) enterLot(s *shipment, o *schemas.Offer, q schemas.Quantity) {
	if !m.lacksDocuments(s, o.Party, q.Class) {
		m.enter(s, o)
	}
}

// enlisted reports whether a lot is part of a shipment's open hand-over already.
func (m *message) enlisted(s *shipment, q schemas.Quantity) bool {
	if s.State != schemas.HandoverPending {
		return false
	}
	return slices.ContainsFunc(s.last.Lots, func(l schemas.ShipmentLot) bool { return l.Is(q.Class, q.UOM) }) ||
		slices.ContainsFunc(m.offers(offersKey(q, s.last.To)), func(o schemas.Offer) bool { return o.Shipment == s.id && o.Handover == s.Handovers })
}
