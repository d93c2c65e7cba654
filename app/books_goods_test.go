package app_test

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// What events do on the books. Things are handed over by events, alone and in their
// shipments; lots by acts: of events about loose lots TestHistories has a model.

type bookItem struct {
	Holder   string // of what is in no container
	Parent   string
	Maker    string
	Made     int64  // by its maker's word
	Shipment string // that it was announced in last
	Offer    *bookOffer
	Waits    map[string]bookWait // receipts that came before an offer, by partner
	Marks    []string            // recalls that name it
	Ended    bool
}

type bookWait struct {
	Claimed, Made int64
	By            schemas.Locator
}

// bookOffer is an open offer of a thing. One without a shipment ends with its month.
type bookOffer struct {
	To            string
	Claimed, Made int64
	By            schemas.Locator // the event that made it
	Shipment      string
	Handover      int
}

// bookAmount is how much there is of a lot.
type bookAmount struct {
	Known bool
	Is    *big.Rat
}

const month = int64(30 * 24 * time.Hour)

func (b *books) item(id string) *bookItem {
	if b.Items[id] == nil {
		b.Items[id] = &bookItem{Waits: map[string]bookWait{}}
	}
	return b.Items[id]
}

func (b *books) top(id string) string {
	for b.item(id).Parent != "" {
		id = b.item(id).Parent
	}
	return id
}

func (b *books) holder(id string) string { return b.item(b.top(id)).Holder }

// lapse forgets what is over by the block's time.
func (b *books) lapse() {
	for id, s := range b.Shipments {
		if h := s.open(); h != nil && b.Now > h.Until {
			b.finish(id, expired)
		}
	}
	for _, it := range b.Items {
		if it.Offer != nil && b.Now-it.Offer.Made > month {
			it.Offer = nil
		}
		for who, w := range it.Waits {
			if b.Now-w.Made > month {
				delete(it.Waits, who)
			}
		}
	}
}

// strict reports whether custody is strict for a thing, class or lot.
func (b *books) strict(id string) bool {
	_, p, ok := b.prefixOf(id)
	return b.law.Parameters.Strict || ok && p.Strict
}

func (b *books) prefixOf(id string) (string, bookPrefix, bool) {
	for digits, p := range b.law.Prefixes {
		if strings.HasPrefix(schemas.CompanyDigits(id), digits) {
			return digits, p, true
		}
	}
	return "", bookPrefix{}, false
}

func (m *teller) event() {
	e := m.e
	m.effect = schemas.Observation
	if e.EventID != "" {
		m.stands(m.Events[m.who+" "+e.EventID] != nil, schemas.EventIDConflict)
	}
	moves := e.Action == schemas.ActionAdd || e.Action == schemas.ActionDelete || e.Type == schemas.TransformationEvent
	claim := false
	switch {
	case e.BizStep == "shipping" && e.Action == schemas.ActionObserve:
		claim = m.shipEvent()
	case e.BizStep == "receiving" && e.Action == schemas.ActionObserve:
		m.receiveEvent()
	case e.BizStep == "inspecting":
		m.answerOffers(func(it *bookItem) bool { return it.Offer.To == m.who }, refusedUnit)
	case e.BizStep == "void_shipping":
		m.answerOffers(func(it *bookItem) bool { return it.Holder == m.who }, goneUnit)
	case moves:
		foreign, reserved := m.foreign(m.moved()), m.reserved()
		claim = foreign || reserved
		if !claim {
			m.tooMuch()
		}
		if !claim && !m.refused() {
			m.effect = schemas.Applied
			before := m.books.copy() // what is packed into something offered: found on the way
			if m.change(); m.refused() {
				*m.books = *before
			}
		}
	}
	if claim {
		m.effect = schemas.Claim
	}
	if e.EventID != "" && !m.refused() {
		m.Events[m.who+" "+e.EventID] = &bookEvent{Height: m.Height, At: m.at, Body: string(m.body), Claim: claim}
	}
}

// moved are the things whose custodian alone may do what the event says.
func (m *teller) moved() []string {
	if m.e.Type == schemas.AggregationEvent && m.e.Action == schemas.ActionDelete {
		return []string{m.e.ParentID}
	}
	ids := append(slices.Clone(m.e.EPCs), m.e.OutputEPCs...)
	if m.e.ParentID != "" {
		ids = append(ids, m.e.ParentID)
	}
	return ids
}

// foreign reports whether something is somebody else's, which makes the event a claim, or
// stands against it in strict custody.
func (m *teller) foreign(ids []string) (claim bool) {
	for _, id := range ids {
		if h := m.holder(id); h != "" && h != m.who {
			claim = true
			m.stands(m.strict(id), schemas.NotCustodian)
		}
	}
	return claim
}

