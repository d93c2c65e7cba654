package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// Media types of what is written.
const (
	TypeCSV  = "text/csv"
	TypeXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// Bounds of XLSX.
const (
	maxSheetRows = 1 << 20
	maxShown     = 32767 // UTF-16 units of a cell
)

// Writer writes rows. Close ends the file.
//
// What a cell holds is never a formula to the program that opens the file. In
// XLSX a cell is marked as text. CSV cannot mark anything, so there a text that
// would be taken for a formula, because it begins with = + - @ or a control
// character, gets an apostrophe before it, unless it is a number or
// the offset of a time zone.
type Writer interface {
	Row(cells []string) error
	Close() error
}

// NewWriter returns a writer of a media type, which is one of the two here.
func NewWriter(mediaType string, to io.Writer) (Writer, error) {
	switch mediaType {
	case TypeCSV:
		if _, err := io.WriteString(to, utf8Mark); err != nil { // or spreadsheets take it for another encoding
			return nil, err
		}
		w := csv.NewWriter(to)
		w.UseCRLF = true // RFC 4180
		return &csvWriter{w}, nil
	case TypeXLSX:
		return newXLSX(to)
	}
	return nil, fmt.Errorf("no sheets are written as %s", mediaType)
}

type csvWriter struct{ w *csv.Writer }

func (c *csvWriter) Row(cells []string) error {
	guarded := make([]string, len(cells))
	for i, s := range cells {
		guarded[i] = guard(s)
	}
	return c.w.Write(guarded)
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// guard makes a text harmless where it would be computed, or obeyed by a terminal.
func guard(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
	if s == "" || strings.IndexByte("=+-@\t\r\n", s[0]) < 0 || plainNumber(s) || zoneOffset(s) {
		return s
	}
	return "'" + s
}

// zoneOffset reports whether a text is an offset such as +01:00.
func zoneOffset(s string) bool {
	return len(s) == 6 && (s[0] == '+' || s[0] == '-') && s[3] == ':' && strings.Trim(s[1:3]+s[4:], "0123456789") == ""
}

// plainNumber reports whether a text is a decimal number.
func plainNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(s, ".")
	return whole != "" && strings.Trim(whole+fraction, "0123456789") == "" && (!point || fraction != "")
}

// xlsxWriter streams one worksheet: nothing of it is held but the row that is
// written.
type xlsxWriter struct {
	archive *zip.Writer
	sheet   io.Writer
	rows    int
	line    bytes.Buffer
}

// The parts around the one worksheet (ECMA-376, Part 1, 12.3).
var xlsxParts = []struct{ name, text string }{
	{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`},
	{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	{"xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Events" sheetId="1" r:id="rId1"/></sheets></workbook>`},
	{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
}

func newXLSX(to io.Writer) (*xlsxWriter, error) {
	w := &xlsxWriter{archive: zip.NewWriter(to)}
	for _, part := range xlsxParts {
		at, err := w.archive.Create(part.name)
		if err == nil {
			_, err = io.WriteString(at, xml.Header+part.text)
		}
		if err != nil {
			return nil, err
		}
	}
	var err error
	if w.sheet, err = w.archive.Create("xl/worksheets/sheet1.xml"); err != nil {
		return nil, err
	}
	_, err = io.WriteString(w.sheet, xml.Header+`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`)
	return w, err
}

func (w *xlsxWriter) Row(cells []string) error {
	if w.rows++; w.rows > maxSheetRows {
		return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("a worksheet has at most %d rows: ask for CSV, or for less", maxSheetRows)}
	}
	w.line.Reset()
	fmt.Fprintf(&w.line, `<row r="%d">`, w.rows)
	for i, s := range cells {
		switch ref := columnName(i) + strconv.Itoa(w.rows); {
		case s == "":
		case len(s) <= 15 && plainNumber(s) && (s[0] != '0' || s == "0" || s[1] == '.'): // not what only looks like one
			fmt.Fprintf(&w.line, `<c r="%s"><v>%s</v></c>`, ref, s)
		default:
			fmt.Fprintf(&w.line, `<c r="%s" t="inlineStr"><is><t xml:space="preserve">`, ref)
			if err := xml.EscapeText(&w.line, []byte(shown(s))); err != nil {
				return err
			}
			w.line.WriteString(`</t></is></c>`)
		}
	}
	w.line.WriteString(`</row>`)
	_, err := w.sheet.Write(w.line.Bytes())
	return err
}

func (w *xlsxWriter) Close() error {
	if _, err := io.WriteString(w.sheet, `</sheetData></worksheet>`); err != nil {
		return err
	}
	return w.archive.Close()
}

// columnName is A for 0, AA for 26.
func columnName(i int) string {
	name := ""
	for i++; i > 0; i = (i - 1) / 26 {
		name = string(rune('A'+(i-1)%26)) + name
	}
	return name
}

// shown cuts a text that is longer than a cell may be, and says so in it.
func shown(s string) string {
	if len(s) <= maxShown {
		return s
	}
	const mark = " [cut: ask for JSON or CSV]"
	units := 0
	for i, r := range s {
		if units += utf16.RuneLen(r); r == utf8.RuneError {
			units++
		}
		if units > maxShown-len(mark) {
			return s[:i] + mark
		}
	}
	return s
}
