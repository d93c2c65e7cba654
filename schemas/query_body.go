package schemas

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
)

// Place is where in an event's body a condition looks.
type Place uint8

// Places.
const (
	InEvent          Place = iota // the event itself
	InILMD                        // ilmd
	InDeclaration                 // errorDeclaration
	InReadPoint                   // readPoint
	InBizLocation                 // bizLocation
	InDispositions                // persistentDisposition
	InTransactions                // entries of bizTransactionList of a type
	InSensorElement               // elements of sensorElementList
	InSensorMetadata              // their metadata
	InSensorReport                // their reports
	InSensors                     // metadata and reports alike
)

// valueForm says how a member's value is read before it is compared.
type valueForm uint8

const (
	asWritten     valueForm = iota // what the value itself tells: text, number or time
	asIdentifier                   // an identifier, in any form
	asDisposition                  // terms of vocabularies, in any form
	asMeasurement
	asHex // hexadecimal digits, in any case
)

// Condition demands a member of a body, and of one of its values that it compares so
// with one of the operands.
type Condition struct {
	In     Place
	Inner  bool     // inside an extension, at any depth
	Names  []string // members of the standard, one of which does, or forms of the extension's expanded name
	Op     Op
	Values []Operand
	UOM    string // operands are amounts in this unit, and reports are converted
	Type   string // of entries, InTransactions; "" for any
	form   valueForm
	own    bool // the name is the standard's
	spread bool // amounts are differences
}

// Operand is what a value is compared with: as text, and as number or time where it
// can be read so.
type Operand struct {
	Text    string
	Number  *big.Rat
	Time    int64
	Timed   bool
	Numeric bool // it was given as a number, so that text is read as one, too
}

// bodyReader reads what only a body says.
type bodyReader struct {
	t tokenizer
	p prefixes
}

func readBodyOf(body []byte) (*bodyReader, bool) {
	if body == nil {
		return nil, false
	}
	b := &bodyReader{t: tokenizer{text: string(body), depth: MaxDepth, tape: make([]token, 0, 16+len(body)/10)}}
	if b.t.run() != nil || b.t.tape[0].kind != jsonObject {
		return nil, false // no recorded body is so
	}
	if n := b.t.lookup(0, "@context"); n > 0 {
		_ = b.p.readContext(&b.t, n) // what can be read of it counts
	}
	return b, true
}

// all reports whether all conditions hold.
func (b *bodyReader) all(conditions []Condition) bool {
	for i := range conditions {
		if !b.holds(&conditions[i]) {
			return false
		}
	}
	return true
}

// isAt reports whether a place is one of those wanted.
func (b *bodyReader) isAt(member string, wanted []string) bool {
	if len(wanted) == 0 {
		return true
	}
	n := b.object(0, member)
	if n < 0 {
		return false
	}
	id := b.t.lookup(n, "id")
	return id > 0 && b.t.tape[id].kind == jsonString && slices.Contains(wanted, b.identifier(b.t.str(id)))
}

// object finds a member that is an object, -1 for none.
func (b *bodyReader) object(n int, name string) int {
	if m := b.t.lookup(n, name); m > 0 && b.t.tape[m].kind == jsonObject {
		return m
	}
	return -1
}

// each visits the objects of a member that is a list of these until visit says that
// it found what it looks for.
func (b *bodyReader) each(n int, name string, visit func(int) bool) bool {
	list := b.t.lookup(n, name)
	if list <= 0 || b.t.tape[list].kind != jsonArray {
		return false
	}
	for v := list + 1; v < int(b.t.tape[list].next); v = int(b.t.tape[v].next) {
		if b.t.tape[v].kind == jsonObject && visit(v) {
			return true
		}
	}
	return false
}

// holds reports whether a condition holds in one of the objects of its place.
func (b *bodyReader) holds(c *Condition) bool {
	in := func(n int) bool { return n >= 0 && b.holdsIn(c, n) }
	switch c.In {
	case InEvent:
		return in(0)
	case InILMD:
		return in(b.object(0, "ilmd"))
	case InDeclaration:
		return in(b.object(0, "errorDeclaration"))
	case InReadPoint:
		return in(b.object(0, "readPoint"))
	case InBizLocation:
		return in(b.object(0, "bizLocation"))
	case InDispositions:
		return in(b.object(0, "persistentDisposition"))
	case InTransactions:
		return b.each(0, "bizTransactionList", func(n int) bool { return b.isOfType(n, c.Type) && in(n) })
	}
	return b.each(0, "sensorElementList", func(element int) bool {
		switch c.In {
		case InSensorElement:
			return in(element)
		case InSensorMetadata:
			return in(b.object(element, "sensorMetadata"))
		case InSensors:
			if in(b.object(element, "sensorMetadata")) {
				return true
			}
		}
		return b.each(element, "sensorReport", in)
	})
}

func (b *bodyReader) isOfType(n int, want string) bool {
	if want == "" {
		return true
	}
	v := b.t.lookup(n, "type")
	if v <= 0 || b.t.tape[v].kind != jsonString {
		return false
	}
	term, f := transactionTypes.term(b.t.str(v), &b.p, false)
	return f == nil && term == want
}

