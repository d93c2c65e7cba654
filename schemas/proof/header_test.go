package proof_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// keyOf is the n-th of a row of keys that every run has alike.
func keyOf(n int) ed25519.PrivateKey {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key of a test"), uint64(n)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func TestCommitRefuses(t *testing.T) {
	const chain, height = "waybill-test", 9
	block, at := schemas.Hash{1}, time.Unix(1, 0)
	set := []proof.Validator{}
	commit := proof.Commit{Parts: proof.PartSet{Total: 1, Hash: make([]byte, 32)}}
	for i := range 4 {
		set = append(set, proof.Validator{Public: keyOf(i).Public().(ed25519.PublicKey), Power: 10})
		commit.Votes = append(commit.Votes, proof.Vote{Index: uint16(i), Time: at, Signature: ed25519.Sign(keyOf(i), commit.SignBytes(chain, height, block, at))})
	}
	if signed, total, err := commit.Verify(chain, height, block, set); err != nil || signed != 40 || total != 40 {
		t.Fatalf("%d of %d, %v", signed, total, err)
	}
	votes := commit.Votes
	for name, c := range map[string]struct {
		votes []proof.Vote
		set   []proof.Validator
	}{
		"two of four":       {votes[:2], set},
		"one vote twice":    {[]proof.Vote{votes[0], votes[0], votes[1]}, set},
		"unordered":         {[]proof.Vote{votes[1], votes[0], votes[2]}, set},
		"beyond the set":    {votes, set[:3]},
		"empty set":         {nil, nil},
		"exactly 2 thirds":  {votes[:2], set[:3]},
		"no power":          {votes[:1], []proof.Validator{{Public: set[0].Public}}},
		"power overflows":   {votes[:1], []proof.Validator{{Public: set[0].Public, Power: 1 << 62}}},
		"power adds up":     {votes[:2], []proof.Validator{{set[0].Public, 1 << 60}, {set[1].Public, 1 << 60}}},
		"negative power":    {votes[:2], []proof.Validator{{set[0].Public, 1}, {set[1].Public, -1}}},
		"key of no Ed25519": {votes[:1], []proof.Validator{{Public: set[0].Public[:31], Power: 1}}},
		"short signature":   {[]proof.Vote{{Index: 0, Time: at, Signature: votes[0].Signature[:63]}}, set[:1]},
	} {
		bad := commit
		bad.Votes = c.votes
		if _, _, err := bad.Verify(chain, height, block, c.set); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}
