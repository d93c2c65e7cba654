package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/waybill-ledger/waybill/schemas"
)

// utf8Mark opens a file that says that it is UTF-8.
const utf8Mark = "\xef\xbb\xbf"

// plainText checks that a file is text in UTF-8, with or without its mark.
func plainText(file []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xfe")), bytes.HasPrefix(file, []byte("\xfe\xff")):
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "the file is UTF-16: save it as UTF-8"}
	case bytes.HasPrefix(file, []byte("PK\x03\x04")):
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "the file is an archive, probably XLSX: the mapping's format must say so"}
	}
	file = bytes.TrimPrefix(file, []byte(utf8Mark))
	if !utf8.Valid(file) {
		at, line := 0, 1
		for at < len(file) {
			r, size := utf8.DecodeRune(file[at:])
			if r == utf8.RuneError && size <= 1 {
				break
			}
			if r == '\n' {
				line++
			}
			at += size
		}
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: fmt.Sprintf("the file is not UTF-8: byte %#02x in line %d; save it as UTF-8", file[at], line)}
	}
	if bytes.IndexByte(file, 0) >= 0 {
		return nil, &schemas.Fault{Code: schemas.BadSheet, Detail: "the file holds NUL characters: it is no text in UTF-8"}
	}
	return file, nil
}

// readCSV reads separated values (RFC 4180) whose header is the n-th record.
func readCSV(file []byte, separator rune, header int, most Limits) (*Table, error) {
	text, err := plainText(file)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator, -1, true
	t := &Table{}
	for n := 1; ; n++ {
		record, err := r.Read()
		var wrong *csv.ParseError
		switch {
		case err == io.EOF && t.index == nil:
			return nil, &schemas.Fault{Code: schemas.MissingField, Detail: fmt.Sprintf("the file has no header row: it has %d rows, the mapping expects it in row %d", n-1, header)}
		case err == io.EOF:
			return t, nil
		case errors.As(err, &wrong):
			return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: rowPointer(wrong.Line, ""), Detail: fmt.Sprintf("line %d, character %d: %v", wrong.Line, wrong.Column, wrong.Err)}
		case err != nil:
			return nil, err
		case n < header:
			continue
		case n == header:
			if len(record) == 1 && strings.ContainsAny(record[0], ",;\t|") {
				return nil, &schemas.Fault{Code: schemas.BadValue, Pointer: "/source/separator", Detail: fmt.Sprintf("with the separator %q the header is one column, %q: another separator is meant", separator, clip(record[0]))}
			}
			if err := t.named(record); err != nil {
				return nil, err
			}
			continue
		}
		line, _ := r.FieldPos(0)
		cells := make([]cell, min(len(record), len(t.Columns)))
		for i := range cells {
			cells[i].text = strings.Clone(record[i]) // not the whole record behind it
		}
		if at := slices.IndexFunc(record[len(cells):], func(s string) bool { return strings.TrimSpace(s) != "" }); at >= 0 { // which value is whose cannot be told
			for i := range cells {
				cells[i].flaw = fmt.Sprintf("the row has %d values, and the header names %d columns: a value that holds the separator stands in quotes", len(record), len(t.Columns))
			}
		}
		if err := t.add(line, cells, most); err != nil {
			return nil, err
		}
	}
}
