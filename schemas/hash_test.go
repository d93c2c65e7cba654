package schemas_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/waybill-ledger/waybill/schemas"
	"pgregory.net/rapid"
)

func TestMerkleRoot(t *testing.T) {
	ranges := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	var entries [][]byte
	want := ranges.NewEmptyRange(0)
	for n := range 300 {
		root, err := want.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			root = rfc6962.DefaultHasher.EmptyRoot()
		}
		if got := schemas.MerkleRoot(entries); !bytes.Equal(got[:], root) {
			t.Fatalf("over %d entries: %s, want %x", n, got, root)
		}
		entries = append(entries, bytes.Repeat([]byte{byte(n)}, n))
		if err := want.Append(rfc6962.DefaultHasher.HashLeaf(entries[n]), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "key")
		message := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "message")
		m := hmac.New(sha256.New, key)
		m.Write(message)
		if got := schemas.MAC(key, message); !bytes.Equal(got[:], m.Sum(nil)) {
			t.Fatalf("%s, want %x", got, m.Sum(nil))
		}
	})
}

// No two lists of parts are hashed as the same bytes.
func TestSumParts(t *testing.T) {
	seen := map[schemas.Hash]string{}
	for name, h := range map[string]schemas.Hash{
		"a":       schemas.Sum("a"),
		"a, ":     schemas.Sum("a", nil),
		"a, , ":   schemas.Sum("a", nil, nil),
		"a, b":    schemas.Sum("a", []byte("b")),
		"a, b, ":  schemas.Sum("a", []byte("b"), nil),
		"a, , b":  schemas.Sum("a", nil, []byte("b")),
		"ab":      schemas.Sum("ab"),
		"a, bc":   schemas.Sum("a", []byte("bc")),
		"a, b, c": schemas.Sum("a", []byte("b"), []byte("c")),
		"a, \\1b": schemas.Sum("a", []byte("\x01b")),
	} {
		if other, ok := seen[h]; ok {
			t.Errorf("%q and %q are hashed alike", name, other)
		}
		seen[h] = name
	}
}

func TestHashText(t *testing.T) {
	h := schemas.Sum("a")
	var back schemas.Hash
	text, err := h.MarshalText()
	if err != nil || back.UnmarshalText(text) != nil || back != h || h.IsZero() {
		t.Errorf("%s comes back as %s", h, back)
	}
	for _, bad := range []string{"", "00", string(text) + "0", "zz" + string(text[2:])} {
		if err := back.UnmarshalText([]byte(bad)); codeOf(err) != "bad_value" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
