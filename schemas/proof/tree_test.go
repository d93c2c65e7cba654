package proof_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// ReferenceRoot is the tree's definition, word for word and slow.
func ReferenceRoot(set map[string]string) [32]byte {
	return reference(leavesOf(set), 0)
}

func leavesOf(set map[string]string) []proof.Leaf {
	var leaves []proof.Leaf
	for k, v := range set {
		leaves = append(leaves, proof.Leaf{Key: proof.KeyHash([]byte(k)), Value: proof.ValueHash([]byte(v))})
	}
	return leaves
}

func reference(leaves []proof.Leaf, depth int) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return proof.LeafHash(leaves[0].Key, leaves[0].Value)
	}
	half := halves(leaves, depth)
	return proof.NodeHash(reference(half[0], depth+1), reference(half[1], depth+1))
}

func halves(leaves []proof.Leaf, depth int) (half [2][]proof.Leaf) {
	for _, l := range leaves {
		b := proof.Bit(&l.Key, depth)
		half[b] = append(half[b], l)
	}
	return half
}

// referencePath is the path to a key, from the definition.
func referencePath(set map[string]string, key string) (p proof.Path) {
	leaves, keyHash := leavesOf(set), proof.KeyHash([]byte(key))
	for depth := 0; len(leaves) > 1; depth++ {
		half, b := halves(leaves, depth), proof.Bit(&keyHash, depth)
		p.Siblings = append(p.Siblings, reference(half[1-b], depth+1))
		leaves = half[b]
	}
	if len(leaves) == 1 && leaves[0].Key != keyHash {
		p.Other = &leaves[0]
	}
	return p
}

func drawSet(t *rapid.T) map[string]string {
	return rapid.MapOf(rapid.StringN(1, 8, -1), rapid.StringN(0, 4, -1)).Draw(t, "set")
}

func TestPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		key := rapid.StringN(1, 8, -1).Draw(t, "key")
		if keys := sortedKeys(set); len(keys) > 0 && rapid.Bool().Draw(t, "member") {
			key = rapid.SampledFrom(keys).Draw(t, "key in set")
		}
		root, path := ReferenceRoot(set), referencePath(set, key)
		value, member := set[key]
		if got := proof.VerifyMember(root, []byte(key), []byte(value), path) == nil; got != member {
			t.Fatalf("member: %v, want %v", got, member)
		}
		if got := proof.VerifyAbsent(root, []byte(key), path) == nil; got == member {
			t.Fatalf("absent: %v, want %v", got, !member)
		}
		if proof.VerifyMember(root, []byte(key), []byte(value+"x"), path) == nil {
			t.Fatal("another value verifies")
		}
		encoded := path.Append(nil)
		decoded, err := proof.DecodePath(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(path, decoded); diff != "" {
			t.Fatal(diff)
		}
		tampered := bytes.Clone(encoded)
		bit := rapid.IntRange(0, 8*len(encoded)-1).Draw(t, "bit")
		tampered[bit/8] ^= 1 << (bit % 8)
		if p, err := proof.DecodePath(tampered); err == nil &&
			(proof.VerifyMember(root, []byte(key), []byte(value), p) == nil || proof.VerifyAbsent(root, []byte(key), p) == nil) {
			t.Fatalf("bit %d changed, and the path verifies", bit)
		}
	})
}

func sortedKeys(set map[string]string) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Vectors of the package's worked example, computed apart from this code.
const (
	vectorLeafA = "565388d4bc00257133f799d9366ac97f6e949c18acc53d17457f8859ba0f08d3"
	vectorRoot  = "592d0f5fdc5b2b8198985b6c45a9c8bb2f05b647f26d42a7fdceac065823efff"
)

