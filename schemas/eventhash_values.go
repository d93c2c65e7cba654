package schemas

import (
	"slices"
	"strings"
	"time"
)

// member writes a member that the standard defines, whose value is n.
func (h *EventHasher) member(p *hashed, n int) {
	if h.full() {
		return
	}
	switch p.form {
	case formList:
		h.list(p, n)
	case formObject:
		h.object(p, n)
	default:
		h.out = append(append(h.out, p.name...), '=')
		h.scalar(p, n)
	}
}

// list writes a list's name once, then its entries sorted. An empty list counts
// as absent.
func (h *EventHasher) list(p *hashed, n int) {
	t := &h.t
	if t.tape[n].kind != jsonArray || int(t.tape[n].next) == n+1 {
		return
	}
	// The lists of sensors have had no name of their own before CBV 2.1.
	switch {
	case p.bare:
	case p.name != sensorList:
		h.out = append(h.out, p.name...)
	default:
		h.differs, h.unnamed = true, len(h.out)
		if h.version >= CBV21 {
			h.out = append(h.out, p.name...)
		}
	}
	inner := len(h.marks)
	for v := n + 1; v < int(t.tape[n].next); v = int(t.tape[v].next) {
		h.begin()
		h.member(&p.of[0], v)
	}
	h.sort(inner)
}

// object writes an object's members in the order of the table, then extensions
// sorted. CBV 2.0 has these at the event's end instead, behind the names of what
// they are in.
func (h *EventHasher) object(p *hashed, n int) {
	t := &h.t
	if t.tape[n].kind != jsonObject || int(t.tape[n].next) == n+1 {
		return
	}
	h.out = append(h.out, p.name...)
	moved := len(h.moved)
	var at [len(sensorReport)]int // tokens of the values, as ordered in the table
	var few [8]int
	others := few[:0]
	for m := n + 1; m < int(t.tape[n].next); m = t.after(m) {
		name := t.str(m)
		switch i := p.place(name); {
		case i >= 0:
			at[i] = m + 1
		case name != "type" && name != "@context": // of a sensor element: JSON-LD says what it is
			others = append(others, m)
		}
	}
	for i := range p.of {
		if at[i] != 0 {
			h.member(&p.of[i], at[i])
		}
	}
	from, inner := len(h.out), len(h.marks)
	for _, m := range others {
		h.extension(t.str(m), m+1)
	}
	if h.version >= CBV21 || p.name == "ilmd" {
		h.sort(inner)
		return
	}
	for _, s := range h.pieces(inner) {
		h.moved = append(h.moved, string(h.out[s.from:s.to]))
		h.aside += s.to - s.from
	}
	h.out = h.out[:from]
	if len(h.moved) > moved {
		h.differs = true
		slices.Sort(h.moved[moved:])
		h.moved = append(h.moved[:moved], p.name+strings.Join(h.moved[moved:], ""))
	}
}

// place returns where a member stands in the object's order, or -1.
func (p *hashed) place(name string) int {
	for i := range p.of {
		if p.of[i].name == name {
			return i
		}
	}
	return -1
}

// extension writes one member with the namespace of its name in full. An array
// is its entries, each under the name.
func (h *EventHasher) extension(name string, n int) {
	if h.full() {
		return
	}
	t := &h.t
	switch k := t.tape[n]; k.kind {
	case jsonArray:
		for v := n + 1; v < int(k.next); v = int(t.tape[v].next) {
			h.extension(name, v)
		}
	case jsonNull: // JSON-LD: as if the member were not there
	case jsonObject:
		h.begin()
		h.name(name)
		value := t.lookup(n, "#text") // of an XML element with attributes
		if value < 0 {
			value = t.lookup(n, "@value") // of JSON-LD
		}
		if value > 0 {
			h.assign(value)
		}
		inner := len(h.marks)
		for m := n + 1; m < int(k.next); m = t.after(m) {
			if name := t.str(m); m+1 != value && name != "@context" && (value < 0 || name != "@type" && name != "@language") {
				h.extension(name, m+1)
			}
		}
		h.sort(inner)
	default:
		h.begin()
		h.name(name)
		h.assign(n)
	}
}

// assign writes a value behind a name; of an empty one nothing.
func (h *EventHasher) assign(n int) {
	from := len(h.out)
	h.out = append(h.out, '=')
	h.anything(n)
	if len(h.out) == from+1 {
		h.out = h.out[:from]
	}
}

// mdaSpace is the namespace of the standard's master data attributes.
const mdaSpace = "urn:epcglobal:cbv:mda"

