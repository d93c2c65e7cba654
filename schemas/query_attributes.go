package schemas

import (
	"slices"
	"strings"
)

// Attribute demands that the master data of what a field names has an attribute, and
// where it is named, with one of the values. Whoever has master data turns it into
// identifiers by Resolve before the ledger is asked; nothing else has any, and
// nothing matches.
type Attribute struct {
	Field  string // a field of the standard, or the expanded name of an extension
	Name   string // "" where any of the values names the attribute
	Values []string
	forms  []string // of the name of an extension
}

// attributeFields are the standard's fields whose values can have master data: those
// of a vocabulary type (EPCIS 2.0, 7.2), and things, of which the CBV has some as well.
var attributeFields = map[string]bool{ // only read
	"readPoint": true, "bizLocation": true, "bizStep": true, "disposition": true, "persistentDisposition": true, "epcClass": true,
	"bizTransaction": true, "source": true, "destination": true, "transformationID": true,
	"parentID": true, "epcList": true, "childEPCs": true, "inputEPCList": true, "outputEPCList": true,
}

// attributeOf reads the names of a field and an attribute of its master data, which
// an underscore separates; either may hold others.
func (r *queryReader) attributeOf(p *Parameter, rest string) *Fault {
	field, name, ok := strings.Cut(rest, "_")
	if strings.IndexByte(field, ':') > 0 { // an extension, whose namespace may hold underscores
		if at := strings.LastIndexByte(rest, '_'); at > 0 && strings.Contains(rest[:at], ":") && !strings.Contains(rest[at:], ":") {
			field, name = rest[:at], rest[at+1:]
		}
	}
	if !ok || name == "" {
		return badParameter(p, "its name is EQ_ATTR_FIELD_ATTRIBUTE")
	}
	return r.attribute(p, field, name)
}

func (r *queryReader) attribute(p *Parameter, field, name string) *Fault {
	a := Attribute{Field: field, Name: name}
	switch {
	case field == "":
		return unknownParameter(p)
	case attributeFields[field]:
	case strings.IndexByte(field, ':') <= 0:
		return badParameter(p, "no field with master data: "+quote(field))
	default:
		names, f := r.extension(field)
		if f != nil {
			return f
		}
		a.Field, a.forms = names[0], names
	}
	if a.Name != "" && strings.IndexByte(a.Name, ':') > 0 {
		if full, defined := r.p.expand(a.Name); defined {
			a.Name = full
		}
	}
	for _, v := range p.Values {
		text := v.Text
		if a.Name == "" {
			if full, defined := r.p.expand(text); defined {
				text = full
			}
		}
		a.Values = append(a.Values, text)
	}
	r.q.Attributes = append(r.q.Attributes, a)
	return nil
}

// Resolve turns a demand on master data into one on the identifiers, canonical, or
// vocabulary, in any form, that meet it.
func (q *EventQuery) Resolve(a Attribute, ids []string) {
	if len(ids) == 0 {
		q.Nothing = true
		return
	}
	switch a.Field {
	case "readPoint":
		q.restrict(&q.ReadPoints, ids)
	case "bizLocation":
		q.restrict(&q.BizLocations, ids)
	case "bizStep":
		q.restrict(&q.BizSteps, terms(&bizSteps, ids))
	case "disposition":
		q.restrict(&q.Dispositions, terms(&dispositions, ids))
	case "transformationID":
		q.restrict(&q.TransformationIDs, ids)
	case "persistentDisposition":
		q.among(Condition{In: InDispositions, Names: []string{"set", "unset"}, form: asDisposition, own: true}, terms(&dispositions, ids))
	case "bizTransaction":
		q.among(Condition{In: InTransactions, Names: []string{"bizTransaction"}, form: asIdentifier, own: true}, ids)
	case "source", "destination":
		q.Parties = append(q.Parties, Parties{Destination: a.Field == "destination", IDs: ids})
	case "epcClass":
		q.Things = append(q.Things, Things{In: RoleAnyClass, IDs: ids})
	case "parentID":
		q.Things = append(q.Things, Things{In: RoleParent, IDs: ids})
	case "epcList", "childEPCs":
		q.Things = append(q.Things, Things{In: RoleEPC, IDs: ids})
	case "inputEPCList":
		q.Things = append(q.Things, Things{In: RoleInput, IDs: ids})
	case "outputEPCList":
		q.Things = append(q.Things, Things{In: RoleOutput, IDs: ids})
	default:
		q.among(Condition{In: InEvent, Names: a.forms, form: asIdentifier}, ids)
	}
}

// restrict leaves of the alternatives those that are among others; none restrict not.
func (q *EventQuery) restrict(to *[]string, ids []string) {
	if *to == nil {
		*to = ids
	} else {
		*to = slices.DeleteFunc(slices.Clone(*to), func(id string) bool { return !slices.Contains(ids, id) })
	}
	q.Nothing = q.Nothing || len(*to) == 0
}

// among adds a condition that one of the values is met.
func (q *EventQuery) among(c Condition, values []string) {
	c.Op = Equal
	for _, v := range values {
		c.Values = append(c.Values, Operand{Text: v})
	}
	q.Nothing = q.Nothing || len(values) == 0
	q.Conditions = append(q.Conditions, c)
}

// terms are vocabulary in the form that events have; what is none names none.
func terms(v *vocabulary, ids []string) (out []string) {
	for _, id := range ids {
		if t, f := v.term(id, nil, false); f == nil {
			out = append(out, t)
		}
	}
	return out
}
