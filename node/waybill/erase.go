package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) eraseCommand() *cobra.Command {
	order := api.OrderRequest{}
	var status bool
	cmd := &cobra.Command{
		Use: "erase EVENTID", Short: "Order that an event's body be erased at every node, held, or kept longer", Args: exactly(1, "an eventID"),
		Long: `Order that the body of an event, which the node's own partner recorded, be erased
at every node: what was reported goes, but for what rules read of it (the things
and quantities it names, step, disposition, parties, times); its digest, its place in
trails and every proof stay. It cannot be undone. --order hold keeps it from being
erased until --order release, and --order classify --class NAME puts it into another
of the network's retention classes, which keeps it as long at least. The API key
needs the scope admin.

--status asks instead how the body stands, and shows the node's signed receipt.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&order.Order, "order", "erase", "erase, hold, release or classify")
	cmd.Flags().StringVar(&order.Class, "class", "", "a retention class, with --order classify")
	cmd.Flags().StringVar(&order.Reason, "reason", "", "why, for everybody to read, at most 1,000 bytes")
	cmd.Flags().BoolVar(&status, "status", false, "tell how the body stands")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		if status {
			return p.printErasure(cmd, c, args[0])
		}
		order.EventID = args[0]
		w, err := c.Order(cmd.Context(), order, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
		if err != nil {
			return err
		}
		return p.printDone(w, "the order was refused", order.Order+" ordered")
	}
	return cmd
}

func (p *program) printErasure(cmd *cobra.Command, c *client.Client, eventID string) error {
	e, err := c.Erasure(cmd.Context(), "", eventID)
	if err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(e)
	}
	if e.Order != (schemas.Locator{}) {
		fmt.Fprintf(p.out, "%s: %s, by an order at %d/%d/%d\n", word(e.EventID), e.Standing, e.Order.Height, e.Order.Position, e.Order.Index)
	}
	if e.Class != "" {
		fmt.Fprintf(p.out, "retention class %s: may be erased from %s", word(e.Class), e.ErasableFrom.Format(time.RFC3339))
		if !e.DueBy.IsZero() {
			fmt.Fprintf(p.out, ", is to be erased at %s", e.DueBy.Format(time.RFC3339))
		}
		fmt.Fprintln(p.out)
	}
	if r := e.Receipt; r != nil {
		fmt.Fprintf(p.out, "not held by the node of %s at height %d, signed with key %s: %x\n", word(r.Partner), r.Height, word(r.KeyID), r.Signature)
	}
	return nil
}
