package node_test

import (
	"io"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// The engine forgets who signed the blocks that it drops; the archive does not: a
// bundle still leads from a root of trust of the first validators to a header that
// only their successors signed.
func TestProofsOverValidatorsThatWent(t *testing.T) {
	s := forgetful(t)
	next, err := node.MakeNextKey(&s)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	commit(t, n, event(t, 1))
	root, err := n.Ledger().Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change, err := schemas.MakeAct(&schemas.Propose{Change: schemas.Change{Kind: schemas.SetValidator, Partner: s.Partner, NodeID: string(keys.Node.ID()), Validator: next}}, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r := commit(t, n, change); r.Events[0].Code != schemas.OK {
		t.Fatal(r.Events[0])
	}
	made := 1
	eventually(t, "the validators' change is behind the engine's first block", func() bool {
		made++
		commit(t, n, event(t, made))
		now, err := n.Ledger().Trust(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return now.ValidatorSetHash != root.ValidatorSetHash && n.Base() > root.Height+30
	})
	for _, since := range []int64{root.Height, 1} {
		header, err := n.Ledger().SignedHeader(t.Context(), since)
		if err != nil {
			t.Fatalf("the header of height %d: %v", since, err)
		}
		signed, err := proof.DecodeSignedHeader(header.Signed)
		if err != nil {
			t.Fatal(err)
		}
		trust := &proof.Trust{ChainID: "alone", Height: since, Time: signed.Header.Time, ValidatorSetHash: proof.ValidatorSetHash(signed.Validators)}
		trust.HeaderHash = signed.Header.Hash("alone", trust.ValidatorSetHash)
		b, err := n.Ledger().Bundle(t.Context(), schemas.BundleQuery{ID: "urn:epc:id:sgtin:9521234.012345.1", Since: since})
		if err != nil {
			t.Fatalf("a bundle for a root of trust of height %d: %v", since, err)
		}
		if _, err := proof.Verify(b, trust); err != nil {
			t.Errorf("a bundle for a root of trust of height %d: %v", since, err)
		}
	}
}
