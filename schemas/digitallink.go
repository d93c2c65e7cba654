package schemas

import "strings"

// A GS1 Digital Link URI (GS1 Digital Link Standard: URI Syntax, section 4)
// holds a key as pairs of path segments behind any host and stem: the key's
// application identifier and value, then qualifiers in their order. What the
// query and the fragment say describes the thing and is no part of its name.

// The host that GS1 owns, where a path can be nothing but a key. At any other
// host, what is no valid key is that host's own affair: a private URI.
const canonicalHost = "id.gs1.org"

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
		if keyOf(path[at+1:value]) != nil {
			return path[at+1 : value], path[value+1:]
		}
		end = at
	}
}

// link is what the path of a Digital Link says.
type link struct {
	key    *gs1Key
	value  string     // of the key, unescaped
	by     *qualifier // the finest one that is part of the name, or nil
	serial string     // its value, unescaped
}

// readKey reads a key and its qualifiers. own says that the host is GS1's.
func readKey(dst []byte, name, pairs, query string, own bool) (reading, flaw) {
	l := link{key: keyOf(name)}
	if l.key == nil || pairs == "" {
		return reading{}, badPath
	}
	if f := l.walk(pairs, own); f != noFlaw {
		return reading{}, f
	}
	r, f := l.canonical(append(dst, canonicalStem...))
	if f == noFlaw && query != "" {
		f = l.key.checkQuery(query)
	}
	return r, f
}

// walk reads the key's value and the qualifiers that follow it.
func (l *link) walk(pairs string, own bool) flaw {
	var scratch [3 * maxTPX]byte
	value, rest, more := l.key.cutValue(pairs, own)
	l.value = percentDecode(value)
	for last := 0; more; {
		name, tail, ok := strings.Cut(rest, "/")
		q, place := l.key.qualifier(name)
		if !ok || place <= last || q.apart && last != 0 {
			return badPath
		}
		value, rest, more = l.key.cutValue(tail, own)
		value = percentDecode(value)
		if _, f := q.append(scratch[:0], value); f != noFlaw {
			return f
		}
		if last = place; q.scheme != PrivateURI {
			l.by, l.serial = q, value
		}
	}
	return noFlaw
}

// cutValue splits off a value at the next slash. GS1's own host has no stems, so
// there a slash that systems did not escape can be told from one that begins a
// qualifier: when no qualifier and no key is named behind it, all is the value.
func (k *gs1Key) cutValue(s string, own bool) (value, rest string, more bool) {
	value, rest, more = strings.Cut(s, "/")
	if !more || !own {
		return value, rest, more
	}
	for tail, again := rest, true; again; {
		var segment string
		segment, tail, again = strings.Cut(tail, "/")
		if _, place := k.qualifier(segment); place > 0 || keyOf(segment) != nil {
			return value, rest, true
		}
	}
	return s, "", false
}

// noExtension is the extension that says that a place has none.
const noExtension = "0"

// canonical writes the canonical form behind its stem.
func (l *link) canonical(dst []byte) (reading, flaw) {
	dst, scheme, f := l.key.append(append(append(dst, l.key.ai...), '/'), l.value)
	if f != noFlaw || l.by == nil || l.by.scheme == SGLN && l.serial == noExtension {
		return reading{dst: dst, scheme: scheme}, f
	}
	dst = append(append(append(dst, '/'), l.by.ai...), '/')
	dst, f = l.by.append(dst, l.serial)
	return reading{dst: dst, scheme: l.by.scheme}, f
}

// append appends the key's value, which is given unescaped.
func (k *gs1Key) append(dst []byte, value string) ([]byte, Scheme, flaw) {
	if k.digits == 0 {
		dst, f := k.appendText(dst, value)
		return dst, k.tailed, f
	}
	if k.alone == GTIN { // shorter ones are the same behind zeros
		switch n := len(value); n {
		case 8, 12, 13:
			dst = append(dst, "000000"[:gtinSize-n]...)
			dst, f := appendKey(dst, value)
			return dst, GTIN, f
		}
	}
	size := k.digits + k.pieces
	switch {
	case len(value) < size, len(value) > size && k.tailed == PrivateURI:
		return dst, 0, badLength
	case k.zero && value[0] != '0':
		return dst, 0, badZero
	case !allDigits(value[:size]):
		return dst, 0, badDigits
	}
	dst, f := appendKey(dst, value[:k.digits])
	dst = append(dst, value[k.digits:size]...)
	if f != noFlaw || len(value) == size {
		return dst, k.alone, f
	}
	dst, f = appendSerial(dst, value[size:], k.tail, k.most)
	return dst, k.tailed, f
}

// appendText appends a key that begins with a company prefix and goes on as text.
// A prefix may have four digits (GS1 General Specifications, glossary); such a key
// has no EPC URN.
func (k *gs1Key) appendText(dst []byte, value string) ([]byte, flaw) {
	if len(value) <= minAsset || !allDigits(value[:minAsset]) {
		return dst, badAsset
	}
	if k.tailed == GMN && !goodCheckPair(value) {
		return dst, badCheckDigit
	}
	dst, f := appendSerial(dst, value, k.tail, k.most)
	if f != noFlaw {
		f = badAsset
	}
	return dst, f
}

// appendKey appends digits that end in their check digit.
func appendKey(dst []byte, key string) ([]byte, flaw) {
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
// named: the key and qualifiers belong into the path (a lot is an attribute of keys
// that it does not qualify), an attribute has a value and occurs once. Parameters that are no application identifiers are the
// host's own.
func (k *gs1Key) checkQuery(query string) flaw {
	var seen [20000 / 64]uint64
	for more := true; more; {
		var parameter string
		parameter, query, more = strings.Cut(query, "&")
		name, value, _ := strings.Cut(parameter, "=")
		if len(name) < 2 || len(name) > 4 || !allDigits(name) {
			continue
		}
		if _, place := k.qualifier(name); value == "" || keyOf(name) == k || place > 0 || pathOnly(name) {
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
