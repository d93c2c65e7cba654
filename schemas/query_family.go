package schemas

import (
	"math/big"
	"strings"
)

// sensor reads the parameters of sensor data that have fixed names.
func (r *queryReader) sensor(p *Parameter) (known bool, f *Fault) {
	if p.Name == "EXISTS_sensorElementList" {
		return true, r.existing(p, func() { r.own(Condition{In: InEvent, Names: []string{"sensorElementList"}, Op: Exists}) })
	}
	op, name, ok := cutOp(p.Name)
	if !ok {
		return false, nil
	}
	c := Condition{Op: op, In: InSensors, Names: []string{name}}
	switch name {
	case "time", "startTime", "endTime":
		if op != GreaterOrEqual && op != Less {
			return false, nil
		}
		return true, r.times(p, c)
	case "percRank":
		c.In = InSensorReport
		return true, r.numbers(p, c)
	case "persistentDisposition_set", "persistentDisposition_unset":
		c.In, c.form = InDispositions, asDisposition
		_, c.Names[0], _ = strings.Cut(name, "_")
		return op == Equal, r.texts(p, c, r.term(&dispositions))
	}
	if op != Equal {
		return false, nil
	}
	switch name {
	case "type":
		c.In, c.form = InSensorReport, asMeasurement
		return true, r.texts(p, c, r.term(&measurements))
	case "deviceID", "dataProcessingMethod", "bizRules":
		c.form = asIdentifier
		return true, r.texts(p, c, r.link)
	case "microorganism", "chemicalSubstance", "uriValue":
		c.In, c.form = InSensorReport, asIdentifier
		return true, r.texts(p, c, r.link)
	case "stringValue":
		c.In = InSensorReport
		return true, r.texts(p, c, func(s string) (string, *Fault) { return s, nil })
	case "hexBinaryValue":
		c.In, c.form = InSensorReport, asHex
		return true, r.texts(p, c, func(s string) (string, *Fault) { return strings.ToUpper(s), nil })
	case "booleanValue":
		c.In = InSensorReport
		return true, r.texts(p, c, func(s string) (string, *Fault) {
			if s != "true" && s != "false" {
				return "", &Fault{Code: BadParameter, Detail: "it is true or false"}
			}
			return s, nil
		})
	}
	return false, nil
}

// link reads a URI that is compared in any form that it has.
func (r *queryReader) link(s string) (string, *Fault) {
	if !strings.HasPrefix(s, "http") && !strings.HasPrefix(s, "urn:") {
		s, _ = r.p.expand(s)
	}
	if !isURI(s) {
		return "", &Fault{Code: BadParameter, Detail: "no URI"}
	}
	return sameForm(s, r.p), nil
}

// own adds a condition on a member of the standard.
func (r *queryReader) own(c Condition) {
	c.own = true
	r.q.Conditions = append(r.q.Conditions, c)
}

func (r *queryReader) texts(p *Parameter, c Condition, read func(string) (string, *Fault)) *Fault {
	var values []string
	if f := listed(p, &values, read); f != nil {
		return f
	}
	for _, v := range values {
		c.Values = append(c.Values, Operand{Text: v})
	}
	r.own(c)
	return nil
}

func (r *queryReader) times(p *Parameter, c Condition) *Fault {
	v, f := single(p)
	if f != nil {
		return f
	}
	n, ok := parseTime(strings.Replace(v, " ", "+", 1))
	if !ok {
		return badParameter(p, "it is a time with a zone, like 2026-01-31T12:00:00.000Z, not "+quote(v))
	}
	c.Values = []Operand{{Time: n, Timed: true}}
	r.own(c)
	return nil
}

// rationals reads numbers: one, or of an equation several.
func rationals(p *Parameter, op Op) (out []*big.Rat, f *Fault) {
	if op != Equal {
		if _, f := single(p); f != nil {
			return nil, f
		}
	}
	for _, v := range p.Values {
		n, ok := rational(v.Text)
		if !ok || v.Kind == BooleanValue {
			return nil, badParameter(p, "it is a number, not "+quote(v.Text))
		}
		out = append(out, n)
	}
	return out, nil
}

