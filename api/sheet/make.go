package sheet

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/waybill-ledger/waybill/schemas"
)

// maker makes events of rows.
type maker struct {
	m      *Mapping
	result *Result
	left   int // bytes that may still be made
	work   int // values that may still be looked at

	out    []byte // of the event that is being made
	at     []byte // pointer to the value that is being made
	places []place
	faulty bool
}

// place tells which cell a value of an event comes from.
type place struct {
	pointer string
	row     int
	column  string
}

func (k *maker) fault(f Fault) {
	k.faulty = true
	if len(k.result.Faults) == maxFaults {
		k.result.Left++
		return
	}
	k.result.Faults = append(k.result.Faults, f)
}

// event makes an event of a group of rows, or tells what is wrong with them.
func (k *maker) event(e *eventTemplate, group []*Row) {
	k.out, k.at, k.places, k.faulty = k.out[:0], k.at[:0], nil, false
	k.write(&e.event, group)
	if k.left -= len(k.out); k.left < 0 || k.faulty {
		return
	}
	made := Event{Row: group[0].Number, Rows: len(group), Text: bytes.Clone(k.out), places: k.places}
	if k.decode(&made); !k.faulty {
		made.places = nil
		k.result.Events = append(k.result.Events, made)
	}
}

// write appends what a template makes of rows, and reports whether that is
// anything: a text with an optional column that is empty is nothing, and what is
// nothing is left out.
func (k *maker) write(t *template, group []*Row) bool {
	if len(t.when) > 0 && t.kind == object && !hold(t.when, group[0]) {
		return false
	}
	if k.work--; k.work < 0 || len(k.out) > k.left { // more than may be made
		k.left = min(k.left, len(k.out)-1) // the caller sees it
		return false
	}
	switch t.kind {
	case offset:
		if k.faulty { // what is wrong with the time was told
			return false
		}
	case literal:
		k.out = append(k.out, t.raw...)
		return true
	case object:
		return k.writeObject(t, group)
	case array:
		return k.writeArray(t, group)
	}
	s, ok := k.shared(t, group)
	if !ok {
		return false
	}
	if len(s) > k.left {
		k.left = -1
		return false
	}
	for _, p := range t.pieces {
		if p.column != "" {
			k.places = append(k.places, place{string(k.at), group[0].Number, p.column})
			break
		}
	}
	if t.kind == number {
		k.out = append(k.out, s...)
	} else {
		k.out = appendJSON(k.out, s)
	}
	return true
}

func (k *maker) writeObject(t *template, group []*Row) bool {
	k.out = append(k.out, '{')
	first := true
	for i := range t.members {
		m := &t.members[i]
		before, path := len(k.out), len(k.at)
		if !first {
			k.out = append(k.out, ',')
		}
		k.out = append(appendJSON(k.out, m.name), ':')
		k.at = append(append(k.at, '/'), escapePointer(m.name)...)
		if k.write(&m.template, group) {
			first = false
		} else {
			k.out = k.out[:before]
		}
		k.at = k.at[:path]
	}
	k.out = append(k.out, '}')
	return true
}

// writeArray writes elements; a list that has none is nothing.
func (k *maker) writeArray(t *template, group []*Row) bool {
	begin, count := len(k.out), 0
	k.out = append(k.out, '[')
	seen := map[string]bool{}
	add := func(t *template, group []*Row, once bool) {
		before, path := len(k.out), len(k.at)
		if count > 0 {
			k.out = append(k.out, ',')
		}
		from := len(k.out)
		k.at = strconv.AppendInt(append(k.at, '/'), int64(count), 10)
		made := k.write(t, group)
		k.at = k.at[:path]
		if made && once {
			made = !seen[string(k.out[from:])]
			seen[string(k.out[from:])] = true
		}
		if made {
			count++
		} else {
			k.out = k.out[:before]
		}
	}
	for i := range t.items {
		item := &t.items[i]
		if item.kind != rows && item.kind != distinct {
			add(item, group, false)
			continue
		}
		for j := range group {
			if k.work--; k.work < 0 {
				break
			}
			if hold(item.when, group[j]) {
				add(item.inner, group[j:j+1], item.kind == distinct)
			}
		}
	}
	k.out = append(k.out, ']')
	if count == 0 && len(t.items) > 0 {
		k.out = k.out[:begin]
		return false
	}
	return true
}

