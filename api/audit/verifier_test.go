package audit_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const vectorsDir = "../../schemas/proof/testdata/bundle"

// second is the second verifier, which shares no code with the first.
type second struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	// accepted are the ids of rescues that both verifiers are told to accept.
	accepted []schemas.Hash
}

// needed says that a test may not be skipped for want of a tool.
func needed(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("WAYBILL_VERIFIER") == "required" {
		t.Fatalf("%s, and WAYBILL_VERIFIER says that the second verifier is required", why)
	}
	t.Skip(why + ": the second verifier is not tested")
}

// compiled makes the second verifier's program once.
var compiled = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("npm", "run", "--silent", "build")
	cmd.Dir = "verifier"
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compiling the second verifier: %w\n%s", err, out)
	}
	return filepath.Abs(filepath.Join("verifier", "dist", "cli.js"))
})

func newSecond(t *testing.T) *second {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		needed(t, "node is not installed")
	}
	if _, err := os.Stat("verifier/node_modules/typescript"); err != nil {
		needed(t, "the second verifier's compiler is not there (make verifier fetches it)")
	}
	program, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	s := &second{t: t, accepted: acceptedRescues(t), cmd: exec.Command("node", "--no-warnings", program, "--batch")}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	s.out.Buffer(nil, 64<<20)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.in.Close(); err != nil {
			t.Error(err)
		}
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the second verifier ended badly: %v", err)
		}
	})
	return s
}

// verdict is what a verifier says: a report, or why there is none.
type verdict struct {
	Report  any
	Refused string
}

func (s *second) verify(bundle, trust []byte, needed int, keys []proof.WitnessKey) (v verdict) {
	s.t.Helper()
	ids := "-"
	for i, id := range s.accepted {
		if ids += "," + id.String(); i == 0 {
			ids = id.String()
		}
	}
	line := fmt.Sprint(base64.StdEncoding.EncodeToString(trust), " ", base64.StdEncoding.EncodeToString(bundle), " ", ids, " ", needed)
	for _, k := range keys {
		line += " " + k.String()
	}
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		s.t.Fatal(err)
	}
	if !s.out.Scan() {
		s.t.Fatalf("the second verifier gives no answer: %v", s.out.Err())
	}
	digits(s.t, s.out.Bytes(), &v)
	return v
}

