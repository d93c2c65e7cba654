package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/api/sheet"
	"github.com/waybill-ledger/waybill/schemas"
)

// What a file may be here: more than a gateway takes at once, since it is sent in
// parts.
var importLimits = sheet.Limits{Rows: 1000000, Cells: 10000000, Unpacked: 512 << 20, Events: 1000000, Bytes: 1 << 30}

// Parts of an import whose events stand for themselves.
const (
	partEvents = 1000
	partBytes  = 4 << 20
)

// imported is what became of a file.
type imported struct {
	File    string        `json:"file"`
	Sheet   string        `json:"sheet,omitempty"`
	Rows    int           `json:"rows"`
	Faults  []sheet.Fault `json:"faults"`
	More    int           `json:"more_faults,omitempty"`
	Events  []importEvent `json:"events"`
	Problem *api.Problem  `json:"problem,omitempty"` // with a part as a whole
}

// importEvent is what became of an event.
type importEvent struct {
	Row     int            `json:"row"` // the first that it comes from
	Rows    int            `json:"rows"`
	EventID string         `json:"eventID"`
	Code    schemas.Code   `json:"code"`
	Effect  schemas.Effect `json:"effect"`
	Flags   []schemas.Code `json:"flags,omitempty"`
}

func (p *program) importCommand() *cobra.Command {
	var how client.Write
	var mapping string
	var print bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Turn a spreadsheet or a ship notice into events, and submit them", Args: exactly(1, "a file, or - for standard input"),
		Long: `Turn the rows of a file (CSV, XLSX, X12 856, EDIFACT DESADV) into events, as a
mapping says (docs/import.md), submit them, and wait for what becomes of them.

With --dry-run the node tells what would become of them, and --print prints the
document without asking a node. Without --proceed one faulty row, or one refused
event, refuses the file, which must fit one transaction. With --proceed the file is
sent in parts. An import that was interrupted is simply repeated: the same file
makes the same events, and the ledger knows those that it has.`,
	}
	p.nodeFlags(cmd)
	cmd.Flags().StringVar(&mapping, "map", "", "the mapping, a JSON file")
	cmd.Flags().BoolVar(&how.DryRun, "dry-run", false, "tell what would become of the rows, record nothing")
	cmd.Flags().BoolVar(&how.Proceed, "proceed", false, "record what can be recorded though other rows are faulty or refused")
	cmd.Flags().BoolVar(&print, "print", false, "print the document that the rows become, ask no node")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if mapping == "" {
			return usage("say how rows become events: --map FILE, see docs/import.md")
		}
		m, result, err := p.readImport(mapping, args[0])
		if err != nil {
			return err
		}
		out := &imported{File: args[0], Sheet: result.Sheet, Rows: result.Rows, Faults: result.Faults, More: result.Left, Events: []importEvent{}}
		goes := len(result.Events) > 0 && (how.Proceed || len(result.Faults) == 0)
		switch {
		case print:
			p.printFaults(out)
			if _, err := fmt.Fprintf(p.out, "%s\n", m.Document(result.Events, time.Now().UTC().Format(time.RFC3339))); err != nil {
				return err
			}
			return out.failure(goes)
		case goes:
			c, err := p.client()
			if err != nil {
				return err
			}
			if err := p.sendImport(cmd.Context(), c, m, result.Events, how, out); err != nil {
				return fmt.Errorf("%w\n%d events are answered for; the import may be repeated as it was", err, len(out.Events))
			}
		}
		if p.output == "json" {
			if err := p.json(out); err != nil {
				return err
			}
		} else {
			p.printImported(out)
		}
		return out.failure(goes)
	}
	return cmd
}

func (p *program) readImport(mapping, file string) (*sheet.Mapping, *sheet.Result, error) {
	text, err := os.ReadFile(mapping)
	if err != nil {
		return nil, nil, err
	}
	m, err := sheet.DecodeMapping(text)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping %s: %w", mapping, err)
	}
	body, err := p.readFile(file)
	if err != nil {
		return nil, nil, err
	}
	result, err := m.Read(body, importLimits)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, result, nil
}

