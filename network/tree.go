package network

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// WriteTrace prints a trace as a tree: the item asked for, what happened to it,
// then what it was inside and what it was made from, each with its own history.
// An event is printed once, where it is met first. places names locations by
// their canonical identifiers; those that it lacks are printed as identifiers.
func WriteTrace(w io.Writer, t *api.Trace, places map[string]string) error {
	tr := &tree{w: w, trace: t, places: places, printed: map[schemas.Locator]bool{}, visited: map[string]bool{}}
	for i := range t.Events {
		e, err := readEvent(&t.Events[i])
		if err != nil {
			return err
		}
		tr.events = append(tr.events, e)
	}
	tr.printf("%s\n", clean(t.ID))
	tr.item(t.ID, "")
	for _, e := range tr.events {
		if !tr.printed[e.Locator] {
			tr.line("", e)
		}
	}
	for _, g := range t.Gaps {
		tr.printf("gap: %s of %s: %s\n", g.Kind, short(g.ID), clean(g.Detail))
	}
	if t.Truncated {
		tr.printf("The trace is cut short: it met a limit.\n")
	}
	tr.printf("%s, as of height %d\n", counted(len(t.Events), "event"), t.Height)
	return tr.err
}

type tree struct {
	w       io.Writer
	err     error // of writing, the first
	trace   *api.Trace
	places  map[string]string
	events  []*traced
	printed map[schemas.Locator]bool
	visited map[string]bool
}

// traced is an event of a trace with what a line shows of it.
type traced struct {
	*api.Record
	body eventBody
	when string
	ids  map[string]bool // canonical identifiers that it names
}

type place struct {
	ID string `json:"id"`
}

type amount struct {
	Class    string      `json:"epcClass"`
	Quantity json.Number `json:"quantity"`
	UOM      string      `json:"uom"`
}

type eventBody struct {
	Type             string   `json:"type"`
	Time             string   `json:"eventTime"`
	Offset           string   `json:"eventTimeZoneOffset"`
	BizStep          string   `json:"bizStep"`
	Disposition      string   `json:"disposition"`
	ReadPoint        place    `json:"readPoint"`
	BizLocation      place    `json:"bizLocation"`
	Parent           string   `json:"parentID"`
	EPCs             []string `json:"epcList"`
	Children         []string `json:"childEPCs"`
	Inputs           []string `json:"inputEPCList"`
	Outputs          []string `json:"outputEPCList"`
	Quantities       []amount `json:"quantityList"`
	ChildQuantities  []amount `json:"childQuantityList"`
	InputQuantities  []amount `json:"inputQuantityList"`
	OutputQuantities []amount `json:"outputQuantityList"`
	Sensors          []struct {
		Reports []report `json:"sensorReport"`
	} `json:"sensorElementList"`
	Declaration json.RawMessage `json:"errorDeclaration"`
}

type report struct {
	Type  string      `json:"type"`
	UOM   string      `json:"uom"`
	Value json.Number `json:"value"`
	Min   json.Number `json:"minValue"`
	Max   json.Number `json:"maxValue"`
}

func readEvent(r *api.Record) (*traced, error) {
	e := &traced{Record: r, ids: map[string]bool{}}
	if len(r.Event) == 0 {
		return e, nil
	}
	if err := json.Unmarshal(r.Event, &e.body); err != nil {
		return nil, fmt.Errorf("reading event %s of a trace: %w", r.EventID, err)
	}
	b := &e.body
	for _, list := range [][]string{{b.Parent}, b.EPCs, b.Children, b.Inputs, b.Outputs} {
		for _, id := range list {
			e.name(id)
		}
	}
	for _, list := range [][]amount{b.Quantities, b.ChildQuantities, b.InputQuantities, b.OutputQuantities} {
		for _, q := range list {
			e.name(q.Class)
		}
	}
	e.when = localTime(b.Time, b.Offset)
	return e, nil
}

func (e *traced) name(id string) {
	if canonical, _, err := schemas.Canonical(id); err == nil {
		e.ids[canonical] = true
	}
}

// localTime is a claimed time as the place where it was claimed tells it.
func localTime(text, offset string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return clean(text)
	}
	if zone, err := time.Parse("-07:00", offset); err == nil {
		t = t.In(zone.Location())
	}
	return t.Format("2006-01-02 15:04 -07:00")
}

func (t *tree) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(t.w, format, args...); err != nil && t.err == nil {
		t.err = err
	}
}

// branch is a way from one item to another.
type branch struct {
	title string
	to    string
}

