package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	witnessAnswers     = 1 << 20 // bytes of a node's answer to a witness
	witnessConnections = 256
)

// witnessFlags are what waybill witness is told.
type witnessFlags struct {
	nodes                            []string
	trust, dir, key, name, tsa, addr string
	interval                         time.Duration
	once                             bool
}

func (p *program) witnessCommand() *cobra.Command {
	var f witnessFlags
	cmd := &cobra.Command{
		Use: "witness --node URL [--node URL ...] --trust trust.json --dir DIR", Short: "Watch a ledger from outside, and cosign its checkpoints", Args: exactly(0, "no arguments"),
		Long: `Watch a ledger from outside: follow several partners' nodes, make sure that they
tell one history and that it only grows, and cosign its checkpoints. No API key is
needed. DIR keeps the witness's key and its word; give each ledger and each witness
one of its own, and never bring back an older copy of it.

When the validators have signed two histories, however many of them, the evidence
goes to DIR/alarm.json, nothing is cosigned any more, and --once exits with 1.
--once exits with 1 as well when no node gave an answer that holds.`,
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.nodes, "node", nil, "URL of a partner's node; give several partners' (WAYBILL_NODE)")
	flags.StringVar(&f.trust, "trust", "", "file with the root of trust, from waybill trust")
	flags.StringVar(&f.dir, "dir", "", "the witness's directory")
	flags.StringVar(&f.key, "key", "", "file with the witness's secret key (default: DIR/key, made when it is missing)")
	flags.StringVar(&f.name, "name", "", "name of the witness, in a new key: like witness.example.org/waybill")
	flags.StringVar(&f.tsa, "tsa", "", "URL of a time stamp authority (RFC 3161) that stamps every checkpoint")
	flags.StringVar(&f.addr, "listen", "", "address at which the last checkpoint, health and metrics are shown")
	flags.DurationVar(&f.interval, "interval", 10*time.Second, "time between rounds")
	flags.BoolVar(&f.once, "once", false, "make one round and end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.witness(cmd.Context(), &f) }
	cmd.AddCommand(p.alarmCommand())
	return cmd
}

func (p *program) witness(ctx context.Context, f *witnessFlags) (err error) {
	cfg, err := p.witnessConfig(f)
	if err != nil {
		return err
	}
	w, err := audit.OpenWitness(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if len(cfg.Nodes) == 1 {
		fmt.Fprintln(p.err, "waybill: warning: one node is followed, so that a fork which it does not see stays unseen; follow other partners' nodes too (--node may repeat)")
	}
	if f.once {
		err := w.Round(ctx)
		return errors.Join(err, p.printWitness(w))
	}
	if f.addr == "" {
		return w.Run(ctx, f.interval)
	}
	return p.serveWitness(ctx, w, f, cfg.Logger)
}

// witnessConfig checks what was given.
func (p *program) witnessConfig(f *witnessFlags) (cfg audit.WitnessConfig, err error) {
	if len(f.nodes) == 0 {
		f.nodes = split(p.getenv("WAYBILL_NODE"))
	}
	switch {
	case len(f.nodes) == 0:
		return cfg, usage("say which nodes to follow: --node URL, or WAYBILL_NODE")
	case f.trust == "":
		return cfg, usage("--trust FILE must be given: waybill trust makes it")
	case f.dir == "":
		return cfg, usage("say where the witness keeps its word: --dir DIR")
	case f.interval < 100*time.Millisecond:
		return cfg, usage("--interval is at least 100ms")
	case f.once && f.addr != "":
		return cfg, usage("--once ends after a round: it does not --listen")
	}
	cfg = audit.WitnessConfig{Dir: f.dir, Name: f.name, TSA: f.tsa, Logger: slog.New(slog.NewTextHandler(p.err, nil))}
	if cfg.Name == "" && f.key == "" {
		if host, err := os.Hostname(); err == nil {
			cfg.Name = strings.ToLower(host)
		}
	}
	if f.name == "" && fileThere(f.dir+"/key") {
		cfg.Name = "" // the key has one
	}
	if cfg.Nodes, err = witnessNodes(f.nodes); err != nil {
		return cfg, err
	}
	text, err := readBounded(f.trust)
	if err != nil {
		return cfg, fmt.Errorf("reading the root of trust: %w", err)
	}
	if cfg.Trust, err = proof.DecodeTrust(text); err != nil {
		return cfg, err
	}
	if f.key != "" {
		if text, err = readBounded(f.key); err != nil {
			return cfg, fmt.Errorf("reading the witness's secret key: %w", err)
		}
		cfg.Signer, err = audit.ParseWitnessSigner(string(text))
	}
	return cfg, err
}

func fileThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func witnessNodes(urls []string) ([]audit.WitnessNode, error) {
	var nodes []audit.WitnessNode
	given := map[string]bool{}
	for _, u := range urls {
		if u = strings.TrimRight(u, "/"); given[u] {
			return nil, usage("node %s is given twice: of course it agrees with itself", u)
		}
		given[u] = true
		c, err := client.New(u, "", client.WithAttempts(2, 200*time.Millisecond), client.WithAnswers(witnessAnswers))
		if err != nil {
			return nil, usageError{err}
		}
		nodes = append(nodes, audit.WitnessNode{Name: u, History: c})
	}
	return nodes, nil
}

// serveWitness makes rounds and shows what they found, until it is interrupted.
func (p *program) serveWitness(ctx context.Context, w *audit.Witness, f *witnessFlags, log *slog.Logger) error {
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return fmt.Errorf("listening for the witness: %w", err)
	}
	server := api.Server(w.Handler(3*f.interval+time.Minute), log, witnessConnections)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	log.Info("the witness serves", slog.String("address", l.Addr().String()), slog.String("key", w.Key().String()))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- w.Run(ctx, f.interval) }()
	select {
	case err = <-ran:
	case err = <-served:
		stop()
		<-ran
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, server.Close())
}

