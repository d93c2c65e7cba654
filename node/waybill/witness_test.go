package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// TestWitnessUse: what is wrong use, and what fails, told by exit status and in words.
func TestWitnessUse(t *testing.T) {
	dir := t.TempDir()
	node := httptest.NewServer(http.NotFoundHandler())
	defer node.Close()
	const trust = golden + "item.trust.json"
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no node":             {[]string{"--trust", trust, "--dir", dir}, exitUsage, "--node"},
		"no trust":            {[]string{"--node", node.URL, "--dir", dir}, exitUsage, "--trust"},
		"no directory":        {[]string{"--node", node.URL, "--trust", trust}, exitUsage, "--dir"},
		"a node twice":        {[]string{"--node", node.URL, "--node", node.URL + "/", "--trust", trust, "--dir", dir}, exitUsage, "twice"},
		"no URL":              {[]string{"--node", "nowhere", "--trust", trust, "--dir", dir}, exitUsage, "nowhere"},
		"too often":           {[]string{"--node", node.URL, "--trust", trust, "--dir", dir, "--interval", "1ms"}, exitUsage, "--interval"},
		"once and for all":    {[]string{"--node", node.URL, "--trust", trust, "--dir", dir, "--once", "--listen", "127.0.0.1:0"}, exitUsage, "--listen"},
		"a trust of junk":     {[]string{"--node", node.URL, "--trust", junk, "--dir", dir, "--once"}, exitFailed, "root of trust"},
		"a key of junk":       {[]string{"--node", node.URL, "--trust", trust, "--dir", dir, "--key", junk, "--once"}, exitFailed, "secret key"},
		"a name that is none": {[]string{"--node", node.URL, "--trust", trust, "--dir", filepath.Join(dir, "a"), "--name", "a b", "--once"}, exitFailed, "name"},
		"a node that is none": {[]string{"--node", node.URL, "--trust", trust, "--dir", filepath.Join(dir, "b"), "--name", "w", "--once"}, exitFailed, "no node gave an answer"},
	} {
		out, said, status := running(t, append([]string{"witness"}, c.args...)...)
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: status %d\n%s%s", name, status, out, said)
		}
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no trust":       {[]string{junk}, exitUsage, "--trust"},
		"no alarm":       {[]string{"--trust", trust}, exitUsage, "one alarm"},
		"junk":           {[]string{junk, "--trust", trust}, exitFailed, "does not hold"},
		"no such alarm":  {[]string{filepath.Join(dir, "none"), "--trust", trust}, exitFailed, "reading the alarm"},
		"another's file": {[]string{trust, "--trust", trust}, exitFailed, "does not hold"},
	} {
		out, said, status := running(t, append([]string{"witness", "alarm"}, c.args...)...)
		if status != c.status || !strings.Contains(said, c.says) || out != "" {
			t.Errorf("alarm, %s: status %d\n%s%s", name, status, out, said)
		}
	}
}

// TestVerifyDemands: a demand that a bundle does not meet is told.
func TestVerifyDemands(t *testing.T) {
	const bundle, trust = golden + "witnessed.bundle", golden + "witnessed.trust.json"
	dir := t.TempDir()
	out, _, status := running(t, "verify", bundle, "--trust", trust)
	if status != 0 || strings.Contains(out, "witness") {
		t.Errorf("without a demand: %d\n%s", status, out)
	}
	seed := sha256.Sum256([]byte("witness auditor.example"))
	key := proof.WitnessKey{Name: "auditor.example", Public: ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)}
	file := filepath.Join(dir, "key.pub")
	if err := os.WriteFile(file, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{key.String(), file} {
		out, said, status := running(t, "verify", bundle, "--trust", trust, "--witness", given)
		if status != 0 || !strings.Contains(out, "The witness auditor.example says, at 2026-03-01T09:03:00Z by its clock") {
			t.Errorf("with a witness: %d\n%s%s", status, out, said)
		}
	}
	report, err := os.ReadFile(golden + "witnessed.report.json")
	if err != nil || strings.Contains(string(report), "witnessed") {
		t.Errorf("the report tells of witnesses that nobody demanded: %v", err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no key":              {[]string{"--witness", "nobody"}, exitFailed, "reading a witness's key"},
		"more than there are": {[]string{"--witnesses-needed", "1"}, exitUsage, "--witnesses-needed"},
		"fewer than none":     {[]string{"--witnesses-needed", "-1"}, exitUsage, "--witnesses-needed"},
		"no authorities":      {[]string{"--tsa", filepath.Join(dir, "none")}, exitFailed, "time stamp authorities"},
		"no certificate":      {[]string{"--tsa", trust}, exitFailed, "no certificate"},
	} {
		out, said, status := running(t, append([]string{"verify", bundle, "--trust", trust}, c.args...)...)
		if status != c.status || !strings.Contains(said, c.says) || out != "" {
			t.Errorf("%s: status %d\n%s%s", name, status, out, said)
		}
	}
}