// digits reads JSON with every digit of its numbers.
func digits(t *testing.T, b []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

// first is what the first verifier says, as JSON has it.
func first(t *testing.T, bundle, trust []byte, needed int, keys []proof.WitnessKey, accepted ...schemas.Hash) (v verdict) {
	t.Helper()
	root, err := proof.DecodeTrust(trust)
	if err == nil {
		bundle, err = audit.Binary(bundle)
	}
	var r *proof.Report
	if err == nil {
		r, err = proof.Verify(bundle, root, accepted...)
	}
	if err == nil {
		err = r.Witness(keys, needed)
	}
	if err != nil {
		return verdict{Refused: err.Error()}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	digits(t, b, &v.Report)
	return v
}

// agree checks that both verifiers say the same, and answers whether they accept.
func (s *second) agree(what string, bundle, trust []byte, needed int, keys ...proof.WitnessKey) bool {
	s.t.Helper()
	a, b := first(s.t, bundle, trust, needed, keys, s.accepted...), s.verify(bundle, trust, needed, keys)
	if (a.Refused == "") != (b.Refused == "") {
		s.t.Errorf("%s: the first verifier says %q, the second %q", what, a.Refused, b.Refused)
	} else if diff := cmp.Diff(a.Report, b.Report); diff != "" {
		s.t.Errorf("%s: the verifiers tell different things:\n%s", what, diff)
	}
	return a.Refused == ""
}

// acceptedRescues are the ids of rescues under which the vectors hold.
func acceptedRescues(t *testing.T) (ids []schemas.Hash) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(vectorsDir, "*.accept"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no rescue to accept: %v", err)
	}
	for _, name := range names {
		var id schemas.Hash
		text, err := os.ReadFile(name)
		if err == nil {
			err = id.UnmarshalText(bytes.TrimSpace(text))
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// TestVerifiersAgreeOnRescues: none is crossed that is not accepted, and none
// whose document has another bit.
func TestVerifiersAgreeOnRescues(t *testing.T) {
	s := newSecond(t)
	seen := 0
	for _, v := range bundleVectors(t) {
		b, err := proof.DecodeBundle(v.binary)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Rescues) == 0 {
			continue
		}
		seen++
		good := b.Rescues[0].Document
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			b.Rescues[0].Document = bad
			if s.agree(fmt.Sprintf("%s, byte %d of the document changed", v.name, i), b.Encode(), v.trust, 0) {
				t.Errorf("%s passes with byte %d of the document changed", v.name, i)
			}
		}
	}
	if seen < 3 {
		t.Errorf("%d vectors have a rescue", seen)
	}
	s.accepted = nil
	for _, v := range bundleVectors(t) {
		_, err := os.Stat(filepath.Join(vectorsDir, v.name+".accept"))
		if crosses := err == nil; s.agree(v.name+" without accepting a rescue", v.binary, v.trust, 0) == crosses {
			t.Errorf("%s, which crosses a rescue (%t), without accepting any", v.name, crosses)
		}
	}
}

type bundleVector struct {
	name                string
	binary, json, trust []byte
}

func bundleVectors(t *testing.T) []bundleVector {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(vectorsDir, "*.bundle"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d vectors: %v", len(names), err)
	}
	var out []bundleVector
	for _, name := range names {
		stem := strings.TrimSuffix(name, ".bundle")
		v := bundleVector{name: filepath.Base(stem)}
		for suffix, into := range map[string]*[]byte{".bundle": &v.binary, ".bundle.json": &v.json, ".trust.json": &v.trust} {
			if *into, err = os.ReadFile(stem + suffix); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, v)
	}
	return out
}

// TestVerifiersAgree: on all vectors, in both forms.
func TestVerifiersAgree(t *testing.T) {
	s := newSecond(t)
	for _, v := range bundleVectors(t) {
		spaced := append(bytes.Repeat([]byte(" \n"), 100), v.json...)
		if !s.agree(v.name, v.binary, v.trust, 0) || !s.agree(v.name+" as JSON", v.json, v.trust, 0) || !s.agree(v.name+" as JSON behind blanks", spaced, v.trust, 0) {
			t.Errorf("%s is refused", v.name)
		}
	}
}

// TestVerifiersAgreeOnShipments: neither accepts one whose parts are left out, exchanged,
// or there too often, and both say the same of one that has all.
func TestVerifiersAgreeOnShipments(t *testing.T) {
	s := newSecond(t)
	seen := map[string]int{}
	for _, v := range bundleVectors(t) {
		for name, alter := range map[string]func(b *proof.Bundle) bool{
			"without hand-overs":       func(b *proof.Bundle) bool { b.Handovers = nil; return true },
			"with a hand-over less":    func(b *proof.Bundle) bool { b.Handovers = b.Handovers[1:]; return true },
			"with one twice":           func(b *proof.Bundle) bool { b.Handovers = append(b.Handovers, b.Handovers[0]); return true },
			"with them exchanged":      func(b *proof.Bundle) bool { slices.Reverse(b.Handovers); return true },
			"with the other's dispute": func(b *proof.Bundle) bool { b.Handovers[0].Dispute = b.Handovers[1].Dispute; return true },
			"with its dispute denied": func(b *proof.Bundle) bool {
				h := &b.Handovers[1].Dispute
				has := h.Value != nil
				h.Value = nil
				return has
			},
			"with its units' leaf less": func(b *proof.Bundle) bool { has := b.Units != nil; b.Units = nil; return has },
			"with the scope of units":   func(b *proof.Bundle) bool { had := b.Units != nil; b.Scope.Units = !b.Scope.Units; return had },
			"with a unit less": func(b *proof.Bundle) bool {
				has := b.Units != nil
				b.Subjects = b.Subjects[:len(b.Subjects)-1]
				return has
			},
			"with containers":            func(b *proof.Bundle) bool { b.Scope.Containers = true; return true },
			"with ancestors":             func(b *proof.Bundle) bool { b.Scope.Ancestors = 1; return true },
			"as an unknown thing's":      func(b *proof.Bundle) bool { b.Subjects[0].Kind = proof.Unknown; return true },
			"as a partner's":             func(b *proof.Bundle) bool { b.Subjects[0].Kind = proof.APartner; return true },
			"with the names less":        func(b *proof.Bundle) bool { has := b.Scope.Names; b.Partners = b.Partners[1:]; return has },
			"without the last of trails": func(b *proof.Bundle) bool { b.Transactions = b.Transactions[:len(b.Transactions)-1]; return true },
		} {
			b, err := proof.DecodeBundle(v.binary)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Handovers) < 2 || !alter(b) {
				continue
			}
			seen[name]++
			if s.agree(v.name+" "+name, b.Encode(), v.trust, 0) {
				t.Errorf("%s passes %s", v.name, name)
			}
		}
	}
	if len(seen) != 15 {
		t.Errorf("only %v were tried", seen)
	}
}

// vectorWitness is the key of a witness of the vectors.
func vectorWitness(name string) proof.WitnessKey {
	seed := sha256.Sum256([]byte("witness " + name))
	return proof.WitnessKey{Name: name, Public: ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)}
}

