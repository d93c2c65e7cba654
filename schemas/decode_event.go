package schemas

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Bounds of one event beside MaxBody and MaxDepth. They are consensus rules.
const (
	MaxEventItems = 20000 // EPCs and quantities of one event, all lists together
	maxEntries    = 1000  // entries of any other list that rules read, and of certificationInfo
)

// eventKeep is how deep the decoder looks: a sensor report's members are the
// deepest that the standard defines. What lies deeper belongs to extensions.
const eventKeep = 5

// DecodeEvent reads an event's body: compact JSON of one object, with the
// @context that its own names need. Every node decides by it, for every event,
// so that it is strict, total and a function of the bytes alone. Errors are
// Faults whose pointer is into the body.
func DecodeEvent(body []byte) (*Event, error) {
	return new(decoder).decode(body)
}

// decoder reads one event from its tape of tokens, and then, with the same memory,
// another.
type decoder struct {
	t     tokenizer
	p     prefixes
	e     *Event
	at    [fieldCount]int // token of each member's value; 0 where it is absent
	items int             // EPCs and quantities so far
	ids   []string        // canonical identifiers, as tokens know them
}

func (d *decoder) decode(body []byte) (*Event, error) {
	if len(body) > MaxBody {
		return nil, &Fault{Code: TooLarge, Detail: fmt.Sprintf("an event of %d bytes, %d are allowed", len(body), MaxBody)}
	}
	tape := d.t.tape[:0]
	if tape == nil {
		tape = make([]token, 0, 16+len(body)/10)
	}
	*d = decoder{e: &Event{Body: body}, ids: d.ids[:0], p: prefixes{list: d.p.list[:0]},
		t: tokenizer{text: string(body), compact: true, depth: MaxDepth, keep: eventKeep, tape: tape}}
	if f := d.t.run(); f != nil {
		return nil, f
	}
	if f := d.event(); f != nil {
		return nil, f
	}
	return d.e, nil
}

// fault names what is wrong with a token.
func (t *tokenizer) fault(c Code, n int, detail string) *Fault {
	return &Fault{Code: c, Pointer: t.pointer(n), Detail: detail}
}

func (d *decoder) bad(n int, wanted string) *Fault {
	v := d.t.tape[n].kind.String()
	if k := d.t.tape[n].kind; k == jsonString || k == jsonNumber {
		v += " " + quoteRaw(d.t.raw(n))
	}
	return d.t.fault(BadValue, n, "this must be "+wanted+", not "+v)
}

// quoteRaw shows a value as written, cut.
func quoteRaw(s string) string {
	if len(s) > 80 {
		q := quote(s)
		return q[1 : len(q)-1]
	}
	return s
}

// event reads the whole event: first what it is, then each part.
func (d *decoder) event() *Fault {
	if d.t.tape[0].kind != jsonObject {
		return d.bad(0, "an event: an object")
	}
	if f := d.members(); f != nil {
		return f
	}
	if f := d.kind(); f != nil {
		return f
	}
	if f := d.required(); f != nil {
		return f
	}
	if f := d.when(); f != nil {
		return f
	}
	if f := d.what(); f != nil {
		return f
	}
	if f := d.whereAndWhy(); f != nil {
		return f
	}
	return d.how()
}

// members lists the body's members, reads the context, and finds a place in the
// standard or a namespace for each name.
func (d *decoder) members() *Fault {
	t, count := &d.t, 0
	end := int(t.tape[0].next)
	for m := 1; m < end; m = t.after(m) {
		count++
	}
	d.e.Members = make([]Member, 0, count)
	var own [8]int
	extensions := own[:0]
	for m := 1; m < end; m = t.after(m) {
		name, v := t.str(m), t.tape[m+1]
		from, to := v.start, v.end
		if v.kind == jsonString {
			from, to = from-1, to+1
		}
		d.e.Members = append(d.e.Members, Member{Name: name, Value: d.e.Body[from:to:to]})
		if k := fieldOf(name); k != fieldCount {
			d.at[k] = m + 1
			continue
		}
		extensions = append(extensions, m)
	}
	if n := d.at[fieldContext]; n != 0 {
		if f := d.p.readContext(t, n); f != nil {
			return f
		}
	}
	for _, m := range extensions {
		if f := d.extension(m); f != nil {
			return f
		}
	}
	return d.e.checkAuthor()
}

