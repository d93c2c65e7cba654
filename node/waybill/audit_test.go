package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// golden are bundles that were made once, with their root of trust.
const golden = "../../schemas/proof/testdata/bundle/"

// running is the program with these arguments and nothing around it.
func running(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &out, &errOut, func(string) string { return "" })
	return out.String(), errOut.String(), status
}

func TestVerifyStatus(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	item, err := os.ReadFile(golden + "item.bundle")
	if err != nil {
		t.Fatal(err)
	}
	huge := file("huge", nil)
	if err := os.Truncate(huge, 1<<33); err != nil {
		t.Fatal(err)
	}
	const trust = golden + "item.trust.json"
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"good":              {[]string{golden + "item.bundle", "--trust", trust}, 0, ""},
		"good, of the item": {[]string{golden + "item.bundle", "--trust", trust, "--of", "urn:epc:id:sgtin:9521234.054321.1001"}, 0, ""},
		"of another item":   {[]string{golden + "item.bundle", "--trust", trust, "--of", "urn:epc:id:sgtin:9521234.054321.1002"}, 1, "not of"},
		"in JSON":           {[]string{golden + "item.bundle.json", "--trust", trust}, 0, ""},
		"no trust":          {[]string{golden + "item.bundle"}, 2, "--trust"},
		"no bundle":         {[]string{"--trust", trust}, 2, "one bundle"},
		"no such bundle":    {[]string{filepath.Join(dir, "none"), "--trust", trust}, 1, "reading the bundle"},
		"no such trust":     {[]string{golden + "item.bundle", "--trust", filepath.Join(dir, "none")}, 1, "reading the root of trust"},
		"another trust":     {[]string{golden + "item.bundle", "--trust", golden + "item.report.json"}, 1, "root of trust"},
		"a cut bundle":      {[]string{file("cut", item[:len(item)-1]), "--trust", trust}, 1, "does not hold"},
		"an endless file":   {[]string{huge, "--trust", trust}, 1, "are read"},
		"orders in a name":  {[]string{file("esc", append(bytes.Clone(item[:6]), "\x1b]0;x\a"...)), "--trust", trust}, 1, "does not hold"},
	} {
		out, said, status := running(t, append([]string{"verify"}, c.args...)...)
		if status != c.status || !strings.Contains(said, c.says) || status != 0 && out != "" {
			t.Errorf("%s: status %d, %q, %q", name, status, out, said)
		}
		if strings.ContainsAny(said, "\x1b\a") {
			t.Errorf("%s: a terminal obeys %q", name, said)
		}
	}
}

// What verify prints follows from bundle and root of trust alone, and tells what
// the bundle says of the state.
func TestVerifyOutput(t *testing.T) {
	for name, says := range map[string][]string{
		"item":    {"custodian carrier\n", "inside https://id.gs1.org/00/095212345000000018\n"},
		"class":   {"held "},
		"unknown": {"neither an item nor a class"},
	} {
		out, _, status := running(t, "verify", golden+name+".bundle", "--trust", golden+name+".trust.json")
		again, _, _ := running(t, "verify", golden+name+".bundle", "--trust", golden+name+".trust.json")
		if status != 0 || out != again {
			t.Errorf("%s: status %d:\n%s\n%s", name, status, out, again)
		}
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("%s: %q is missing:\n%s", name, s, out)
			}
		}
	}
}

// Nothing that a partner wrote gives orders to a terminal, in no kind of output,
// or looks like something that the program says.
func TestVerifyEscapes(t *testing.T) {
	const orders = "\x1b[2J\u009b2J\u202egnp.exe\u2028\x7f\r\nProven:\u00ad\U000e0001"
	body, err := json.Marshal(map[string]string{"ex:note": orders})
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.ReplaceAll(body, []byte(`\u007f`), []byte("\x7f"))
	at := time.Unix(0, 0).UTC()
	report := &proof.Report{ChainID: orders, Time: at, Partners: []schemas.Partner{{ID: orders, Name: orders}},
		Subjects: []proof.SubjectReport{{Kind: proof.AnItem, ID: orders, Role: proof.RoleAsked, Present: true, Custodian: orders, Containers: []string{orders},
			Disposition: orders, OfferedTo: orders, Balances: []schemas.Balance{{Partner: orders, UOM: orders, Quantity: "1", Known: true}}}},
		Events: []proof.Event{{BizStep: orders, Partner: orders, Key: orders, Type: orders, EventTime: &at, Body: body},
			{BizStep: "receiving  acme  applied, key k1 (hardware)", EventTime: &at, Partner: "borg", Key: "k2"}}}
	r := &audit.Statement{Report: report, Proven: report.Proven(), NotProven: report.NotProven()}
	for name, print := range map[string]func(*program) error{
		"text": func(p *program) error { return p.printStatement(r) },
		"json": func(p *program) error { return p.json(r) },
	} {
		var out bytes.Buffer
		if err := print(&program{out: &out}); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%s: a terminal is sent %q", name, c)
			}
		}
		if name == "text" && (strings.Count(out.String(), "\nProven:") != 1 || !strings.Contains(out.String(), `"receiving  acme  applied, key k1 (hardware)"  borg`)) {
			t.Errorf("foreign text looks like the program's:\n%s", out.String())
		}
		var back struct{ Subjects []struct{ Custodian string } }
		if name == "json" && (json.Unmarshal(out.Bytes(), &back) != nil || back.Subjects[0].Custodian != orders) {
			t.Errorf("the JSON says %q", back)
		}
	}
}

