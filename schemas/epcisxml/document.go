package epcisxml

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Document is what a document says.
type Document struct {
	// Events, each decoded or refused. Pointers are those of the same document as
	// JSON; faults have the line of the XML.
	Events []schemas.DocumentEvent
	// MasterData is the JSON of the header's, or of a master data document: the
	// value of epcisMasterData (EPCIS 2.0, 10.4), nil for none.
	MasterData []byte
	// Version is that of its schema: "2.0", "1.2".
	Version string
}

// IsXML reports whether a text begins as XML does, and as no JSON can.
func IsXML(text []byte) bool {
	s := strings.TrimLeft(strings.TrimPrefix(string(text[:min(len(text), 512)]), "\uFEFF"), " \t\r\n")
	return strings.HasPrefix(s, "<")
}

// Decode reads an EPCISDocument, EPCISQueryDocument or EPCISMasterDataDocument, or
// an event by itself. The error, a *schemas.Fault, is of the document as a whole.
func Decode(text []byte, maxEvents int) (*Document, error) {
	if len(text) > schemas.MaxDocument {
		return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("a document of %d bytes, %d are allowed", len(text), schemas.MaxDocument)}
	}
	s, f := newScanner(text)
	if f != nil {
		return nil, f
	}
	d := &reader{s: s, most: maxEvents}
	if f := d.document(); f != nil {
		return nil, f
	}
	return &d.out, nil
}

// DecodeSingle reads one event.
func DecodeSingle(text []byte) (*schemas.Event, error) {
	if len(text) > maxElement {
		return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("%d bytes for one event", len(text))}
	}
	s, f := newScanner(text)
	if f != nil {
		return nil, f
	}
	root, f := s.next()
	if f != nil {
		return nil, f
	}
	if !root.name.standard() || !isEvent(root.name.local) {
		return nil, &schemas.Fault{Code: schemas.BadDocument, Line: root.line, Detail: "an event's element is expected, this is " + quote(root.name.local)}
	}
	d := &reader{s: s, most: 1}
	if f := d.event(root, ""); f != nil {
		return nil, f
	}
	if _, f := s.next(); f != nil {
		return nil, f
	}
	if e := d.out.Events[0]; e.Fault != nil {
		return nil, e.Fault
	}
	return d.out.Events[0].Event, nil
}

// isEvent reports whether an element is an event.
func isEvent(local string) bool {
	_, ok := schemas.ParseEventType(local)
	return ok || local == "QuantityEvent"
}

// reader reads a document, one event at a time.
type reader struct {
	s     *scanner
	most  int
	out   Document
	bytes int // of bodies
}

func bad(line int, detail string) *schemas.Fault {
	return &schemas.Fault{Code: schemas.BadDocument, Line: line, Detail: detail}
}

func (d *reader) document() *schemas.Fault {
	root, f := d.s.next()
	if f != nil {
		return f
	}
	list := "/epcisBody/eventList"
	switch local := root.name.local; {
	case root.name.standard() && isEvent(local):
		if f := d.event(root, ""); f != nil {
			return f
		}
	case root.name.standard() && local == "extension": // in which EPCIS 1.2 has later types of events
		if f := d.events(list); f != nil {
			return f
		}
	case root.name.standard() && local == "EPCISQueryDocument":
		list = "/epcisBody/queryResults/resultsBody/eventList"
		fallthrough
	case root.name.standard() && (local == "EPCISDocument" || local == "EPCISMasterDataDocument"):
		if f := d.surroundings(root); f != nil {
			return f
		}
		events := false
		if f := d.inside(list, &events); f != nil {
			return f
		}
		if !events && d.out.MasterData == nil {
			return bad(root.line, "the document has no EventList")
		}
	default:
		return bad(root.line, "neither an EPCIS document nor an event: "+quote(local))
	}
	_, f = d.s.next()
	return f
}

// surroundings checks version and date.
func (d *reader) surroundings(root token) *schemas.Fault {
	version, date := "", ""
	for _, a := range root.attrs {
		switch {
		case a.space != "":
		case a.local == "schemaVersion":
			version = a.value
		case a.local == "creationDate":
			date = strings.TrimSpace(a.value)
		}
	}
	major, _, _ := strings.Cut(version, ".")
	capture, old := root.name.local == "EPCISDocument", major == "1"
	switch {
	case !capture:
		old = strings.HasSuffix(root.name.space, ":1")
	case root.name.space == "":
		return bad(root.line, "EPCISDocument needs the namespace urn:epcglobal:epcis:xsd:2, or :1 for EPCIS 1.2")
	case !old && major != "2":
		return bad(root.line, "schemaVersion must be 2.0 or 1.2, this is "+quote(version))
	}
	if d.out.Version = "2.0"; old {
		d.out.Version = "1.2"
	}
	if date == "" && !capture {
		return nil
	}
	if date == "" {
		return bad(root.line, "a document needs creationDate, a time")
	}
	_, err := time.Parse(time.RFC3339, date)
	if _, bare := time.Parse("2006-01-02T15:04:05", date); err != nil && !(old && bare == nil) {
		return bad(root.line, "creationDate is no time with a zone: "+quote(date))
	}
	return nil
}