// name writes an extension's name: its namespace in braces and its local part.
func (h *EventHasher) name(s string) {
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		h.out = append(h.out, strings.TrimPrefix(s, "@")...)
		return
	}
	space, local := s[:colon], s[colon+1:]
	if iri := h.p.find(space); iri != "" {
		space = iri
	} else if iri := standardPrefix(space); iri != "" {
		space = iri
	} else {
		at := strings.LastIndexAny(s, "/#:") + 1
		space, local = s[:at], s[at:]
	}
	if space == mdaSpace+":" { // the standard's namespace as JSON-LD writes it, as XML has it
		space = mdaSpace
	}
	h.out = append(append(append(append(h.out, '{'), space...), '}'), local...)
}

// scalar writes a value of the standard.
func (h *EventHasher) scalar(p *hashed, n int) {
	if k := h.t.tape[n].kind; k != jsonString {
		h.anything(n)
		return
	}
	s := strings.TrimSpace(h.t.str(n))
	switch p.form {
	case formTime:
		h.time(s)
	case formNumber:
		h.number(s)
	case formReference:
		if k := h.t.tape[n].known; k > 0 && int(k) <= len(h.known) {
			h.uri(h.known[k-1])
			return
		}
		h.reference(s)
	case formTerm:
		h.term(p, s)
	default:
		h.out = append(h.out, s...)
	}
}

func (h *EventHasher) time(s string) {
	nanos, ok := parseTime(s)
	if !ok {
		h.out = append(h.out, s...)
		return
	}
	h.out = time.Unix(0, nanos).Round(time.Millisecond).UTC().AppendFormat(h.out, "2006-01-02T15:04:05.000Z")
}

func (h *EventHasher) number(s string) {
	h.out = appendNumber(h.out, s)
}

// term writes a term as web URI, whatever form it has.
func (h *EventHasher) term(p *hashed, s string) {
	t, f := p.terms.term(s, &h.p, false)
	switch {
	case f != nil:
		h.out = append(h.out, s...)
	case strings.IndexByte(t, ':') < 0:
		h.out = append(append(h.out, p.stem...), t...)
	default:
		h.uri(t)
	}
}

// reference writes an identifier in canonical form, any other URI in full.
func (h *EventHasher) reference(s string) {
	s, _ = h.p.expand(s)
	if c, scheme, err := Canonical(s); err == nil && scheme != PrivateURI {
		s = c
	}
	h.uri(s)
}

// uri writes a URI, GS1's own namespaces in the one form that the hash has.
func (h *EventHasher) uri(s string) {
	if rest, ok := strings.CutPrefix(s, gs1Space); ok {
		h.out = append(append(h.out, webVoc...), rest...)
		return
	}
	if rest, ok := strings.CutPrefix(s, cbvSpaces[1]); ok {
		h.out = append(append(h.out, webCBV...), rest...)
		return
	}
	h.out = append(h.out, s...)
}

// anything writes a value of which the standard says nothing, so that what it
// looks like decides: XML knows no other types than text.
func (h *EventHasher) anything(n int) {
	switch k := h.t.tape[n].kind; k {
	case jsonNumber:
		h.number(h.t.raw(n))
	case jsonString:
		h.guess(strings.TrimSpace(h.t.str(n)))
	default:
		h.out = append(h.out, h.t.raw(n)...)
	}
}

// guess writes text: a time in UTC, an identifier in canonical form, a term or a
// compact IRI as URI, a decimal without zeros at its end (rules 6, 8, 14, 15, 17
// and 18), anything else as it is.
func (h *EventHasher) guess(s string) {
	switch {
	case s == "":
	case isDigit(s[0]) || s[0] == '-':
		if _, ok := scanNumber(s); ok && strings.IndexByte(s, '.') > 0 && !strings.ContainsAny(s, "eE") {
			h.number(s)
			return
		}
		h.time(s)
	case strings.IndexByte(s, ':') > 0 && checkURI(s) == noFlaw:
		h.vocabularyOrReference(s)
	default:
		h.out = append(h.out, s...)
	}
}

// lists are the vocabularies whose terms have URNs, each with what makes a web
// URI of a word.
var lists = [...]struct {
	*vocabulary
	stem string
}{
	{&bizSteps, stepURI}, {&dispositions, dispURI}, {&transactionTypes, webCBV + "BTT-"}, {&partyTypes, webCBV + "SDT-"},
	{&errorReasons, webCBV + "ER-"}, {&components, webCBV + "Comp-"},
}

// vocabularyOrReference writes a URI, of the standard's terms the web URI.
func (h *EventHasher) vocabularyOrReference(s string) {
	if name, ok := strings.CutPrefix(s, cbvURN); ok {
		for _, l := range lists {
			if word, ok := strings.CutPrefix(name, l.urn); ok {
				h.out = append(append(h.out, l.stem...), word...)
				return
			}
		}
	}
	h.reference(s)
}
