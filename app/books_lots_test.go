package app_test

import (
	"math/big"

	"github.com/waybill-ledger/waybill/schemas"
)

// Amounts of lots on the books.

func lotName(class, uom string) string { return class + " " + uom }

func amountIn(q schemas.Quantity) *bookAmount {
	if !q.Known {
		return &bookAmount{}
	}
	is, _ := new(big.Rat).SetString(q.Amount.String())
	return &bookAmount{Known: true, Is: is}
}

func plus(a, b *bookAmount) *bookAmount {
	if !a.Known || !b.Known {
		return &bookAmount{}
	}
	return &bookAmount{Known: true, Is: new(big.Rat).Add(a.Is, b.Is)}
}

func minus(a *bookAmount) *bookAmount {
	if !a.Known {
		return a
	}
	return &bookAmount{Known: true, Is: new(big.Rat).Neg(a.Is)}
}

// book credits a partner with some of a lot, or debits it.
func (b *books) book(who string, q schemas.Quantity, sign int) {
	amount := amountIn(q)
	if sign < 0 {
		amount = minus(amount)
	}
	b.add(who, lotName(q.Class, q.UOM), amount)
}

// add adds to a balance. One of which more is taken than was there cannot be told.
func (b *books) add(who, lot string, amount *bookAmount) {
	if b.Lots[lot] == nil {
		b.Lots[lot] = map[string]*bookAmount{}
	}
	have := b.Lots[lot][who]
	if have == nil {
		have = &bookAmount{Known: true, Is: new(big.Rat)}
	}
	if have = plus(have, amount); have.Known && have.Is.Sign() < 0 {
		have = &bookAmount{}
	}
	b.Lots[lot][who] = have
}

// lacks reports whether a partner is known to have less of a lot than an amount.
func (b *books) lacks(lot, who string, amount *bookAmount) bool {
	have := b.Lots[lot][who]
	return have != nil && have.Known && amount.Known && have.Is.Cmp(amount.Is) < 0
}

// below reports whether taking an amount would bring a balance below nothing.
func (b *books) below(lot, who string, amount *bookAmount) bool {
	return b.lacks(lot, who, amount) || b.Lots[lot][who] == nil && amount.Known && amount.Is.Sign() > 0
}
