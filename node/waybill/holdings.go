package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) holdingsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "holdings [PARTNER]", Short: "List what a partner holds, and the shipments that wait for it", Args: atMostOne("a partner, or nothing for the node's own"),
		Long: `List what a partner holds: items that are in no container, lots of which it has some, and
shipments under way in which it is shipper, carrier or receiver. Of an active partner
it is listed for itself alone, unless a proposal to suspend or remove it is open.`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		partner := p.guest
		if len(args) == 1 {
			partner = args[0]
		}
		if partner == "" {
			n, err := c.Network(cmd.Context())
			if err != nil {
				return err
			}
			partner = n.Partner
		}
		held, err := holdingsOf(cmd.Context(), c, partner)
		switch {
		case err != nil:
			return err
		case p.output == "json":
			return p.json(held)
		}
		for _, id := range held.Items {
			fmt.Fprintf(p.out, "item      %s\n", escape(id))
		}
		for _, l := range held.Lots {
			amount := l.Quantity
			if !l.Known {
				amount = "unknown"
			}
			fmt.Fprintf(p.out, "lot       %s=%s:%s\n", escape(l.Class), escape(amount), escape(l.UOM))
		}
		for _, id := range held.Shipments {
			fmt.Fprintf(p.out, "shipment  %s\n", escape(id))
		}
		return nil
	}
	return cmd
}

// holdingsOf reads all pages of what a partner holds.
func holdingsOf(ctx context.Context, c *client.Client, partner string) (*api.Holdings, error) {
	all, err := c.Holdings(ctx, partner, 1000, "")
	for page := all; err == nil && page.NextPageToken != ""; {
		if page, err = c.Holdings(ctx, partner, 1000, page.NextPageToken); err == nil {
			all.Items, all.Lots, all.Shipments = append(all.Items, page.Items...), append(all.Lots, page.Lots...), append(all.Shipments, page.Shipments...)
		}
	}
	if err != nil {
		return nil, err
	}
	all.NextPageToken = ""
	return all, nil
}

// shared are the changes by which all that a removed partner holds goes to another, or all
// shipments that wait for it end: as many as the bounds of one want.
func (c *change) shared(held *schemas.Holdings) (out []change) {
	one := func() change {
		of := *c
		of.Items, of.Lots, of.Shipments = nil, nil, nil
		return of
	}
	if c.Kind == schemas.EndShipments.String() {
		for ids := range slices.Chunk(held.Shipments, schemas.MaxEnded) {
			of := one()
			of.Shipments = ids
			out = append(out, of)
		}
		return out
	}
	for ids := range slices.Chunk(held.Items, schemas.MaxReassigned) {
		of := one()
		of.Items = ids
		out = append(out, of)
	}
	at := 0
	for lots := range slices.Chunk(held.Lots, schemas.MaxReassigned) {
		if at == len(out) {
			out = append(out, one())
		}
		for _, l := range lots {
			lot := map[string]any{"class": l.Class}
			if l.UOM != "" {
				lot["uom"] = l.UOM
			}
			out[at].Lots = append(out[at].Lots, lot)
		}
		at++
	}
	return out
}

// without leaves out what open proposals about a partner name already.
func without(ctx context.Context, c *client.Client, held *api.Holdings) error {
	named, lots := map[string]bool{}, map[[2]string]bool{}
	for page, more := "", true; more; more = page != "" {
		list, err := c.Proposals(ctx, 0, page)
		if err != nil {
			return err
		}
		page = list.NextPageToken
		for i := range list.Proposals {
			var of struct {
				Partner          string
				Items, Shipments []string
				Lots             []schemas.LotHolding
			}
			if s := &list.Proposals[i]; s.State != schemas.ProposalOpen.String() || json.Unmarshal(s.Change, &of) != nil || of.Partner != held.Partner {
				continue
			}
			for _, id := range append(of.Items, of.Shipments...) {
				named[id] = true
			}
			for _, l := range of.Lots {
				lots[[2]string{l.Class, l.UOM}] = true
			}
		}
	}
	known := func(id string) bool { return named[id] }
	held.Items, held.Shipments = slices.DeleteFunc(held.Items, known), slices.DeleteFunc(held.Shipments, known)
	held.Lots = slices.DeleteFunc(held.Lots, func(l schemas.LotHolding) bool { return lots[[2]string{l.Class, l.UOM}] })
	return nil
}

// proposeAll proposes what becomes of all that a removed partner left.
func (p *program) proposeAll(cmd *cobra.Command, node *client.Client, c *change, dry bool) error {
	held, err := holdingsOf(cmd.Context(), node, c.Partner)
	if err == nil {
		err = without(cmd.Context(), node, held)
	}
	if err != nil {
		return err
	}
	changes := c.shared(&held.Holdings)
	if len(changes) == 0 {
		return fmt.Errorf("%s holds nothing that no open proposal names", c.Partner)
	}
	made := []*api.Proposal{}
	for i := range changes {
		of := &changes[i]
		body, err := json.Marshal(of)
		if err != nil {
			return err
		}
		if dry {
			if p.output != "json" {
				fmt.Fprintf(p.out, "would propose %s\n", of.counts())
			}
			err = p.rehearse(cmd, node, body)
		} else {
			var one *api.Proposal
			if one, err = p.proposeOne(cmd.Context(), node, body); one != nil {
				made = append(made, one)
				if p.output != "json" {
					fmt.Fprintf(p.out, "%s %s: %s\n", escape(one.ID), escape(one.State), of.counts())
				}
			}
		}
		if err != nil {
			return fmt.Errorf("proposal %d of %d: %w: what is left is proposed by the same command", i+1, len(changes), err)
		}
	}
	if p.output == "json" && !dry {
		return p.json(made)
	}
	return nil
}

// counts says how much a proposal names.
func (c *change) counts() string {
	if len(c.Shipments) > 0 {
		return counted(len(c.Shipments), "shipment")
	}
	return counted(len(c.Items), "item") + ", " + counted(len(c.Lots), "lot")
}

func (p *program) proposeOne(ctx context.Context, node *client.Client, body []byte) (*api.Proposal, error) {
	w, err := node.Propose(ctx, body, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
	if err != nil {
		return nil, err
	}
	return p.proposal(ctx, node, w, "")
}
