package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a partner holds is found among all that the ledger has. No index follows it: every
// thing that is made would pay for one, and what an emptied container let go has a
// custodian that no write told.

// Bounds of a look for what a partner holds, in items, balances and shipments.
const (
	maxHeldLooked = 20_000    // for one page
	maxStranded   = 2_000_000 // to count it
)

// Kinds of what is held, in the order in which it is told: the first byte of where a page
// begins. The rest is what follows the prefix of the key that was looked at last.
const (
	heldItems     = "i"
	heldLots      = "l"
	heldShipments = "s"
)

// held is something that was looked at: an item, a lot or a shipment of the partner's, or
// nothing that it holds.
type held struct {
	at       string
	item     string
	lot      *schemas.LotHolding
	shipment string
}

// Holdings returns what a partner holds and the shipments that wait for it, behind a
// place, at most limit. next is the place behind which the next page begins, "" where none
// follows: a page may be short, or empty, though others follow.
func (v *View) Holdings(partner, behind string, limit int) (out schemas.Holdings, next string, err error) {
	return v.holdings(partner, behind, limit, maxHeldLooked)
}

// holdings looks at so many items, balances and shipments.
func (v *View) holdings(partner, behind string, limit, most int) (out schemas.Holdings, next string, err error) {
	if behind != "" && !strings.Contains(heldItems+heldLots+heldShipments, behind[:1]) {
		return out, "", &schemas.Fault{Code: schemas.BadParameter, Detail: "nextPageToken is not one of this list"}
	}
	out = schemas.Holdings{Items: []string{}, Lots: []schemas.LotHolding{}, Shipments: []string{}}
	looked, told, cut := 0, 0, false
	err = v.look(partner, behind, func(h held) bool {
		if cut = looked >= most || told >= limit; cut {
			return false
		}
		looked++
		next = h.at
		switch {
		case h.item != "":
			out.Items = append(out.Items, h.item)
		case h.lot != nil:
			out.Lots = append(out.Lots, *h.lot)
		case h.shipment != "":
			out.Shipments = append(out.Shipments, h.shipment)
		default:
			return true
		}
		told++
		return true
	})
	if !cut {
		next = ""
	}
	return out, next, err
}

// stranded counts what a partner holds, and the shipments that wait for it, among so many
// leaves of the ledger.
func (v *View) stranded(partner string, most int) (*schemas.Stranded, error) {
	out := &schemas.Stranded{}
	return out, v.look(partner, "", func(h held) bool {
		if most--; most < 0 {
			out.Partial = true
			return false
		}
		switch {
		case h.item != "":
			out.Items++
		case h.lot != nil:
			out.Lots++
		case h.shipment != "":
			out.Shipments++
		}
		return true
	})
}

// look goes through items, balances and the partner's shipments behind a place, until it
// is told to stop.
func (v *View) look(partner, behind string, each func(held) bool) error {
	begun := behind == ""
	for _, of := range []struct {
		kind string
		look func(partner, behind string, each func(held) bool) (bool, error)
	}{{heldItems, v.lookAtItems}, {heldLots, v.lookAtLots}, {heldShipments, v.lookAtShipments}} {
		from, here := strings.CutPrefix(behind, of.kind)
		if begun {
			from = ""
		} else if begun = here; !here {
			continue
		}
		if more, err := of.look(partner, from, each); !more || err != nil {
			return err
		}
	}
	return nil
}

// after is the first key behind one, nil for any, where nothing is given.
func after(prefix []byte, rest string) []byte {
	if rest == "" {
		return nil
	}
	return append(append(slices.Clip(prefix), rest...), 0)
}

// lookAtItems: an item in a container is the container's matter.
func (v *View) lookAtItems(partner, behind string, each func(held) bool) (more bool, err error) {
	prefix := schemas.ItemKey("")
	for leaf, err := range v.at.LeavesFrom(prefix, after(prefix, behind)) {
		if err != nil {
			return false, v.answered(fmt.Errorf("reading items: %w", err))
		}
		id := string(leaf.Key[len(prefix):])
		h := held{at: heldItems + id}
		it, err := schemas.DecodeItem(leaf.Value)
		if err != nil {
			return false, fmt.Errorf("reading item %q: %w", id, err)
		}
		if !it.Ended {
			parent, custodian, err := v.placed(&it)
			if err != nil {
				return false, err
			}
			if parent == nil && custodian == partner {
				h.item = id
			}
		}
		if !each(h) {
			return false, nil
		}
	}
	return true, nil
}

func (v *View) lookAtLots(partner, behind string, each func(held) bool) (more bool, err error) {
	prefix := []byte{rowBalance}
	for row, err := range v.at.Rows(prefix, after(prefix, behind), false) {
		if err != nil {
			return false, v.answered(fmt.Errorf("reading balances: %w", err))
		}
		rest := string(row.Key[1:])
		h := held{at: heldLots + rest}
		if parts := strings.Split(rest, "\x00"); len(parts) == 4 && parts[2] == partner {
			if h.lot, err = v.heldLot(parts[0], parts[1], partner); err != nil {
				return false, err
			}
		}
		if !each(h) {
			return false, nil
		}
	}
	return true, nil
}

// heldLot is what a partner has of a lot, nil where that is nothing.
func (v *View) heldLot(class, uom, partner string) (*schemas.LotHolding, error) {
	value, _, err := v.get(schemas.BalanceKey(class, uom, partner))
	if err != nil {
		return nil, err
	}
	balance, err := schemas.DecodeLotBalance(value)
	if err != nil {
		return nil, fmt.Errorf("reading a balance of %q: %w", class, err)
	}
	if !balance.Unknown && balance.Amount == noAmount {
		return nil, nil
	}
	return &schemas.LotHolding{Class: class, UOM: uom, Quantity: balance.Amount, Known: !balance.Unknown}, nil
}

// lookAtShipments: those that cannot come to an end without the partner, or may not; none
// that it only inspects, or would decide disputes about.
func (v *View) lookAtShipments(partner, behind string, each func(held) bool) (more bool, err error) {
	for id, err := range v.shipmentIDs(partner, behind) {
		if err != nil {
			return false, err
		}
		s, err := v.shipment(id)
		if err != nil {
			return false, err
		}
		h := held{at: heldShipments + id}
		if s != nil && !s.Final() && (s.Shipper == partner || s.Receiver == partner || slices.Contains(s.Carriers, partner)) {
			h.shipment = id
		}
		if !each(h) {
			return false, nil
		}
	}
	return true, nil
}

// Leaving reports whether a partner is suspended or removed, or may soon be: a proposal
// about that is open.
func (v *View) Leaving(partner string) (bool, error) {
	p, err := v.Partner(partner)
	if p == nil || p.State != schemas.Active || err != nil {
		return p != nil, err
	}
	value, _, err := v.get(schemas.BoardKey())
	if err != nil {
		return false, err
	}
	board, err := schemas.DecodeBoard(value)
	if err != nil {
		return false, fmt.Errorf("reading which proposals are open: %w", err)
	}
	for _, o := range board.Open {
		if v.time.UnixNano() > o.Ends {
			continue
		}
		value, _, err := v.get(schemas.ProposalKey(o.At))
		if err != nil {
			return false, err
		}
		open, err := schemas.DecodeProposal(value)
		if err != nil {
			return false, fmt.Errorf("reading proposal %s: %w", schemas.ProposalID(o.At), err)
		}
		if c := &open.Change; c.Partner == partner && (c.Kind == schemas.Suspend || c.Kind == schemas.Remove) {
			return true, nil
		}
	}
	return false, nil
}
