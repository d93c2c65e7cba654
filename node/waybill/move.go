package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

func (p *program) moveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "move", Short: "Move a validator's key to another home, or to a signer, so that two never have it", Args: exactly(0, "one of ask, out, in"),
		Long: `Move a validator's key to another home, or to a signer, so that two never have it:
  waybill move ask ARRIVAL                 where the key goes: prints a recipient
  waybill move out --home OLD --recipient RECIPIENT HANDOVER
                                           where it is: the home does not start any more
  waybill move in --home NEW --arrival ARRIVAL HANDOVER
                                           where it goes: works once, for ARRIVAL is destroyed`,
	}
	cmd.AddCommand(p.moveAskCommand(), p.moveOutCommand(), p.moveInCommand())
	return cmd
}

func (p *program) moveAskCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ask ARRIVAL", Short: "Make the file that a validator's key is handed over to, and print its recipient", Args: exactly(1, "a file to make"),
		RunE: func(_ *cobra.Command, args []string) error {
			recipient, err := node.MakeArrival(args[0])
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(map[string]any{"recipient": recipient})
			}
			fmt.Fprintln(p.out, recipient)
			return nil
		},
	}
}

func (p *program) moveOutCommand() *cobra.Command {
	var home, recipient, unlock string
	var signer bool
	cmd := &cobra.Command{
		Use: "out --home OLD --recipient RECIPIENT HANDOVER", Short: "Give a stopped home's validator key up", Args: exactly(1, "a file to make"),
		Long: `Give a stopped home's validator key up: its node does not start any more, and then
HANDOVER is written, encrypted to the recipient that "waybill move ask" printed. Cut
off, it can be run again for the same recipient.`,
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&recipient, "recipient", "", "who gets the key, as waybill move ask printed it")
	cmd.Flags().BoolVar(&signer, "signer", false, "the home is a signer's")
	p.unlockFlag(cmd, &unlock)
	cmd.RunE = func(_ *cobra.Command, args []string) (err error) {
		if err := requireHome(home); err != nil {
			return err
		}
		if recipient == "" {
			return usage("--recipient says who gets the key: waybill move ask prints it, where the key goes")
		}
		var r *node.MoveReport
		if signer {
			r, err = node.MoveFromSigner(node.SignerOptions{Home: home, Unlock: unlock, Getenv: p.getenv}, recipient, args[0])
		} else {
			s, errLoad := p.homeSettings(home)
			if errLoad != nil {
				return errLoad
			}
			r, err = node.MoveOut(s, recipient, args[0])
		}
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(r)
		}
		fmt.Fprintf(p.out, "validator %s of %s was given up, it signed height %d last\n", r.Validator, escape(r.Partner), r.Height)
		if r.Machine != "" {
			fmt.Fprintf(p.out, "machine   %s\n", r.Machine)
		}
		return nil
	}
	return cmd
}

func (p *program) moveInCommand() *cobra.Command {
	var home, arrival, unlock string
	var signer bool
	cmd := &cobra.Command{
		Use: "in --home NEW --arrival ARRIVAL HANDOVER", Short: "Take a validator's key into a home, or a signer's new home", Args: exactly(1, "the handover"),
		Long: `Take a validator's key. NEW is a home of the same partner: a copy of the old one
that was made after the key was given up, in which the validator goes on where it was,
or a restored one (waybill restore --no-validator-key), in which it signs above the
height that it signed last. With --signer it becomes a signer's home.

ARRIVAL and HANDOVER are removed, so that the key is taken once.`,
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&arrival, "arrival", "", "the file that waybill move ask made")
	cmd.Flags().BoolVar(&signer, "signer", false, "make a signer's home")
	p.unlockFlag(cmd, &unlock)
	cmd.RunE = func(_ *cobra.Command, args []string) (err error) {
		if err := requireHome(home); err != nil {
			return err
		}
		if arrival == "" {
			return usage("--arrival names the file that waybill move ask made")
		}
		var r *node.MoveReport
		if signer {
			r, err = node.MoveToSigner(node.SignerOptions{Home: home, Unlock: unlock, Getenv: p.getenv}, arrival, args[0])
		} else {
			s, errLoad := p.homeSettings(home)
			if errLoad != nil {
				return errLoad
			}
			r, err = node.MoveIn(s, arrival, args[0])
		}
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(r)
		}
		fmt.Fprintf(p.out, "validator %s of %s is here", r.Validator, escape(r.Partner))
		if r.Above {
			fmt.Fprintf(p.out, ", it signs above height %d", r.Height)
		}
		fmt.Fprintln(p.out)
		if r.Machine != "" {
			fmt.Fprintf(p.out, "signer    %s\n", r.Machine)
		}
		return nil
	}
	return cmd
}

// unlockFlag is for a signer's home, which has no settings of its own.
func (p *program) unlockFlag(cmd *cobra.Command, unlock *string) {
	cmd.Flags().StringVar(unlock, "unlock", p.getenv("WAYBILL_UNLOCK"), "where a signer's encrypted keys are unlocked from: prompt, file:PATH, env:NAME or identity:PATH (WAYBILL_UNLOCK)")
}

func (p *program) signerCommand() *cobra.Command {
	o := node.SignerOptions{Getenv: p.getenv}
	cmd := &cobra.Command{
		Use: "signer --home DIR --connect ID@HOST:PORT", Short: "Sign for a node, or for one of a pair, that has no validator's key itself", Args: exactly(0, "no arguments"),
		Long: `Sign in the foreground until SIGINT or SIGTERM. It connects to each --connect: the
machine id of a node ("waybill key machine") and the address of that node's setting
signer, and tries again for ever. One node is served; another is when that one has
not asked for as long as --failover says. Nothing is signed twice, nor against what
another node precommitted, whoever asks and when.`,
	}
	cmd.Flags().StringVar(&o.Home, "home", p.getenv("WAYBILL_HOME"), "the signer's directory (WAYBILL_HOME)")
	cmd.Flags().StringArrayVar(&o.Nodes, "connect", nil, "a node, as ID@HOST:PORT; two are a pair")
	cmd.Flags().DurationVar(&o.Failover, "failover", 10*time.Second, "silence of the node that is served after which another may be")
	p.unlockFlag(cmd, &o.Unlock)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(o.Home); err != nil {
			return err
		}
		if len(o.Nodes) == 0 || o.Failover < 3*time.Second {
			return usage("--connect ID@HOST:PORT says for whom to sign; --failover is 3s or more")
		}
		return node.RunSigner(cmd.Context(), o, p.err)
	}
	return cmd
}
