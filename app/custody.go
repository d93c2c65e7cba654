package app

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// custodian is who holds an item: the custodian of the outermost container that
// it is in.
func (m *message) custodian(it *item) string { return m.top(it).Custodian }

// top is the outermost container that an item is in, or the item.
func (m *message) top(it *item) *item {
	for range maxDepth + 1 {
		m.settle(it)
		if it.Parent == "" {
			break
		}
		it = m.container(it)
	}
	return it
}

// changedInstances are the instances whose state the event would change: of an
// unpacking the container alone, since its contents are held with it.
func (m *message) changedInstances() []string {
	if m.event.Type == schemas.AggregationEvent && m.event.Action == schemas.ActionDelete && m.parent() != "" {
		return []string{m.parent()}
	}
	return m.instances()
}

// touchesAnothers reports whether somebody else holds any of the items. All are
// looked at, so that everybody concerned is told.
func (m *message) touchesAnothers(ids []string) (others bool) {
	for _, id := range ids {
		if holder := m.custodian(m.item(id)); holder != "" && holder != m.partner {
			m.concern(holder)
			others, m.strictly = true, m.strictly || m.strict(id)
		}
	}
	return others
}

// hold takes hold of an item that nobody else holds, to change it.
func (m *message) hold(id string, commissioning bool) *item {
	it := m.item(id)
	m.settle(it)
	if it.Custodian == "" && it.Parent == "" {
		it.Custodian = m.partner
		if commissioning {
			it.Maker, it.Made = m.partner, m.event.EventTime
		} else {
			m.flag(schemas.ClaimedUnseen)
		}
	}
	if it.Ended && !commissioning {
		m.flag(schemas.EndedItem)
	}
	it.own = true
	m.touch(it, changed)
	return it
}

// end notes that an item is consumed, destroyed or decommissioned: it leaves its
// container, and what is inside it is let go.
func (m *message) end(it *item) {
	it.Ended = true
	m.withdraw(it)
	m.takeOut(it)
	if it.Levels > 0 {
		m.release(it)
	}
}

// withdraw drops an item's open offer, of which both sides are told, and the
// receipts that wait for one.
func (m *message) withdraw(it *item) {
	if it.Offer != nil {
		m.flag(schemas.OfferCancelled)
		m.concern(it.Offer.Party)
	}
	m.closeOffer(it.Offer, offerGone)
	it.lapse()
}

// lapse drops an item's open offer, and with its turn all receipts that wait for
// one, however many: they are told by their turn.
func (it *item) lapse() {
	it.Offer = nil
	if it.Waiting > 0 {
		it.Waiting = 0
		it.Turn++
	}
}

// pass moves custody. Every offer and every waiting receipt lapses with it.
func (m *message) pass(it *item, to string) {
	it.Custodian = to
	it.own = it.own || to == m.partner
	if it.Offer != nil && it.Offer.Party == to {
		m.closeOffer(it.Offer, offerTaken)
	} else {
		m.closeOffer(it.Offer, offerGone)
	}
	it.lapse()
	m.touch(it, changed)
	m.result.Effect = schemas.Applied
}

// handed are the instances that a shipping or receiving event hands over: the
// parent where there is one, since its contents go with it.
func (m *message) handed() []string {
	switch m.event.Type {
	case schemas.ObjectEvent:
		return m.instances()
	case schemas.AggregationEvent, schemas.TransactionEvent, schemas.AssociationEvent:
		if p := m.parent(); p != "" {
			return []string{p}
		}
		return m.event.EPCs
	}
	return nil
}

// isHanded reports whether the event hands over this very instance.
func (m *message) isHanded(id string) bool {
	if m.handedSet == nil {
		m.handedSet = make(map[string]bool)
		for _, h := range m.handed() {
			m.handedSet[h] = true
		}
	}
	return m.handedSet[id]
}

// handedLots are the classes and lots that it hands over: what is listed beside
// a parent is inside it.
func (m *message) handedLots() []schemas.Quantity {
	if m.event.Type == schemas.TransformationEvent || m.parent() != "" {
		return nil
	}
	return m.event.Quantities
}

// outermost returns the item, or flags and drops it when it is inside a
// container: that container's hand-over decides. Contents listed beside their
// own container need no flag.
func (m *message) outermost(id string) *item {
	it := m.item(id)
	m.settle(it)
	if it.Parent == "" {
		return it
	}
	if !m.isHanded(it.Parent) {
		m.flag(schemas.InsideContainer)
	}
	return nil
}

// receiver is the party that the event names as the new possessor, sender the one
// that it names as the former: a partner's id, or External and the party's GLN or
// identifier; "" where it names none.
func (m *message) receiver() string { return possessor(m.dir.byGLN, m.event.Destinations) }
func (m *message) sender() string   { return possessor(m.dir.byGLN, m.event.Sources) }

func possessor(byGLN map[string]string, parties []schemas.Party) string {
	for _, d := range parties {
		if d.Type != possessing {
			continue
		}
		id, err := schemas.ParseIdentifier(d.ID)
		if err != nil {
			return ""
		}
		gln, ok := id.GLN()
		if !ok {
			return schemas.External + d.ID
		}
		if partner, ok := byGLN[gln]; ok {
			return partner
		}
		return schemas.External + gln
	}
	return ""
}

