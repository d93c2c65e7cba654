package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a container holds of classes and lots is one leaf, of the container and its
// epoch: a short list of amounts. Nobody's name is in it. What is packed leaves its
// partner's balance; while it is inside, it is with whoever holds the container, so
// that it changes hands with the container and costs nothing then; what is taken out
// is credited to whoever held the container. An amount comes out only if it went in.

// Bounds of one container: so much is read and written whenever something is packed
// into it or taken out, and let go when it is emptied.
const (
	maxInside      = 64      // classes and lots
	maxInsideBytes = 8 << 10 // of their names
)

// inside are the lots in a container. Each is one of the block's lookups.
func (m *message) inside(container *item) []schemas.HeldLot {
	if container.Lots == 0 {
		return nil
	}
	m.afford(int(container.Lots))
	value, _ := m.get(schemas.ContentsKey(container.id, container.Epoch))
	return must(schemas.DecodeContents(value))
}

func (m *message) setInside(container *item, lots []schemas.HeldLot) {
	key := schemas.ContentsKey(container.id, container.Epoch)
	if container.Lots = uint64(len(lots)); len(lots) > 0 {
		m.led.Set(key, schemas.AppendContents(nil, lots), nil)
	} else {
		m.led.Delete(key)
	}
}

func packedRow(class, uom, container string) []byte {
	return rowKey(rowPacked, class, uom, container)
}

// found is where a lot of the same unit is in a list, -1 for nowhere.
func found(lots []schemas.HeldLot, q schemas.Quantity) int {
	return slices.IndexFunc(lots, func(h schemas.HeldLot) bool { return h.Class == q.Class && h.UOM == q.UOM })
}

// namesIn is how many bytes the names in a list have.
func namesIn(lots []schemas.HeldLot) (n int) {
	for i := range lots {
		n += len(lots[i].Class)
	}
	return n
}

// amountOf is how much of a lot is inside.
func amountOf(h *schemas.HeldLot) schemas.Quantity {
	q := schemas.Quantity{Class: h.Class, UOM: h.UOM, Known: !h.Unknown}
	if q.Known {
		q.Amount = must(schemas.ParseDecimal(h.Amount))
	}
	return q
}

// hide notes that the amount of a lot inside cannot be told any more.
func (m *message) hide(h *schemas.HeldLot) {
	h.Amount, h.Unknown = "", true
	m.flag(schemas.UnknownQuantity)
}

// pack moves the author's lots into a container that it holds.
func (m *message) pack(container *item, quantities []schemas.Quantity) {
	if !m.tells(quantities) {
		return
	}
	lots := m.inside(container)
	for _, q := range quantities {
		m.touchClass(q.Class)
		i := found(lots, q)
		switch {
		case q.Known && q.Amount.Sign() == 0:
			continue
		case i < 0 && (len(lots) >= maxInside || namesIn(lots)+len(q.Class) > maxInsideBytes):
			m.flag(schemas.TooManyLots)
			continue
		case i < 0:
			i = len(lots)
			lots = append(lots, schemas.HeldLot{Class: q.Class, UOM: q.UOM, Amount: "0"})
			m.led.PutRow(packedRow(q.Class, q.UOM, container.id), present)
		}
		m.balance(m.partner, q, false)
		sum := amountOf(&lots[i]).Amount.Add(q.Amount)
		if lots[i].Unknown || !q.Known || sum.Beyond() {
			m.hide(&lots[i])
		} else {
			lots[i].Amount = sum.String()
		}
	}
	m.setInside(container, lots)
}

// unpack takes lots out of a container that the author holds: no more of each than
// is inside.
func (m *message) unpack(container *item, quantities []schemas.Quantity) {
	if !m.tells(quantities) {
		return
	}
	lots := m.inside(container)
	for _, q := range quantities {
		m.touchClass(q.Class)
		i := found(lots, q)
		if i < 0 {
			m.flag(schemas.NotContained)
			continue
		}
		h := &lots[i]
		left := schemas.Decimal{}
		switch {
		case h.Unknown, !q.Known:
			// Some of it: how much came out, and how much is left, cannot be told.
			m.hide(h)
			q.Known, q.Amount = false, schemas.Decimal{}
		default:
			have := amountOf(h).Amount
			if left = have.Sub(q.Amount); left.Sign() < 0 {
				m.flag(schemas.NotContained)
				q.Amount, left = have, schemas.Decimal{}
			}
			h.Amount = left.String()
		}
		m.balance(m.partner, q, true)
		if !h.Unknown && left.Sign() == 0 {
			m.led.DeleteRow(packedRow(q.Class, q.UOM, container.id))
			lots = slices.Delete(lots, i, i+1)
		}
	}
	m.setInside(container, lots)
}

// unpackAll takes out all that a container holds of lots.
func (m *message) unpackAll(container *item) {
	lots := m.inside(container)
	for i := range lots {
		h := &lots[i]
		m.touchClass(h.Class)
		m.led.DeleteRow(packedRow(h.Class, h.UOM, container.id))
		m.balance(m.partner, amountOf(h), true)
	}
	m.setInside(container, nil)
}
