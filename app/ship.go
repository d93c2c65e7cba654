package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Shipments. A shipment is announced, and from then on follows from what happens to its
// units: a hand-over of it is an offer of each of them (custody.go, lots.go), whether an
// act made it or EPCIS events did, and whoever takes, refuses or withdraws the offers,
// in whichever way, answers the hand-over. What follows, the table says (ship_table.go).

// shipment is a shipment's state while a message runs.
type shipment struct {
	schemas.Shipment
	id      string
	aside   []byte            // its trail
	last    *schemas.Handover // the last hand-over, where the state is HandoverPending
	touched bool
	ends    []deadline // of its leaves as they are written
}

// shipment loads a shipment, nil where there is none. An offer that has ended is found
// here, when it is looked at.
func (m *message) shipment(id string) *shipment {
	if s, ok := m.ships[id]; ok {
		return s
	}
	value, aside := m.get(schemas.ShipmentKey(id))
	if value == nil {
		return nil
	}
	s := &shipment{id: id, Shipment: must(schemas.DecodeShipment(value)), aside: aside}
	m.afford(1 + len(s.Lots) + len(s.Documents) + len(s.Attached))
	m.remember(s)
	s.ends = shipmentDeadline(id, &s.Shipment)
	if s.State == schemas.HandoverPending {
		h := m.handover(id, s.Handovers)
		s.last = &h
		s.ends = append(s.ends, handoverDeadline(id, &h)...)
		if m.now() > h.Until {
			m.finish(s, doExpire)
		}
	}
	return s
}

func (m *message) remember(s *shipment) {
	if m.ships == nil {
		m.ships = map[string]*shipment{}
	}
	m.ships[s.id] = s
}

// handover reads a hand-over, and is charged for what the answer to it lists.
func (b *block) handover(id string, n uint64) schemas.Handover {
	value, _ := b.get(schemas.HandoverKey(id, n))
	h := must(schemas.DecodeHandover(value))
	b.afford(1 + len(h.Discrepancies) + len(h.Lots))
	return h
}

// touchShipment notes that the message belongs to the shipment's trail.
func (m *message) touchShipment(s *shipment) {
	if !s.touched {
		s.touched = true
		m.shipOrder = append(m.shipOrder, s)
	}
}

func (m *message) saveShipment(s *shipment) {
	key := schemas.TrailKey{Kind: schemas.ShipmentTrail, Subject: s.id}
	l := readLog(s.aside)
	m.putTrailRow(key, l.Count)
	l.grow(m.led, key, m.entry(key))
	s.Trail, s.aside = l.head(), l.AppendTo(nil)
	m.led.Set(schemas.ShipmentKey(s.id), s.Shipment.Append(nil), s.aside)
	ends := append(shipmentDeadline(s.id, &s.Shipment), handoverDeadline(s.id, s.last)...)
	m.expect(s.ends, ends)
	s.ends = ends
	if s.last != nil {
		m.saveHandover(s)
	}
}

func (m *message) saveHandover(s *shipment) {
	m.led.Set(schemas.HandoverKey(s.id, s.Handovers), s.last.Append(nil), nil)
}

func shipmentRow(party, id string) []byte { return rowKey(rowShipment, party, id) }

// signing is who sent the message and with which key, and how the key is held that stands
// for it: its author's where one signed the message itself, else the transaction's.
func (m *message) signing() schemas.Signing {
	s := schemas.Signing{Partner: m.partner, KeyID: m.tx.Header.KeyId, Author: m.event.Author, Time: m.now(), EventTime: m.event.EventTime, At: m.at}
	if k := m.key(s.Partner, m.signer()); k != nil {
		s.Held = k.Held
	}
	return s
}

// answering is who answers the hand-over: the author, or whoever's receipt waited for it;
// where the members decided, neither side did, and what is told is when.
func (m *message) answering() schemas.Signing {
	if m.voted {
		return schemas.Signing{Time: m.now(), At: m.at}
	}
	if r := m.met; r != nil {
		return schemas.Signing{Partner: r.Party, Time: r.Time, EventTime: r.EventTime, At: r.Locator}
	}
	return m.signing()
}

// active reports whether goods can be handed to a partner.
func (m *message) active(partner string) bool {
	p := m.dir.partner(partner)
	return p != nil && p.State == schemas.Active && p.Standing != schemas.StandingObserver
}

// removed reports whether a partner has left the network.
func (m *message) removed(partner string) bool {
	p := m.dir.partner(partner)
	return p != nil && p.State == schemas.Removed
}

