package audit_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// forged is what somebody made who has the whole ledger, and no key of others.
type forged struct {
	Name   string          `json:"name"`
	Trust  json.RawMessage `json:"trust"`
	Bundle []byte          `json:"bundle"`
}

func forgeries(t *testing.T) (all []forged) {
	t.Helper()
	f, err := os.Open("../../schemas/proof/testdata/refused.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one forged
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := lines.Err(); err != nil || len(all) < 100 {
		t.Fatalf("%d forgeries: %v", len(all), err)
	}
	return all
}

// TestVerifiersAgreeOnForgeries: both refuse them all.
func TestVerifiersAgreeOnForgeries(t *testing.T) {
	s := newSecond(t)
	for _, f := range forgeries(t) {
		if s.agree(f.Name, f.Bundle, f.Trust, 0) {
			t.Errorf("%s: it passes", f.Name)
		}
	}
}

// TestVerifiersAgreeOnRoots: a root of trust that one reads, the other reads, and alike.
func TestVerifiersAgreeOnRoots(t *testing.T) {
	s := newSecond(t)
	v := bundleVectors(t)[0]
	at := regexp.MustCompile(`"time": *"[^"]*"`)
	if !at.Match(v.trust) || !s.agree("as it is", v.binary, v.trust, 0) {
		t.Fatalf("%s", v.trust)
	}
	passed := 0
	for _, one := range []string{"2026-03-01T08:00:00Z", "2026-03-01T09:00:00.000+01:00", "2026-03-01T08:00:00-00:00", "2026-03-01T08\\u003a00:00Z", "2026-03-01T08:00:00,5Z", "2026-03-01T8:00:00Z",
		"2026-03-01t08:00:00z", "2026-03-01T08:00:00+24:00", "2026-03-01T08:00:00+01:60", "2026-03-01T07:59:60Z", "2026-02-29T08:00:00Z", "0000-03-01T08:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "2026-03-01T08:00:00.Z", "2026-03-01T08:00:00.1234567891Z", "2026-03-01 08:00:00Z", ""} {
		if s.agree("the time "+one, v.binary, at.ReplaceAll(v.trust, []byte(`"time":"`+one+`"`)), 0) {
			passed++
		}
	}
	if passed < 3 {
		t.Errorf("%d passed", passed)
	}
}

// TestVerifiersAgreeOnLong: a list may be longer than the arguments of a call, and a
// text than what a regular expression can follow.
func TestVerifiersAgreeOnLong(t *testing.T) {
	s := newSecond(t)
	v := bundleVectors(t)[0]
	for name, lengthen := range map[string]func(b *proof.Bundle){
		"balances": func(b *proof.Bundle) {
			for range 70_000 {
				b.Balances = append(b.Balances, proof.StateLeaf{Path: []byte{0, 0, 0}})
			}
		},
		"a member": func(b *proof.Bundle) {
			m := &b.Transactions[0].Messages[0]
			m.Members = append(m.Members, schemas.Member{Name: "zz", Value: []byte(`"` + strings.Repeat("x", 10<<20) + `"`)})
		},
	} {
		b, err := proof.DecodeBundle(v.binary)
		if err != nil {
			t.Fatal(err)
		}
		lengthen(b)
		text, err := proof.AppendJSON(nil, b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if s.agree(name, b.Encode(), v.trust, 0) || s.agree(name+" as JSON", text, v.trust, 0) {
			t.Errorf("long %s: it passes", name)
		}
	}
}

// TestSecondVerifierIsHarmless: what it prints, of bundles that hold and of others, has
// no character that a terminal obeys or that is not seen.
func TestSecondVerifierIsHarmless(t *testing.T) {
	newSecond(t)
	program, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(bundle, trust []byte) string {
		for name, text := range map[string][]byte{"bundle": bundle, "trust": trust} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("node", "--no-warnings", program, filepath.Join(dir, "bundle"), "--trust", filepath.Join(dir, "trust")).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out)
	}
	hidden := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	for _, v := range bundleVectors(t) {
		if v.name != "numbers" {
			continue
		}
		out := run(v.binary, v.trust)
		if at := strings.IndexFunc(out, hidden); at >= 0 {
			t.Errorf("it prints %q", out[at:min(len(out), at+20)])
		}
		for _, says := range []string{"9007199254740993", "12.50", "-0", "1e400", "1E-400", "0.10", "4611686018427387903", `a\u009b31mb\u2800c\u202ed`} {
			if !strings.Contains(out, says) {
				t.Errorf("it does not tell %q:\n%s", says, out)
			}
		}
	}
	seen := false
	for _, f := range forgeries(t) {
		if !bytes.Contains(f.Bundle, []byte{0x1b, '['}) {
			continue
		}
		seen = true
		if out := run(f.Bundle, f.Trust); strings.IndexFunc(out, hidden) >= 0 || !strings.Contains(out, `\u001b[`) {
			t.Errorf("%s: it prints %q", f.Name, out)
		}
	}
	if !seen {
		t.Error("no forgery has an escape sequence")
	}
}
