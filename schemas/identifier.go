package schemas

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxIdentifier bounds the bytes of an identifier in any form.
const MaxIdentifier = 1024

// canonicalStem opens every canonical GS1 identifier.
const canonicalStem = "https://id.gs1.org/"

// maxCanonical holds the longest canonical form of a scheme that is not passed
// as it is: a component identifier whose every character is percent-encoded, and
// its serial number.
const maxCanonical = len(canonicalStem) + len("8010/") + 3*maxText30 + len("/8011/") + maxNumeric

// Identifier is an identifier in canonical form, with what its submitted form
// told beyond that.
type Identifier struct {
	canonical string
	scheme    Scheme
	prefix    uint8 // digits of the company prefix; 0 where the form did not tell
}

// ParseIdentifier reads an identifier in any form: EPC URN, GS1 Digital Link URI
// or private URI. Errors are Faults.
func ParseIdentifier(s string) (Identifier, error) {
	var stack [maxCanonical]byte
	r, flaw := readIdentifier(stack[:0], s)
	if flaw != noFlaw {
		return Identifier{}, flaw.fault(s)
	}
	return Identifier{canonical: r.text(s), scheme: r.scheme, prefix: r.prefix}, nil
}

// Canonical returns the one form that stands for all forms of an identifier: of
// the GS1 schemes known here the canonical GS1 Digital Link URI, of others what
// was given. It is idempotent. Errors are Faults.
func Canonical(s string) (canonical string, scheme Scheme, err error) {
	var stack [maxCanonical]byte
	r, flaw := readIdentifier(stack[:0], s)
	if flaw != noFlaw {
		return "", PrivateURI, flaw.fault(s)
	}
	return r.text(s), r.scheme, nil
}

// Scheme returns what kind of thing the identifier names.
func (id Identifier) Scheme() Scheme { return id.scheme }

// String returns the canonical form.
func (id Identifier) String() string { return id.canonical }

// GLN returns the 13 digits of a place's or party's Global Location Number.
func (id Identifier) GLN() (string, bool) {
	if id.scheme != SGLN && id.scheme != PGLN {
		return "", false
	}
	from := len(canonicalStem) + len("414/")
	return id.canonical[from : from+glnSize], true
}

// reading is what was read of an identifier.
type reading struct {
	dst    []byte // canonical form; nil where that is the identifier as given
	scheme Scheme
	prefix uint8
}

// text returns the canonical form of s, without copying where s is it already.
func (r reading) text(s string) string {
	if r.dst == nil || string(r.dst) == s {
		return s
	}
	return string(r.dst)
}

// readIdentifier reads s, writing its canonical form to dst.
func readIdentifier(dst []byte, s string) (reading, flaw) {
	if f := checkURI(s); f != noFlaw {
		return reading{}, f
	}
	switch {
	case isURN(s):
		return readURN(dst, s[len(urnStem):])
	case strings.HasPrefix(s, "https://"), strings.HasPrefix(s, "HTTPS://"):
		return readLink(dst, s[len("https://"):])
	case strings.HasPrefix(s, "http://"), strings.HasPrefix(s, "HTTP://"):
		return readLink(dst, s[len("http://"):])
	}
	return reading{scheme: PrivateURI}, noFlaw
}

// checkURI checks what any identifier must be: a URI with a scheme (RFC 3986,
// 3.1), bounded, without whitespace and control characters. Other characters
// beyond ASCII are let be: real documents have them.
func checkURI(s string) flaw {
	if len(s) > MaxIdentifier {
		return tooLong
	}
	colon := strings.IndexByte(s, ':')
	if colon < 1 || colon == len(s)-1 || !isLetter(s[0]) {
		return noURI
	}
	for i := 1; i < colon; i++ {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return noURI
		}
	}
	for i := colon; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f:
			return badCharacter
		case c >= utf8.RuneSelf:
			return checkUnicode(s[i:])
		}
	}
	return noFlaw
}

