package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/node"
)

// s3Flags say how an S3-compatible store is reached.
func (p *program) s3Flags(cmd *cobra.Command, s *node.S3) {
	s.Getenv = p.getenv
	cmd.Flags().StringVar(&s.Endpoint, "s3-endpoint", p.getenv("WAYBILL_S3_ENDPOINT"), "URL of the S3-compatible store, https://HOST[:PORT]")
	cmd.Flags().StringVar(&s.Region, "s3-region", p.getenv("WAYBILL_S3_REGION"), "region of the store")
	cmd.Flags().StringVar(&s.Credentials, "s3-credentials", p.getenv("WAYBILL_S3_CREDENTIALS"),
		`file, of mode 0600, with {"access_key":"...","secret_key":"..."} (default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)`)
}

func (p *program) backupCommand() *cobra.Command {
	o := node.BackupOptions{Getenv: p.getenv, Program: version()}
	cmd := &cobra.Command{
		Use: "backup --home DIR --to DIR|s3://BUCKET/PREFIX", Short: "Add a backup of a node's home to a directory or a bucket of backups", Args: exactly(0, "no arguments"),
		Long: `Add a backup of a node's home to a directory of backups, or to a bucket of an
S3-compatible store, while the node runs or not. What is there already from an
earlier backup is not written again. Everything that is written is read back.

Each home has a prefix of its own in a bucket. The home's settings say how the store
is reached, unless flags do.

With --recipient (age1..., may repeat) all of it is encrypted, and the partner's and
the node's keys are in it; without, they are not. The validator's key is in it only
with --validator-key, its sign state never. What is left out is printed.`,
	}
	p.homeFlag(cmd, &o.Home)
	cmd.Flags().StringVar(&o.To, "to", "", "the directory of backups, or s3://BUCKET/PREFIX")
	p.s3Flags(cmd, &o.S3)
	cmd.Flags().StringArrayVar(&o.Recipients, "recipient", nil, "who can read the backup: an age recipient, age1...")
	cmd.Flags().BoolVar(&o.ValidatorKey, "validator-key", false, "put the validator's key into it, too")
	cmd.Flags().IntVar(&o.Keep, "keep", 0, "remove all but so many of the newest backups (0: none)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(o.Home); err != nil {
			return err
		}
		if o.To == "" || o.Keep < 0 {
			return usage("--to DIR or s3://BUCKET/PREFIX says where backups go; --keep is a number of them")
		}
		r, err := node.Backup(cmd.Context(), o)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(r)
		}
		fmt.Fprintf(p.out, "backup %s\nheight %d, app hash %s\n", r.Manifest, r.Height, r.AppHash)
		fmt.Fprintf(p.out, "%d files, %d bytes in %d chunks; new are %d chunks, %d bytes\n", r.Files, r.Bytes, r.Chunks, r.NewChunks, r.NewBytes)
		if !r.Encrypted {
			fmt.Fprintln(p.out, "not encrypted: whoever has it can read every event")
		}
		p.printExcluded(r.Excluded)
		return nil
	}
	return cmd
}

func (p *program) printExcluded(list []string) {
	for _, what := range list {
		fmt.Fprintf(p.out, "not in it: %s\n", escape(what))
	}
}

func (p *program) restoreCommand() *cobra.Command {
	var o node.RestoreOptions
	cmd := &cobra.Command{
		Use: "restore --from DIR|s3://BUCKET/PREFIX --home DIR", Short: "Make a home of a backup, verifying all of it", Args: exactly(0, "no arguments"),
		Long: `Make a home of a backup, verifying all of it: the ledger is computed again from
its archive and held against the headers that the validators signed. The home
appears when everything holds, or not at all. --dry-run verifies and makes none.

The validator must never sign twice at one height, and what it signed after the
backup is not known. So one of these is needed:
  --new-validator-key   a new key: the node follows and does not vote, until the
                        partners admit it
  --no-validator-key    none: for a node with a remote signer, or one that the key is
                        moved to (waybill move)
  --sign-after HEIGHT   the old key, which votes above HEIGHT only. The old node must
                        be off for ever, and HEIGHT at least what another partner's
                        node shows now`,
	}
	p.homeFlag(cmd, &o.Home)
	cmd.Flags().StringVar(&o.From, "from", "", "the directory of backups, or s3://BUCKET/PREFIX")
	p.s3Flags(cmd, &o.S3)
	cmd.Flags().StringVar(&o.Manifest, "backup", "", "which of them, as waybill backup printed it (default: the newest)")
	cmd.Flags().StringVar(&o.Identity, "identity", "", "file with the age identity that can read it")
	cmd.Flags().StringVar(&o.Keys, "keys", "", "directory with the keys that are not in the backup")
	cmd.Flags().BoolVar(&o.NewValidatorKey, "new-validator-key", false, "make a new validator's key")
	cmd.Flags().BoolVar(&o.NoValidatorKey, "no-validator-key", false, "make a home without a validator's key")
	cmd.Flags().Int64Var(&o.SignAfter, "sign-after", 0, "let the old validator's key vote above this height")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "verify everything and restore nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.From == "" {
			return usage("--from DIR or s3://BUCKET/PREFIX says where the backups are")
		}
		if !o.DryRun {
			if err := requireHome(o.Home); err != nil {
				return err
			}
		}
		r, err := node.Restore(cmd.Context(), o)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(r)
		}
		p.printRestore(r)
		return nil
	}
	return cmd
}

func (p *program) printRestore(r *node.RestoreReport) {
	fmt.Fprintf(p.out, "backup %s of %s on chain %s\n", r.Manifest, escape(r.Partner), escape(r.ChainID))
	fmt.Fprintf(p.out, "verified: height %d, app hash %s, %d transactions, %d messages\n", r.Height, r.AppHash, r.Transactions, r.Messages)
	for _, what := range r.Excluded {
		fmt.Fprintf(p.out, "not in it: %s\n", escape(what))
	}
	switch {
	case r.DryRun:
		fmt.Fprintln(p.out, "nothing was restored: this was a dry run")
		return
	case r.NewKey:
		fmt.Fprintln(p.out, "the validator has a new key, which votes when the partners admit it")
	case r.NoKey:
		fmt.Fprintf(p.out, "the home has no validator's key; a signer knows it by machine %s\n", r.Machine)
	default:
		fmt.Fprintf(p.out, "the validator votes above height %d\n", r.SignAfter)
	}
	fmt.Fprintf(p.out, "restored into %s: waybill start --home %s\n", r.Home, r.Home)
}
