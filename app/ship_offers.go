package app

import (
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Where shipments meet the offers of their units, whoever made them.

// offerEnd is what became of an offer of a unit.
type offerEnd uint8

const (
	offerGone offerEnd = iota // withdrawn, replaced, lapsed
	offerTaken
	offerRefused
)

// strict reports whether the author's event is refused where the open rule would only
// flag it: in the network, or of what is named under a company prefix of which that holds.
func (m *message) strict(ids ...string) bool {
	if m.dir.parameters.Strict {
		return true
	}
	if len(m.dir.prefixes) == 0 {
		return false
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		p := m.dir.prefixOf(schemas.CompanyDigits(id))
		return p != nil && p.Strict
	})
}

// enlist makes a unit's offer part of a hand-over of the shipment that the unit is in:
// of the open one to the same partner, or of one that it opens.
func (m *message) enlist(it *item) {
	if it.Shipment == "" {
		return
	}
	s := m.shipment(it.Shipment)
	if s == nil || s.Free() {
		return
	}
	if m.shipping != s && !m.joins(s, it.Offer.Party) {
		if s.HeldBy != "" && m.strict(it.id) {
			m.result.Code = schemas.ShipmentHeld
		}
		m.tell(s, schemas.OutsideShipment)
		return
	}
	if !m.lacksDocuments(s, it.Offer.Party, it.id) {
		m.enter(s, it.Offer)
	}
}

// joins reports whether an offer of the author's is part of a shipment's hand-over.
func (m *message) joins(s *shipment, to string) bool {
	if h := s.last; s.State == schemas.HandoverPending {
		return s.HeldBy == "" && h.Offered.Partner == m.partner && h.To == to && h.Open+h.Took+h.Refused < h.Units
	}
	does := doOffer
	if to == s.Shipper {
		does = doReturn
	}
	next, code := nextState(s.State, s.HeldBy != "", does, m.rolesIn(s, does))
	if code != schemas.OK || next != schemas.HandoverPending || does == doOffer && !m.nextHand(s, to) {
		return false
	}
	m.openHandover(s, to, 0)
	return true
}

// enter notes an offer as part of a shipment's open hand-over.
func (m *message) enter(s *shipment, o *schemas.Offer) {
	o.Shipment, o.Handover, o.Until = s.id, s.Handovers, s.last.Until
	s.last.Open++
	m.touchShipment(s)
}

// handedOver is the shipment whose open hand-over an offer is part of, nil where there
// is none.
func (m *message) handedOver(o *schemas.Offer) *shipment {
	if o == nil || o.Shipment == "" {
		return nil
	}
	s := m.shipment(o.Shipment)
	if s == nil || s.State != schemas.HandoverPending || s.Handovers != o.Handover {
		return nil
	}
	return s
}

// closeOffer tells an offer's shipment what became of it.
func (m *message) closeOffer(o *schemas.Offer, end offerEnd) {
	s := m.handedOver(o)
	if s == nil {
		return
	}
	h := s.last
	m.touchShipment(s)
	h.Open--
	switch end {
	case offerTaken:
		h.Took++
	case offerRefused:
		h.Refused++
	}
	answered := h.Took + h.Refused
	switch {
	case answered >= h.Units:
		m.finish(s, doReject)
	case answered == 0 && h.Open == 0 && m.shipping != s:
		m.finish(s, doWithdraw)
	}
}

// closeLot tells an offer's shipment how much of a lot was taken.
func (m *message) closeLot(o *schemas.Offer, q schemas.Quantity, got string, end offerEnd) {
	if s := m.handedOver(o); s != nil && end == offerTaken {
		if got == "" {
			got = amount(quantityOf(q, o))
		}
		if got == "" {
			got = amount(q)
		}
		if got != "" && got != "0" {
			s.last.Lots = append(s.last.Lots, schemas.ShipmentLot{Class: q.Class, Quantity: got, UOM: q.UOM})
		}
	}
	if m.closeOffer(o, end); end == offerTaken {
		m.passed(o.Locator, o.Party)
	}
}

// stopped reports whether a unit's or lot's hand-over is refused because its shipment is held:
// in strict custody. Elsewhere the goods have moved, whoever wanted to stop them.
func (m *message) stopped(id string, o *schemas.Offer) bool {
	s := m.handedOver(o)
	if s == nil || s.HeldBy == "" {
		return false
	}
	if m.strict(id) {
		m.result.Code = schemas.ShipmentHeld
		return true
	}
	m.tell(s, schemas.OutsideShipment)
	return false
}

