package epcisxml

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// Form says how events are written.
type Form struct {
	Old bool // as EPCIS 1.2 has them, not 2.0
	Web bool // vocabulary as web URIs, not URNs
	// Kept leaves vocabulary that is a URI as it was written. A bare word, which XML
	// has none of, is a URN, which is the form that it had if it was captured as XML.
	Kept bool
}

// AppendEvent writes the element of an event, given as the JSON that a decoder has
// accepted, to out. In a document of EPCIS 1.2 it belongs into an EventList as well.
func AppendEvent(out, body []byte, form Form) ([]byte, error) {
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	w := &writer{form: form, names: newNames(&v)}
	kind := ""
	if t, ok := v.find("type"); ok {
		kind = t.text
	}
	layout, ok := layouts(form.Old)[kind]
	if !ok {
		return nil, errJSON
	}
	w.layout(&v, layout)
	w.extensions(&v, eventParts, "@context", "type")
	open := strings.Count(layout, wrapper)
	out = append(out, strings.Repeat("<extension>", open)...)
	out = append(append(out, '<'), kind...)
	for _, b := range w.names.used {
		out = appendAttribute(out, "xmlns:"+b.prefix, b.space)
	}
	out = append(append(out, '>'), w.out...)
	out = append(append(append(out, "</"...), kind...), '>')
	return append(out, strings.Repeat("</extension>", open)...), nil
}

// wrapper in a layout says that the event stands in an extension of the EventList.
const wrapper = "^"

// Layouts give the order of an event's elements, as the schemas have it: a name
// with ! is written though it is empty, < opens a wrapper and > closes it.
func layouts(old bool) map[string]string {
	if old {
		return oldLayouts
	}
	return newLayouts
}

const (
	newHead = "eventTime recordTime eventTimeZoneOffset eventID errorDeclaration certificationInfo "
	oldHead = "eventTime recordTime eventTimeZoneOffset <baseExtension eventID errorDeclaration > "
	where   = "action bizStep disposition readPoint bizLocation "
	parties = "sourceList destinationList "
	newTail = "sensorElementList persistentDisposition "
	oldTail = "<extension sensorElementList persistentDisposition certificationInfo > "
	inOut   = "inputEPCList inputQuantityList outputEPCList outputQuantityList transformationID bizStep disposition readPoint bizLocation bizTransactionList "
)

var newLayouts = map[string]string{
	"ObjectEvent":         newHead + "epcList " + where + "bizTransactionList quantityList " + parties + newTail + "ilmd",
	"AggregationEvent":    newHead + "parentID childEPCs " + where + "bizTransactionList childQuantityList " + parties + newTail,
	"TransactionEvent":    newHead + "bizTransactionList parentID epcList " + where + "quantityList " + parties + newTail,
	"TransformationEvent": newHead + inOut + parties + newTail + "ilmd",
	"AssociationEvent":    newHead + "parentID childEPCs childQuantityList " + where + "bizTransactionList " + parties + newTail,
}

var oldLayouts = map[string]string{
	"ObjectEvent":         oldHead + "epcList! " + where + "bizTransactionList <extension quantityList " + parties + "ilmd " + oldTail + ">",
	"AggregationEvent":    oldHead + "parentID childEPCs! " + where + "bizTransactionList <extension childQuantityList " + parties + oldTail + ">",
	"TransactionEvent":    oldHead + "bizTransactionList parentID epcList! " + where + "<extension quantityList " + parties + oldTail + ">",
	"TransformationEvent": wrapper + " " + oldHead + inOut + parties + "ilmd " + oldTail,
	// What 1.2 does not know stands where its readers pass over it.
	"AssociationEvent": wrapper + " " + wrapper + " " + oldHead + "parentID childEPCs childQuantityList " + where + "bizTransactionList " + parties + oldTail,
}

// writer writes the content of one event.
type writer struct {
	out   []byte
	form  Form
	names *names
}

// layout writes the members of an event in the order of its schema.
func (w *writer) layout(v *value, layout string) {
	type group struct {
		name string
		from int // of what the group holds
	}
	var groups []group
	for step := range strings.FieldsSeq(layout) {
		switch {
		case step == wrapper:
		case step[0] == '<':
			w.out = append(append(w.out, step...), '>')
			groups = append(groups, group{step[1:], len(w.out)})
		case step == ">":
			g := groups[len(groups)-1]
			groups = groups[:len(groups)-1]
			if len(w.out) == g.from {
				w.out = w.out[:g.from-len(g.name)-2]
			} else {
				w.close(g.name)
			}
		default:
			name, always := strings.CutSuffix(step, "!")
			m, ok := v.find(name)
			if ok && !(m.kind == '[' && len(m.list) == 0) {
				w.standard(name, m)
			} else if always {
				w.out = append(append(append(w.out, '<'), name...), "/>"...)
			}
		}
	}
}

func (w *writer) open(name string, attrs ...string) {
	w.out = append(append(w.out, '<'), name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		w.out = appendAttribute(w.out, attrs[i], attrs[i+1])
	}
	w.out = append(w.out, '>')
}

func (w *writer) close(name string) { w.out = append(append(append(w.out, "</"...), name...), '>') }

