package proof_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// said is what a bundle proves, in words.
func said(t *testing.T, b *proof.Bundle, trust *proof.Trust) string {
	t.Helper()
	r, err := proof.Verify(b.Encode(), trust)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(r.Proven(), "\n")
}

// Of containers and ancestors nothing is said where nobody looked for any: what a
// partner sent may tell of many.
func TestStatementOfOthers(t *testing.T) {
	l := newStory(t)
	for _, of := range []proof.Thing{{Kind: proof.APartner, ID: "acme-farms"}, {Kind: proof.APartner, ID: "nobody"}, {Kind: proof.AnItem, ID: "urn:example:none"}} {
		m := l.everything(of.Kind, of.ID)
		m.Scope.Containers, m.Scope.Ancestors = true, 1
		b := l.make(m)
		if text := said(t, b, l.trust()); strings.Contains(text, "container") || strings.Contains(text, "made from") {
			t.Errorf("of %s: %s", of.ID, text)
		}
		if r, _ := proof.Verify(b.Encode(), l.trust()); r.Complete {
			t.Errorf("%s has ancestors, and all are there", of.ID)
		}
	}
}

// What is withheld may tell of containers and ancestors that are not there, and the
// sentences about them say so.
func TestStatementOfWithheld(t *testing.T) {
	l := inChain(t)
	m := l.everything(proof.AnItem, unit)
	m.Scope.Containers, m.Scope.Ancestors = true, 1
	if text := said(t, l.make(m), l.trust()); strings.Contains(text, "withheld") {
		t.Errorf("nothing is: %s", text)
	}
	m.Disclosure = proof.Disclosure{Partner: "borg-foods"}
	text := said(t, l.make(m), l.trust())
	for _, says := range []string{"put into, as those of their records tell that are not withheld,", "as far upstream as records tell that are not withheld, is there"} {
		if !strings.Contains(text, says) {
			t.Errorf("not said: %q\n%s", says, text)
		}
	}
}

// A header before the root of trust leads nowhere.
func TestStatementOfSteps(t *testing.T) {
	l := newStory(t)
	trust, h := l.trust(), l.header()
	h.Height, h.Time = 2, l.start.Add(1)
	b := l.build(proof.AnItem, unit)
	if err := b.Follow(l.signed(h)); err != nil {
		t.Fatal(err)
	}
	if text := said(t, b, trust); !strings.Contains(text, "1 header, signed by more than two thirds of the set trusted before it, leads from the root of trust") {
		t.Error(text)
	}
	sealed := l.header()
	trust.Height, trust.Time, trust.HeaderHash = sealed.Height, sealed.Time, sealed.Hash(trust.ValidatorSetHash)
	r, err := proof.Verify(b.Encode(), trust)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Proven(), "\n"); !slices.Equal(r.Steps, []int64{2}) || strings.Contains(text, "leads from") {
		t.Errorf("steps %v: %s", r.Steps, text)
	}
}