// needsClient refuses who accepts a hand-over of a shipment with a key that the gateway
// holds, where the network wants another.
func (m *message) needsClient() bool {
	if m.dir.parameters.ClientAccepts && !m.heldByClient() {
		m.result.Code = schemas.ClientKeyNeeded
		return true
	}
	return false
}

// meets reports whether a receipt that waited can answer an offer. It does not tell with
// which key it was signed: where that matters, a hand-over of a shipment waits for another.
func (m *message) meets(shipped bool) bool { return !shipped || !m.dir.parameters.ClientAccepts }

// findHandover is the shipment whose open hand-over an act is about.
func (m *message) findHandover(id string, n uint64) *shipment {
	s := m.findShipment(id)
	switch {
	case s == nil:
	case n > s.Handovers:
		m.result.Code = schemas.NoSuchHandover
	case s.State != schemas.HandoverPending || n != s.Handovers:
		if m.result.Code = schemas.WrongState; slices.Contains(s.Parties(), m.partner) && m.lateFor(s, n) {
			m.result.Code = schemas.OfferExpired
		}
	default:
		return s
	}
	return nil
}

// lateFor reports whether a hand-over has ended by time.
func (m *message) lateFor(s *shipment, n uint64) bool {
	if s.last != nil && n == s.Handovers {
		return s.last.State == schemas.HandoverExpired
	}
	h := m.handover(s.id, n)
	return h.State == schemas.HandoverExpired
}

// stepHandover rejects or withdraws an offer: of every unit.
func (m *message) stepHandover(a *schemas.HandoverStep) {
	s := m.findHandover(a.Shipment, a.Handover)
	if s == nil {
		return
	}
	does, end, flag := doWithdraw, offerGone, schemas.OfferCancelled
	if a.Step == schemas.StepReject {
		does, end, flag = doReject, offerRefused, schemas.OfferRejected
	}
	if _, ok := m.step(s, does); !ok {
		return
	}
	from := s.last.Offered.Partner
	m.flag(flag)
	m.concern(from)
	m.concern(s.last.To)
	m.endHandover(s, does, end)
}

// endHandover ends the offers of all units that are part of the open hand-over, and it.
func (m *message) endHandover(s *shipment, does shipMessage, end offerEnd) {
	m.touchShipment(s)
	for _, id := range m.units(s) {
		if it := m.item(id); m.handedOver(it.Offer) == s {
			o := it.Offer
			it.Offer = nil
			m.touch(it, changed)
			m.closeOffer(o, end)
		}
	}
	for _, l := range s.Lots {
		q := quantityOfLot(l)
		if o := m.takeLot(s, q); o != nil {
			m.touchClass(q.Class)
			m.closeOffer(o, end)
		}
	}
	if s.State == schemas.HandoverPending {
		m.finish(s, does)
	}
}

// takeLot takes the offer of a lot that is part of a shipment's open hand-over off its
// list, nil where there is none.
func (m *message) takeLot(s *shipment, q schemas.Quantity) *schemas.Offer {
	key := offersKey(q, s.last.To)
	open := m.offers(key)
	i := slices.IndexFunc(open, func(o schemas.Offer) bool { return o.Shipment == s.id && o.Handover == s.Handovers })
	if i < 0 {
		return nil
	}
	o := open[i]
	m.setOffers(key, without(open, i))
	return &o
}

// acceptShipment accepts the open hand-over, with what differs.
func (m *message) acceptShipment(a *schemas.AcceptHandover) {
	s := m.findHandover(a.Shipment, a.Handover)
	if s == nil {
		return
	}
	if _, ok := m.step(s, doAccept); !ok {
		return
	}
	if m.needsClient() {
		return
	}
	d := differences{list: a.Discrepancies, used: make([]bool, len(a.Discrepancies))}
	h := s.last
	m.touchShipment(s)
	m.concern(h.Offered.Partner)
	if len(a.Discrepancies) > 0 {
		h.Discrepancies = a.Discrepancies
		m.flag(schemas.Differs)
	}
	lots := s.Lots
	for _, id := range m.units(s) {
		m.acceptUnit(s, m.item(id), &d)
	}
	for _, l := range lots {
		m.acceptLot(s, quantityOfLot(l), h.Offered.Partner, &d)
	}
	m.acceptOver(&d)
	if s.State == schemas.HandoverPending && m.result.Code == schemas.OK {
		m.finish(s, doReject)
	}
}

