package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Print what a node knows of itself and the network", Args: exactly(0, "no arguments"),
		Long: "Print what a node knows of itself and the network. The exit status is 1 when it\ncannot take events now: catching up, halted, or without quorum.",
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		n, err := c.Network(cmd.Context())
		if err != nil {
			return err
		}
		if p.output == "json" {
			err = p.json(n)
		} else {
			p.printStatus(n)
		}
		if err == nil {
			err = serving(n)
		}
		return err
	}
	return cmd
}

func serving(n *api.Network) error {
	switch {
	case n.Halted:
		return fmt.Errorf("the node is halted: its log tells why")
	case n.CatchingUp:
		return fmt.Errorf("the node is catching up")
	case !n.Quorum:
		return fmt.Errorf("the network has no quorum: too few validators are connected, or no block comes")
	}
	return nil
}

func (p *program) printStatus(n *api.Network) {
	fmt.Fprintf(p.out, "chain      %s\npartner    %s\nheight     %d\ntime       %s\napp hash   %s\nblock hash %s\nversion    %s\n\n",
		escape(n.ChainID), escape(n.Partner), n.Height, n.Time.Format("2006-01-02T15:04:05.000Z07:00"), escape(n.AppHash), escape(n.BlockHash), escape(n.Version))
	if n.Missing != nil {
		fmt.Fprintf(p.out, "history    the records of heights %d to %d are being fetched, up to %d they are there\n\n", n.Missing.First, n.Missing.Last, n.Missing.Fetched)
	}
	fmt.Fprintf(p.out, "%-20s %-14s %-12s %s\n", "partner", "GLN", "standing", "connected")
	for _, m := range n.Partners {
		fmt.Fprintf(p.out, "%-20s %-14s %-12s %t\n", escape(m.ID), escape(m.GLN), m.Standing, m.Connected)
	}
}

func (p *program) itemCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "item ID", Short: "Print the state of an item, class or lot", Args: exactly(1, "one identifier")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		raw, err := c.ItemJSON(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(raw)
		}
		return p.printItem(raw)
	}
	return cmd
}

func (p *program) printItem(raw json.RawMessage) error {
	var item struct {
		api.Item
		Class    bool              `json:"class"`
		Balances []schemas.Balance `json:"balances"`
		Packed   []schemas.Packed  `json:"packed"`
	}
	if err := json.Unmarshal(raw, &item); err != nil {
		return fmt.Errorf("reading the item: %w", err)
	}
	fmt.Fprintf(p.out, "id           %s\n", escape(item.ID))
	if item.Class {
		for _, b := range item.Balances {
			fmt.Fprintf(p.out, "held         %s by %s\n", amount(b.Quantity, b.UOM, b.Known), escape(b.Partner))
		}
		for _, b := range item.Packed {
			fmt.Fprintf(p.out, "packed       %s in %s with %s\n", amount(b.Quantity, b.UOM, b.Known), escape(b.Container), dash(b.Custodian))
		}
		fmt.Fprintf(p.out, "events       %d\nheight       %d\n", item.Events, item.Height)
		return nil
	}
	fmt.Fprintf(p.out, "custodian    %s\nparent       %s\ndisposition  %s\n", dash(item.Custodian), dash(item.Parent), dash(item.Disposition))
	if item.Ended {
		fmt.Fprintln(p.out, "ended        consumed, destroyed or decommissioned")
	}
	if item.Offer != nil {
		fmt.Fprintf(p.out, "offered to   %s at height %d\n", escape(item.Offer.Party), item.Offer.Height)
	}
	for _, l := range item.Lots {
		fmt.Fprintf(p.out, "holds        %s of %s\n", amount(l.Quantity, l.UOM, l.Known), escape(l.Class))
	}
	fmt.Fprintf(p.out, "events       %d\nobservations %d\nhead         %s\nheight       %d\n", item.Events, item.Observations, escape(item.Head), item.Height)
	return nil
}

// amount is a quantity in its unit, as a line shows it.
func amount(quantity, uom string, known bool) string {
	if !known {
		quantity = "unknown"
	}
	if uom != "" {
		quantity += " " + uom
	}
	return escape(quantity)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return escape(s)
}