// shared is what a text says for all rows of a group, which must agree.
func (k *maker) shared(t *template, group []*Row) (string, bool) {
	s, ok := k.value(t, group[0])
	if len(t.pieces) == 0 || len(t.pieces) == 1 && t.pieces[0].column == "" {
		return s, ok
	}
	for _, r := range group[1:] {
		if k.work < 0 {
			return "", false
		}
		other, same := k.value(t, r)
		if k.faulty {
			return "", false
		}
		if same != ok || other != s {
			k.fault(Fault{Row: r.Number, Column: t.column(), Code: schemas.BadValue, Mapping: t.at,
				Detail: fmt.Sprintf("the row says %q where row %d of the same event says %q: use $rows or $distinct, or group by this column, too", clip(other), group[0].Number, clip(s))})
			return "", false
		}
	}
	return s, ok
}

func (t *template) column() string {
	for _, p := range t.pieces {
		if p.column != "" {
			return p.column
		}
	}
	return ""
}

// value is what a text, number or time says for one row.
func (k *maker) value(t *template, r *Row) (string, bool) {
	k.work--
	s, exact, ok := k.text(t, r)
	if !ok {
		return "", false
	}
	wrong := func(code schemas.Code, detail string) (string, bool) {
		k.fault(Fault{Row: r.Number, Column: t.column(), Code: code, Detail: detail, Mapping: t.at})
		return "", false
	}
	switch t.kind {
	case number:
		if exact {
			return s, true
		}
		n, ok := k.m.source.readNumber(s)
		if !ok {
			return wrong(schemas.BadQuantity, fmt.Sprintf("%q is no number with the decimal sign %q", clip(s), string(k.m.source.decimal)))
		}
		return n, true
	case moment, offset:
		at, err := t.clock.readTime(s)
		if err != nil {
			return wrong(schemas.BadTime, err.Error())
		}
		if t.kind == offset {
			return at.Format("-07:00"), true
		}
		return at.Format("2006-01-02T15:04:05.000Z07:00"), true
	}
	return s, true
}

// text puts a row's values into a text. exact says that it is one number of a
// spreadsheet, which needs no reading.
func (k *maker) text(t *template, r *Row) (s string, exact, ok bool) {
	var out []byte
	for i := range t.pieces {
		p := &t.pieces[i]
		if p.column == "" {
			out = append(out, p.literal...)
			continue
		}
		c := r.cell(p.column)
		wrong := func(code schemas.Code, detail string) (string, bool, bool) {
			k.fault(Fault{Row: r.Number, Column: p.column, Code: code, Detail: detail, Mapping: t.at})
			return "", false, false
		}
		switch {
		case c.flaw != "":
			return wrong(schemas.BadValue, c.flaw)
		case c.text == "" && p.optional:
			return "", false, false
		case c.text == "":
			return wrong(schemas.MissingField, "empty: write {"+p.column+"?} in the mapping where it may be")
		}
		text := c.text
		for _, name := range p.convert {
			var flaw string
			if text, flaw = k.m.convert(name, text); flaw != "" {
				return wrong(schemas.BadValue, flaw)
			}
		}
		if text == "" { // a table says so
			return "", false, false
		}
		if t.uri {
			out = appendURI(out, text)
		} else {
			out = append(out, text...)
		}
		exact = c.number && len(t.pieces) == 1 && len(p.convert) == 0
	}
	return string(out), exact, true
}

// convert applies a conversion or a table of the mapping.
func (m *Mapping) convert(name, text string) (out, flaw string) {
	if f := filters[name]; f != nil {
		return f(text)
	}
	table := m.tables[name]
	if to, ok := table[text]; ok {
		return to, ""
	}
	if to, ok := table["*"]; ok {
		return to, ""
	}
	return "", fmt.Sprintf("%q is not in the mapping's table %s", clip(text), name)
}
