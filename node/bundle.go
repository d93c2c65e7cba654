package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const bundleWait = 10 * time.Second // for the header that carries a state's hash

// Bundle proves an item's trails, or its absence, as of the height at the call.
// The header that carries a state's hash is that of the next block, unless the
// last block changed nothing and its own header carries it already. The gateway
// bounds how many are made at once: each may take twice proof.MaxBundle of memory.
func (l *ledger) Bundle(ctx context.Context, id string) ([]byte, error) {
	b, err := l.sealed(ctx, id)
	if err != nil {
		return nil, err
	}
	encoded := b.Encode()
	if err := proof.CheckSize(encoded); err != nil {
		return nil, &schemas.Fault{Code: schemas.TooLarge, Detail: err.Error()}
	}
	return encoded, nil
}

// sealed makes a bundle of a height whose header enough votes sign that every
// auditor's program accepts. One validator that signs as only the engine accepts
// can spoil a commit in which others are absent, so later heights are tried, too.
func (l *ledger) sealed(ctx context.Context, id string) (*proof.Bundle, error) {
	ctx, cancel := context.WithTimeout(ctx, bundleWait)
	defer cancel()
	for {
		b, view, err := l.app.Bundle(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("proving %s: %w", id, err)
		}
		if err = l.seal(ctx, view, b); !errors.Is(err, proof.ErrFewVotes) {
			return b, err
		}
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
}

// seal fills in the header that carries the view's hash, its commit, and the
// validators that made it.
func (l *ledger) seal(ctx context.Context, view *app.View, b *proof.Bundle) error {
	root := view.Root()
	meta := l.meta(view.Height())
	if meta == nil {
		return fmt.Errorf("%w: no block is committed yet", api.ErrUnavailable)
	}
	if !bytes.Equal(meta.Header.AppHash, root[:]) {
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return fmt.Errorf("%w: the header that carries the state of height %d did not come", api.ErrUnavailable, view.Height())
		}
		if meta = l.meta(view.Height() + 1); meta == nil || !bytes.Equal(meta.Header.AppHash, root[:]) {
			return fmt.Errorf("the header at height %d does not carry the state of the height before", view.Height()+1)
		}
	}
	return l.fillHeader(meta, b)
}

func (l *ledger) fillHeader(meta *types.BlockMeta, b *proof.Bundle) error {
	h, err := l.signed(meta)
	if err != nil {
		return fmt.Errorf("bundle of %s: %w", b.ID, err)
	}
	return b.Seal(h.Header, h.Commit, h.Validators)
}

func headerOf(h *types.Header) proof.Header {
	return proof.Header{
		VersionBlock: h.Version.Block, VersionApp: h.Version.App, ChainID: h.ChainID, Height: h.Height, Time: h.Time,
		LastBlock:  proof.BlockID{Hash: h.LastBlockID.Hash, Parts: partsOf(h.LastBlockID.PartSetHeader)},
		LastCommit: h.LastCommitHash, Data: h.DataHash, NextValidators: h.NextValidatorsHash, Consensus: h.ConsensusHash,
		App: h.AppHash, LastResults: h.LastResultsHash, Evidence: h.EvidenceHash, Proposer: h.ProposerAddress,
	}
}

func partsOf(p types.PartSetHeader) proof.PartSet {
	return proof.PartSet{Total: p.Total, Hash: p.Hash}
}

func commitOf(c *types.Commit) proof.Commit {
	out := proof.Commit{Round: c.Round, Parts: partsOf(c.BlockID.PartSetHeader)}
	for i, s := range c.Signatures {
		if s.BlockIDFlag == types.BlockIDFlagCommit {
			out.Votes = append(out.Votes, proof.Vote{Index: uint16(i), Time: s.Timestamp, Signature: s.Signature})
		}
	}
	return out
}
