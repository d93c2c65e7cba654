package app

import "github.com/waybill-ledger/waybill/schemas"

// Documents. What the terms of a shipment require, any of its parties attaches: a
// certificate is the inspector's, a customs paper the carrier's. They are wanted when it
// is handed over to its receiver, not before: some come into being on the way.

// attach notes documents that the terms require. A later one takes an earlier one's
// place; the trail has all.
func (m *message) attach(a *schemas.AttachDocuments) {
	s := m.findShipment(a.Shipment)
	if s == nil {
		return
	}
	if _, ok := m.step(s, doAttach); !ok {
		return
	}
	for _, d := range a.Documents {
		if !s.Attach(d, m.partner, m.now(), m.at) {
			m.result.Code = schemas.NotRequired
			return
		}
	}
	m.touchShipment(s)
}

// lacksDocuments judges a unit's or lot's hand-over to the receiver, its offer and its
// acceptance, by what the terms require: without it strict custody refuses, elsewhere both
// sides are told.
func (m *message) lacksDocuments(s *shipment, to, id string) bool {
	if to != s.Receiver || s.Complete() {
		return false
	}
	if m.strict(id) {
		m.result.Code = schemas.DocumentsMissing
		return true
	}
	m.tell(s, schemas.DocumentsMissing)
	return false
}

// barred reports whether the author may not take a unit or lot that it is offered: its
// shipment is stopped or lacks documents, or the key is none to accept with.
func (m *message) barred(id string, o *schemas.Offer) bool {
	if m.stopped(id, o) {
		return true
	}
	s := m.handedOver(o)
	return s != nil && (m.needsClient() || m.lacksDocuments(s, m.partner, id))
}
