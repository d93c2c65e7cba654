package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

// errFaults says that a check found something; what, was printed.
var errFaults = errors.New("the home has faults")

func (p *program) checkCommand() *cobra.Command {
	o := node.CheckOptions{Getenv: p.getenv, Rules: rules()}
	cmd := &cobra.Command{
		Use: "check --home DIR", Short: "Check a stopped node's home, every file of it", Args: exactly(0, "no arguments"),
		Long: `Check a stopped node's home, every file of it, and change nothing: the ledger is
computed again from the genesis document and the archive, signature by signature
and rule by rule, its app hashes are held against the headers that the validators
signed, and state, tree and index against what was computed. What does not hold
is printed with file, offset and height, and the exit status is 1.

With --rebuild the database (state, tree and index) is replaced by the one that was
computed, if the archive itself has no fault.`,
	}
	p.homeFlag(cmd, &o.Home)
	cmd.Flags().BoolVar(&o.Rebuild, "rebuild", false, "replace the ledger's database by what the archive comes to")
	cmd.Flags().StringVar(&o.Scratch, "scratch", "", "where to compute the ledger again: room for its database is needed (default: the system's temporary directory)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(o.Home); err != nil {
			return err
		}
		report, err := node.Check(cmd.Context(), o)
		if err != nil {
			return err
		}
		if err := p.printCheck(report); err != nil {
			return err
		}
		if len(report.Faults) > 0 {
			return errFaults
		}
		return nil
	}
	return cmd
}

func (p *program) printCheck(r *node.CheckReport) error {
	if p.output == "json" {
		return p.json(r)
	}
	fmt.Fprintf(p.out, "chain %s, height %d, app hash %s\n", escape(r.ChainID), r.Height, r.AppHash)
	fmt.Fprintf(p.out, "computed again to height %d: %d transactions, %d messages; %d files read\n", r.Replayed, r.Transactions, r.Messages, r.Files)
	for _, f := range r.Faults {
		fmt.Fprintf(p.out, "fault: %s\n", escape(f.String()))
	}
	if r.Further > 0 {
		fmt.Fprintf(p.out, "and %d faults more\n", r.Further)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(p.out, "note: %s\n", escape(n))
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(p.out, "everything holds")
	}
	return nil
}
