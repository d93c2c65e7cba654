package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
)

func (p *program) conditionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "conditions ID", Short: "Tell what sensors measured of a shipment, and what of it was outside its terms", Args: exactly(1, "a shipment"),
		Long: `Tell what sensors measured of a shipment, against its terms: by quality, by the partner
that reported it, by device. Amounts are degrees Celsius or per cent of relative humidity.`,
	}
	outside := cmd.Flags().Bool("outside", false, "only what was outside")
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		all := []api.Condition{}
		for page, more := "", true; more; more = page != "" {
			list, err := c.Conditions(cmd.Context(), args[0], page)
			if err != nil {
				return err
			}
			for _, one := range list.Conditions {
				if !*outside || one.Excursion != nil {
					all = append(all, one)
				}
			}
			page = list.NextPageToken
		}
		if p.output == "json" {
			return p.json(all)
		}
		p.conditions(all)
		return nil
	}
	return cmd
}

func (p *program) conditions(list []api.Condition) {
	for i := range list {
		c := &list[i]
		device := ""
		if c.Device != "" {
			device = " with " + word(c.Device)
		}
		fmt.Fprintf(p.out, "%s measured by %s%s: %s to %s in %d readings, %s to %s\n", c.Of, word(c.ReportedBy), device, word(c.Least.Amount), word(c.Greatest.Amount),
			c.Readings, c.From.Format(time.RFC3339), c.Until.Format(time.RFC3339))
		if x := c.Excursion; x != nil {
			until := "until " + x.Last.Time.Format(time.RFC3339)
			if x.Open {
				until = "and still at " + x.Last.Time.Format(time.RFC3339)
			}
			fmt.Fprintf(p.out, "  outside: %s from %s in %s, %s in %s; %s in %d readings\n", word(x.First.Amount), x.First.Time.Format(time.RFC3339), word(x.First.Event),
				until, word(x.Last.Event), time.Duration(x.Seconds)*time.Second, x.Readings)
		}
	}
}