// failure is why the command fails, if it does.
func (o *imported) failure(sent bool) error {
	refused := 0
	for i := range o.Events {
		if o.Events[i].Code != schemas.OK {
			refused++
		}
	}
	switch faults := len(o.Faults) + o.More; {
	case !sent && faults > 0:
		return fmt.Errorf("nothing was sent: %s", counted(faults, "fault"))
	case o.Problem != nil || refused > 0 || faults > 0:
		return fmt.Errorf("not recorded: %s are refused, %s in rows", counted(refused, "event"), counted(faults, "fault"))
	}
	return nil
}

// sendImport captures events in parts, in order, each when the one before it has
// its outcome.
func (p *program) sendImport(ctx context.Context, c *client.Client, m *sheet.Mapping, events []sheet.Event, how client.Write, out *imported) error {
	progress := p.progress("importing %s", escape(out.File))
	defer progress.end()
	for from := 0; from < len(events) && out.Problem == nil; {
		to, bytes := from, 0
		for to < len(events) && (!how.Proceed || to == from || to-from < partEvents && bytes+len(events[to].Text) <= partBytes) {
			bytes += len(events[to].Text)
			to++
		}
		part := events[from:to]
		if err := sendPart(ctx, c, m.Document(part, time.Now().UTC().Format(time.RFC3339)), part, how, out); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// sendPart captures a document and notes what becomes of its events.
func sendPart(ctx context.Context, c *client.Client, document []byte, part []sheet.Event, how client.Write, out *imported) error {
	note := func(i int, e *schemas.EventReceipt) {
		if i >= 0 && i < len(part) {
			out.Events = append(out.Events, importEvent{Row: part[i].Row, Rows: part[i].Rows, EventID: e.EventID, Code: e.Code, Effect: e.Effect, Flags: e.Flags})
		}
	}
	refused := func(err error) error {
		if problem := client.Problem(err); problem != nil && problem.Status < 500 {
			out.Problem = problem
			return nil
		}
		return err
	}
	if how.DryRun {
		receipt, err := c.DryRun(ctx, document, how)
		if err != nil {
			return refused(err)
		}
		for i := range receipt.Events {
			note(i, &receipt.Events[i])
		}
		return nil
	}
	job, err := c.Capture(ctx, document, how)
	if err == nil {
		job, err = c.Wait(ctx, job.Location)
	}
	if err != nil {
		return refused(err)
	}
	if job.Receipt != nil {
		for i := range job.Receipt.Events {
			note(placeOf(job.Receipt.Events[i].Pointer), &job.Receipt.Events[i].EventReceipt)
		}
	}
	for i := range job.Errors {
		e := &job.Errors[i]
		if job.Receipt == nil || placeOf(e.Pointer) < 0 { // not told by a receipt
			out.Problem = e
		}
	}
	return nil
}

// placeOf reads the place in a document that a pointer ends with; -1 is none.
func placeOf(pointer string) int {
	n, err := strconv.Atoi(pointer[strings.LastIndexByte(pointer, '/')+1:])
	if err != nil {
		return -1
	}
	return n
}

func (p *program) printFaults(o *imported) {
	for i := range o.Faults {
		f := &o.Faults[i]
		fmt.Fprintf(p.err, "waybill: %s: %s\n", escape(o.File), escape(f.Error()))
		if hint := f.Code.Hint(); hint != "" {
			fmt.Fprintf(p.err, "  %s\n", escape(hint))
		}
	}
	if o.More > 0 {
		fmt.Fprintf(p.err, "waybill: %s: and %s more\n", escape(o.File), counted(o.More, "fault"))
	}
}

func (p *program) printImported(o *imported) {
	p.printFaults(o)
	for i := range o.Events {
		e := &o.Events[i]
		outcome := e.Effect.String()
		if e.Code != schemas.OK {
			outcome = "refused: " + e.Code.String()
		}
		fmt.Fprintf(p.out, "%s: row %d: %s  %s", escape(o.File), e.Row, escape(e.EventID), outcome)
		for _, f := range e.Flags {
			fmt.Fprintf(p.out, " %s", f)
		}
		fmt.Fprintln(p.out)
	}
	if o.Problem != nil {
		p.printProblem(o.File, o.Problem)
	}
}
