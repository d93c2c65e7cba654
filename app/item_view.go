package app

import (
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// maxListed is how many containers of a lot, or receipts of an item, are told.
const maxListed = 100

// complete adds to an item's state what is kept beside its leaf, and drops what has
// lapsed: that is judged when it is looked at, here as in the rules.
func (v *View) complete(state *schemas.ItemState) (err error) {
	if state.Offer != nil && v.lapsed(state.Offer) {
		state.Offer = nil
	}
	if state.Waiting > 0 {
		if state.Receipts, err = v.receipts(state); err != nil {
			return err
		}
	}
	if state.Lots == 0 {
		return nil
	}
	value, _, err := v.get(schemas.ContentsKey(state.ID, state.Epoch))
	if err != nil {
		return err
	}
	if state.Inside, err = schemas.DecodeContents(value); err != nil {
		return fmt.Errorf("reading what is inside %q: %w", state.ID, err)
	}
	return nil
}

func (v *View) lapsed(o *schemas.Offer) bool { return o.Lapsed(v.time.UnixNano()) }

// receipts are those that wait for an offer of the item, by partner.
func (v *View) receipts(state *schemas.ItemState) (out []schemas.Offer, err error) {
	prefix := rowKey(rowWaiting, state.ID)
	for row, err := range v.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading receipts: %w", err))
		}
		partner := strings.TrimSuffix(string(row.Key[len(prefix):]), "\x00")
		value, _, err := v.get(schemas.WaitingKey(state.ID, partner))
		if err != nil {
			return nil, err
		}
		w, err := schemas.DecodeWaiting(value)
		if err != nil {
			return nil, fmt.Errorf("reading a receipt for %q: %w", state.ID, err)
		}
		if w.Turn == state.Turn && !v.lapsed(&w.Receipt) {
			out = append(out, w.Receipt)
		}
		if len(out) >= maxListed {
			break
		}
	}
	return out, nil
}

// Packed returns how much of a class or lot is inside containers, and who holds
// those: at most a hundred. more tells whether there are others.
func (v *View) Packed(class string) (out []schemas.Packed, more bool, err error) {
	for row, err := range v.at.Rows(rowKey(rowPacked, class), nil, false) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading what is packed: %w", err))
		}
		if len(out) >= maxListed {
			return out, true, nil
		}
		parts := strings.Split(string(row.Key[1:]), "\x00")
		if len(parts) != 4 {
			return nil, false, store.Damaged("a row of what is packed, %q, is damaged", row.Key)
		}
		p := schemas.Packed{UOM: parts[1], Container: parts[2]}
		container, err := v.Item(p.Container)
		if err != nil {
			return nil, false, err
		}
		if container == nil {
			return nil, false, store.Damaged("%q holds lots and has no record", p.Container)
		}
		p.Custodian = container.Custodian
		if i := found(container.Inside, schemas.Quantity{Class: class, UOM: p.UOM}); i >= 0 {
			p.Quantity, p.Known = container.Inside[i].Amount, !container.Inside[i].Unknown
		}
		out = append(out, p)
	}
	return out, false, nil
}