// checkUnicode checks text beyond ASCII. The characters that are refused are
// listed here, not asked of package unicode, whose tables change between
// versions of Go: whitespace, controls, what cannot be seen or turns the
// direction of writing.
func checkUnicode(s string) flaw {
	if !utf8.ValidString(s) {
		return badCharacter
	}
	for _, r := range s {
		switch {
		case r <= ' ', 0x7f <= r && r <= 0xa0, r == 0xad, r == 0x61c, r == 0x1680, r == 0x180e,
			0x2000 <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x205f <= r && r <= 0x206f,
			r == 0x3000, r == 0xfeff, 0xfff0 <= r && r <= 0xffff:
			return badCharacter
		}
	}
	return noFlaw
}

// flaw is why an identifier is refused.
type flaw uint8

const (
	noFlaw flaw = iota
	tooLong
	noURI
	badCharacter
	unknownURN
	badPattern
	badParts
	badPrefix
	badLength
	badDigits
	badSerial
	badAsset
	badZero
	badEPC
	badPath
	badQuery
	badCheckDigit
)

var flawTexts = [...]string{
	tooLong:       "longer than 1024 bytes",
	noURI:         "not a URI: it has no scheme",
	badCharacter:  "holds whitespace, a control character or bytes that are not UTF-8",
	unknownURN:    "no such kind of EPC URN",
	badPattern:    "a pattern that stands for no class: all parts but the last are given, and the last is *",
	badParts:      "the parts that this kind of EPC URN has are not all there",
	badPrefix:     "the company prefix is not 6 to 12 digits",
	badLength:     "company prefix and reference, or the key, have the wrong number of digits",
	badDigits:     "a reference or key holds more than digits",
	badSerial:     "the serial, lot or extension is empty, too long, or holds a character that GS1 does not allow there",
	badAsset:      "the key begins with a company prefix, is longer than it, within the length of its kind, and holds no other characters than that allows",
	badZero:       "a returnable asset identifier begins with a zero",
	badEPC:        "the parts of this kind of EPC URN do not have the form that the EPC Tag Data Standard gives them",
	badPath:       "at id.gs1.org the path must be a key that GS1 Digital Link defines, with its qualifiers in order",
	badQuery:      "the query repeats a key or qualifier, or gives one no value",
	badCheckDigit: "the check digit is wrong",
}

// fault turns a flaw of s into what a caller is told.
func (f flaw) fault(s string) error {
	code := BadIdentifier
	if f == badCheckDigit {
		code = BadCheckDigit
	}
	const shown = 80
	if len(s) > shown {
		s = strings.ToValidUTF8(s[:shown], "") + "..."
	}
	return &Fault{Code: code, Detail: fmt.Sprintf("%q: %s", s, flawTexts[f])}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// checkDigit is the GS1 check digit over digits, all of them (GS1 General
// Specifications, 7.9): weights 3 and 1 from the right.
func checkDigit(digits []byte) byte {
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		sum += int(digits[i]-'0') * weight
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10)
}

// unreserved reports whether a URI holds c as it is (RFC 3986, 2.3).
func unreserved(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

const upperHex = "0123456789ABCDEF"

// appendSerial appends a serial number, lot or extension in canonical
// percent-encoding: an escape for all that is not unreserved. The value is given
// unescaped.
func appendSerial(dst []byte, value string, set alphabet, limit int) ([]byte, flaw) {
	if value == "" || len(value) > limit {
		return dst, badSerial
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case !set.has(c):
			return dst, badSerial
		case unreserved(c):
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst, noFlaw
}

// percentDecode resolves escapes. A percent sign that opens none stands for
// itself: the character is legal in serial numbers, and systems send it bare.
func percentDecode(s string) string {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:at]...)
	for i := at; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := hexValue(s[i+1]), hexValue(s[i+2])
			if high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
