package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

func (p *program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find out where two nodes' states differ", Args: exactly(0, "one of diff, list"),
		Long: `Find out where two nodes' states differ. A node whose app hash is not the one that
the validators decided stops and says so: diff names the first key in which its
state and another's differ. A partner who cannot share a home shares a listing.`,
	}
	cmd.AddCommand(p.doctorDiffCommand(), p.doctorListCommand())
	return cmd
}

func (p *program) doctorDiffCommand() *cobra.Command {
	o := node.DoctorOptions{Getenv: p.getenv}
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Name the first keys in which two states differ", Args: exactly(2, "two homes or listings"),
		Long: `Name the first keys in which two states differ. A and B are homes, or listings of
"waybill doctor list". They are compared at the lower of their heights: the other's
state there is computed from its archive. A home's node may run, but that of a node
which diverged is compared as its database has it. The exit status is 1 if they
differ.`,
	}
	cmd.Flags().StringVar(&o.Scratch, "scratch", "", "where to compute states (default: the system's temporary directory)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.A, o.B = args[0], args[1]
		d, err := node.Diagnose(cmd.Context(), o)
		if err != nil {
			return err
		}
		if p.output == "json" {
			if err := p.json(d); err != nil {
				return err
			}
		} else if err := p.printDiagnosis(d); err != nil {
			return err
		}
		if len(d.Keys) > 0 {
			return fmt.Errorf("the states differ at height %d", d.Height)
		}
		return nil
	}
	return cmd
}

func (p *program) printDiagnosis(d *node.Diagnosis) error {
	fmt.Fprintf(p.out, "height %d\nroot of A %s\nroot of B %s\n", d.Height, d.RootA, d.RootB)
	if len(d.Keys) == 0 {
		fmt.Fprintln(p.out, "the states are the same")
	}
	for _, k := range d.Keys {
		a, err := json.Marshal(k.A)
		if err != nil {
			return fmt.Errorf("encoding a value: %w", err)
		}
		b, err := json.Marshal(k.B)
		if err != nil {
			return fmt.Errorf("encoding a value: %w", err)
		}
		fmt.Fprintf(p.out, "%s %s\n  A %s\n  B %s\n", escape(k.Kind), escape(k.Key), a, b)
		if k.Rows {
			fmt.Fprintln(p.out, "  a value is not the one that its own tree commits to: that disk changed it")
		}
	}
	return nil
}

func (p *program) doctorListCommand() *cobra.Command {
	o := node.DoctorOptions{Getenv: p.getenv}
	var home string
	var height int64
	cmd := &cobra.Command{
		Use: "list --home DIR > FILE", Short: "List a state's keys and values, for another partner to compare", Args: exactly(0, "no arguments"),
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().Int64Var(&height, "height", 0, "the height of the state (default: the last)")
	cmd.Flags().StringVar(&o.Scratch, "scratch", "", "where to compute it (default: the system's temporary directory)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		return node.ListState(cmd.Context(), home, height, o, p.out)
	}
	return cmd
}
