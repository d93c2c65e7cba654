package schemas

import "strings"

// EPC URNs (EPC Tag Data Standard, section 6.3) write a key with a dot after the
// company prefix and without its check digit. To Digital Link the check digit is
// computed; back, the prefix's length must be known, which only a URN tells.

const urnStem = "urn:epc:"

// isURN reports whether s opens as an EPC URN; scheme and namespace of a URN are
// case-insensitive (RFC 8141, 3.1).
func isURN(s string) bool {
	return len(s) >= len(urnStem) && strings.EqualFold(s[:len(urnStem)], urnStem)
}

// readURN reads an EPC URN behind its stem.
func readURN(dst []byte, rest string) (reading, flaw) {
	kind, tail, _ := strings.Cut(rest, ":")
	if kind == "raw" && tail != "" { // what a tag holds, undecoded
		return reading{dst: append(append(dst, urnStem...), rest...), scheme: OtherGS1}, noFlaw
	}
	name, value, ok := strings.Cut(tail, ":")
	if !ok || value == "" {
		return reading{}, unknownURN
	}
	if e := epcsByName[rest[:len(kind)+1+len(name)]]; e != nil {
		return e.read(append(dst, canonicalStem...), value)
	}
	if kind == "idpat" && epcsByName["id:"+name] != nil {
		return reading{}, badPattern
	}
	if f := checkLinkless(kind, name, value); f != noFlaw {
		return reading{}, f
	}
	return reading{dst: append(append(dst, urnStem...), rest...), scheme: OtherGS1}, noFlaw
}

// read reads what stands behind the scheme's name.
func (e *epcScheme) read(dst []byte, value string) (reading, flaw) {
	if e.pattern {
		stem, wild := strings.CutSuffix(value, ".*")
		if !wild || strings.IndexByte(stem, '*') >= 0 {
			return reading{}, badPattern
		}
		value = stem
	}
	prefix, value, ok := strings.Cut(value, ".")
	switch {
	case !ok:
		return reading{}, badParts
	case len(prefix) < minPrefix || len(prefix) > maxPrefix || !allDigits(prefix):
		return reading{}, badPrefix
	}
	k := keyOf(e.ai)
	dst = append(append(dst, e.ai...), '/')
	var f flaw
	if k.digits > 0 {
		dst, f = e.readDigits(dst, k, prefix, value)
	} else {
		dst, f = e.readText(dst, k, prefix, value)
	}
	return reading{dst, e.scheme, uint8(len(prefix))}, f
}

// readDigits reads a reference in digits, pieces and a serial number behind the
// company prefix.
func (e *epcScheme) readDigits(dst []byte, k *gs1Key, prefix, value string) ([]byte, flaw) {
	size := k.digits - 1 - len(prefix)
	from := len(dst)
	if k.zero {
		dst = append(dst, '0')
		size--
	}
	reference, tail, more := strings.Cut(value, ".")
	switch {
	case len(reference) != size:
		return dst, badLength
	case !allDigits(reference):
		return dst, badDigits
	}
	if k.lead {
		dst = append(dst, reference[0])
		reference = reference[1:]
	}
	dst = append(append(dst, prefix...), reference...)
	dst = append(dst, checkDigit(dst[from:]))
	for range k.pieces / 2 {
		var piece string
		if piece, tail, more = strings.Cut(tail, "."); len(piece) != 2 || !allDigits(piece) {
			return dst, badParts
		}
		dst = append(dst, piece...)
	}
	if tailed := e.by != "" || e.scheme == k.tailed; tailed != more {
		return dst, badParts
	}
	if !more {
		return dst, noFlaw
	}
	return e.readSerial(dst, k, tail)
}

// readSerial reads what is the last part of the URN.
func (e *epcScheme) readSerial(dst []byte, k *gs1Key, value string) ([]byte, flaw) {
	value = percentDecode(value)
	if e.by == "" {
		return appendSerial(dst, value, k.tail, k.most)
	}
	if e.scheme == SGLN && value == noExtension {
		return dst, noFlaw
	}
	q, _ := k.qualifier(e.by)
	return q.append(append(append(append(dst, '/'), e.by...), '/'), value)
}

// readText reads a reference in text, and a serial number if there is one, behind
// the company prefix.
func (e *epcScheme) readText(dst []byte, k *gs1Key, prefix, value string) ([]byte, flaw) {
	var serial string
	if e.by != "" {
		var ok bool
		if value, serial, ok = strings.Cut(value, "."); !ok {
			return dst, badParts
		}
	}
	dst, f := appendSerial(append(dst, prefix...), percentDecode(value), k.tail, k.most-len(prefix))
	if f != noFlaw || e.by == "" {
		return dst, f
	}
	return e.readSerial(dst, k, serial)
}

// URN returns the identifier as EPC URN, if it was given as one: the digits of a
// Digital Link do not tell where the company prefix ends.
func (id Identifier) URN() (string, bool) {
	if id.scheme == OtherGS1 {
		return id.canonical, true
	}
	if id.prefix == 0 {
		return "", false
	}
	return id.URNOf(int(id.prefix))
}

// URNOf returns the identifier as EPC URN whose company prefix has that many
// digits; false where the identifier has no such prefix, or its scheme no URN.
func (id Identifier) URNOf(prefix int) (string, bool) {
	e := epcOf(id.scheme)
	if e == nil || prefix < minPrefix || prefix > maxPrefix {
		return "", false
	}
	k := keyOf(e.ai)
	value, rest, _ := strings.Cut(id.canonical[len(canonicalStem)+len(e.ai)+1:], "/")
	_, serial, _ := strings.Cut(rest, "/")
	out := append(append(append(append([]byte(urnStem), e.kind...), ':'), e.name...), ':')
	if k.digits == 0 {
		if value = percentDecode(value); len(value) <= prefix || !allDigits(value[:prefix]) {
			return "", false
		}
		out = appendURN(append(append(out, value[:prefix]...), '.'), value[prefix:])
	} else {
		digits, tail := value[:k.digits-1], value[k.digits+k.pieces:]
		if k.zero {
			digits = digits[1:]
		}
		lead := ""
		if k.lead {
			lead, digits = digits[:1], digits[1:]
		}
		out = append(append(append(append(out, digits[:prefix]...), '.'), lead...), digits[prefix:]...)
		for at := k.digits; at < k.digits+k.pieces; at += 2 {
			out = append(append(out, '.'), value[at:at+2]...)
		}
		if e.by == "" {
			serial = tail
		}
	}
	switch {
	case e.pattern:
		out = append(out, ".*"...)
	case e.scheme == SGLN && serial == "":
		out = append(append(out, '.'), noExtension...)
	case serial != "":
		out = appendURN(append(out, '.'), percentDecode(serial))
	}
	return string(out), true
}

// epcOf returns the row that writes a scheme, or nil.
func epcOf(s Scheme) *epcScheme {
	for i := range epcSchemes {
		if epcSchemes[i].scheme == s {
			return &epcSchemes[i]
		}
	}
	return nil
}

// appendURN appends a part in the percent-encoding of EPC URNs (EPC Tag Data
// Standard, table A-1).
func appendURN(dst []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; c {
		case '"', '#', '%', '&', '/', '<', '>', '?':
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