// leaf writes an element of the standard that holds text.
func (w *writer) leaf(name, s string) {
	w.open(name)
	w.names.value(s)
	w.out = appendText(w.out, s)
	w.close(name)
}

// vocabularies of the standard's elements that hold one term.
var vocabularies = map[string]schemas.Vocabulary{
	"bizStep": schemas.BizSteps, "disposition": schemas.Dispositions, "set": schemas.Dispositions, "unset": schemas.Dispositions,
	"reason": schemas.ErrorReasons, "bizTransaction": schemas.TransactionTypes, "source": schemas.PartyTypes, "destination": schemas.PartyTypes,
}

// itemNames are the elements in the standard's lists.
var itemNames = map[string]string{
	"epcList": "epc", "childEPCs": "epc", "inputEPCList": "epc", "outputEPCList": "epc", "quantityList": "quantityElement",
	"childQuantityList": "quantityElement", "inputQuantityList": "quantityElement", "outputQuantityList": "quantityElement",
	"bizTransactionList": "bizTransaction", "sourceList": "source", "destinationList": "destination",
	"sensorElementList": "sensorElement", "correctiveEventIDs": "correctiveEventID",
}

// standard writes a member of the standard.
func (w *writer) standard(name string, v *value) {
	if item, ok := itemNames[name]; ok && v.kind == '[' {
		w.open(name)
		for i := range v.list {
			w.standard(item, &v.list[i].value)
		}
		w.close(name)
		return
	}
	switch {
	case v.kind == '[': // certificates, and dispositions that are set
		for i := range v.list {
			w.standard(name, &v.list[i].value)
		}
	case v.kind != '{':
		s := v.text
		if list, ok := vocabularies[name]; ok {
			s = w.term(list, s)
		}
		w.leaf(name, s)
	case name == "bizTransaction" || name == "source" || name == "destination":
		w.typed(name, v)
	case name == "sensorMetadata":
		w.attributes(name, v, metadataAttributes)
	case name == "sensorReport":
		w.attributes(name, v, reportAttributes)
	default:
		w.object(name, v)
	}
}

// objectOrder is the order of the elements in objects of the standard.
var objectOrder = []string{"id", "epcClass", "quantity", "uom", "declarationTime", "reason", "correctiveEventIDs", "unset", "set", "sensorMetadata", "sensorReport"}

var objectParts = func() map[string]part {
	out := map[string]part{}
	for _, name := range objectOrder {
		out[name] = textPart
	}
	return out
}()

func (w *writer) object(name string, v *value) {
	w.open(name)
	known := objectParts
	if name == "ilmd" {
		known = nil
	}
	_, unit := v.find("uom")
	for _, n := range objectOrder {
		if m, ok := v.find(n); ok && known != nil {
			w.standard(n, m)
		} else if n == "quantity" && unit && known != nil { // without one the schema has no unit
			w.open(n, w.names.of("xsi", spaceXSI)+":nil", "true")
			w.close(n)
		}
	}
	if name == "sensorElement" {
		w.extensions(v, known, "type")
	} else {
		w.extensions(v, known)
	}
	w.close(name)
}

// typed writes an entry that is an identifier with a type.
func (w *writer) typed(role string, v *value) {
	w.out = append(append(w.out, '<'), role...)
	if t, ok := v.find("type"); ok {
		w.out = appendAttribute(w.out, "type", w.term(vocabularies[role], t.text))
	}
	w.out = append(w.out, '>')
	if id, ok := v.find(role); ok {
		w.names.value(id.text)
		w.out = appendText(w.out, id.text)
	}
	w.extensions(v, nil, "type", role)
	w.close(role)
}

// reportTerms are the vocabularies of a sensor report's attributes.
var reportTerms = map[string]schemas.Vocabulary{"type": schemas.Measurements, "exception": schemas.SensorAlerts, "component": schemas.Components}

// attributes writes an object whose values are attributes: extensions too, where
// they are text.
func (w *writer) attributes(name string, v *value, known map[string]part) {
	w.out = append(append(w.out, '<'), name...)
	var rest value
	rest.kind = '{'
	for _, m := range v.list {
		s := m.text
		if list, ok := reportTerms[m.name]; ok && name == "sensorReport" {
			s = w.term(list, s)
		}
		n, ok := m.name, known[m.name] != nil && m.kind != '{' && m.kind != '['
		if !ok && m.kind == '"' && writable(s) {
			n, ok = w.names.attribute(m.name)
		}
		if !ok {
			rest.list = append(rest.list, m)
			continue
		}
		w.names.value(s)
		w.out = appendAttribute(w.out, n, s)
	}
	w.out = append(w.out, '>')
	w.extensions(&rest, nil)
	w.close(name)
}

// term writes a word as a URI; what is none stays.
func (w *writer) term(list schemas.Vocabulary, s string) string {
	word, ok := list.Word(s)
	switch {
	case !ok, w.form.Kept && strings.IndexByte(s, ':') >= 0:
		w.names.value(s)
		return s
	case w.form.Web:
		return list.WebURI(word)
	}
	return list.URN(word)
}