// reserved reports whether the event brings into being what is named under somebody
// else's company prefix.
func (m *teller) reserved() (claim bool) {
	var made []string
	var lots []schemas.Quantity
	switch {
	case m.e.Type == schemas.TransformationEvent:
		made, lots = m.e.OutputEPCs, m.e.OutputQuantities
	case m.e.Type == schemas.ObjectEvent && m.e.Action == schemas.ActionAdd:
		made, lots = m.e.EPCs, m.e.Quantities
	}
	ids := slices.DeleteFunc(slices.Clone(made), func(id string) bool { return m.holder(id) != "" })
	for _, q := range lots {
		ids = append(ids, q.Class)
	}
	for _, id := range ids {
		_, p, ok := m.prefixOf(id)
		if owner := m.law.Partners[p.Partner]; ok && p.Partner != m.who && owner.State != removed {
			claim = true
			m.stands(m.strict(id), schemas.ReservedPrefix)
		}
	}
	return claim
}

// tooMuch stands against taking more of a lot, in strict custody, than there is.
func (m *teller) tooMuch() {
	takes := m.e.Action == schemas.ActionDelete && m.e.Type == schemas.ObjectEvent || m.e.Type == schemas.TransformationEvent ||
		m.e.Type == schemas.AggregationEvent && m.e.Action == schemas.ActionAdd
	for _, q := range m.e.Quantities {
		m.stands(takes && m.strict(q.Class) && m.below(lotName(q.Class, q.UOM), m.who, amountIn(q)), schemas.BalanceTooLow)
	}
	for _, q := range append(slices.Clone(m.e.Quantities), m.e.OutputQuantities...) {
		m.stands(m.strict(q.Class) && !q.Known, schemas.QuantityNeeded)
	}
}

func (m *teller) claim(id string) {
	if it := m.item(id); it.Parent == "" && it.Holder == "" {
		it.Holder = m.who
	}
}

func (m *teller) make(id string) {
	if it := m.item(id); m.holder(id) == "" {
		it.Maker, it.Made = m.who, m.e.EventTime
	}
	m.claim(id)
	m.item(id).Ended = false
}

func (m *teller) change() {
	e := m.e
	add := e.Action == schemas.ActionAdd
	switch {
	case e.Type == schemas.TransformationEvent:
		var marks []string
		for _, id := range e.EPCs {
			marks = append(marks, m.recalls(id)...)
		}
		for _, q := range e.Quantities {
			marks = append(marks, m.lotRecalls(q.Class)...)
			m.book(m.who, q, -1)
		}
		for _, id := range e.EPCs {
			m.end(id)
		}
		for _, id := range e.OutputEPCs {
			m.make(id)
			m.handOn(&m.item(id).Marks, marks)
		}
		for _, q := range e.OutputQuantities {
			m.makeLot(q)
			m.handOn(&m.lot(q.Class).Marks, marks)
		}
	case e.Type == schemas.ObjectEvent && add:
		for _, id := range e.EPCs {
			m.make(id)
		}
		for _, q := range e.Quantities {
			m.makeLot(q)
		}
	case e.Type == schemas.ObjectEvent:
		for _, id := range e.EPCs {
			m.end(id)
		}
		for _, q := range e.Quantities {
			m.book(m.who, q, -1)
		}
	case add:
		m.claim(e.ParentID)
		for _, id := range e.EPCs {
			m.put(id)
		}
		m.stow(e.Quantities)
		m.packsLots(e.Quantities)
	case len(e.EPCs)+len(e.Quantities) == 0:
		m.claim(e.ParentID)
		m.empty(e.ParentID)
	default:
		m.claim(e.ParentID)
		for _, id := range e.EPCs {
			if m.item(id).Parent == e.ParentID {
				m.leave(id)
			}
		}
	}
}

func (m *teller) makeLot(q schemas.Quantity) {
	l, at := m.lot(q.Class), m.e.EventTime
	if l.Maker == "" {
		l.Maker, l.First, l.Last = m.who, at, at
	}
	if l.Maker == m.who {
		l.First, l.Last = min(l.First, at), max(l.Last, at)
	}
	m.book(m.who, q, +1)
}

func (m *teller) leave(id string) {
	it := m.item(id)
	it.Parent, it.Holder = "", m.who
}

func (m *teller) empty(container string) {
	for id, it := range m.Items {
		if it.Parent == container {
			m.leave(id)
		}
	}
	for lot, amount := range m.Packed[container] {
		m.add(m.who, lot, amount)
	}
	delete(m.Packed, container)
}

// shut ends what is open of a thing: its offer, and the receipts that wait for one.
func (m *teller) shut(id string, how unitEnd) {
	it := m.item(id)
	it.Waits = map[string]bookWait{}
	if o := it.Offer; o != nil {
		it.Offer = nil
		m.unitOver(o, how)
	}
}

