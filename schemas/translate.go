package schemas

import "slices"

// IdentifierForm is how identifiers of an event are written for a reader (EPCIS
// 2.0, 12.6: GS1-EPC-Format).
type IdentifierForm uint8

// Forms of identifiers.
const (
	AsSubmitted IdentifierForm = iota
	AsDigitalLink
	AsURN
)

// identifierPaths are the members of events that are read as identifiers, below
// their top-level member. What extensions hold is their own affair; rawData,
// bizRules and the like are addresses that readers follow; an eventID, and what
// refers to it, names an event.
var identifierPaths = [fieldCount][][]string{ // only read
	fieldParentID:           {{}},
	fieldTransformationID:   {{}},
	fieldEPCList:            {{}},
	fieldChildEPCs:          {{}},
	fieldInputEPCList:       {{}},
	fieldOutputEPCList:      {{}},
	fieldQuantityList:       {{"epcClass"}},
	fieldChildQuantityList:  {{"epcClass"}},
	fieldInputQuantityList:  {{"epcClass"}},
	fieldOutputQuantityList: {{"epcClass"}},
	fieldReadPoint:          {{"id"}},
	fieldBizLocation:        {{"id"}},
	fieldBizTransactionList: {{"bizTransaction"}},
	fieldSourceList:         {{"source"}},
	fieldDestinationList:    {{"destination"}},
	fieldSensorElementList:  {{"sensorMetadata", "deviceID"}, {"sensorReport", "deviceID"}},
}

// writtenIdentifier is an identifier in a body.
type writtenIdentifier struct {
	token int
	id    Identifier
}

// Translate returns an event's body with its identifiers in a form, all else byte
// for byte as it is. What has that form stays, a Digital Link of any host, too, and
// so does what cannot have it: a URN that has no Digital Link, and a Digital Link
// that has no EPC URN or whose company prefix is unknown, because its digits do not
// tell where that ends. The event's own EPC URNs tell it of whatever else in it
// begins with the same prefix; of others registered, if it is not nil, answers how many
// digits the company prefix of a canonical identifier has, 0 where none is known. A body
// that is no strict JSON is refused with a *Fault.
func Translate(body []byte, to IdentifierForm, registered func(canonical string) int) ([]byte, error) {
	if to == AsSubmitted {
		return body, nil
	}
	t := tokenizer{text: string(body), depth: MaxDepth}
	if f := t.run(); f != nil {
		return nil, f
	}
	list, prefixes := t.identifiers(), map[string]bool{}
	for _, w := range list {
		if n := int(w.id.prefix); n > 0 {
			prefixes[w.id.company()[:n]] = true
		}
	}
	out, from := make([]byte, 0, len(body)+len(body)/4), 0
	for _, w := range list {
		text, k := w.id.canonical, t.tape[w.token]
		if isURN(t.str(w.token)) == (to == AsURN) {
			continue
		}
		if to == AsURN {
			if text = w.id.urnUnder(prefixes); text == "" && registered != nil {
				text, _ = w.id.URNOf(registered(w.id.canonical))
			}
			if text == "" {
				continue
			}
		}
		out = append(out, t.text[from:k.start-1]...)
		out, from = appendQuoted(out, text), int(k.end)+1
	}
	return append(out, t.text[from:]...), nil
}

// identifiers finds the identifiers of a body, in its order.
func (t *tokenizer) identifiers() (out []writtenIdentifier) {
	if t.tape[0].kind != jsonObject {
		return nil
	}
	for m := 1; m < int(t.tape[0].next); m = t.after(m) {
		k := fieldOf(t.str(m))
		if k == fieldCount {
			continue
		}
		from := len(out)
		for _, path := range identifierPaths[k] {
			out = t.identifiersAt(out, m+1, path)
		}
		slices.SortFunc(out[from:], func(a, b writtenIdentifier) int { return a.token - b.token })
	}
	return out
}

// identifiersAt appends those at a path below a value; lists are looked through.
func (t *tokenizer) identifiersAt(out []writtenIdentifier, n int, path []string) []writtenIdentifier {
	k := t.tape[n]
	switch {
	case k.kind == jsonArray:
		for v := n + 1; v < int(k.next); v = int(t.tape[v].next) {
			out = t.identifiersAt(out, v, path)
		}
	case k.kind == jsonObject && len(path) > 0:
		for m := n + 1; m < int(k.next); m = t.after(m) {
			if t.str(m) == path[0] {
				out = t.identifiersAt(out, m+1, path[1:])
			}
		}
	case k.kind == jsonString && len(path) == 0:
		if id, err := ParseIdentifier(t.str(n)); err == nil && epcOf(id.scheme) != nil {
			out = append(out, writtenIdentifier{n, id})
		}
	}
	return out
}

// company returns the characters that the company prefix begins, of an identifier
// that can be an EPC URN.
func (id Identifier) company() string {
	e := epcOf(id.scheme)
	value := id.canonical[len(canonicalStem)+len(e.ai)+1:]
	if k := keyOf(e.ai); k.lead || k.zero {
		value = value[1:]
	}
	return value
}

// urnUnder returns the EPC URN under the one of the company prefixes that fits, ""
// where none does. Company prefixes do not begin each other: where somebody broke
// that, none is believed.
func (id Identifier) urnUnder(prefixes map[string]bool) string {
	company, size := id.company(), 0
	for n := minPrefix; n <= min(maxPrefix, len(company)); n++ {
		if !prefixes[company[:n]] {
			continue
		}
		if size != 0 {
			return ""
		}
		size = n
	}
	urn, _ := id.URNOf(size)
	return urn
}
