package epcisxml

import (
	"slices"
	"strconv"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// masterSpace is the namespace of CBV master data attributes in XML; its names in
// JSON have a colon between.
const (
	masterPrefix = "cbvmda"
	masterSpace  = "urn:epcglobal:cbv:mda"
)

// prefixes are those that an event's JSON defines, each for one namespace.
type prefixes struct {
	curies map[string]string // what the document declares, of values' prefixes
	list   []binding
}

// tooMany reports that the event is one that is refused: no more are looked for,
// which would take the cube of their number.
func (p *prefixes) tooMany() bool { return len(p.list) > schemas.MaxPrefixes }

// few refuses what needs too many prefixes.
func (c *conversion) few(line int) {
	if c.prefixes.tooMany() {
		c.refuse(schemas.TooLarge, line, "an event defines at most "+strconv.Itoa(schemas.MaxPrefixes)+" prefixes")
	}
}

// name is the name under which JSON has an expanded name.
func (p *prefixes) name(n name) string {
	if n.space == "" {
		return n.local
	}
	return p.prefix(n.prefix, n.space) + ":" + n.local
}

// prefix finds or makes the prefix of a namespace, if possible the wanted one.
func (p *prefixes) prefix(wanted, space string) string {
	if space == masterSpace || space == masterSpace+":" {
		return masterPrefix
	}
	if wanted != "" && schemas.StandardPrefix(wanted) == space {
		return wanted
	}
	for _, b := range p.list {
		if b.space == space {
			return b.prefix
		}
	}
	if p.tooMany() {
		return wanted
	}
	for i := 1; !p.free(wanted); i++ {
		wanted = "ns" + strconv.Itoa(i)
	}
	p.list = append(p.list, binding{wanted, space})
	return wanted
}

// free reports whether a prefix can be defined: it means nothing else, neither in
// this event nor in every one, and no reader takes it for the scheme of a URI.
func (p *prefixes) free(prefix string) bool {
	return prefix != "" && schemas.StandardPrefix(prefix) == "" && !scheme(prefix) &&
		!slices.ContainsFunc(p.list, func(b binding) bool { return b.prefix == prefix })
}

// scheme reports whether a prefix is one of the URI schemes that values have.
func scheme(prefix string) bool {
	switch prefix {
	case "urn", "http", "https", "did", "doi", "geo", "info", "ni", "tag":
		return true
	}
	return false
}

// value notes the prefix of a value that the document declares.
func (p *prefixes) value(s string) {
	prefix, rest, ok := strings.Cut(s, ":")
	if !ok || strings.HasPrefix(rest, "//") || schemas.StandardPrefix(prefix) != "" || scheme(prefix) {
		return
	}
	if space := p.curies[prefix]; space != "" && !p.tooMany() && p.free(prefix) {
		p.list = append(p.list, binding{prefix, space})
	}
}

// context is the @context that defines them.
func (p *prefixes) context() value {
	out := value{kind: '['}
	for _, b := range p.list {
		entry := value{kind: '{'}
		entry.add(b.prefix, text(b.space, 0))
		out.add("", entry)
	}
	return out
}
