package schemas

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what the gateway reads.
const (
	MaxDocument = 32 << 20 // bytes of a document
	maxResolved = 64 << 20 // bytes of its events' bodies and names, prefixes resolved
	maxContexts = 64       // entries of a merged @context

	// documentDepth is deeper than a document's own levels and an event's, so
	// that what nests too deep is in most cases the fault of one event alone.
	documentDepth = 2 * MaxDepth
)

const byteOrderMark = "\uFEFF"

// DecodeSingle reads one event as a client sends it, with whitespace, with its
// own @context or none, makes its body and decodes it. A Fault's pointer is into
// the text.
func DecodeSingle(text []byte) (*Event, error) {
	if len(text) > 4*MaxBody {
		return nil, &Fault{Code: TooLarge, Detail: fmt.Sprintf("%d bytes for one event", len(text))}
	}
	t := tokenizer{text: strings.TrimPrefix(string(text), byteOrderMark), depth: MaxDepth, keep: 1}
	if f := t.run(); f != nil {
		return nil, f
	}
	if t.tape[0].kind == jsonObject {
		if n := t.lookup(0, "type"); n > 0 && strings.HasSuffix(t.str(n), "Document") {
			return nil, t.fault(BadDocument, n, "a document where one event is expected: "+quote(t.str(n)))
		}
	}
	d := bodyMaker{}
	return d.decode(t.text)
}

// DecodeDocument reads an EPCIS 2.0 document or query document, or an event or a
// list of events without one. The error is of the document as a whole; what is
// wrong with one event stands in its place, with a pointer into the document.
// The header is not read: master data is no part of an event.
func DecodeDocument(text []byte, maxEvents int) ([]DocumentEvent, error) {
	if len(text) > MaxDocument {
		return nil, &Fault{Code: TooLarge, Detail: fmt.Sprintf("a document of %d bytes, %d are allowed", len(text), MaxDocument)}
	}
	doc, f := openText(strings.TrimPrefix(string(text), byteOrderMark), "")
	if f != nil {
		return nil, f
	}
	doc.most = maxEvents
	if f := doc.events(); f != nil {
		return nil, f
	}
	out := make([]DocumentEvent, len(doc.list))
	resolved := 0
	for i, n := range doc.list {
		e, err := doc.maker.decode(doc.t.raw(n))
		var fault *Fault
		if errors.As(err, &fault) {
			fault.Pointer = doc.pointer(i, n) + fault.Pointer
		}
		out[i] = DocumentEvent{Event: e, Fault: fault, Pointer: doc.pointer(i, n)}
		if e != nil {
			resolved += len(e.Body) + e.Skeleton.text()
		}
		if resolved > maxResolved {
			return nil, &Fault{Code: TooLarge, Pointer: doc.pointer(i, n), Detail: fmt.Sprintf("with context and prefixes resolved, the events take more than %d bytes", maxResolved)}
		}
	}
	return out, nil
}

// openDocument is a document, or the part of it that is being read: the tape
// holds one level only, so that memory does not follow from what lies deeper.
type openDocument struct {
	t     tokenizer
	base  string // pointer to the part
	maker bodyMaker
	list  []int // tokens of the events
	most  int   // events that are taken
}

func openText(text, base string) (*openDocument, *Fault) {
	d := &openDocument{t: tokenizer{text: text, depth: documentDepth, keep: 1}, base: base}
	if f := d.t.run(); f != nil {
		return nil, f
	}
	return d, nil
}

// enter makes a part of the document the one that is read.
func (d *openDocument) enter(n int) *Fault {
	part, f := openText(d.t.raw(n), d.base+d.t.pointer(n))
	if f != nil { // cannot be: the text was read before
		return f
	}
	d.t, d.base = part.t, part.base
	return nil
}

// pointer returns that of the i-th event, whose token is n.
func (d *openDocument) pointer(i, n int) string {
	if d.t.tape[0].kind == jsonArray {
		return d.base + "/" + strconv.Itoa(i)
	}
	return d.base + d.t.pointer(n)
}

