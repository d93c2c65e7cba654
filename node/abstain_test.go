package node_test

import (
	"errors"
	"io"
	"testing"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/node"
)

// Nothing is signed at a height of rules that the program does not know.
func TestNothingSignedBehindAnUpgrade(t *testing.T) {
	unknown := errors.New("unknown rules")
	v := node.Abstaining(types.NewMockPV(), func(height int64) error {
		if height >= 5 {
			return unknown
		}
		return nil
	})
	for height, want := range map[int64]error{4: nil, 5: unknown, 6: unknown} {
		for _, kind := range []cmtproto.SignedMsgType{cmtproto.PrevoteType, cmtproto.PrecommitType} {
			vote := &cmtproto.Vote{Type: kind, Height: height}
			if err := v.SignVote("chain", vote); !errors.Is(err, want) || (vote.Signature == nil) != (want != nil) {
				t.Errorf("%v at %d: %v, signature %x", kind, height, err, vote.Signature)
			}
		}
		p := &cmtproto.Proposal{Type: cmtproto.ProposalType, Height: height}
		if err := v.SignProposal("chain", p); !errors.Is(err, want) || (p.Signature == nil) != (want != nil) {
			t.Errorf("proposal at %d: %v, signature %x", height, err, p.Signature)
		}
	}
}

// waiting is a validator that a signer answers for.
type waiting struct {
	types.PrivValidator
	closed bool
}

func (w *waiting) Close() error { w.closed = true; return nil }

// The engine ends what a validator waits for, whatever is between them.
func TestVoterIsClosed(t *testing.T) {
	inner := &waiting{PrivValidator: types.NewMockPV()}
	v := node.Abstaining(node.Rotating(inner), func(int64) error { return nil })
	if err := v.(io.Closer).Close(); err != nil || !inner.closed {
		t.Errorf("closed %v, %v", inner.closed, err)
	}
}
