package sheet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Bounds of an interchange.
const (
	maxElements = 200
	maxLevels   = 16
	maxRepeated = 256 << 10 // bytes of the values that one column gathers
)

// segment is one of an interchange, cut into elements and their components.
type segment struct {
	number   int // in the file, from 1
	tag      string
	elements [][]string
}

// at returns an element's first component, elements counted from 1.
func (s *segment) at(n int) string {
	if n > len(s.elements) || len(s.elements[n-1]) == 0 {
		return ""
	}
	return s.elements[n-1][0]
}

// delimiters are those that an interchange declares.
type delimiters struct {
	segment, element, component byte
	release                     byte // 0 for none
}

// letterOrDigit reports what is no delimiter: most of what a file says.
func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// cut cuts one segment off a text; the rest begins after its end.
func (d delimiters) cut(text string, number int) (s segment, rest string, err error) {
	s.number = number
	var part strings.Builder
	components := []string{}
	end := func() error {
		components = append(components, part.String())
		part.Reset()
		if len(components) > maxElements || len(s.elements) > maxElements {
			return badInterchange(number, "it has more than %d elements", maxElements)
		}
		return nil
	}
	for i := 0; i < len(text); i++ {
		var err error
		switch c := text[i]; {
		case d.release != 0 && c == d.release && i+1 < len(text):
			i++
			part.WriteByte(text[i])
		case c == d.segment:
			err = end()
			s.elements = append(s.elements, components)
			if err == nil {
				s.tag, s.elements = strings.TrimSpace(s.elements[0][0]), s.elements[1:]
				return s, strings.TrimLeft(text[i+1:], "\r\n\t "), nil
			}
		case c == d.element:
			err = end()
			s.elements, components = append(s.elements, components), nil
		case c == d.component:
			err = end()
		default:
			part.WriteByte(c)
		}
		if err != nil {
			return s, "", err
		}
	}
	return s, "", badInterchange(number, "the file ends inside it")
}

func badInterchange(number int, format string, args ...any) error {
	return &schemas.Fault{Code: schemas.BadSheet, Pointer: rowPointer(number, ""), Detail: fmt.Sprintf("segment %d: ", number) + fmt.Sprintf(format, args...)}
}

// scope holds what the segments of one level say, by column.
type scope map[string]*strings.Builder

// level is a scope that is being filled.
type level struct {
	scope    scope
	prefixes []string // of its columns, as "P/"
	loop     string   // the party whose details follow, as "N1[ST]/"
	left     *int     // columns that the levels of the file may still have
}

// loops says which segments belong to the party segment before them.
func loops(opener, tag string) bool {
	switch opener {
	case "N1":
		return tag == "N2" || tag == "N3" || tag == "N4" || tag == "PER" || tag == "REF"
	case "NAD":
		return tag == "LOC" || tag == "RFF" || tag == "CTA" || tag == "COM"
	}
	return false
}

// add publishes a segment's elements under its name, and under its name with its
// qualifier. What repeats is gathered, one value a line.
func (l *level) add(s *segment) error {
	names := []string{s.tag}
	if q := s.at(1); q != "" {
		names = append(names, s.tag+"["+q+"]")
	}
	if opener, _, _ := strings.Cut(l.loop, "["); l.loop != "" && loops(opener, s.tag) {
		for i := range names {
			names[i] = l.loop + names[i]
		}
	} else if l.loop = ""; s.tag == "N1" || s.tag == "NAD" {
		l.loop = s.tag + "[" + s.at(1) + "]/"
	}
	for _, prefix := range l.prefixes {
		for _, name := range names {
			if err := l.elements(prefix+name, s); err != nil {
				return err
			}
		}
		if err := l.pairs(prefix, s); err != nil {
			return err
		}
	}
	return nil
}

