package app

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// maxStranded is how many items, balances and shipments of the ledger are looked at for
// what a partner holds.
const maxStranded = 2_000_000

// stranded counts what a partner holds, and the shipments that wait for it, among so many
// leaves of the ledger.
func (v *View) stranded(partner string, most int) (*schemas.Stranded, error) {
	c := &strandedCount{view: v, partner: partner, most: most}
	for _, of := range [...]func() error{c.items, c.lots, c.shipments} {
		if err := of(); err != nil {
			return nil, err
		}
	}
	return &c.Stranded, nil
}

type strandedCount struct {
	schemas.Stranded
	view    *View
	partner string
	most    int
}

// upTo goes through what there is, and no further than to know that it is too much.
func upTo[T any](c *strandedCount, all iter.Seq2[T, error], what string, each func(T) error) error {
	for one, err := range all {
		if err != nil {
			return c.view.answered(fmt.Errorf("reading %s: %w", what, err))
		}
		if c.most--; c.most < 0 {
			c.Partial = true
			return nil
		}
		if err := each(one); err != nil {
			return err
		}
	}
	return nil
}

// items counts what it holds: an item in a container is the container's matter.
func (c *strandedCount) items() error {
	prefix := schemas.ItemKey("")
	return upTo(c, c.view.at.Leaves(prefix), "items", func(leaf store.Row) error {
		it, err := schemas.DecodeItem(leaf.Value)
		if err != nil {
			return fmt.Errorf("reading item %q: %w", leaf.Key[len(prefix):], err)
		}
		if it.Ended {
			return nil
		}
		parent, custodian, err := c.view.placed(&it)
		if err == nil && parent == nil && custodian == c.partner {
			c.Items++
		}
		return err
	})
}

func (c *strandedCount) lots() error {
	return upTo(c, c.view.at.Rows([]byte{rowBalance}, nil, false), "balances", func(row store.Row) error {
		parts := strings.Split(string(row.Key[1:]), "\x00")
		if len(parts) != 4 || parts[2] != c.partner {
			return nil
		}
		value, _, err := c.view.get(schemas.BalanceKey(parts[0], parts[1], parts[2]))
		if err != nil {
			return err
		}
		held, err := schemas.DecodeLotBalance(value)
		if err != nil {
			return fmt.Errorf("reading a balance of %q: %w", parts[0], err)
		}
		if held.Unknown || held.Amount != noAmount {
			c.Lots++
		}
		return nil
	})
}

// shipments counts those that need it to come to an end, or may: not those that it only
// inspects, or would decide disputes about.
func (c *strandedCount) shipments() error {
	return upTo(c, c.view.shipmentIDs(c.partner, ""), "shipments", func(id string) error {
		s, err := c.view.shipment(id)
		if err != nil || s == nil || s.Final() {
			return err
		}
		if s.Shipper == c.partner || s.Receiver == c.partner || slices.Contains(s.Carriers, c.partner) {
			c.Shipments++
		}
		return nil
	})
}
