package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// workbook reads the few parts of an XLSX archive (ECMA-376) that hold what cells
// say. It is no general library on purpose: those build a workbook in memory with
// all that it has; this passes once over a part, within one budget of bytes for
// all of them, and computes nothing.
type workbook struct {
	archive *zip.Reader
	left    int64 // bytes that may still be unpacked
	texts   int   // shared texts that may be read
	shared  []string
	dates   []bool // cell styles that show a number as a date
	from    int64  // days from 1970 back to the workbook's day zero
}

// Bounds of the XML of a part.
const (
	maxParts   = 10000
	maxFormats = 10000
	maxDepth   = 64
	maxToken   = 256 << 10 // bytes from one tag's begin to the next: attributes and text
)

func badXLSX(format string, args ...any) error {
	return &schemas.Fault{Code: schemas.BadSheet, Detail: "the workbook cannot be read: " + fmt.Sprintf(format, args...)}
}

// readXLSX reads a worksheet, the first where no name is given.
func readXLSX(file []byte, name string, header int, most Limits) (*Table, error) {
	if bytes.HasPrefix(file, []byte("\xd0\xcf\x11\xe0")) {
		return nil, badXLSX("it is encrypted, or of the old kind (.xls): save it as .xlsx without a password")
	}
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(archive.File) > maxParts {
		return nil, badXLSX("it is no archive of a workbook's parts")
	}
	w := &workbook{archive: archive, left: most.Unpacked, texts: most.Cells, from: 25569}
	sheetName, target, err := w.find(name)
	if err != nil {
		return nil, err
	}
	if err := w.part("xl/sharedStrings.xml", w.readShared); err != nil && !errors.Is(err, errNoPart) {
		return nil, err
	}
	if err := w.part("xl/styles.xml", w.readStyles); err != nil && !errors.Is(err, errNoPart) {
		return nil, err
	}
	t := &Table{Sheet: sheetName}
	err = w.part(target, func(d *tokens) error { return w.readRows(d, t, header, most) })
	switch {
	case errors.Is(err, errNoPart):
		return nil, badXLSX("the part of sheet %s is missing", clip(sheetName))
	case err != nil:
		return nil, err
	case t.index == nil:
		return nil, &schemas.Fault{Code: schemas.MissingField, Detail: fmt.Sprintf("sheet %s has no row %d, where the mapping expects the names of columns", clip(sheetName), header)}
	}
	return t, nil
}

var errNoPart = errors.New("no such part")

// part reads a part of the archive.
func (w *workbook) part(name string, read func(*tokens) error) error {
	for _, f := range w.archive.File {
		if f.Name != name {
			continue
		}
		body, err := f.Open()
		if err != nil {
			return badXLSX("part %s is packed in a way that is not read", clip(name))
		}
		defer body.Close()
		d := &tokens{Decoder: xml.NewDecoder(&bounded{from: body, left: &w.left})}
		err = read(d)
		var f *schemas.Fault
		if err == nil || errors.As(err, &f) {
			return err
		}
		return badXLSX("part %s: %v", clip(name), err)
	}
	return errNoPart
}

// bounded ends with an error when a budget is used up, or where a single tag or
// text is larger than any has reason to be.
type bounded struct {
	from io.Reader
	left *int64
	run  int // bytes since the last tag began
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, tooLarge("the workbook unpacks to more than may be read: import it in parts")
	}
	for rest := p[:n]; ; {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			b.run += len(rest)
			break
		}
		b.run, rest = 0, rest[i+1:]
	}
	if b.run > maxToken {
		return 0, tooLarge("a single tag or text of more than %d bytes", maxToken)
	}
	return n, err
}

// tokens reads XML without document types, and not deep.
type tokens struct {
	*xml.Decoder
	depth int
}

func (d *tokens) next() (xml.Token, error) {
	t, err := d.Token()
	switch t.(type) {
	case xml.StartElement:
		if d.depth++; d.depth > maxDepth {
			return nil, badXLSX("elements nest deeper than %d", maxDepth)
		}
	case xml.EndElement:
		d.depth--
	case xml.Directive:
		return nil, badXLSX("it has a document type")
	}
	return t, err
}

