package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

// fence signs for whichever node of a pair asks, so that the two together vote as
// one correct validator would.
//
// The state of what was signed last lets nothing be signed twice: that is
// privval.FilePV's. It is not enough for two nodes. A validator that precommitted a
// block is bound to it until it sees that the others moved on, and only the node that
// asked for that precommit knows. So at the height at which signing went from one
// node to another, whoever asks may vote for the block that was precommitted there,
// or for none. From the next height on the new node alone has signed, and knows
// itself what it is bound to.
//
// Everything is on the disk before a signature leaves.
type fence struct {
	mu     sync.Mutex // guards what follows: one signature at a time
	pv     *privval.FilePV
	home   string
	kept   fenceState
	broken error // nothing is signed any more
}

// fenceState is data/fence.json.
type fenceState struct {
	Holder string `json:"holder"` // machine id of the node that signed last
	Shared int64  `json:"shared"` // height at which more than one node may have signed
	Height int64  `json:"locked_height"`
	// Block is the id of the block that was precommitted at that height, last. Empty, it
	// is not known, and nobody but the holder votes for any there.
	Block []byte `json:"locked_block"`
}

var errBound = errors.New("another node of this validator precommitted a block at this height, and this vote is for another one")

func fencePath(home string) string { return filepath.Join(home, dataDir, "fence.json") }

func openFence(home string, pv *privval.FilePV) (*fence, error) {
	f := &fence{pv: pv, home: home}
	err := readSecret(fencePath(home), func(b []byte) error { return json.Unmarshal(b, &f.kept) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: without it a node could vote against what the other is bound to: it is made with the signer's home, restore it from where it is", err)
	}
	return f, err
}

func writeFence(home string, state fenceState) error {
	b, err := json.Marshal(state)
	if err == nil {
		err = replaceFile(fencePath(home), b)
	}
	if err != nil {
		return fmt.Errorf("writing the fence: %w", err)
	}
	return nil
}

// failure is why nothing is signed any more.
func (f *fence) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// by is the validator as one node sees it.
func (f *fence) by(node string) types.PrivValidator { return fenced{f, node} }

type fenced struct {
	*fence
	node string
}

// GetPubKey is the validator's key.
func (v fenced) GetPubKey() (crypto.PubKey, error) { return v.pv.Key.PubKey, nil }

// SignVote signs unless that would be twice, or against what the validator is bound to.
func (v fenced) SignVote(chainID string, vote *cmtproto.Vote) error {
	step, known := map[cmtproto.SignedMsgType]int8{cmtproto.PrevoteType: lastStep - 1, cmtproto.PrecommitType: lastStep}[vote.GetType()]
	if !known {
		return errors.New("it is no vote")
	}
	var block []byte
	if !types.ProtoBlockIDIsNil(&vote.BlockID) {
		var err error
		if block, err = vote.BlockID.Marshal(); err != nil {
			return fmt.Errorf("reading what is voted for: %w", err)
		}
	}
	return v.sign(v.node, vote.Height, vote.Round, step, block, func() error { return v.pv.SignVote(chainID, vote) })
}

// SignProposal signs unless that would be twice. A proposal binds to nothing.
func (v fenced) SignProposal(chainID string, proposal *cmtproto.Proposal) error {
	if proposal == nil {
		return errors.New("it is no proposal")
	}
	return v.sign(v.node, proposal.Height, proposal.Round, 1, nil, func() error { return v.pv.SignProposal(chainID, proposal) })
}

// sign signs for a node, behind what the signature binds the validator to.
func (f *fence) sign(node string, height int64, round int32, step int8, block []byte, sign func() error) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	defer func() {
		// FilePV breaks down where its state cannot be written. It would hand the same
		// signature out if it were asked again.
		if r := recover(); r != nil {
			f.broken = fmt.Errorf("the state of what was signed cannot be written: %v", r)
			err = f.broken
		}
	}()
	signed, err := f.pv.LastSignState.CheckHRS(height, round, step)
	if err != nil {
		return err
	}
	if signed {
		return sign() // the same again, or an error: nothing new is said
	}
	next := f.kept
	if next.Holder != node {
		next.Holder, next.Shared = node, f.pv.LastSignState.Height
	}
	if len(block) > 0 {
		if height == next.Shared && height == next.Height && !bytes.Equal(block, next.Block) {
			return errBound
		}
		if step == lastStep {
			next.Height, next.Block = height, block
		}
	}
	if err := f.keep(next); err != nil {
		f.broken = err
		return err
	}
	return sign()
}

// keep writes the state if it is another one.
func (f *fence) keep(next fenceState) error {
	if next.Holder == f.kept.Holder && next.Shared == f.kept.Shared && next.Height == f.kept.Height && bytes.Equal(next.Block, f.kept.Block) {
		return nil
	}
	if err := writeFence(f.home, next); err != nil {
		return err
	}
	f.kept = next
	return nil
}
