package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// rescueOf is a rescue of the ledger behind a header, in which the first two of its
// four validators stay and signed.
func (l *ledger) rescueOf(h proof.Header) *proof.Rescue {
	l.t.Helper()
	r := &proof.Rescue{RescueStatement: proof.RescueStatement{ChainID: l.chain, Epoch: 1, Height: h.Height,
		Header: h.Hash(proof.ValidatorSetHash(l.vals)), App: schemas.Hash{7}, Reason: "both data centres burnt down"}}
	for i, name := range []string{"acme-farms", "borg-foods", "carrier", "dairy"} {
		v := proof.RescueValidator{Partner: name, Validator: l.vals[i], Fate: proof.Lost}
		if i < 2 {
			v.Fate, v.Signing = proof.Stays, keyOf(60+i).Public().(ed25519.PublicKey)
		}
		r.Validators = append(r.Validators, v)
	}
	for i := range 2 {
		if err := r.Sign(l.signers[i], keyOf(60+i)); err != nil {
			l.t.Fatal(err)
		}
	}
	return r
}

// restart goes on with those who stay. The ledger has the rescue as a fact.
func (l *ledger) restart(r *proof.Rescue) {
	l.change(0, 1)
	l.set(schemas.RescueKey(r.Epoch), r.Encode())
}

func (l *ledger) rescuePart(r *proof.Rescue) proof.RescuePart {
	_, path, _ := l.State(schemas.RescueKey(r.Epoch))
	return proof.RescuePart{Document: r.Encode(), Path: path.Append(nil)}
}

// rescued is a bundle of a network that was restarted since the root of trust.
func rescued(t testing.TB) vector {
	l := newStory(t)
	trust := l.trust()
	last := l.header()
	last.Height, last.Time = 2, l.start.Add(time.Second/2)
	step, r := l.signed(last), l.rescueOf(last)
	l.restart(r)
	b := l.build(proof.AnItem, unit)
	if err := b.Follow(step); err != nil {
		t.Fatal(err)
	}
	b.Rescues = []proof.RescuePart{l.rescuePart(r)}
	return vector{"rescue", b, trust, []schemas.Hash{r.ID()}}
}

// rescuedAtOnce is a bundle whose header is the first behind the rescue, so that
// no state has it yet.
func rescuedAtOnce(t testing.TB) vector {
	l := newStory(t)
	trust := l.trust()
	last := l.header()
	last.Height, last.Time = l.height, l.start.Add(time.Second/2)
	step, r := l.signed(last), l.rescueOf(last)
	l.change(0, 1)
	b := l.build(proof.AnItem, unit)
	if err := b.Follow(step); err != nil {
		t.Fatal(err)
	}
	b.Rescues = []proof.RescuePart{{Document: r.Encode()}}
	return vector{"rescue-at-once", b, trust, []schemas.Hash{r.ID()}}
}

// rescuedBefore is a bundle that tells of a rescue before the root of trust.
func rescuedBefore(t testing.TB) vector {
	l := newStory(t)
	last := l.header()
	last.Height, last.Time = 2, l.start.Add(time.Second/2)
	r := l.rescueOf(last)
	l.restart(r)
	trust := l.trust()
	trust.Height, trust.Time = 3, l.start.Add(time.Second)
	b := l.build(proof.AnItem, unit)
	b.Rescues = []proof.RescuePart{l.rescuePart(r)}
	return vector{name: "rescue-before", bundle: b, trust: trust}
}

// Nobody is led across a rescue without having accepted that very one.
func TestRescueMustBeAccepted(t *testing.T) {
	for _, v := range []vector{rescued(t), rescuedAtOnce(t)} {
		encoded := v.bundle.Encode()
		for _, accept := range [][]schemas.Hash{nil, {{1}}} {
			if _, err := proof.Verify(encoded, v.trust, accept...); err == nil || !strings.Contains(err.Error(), v.accept[0].String()) || !strings.Contains(err.Error(), "carrier, dairy") {
				t.Errorf("%s: accepting %v: %v", v.name, accept, err)
			}
		}
		r, err := proof.Verify(encoded, v.trust, v.accept...)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if said := r.Proven()[0]; !strings.Contains(said, "Lost for ever: carrier, dairy") || !strings.Contains(said, "20 of the 40 votes") || !strings.Contains(said, "two thirds") {
			t.Errorf("%s: the statement begins with %q", v.name, said)
		}
		without := *v.bundle
		without.Rescues = nil
		if _, err := proof.Verify(without.Encode(), v.trust, v.accept...); err == nil {
			t.Errorf("%s: it holds without the document", v.name)
		}
	}
	v := rescuedBefore(t)
	r, err := proof.Verify(v.bundle.Encode(), v.trust)
	if err != nil || len(r.Rescues) != 1 || !strings.HasPrefix(r.Proven()[0], "Before the root of trust: ") {
		t.Errorf("a rescue before the root of trust: %v", err)
	}
	v.bundle.Rescues = nil
	if r, err := proof.Verify(v.bundle.Encode(), v.trust); err != nil || len(r.Rescues) != 0 {
		t.Errorf("a bundle that does not tell of a rescue before its root of trust: %v", err)
	}
}

