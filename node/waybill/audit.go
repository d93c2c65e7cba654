package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

func (p *program) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trust --node URL [--node URL ...]", Short: "Print an auditor's root of trust", Args: exactly(0, "no arguments"),
		Long: `Print an auditor's root of trust: a header that the nodes asked agree on. Ask the
nodes of at least two partners: all must agree, and the more are asked, the less
one of them must be believed. No API key is needed. Keep it: bundles are verified
against it, offline, and it does not expire.`,
	}
	p.nodeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		nodes, err := p.clients(true)
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

func (p *program) verifyCommand() *cobra.Command {
	var trustFile, of string
	var demands demandFlags
	cmd := &cobra.Command{
		Use: "verify FILE --trust trust.json", Short: "Check a bundle against a root of trust, offline", Args: exactly(1, "one bundle"),
		Long: `Check a bundle against a root of trust, offline. What the bundle proves goes to
standard output, which depends on the bundle and the root of trust alone; what
depends on today, such as ages, goes to standard error. The exit status is 1 when
anything does not hold; the message names it.`,
	}
	cmd.Flags().StringVar(&trustFile, "trust", "", "file with the root of trust, from waybill trust")
	cmd.Flags().StringVar(&of, "of", "", "refuse a bundle of anything but this identifier, in any of its forms")
	demands.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if trustFile == "" {
			return usage("--trust FILE must be given: waybill trust makes it")
		}
		demanded, err := demands.read(cmd)
		if err != nil {
			return err
		}
		statement, trust, err := verify(args[0], trustFile, demanded)
		if err != nil {
			return err
		}
		if err := isOf(statement, of); err != nil {
			return err
		}
		fmt.Fprintf(p.err, "The state is %s old, the root of trust %s.\n", age(statement.Time), age(trust.Time))
		if p.output == "json" {
			return p.json(statement)
		}
		return p.printStatement(statement)
	}
	return cmd
}

func verify(bundleFile, trustFile string, demands audit.Demands) (*audit.Statement, *proof.Trust, error) {
	trust, err := readTrust(trustFile)
	if err != nil {
		return nil, nil, err
	}
	bundle, err := readBounded(bundleFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the bundle: %w", err)
	}
	statement, err := audit.VerifyDemanding(bundle, trust, demands)
	if err != nil {
		return nil, nil, fmt.Errorf("the bundle does not hold: %w", err)
	}
	return statement, trust, nil
}

// isOf refuses a bundle of something else than was asked for, "" for anything.
func isOf(s *audit.Statement, id string) error {
	if canonical, _, err := schemas.Canonical(id); err == nil {
		id = canonical
	}
	if id != "" && s.Asked().ID != id {
		return fmt.Errorf("the bundle is of %s, not of %s", s.Asked().ID, id)
	}
	return nil
}

func readTrust(name string) (*proof.Trust, error) {
	text, err := readBounded(name)
	if err != nil {
		return nil, fmt.Errorf("reading the root of trust: %w", err)
	}
	return audit.ReadTrust(text)
}

// readBounded reads a file, but not much more of it than a bundle can have.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, proof.MaxBundle+1))
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

func (p *program) printStatement(r *audit.Statement) error {
	for _, s := range r.Restarts() {
		fmt.Fprintln(p.out, escape(s))
	}
	fmt.Fprintf(p.out, "chain %s, state after block %d, header %d %s\n", word(r.ChainID), r.Height, r.SignedHeight, r.SignedHash)
	for i := range r.Subjects {
		p.printSubject(&r.Subjects[i])
	}
	p.printSigners(r.Report)
	fmt.Fprintln(p.out)
	for i := range r.Events {
		p.printEvent(&r.Events[i])
	}
	fmt.Fprintln(p.out, "\nProven:")
	for _, s := range r.Proven {
		fmt.Fprintf(p.out, "  %s\n", escape(s))
	}
	fmt.Fprintln(p.out, "Not proven:")
	for _, s := range r.NotProven {
		fmt.Fprintf(p.out, "  %s\n", escape(s))
	}
	return nil
}