func (l *level) elements(name string, s *segment) error {
	for i, components := range s.elements {
		element := name + "-" + strconv.Itoa(i+1)
		if err := l.put(element, components[0], s); err != nil {
			return err
		}
		if len(components) == 1 {
			continue
		}
		for k, text := range components {
			if err := l.put(element+"."+strconv.Itoa(k+1), text, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// pairs publishes product identifications, whose qualifiers stand beside them:
// X12 LIN*1*UP*...*LT*..., EDIFACT PIA+1+...:NB.
func (l *level) pairs(prefix string, s *segment) error {
	switch s.tag {
	case "LIN":
		for i := 2; i < len(s.elements); i += 2 {
			if err := l.put(prefix+"LIN["+s.at(i)+"]", s.at(i+1), s); err != nil {
				return err
			}
		}
	case "PIA":
		for _, components := range s.elements[min(1, len(s.elements)):] {
			if len(components) > 1 {
				if err := l.put(prefix+"PIA["+components[1]+"]", components[0], s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (l *level) put(column, text string, s *segment) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	b := l.scope[column]
	if b == nil {
		if *l.left--; *l.left < 0 {
			return tooLarge("segment %d: more elements than are read of one file: import it in parts", s.number)
		}
		b = &strings.Builder{}
		l.scope[column] = b
	} else {
		b.WriteByte('\n')
	}
	if b.WriteString(text); b.Len() > maxRepeated {
		return badInterchange(s.number, "%s repeats more than %d bytes at one level", clip(column), maxRepeated)
	}
	return nil
}

// node is a level in the hierarchy of a ship notice.
type node struct {
	*level
	number int // of its segment
	parent *node
	depth  int
	leaf   bool // nothing is inside it
}

// scopes are those of a node and of what it is in, after the envelope's.
func (n *node) scopes(outer ...scope) []scope {
	out := make([]scope, len(outer)+n.depth)
	copy(out, outer)
	for ; n != nil; n = n.parent {
		out[len(outer)+n.depth-1] = n.scope
	}
	return out
}

// notice is a message that is being read: what is in it becomes rows at its end.
type notice struct {
	table    *Table
	most     Limits
	envelope *level // of the interchange, as it stands
	message  *level // its opening segment
	header   *level
	nodes    []*node
	byID     map[string]*node
	at       *level // that segments now belong to
	began    int    // number of the opening segment; 0 outside of messages
	left     int    // columns that levels may still have
}

// below makes a node inside another, or at the top.
func (n *notice) below(parent *node, number int, prefixes ...string) (*node, error) {
	at := &node{level: n.level(prefixes...), number: number, parent: parent, depth: 1, leaf: true}
	if parent != nil {
		parent.leaf = false
		if at.depth = parent.depth + 1; at.depth > maxLevels {
			return nil, badInterchange(number, "levels nest deeper than %d", maxLevels)
		}
	}
	return at, nil
}

func newNotice(most Limits) *notice {
	n := &notice{table: &Table{}, most: most, left: most.Cells}
	n.envelope = n.level("")
	return n
}

func (n *notice) level(prefixes ...string) *level {
	return &level{scope: scope{}, prefixes: prefixes, left: &n.left}
}

func (n *notice) open(s *segment) error {
	if n.began != 0 {
		return badInterchange(s.number, "%s inside a message that has not ended", s.tag)
	}
	n.message, n.header = n.level(""), n.level("H/")
	n.nodes, n.byID, n.at, n.began = nil, map[string]*node{}, n.header, s.number
	return n.message.add(s)
}

// close makes a row of every level that has nothing inside.
func (n *notice) close(s *segment, count string) error {
	if n.began == 0 {
		return badInterchange(s.number, "%s without a message", s.tag)
	}
	if want := s.number - n.began + 1; count != strconv.Itoa(want) {
		return badInterchange(s.number, "the message says that it has %s segments; it has %d", clip(count), want)
	}
	n.began = 0
	for _, at := range n.nodes {
		if !at.leaf {
			continue
		}
		scopes := at.scopes(n.envelope.scope, n.message.scope, n.header.scope)
		if err := n.table.addRow(Row{Number: at.number, scopes: scopes}, n.most); err != nil {
			return err
		}
	}
	return nil
}

// enter makes a new level the one that segments belong to.
func (n *notice) enter(id string, at *node) {
	n.nodes, n.at = append(n.nodes, at), at.level
	if id != "" {
		n.byID[id] = at
	}
}