// extension checks the name of a member that the standard does not define.
func (d *decoder) extension(m int) *Fault {
	name := d.t.str(m)
	switch colon, ok := d.p.owned(name); {
	case ok:
		return d.authored(m)
	case colon && len(name) > maxURI:
		return d.t.fault(BadContext, m, fmt.Sprintf("a name of %d bytes, %d are allowed: %s", len(name), maxURI, quote(name)))
	case colon:
		return d.t.fault(BadContext, m, "no inline @context defines the prefix of "+quote(name))
	}
	return d.t.fault(UnknownField, m, "the standard has no member "+quote(name)+" here, and it has no namespace")
}

// kind reads type and action, and refuses members that the type does not have.
func (d *decoder) kind() *Fault {
	s := &d.e.Skeleton
	n := d.at[fieldType]
	if n == 0 {
		return &Fault{Code: MissingField, Pointer: "/type", Detail: "an event needs a type"}
	}
	ok := d.t.tape[n].kind == jsonString
	if ok {
		s.Type, ok = ParseEventType(d.t.str(n))
	}
	if !ok {
		return d.bad(n, "one of the five event types, such as \"ObjectEvent\"")
	}
	allowed := fieldsOf(s.Type)
	for k, n := range d.at {
		if n != 0 && allowed&(1<<k) == 0 {
			return d.t.fault(UnknownField, n, s.Type.String()+" has no member "+quote(field(k).String()))
		}
	}
	if n = d.at[fieldAction]; n == 0 {
		return nil
	}
	if d.t.tape[n].kind == jsonString {
		if s.Action, ok = ParseAction(d.t.str(n)); ok {
			return nil
		}
	}
	return d.bad(n, "ADD, OBSERVE or DELETE")
}

// empty reports whether a member is absent, an empty list or an empty object.
func (d *decoder) empty(k field) bool {
	n := d.at[k]
	if n == 0 {
		return true
	}
	v := d.t.tape[n]
	return (v.kind == jsonArray || v.kind == jsonObject) && int(v.next) == n+1
}

// required checks what each type must have (EPCIS 2.0, 7.4).
func (d *decoder) required() *Fault {
	s := &d.e.Skeleton
	need := []field{fieldEventTime, fieldEventTimeZoneOffset, fieldAction}
	if s.Type == TransformationEvent {
		need = need[:2]
	}
	if s.Type == TransactionEvent {
		need = append(need, fieldBizTransactionList)
	}
	if absent := d.absent(need); len(absent) > 0 {
		return d.missing(absent[0], s.Type.String()+" needs "+joinFields(absent))
	}
	switch s.Type {
	case ObjectEvent:
		if s.Action != ActionAdd && !d.empty(fieldILMD) {
			return d.t.fault(UnknownField, d.at[fieldILMD], "only an ObjectEvent with action ADD, or a transformation, has ilmd")
		}
		if d.without(fieldEPCList, fieldQuantityList, fieldSensorElementList) {
			return d.missing(fieldEPCList, "ObjectEvent needs epcList, quantityList or sensorElementList")
		}
	case AggregationEvent, AssociationEvent:
		if s.Action != ActionObserve && d.empty(fieldParentID) {
			return d.missing(fieldParentID, s.Type.String()+" with action "+s.Action.String()+" needs parentID")
		}
		if s.Action != ActionDelete && d.without(fieldChildEPCs, fieldChildQuantityList) {
			return d.missing(fieldChildEPCs, s.Type.String()+" needs childEPCs or childQuantityList, but for DELETE, where none means all")
		}
	case TransactionEvent:
		if s.Action != ActionDelete && d.without(fieldEPCList, fieldQuantityList, fieldParentID, fieldSensorElementList) {
			return d.missing(fieldEPCList, "TransactionEvent needs epcList, quantityList or parentID, but for DELETE, where none means all")
		}
	case TransformationEvent:
		if d.without(fieldInputEPCList, fieldInputQuantityList, fieldOutputEPCList, fieldOutputQuantityList) {
			return d.missing(fieldInputEPCList, "TransformationEvent needs inputs or outputs, and both unless it has a transformationID")
		}
		if d.without(fieldInputEPCList, fieldInputQuantityList, fieldTransformationID) {
			return d.missing(fieldInputEPCList, "TransformationEvent needs inputs or a transformationID")
		}
		if d.without(fieldOutputEPCList, fieldOutputQuantityList, fieldTransformationID) {
			return d.missing(fieldOutputEPCList, "TransformationEvent needs outputs or a transformationID")
		}
	}
	return nil
}

