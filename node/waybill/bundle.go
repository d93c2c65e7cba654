package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// bundleFlags is what a bundle is asked for with.
type bundleFlags struct {
	schemas.BundleQuery
	as        string
	partner   bool
	shipment  bool
	trustFile string
	vouchFlags
}

func (p *program) bundleCommand() *cobra.Command {
	var f bundleFlags
	cmd := &cobra.Command{
		Use: "bundle ID > FILE", Short: "Fetch the proof of an item's trails, to standard output", Args: exactly(1, "one identifier"),
		Long: `Fetch the proof of what the ledger has of an item, a class or lot, a partner's
activity or a shipment, or that it has nothing, to standard output. It is binary, with
-o json the same in JSON; waybill verify reads both.

What rules read of an event is shown with anything of it. --only and --withhold
choose among the other members; an event whose eventID is made from a hash of what
is withheld is withheld whole, unless --hash-ids.`,
	}
	p.nodeFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.Observations, "observations", false, "also what was seen or claimed of the item, and of what it was inside of, and declared erroneous")
	flags.BoolVar(&f.Containers, "containers", true, "also the records of what it was inside of, while it was")
	flags.IntVar(&f.Ancestors, "ancestors", 0, "transformations upstream to follow, up to 16")
	flags.BoolVar(&f.Names, "names", false, "also who the partners are, as the ledger has them")
	flags.BoolVar(&f.Times, "times", false, "also when each block with an event was made")
	flags.StringSliceVar(&f.Only, "only", nil, "show these members alone, beside what rules read")
	flags.StringSliceVar(&f.Withhold, "withhold", nil, "do not show these members")
	flags.BoolVar(&f.HashIDs, "hash-ids", false, "show eventIDs that are hashes, also of events with withheld members")
	flags.StringVar(&f.as, "as", "", "item or lot: which of the two, where a private identifier may be both")
	flags.StringVar(&f.Partner, "by", "", "of a lot: show this partner's events alone")
	flags.BoolVar(&f.partner, "partner", false, "the identifier is a partner's: fetch what it sent")
	flags.BoolVar(&f.shipment, "shipment", false, "the identifier is a shipment's: fetch what was done about it, and how it stands")
	flags.BoolVar(&f.Units, "units", false, "of a shipment: also where the things are that it was announced with")
	flags.Uint64Var(&f.First, "first", 0, "of a partner or lot: leave out so many of its records")
	flags.Uint64Var(&f.Count, "count", 0, "of a partner or lot: so many of its records at most, 0 for all")
	flags.Int64Var(&f.Height, "height", 0, "of the state: one of the last few, 0 for the last")
	f.vouchFlags.add(cmd)
	flags.StringVar(&f.trustFile, "trust", "", "file with the reader's root of trust, where validators changed since")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out, ok := p.out.(*os.File); ok && isTerminal(out) && p.output != "json" {
			return usage("a bundle is binary: send it to a file with > FILE, or ask for JSON with -o json")
		}
		query, err := f.query(args[0])
		if err != nil {
			return err
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		b, err := c.Bundle(cmd.Context(), query)
		if err == nil {
			b, err = f.vouch(cmd.Context(), b, c)
		}
		if err == nil && p.output == "json" {
			b, err = proof.AppendJSON(nil, b)
			b = append(b, '\n')
		}
		if err != nil {
			return err
		}
		_, err = p.out.Write(b)
		return err
	}
	return cmd
}

func (f *bundleFlags) query(id string) (schemas.BundleQuery, error) {
	q := f.BundleQuery
	q.ID = id
	of, ok := map[string]schemas.BundleOf{"": schemas.BundleOfThing, "item": schemas.BundleOfItem, "lot": schemas.BundleOfLot}[f.as]
	switch {
	case !ok:
		return q, usage("--as %q is neither item nor lot", f.as)
	case f.partner && f.shipment:
		return q, usage("--partner and --shipment: the identifier is one or the other's")
	case f.shipment && (f.as != "" || q.Partner != "" || q.Observations || q.Ancestors > 0):
		return q, usage("--shipment is about a shipment, the other flags about things")
	case !f.shipment && q.Units:
		return q, usage("--units is about a shipment: --shipment")
	case f.partner && (f.as != "" || q.Partner != "" || q.Observations || q.Ancestors > 0):
		return q, usage("--partner is about a partner, the other flags about things")
	case !f.partner && f.as != "lot" && (q.First > 0 || q.Count > 0):
		return q, usage("--first and --count are of a partner's or a lot's records: --partner or --as lot")
	case q.Ancestors > 0 && (q.First > 0 || q.Count > 0):
		return q, usage("--first and --count give a part of a lot's records: without --ancestors")
	case q.Partner != "" && f.as == "item":
		return q, usage("--by is about a lot")
	case q.Ancestors < 0 || q.Ancestors > proof.MaxAncestry:
		return q, usage("--ancestors is 0 to %d", proof.MaxAncestry)
	}
	if q.Of = of; q.Partner != "" {
		q.Of = schemas.BundleOfLot
	}
	if f.partner {
		q.Of = schemas.BundleOfPartner
	}
	if f.shipment {
		q.Of = schemas.BundleOfShipment
	}
	if f.trustFile != "" {
		trust, err := readTrust(f.trustFile)
		if err != nil {
			return q, err
		}
		q.Since = trust.Height
	}
	return q, nil
}

func (p *program) renewCommand() *cobra.Command {
	var trustFile string
	cmd := &cobra.Command{
		Use: "renew FILE > FILE", Short: "Have an old bundle proven under a header of now", Args: exactly(1, "one bundle"),
		Long: `Have an old bundle proven under a header of now, for a reader whose root of trust is
younger than the bundle. It is of the same state and says the same.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&trustFile, "trust", "", "file with the reader's root of trust, where validators changed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out, ok := p.out.(*os.File); ok && isTerminal(out) {
			return usage("a bundle is binary: send it to a file with > FILE")
		}
		since := int64(0)
		if trustFile != "" {
			trust, err := readTrust(trustFile)
			if err != nil {
				return err
			}
			since = trust.Height
		}
		old, err := readBounded(args[0])
		if err == nil {
			old, err = audit.Binary(old)
		}
		if err != nil {
			return err
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		b, err := c.Renew(cmd.Context(), old, since)
		if err != nil {
			return err
		}
		_, err = p.out.Write(b)
		return err
	}
	return cmd
}