func (r *queryReader) numbers(p *Parameter, c Condition) *Fault {
	values, f := rationals(p, c.Op)
	if f != nil {
		return f
	}
	for _, v := range values {
		c.Values = append(c.Values, Operand{Number: v, Numeric: true})
	}
	r.own(c)
	return nil
}

// cutOp splits off the comparison that a parameter's name begins with.
func cutOp(name string) (op Op, rest string, ok bool) {
	head, rest, ok := strings.Cut(name, "_")
	if !ok || rest == "" {
		return 0, "", false
	}
	switch head {
	case "EXISTS":
		op = Exists
	case "EQ":
		op = Equal
	case "GT":
		op = Greater
	case "GE":
		op = GreaterOrEqual
	case "LT":
		op = Less
	case "LE":
		op = LessOrEqual
	default:
		return 0, "", false
	}
	return op, rest, true
}

// family reads the parameters whose names have parts of the request's own.
func (r *queryReader) family(p *Parameter) *Fault {
	if field, ok := strings.CutPrefix(p.Name, "HASATTR_"); ok {
		return r.attribute(p, field, "")
	}
	rest, ok := strings.CutPrefix(p.Name, "EQ_ATTR_")
	if !ok {
		rest, ok = strings.CutPrefix(p.Name, "EQATTR_")
	}
	if ok {
		return r.attributeOf(p, rest)
	}
	op, rest, ok := cutOp(p.Name)
	if !ok {
		return unknownParameter(p)
	}
	if op == Equal {
		if known, f := r.related(p, rest); known {
			return f
		}
	}
	if op != Exists {
		if known, f := r.measured(p, op, rest); known {
			return f
		}
	}
	return r.extended(p, op, rest)
}

func unknownParameter(p *Parameter) *Fault {
	return &Fault{Code: BadParameter, Detail: noSuchParameter + clipName(p.Name)}
}

// related reads what names parties and papers of a type.
func (r *queryReader) related(p *Parameter, rest string) (known bool, f *Fault) {
	kind, name, ok := strings.Cut(rest, "_")
	if !ok || name == "" {
		return false, nil
	}
	switch kind {
	case "bizTransaction":
		c := Condition{In: InTransactions, Op: Equal, Names: []string{"bizTransaction"}, form: asIdentifier}
		if c.Type, f = transactionTypes.term(name, r.p, false); f != nil {
			return true, badParameter(p, f.Detail)
		}
		return true, r.texts(p, c, r.link)
	case "source", "destination":
		w := Parties{Destination: kind == "destination"}
		if w.Type, f = partyTypes.term(name, r.p, false); f != nil {
			return true, badParameter(p, f.Detail)
		}
		f = listed(p, &w.IDs, r.identifier)
		r.q.Parties = append(r.q.Parties, w)
		return true, f
	}
	return false, nil
}

// measured reads comparisons of quantities and of what sensors report.
func (r *queryReader) measured(p *Parameter, op Op, rest string) (known bool, f *Fault) {
	name, uom, unit := strings.Cut(rest, "_")
	switch name {
	case "quantity":
	case "value", "minValue", "maxValue", "meanValue", "sDev", "percValue":
		if !unit {
			return true, &Fault{Code: BadParameter, Detail: noSuchParameter + clipName(p.Name) + " (a unit follows, as in EQ_value_CEL)"}
		}
	default:
		return false, nil
	}
	if unit && !unitCode(uom) {
		return true, badParameter(p, "no unit code of UN/ECE Recommendation 20: "+quote(uom))
	}
	values, f := rationals(p, op)
	if f != nil {
		return true, f
	}
	if name == "quantity" {
		r.q.Amounts = append(r.q.Amounts, Amount{Op: op, Values: values, UOM: uom})
		return true, nil
	}
	c := Condition{In: InSensorReport, Op: op, Names: []string{name}, UOM: uom, spread: name == "sDev"}
	for _, v := range values {
		c.Values = append(c.Values, Operand{Number: v, Numeric: true})
	}
	r.own(c)
	return true, nil
}

