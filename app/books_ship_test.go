package app_test

import (
	"math/big"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Shipments on the books.

type bookShipment struct {
	Shipper, Receiver, Arbiter string
	Carriers, Inspectors       []string
	Units                      []string
	Lots                       []bookLot // that its holder has of it
	Documents                  []bookDocument
	Has                        int // units and lots that its holder has, as its hand-overs tell
	State, Holder, HeldBy      string
	Handovers                  []*bookHandover
	Disputed                   int // the hand-over that is argued about
}

type bookLot struct {
	Lot, Class string
	Amount     *big.Rat
}

type bookHandover struct {
	From, To      string
	Until         int64
	Units         int // that are to be handed over
	Open          int // of them, that are offered now
	Took, Refused int
	Lots          []bookLot // that are offered now
	Taken         []bookLot // that were taken
	State         string
	Dispute       *bookDispute
}

type bookDispute struct {
	Evidence          map[string]int // of each side, "" of all others
	From, To, Outcome string         // what each side says, and how it ended
}

// How an offer of a unit ends.
type unitEnd int

const (
	takenUnit unitEnd = iota
	refusedUnit
	goneUnit
)

// bookSteps is docs/custody.md's diagram: state, message, role and where it leads.
var bookSteps = [][4]string{
	{"announced", "dispatch", "holder", "in_transit"}, {"announced", "offer", "holder", "handover_pending"}, {"announced", "cancel", "shipper", "cancelled"},
	{"in_transit", "offer", "holder", "handover_pending"}, {"in_transit", "return", "holder", "handover_pending"}, {"in_transit", "cancel", "shipper", "cancelled"}, {"in_transit", "dispute", "side", "disputed"},
	{"handover_pending", "accept", "carrier", "in_transit"}, {"handover_pending", "accept", "receiver", "delivered"}, {"handover_pending", "accept", "shipper", "returned"},
	{"handover_pending", "reject", "carrier", "in_transit"}, {"handover_pending", "reject", "shipper", "rejected"}, {"handover_pending", "reject", "receiver", "rejected"},
	{"handover_pending", "withdraw", "holder", "in_transit"},
	{"delivered", "return", "holder", "handover_pending"}, {"delivered", "close", "receiver", "closed"}, {"delivered", "dispute", "side", "disputed"},
	{"rejected", "offer", "holder", "handover_pending"}, {"rejected", "return", "shipper", "returned"}, {"rejected", "return", "holder", "handover_pending"}, {"rejected", "cancel", "shipper", "cancelled"}, {"rejected", "dispute", "side", "disputed"},
	{"disputed", "go_on", "side", "in_transit"}, {"disputed", "delivered", "side", "delivered"}, {"disputed", "return it", "side", "rejected"},
	{"disputed", "go_on", "arbiter", "in_transit"}, {"disputed", "delivered", "arbiter", "delivered"}, {"disputed", "return it", "arbiter", "rejected"},
	{"returned", "close", "shipper", "closed"}, {"returned", "dispute", "side", "disputed"},
}

// What a stopped shipment lets pass.
var bookWhileHeld = []string{"reject", "withdraw", "dispute", "go_on", "delivered", "return it"}

const expired = "expired"

func (s *bookShipment) open() *bookHandover {
	if s.State != "handover_pending" {
		return nil
	}
	return s.Handovers[len(s.Handovers)-1]
}

func (s *bookShipment) over() bool { return s.State == "closed" || s.State == "cancelled" }

func (s *bookShipment) parties() []string {
	all := append([]string{s.Shipper, s.Receiver}, append(slices.Clone(s.Carriers), s.Inspectors...)...)
	if s.Arbiter != "" {
		all = append(all, s.Arbiter)
	}
	return all
}

// as is the role in which an offer is answered.
func (s *bookShipment) as(to string) string {
	switch to {
	case s.Shipper:
		return "shipper"
	case s.Receiver:
		return "receiver"
	}
	return "carrier"
}

// leads is where a message of somebody in these roles leads; what stands against it is told.
func (m *teller) leads(s *bookShipment, does string, roles ...string) (next string) {
	possible, mine := false, false
	for _, step := range bookSteps {
		if step[0] == s.State && step[1] == does {
			possible = true
			if slices.Contains(roles, step[2]) && !mine {
				mine, next = true, step[3]
			}
		}
	}
	m.stands(!possible, schemas.WrongState)
	m.stands(possible && !mine, schemas.WrongRole)
	m.stands(s.HeldBy != "" && !slices.Contains(bookWhileHeld, does), schemas.ShipmentHeld)
	return next
}

// mine are the author's roles of one who has the goods, or is to have them.
func (m *teller) mine(s *bookShipment) (roles []string) {
	if m.who == s.Holder && m.who == s.Shipper {
		roles = append(roles, "shipper")
	}
	if m.who == s.Holder {
		roles = append(roles, "holder")
	}
	if m.who == s.Receiver {
		roles = append(roles, "receiver")
	}
	return roles
}

// ship is the shipment that an act names.
func (m *teller) ship(id string) *bookShipment {
	m.stands(m.Shipments[id] == nil, schemas.NoSuchShipment)
	return m.Shipments[id]
}

func (m *teller) announce(a *schemas.AnnounceShipment) {
	s := &bookShipment{Shipper: m.who, Receiver: a.Receiver, Arbiter: a.Arbiter, Carriers: a.Carriers, Inspectors: a.Inspectors, Units: a.Items, State: "announced", Holder: m.who, Has: len(a.Items) + len(a.Lots)}
	for _, d := range a.Documents {
		hash := ""
		if !d.Hash.IsZero() {
			hash = d.Hash.String()
		}
		s.Documents = append(s.Documents, bookDocument{Kind: d.Kind, Hash: hash})
	}
	m.stands(m.Shipments[a.Shipment] != nil, schemas.ShipmentKnown)
	m.stands(a.Receiver == m.who || slices.Contains(a.Carriers, a.Receiver), schemas.OfferToSelf)
	for _, p := range s.parties() {
		m.stands(m.law.Partners[p] == nil || m.law.Partners[p].State != active, schemas.PartnerInactive)
	}
	for _, id := range a.Items {
		it := m.item(id)
		m.stands(it.Parent != "" || it.Ended, schemas.NotAUnit)
		m.stands(m.holder(id) != "" && m.holder(id) != m.who, schemas.NotCustodian)
		m.stands(it.Shipment != "" && !m.free(it.Shipment), schemas.InShipment)
	}
	for _, l := range a.Lots {
		amount, _ := new(big.Rat).SetString(l.Quantity)
		s.Lots = append(s.Lots, bookLot{lotName(l.Class, l.UOM), l.Class, amount})
		m.stands(m.strict(l.Class) && m.below(lotName(l.Class, l.UOM), m.who, &bookAmount{true, amount}), schemas.BalanceTooLow)
	}
	if m.refused() {
		return
	}
	m.Shipments[a.Shipment] = s
	for _, id := range a.Items {
		m.claim(id)
		m.item(id).Shipment = a.Shipment
	}
}

// free reports whether units of a shipment may be in another.
func (b *books) free(id string) bool {
	s := b.Shipments[id].State
	return b.Shipments[id].over() || s == "delivered" || s == "returned"
}

func (m *teller) shipmentStep(a *schemas.ShipmentStep) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	switch a.Step {
	case schemas.StepHold:
		m.stands(s.over() || s.HeldBy != "", schemas.WrongState)
		m.stands(!slices.Contains(s.parties(), m.who), schemas.WrongRole)
		if !m.refused() {
			s.HeldBy = m.who
		}
		return
	case schemas.StepUnhold:
		m.stands(s.HeldBy == "", schemas.WrongState)
		absent := s.HeldBy != "" && m.law.Partners[s.HeldBy].State != active
		m.stands(m.who != s.HeldBy && m.who != s.Arbiter && !(absent && slices.Contains(s.parties(), m.who)), schemas.WrongRole)
		if !m.refused() {
			s.HeldBy = ""
		}
		return
	}
	next := m.leads(s, map[string]string{schemas.StepDispatch: "dispatch", schemas.StepClose: "close", schemas.StepCancel: "cancel"}[a.Step], m.mine(s)...)
	if !m.refused() {
		s.State = next
	}
}

