package proof_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// witnessOf is a witness's key with its private half: one of a name is always the same.
func witnessOf(name string) (proof.WitnessKey, ed25519.PrivateKey) {
	seed := sha256.Sum256([]byte("witness " + name))
	private := ed25519.NewKeyFromSeed(seed[:])
	return proof.WitnessKey{Name: name, Public: private.Public().(ed25519.PublicKey)}, private
}

// witnessedPart is the checkpoint of a log that ends behind so many anchors, signed
// by the witnesses.
func witnessedPart(t testing.TB, chain string, entries [][32]byte, size, index int, names ...string) proof.WitnessedPart {
	c := proof.Checkpoint{ChainID: chain, Size: uint64(size), Root: proof.RootOf(entries[:size])}
	p := proof.WitnessedPart{Size: c.Size, Index: uint64(index), Inclusion: inclusion(t, entries[:size], index)}
	for i, name := range names {
		_, private := witnessOf(name)
		p.Cosignatures = append(p.Cosignatures, c.Cosign(name, private, time.Date(2026, 3, 1, 9, size, i, 0, time.UTC)))
	}
	return p
}

// witnessed is a bundle whose state's header two witnesses saw, one of them again
// in a longer history; of an idle header, the one that carried the state first.
func witnessed(t testing.TB) (atOnce, idle vector) {
	l := newStory(t)
	set := proof.ValidatorSetHash(l.vals)
	b, header := l.build(proof.AnItem, unit), l.header()
	entry := func(h proof.Header) [32]byte {
		hash := h.Hash(set)
		return schemas.AnchorEntry(h.Height, hash[:])
	}
	entries := [][32]byte{{1}, {2}, entry(header), {4}, {5}}
	b.Attach(witnessedPart(t, l.chain, entries, 5, 2, "auditor.example"))
	b.Attach(witnessedPart(t, l.chain, entries, 3, 2, "auditor.example", "customs.example/2"))
	later := header
	later.Height, later.Time = header.Height+7, header.Time.Add(time.Minute)
	i := l.build(proof.AnItem, unit)
	if err := i.Seal(l.signed(later)); err != nil {
		t.Fatal(err)
	}
	p := witnessedPart(t, l.chain, entries, 4, 2, "auditor.example")
	short, err := header.Short(set)
	if err != nil {
		t.Fatal(err)
	}
	p.Header, p.Validators, p.Token = &short, set, []byte("a time stamp")
	i.Attach(p)
	return vector{name: "witnessed", bundle: b, trust: l.trust()}, vector{name: "witnessed-idle", bundle: i, trust: l.trust()}
}

func TestWitness(t *testing.T) {
	auditor, _ := witnessOf("auditor.example")
	customs, _ := witnessOf("customs.example/2")
	stranger, _ := witnessOf("stranger.example")
	namesake, _ := witnessOf("somebody else")
	namesake.Name = auditor.Name
	atOnce, idle := witnessed(t)
	for _, c := range []struct {
		name   string
		v      vector
		keys   []proof.WitnessKey
		needed int
		says   string // names and sizes of the words; "" for a refusal
	}{
		{"one of two", atOnce, []proof.WitnessKey{customs}, 1, "customs.example/2 3"},
		{"both; of each the first word", atOnce, []proof.WitnessKey{auditor, customs}, 2, "auditor.example 3, customs.example/2 3"},
		{"two of three", atOnce, []proof.WitnessKey{auditor, stranger, customs}, 2, "auditor.example 3, customs.example/2 3"},
		{"three of three", atOnce, []proof.WitnessKey{auditor, stranger, customs}, 3, ""},
		{"one, twice", atOnce, []proof.WitnessKey{auditor, auditor}, 2, ""},
		{"somebody of the same name", atOnce, []proof.WitnessKey{namesake}, 1, ""},
		{"nobody demanded", atOnce, nil, 0, "nobody"},
		{"an idle header", idle, []proof.WitnessKey{auditor}, 1, "auditor.example 4"},
	} {
		r, err := proof.Verify(c.v.bundle.Encode(), c.v.trust)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		err = r.Witness(c.keys, c.needed)
		if c.says == "" {
			if !errors.Is(err, proof.ErrFewWitnesses) || strings.Contains(err.Error(), "()") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var said []string
		for _, w := range r.Witnessed {
			said = append(said, w.Name+" "+string(rune('0'+w.Size)))
			if w.Height != atOnce.bundle.Header.Height {
				t.Errorf("%s: the header is that of height %d", c.name, w.Height)
			}
		}
		if got := strings.Join(said, ", "); err != nil || got != c.says && c.says != "nobody" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if words := strings.Join(r.Proven(), "\n"); strings.Count(words, "The witness ") != len(r.Witnessed) {
			t.Errorf("%s: the statement says\n%s", c.name, words)
		}
	}
}

// What witnesses said of another state, header or history counts for nothing.
func TestWitnessOfSomethingElse(t *testing.T) {
	auditor, private := witnessOf("auditor.example")
	for name, spoil := range map[string]func(p *proof.WitnessedPart, b *proof.Bundle){
		"another index":          func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Index = 1 },
		"another size":           func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Size = 3 },
		"beyond the end":         func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Index = 4 },
		"another path":           func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Inclusion[0][0] ^= 1 },
		"a short path":           func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Inclusion = p.Inclusion[:1] },
		"without its header":     func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Header, p.Validators = nil, schemas.Hash{} },
		"validators alone":       func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Header = nil },
		"another set":            func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Validators[0] ^= 1 },
		"another state":          func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Header.App[0] ^= 1 },
		"a later header":         func(p *proof.WitnessedPart, b *proof.Bundle) { p.Header.Height = b.Header.Height },
		"a header of later time": func(p *proof.WitnessedPart, b *proof.Bundle) { p.Header.Time = b.Header.Time },
		"own validators written": func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Header.NextValidators = p.Validators },
		"another time": func(p *proof.WitnessedPart, _ *proof.Bundle) {
			p.Cosignatures[0].Time = p.Cosignatures[0].Time.Add(time.Second)
		},
		"signed for another chain": func(p *proof.WitnessedPart, _ *proof.Bundle) {
			c := proof.Checkpoint{ChainID: "other", Size: p.Size}
			p.Cosignatures[0] = c.Cosign(auditor.Name, private, p.Cosignatures[0].Time)
		},
		"twice in one checkpoint": func(p *proof.WitnessedPart, _ *proof.Bundle) {
			p.Cosignatures = append(p.Cosignatures, p.Cosignatures[0])
		},
		"no name":              func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Cosignatures[0].Name = "a b" },
		"no signature":         func(p *proof.WitnessedPart, _ *proof.Bundle) { p.Cosignatures[0].Signature = nil },
		"twice the checkpoint": func(p *proof.WitnessedPart, b *proof.Bundle) { b.Witnessed = append(b.Witnessed, *p) },
	} {
		_, v := witnessed(t)
		p := &v.bundle.Witnessed[0]
		spoil(p, v.bundle)
		if len(v.bundle.Witnessed) == 1 {
			v.bundle.Witnessed[0] = *p
		}
		r, err := proof.Verify(v.bundle.Encode(), v.trust)
		if err == nil {
			err = r.Witness([]proof.WitnessKey{auditor}, 1)
		}
		if err == nil {
			t.Errorf("%s: it counts", name)
		}
	}
}
