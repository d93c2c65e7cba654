package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// act does an act and tells what came of it.
func (p *program) act(cmd *cobra.Command, path string, request any, done string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	w, err := c.Act(cmd.Context(), path, request, client.Write{IdempotencyKey: client.NewIdempotencyKey()})
	if err != nil {
		return err
	}
	return p.printDone(w, "refused", done)
}

// printDone tells what came of one message, which refused and done say in words.
func (p *program) printDone(w *client.Written, refused, done string) error {
	if known, err := p.outcome(w, refused); !known || err != nil {
		return err
	}
	if p.output == "json" {
		return p.json(w.Receipt)
	}
	fmt.Fprintf(p.out, "%s at height %d\n", done, w.Receipt.Height)
	return nil
}

// outcome reports whether what came of one message is known, and tells where it will
// be if not. A message that was refused is an error, which refused begins.
func (p *program) outcome(w *client.Written, refused string) (known bool, err error) {
	if w.Receipt == nil {
		fmt.Fprintf(p.out, "the outcome is not known yet: %s tells\n", w.Job)
		return false, nil
	}
	if e := w.Receipt.Events[0]; e.Code != schemas.OK {
		return true, fmt.Errorf("%s: %s (%s)", refused, e.Code, e.Code.Hint())
	}
	return true, nil
}
