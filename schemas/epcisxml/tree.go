package epcisxml

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// element is one with all that is in it.
type element struct {
	name     name
	attrs    []attribute
	text     []byte // all of its own text
	children []*element
	line     int
	preserve bool
}

// tree reads the rest of an element whose start was read. Prefixes that values
// begin with are noted in curies: a value such as gs1:Temperature needs its own.
// A fault of the text ends the document; that the element is too large, in over,
// is its own: it is read over.
func (s *scanner) tree(start token, curies map[string]string) (root *element, over, f *schemas.Fault) {
	from, count := s.dec.InputOffset(), 0
	root = newElement(start)
	stack := []*element{root}
	s.curies(curies, start)
	for len(stack) > 0 {
		t, f := s.next()
		if f != nil {
			return nil, nil, f
		}
		if over == nil && (s.dec.InputOffset()-from > maxElement || count > maxElements) {
			over = &schemas.Fault{Code: schemas.TooLarge, Line: start.line,
				Detail: fmt.Sprintf("more than %d bytes or %d elements in one event or header", maxElement, maxElements)}
			root.children = nil
		}
		at := stack[len(stack)-1]
		switch t.kind {
		case 's':
			count++
			e := newElement(t)
			if over == nil {
				at.children = append(at.children, e)
				s.curies(curies, t)
			}
			stack = append(stack, e)
		case 'e':
			stack[len(stack)-1] = nil
			stack = stack[:len(stack)-1]
		case 't':
			if over == nil {
				at.text = append(at.text, t.text...)
				s.curie(curies, strings.TrimSpace(t.text))
			}
		}
	}
	return root, over, nil
}

func newElement(t token) *element {
	return &element{name: t.name, attrs: t.attrs, line: t.line, preserve: t.preserve}
}

func (s *scanner) curies(curies map[string]string, t token) {
	for _, a := range t.attrs {
		s.curie(curies, a.value)
	}
}

// curie notes the prefix of a value, if the document declares it.
func (s *scanner) curie(curies map[string]string, v string) {
	prefix, rest, ok := strings.Cut(v, ":")
	if !ok || curies == nil || prefix == "" || len(prefix) > 64 || strings.HasPrefix(rest, "//") {
		return
	}
	if space, ok := s.lookup(prefix); ok {
		if _, seen := curies[prefix]; !seen {
			curies[prefix] = space
		}
	}
}

// value is its text as a value: without the white space around it, unless that
// is to be kept.
func (e *element) value() string {
	if e.preserve {
		return string(e.text)
	}
	return string(bytes.Trim(e.text, " \t\r\n"))
}

func (e *element) attr(space, local string) string {
	for _, a := range e.attrs {
		if a.space == space && a.local == local {
			return a.value
		}
	}
	return ""
}

// standard reports whether a name is one of the standard's: its elements have no
// namespace, and some writers give them the document's.
func (n name) standard() bool { return n.space == "" || epcisSpace(n.space) }

// epcisSpace reports whether a namespace is one of EPCIS, of any version.
func epcisSpace(space string) bool {
	rest, ok := strings.CutPrefix(space, "urn:epcglobal:epcis")
	if !ok {
		return false
	}
	kind, version, ok := strings.Cut(rest, ":xsd:")
	return ok && (kind == "" || kind == "-query" || kind == "-masterdata") && (version == "1" || version == "2")
}

// quote shows what was sent, cut.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
