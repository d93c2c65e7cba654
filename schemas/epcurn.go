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

// readURN reads an EPC URN behind its stem. The schemes that are known but not
// canonicalised pass as they are.
func readURN(dst []byte, rest string) (reading, flaw) {
	kind, rest, _ := strings.Cut(rest, ":")
	name, value, ok := strings.Cut(rest, ":")
	if !ok || value == "" {
		return reading{}, unknownURN
	}
	dst = append(dst, canonicalStem...)
	switch kind {
	case "id":
		return readPureIdentity(dst, name, value)
	case "class":
		if name == "lgtin" {
			return urnTradeItem(dst, value, LGTIN)
		}
	case "idpat":
		return readPattern(dst, name, value)
	case "raw": // what a tag holds, undecoded
		return reading{scheme: OtherGS1}, noFlaw
	}
	return reading{}, unknownURN
}

func readPureIdentity(dst []byte, name, value string) (reading, flaw) {
	switch name {
	case "sgtin":
		return urnTradeItem(dst, value, SGTIN)
	case "sscc":
		return urnSSCC(dst, value)
	case "sgln":
		return urnLocation(dst, value, SGLN)
	case "pgln":
		return urnLocation(dst, value, PGLN)
	case "grai":
		return urnGRAI(dst, value, GRAI)
	case "giai":
		return urnGIAI(dst, value)
	}
	if otherEPC(name) {
		return reading{scheme: OtherGS1}, noFlaw
	}
	return reading{}, unknownURN
}

// readPattern reads the patterns that stand for a class: any serial number of
// one trade item or one asset type.
func readPattern(dst []byte, name, value string) (reading, flaw) {
	stem, wild := strings.CutSuffix(value, ".*")
	switch name {
	case "sgtin", "grai":
		if !wild || strings.IndexByte(stem, '*') >= 0 {
			return reading{}, badPattern
		}
		if name == "grai" {
			return urnGRAI(dst, stem, GRAIClass)
		}
		return urnTradeItem(dst, stem, GTIN)
	case "sscc", "sgln", "pgln", "giai":
		return reading{}, badPattern
	}
	if otherEPC(name) {
		return reading{scheme: OtherGS1}, noFlaw
	}
	return reading{}, unknownURN
}

// otherEPC names the EPC schemes that pass as they are.
func otherEPC(name string) bool {
	switch name {
	case "gsrn", "gsrnp", "gdti", "cpi", "sgcn", "ginc", "gsin", "itip", "upui", "gid", "usdod", "adi", "bic", "imovn":
		return true
	}
	return false
}

// cutPrefix splits off the company prefix and the reference behind it, which
// together have size digits; what follows the next dot comes with more.
func cutPrefix(value string, size int) (prefix, reference, tail string, more bool, f flaw) {
	prefix, rest, ok := strings.Cut(value, ".")
	if !ok {
		return "", "", "", false, badParts
	}
	reference, tail, more = strings.Cut(rest, ".")
	switch {
	case len(prefix) < minPrefix || len(prefix) > maxPrefix || !allDigits(prefix):
		return "", "", "", false, badPrefix
	case len(prefix)+len(reference) != size:
		return "", "", "", false, badLength
	case !allDigits(reference):
		return "", "", "", false, badDigits
	}
	return prefix, reference, tail, more, noFlaw
}

// urnTradeItem reads prefix.reference, of instances and lots with .serial; the
// reference's first digit is the indicator, which leads the GTIN.
func urnTradeItem(dst []byte, value string, scheme Scheme) (reading, flaw) {
	prefix, reference, serial, more, f := cutPrefix(value, gtinSize-1)
	if f != noFlaw {
		return reading{}, f
	}
	if more == (scheme == GTIN) {
		return reading{}, badParts
	}
	dst = append(dst, "01/"...)
	from := len(dst)
	dst = append(append(append(dst, reference[0]), prefix...), reference[1:]...)
	dst = append(dst, checkDigit(dst[from:]))
	switch scheme {
	case SGTIN:
		dst, f = appendSerial(append(dst, "/21/"...), percentDecode(serial), maxSerial)
	case LGTIN:
		dst, f = appendSerial(append(dst, "/10/"...), percentDecode(serial), maxSerial)
	}
	return reading{dst, scheme, uint8(len(prefix))}, f
}

// urnSSCC reads prefix.serial; the serial's first digit is the extension digit,
// which leads the SSCC.
func urnSSCC(dst []byte, value string) (reading, flaw) {
	prefix, serial, _, more, f := cutPrefix(value, ssccSize-1)
	if f != noFlaw {
		return reading{}, f
	}
	if more {
		return reading{}, badParts
	}
	dst = append(dst, "00/"...)
	from := len(dst)
	dst = append(append(append(dst, serial[0]), prefix...), serial[1:]...)
	return reading{append(dst, checkDigit(dst[from:])), SSCC, uint8(len(prefix))}, noFlaw
}

