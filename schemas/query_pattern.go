package schemas

import "strings"

// Pattern stands for the things whose canonical identifiers have one form (EPC Tag
// Data Standard, section 8: pure identity patterns; EPCIS 2.0, 8.2.7.1.1).
type Pattern struct {
	stem string // as identifiers begin; anyDigit stands for any digit
	tail tail
}

// tail is what may follow a pattern's stem.
type tail byte

const (
	tailNone   tail = iota // nothing
	tailSerial             // a serial number, lot or reference
	tailPlace              // nothing, or the extension of a place
)

const anyDigit = '?'

// Matches reports whether an identifier in canonical form is one of the pattern's.
func (p Pattern) Matches(id string) bool {
	if len(id) < len(p.stem) {
		return false
	}
	for i := range len(p.stem) {
		if c := p.stem[i]; c != id[i] && (c != anyDigit || !isDigit(id[i])) {
			return false
		}
	}
	rest := id[len(p.stem):]
	switch p.tail {
	case tailSerial:
		return rest != "" && strings.IndexByte(rest, '/') < 0
	case tailPlace:
		return rest == "" || strings.HasPrefix(rest, "/254/")
	}
	return rest == ""
}

// Prefix is what all of the pattern's identifiers begin with, and whether all that do
// are of it but for what may follow.
func (p Pattern) Prefix() (prefix string, fixed bool) {
	prefix, _, more := strings.Cut(p.stem, string(anyDigit))
	return prefix, !more
}

// OfPlaces reports whether the pattern stands for places or parties.
func (p Pattern) OfPlaces() bool {
	return strings.HasPrefix(p.stem, canonicalStem+"414/") || strings.HasPrefix(p.stem, canonicalStem+"417/")
}

// form is how a scheme's URN becomes a canonical identifier.
type form struct {
	scheme string
	before string // the digits
	digits int    // of company prefix and reference, without the check digit
	check  bool   // a check digit follows
	lead   bool   // the reference's first digit comes before the company prefix
	alone  bool   // the whole reference is the serial: there is no part between
	behind string // the digits, before the serial
	tail   tail
}

var forms = [...]form{
	{scheme: "sgtin", before: "01/", digits: 13, check: true, lead: true, behind: "/21/", tail: tailSerial},
	{scheme: "lgtin", before: "01/", digits: 13, check: true, lead: true, behind: "/10/", tail: tailSerial},
	{scheme: "sscc", before: "00/", digits: 17, check: true, lead: true},
	{scheme: "sgln", before: "414/", digits: 12, check: true, tail: tailPlace},
	{scheme: "pgln", before: "417/", digits: 12, check: true},
	{scheme: "grai", before: "8003/0", digits: 12, check: true, tail: tailSerial},
	{scheme: "giai", before: "8004/", alone: true, tail: tailSerial},
	{scheme: "gsrn", before: "8018/", digits: 17, check: true},
	{scheme: "gsrnp", before: "8017/", digits: 17, check: true},
	{scheme: "gdti", before: "253/", digits: 12, check: true, tail: tailSerial},
	{scheme: "sgcn", before: "255/", digits: 12, check: true, tail: tailSerial},
	{scheme: "gsin", before: "402/", digits: 16, check: true},
	{scheme: "ginc", before: "401/", alone: true, tail: tailSerial},
	{scheme: "upui", before: "01/", digits: 13, check: true, lead: true, behind: "/235/", tail: tailSerial},
}

// parsePattern reads what MATCH parameters take beside identifiers: a URN whose last
// parts are *. It answers false for what is no pattern, and a flaw for what is a
// faulty one. The identifiers of a scheme that passes as it is are matched as URNs.
func parsePattern(s string) (list []Pattern, is bool, f flaw) {
	if !isURN(s) || !strings.HasSuffix(s, "*") {
		return nil, false, noFlaw
	}
	kind, rest, _ := strings.Cut(s[len(urnStem):], ":")
	name, value, _ := strings.Cut(rest, ":")
	switch {
	case kind == "class" && name != "lgtin", kind != "class" && kind != "id" && kind != "idpat":
		return nil, true, unknownURN
	}
	parts := strings.Split(value, ".")
	stars := 0
	for _, p := range parts {
		switch {
		case p == "*":
			stars++
		case stars > 0 || strings.IndexByte(p, '*') >= 0:
			if stars == 0 {
				return nil, false, noFlaw // a serial number that holds the character
			}
			return nil, true, badPattern
		}
	}
	if stars == 0 {
		return nil, false, noFlaw
	}
	for _, m := range forms {
		if m.scheme == name {
			if list, f = m.patterns(parts); f != noFlaw {
				return nil, true, f
			}
		}
	}
	if otherEPC(name) {
		fixed := strings.TrimRight(value, ".*")
		if fixed != "" {
			fixed += "."
		}
		for _, space := range []string{"id:", "class:", "idpat:"} {
			list = append(list, Pattern{stem: urnStem + space + name + ":" + fixed, tail: tailSerial})
		}
	}
	if kind == "idpat" { // what is one class as an identifier, too
		if id, scheme, err := Canonical(s); err == nil && scheme.Class() {
			if all, ok := within(id, scheme); ok && list == nil {
				list = append(list, all)
			}
			list = append(list, Pattern{stem: id})
		}
	}
	if list == nil {
		return nil, true, unknownURN
	}
	return list, true, noFlaw
}

// patterns are those of company prefix, reference and serial number, the last of
// which are anything.
func (m form) patterns(parts []string) ([]Pattern, flaw) {
	want := 2 // company prefix and reference
	if m.tail == tailSerial && !m.alone || m.tail == tailPlace {
		want = 3
	}
	if len(parts) != want {
		return nil, badParts
	}
	prefix, reference := parts[0], parts[1]
	if prefix != "*" && (len(prefix) < minPrefix || len(prefix) > maxPrefix || !allDigits(prefix)) {
		return nil, badPrefix
	}
	stem := canonicalStem + m.before
	if m.alone {
		if prefix != "*" {
			stem += prefix
		}
		return []Pattern{{stem, m.tail}}, noFlaw
	}
	digits := strings.Repeat(string(anyDigit), m.digits)
	switch {
	case reference == "*":
		if prefix != "*" && m.lead {
			digits = digits[:1] + prefix + digits[1+len(prefix):]
		} else if prefix != "*" {
			digits = prefix + digits[len(prefix):]
		}
	case !allDigits(reference):
		return nil, badDigits
	case len(prefix)+len(reference) != m.digits:
		return nil, badLength
	case m.lead:
		digits = reference[:1] + prefix + reference[1:]
	default:
		digits = prefix + reference
	}
	if m.check {
		if strings.IndexByte(digits, anyDigit) < 0 {
			digits += string(checkDigit([]byte(digits)))
		} else {
			digits += string(anyDigit)
		}
	}
	return []Pattern{{stem + digits + m.behind, m.tail}}, noFlaw
}

// within are the things that belong to a class: all instances of a trade item or
// asset type.
func within(class string, scheme Scheme) (Pattern, bool) {
	switch scheme {
	case GTIN, ITIPClass:
		return Pattern{class + "/21/", tailSerial}, true
	case CPIClass:
		return Pattern{class + "/8011/", tailSerial}, true
	case GRAIClass, GDTIClass, GCNClass:
		return Pattern{class, tailSerial}, true
	}
	return Pattern{}, false
}
