package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a query.
const (
	MaxAlternatives = 500  // values of one parameter
	maxParameters   = 256  // of one query
	maxWanted       = 2000 // values of all parameters together
)

// Parameter is one parameter of the simple event query, as a request has it.
type Parameter struct {
	Name   string
	Values []ParameterValue
	List   bool // it was given as a list, even of one
}

// ParameterValue is a value of a parameter: its text, and what JSON said that it is.
type ParameterValue struct {
	Text string
	Kind ParameterKind
}

// ParameterKind is what JSON said that a value is.
type ParameterKind uint8

// Kinds of values. In a query string all is text.
const (
	TextValue ParameterKind = iota
	NumberValue
	BooleanValue
	NullValue
)

// Namespaces are prefixes that a request defines for the names and URIs in it. Those
// that the standard defines need no definition. The zero value has none.
type Namespaces struct{ p prefixes }

// Define defines a prefix. Errors are Faults.
func (n *Namespaces) Define(prefix, uri string) error {
	switch {
	case prefix == "" || strings.ContainsAny(prefix, ": ") || webScheme(prefix):
		return &Fault{Code: BadContext, Detail: "no prefix can be " + quote(prefix)}
	case !isURI(uri):
		return &Fault{Code: BadContext, Detail: "a prefix stands for a URI, not for " + quote(uri)}
	}
	if n.p.define(prefix, uri); len(n.p.list) > MaxPrefixes {
		return &Fault{Code: TooLarge, Detail: "a request defines at most 64 prefixes"}
	}
	return nil
}

// Expand resolves the prefix that a name or URI begins with, if there is one that is
// defined, or that the standard defines.
func (n *Namespaces) Expand(s string) string {
	full, _ := n.p.expand(s)
	return full
}

// ReadContext reads prefixes from the value of an @context member. Contexts are never
// fetched. Errors are Faults.
func (n *Namespaces) ReadContext(context []byte) error {
	t := tokenizer{text: string(context), depth: MaxDepth}
	if f := t.run(); f != nil {
		return f
	}
	if f := n.p.readContext(&t, 0); f != nil {
		return f
	}
	return nil
}

// ReadQuery makes a query of parameters (EPCIS 2.0, 8.2.7.1.1), each given once.
// What concerns pages is not among them. Errors are Faults: bad_parameter for one that
// is not known, or whose value cannot be, query_too_complex beyond the bounds. The
// pointer names the parameter.
func ReadQuery(parameters []Parameter, ns *Namespaces) (*EventQuery, error) {
	r := queryReader{q: &EventQuery{}, p: &ns.p}
	if len(parameters) > maxParameters {
		return nil, &Fault{Code: QueryTooComplex, Detail: fmt.Sprintf("a query has at most %d parameters", maxParameters)}
	}
	wanted := 0
	for i := range parameters {
		if wanted += len(parameters[i].Values); wanted > maxWanted {
			return nil, &Fault{Code: QueryTooComplex, Detail: fmt.Sprintf("the parameters of a query have at most %d values together", maxWanted)}
		}
		if f := r.parameter(&parameters[i]); f != nil {
			f.Pointer = "/" + escapePointer(parameters[i].Name)
			return nil, f
		}
	}
	if f := r.finish(); f != nil {
		return nil, f
	}
	return r.q, nil
}

// queryReader reads one parameter after the other.
type queryReader struct {
	q *EventQuery
	p *prefixes

	ordered       bool
	places        [2][]string // of WD_readPoint and WD_bizLocation
	within        [2]bool     // whether they were given
	limit, ceiled bool
}

const noSuchParameter = "no such parameter: "

func badParameter(p *Parameter, detail string) *Fault {
	return &Fault{Code: BadParameter, Detail: clipName(p.Name) + ": " + detail}
}

