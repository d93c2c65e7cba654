package proof_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// lightSet is a validator set with its keys, by numbers: the power of each is 10.
type lightSet struct {
	set  []proof.Validator
	keys []ed25519.PrivateKey
}

func lightSetOf(numbers ...byte) (s lightSet) {
	for _, n := range numbers {
		seed := sha256.Sum256([]byte{n})
		key := ed25519.NewKeyFromSeed(seed[:])
		s.keys = append(s.keys, key)
		s.set = append(s.set, proof.Validator{Public: key.Public().(ed25519.PublicKey), Power: 10})
	}
	return s
}

// lightHeader is a signed header of a height, which names the next validators.
func lightHeader(t testing.TB, height int64, s, next lightSet, signers ...int) *proof.SignedHeader {
	t.Helper()
	announced := proof.ValidatorSetHash(next.set)
	h := proof.Header{VersionBlock: 11, ChainID: "light", Height: height, Time: time.Unix(1700000000+height, 0).UTC(), NextValidators: announced[:], App: make([]byte, 32)}
	hash := h.Hash(proof.ValidatorSetHash(s.set))
	c := proof.Commit{Round: 2, Parts: proof.PartSet{Total: 1, Hash: hash[:]}}
	for i, key := range s.keys {
		if len(signers) > 0 && !contains(signers, i) {
			continue
		}
		c.Votes = append(c.Votes, proof.Vote{Index: uint16(i), Time: h.Time, Signature: ed25519.Sign(key, c.SignBytes(h.ChainID, h.Height, hash, h.Time))})
	}
	out, err := proof.NewSignedHeader(&proof.Signed{Header: h, Commit: c, Validators: s.set})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func TestFollows(t *testing.T) {
	old, same := lightSetOf(1, 2, 3, 4), lightSetOf(1, 2, 3, 4)
	most, half, none := lightSetOf(1, 2, 3, 6), lightSetOf(1, 2, 5, 6), lightSetOf(5, 6, 7, 8)
	base := lightHeader(t, 10, old, half)
	for _, c := range []struct {
		name   string
		later  *proof.SignedHeader
		holds  bool
		tooFar bool
	}{
		{"the same validators, later", lightHeader(t, 20, same, same), true, false},
		{"the announced ones, next", lightHeader(t, 11, half, half), true, false},
		{"others than announced, next", lightHeader(t, 11, none, none), false, false},
		{"the same, though others were announced", lightHeader(t, 11, same, same), false, false},
		{"three of the four", lightHeader(t, 20, most, most), true, false},
		{"three of the four, two of whom signed", lightHeader(t, 20, most, most, 0, 1, 3), false, true},
		{"half of them", lightHeader(t, 20, half, half), false, true},
		{"none of them", lightHeader(t, 20, none, none), false, true},
		{"an earlier one", lightHeader(t, 9, same, same), false, false},
		{"of its own height", lightHeader(t, 10, same, same), false, false},
	} {
		err := base.Follows(c.later)
		if (err == nil) != c.holds || errors.Is(err, proof.ErrTooFar) != c.tooFar {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	otherChain, earlier := *lightHeader(t, 20, same, same), *lightHeader(t, 20, same, same)
	otherChain.ChainID = "other"
	earlier.Header.Time = base.Header.Time
	unsigned := *lightHeader(t, 20, same, same)
	unsigned.Commit.Votes = unsigned.Commit.Votes[:2]
	twice := lightHeader(t, 20, lightSetOf(1, 1, 1, 1), same)
	for name, later := range map[string]*proof.SignedHeader{"another chain": &otherChain, "no later time": &earlier, "few votes": &unsigned, "one validator, four times": twice} {
		if err := base.Follows(later); err == nil {
			t.Errorf("%s: it follows", name)
		}
	}
}

func TestVerifyRoot(t *testing.T) {
	set, other := lightSetOf(1, 2, 3, 4), lightSetOf(5, 6, 7, 8)
	at := lightHeader(t, 10, set, set)
	trust := &proof.Trust{ChainID: "light", Height: 10, Time: at.Header.Time, HeaderHash: at.Hash(), ValidatorSetHash: proof.ValidatorSetHash(set.set)}
	for _, h := range []*proof.SignedHeader{at, lightHeader(t, 5, set, set), lightHeader(t, 50, set, set)} {
		if err := h.VerifyRoot(trust); err != nil {
			t.Errorf("height %d: %v", h.Header.Height, err)
		}
	}
	if err := lightHeader(t, 50, other, other).VerifyRoot(trust); !errors.Is(err, proof.ErrTooFar) {
		t.Errorf("other validators: %v", err)
	}
	if err := lightHeader(t, 10, set, other).VerifyRoot(trust); err == nil {
		t.Error("another header at the trusted height is taken")
	}
}

// TestSignedHeaderEncoding: one encoding, and no damage that goes unnoticed.
func TestSignedHeaderEncoding(t *testing.T) {
	set := lightSetOf(1, 2, 3, 4)
	good := lightHeader(t, 10, set, set)
	b := good.Encode()
	again, err := proof.DecodeSignedHeader(b)
	if err != nil || !cmp.Equal(again, good) {
		t.Fatalf("%v\n%s", err, cmp.Diff(again, good))
	}
	for i := range b {
		if h, err := proof.DecodeSignedHeader(b[:i]); err == nil && h.Verify() == nil {
			t.Errorf("its first %d bytes hold", i)
		}
		for bit := range 8 {
			bad := append([]byte{}, b...)
			bad[i] ^= 1 << bit
			if h, err := proof.DecodeSignedHeader(bad); err == nil && h.Verify() == nil && h.Hash() == good.Hash() {
				t.Errorf("with byte %d damaged it holds", i)
			}
		}
	}
	if _, err := proof.DecodeSignedHeader(make([]byte, proof.MaxSignedHeader+1)); err == nil {
		t.Error("it is read at any length")
	}
}

// TestProofsBySubtree: proofs that are made from the roots of subtrees are those
// that are made from the entries.
func TestProofsBySubtree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := make([][32]byte, rapid.IntRange(1, 70).Draw(t, "count"))
		for i := range entries {
			entries[i] = sha256.Sum256([]byte{byte(i)})
		}
		root := func(lo, hi uint64) ([32]byte, error) { return proof.RootOf(entries[lo:hi]), nil }
		n := uint64(len(entries))
		index, old := rapid.Uint64Range(0, n-1).Draw(t, "index"), rapid.Uint64Range(0, n).Draw(t, "old")
		want, err := proof.Inclusion(entries, index)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := proof.InclusionIn(n, index, root); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("inclusion of %d in %d: %v", index, n, err)
		}
		if want, err = proof.Consistency(entries, old); err != nil {
			t.Fatal(err)
		}
		if got, err := proof.ConsistencyIn(old, n, root); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("growth from %d to %d: %v", old, n, err)
		}
	})
	root := func(lo, hi uint64) ([32]byte, error) { return [32]byte{}, errors.New("nothing here") }
	if _, err := proof.InclusionIn(3, 3, root); err == nil {
		t.Error("an entry behind the end is in the log")
	}
	if _, err := proof.ConsistencyIn(4, 3, root); err == nil {
		t.Error("a log shrinks")
	}
	if _, err := proof.InclusionIn(3, 1, root); err == nil {
		t.Error("a root that cannot be had is in a proof")
	}
}