func (d *openDocument) bad(n int, detail string) *Fault {
	return &Fault{Code: BadDocument, Pointer: d.base + d.t.pointer(n), Detail: detail}
}

// events finds the document's events.
func (d *openDocument) events() *Fault {
	switch d.t.tape[0].kind {
	case jsonArray:
		return d.each()
	case jsonObject:
	default:
		return d.bad(0, "a document is an object, or a list of events; this is "+d.t.tape[0].kind.String())
	}
	n := d.t.lookup(0, "type")
	if n < 0 || d.t.tape[n].kind != jsonString {
		return &Fault{Code: BadDocument, Pointer: "/type", Detail: "neither a document nor an event: it has no type"}
	}
	switch kind := d.t.str(n); kind {
	case "EPCISDocument", "EPCISQueryDocument":
		return d.document(kind == "EPCISQueryDocument")
	default:
		d.list = []int{0} // an event, or refused as one
		return nil
	}
}

// document reads what surrounds a document's events.
func (d *openDocument) document(query bool) *Fault {
	if f := d.surroundings(query); f != nil {
		return f
	}
	path := []string{"epcisBody", "eventList"}
	if query {
		path = []string{"epcisBody", "queryResults", "resultsBody", "eventList"}
	}
	for i, name := range path {
		n := d.t.lookup(0, name)
		if n < 0 && name == "eventList" && !query { // a body of one event
			if n = d.t.lookup(0, "event"); n > 0 && d.t.tape[n].kind == jsonObject {
				d.list = []int{n}
				return nil
			}
		}
		switch last := i == len(path)-1; {
		case n < 0:
			return &Fault{Code: BadDocument, Pointer: d.base + "/" + name, Detail: "the document has no " + strings.Join(path[:i+1], ".")}
		case !last && d.t.tape[n].kind != jsonObject:
			return d.bad(n, name+" is an object")
		case last && d.t.tape[n].kind != jsonArray:
			return d.bad(n, name+" is an array")
		}
		if f := d.enter(n); f != nil {
			return f
		}
		if q := d.t.lookup(0, "queryName"); name == "queryResults" && (q < 0 || d.t.tape[q].kind != jsonString) {
			return &Fault{Code: BadDocument, Pointer: d.base + "/queryName", Detail: "query results need queryName"}
		}
	}
	return d.each()
}

// surroundings checks version, date and context.
func (d *openDocument) surroundings(query bool) *Fault {
	n := d.t.lookup(0, "schemaVersion")
	if n >= 0 || !query {
		if n < 0 || d.t.tape[n].kind != jsonString || !version2(d.t.str(n)) {
			return &Fault{Code: BadDocument, Pointer: "/schemaVersion", Detail: "schemaVersion must be \"2.0\""}
		}
	}
	n = d.t.lookup(0, "creationDate")
	if n >= 0 || !query {
		if n < 0 || d.t.tape[n].kind != jsonString {
			return &Fault{Code: BadDocument, Pointer: "/creationDate", Detail: "a document needs creationDate, a time"}
		}
		if _, ok := parseTime(d.t.str(n)); !ok {
			return d.bad(n, "no time with a zone: "+quote(d.t.str(n)))
		}
	}
	if n = d.t.lookup(0, "@context"); n < 0 {
		return &Fault{Code: BadDocument, Pointer: "/@context", Detail: "a document needs @context: what its names mean"}
	}
	context := tokenizer{text: d.t.raw(n), depth: documentDepth, keep: 4}
	f := context.run()
	if f == nil {
		f = new(prefixes).readContext(&context, 0)
	}
	if f == nil {
		d.maker.document, f = contextEntries(&context, 0)
	}
	if f != nil {
		f.Pointer = "/@context" + f.Pointer
	}
	return f
}