// units are the shipment's that its holder has.
func (b *books) units(id string) (out []string) {
	for _, u := range b.Shipments[id].Units {
		if it := b.item(u); it.Holder == b.Shipments[id].Holder && it.Parent == "" && !it.Ended && it.Shipment == id {
			out = append(out, u)
		}
	}
	return out
}

func (m *teller) sendBack(a *schemas.ReturnShipment) {
	s := m.ship(a.Shipment)
	if s == nil {
		return
	}
	if s.State == "rejected" && s.Holder == s.Shipper && m.who == s.Shipper {
		if next := m.leads(s, "return", "shipper"); !m.refused() {
			s.State = next
		}
		return
	}
	m.offers(a.Shipment, s, s.Shipper, a.Until, "return")
}

func (m *teller) offer(id, to string, until int64) {
	s := m.ship(id)
	if s == nil {
		return
	}
	m.stands(!slices.Contains(s.Carriers, to) && to != s.Receiver, schemas.NotAParty)
	m.offers(id, s, to, until, "offer")
}

func (m *teller) offers(id string, s *bookShipment, to string, until int64, does string) {
	next := m.leads(s, does, m.mine(s)...)
	m.stands(to == m.who, schemas.OfferToSelf)
	p := m.law.Partners[to]
	m.stands(p == nil || p.State != active || p.Standing == "observer", schemas.PartnerInactive)
	m.stands(until != 0 && until <= m.Now, schemas.OfferExpired)
	units := m.units(id)
	m.stands(len(units)+len(s.Lots) == 0, schemas.NothingToOffer)
	for _, u := range units {
		m.stands(m.item(u).Offer != nil, schemas.OfferOpen)
		m.shipsAll(u, to, s.Receiver)
		m.papers(s, to, u)
	}
	for _, l := range s.Lots {
		m.stands(m.strict(l.Class) && m.below(l.Lot, m.who, &bookAmount{true, l.Amount}), schemas.BalanceTooLow)
		m.ships(m.lotRecalls(l.Class), []string{l.Class}, to, s.Receiver)
		m.papers(s, to, l.Class)
	}
	if m.refused() {
		return
	}
	if end := m.Now + month; until == 0 || until > end {
		until = end
	}
	h := &bookHandover{From: m.who, To: to, Until: until, Units: len(units) + len(s.Lots), Open: len(units) + len(s.Lots), Lots: slices.Clone(s.Lots), State: "open"}
	s.Handovers, s.State = append(s.Handovers, h), next
	for _, u := range units {
		m.item(u).Offer = &bookOffer{To: to, Claimed: m.e.EventTime, Made: m.Now, Shipment: id, Handover: len(s.Handovers)}
	}
	for _, l := range s.Lots {
		if m.lacks(l.Lot, m.who, &bookAmount{true, l.Amount}) {
			m.Lots[l.Lot][m.who] = &bookAmount{} // more is there than was known
		}
	}
	for _, u := range units {
		if w, waits := m.item(u).Waits[to]; waits && w.Claimed >= m.e.EventTime && !m.law.Parameters.Client {
			m.pass(u, to)
		}
	}
}