// absent returns those of the members that are not there.
func (d *decoder) absent(fields []field) (out []field) {
	for _, k := range fields {
		if d.empty(k) {
			out = append(out, k)
		}
	}
	return out
}

func joinFields(fields []field) string {
	names := make([]string, len(fields))
	for i, k := range fields {
		names[i] = k.String()
	}
	return strings.Join(names, " and ")
}

// without reports whether none of the members is there.
func (d *decoder) without(fields ...field) bool {
	for _, k := range fields {
		if !d.empty(k) {
			return false
		}
	}
	return true
}

func (d *decoder) missing(k field, detail string) *Fault {
	return &Fault{Code: MissingField, Pointer: "/" + k.String(), Detail: detail}
}

// when reads times, the event's identity and its error declaration.
func (d *decoder) when() (f *Fault) {
	s := &d.e.Skeleton
	if s.EventTime, f = d.time(d.at[fieldEventTime]); f != nil {
		return f
	}
	n := d.at[fieldEventTimeZoneOffset]
	if d.t.tape[n].kind != jsonString {
		return d.bad(n, "an offset such as \"+01:00\"")
	}
	if _, ok := parseOffset(d.t.str(n)); !ok {
		return d.t.fault(BadTime, n, "no offset between -14:00 and +14:00: "+quote(d.t.str(n)))
	}
	if n := d.at[fieldRecordTime]; n != 0 { // the ledger's own counts, but this must be a time
		if _, f = d.time(n); f != nil {
			return f
		}
	}
	if n := d.at[fieldEventID]; n != 0 {
		if s.EventID, f = d.uri(n); f != nil {
			return f
		}
	}
	if n := d.at[fieldErrorDeclaration]; n != 0 {
		return d.declaration(n)
	}
	return nil
}

func (d *decoder) declaration(n int) *Fault {
	t, c, timed := &d.t, &Declaration{}, false
	f := d.object(n, func(name string, v int) (known bool, f *Fault) {
		switch name {
		case "declarationTime":
			timed = true
			c.Time, f = d.time(v)
		case "reason":
			c.Reason, f = d.term(&errorReasons, v, true)
		case "correctiveEventIDs":
			f = d.list(v, maxEntries, func(v int) *Fault {
				id, f := d.uri(v)
				c.Corrections = append(c.Corrections, id)
				return f
			})
		default:
			return false, nil
		}
		return true, f
	})
	if f == nil && !timed {
		f = &Fault{Code: MissingField, Pointer: t.pointer(n) + "/declarationTime", Detail: "an error declaration needs declarationTime"}
	}
	d.e.Skeleton.Declaration = c
	return f
}

