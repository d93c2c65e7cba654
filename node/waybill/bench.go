package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/network"
)

func (p *program) benchCommand() *cobra.Command {
	spec := network.BenchSpec{Batch: 100, Depth: 8, Chains: 40}
	cmd := &cobra.Command{
		Use: "bench", Short: "Load a local network and print what it does", Args: exactly(0, "no arguments"),
		Long: `Start local networks, load them over REST from this process, and print a table:
committed events a second with one and with many events a signature, latency at
half load, traces, disk and memory. Events are counted when all nodes have
committed them. The networks are thrown away.`,
	}
	cmd.Flags().StringVar(&spec.Local.Dir, "home", "", "directory for the networks; a temporary one if empty")
	cmd.Flags().IntVar(&spec.Local.Partners, "partners", 4, "number of partners")
	cmd.Flags().IntVar(&spec.Local.BasePort, "base-port", 18080, "first of the hundred ports that the networks may take")
	cmd.Flags().IntVar(&spec.Seconds, "seconds", 15, "length of each phase")
	cmd.Flags().IntVar(&spec.Writers, "writers", 32, "requests in flight at each node")
	cmd.Flags().IntVar(&spec.Batch, "batch", 100, "events a signature in the batched phase")
	cmd.Flags().IntVar(&spec.MinTotal, "events", 100000, "events on the ledger before traces are measured")
	cmd.Flags().StringVar(&spec.Profiles, "profiles", "", "directory, which exists, for processor profiles of each node and of the load, a set for each phase (go tool pprof merges and reads them); none if empty")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if spec.Seconds < 1 || spec.Writers < 1 || spec.Batch < 1 {
			return usage("--seconds, --writers and --batch are at least 1")
		}
		if spec.Local.Program, err = os.Executable(); err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
		if spec.Local.Dir == "" {
			if spec.Local.Dir, err = os.MkdirTemp("", "waybill-bench-"); err != nil {
				return fmt.Errorf("making a directory: %w", err)
			}
			defer os.RemoveAll(spec.Local.Dir)
		}
		rows := []measured{}
		err = network.Bench(cmd.Context(), spec, func(what, value string) { rows = append(rows, measured{what, value}) }, p.err)
		return errors.Join(interruptedOr(cmd, err), p.printMeasured(rows))
	}
	return cmd
}

// measured is one thing that a load told, in words.
type measured struct {
	What  string `json:"what"`
	Value string `json:"value"`
}

func (p *program) printMeasured(rows []measured) error {
	if p.output == "json" {
		return p.json(rows)
	}
	table := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\n", r.What, r.Value)
	}
	return table.Flush()
}

func interruptedOr(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return interrupted(cmd.Context(), err)
}