// announce begins a shipment, of what its author holds.
func (m *message) announce(a *schemas.AnnounceShipment) {
	s := &shipment{id: a.Shipment, Shipment: schemas.Shipment{Shipper: m.partner, ShipmentParties: a.ShipmentParties, ShipmentTerms: a.ShipmentTerms,
		Lots: a.Lots, Items: uint64(len(a.Items)), Units: uint64(len(a.Items) + len(a.Lots)), State: schemas.Announced, Holder: m.partner,
		Announced: m.now(), At: m.at}}
	if s.id == "" {
		s.id = m.msg.EventIDOf()
	}
	if value, _ := m.get(schemas.ShipmentKey(s.id)); value != nil {
		m.result.Code = schemas.ShipmentKnown
		return
	}
	if a.Receiver == m.partner || slices.Contains(a.Carriers, a.Receiver) {
		m.result.Code = schemas.OfferToSelf
		return
	}
	for _, p := range s.Parties() {
		if known := m.dir.partner(p); known == nil || known.State != schemas.Active {
			m.result.Code = schemas.PartnerInactive
			return
		}
		m.led.PutRow(shipmentRow(p, s.id), present)
	}
	m.remember(s)
	m.touchShipment(s)
	for _, id := range a.Items {
		if m.gather(s, id); m.result.Code != schemas.OK {
			return
		}
	}
	for _, l := range a.Lots {
		q := quantityOfLot(l)
		m.touchClass(l.Class)
		if _, short := m.short(q, m.partner); short && m.strict(l.Class) {
			m.result.Code = schemas.BalanceTooLow
			return
		}
	}
	m.promise(s)
	if len(a.Items) > 0 {
		m.led.Set(schemas.UnitsKey(s.id), schemas.AppendUnits(nil, a.Items), nil)
	}
}

// gather puts a unit into a shipment.
func (m *message) gather(s *shipment, id string) {
	it := m.item(id)
	m.settle(it)
	switch {
	case it.Parent != "" || it.Ended:
		m.result.Code = schemas.NotAUnit
		return
	case it.Custodian != "" && it.Custodian != m.partner:
		m.result.Code = schemas.NotCustodian
		m.concern(it.Custodian)
		return
	}
	if it.Shipment != "" {
		if other := m.shipment(it.Shipment); other != nil && !other.Free() {
			m.result.Code = schemas.InShipment
			return
		}
	}
	m.hold(id, false).Shipment = s.id
}

func quantityOfLot(l schemas.ShipmentLot) schemas.Quantity {
	return schemas.Quantity{Class: l.Class, UOM: l.UOM, Known: true, Amount: must(schemas.ParseDecimal(l.Quantity))}
}

// step judges a message of the author's by the table, and answers where it leads.
func (m *message) step(s *shipment, does shipMessage) (next schemas.ShipmentState, ok bool) {
	next, code := nextState(s.State, s.HeldBy != "", does, m.rolesIn(s, does))
	if code == schemas.ShipmentHeld || code == schemas.WrongState && s.HeldBy != "" {
		m.concern(s.HeldBy)
	}
	m.result.Code = code
	return next, code == schemas.OK
}

// rolesIn are the roles in which the author can do something about a shipment.
func (m *message) rolesIn(s *shipment, does shipMessage) (roles shipRole) {
	switch does {
	case doAccept, doReject:
		if s.last != nil && s.last.To == m.partner {
			return offeredAs(s)
		}
		return 0
	case doUnhold:
		if m.partner == s.HeldBy || m.partner == s.Arbiter {
			return asParty
		}
		if m.active(s.HeldBy) {
			return 0
		}
		fallthrough // who cannot sign cannot let go: any party does
	case doHold, doAttach:
		if slices.Contains(s.Parties(), m.partner) {
			return asParty
		}
		return 0
	}
	if m.partner == s.Holder {
		roles |= asHolder
		if m.partner == s.Shipper {
			roles |= asShipper // whose doings need that it has the goods
		}
	}
	if m.partner == s.Receiver {
		roles |= asReceiver
	}
	return roles
}

// offeredAs is the role in which the open hand-over's other side gets it.
func offeredAs(s *shipment) shipRole {
	switch s.last.To {
	case s.Shipper:
		return asShipper
	case s.Receiver:
		return asReceiver
	}
	return asCarrier
}

// findShipment is the shipment that an act is about, nil and a code where there is none.
func (m *message) findShipment(id string) *shipment {
	s := m.shipment(id)
	if s == nil {
		m.result.Code = schemas.NoSuchShipment
	}
	return s
}

// stepShipment runs an act about a shipment that says no more than which.
func (m *message) stepShipment(a *schemas.ShipmentStep) {
	s := m.findShipment(a.Shipment)
	if s == nil {
		return
	}
	does := map[string]shipMessage{schemas.StepDispatch: doDispatch, schemas.StepClose: doClose, schemas.StepCancel: doCancel,
		schemas.StepHold: doHold, schemas.StepUnhold: doUnhold}[a.Step]
	next, ok := m.step(s, does)
	if !ok {
		return
	}
	m.touchShipment(s)
	s.State = next
	switch does {
	case doHold:
		s.HeldBy = m.partner
		m.tell(s, schemas.ShipmentStopped)
	case doUnhold:
		s.HeldBy = ""
	}
}

