package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
)

func (p *program) shipmentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "shipment", Short: "Announce and follow shipments",
		Long: `Announce shipments, follow them, send them off, stop, close or return them. What passes
from hand to hand is done with waybill handover. Without a command, shipments are listed.`,
		Args: noCommand,
	}
	party := cmd.Flags().String("party", "", "only those that this partner is a party of")
	state := cmd.Flags().String("state", "", "only those in this state, as in_transit")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.listShipments(cmd, *party, *state) }
	cmd.AddCommand(p.announceCommand(), p.shipmentShowCommand(), p.conditionsCommand(),
		p.shipmentStep("dispatch", "Send a shipment off, as its holder", "shipment dispatched"),
		p.attachCommand(),
		p.shipmentStep("return", "Offer a shipment back to its shipper; as the shipper that holds it, end it", "shipment offered back"),
		p.shipmentStep("close", "Close what was delivered, as the receiver, or what came back, as the shipper", "shipment closed"),
		p.shipmentStep("cancel", "Cancel a shipment, as the shipper that holds the goods", "shipment cancelled"),
		p.shipmentStep("hold", "Stop a shipment, as one of its parties", "shipment stopped"),
		p.shipmentStep("unhold", "Let a shipment go that the own partner stopped", "shipment let go"))
	return cmd
}

func (p *program) listShipments(cmd *cobra.Command, party, state string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	all := []api.Shipment{}
	for page, more := "", true; more; more = page != "" {
		list, err := c.Shipments(cmd.Context(), party, state, page)
		if err != nil {
			return err
		}
		all, page = append(all, list.Shipments...), list.NextPageToken
	}
	if p.output == "json" {
		return p.json(all)
	}
	for i := range all {
		fmt.Fprintln(p.out, shipmentLine(&all[i]))
	}
	return nil
}

func shipmentLine(s *api.Shipment) string {
	line := fmt.Sprintf("%s  %s  %s to %s, with %s", word(s.ID), s.State, word(s.Shipper), word(s.Receiver), word(s.Holder))
	if s.HeldBy != "" {
		line += ", stopped by " + word(s.HeldBy)
	}
	return line
}

func (p *program) shipmentShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Tell how a shipment stands, and its hand-overs", Args: exactly(1, "a shipment")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		s, err := c.Shipment(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(s)
		}
		fmt.Fprintln(p.out, shipmentLine(s))
		for _, id := range s.Items {
			fmt.Fprintf(p.out, "  %s\n", word(id))
		}
		for _, l := range s.Lots {
			fmt.Fprintf(p.out, "  %s %s %s\n", l.Quantity, word(l.UOM), word(l.Class))
		}
		p.documents(s.Documents)
		for _, h := range s.Handovers {
			fmt.Fprintf(p.out, "hand-over %d: %s to %s, %s, %d of %d taken; offered with key %s held by %s", h.Handover, word(h.From), word(h.To), h.State, h.Taken, h.Units, signer(&h.Offered), h.Offered.Held)
			if a := h.Answered; a != nil {
				fmt.Fprintf(p.out, "; answered by %s with key %s held by %s", word(a.Partner), signer(a), a.Held)
			}
			if h.Reason != "" {
				fmt.Fprintf(p.out, ": %s", word(h.Reason))
			}
			fmt.Fprintln(p.out)
			for _, d := range h.Discrepancies {
				fmt.Fprintf(p.out, "  %s %s %s %s\n", d.What, word(d.ID), d.Quantity, word(d.UOM))
			}
			if d := h.Dispute; d != nil {
				fmt.Fprintf(p.out, "  disputed by %s, %d pieces of evidence, outcome: %s\n", word(d.Opened.Partner), len(d.Evidence), word(d.Outcome))
			}
		}
		p.conditions(s.Conditions)
		return nil
	}
	return cmd
}

// signer is the key that signed the message by itself, or that of its transaction.
func signer(s *api.Signing) string { return word(cmp.Or(s.Author, s.Key)) }

