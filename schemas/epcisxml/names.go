package epcisxml

import (
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// names finds names in XML for those of an event's JSON, and gathers the
// namespaces that they need.
type names struct {
	context  map[string]string // prefixes that the event defines
	used     []binding
	spaces   map[string]string // of used, by prefix
	prefixes map[string]string // the first of used, by namespace: names in full can be of thousands
	made     int               // prefixes that were tried
}

func newNames(v *value) *names {
	n := &names{context: map[string]string{}, spaces: map[string]string{}, prefixes: map[string]string{}}
	context, ok := v.find("@context")
	if !ok {
		return n
	}
	entries := context.list
	if context.kind == '{' {
		entries = []member{{"", *context}}
	}
	for _, e := range entries {
		if e.kind != '{' {
			continue // a URL: contexts are never fetched
		}
		for _, m := range e.list {
			iri := m.text
			if id, ok := m.find("@id"); ok {
				iri = id.text
			}
			if iri != "" && !strings.HasPrefix(m.name, "@") {
				n.context[m.name] = iri
			}
		}
	}
	return n
}

// element returns the tag of a member: false where XML has no such name.
func (n *names) element(name string) (string, bool) {
	if !strings.Contains(name, ":") {
		return name, ncName(name) && name != "xmlns"
	}
	return n.attribute(name)
}

// attribute returns the qualified name of a member that has a namespace.
func (n *names) attribute(name string) (string, bool) {
	prefix, local, ok := strings.Cut(name, ":")
	if !ok {
		return "", false
	}
	space := n.space(prefix)
	if space == "" { // a URI in full
		cut := strings.LastIndexAny(name, "/#:") + 1
		prefix, space, local = "", name[:cut], name[cut:]
		if !strings.Contains(space, "://") && !(strings.HasPrefix(space, "urn:") && len(space) > len("urn:")) {
			return "", false // nobody defines its prefix
		}
	}
	if space == spaceXML || space == spaceXMLNS || space == spaceXSI || space == spaceJSON || epcisSpace(space) || !ncName(local) {
		return "", false
	}
	return n.of(prefix, space) + ":" + local, true
}

// space is the namespace of a prefix, "" where it is none.
func (n *names) space(prefix string) string {
	if s := n.context[prefix]; s != "" {
		return s
	}
	if prefix == masterPrefix {
		return masterSpace
	}
	return schemas.StandardPrefix(prefix)
}

// of returns the prefix of a namespace, if possible the wanted one.
func (n *names) of(wanted, space string) string {
	have, known := n.prefixes[space]
	if known && (wanted == "" || !n.free(wanted, space)) {
		return have
	}
	for !n.free(wanted, space) {
		n.made++
		wanted = "ns" + strconv.Itoa(n.made)
	}
	if _, taken := n.spaces[wanted]; !taken {
		n.used, n.spaces[wanted] = append(n.used, binding{wanted, space}), space
		if !known {
			n.prefixes[space] = wanted
		}
	}
	return wanted
}

// free reports whether a prefix may stand for a namespace.
func (n *names) free(prefix, space string) bool {
	if prefix == "" || !ncName(prefix) || strings.HasPrefix(strings.ToLower(prefix), "xml") {
		return false
	}
	if s, taken := n.spaces[prefix]; taken {
		return s == space
	}
	s := n.space(prefix)
	return s == "" || s == space
}

// own is the prefix of our own namespace.
func (n *names) own() string { return n.of("json", spaceJSON) }

// value notes the prefix of a value that the event defines.
func (n *names) value(s string) {
	prefix, rest, ok := strings.Cut(s, ":")
	if space := n.context[prefix]; ok && space != "" && !strings.HasPrefix(rest, "//") && !scheme(prefix) && ncName(prefix) {
		n.of(prefix, space)
	}
}

// ncName reports whether a name can stand in XML without a prefix. Of the letters
// that Namespaces in XML allows, these are enough: others are written as values.
func ncName(s string) bool {
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '_':
		case 'À' <= r && r <= 'ÿ' && r != '×' && r != '÷', 'А' <= r && r <= 'я', 0x4E00 <= r && r <= 0x9FA5, 0xAC00 <= r && r <= 0xD7A3:
		case i > 0 && ('0' <= r && r <= '9' || r == '-' || r == '.'):
		default:
			return false
		}
	}
	return s != ""
}
