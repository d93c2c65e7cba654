package schemas

import "strings"

// A GS1 Digital Link URI (GS1 Digital Link Standard: URI Syntax, section 4)
// holds a key as pairs of path segments behind any host and stem: the key's
// application identifier and value, then qualifiers in their order. What the
// query and the fragment say describes the thing and is no part of its name.

// The host that GS1 owns, where a path can be nothing but a key. At any other
// host, what is no valid key is that host's own affair: a private URI.
const canonicalHost = "id.gs1.org"

// linkKey is a primary key of GS1 Digital Link.
type linkKey uint8

const (
	noKey linkKey = iota
	keySSCC
	keyGTIN
	keyPlace
	keyParty
	keyGRAI
	keyGIAI
	otherKey // passes as it is
)

// keyOf returns the primary key of an application identifier, written in digits
// or as its alphabetic name.
func keyOf(name string) linkKey {
	switch name {
	case "00", "sscc":
		return keySSCC
	case "01", "gtin":
		return keyGTIN
	case "414", "gln":
		return keyPlace
	case "417", "party":
		return keyParty
	case "8003", "grai":
		return keyGRAI
	case "8004", "giai":
		return keyGIAI
	case "253", "gdti", "255", "gcn", "401", "ginc", "402", "gsin", "415", "payTo", "8006", "itip",
		"8010", "cpid", "8013", "gmn", "8017", "gsrnp", "8018", "gsrn":
		return otherKey
	}
	return noKey
}

// qualifier is a key qualifier. Those of one key go in ascending order.
type qualifier uint8

const (
	noQualifier    qualifier = iota
	variant                  // AI 22: no part of the canonical form
	lot                      // AI 10
	serialNumber             // AI 21
	extension                // AI 254
	otherQualifier           // AIs 235 and 7040: the whole passes as it is
)

func (k linkKey) qualifier(name string) qualifier {
	switch k {
	case keyGTIN:
		switch name {
		case "22", "cpv":
			return variant
		case "10", "lot":
			return lot
		case "21", "ser":
			return serialNumber
		case "235":
			return otherQualifier
		}
	case keyPlace:
		if name == "254" || name == "glnx" {
			return extension
		}
	}
	if name == "7040" && (k == keyPlace || k == keyParty || k == keyGIAI) {
		return otherQualifier
	}
	return noQualifier
}

// readLink reads a web URI behind its scheme and slashes.
func readLink(dst []byte, rest string) (reading, flaw) {
	host, path, query := splitWeb(rest)
	if isCanonicalHost(host) {
		name, pairs, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		return readKey(dst, name, pairs, query, true)
	}
	name, pairs := findKey(path)
	if name == "" || host == "" {
		return reading{scheme: PrivateURI}, noFlaw
	}
	r, f := readKey(dst, name, pairs, query, false)
	if f != noFlaw {
		return reading{scheme: PrivateURI}, noFlaw
	}
	return r, noFlaw
}

// splitWeb splits authority, path and query; the fragment is dropped.
func splitWeb(s string) (host, path, query string) {
	s, _, _ = strings.Cut(s, "#")
	s, query, _ = strings.Cut(s, "?")
	if at := strings.IndexByte(s, '/'); at >= 0 {
		return s[:at], s[at:], query
	}
	return s, "", query
}

