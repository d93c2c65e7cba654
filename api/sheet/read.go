package sheet

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Result is what a file becomes.
type Result struct {
	Sheet  string // "" where the format has none
	Rows   int
	Events []Event // in the order of templates, then of their first rows
	Faults []Fault // what is wrong with other rows, in their order
	Left   int     // further faults, which are counted only
}

// Event is an event that rows became.
type Event struct {
	Row     int            // the first, as Row.Number
	Rows    int            // how many
	Text    []byte         // JSON, without @context
	Decoded *schemas.Event // what the ledger reads of it
	places  []place        // where its values come from
}

// Fault is what is wrong with a row. Column is "" where it is not one's alone.
type Fault struct {
	Row     int          `json:"row"`
	Column  string       `json:"column,omitempty"`
	Code    schemas.Code `json:"code"`
	Detail  string       `json:"detail"`
	Mapping string       `json:"mapping,omitempty"` // pointer to the place in the mapping
}

// Error tells it in one line.
func (f *Fault) Error() string {
	s := "row " + strconv.Itoa(f.Row)
	if f.Column != "" {
		s += ", column " + f.Column
	}
	return s + ": " + f.Code.String() + ": " + f.Detail
}

// Pointer is the fault's place as a JSON pointer: /rows/17/Quantity.
func (f *Fault) Pointer() string { return rowPointer(f.Row, f.Column) }

// Rows is the stem of pointers to rows.
const Rows = "/rows/"

func rowPointer(row int, column string) string {
	s := Rows + strconv.Itoa(row)
	if column != "" {
		s += "/" + escapePointer(column)
	}
	return s
}

const (
	maxFaults = 1000     // that are told
	maxWork   = 10000000 // values of cells that are looked at
)

// Read reads a file and makes events of its rows. The error, a Fault of package
// schemas, is of the file as a whole; what is wrong with rows is in the result.
func (m *Mapping) Read(file []byte, most Limits) (*Result, error) {
	t, err := m.table(file, most)
	if err != nil {
		return nil, err
	}
	if err := m.checkColumns(t); err != nil {
		return nil, err
	}
	for _, s := range m.source.split {
		if err := t.divide(s.column, s.by, most); err != nil {
			return nil, err
		}
	}
	out := &Result{Sheet: t.Sheet, Rows: len(t.Rows)}
	k := &maker{m: m, result: out, left: most.Bytes, work: maxWork}
	for i := range m.events {
		for _, group := range m.events[i].groups(t.Rows) {
			if len(out.Events) == most.Events {
				return nil, tooLarge("the rows become more than %d events: import them in parts", most.Events)
			}
			k.event(&m.events[i], group)
			if k.left < 0 || k.work < 0 {
				return nil, tooLarge("the rows become events of more than %d bytes, or take more than %d steps: import them in parts", most.Bytes, maxWork)
			}
		}
	}
	sort.SliceStable(out.Faults, func(i, j int) bool { return out.Faults[i].Row < out.Faults[j].Row })
	if len(out.Events) == 0 && len(out.Faults) == 0 {
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: fmt.Sprintf("none of %d rows becomes an event: no template's when holds", len(t.Rows))}
	}
	return out, nil
}

func (m *Mapping) table(file []byte, most Limits) (*Table, error) {
	switch m.source.format {
	case "csv":
		return readCSV(file, m.source.separator, m.source.header, most)
	case "xlsx":
		return readXLSX(file, m.source.sheet, m.source.header, most)
	case "x12":
		return readX12(file, most)
	default:
		return readEDIFACT(file, most)
	}
}

// groups are the rows of each event of a template, in the order of their first.
func (e *eventTemplate) groups(all []Row) [][]*Row {
	var out [][]*Row
	index := map[string]int{}
	for i := range all {
		r := &all[i]
		if !hold(e.when, r) {
			continue
		}
		if e.each {
			out = append(out, []*Row{r})
			continue
		}
		var key strings.Builder
		for _, column := range e.group {
			text := r.cell(column).text
			key.WriteString(strconv.Itoa(len(text)) + ":" + text)
		}
		at, ok := index[key.String()]
		if !ok {
			at = len(out)
			index[key.String()], out = at, append(out, nil)
		}
		out[at] = append(out[at], r)
	}
	return out
}

