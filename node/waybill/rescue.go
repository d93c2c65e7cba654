package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

func (p *program) rescueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rescue", Short: "Restart a network that lost a third of its votes or more for ever, by the survivors' agreement",
		Args: exactly(0, "one of propose, sign, join, show, start"),
		Long: `Restart a network that lost a third of its votes or more for ever, by the
survivors' agreement. All survivors leave their nodes running until they show the
same height, and stop them. One proposes: that is a document, signed by its partner
and its validator. The others read and sign it, somebody joins the documents, and
each starts the whole one in its home; then the nodes go on. Everything recorded
stays, and every later proof tells of the rescue: docs/operate.md has the steps.

Lost is what no backup brings back: as long as its keys and its disk or a backup are
there, restore the node instead (waybill restore).`,
	}
	cmd.AddCommand(p.rescueProposeCommand(), p.rescueSignCommand(), p.rescueJoinCommand(), p.rescueShowCommand(), p.rescueStartCommand())
	return cmd
}

func (p *program) rescueProposeCommand() *cobra.Command {
	o := node.RescueOptions{Getenv: p.getenv}
	cmd := &cobra.Command{
		Use: "propose --home DIR --lost PARTNER --reason TEXT > FILE", Short: "Propose a rescue behind a stopped node's last block, and sign it", Args: exactly(0, "no arguments"),
		Long: `Propose a rescue behind a stopped node's last block: who is lost for ever, and
that all others go on. The document goes to standard output, signed by this partner.
From then on this node does not start with the old validators any more.`,
	}
	p.homeFlag(cmd, &o.Home)
	cmd.Flags().StringArrayVar(&o.Lost, "lost", nil, "a partner whose validator is lost for ever (may repeat)")
	cmd.Flags().StringArrayVar(&o.Aside, "aside", nil, "a partner who is not lost and takes no part (may repeat)")
	cmd.Flags().StringVar(&o.Reason, "reason", "", "what happened: auditors read it in every later proof")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := requireHome(o.Home); err != nil {
			return err
		}
		if len(o.Lost) == 0 || o.Reason == "" {
			return usage("--lost PARTNER and --reason TEXT must be given")
		}
		r, warnings, err := node.ProposeRescue(o)
		return p.writeRescue(r, warnings, err)
	}
	return cmd
}

func (p *program) rescueSignCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "sign FILE --home DIR > FILE", Short: "Sign a rescue, if the stopped node stands where it says", Args: exactly(1, "one document"),
		Long: `Sign a rescue for a stopped node's partner, if the node stands where the document
says: at the same last block, with the same state. Read it first: waybill rescue show.
The document with the signatures goes to standard output. From then on this node does
not start with the old validators any more, and signs no other rescue.`,
	}
	p.homeFlag(cmd, &home)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		r, err := readRescue(args[0])
		if err != nil {
			return err
		}
		r, warnings, err := node.SignRescue(home, p.getenv, r)
		return p.writeRescue(r, warnings, err)
	}
	return cmd
}

func (p *program) rescueJoinCommand() *cobra.Command {
	return &cobra.Command{
		Use: "join FILE... > FILE", Short: "Join the signatures of several documents of one rescue", Args: atLeast(1, "documents"),
		Long: `Join the signatures of several documents of one rescue. The whole document goes to
standard output; while somebody who stays has not signed, who is said, and the exit
status is 1.`,
		RunE: func(_ *cobra.Command, args []string) error {
			whole, err := readRescue(args[0])
			if err != nil {
				return err
			}
			for _, name := range args[1:] {
				other, err := readRescue(name)
				if err == nil {
					err = whole.Join(other)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return p.writeRescue(whole, nil, whole.Complete())
		},
	}
}

func (p *program) rescueShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show FILE", Short: "Print what a rescue says, and who signed it", Args: exactly(1, "one document"),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRescue(args[0])
			if err == nil {
				err = errors.Join(r.Check(), r.CheckSignatures())
			}
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(map[string]any{"id": r.ID(), "chain_id": r.ChainID, "epoch": r.Epoch, "height": r.Height, "header_hash": r.Header, "app_hash": r.App,
					"lost": r.Partners(proof.Lost), "stay": r.Partners(proof.Stays), "aside": r.Partners(proof.Aside), "reason": r.Reason, "unsigned": r.Missing()})
			}
			for _, line := range node.DescribeRescue(r) {
				fmt.Fprintln(p.out, escape(line))
			}
			return nil
		},
	}
}

func (p *program) rescueStartCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "start FILE --home DIR", Short: "Make a stopped node go on by a rescue that all who stay signed", Args: exactly(1, "one document"),
		Long: `Make a stopped node go on by a rescue that all who stay signed: from the next block
on, they are its validators. What is recorded stays as it is. It may be killed at any
moment and run again; until it has ended, the node does not start. Nodes that do not
validate follow by the same command.`,
	}
	p.homeFlag(cmd, &home)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		r, err := readRescue(args[0])
		if err != nil {
			return err
		}
		err = node.StartRescue(home, p.getenv, r)
		if again := errors.Is(err, node.ErrRescued); again {
			fmt.Fprintln(p.err, "It was started here before.")
		} else if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "rescue    %s\nbehind    block %d\n", r.ID(), r.Height)
		fmt.Fprintln(p.err, "Start the node. Tell auditors the rescue's id: they accept it by waybill verify --accept-rescue.")
		return nil
	}
	return cmd
}

func readRescue(name string) (*proof.Rescue, error) {
	b, err := readBounded(name)
	if err != nil {
		return nil, fmt.Errorf("reading a rescue: %w", err)
	}
	return proof.DecodeRescue(b)
}

// writeRescue writes a document to standard output, and what it says beside it.
func (p *program) writeRescue(r *proof.Rescue, warnings []string, err error) error {
	if err != nil {
		return err
	}
	for _, line := range node.DescribeRescue(r) {
		fmt.Fprintln(p.err, escape(line))
	}
	for _, w := range warnings {
		fmt.Fprintln(p.err, "waybill: warning: "+w)
	}
	_, err = p.out.Write(r.Encode())
	return err
}
