package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// captured is what became of one file.
type captured struct {
	File    string           `json:"file"`
	Job     *api.Job         `json:"job,omitempty"`
	Receipt *schemas.Receipt `json:"receipt,omitempty"`
	Problem *api.Problem     `json:"problem,omitempty"`
	Error   string           `json:"error,omitempty"` // why nobody knows, or nothing was sent
	Events  []captureOutcome `json:"-"`
}

type captureOutcome struct {
	id     string
	code   schemas.Code
	effect schemas.Effect
	flags  []schemas.Code
}

func (p *program) captureCommand() *cobra.Command {
	var how client.Write
	cmd := &cobra.Command{
		Use: "capture FILE...", Short: "Submit EPCIS documents and events, and wait for what becomes of them", Args: atLeast(1, "files, or - for standard input"),
		Long: `Submit EPCIS documents, or single events, as JSON (2.0) or XML (2.0, 1.2, 1.1,
1.0), and wait until each is committed or refused. The exit status is 1 if anything was refused; all files are tried.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().BoolVar(&how.DryRun, "dry-run", false, "tell what would become of them, record nothing")
	cmd.Flags().BoolVar(&how.Proceed, "proceed", false, "of a document, record what can be recorded though other events are refused")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.client()
		if err != nil {
			return err
		}
		results, refused := make([]captured, len(args)), 0
		for i, file := range args {
			progress := p.progress("capturing %s", escape(file))
			results[i], err = p.captureFile(cmd.Context(), c, file, how)
			progress.end()
			if err != nil { // the others are tried all the same
				results[i].Error = err.Error()
				fmt.Fprintf(p.err, "waybill: %s: %s\n", escape(file), escape(err.Error()))
			}
			if !results[i].good() {
				refused++
			}
			if p.output == "text" {
				p.printCaptured(&results[i])
			}
		}
		if p.output == "json" {
			if err := p.json(results); err != nil {
				return err
			}
		}
		if refused > 0 {
			return fmt.Errorf("not recorded, wholly or in part: %d of %s", refused, counted(len(args), "file"))
		}
		return nil
	}
	return cmd
}

// good reports whether all of a file was recorded.
func (c *captured) good() bool {
	refused := slices.ContainsFunc(c.Events, func(e captureOutcome) bool { return e.code != schemas.OK })
	return c.Error == "" && c.Problem == nil && (c.Job == nil || c.Job.Success) && !refused
}

func (p *program) captureFile(ctx context.Context, c *client.Client, file string, how client.Write) (out captured, err error) {
	out.File = file
	text, err := p.readFile(file)
	if err != nil {
		return out, err
	}
	var kind struct {
		Type string `json:"type"`
	}
	document := json.Unmarshal(text, &kind) != nil || kind.Type == "EPCISDocument" || kind.Type == ""
	switch {
	case document && how.DryRun:
		out.Receipt, err = c.DryRun(ctx, text, how)
	case document:
		out.Job, err = c.Capture(ctx, text, how)
		if err == nil {
			out.Job, err = c.Wait(ctx, out.Job.Location)
		}
	default:
		var w *client.Written
		if w, err = c.Event(ctx, text, how); err == nil {
			if out.Receipt = w.Receipt; w.Receipt == nil {
				out.Job, err = c.Wait(ctx, w.Job)
			}
		}
	}
	if problem := client.Problem(err); problem != nil {
		out.Problem, err = problem, nil
	}
	out.collect()
	return out, err
}

func (p *program) readFile(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(p.in)
	}
	return os.ReadFile(file)
}

func (c *captured) collect() {
	if c.Receipt != nil {
		for _, e := range c.Receipt.Events {
			c.Events = append(c.Events, captureOutcome{e.EventID, e.Code, e.Effect, e.Flags})
		}
	}
	if c.Job != nil && c.Job.Receipt != nil {
		for _, e := range c.Job.Receipt.Events {
			c.Events = append(c.Events, captureOutcome{e.EventID, e.Code, e.Effect, e.Flags})
		}
	}
}

func (p *program) printCaptured(c *captured) {
	for _, e := range c.Events {
		outcome := e.effect.String()
		if e.code != schemas.OK {
			outcome = "refused: " + e.code.String()
		}
		fmt.Fprintf(p.out, "%s: %s  %s", escape(c.File), escape(e.id), outcome)
		for _, f := range e.flags {
			fmt.Fprintf(p.out, " %s", f)
		}
		fmt.Fprintln(p.out)
	}
	if c.Problem != nil {
		p.printProblem(c.File, c.Problem)
	}
	if c.Job != nil {
		for i := range c.Job.Errors {
			p.printProblem(c.File, &c.Job.Errors[i])
		}
	}
}

func (p *program) printProblem(file string, problem *api.Problem) {
	fmt.Fprintf(p.err, "waybill: %s: %s\n", escape(file), escape(problem.Error()))
	if problem.Hint != "" {
		fmt.Fprintf(p.err, "  %s\n", escape(problem.Hint))
	}
	for i := range problem.Errors {
		p.printProblem(file, &problem.Errors[i])
	}
}
