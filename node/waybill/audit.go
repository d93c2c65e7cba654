package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// escape makes foreign text harmless to a terminal, and one line.
func escape(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

func (p *program) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trust --node URL [--node URL ...]", Short: "Print an auditor's root of trust", Args: exactly(0, "no arguments"),
		Long: `Print an auditor's root of trust: a header that the nodes asked agree on. With
--node given several times all must agree: the more partners are asked, the less
one of them must be believed. Give a --key for each --node, in the same order.
Keep what is printed: bundles are verified against it, offline.`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		nodes, err := p.clients()
		if err != nil {
			return err
		}
		if len(nodes) == 1 {
			fmt.Fprintln(p.err, "waybill: warning: one node was asked, so it alone is trusted; ask other partners' nodes too (--node may repeat)")
		}
		t, err := network.AgreedTrust(cmd.Context(), nodes)
		if err != nil {
			return err
		}
		return p.json(t)
	}
	return cmd
}

func (p *program) bundleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bundle ID > FILE", Short: "Fetch the proof of an item's trails, to standard output", Args: exactly(1, "one identifier"),
		Long: "Fetch the proof of an item's trails, or of their absence, to standard output. It is\nbinary; waybill verify reads it.",
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f, ok := p.out.(*os.File); ok && isTerminal(f) {
			return usage("a bundle is binary: send it to a file with > FILE")
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		b, err := c.Bundle(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		_, err = p.out.Write(b)
		return err
	}
	return cmd
}

func (p *program) verifyCommand() *cobra.Command {
	var trustFile string
	cmd := &cobra.Command{
		Use: "verify FILE --trust trust.json", Short: "Check a bundle against a root of trust, offline", Args: exactly(1, "one bundle"),
		Long: `Check a bundle against a root of trust, offline. What the bundle proves goes to
standard output, which depends on the bundle and the root of trust alone; what
depends on today, such as ages, goes to standard error. The exit status is 1 when
anything does not hold; the message names it.`,
	}
	cmd.Flags().StringVar(&trustFile, "trust", "", "file with the root of trust, from waybill trust")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if trustFile == "" {
			return usage("--trust FILE must be given: waybill trust makes it")
		}
		report, trust, err := verify(args[0], trustFile)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.err, "The bundle is %s old, the root of trust %s.\n", age(report.Time), age(trust.Time))
		if p.output == "json" {
			return p.json(report)
		}
		return p.printReport(report)
	}
	return cmd
}

func verify(bundleFile, trustFile string) (*proof.Report, *proof.Trust, error) {
	text, err := os.ReadFile(trustFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the root of trust: %w", err)
	}
	trust, err := proof.DecodeTrust(text)
	if err != nil {
		return nil, nil, errors.New(escape(err.Error()))
	}
	bundle, err := os.ReadFile(bundleFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the bundle: %w", err)
	}
	report, err := proof.Verify(bundle, trust)
	if err != nil {
		return nil, nil, fmt.Errorf("the bundle does not hold: %s", escape(err.Error()))
	}
	return report, trust, nil
}

func age(t time.Time) string {
	d := time.Since(t)
	if d < 0 {
		return "(by this machine's clock) not yet any time"
	}
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	}
	return d.Round(time.Second).String()
}

func (p *program) printReport(r *proof.Report) error {
	fmt.Fprintf(p.out, "%s %s\n", r.Subject, escape(r.ID))
	fmt.Fprintf(p.out, "chain %s, height %d, header %s\n\n", escape(r.ChainID), r.HeaderHeight, r.HeaderHash)
	for i := range r.Events {
		e := &r.Events[i]
		step := e.BizStep
		if step == "" {
			step = e.Type
		}
		line := fmt.Sprintf("%d/%d/%d  %s  %s  %s  %s, key %s (%s)", e.Height, e.Position, e.Index,
			e.EventTime.UTC().Format("2006-01-02T15:04:05.000Z"), escape(step), escape(e.Partner), e.Effect, escape(e.Key), e.Held)
		for _, f := range e.Flags {
			line += " " + f.String()
		}
		if e.VoidedBy != nil {
			line += " void"
		}
		fmt.Fprintln(p.out, line)
	}
	fmt.Fprintln(p.out, "\nProven:")
	for _, s := range r.Proven() {
		fmt.Fprintf(p.out, "  %s\n", escape(s))
	}
	fmt.Fprintln(p.out, "Not proven:")
	for _, s := range r.NotProven() {
		fmt.Fprintf(p.out, "  %s\n", escape(s))
	}
	return nil
}