// version2 reports whether a schemaVersion is 2.0 or a later one that reads alike.
func version2(s string) bool {
	minor, ok := strings.CutPrefix(s, "2.")
	return ok && minor != "" && strings.Trim(minor, ".0123456789") == "" && isDigit(minor[0])
}

// each lists the events of the array that is read.
func (d *openDocument) each() *Fault {
	for v := 1; v < len(d.t.tape); v = int(d.t.tape[v].next) {
		if len(d.list) == d.most {
			return &Fault{Code: TooLarge, Pointer: d.base, Detail: fmt.Sprintf("more than %d events at once", d.most)}
		}
		d.list = append(d.list, v)
	}
	return nil
}

// lookup finds an object's member by name: its value's token, or -1.
func (t *tokenizer) lookup(object int, name string) int {
	if t.tape[object].kind != jsonObject {
		return -1
	}
	for m := object + 1; m < int(t.tape[object].next); m = t.after(m) {
		if t.str(m) == name {
			return m + 1
		}
	}
	return -1
}

// bodyMaker makes bodies: compact JSON, with the document's context entries
// before the event's own, and without those of the standard, which every reader
// knows.
type bodyMaker struct {
	document []string // entries of the document's context, compact
	decoder  decoder
	hasher   EventHasher
}

func (b *bodyMaker) decode(event string) (*Event, error) {
	body, f := b.body(event)
	if f != nil {
		return nil, f
	}
	return b.decoder.toSign(body, &b.hasher)
}

func (b *bodyMaker) body(event string) ([]byte, *Fault) {
	t := tokenizer{text: event, depth: MaxDepth, keep: 4}
	if f := t.run(); f != nil {
		return nil, f
	}
	if t.tape[0].kind != jsonObject {
		return nil, t.fault(BadValue, 0, "an event is an object; this is "+t.tape[0].kind.String())
	}
	entries := b.document
	if n := t.lookup(0, "@context"); n > 0 {
		if f := new(prefixes).readContext(&t, n); f != nil { // here, where pointers are into what was sent
			return nil, f
		}
		own, f := contextEntries(&t, n)
		if f != nil {
			return nil, f
		}
		entries = append(entries[:len(entries):len(entries)], own...)
	}
	if len(entries) > maxContexts {
		return nil, &Fault{Code: TooLarge, Pointer: "/@context", Detail: fmt.Sprintf("more than %d context entries", maxContexts)}
	}
	size := 0
	for _, entry := range entries {
		size += len(entry)
	}
	if size > MaxBody { // before it is copied into every event
		return nil, &Fault{Code: TooLarge, Pointer: "/@context", Detail: fmt.Sprintf("a context of %d bytes, an event may have %d", size, MaxBody)}
	}
	out := append(make([]byte, 0, len(event)), '{')
	if len(entries) > 0 {
		out = append(append(append(out, `"@context":[`...), strings.Join(entries, ",")...), ']')
	}
	for m := 1; m < int(t.tape[0].next); m = t.after(m) {
		if t.str(m) == "@context" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, t.raw(m)...), ':')
		out = appendCompact(out, t.raw(m+1))
	}
	return append(out, '}'), nil
}

// contextEntries returns the entries of an @context that are not the standard's
// own, compact.
func contextEntries(t *tokenizer, n int) ([]string, *Fault) {
	var out []string
	add := func(v int) *Fault {
		if t.tape[v].kind == jsonString && standardContext(t.str(v)) {
			return nil
		}
		if len(out) >= maxContexts {
			return t.fault(TooLarge, n, fmt.Sprintf("more than %d context entries", maxContexts))
		}
		out = append(out, string(appendCompact(nil, t.raw(v))))
		return nil
	}
	if t.tape[n].kind != jsonArray {
		return out, add(n)
	}
	for v := n + 1; v < int(t.tape[n].next); v = int(t.tape[v].next) {
		if f := add(v); f != nil {
			return nil, f
		}
	}
	return out, nil
}
