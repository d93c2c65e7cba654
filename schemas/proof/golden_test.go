package proof_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

var rewrite = flag.Bool("rewrite", false, "write the golden bundles anew: only with a new version of the format")

// The bundles in testdata were made once. Whatever program comes later must make
// them again to the byte, and read in them what was read then; other verifiers
// can be tried on them.
func TestGolden(t *testing.T) {
	for _, v := range vectors(t) {
		trust, err := json.MarshalIndent(v.trust, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := proof.DecodeTrust(golden(t, v.name+".trust.json", trust))
		if err != nil {
			t.Fatal(err)
		}
		encoded := golden(t, v.name+".bundle", v.bundle.Encode())
		text, err := proof.AppendJSON(nil, encoded)
		if err != nil {
			t.Fatal(err)
		}
		again, err := proof.ParseJSON(golden(t, v.name+".bundle.json", text))
		if err != nil || !bytes.Equal(again, encoded) {
			t.Fatalf("%s: JSON leads back to another bundle: %v", v.name, err)
		}
		r, err := proof.Verify(encoded, decoded, v.accept...)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if len(v.accept) > 0 {
			golden(t, v.name+".accept", []byte(v.accept[0].String()+"\n"))
		}
		golden(t, v.name+".report.json", []byte(report(t, r)))
		golden(t, v.name+".statement.txt", []byte("Proven:\n"+strings.Join(r.Proven(), "\n")+"\nNot proven:\n"+strings.Join(r.NotProven(), "\n")+"\n"))
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
