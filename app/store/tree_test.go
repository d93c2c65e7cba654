package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// referenceRoot is the tree's definition, word for word and slow.
func referenceRoot(leaves []proof.Leaf, depth int) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return proof.LeafHash(leaves[0].Key, leaves[0].Value)
	}
	left, right := halves(leaves, depth)
	return proof.NodeHash(referenceRoot(left, depth+1), referenceRoot(right, depth+1))
}

func halves(leaves []proof.Leaf, depth int) (left, right []proof.Leaf) {
	for _, l := range leaves {
		if proof.Bit(&l.Key, depth) == 0 {
			left = append(left, l)
		} else {
			right = append(right, l)
		}
	}
	return left, right
}

func referencePath(leaves []proof.Leaf, key [32]byte) (p proof.Path) {
	for depth := 0; len(leaves) > 1; depth++ {
		on, off := halves(leaves, depth)
		if proof.Bit(&key, depth) == 1 {
			on, off = off, on
		}
		p.Siblings = append(p.Siblings, referenceRoot(off, depth+1))
		leaves = on
	}
	if len(leaves) == 1 && leaves[0].Key != key {
		p.Other = &leaves[0]
	}
	return p
}

// drawHash draws key hashes that part anywhere between the first bit and the
// last, most of them within one page and the ones below it: hashes of real keys
// almost never share more than a few dozen bits.
func drawHash(t *rapid.T) (h [32]byte) {
	base := byte(rapid.IntRange(0, 1).Draw(t, "base")) * 0x5b
	for i := range h {
		h[i] = base
	}
	for range rapid.IntRange(0, 4).Draw(t, "flips") {
		at := rapid.OneOf(rapid.IntRange(18, 26), rapid.IntRange(18, 26), rapid.IntRange(0, 255), rapid.IntRange(250, 255)).Draw(t, "bit")
		h[at/8] ^= 0x80 >> (at % 8)
	}
	return h
}

func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree, set := store.NewTree(), map[[32]byte][32]byte{}
		for range rapid.IntRange(1, 4).Draw(t, "blocks") {
			block := map[[32]byte]store.Change{}
			goners := rapid.SampledFrom([]int{0, 2, 5, 9}).Draw(t, "goners") // of ten changes
			for range rapid.IntRange(0, 30).Draw(t, "changes") {
				c := store.Change{Gone: rapid.IntRange(0, 9).Draw(t, "gone") < goners}
				if c.Key = drawHash(t); !c.Gone {
					c.Value = [32]byte{rapid.Byte().Draw(t, "value")}
				}
				block[c.Key] = c
			}
			cs := slices.SortedFunc(maps.Values(block), func(a, b store.Change) int { return bytes.Compare(a.Key[:], b.Key[:]) })
			if err := tree.Apply(cs); err != nil {
				t.Fatal(err)
			}
			for _, c := range cs {
				if c.Gone {
					delete(set, c.Key)
				} else {
					set[c.Key] = c.Value
				}
			}
			checkTree(t, tree, set)
		}
	})
}

func checkTree(t *rapid.T, tree *store.Tree, set map[[32]byte][32]byte) {
	var leaves []proof.Leaf
	for k, v := range set {
		leaves = append(leaves, proof.Leaf{Key: k, Value: v})
	}
	slices.SortFunc(leaves, func(a, b proof.Leaf) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	if tree.Root() != referenceRoot(leaves, 0) || tree.Leaves != int64(len(set)) {
		t.Fatalf("%d leaves, want %d; root %x, want %x", tree.Leaves, len(set), tree.Root(), referenceRoot(leaves, 0))
	}
	keys := [][32]byte{drawHash(t)}
	if len(leaves) > 0 {
		keys = append(keys, leaves[rapid.IntRange(0, len(leaves)-1).Draw(t, "leaf")].Key)
	}
	for _, key := range keys {
		got, err := tree.Path(key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(referencePath(leaves, key), got); diff != "" {
			t.Fatalf("path of %x: %s", key, diff)
		}
	}
	// The pages, too, are a function of the set alone.
	again := store.NewTree()
	var all []store.Change
	for _, l := range leaves {
		all = append(all, store.Change{Leaf: l})
	}
	if err := again.Apply(all); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again.Pages(), tree.Pages()); diff != "" {
		t.Fatalf("pages have a memory: %s", diff)
	}
}

// A block that is large enough runs on several goroutines.
func TestTreeOfMany(t *testing.T) {
	tree := store.NewTree()
	var leaves []proof.Leaf
	for i := range 3000 {
		leaves = append(leaves, proof.Leaf{Key: proof.KeyHash(fmt.Appendf(nil, "key %d", i)), Value: [32]byte{byte(i)}})
	}
	slices.SortFunc(leaves, func(a, b proof.Leaf) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	var cs []store.Change
	for _, l := range leaves {
		cs = append(cs, store.Change{Leaf: l})
	}
	if err := tree.Apply(cs); err != nil {
		t.Fatal(err)
	}
	if tree.Root() != referenceRoot(leaves, 0) {
		t.Fatal("root of all")
	}
	var kept []proof.Leaf
	cs = cs[:0]
	for i, l := range leaves {
		if i%3 == 0 {
			kept = append(kept, l)
			continue
		}
		cs = append(cs, store.Change{Leaf: l, Gone: true})
	}
	if err := tree.Apply(cs); err != nil {
		t.Fatal(err)
	}
	if tree.Root() != referenceRoot(kept, 0) {
		t.Fatal("root of a third")
	}
}
