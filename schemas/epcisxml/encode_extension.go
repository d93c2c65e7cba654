package epcisxml

import (
	"fmt"
	"slices"
	"strings"
)

// extensions writes the members that the standard does not define.
func (w *writer) extensions(v *value, known map[string]part, but ...string) {
	for i := range v.list {
		if m := &v.list[i]; known[m.name] == nil && !slices.Contains(but, m.name) {
			w.extension(m.name, &m.value)
		}
	}
}

// extension writes a member: repeated where it is an array of two or more.
func (w *writer) extension(name string, v *value) {
	nested := slices.ContainsFunc(v.list, func(m member) bool { return m.kind == '[' })
	if v.kind == '[' && len(v.list) > 1 && !nested {
		for i := range v.list {
			w.element(name, &v.list[i].value)
		}
		return
	}
	w.element(name, v)
}

// element writes one element of an extension, and in attributes of our own what
// XML alone cannot say of its value.
func (w *writer) element(name string, v *value) {
	var attrs []string
	tag, ok := w.names.element(name)
	if !ok {
		w.names.value(name)
		tag, attrs = w.names.own()+":member", []string{w.names.own() + ":name", name}
		if !writable(name) {
			attrs[1] = escape(name)
			attrs = append(attrs, w.names.own()+":escaped", "name")
		}
	}
	s := v.text
	switch v.kind {
	case '"':
		switch {
		case !writable(s):
			s = escape(s)
			attrs = append(attrs, w.names.own()+":type", "escaped")
		case strings.Trim(s, " \t\r\n") != s:
			attrs = append(attrs, "xml:space", "preserve")
		}
	case '0':
		switch s {
		case "null":
			s, attrs = "", append(attrs, w.names.of("xsi", spaceXSI)+":nil", "true")
		case "true", "false":
			attrs = append(attrs, w.names.own()+":type", "boolean")
		default:
			attrs = append(attrs, w.names.own()+":type", "number")
		}
	case '[':
		attrs = append(attrs, w.names.own()+":type", "array")
	case '{':
		if more, ok := w.marked(v); ok {
			m, _ := v.find(textName)
			w.whole(tag, append(attrs, more...), m.text)
			return
		}
		if len(v.list) == 0 {
			attrs = append(attrs, w.names.own()+":type", "object")
		}
	}
	if v.kind == '"' || v.kind == '0' {
		w.whole(tag, attrs, s)
		return
	}
	w.open(tag, attrs...)
	for i := range v.list {
		if v.kind == '[' {
			w.element("", &v.list[i].value)
		} else {
			w.extension(v.list[i].name, &v.list[i].value)
		}
	}
	w.close(tag)
}

// whole writes an element that holds text.
func (w *writer) whole(tag string, attrs []string, s string) {
	w.open(tag, attrs...)
	w.names.value(s)
	w.out = appendText(w.out, s)
	w.close(tag)
}

// marked makes attributes of an object that is text with attributes.
func (w *writer) marked(v *value) (attrs []string, ok bool) {
	t, ok := v.find(textName)
	if !ok || t.kind != '"' || t.text == "" || strings.Trim(t.text, " \t\r\n") != t.text || !writable(t.text) || len(v.list) < 2 || len(v.list) > maxAttributes/2 {
		return nil, false
	}
	for _, m := range v.list {
		if m.name == textName {
			continue
		}
		n, ok := w.names.attribute(m.name)
		if !ok {
			n, ok = m.name, ncName(m.name) && m.name != "xmlns"
		}
		if !ok || m.kind != '"' || !writable(m.text) || slices.Contains(attrs, n) {
			return nil, false
		}
		w.names.value(m.text)
		attrs = append(attrs, n, m.text)
	}
	return attrs, true
}

// writable reports whether XML 1.0 has all characters of a text (2.2).
func writable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// escape writes a text that XML cannot hold as JSON would.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' || !writable(string(r)) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// appendText writes text so that every reader gets it back as it is.
func appendText(out []byte, s string) []byte { return appendChars(out, s) }

func appendAttribute(out []byte, name, s string) []byte {
	out = append(append(append(out, ' '), name...), `="`...)
	return append(appendChars(out, s), '"')
}

func appendChars(out []byte, s string) []byte {
	for _, r := range s {
		switch r {
		case '&':
			out = append(out, "&amp;"...)
		case '<':
			out = append(out, "&lt;"...)
		case '>':
			out = append(out, "&gt;"...)
		case '"':
			out = append(out, "&#34;"...)
		case '\t', '\n', '\r':
			out = fmt.Appendf(out, "&#%d;", r)
		default:
			if !writable(string(r)) {
				r = '\uFFFD' // only where the standard wants a URI or a number
			}
			out = append(out, string(r)...)
		}
	}
	return out
}
