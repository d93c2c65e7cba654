package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the program's version", Args: exactly(0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			if p.output == "json" {
				return p.json(map[string]any{"version": version(), "rules": rules(), "go": runtime.Version()})
			}
			fmt.Fprintf(p.out, "waybill %s (rules %d, %s)\n", version(), rules(), runtime.Version())
			return nil
		},
	}
}

// settingFlags adds a flag for every setting, or for those that are named, and returns
// what applies those that were given.
func settingFlags(cmd *cobra.Command, names ...string) (apply func(*node.Settings) error) {
	defaults := node.DefaultSettings("")
	values := map[string]*string{}
	for _, f := range defaults.Fields() {
		if len(names) > 0 && !slices.Contains(names, f.Name) {
			continue
		}
		values[f.Name] = cmd.Flags().String(f.Name, f.Value, f.Help+" ("+f.Env()+")")
	}
	return func(s *node.Settings) error {
		for _, f := range s.Fields() {
			if !cmd.Flags().Changed(f.Name) {
				continue
			}
			if err := f.Set(*values[f.Name]); err != nil {
				return usage("--%s: %v", f.Name, err)
			}
		}
		return nil
	}
}

func (p *program) homeFlag(cmd *cobra.Command, home *string) {
	cmd.Flags().StringVar(home, "home", p.getenv("WAYBILL_HOME"), "the node's directory (WAYBILL_HOME)")
}

func requireHome(home string) error {
	if home == "" {
		return usage("say where the node's directory is: --home DIR, or WAYBILL_HOME")
	}
	return nil
}

func (p *program) startCommand() *cobra.Command {
	var home string
	cmd := &cobra.Command{
		Use: "start --home DIR", Short: "Run a node in the foreground until it is interrupted", Args: exactly(0, "no arguments"),
		Long: `Run a node in the foreground until SIGINT or SIGTERM. Settings come from
DIR/waybill.json, then from the environment, then from flags: the later wins.
The exit status is 1 when the node cannot start, or cannot go on.`,
	}
	p.homeFlag(cmd, &home)
	apply := settingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		s, err := node.LoadSettings(home, p.getenv)
		if err != nil {
			return err
		}
		if err := apply(&s); err != nil {
			return err
		}
		s.Rules = rules()
		if p.getenv("GOGC") == "" {
			paceCollector()
		}
		return node.Run(cmd.Context(), s, version(), p.err)
	}
	return cmd
}

func (p *program) initCommand() *cobra.Command {
	var home string
	var partner schemas.Partner
	cmd := &cobra.Command{
		Use: "init --home DIR --partner ID --gln GLN", Short: "Make a partner's home: keys, settings and a card for the others", Args: exactly(0, "no arguments"),
		Long: `Make a partner's home: its keys, which never leave it, its settings, a first
API key with all scopes, which is printed once, and DIR/card.json: give that to
the other partners. From everybody's cards "waybill genesis" makes the network's
first state, and "waybill join" puts it into the home.`,
	}
	p.homeFlag(cmd, &home)
	cmd.Flags().StringVar(&partner.GLN, "gln", "", "the partner's Global Location Number, 13 digits")
	cmd.Flags().StringVar(&partner.Name, "name", "", "the partner's legal name")
	standing := cmd.Flags().String("standing", "member", "member (validates and votes) or observer (reads)")
	apply := settingFlags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := requireHome(home); err != nil {
			return err
		}
		s := node.DefaultSettings(home)
		s.Getenv = p.getenv
		if err := apply(&s); err != nil {
			return err
		}
		if s.Partner == "" || partner.GLN == "" {
			return usage("--partner and --gln say whose home it is")
		}
		if err := partner.Standing.UnmarshalText([]byte(*standing)); err != nil {
			return usage("--standing: %v", err)
		}
		if partner.Name == "" {
			partner.Name = s.Partner
		}
		card, key, err := network.MakeHome(s, partner)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.json(map[string]any{"card": card, "key": key})
		}
		fmt.Fprintf(p.out, "home      %s\ncard      %s\nAPI key   %s\n", home, filepath.Join(home, network.CardFile), key)
		fmt.Fprintln(p.err, "The API key is not shown again. Give the card to the other partners.")
		if card.Peer == "" {
			fmt.Fprintln(p.err, "The card has no address of the node, so that the others' must have one, which it connects to: --advertise HOST:PORT is where others connect to this one.")
		}
		return nil
	}
	return cmd
}

func readCards(paths []string) ([]network.Card, error) {
	cards := make([]network.Card, len(paths))
	for i, path := range paths {
		var err error
		if cards[i], err = network.ReadCard(path); err != nil {
			return nil, err
		}
	}
	return cards, nil
}

func (p *program) genesisCommand() *cobra.Command {
	var chainID, at string
	var retention []string
	cmd := &cobra.Command{
		Use: "genesis --chain-id ID --time TIME CARD...", Short: "Print a network's genesis document, made from its partners' cards",
		Args: atLeast(1, "the partners' cards"),
		Long: `Print a network's genesis document. The same cards, chain id and time give the
same bytes, so that every partner can make it and compare.

--retention NAME=MIN..MAX says how many days of a class the bodies of events are kept:
they cannot be erased before MIN, and the node of who recorded them orders their
erasure after MAX (NAME=MIN.. never does). The first class is that of events which
no order put into another.`,
	}
	cmd.Flags().StringVar(&chainID, "chain-id", "", "the network's name: no other network may ever have it")
	cmd.Flags().StringVar(&at, "time", "", "when the network begins, as 2026-01-31T12:00:00Z")
	cmd.Flags().StringArrayVar(&retention, "retention", nil, "a retention class, as NAME=MIN..MAX in days; may repeat")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		begin, err := time.Parse(time.RFC3339, at)
		if err != nil || chainID == "" {
			return usage("--chain-id and --time (as 2026-01-31T12:00:00Z) must be given: all partners take the same")
		}
		cards, err := readCards(args)
		if err != nil {
			return err
		}
		classes, err := retentionClasses(retention)
		if err != nil {
			return err
		}
		doc, err := network.Genesis(chainID, begin, cards, classes...)
		if err != nil {
			return err
		}
		_, err = p.out.Write(doc)
		return err
	}
	return cmd
}

// retentionClasses reads classes as the flag has them.
func retentionClasses(flags []string) (classes []schemas.RetentionClass, err error) {
	const day = 24 * 3600
	for _, flag := range flags {
		name, days, named := strings.Cut(flag, "=")
		least, most, ranged := strings.Cut(days, "..")
		c := schemas.RetentionClass{Name: name}
		from, errFrom := strconv.ParseUint(least, 10, 16)
		until, errUntil := uint64(0), error(nil)
		if most != "" {
			until, errUntil = strconv.ParseUint(most, 10, 16)
		}
		if c.Min, c.Max = int64(from)*day, int64(until)*day; !named || !ranged || errFrom != nil || errUntil != nil {
			return nil, usage("--retention is NAME=MIN..MAX, in days, as in invoices=730..3650; MAX may be missing: %q", flag)
		}
		classes = append(classes, c)
	}
	return classes, schemas.CheckRetention(classes)
}
