package app

import (
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// A class or lot has no single custodian: every partner holds some of it. What a
// partner holds is a quantity, or unknown once somebody left a quantity out or
// took or offered more than was there. What is packed is no longer loose: it is in
// its container (contents.go).

// move credits or debits the author's balances.
func (m *message) move(quantities []schemas.Quantity, credit bool) {
	if !m.tells(quantities) {
		return
	}
	for _, q := range quantities {
		if credit {
			m.make(q.Class)
		}
		m.touchClass(q.Class)
		m.balance(m.partner, q, credit)
	}
}

// tells reports whether what the author says of lots tells how much of each: where custody
// is strict, else who leaves it out could hand on more than there is.
func (m *message) tells(quantities []schemas.Quantity) bool {
	for _, q := range quantities {
		if !q.Known && m.strict(q.Class) {
			m.result.Code = schemas.QuantityNeeded
			return false
		}
	}
	return true
}

// commissions reports whether the rule of the event's type brings lots into being.
func (m *message) commissions() bool {
	return m.event.Type == schemas.ObjectEvent && m.event.Action == schemas.ActionAdd
}

// balance changes what a partner holds of one class or lot.
func (m *message) balance(partner string, q schemas.Quantity, credit bool) {
	key := schemas.BalanceKey(q.Class, q.UOM, partner)
	value, _ := m.get(key)
	var held schemas.LotBalance
	if value != nil {
		held = must(schemas.DecodeLotBalance(value))
	} else if !credit {
		if m.strict(q.Class) {
			m.result.Code = schemas.BalanceTooLow
		}
		m.flag(schemas.ClaimedUnseen)
	}
	if !q.Known {
		held.Unknown = true
	}
	if !held.Unknown {
		var amount schemas.Decimal
		if held.Amount != "" {
			amount = must(schemas.ParseDecimal(held.Amount))
		}
		if credit {
			amount = amount.Add(q.Amount)
		} else {
			amount = amount.Sub(q.Amount)
		}
		held.Amount = amount.String()
		// A sum may be larger than what a quantity can say.
		_, err := schemas.ParseDecimal(held.Amount)
		held.Unknown = amount.Sign() < 0 || err != nil
		if amount.Sign() < 0 && m.strict(q.Class) {
			m.result.Code = schemas.BalanceTooLow
		}
	}
	if held.Unknown {
		held.Amount = ""
		m.flag(schemas.UnknownQuantity)
	}
	if value == nil {
		m.led.PutRow(rowKey(rowBalance, q.Class, q.UOM, partner), present)
	}
	m.led.Set(key, held.Append(nil), nil)
}

// Offers and waiting receipts of lots are lists by receiver: "o" those that are
// open, "r" the receipts that came first.
func offersKey(q schemas.Quantity, receiver string) []byte {
	return schemas.LotOffersKey(q.Class, q.UOM, "o"+receiver)
}

func receiptsKey(q schemas.Quantity, receiver string) []byte {
	return schemas.LotOffersKey(q.Class, q.UOM, "r"+receiver)
}

// offers are those of a list that stand: what has lapsed is dropped with the next
// write.
func (m *message) offers(key []byte) []schemas.Offer {
	value, _ := m.get(key)
	return m.standing(must(schemas.DecodeOffers(value)))
}

func (m *message) setOffers(key []byte, offers []schemas.Offer) {
	value, _ := m.get(key)
	m.expect(lotDeadlines(key, must(schemas.DecodeOffers(value))), lotDeadlines(key, offers))
	if len(offers) == 0 {
		m.led.Delete(key)
		return
	}
	m.led.Set(key, schemas.AppendOffers(nil, offers), nil)
}

func without(offers []schemas.Offer, i int) []schemas.Offer {
	return append(offers[:i:i], offers[i+1:]...)
}

func amount(q schemas.Quantity) string {
	if !q.Known {
		return ""
	}
	return q.Amount.String()
}

// offerLot is the author's shipping of some of a lot.
func (m *message) offerLot(q schemas.Quantity, to string) {
	m.touchClass(q.Class)
	m.result.Effect = schemas.Applied
	if strings.HasPrefix(to, schemas.External) {
		m.balance(m.partner, q, false)
		m.passed(m.at, to)
		return
	}
	receipts := m.offers(receiptsKey(q, to))
	if i := m.waitingLot(receipts, q); i >= 0 && m.meets(m.shipping != nil || m.promised(q)) {
		m.flag(schemas.MatchedReceipt)
		m.setOffers(receiptsKey(q, to), without(slices.Clone(receipts), i))
		o := m.open(to)
		m.enlistLot(o, q)
		m.met = &receipts[i]
		m.passLot(q, m.partner, to, receipts[i].Quantity)
		m.closeLot(o, q, receipts[i].Quantity, offerTaken)
		m.passed(receipts[i].Locator, m.partner)
		return
	}
	open, ok := m.makeRoom(m.offers(offersKey(q, to)))
	if !ok {
		m.flag(schemas.TooManyOpen)
		if m.shipping != nil {
			m.result.Code = schemas.OfferOpen
		}
		return
	}
	if held, short := m.short(q, m.partner); short {
		if m.strict(q.Class) {
			m.result.Code = schemas.BalanceTooLow
			return
		}
		m.lose(q, m.partner, held)
	}
	o := m.open(to)
	o.From, o.Quantity = m.partner, amount(q)
	m.enlistLot(o, q)
	m.setOffers(offersKey(q, to), append(open, *o))
}

// makeRoom finds room for an offer of the author's in a list. A full list gives way
// to whoever has less in it: the oldest offer of whoever has most is dropped.
func (m *message) makeRoom(open []schemas.Offer) ([]schemas.Offer, bool) {
	count := make(map[string]int) // only ever looked up
	most := 0
	for _, o := range open {
		count[o.From]++
		most = max(most, count[o.From])
	}
	switch own := count[m.partner]; {
	case own >= maxOwnLots, len(open) >= maxLots && most <= own:
		return nil, false
	case len(open) < maxLots:
		return open, true
	}
	for i, o := range open {
		if count[o.From] == most {
			m.flag(schemas.OfferReplaced)
			m.concern(o.From)
			m.concern(o.Party)
			m.closeOffer(&o, offerGone)
			return without(open, i), true
		}
	}
	return nil, false
}

// short reports whether a partner is known to hold less than an amount, and what it
// holds. It is not known of one that left a quantity out, nor of one of which nothing is
// recorded, unless custody is strict: then that one holds nothing.
func (m *message) short(q schemas.Quantity, partner string) (held schemas.LotBalance, short bool) {
	value, _ := m.get(schemas.BalanceKey(q.Class, q.UOM, partner))
	if value == nil {
		return held, q.Known && m.strict(q.Class)
	}
	if !q.Known {
		return held, false
	}
	if held = must(schemas.DecodeLotBalance(value)); held.Unknown {
		return held, false
	}
	return held, must(schemas.ParseDecimal(held.Amount)).Sub(q.Amount).Sign() < 0
}

// lose notes that a partner has more than it was known to have.
func (m *message) lose(q schemas.Quantity, partner string, held schemas.LotBalance) {
	held.Amount, held.Unknown = "", true
	m.flag(schemas.UnknownQuantity)
	m.led.Set(schemas.BalanceKey(q.Class, q.UOM, partner), held.Append(nil), nil)
}

// quantityOf is what an offer is of.
func quantityOf(q schemas.Quantity, o *schemas.Offer) schemas.Quantity {
	sent := schemas.Quantity{Class: q.Class, UOM: q.UOM}
	if o.Quantity != "" {
		sent.Amount, sent.Known = must(schemas.ParseDecimal(o.Quantity)), true
	}
	return sent
}

// waitingLot finds the receipt that waits for the author's offer: one that names
// another sender waits on. The same amount goes before others, the oldest first.
func (m *message) waitingLot(receipts []schemas.Offer, q schemas.Quantity) int {
	found := -1
	for i, r := range receipts {
		if r.EventTime < m.event.EventTime || r.From != "" && r.From != m.partner {
			continue
		}
		if r.Quantity == amount(q) {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// passLot moves q from one partner to another, who may have received another
// amount than was sent: each answers for its own.
func (m *message) passLot(sent schemas.Quantity, from, to, got string) {
	m.balance(from, sent, false)
	arrived := sent
	if got != "" {
		arrived.Amount, arrived.Known = must(schemas.ParseDecimal(got)), true
	}
	if to == m.partner && m.commissions() {
		m.owed = append(m.owed, arrived) // the rule of its type credits it, unless the event is a claim
	} else {
		m.balance(to, arrived, true)
	}
	m.concern(from)
	m.concern(to)
	m.result.Effect = schemas.Applied
}

// passed notes who got, or gave, loose lots that a message offered, or received: the first
// who did. A balance does not say what it is from, and a declaration that the message's
// event is void asks.
func (m *message) passed(at schemas.Locator, other string) {
	key := schemas.LotPassedKey(at)
	if value, _ := m.get(key); value == nil {
		m.led.Set(key, schemas.AppendRelease(nil, other), nil)
	}
}

// match finds the open offer that the event answers: of the sender that it names,
// if it names one; one of the same amount before others, the oldest first.
func (m *message) match(open []schemas.Offer, q schemas.Quantity) int {
	found, from := -1, m.sender()
	for i, o := range open {
		if o.EventTime > m.event.EventTime || from != "" && from != o.From {
			continue
		}
		if o.Quantity == amount(q) {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// take takes the open offer that the event answers off its list, nil where there is
// none.
func (m *message) take(q schemas.Quantity) *schemas.Offer {
	key := offersKey(q, m.partner)
	open := m.offers(key)
	i := m.match(open, q)
	if i < 0 {
		return nil
	}
	m.setOffers(key, without(open, i))
	return &open[i]
}

// accept takes the offer that the event accepts. It has lapsed when its sender is
// known to hold less by now: what it offered has gone elsewhere, as an item's offer
// lapses when the item goes. The receipt then waits for another offer: it is not for
// it to meet one of another amount.
func (m *message) accept(q schemas.Quantity) *schemas.Offer {
	o := m.take(q)
	if o == nil {
		return nil
	}
	if _, short := m.short(quantityOf(q, o), o.From); short {
		m.flag(schemas.OfferCancelled)
		m.concern(o.From)
		m.closeOffer(o, offerGone)
		return nil
	}
	return o
}

// receiveLot is the author's receipt of some of a lot.
func (m *message) receiveLot(q schemas.Quantity) {
	m.touchClass(q.Class)
	if o := m.accept(q); o != nil {
		if m.barred(q.Class, o) {
			return
		}
		m.passLot(quantityOf(q, o), o.From, m.partner, amount(q))
		m.closeLot(o, q, amount(q), offerTaken)
		m.passed(m.at, o.From)
		return
	}
	if m.commissions() {
		return // brought into being here: the rule of its type credits it
	}
	if from := m.sender(); strings.HasPrefix(from, schemas.External) {
		m.flag(schemas.FromExternal) // nobody there can offer: it applies at once
		m.balance(m.partner, q, true)
		m.passed(m.at, from)
		m.result.Effect = schemas.Applied
		return
	}
	key := receiptsKey(q, m.partner)
	kept := m.offers(key)
	if len(kept) >= maxOwnLots {
		m.flag(schemas.TooManyOpen)
	} else {
		r := m.open(m.partner)
		r.From, r.Quantity = m.sender(), amount(q)
		kept = append(kept, *r)
		m.flag(schemas.AwaitingOffer)
	}
	m.setOffers(key, kept)
}

// rejectLot refuses the open offer that the event answers.
func (m *message) rejectLot(q schemas.Quantity) {
	m.touchClass(q.Class)
	if o := m.take(q); o != nil {
		m.concern(o.From)
		m.flag(schemas.OfferRejected)
		m.closeOffer(o, offerRefused)
		m.result.Effect = schemas.Applied
	}
}

// cancelLot withdraws the author's own open offer of a lot to the receiver that
// the event names.
func (m *message) cancelLot(q schemas.Quantity) {
	m.touchClass(q.Class)
	to := m.receiver()
	open := m.offers(offersKey(q, to))
	for i, o := range open {
		if o.From == m.partner && o.Quantity == amount(q) {
			m.flag(schemas.OfferCancelled)
			m.setOffers(offersKey(q, to), without(open, i))
			m.closeOffer(&o, offerGone)
			m.concern(to)
			m.result.Effect = schemas.Applied
			return
		}
	}
}
