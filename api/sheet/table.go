package sheet

import (
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Limits bound what is read of a file and made of it.
type Limits struct {
	Rows     int   // rows with content, after columns were split
	Cells    int   // of all rows together
	Unpacked int64 // bytes that are unpacked of an archive
	Events   int   // that the rows become
	Bytes    int   // of these as JSON
}

// Bounds that no setting changes.
const (
	maxColumns = 1000
	maxCell    = 32767 // bytes that are read of a cell; XLSX allows no more characters
)

// Table is a file as rows with named columns.
type Table struct {
	Sheet   string   // name of the worksheet, "" where the format has none
	Columns []string // names in order; nil where a row has what its message has
	Rows    []Row

	index map[string]int // of Columns
}

// Row is one row. Cells are asked by the name of their column.
type Row struct {
	Number int // as a person counts: the row, the line, or the segment in the file

	cells  []cell
	index  map[string]int    // of the table
	scopes []scope           // of a ship notice, the outermost level first
	split  map[string]string // values that a column was split into
}

type cell struct {
	text   string
	flaw   string // why the text cannot be used; "" where it can
	number bool   // a spreadsheet's: digits as JSON has them
}

// cell returns a column's cell; an absent one is empty.
func (r *Row) cell(column string) cell {
	if text, ok := r.split[column]; ok {
		return cell{text: text}
	}
	if i, ok := r.index[column]; ok {
		if i < len(r.cells) {
			return r.cells[i]
		}
		return cell{}
	}
	for i := len(r.scopes) - 1; i >= 0; i-- {
		if text, ok := r.scopes[i][column]; ok {
			return cell{text: text.String()}
		}
	}
	return cell{}
}

// named reads a header row.
func (t *Table) named(names []string) error {
	if len(names) > maxColumns {
		return tooLarge("%d columns, at most %d are read", len(names), maxColumns)
	}
	t.index = make(map[string]int, len(names))
	for i, name := range names {
		name = strings.TrimSpace(name)
		t.Columns = append(t.Columns, name)
		if name == "" {
			continue // a column without a name cannot be asked for
		}
		if _, twice := t.index[name]; twice {
			return &schemas.Fault{Code: schemas.DuplicateKey, Detail: "two columns are named " + clip(name)}
		}
		t.index[name] = i
	}
	if len(t.index) == 0 {
		return &schemas.Fault{Code: schemas.MissingField, Detail: "the header row names no column"}
	}
	return nil
}

// add takes a row unless it is blank.
func (t *Table) add(number int, cells []cell, most Limits) error {
	cells = cells[:min(len(cells), len(t.Columns))]
	blank := true
	for i := range cells {
		cells[i].text = strings.TrimSpace(cells[i].text)
		if len(cells[i].text) > maxCell {
			cells[i] = cell{flaw: fmt.Sprintf("longer than %d bytes", maxCell)}
		}
		blank = blank && cells[i] == cell{}
	}
	if blank {
		return nil
	}
	return t.addRow(Row{Number: number, cells: cells, index: t.index}, most)
}

func (t *Table) addRow(r Row, most Limits) error {
	width := max(1, len(t.Columns), len(r.scopes))
	if len(t.Rows) >= most.Rows || (len(t.Rows)+1)*width > most.Cells {
		return tooLarge("more than %d rows or %d cells: import it in parts", most.Rows, most.Cells)
	}
	t.Rows = append(t.Rows, r)
	return nil
}

// divide makes a row for each value in a column that holds several.
func (t *Table) divide(column, separator string, most Limits) error {
	rows := t.Rows
	t.Rows = make([]Row, 0, len(rows))
	for _, r := range rows {
		text := r.cell(column).text
		if !strings.Contains(text, separator) {
			if err := t.addRow(r, most); err != nil {
				return err
			}
			continue
		}
		for value := range strings.SplitSeq(text, separator) {
			value = strings.TrimSpace(value)
			if value == "" {
				continue
			}
			part := r
			part.split = map[string]string{column: value}
			for name, other := range r.split {
				if name != column {
					part.split[name] = other
				}
			}
			if err := t.addRow(part, most); err != nil {
				return err
			}
		}
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf(format, args...)}
}

// clip shortens what a file says before it is told back.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
