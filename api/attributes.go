package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// What a query demands of master data is asked of what this node keeps, and becomes a
// demand on identifiers, which the ledger answers (EPCIS 2.0, 8.2.7.1: WD_, HASATTR_
// and EQ_ATTR_).

const vocabularyType = "urn:epcglobal:epcis:vtype:"

// vocabulariesOf are those that a field's value is of (EPCIS 2.0, 7.2); documents have
// places also as mere locations, and parties as parties (CBV 2.0, 10).
var vocabulariesOf = map[string][]string{ // only read
	"readPoint":             {vocabularyType + "ReadPoint", vocabularyType + "Location"},
	"bizLocation":           {vocabularyType + "BusinessLocation", vocabularyType + "Location"},
	"bizStep":               {vocabularyType + "BusinessStep"},
	"disposition":           {vocabularyType + "Disposition"},
	"persistentDisposition": {vocabularyType + "Disposition"},
	"epcClass":              {vocabularyType + "EPCClass"},
	"bizTransaction":        {vocabularyType + "BusinessTransaction"},
	"source":                {vocabularyType + "SourceDest", vocabularyType + "Party", vocabularyType + "Location"},
	"destination":           {vocabularyType + "SourceDest", vocabularyType + "Party", vocabularyType + "Location"},
}

// Bounds of what one query reads of master data.
const (
	attributeBytes = 32 << 20
	attributeStep  = 1 << 20
)

// readQuery reads parameters with what master data tells of them.
func (g *Gateway) readQuery(list []schemas.Parameter, ns *schemas.Namespaces) (*schemas.EventQuery, error) {
	list = slices.Clone(list)
	for i := range list {
		field, ok := strings.CutPrefix(list[i].Name, "WD_")
		if !ok {
			continue
		}
		var err error
		if list[i].Values, err = g.descendants(vocabulariesOf[field], list[i].Values); err != nil {
			return nil, err
		}
	}
	q, err := schemas.ReadQuery(list, ns)
	if err != nil {
		return nil, err
	}
	return q, g.resolveAttributes(q)
}

// descendants adds to places those inside of them: a place's children are all its
// descendants or, as some have it, the nearest.
func (g *Gateway) descendants(vocabularies []string, values []schemas.ParameterValue) ([]schemas.ParameterValue, error) {
	out, seen := slices.Clone(values), map[string]bool{}
	for _, v := range values {
		seen[elementID(v.Text)] = true
	}
	for i := 0; i < len(out) && len(out) <= schemas.MaxAlternatives; i++ { // more are refused
		for _, vocabulary := range vocabularies {
			found, _, err := g.local.Elements(vocabulary, elementID(out[i].Text), nil, 1, attributeStep)
			if err != nil {
				return nil, err
			}
			for _, e := range found {
				for _, child := range detailsOf(e).Children {
					if child = elementID(child); !seen[child] {
						seen[child] = true
						out = append(out, schemas.ParameterValue{Text: child})
					}
				}
			}
		}
	}
	return out, nil
}

// details is what an element says.
type details struct {
	Attributes []struct {
		ID    string          `json:"id"`
		Value json.RawMessage `json:"attribute"`
	} `json:"attributes"`
	Children []string `json:"children"`
}

// detailsOf reads an element; one of another form says nothing that can be asked for.
func detailsOf(e *local.Element) (out details) {
	if json.Unmarshal(e.Element, &out) != nil {
		return details{}
	}
	return out
}

// resolveAttributes turns demands on attributes into identifiers.
func (g *Gateway) resolveAttributes(q *schemas.EventQuery) error {
	for _, a := range q.Attributes {
		vocabularies := vocabulariesOf[a.Field]
		if vocabularies == nil {
			vocabularies = []string{""} // any: the standard has no vocabulary of things, and says none of extensions
		}
		var ids []string
		for _, vocabulary := range vocabularies {
			some, err := g.having(vocabulary, a)
			if err != nil {
				return err
			}
			ids = append(ids, some...)
		}
		slices.Sort(ids)
		q.Resolve(a, slices.Compact(ids))
	}
	q.Attributes = nil
	return nil
}

// having are the things of a vocabulary that have an attribute.
func (g *Gateway) having(vocabulary string, a schemas.Attribute) (ids []string, err error) {
	var after *local.Element
	for read, more := 0, true; more; {
		var list []*local.Element
		if list, more, err = g.local.Elements(vocabulary, "", after, maxPage, attributeStep); err != nil {
			return nil, err
		}
		for _, e := range list {
			if read += len(e.Element); detailsOf(e).meet(a) {
				ids = append(ids, e.ID)
			}
			after = e
		}
		if read > attributeBytes || len(ids) > schemas.MaxAlternatives {
			return nil, fault(schemas.QueryTooComplex, fmt.Sprintf("more than %d things have this attribute of %s, or more than %d bytes of master data would be read: give EQ_%s", schemas.MaxAlternatives, a.Field, attributeBytes, a.Field))
		}
	}
	return ids, nil
}

// meet reports whether an attribute is there as demanded.
func (d details) meet(a schemas.Attribute) bool {
	for _, has := range d.Attributes {
		if has.Value == nil || string(has.Value) == "null" {
			continue
		}
		named := func(name string) bool { return attributeName(name) == attributeName(has.ID) }
		if a.Name == "" {
			if slices.ContainsFunc(a.Values, named) {
				return true
			}
			continue
		}
		text := string(has.Value)
		if err := json.Unmarshal(has.Value, &text); err != nil {
			text = string(has.Value)
		}
		if named(a.Name) && slices.Contains(a.Values, text) {
			return true
		}
	}
	return false
}

// attributeName is the one form of an attribute of the CBV, whose namespace JSON has
// as a prefix and others end with # or a colon.
func attributeName(s string) string {
	const namespace = "urn:epcglobal:cbv:mda"
	if rest, ok := strings.CutPrefix(s, "cbvmda:"); ok {
		return namespace + "#" + rest
	}
	if rest, ok := strings.CutPrefix(s, namespace+":"); ok {
		return namespace + "#" + rest
	}
	return s
}