// checkColumns refuses a spreadsheet that lacks a column which the mapping needs:
// every row would be wrong in the same way.
func (m *Mapping) checkColumns(t *Table) error {
	if t.index == nil { // messages have what they have
		return nil
	}
	need := func(column, at string) error {
		if _, ok := t.index[column]; ok {
			return nil
		}
		return &schemas.Fault{Code: schemas.MissingField, Pointer: at, Detail: fmt.Sprintf("the file has no column %q; it has: %s", clip(column), clipList(strings.Join(t.Columns, ", ")))}
	}
	for _, s := range m.source.split {
		if err := need(s.column, "/source/split"); err != nil {
			return err
		}
	}
	for i := range m.events {
		e := &m.events[i]
		for _, c := range e.when {
			if err := need(c.column, e.at+"/when"); err != nil {
				return err
			}
		}
		for _, column := range e.group {
			if err := need(column, e.at+"/group"); err != nil {
				return err
			}
		}
		if err := e.event.columns(need); err != nil {
			return err
		}
	}
	return nil
}

// columns visits the columns that a template needs.
func (t *template) columns(need func(column, at string) error) error {
	for _, p := range t.pieces {
		if p.column == "" || p.optional {
			continue
		}
		if err := need(p.column, t.at); err != nil {
			return err
		}
	}
	for _, c := range t.when {
		if err := need(c.column, t.at+"/$when"); err != nil {
			return err
		}
	}
	for i := range t.members {
		if err := t.members[i].columns(need); err != nil {
			return err
		}
	}
	for i := range t.items {
		if err := t.items[i].columns(need); err != nil {
			return err
		}
	}
	if t.inner != nil {
		return t.inner.columns(need)
	}
	return nil
}

// Document writes an EPCIS 2.0 document of events that this mapping made.
func (m *Mapping) Document(events []Event, created string) []byte {
	out := []byte(`{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"`)
	if inner := m.contextEntries(); len(inner) > 0 {
		out = append(append(out, ','), inner...)
	}
	out = append(out, `],"type":"EPCISDocument","schemaVersion":"2.0","creationDate":`...)
	out = append(appendJSON(out, created), `,"epcisBody":{"eventList":[`...)
	for i := range events {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, events[i].Text...)
	}
	return append(out, `]}}`...)
}

// contextEntries are the entries of the mapping's context, without brackets.
func (m *Mapping) contextEntries() []byte {
	if len(m.context) > 0 && m.context[0] == '[' {
		return m.context[1 : len(m.context)-1]
	}
	return m.context
}

// Locate finds the row and column that a pointer into an event comes from.
func (e *Event) Locate(pointer string) (row int, column string) {
	row, best := e.Row, -1
	for _, p := range e.places {
		if len(p.pointer) > best && (pointer == p.pointer || strings.HasPrefix(pointer, p.pointer+"/") || strings.HasPrefix(p.pointer, pointer+"/") && best < 0) {
			row, column, best = p.row, p.column, len(p.pointer)
		}
	}
	return row, column
}

// decode reads a made event as the ledger does.
func (k *maker) decode(e *Event) {
	full := e.Text
	if k.m.context != nil {
		full = append(append([]byte(`{"@context":`), k.m.context...), ',')
		full = append(full, e.Text[1:]...)
	}
	var err error
	if e.Decoded, err = schemas.DecodeSingle(full); err == nil {
		return
	}
	f := &schemas.Fault{Code: schemas.Internal, Detail: err.Error()}
	errors.As(err, &f)
	row, column := e.Locate(f.Pointer)
	detail := f.Detail
	if f.Pointer != "" {
		detail = "in " + f.Pointer + " of the event: " + detail
	}
	k.fault(Fault{Row: row, Column: column, Code: f.Code, Detail: detail})
}

func clipList(s string) string {
	if len(s) > 500 {
		return strings.ToValidUTF8(s[:500], "") + "..."
	}
	return s
}
