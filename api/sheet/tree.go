package sheet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// value is a JSON value with its place, and an object's members in their order:
// what a mapping makes has the order that the mapping has.
type value struct {
	at      string // RFC 6901 pointer
	kind    json.Delim
	members []member // of '{'
	items   []value  // of '['
	scalar  any      // string, json.Number, bool or nil of others
}

type member struct {
	name string
	value
}

// maxNesting is how deep a mapping nests.
const maxNesting = 32

// readTree reads one JSON value, each member named once.
func readTree(text []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte(utf8Mark))))
	d.UseNumber()
	v, err := treeValue(d, "", 0)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = &schemas.Fault{Code: schemas.BadJSON, Detail: "something follows the mapping's end"}
		}
	}
	var f *schemas.Fault
	if err == nil || errors.As(err, &f) {
		return v, err
	}
	line := 1 + bytes.Count(text[:min(int(d.InputOffset()), len(text))], []byte("\n"))
	return v, &schemas.Fault{Code: schemas.BadJSON, Detail: fmt.Sprintf("line %d of the mapping: %v", line, err)}
}

func treeValue(d *json.Decoder, at string, depth int) (v value, err error) {
	if depth > maxNesting {
		return v, &schemas.Fault{Code: schemas.TooDeep, Pointer: at, Detail: fmt.Sprintf("a mapping nests at most %d deep", maxNesting)}
	}
	v.at = at
	token, err := d.Token()
	if err != nil {
		return v, err
	}
	v.kind, _ = token.(json.Delim)
	switch v.kind {
	case '{':
		seen := map[string]bool{}
		for d.More() {
			token, err := d.Token()
			if err != nil {
				return v, err
			}
			name := token.(string) // of an object, the decoder gives nothing else
			place := at + "/" + escapePointer(name)
			if seen[name] {
				return v, &schemas.Fault{Code: schemas.DuplicateKey, Pointer: place, Detail: "named twice: " + clip(name)}
			}
			seen[name] = true
			inner, err := treeValue(d, place, depth+1)
			if err != nil {
				return v, err
			}
			v.members = append(v.members, member{name, inner})
		}
	case '[':
		for d.More() {
			inner, err := treeValue(d, at+"/"+strconv.Itoa(len(v.items)), depth+1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, inner)
		}
	default:
		v.scalar = token
		return v, nil
	}
	_, err = d.Token() // the end
	return v, err
}

// raw writes the value as compact JSON.
func (v *value) raw(out []byte) []byte {
	switch v.kind {
	case '{':
		out = append(out, '{')
		for i := range v.members {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendJSON(out, v.members[i].name), ':')
			out = v.members[i].raw(out)
		}
		return append(out, '}')
	case '[':
		out = append(out, '[')
		for i := range v.items {
			if i > 0 {
				out = append(out, ',')
			}
			out = v.items[i].raw(out)
		}
		return append(out, ']')
	}
	if text, ok := v.scalar.(string); ok {
		return appendJSON(out, text)
	}
	return fmt.Append(out, map[bool]any{true: "null", false: v.scalar}[v.scalar == nil])
}

// appendJSON writes a string as JSON, without escapes that no reader needs.
func appendJSON(out []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // cannot be: any string can be written
		return append(out, `""`...)
	}
	return append(out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func (v *value) fault(code schemas.Code, format string, args ...any) error {
	return &schemas.Fault{Code: code, Pointer: v.at, Detail: fmt.Sprintf(format, args...)}
}

// object checks that the value is one, and that it has no other members.
func (v *value) object(what string, names ...string) error {
	if v.kind != '{' {
		return v.fault(schemas.BadValue, "%s is an object", what)
	}
	for i := range v.members {
		m := &v.members[i]
		known := false
		for _, name := range names {
			known = known || name == m.name
		}
		if !known && len(names) > 0 {
			return m.fault(schemas.UnknownField, "%s has no %q; it has %s", what, clip(m.name), strings.Join(names, ", "))
		}
	}
	return nil
}

// member finds a member.
func (v *value) member(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return &v.members[i].value
		}
	}
	return nil
}

// text reads a string.
func (v *value) text() (string, error) {
	s, ok := v.scalar.(string)
	if !ok || v.kind != 0 {
		return "", v.fault(schemas.BadValue, "a text is expected here")
	}
	return s, nil
}

// optional reads a member that is a text, if it is there.
func (v *value) optional(name, absent string) (string, error) {
	m := v.member(name)
	if m == nil {
		return absent, nil
	}
	return m.text()
}

// texts reads a list of strings.
func (v *value) texts() ([]string, error) {
	if v.kind != '[' {
		return nil, v.fault(schemas.BadValue, "a list of texts is expected here")
	}
	out := []string{}
	for i := range v.items {
		s, err := v.items[i].text()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}
