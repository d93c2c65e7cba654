package schemas

import (
	"slices"
	"strings"
)

// An event's @context says what its prefixes mean. Contexts are never fetched:
// what the standard's own context defines is known here, what an event defines
// inline is read, and a prefix that only a remote context could define is
// refused, because two readers might resolve it differently.

// MaxPrefixes bounds the prefixes that one event defines.
const MaxPrefixes = 64

// standardPrefix returns what the context of EPCIS 2.0 says of a prefix.
func standardPrefix(name string) string {
	switch name {
	case "cbv":
		return cbvSpaces[0]
	case "cbvmda":
		return "urn:epcglobal:cbv:mda:"
	case "gs1":
		return gs1Space
	case "epcis":
		return "https://ref.gs1.org/epcis/"
	case "dcterms":
		return "http://purl.org/dc/terms/"
	case "owl":
		return "http://www.w3.org/2002/07/owl#"
	case "rdfs":
		return "http://www.w3.org/2000/01/rdf-schema#"
	case "xsd":
		return "http://www.w3.org/2001/XMLSchema#"
	}
	return ""
}

// standardContext reports whether a URL is one of those under which GS1
// publishes the context of EPCIS 2.0.
func standardContext(url string) bool {
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(url, "http://"); !ok {
			return false
		}
	}
	switch {
	case !strings.HasSuffix(rest, "/epcis-context.jsonld"):
		return false
	case strings.HasPrefix(rest, "ref.gs1.org/standards/epcis/"), strings.HasPrefix(rest, "gs1.github.io/EPCIS/"):
		return true
	}
	return false
}

// prefixes are those that an event defines inline. A nil *prefixes has none.
type prefixes struct {
	list []prefix
	last int // where the last one was found: names come in runs
}

type prefix struct{ name, iri string }

func (p *prefixes) find(name string) string {
	if p == nil || len(p.list) == 0 {
		return ""
	}
	if p.list[p.last].name == name {
		return p.list[p.last].iri
	}
	for i := range p.list {
		if p.list[i].name == name {
			p.last = i
			return p.list[i].iri
		}
	}
	return ""
}

// define notes a prefix; the last definition counts.
func (p *prefixes) define(name, iri string) {
	for i := range p.list {
		if p.list[i].name == name {
			p.list[i].iri = iri
			return
		}
	}
	p.list = append(p.list, prefix{name, iri})
}

// undefine forgets a prefix.
func (p *prefixes) undefine(name string) {
	p.list = slices.DeleteFunc(p.list, func(q prefix) bool { return q.name == name })
	p.last = 0
}

// expand resolves a compact IRI (prefix:rest). What has no prefix that is defined
// is returned as it is; defined then tells whether it is a URI by its own right.
func (p *prefixes) expand(s string) (uri string, defined bool) {
	colon := strings.IndexByte(s, ':')
	if colon <= 0 {
		return s, false
	}
	name, rest := s[:colon], s[colon+1:]
	if strings.HasPrefix(rest, "//") {
		return s, true
	}
	switch name {
	case "urn", "http", "https":
		return s, true
	}
	if iri := p.find(name); iri != "" {
		return iri + rest, true
	}
	if iri := standardPrefix(name); iri != "" {
		return iri + rest, true
	}
	switch name {
	case "did", "doi", "geo", "info", "ni", "tag":
		return s, true
	}
	return s, false
}

// owned reports whether a member's name has a namespace: it is a whole URI, or
// has a prefix that is defined. colon tells whether it claims one at all.
func (p *prefixes) owned(name string) (colon, ok bool) {
	i := strings.IndexByte(name, ':')
	if i < 0 {
		return false, false
	}
	if i == 0 || i == len(name)-1 || len(name) > maxURI {
		return true, false
	}
	_, defined := p.expand(name)
	return true, defined
}

// readContext reads the value of an @context member.
func (p *prefixes) readContext(t *tokenizer, n int) *Fault {
	switch t.tape[n].kind {
	case jsonString, jsonObject:
		return p.readEntry(t, n)
	case jsonArray:
		for v := n + 1; v < int(t.tape[n].next); v = int(t.tape[v].next) {
			if f := p.readEntry(t, v); f != nil {
				return f
			}
		}
		return nil
	}
	return t.fault(BadContext, n, "a context is a string, an object or an array of these, this is "+t.tape[n].kind.String())
}

func (p *prefixes) readEntry(t *tokenizer, n int) *Fault {
	switch t.tape[n].kind {
	case jsonString:
		if url := t.str(n); !isURI(url) {
			return t.fault(BadContext, n, "no URL: "+quote(url))
		}
		return nil
	case jsonObject:
	default:
		return t.fault(BadContext, n, "a context is a string or an object, this is "+t.tape[n].kind.String())
	}
	for m := n + 1; m < int(t.tape[n].next); m = t.after(m) {
		name := t.str(m)
		if strings.HasPrefix(name, "@") {
			continue // a keyword of JSON-LD: kept, and without effect on prefixes
		}
		if t.tape[m+1].kind == jsonObject && t.lookup(m+1, "@id") < 0 {
			continue // how a term's values are read ("@type"), not what it stands for
		}
		iri, ok := termIRI(t, m+1)
		switch {
		case iri == "" && ok:
			p.undefine(name)
			continue
		case !ok:
			return t.fault(BadContext, m+1, "a prefix stands for a URI")
		case name == "" || strings.IndexByte(name, ':') >= 0 || webScheme(name):
			return t.fault(BadContext, m, "no prefix can be "+quote(name))
		}
		iri, _ = p.expand(iri)
		if p.define(name, iri); len(p.list) > MaxPrefixes {
			return t.fault(TooLarge, m, "an event defines at most 64 prefixes")
		}
	}
	return nil
}

// webScheme reports whether a name is a scheme that identifiers have, in any
// case: as a prefix it would make other identifiers of them.
func webScheme(name string) bool {
	const longest = len("https")
	if len(name) > longest {
		return false
	}
	var lower [longest]byte
	for i := range len(name) {
		lower[i] = name[i] | 0x20
	}
	switch string(lower[:len(name)]) {
	case "urn", "http", "https":
		return true
	}
	return false
}

// termIRI returns what a term's definition stands for: a URI, or an object whose
// @id is one. It is "" for a keyword's alias ("id": "@id") and for null, which
// are no prefixes.
func termIRI(t *tokenizer, n int) (iri string, ok bool) {
	switch t.tape[n].kind {
	case jsonNull:
		return "", true
	case jsonString:
		iri = t.str(n)
		if strings.HasPrefix(iri, "@") {
			return "", true
		}
		return iri, isURI(iri)
	case jsonObject:
		if id := t.lookup(n, "@id"); id > 0 && t.tape[id].kind == jsonString {
			return termIRI(t, id)
		}
	}
	return "", false
}