// Whatever bit of a document is another one, the bundle is refused.
func TestEveryBitOfARescue(t *testing.T) {
	for _, v := range []vector{rescued(t), rescuedAtOnce(t), rescuedBefore(t)} {
		good := v.bundle.Rescues[0].Document
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				v.bundle.Rescues[0].Document = bad
				if _, err := proof.Verify(v.bundle.Encode(), v.trust, v.accept...); err == nil {
					t.Fatalf("%s: byte %d made %#x passes", v.name, i, bad[i])
				}
			}
		}
	}
}

// A rescue that does not fit what leads to it is refused, however well it is signed.
func TestRescueThatDoesNotFit(t *testing.T) {
	for name, alter := range map[string]func(l *ledger, r *proof.Rescue){
		"another header":     func(_ *ledger, r *proof.Rescue) { r.Header[0]++ },
		"another height":     func(_ *ledger, r *proof.Rescue) { r.Height++ },
		"another chain":      func(_ *ledger, r *proof.Rescue) { r.ChainID = "other" },
		"another validator":  func(_ *ledger, r *proof.Rescue) { r.Validators[3].Public = keyOf(70).Public().(ed25519.PublicKey) },
		"another lost power": func(_ *ledger, r *proof.Rescue) { r.Validators[3].Power++ },
	} {
		l := newStory(t)
		trust := l.trust()
		last := l.header()
		last.Height, last.Time = 2, l.start.Add(time.Second/2)
		step, r := l.signed(last), l.rescueOf(last)
		alter(l, r)
		r.Signatures = nil
		for i := range 2 {
			if err := r.Sign(l.signers[i], keyOf(60+i)); err != nil {
				t.Fatal(err)
			}
		}
		l.restart(r)
		b := l.build(proof.AnItem, unit)
		if err := b.Follow(step); err != nil {
			t.Fatal(err)
		}
		b.Rescues = []proof.RescuePart{l.rescuePart(r)}
		if _, err := proof.Verify(b.Encode(), trust, r.ID()); err == nil {
			t.Errorf("%s: the bundle holds", name)
		}
	}
	v := rescued(t)
	v.bundle.Rescues = append(v.bundle.Rescues, v.bundle.Rescues[0])
	if _, err := proof.Verify(v.bundle.Encode(), v.trust, v.accept...); err == nil {
		t.Error("a rescue that is there twice passes")
	}
	v = rescued(t)
	v.bundle.Rescues[0].Path = nil
	if _, err := proof.Verify(v.bundle.Encode(), v.trust, v.accept...); err == nil {
		t.Error("a rescue that the state is not shown to have passes")
	}
}