func (p *program) trailCommand() *cobra.Command {
	var shipment bool
	cmd := &cobra.Command{Use: "trail ID", Short: "Print the records of an item, class, lot or shipment in ledger order", Args: exactly(1, "one identifier"),
		Long: "Print the records of an item, class, lot or shipment in ledger order: each with who\nrecorded it, and how the key is held that signed it."}
	p.nodeFlags(cmd)
	cmd.Flags().BoolVar(&shipment, "shipment", false, "ID is a shipment")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		read := c.WholeTrail
		if shipment {
			read = c.ShipmentTrail
		}
		t, err := read(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(t)
		}
		fmt.Fprintln(p.out, escape(t.ID))
		for i := range t.Records {
			p.printRecord(&t.Records[i])
		}
		fmt.Fprintf(p.out, "%s, as of height %d\n", counted(len(t.Records), "record"), t.Height)
		return nil
	}
	return cmd
}

func (p *program) printRecord(r *api.Record) {
	var e struct{ Type, BizStep, EventTime string }
	_ = json.Unmarshal(r.Event, &e) // what cannot be read is left blank
	step := e.BizStep
	if step == "" {
		step = e.Type
	}
	flags := make([]string, len(r.Flags))
	for i, f := range r.Flags {
		flags[i] = f.String()
	}
	fmt.Fprintf(p.out, "%d/%d/%d  %-29s %-16s %-14s %-8s %-12s %-12s %s\n", r.Height, r.Position, r.Index,
		escape(e.EventTime), escape(step), escape(r.Partner), r.Held, r.Trail, r.Effect, strings.Join(flags, " "))
}

func (p *program) traceCommand() *cobra.Command {
	var direction string
	var depth int
	cmd := &cobra.Command{Use: "trace ID", Short: "Print where an item came from and where it went", Args: exactly(1, "one identifier"),
		Long: "Print where an item came from and where it went: each step with when it is said\nto have happened, its business step, who reported it, and where."}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&direction, "direction", "both", "upstream, downstream or both")
	cmd.Flags().IntVar(&depth, "max-depth", 0, "transformations and containers to follow; 0 leaves it to the node")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		way, ok := map[string]schemas.Direction{"upstream": schemas.Upstream, "downstream": schemas.Downstream, "both": schemas.Both}[direction]
		if !ok {
			return usage("--direction %q is none of upstream, downstream, both", direction)
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		if depth < 0 || depth > 64 {
			return usage("--max-depth %d: from 1 to 64, or 0 to leave it to the node", depth)
		}
		t, err := c.Trace(cmd.Context(), args[0], way, depth)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(t)
		}
		return network.WriteTrace(p.out, t, nil)
	}
	return cmd
}

func (p *program) idCommand() *cobra.Command {
	return &cobra.Command{
		Use: "id ID...", Short: "Print identifiers in canonical form", Args: atLeast(1, "identifiers"),
		Long: `Print a line for each identifier: the canonical form, a tab, and the EPC URN, or
"-" where there is none or the form given does not tell the length of the company
prefix. The exit status is 1 if any is invalid; the reason goes to standard error.`,
		RunE: func(_ *cobra.Command, args []string) error {
			type row struct {
				Input     string `json:"input"`
				Canonical string `json:"canonical,omitempty"`
				URN       string `json:"urn,omitempty"`
				Error     string `json:"error,omitempty"`
			}
			rows, invalid := make([]row, len(args)), 0
			for i, a := range args {
				rows[i].Input = a
				id, err := schemas.ParseIdentifier(a)
				if err != nil {
					invalid++
					rows[i].Error = err.Error()
					fmt.Fprintf(p.err, "waybill: %s: %s\n", escape(a), escape(err.Error()))
					continue
				}
				rows[i].Canonical = id.String()
				if urn, ok := id.URN(); ok {
					rows[i].URN = urn
				}
				if p.output == "text" {
					fmt.Fprintf(p.out, "%s\t%s\n", escape(rows[i].Canonical), dash(rows[i].URN))
				}
			}
			if p.output == "json" {
				if err := p.json(rows); err != nil {
					return err
				}
			}
			if invalid > 0 {
				return fmt.Errorf("%d of %d identifiers are invalid", invalid, len(args))
			}
			return nil
		},
	}
}
