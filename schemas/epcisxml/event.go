package epcisxml

import (
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// conversion makes one event, or one header, JSON.
type conversion struct {
	prefixes prefixes
	fault    *schemas.Fault // the first
}

func (c *conversion) refuse(code schemas.Code, line int, detail string) {
	if c.fault == nil {
		c.fault = &schemas.Fault{Code: code, Line: line, Detail: detail}
	}
}

// part makes the value of one element of the standard.
type part func(c *conversion, e *element) value

// event makes the JSON of an event's element.
func (c *conversion) event(e *element) value {
	out := value{kind: '{', line: e.line}
	kind := e.name.local
	if kind == "QuantityEvent" {
		return c.quantityEvent(e)
	}
	out.add("type", text(kind, e.line))
	c.members(&out, e, eventParts, documentAttributes)
	return c.finished(out)
}

// documentAttributes are those of an event that is a document by itself.
var documentAttributes = map[string]part{"schemaVersion": nil, "creationDate": nil}

// finished puts the prefixes that an event uses before its other members.
func (c *conversion) finished(out value) value {
	c.few(out.line)
	if context := c.prefixes.context(); len(context.list) > 0 {
		context.line = out.line
		out.list, out.at = append([]member{{"@context", context}}, out.list...), nil
	}
	return out
}

// quantityEvent is the event of EPCIS 1.0 about a class. Since 1.1 it is an
// ObjectEvent that observes a quantityList (EPCIS 1.1, 7.4.4).
func (c *conversion) quantityEvent(e *element) value {
	quantity := value{kind: '{', line: e.line}
	rest := *e
	rest.children = nil
	for _, child := range e.children {
		if p := quantityParts[child.name.local]; p != nil && child.name.standard() {
			quantity.add(child.name.local, p(c, child))
			continue
		}
		rest.children = append(rest.children, child)
	}
	out := value{kind: '{', line: e.line}
	out.add("type", text("ObjectEvent", e.line))
	out.add("action", text("OBSERVE", e.line))
	out.add("quantityList", value{kind: '[', line: e.line, list: []member{{"", quantity}}})
	c.members(&out, &rest, eventParts, documentAttributes)
	return c.finished(out)
}

var eventParts = map[string]part{
	"eventTime":             timePart,
	"recordTime":            timePart,
	"eventTimeZoneOffset":   textPart,
	"eventID":               textPart,
	"errorDeclaration":      objectPart(declarationParts),
	"certificationInfo":     textPart,
	"action":                textPart,
	"bizStep":               termPart(schemas.BizSteps),
	"disposition":           termPart(schemas.Dispositions),
	"persistentDisposition": persistentDisposition,
	"readPoint":             objectPart(placeParts),
	"bizLocation":           objectPart(placeParts),
	"bizTransactionList":    listPart("bizTransaction", typedPart("bizTransaction", schemas.TransactionTypes)),
	"sourceList":            listPart("source", typedPart("source", schemas.PartyTypes)),
	"destinationList":       listPart("destination", typedPart("destination", schemas.PartyTypes)),
	"sensorElementList":     listPart("sensorElement", sensorElement),
	"parentID":              textPart,
	"epcList":               listPart("epc", textPart),
	"quantityList":          listPart("quantityElement", quantityElement),
	"childEPCs":             listPart("epc", textPart),
	"childQuantityList":     listPart("quantityElement", quantityElement),
	"inputEPCList":          listPart("epc", textPart),
	"inputQuantityList":     listPart("quantityElement", quantityElement),
	"outputEPCList":         listPart("epc", textPart),
	"outputQuantityList":    listPart("quantityElement", quantityElement),
	"transformationID":      textPart,
	"ilmd":                  objectPart(nil),
}

var (
	declarationParts = map[string]part{
		"declarationTime":    timePart,
		"reason":             termPart(schemas.ErrorReasons),
		"correctiveEventIDs": listPart("correctiveEventID", textPart),
	}
	placeParts    = map[string]part{"id": textPart}
	quantityParts = map[string]part{"epcClass": textPart, "quantity": numberPart, "uom": textPart}

	metadataAttributes = map[string]part{
		"time": timePart, "startTime": timePart, "endTime": timePart, "deviceID": textPart, "deviceMetadata": textPart,
		"rawData": textPart, "bizRules": textPart, "dataProcessingMethod": textPart,
	}
	reportAttributes = map[string]part{
		"type": termPart(schemas.Measurements), "exception": termPart(schemas.SensorAlerts), "component": termPart(schemas.Components),
		"value": numberPart, "minValue": numberPart, "maxValue": numberPart, "meanValue": numberPart, "sDev": numberPart,
		"percRank": numberPart, "percValue": numberPart, "booleanValue": booleanPart, "stringValue": verbatimPart,
		"hexBinaryValue": textPart, "uriValue": textPart, "uom": textPart, "time": timePart, "deviceID": textPart,
		"deviceMetadata": textPart, "rawData": textPart, "dataProcessingMethod": textPart, "bizRules": textPart,
		"microorganism": textPart, "chemicalSubstance": textPart, "coordinateReferenceSystem": textPart,
	}
)

// repeats reports whether a part may be repeated where JSON has one array.
func repeats(name string) bool { return name == "certificationInfo" }

// members adds to an object what an element's attributes and children say: those
// of the standard by their parts, others as extensions. What has no place in the
// standard stays under its bare name, for which the event is refused.
func (c *conversion) members(out *value, e *element, parts, attrs map[string]part) {
	for _, a := range e.attrs {
		if ignored(a.name) {
			continue
		}
		if p, known := attrs[a.local]; known && a.space == "" {
			if p != nil {
				out.add(a.local, p(c, &element{text: []byte(a.value), line: e.line}))
			}
			continue
		}
		c.extend(out, c.name(a.name), c.text(a.value, e.line))
	}
	for _, child := range e.children {
		local := child.name.local
		switch {
		case !child.name.standard():
			c.extend(out, c.memberName(child), c.extension(child))
		case parts[local] != nil:
			v := parts[local](c, child)
			switch {
			case v.kind == 0: // said to be absent
			case repeats(local):
				c.extend(out, local, v)
			default:
				out.add(local, v)
			}
		case local == "extension" || local == "baseExtension":
			c.members(out, child, parts, nil)
		default:
			out.add(local, c.extension(child))
		}
	}
}

// ignored are attributes that say nothing of an event: those of XML and of XML
// schema, and our own, which are read where they count.
func ignored(n name) bool { return n.space == spaceXML || n.space == spaceXSI || n.space == spaceJSON }

// extend adds a member that may be repeated: then it is an array.
func (c *conversion) extend(out *value, name string, v value) {
	at, ok := out.find(name)
	if !ok {
		out.add(name, v)
		return
	}
	if at.kind != '[' {
		*at = value{kind: '[', line: at.line, list: []member{{"", *at}}}
	}
	at.list = append(at.list, member{"", v})
}

// leaf checks that an element holds text alone.
func (c *conversion) leaf(e *element) string {
	if len(e.children) > 0 {
		c.refuse(schemas.BadValue, e.children[0].line, "element "+quote(e.children[0].name.local)+" inside "+quote(e.name.local)+", which is text")
	}
	for _, a := range e.attrs {
		if !ignored(a.name) {
			c.refuse(schemas.UnknownField, e.line, "element "+quote(e.name.local)+" has no attribute "+quote(a.local))
		}
	}
	return strings.Trim(string(e.text), " \t\r\n")
}

// blank checks that an element holds no text of its own.
func (c *conversion) blank(e *element) {
	if s := strings.Trim(string(e.text), " \t\r\n"); s != "" {
		c.refuse(schemas.BadValue, e.line, "text inside "+quote(e.name.local)+", which has elements only: "+quote(s))
	}
}

func textPart(c *conversion, e *element) value { return text(c.leaf(e), e.line) }

func verbatimPart(c *conversion, e *element) value { return text(string(e.text), e.line) }

// timePart reads a time. Some writers leave the seconds out (ISO 8601 allows it,
// xsd:dateTime does not): they are zero.
func timePart(c *conversion, e *element) value {
	s := c.leaf(e)
	const minutes = len("2006-01-02T15:04")
	if len(s) > minutes && s[10] == 'T' && s[13] == ':' && strings.IndexByte("Z+-", s[minutes]) >= 0 {
		s = s[:minutes] + ":00" + s[minutes:]
	}
	return text(s, e.line)
}

func termPart(v schemas.Vocabulary) part {
	return func(c *conversion, e *element) value {
		s := c.leaf(e)
		if w, ok := v.Word(s); ok {
			return text(w, e.line)
		}
		return c.text(s, e.line)
	}
}

func numberPart(c *conversion, e *element) value {
	s := c.leaf(e)
	if s == "" && e.attr(spaceXSI, "nil") != "" {
		return value{}
	}
	if n, ok := number(s); ok {
		return literal(n, e.line)
	}
	return text(s, e.line) // for which the event is refused
}

func booleanPart(c *conversion, e *element) value {
	switch s := c.leaf(e); s {
	case "true", "1":
		return literal("true", e.line)
	case "false", "0":
		return literal("false", e.line)
	default:
		return text(s, e.line)
	}
}

// number brings an xsd:decimal or xsd:double to the form of JSON, its digits kept.
func number(s string) (string, bool) {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i:]
		if d := strings.TrimLeft(exponent[1:], "+-"); !digits(d) || len(exponent)-1-len(d) > 1 {
			return "", false
		}
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	if !negative {
		mantissa = strings.TrimPrefix(mantissa, "+")
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole+fraction == "" || whole != "" && !digits(whole) || fraction != "" && !digits(fraction) {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if point && fraction != "" {
		whole += "." + fraction
	}
	if negative {
		whole = "-" + whole
	}
	return whole + exponent, true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func objectPart(parts map[string]part) part {
	return func(c *conversion, e *element) value {
		c.blank(e)
		out := value{kind: '{', line: e.line}
		c.members(&out, e, parts, nil)
		return out
	}
}

// quantityElement reads a quantity. A unit follows one, which may be nil (the schema's
// QuantityElementType): a unit alone is the unit of nothing.
func quantityElement(c *conversion, e *element) value {
	has := map[string]bool{}
	for _, child := range e.children {
		has[child.name.local] = true
	}
	if has["uom"] && !has["quantity"] {
		c.refuse(schemas.MissingField, e.line, `a uom without a quantity: leave the uom out, or write <quantity xsi:nil="true"/> before it`)
	}
	return objectPart(quantityParts)(c, e)
}

// listPart reads a list. An empty one counts as absent: older versions must write
// it where 2.0 leaves it out.
func listPart(item string, p part) part {
	return func(c *conversion, e *element) value {
		c.blank(e)
		out := value{kind: '[', line: e.line}
		c.items(&out, e, item, p)
		if len(out.list) == 0 {
			return value{}
		}
		return out
	}
}

func (c *conversion) items(out *value, e *element, item string, p part) {
	for _, child := range e.children {
		switch {
		case child.name.standard() && child.name.local == item:
			out.add("", p(c, child))
		case child.name.standard() && child.name.local == "extension":
			c.items(out, child, item, p)
		default:
			c.refuse(schemas.UnknownField, child.line, "list "+quote(e.name.local)+" has no element "+quote(child.name.local)+", only "+item)
		}
	}
}

// typedPart reads an entry that is an identifier with a type.
func typedPart(role string, v schemas.Vocabulary) part {
	attrs := map[string]part{"type": termPart(v)}
	return func(c *conversion, e *element) value {
		out := value{kind: '{', line: e.line}
		c.members(&out, e, nil, attrs)
		out.add(role, text(strings.Trim(string(e.text), " \t\r\n"), e.line))
		return out
	}
}

func persistentDisposition(c *conversion, e *element) value {
	c.blank(e)
	out, rest := value{kind: '{', line: e.line}, *e
	rest.children = nil
	for _, child := range e.children {
		local := child.name.local
		if !child.name.standard() || local != "set" && local != "unset" {
			rest.children = append(rest.children, child)
			continue
		}
		if _, ok := out.find(local); !ok {
			out.add(local, value{kind: '[', line: child.line})
		}
		at, _ := out.find(local)
		at.add("", termPart(schemas.Dispositions)(c, child))
	}
	c.members(&out, &rest, nil, nil)
	return out
}

func sensorElement(c *conversion, e *element) value {
	c.blank(e)
	out, reports, rest := value{kind: '{', line: e.line}, value{kind: '[', line: e.line}, *e
	rest.children = nil
	for _, child := range e.children {
		switch {
		case !child.name.standard():
			rest.children = append(rest.children, child)
		case child.name.local == "sensorReport":
			reports.add("", c.attributes(child, reportAttributes))
		case child.name.local == "sensorMetadata":
			out.add("sensorMetadata", c.attributes(child, metadataAttributes))
		default:
			rest.children = append(rest.children, child)
		}
	}
	if len(reports.list) > 0 {
		out.add("sensorReport", reports)
	}
	c.members(&out, &rest, nil, nil)
	return out
}

// attributes reads an element whose values are attributes.
func (c *conversion) attributes(e *element, attrs map[string]part) value {
	c.blank(e)
	out := value{kind: '{', line: e.line}
	c.members(&out, e, nil, attrs)
	return out
}