// A statement that may not be is refused with its reason.
func TestRescueStatement(t *testing.T) {
	l := newStory(t)
	for want, alter := range map[string]func(r *proof.Rescue){
		"nobody is lost":             func(r *proof.Rescue) { r.Validators[2].Fate, r.Validators[3].Fate = proof.Aside, proof.Aside },
		"more than two thirds":       func(r *proof.Rescue) { r.Validators[0].Power = 100 },
		"more than half must agree":  func(r *proof.Rescue) { r.Validators[2].Fate, r.Validators[2].Power = proof.Aside, 20 },
		"a reason":                   func(r *proof.Rescue) { r.Reason = "two\nlines" },
		"is missing":                 func(r *proof.Rescue) { r.Epoch = 0 },
		"header or app hash":         func(r *proof.Rescue) { r.App = schemas.Hash{} },
		"there twice":                func(r *proof.Rescue) { r.Validators[1].Partner = r.Validators[0].Partner },
		"is none":                    func(r *proof.Rescue) { r.Validators[3].Partner = "Not A Name" },
		"nor is left aside":          func(r *proof.Rescue) { r.Validators[3].Fate = 9 },
		"out of bounds":              func(r *proof.Rescue) { r.Validators[3].Power = math.MaxInt64 },
		"stays with a key":           func(r *proof.Rescue) { r.Validators[3].Signing = r.Validators[0].Signing },
		"no Ed25519 key":             func(r *proof.Rescue) { r.Validators[3].Public = nil },
		"1 to 1000 can be":           func(r *proof.Rescue) { r.Validators = nil },
		"neither lost, nor stays":    func(r *proof.Rescue) { r.Validators[1].Signing = nil },
		"chain id, epoch, height":    func(r *proof.Rescue) { r.Height = math.MaxInt64 },
		"1 to 1000 bytes of text on": func(r *proof.Rescue) { r.Reason = strings.Repeat("x", proof.MaxReason+1) },
	} {
		r := l.rescueOf(l.header())
		alter(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := l.rescueOf(l.header()).Complete(); err != nil {
		t.Error(err)
	}
}

// Documents of one statement are joined in any order, and to the same bytes.
func TestRescueJoin(t *testing.T) {
	l := newStory(t)
	whole := l.rescueOf(l.header())
	one, other := *whole, *whole
	one.Signatures, other.Signatures = whole.Signatures[:1:1], slices.Clone(whole.Signatures[1:])
	if err := one.Complete(); err == nil || !strings.Contains(err.Error(), "not signed by borg-foods") {
		t.Errorf("with one signature: %v", err)
	}
	if missing := other.Missing(); !slices.Equal(missing, []string{"acme-farms"}) {
		t.Errorf("%v are missing", missing)
	}
	a, b := one, other
	a.Signatures, b.Signatures = slices.Clone(one.Signatures), slices.Clone(other.Signatures)
	if err := errors.Join(a.Join(&other), b.Join(&one), b.Join(&one)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Encode(), whole.Encode()) || !bytes.Equal(b.Encode(), whole.Encode()) {
		t.Error("joined in another order they are other documents")
	}
	other.Reason = "another"
	if err := a.Join(&other); err == nil {
		t.Error("documents of different statements are joined")
	}
	if err := whole.Sign(keyOf(2), keyOf(62)); err == nil {
		t.Error("somebody who is lost signs")
	}
	decoded, err := proof.DecodeRescue(whole.Encode())
	if err != nil || decoded.ID() != whole.ID() || decoded.Complete() != nil {
		t.Errorf("read again: %v", err)
	}
}

func FuzzDecodeRescue(f *testing.F) {
	l := newStory(f)
	f.Add(l.rescueOf(l.header()).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := proof.DecodeRescue(b)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Encode(), b) {
			t.Errorf("%x is read and written as %x", b, r.Encode())
		}
		_, _ = r.Complete(), r.Missing() // whatever it says, they answer
	})
}

// A network may be rescued again: who accepts both is led across both.
func TestRescueAgain(t *testing.T) {
	l := newStory(t)
	trust := l.trust()
	first := l.header()
	first.Height, first.Time = 2, l.start.Add(time.Second/2)
	steps, rescues := []proof.Signed{l.signed(first)}, []*proof.Rescue{l.rescueOf(first)}
	l.restart(rescues[0])
	second := l.header()
	second.Height, second.Time = 4, l.start.Add(3*time.Second/4)
	steps = append(steps, l.signed(second))
	r := &proof.Rescue{RescueStatement: rescues[0].RescueStatement}
	r.Epoch, r.Height, r.Header, r.Validators = 2, 4, second.Hash(proof.ValidatorSetHash(l.vals)), slices.Clone(r.Validators[:2])
	r.Validators[1].Fate, r.Validators[1].Signing = proof.Lost, nil
	if err := r.Sign(l.signers[0], keyOf(60)); err != nil {
		t.Fatal(err)
	}
	rescues = append(rescues, r)
	l.change(0)
	for _, r := range rescues {
		l.set(schemas.RescueKey(r.Epoch), r.Encode())
	}
	b := l.build(proof.AnItem, unit)
	for i, s := range steps {
		if err := b.Follow(s); err != nil {
			t.Fatal(err)
		}
		b.Rescues = append(b.Rescues, l.rescuePart(rescues[i]))
	}
	report, err := proof.Verify(b.Encode(), trust, rescues[1].ID(), rescues[0].ID())
	if err != nil || len(report.Rescues) != 2 || len(report.Restarts()) != 2 {
		t.Errorf("across two rescues: %v", err)
	}
	for _, r := range rescues {
		if _, err := proof.Verify(b.Encode(), trust, r.ID()); err == nil {
			t.Errorf("who accepts number %d alone is led across both", r.Epoch)
		}
	}
	trust.Height, trust.Time, trust.ValidatorSetHash = 4, second.Time, proof.ValidatorSetHash(r.Before())
	trust.HeaderHash = r.Header
	b.Steps = b.Steps[1:]
	if report, err := proof.Verify(b.Encode(), trust, r.ID()); err != nil || report.Rescues[0].Crossed || !report.Rescues[1].Crossed {
		t.Errorf("from the header of the second rescue: %v", err)
	}
}