// differences are the discrepancies of an acceptance, and which were found.
type differences struct {
	list []schemas.Discrepancy
	used []bool
}

func (d *differences) find(id, uom string, what schemas.Difference) *schemas.Discrepancy {
	for i := range d.list {
		if x := &d.list[i]; !d.used[i] && x.ID == id && x.UOM == uom && x.What == what {
			d.used[i] = true
			return x
		}
	}
	return nil
}

// absurd reports whether a discrepancy says of a single thing that more of it came, or
// how much of it.
func (d *differences) absurd(id string) bool {
	return slices.ContainsFunc(d.list, func(x schemas.Discrepancy) bool { return x.ID == id && (x.What == schemas.Over || x.Quantity != "") })
}

func (m *message) acceptUnit(s *shipment, it *item, d *differences) {
	if m.handedOver(it.Offer) != s {
		return
	}
	if d.absurd(it.id) {
		m.result.Code = schemas.BadDiscrepancy
		return
	}
	if d.find(it.id, "", schemas.Short) != nil {
		o := it.Offer
		it.Offer = nil
		m.touch(it, changed)
		m.closeOffer(o, offerRefused)
		return
	}
	if d.find(it.id, "", schemas.Damaged) != nil {
		it.Disposition = "damaged"
	}
	if !m.lacksDocuments(s, m.partner, it.id) {
		m.pass(it, m.partner)
	}
}

// acceptLot takes what came of a lot: what did not come stays with who offered it, and
// what came beyond the offer was its, too.
func (m *message) acceptLot(s *shipment, q schemas.Quantity, from string, d *differences) {
	o := m.takeLot(s, q)
	if o == nil {
		return
	}
	m.touchClass(q.Class)
	sent := quantityOf(q, o)
	got := sent
	short, over, damaged := d.find(q.Class, q.UOM, schemas.Short), d.find(q.Class, q.UOM, schemas.Over), d.find(q.Class, q.UOM, schemas.Damaged)
	for _, x := range []*schemas.Discrepancy{short, over, damaged} {
		if x != nil && (x.Quantity == "" || sent.Amount.Sub(must(schemas.ParseDecimal(x.Quantity))).Sign() < 0) {
			m.result.Code = schemas.BadDiscrepancy
			return
		}
	}
	if short != nil {
		got.Amount = got.Amount.Sub(must(schemas.ParseDecimal(short.Quantity)))
	}
	if over != nil {
		got.Amount = got.Amount.Add(must(schemas.ParseDecimal(over.Quantity)))
	}
	if got.Amount.Beyond() || short != nil && over != nil || damaged != nil && got.Amount.Sub(must(schemas.ParseDecimal(damaged.Quantity))).Sign() < 0 {
		// What did not come is not damaged, and not both less and more came.
		m.result.Code = schemas.BadDiscrepancy
		return
	}
	if got.Amount.Sign() == 0 {
		m.closeOffer(o, offerRefused)
		return
	}
	if _, lacks := m.short(got, from); lacks && !m.strict(q.Class) {
		// It lapsed: what was offered has gone elsewhere.
		m.flag(schemas.OfferCancelled)
		m.closeOffer(o, offerGone)
		return
	}
	if m.lacksDocuments(s, m.partner, q.Class) {
		return
	}
	m.passLot(got, from, m.partner, "")
	m.closeLot(o, got, amount(got), offerTaken)
}

// acceptOver receives units that came and were not offered, and refuses discrepancies of
// what was no part of the hand-over.
func (m *message) acceptOver(d *differences) {
	for i, x := range d.list {
		if d.used[i] {
			continue
		}
		_, scheme, err := schemas.Canonical(x.ID)
		if err != nil || scheme.Class() || x.What != schemas.Over || x.Quantity != "" {
			m.result.Code = schemas.BadDiscrepancy
			return
		}
		if it := m.outermost(x.ID); it != nil {
			m.receive(it)
		}
	}
}

// listOffer lists the message for both sides, so that an offer that nobody answers is
// found again.
func (m *message) listOffer(to string) {
	if strings.HasPrefix(to, schemas.External) {
		return
	}
	for _, p := range [...]string{m.partner, to} {
		m.led.Emit(offeredRow(p, m.now(), m.at), present)
	}
}

func offeredRow(partner string, at int64, of schemas.Locator) []byte {
	return of.Append(append(rowKey(rowOffered, partner), be64(at)...))
}