// each calls visit for every element that begins.
func (d *tokens) each(visit func(xml.StartElement) error) error {
	for {
		t, err := d.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := t.(xml.StartElement); ok {
			if err := visit(start); err != nil {
				return err
			}
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// find finds a sheet's name and part.
func (w *workbook) find(want string) (name, target string, err error) {
	var names []string
	id := ""
	err = w.part("xl/workbook.xml", func(d *tokens) error {
		return d.each(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "workbookPr":
				if v := attribute(e, "date1904"); v == "1" || v == "true" {
					w.from = 24107
				}
			case "sheet":
				n, rel := attribute(e, "name"), ""
				for _, a := range e.Attr { // r:id, beside sheetId
					if a.Name.Local == "id" {
						rel = a.Value
					}
				}
				if len(names) < 20 {
					names = append(names, clip(n))
				}
				if id == "" && (want == "" || n == want) {
					name, id = n, rel
				}
			}
			return nil
		})
	})
	if errors.Is(err, errNoPart) {
		return "", "", badXLSX("the archive holds no workbook")
	}
	if err != nil {
		return "", "", err
	}
	if id == "" {
		return "", "", &schemas.Fault{Code: schemas.MissingField, Pointer: "/source/sheet", Detail: fmt.Sprintf("no sheet %q; there are: %s", clip(want), strings.Join(names, ", "))}
	}
	err = w.part("xl/_rels/workbook.xml.rels", func(d *tokens) error {
		return d.each(func(e xml.StartElement) error {
			if e.Name.Local == "Relationship" && attribute(e, "Id") == id {
				target = attribute(e, "Target")
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, errNoPart) {
		return "", "", err
	}
	if absolute, ok := strings.CutPrefix(target, "/"); ok {
		return name, absolute, nil
	}
	return name, path.Join("xl", target), nil
}

// readShared reads the strings that cells refer to: text, not its phonetics.
func (w *workbook) readShared(d *tokens) error {
	return d.each(func(e xml.StartElement) error {
		if e.Name.Local != "si" {
			return nil
		}
		if len(w.shared) == w.texts { // an empty one takes few bytes of a file, and more here
			return tooLarge("the workbook has more than %d different texts: import it in parts", w.texts)
		}
		text, err := d.text("si")
		w.shared = append(w.shared, text)
		return err
	})
}

// text collects the <t> and <v> inside an element up to its end.
func (d *tokens) text(end string) (string, error) {
	var b strings.Builder
	take, skip, floor := false, 0, d.depth
	for {
		t, err := d.next()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "rPh" {
				skip = d.depth
			}
			take = (t.Name.Local == "t" || t.Name.Local == "v") && skip == 0
		case xml.EndElement:
			if d.depth < skip {
				skip = 0
			}
			take = false
			if d.depth < floor && t.Name.Local == end {
				return b.String(), nil
			}
		case xml.CharData:
			if take {
				b.Write(t)
			}
			if b.Len() > 2*maxToken {
				return "", tooLarge("a cell's text of more than %d bytes", 2*maxToken)
			}
		}
	}
}

// readStyles finds which cell styles show dates.
func (w *workbook) readStyles(d *tokens) error {
	custom := map[string]bool{}
	inside := false
	return d.each(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "numFmt":
			if len(custom) == maxFormats {
				return badXLSX("it has more than %d number formats", maxFormats)
			}
			custom[attribute(e, "numFmtId")] = dateFormat(attribute(e, "formatCode"))
		case "cellXfs":
			inside = true
		case "cellStyles", "dxfs", "cellStyleXfs":
			inside = false
		case "xf":
			if !inside {
				return nil
			}
			id := attribute(e, "numFmtId")
			n, _ := strconv.Atoi(id) // one that is no number is no date either
			w.dates = append(w.dates, custom[id] || n >= 14 && n <= 22 || n >= 45 && n <= 47 || n >= 27 && n <= 36 || n >= 50 && n <= 58)
		}
		return nil
	})
}

// dateFormat reports whether a number format shows a date or a time: it has one
// of their letters outside quotes, brackets and escapes.
func dateFormat(code string) bool {
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '"':
			end := strings.IndexByte(code[i+1:], '"')
			if end < 0 {
				return false
			}
			i += end + 1
		case '[':
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				return false
			}
			i += end
		case '\\', '_', '*':
			i++
		case 'y', 'Y', 'd', 'D', 'm', 'M', 'h', 'H', 's', 'S':
			return true
		case 'G', 'g', 'E', 'e': // General, or an exponent
			return false
		}
	}
	return false
}
