package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "API keys of a node's gateway, and the key files of its home", Args: exactly(0, "one of add, list, revoke, new, rotate, show, encrypt, decrypt, machine, validator"),
		Long: `add, list and revoke are about the API keys of a node's gateway. The node must be
stopped: its gateway alone may have them open while it runs.

rotate, show, encrypt, decrypt, machine and validator are about the home's key files.
They too want the node stopped. new makes a signing key that is in no node's home.`,
	}
	cmd.AddCommand(p.keyAddCommand(), p.keyListCommand(), p.keyRevokeCommand(),
		p.keyNewCommand(), p.keyRotateCommand(), p.keyShowCommand(), p.keyEncryptCommand(), p.keyDecryptCommand(), p.keyMachineCommand(), p.keyValidatorCommand())
	return cmd
}

// withKeys opens the gateway's store of a node that is stopped.
func (p *program) withKeys(home string, use func(*local.Store) error) error {
	if err := requireHome(home); err != nil {
		return err
	}
	path := node.GatewayPath(home)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s is no node's home: %w", home, err)
	}
	store, err := local.Open(path)
	if err != nil {
		return fmt.Errorf("%w (stop the node before its keys are changed)", err)
	}
	return errors.Join(use(store), store.Close())
}

func (p *program) keyAddCommand() *cobra.Command {
	var home, name, scopes, partner string
	var grants []string
	cmd := &cobra.Command{
		Use: "add --home DIR --name NAME --scopes SCOPES", Short: "Make an API key and print it: it is never shown again", Args: exactly(0, "no arguments"),
		Long: `Make an API key and print it: it is never shown again.

With --partner the key is a guest's: it sends what that participant signed itself,
and reads what concerns it. With --grant it reads what concerns these partners, and
these things.`,
		RunE: func(*cobra.Command, []string) error {
			var wanted []local.Scope
			for _, s := range strings.Split(scopes, ",") {
				wanted = append(wanted, local.Scope(strings.TrimSpace(s)))
			}
			to, err := bindingOf(partner, grants)
			if err != nil {
				return err
			}
			return p.withKeys(home, func(store *local.Store) error {
				key, kept, err := store.CreateBoundKey(name, to, wanted...)
				if err != nil {
					return err
				}
				if p.output == "json" {
					out := map[string]any{"id": kept.ID, "name": kept.Name, "scopes": kept.Scopes, "key": key}
					if to.Bound() {
						out["bound"] = to
					}
					return p.json(out)
				}
				fmt.Fprintf(p.out, "%s\t%s\n", kept.ID, key)
				return nil
			})
		},
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&name, "name", "", "what people call the key, 1 to 64 bytes")
	cmd.Flags().StringVar(&scopes, "scopes", "", "what it may do: capture, query, admin, separated by commas")
	cmd.Flags().StringVar(&partner, "partner", "", "the participant whose key it is")
	cmd.Flags().StringSliceVar(&grants, "grant", nil, "names of partners and identifiers of things that it may see, separated by commas")
	return cmd
}

// bindingOf tells partners from things: identifiers are URIs.
func bindingOf(partner string, grants []string) (to local.Binding, err error) {
	if partner != "" && !schemas.IsPartnerID(partner) {
		return to, fmt.Errorf("%q is no partner's name", partner)
	}
	to, err = api.Granted(grants)
	to.Partner = partner
	return to, err
}

func (p *program) keyListCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "list --home DIR", Short: "List the API keys: their ids, names and scopes", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return p.withKeys(home, func(store *local.Store) error {
				keys := store.Keys()
				if p.output == "json" {
					return p.json(keys)
				}
				for _, k := range keys {
					fmt.Fprintf(p.out, "%s\t%s\t%s\t%v\n", k.ID, k.Made.Format("2006-01-02"), k.Name, k.Scopes)
				}
				return nil
			})
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}

func (p *program) keyRevokeCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "revoke --home DIR ID", Short: "Revoke the API key of an id that list shows", Args: exactly(1, "a key's id"),
		RunE: func(_ *cobra.Command, args []string) error {
			return p.withKeys(home, func(store *local.Store) error {
				found, err := store.RevokeKey(args[0])
				if err == nil && !found {
					err = fmt.Errorf("no API key has the id %q", args[0])
				}
				return err
			})
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}

func (p *program) keyValidatorCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "validator --home DIR", Short: "Make another validator key beside the one that the home has, and print its public part", Args: exactly(0, "no arguments"),
		Long: `Make another validator key beside the one that the home has, and print its public
part, for a proposal. Start the node again: it says that it is ready when the key is
ordered, and signs with it from the height on at which it is in force.`,
	}
	p.homeFlag(cmd, &home)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		s, err := node.LoadSettings(home, p.getenv)
		if err != nil {
			return err
		}
		public, err := node.MakeNextKey(&s)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(map[string]any{"validator": hex.EncodeToString(public)})
		}
		fmt.Fprintf(p.out, "%x\n", public)
		return nil
	}
	return cmd
}
