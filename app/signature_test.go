package app

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
)

// forge gives a key and a signature with chosen parts of small order: A and R get
// the torsion points of these numbers added, and S holds for the parts without
// them, under the hash of what the encodings say. Whether it verifies without the
// cofactor depends on the hash, by chance.
func forge(t *testing.T, seed []byte, message []byte, ta, tr int) (key ed25519.PublicKey, signature []byte) {
	t.Helper()
	wide := func(label string) *scalar.Scalar {
		h := sha512.Sum512(append([]byte(label), seed...))
		s, err := scalar.NewFromBytesModOrderWide(h[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, r := wide("a"), wide("r")
	encode := func(s *scalar.Scalar, torsion int) []byte {
		p := curve.NewEdwardsPoint().MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
		b, err := p.Add(p, curve.EIGHT_TORSION[torsion]).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key = encode(a, ta)
	R := encode(r, tr)
	h := sha512.Sum512(append(append(bytes.Clone(R), key...), message...))
	k, err := scalar.NewFromBytesModOrderWide(h[:])
	if err != nil {
		t.Fatal(err)
	}
	S := scalar.New().Mul(k, a)
	b, err := S.Add(S, r).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return key, append(R, b...)
}

// encodings of points of small order, and others that are not canonical or no
// points at all: y below 2^255 and beyond p, x zero with its sign set.
func oddPoints() (out [][]byte) {
	for _, p := range curve.EIGHT_TORSION {
		b, _ := p.MarshalBinary()
		signed := bytes.Clone(b)
		signed[31] ^= 0x80
		out = append(out, b, signed)
	}
	for low := 0xe9; low <= 0xff; low++ { // p is 2^255 - 19, 0xed
		for _, top := range []byte{0x7f, 0xff} {
			b := bytes.Repeat([]byte{0xff}, 32)
			b[0], b[31] = byte(low), top
			out = append(out, b)
		}
	}
	for low := range 8 {
		out = append(out, append([]byte{byte(low)}, make([]byte, 31)...))
	}
	return out
}

var groupOrder = []byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}

// addOrder adds the group's order to a scalar, which then means the same number.
func addOrder(s []byte) {
	carry := uint16(0)
	for i := range s {
		carry += uint16(s[i]) + uint16(groupOrder[i])
		s[i], carry = byte(carry), carry>>8
	}
}

// Signatures are accepted exactly as crypto/ed25519 accepts them: nodes of either
// kind must agree.
func TestVerifierAccepts(t *testing.T) {
	v, byTable := newVerifier(), newVerifier()
	accepted, refused := 0, 0
	same := func(what string, key, message, signature []byte) {
		t.Helper()
		want := ed25519.Verify(key, message, signature)
		for range 2 { // the second time the key is expanded already
			if got := v.verify(key, message, signature); got != want {
				t.Fatalf("%s: %t, crypto/ed25519 says %t\nkey %x\nmessage %x\nsignature %x", what, got, want, key, message, signature)
			}
		}
		for range tabledAfter { // until it has a table, if it can have one
			if byTable.tables.find(key) != nil {
				break
			}
		}
		if got := byTable.verify(key, message, signature); got != want {
			t.Fatalf("%s, by a table: %t, crypto/ed25519 says %t\nkey %x\nmessage %x\nsignature %x", what, got, want, key, message, signature)
		}
		if want {
			accepted++
		} else {
			refused++
		}
	}
	for n := range uint64(4) {
		seed := binary.BigEndian.AppendUint64(make([]byte, 24), n)
		private := ed25519.NewKeyFromSeed(seed)
		key := private.Public().(ed25519.PublicKey)
		message := sha512.New512_256().Sum(seed)[:32]
		signature := ed25519.Sign(private, message)
		same("good", key, message, signature)
		same("another message", key, message[1:], signature)
		same("short", key, message, signature[:63])
		for i := range len(signature) * 8 {
			flipped := bytes.Clone(signature)
			flipped[i/8] ^= 1 << (i % 8)
			same("a bit of the signature", key, message, flipped)
		}
		for i := range len(key) * 8 {
			flipped := bytes.Clone(key)
			flipped[i/8] ^= 1 << (i % 8)
			same("a bit of the key", flipped, message, signature)
		}
		high := bytes.Clone(signature)
		for range 7 {
			addOrder(high[32:])
			same("S beyond the order", key, message, high)
		}
		for ta := range 8 {
			for tr := range 8 {
				key, signature := forge(t, seed, message, ta, tr)
				same("parts of small order", key, message, signature)
			}
		}
	}
	scalars := [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...), groupOrder}
	for _, key := range oddPoints() {
		for _, R := range oddPoints() {
			for _, S := range scalars {
				same("odd encodings", key, []byte("message"), append(bytes.Clone(R), S...))
			}
		}
	}
	if accepted < 50 || refused < 100 {
		t.Errorf("%d accepted, %d refused: one side is not tested", accepted, refused)
	}
}

// TestTables: a key gets a table when it was asked for often, and there are never many.
func TestTables(t *testing.T) {
	v := newVerifier()
	for n := range byte(2*tabledKeys - 1) {
		private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
		key := private.Public().(ed25519.PublicKey)
		message := []byte{n}
		signature := ed25519.Sign(private, message)
		asks := 2
		if n%64 == 0 {
			asks = tabledAfter + 2
		}
		for range asks {
			if !v.verify(key, message, signature) || v.verify(key, message[:0], signature) {
				t.Fatalf("key %d: a signature is not what it is", n)
			}
		}
		if has := v.tables.find(key) != nil; has != (n%64 == 0) {
			t.Errorf("key %d has a table: %t", n, has)
		}
		if len(v.tables.of) > tabledKeys {
			t.Fatalf("%d keys are noted", len(v.tables.of))
		}
	}
}

func BenchmarkVerifier(b *testing.B) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, message := private.Public().(ed25519.PublicKey), make([]byte, 32)
	signature := ed25519.Sign(private, message)
	v := newVerifier()
	expanded := verifier{v.keys, &tables{of: map[[ed25519.PublicKeySize]byte]*tabled{[ed25519.PublicKeySize]byte(key): {asked: tabledAfter}}}}
	for name, v := range map[string]verifier{"tabled": v, "expanded": expanded} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !v.verify(key, message, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func FuzzVerifier(f *testing.F) {
	v := newVerifier()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	f.Add([]byte(private.Public().(ed25519.PublicKey)), []byte("m"), ed25519.Sign(private, []byte("m")))
	for _, p := range oddPoints() {
		f.Add(p, []byte("m"), append(bytes.Clone(p), make([]byte, 32)...))
	}
	f.Fuzz(func(t *testing.T, key, message, signature []byte) {
		if len(key) != ed25519.PublicKeySize {
			return
		}
		if want, got := ed25519.Verify(key, message, signature), v.verify(key, message, signature); got != want {
			t.Fatalf("%t, crypto/ed25519 says %t", got, want)
		}
	})
}

func BenchmarkVerifySignature(b *testing.B) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key := private.Public().(ed25519.PublicKey)
	message := make([]byte, 32)
	signature := ed25519.Sign(private, message)
	v := newVerifier()
	for name, verify := range map[string]func() bool{
		"standard": func() bool { return ed25519.Verify(key, message, signature) },
		"expanded": func() bool { return v.verify(key, message, signature) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !verify() {
					b.Fatal("refused")
				}
			}
		})
	}
}