func (m *teller) end(id string) {
	m.claim(id)
	m.shut(id, goneUnit)
	if m.item(id).Parent != "" {
		m.leave(id)
	}
	m.empty(id)
	m.item(id).Ended = true
}

func (m *teller) put(id string) {
	m.claim(id)
	if m.item(id).Parent != "" || m.top(m.e.ParentID) == id {
		return
	}
	m.shut(id, goneUnit)
	m.packed(id)
	m.item(id).Parent = m.e.ParentID
	m.packs(id)
}

func (m *teller) stow(list []schemas.Quantity) {
	for _, q := range list {
		m.book(m.who, q, -1)
		if m.Packed[m.e.ParentID] == nil {
			m.Packed[m.e.ParentID] = map[string]*bookAmount{}
		}
		lot := lotName(q.Class, q.UOM)
		have := m.Packed[m.e.ParentID][lot]
		if have == nil {
			have = &bookAmount{Known: true, Is: new(big.Rat)}
		}
		m.Packed[m.e.ParentID][lot] = plus(have, amountIn(q))
	}
}

func (m *teller) receiveEvent() {
	for _, id := range m.e.EPCs {
		it := m.item(id)
		o := it.Offer
		switch {
		case it.Parent != "" || it.Holder == m.who:
		case strings.HasPrefix(it.Holder, schemas.External):
			m.pass(id, m.who) // nobody there can offer
		case o != nil && o.To == m.who && o.Claimed <= m.e.EventTime:
			m.stands(m.stoppedOffer(o) && m.strict(id), schemas.ShipmentHeld)
			if o.Shipment != "" {
				m.stands(m.byGateway(), schemas.ClientKeyNeeded)
				m.papers(m.Shipments[o.Shipment], m.who, id)
			}
			if m.refused() {
				return
			}
			m.pass(id, m.who)
		default:
			it.Waits[m.who] = bookWait{m.e.EventTime, m.Now, m.at}
		}
	}
}

// pass hands a thing over.
func (m *teller) pass(id, to string) {
	how := takenUnit
	if o := m.item(id).Offer; o != nil && o.To != to {
		how = goneUnit
	}
	m.item(id).Holder = to
	m.shut(id, how)
	m.effect = schemas.Applied
}

func (m *teller) answerOffers(may func(*bookItem) bool, how unitEnd) {
	for _, id := range m.e.EPCs {
		it := m.item(id)
		if o := it.Offer; o != nil && it.Parent == "" && may(it) && (how == goneUnit || o.Claimed <= m.e.EventTime) {
			it.Offer = nil
			m.unitOver(o, how)
			m.effect = schemas.Applied
		}
	}
}

// receiver is the partner that the event names, or who is none, by its GLN.
func (m *teller) receiver() string {
	id := m.e.Destinations[0].ID
	for name, p := range m.law.Partners {
		if p.State != removed && strings.HasSuffix(id, p.GLN) {
			return name
		}
	}
	return schemas.External + id[strings.LastIndex(id, "/")+1:]
}

// shipEvent offers things to the partner that the event names.
func (m *teller) shipEvent() (claim bool) {
	to := m.receiver()
	if to == m.who {
		return false
	}
	if m.foreign(m.e.EPCs) {
		return true
	}
	for _, id := range m.e.EPCs {
		m.shipsAll(id, to)
		if m.item(id).Parent != "" {
			continue
		}
		s := m.Shipments[m.item(id).Shipment]
		m.stands(m.strict(id) && s != nil && s.HeldBy != "" && !m.free(m.item(id).Shipment), schemas.ShipmentHeld)
		m.stands(m.strict(id) && m.law.Partners[to] != nil && m.law.Partners[to].State != active, schemas.PartnerInactive)
	}
	if m.refused() {
		return false
	}
	before := m.books.copy() // an offer to the receiver may lack documents: found on the way
	defer func() {
		if m.refused() {
			*m.books = *before
		}
	}()
	for _, id := range m.e.EPCs {
		it := m.item(id)
		if it.Parent != "" {
			continue
		}
		m.claim(id)
		m.effect = schemas.Applied
		if strings.HasPrefix(to, schemas.External) { // nobody there can answer
			m.pass(id, to)
			continue
		}
		o := &bookOffer{To: to, Claimed: m.e.EventTime, Made: m.Now, By: m.at}
		old := it.Offer
		it.Offer = nil
		if old != nil {
			m.unitOver(old, goneUnit)
		}
		m.enlist(it, o)
		if o.Shipment != "" {
			m.papers(m.Shipments[o.Shipment], to, id)
		}
		it.Offer = o
		if w, waits := it.Waits[to]; waits && w.Claimed >= m.e.EventTime && !m.stoppedOffer(o) && !(o.Shipment != "" && m.law.Parameters.Client) {
			m.pass(id, to)
		}
	}
	return false
}
