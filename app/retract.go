package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a declaration does beyond voiding an event. State is compensated by further
// events, never rewound: nothing moves. But what the event left open, an offer that
// nobody answered or a receipt that waits for one, nobody has built upon: it ends.
// Else goods would still change hands by an event that did not occur.

// retract ends what the author's void event left open, and tells of what came of it and
// stands.
func (m *message) retract(p prior) {
	waited := m.endOpen(p.at)
	if !p.claim && m.builtUpon(p.at, waited) {
		m.flag(schemas.BuiltUpon)
	}
}

// endOpen ends the offers and receipts that were made at a place, and answers for which
// things a receipt was waiting.
func (m *message) endOpen(at schemas.Locator) (waited map[string]bool) {
	if m.event.Action == schemas.ActionDelete {
		return nil
	}
	switch m.event.BizStep {
	case shipped:
		for _, id := range m.handed() {
			m.takeOffer(m.item(id), at)
		}
		for _, q := range m.handedLots() {
			m.takeLots(offersKey(q, m.receiver()), at)
		}
	case received:
		waited = map[string]bool{} // only ever looked up
		for _, id := range m.handed() {
			waited[id] = m.takeReceipt(m.item(id), at)
		}
		for _, q := range m.handedLots() {
			m.takeLots(receiptsKey(q, m.partner), at)
		}
	}
	return waited
}

// builtUpon reports whether what the void event did has consequences that stand, all of
// whose holders are told: somebody else holds by now what it moved or handed over, or has
// some of what it made; or its author has what it received. Loose lots that it handed over
// or received somebody has, wherever they are by now.
func (m *message) builtUpon(at schemas.Locator, waited map[string]bool) (built bool) {
	e := m.event
	moves := e.Action != schemas.ActionObserve && e.Type != schemas.AssociationEvent && e.Type != schemas.TransactionEvent
	hands := e.Action != schemas.ActionDelete
	switch {
	case moves:
		built = m.touchesAnothers(m.instances())
	case hands && e.BizStep == shipped:
		built = m.touchesAnothers(m.handed())
	}
	if hands && e.BizStep == received {
		built = built || slices.ContainsFunc(m.handed(), func(id string) bool { return !waited[id] && m.custodian(m.item(id)) == m.partner })
	}
	if hands && (e.BizStep == shipped || e.BizStep == received) && len(m.handedLots()) > 0 {
		built = m.lotsPassed(at) || built
	}
	if !moves {
		return built
	}
	made := e.OutputQuantities
	if e.Type == schemas.ObjectEvent && e.Action == schemas.ActionAdd {
		made = e.Quantities
	}
	return built || slices.ContainsFunc(made, func(q schemas.Quantity) bool { _, short := m.short(q, m.partner); return short })
}

// lotsPassed reports whether loose lots went from partner to partner by a message, or by
// the answer to it, and tells the other.
func (m *message) lotsPassed(at schemas.Locator) bool {
	value, _ := m.get(schemas.LotPassedKey(at))
	if value == nil {
		return false
	}
	m.concern(must(schemas.DecodeRelease(value)))
	return true
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
