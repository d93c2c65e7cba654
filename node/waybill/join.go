package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

func (p *program) inviteCommand() *cobra.Command {
	var home, partner string
	cmd := &cobra.Command{
		Use: "invite --home DIR --partner ID > invite.json", Short: "Print an invite to the network, for a newcomer", Args: exactly(0, "no arguments"),
		Long: `Print an invite to the network of a member's node, which must run: the genesis
document and its hash, addresses of peers, and a header that the newcomer may
believe, which this node and those of --node agree on. It holds nothing secret, and
admits nobody: the vote does. Tell the newcomer its genesis_hash by another way.`,
	}
	cmd.AddCommand(p.inviteParticipantCommand(), p.inviteObserverCommand())
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&partner, "partner", "", "the newcomer's name on the ledger")
	cmd.Flags().StringArrayVar(&p.nodes, "node", nil, "URL of another partner's gateway, to agree on the header (may repeat)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		if partner == "" {
			return usage("--partner says whom the invite is for")
		}
		s, err := node.LoadSettings(home, p.getenv)
		if err != nil {
			return err
		}
		nodes := make([]*client.Client, 0, len(p.nodes)+1)
		for _, url := range append([]string{"http://" + s.REST}, p.nodes...) {
			c, err := client.New(strings.TrimRight(url, "/"), "")
			if err != nil {
				return usageError{err}
			}
			nodes = append(nodes, c)
		}
		trust, err := network.AgreedTrust(cmd.Context(), nodes)
		if err != nil {
			return err
		}
		invite, err := network.MakeInvite(s, partner, trust)
		if err != nil {
			return err
		}
		return p.json(invite)
	}
	return cmd
}

func (p *program) joinCommand() *cobra.Command {
	var home, genesis, trust, invite string
	var partner schemas.Partner
	cmd := &cobra.Command{
		Use: "join --home DIR (--invite FILE | --genesis FILE CARD...)", Short: "Join a network by an invite, or one that begins",
		Long: `Join a network that runs: by an invite (waybill invite, at a member) keys are made,
unless the home has them, and DIR/request.json, which is printed, too. Send that to
the member, who proposes it (waybill propose --file). When the network has voted,
"waybill start" does the rest.

Or join a network that begins: put a network's genesis document and its partners' addresses into a home. With
a root of trust the node begins with a snapshot of its peers' state, and checks all
of it against the root; without one it fetches every block from the first.`,
	}
	cmd.AddCommand(p.joinParticipantCommand())
	cmd.Flags().StringVar(&invite, "invite", "", "an invite to a network that runs")
	cmd.Flags().StringVar(&partner.GLN, "gln", "", "with an invite: the partner's Global Location Number, 13 digits")
	cmd.Flags().StringVar(&partner.Name, "name", "", "with an invite: its legal name")
	cmd.Flags().StringVar(&partner.LEI, "lei", "", "with an invite: its Legal Entity Identifier (ISO 17442)")
	cmd.Flags().StringVar(&partner.Registration, "registration", "", "with an invite: its entry in a register of companies")
	standing := cmd.Flags().String("standing", "member", "with an invite: member, which validates and votes; observers and participants have no node that joins")
	apply := settingFlags(cmd, "rest", "rpc", "p2p", "advertise")
	cmd.Flags().StringVar(&trust, "trust", "", "a root of trust (waybill trust), to begin with a snapshot")
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&genesis, "genesis", "", "the network's genesis document")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		if invite != "" {
			if genesis != "" || trust != "" || len(args) > 0 {
				return usage("an invite has all that is needed: leave out --genesis, --trust and cards")
			}
			if err := partner.Standing.UnmarshalText([]byte(*standing)); err != nil {
				return usage("--standing: %v", err)
			}
			if partner.Standing != schemas.StandingMember {
				return usage("--standing %s: a node that joins is a member's, since it gets the bodies of everybody's events; an observer reads through a member's node (there: waybill invite observer), a participant submits through one (waybill join participant)", *standing)
			}
			s := node.DefaultSettings(home)
			if err := apply(&s); err != nil {
				return err
			}
			return p.accept(invite, s, partner)
		}
		if genesis == "" {
			return usage("--invite FILE, or --genesis FILE, must be given")
		}
		if len(args) == 0 {
			return usage("expected the partners' cards, got 0 arguments")
		}
		doc, err := os.ReadFile(genesis)
		if err != nil {
			return fmt.Errorf("reading the genesis document: %w", err)
		}
		cards, err := readCards(args)
		if err != nil {
			return err
		}
		var root *proof.Trust
		if trust != "" {
			if root, err = readTrust(trust); err != nil {
				return err
			}
		}
		return network.Join(home, doc, cards, root)
	}
	return cmd
}

// checkGLN holds --gln to its form.
func checkGLN(gln string) error {
	if gln == "" {
		return usage("--gln is the partner's Global Location Number, 13 digits")
	}
	if _, err := schemas.ParseIdentifier("https://id.gs1.org/417/" + gln); err != nil {
		return usage("--gln: %v", err)
	}
	return nil
}

// accept joins by an invite, and prints the request.
func (p *program) accept(path string, s node.Settings, partner schemas.Partner) error {
	if err := checkGLN(partner.GLN); err != nil {
		return err
	}
	i, err := network.ReadInvite(path)
	if err != nil {
		return err
	}
	if partner.Name == "" {
		partner.Name = i.Partner
	}
	card, key, err := i.Accept(s, partner)
	if err != nil {
		return err
	}
	if key != "" {
		fmt.Fprintf(p.err, "API key   %s\nIt is not shown again.\n", key)
	}
	fmt.Fprintf(p.err, "Compare the genesis document's hash with the member by another way: %s\nSend %s to the member, who proposes it (waybill propose --file). When the network has voted: waybill start --home %s\n",
		i.GenesisHash, filepath.Join(s.Home, network.RequestFile), s.Home)
	return p.json(card.Request())
}

func (p *program) exportCommand() *cobra.Command {
	var home, out string
	cmd := &cobra.Command{
		Use: "export --home DIR --out FILE", Short: "Write all that a stopped node has into one file, to be read without a node", Args: exactly(0, "no arguments"),
		Long: `Write all that a stopped node has into one file of JSON Lines: the network, with a
root of trust, then every event, order and act of the ledger with what the rules
answered, then a line that counts them. The file holds bodies in clear.`,
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&out, "out", "", "the file, which must not be there")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		if out == "" {
			return usage("--out FILE says where to write")
		}
		s, err := node.LoadSettings(home, p.getenv)
		if err != nil {
			return err
		}
		tail, err := node.ExportFile(cmd.Context(), s, out)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(tail)
		}
		fmt.Fprintf(p.out, "%s  %s\n", out, counted(int(tail.Records), "record"))
		return nil
	}
	return cmd
}
