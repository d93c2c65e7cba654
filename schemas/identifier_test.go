package schemas_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"pgregory.net/rapid"
)

// conformance reads a file of the published vectors, or skips where they are not
// beside the repository.
func conformance(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "conformance", "vectors", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the published vectors are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// vectors returns the lines of a file of vectors, split into fields.
func vectors(tb testing.TB, name string) [][]string {
	tb.Helper()
	var out [][]string
	for _, line := range lines(tb, name) {
		fields := strings.Split(line, "\t")
		for i, f := range fields {
			if strings.HasPrefix(f, `"`) {
				var err error
				if fields[i], err = strconv.Unquote(f); err != nil {
					tb.Fatalf("%s: %q: %v", name, f, err)
				}
			}
		}
		out = append(out, fields)
	}
	return out
}

func codeOf(err error) string {
	var f *schemas.Fault
	if errors.As(err, &f) {
		return f.Code.String()
	}
	return "no fault"
}

func TestIdentifierVectors(t *testing.T) {
	for _, v := range vectors(t, "testdata/identifier/vectors.txt") {
		id, err := schemas.ParseIdentifier(v[0])
		if code, refused := strings.CutPrefix(v[1], "!"); refused {
			if err == nil {
				t.Errorf("%q: read as %s %s, want %s", v[0], id.Scheme(), id, code)
			} else if codeOf(err) != code {
				t.Errorf("%q: %v, want %s", v[0], err, code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", v[0], err)
			continue
		}
		urn, ok := id.URN()
		if !ok {
			urn = "-"
		}
		if id.String() != v[1] || id.Scheme().String() != v[2] || urn != v[3] {
			t.Errorf("%q: %s, %s, %s\nwant %s, %s, %s", v[0], id, id.Scheme(), urn, v[1], v[2], v[3])
		}
		checkIdentifier(t, v[0])
	}
}

// checkIdentifier checks what holds of any text.
func checkIdentifier(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) {
	t.Helper()
	once, scheme, err := schemas.Canonical(s)
	id, parseErr := schemas.ParseIdentifier(s)
	if (err == nil) != (parseErr == nil) || err != nil && err.Error() != parseErr.Error() {
		t.Fatalf("%q: Canonical says %v, ParseIdentifier %v", s, err, parseErr)
	}
	if err != nil {
		if code := codeOf(err); code != "bad_identifier" && code != "bad_check_digit" {
			t.Fatalf("%q: code %s", s, code)
		}
		return
	}
	if id.String() != once || id.Scheme() != scheme {
		t.Fatalf("%q: Canonical and ParseIdentifier differ", s)
	}
	twice, again, err := schemas.Canonical(once)
	if err != nil || twice != once || again != scheme {
		t.Fatalf("%q: %q is not canonical: %q, %s, %v", s, once, twice, again, err)
	}
	if len(once) > schemas.MaxIdentifier || strings.ContainsAny(once, "\x00 \n\t") {
		t.Fatalf("%q: %q cannot stand in a key", s, once)
	}
	if urn, ok := id.URN(); ok {
		back, err := schemas.ParseIdentifier(urn)
		if err != nil || back.String() != once {
			t.Fatalf("%q: its URN %q is %q, %v", s, urn, back, err)
		}
	}
	if gln, ok := id.GLN(); ok != (scheme == schemas.SGLN || scheme == schemas.PGLN) || ok && (len(gln) != 13 || !strings.Contains(once, gln)) {
		t.Fatalf("%q: GLN %q, %t", s, gln, ok)
	}
}

func TestIdentifierGLN(t *testing.T) {
	for in, want := range map[string]string{
		"urn:epc:id:sgln:9521234.00001.dock":    "9521234000013",
		"https://example.com/417/9521234000013": "9521234000013",
		"urn:epc:id:sscc:9521234.0123456789":    "",
	} {
		id, err := schemas.ParseIdentifier(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := id.GLN(); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", in, got, ok)
		}
	}
}

func TestIdentifierLimits(t *testing.T) {
	stem := "https://example.com/"
	longest := stem + strings.Repeat("a", schemas.MaxIdentifier-len(stem))
	if _, _, err := schemas.Canonical(longest); err != nil {
		t.Error(err)
	}
	if _, _, err := schemas.Canonical(longest + "a"); err == nil || codeOf(err) != "bad_identifier" {
		t.Errorf("%d bytes: %v", len(longest)+1, err)
	}
}

// Every valid key survives the way from URN to Digital Link and back, with any
// company prefix; and every single wrong digit is found.
func TestIdentifierRoundTrip(t *testing.T) {
	serials := rapid.StringMatching(`[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,16}`)
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.IntRange(6, 12).Draw(t, "prefix")
		digits := rapid.StringMatching(`[0-9]{17}`).Draw(t, "digits")
		serial := escapeURN(serials.Draw(t, "serial"))
		part := func(size int) string { return digits[:prefix] + "." + digits[prefix:size] }
		urns := map[string]schemas.Scheme{
			"urn:epc:id:sgtin:" + part(13) + "." + serial:       schemas.SGTIN,
			"urn:epc:class:lgtin:" + part(13) + "." + serial:    schemas.LGTIN,
			"urn:epc:idpat:sgtin:" + part(13) + ".*":            schemas.GTIN,
			"urn:epc:id:sscc:" + part(17):                       schemas.SSCC,
			"urn:epc:id:sgln:" + part(12) + "." + serial:        schemas.SGLN,
			"urn:epc:id:pgln:" + part(12):                       schemas.PGLN,
			"urn:epc:id:grai:" + part(12) + "." + serial:        schemas.GRAI,
			"urn:epc:idpat:grai:" + part(12) + ".*":             schemas.GRAIClass,
			"urn:epc:id:giai:" + digits[:prefix] + "." + serial: schemas.GIAI,
			"urn:epc:id:gsrn:" + part(17):                       schemas.GSRN,
			"urn:epc:id:gsrnp:" + part(17):                      schemas.GSRNP,
			"urn:epc:id:gdti:" + part(12) + "." + serial:        schemas.GDTI,
			"urn:epc:idpat:gdti:" + part(12) + ".*":             schemas.GDTIClass,
			"urn:epc:id:sgcn:" + part(12) + "." + digits[:12]:   schemas.GCN,
			"urn:epc:idpat:sgcn:" + part(12) + ".*":             schemas.GCNClass,
			"urn:epc:id:cpi:" + part(16) + "A.1" + digits[:9]:   schemas.CPI,
			"urn:epc:idpat:cpi:" + part(16) + "A.*":             schemas.CPIClass,
			"urn:epc:id:ginc:" + digits[:prefix] + "." + serial: schemas.GINC,
			"urn:epc:id:gsin:" + part(16):                       schemas.GSIN,
			"urn:epc:id:itip:" + part(13) + ".01.02." + serial:  schemas.ITIP,
			"urn:epc:idpat:itip:" + part(13) + ".01.02.*":       schemas.ITIPClass,
			"urn:epc:id:upui:" + part(13) + "." + serial:        schemas.UPUI,
		}
		for urn, scheme := range urns {
			id, err := schemas.ParseIdentifier(urn)
			if err != nil {
				t.Fatal(err)
			}
			if back, _ := id.URN(); back != urn || id.Scheme() != scheme {
				t.Fatalf("%s: %s, back %s", urn, id, back)
			}
			checkIdentifier(t, urn)
			checkWrongDigits(t, id)
		}
	})
}

// escapeURN escapes what an EPC URN may not hold as it is.
func escapeURN(s string) string {
	return strings.NewReplacer(`"`, "%22", "%", "%25", "&", "%26", "/", "%2F", "<", "%3C", ">", "%3E", "?", "%3F", "#", "%23").Replace(s)
}

// checkWrongDigits checks that every other digit of the key makes its check digit
// wrong.
func checkWrongDigits(t *rapid.T, id schemas.Identifier) {
	m := linkKey.FindStringSubmatchIndex(id.String())
	if m == nil {
		return // has no check digit
	}
	b := []byte(id.String())
	from := m[4]
	for at := from; at < from+keySizes[id.String()[m[2]:m[3]]]; at++ {
		right := b[at]
		b[at] = '0' + (right-'0'+1)%10
		if _, _, err := schemas.Canonical(string(b)); err == nil {
			t.Fatalf("%s is accepted beside %s", b, id)
		}
		b[at] = right
	}
}

// unescaped: a Digital Link whose serial holds "?" or "#" as it is. By RFC 3986
// these end the path; the vectors' authors read them as part of the serial.
func unescaped(uri string) bool {
	return strings.HasPrefix(uri, "http") && strings.ContainsAny(uri, "?#")
}

// overlong: an individual asset identifier of more than the 30 characters of AI
// 8004.
var overlong = regexp.MustCompile(`^(urn:epc:id:giai:[0-9.].{31,}|https?://.*/8004/.{31,})$`)

// nameless: an EPC URN without a reference, or without a company prefix in digits.
var nameless = regexp.MustCompile(`^urn:epc:id:ginc:[0-9]*\.$|^urn:epc:idpat:cpi:[0-9]*-`)

func TestIdentifierTranslation(t *testing.T) {
	var file struct {
		ToLink []translation `json:"urn_to_dl"`
		ToURN  []translation `json:"dl_to_urn"`
		Class  []translation `json:"class_level"`
	}
	conformance(t, "openepcis-epc-dl.json", &file)
	tested := 0
	for _, v := range append(append(file.ToLink, file.ToURN...), file.Class...) {
		if unescaped(v.Input) || unescaped(v.Expect) || overlong.MatchString(v.Input) || nameless.MatchString(v.Expect) {
			continue
		}
		tested++
		v.check(t)
	}
	if tested < 70 {
		t.Errorf("only %d vectors are in scope", tested)
	}
}

// translation is one identifier in two forms.
type translation struct{ Case, Input, Expect string }

// check checks that both forms are one identifier. A Digital Link whose check
// digit is wrong, which the vectors translate all the same, is refused at GS1's
// host and private elsewhere.
func (v translation) check(t *testing.T) {
	t.Helper()
	link, urn := v.Input, v.Expect
	if strings.HasPrefix(v.Input, "urn:") {
		link, urn = v.Expect, v.Input
	}
	want, err := schemas.ParseIdentifier(urn)
	if err != nil {
		t.Errorf("%s: %v", urn, err)
		return
	}
	got, err := schemas.ParseIdentifier(link)
	own := strings.HasPrefix(link, "https://id.gs1.org/")
	switch {
	case err == nil && got.String() == want.String() && got.Scheme() == want.Scheme():
	case wrongCheckDigit(t, link) && (own && codeOf(err) == "bad_check_digit" || !own && err == nil && got.Scheme() == schemas.PrivateURI):
	default:
		t.Errorf("%s is %s, %v\n%s is %s", link, got, err, urn, want)
	}
	if back, ok := want.URN(); !ok || back != urn && back != escapeSerial(urn) {
		t.Errorf("%s is written back as %s", urn, back)
	}
}

var linkKey = regexp.MustCompile(`/(00|01|253|255|402|414|417|8003|8006|8017|8018)/([0-9]+)`)

// keySizes has the digits of a key, the last of them its check digit.
var keySizes = map[string]int{"00": 18, "01": 14, "253": 13, "255": 13, "402": 17, "414": 13, "417": 13, "8003": 14, "8006": 14, "8017": 18, "8018": 18}

// wrongCheckDigit computes the check digit of a Digital Link's key and reports
// whether it has another.
func wrongCheckDigit(t *testing.T, uri string) bool {
	t.Helper()
	m := linkKey.FindStringSubmatch(uri)
	if m == nil {
		return false
	}
	size := min(keySizes[m[1]], len(m[2]))
	key, sum := m[2][:size], 0
	for i := range size {
		digit := int(key[size-1-i] - '0')
		if i%2 == 1 {
			digit *= 3
		}
		sum += digit // the check digit itself counts once: a right key sums to a multiple of ten
	}
	return sum%10 != 0
}

var textKey = regexp.MustCompile(`^urn:epc:[a-z]+:(giai|ginc|cpi):`)

// escapeSerial escapes the serial number of an EPC URN that came unescaped.
func escapeSerial(urn string) string {
	dots := 2
	if textKey.MatchString(urn) {
		dots = 1
	}
	from := 0
	for range dots {
		from += strings.IndexByte(urn[from:], '.') + 1
	}
	return urn[:from] + escapeURN(urn[from:])
}

func TestIdentifierNormaliser(t *testing.T) {
	var file struct {
		Vectors []struct {
			Case, Input string
			Expect      *string
		}
	}
	conformance(t, "ralphtro-dl-normaliser.json", &file)
	tested := 0
	for _, v := range file.Vectors {
		got, scheme, err := schemas.Canonical(v.Input)
		switch {
		case v.Expect == nil:
			// not convertible: refused, or a private URI
			if err == nil && (scheme != schemas.PrivateURI || got != v.Input) {
				t.Errorf("%s became %s, %s", v.Input, got, scheme)
			}
		case err != nil || got != *v.Expect:
			t.Errorf("%s: %s, %v\nwant %s", v.Input, got, err, *v.Expect)
		}
		tested++
	}
	if tested < 20 {
		t.Errorf("only %d vectors are in scope", tested)
	}
}

func TestIdentifierSyntaxEngine(t *testing.T) {
	var file struct {
		Vectors []struct {
			OK  bool   `json:"ok"`
			URI string `json:"uri"`
		}
	}
	conformance(t, "gs1-syntax-engine-dl-parse.json", &file)
	// Two vectors with one URI and opposite answers depend on an option of the
	// engine; alphabetic names are such an option as well, which here is on.
	answers := map[string]map[bool]bool{}
	for _, v := range file.Vectors {
		if answers[v.URI] == nil {
			answers[v.URI] = map[bool]bool{}
		}
		answers[v.URI][v.OK] = true
	}
	alphabetic := regexp.MustCompile(`^https?://[^/]+/gtin/`)
	for _, v := range file.Vectors {
		if len(answers[v.URI]) == 2 || alphabetic.MatchString(v.URI) && !v.OK {
			continue
		}
		got, scheme, err := schemas.Canonical(v.URI)
		if is := err == nil && scheme != schemas.PrivateURI; is != v.OK {
			t.Errorf("%q: %s, %s, %v; a Digital Link: %t", v.URI, got, scheme, err, v.OK)
		}
	}
}

// slashed: a component's Digital Link whose slash came unescaped.
var slashed = regexp.MustCompile(`^https://id\.gs1\.org/8010/[^/]+/[^/]+$`)

func TestIdentifierValidity(t *testing.T) {
	var file struct {
		Vectors []struct {
			Case, Input string
			Valid       bool
			GCPLength   *int `json:"gcpLength"`
		}
	}
	conformance(t, "openepcis-identifier-validity.json", &file)
	tested := 0
	for _, v := range file.Vectors {
		if unescaped(v.Input) {
			continue
		}
		id, err := schemas.ParseIdentifier(v.Input)
		scheme := id.Scheme()
		checkIdentifier(t, v.Input)
		switch {
		case v.Valid && wrongCheckDigit(t, v.Input):
			// refused at GS1's host, and a private URI elsewhere, whatever the
			// vector says
			own := strings.HasPrefix(v.Input, "https://id.gs1.org/")
			if own && codeOf(err) != "bad_check_digit" || !own && (err != nil || scheme != schemas.PrivateURI) {
				t.Errorf("%s: %s, %v, though its check digit is wrong", v.Input, scheme, err)
			}
		case v.Valid && (err != nil || scheme == schemas.PrivateURI || scheme == schemas.OtherGS1):
			t.Errorf("%s: %s, %v", v.Input, scheme, err)
		case !v.Valid && err == nil:
			// invalid only with the company prefix length that the vector gives
			// beside it, or no web URI at all, so a private one; or with a slash
			// that was not escaped, which the vectors read both ways
			fits := true
			if v.GCPLength != nil {
				_, fits = id.URNOf(*v.GCPLength)
			}
			if fits && scheme != schemas.PrivateURI && !slashed.MatchString(v.Input) {
				t.Errorf("%s is accepted as %s", v.Input, scheme)
			}
		}
		tested++
	}
	if tested < 150 {
		t.Errorf("only %d vectors are in scope", tested)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, v := range vectors(f, "testdata/identifier/vectors.txt") {
		f.Add(v[0])
	}
	f.Fuzz(func(t *testing.T, s string) { checkIdentifier(t, s) })
}

func BenchmarkCanonical(b *testing.B) {
	for name, s := range map[string]string{
		"urn":     "urn:epc:id:sgtin:9521234.054321.1001",
		"link":    "https://id.gs1.org/01/09521234543213/21/1001",
		"foreign": "https://example.com/some/stem/01/09521234543213/21/1001",
		"private": "https://example.com/batch/17",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				schemas.Canonical(s)
			}
		})
	}
}