func TestOneNodeIsNotTwo(t *testing.T) {
	_, said, status := running(t, "trust", "--node", "http://127.0.0.1:1", "--node", "http://127.0.0.1:1/", "--key", "k")
	if status != exitUsage || !strings.Contains(said, "twice") {
		t.Errorf("status %d: %s", status, said)
	}
}

// telling is a node that tells of this root of trust.
func telling(t *testing.T, trust string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/trust" {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, trust)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A root of trust is what all nodes tell alike; one of them that lies is enough
// for none.
func TestTrustIsAgreed(t *testing.T) {
	text := func(chain, height, header, set string) string {
		return `{"chain_id":"` + chain + `","height":` + height + `,"time":"2026-03-01T08:00:00Z","header_hash":"` + strings.Repeat(header, 32) +
			`","validator_set_hash":"` + strings.Repeat(set, 32) + `"}`
	}
	good := text("c", "7", "ab", "cd")
	for name, c := range map[string]struct {
		nodes  []string
		status int
		says   string
	}{
		"all alike":              {[]string{good, good, good}, 0, ""},
		"one node":               {[]string{good}, 0, "warning"},
		"another header":         {[]string{good, text("c", "7", "ac", "cd"), good}, 1, "contradict"},
		"other validators":       {[]string{good, good, text("c", "7", "ab", "ce")}, 1, "contradict"},
		"another chain":          {[]string{good, text("d", "7", "ab", "cd")}, 1, "contradict"},
		"no height":              {[]string{text("c", "0", "ab", "cd")}, 1, "empty"},
		"no hash":                {[]string{text("c", "7", "xy", "cd")}, 1, "root of trust"},
		"orders to the terminal": {[]string{good, `{"chain_id":"\u001b[2J"`}, 1, "node 2"},
	} {
		args := []string{"trust", "--key", "k"}
		for _, n := range c.nodes {
			args = append(args, "--node", telling(t, n))
		}
		out, said, status := running(t, args...)
		if status != c.status || !strings.Contains(said, c.says) || (status == 0) != (out != "") || strings.Contains(out+said, "\x1b") {
			t.Errorf("%s: status %d, %q, %q", name, status, out, said)
		}
		if status == 0 {
			if _, err := proof.DecodeTrust([]byte(out)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// What a node says when it refuses is foreign text, too.
func TestRefusalsAreEscaped(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"status":400,"code":"bad_identifier","title":"\u001b[2J","detail":"\u001b]0;x\u0007\u009b31m","hint":"\u001b[A try this"}`)
	}))
	t.Cleanup(s.Close)
	for _, args := range [][]string{{"bundle", "urn:x:1"}, {"trail", "urn:x:1"}, {"item", "urn:x:1"}, {"trust"}, {"status"}} {
		out, said, status := running(t, append(args, "--node", s.URL, "--key", "k")...)
		if status != exitFailed || strings.ContainsAny(out+said, "\x1b\a\u009b") || !strings.Contains(said, "waybill: ") || !strings.Contains(said, "try this") {
			t.Errorf("%v: status %d, %q, %q", args, status, out, said)
		}
	}
}

// Who signed is told by the legal identity that the members admitted, with the keys.
func TestPrintSigners(t *testing.T) {
	var out strings.Builder
	p := &program{out: &out}
	p.printSigners(&proof.Report{Partners: []schemas.Partner{
		{ID: "dock", Name: "Dock BV", GLN: "9521234000051", Standing: schemas.StandingMember, LEI: "5493001KJTIIGC8Y1R12", Registration: "NL 12345678", State: schemas.Removed},
		{ID: "mill", Name: "Mill", GLN: "9521234000013", Standing: schemas.StandingMember}},
		Keys: []proof.KeyReport{{Partner: "dock", ID: "k1", Roles: []string{"capture", "admin"}, Held: schemas.HeldByClient, From: 7, Until: 90}}})
	const want = `partner dock, member: "Dock BV", GLN 9521234000051, LEI 5493001KJTIIGC8Y1R12, registration "NL 12345678", removed
partner mill, member: Mill, GLN 9521234000013
key k1 of dock, capture admin, held by client, valid from height 7 to 90
`
	if out.String() != want {
		t.Errorf("it says\n%s", out.String())
	}
}