func clipName(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// parameter reads one with a fixed name, or else one of a family.
func (r *queryReader) parameter(p *Parameter) *Fault {
	if p.List && len(p.Values) == 0 {
		return r.known(p) // an empty list asks for nothing
	}
	if f := checkValues(p); f != nil {
		return f
	}
	q := r.q
	switch p.Name {
	case "eventType":
		return listed(p, &q.EventTypes, r.eventType)
	case "EQ_action":
		return listed(p, &q.Actions, func(s string) (Action, *Fault) {
			a, ok := ParseAction(s)
			if !ok {
				return a, &Fault{Code: BadParameter, Detail: "no such action"}
			}
			return a, nil
		})
	case "EQ_bizStep":
		return listed(p, &q.BizSteps, r.term(&bizSteps))
	case "EQ_disposition":
		return listed(p, &q.Dispositions, r.term(&dispositions))
	case "EQ_readPoint":
		return listed(p, &q.ReadPoints, r.identifier)
	case "EQ_bizLocation":
		return listed(p, &q.BizLocations, r.identifier)
	case "WD_readPoint":
		r.within[0] = true
		return listed(p, &r.places[0], r.identifier)
	case "WD_bizLocation":
		r.within[1] = true
		return listed(p, &r.places[1], r.identifier)
	case "EQ_transformationID":
		return listed(p, &q.TransformationIDs, r.identifier)
	case "EQ_eventID":
		return listed(p, &q.EventIDs, r.name)
	case "EQ_correctiveEventID":
		return listed(p, &q.Corrections, r.name)
	case "EQ_errorReason":
		return listed(p, &q.Reasons, r.term(&errorReasons))
	case "EXISTS_errorDeclaration":
		return r.existing(p, func() { q.Declared = true })
	}
	if to := r.timed(p.Name); to != nil {
		return r.moment(p, to)
	}
	if role := roleOf(p.Name); role != 0 {
		return r.things(p, role)
	}
	if known, f := r.ordering(p); known {
		return f
	}
	if known, f := r.sensor(p); known {
		return f
	}
	return r.family(p)
}

// known refuses a parameter that there is not, by reading it with a value.
func (r *queryReader) known(p *Parameter) *Fault {
	trial := queryReader{q: &EventQuery{}, p: r.p}
	f := trial.parameter(&Parameter{Name: p.Name, Values: []ParameterValue{{Text: "x:x"}}})
	if f != nil && strings.HasPrefix(f.Detail, noSuchParameter) {
		return f
	}
	return nil
}

// checkValues checks what holds for every parameter.
func checkValues(p *Parameter) *Fault {
	exists := strings.HasPrefix(p.Name, "EXISTS_")
	switch {
	case len(p.Name) > MaxIdentifier:
		return badParameter(p, "the name is too long")
	case len(p.Values) == 0 && !exists:
		return badParameter(p, "it has no value")
	case len(p.Values) > MaxAlternatives:
		return badParameter(p, fmt.Sprintf("more than %d alternatives", MaxAlternatives))
	}
	for _, v := range p.Values {
		switch {
		case exists:
		case v.Kind == NullValue:
			return badParameter(p, "a value is null")
		case v.Text == "":
			return badParameter(p, "it has no value, or an empty alternative")
		}
	}
	return nil
}

// roleOf is where a MATCH parameter looks, 0 for what is none.
func roleOf(name string) Role {
	switch name {
	case "MATCH_epc":
		return RoleEPC
	case "MATCH_parentID":
		return RoleParent
	case "MATCH_inputEPC":
		return RoleInput
	case "MATCH_outputEPC":
		return RoleOutput
	case "MATCH_anyEPC":
		return RoleAny
	case "MATCH_epcClass":
		return RoleClass
	case "MATCH_inputEPCClass":
		return RoleInputClass
	case "MATCH_outputEPCClass":
		return RoleOutputClass
	case "MATCH_anyEPCClass":
		return RoleAnyClass
	}
	return 0
}

// timed is where the bound of a time goes, nil for what is none.
func (r *queryReader) timed(name string) **time.Time {
	switch name {
	case "GE_eventTime":
		return &r.q.GEEventTime
	case "LT_eventTime":
		return &r.q.LTEventTime
	case "GE_recordTime":
		return &r.q.GERecordTime
	case "LT_recordTime":
		return &r.q.LTRecordTime
	case "GE_errorDeclarationTime", "GE_errorDeclaration_Time":
		return &r.q.GEDeclared
	case "LT_errorDeclarationTime", "LT_errorDeclaration_Time":
		return &r.q.LTDeclared
	}
	return nil
}

// ordering reads what concerns order and number of the answer.
func (r *queryReader) ordering(p *Parameter) (known bool, f *Fault) {
	switch p.Name {
	case "orderBy":
		return true, r.orderBy(p)
	case "orderDirection":
		v, f := single(p)
		switch v {
		case "ASC":
			r.q.Ascending = true
		case "DESC":
		default:
			if f == nil {
				f = badParameter(p, "it is ASC or DESC, not "+quote(v))
			}
		}
		return true, f
	case "eventCountLimit":
		r.limit = true
		return true, count(p, &r.q.CountLimit)
	case "maxEventCount":
		r.ceiled = true
		return true, count(p, &r.q.MaxCount)
	}
	return false, nil
}

func (r *queryReader) orderBy(p *Parameter) *Fault {
	r.ordered = true
	v, f := single(p)
	switch {
	case f != nil:
		return f
	case v == "eventTime":
	case v == "recordTime":
		r.q.OrderBy = ByRecordTime
	case strings.IndexByte(v, ':') > 0:
		names, f := r.extension(v)
		if f != nil {
			return f
		}
		r.q.OrderBy, r.q.OrderFields = ByField, names
	default:
		return badParameter(p, "it is eventTime, recordTime or the qualified name of an extension, not "+quote(v))
	}
	return nil
}

// count reads a number of events.
func count(p *Parameter, to *int) *Fault {
	v, f := single(p)
	if f != nil {
		return f
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return badParameter(p, "it is a number from 1, not "+quote(v))
	}
	*to = n
	return nil
}

// finish checks what parameters say together.
func (r *queryReader) finish() *Fault {
	switch {
	case r.limit && r.ceiled:
		return &Fault{Code: BadParameter, Detail: "eventCountLimit and maxEventCount exclude each other"}
	case r.limit && !r.ordered:
		return &Fault{Code: BadParameter, Detail: "eventCountLimit needs orderBy, which tells what is first"}
	}
	// A place's descendants are among the values: who has master data added them.
	for i, to := range []*[]string{&r.q.ReadPoints, &r.q.BizLocations} {
		switch {
		case !r.within[i]:
		case *to == nil:
			*to = r.places[i]
		default:
			*to = slices.DeleteFunc(*to, func(id string) bool { return !slices.Contains(r.places[i], id) })
			r.q.Nothing = r.q.Nothing || len(*to) == 0
		}
	}
	return nil
}

// listed reads alternatives, each once.
func listed[T comparable](p *Parameter, to *[]T, read func(string) (T, *Fault)) *Fault {
	seen := make(map[T]bool, len(p.Values))
	for _, v := range p.Values {
		t, f := read(v.Text)
		if f != nil {
			return badParameter(p, quote(v.Text)+": "+f.Detail)
		}
		if !seen[t] {
			seen[t] = true
			*to = append(*to, t)
		}
	}
	return nil
}

func single(p *Parameter) (string, *Fault) {
	if len(p.Values) != 1 {
		return "", badParameter(p, "it has one value, not several")
	}
	return p.Values[0].Text, nil
}

// eventType reads the name of an event type, also as the URI of the standard's ontology.
func (r *queryReader) eventType(s string) (EventType, *Fault) {
	full, _ := r.p.expand(s)
	t, ok := ParseEventType(strings.TrimPrefix(full, standardPrefix("epcis")))
	if !ok && strings.IndexByte(s, ':') > 0 && isURI(s) {
		return ErasureOrder, nil // an extension's type, of which no event is: as orders are none
	}
	if !ok {
		return t, &Fault{Code: BadParameter, Detail: "no such event type"}
	}
	return t, nil
}

func (r *queryReader) term(v *vocabulary) func(string) (string, *Fault) {
	return func(s string) (string, *Fault) { return v.term(s, r.p, false) }
}

// identifier reads an identifier in any form.
func (r *queryReader) identifier(s string) (string, *Fault) {
	if !strings.HasPrefix(s, "http") && !strings.HasPrefix(s, "urn:") {
		s, _ = r.p.expand(s)
	}
	id, _, err := Canonical(s)
	var f *Fault
	if errors.As(err, &f) {
		return "", f
	}
	return id, nil
}

// name reads a URI that names an event.
func (r *queryReader) name(s string) (string, *Fault) {
	if strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) >= 0 {
		return "", &Fault{Code: BadParameter, Detail: "no URI"}
	}
	return s, nil
}

