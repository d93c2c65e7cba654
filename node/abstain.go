package node

import (
	"io"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

// abstaining signs nothing at heights whose rules its program does not know. The engine
// votes against a proposal that is refused, and a node that stops for an upgrade would
// so be bound to a vote against the block that it votes for when it starts again: the
// others may have heard nothing of that vote, and lack it.
type abstaining struct {
	types.PrivValidator
	due func(height int64) error
}

// SignVote signs if the program knows the rules of the vote's height.
func (a abstaining) SignVote(chainID string, vote *cmtproto.Vote) error {
	if err := a.due(vote.Height); err != nil {
		return err
	}
	return a.PrivValidator.SignVote(chainID, vote)
}

// SignProposal signs if the program knows the rules of the proposal's height.
func (a abstaining) SignProposal(chainID string, proposal *cmtproto.Proposal) error {
	if err := a.due(proposal.Height); err != nil {
		return err
	}
	return a.PrivValidator.SignProposal(chainID, proposal)
}

// Close ends what the validator waits for: the engine calls it before it waits for
// consensus, of validators that have it.
func (a abstaining) Close() error { return closeVoter(a.PrivValidator) }

func closeVoter(v types.PrivValidator) error {
	if c, ok := v.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