// object visits the members of an object: what visit does not know must have a
// namespace.
func (d *decoder) object(n int, visit func(name string, v int) (known bool, f *Fault)) *Fault {
	t := &d.t
	if t.tape[n].kind != jsonObject {
		return d.bad(n, "an object")
	}
	for m := n + 1; m < int(t.tape[n].next); m = t.after(m) {
		known, f := visit(t.str(m), m+1)
		if f == nil && !known {
			f = d.extension(m)
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// list visits the values of an array.
func (d *decoder) list(n, most int, visit func(v int) *Fault) *Fault {
	t := &d.t
	if t.tape[n].kind != jsonArray {
		return d.bad(n, "an array")
	}
	count := 0
	for v := n + 1; v < int(t.tape[n].next); v = int(t.tape[v].next) {
		if count++; count > most {
			return t.fault(TooLarge, n, fmt.Sprintf("more than %d entries", most))
		}
		if f := visit(v); f != nil {
			return f
		}
	}
	return nil
}

func (d *decoder) time(n int) (int64, *Fault) {
	if d.t.tape[n].kind != jsonString {
		return 0, d.bad(n, "a time, as a string")
	}
	v, ok := parseTime(d.t.str(n))
	if !ok {
		return 0, d.t.fault(BadTime, n, "no time as YYYY-MM-DDThh:mm:ss, at most nine decimals that are not zero and a zone, of a year from 1678 to 2261: "+quote(d.t.str(n)))
	}
	return v, nil
}

// uri reads a URI that names something but no thing: an event, a document.
func (d *decoder) uri(n int) (string, *Fault) {
	if d.t.tape[n].kind != jsonString {
		return "", d.bad(n, "a URI")
	}
	s := d.t.str(n)
	if !isURI(s) {
		return "", d.t.fault(BadIdentifier, n, "no URI: "+quote(s))
	}
	return s, nil
}

func (d *decoder) term(v *vocabulary, n int, strict bool) (string, *Fault) {
	if d.t.tape[n].kind != jsonString {
		return "", d.bad(n, "a "+v.what)
	}
	s, f := v.term(d.t.str(n), &d.p, strict)
	if f != nil {
		f.Pointer = d.t.pointer(n)
	}
	return s, f
}

// identifier reads an identifier and brings it to its canonical form.
func (d *decoder) identifier(n int) (string, Scheme, *Fault) {
	if d.t.tape[n].kind != jsonString {
		return "", 0, d.bad(n, "an identifier: a URI")
	}
	s := d.t.str(n)
	if len(s) > maxURI {
		return "", 0, d.t.fault(BadIdentifier, n, fmt.Sprintf("an identifier of %d bytes, %d are allowed: %s", len(s), maxURI, quote(s)))
	}
	if !strings.HasPrefix(s, "http") && !strings.HasPrefix(s, "urn:") {
		s, _ = d.p.expand(s)
	}
	id, scheme, err := Canonical(s)
	if err == nil {
		d.note(n, id)
		return id, scheme, nil
	}
	var f *Fault
	if errors.As(err, &f) {
		return "", 0, d.t.fault(f.Code, n, f.Detail)
	}
	return "", 0, d.t.fault(BadIdentifier, n, quote(s)+": "+err.Error())
}

// note remembers the canonical form of an identifier that is no compact IRI.
func (d *decoder) note(n int, id string) {
	s := d.t.str(n)
	if d.ids == nil {
		d.ids = make([]string, 0, 8)
	}
	if whole, _ := d.p.expand(s); whole == s && len(d.ids) < math.MaxUint16 {
		d.ids = append(d.ids, id)
		d.t.tape[n].known = uint16(len(d.ids))
	}
}

// instance reads the identifier of one thing, not of a class of things.
func (d *decoder) instance(n int) (string, *Fault) {
	id, scheme, f := d.identifier(n)
	if f == nil && scheme.Class() {
		f = d.t.fault(BadIdentifier, n, "a class or lot where one thing must be named (quantity lists have classes): "+quote(d.t.str(n)))
	}
	return id, f
}

// place reads the identifier of a location: any thing may be one, as the ship that
// something is on (EPCIS 2.0, 7.3.5).
func (d *decoder) place(n int) (string, *Fault) {
	id, scheme, f := d.identifier(n)
	if f == nil && scheme.Class() {
		f = d.t.fault(BadIdentifier, n, "a class or lot where a location must be named: "+quote(d.t.str(n)))
	}
	return id, f
}