func (t *tree) item(id, indent string) {
	t.visited[id] = true
	branches := t.branches(id)
	for _, e := range t.events {
		if e.ids[id] && !t.printed[e.Locator] {
			t.line(indent+bar(len(branches) > 0), e)
		}
	}
	for i, b := range branches {
		last := i == len(branches)-1
		t.printf("%s%s %s\n", indent, map[bool]string{true: "└─", false: "├─"}[last], b.title)
		if !t.visited[b.to] {
			t.item(b.to, indent+map[bool]string{true: "   ", false: "│  "}[last])
		}
	}
}

func bar(more bool) string {
	if more {
		return "│  "
	}
	return "   "
}

// branches are the ways that the trace's edges lead from an item: inwards to what
// it was made from and was inside, outwards to what became of it.
func (t *tree) branches(id string) (out []branch) {
	met := map[string]bool{}
	for _, e := range t.trace.Edges {
		var b branch
		switch {
		case e.Kind == "transformation" && e.To == id:
			b = branch{"made from " + short(e.From), e.From}
		case e.Kind == "transformation" && e.From == id && t.downstream(e.To):
			b = branch{"made into " + short(e.To), e.To}
		case e.Kind != "transformation" && e.From == id:
			b = branch{fmt.Sprintf("inside %s, %s", short(e.To), interval(&e)), e.To}
		case e.Kind != "transformation" && e.To == id && t.downstream(e.From):
			b = branch{fmt.Sprintf("held %s, %s", short(e.From), interval(&e)), e.From}
		default:
			continue
		}
		if met[b.title] || t.visited[b.to] {
			continue
		}
		met[b.title] = true
		out = append(out, b)
	}
	return out
}

// downstream reports whether the trace met the item as something that came of the
// one asked for: what merely shared a container did not.
func (t *tree) downstream(id string) bool {
	for i := range t.trace.Items {
		if t.trace.Items[i].ID == id {
			return t.trace.Items[i].Direction == "downstream"
		}
	}
	return false
}

func interval(e *schemas.TraceEdge) string {
	s := "from " + e.Start.UTC().Format("2006-01-02 15:04Z")
	if e.End != nil {
		s += " to " + e.End.UTC().Format("2006-01-02 15:04Z")
	}
	return s
}

// line prints one event: when, which step, who reported it, where, what else.
func (t *tree) line(indent string, e *traced) {
	t.printed[e.Locator] = true
	step := e.body.BizStep
	if step == "" {
		step = e.body.Type
	}
	where := t.place(e.body.ReadPoint.ID)
	if where == "" {
		where = t.place(e.body.BizLocation.ID)
	}
	if where == "" {
		where = "-"
	}
	t.printf("%s%-23s %-15s %-13s %s%s\n", indent, e.when, clean(bare(step)), clean(e.Partner), where, details(e))
}

func (t *tree) place(id string) string {
	if id == "" {
		return ""
	}
	canonical, _, err := schemas.Canonical(id)
	if err != nil {
		return clean(id)
	}
	if name, ok := t.places[canonical]; ok {
		return fmt.Sprintf("%s (%s)", clean(name), short(canonical))
	}
	return short(canonical)
}

// bare is a vocabulary term without its namespace.
func bare(term string) string {
	for _, namespace := range []string{"https://ref.gs1.org/cbv/BizStep-", "https://ref.gs1.org/cbv/Disp-", "urn:epcglobal:cbv:bizstep:", "urn:epcglobal:cbv:disp:"} {
		if s, ok := strings.CutPrefix(term, namespace); ok {
			return s
		}
	}
	return term
}

func details(e *traced) string {
	var parts []string
	if d := e.body.Disposition; d != "" {
		parts = append(parts, clean(bare(d)))
	}
	for _, q := range e.body.Quantities {
		if q.Quantity != "" {
			parts = append(parts, clean(strings.TrimSpace(q.Quantity.String()+" "+q.UOM)))
		}
	}
	for _, s := range e.body.Sensors {
		for _, r := range s.Reports {
			if text := r.text(); text != "" {
				parts = append(parts, clean(text))
			}
		}
	}
	if e.Effect == schemas.Claim {
		parts = append(parts, "claim without effect")
	}
	for _, f := range e.Flags {
		parts = append(parts, f.String())
	}
	if e.VoidedBy != nil {
		parts = append(parts, "void")
	}
	if len(parts) == 0 {
		return ""
	}
	return "  [" + strings.Join(parts, ", ") + "]"
}

func (r *report) text() string {
	switch {
	case r.Value != "":
		return fmt.Sprintf("%s %s %s", r.Type, r.Value, r.UOM)
	case r.Min != "" && r.Max != "":
		return fmt.Sprintf("%s %s to %s %s", r.Type, r.Min, r.Max, r.UOM)
	}
	return ""
}

// short is an identifier without the host that all canonical ones have.
func short(id string) string { return clean(strings.TrimPrefix(id, "https://id.gs1.org/")) }

// clean makes foreign text harmless to a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
