package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/network"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// captureOne puts one new item on the ledger and answers its identifier.
func captureOne(t *testing.T, x *testNet, i int) (item string) {
	t.Helper()
	run := "audit" + random(t)
	_, body := newEvent(i, run, 1)
	if err := acknowledge(t.Context(), x.plain(t, i), body); err != nil {
		t.Fatal(err)
	}
	var e struct {
		EPCs []string `json:"epcList"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e.EPCs[0]
}

func (x *testNet) trust(t *testing.T) *proof.Trust {
	t.Helper()
	trust, err := network.AgreedTrust(t.Context(), []*client.Client{x.client(t, 0), x.client(t, 1), x.client(t, 2)})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// trustFile is the root of trust as a file, as a node that joins is given it.
func (x *testNet) trustFile(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(x.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), node.TrustFile)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A bundle from a running network verifies, and no byte of it can be changed
// without either being noticed or changing nothing that it says.
func TestBundleMutation(t *testing.T) {
	x := shared.get(t)
	item := captureOne(t, x, 0)
	x.level(t)
	bundle, err := x.client(t, 3).Bundle(t.Context(), schemas.BundleQuery{ID: item})
	if err != nil {
		t.Fatal(err)
	}
	trust := x.trust(t)
	report, err := proof.Verify(bundle, trust)
	if err != nil {
		t.Fatalf("the bundle as it came: %v", err)
	}
	if len(report.Events) != 1 || report.Asked().Custodian != x.members[0].Partner {
		t.Fatalf("the bundle tells of %d events and of custodian %q", len(report.Events), report.Asked().Custodian)
	}
	want := mustJSON(t, report)
	same := 0
	for i := range bundle {
		for _, flip := range []byte{1, 0x80, 0xff} {
			altered := bytes.Clone(bundle)
			altered[i] ^= flip
			got, err := proof.Verify(altered, trust)
			if err != nil {
				continue
			}
			if same++; !bytes.Equal(mustJSON(t, got), want) {
				t.Fatalf("byte %d xor %#x: the bundle verifies with another meaning", i, flip)
			}
		}
		if _, err := proof.Verify(bundle[:i], trust); err == nil {
			t.Fatalf("the first %d bytes alone verify", i)
		}
	}
	t.Logf("%d bytes, %d changes without a meaning", len(bundle), same)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// That the ledger knows nothing of an item is proved, too.
func TestBundleOfAbsence(t *testing.T) {
	x := shared.get(t)
	bundle, err := x.client(t, 1).Bundle(t.Context(), schemas.BundleQuery{ID: "urn:epc:id:sgtin:9521234.012345.never-" + random(t)})
	if err != nil {
		t.Fatal(err)
	}
	report, err := proof.Verify(bundle, x.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	if report.Asked().Present || len(report.Events) > 0 {
		t.Fatalf("the bundle of an absent item tells of %d events", len(report.Events))
	}
}

// waybill runs the program against nodes of the network.
func (x *testNet) waybill(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "WAYBILL_NODE="+x.members[0].REST, "WAYBILL_KEY="+x.members[0].Key)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// An auditor's way, with the program alone: trust, bundle, verify; and a bundle
// that was altered is refused with status 1.
func TestCommands(t *testing.T) {
	x := shared.get(t)
	item := captureOne(t, x, 0)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(want int, args ...string) string {
		t.Helper()
		out, errOut, code := x.waybill(t, args...)
		if code != want {
			t.Fatalf("waybill %s: status %d, expected %d\n%s%s", strings.Join(args, " "), code, want, out, errOut)
		}
		return out
	}
	bundle := run(0, "bundle", item)
	trust := run(0, "trust", "--node", x.members[0].REST, "--key", x.members[0].Key, "--node", x.members[2].REST, "--key", x.members[2].Key)
	good, trustFile := write("good", bundle), write("trust.json", trust)
	said := run(0, "verify", good, "--trust", trustFile)
	if !strings.Contains(said, "commissioning") || !strings.Contains(said, x.members[0].Partner) {
		t.Errorf("verify says:\n%s", said)
	}
	if again := run(0, "verify", good, "--trust", trustFile); again != said {
		t.Errorf("verify says another thing the second time:\n%s", again)
	}
	altered := []byte(bundle)
	altered[len(altered)/2] ^= 1
	run(1, "verify", write("bad", string(altered)), "--trust", trustFile)
	run(1, "verify", good, "--trust", write("other.json", strings.Replace(trust, `"header_hash": "`, `"header_hash": "00`, 1)))
	for _, command := range []string{"item", "trail", "trace"} {
		if out := run(0, command, item); !strings.Contains(out, "https://id.gs1.org/01/") {
			t.Errorf("waybill %s says:\n%s", command, out)
		}
		var v any
		if err := json.Unmarshal([]byte(run(0, command, item, "-o", "json")), &v); err != nil {
			t.Errorf("waybill %s -o json: %v", command, err)
		}
	}
	run(0, "status")
	run(1, "item", "urn:epc:id:sgtin:9521234.012345.nothing-here")
	_, body := newEvent(0, "cli"+random(t), 1)
	file := write("event.json", string(body))
	if out := run(0, "capture", file); !strings.Contains(out, "applied") {
		t.Errorf("capture says %q", out)
	}
	if out := run(0, "capture", file); !strings.Contains(out, "duplicate") {
		t.Errorf("capture of the same again says %q", out)
	}
	run(1, "capture", write("bad.json", strings.Replace(string(body), "commissioning", "levitating", 1)))
}