func unitCode(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && (s[i] < 'A' || s[i] > 'Z') {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 4
}

// extensionPlaces are the places of extensions, by what stands before their name.
var extensionPlaces = [...]struct {
	infix string
	in    Place
}{
	{"ILMD_", InILMD}, {"ERROR_DECLARATION_", InDeclaration}, {"SENSORELEMENT_", InSensorElement}, {"SENSORMETADATA_", InSensorMetadata},
	{"SENSORREPORT_", InSensorReport}, {"readPoint_", InReadPoint}, {"bizLocation_", InBizLocation},
}

// extended reads comparisons of extensions.
func (r *queryReader) extended(p *Parameter, op Op, rest string) *Fault {
	c := Condition{Op: op}
	rest, c.Inner = strings.CutPrefix(rest, "INNER_")
	for _, e := range extensionPlaces {
		if name, ok := strings.CutPrefix(rest, e.infix); ok {
			rest, c.In = name, e.in
			break
		}
	}
	if strings.IndexByte(rest, ':') <= 0 {
		return unknownParameter(p)
	}
	var f *Fault
	if c.Names, f = r.extension(rest); f != nil {
		return f
	}
	if op == Exists {
		return r.existing(p, func() { r.q.Conditions = append(r.q.Conditions, c) })
	}
	if op != Equal {
		if _, f := single(p); f != nil {
			return f
		}
	}
	for _, v := range p.Values {
		o := operand(v)
		if op != Equal && o.Number == nil && !o.Timed {
			return badParameter(p, "it is a number, or a time with a zone, not "+quote(v.Text))
		}
		c.Values = append(c.Values, o)
	}
	r.q.Conditions = append(r.q.Conditions, c)
	return nil
}

// operand reads a value as all that it can be.
func operand(v ParameterValue) Operand {
	o := Operand{Text: v.Text, Numeric: v.Kind == NumberValue}
	if n, ok := rational(v.Text); ok && v.Kind != BooleanValue {
		o.Number = n
	}
	if n, ok := parseTime(strings.Replace(v.Text, " ", "+", 1)); ok {
		o.Time, o.Timed = n, true
	}
	return o
}

// extension resolves the name of an extension. JSON joins namespace and name, and XML
// keeps them apart, so that a namespace matches with and without what separates them.
func (r *queryReader) extension(name string) ([]string, *Fault) {
	full, defined := r.p.expand(name)
	if !defined {
		prefix, _, _ := strings.Cut(name, ":")
		return nil, &Fault{Code: BadParameter, Detail: "nothing defines the prefix " + quote(prefix) + " of " + clipName(name) +
			": send the header GS1-Extensions: " + clipName(prefix) + "=NAMESPACE, in a stored query an @context, or write the whole URI"}
	}
	if !isURI(full) {
		return nil, &Fault{Code: BadParameter, Detail: "no name of an extension: " + clipName(name)}
	}
	at := strings.LastIndexAny(full, "#/:")
	space, local := full[:at], full[at+1:]
	if prefix, rest, _ := strings.Cut(name, ":"); full != name && strings.HasSuffix(full, rest) && prefix != "" {
		space, local = strings.TrimRight(full[:len(full)-len(rest)], "#/:"), rest
	}
	if local == "" {
		return nil, &Fault{Code: BadParameter, Detail: "no name of an extension: " + clipName(name)}
	}
	out := []string{full}
	for _, between := range []string{"", "#", "/", ":"} {
		if form := space + between + local; form != full {
			out = append(out, form)
		}
	}
	return out, nil
}
