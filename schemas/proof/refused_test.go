package proof_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// refused is a forgery as testdata/refused.jsonl has it, a line each: other verifiers
// must refuse it, too.
type refused struct {
	Name   string       `json:"name"`
	Trust  *proof.Trust `json:"trust"`
	Bundle []byte       `json:"bundle"`
}

func TestRefused(t *testing.T) {
	const name = "testdata/refused.jsonl"
	var made bytes.Buffer
	e := json.NewEncoder(&made)
	eachForgery(t, func(f *forgery, b *proof.Bundle, trust *proof.Trust) {
		if err := e.Encode(refused{f.name, trust, b.Encode()}); err != nil {
			t.Fatal(err)
		}
	})
	if *rewrite {
		if err := os.WriteFile(name, made.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), made.String()); diff != "" {
		t.Errorf("%s changed: %s", name, diff)
	}
}
