package proof_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	cmttypes "github.com/cometbft/cometbft/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// drawHash draws a hash as the engine has them: 32 bytes, or none.
func drawHash(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 9).Draw(t, name+" is there") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name)
}

func drawTime(t *rapid.T, name string) time.Time {
	seconds := rapid.Int64Range(-1<<33, 1<<33).Draw(t, name)
	return time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
}

func drawHeader(t *rapid.T) cmttypes.Header {
	return cmttypes.Header{
		Version: cmtversion.Consensus{Block: rapid.Uint64().Draw(t, "block version"), App: rapid.Uint64Range(0, 300).Draw(t, "app version")},
		ChainID: rapid.StringN(1, 50, 50).Draw(t, "chain"), Height: rapid.Int64Range(1, 1<<62).Draw(t, "height"), Time: drawTime(t, "time"),
		LastBlockID: cmttypes.BlockID{Hash: drawHash(t, "last"), PartSetHeader: cmttypes.PartSetHeader{
			Total: rapid.Uint32().Draw(t, "parts"), Hash: drawHash(t, "parts hash")}},
		LastCommitHash: drawHash(t, "commit"), DataHash: drawHash(t, "data"), NextValidatorsHash: drawHash(t, "next"),
		ConsensusHash: drawHash(t, "consensus"), AppHash: drawHash(t, "app"), LastResultsHash: drawHash(t, "results"),
		EvidenceHash: drawHash(t, "evidence"), ProposerAddress: rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "proposer"),
	}
}

func ourHeader(h cmttypes.Header) proof.Header {
	return proof.Header{
		VersionBlock: h.Version.Block, VersionApp: h.Version.App, ChainID: h.ChainID, Height: h.Height, Time: h.Time,
		LastBlock:  proof.BlockID{Hash: h.LastBlockID.Hash, Parts: ourParts(h.LastBlockID.PartSetHeader)},
		LastCommit: h.LastCommitHash, Data: h.DataHash, NextValidators: h.NextValidatorsHash, Consensus: h.ConsensusHash,
		App: h.AppHash, LastResults: h.LastResultsHash, Evidence: h.EvidenceHash, Proposer: h.ProposerAddress,
	}
}

func ourParts(p cmttypes.PartSetHeader) proof.PartSet {
	return proof.PartSet{Total: p.Total, Hash: p.Hash}
}

// keyOf is the n-th of a row of keys that every run has alike.
func keyOf(n int) ed25519.PrivateKey {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key of a test"), uint64(n)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func drawValidators(t *rapid.T, most int) (*cmttypes.ValidatorSet, map[string]ed25519.PrivateKey) {
	keys := map[string]ed25519.PrivateKey{}
	var vals []*cmttypes.Validator
	for i := range rapid.IntRange(1, most).Draw(t, "validators") {
		private := keyOf(i)
		public := cmted25519.PubKey(private.Public().(ed25519.PublicKey))
		keys[string(public.Address())] = private
		vals = append(vals, cmttypes.NewValidator(public, rapid.Int64Range(1, 1<<40).Draw(t, "power")))
	}
	return cmttypes.NewValidatorSet(vals), keys
}

func ourSet(set *cmttypes.ValidatorSet) []proof.Validator {
	out := make([]proof.Validator, len(set.Validators))
	for i, v := range set.Validators {
		out[i] = proof.Validator{Public: ed25519.PublicKey(v.PubKey.Bytes()), Power: v.VotingPower}
	}
	return out
}

// ourCommit leaves out who was absent or voted for nothing.
func ourCommit(c *cmttypes.Commit) proof.Commit {
	out := proof.Commit{Round: c.Round, Parts: ourParts(c.BlockID.PartSetHeader)}
	for i, s := range c.Signatures {
		if s.BlockIDFlag == cmttypes.BlockIDFlagCommit {
			out.Votes = append(out.Votes, proof.Vote{Index: uint16(i), Time: s.Timestamp, Signature: s.Signature})
		}
	}
	return out
}

func TestHeaderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, _ := drawValidators(t, 5)
		header := drawHeader(t)
		header.ValidatorsHash = set.Hash()
		ours := ourHeader(header)
		hash := proof.ValidatorSetHash(ourSet(set))
		if string(hash[:]) != string(set.Hash()) {
			t.Fatalf("validator set %s, want %s", hash, set.Hash())
		}
		if got := ours.Hash(hash); string(got[:]) != string(header.Hash()) {
			t.Fatalf("header %s, want %s", got, header.Hash())
		}
	})
}

// Votes of every kind, honest and not, must be judged as the engine judges them.
func TestCommit(t *testing.T) {
	const chain = "waybill-test"
	passed, failed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set, keys := drawValidators(t, 7)
		height := rapid.Int64Range(1, 1<<40).Draw(t, "height")
		block := cmttypes.BlockID{Hash: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "block"),
			PartSetHeader: cmttypes.PartSetHeader{Total: rapid.Uint32Range(1, 9).Draw(t, "parts"), Hash: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "parts hash")}}
		commit := &cmttypes.Commit{Height: height, Round: rapid.Int32Range(0, 3).Draw(t, "round"), BlockID: block}
		for i, v := range set.Validators {
			sig := cmttypes.CommitSig{BlockIDFlag: cmttypes.BlockIDFlagCommit, ValidatorAddress: v.Address, Timestamp: drawTime(t, "vote")}
			switch rapid.IntRange(0, 9).Draw(t, "vote") {
			case 0:
				sig = cmttypes.NewCommitSigAbsent()
			case 1:
				sig.BlockIDFlag = cmttypes.BlockIDFlagNil
			}
			commit.Signatures = append(commit.Signatures, sig)
			if sig.BlockIDFlag == cmttypes.BlockIDFlagAbsent {
				continue
			}
			bytes := commit.VoteSignBytes(chain, int32(i))
			if sig.BlockIDFlag == cmttypes.BlockIDFlagCommit {
				ours := ourCommit(commit)
				if got := ours.SignBytes(chain, height, schemas.Hash(block.Hash), sig.Timestamp); string(got) != string(bytes) {
					t.Fatalf("sign bytes %x, want %x", got, bytes)
				}
			}
			signature := ed25519.Sign(keys[string(v.Address)], bytes)
			if rapid.IntRange(0, 19).Draw(t, "forged") == 0 {
				signature[rapid.IntRange(0, 63).Draw(t, "at")] ^= 1
			}
			commit.Signatures[i].Signature = signature
		}
		want := cmttypes.VerifyCommitLightAllSignatures(chain, set, block, height, commit)
		ours := ourCommit(commit)
		_, _, err := ours.Verify(chain, height, schemas.Hash(block.Hash), ourSet(set))
		if (err == nil) != (want == nil) {
			t.Fatalf("verified: %v, the engine: %v", err, want)
		}
		if want == nil {
			passed++
		} else {
			failed++
		}
	})
	if passed == 0 || failed == 0 {
		t.Errorf("%d commits passed and %d failed: the test tells nothing", passed, failed)
	}
}

// The encoding of the vote is compared above with the engine's commit; this is
// the engine's vote itself, so that a fault common to both would show.
func TestVoteSignBytes(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	vote := &cmtproto.Vote{Type: cmtproto.PrecommitType, Height: 7, Round: 2, Timestamp: at,
		BlockID: cmtproto.BlockID{Hash: make([]byte, 32), PartSetHeader: cmtproto.PartSetHeader{Total: 1, Hash: make([]byte, 32)}}}
	commit := proof.Commit{Round: 2, Parts: proof.PartSet{Total: 1, Hash: make([]byte, 32)}}
	if got, want := commit.SignBytes("c", 7, schemas.Hash{}, at), cmttypes.VoteSignBytes("c", vote); string(got) != string(want) {
		t.Fatalf("%x, want %x", got, want)
	}
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