// printWitness prints what a round came to.
func (p *program) printWitness(w *audit.Witness) error {
	s := w.Status()
	if p.output == "json" {
		return p.json(s)
	}
	for _, n := range s.Nodes {
		switch {
		case n.Fault != "":
			fmt.Fprintf(p.out, "%s: %s\n", escape(n.Node), escape(n.Fault))
		case n.Behind:
			fmt.Fprintf(p.out, "%s: behind, %d headers up to height %d\n", escape(n.Node), n.Size, n.Height)
		case n.Size == 0:
			fmt.Fprintf(p.out, "%s: no transaction yet\n", escape(n.Node))
		default:
			fmt.Fprintf(p.out, "%s: %d headers up to height %d\n", escape(n.Node), n.Size, n.Height)
		}
	}
	fmt.Fprintf(p.out, "witness %s\n", escape(s.Key))
	if note := w.Checkpoint(); note != nil {
		fmt.Fprintf(p.out, "\n%s", note)
	}
	return nil
}

func (p *program) alarmCommand() *cobra.Command {
	var trustFile string
	cmd := &cobra.Command{
		Use: "alarm FILE --trust trust.json", Short: "Check a witness's evidence of two histories, offline", Args: exactly(1, "one alarm"),
		Long: `Check the evidence in a witness's alarm against a root of trust, offline. The exit
status is 0 when it proves that the ledger's validators signed two histories.`,
	}
	cmd.Flags().StringVar(&trustFile, "trust", "", "file with the root of trust, from waybill trust")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if trustFile == "" {
			return usage("--trust FILE must be given: waybill trust makes it")
		}
		text, err := readBounded(trustFile)
		if err != nil {
			return fmt.Errorf("reading the root of trust: %w", err)
		}
		trust, err := proof.DecodeTrust(text)
		if err != nil {
			return err
		}
		b, err := readBounded(args[0])
		if err != nil {
			return fmt.Errorf("reading the alarm: %w", err)
		}
		alarm, err := audit.DecodeAlarm(b)
		if err == nil {
			err = alarm.Check(trust)
		}
		if err != nil {
			return fmt.Errorf("the alarm does not hold: %w", err)
		}
		if p.output == "json" {
			return p.json(json.RawMessage(b))
		}
		fmt.Fprintf(p.out, "The alarm holds: the validators of %s signed two histories.\n", word(alarm.ChainID))
		for _, s := range alarm.Sides {
			fmt.Fprintf(p.out, "header %d %s, log of %d headers with root %s, from %s\n", s.Height, s.Hash, s.Size, s.Root, word(s.From))
		}
		return nil
	}
	return cmd
}
