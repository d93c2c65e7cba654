package node_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/node"
)

// signing is a validator behind a fence, as its nodes see it.
type signing struct {
	home string
	key  ed25519.PrivKey
	node.Fence
}

func newSigning(t interface{ Fatal(...any) }, home string) *signing {
	s := &signing{home: home, key: ed25519.GenPrivKey()}
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := node.MakeFence(home, s.key); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	return s
}

// reopen is what a restart makes of it: all that is known is on the disk.
func (s *signing) reopen(t interface{ Fatal(...any) }) {
	f, err := node.OpenFence(s.home, s.key)
	if err != nil {
		t.Fatal(err)
	}
	s.Fence = f
}

// vote asks for a vote of a node, for a block or, "", for none.
func (s *signing) vote(by string, height int64, round int32, kind cmtproto.SignedMsgType, block string) ([]byte, error) {
	v := &cmtproto.Vote{Type: kind, Height: height, Round: round, BlockID: blockID(block)}
	if err := s.By(by).SignVote("chain", v); err != nil {
		return nil, err
	}
	if !s.key.PubKey().VerifySignature(types.VoteSignBytes("chain", v), v.Signature) {
		return nil, fmt.Errorf("the signature does not hold")
	}
	return v.Signature, nil
}

func blockID(block string) cmtproto.BlockID {
	if block == "" {
		return cmtproto.BlockID{}
	}
	hash := bytes.Repeat([]byte(block), 32)[:32]
	return cmtproto.BlockID{Hash: hash, PartSetHeader: cmtproto.PartSetHeader{Total: 1, Hash: hash}}
}

const (
	prevote   = cmtproto.PrevoteType
	precommit = cmtproto.PrecommitType
)

// One height from node to node: what the first precommitted binds the second, and
// back again; the next height is free.
func TestFence(t *testing.T) {
	s := newSigning(t, t.TempDir())
	for i, step := range []struct {
		by     string
		height int64
		round  int32
		kind   cmtproto.SignedMsgType
		block  string
		says   string // of the refusal
	}{
		{"a", 10, 0, prevote, "x", ""},
		{"a", 10, 0, precommit, "x", ""},
		{"b", 10, 0, precommit, "x", ""},                   // the same again
		{"b", 10, 0, precommit, "y", "conflicting data"},   // twice
		{"b", 10, 1, prevote, "y", "another node"},         // against what a precommitted
		{"b", 10, 0, prevote, "x", "step regression"},      //
		{"a", 10, 1, prevote, "y", ""},                     // a alone has signed: it knows what it is bound to
		{"a", 10, 1, precommit, "", ""},                    //
		{"b", 10, 2, prevote, "x", ""},                     // from here both have
		{"a", 10, 3, prevote, "y", "another node"},         //
		{"a", 10, 3, precommit, "y", "another node"},       //
		{"a", 10, 3, precommit, "", ""},                    // for none is always right
		{"b", 9, 9, prevote, "x", "height regression"},     //
		{"b", 11, 0, prevote, "y", ""},                     // the next height
		{"a", 11, 0, prevote, "x", "conflicting data"},     //
		{"b", 11, 0, precommit, "y", ""},                   //
		{"b", 11, 1, prevote, "x", ""},                     // b alone has signed at 11
		{"a", 12, 0, cmtproto.UnknownType, "x", "no vote"}, //
	} {
		_, err := s.vote(step.by, step.height, step.round, step.kind, step.block)
		if step.says == "" && err != nil || step.says != "" && (err == nil || !strings.Contains(err.Error(), step.says)) {
			t.Errorf("step %d, %+v: %v", i, step, err)
		}
		s.reopen(t)
	}
}

// Whatever two nodes ask, in whatever order, and whenever the signer is killed: one
// content is signed for a height, round and step, and once both nodes have signed at a
// height, no vote there is for another block than was precommitted last.
func TestFenceAlways(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		s := newSigning(t, filepath.Join(dir, fmt.Sprint(n)))
		signed := map[string]string{}          // height, round, step: block
		signers := map[int64]map[string]bool{} // of a height
		locked := map[int64]string{}           // precommitted last
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			by := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "by")
			height, round := rapid.Int64Range(1, 3).Draw(t, "height"), int32(rapid.IntRange(0, 3).Draw(t, "round"))
			kind, block := rapid.SampledFrom([]cmtproto.SignedMsgType{prevote, precommit}).Draw(t, "kind"), rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "block")
			if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
				s.reopen(t)
			}
			if _, err := s.vote(by, height, round, kind, block); err != nil {
				continue
			}
			at := fmt.Sprint(height, round, kind)
			if was, ok := signed[at]; ok {
				if was != block {
					t.Fatalf("at %s both %q and %q were signed", at, was, block)
				}
				continue
			}
			signed[at] = block
			if signers[height] == nil {
				signers[height] = map[string]bool{}
			}
			signers[height][by] = true
			if bound, ok := locked[height]; ok && block != "" && block != bound && len(signers[height]) > 1 {
				t.Fatalf("at %s %s voted for %q, the validator is bound to %q", at, by, block, bound)
			}
			if kind == precommit && block != "" {
				locked[height] = block
			}
		}
	})
}

// A fence that cannot be written signs nothing, and nothing more.
func TestFenceThatCannotBeWritten(t *testing.T) {
	s := newSigning(t, t.TempDir())
	if _, err := s.vote("a", 1, 0, prevote, "x"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.home, "data"), filepath.Join(s.home, "gone")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // asked again, too
		if _, err := s.vote("a", 1, 0, precommit, "x"); err == nil {
			t.Fatal("something was signed that is not on the disk")
		}
		if _, err := s.vote("a", 1, 1, prevote, ""); err == nil {
			t.Fatal("something was signed after that")
		}
	}
}
