package epcisxml

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// value is JSON with the order of its members, and the line of XML that each part
// comes from.
type value struct {
	kind byte     // '"' a string, '{' an object, '[' an array, '0' what is written as it is
	text string   // of a string, or as written
	list []member // of an object, or without names of an array
	line int
	at   map[string]int // the first of each name in list, of an object that add made large
}

// fewMembers are found sooner by looking at each.
const fewMembers = 32

type member struct {
	name string
	value
}

func text(s string, line int) value    { return value{kind: '"', text: s, line: line} }
func literal(s string, line int) value { return value{kind: '0', text: s, line: line} }

// add appends a member.
func (v *value) add(name string, m value) {
	v.list = append(v.list, member{name, m})
	if v.kind != '{' || len(v.list) < fewMembers {
		return
	}
	if v.at == nil {
		v.at = make(map[string]int, 2*fewMembers)
		for i := range v.list {
			v.note(i)
		}
		return
	}
	v.note(len(v.list) - 1)
}

// note notes where a name is first.
func (v *value) note(i int) {
	if _, seen := v.at[v.list[i].name]; !seen {
		v.at[v.list[i].name] = i
	}
}

// find returns a member of an object.
func (v *value) find(name string) (*value, bool) {
	if v.at != nil {
		if i, ok := v.at[name]; ok {
			return &v.list[i].value, true
		}
		return nil, false
	}
	if v.kind == '{' {
		for i := range v.list {
			if v.list[i].name == name {
				return &v.list[i].value, true
			}
		}
	}
	return nil, false
}

// last returns the last member of a name.
func (v *value) last(name string) (*value, bool) {
	for i := len(v.list) - 1; i >= 0 && v.kind == '{'; i-- {
		if v.list[i].name == name {
			return &v.list[i].value, true
		}
	}
	return nil, false
}

// appendTo writes compact JSON.
func (v *value) appendTo(out []byte) []byte {
	switch v.kind {
	case '"':
		return appendString(out, v.text)
	case '0':
		return append(out, v.text...)
	}
	end := byte('}')
	if v.kind == '[' {
		end = ']'
	}
	out = append(out, v.kind)
	for i := range v.list {
		if i > 0 {
			out = append(out, ',')
		}
		if v.kind == '{' {
			out = append(appendString(out, v.list[i].name), ':')
		}
		out = v.list[i].appendTo(out)
	}
	return append(out, end)
}

func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return appendEscaped(out, s)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

func appendEscaped(out []byte, s string) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil { // cannot be: any string can be written
		return append(out, `""`...)
	}
	return append(out, strings.TrimSuffix(b.String(), "\n")...)
}

// lineOf is the line of the innermost part that a pointer (RFC 6901) reaches: of
// members of one name, the last, which is the one too many.
func (v *value) lineOf(pointer string) int {
	line := v.line
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		next, ok := v.last(step)
		if i, err := strconv.Atoi(step); err == nil && v.kind == '[' && i >= 0 && i < len(v.list) {
			next, ok = &v.list[i].value, true
		}
		if !ok {
			break
		}
		v = next
		if v.line > 0 {
			line = v.line
		}
	}
	return line
}

var errJSON = errors.New("an event is one JSON object")

// parse reads JSON that a decoder has accepted before.
func parse(body []byte) (value, error) {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return value{}, err
	}
	if _, err := d.Token(); err != io.EOF || v.kind != '{' {
		return value{}, errJSON
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (value, error) {
	t, err := d.Token()
	if err != nil {
		return value{}, errJSON
	}
	switch t := t.(type) {
	case string:
		return value{kind: '"', text: t}, nil
	case json.Number:
		return literal(t.String(), 0), nil
	case bool:
		return literal(strconv.FormatBool(t), 0), nil
	case nil:
		return literal("null", 0), nil
	case json.Delim:
		if t == '{' || t == '[' {
			return parseList(d, byte(t), depth)
		}
	}
	return value{}, errJSON
}

func parseList(d *json.Decoder, kind byte, depth int) (value, error) {
	v := value{kind: kind}
	if depth > maxDepth {
		return value{}, errJSON
	}
	for d.More() {
		var m member
		if kind == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return value{}, errJSON
			}
			m.name = name
		}
		var err error
		if m.value, err = parseValue(d, depth+1); err != nil {
			return value{}, err
		}
		v.list = append(v.list, m)
	}
	if _, err := d.Token(); err != nil {
		return value{}, errJSON
	}
	return v, nil
}
