package node_test

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

	"github.com/waybill-ledger/waybill/node"
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

func TestHeaderHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, _ := drawValidators(t, 5)
		header := drawHeader(t)
		header.ValidatorsHash = set.Hash()
		ours := node.HeaderOf(&header)
		hash := proof.ValidatorSetHash(node.SetOf(set))
		if string(hash[:]) != string(set.Hash()) {
			t.Fatalf("validator set %s, want %s", hash, set.Hash())
		}
		if got := ours.Hash(hash); string(got[:]) != string(header.Hash()) {
			t.Fatalf("header %s, want %s", got, header.Hash())
		}
		short, err := ours.Short(hash)
		if err != nil {
			if len(header.AppHash) == 32 && len(header.NextValidatorsHash) == 32 {
				t.Fatal(err)
			}
			return
		}
		if got := short.Hash(header.ChainID, hash); string(got[:]) != string(header.Hash()) {
			t.Fatalf("the short header %s, want %s", got, header.Hash())
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
				ours := node.CommitOf(commit)
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
		ours := node.CommitOf(commit)
		_, _, err := ours.Verify(chain, height, schemas.Hash(block.Hash), node.SetOf(set))
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
