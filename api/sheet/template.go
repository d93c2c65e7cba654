package sheet

import (
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// templateKind says what a template makes.
type templateKind uint8

const (
	literal templateKind = iota
	text
	object
	array
	rows     // an element for every row of the group
	distinct // an element for every different one
	number
	moment
	offset
)

// template is a part of an event, with what of it follows from rows.
type template struct {
	kind    templateKind
	at      string // in the mapping
	raw     []byte // literal
	pieces  []piece
	uri     bool // text: values are percent-encoded
	members []memberTemplate
	items   []template
	inner   *template // of rows and distinct
	when    []condition
	clock   clock
}

type memberTemplate struct {
	name string
	template
}

// piece is a part of a text: as it stands, or a column's value.
type piece struct {
	literal  string
	column   string
	optional bool
	convert  []string
}

// compile reads a template. What begins with $ is an order to the mapping, not a
// member of the event: no name of EPCIS begins so.
func (m *Mapping) compile(v *value) (t template, err error) {
	t.at = v.at
	switch v.kind {
	case '[':
		t.kind = array
		for i := range v.items {
			inner, err := m.compile(&v.items[i])
			if err != nil {
				return t, err
			}
			t.items = append(t.items, inner)
		}
		return t, nil
	case '{':
		return m.compileObject(v)
	}
	s, ok := v.scalar.(string)
	if !ok {
		t.raw = v.raw(nil)
		return t, nil
	}
	if t.pieces, err = m.cutText(v, s); err != nil {
		return t, err
	}
	t.kind = text
	for _, stem := range []string{"http://", "https://", "urn:"} {
		t.uri = t.uri || strings.HasPrefix(s, stem)
	}
	return t, nil
}

func (m *Mapping) compileObject(v *value) (t template, err error) {
	t.at, t.kind = v.at, object
	if at := v.member("$when"); at != nil {
		if t.when, err = readConditions(at); err != nil {
			return t, err
		}
	}
	for _, order := range []struct {
		name  string
		kind  templateKind
		names []string
	}{{"$rows", rows, []string{"$rows", "$when"}}, {"$distinct", distinct, []string{"$distinct", "$when"}}, {"$number", number, []string{"$number"}},
		{"$offset", offset, nil}, {"$time", moment, []string{"$time", "format", "zone"}}} {
		at := v.member(order.name)
		if at == nil {
			continue
		}
		if err := v.object(order.name, order.names...); err != nil {
			return t, err
		}
		return m.compileOrder(v, at, order.kind, t)
	}
	for i := range v.members {
		at := &v.members[i]
		if at.name == "$when" {
			continue
		}
		if strings.HasPrefix(at.name, "$") {
			return t, at.fault(schemas.UnknownField, "there is no %s; there are $rows, $distinct, $number, $time and $when", clip(at.name))
		}
		inner, err := m.compile(&at.value)
		if err != nil {
			return t, err
		}
		if inner.kind == rows || inner.kind == distinct {
			return t, at.fault(schemas.BadValue, "$rows and $distinct are elements of a list")
		}
		t.members = append(t.members, memberTemplate{at.name, inner})
	}
	return t, nil
}

func (m *Mapping) compileOrder(v, at *value, kind templateKind, t template) (template, error) {
	t.kind = kind
	if kind == rows || kind == distinct {
		inner, err := m.compile(at)
		t.inner = &inner
		if err == nil && (inner.kind == rows || inner.kind == distinct) {
			err = at.fault(schemas.BadValue, "$rows and $distinct are elements of a list")
		}
		return t, err
	}
	s, err := at.text()
	if err != nil {
		return t, err
	}
	if t.pieces, err = m.cutText(at, s); err != nil {
		return t, err
	}
	t.clock = m.clock
	return t, t.clock.read(v)
}

// cutText finds the columns in a text: {Column}, {Column?} where it may be empty,
// {Column|conversion}; {{ and }} are braces.
func (m *Mapping) cutText(v *value, s string) (out []piece, err error) {
	plain := ""
	flush := func() {
		if plain != "" {
			out = append(out, piece{literal: plain})
		}
		plain = ""
	}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "{{"), strings.HasPrefix(s, "}}"):
			plain, s = plain+s[:1], s[2:]
		case s[0] == '}':
			return nil, v.fault(schemas.BadValue, "a brace that closes nothing; write }} for a brace")
		case s[0] == '{':
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return nil, v.fault(schemas.BadValue, "a brace that is not closed; write {{ for a brace")
			}
			flush()
			p, err := m.cutColumn(v, s[1:end])
			if err != nil {
				return nil, err
			}
			out, s = append(out, p), s[end+1:]
		default:
			end := strings.IndexAny(s, "{}")
			if end < 0 {
				end = len(s)
			}
			plain, s = plain+s[:end], s[end:]
		}
	}
	flush()
	return out, nil
}

func (m *Mapping) cutColumn(v *value, s string) (p piece, err error) {
	column, rest, more := strings.Cut(s, "|")
	p.column, p.optional = strings.CutSuffix(column, "?")
	if p.column = strings.TrimSpace(p.column); p.column == "" {
		return p, v.fault(schemas.BadValue, "{%s} names no column", clip(s))
	}
	for more {
		var name string
		name, rest, more = strings.Cut(rest, "|")
		_, always := filters[name]
		if _, table := m.tables[name]; !always && !table {
			return p, v.fault(schemas.BadValue, "{%s}: no conversion or table is named %q", clip(s), clip(name))
		}
		p.convert = append(p.convert, name)
	}
	return p, nil
}

// filters are the conversions that are always there. They answer what is wrong
// with a value that they cannot take.
var filters = map[string]func(string) (out, flaw string){
	"gtin":  key("a GTIN", 14, 8),
	"gln":   key("a GLN", 13, 13),
	"sscc":  key("an SSCC", 18, 18),
	"upper": func(s string) (string, string) { return strings.ToUpper(s), "" },
	"lower": func(s string) (string, string) { return strings.ToLower(s), "" },
}

// key reads a GS1 key as people write it, with blanks and hyphens, and adds the
// zeros that a spreadsheet took from its front, or that a shorter GTIN has not.
// Whether its check digit is right is seen when the event is read.
func key(what string, size, least int) func(string) (string, string) {
	return func(s string) (string, string) {
		digits := strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(s)
		if len(digits) == size+2 && size == 18 { // as a label has it, with its application identifier
			digits = strings.TrimPrefix(digits, "00")
		}
		if strings.Trim(digits, "0123456789") != "" || digits == "" {
			return "", what + " is digits: " + clip(s)
		}
		if short := max(1, least-6); len(digits) > size || len(digits) < short {
			return "", what + " has " + strconv.Itoa(size) + " digits: " + clip(s)
		}
		return strings.Repeat("0", size-len(digits)) + digits, ""
	}
}

// appendURI percent-encodes what would mean something else in a path or an EPC
// URN: a value never adds parts to an identifier.
func appendURI(out []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~!'()*+,:;=", c) >= 0 {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return out
}
