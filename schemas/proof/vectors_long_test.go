package proof_test

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// far is a ledger that has one trail only from a record far behind its begin on. What
// came before and after are made-up roots of full subtrees.
type far struct {
	*ledger
	key          schemas.TrailKey
	first, count uint64 // of the records that are there; of the trail
}

func (f *far) behind() uint64 { return f.first + uint64(len(f.records[f.key])) }

// root is that of any subtree of the trail.
func (f *far) root(lo, hi uint64) [32]byte {
	switch outside := hi <= f.first || lo >= f.behind(); {
	case outside && bits.OnesCount64(hi-lo) == 1:
		return proof.KeyHash(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, lo), hi))
	case hi-lo == 1:
		return proof.RootOf(f.entries[f.key][lo-f.first : hi-f.first])
	}
	k := lo + 1<<(bits.Len64(hi-lo-1)-1)
	return proof.NodeHash(f.root(lo, k), f.root(k, hi))
}

func (f *far) Records(key schemas.TrailKey, from uint64, limit int) ([]proof.Record, error) {
	if key == f.key {
		from -= f.first
	}
	return f.ledger.Records(key, from, limit)
}

func (f *far) Beside(_ schemas.TrailKey, count, first, behind uint64) ([][32]byte, error) {
	return proof.RangeIn(count, first, behind, func(lo, hi uint64) ([32]byte, error) { return f.root(lo, hi), nil })
}

// longTrail is a part of the activity of a partner that has recorded five thousand
// million messages.
func longTrail(t testing.TB) vector {
	l := newStory(t)
	header := l.header() // writes the registers
	f := &far{ledger: l, key: partnerTrail("borg-foods"), first: 3_000_000_123, count: 5_000_000_000}
	r := schemas.Register{Trail: schemas.Head{Root: f.root(0, f.count), Count: f.count}}
	l.set(schemas.RegisterKey("borg-foods"), r.Append(nil))
	m := l.everything(proof.APartner, "borg-foods")
	m.Source, m.First, m.Count = f, f.first+1, 2
	b, err := proof.Assemble(m)
	if err != nil {
		t.Fatal(err)
	}
	root := ReferenceRoot(l.state)
	header.App = root[:]
	if err := b.Seal(l.signed(header)); err != nil {
		t.Fatal(err)
	}
	return vector{name: "long-trail", bundle: b, trust: l.trust()}
}

// TestCompletes: what an entry completes are the roots of the last entries, as many
// as a power of two that divides their count.
func TestCompletes(t *testing.T) {
	entries := entriesOf(300)
	var l proof.Log
	for i, e := range entries {
		n := i + 1
		for least := range 4 {
			var want [][32]byte
			for size := 1 << least; n%size == 0; size <<= 1 {
				want = append(want, proof.RootOf(entries[n-size:n]))
			}
			if got := l.Completes(e, least); !slices.Equal(got, want) {
				t.Fatalf("entry %d completes %x, and not %x", n, got, want)
			}
		}
		l.Append(e)
	}
}
