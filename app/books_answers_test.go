package app_test

import (
	"math/big"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// How hand-overs are answered, and argued about, on the books.

// numbered is the hand-over of a shipment that an act names, if it is the open one.
func (m *teller) numbered(s *bookShipment, n uint64) *bookHandover {
	h := s.open()
	m.stands(n > uint64(len(s.Handovers)), schemas.NoSuchHandover)
	m.stands(n <= uint64(len(s.Handovers)) && (h == nil || n != uint64(len(s.Handovers))), schemas.NoSuchHandover, schemas.WrongState, schemas.OfferExpired)
	return h
}

// byGateway reports whether the author's key is one with which no hand-over of a shipment
// is accepted, since the network wants one that a client holds.
func (m *teller) byGateway() bool {
	return m.law.Parameters.Client && m.Partners[m.who].Keys[m.key].Held == schemas.HeldByGateway
}

func (m *teller) accept(a *schemas.AcceptHandover) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	h := m.numbered(s, a.Handover)
	var roles []string
	if h != nil && h.To == m.who {
		roles = append(roles, s.as(m.who))
	}
	m.leads(s, "accept", roles...)
	m.stands(m.byGateway(), schemas.ClientKeyNeeded)
	if h == nil || m.refused() {
		return
	}
	short := map[string]bool{}
	lots := slices.Clone(h.Lots)
	for _, d := range a.Discrepancies {
		m.discrepancy(s, h, &d, short, lots)
	}
	m.absurd(a.Discrepancies, lots)
	if m.refused() {
		return
	}
	differs, gone := len(a.Discrepancies) > 0, map[int]bool{}
	for i, l := range lots {
		m.stands(m.strict(l.Class) && m.below(l.Lot, h.From, &bookAmount{true, l.Amount}), schemas.BalanceTooLow)
		if m.lacks(l.Lot, h.From, &bookAmount{true, l.Amount}) {
			lots[i].Amount, gone[i] = new(big.Rat), true // it has gone elsewhere
		}
		if lots[i].Amount.Sign() > 0 {
			m.papers(s, m.who, l.Class)
		}
	}
	for _, u := range s.Units {
		if o := m.item(u).Offer; o != nil && o.Shipment == a.Shipment && !short[u] {
			m.papers(s, m.who, u)
		}
	}
	if m.refused() {
		return
	}
	for _, u := range s.Units {
		o := m.item(u).Offer
		if o == nil || o.Shipment != a.Shipment {
			continue
		}
		m.item(u).Offer = nil
		if short[u] {
			h.count(refusedUnit)
			continue
		}
		m.item(u).Holder, m.item(u).Waits = m.who, map[string]bookWait{}
		h.count(takenUnit)
	}
	for i, l := range lots {
		switch {
		case gone[i]:
			h.count(goneUnit)
			continue
		case l.Amount.Sign() == 0:
			h.count(refusedUnit)
			continue
		}
		h.count(takenUnit)
		h.Taken = append(h.Taken, l)
		amount := &bookAmount{true, l.Amount}
		m.add(h.From, l.Lot, minus(amount))
		m.add(m.who, l.Lot, amount)
	}
	m.finish(a.Shipment, "accept")
	if differs && h.Took > 0 {
		h.State = "accepted_with_discrepancies"
	}
}

// discrepancy takes what differs from an acceptance: units into short, lots by amount.
func (m *teller) discrepancy(s *bookShipment, h *bookHandover, d *schemas.Discrepancy, short map[string]bool, lots []bookLot) {
	if i := slices.IndexFunc(lots, func(l bookLot) bool { return l.Lot == lotName(d.ID, d.UOM) }); i >= 0 {
		amount, said := new(big.Rat).SetString(d.Quantity)
		switch {
		case !said, amount.Cmp(h.Lots[i].Amount) > 0:
			m.stands(true, schemas.BadDiscrepancy)
		case d.What == schemas.Short:
			lots[i].Amount = new(big.Rat).Sub(lots[i].Amount, amount)
		case d.What == schemas.Over:
			lots[i].Amount = new(big.Rat).Add(lots[i].Amount, amount)
		}
		return
	}
	it := m.item(d.ID)
	ours := it.Offer != nil && m.Shipments[it.Offer.Shipment] == s
	m.stands(!ours || d.What == schemas.Over || d.Quantity != "", schemas.BadDiscrepancy)
	if d.What == schemas.Short {
		short[d.ID] = true
	}
}