func (p *program) announceCommand() *cobra.Command {
	var q struct {
		Shipment   string           `json:"shipment,omitempty"`
		Carriers   []string         `json:"carriers,omitempty"`
		Receiver   string           `json:"receiver,omitempty"`
		Inspectors []string         `json:"inspectors,omitempty"`
		Arbiter    string           `json:"arbiter,omitempty"`
		Items      []string         `json:"items,omitempty"`
		Lots       []map[string]any `json:"lots,omitempty"`
		Deadline   string           `json:"deadline,omitempty"`
		Bands      []map[string]any `json:"bands,omitempty"`
		Documents  []documentSaid   `json:"documents,omitempty"`
	}
	var lots, bands, documents []string
	cmd := &cobra.Command{
		Use: "announce [ID]", Short: "Announce a shipment of what the node's own partner holds", Args: atMostOne("a shipment's id, or nothing"),
		Long: `Announce a shipment of what the node's own partner holds. ID is a GSIN, a GINC or a
private URI; without one it gets the eventID that the receipt tells (-o json).

    waybill shipment announce urn:example:shipment:7 --to shop --carrier haul --item PALLET --lot LOT=40:KGM --band temperature=2:8`,
	}
	f := cmd.Flags()
	f.StringVar(&q.Receiver, "to", "", "its receiver")
	f.StringArrayVar(&q.Carriers, "carrier", nil, "a partner that carries it; can repeat")
	f.StringArrayVar(&q.Inspectors, "inspector", nil, "a partner that may stop it; can repeat")
	f.StringVar(&q.Arbiter, "arbiter", "", "a partner that decides disputes")
	f.StringArrayVar(&q.Items, "item", nil, "a thing, or a container with all that is inside; can repeat")
	f.StringArrayVar(&lots, "lot", nil, "LOT=QUANTITY[:UNIT]; can repeat")
	f.StringVar(&q.Deadline, "deadline", "", "by when it is to be delivered, as 2026-01-31T12:00:00Z")
	f.StringArrayVar(&bands, "band", nil, "temperature=MIN:MAX or humidity=MIN:MAX, one end may be left out; can repeat")
	f.StringArrayVar(&documents, "document", nil, "a document that its receiver is to get with it: its kind, its SHA-256, or KIND=SHA256; can repeat")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			q.Shipment = args[0]
		}
		for _, text := range lots {
			lot, err := quantityIn("--lot", text)
			if err != nil {
				return err
			}
			lot["class"] = lot["id"]
			delete(lot, "id")
			q.Lots = append(q.Lots, lot)
		}
		for _, text := range bands {
			of, ends, ok := strings.Cut(text, "=")
			low, high, ok2 := strings.Cut(ends, ":")
			if !ok || !ok2 {
				return usage("--band is temperature=MIN:MAX or humidity=MIN:MAX: %q", text)
			}
			band := map[string]any{"of": of}
			for name, value := range map[string]string{"min": low, "max": high} {
				if value != "" {
					band[name] = json.Number(value)
				}
			}
			q.Bands = append(q.Bands, band)
		}
		for _, text := range documents {
			q.Documents = append(q.Documents, documentIn(text))
		}
		return p.act(cmd, "/api/v1/shipments", q, "shipment announced")
	}
	return cmd
}

// quantityIn reads ID=QUANTITY[:UNIT].
func quantityIn(flag, text string) (map[string]any, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return nil, usage("%s is ID=QUANTITY[:UNIT]: %q", flag, text)
	}
	quantity, unit, _ := strings.Cut(text[at+1:], ":")
	out := map[string]any{"id": text[:at], "quantity": json.Number(quantity)}
	if unit != "" {
		out["uom"] = unit
	}
	return out, nil
}

func (p *program) shipmentStep(name, short, done string) *cobra.Command {
	cmd := &cobra.Command{Use: name + " ID", Short: short, Args: exactly(1, "a shipment")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd, client.ShipmentPath(args[0])+"/"+name, struct{}{}, done)
	}
	return cmd
}

func (p *program) handoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "handover", Short: "Offer a shipment, accept or reject it, argue about it",
		Long: `Hand a shipment over: its holder offers it, the other side accepts or rejects it. Either
side may argue about it afterwards. A hand-over is named by its shipment and its number.`,
	}
	cmd.AddCommand(p.offerCommand(), p.acceptCommand(), p.handoverStep("reject", "Do not accept what is offered", "hand-over rejected"),
		p.handoverStep("cancel", "Withdraw an offer", "offer withdrawn"), p.evidenceCommand("dispute", "Argue about a hand-over that was answered", "dispute opened"),
		p.evidenceCommand("evidence", "Add evidence to a dispute", "evidence added"), p.resolveCommand())
	return cmd
}

func (p *program) offerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "offer ID", Short: "Offer a shipment to a carrier or its receiver, as its holder", Args: exactly(1, "a shipment")}
	to := cmd.Flags().String("to", "", "the partner")
	until := cmd.Flags().String("until", "", "when the offer ends, as 2026-01-31T12:00:00Z; at most thirty days")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd, client.ShipmentPath(args[0])+"/handovers", struct {
			To    string `json:"to,omitempty"`
			Until string `json:"until,omitempty"`
		}{*to, *until}, "shipment offered")
	}
	return cmd
}

func handoverIn(args []string) (string, error) {
	n, err := strconv.ParseUint(args[1], 10, 63)
	if err != nil {
		return "", usage("the number of a hand-over is one: %q", args[1])
	}
	return client.HandoverPath(args[0], n), nil
}