// makeOffers is the custodian's side of a hand-over: a shipping event that names
// the new possessor offers, and void_shipping withdraws.
func (m *message) makeOffers() {
	if m.event.Action == schemas.ActionDelete {
		return
	}
	if m.event.BizStep == voided {
		m.cancelOffers()
		return
	}
	to := m.receiver()
	if m.event.BizStep != shipped || to == "" || to == m.partner {
		return
	}
	ids := m.handed()
	if m.touchesAnothers(ids) {
		m.claim(false)
		return
	}
	if m.shipsRecalled(ids, m.handedLots(), to) || !m.tells(m.handedLots()) {
		return
	}
	if p := m.dir.partner(to); p != nil && p.State != schemas.Active && m.strict(ids...) {
		m.result.Code = schemas.PartnerInactive
		return
	}
	for _, id := range ids {
		if it := m.outermost(id); it != nil {
			m.offerItem(m.hold(id, false), to)
			m.result.Effect = schemas.Applied
		}
	}
	for _, q := range m.handedLots() {
		m.offerLot(q, to)
	}
	m.listOffer(to)
	if !strings.HasPrefix(to, schemas.External) {
		m.concern(to)
	}
}

func (m *message) offerItem(it *item, to string) {
	if strings.HasPrefix(to, schemas.External) {
		m.pass(it, to) // nobody there can answer: it applies at once
		return
	}
	if it.Offer != nil {
		m.flag(schemas.OfferReplaced)
		m.concern(it.Offer.Party)
		m.closeOffer(it.Offer, offerGone)
	}
	it.Offer = m.open(to)
	m.enlist(it)
	if r := m.receipt(it, to); r != nil && r.EventTime >= m.event.EventTime && m.meets(it.Offer.Shipment != "") {
		m.flag(schemas.MatchedReceipt)
		m.led.Delete(schemas.WaitingKey(it.id, to))
		m.led.DeleteRow(waitingRow(it.id, to))
		m.met = r
		m.pass(it, to)
		return
	}
	m.touch(it, changed)
}

// standing are the offers and receipts that are not older than they may become.
func (b *block) standing(offers []schemas.Offer) []schemas.Offer {
	var kept []schemas.Offer
	for i := range offers {
		if b.stands(&offers[i]) {
			kept = append(kept, offers[i])
		}
	}
	return kept
}

// stands reports whether an offer or receipt is not older than it may become: what
// has lapsed is found when it is looked at.
func (b *block) stands(o *schemas.Offer) bool { return !o.Lapsed(b.now()) }

func waitingRow(item, partner string) []byte { return rowKey(rowWaiting, item, partner) }

// receipt is the partner's that waits for the item's offer, nil where none does.
// Each partner's is a leaf of its own, so that nobody's keeps another's away.
func (m *message) receipt(it *item, partner string) *schemas.Offer {
	if it.Waiting == 0 {
		return nil
	}
	value, _ := m.get(schemas.WaitingKey(it.id, partner))
	if value == nil {
		return nil
	}
	w := must(schemas.DecodeWaiting(value))
	if w.Turn != it.Turn || !m.stands(&w.Receipt) {
		return nil
	}
	return &w.Receipt
}

func (m *message) open(party string) *schemas.Offer {
	return &schemas.Offer{Party: party, EventTime: m.event.EventTime, Time: m.now(), Locator: m.at}
}

func (m *message) cancelOffers() {
	for _, id := range m.handed() {
		it := m.item(id)
		if it.Offer == nil || m.custodian(it) != m.partner {
			continue
		}
		m.concern(it.Offer.Party)
		m.flag(schemas.OfferCancelled)
		m.closeOffer(it.Offer, offerGone)
		it.Offer = nil
		m.touch(it, changed)
		m.result.Effect = schemas.Applied
	}
	for _, q := range m.handedLots() {
		m.cancelLot(q)
	}
}

// answerOffers is the receiver's side of a hand-over: a receiving event accepts,
// and an inspection that finds the goods non-conformant refuses.
func (m *message) answerOffers() {
	if m.event.Action == schemas.ActionDelete {
		return
	}
	switch {
	case m.event.BizStep == received:
		for _, id := range m.handed() {
			if it := m.outermost(id); it != nil {
				m.receive(it)
			}
		}
		for _, q := range m.handedLots() {
			m.receiveLot(q)
		}
	case m.event.BizStep == inspected && m.event.Disposition == refused:
		for _, id := range m.handed() {
			if it := m.item(id); m.offered(it) {
				m.concern(m.custodian(it))
				m.flag(schemas.OfferRejected)
				m.closeOffer(it.Offer, offerRefused)
				it.Offer = nil
				m.touch(it, changed)
				m.result.Effect = schemas.Applied
			}
		}
		for _, q := range m.handedLots() {
			m.rejectLot(q)
		}
	}
}

// offered reports whether the item is offered to the event's author, no later
// than the event says that it happened.
func (m *message) offered(it *item) bool {
	return it.Offer != nil && it.Offer.Party == m.partner && it.Offer.EventTime <= m.event.EventTime
}

func (m *message) receive(it *item) {
	holder := m.custodian(it)
	switch {
	case holder == m.partner:
	case m.offered(it):
		if m.barred(it.id, it.Offer) {
			return
		}
		m.concern(holder)
		m.pass(it, m.partner)
	case strings.HasPrefix(holder, schemas.External):
		m.flag(schemas.FromExternal)
		m.pass(it, m.partner)
	case m.event.Action == schemas.ActionAdd && holder == "":
		// Brought into being here: the rule of its type claims it.
	default:
		m.concern(holder)
		m.await(it)
	}
}

// await keeps a receipt that came before its offer. One partner has one that waits
// for an item: a later one takes its place.
func (m *message) await(it *item) {
	if m.receipt(it, m.partner) == nil {
		it.Waiting++
		m.led.PutRow(waitingRow(it.id, m.partner), present)
	}
	w := schemas.Waiting{Receipt: *m.open(m.partner), Turn: it.Turn}
	m.led.Set(schemas.WaitingKey(it.id, m.partner), w.Append(nil), nil)
	m.touch(it, seen)
	m.flag(schemas.AwaitingOffer)
}
