package proof_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

func entriesOf(n int) [][32]byte {
	entries := make([][32]byte, n)
	for i := range entries {
		entries[i] = proof.KeyHash(fmt.Appendf(nil, "entry %d", i))
	}
	return entries
}

// referenceLog folds the entries with the compact ranges of another author.
func referenceLog(t *rapid.T, entries [][32]byte) [32]byte {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := factory.NewEmptyRange(0)
	for i := range entries {
		if err := r.Append(rfc6962.DefaultHasher.HashLeaf(entries[i][:]), nil); err != nil {
			t.Fatal(err)
		}
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	if root == nil {
		root = rfc6962.DefaultHasher.EmptyRoot()
	}
	return [32]byte(root)
}

func TestLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := entriesOf(rapid.IntRange(0, 70).Draw(t, "entries"))
		var l, fork, grown proof.Log
		for i, e := range entries {
			fork = l
			if l.Append(e); l.Root() != referenceLog(t, entries[:i+1]) {
				t.Fatalf("root after %d entries", i+1)
			}
			if grown.Extend(e); grown.Check(l.Head()) != nil {
				t.Fatalf("in place the log of %d has another root", i+1)
			}
			// A copy must not see what its original appends, nor the reverse.
			fork.Append([32]byte{1})
			if l.Root() != proof.RootOf(entries[:i+1]) {
				t.Fatalf("a copy's entry changed the log of %d", i+1)
			}
		}
		if l.Head() != (proof.Head{Root: proof.RootOf(entries), Count: uint64(len(entries))}) {
			t.Fatal("head")
		}
		decoded, err := proof.DecodeLog(l.AppendTo(nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := decoded.Check(l.Head()); err != nil {
			t.Fatal(err)
		}
		if err := decoded.Check(fork.Head()); len(entries) > 0 && !errors.Is(err, proof.ErrMismatch) {
			t.Fatalf("another log's head: %v", err)
		}
	})
}

// agrees compares what is said of an inclusion proof with what another author's program
// says, of the proof and of what is like it.
func agrees(t *rapid.T, h proof.Head, index uint64, entry [32]byte, path [][32]byte) {
	path = slices.Clone(path)
	switch rapid.IntRange(0, 4).Draw(t, "altered") {
	case 1:
		index = rapid.Uint64Range(0, 2*h.Count).Draw(t, "another index")
	case 2:
		h.Count = rapid.Uint64Range(0, 2*h.Count).Draw(t, "another count")
	case 3:
		path = path[:rapid.IntRange(0, len(path)).Draw(t, "length")]
	case 4:
		path = append(path, make([][32]byte, rapid.IntRange(1, 70).Draw(t, "more"))...)
	}
	var hashes [][]byte
	for i := range path {
		hashes = append(hashes, path[i][:])
	}
	want := merkle.VerifyInclusion(rfc6962.DefaultHasher, index, h.Count, rfc6962.DefaultHasher.HashLeaf(entry[:]), hashes, h.Root[:])
	if got := proof.VerifyInclusion(h, index, entry, path); (got == nil) != (want == nil) {
		t.Fatalf("entry %d of %d with %d hashes: %v, another program says %v", index, h.Count, len(path), got, want)
	}
}

func TestLogProofs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := entriesOf(rapid.IntRange(1, 70).Draw(t, "entries"))
		n := uint64(len(entries))
		now := proof.Head{Root: proof.RootOf(entries), Count: n}
		index := rapid.Uint64Range(0, n-1).Draw(t, "index")
		inclusion, err := proof.Inclusion(entries, index)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyInclusion(now, index, entries[index], inclusion); err != nil {
			t.Fatal(err)
		}
		if proof.VerifyInclusion(now, index, [32]byte{1}, inclusion) == nil ||
			proof.VerifyInclusion(now, index+1, entries[index], inclusion) == nil ||
			proof.VerifyInclusion(now, index, entries[index], append(inclusion, [32]byte{})) == nil {
			t.Fatal("verifies what is not there")
		}
		agrees(t, now, index, entries[index], inclusion)
		count := rapid.Uint64Range(0, n).Draw(t, "count")
		old := proof.Head{Root: proof.RootOf(entries[:count]), Count: count}
		growth, err := proof.Consistency(entries, count)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyConsistency(old, now, growth); err != nil {
			t.Fatal(err)
		}
		old.Root[0] ^= 1
		if proof.VerifyConsistency(old, now, growth) == nil {
			t.Fatal("another log's growth verifies")
		}
	})
}