// holdsIn reports whether a member of the object meets the condition.
func (b *bodyReader) holdsIn(c *Condition, n int) bool {
	if c.own {
		return slices.ContainsFunc(c.Names, func(name string) bool {
			v := b.t.lookup(n, name)
			return v > 0 && b.meets(c, n, v)
		})
	}
	for m := n + 1; m < int(b.t.tape[n].next); m = b.t.after(m) {
		name, extension := b.name(m)
		switch {
		case !extension: // a member of the standard: nothing of the condition's is inside
		case c.Inner:
			if b.inside(c, m+1) {
				return true
			}
		case slices.Contains(c.Names, name):
			if b.meets(c, n, m+1) {
				return true
			}
		}
	}
	return false
}

// name is a member's expanded name, and whether it has a namespace.
func (b *bodyReader) name(m int) (string, bool) {
	name := b.t.str(m)
	if strings.IndexByte(name, ':') < 0 {
		return name, false
	}
	name, _ = b.p.expand(name)
	return name, true
}

// inside looks for a member at any depth of a value.
func (b *bodyReader) inside(c *Condition, n int) bool {
	for at := n; at < int(b.t.tape[n].next); at++ {
		if b.t.tape[at].kind != jsonObject {
			continue
		}
		for m := at + 1; m < int(b.t.tape[at].next); m = b.t.after(m) {
			if name, ok := b.name(m); ok && slices.Contains(c.Names, name) && b.meets(c, at, m+1) {
				return true
			}
		}
	}
	return false
}

// meets reports whether a value, one of a list of these, or what an object gives as
// its value meets the condition; owner is the object that it is a member of.
func (b *bodyReader) meets(c *Condition, owner, v int) bool {
	if c.Op == Exists {
		return !b.nothing(v)
	}
	switch b.t.tape[v].kind {
	case jsonArray:
		for e := v + 1; e < int(b.t.tape[v].next); e = int(b.t.tape[e].next) {
			if b.t.tape[e].kind != jsonArray && b.meets(c, owner, e) {
				return true
			}
		}
		return false
	case jsonObject:
		if inner := b.t.lookup(v, "@value"); inner > 0 && b.t.tape[inner].kind <= jsonString {
			return b.meets(c, owner, inner)
		}
		return false
	case jsonNull:
		return false
	}
	if c.UOM != "" {
		return b.measures(c, owner, v)
	}
	text := b.t.raw(v)
	if b.t.tape[v].kind == jsonString {
		text = b.t.str(v)
		switch c.form {
		case asIdentifier:
			text = b.identifier(text)
		case asDisposition:
			text = b.term(&dispositions, text)
		case asMeasurement:
			text = b.term(&measurements, text)
		case asHex:
			text = strings.ToUpper(text)
		}
	}
	s := scalar{kind: b.t.tape[v].kind, text: text}
	return slices.ContainsFunc(c.Values, func(o Operand) bool { return s.meets(c.Op, &o) })
}

// nothing reports whether a value is null or an empty list, which count as absent.
func (b *bodyReader) nothing(v int) bool {
	k := b.t.tape[v]
	return k.kind == jsonNull || k.kind == jsonArray && int(k.next) == v+1
}

// measures compares an amount of a sensor report in the report's own unit.
func (b *bodyReader) measures(c *Condition, report, v int) bool {
	have, ok := rational(b.t.raw(v))
	if !ok || b.t.tape[v].kind != jsonNumber {
		return false
	}
	unit := ""
	if u := b.t.lookup(report, "uom"); u > 0 && b.t.tape[u].kind == jsonString {
		unit = b.t.str(u)
	}
	values := make([]*big.Rat, 0, len(c.Values))
	for i := range c.Values {
		values = append(values, c.Values[i].Number)
	}
	return compares(c.Op, have, unit, values, c.UOM, c.spread)
}

func (b *bodyReader) term(v *vocabulary, s string) string {
	if t, f := v.term(s, &b.p, false); f == nil {
		return t
	}
	return s
}

func (b *bodyReader) identifier(s string) string { return sameForm(s, &b.p) }

// sameForm brings a URI to the form in which it is compared: the canonical form
// of an identifier, others with their prefix resolved.
func sameForm(s string, p *prefixes) string {
	if !strings.HasPrefix(s, "http") && !strings.HasPrefix(s, "urn:") {
		s, _ = p.expand(s)
	}
	if id, _, err := Canonical(s); err == nil {
		return id
	}
	return s
}

// scalar is a value that is neither list nor object.
type scalar struct {
	kind kind
	text string
}

// meets compares a value with an operand. Text equals text; a number, and what was
// asked for as one, is compared as one; times are compared as instants.
func (s scalar) meets(op Op, o *Operand) bool {
	if op == Equal && s.kind != jsonNumber && s.text == o.Text && !o.Numeric {
		return true
	}
	if o.Number != nil && (s.kind == jsonNumber || s.kind == jsonString && (o.Numeric || op != Equal)) {
		if have, ok := rational(s.text); ok {
			return op.holds(have.Cmp(o.Number))
		}
	}
	if o.Timed && s.kind == jsonString {
		if have, ok := parseTime(s.text); ok {
			return op.holds(cmp.Compare(have, o.Time))
		}
	}
	return false
}