// TestVerifiersAgreeOnWitnesses: whose word is demanded, and how many.
func TestVerifiersAgreeOnWitnesses(t *testing.T) {
	s := newSecond(t)
	auditor, customs, stranger := vectorWitness("auditor.example"), vectorWitness("customs.example/2"), vectorWitness("stranger.example")
	namesake, alias := stranger, auditor
	namesake.Name, alias.Name = auditor.Name, "alias.example"
	heard := map[string]int{"witnessed": 2, "witnessed-idle": 1} // of these
	for _, v := range bundleVectors(t) {
		for needed := range 4 {
			for name, form := range map[string][]byte{v.name: v.binary, v.name + " as JSON": v.json} {
				if got := s.agree(name, form, v.trust, needed, stranger, auditor, customs, auditor, namesake); got != (needed <= heard[v.name]) {
					t.Errorf("%s, %d witnesses needed: %t", name, needed, got)
				}
				// A key that is given under two names is looked for under the first.
				if got := s.agree(name, form, v.trust, needed, auditor, alias); got != (needed <= min(1, heard[v.name])) {
					t.Errorf("%s, %d witnesses needed, one of two names: %t", name, needed, got)
				}
				if got := s.agree(name, form, v.trust, needed, alias, auditor); got != (needed == 0) {
					t.Errorf("%s, %d witnesses needed, one under another name: %t", name, needed, got)
				}
			}
		}
	}
}

// TestVerifiersAgreeOnDamage: on what was changed they agree, too: nearly always
// that it is refused.
func TestVerifiersAgreeOnDamage(t *testing.T) {
	s := newSecond(t)
	vectors := bundleVectors(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	budget := 20
	if !testing.Short() {
		budget = 120
	}
	for i, v := range vectors {
		other := vectors[(i+1)%len(vectors)]
		for n := range budget {
			for form, good := range map[string][]byte{"binary": v.binary, "JSON": v.json} {
				bad := damage(r, good, other.binary)
				if form == "JSON" {
					bad = damage(r, good, other.json)
				}
				needed := 0
				if strings.HasPrefix(v.name, "witnessed") {
					needed = 1
				}
				s.agree(fmt.Sprintf("%s, %s, change %d of seed %d", v.name, form, n, seed), bad, v.trust, needed, vectorWitness("auditor.example"))
				if t.Failed() {
					return
				}
			}
		}
		for n := range budget / 4 {
			s.agree(fmt.Sprintf("%s, its root of trust changed, %d of seed %d", v.name, n, seed), v.binary, damage(r, v.trust, other.trust), 0)
		}
		s.agree(v.name+" under another root of trust", v.binary, other.trust, 0)
	}
}

// damage changes a byte or a bit, cuts, repeats, or splices.
func damage(r *rand.Rand, good, other []byte) []byte {
	bad := bytes.Clone(good)
	at := r.IntN(len(bad))
	switch r.IntN(8) {
	case 0:
		return bad[:at]
	case 1:
		end := min(len(bad), at+1+r.IntN(40))
		return append(bad[:at], bad[end:]...)
	case 2:
		end := min(len(bad), at+1+r.IntN(40))
		return append(append(bytes.Clone(bad[:end]), bad[at:end]...), bad[end:]...)
	case 3:
		from := r.IntN(len(other))
		return append(bad[:at], other[from:]...)
	case 4:
		bad[at] = byte(r.Uint32())
	case 5:
		return append(bad, byte(r.Uint32()))
	default:
		bad[at] ^= 1 << r.IntN(8)
	}
	return bad
}

// TestActsAreListed: which acts there are, and the role that each needs, is listed
// where another verifier looks.
func TestActsAreListed(t *testing.T) {
	for name, pattern := range map[string]string{"verifier/src/codes.ts": `\["%[1]s", %[2]dn\]`, "../../docs/format.md": "\\| `%[1]s` \\| %[3]s \\|"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range schemas.ActNames() {
			role := schemas.RoleOfAct(act)
			if !regexp.MustCompile(fmt.Sprintf(pattern, act, role, schemas.RoleNames(role))).Match(b) {
				t.Errorf("%s does not list the act %s, which needs the role %s (%d)", name, act, schemas.RoleNames(role), role)
			}
		}
	}
}

// TestCodesAreListed: what receipts can say is listed where another verifier looks.
func TestCodesAreListed(t *testing.T) {
	for name, pattern := range map[string]string{"verifier/src/codes.ts": `\[(%d), "%s"\]`, "../../docs/format.md": "(`)%[2]s`"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range schemas.Codes() {
			if c == schemas.OK || c >= schemas.Unauthorized && c < 600 {
				continue
			}
			if !regexp.MustCompile(fmt.Sprintf(pattern, c, regexp.QuoteMeta(c.String()))).Match(b) {
				t.Errorf("%s does not list %s, %s", name, strconv.Itoa(int(c)), c)
			}
		}
	}
}
