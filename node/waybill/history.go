package main

import (
	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

func (p *program) historyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "history", Short: "Pause or resume fetching what came before a node's snapshot", Args: exactly(0, "pause or resume"),
		Long: `A node that joined by a snapshot fetches the records from before in the
background. Pause it when the line or the disk is needed for something else; the
node need not be stopped. "waybill status" tells how far it is.`,
		RunE: func(*cobra.Command, []string) error { return usage("say pause or resume") },
	}
	for name, short := range map[string]string{"pause": "Fetch no more, until resumed", "resume": "Go on fetching"} {
		var home string
		sub := &cobra.Command{Use: name + " --home DIR", Short: short, Args: exactly(0, "no arguments")}
		p.homeFlag(sub, &home)
		sub.RunE = func(*cobra.Command, []string) error {
			if err := requireHome(home); err != nil {
				return err
			}
			return node.PauseHistory(home, name == "pause")
		}
		cmd.AddCommand(sub)
	}
	return cmd
}
