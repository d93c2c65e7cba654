package proof_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

var rewrite = flag.Bool("rewrite", false, "write the golden bundles anew: only with a new version of the format")

// The bundles in testdata were made once. Whatever program comes later must make
// them again to the byte, and read in them what was read then; other verifiers
// can be tried on them.
func TestGolden(t *testing.T) {
	l := newStory(t)
	trust, err := json.MarshalIndent(l.trust(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "trust.json", trust)
	for name, of := range map[string]struct {
		subject proof.Subject
		id      string
	}{"item": {proof.AnItem, unit}, "class": {proof.AClass, lot}, "unknown": {proof.AnItem, "https://id.gs1.org/01/09521234543213/21/none"}} {
		encoded := golden(t, name+".bundle", l.build(of.subject, of.id).Encode())
		decoded, err := proof.DecodeTrust(golden(t, "trust.json", trust))
		if err != nil {
			t.Fatal(err)
		}
		r, err := proof.Verify(encoded, decoded)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, name+".report.json", []byte(report(t, r)))
	}
}

// golden compares with a file of testdata, and returns what the file has.
func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "bundle", name)
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s changed: %s", name, diff)
	}
	return want
}