func TestTreeVectors(t *testing.T) {
	a, c := hash(t, "a"), hash(t, "c")
	leafA, leafC := proof.LeafHash(a, hash(t, "1")), proof.LeafHash(c, hash(t, "3"))
	if got := fmt.Sprintf("%x", leafA); got != vectorLeafA {
		t.Errorf("leaf: %s", got)
	}
	root := ReferenceRoot(map[string]string{"a": "1", "c": "3"})
	if got := fmt.Sprintf("%x", root); got != vectorRoot {
		t.Errorf("root: %s", got)
	}
	member := proof.Path{Siblings: [][32]byte{leafC}}
	if err := proof.VerifyMember(root, []byte("a"), []byte("1"), member); err != nil {
		t.Error(err)
	}
	if got, want := hex.EncodeToString(member.Append(nil)), "00000180"+hex.EncodeToString(leafC[:]); got != want {
		t.Errorf("encoded: %s, want %s", got, want)
	}
	absent := proof.Path{Siblings: [][32]byte{leafA}, Other: &proof.Leaf{Key: c, Value: hash(t, "3")}}
	if err := proof.VerifyAbsent(root, []byte("b"), absent); err != nil {
		t.Error(err)
	}
	if n := len(absent.Append(nil)); n != 100 {
		t.Errorf("absence takes %d bytes", n)
	}
}

func hash(t *testing.T, s string) [32]byte {
	t.Helper()
	return proof.KeyHash([]byte(s))
}

func TestDecodePathRefuses(t *testing.T) {
	sibling := hex.EncodeToString(bytes.Repeat([]byte{7}, 32))
	zero := hex.EncodeToString(make([]byte, 32))
	for name, encoded := range map[string]string{
		"nothing":               "",
		"unknown kind":          "020000",
		"short depth":           "0000",
		"depth of 257":          "000101" + hex.EncodeToString(make([]byte, 33)),
		"no bitmap":             "000001",
		"bits beyond depth":     "000001c0" + sibling,
		"missing sibling":       "00000180",
		"zero sibling":          "00000180" + zero,
		"ends beside nothing":   "00000280" + sibling,
		"no last sibling":       "00000100",
		"trailing bytes":        "00000180" + sibling + "00",
		"missing other":         "010000",
		"other short of a byte": "010000" + sibling + sibling[:62],
		"trailing other":        "000000" + sibling + sibling,
	} {
		b, err := hex.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.DecodePath(b); !errors.Is(err, proof.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Paths that no decoder lets through are refused when built by hand, too.
func TestVerifyRefuses(t *testing.T) {
	set := map[string]string{"a": "1", "c": "3"}
	root, key := ReferenceRoot(set), []byte("b")
	good := referencePath(set, "b")
	if err := proof.VerifyAbsent(root, key, good); err != nil {
		t.Fatal(err)
	}
	long := proof.Path{Siblings: make([][32]byte, 300)}
	long.Siblings[299] = [32]byte{1}
	own := proof.Path{Other: &proof.Leaf{Key: proof.KeyHash(key)}}
	beside := proof.Path{Siblings: good.Siblings, Other: &proof.Leaf{Key: proof.KeyHash([]byte("a"))}}
	empty := proof.Path{Siblings: [][32]byte{{}}}
	for name, p := range map[string]proof.Path{"long": long, "own leaf": own, "beside": beside, "lifted": empty} {
		if err := proof.VerifyAbsent(root, key, p); !errors.Is(err, proof.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := proof.VerifyMember(root, []byte("a"), []byte("1"), good); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("member by a path of absence: %v", err)
	}
}

func FuzzDecodePath(f *testing.F) {
	set := map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
	for _, key := range []string{"a", "b", "x", "y"} {
		f.Add(referencePath(set, key).Append(nil))
	}
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := proof.DecodePath(b)
		if err != nil {
			return
		}
		if again := p.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("two encodings: %x and %x", b, again)
		}
		_ = proof.VerifyMember([32]byte{}, b, b, p)
		_ = proof.VerifyAbsent([32]byte{}, b, p)
	})
}

func ExampleVerifyMember() {
	leaf := func(key, value string) [32]byte {
		return proof.LeafHash(proof.KeyHash([]byte(key)), proof.ValueHash([]byte(value)))
	}
	root := proof.NodeHash(leaf("c", "3"), leaf("a", "1"))
	path := proof.Path{Siblings: [][32]byte{leaf("c", "3")}}
	fmt.Println(proof.VerifyMember(root, []byte("a"), []byte("1"), path))
	fmt.Println(proof.VerifyMember(root, []byte("a"), []byte("2"), path))
	// Output:
	// <nil>
	// path of a member: does not lead to the root
}
