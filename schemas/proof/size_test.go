package proof_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// forest is a state tree of many leaves, of which few are asked for: the others
// are hashes alone.
type forest struct {
	*ledger
	leaves []proof.Leaf // by key
}

// newForest is a ledger with so many items more than the one that was made.
func newForest(t testing.TB, items int) *forest {
	f := &forest{ledger: newLedger(t)}
	f.transact("acme-farms", message{body: eventJSON(unit, "ADD", "commissioning", ""), trails: []schemas.TrailKey{custody(unit)}, result: applied, dup: make([]byte, 32)})
	f.put(unit, schemas.Item{Custodian: "acme-farms", Disposition: "active"})
	f.header() // writes the registers
	for key, value := range f.state {
		f.leaves = append(f.leaves, proof.Leaf{Key: proof.KeyHash([]byte(key)), Value: proof.ValueHash([]byte(value))})
	}
	for i := range items {
		f.leaves = append(f.leaves, proof.Leaf{Key: proof.KeyHash(schemas.ItemKey(box(i))), Value: [32]byte{1}})
	}
	slices.SortFunc(f.leaves, func(a, b proof.Leaf) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return f
}

// root is that of the leaves at a depth.
func root(leaves []proof.Leaf, depth int) [32]byte {
	switch len(leaves) {
	case 0:
		return [32]byte{}
	case 1:
		return proof.LeafHash(leaves[0].Key, leaves[0].Value)
	}
	left, right := parted(leaves, depth)
	return proof.NodeHash(root(left, depth+1), root(right, depth+1))
}

func parted(leaves []proof.Leaf, depth int) (left, right []proof.Leaf) {
	at, _ := slices.BinarySearchFunc(leaves, 1, func(l proof.Leaf, bit int) int { return int(proof.Bit(&l.Key, depth)) - bit })
	return leaves[:at], leaves[at:]
}

func (f *forest) State(key []byte) ([]byte, proof.Path, error) {
	hash, leaves := proof.KeyHash(key), f.leaves
	var path proof.Path
	for depth := 0; len(leaves) > 1; depth++ {
		left, right := parted(leaves, depth)
		if proof.Bit(&hash, depth) == 1 {
			left, right = right, left
		}
		leaves = left
		path.Siblings = append(path.Siblings, root(right, depth+1))
	}
	if value, ok := f.state[string(key)]; ok {
		return []byte(value), path, nil
	}
	if len(leaves) == 1 {
		path.Other = &leaves[0]
	}
	return nil, path, nil
}

// bundle is that of the one item.
func (f *forest) bundle() []byte {
	f.t.Helper()
	b, err := proof.Assemble(proof.Material{Asked: []proof.Thing{{Kind: proof.AnItem, ID: unit}}, Source: f})
	if err != nil {
		f.t.Fatal(err)
	}
	h, top := f.header(), root(f.leaves, 0)
	h.App = top[:]
	if err := b.Seal(f.signed(h)); err != nil {
		f.t.Fatal(err)
	}
	return b.Encode()
}

// What one item's bundle takes beside its event, however many items there are.
func TestBundleSize(t *testing.T) {
	sizes := []int{1000, 1_000_000}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, items := range sizes {
		f := newForest(t, items)
		encoded := f.bundle()
		if _, err := proof.Verify(encoded, f.trust()); err != nil {
			t.Fatal(err)
		}
		b, err := proof.DecodeBundle(encoded)
		if err != nil {
			t.Fatal(err)
		}
		members := 0
		for _, m := range b.Transactions[0].Messages[0].Members {
			members += len(m.Name) + len(m.Value)
		}
		over := len(encoded) - members
		t.Logf("%d items: %d bytes, of which the event %d", items, len(encoded), members)
		if over > 2560 {
			t.Errorf("%d bytes beside the event", over)
		}
	}
}

// BenchmarkVerify is one item's bundle: three signatures of validators, one of the
// partner.
func BenchmarkVerify(b *testing.B) {
	f := newForest(b, 1000)
	verifies(b, f.bundle(), f.trust(), 1)
}

// BenchmarkVerifyEvents is a thousand events of one item, a hundred in each
// transaction.
func BenchmarkVerifyEvents(b *testing.B) {
	const events, each = 1000, 100
	l := newLedger(b)
	for i := range events / each {
		var list []message
		for j := range each {
			list = append(list, message{body: eventJSON(unit, "OBSERVE", "storing", fmt.Sprintf(`,"eventID":"urn:example:%d-%d"`, i, j)), trails: []schemas.TrailKey{custody(unit)}, result: applied})
		}
		l.transact("acme-farms", list...)
	}
	l.put(unit, schemas.Item{Custodian: "acme-farms"})
	verifies(b, l.build(proof.AnItem, unit).Encode(), l.trust(), events)
}

func verifies(b *testing.B, encoded []byte, trust *proof.Trust, events int) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proof.Verify(encoded, trust); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(events), "µs/event")
	b.ReportMetric(float64(len(encoded)), "bytes")
}