// printSigners prints who the partners are, and the keys that signed.
func (p *program) printSigners(r *proof.Report) {
	for i := range r.Partners {
		m := &r.Partners[i]
		fmt.Fprintf(p.out, "partner %s, %s: %s, GLN %s", word(m.ID), m.Standing, word(m.Name), word(m.GLN))
		if m.LEI != "" {
			fmt.Fprintf(p.out, ", LEI %s", word(m.LEI))
		}
		if m.Registration != "" {
			fmt.Fprintf(p.out, ", registration %s", word(m.Registration))
		}
		if m.State != schemas.Active {
			fmt.Fprintf(p.out, ", %s", m.State)
		}
		fmt.Fprintln(p.out)
	}
	for i := range r.Keys {
		k := &r.Keys[i]
		fmt.Fprintf(p.out, "key %s of %s, %s, held by %s, valid from height %d", word(k.ID), word(k.Partner), strings.Join(k.Roles, " "), k.Held, k.From)
		if k.Until > 0 {
			fmt.Fprintf(p.out, " to %d", k.Until)
		}
		fmt.Fprintln(p.out)
	}
}

// printSubject prints what the ledger had of a thing beside its records.
func (p *program) printSubject(s *proof.SubjectReport) {
	fmt.Fprintf(p.out, "%s %s", s.Kind, escape(s.ID))
	if s.Role != proof.RoleAsked {
		fmt.Fprintf(p.out, " (%s)", s.Role)
	}
	for _, t := range s.Trails {
		if t.Count > 0 {
			fmt.Fprintf(p.out, ", %s: %d of %d", t.Trail, t.Shown, t.Count)
		}
	}
	fmt.Fprintln(p.out)
	if s.Custodian != "" {
		fmt.Fprintf(p.out, "  custodian %s\n", word(s.Custodian))
	}
	for _, c := range s.Containers {
		fmt.Fprintf(p.out, "  inside %s\n", word(c))
	}
	if s.Disposition != "" {
		fmt.Fprintf(p.out, "  disposition %s\n", word(s.Disposition))
	}
	if s.Ended {
		fmt.Fprintln(p.out, "  ended: consumed, destroyed or decommissioned")
	}
	if s.OfferedTo != "" {
		fmt.Fprintf(p.out, "  offered to %s\n", word(s.OfferedTo))
	}
	if s.InShipment != "" {
		fmt.Fprintf(p.out, "  in shipment %s\n", word(s.InShipment))
	}
	if s.Shipment != nil {
		p.printShipped(s.Shipment)
	}
	for _, b := range s.Balances {
		quantity := b.Quantity
		if !b.Known {
			quantity = "unknown"
		}
		if b.UOM != "" {
			quantity += " " + word(b.UOM)
		}
		fmt.Fprintf(p.out, "  held %s by %s\n", quantity, word(b.Partner))
	}
}

// printShipped prints how a shipment stood, and what became of its hand-overs.
func (p *program) printShipped(s *proof.ShipmentReport) {
	fmt.Fprintf(p.out, "  %s, held by %s\n", s.State, word(s.Holder))
	for i := range s.Handovers {
		h := &s.Handovers[i]
		state := h.State.String()
		if h.Ended {
			state = "its time was over"
		}
		fmt.Fprintf(p.out, "  hand-over %d from %s to %s: %s, %d of %d taken\n", h.Handover, word(h.From), word(h.To), state, h.Taken, h.Units)
	}
}

// printEvent prints a record: its place, when its block was made, where that is
// proven, and what it claims.
func (p *program) printEvent(e *proof.Event) {
	const layout = "2006-01-02T15:04:05.000Z"
	line := fmt.Sprintf("%d/%d/%d", e.Height, e.Position, e.Index)
	if e.Time != nil {
		line += "  recorded " + e.Time.UTC().Format(layout)
	}
	step := e.BizStep
	if step == "" {
		step = e.Type
	}
	if e.EventTime != nil {
		line += fmt.Sprintf("  %s  %s", e.EventTime.UTC().Format(layout), word(step))
	} else {
		line += "  withheld"
	}
	outcome := e.Effect.String()
	if e.Code != schemas.OK {
		outcome = "refused: " + e.Code.String()
	}
	line += fmt.Sprintf("  %s  %s, key %s (%s)", word(e.Partner), outcome, word(e.Key), e.Held)
	for _, f := range e.Flags {
		line += " " + f.String()
	}
	if e.Withheld > 0 {
		line += fmt.Sprintf(" %d members withheld", e.Withheld)
	}
	if by := e.VoidedBy; by != nil {
		line += fmt.Sprintf(" void (declared erroneous by %d/%d/%d)", by.Height, by.Position, by.Index)
	}
	fmt.Fprintln(p.out, line)
}