// isCanonicalHost reports whether an authority is GS1's, whatever its case, port
// and user.
func isCanonicalHost(authority string) bool {
	if authority == canonicalHost {
		return true
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	authority, _, _ = strings.Cut(authority, ":")
	return strings.EqualFold(strings.TrimSuffix(authority, "."), canonicalHost)
}

// findKey finds the last primary key of a path, going back pair by pair, because
// a stem of any shape may come before it. pairs is what follows its name.
func findKey(path string) (name, pairs string) {
	for end := len(path); ; {
		value := strings.LastIndexByte(path[:end], '/')
		if value < 1 {
			return "", ""
		}
		at := strings.LastIndexByte(path[:value], '/')
		if at < 0 {
			return "", ""
		}
		if keyOf(path[at+1:value]) != noKey {
			return path[at+1 : value], path[value+1:]
		}
		end = at
	}
}

// link is what the path of a Digital Link says.
type link struct {
	key    linkKey
	value  string    // of the key, unescaped
	by     qualifier // the finest one that the canonical form keeps
	serial string    // its value, unescaped
	other  bool      // a qualifier says that the whole passes as it is
}

// readKey reads a key and its qualifiers. own says that the host is GS1's.
func readKey(dst []byte, name, pairs, query string, own bool) (reading, flaw) {
	key := keyOf(name)
	switch {
	case key == noKey || pairs == "":
		return reading{}, badPath
	case key == otherKey:
		return reading{scheme: OtherGS1}, noFlaw
	}
	l := link{key: key}
	if f := l.walk(pairs, own); f != noFlaw {
		return reading{}, f
	}
	r, f := l.canonical(append(dst, canonicalStem...))
	if f == noFlaw && query != "" {
		f = key.checkQuery(query)
	}
	if l.other {
		return reading{scheme: OtherGS1}, f
	}
	return r, f
}

// walk reads the key's value and the qualifiers that follow it.
func (l *link) walk(pairs string, own bool) flaw {
	var scratch [3 * maxTPX]byte
	value, rest, more := l.key.cutValue(pairs, own)
	l.value = percentDecode(value)
	for last := noQualifier; more; {
		name, tail, ok := strings.Cut(rest, "/")
		q := l.key.qualifier(name)
		if !ok || q <= last || q == otherQualifier && last != noQualifier {
			return badPath
		}
		value, rest, more = l.key.cutValue(tail, own)
		value = percentDecode(value)
		limit := maxSerial
		switch last = q; q {
		case otherQualifier:
			l.other, limit = true, maxTPX
		case lot, serialNumber, extension:
			l.by, l.serial = q, value
		}
		if _, f := appendSerial(scratch[:0], value, limit); f != noFlaw {
			return f
		}
	}
	return noFlaw
}

// cutValue splits off a value at the next slash. GS1's own host has no stems, so
// there a slash that systems did not escape can be told from one that begins a
// qualifier: when no qualifier and no key is named behind it, all is the value.
func (k linkKey) cutValue(s string, own bool) (value, rest string, more bool) {
	value, rest, more = strings.Cut(s, "/")
	if !more || !own {
		return value, rest, more
	}
	for tail, again := rest, true; again; {
		var segment string
		segment, tail, again = strings.Cut(tail, "/")
		if k.qualifier(segment) != noQualifier || keyOf(segment) != noKey {
			return value, rest, true
		}
	}
	return s, "", false
}

// canonical writes the canonical form behind its stem.
func (l *link) canonical(dst []byte) (reading, flaw) {
	switch l.key {
	case keyGTIN:
		return l.tradeItem(dst)
	case keySSCC:
		dst, f := appendKey(append(dst, "00/"...), l.value, ssccSize)
		return reading{dst: dst, scheme: SSCC}, f
	case keyPlace:
		dst, f := appendKey(append(dst, "414/"...), l.value, glnSize)
		if f == noFlaw && l.by == extension {
			dst, f = appendExtension(dst, l.serial)
		}
		return reading{dst: dst, scheme: SGLN}, f
	case keyParty:
		dst, f := appendKey(append(dst, "417/"...), l.value, glnSize)
		return reading{dst: dst, scheme: PGLN}, f
	case keyGRAI:
		return l.returnableAsset(dst)
	default:
		return l.individualAsset(dst)
	}
}

func (l *link) tradeItem(dst []byte) (reading, flaw) {
	dst = append(dst, "01/"...)
	switch n := len(l.value); n {
	case 8, 12, 13:
		dst = append(dst, "000000"[:gtinSize-n]...)
	case gtinSize:
	default:
		return reading{}, badLength
	}
	dst, f := appendKey(dst, l.value, len(l.value))
	if f != noFlaw {
		return reading{}, f
	}
	scheme := GTIN
	switch l.by {
	case lot:
		scheme = LGTIN
		dst, f = appendSerial(append(dst, "/10/"...), l.serial, maxSerial)
	case serialNumber:
		scheme = SGTIN
		dst, f = appendSerial(append(dst, "/21/"...), l.serial, maxSerial)
	}
	return reading{dst: dst, scheme: scheme}, f
}

func (l *link) returnableAsset(dst []byte) (reading, flaw) {
	if len(l.value) < graiSize {
		return reading{}, badLength
	}
	if l.value[0] != '0' {
		return reading{}, badZero
	}
	dst, f := appendKey(append(dst, "8003/"...), l.value[:graiSize], graiSize)
	if f != noFlaw || len(l.value) == graiSize {
		return reading{dst: dst, scheme: GRAIClass}, f
	}
	dst, f = appendSerial(dst, l.value[graiSize:], maxGRAISerial)
	return reading{dst: dst, scheme: GRAI}, f
}

func (l *link) individualAsset(dst []byte) (reading, flaw) {
	if len(l.value) <= minPrefix || !allDigits(l.value[:minPrefix]) {
		return reading{}, badAsset
	}
	dst, f := appendSerial(append(dst, "8004/"...), l.value, maxGIAI)
	if f != noFlaw {
		f = badAsset
	}
	return reading{dst: dst, scheme: GIAI}, f
}

// appendKey appends a key of size digits that ends in its check digit.
func appendKey(dst []byte, key string, size int) ([]byte, flaw) {
	if len(key) != size {
		return dst, badLength
	}
	if !allDigits(key) {
		return dst, badDigits
	}
	from := len(dst)
	dst = append(dst, key...)
	if last := len(dst) - 1; checkDigit(dst[from:last]) != dst[last] {
		return dst, badCheckDigit
	}
	return dst, noFlaw
}

// checkQuery checks a query's attributes as far as they could change what is
// named: the key and its qualifiers belong into the path, an attribute has a
// value and occurs once. Parameters that are no application identifiers are the
// host's own.
func (k linkKey) checkQuery(query string) flaw {
	var seen [20000 / 64]uint64
	for more := true; more; {
		var parameter string
		parameter, query, more = strings.Cut(query, "&")
		name, value, _ := strings.Cut(parameter, "=")
		if len(name) < 2 || len(name) > 4 || !allDigits(name) {
			continue
		}
		if value == "" || keyOf(name) == k || k.qualifier(name) != noQualifier {
			return badQuery
		}
		n := 1 // so that names of different length differ
		for i := range len(name) {
			n = 10*n + int(name[i]-'0')
		}
		if seen[n/64]&(1<<(n%64)) != 0 {
			return badQuery
		}
		seen[n/64] |= 1 << (n % 64)
	}
	return noFlaw
}
