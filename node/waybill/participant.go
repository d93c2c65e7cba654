package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) inviteParticipantCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use: "participant PARTNER", Short: "Print a link by which a participant works through the node", Args: exactly(1, "the participant's name on the ledger"),
		Long: `Print a link by which a participant, who has no node, works through this one. It holds
an API key, which opens what concerns the participant once it is admitted: send it to
nobody else. It admits nobody, and signs for nobody: the participant makes a key of its
own with it (waybill join participant). The API key needs the scope admin.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&url, "url", "", "the gateway's URL as the participant reaches it (that of --node)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !schemas.IsPartnerID(args[0]) {
			return usage("%q is no name on the ledger: names are 1 to 32 of a-z, 0-9 and inner hyphens", args[0])
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		guest, err := c.Invite(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if url == "" {
			url = c.URL()
		}
		link := network.Link{Node: url, Partner: guest.Partner, Host: guest.Host, ChainID: guest.ChainID, Key: guest.Key}
		if p.output == "json" {
			return p.json(map[string]any{"id": guest.ID, "partner": guest.Partner, "link": link.String()})
		}
		fmt.Fprintln(p.out, link.String())
		return nil
	}
	return cmd
}

func (p *program) inviteObserverCommand() *cobra.Command {
	var grants []string
	cmd := &cobra.Command{
		Use: "observer NAME --grant PARTNER,ID,...", Short: "Print an API key for whom the node shows something", Args: exactly(1, "a name, for people"),
		Long: `Print an API key that reads what concerns these partners and things, and writes
nothing. It is shown this once, and holds at once: the node goes on. DELETE
/api/v1/guests/ID revokes it; -o json tells its id. The API key needs the scope admin.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringSliceVar(&grants, "grant", nil, "names of partners and identifiers of things, separated by commas")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(grants) == 0 {
			return usage("--grant says what is shown")
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		guest, err := c.Show(cmd.Context(), args[0], grants)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(guest)
		}
		fmt.Fprintln(p.out, guest.Key)
		return nil
	}
	return cmd
}

func (p *program) joinParticipantCommand() *cobra.Command {
	var keyFile string
	var partner schemas.Partner
	cmd := &cobra.Command{
		Use: "participant LINK --signing-key KEYFILE --gln GLN", Short: "Accept a participant's invite: make a key, and print the request", Args: exactly(1, "the link that the host sent"),
		Long: `Accept an invite to work through a member's node. The key is made here, in KEYFILE,
unless it is there already, and never leaves: without it nobody signs for the
participant. The request, which is printed, goes back to the host, which proposes it
(waybill propose --file). When the members have voted the link opens the host's
gateway: set WAYBILL_NODE to it.`,
	}
	f := cmd.Flags()
	f.StringVar(&keyFile, "signing-key", "", "file of the participant's own key")
	f.StringVar(&partner.GLN, "gln", "", "its Global Location Number, 13 digits")
	f.StringVar(&partner.Name, "name", "", "its legal name")
	f.StringVar(&partner.LEI, "lei", "", "its Legal Entity Identifier (ISO 17442)")
	f.StringVar(&partner.Registration, "registration", "", "its entry in a register of companies")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		link, err := network.ParseLink(args[0])
		if err != nil {
			return usageError{err}
		}
		if keyFile == "" {
			return usage("--signing-key says in which file the key is, or is made")
		}
		if err := checkGLN(partner.GLN); err != nil {
			return err
		}
		if partner.Name == "" {
			partner.Name = link.Partner
		}
		key, err := ownKey(keyFile)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.err, "The request goes to %s, which proposes it. %s signs, and nothing else does: keep a copy of it.\n", link.Host, keyFile)
		return p.json(link.Request(partner, key.Public()))
	}
	return cmd
}

// ownKey reads a key file, or makes it where there is none.
func ownKey(path string) (*node.ClientKey, error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return node.ReadClientKey(path)
	}
	return node.MakeClientKey(path)
}
