package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/audit"
)

const vectors = "../../schemas/proof/testdata/bundle/"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Both forms of every bundle say the same; blanks in the JSON say nothing.
func TestVerifyForms(t *testing.T) {
	files, err := filepath.Glob(vectors + "*.bundle")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".bundle")
		trust, err := audit.ReadTrust(read(t, name+".trust.json"))
		if err != nil {
			t.Fatal(err)
		}
		demands := audit.Demands{Accepted: acceptedRescues(t)}
		binary, err := audit.VerifyDemanding(read(t, name+".bundle"), trust, demands)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := read(t, name+".bundle.json")
		for _, form := range [][]byte{text, append([]byte(" \n"), bytes.Replace(text, []byte(`,"scope"`), []byte(" ,\n\t\"scope\""), 1)...)} {
			again, err := audit.VerifyDemanding(form, trust, demands)
			if err != nil {
				t.Fatalf("%s as JSON: %v", name, err)
			}
			if fmt.Sprint(binary.Proven, binary.NotProven, len(binary.Events)) != fmt.Sprint(again.Proven, again.NotProven, len(again.Events)) {
				t.Errorf("%s as JSON says another thing", name)
			}
		}
		for what, bad := range map[string][]byte{
			"a member twice":     bytes.Replace(text, []byte(`{"version":"2"`), []byte(`{"version":"2","version":"2"`), 1),
			"another order":      bytes.Replace(text, []byte(`"version":"2","chain_id":"waybill-test"`), []byte(`"chain_id":"waybill-test","version":"2"`), 1),
			"an unknown member":  bytes.Replace(text, []byte(`{"version":"2"`), []byte(`{"version":"2","more":"1"`), 1),
			"a number as number": bytes.Replace(text, []byte(`"version":"2"`), []byte(`"version":2`), 1),
			"upper case":         bytes.Replace(text, []byte(`"app_hash":"`), []byte(`"app_hash":"AA`), 1),
			"more behind it":     append(bytes.Clone(text), '{'),
			"a cut":              text[:len(text)-1],
			"an escape":          bytes.Replace(text, []byte(`waybill-test`), []byte(`waybill\u002dtest`), 1),
		} {
			if bytes.Equal(bad, text) {
				continue // it has no such place
			}
			if _, err := audit.Verify(bad, trust); err == nil {
				t.Errorf("%s with %s passes", name, what)
			}
		}
	}
}

func ExampleVerify() {
	bundle, err := os.ReadFile(vectors + "containers.bundle")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := os.ReadFile(vectors + "containers.trust.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	trust, err := audit.ReadTrust(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	statement, err := audit.Verify(bundle, trust)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range statement.Proven {
		fmt.Println(line)
	}
	// Output:
	// Validators with 30 of 40 votes of a trusted set signed the header of height 16.
	// What follows is the ledger's state after block 15. By the validators' clocks, all of it was decided before 2026-03-01T08:00:15Z.
	// The custody trail of https://id.gs1.org/01/09521234543213/21/1001 then had 3 records: all are here, in the order in which they were recorded, and no other followed.
	// The observation trail of https://id.gs1.org/01/09521234543213/21/1001 then had no record.
	// The custodian of the item was then the partner borg-foods.
	// Of every container that the items were put into, as their records tell, the records while they may have been inside are there: 3 containers.
}
