package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Disputes. Either side of a hand-over that was answered can argue about it. How that ends
// both agree on, or the arbiter decides that the shipment names.

// argued is the shipment that an act about a dispute names, nil and a code where it
// has no such hand-over.
func (m *message) argued(id string, n uint64) *shipment {
	s := m.findShipment(id)
	if s != nil && n > s.Handovers {
		m.result.Code = schemas.NoSuchHandover
		return nil
	}
	return s
}

// numbered is a hand-over of a shipment. It can list much: whatever else stands
// against a message is found before.
func (m *message) numbered(s *shipment, n uint64) *schemas.Handover {
	if s.last != nil && n == s.Handovers {
		return s.last
	}
	h := m.handover(s.id, n)
	return &h
}

func (m *message) disputeOf(id string, n uint64) schemas.Dispute {
	value, _ := m.get(schemas.DisputeKey(id, n))
	d := must(schemas.DecodeDispute(value))
	m.afford(len(d.Evidence))
	return d
}

func (m *message) setDispute(id string, n uint64, d *schemas.Dispute) {
	m.led.Set(schemas.DisputeKey(id, n), d.Append(nil), nil)
}

// disputing are the author's roles in a dispute about a hand-over.
func (m *message) disputing(s *shipment, h *schemas.Handover) (roles shipRole) {
	if m.partner == h.Offered.Partner || m.partner == h.To {
		roles |= asDisputant
	}
	if m.partner == s.Arbiter {
		roles |= asArbiter
	}
	return roles
}

func (m *message) dispute(a *schemas.DisputeHandover) {
	s := m.argued(a.Shipment, a.Handover)
	if s == nil {
		return
	}
	if !slices.Contains(s.Parties(), m.partner) { // then it is on neither side
		_, m.result.Code = nextState(s.State, s.HeldBy != "", doDispute, 0)
		return
	}
	h := m.numbered(s, a.Handover)
	next, code := nextState(s.State, s.HeldBy != "", doDispute, m.disputing(s, h))
	if code == schemas.OK && (!h.State.Answered() || m.disputeOf(s.id, a.Handover).Outcome != 0) {
		code = schemas.WrongState // nothing to argue about, or argued to its end
	}
	if m.result.Code = code; code != schemas.OK {
		return
	}
	d := schemas.Dispute{Opened: m.signing(), Evidence: m.bring(nil, a.Evidence)}
	m.setDispute(s.id, a.Handover, &d)
	m.touchShipment(s)
	s.State, s.Disputed = next, a.Handover
	m.tellDispute(s, h, schemas.DisputeOpened)
}

func (m *message) tellDispute(s *shipment, h *schemas.Handover, c schemas.Code) {
	m.tell(s, c)
	m.concern(h.Offered.Partner)
	m.concern(h.To)
	m.concern(s.Arbiter)
}

// openDispute is the dispute that an act is about, while it is open.
func (m *message) openDispute(id string, n uint64) (*shipment, *schemas.Handover) {
	s := m.argued(id, n)
	switch {
	case s == nil:
	case s.State != schemas.Disputed || s.Disputed != n:
		m.result.Code = schemas.WrongState
	case !slices.Contains(s.Parties(), m.partner):
		m.result.Code = schemas.WrongRole
	default:
		return s, m.numbered(s, n)
	}
	return nil, nil
}

func (m *message) addEvidence(a *schemas.AddEvidence) {
	s, h := m.openDispute(a.Shipment, a.Handover)
	if s == nil {
		return
	}
	d := m.disputeOf(s.id, a.Handover)
	switch {
	case m.disputing(s, h) == 0 && !slices.Contains(s.Inspectors, m.partner):
		m.result.Code = schemas.WrongRole
	case m.brought(h, &d)+len(a.Evidence) > schemas.MaxEvidence:
		m.result.Code = schemas.EvidenceFull
	default:
		d.Evidence = m.bring(d.Evidence, a.Evidence)
		m.setDispute(s.id, a.Handover, &d)
		m.touchShipment(s)
	}
}

// bring adds the author's evidence to a list.
func (m *message) bring(list, evidence []schemas.Evidence) []schemas.Evidence {
	for _, e := range evidence {
		e.Partner = m.partner
		list = append(list, e)
	}
	return list
}

// brought is how much evidence fills the author's room: each side of the hand-over has its
// own, and all others have one together, so that nobody keeps a side from being heard.
func (m *message) brought(h *schemas.Handover, d *schemas.Dispute) (n int) {
	room := func(partner string) string {
		if partner == h.Offered.Partner || partner == h.To {
			return partner
		}
		return ""
	}
	for i := range d.Evidence {
		if room(d.Evidence[i].Partner) == room(m.partner) {
			n++
		}
	}
	return n
}

var outcomes = map[schemas.Settlement]shipMessage{schemas.GoOn: doGoOn, schemas.Settled: doSettle, schemas.ComeBack: doComeBack} // only ever looked up

// resolve says how a dispute is to end. It ends when both sides say the same, when the
// arbiter says it, or when one says it while the other is no partner any more.
func (m *message) resolve(a *schemas.ResolveDispute) {
	s, h := m.openDispute(a.Shipment, a.Handover)
	if s == nil {
		return
	}
	roles := m.disputing(s, h)
	next, code := nextState(s.State, s.HeldBy != "", outcomes[a.Outcome], roles)
	if code == schemas.OK && next == schemas.Delivered && s.Holder != s.Receiver {
		code = schemas.WrongState // whoever agrees on it: it would say of the receiver that it has what others hold
	}
	if m.result.Code = code; code != schemas.OK {
		return
	}
	m.touchShipment(s)
	d := m.disputeOf(s.id, a.Handover)
	if m.partner == h.Offered.Partner {
		d.From = a.Outcome
	}
	if m.partner == h.To {
		d.To = a.Outcome
	}
	alone := roles&asArbiter != 0
	if roles&asDisputant != 0 {
		alone = m.removed(h.Offered.Partner) || m.removed(h.To)
	}
	if alone || d.From == d.To {
		d.Outcome, d.Resolved = a.Outcome, m.signing()
		s.State, s.Disputed = next, 0
		m.tellDispute(s, h, schemas.DisputeResolved)
	} else {
		m.concern(h.Offered.Partner)
		m.concern(h.To)
	}
	m.setDispute(s.id, a.Handover, &d)
}

func settledRow(partner string, at schemas.Locator) []byte {
	return at.Append(rowKey(rowSettled, partner))
}

// settleException takes a record off the author's list. No rule reads what was settled,
// so that none needs to be kept for it: the act itself is in the author's trail.
func (m *message) settleException(a *schemas.SettleException) {
	at := schemas.Locator{Height: int64(a.Height), Position: uint32(a.Position), Index: uint32(a.Index)}
	m.led.Emit(settledRow(m.partner, at), m.at.Append(nil))
}