// tell flags the message, and puts it into the lists of the shipment's parties.
func (m *message) tell(s *shipment, c schemas.Code) {
	m.flag(c)
	for _, p := range []string{s.Shipper, s.Receiver, s.Holder} {
		m.concern(p)
	}
}

// offerShipment offers all that the author holds of a shipment.
func (m *message) offerShipment(id, to string, until int64, does shipMessage) {
	s := m.findShipment(id)
	if s == nil {
		return
	}
	if does == doReturn {
		to = s.Shipper
	}
	next, ok := m.step(s, does)
	if !ok {
		return
	}
	switch {
	case next == schemas.Returned: // its shipper has it still
		m.touchShipment(s)
		s.State = next
		return
	case to == m.partner:
		m.result.Code = schemas.OfferToSelf
	case does == doOffer && !m.nextHand(s, to):
		m.result.Code = schemas.NotAParty
	case !m.active(to):
		m.result.Code = schemas.PartnerInactive
	case until != 0 && until <= m.now():
		m.result.Code = schemas.OfferExpired
	}
	if m.result.Code == schemas.OK {
		m.offerUnits(s, to, until)
	}
}

// nextHand reports whether a partner is one to whom the shipment may be offered.
func (m *message) nextHand(s *shipment, to string) bool {
	return to == s.Receiver || slices.Contains(s.Carriers, to)
}

// units are what a shipment consists of.
func (m *message) units(s *shipment) []string {
	if s.Items == 0 {
		return nil
	}
	m.afford(int(s.Items))
	value, _ := m.get(schemas.UnitsKey(s.id))
	return must(schemas.DecodeUnits(value))
}

func (m *message) offerUnits(s *shipment, to string, until int64) {
	var mine []string
	for _, id := range m.units(s) {
		it := m.item(id)
		m.settle(it)
		if it.Shipment != s.id || it.Parent != "" || it.Ended || it.Custodian != m.partner {
			continue
		}
		if it.Offer != nil {
			m.result.Code = schemas.OfferOpen
			return
		}
		mine = append(mine, id)
	}
	lots := make([]schemas.Quantity, len(s.Lots))
	for i, l := range s.Lots {
		lots[i] = quantityOfLot(l)
	}
	units := uint64(len(mine) + len(lots))
	switch {
	case units == 0:
		m.result.Code = schemas.NothingToOffer
		return
	case m.shipsRecalled(mine, lots, to, s.Receiver):
		return
	case units < s.Units:
		m.flag(schemas.Incomplete)
	}
	m.openHandover(s, to, until)
	s.last.Units = units
	m.shipping = s
	for _, id := range mine {
		m.offerItem(m.hold(id, false), to)
	}
	for _, q := range lots {
		m.offerLot(q, to)
	}
	m.listOffer(to)
	m.concern(to)
}

// openHandover opens the next hand-over of all that the author has of a shipment.
func (m *message) openHandover(s *shipment, to string, until int64) {
	if most := m.now() + schemas.MaxWaiting; until == 0 || until > most {
		until = most
	}
	if s.last != nil { // the message ended it, or found it ended
		m.saveHandover(s)
	}
	s.Handovers++
	s.State = schemas.HandoverPending
	s.last = &schemas.Handover{To: to, Offered: m.signing(), Until: until, Units: s.Units, State: schemas.HandoverOpen}
	m.touchShipment(s)
}

// finish ends the open hand-over: what was taken counts as accepted, however the rest
// was answered.
func (m *message) finish(s *shipment, does shipMessage) {
	s.finish(does)
	if does != doExpire {
		s.last.Answered = m.answering()
	}
	if s.last.Took > 0 && !s.Free() {
		m.promise(s)
	}
}

func (s *shipment) finish(does shipMessage) {
	h, as := s.last, asHolder
	switch {
	case h.Took > 0:
		does, as = doAccept, offeredAs(s)
		h.State = schemas.HandoverAccepted
		if h.Took < h.Units || len(h.Discrepancies) > 0 {
			h.State = schemas.HandoverAcceptedWith
		}
		s.Holder, s.Units, s.Lots = h.To, h.Took, h.Lots
	case does == doExpire:
		h.State, as = schemas.HandoverExpired, asTime
	case does == doReject || h.Refused > 0:
		does, as = doReject, offeredAs(s)
		h.State = schemas.HandoverRejected
	default:
		h.State = schemas.HandoverCancelled
	}
	s.State = shipTable[shipStep{schemas.HandoverPending, does, as}]
}