func TestOrigin(t *testing.T) {
	for _, chain := range []string{"waybill-1", "a b", "a/b\n%", "\u00e9"} {
		origin := proof.Origin(chain)
		if got, err := proof.ParseOrigin(origin); err != nil || got != chain {
			t.Errorf("%q is %q, read as %q: %v", chain, origin, got, err)
		}
	}
	for _, bad := range []string{"", "waybill", proof.Origin(""), "github.com/waybill-ledger/waybill/%2", "github.com/waybill-ledger/waybill/%61"} {
		if got, err := proof.ParseOrigin(bad); err == nil {
			t.Errorf("%q is of the chain %q", bad, got)
		}
	}
}

// TestCosignature: a cosignature holds for its checkpoint, name, key and time alone.
func TestCosignature(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key := proof.WitnessKey{Name: "w", Public: private.Public().(ed25519.PublicKey)}
	c := proof.Checkpoint{ChainID: "waybill-1", Size: 5, Root: schemas.Hash{1}}
	s := c.Cosign("w", private, time.Unix(1700000000, 5))
	if err := c.VerifyCosignature(key, s); err != nil {
		t.Fatal(err)
	}
	again, err := proof.ParseNoteSignature("w", s.NoteSignature())
	if err != nil || !cmp.Equal(again, s) {
		t.Errorf("%v, %v", again, err)
	}
	for _, other := range []proof.Checkpoint{{ChainID: "waybill-2", Size: 5, Root: schemas.Hash{1}}, {ChainID: "waybill-1", Size: 6, Root: schemas.Hash{1}}, {ChainID: "waybill-1", Size: 5}} {
		if other.VerifyCosignature(key, s) == nil {
			t.Errorf("it holds for %+v", other)
		}
	}
	late, named := s, s
	late.Time = late.Time.Add(time.Second)
	named.Name = "v"
	for _, bad := range []proof.Cosignature{late, named, {Name: "w", Time: s.Time}} {
		if c.VerifyCosignature(key, bad) == nil {
			t.Errorf("%+v holds", bad)
		}
	}
}
