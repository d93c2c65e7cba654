package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a removed partner left: it can hand over nothing any more, and answer nothing. The
// members decide who has its things and lots, and end the shipments that it was a party of.

// judgePassing judges whether a removed partner holds all that would be taken from it.
func (m *message) judgePassing(c *schemas.Change) schemas.Code {
	if !m.active(c.To) {
		return schemas.NoSuchPartner
	}
	for _, id := range c.Items {
		if !m.holdsItself(c.Partner, id) {
			return schemas.NotHeld
		}
	}
	for i := range c.Lots {
		if !m.hasOf(c.Partner, &c.Lots[i]) {
			return schemas.NotHeld
		}
	}
	return schemas.OK
}

// holdsItself reports whether a partner holds an item that is in no container.
func (m *message) holdsItself(partner, id string) bool {
	it := m.item(id)
	return m.custodian(it) == partner && it.Parent == ""
}

// hasOf reports whether a partner has some of a lot, and at least as much as is said: of
// what cannot be told it has any amount.
func (b *block) hasOf(partner string, l *schemas.PassedLot) bool {
	held, ok := b.lotBalance(partner, l)
	if !ok || held.Unknown {
		return ok
	}
	has := must(schemas.ParseDecimal(held.Amount))
	if l.Quantity == "" {
		return has.Sign() > 0
	}
	return has.Sub(must(schemas.ParseDecimal(l.Quantity))).Sign() >= 0
}

func (b *block) lotBalance(partner string, l *schemas.PassedLot) (held schemas.LotBalance, ok bool) {
	value, _ := b.get(schemas.BalanceKey(l.Class, l.UOM, partner))
	if value == nil {
		return held, false
	}
	return must(schemas.DecodeLotBalance(value)), true
}

// passAll hands over what a removed partner held.
func (m *message) passAll(c *schemas.Change) {
	for _, id := range c.Items {
		m.pass(m.item(id), c.To)
	}
	for i := range c.Lots {
		m.passLeft(c.Partner, c.To, &c.Lots[i])
	}
	m.concern(c.To)
}

// noAmount is a balance of nothing.
var noAmount = schemas.Decimal{}.String()

// passLeft moves some of a lot, or all that there is: of a partner that had what cannot be
// told, all that is left is nothing.
func (m *message) passLeft(from, to string, l *schemas.PassedLot) {
	held, _ := m.lotBalance(from, l)
	q := schemas.Quantity{Class: l.Class, UOM: l.UOM}
	if said := l.Quantity; said != "" || !held.Unknown {
		if said == "" {
			said = held.Amount
		}
		q.Amount, q.Known = must(schemas.ParseDecimal(said)), true
	}
	m.touchClass(l.Class)
	if q.Known {
		m.balance(from, q, false)
	} else {
		none := schemas.LotBalance{Amount: noAmount}
		m.led.Set(schemas.BalanceKey(l.Class, l.UOM, from), none.Append(nil), nil)
	}
	m.balance(to, q, true)
}

// judgeShipments judges whether shipments are under way that a removed partner is a party
// of.
func (m *message) judgeShipments(c *schemas.Change) schemas.Code {
	for _, id := range c.Shipments {
		switch s := m.shipment(id); {
		case s == nil:
			return schemas.NoSuchShipment
		case s.Final():
			return schemas.WrongState
		case !slices.Contains(s.Parties(), c.Partner):
			return schemas.NotAParty
		}
	}
	return schemas.OK
}

// endShipment ends a shipment, whatever its state: what is offered of it is not any more,
// what was taken stays with who took it, and an argument has no outcome.
func (m *message) endShipment(s *shipment) {
	if s.State == schemas.HandoverPending {
		m.endHandover(s, doWithdraw, offerGone)
	}
	m.touchShipment(s)
	s.State, m.result.Code = nextState(s.State, s.HeldBy != "", doEnd, asMembers)
	s.HeldBy, s.Disputed = "", 0
	m.flag(schemas.ShipmentEnded)
	for _, p := range s.Parties() {
		m.concern(p)
	}
}
