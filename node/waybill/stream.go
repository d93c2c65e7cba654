package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) streamCommand() *cobra.Command {
	var after, types, partner, subject string
	var once bool
	cmd := &cobra.Command{
		Use: "stream", Short: "Follow what the ledger commits", Args: exactly(0, "no arguments"),
		Long: `Print a line for every message that the ledger commits, in its order, until it is
interrupted: the cursor, the block's time, what it was, the partner, what became of
it, its id, and what it is about. With -o json each line is a record as docs/stream.md has it.

Without --after it begins with what comes next; --after 0-0-0 begins with the first
message, --after CURSOR goes on behind a line that was printed before:

    waybill stream --after 0-0-0 --type 'shipment.*|handover.*'`,
	}
	p.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&after, "after", "", "cursor of the last message that is known; 0-0-0 begins with the first")
	f.StringVar(&types, "type", "", "only these types, separated by |; shipment.* is all below")
	f.StringVar(&partner, "partner", "", "only what this partner recorded")
	f.StringVar(&subject, "subject", "", "only what is about this: an identifier, ISSUER/RECALL, a proposal")
	f.BoolVar(&once, "once", false, "end when all that is committed is told")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		q := url.Values{}
		for name, value := range map[string]string{"after": after, "type": types, "partner": partner, "subject": subject} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if once {
			q.Set("follow", "false")
		}
		lines := json.NewEncoder(p.out)
		err = c.Stream(cmd.Context(), q, func(one *api.Streamed) error {
			if p.output == "json" {
				return lines.Encode(one)
			}
			became := one.Effect.String()
			if one.Code != schemas.OK {
				became = one.Code.String()
			}
			_, err := fmt.Fprintf(p.out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.Cursor, one.Time.UTC().Format(time.RFC3339), one.Type, escape(one.Partner), became, escape(one.EventID), escape(strings.Join(one.Subjects, " ")))
			return err
		})
		if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
			return nil // it was interrupted, as it ends
		}
		return err
	}
	return cmd
}
