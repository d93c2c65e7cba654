package node

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

var _ api.History = (*ledger)(nil)

// SignedHeader answers a decided header with its commit and its validators.
func (l *ledger) SignedHeader(_ context.Context, height int64) (*api.SignedHeader, error) {
	last, _, _ := l.waits.last()
	if height == 0 {
		height = last
	}
	meta := l.meta(height)
	if meta == nil || height > last {
		return nil, &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the header at height %d is not held here, or not decided yet", height)}
	}
	s, err := l.signedHeader(height)
	if err != nil {
		return nil, err
	}
	out := &api.SignedHeader{Height: height, Time: s.Header.Time, Hash: s.Hash().String(), Signed: s.Encode()}
	rescues, err := l.app.Rescues()
	for _, r := range rescues {
		if r.Height == height {
			out.Rescue = r.Encode()
		}
	}
	return out, err
}

// signedHeader is a decided header with all votes for it that hold.
func (l *ledger) signedHeader(height int64) (*proof.SignedHeader, error) {
	s, err := l.signedAt(height)
	if err != nil {
		return nil, err
	}
	return proof.NewSignedHeader(s)
}

// commit is all votes for a block that this node has: it may have seen others
// than the next block carries.
func (l *ledger) commit(meta *types.BlockMeta) (commit proof.Commit, err error) {
	blocks, err := l.engine.blocks.of()
	if err != nil {
		return commit, err
	}
	height := meta.Header.Height
	for _, c := range []*types.Commit{blocks.LoadSeenCommit(height), blocks.LoadBlockCommit(height)} {
		if c == nil || !bytes.Equal(c.BlockID.Hash, meta.BlockID.Hash) {
			continue
		}
		switch other := commitOf(c); {
		case len(commit.Votes) == 0:
			commit = other
		case commit.Round == other.Round:
			commit.Votes = append(commit.Votes, other.Votes...)
		}
	}
	if len(commit.Votes) == 0 {
		if _, archived := l.archivedBlock(height); archived != nil && bytes.Equal(archived.BlockID.Hash, meta.BlockID.Hash) {
			return commitOf(archived), nil
		}
		return commit, fmt.Errorf("the commit of block %d is not in the engine's store", height)
	}
	return commit, nil
}

// anchored is a state whose header is decided already, with that header: the one
// that carried it first.
func (l *ledger) anchored() (*app.View, *types.BlockMeta, error) {
	view, err := l.app.View()
	if err != nil {
		return nil, nil, err
	}
	// The header of the view's own height carries the state before it; where that
	// is another one, the header that carries the view's is not there yet.
	root, meta := view.Root(), l.meta(view.Height())
	if meta != nil && !bytes.Equal(meta.Header.AppHash, root[:]) {
		if view, err = l.app.ViewAt(view.Height() - 1); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
	changed, err := view.LastChanged()
	if err != nil {
		return nil, nil, err
	}
	if changed == 0 {
		return nil, nil, &schemas.Fault{Code: schemas.NotFound, Detail: "no transaction is recorded yet: the first one begins the log of headers"}
	}
	root, meta = view.Root(), l.meta(changed+1)
	if meta == nil {
		return nil, nil, &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the header at height %d is not held here", changed+1)}
	}
	if !bytes.Equal(meta.Header.AppHash, root[:]) {
		return nil, nil, fmt.Errorf("the header at height %d does not carry the state of height %d", changed+1, changed)
	}
	return view, meta, nil
}

// Checkpoint answers the last checkpoint with its proof.
func (l *ledger) Checkpoint(context.Context) (*api.Checkpoint, error) {
	view, meta, err := l.anchored()
	if err != nil {
		return nil, err
	}
	p := &proof.CheckpointProof{}
	anchor, err := l.signedHeader(meta.Header.Height)
	if err != nil {
		return nil, err
	}
	p.Anchor = *anchor
	if p.Log, err = view.AnchorLog(); err != nil {
		return nil, err
	}
	for _, leaf := range []struct {
		into *proof.StateLeaf
		key  []byte
	}{{&p.Head, schemas.AccumulatorKey()}, {&p.Changed, schemas.ChangedKey()}} {
		path, err := view.Path(leaf.key)
		if err != nil {
			return nil, err
		}
		if leaf.into.Value, err = view.StateValue(leaf.key); err != nil {
			return nil, err
		}
		leaf.into.Path = path.Append(nil)
	}
	c, err := p.Verify()
	if err != nil {
		return nil, fmt.Errorf("making the checkpoint at height %d: %w", meta.Header.Height, err)
	}
	return &api.Checkpoint{Origin: proof.Origin(c.ChainID), Size: c.Size, Root: c.Root.String(),
		Height: meta.Header.Height, Hash: anchor.Hash().String(), Proof: p.Encode()}, nil
}

// Growth proves that a checkpoint began as a smaller one.
func (l *ledger) Growth(ctx context.Context, from, to uint64) (*api.Growth, error) {
	last, err := l.lastOf(to)
	if err != nil {
		return nil, err
	}
	path, err := l.anchors.Consistency(ctx, from, to, last)
	if err != nil {
		return nil, err
	}
	return &api.Growth{From: from, To: to, Path: hashes(path)}, nil
}

// Anchor proves which header is at an index of a checkpoint.
func (l *ledger) Anchor(ctx context.Context, index, size uint64) (*api.AnchorProof, error) {
	last, err := l.lastOf(size)
	if err != nil {
		return nil, err
	}
	a, path, err := l.anchors.Inclusion(ctx, index, size, last)
	if err != nil {
		return nil, err
	}
	return &api.AnchorProof{Index: index, Size: size, Height: a.Height, Hash: schemas.Hash(a.Block), Path: hashes(path)}, nil
}

// Carrying proves which header first carried the state that the header of a height
// carries, as far as the checkpoint of a size tells.
func (l *ledger) Carrying(ctx context.Context, height int64, size uint64) (*api.AnchorProof, error) {
	last, err := l.lastOf(size)
	if err != nil {
		return nil, err
	}
	index, ok, err := l.anchors.UpTo(ctx, height, size, last)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("no transaction was recorded before height %d", height)}
	}
	out, err := l.Anchor(ctx, index, size)
	if err != nil {
		return nil, err
	}
	signed, err := l.signedHeader(out.Height)
	if err != nil {
		return nil, err
	}
	out.Signed = signed.Encode()
	return out, nil
}

// lastOf is the last anchor of the checkpoint of this size, where it is the one
// that the accumulator does not hold yet.
func (l *ledger) lastOf(size uint64) (*app.Anchor, error) {
	view, meta, err := l.anchored()
	if err != nil {
		return nil, err
	}
	head, err := view.AnchorHead()
	if err != nil {
		return nil, err
	}
	switch {
	case size <= head.Count:
		return nil, nil
	case size == head.Count+1:
		return &app.Anchor{Height: meta.Header.Height, Block: meta.BlockID.Hash}, nil
	}
	return nil, &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the last checkpoint here has size %d", head.Count+1)}
}

func hashes(path [][32]byte) []schemas.Hash {
	out := make([]schemas.Hash, len(path))
	for i, h := range path {
		out[i] = h
	}
	return out
}