// inside reads what is in an element that surrounds events, to its end.
func (d *reader) inside(list string, events *bool) *schemas.Fault {
	for {
		t, f := d.s.next()
		if f != nil {
			return f
		}
		switch t.kind {
		case 'e':
			return nil
		case 't':
			if s := strings.TrimSpace(t.text); s != "" {
				return bad(t.line, "text between elements: "+quote(s))
			}
			continue
		}
		local := t.name.local
		switch {
		case !t.name.standard(), local == "queryName", local == "subscriptionID":
			f = d.pass()
		case local == "EventList":
			*events = true
			f = d.events(list)
		case local == "EPCISHeader" || local == "VocabularyList":
			f = d.header(t)
		case local == "EPCISBody" || local == "QueryResults" || local == "resultsBody" || local == "extension":
			f = d.inside(list, events)
		case strings.HasSuffix(local, "Event"):
			return bad(t.line, quote(local)+" stands outside an EventList")
		default:
			return bad(t.line, "this is read for events and master data, not for "+quote(local))
		}
		if f != nil {
			return f
		}
	}
}

// pass reads over an element.
func (d *reader) pass() *schemas.Fault {
	for depth := 1; depth > 0; {
		t, f := d.s.next()
		if f != nil {
			return f
		}
		switch t.kind {
		case 's':
			depth++
		case 'e':
			depth--
		}
	}
	return nil
}

// events reads an EventList, or the extension in it that versions 1.1 and 1.2 have
// for later types of events.
func (d *reader) events(list string) *schemas.Fault {
	for {
		t, f := d.s.next()
		if f != nil {
			return f
		}
		switch {
		case t.kind == 'e':
			return nil
		case t.kind == 't':
			if s := strings.TrimSpace(t.text); s != "" {
				return bad(t.line, "text between events: "+quote(s))
			}
		case t.name.standard() && t.name.local == "extension":
			f = d.events(list)
		case len(d.out.Events) == d.most:
			return &schemas.Fault{Code: schemas.TooLarge, Line: t.line, Pointer: list, Detail: fmt.Sprintf("more than %d events at once", d.most)}
		default:
			f = d.event(t, list)
		}
		if f != nil {
			return f
		}
	}
}

// event reads one event. A fault is the document's; the event's own stands in its
// place.
func (d *reader) event(start token, list string) *schemas.Fault {
	pointer := ""
	if list != "" {
		pointer = list + "/" + strconv.Itoa(len(d.out.Events))
	}
	c := &conversion{prefixes: prefixes{curies: map[string]string{}}}
	e, over, f := d.s.tree(start, c.prefixes.curies)
	if f != nil {
		return f
	}
	event, f := c.decode(e, over)
	if f != nil {
		f.Pointer = pointer + f.Pointer
	} else if d.bytes += len(event.Body); d.bytes > 2*schemas.MaxDocument {
		return &schemas.Fault{Code: schemas.TooLarge, Line: start.line, Pointer: pointer, Detail: fmt.Sprintf("as JSON, the events take more than %d bytes", 2*schemas.MaxDocument)}
	}
	d.out.Events = append(d.out.Events, schemas.DocumentEvent{Event: event, Fault: f, Pointer: pointer})
	return nil
}

// decode makes an event of its element.
func (c *conversion) decode(e *element, over *schemas.Fault) (*schemas.Event, *schemas.Fault) {
	if over != nil {
		return nil, over
	}
	if !e.name.standard() || !isEvent(e.name.local) {
		return nil, &schemas.Fault{Code: schemas.BadValue, Line: e.line, Detail: "no event of EPCIS: element " + quote(e.name.local)}
	}
	v := c.event(e)
	if c.fault != nil {
		return nil, c.fault
	}
	event, err := schemas.DecodeToSign(v.appendTo(nil))
	var f *schemas.Fault
	if errors.As(err, &f) {
		f.Line = v.lineOf(f.Pointer)
		return nil, f
	}
	return event, nil
}

// header reads an EPCISHeader, or the VocabularyList of a master data document.
func (d *reader) header(start token) *schemas.Fault {
	e, over, f := d.s.tree(start, nil)
	if f != nil {
		return f
	}
	if over != nil {
		return over
	}
	v, f := masterData(e)
	if f != nil || v == nil {
		return f
	}
	if d.out.MasterData != nil {
		return bad(start.line, "master data twice in one document")
	}
	d.out.MasterData = v.appendTo(nil)
	return nil
}