func TestLogProofsRefuse(t *testing.T) {
	entries := entriesOf(3)
	if _, err := proof.Inclusion(entries, 3); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("inclusion beyond the end: %v", err)
	}
	if _, err := proof.Consistency(entries, 4); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("shrinking: %v", err)
	}
	huge := proof.Head{Count: 1 << 63}
	if err := proof.VerifyInclusion(huge, 0, entries[0], nil); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("inclusion in too many: %v", err)
	}
	if err := proof.VerifyConsistency(huge, huge, nil); !errors.Is(err, proof.ErrMalformed) {
		t.Errorf("growth of too many: %v", err)
	}
}

func TestDecodeLogRefuses(t *testing.T) {
	root := bytes.Repeat([]byte{7}, 32)
	for name, b := range map[string][]byte{
		"nothing":        {},
		"long varint":    append([]byte{0x81, 0x00}, root...),
		"endless varint": bytes.Repeat([]byte{0x80}, 11),
		"too many":       append([]byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40}, bytes.Repeat(root, 2)...),
		"short frontier": append([]byte{3}, root...),
		"trailing":       append([]byte{1}, append(root, 0)...),
		"trailing empty": {0, 0},
	} {
		if _, err := proof.DecodeLog(b); !errors.Is(err, proof.ErrMalformed) {
			t.Errorf("log of %s: %v", name, err)
		}
	}
}

func FuzzDecodeLog(f *testing.F) {
	var l proof.Log
	f.Add(l.AppendTo(nil))
	for _, e := range entriesOf(11) {
		l.Append(e)
		f.Add(l.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := proof.DecodeLog(b); err == nil {
			if again := l.AppendTo(nil); !bytes.Equal(again, b) {
				t.Fatalf("two encodings: %x and %x", b, again)
			}
			l.Append([32]byte{1})
			l.Root()
		}
	})
}

func BenchmarkLogAppend(b *testing.B) {
	entries := entriesOf(10)
	b.ReportAllocs()
	for b.Loop() {
		var l proof.Log
		for _, e := range entries {
			l.Append(e)
		}
		l.Root()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(entries)), "ns/entry")
}

// A part of a log, wherever it lies, leads to the head, and to no other.
func TestRange(t *testing.T) {
	for n := 1; n <= 20; n++ {
		entries := make([][32]byte, n)
		for i := range entries {
			entries[i] = proof.KeyHash([]byte{byte(i)})
		}
		head := proof.Head{Root: proof.RootOf(entries), Count: uint64(n)}
		for first := range n {
			for behind := first + 1; behind <= n; behind++ {
				beside, err := proof.Range(entries, uint64(first), uint64(behind))
				if err != nil {
					t.Fatal(err)
				}
				part := entries[first:behind]
				if err := proof.VerifyRange(head, uint64(first), part, beside); err != nil {
					t.Errorf("%d to %d of %d: %v", first, behind, n, err)
				}
				for name, err := range map[string]error{
					"one hash more":   proof.VerifyRange(head, uint64(first), part, append(slices.Clone(beside), [32]byte{})),
					"another place":   proof.VerifyRange(head, uint64(first+1), part, beside),
					"another entry":   proof.VerifyRange(head, uint64(first), append([][32]byte{{9}}, part[1:]...), beside),
					"no entries":      proof.VerifyRange(head, uint64(first), nil, beside),
					"an absurd count": proof.VerifyRange(proof.Head{Root: head.Root, Count: 1 << 63}, uint64(first), part, beside),
				} {
					if err == nil {
						t.Errorf("%d to %d of %d: %s passes", first, behind, n, name)
					}
				}
				if len(beside) > 0 && proof.VerifyRange(head, uint64(first), part, beside[1:]) == nil {
					t.Errorf("%d to %d of %d: a hash less passes", first, behind, n)
				}
			}
		}
	}
}
