package app_test

import (
	"math/big"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// stow puts lots into a container, or takes as much out as there is.
func (a *act) stow(container string, list []schemas.Quantity, in bool) {
	for _, q := range list {
		k := lot{q.Class, q.UOM}
		have, there := a.packed[container][k]
		said, _ := new(big.Rat).SetString(q.Amount.String())
		switch {
		case in && q.Known && said.Sign() == 0, !in && !there:
			continue
		case in:
			a.book(a.who, q, false)
			if a.packed[container] == nil {
				a.packed[container] = map[lot]*big.Rat{}
			}
			switch {
			case !q.Known, there && have == nil:
				a.packed[container][k] = nil
			case there:
				a.packed[container][k] = new(big.Rat).Add(have, said)
			default:
				a.packed[container][k] = said
			}
		case have == nil || !q.Known:
			a.packed[container][k] = nil
			a.credit(a.who, k, nil)
		case said.Cmp(have) >= 0:
			delete(a.packed[container], k)
			a.credit(a.who, k, have)
		default:
			a.packed[container][k] = new(big.Rat).Sub(have, said)
			a.credit(a.who, k, said)
		}
	}
}

// credit adds what came out of a container.
func (a *act) credit(who string, k lot, amount *big.Rat) {
	q := schemas.Quantity{Class: k.class, UOM: k.uom}
	if amount != nil {
		q.Amount, _ = schemas.ParseDecimal(amount.FloatString(12))
		q.Known = true
	}
	a.book(who, q, true)
}

func (a *act) weigh(list []schemas.Quantity, credit bool) {
	for _, q := range list {
		a.book(a.who, q, credit)
	}
}

func (a *act) book(who string, q schemas.Quantity, credit bool) {
	k := lot{q.Class, q.UOM}
	if a.lots[k] == nil {
		a.lots[k] = map[string]*big.Rat{}
	}
	have, seen := a.lots[k][who]
	if !seen {
		have = new(big.Rat)
	}
	a.lots[k][who] = nil
	if have == nil || !q.Known {
		return
	}
	amount, _ := new(big.Rat).SetString(q.Amount.String())
	if !credit {
		amount.Neg(amount)
	}
	if have = new(big.Rat).Add(have, amount); have.Sign() >= 0 {
		a.lots[k][who] = have
	}
}

func amountOf(q schemas.Quantity) string {
	if !q.Known {
		return ""
	}
	return q.Amount.String()
}

// pick is the first shipment of the amount that fits, or else the first that fits.
func pick(list []shipment, amount string, fits func(shipment) bool) int {
	found := -1
	for i := len(list) - 1; i >= 0; i-- {
		if fits(list[i]) && (list[i].amount == amount || found < 0 || list[found].amount != amount) {
			found = i
		}
	}
	return found
}

func cut(list []shipment, i int) []shipment {
	return append(append([]shipment{}, list[:i]...), list[i+1:]...)
}

func (a *act) fitting(s shipment) bool { return s.party == a.who && !s.claimed.After(a.at) }

func (a *act) receiveLot(q schemas.Quantity) {
	k := lot{q.Class, q.UOM}
	if i := pick(a.sent[k], amountOf(q), a.fitting); i >= 0 {
		s := a.sent[k][i]
		a.sent[k] = cut(a.sent[k], i)
		if !a.lacks(s.from, k, s.amount) {
			// What is commissioned is weighed later, unless somebody else's things are named.
			a.passed[s.from+s.event], a.passed[a.who+a.e.EventID] = true, true
			a.settle(s.from, s.amount, q, !a.commissions() || a.foreign(a.moved()))
			return
		}
	}
	if !a.commissions() {
		a.came[k] = append(a.came[k], shipment{wait{a.who, a.at, a.now, a.e.EventID}, "", amountOf(q)})
	}
}

// lacks reports whether a partner is known to have less than an amount.
func (a *act) lacks(who string, k lot, amount string) bool {
	have := a.lots[k][who]
	want, ok := new(big.Rat).SetString(amount)
	return ok && have != nil && have.Cmp(want) < 0
}

func (a *act) commissions() bool {
	return a.e.Type == schemas.ObjectEvent && a.e.Action == schemas.ActionAdd
}

// settle books a shipment of an amount by one partner and the receipt of q.
func (a *act) settle(from, amount string, q schemas.Quantity, credit bool) {
	sent := schemas.Quantity{Class: q.Class, UOM: q.UOM}
	if amount != "" {
		sent.Amount, _ = schemas.ParseDecimal(amount)
		sent.Known = true
	}
	a.book(from, sent, false)
	if !q.Known {
		q = sent
	}
	if credit {
		a.book(a.who, q, true)
	}
	a.effect = schemas.Applied
}

func (a *act) shipLot(q schemas.Quantity, to string) {
	k := lot{q.Class, q.UOM}
	a.effect = schemas.Applied
	if strings.HasPrefix(to, "external:") {
		a.book(a.who, q, false)
		a.passed[a.who+a.e.EventID] = true
		return
	}
	fits := func(s shipment) bool {
		return s.party == to && !s.claimed.Before(a.at)
	}
	if i := pick(a.came[k], amountOf(q), fits); i >= 0 {
		got := a.came[k][i].amount
		a.passed[to+a.came[k][i].event], a.passed[a.who+a.e.EventID] = true, true
		a.came[k] = cut(a.came[k], i)
		a.book(a.who, q, false)
		if got != "" {
			q.Amount, _ = schemas.ParseDecimal(got)
			q.Known = true
		}
		a.book(to, q, true)
		return
	}
	if a.lacks(a.who, k, amountOf(q)) {
		a.lots[k][a.who] = nil
	}
	a.sent[k] = append(a.sent[k], shipment{wait{to, a.at, a.now, a.e.EventID}, a.who, amountOf(q)})
}