// absurd stands against saying of a lot that less and more came of it, or that more of it
// is damaged than came.
func (m *teller) absurd(list []schemas.Discrepancy, came []bookLot) {
	said := map[string]bool{}
	for _, d := range list {
		lot := lotName(d.ID, d.UOM)
		i := slices.IndexFunc(came, func(l bookLot) bool { return l.Lot == lot })
		if i < 0 {
			continue
		}
		said[lot+d.What.String()] = true
		amount, ok := new(big.Rat).SetString(d.Quantity)
		m.stands(ok && d.What == schemas.Damaged && amount.Cmp(came[i].Amount) > 0, schemas.BadDiscrepancy)
		m.stands(said[lot+"short"] && said[lot+"over"], schemas.BadDiscrepancy)
	}
}

func (m *teller) handoverStep(a *schemas.HandoverStep) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	h := m.numbered(s, a.Handover)
	var roles []string
	does := "withdraw"
	if a.Step == schemas.StepReject {
		does = "reject"
		if h != nil && h.To == m.who {
			roles = append(roles, s.as(m.who))
		}
	} else if m.who == s.Holder {
		roles = append(roles, "holder")
	}
	m.leads(s, does, roles...)
	if m.refused() {
		return
	}
	if does == "reject" {
		h.Refused += h.Open
	}
	m.finish(a.Shipment, does)
}

func (m *teller) dispute(a *schemas.DisputeHandover) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	n := int(a.Handover)
	m.stands(n > len(s.Handovers), schemas.NoSuchHandover)
	if n > len(s.Handovers) {
		return
	}
	h := s.Handovers[n-1]
	var roles []string
	if m.who == h.From || m.who == h.To {
		roles = append(roles, "side")
	}
	m.stands(h.State == "open" || h.State == "cancelled" || h.State == "expired" || h.Dispute != nil, schemas.WrongState)
	next := m.leads(s, "dispute", roles...)
	if m.refused() {
		return
	}
	s.State, s.Disputed = next, n
	h.Dispute = &bookDispute{Evidence: map[string]int{m.who: len(a.Evidence)}}
}

// disputed is the hand-over of an act about a dispute.
func (m *teller) disputed(s *bookShipment, n uint64) *bookHandover {
	m.stands(n > uint64(len(s.Handovers)), schemas.NoSuchHandover)
	m.stands(s.State != "disputed", schemas.WrongState)
	m.stands(s.State == "disputed" && n <= uint64(len(s.Handovers)) && n != uint64(s.Disputed), schemas.WrongState, schemas.NoSuchHandover)
	if m.refused() {
		return nil
	}
	return s.Handovers[n-1]
}

func (m *teller) addEvidence(a *schemas.AddEvidence) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	h := m.disputed(s, a.Handover)
	if h == nil {
		return
	}
	m.stands(m.who != h.From && m.who != h.To && m.who != s.Arbiter && !slices.Contains(s.Inspectors, m.who), schemas.WrongRole)
	from := ""
	if m.who == h.From || m.who == h.To {
		from = m.who
	}
	m.stands(h.Dispute.Evidence[from]+len(a.Evidence) > 64, schemas.EvidenceFull)
	if !m.refused() {
		h.Dispute.Evidence[from] += len(a.Evidence)
	}
}

func (m *teller) resolve(a *schemas.ResolveDispute) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	h := m.disputed(s, a.Handover)
	if h == nil {
		return
	}
	var roles []string
	if m.who == h.From || m.who == h.To {
		roles = append(roles, "side")
	}
	if m.who == s.Arbiter {
		roles = append(roles, "arbiter")
	}
	says := a.Outcome.String()
	does := says
	if says == "return" {
		does = "return it"
	}
	next := m.leads(s, does, roles...)
	m.stands(says == "delivered" && s.Holder != s.Receiver, schemas.WrongState) // it has come where it was to go
	if m.refused() {
		return
	}
	switch m.who {
	case h.From:
		h.Dispute.From = says
	case h.To:
		h.Dispute.To = says
	}
	gone := m.law.Partners[h.From].State == removed || m.law.Partners[h.To].State == removed
	if gone || m.who == s.Arbiter && m.who != h.From && m.who != h.To || h.Dispute.From == h.Dispute.To {
		h.Dispute.Outcome, s.State, s.Disputed = says, next, 0
	}
}
