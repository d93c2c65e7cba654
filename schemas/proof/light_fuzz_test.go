package proof_test

import (
	"bytes"
	"testing"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

// FuzzSignedHeader: whatever a node sends is refused, or has the one encoding of
// what it says; to check it ends in an answer.
func FuzzSignedHeader(f *testing.F) {
	set := lightSetOf(1, 2, 3, 4)
	good := lightHeader(f, 10, set, set)
	f.Add(good.Encode())
	trust := &proof.Trust{ChainID: "light", Height: 5, ValidatorSetHash: proof.ValidatorSetHash(set.set)}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proof.DecodeSignedHeader(b)
		if err != nil {
			return
		}
		if !bytes.Equal(h.Encode(), b) {
			t.Errorf("%x is read as what is written %x", b, h.Encode())
		}
		if good.Follows(h) == nil || h.VerifyRoot(trust) == nil && h.Hash() != good.Hash() {
			t.Errorf("%x is believed, and nobody signed it", b)
		}
	})
}

// FuzzCheckpointProof: the same of a checkpoint's proof.
func FuzzCheckpointProof(f *testing.F) {
	set := lightSetOf(1, 2, 3, 4)
	p := proof.CheckpointProof{Anchor: *lightHeader(f, 10, set, set)}
	p.Log.Append([32]byte{1})
	p.Head = proof.StateLeaf{Value: []byte("head"), Path: proof.Path{}.Append(nil)}
	p.Changed = proof.StateLeaf{Value: []byte("changed"), Path: proof.Path{}.Append(nil)}
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := proof.DecodeCheckpointProof(b)
		if err != nil {
			return
		}
		if !bytes.Equal(got.Encode(), b) {
			t.Errorf("%x is read as what is written %x", b, got.Encode())
		}
		if c, err := got.Verify(); err == nil && c.Size != got.Log.Count+1 {
			t.Errorf("%x proves a checkpoint of size %d", b, c.Size)
		}
	})
}
