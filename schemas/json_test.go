package schemas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/waybill-ledger/waybill/schemas"
)

// lines returns the lines of a corpus without comments.
func lines(tb testing.TB, name string) []string {
	tb.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func TestTokenizerAccepts(t *testing.T) {
	for _, text := range lines(t, "testdata/json/accept.txt") {
		checkAgainstLibrary(t, text)
		if _, err := schemas.JSONValue(text, false); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTokenizerRefuses(t *testing.T) {
	for _, line := range lines(t, "testdata/json/refuse.txt") {
		parts := strings.SplitN(line, " ", 3)
		text, err := strconv.Unquote(parts[2])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		_, err = schemas.JSONValue(text, false)
		var f *schemas.Fault
		if !errors.As(err, &f) {
			t.Errorf("%s: accepted", line)
			continue
		}
		if got := f.Code.String() + " " + or(f.Pointer, "-"); got != parts[0]+" "+parts[1] {
			t.Errorf("%s: got %s (%s)", line, got, f.Detail)
		}
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func TestCompactMode(t *testing.T) {
	for _, text := range []string{" {}", "{} ", `{ "a":1}`, `{"a" :1}`, `{"a": 1}`, `{"a":1 }`, "{\n}", "[1, 2]", "[ ]"} {
		if _, err := schemas.JSONValue(text, true); err == nil {
			t.Errorf("%q: accepted", text)
		}
		compact, err := schemas.Compact(nil, []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := schemas.JSONValue(string(compact), true); err != nil {
			t.Errorf("%q: %v", compact, err)
		}
	}
	const kept = `{"b":" \" \\","a":[1.50,1E2,"é\u00e9"]}`
	got, err := schemas.Compact([]byte("x"), []byte(" { \"b\" :\t\" \\\" \\\\\" ,\r\n\"a\" : [ 1.50 ,1E2 , \"é\\u00e9\" ] } "))
	if err != nil || string(got) != "x"+kept {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestPointers(t *testing.T) {
	got := schemas.JSONPointers(`{"a":[1,{"b/c":[]}],"~":{"d":null}}`)
	want := []string{"", "/a", "/a", "/a/0", "/a/1", "/a/1/b~1c", "/a/1/b~1c", "/~0", "/~0", "/~0/d", "/~0/d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSorted(t *testing.T) {
	const text = `{"b":{"z":1.50,"recordTime":1,"y":"\u0041\/\u000a\u001F\ud83d\ude9a"},"recordTime":2,"a":[{"d":1,"c":[]}],"\u0061b":1e2}`
	const want = `{"a":[{"c":[],"d":1}],"ab":100,"b":{"recordTime":1,"y":"A/\n\u001f🚚","z":1.5}}`
	if got := schemas.Sorted(text, "recordTime"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestTokensDropped(t *testing.T) {
	const text = `{"a":{"b":[[1,2],{"c":[1,2,3]}]},"d":1}`
	for keep, want := range map[int]int{0: 16, 1: 5, 2: 7, 3: 9} {
		if got := schemas.Tokens(text, keep); got != want {
			t.Errorf("keep %d: %d tokens, want %d", keep, got, want)
		}
	}
}

// checkAgainstLibrary holds the tokenizer against encoding/json: what it accepts
// the library accepts with the same value, and what it refuses the library
// refuses too, or it breaks one of the rules that are stricter here.
func checkAgainstLibrary(tb testing.TB, text string) {
	tb.Helper()
	got, err := schemas.JSONValue(text, false)
	if err != nil {
		if json.Valid([]byte(text)) && utf8.ValidString(text) && strictlyFine(tb, text) {
			tb.Fatalf("%q: refused: %v", text, err)
		}
		return
	}
	if !json.Valid([]byte(text)) || !utf8.ValidString(text) || !strictlyFine(tb, text) {
		tb.Fatalf("%q: accepted", text)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		tb.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		tb.Fatalf("%q: %v, the library has %v", text, got, want)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		tb.Fatal(err)
	}
	ours, err := schemas.Compact(nil, []byte(text))
	if err != nil || !bytes.Equal(ours, compact.Bytes()) {
		tb.Fatalf("%q: compact %q, %v", text, ours, err)
	}
	if _, err := schemas.JSONValue(string(ours), true); err != nil {
		tb.Fatalf("%q: %v", ours, err)
	}
	if _, err := schemas.JSONValue(text, true); (err == nil) != (text == string(ours)) {
		tb.Fatalf("%q: compact mode: %v", text, err)
	}
}

// strictlyFine tells whether a text that the library accepts keeps the rules
// that the library does not have: depth, distinct names, paired surrogates.
func strictlyFine(tb testing.TB, text string) bool {
	var open []map[string]bool // nil for an array
	var name []bool
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		top := len(open) - 1
		if s, ok := tok.(string); ok && top >= 0 && open[top] != nil && name[top] {
			if open[top][s] {
				return false
			}
			open[top][s], name[top] = true, false
			continue
		}
		switch tok {
		case json.Delim('{'):
			open, name = append(open, map[string]bool{}), append(name, true)
		case json.Delim('['):
			open, name = append(open, nil), append(name, false)
		case json.Delim('}'), json.Delim(']'):
			open, name = open[:top], name[:top]
			top--
			fallthrough
		default:
			if top >= 0 && open[top] != nil {
				name[top] = true
			}
		}
		if len(open) > schemas.MaxDepth {
			return false
		}
	}
	return pairedSurrogates(text)
}

func pairedSurrogates(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		if text[i] != 'u' {
			continue
		}
		r, _ := strconv.ParseUint(text[i+1:i+5], 16, 32)
		i += 4
		if !utf16.IsSurrogate(rune(r)) {
			continue
		}
		if i+6 >= len(text) || text[i+1] != '\\' || text[i+2] != 'u' {
			return false
		}
		low, _ := strconv.ParseUint(text[i+3:i+7], 16, 32)
		if utf16.DecodeRune(rune(r), rune(low)) == utf8.RuneError {
			return false
		}
		i += 6
	}
	return true
}

func FuzzTokenizer(f *testing.F) {
	for _, text := range lines(f, "testdata/json/accept.txt") {
		f.Add(text)
	}
	for _, line := range lines(f, "testdata/json/refuse.txt") {
		text, err := strconv.Unquote(strings.SplitN(line, " ", 3)[2])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkAgainstLibrary(t, text) })
}
