package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What partners and nodes wrote is foreign text: to a terminal it may be orders,
// and to a reader it may look like something else that the program says.

// escape makes foreign text harmless to a terminal, and one line.
func escape(s string) string {
	switch {
	case strings.ContainsAny(s, blanks): // a quote does not show where such a text has words of its own
		return strconv.QuoteToASCII(s)
	case strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 && utf8.ValidString(s):
		return s
	}
	return strconv.Quote(s)
}

// blanks are letters and symbols that look like spaces: the fillers of Hangul, and
// Braille without a dot. An identifier may hold them, and read like a sentence.
const blanks = "\u115f\u1160\u2800\u3164\uffa0"

// word makes foreign text one word of a line: what has spaces is quoted, so that
// it cannot be taken for the words behind it.
func word(s string) string {
	if s == "" || strings.ContainsAny(s, " \"\\") {
		return strconv.Quote(s)
	}
	return escape(s)
}

// json prints a value as indented JSON, in which what a terminal might obey is
// escaped: the standard's encoder lets some of it pass.
func (p *program) json(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := p.out.Write(escapeJSON(b.Bytes()))
	return err
}

// escapeJSON writes unprintable characters of JSON, which are in its strings
// alone, as their escapes.
func escapeJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == '\n' || unicode.IsPrint(r) && !strings.ContainsRune(blanks, r) && (r != utf8.RuneError || size > 1):
			out = append(out, b[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[size:]
	}
	return out
}