// moment reads a time with its zone. A plus sign that was not percent-encoded
// arrives as a blank, and is meant.
func (r *queryReader) moment(p *Parameter, to **time.Time) *Fault {
	v, f := single(p)
	if f != nil {
		return f
	}
	n, ok := parseTime(strings.Replace(v, " ", "+", 1))
	if !ok {
		return badParameter(p, "it is a time with a zone, like 2026-01-31T12:00:00.000Z, not "+quote(v))
	}
	t := time.Unix(0, n).UTC()
	*to = &t
	return nil
}

// existing reads an EXISTS parameter, whose type is void in the standard and an integer
// or null in its schema: any of these asks, and so does true; false and 0 do not.
func (r *queryReader) existing(p *Parameter, ask func()) *Fault {
	if len(p.Values) > 1 {
		return badParameter(p, "it has one value, not several")
	}
	if len(p.Values) == 1 {
		switch v := p.Values[0]; {
		case v.Kind == NullValue:
		case v.Text == "false", v.Text == "0":
			return nil
		case v.Text == "", v.Text == "true", v.Text == "null":
		default:
			if _, err := strconv.Atoi(v.Text); err != nil {
				return badParameter(p, "it is true, or has no value, not "+quote(v.Text))
			}
		}
	}
	ask()
	return nil
}

// things reads identifiers, classes and patterns.
func (r *queryReader) things(p *Parameter, role Role) *Fault {
	w := Things{In: role}
	for _, v := range p.Values {
		patterns, is, flaw := parsePattern(v.Text)
		if flaw != noFlaw {
			return badParameter(p, faultText(flaw.fault(v.Text)))
		}
		if is {
			w.Patterns = append(w.Patterns, patterns...)
			continue
		}
		id, f := r.identifier(v.Text)
		if f != nil {
			return badParameter(p, f.Detail)
		}
		if !slices.Contains(w.IDs, id) {
			w.IDs = append(w.IDs, id)
		}
		if role&RoleAny != 0 {
			if _, scheme, _ := Canonical(id); scheme.Class() {
				if all, ok := within(id, scheme); ok {
					w.Patterns = append(w.Patterns, all)
				}
			}
		}
	}
	r.q.Things = append(r.q.Things, w)
	return nil
}

func faultText(err error) string {
	var f *Fault
	if errors.As(err, &f) {
		return f.Detail
	}
	return err.Error()
}