// urnLocation reads prefix.reference, of a place with .extension, where 0 says
// that there is none.
func urnLocation(dst []byte, value string, scheme Scheme) (reading, flaw) {
	prefix, reference, extension, more, f := cutPrefix(value, glnSize-1)
	if f != noFlaw {
		return reading{}, f
	}
	if more != (scheme == SGLN) {
		return reading{}, badParts
	}
	if scheme == SGLN {
		dst = append(dst, "414/"...)
	} else {
		dst = append(dst, "417/"...)
	}
	from := len(dst)
	dst = append(append(dst, prefix...), reference...)
	dst = append(dst, checkDigit(dst[from:]))
	if scheme == SGLN {
		dst, f = appendExtension(dst, percentDecode(extension))
	}
	return reading{dst, scheme, uint8(len(prefix))}, f
}

// appendExtension appends a place's extension, unless it says that there is none.
func appendExtension(dst []byte, extension string) ([]byte, flaw) {
	if extension == "0" {
		return dst, noFlaw
	}
	return appendSerial(append(dst, "/254/"...), extension, maxSerial)
}

// urnGRAI reads prefix.type, of an asset with .serial.
func urnGRAI(dst []byte, value string, scheme Scheme) (reading, flaw) {
	prefix, reference, serial, more, f := cutPrefix(value, graiSize-2)
	if f != noFlaw {
		return reading{}, f
	}
	if more != (scheme == GRAI) {
		return reading{}, badParts
	}
	dst = append(dst, "8003/0"...)
	from := len(dst)
	dst = append(append(dst, prefix...), reference...)
	dst = append(dst, checkDigit(dst[from:]))
	if scheme == GRAI {
		dst, f = appendSerial(dst, percentDecode(serial), maxGRAISerial)
	}
	return reading{dst, scheme, uint8(len(prefix))}, f
}

// urnGIAI reads prefix.reference; the reference is text.
func urnGIAI(dst []byte, value string) (reading, flaw) {
	prefix, reference, ok := strings.Cut(value, ".")
	if !ok {
		return reading{}, badParts
	}
	if len(prefix) < minPrefix || len(prefix) > maxPrefix || !allDigits(prefix) {
		return reading{}, badPrefix
	}
	dst = append(append(dst, "8004/"...), prefix...)
	dst, f := appendSerial(dst, percentDecode(reference), maxGIAI-len(prefix))
	return reading{dst, GIAI, uint8(len(prefix))}, f
}

// URN returns the identifier as EPC URN, if it was given as one: the digits of a
// Digital Link do not tell where the company prefix ends.
func (id Identifier) URN() (string, bool) {
	if id.scheme == OtherGS1 && isURN(id.canonical) {
		return id.canonical, true
	}
	n := int(id.prefix)
	if n == 0 {
		return "", false
	}
	_, value, _ := strings.Cut(id.canonical[len(canonicalStem):], "/")
	key, qualifier, _ := strings.Cut(value, "/")
	_, serial, _ := strings.Cut(qualifier, "/")
	switch id.scheme {
	case SGTIN:
		return "urn:epc:id:sgtin:" + urnDigits(key[1:], key[:1], n) + urnSerial(serial), true
	case LGTIN:
		return "urn:epc:class:lgtin:" + urnDigits(key[1:], key[:1], n) + urnSerial(serial), true
	case GTIN:
		return "urn:epc:idpat:sgtin:" + urnDigits(key[1:], key[:1], n) + ".*", true
	case SSCC:
		return "urn:epc:id:sscc:" + urnDigits(key[1:], key[:1], n), true
	case SGLN:
		if serial == "" {
			serial = "0"
		}
		return "urn:epc:id:sgln:" + urnDigits(key, "", n) + urnSerial(serial), true
	case PGLN:
		return "urn:epc:id:pgln:" + urnDigits(key, "", n), true
	case GRAI:
		return "urn:epc:id:grai:" + urnDigits(key[1:graiSize], "", n) + urnSerial(key[graiSize:]), true
	case GRAIClass:
		return "urn:epc:idpat:grai:" + urnDigits(key[1:], "", n) + ".*", true
	case GIAI:
		return "urn:epc:id:giai:" + key[:n] + urnSerial(key[n:]), true
	}
	return "", false
}

// urnDigits writes a key without its check digit: the company prefix, then what
// leads the reference, then the rest.
func urnDigits(digits, lead string, prefix int) string {
	return digits[:prefix] + "." + lead + digits[prefix:len(digits)-1]
}

// urnSerial writes a dot and a serial number, whose canonical form is given, in
// the percent-encoding of EPC URNs (EPC Tag Data Standard, table A-1).
func urnSerial(canonical string) string {
	b := []byte{'.'}
	for _, c := range []byte(percentDecode(canonical)) {
		switch c {
		case '"', '%', '&', '/', '<', '>', '?':
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