// enlist brings an event's offer of a unit into the hand-over of its shipment, where it
// is a step of it.
func (m *teller) enlist(it *bookItem, o *bookOffer) {
	id := it.Shipment
	s := m.Shipments[id]
	if s == nil || m.free(id) || s.HeldBy != "" || m.who != s.Holder {
		return
	}
	if h := s.open(); h != nil {
		if h.To != o.To || h.From != m.who || h.Open+h.Took+h.Refused >= h.Units {
			return
		}
	} else {
		does := "offer"
		if o.To == s.Shipper {
			does = "return"
		} else if !slices.Contains(s.Carriers, o.To) && o.To != s.Receiver {
			return
		}
		judge := &teller{books: m.books, who: m.who}
		next := judge.leads(s, does, m.mine(s)...)
		if judge.refused() {
			return
		}
		s.Handovers, s.State = append(s.Handovers, &bookHandover{From: m.who, To: o.To, Until: m.Now + month, Units: s.Has, State: "open"}), next
	}
	s.open().Open++
	o.Shipment, o.Handover = id, len(s.Handovers)
}

func (b *books) stoppedOffer(o *bookOffer) bool {
	return o.Shipment != "" && b.Shipments[o.Shipment].HeldBy != ""
}

// unitOver tells the hand-over that the offer of a unit is no more.
func (b *books) unitOver(o *bookOffer, how unitEnd) {
	if o.Shipment == "" {
		return
	}
	h := b.Shipments[o.Shipment].Handovers[o.Handover-1]
	h.count(how)
	if h.State == "open" && (h.Took+h.Refused >= h.Units || h.Open+h.Took+h.Refused == 0) {
		b.finish(o.Shipment, "answered")
	}
}

func (h *bookHandover) count(how unitEnd) {
	h.Open--
	switch how {
	case takenUnit:
		h.Took++
	case refusedUnit:
		h.Refused++
	}
}

// finish ends the open hand-over of a shipment: all is answered, it is withdrawn, or over.
func (b *books) finish(id, how string) {
	s := b.Shipments[id]
	h := s.open()
	for _, u := range s.Units {
		if o := b.item(u).Offer; o != nil && o.Shipment == id {
			b.item(u).Offer = nil
		}
	}
	h.Lots, h.Open = nil, 0
	switch {
	case h.Took > 0:
		s.Holder, s.Lots, s.Has = h.To, h.Taken, h.Took
		s.State = map[string]string{"carrier": "in_transit", "receiver": "delivered", "shipper": "returned"}[s.as(h.To)]
		if h.State = "accepted"; h.Took < h.Units {
			h.State = "accepted_with_discrepancies"
		}
	case how == expired:
		s.State, h.State = "in_transit", "expired"
	case h.Refused > 0:
		h.State = "rejected"
		if s.State = "rejected"; s.as(h.To) == "carrier" {
			s.State = "in_transit"
		}
	default:
		s.State, h.State = "in_transit", "cancelled"
	}
}