// handoverAct is a command about a hand-over.
func (p *program) handoverAct(name, short, done string, request func() (any, error)) *cobra.Command {
	cmd := &cobra.Command{Use: name + " ID NUMBER", Short: short, Args: exactly(2, "a shipment and the number of its hand-over")}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := handoverIn(args)
		if err != nil {
			return err
		}
		body, err := request()
		if err != nil {
			return err
		}
		return p.act(cmd, path+"/"+name, body, done)
	}
	return cmd
}

func (p *program) handoverStep(name, short, done string) *cobra.Command {
	var reason string
	cmd := p.handoverAct(name, short, done, func() (any, error) {
		return struct {
			Reason string `json:"reason,omitempty"`
		}{reason}, nil
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func (p *program) acceptCommand() *cobra.Command {
	flags := map[string]*[]string{"short": {}, "over": {}, "damaged": {}}
	cmd := p.handoverAct("accept", "Accept what is offered, in full or with discrepancies", "hand-over accepted", func() (any, error) {
		var q struct {
			Discrepancies []map[string]any `json:"discrepancies,omitempty"`
		}
		for _, what := range []string{"short", "over", "damaged"} {
			for _, text := range *flags[what] {
				d := map[string]any{"id": text}
				if at := strings.LastIndexByte(text, '='); at > 0 {
					var err error
					if d, err = quantityIn("--"+what, text); err != nil {
						return nil, err
					}
				}
				d["what"] = what
				q.Discrepancies = append(q.Discrepancies, d)
			}
		}
		return q, nil
	})
	cmd.Flags().StringArrayVar(flags["short"], "short", nil, "a unit that did not come, or LOT=QUANTITY[:UNIT]; can repeat")
	cmd.Flags().StringArrayVar(flags["over"], "over", nil, "a unit that came and was not offered, or LOT=QUANTITY[:UNIT]; can repeat")
	cmd.Flags().StringArrayVar(flags["damaged"], "damaged", nil, "a unit that came damaged, or LOT=QUANTITY[:UNIT]; can repeat")
	return cmd
}

func (p *program) evidenceCommand(name, short, done string) *cobra.Command {
	var documents, events []string
	cmd := p.handoverAct(name, short, done, func() (any, error) {
		var q struct {
			Evidence []map[string]string `json:"evidence,omitempty"`
		}
		for _, d := range documents {
			q.Evidence = append(q.Evidence, map[string]string{"document": d})
		}
		for _, e := range events {
			q.Evidence = append(q.Evidence, map[string]string{"event": e})
		}
		return q, nil
	})
	cmd.Flags().StringArrayVar(&documents, "document", nil, "SHA-256 of a document; can repeat")
	cmd.Flags().StringArrayVar(&events, "event", nil, "eventID of an event or act; can repeat")
	return cmd
}

func (p *program) resolveCommand() *cobra.Command {
	var outcome string
	cmd := p.handoverAct("resolve", "Say how a dispute is to end: both sides must say the same, or the arbiter says it", "outcome recorded", func() (any, error) {
		return map[string]string{"outcome": outcome}, nil
	})
	cmd.Flags().StringVar(&outcome, "outcome", "", "go_on, delivered or return")
	return cmd
}

func (p *program) exceptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exceptions", Short: "List what somebody should look at, and take off the list what was worked off",
		Long: `List the records that concern the node's own partner and are not settled: claims,
receipts without an offer, discrepancies, disputes, and offers that nobody answered.`,
		Args: noCommand,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		all := api.Exceptions{Records: []api.Record{}}
		for page, more := "", true; more; more = page != "" {
			list, err := c.OpenExceptions(cmd.Context(), "", page)
			if err != nil {
				return err
			}
			all.Partner, all.Height, all.Records, page = list.Partner, list.Height, append(all.Records, list.Records...), list.NextPageToken
			all.Overdue = append(all.Overdue, list.Overdue...)
		}
		if p.output == "json" {
			return p.json(all)
		}
		for i := range all.Overdue {
			p.exception(&all.Overdue[i], "not answered")
		}
		for i := range all.Records {
			var flags []string
			for _, f := range all.Records[i].Flags {
				flags = append(flags, f.String())
			}
			p.exception(&all.Records[i], strings.Join(flags, ", "))
		}
		return nil
	}
	settle := &cobra.Command{Use: "settle HEIGHT/POSITION/INDEX", Short: "Take a record off the own partner's list", Args: exactly(1, "a record")}
	p.nodeFlags(settle)
	settle.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.Count(args[0], "/") != 2 {
			return usage("a record is HEIGHT/POSITION/INDEX: %q", args[0])
		}
		return p.act(cmd, "/api/v1/exceptions/"+args[0]+"/settle", struct{}{}, "settled")
	}
	cmd.AddCommand(settle)
	return cmd
}

func (p *program) exception(r *api.Record, what string) {
	fmt.Fprintf(p.out, "%d/%d/%d  %s  %s  %s\n", r.Height, r.Position, r.Index, word(r.Partner), what, word(r.EventID))
}
