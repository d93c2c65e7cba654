package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/network"
)

func (p *program) localnetCommand() *cobra.Command {
	var spec network.LocalSpec
	var demo, exit bool
	cmd := &cobra.Command{
		Use: "localnet --home DIR", Short: "Start a local network: every partner a process of its own", Args: exactly(0, "no arguments"),
		Long: `Make and start a local network in DIR, which must be empty or absent. Partner i
(from 0) serves REST at 127.0.0.1, port base-port + i; all other ports lie
within base-port + 99. DIR/partners.json appears when all nodes are ready: it
has the addresses and an API key of each. Nodes run until this program is
interrupted; one that is killed stays down until "waybill start --home
DIR/NAME" starts it again.`,
	}
	cmd.Flags().StringVar(&spec.Dir, "home", p.getenv("WAYBILL_HOME"), "directory of the network (WAYBILL_HOME)")
	cmd.Flags().IntVar(&spec.Partners, "partners", 4, "number of partners, 1 to 32")
	cmd.Flags().IntVar(&spec.BasePort, "base-port", 8080, "first of the hundred ports that the network may take")
	cmd.Flags().BoolVar(&demo, "demo", false, "play a supply chain's story and print its trace")
	cmd.Flags().BoolVar(&exit, "exit", false, "stop when all is ready and the demo has been shown")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(spec.Dir); err != nil {
			return err
		}
		if err := spec.Check(); err != nil {
			return usageError{err}
		}
		if demo && spec.Partners < network.DemoPartners {
			return usage("the demo's story needs %d partners", network.DemoPartners)
		}
		var err error
		if spec.Program, err = os.Executable(); err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
		return p.localnet(cmd.Context(), spec, demo, exit)
	}
	return cmd
}

func (p *program) localnet(ctx context.Context, spec network.LocalSpec, demo, exit bool) (err error) {
	progress := p.progress("starting %d nodes", spec.Partners)
	l, err := network.StartLocal(ctx, spec)
	progress.end()
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() {
		progress := p.progress("stopping %d nodes", spec.Partners)
		err = errors.Join(err, l.Stop())
		progress.end()
	}()
	if demo {
		show, out := func(t *api.Trace, places map[string]string) error { return network.WriteTrace(p.out, t, places) }, p.out
		if p.output == "json" { // the trace alone, as waybill trace prints it
			show, out = func(t *api.Trace, _ map[string]string) error { return p.json(t) }, p.err
		}
		if err := network.Demo(ctx, l.Members, show, out, p.err); err != nil {
			return interrupted(ctx, err)
		}
	}
	if exit {
		return nil
	}
	p.printMembers(l.Members, spec.Dir)
	<-ctx.Done()
	return nil
}

// interrupted tells of an interrupt as such, whatever broke because of it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func (p *program) printMembers(members []network.Member, dir string) {
	fmt.Fprintf(p.err, "\n%-16s %-24s %s\n", "partner", "REST", "process")
	for _, m := range members {
		fmt.Fprintf(p.err, "%-16s %-24s %d\n", m.Partner, m.REST, m.PID)
	}
	fmt.Fprintf(p.err, "\nAPI keys are in %s. Interrupt this program to stop the network.\n", filepath.Join(dir, network.PartnersFile))
}
