package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a declaration does beyond voiding an event. State is compensated by further
// events, never rewound: nothing moves. But what the event left open, an offer that
// nobody answered or a receipt that waits for one, nobody has built upon: it ends.
// Else goods would still change hands by an event that did not occur.

// retract ends what the author's void event at a place left open, and tells of what
// came of it and stands.
func (m *message) retract(at schemas.Locator) {
	e := m.event
	offered, arrived := e.BizStep == shipped, e.BizStep == received
	if (offered || arrived) && e.Action != schemas.ActionDelete {
		built := false
		for _, id := range m.handed() {
			it := m.item(id)
			if arrived {
				built = !m.takeReceipt(it, at) && m.custodian(it) == m.partner || built
			} else {
				m.takeOffer(it, at)
			}
		}
		for _, q := range m.handedLots() {
			if arrived {
				m.takeLots(receiptsKey(q, m.partner), at)
			} else {
				m.takeLots(offersKey(q, m.receiver()), at)
			}
		}
		if offered {
			built = m.touchesAnothers(m.handed())
		}
		if built {
			m.flag(schemas.BuiltUpon)
		}
	}
	m.tellBuiltUpon()
}

// takeOffer withdraws an item's offer that was made at a place.
func (m *message) takeOffer(it *item, at schemas.Locator) {
	o := it.Offer
	if o == nil || o.Locator != at {
		return
	}
	it.Offer = nil
	m.touch(it, changed)
	m.withdrawn(o)
}

func (m *message) withdrawn(o *schemas.Offer) {
	m.flag(schemas.OfferCancelled)
	m.concern(o.Party)
	m.closeOffer(o, offerGone)
}

// takeReceipt drops the author's receipt of an item that waits since a place.
func (m *message) takeReceipt(it *item, at schemas.Locator) bool {
	r := m.receipt(it, m.partner)
	if r == nil || r.Locator != at {
		return false
	}
	m.led.Delete(schemas.WaitingKey(it.id, m.partner))
	m.led.DeleteRow(waitingRow(it.id, m.partner))
	it.Waiting--
	m.touch(it, seen)
	return true
}

// takeLots takes the author's offers or receipts of a lot that were made at a place off
// their list.
func (m *message) takeLots(key []byte, at schemas.Locator) {
	open := m.offers(key)
	left := slices.DeleteFunc(slices.Clone(open), func(o schemas.Offer) bool { return o.Locator == at })
	if len(left) == len(open) {
		return
	}
	m.setOffers(key, left)
	for i := range open {
		if o := &open[i]; o.Locator == at && o.Party != m.partner {
			m.withdrawn(o)
		}
	}
}

// tellBuiltUpon flags a declaration of an event that moved things which somebody else
// holds by now, or has some of: what it did has consequences that stand, and both sides
// are told. State is compensated by further events, never rewound.
func (m *message) tellBuiltUpon() {
	e := m.event
	if e.Action == schemas.ActionObserve || e.Type == schemas.AssociationEvent || e.Type == schemas.TransactionEvent {
		return
	}
	built := m.touchesAnothers(m.instances())
	made := e.OutputQuantities
	if e.Type == schemas.ObjectEvent && e.Action == schemas.ActionAdd {
		made = e.Quantities
	}
	for _, q := range made {
		if _, short := m.short(q, m.partner); short {
			built = true
		}
	}
	if built {
		m.flag(schemas.BuiltUpon)
	}
}
