package sheet

import (
	"encoding/xml"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// readRows reads a worksheet: its header row, and what follows.
func (w *workbook) readRows(d *tokens, t *Table, header int, most Limits) error {
	number := 0
	return d.each(func(e xml.StartElement) error {
		if e.Name.Local != "row" {
			return nil
		}
		number++
		if text := attribute(e, "r"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < number || n > 1<<20 {
				return badXLSX("rows are not in order")
			}
			number = n
		}
		cells, err := w.readRow(d, len(t.Columns))
		switch {
		case err != nil:
			return err
		case number < header:
			return nil
		case number == header:
			names := make([]string, len(cells))
			for i := range cells {
				names[i] = cells[i].text
			}
			return t.named(names)
		case t.index == nil:
			return badXLSX("row %d, where the mapping expects the names of columns, is empty", header)
		}
		return t.add(number, cells, most)
	})
}

// readRow reads cells up to the end of their row; width is how many are wanted,
// 0 for all.
func (w *workbook) readRow(d *tokens, width int) ([]cell, error) {
	if width == 0 {
		width = maxColumns
	}
	var cells []cell
	column, floor := -1, d.depth
	for {
		t, err := d.next()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if d.depth < floor {
				return cells, nil
			}
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			column++
			if ref := attribute(t, "r"); ref != "" {
				if column = columnOf(ref); column < 0 {
					return nil, badXLSX("a cell's place %q", clip(ref))
				}
			}
			c, err := w.readCell(d, t)
			if err != nil {
				return nil, err
			}
			if column >= width || c == (cell{}) {
				continue
			}
			for len(cells) <= column {
				cells = append(cells, cell{})
			}
			cells[column] = c
		}
	}
}

// columnOf reads the column of a place such as "AB12", from 0; -1 is none.
func columnOf(ref string) int {
	n := 0
	for i := 0; i < len(ref); i++ {
		c := ref[i]
		if c < 'A' || c > 'Z' {
			break
		}
		if n = n*26 + int(c-'A') + 1; n > 1<<14 {
			return -1
		}
	}
	return n - 1
}

// readCell reads what a cell shows. Of a formula that is the value that the
// program which wrote the workbook stored with it: nothing is computed here.
func (w *workbook) readCell(d *tokens, e xml.StartElement) (cell, error) {
	text, err := d.text("c")
	if err != nil {
		return cell{}, err
	}
	switch attribute(e, "t") {
	case "s":
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= len(w.shared) {
			return cell{}, badXLSX("cell %s refers to a text that there is not", clip(attribute(e, "r")))
		}
		return cell{text: w.shared[i]}, nil
	case "inlineStr", "str", "d":
		return cell{text: text}, nil
	case "b":
		return cell{text: map[string]string{"1": "TRUE", "0": "FALSE"}[text]}, nil
	case "e":
		return cell{flaw: "the cell shows the error " + clip(text)}, nil
	}
	if text == "" {
		return cell{}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return cell{}, badXLSX("cell %s is no number: %q", clip(attribute(e, "r")), clip(text))
	}
	style, err := strconv.Atoi(attribute(e, "s"))
	if err == nil && style >= 0 && style < len(w.dates) && w.dates[style] {
		return w.moment(f), nil
	}
	return numberCell(f), nil
}

// numberCell writes a number as a spreadsheet shows it: with fifteen significant
// digits, which is what a double holds for sure. An identifier of more digits has
// lost some before it came here.
func numberCell(f float64) cell {
	if math.Abs(f) >= 1e15 {
		return cell{flaw: "a number of more than 15 digits, of which the spreadsheet has lost the last: write identifiers into cells that are formatted as text"}
	}
	text := strconv.FormatFloat(f, 'g', 15, 64)
	exact, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return cell{flaw: "no number"}
	}
	return cell{text: strconv.FormatFloat(exact, 'f', -1, 64), number: true}
}

// moment writes a serial day as a local date, time, or both (ISO 8601).
func (w *workbook) moment(f float64) cell {
	const day = 24 * 60 * 60
	if f < 0 || f > 2958466 || f >= 1 && f < 61 && w.from == 25569 { // day 60 never was
		return cell{flaw: "a date that a spreadsheet cannot show"}
	}
	millis := int64(math.Round(f * day * 1000))
	if f < 1 {
		return cell{text: time.UnixMilli(millis).UTC().Format("15:04:05")}
	}
	t := time.UnixMilli(millis - w.from*day*1000).UTC()
	if text, midnight := strings.CutSuffix(t.Format("2006-01-02T15:04:05.999"), "T00:00:00"); midnight {
		return cell{text: text}
	}
	return cell{text: t.Format("2006-01-02T15:04:05.999")}
}
