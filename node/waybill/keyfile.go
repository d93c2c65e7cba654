package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

// homeSettings are those of a home, as its file and the environment say.
func (p *program) homeSettings(home string) (*node.Settings, error) {
	if err := requireHome(home); err != nil {
		return nil, err
	}
	s, err := node.LoadSettings(home, p.getenv)
	return &s, err
}

func (p *program) keyShowCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "show --home DIR", Short: "Read all key files and print their public halves and ids", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			s, err := p.homeSettings(home)
			if err != nil {
				return err
			}
			r, err := node.ShowKeys(s)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(r)
			}
			fmt.Fprintf(p.out, "partner    %s  %s\nnode       %s\n", r.Partner, r.Public, r.Node)
			if r.Machine != "" {
				fmt.Fprintf(p.out, "machine    %s\n", r.Machine)
			}
			if r.Validator != "" {
				fmt.Fprintf(p.out, "validator  %s\n", r.Validator)
			}
			for _, f := range r.Files {
				how := "in clear"
				if f.Encrypted {
					how = "encrypted"
				}
				fmt.Fprintf(p.out, "%s is %s\n", f.File, how)
			}
			return nil
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}

func (p *program) keyEncryptCommand() *cobra.Command {
	var home, unlock string
	cmd := &cobra.Command{
		Use: "encrypt --home DIR --unlock FROM", Short: "Encrypt the home's key files, or change their passphrase", Args: exactly(0, "no arguments"),
		Long: `Encrypt the home's key files with age. --unlock says from where they are unlocked
from now on; the home's settings keep that, never a passphrase:
  prompt           asks for the passphrase on the terminal
  file:PATH        a file, of mode 0600, with the passphrase
  env:NAME         an environment variable with the passphrase
  identity:PATH    a file, of mode 0600, with an age identity (age-keygen makes one)
Of keys that a passphrase opens already, it becomes the new one. Cut off, the
command may be run again. A disk may still hold what was overwritten, and backups
of before hold it for certain.`,
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&unlock, "unlock", "", "from where keys are unlocked")
	cmd.RunE = func(*cobra.Command, []string) error {
		if unlock == "" {
			return usage("--unlock says from where keys are unlocked: prompt, file:PATH, env:NAME or identity:PATH")
		}
		s, err := p.homeSettings(home)
		if err != nil {
			return err
		}
		n, err := node.EncryptKeys(s, unlock)
		if err != nil {
			return err
		}
		return p.printChanged(n, "encrypted")
	}
	return cmd
}

func (p *program) keyDecryptCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "decrypt --home DIR", Short: "Write the home's key files in clear, readable by their owner alone", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			s, err := p.homeSettings(home)
			if err != nil {
				return err
			}
			n, err := node.DecryptKeys(s)
			if err != nil {
				return err
			}
			return p.printChanged(n, "decrypted")
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}

func (p *program) printChanged(n int, what string) error {
	if p.output == "json" {
		return p.json(map[string]any{"files": n})
	}
	fmt.Fprintf(p.out, "%s %s\n", counted(n, "key file"), what)
	return nil
}

func (p *program) keyMachineCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "machine --home DIR", Short: "Print the id by which a signer knows this home, and make its key where there is none", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			s, err := p.homeSettings(home)
			if err != nil {
				return err
			}
			id, err := node.MakeMachineKey(s)
			if err != nil {
				return err
			}
			if p.output == "json" {
				return p.json(map[string]any{"machine": id})
			}
			fmt.Fprintln(p.out, id)
			return nil
		},
	}
	p.homeFlag(cmd, &home)
	return cmd
}
