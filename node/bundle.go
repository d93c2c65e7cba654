package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	bundleWait = 10 * time.Second // for the header that carries a state's hash
	maxTimes   = 4000             // blocks of one bundle whose times are proven
)

// Bundle proves what the ledger has of an item, lot, partner or shipment, as of the height
// at the call or the one asked for. The header that carries a state's hash is that
// of the next block, unless the last block changed nothing and its own header
// carries it already. The gateway bounds how many are made at once: each may take
// twice proof.MaxBundle of memory.
func (l *ledger) Bundle(ctx context.Context, q schemas.BundleQuery) ([]byte, error) {
	b, err := l.sealed(ctx, q)
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
func (l *ledger) sealed(ctx context.Context, q schemas.BundleQuery) (*proof.Bundle, error) {
	ctx, cancel := context.WithTimeout(ctx, bundleWait)
	defer cancel()
	for {
		b, view, err := l.app.Bundle(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("proving %s: %w", q.ID, err)
		}
		if err = l.seal(ctx, view, b, q); !errors.Is(err, proof.ErrFewVotes) || q.Height != 0 {
			return b, err
		}
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
}

// seal fills in the header that carries the view's hash, what leads to it from the
// reader's root of trust, and when its blocks were made.
func (l *ledger) seal(ctx context.Context, view *app.View, b *proof.Bundle, q schemas.BundleQuery) error {
	height, err := l.carrier(ctx, view)
	if err != nil {
		return err
	}
	way, err := l.way(ctx, q.Since, height)
	if err != nil {
		return err
	}
	if q.Times {
		if err := l.addTimes(ctx, view, b, way); err != nil {
			return err
		}
	}
	if err := errors.Join(way.lead(b), way.tell(view, b)); err != nil {
		return err
	}
	return l.locate(ctx, view, b)
}

// way leads from a reader's root of trust to a height.
func (l *ledger) way(ctx context.Context, since, to int64) (*steps, error) {
	rescues, err := l.app.Rescues()
	return &steps{ledger: l, ctx: ctx, since: since, to: to, rescues: rescues}, err
}

// tell adds the rescues by which the network was restarted: those that the way goes
// over, and those before the root of trust, which a reader should know of.
func (s *steps) tell(view *app.View, b *proof.Bundle) error {
	b.Rescues = nil
	for _, r := range s.rescues {
		part := proof.RescuePart{Document: r.Encode()}
		switch crossed := s.since > 0 && r.Height >= s.since; {
		case r.Height >= s.to, r.Height+1 == s.to && !crossed:
			continue // nothing here is later, or can prove it
		case r.Height+1 < s.to:
			path, err := view.Path(schemas.RescueKey(r.Epoch))
			if err != nil {
				return err
			}
			part.Path = path.Append(nil)
		}
		b.Rescues = append(b.Rescues, part)
	}
	return nil
}

// carrier is the height of the header that carries a view's hash.
func (l *ledger) carrier(ctx context.Context, view *app.View) (int64, error) {
	root := view.Root()
	meta := l.meta(view.Height())
	if meta == nil {
		return 0, fmt.Errorf("%w: no block is committed yet", api.ErrUnavailable)
	}
	if !bytes.Equal(meta.Header.AppHash, root[:]) {
		select {
		case <-l.Watch(view.Height()):
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: the header that carries the state of height %d did not come", api.ErrUnavailable, view.Height())
		}
		if meta = l.meta(view.Height() + 1); meta == nil || !bytes.Equal(meta.Header.AppHash, root[:]) {
			return 0, fmt.Errorf("the header at height %d does not carry the state of the height before", view.Height()+1)
		}
	}
	return meta.Header.Height, nil
}

// addTimes adds when the blocks with the bundle's records were made. The header
// behind the last block that changed anything is not in the accumulator yet: it is
// the bundle's own, or becomes a step.
func (l *ledger) addTimes(ctx context.Context, view *app.View, b *proof.Bundle, way *steps) error {
	last := int64(0)
	for i := range b.Transactions {
		height := b.Transactions[i].Height
		if height == last {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if last = height; len(b.Blocks) >= maxTimes {
			return &schemas.Fault{Code: schemas.TooLarge, Detail: fmt.Sprintf("records in more than %d blocks, of which the times are proven: ask without times, or for fewer records", maxTimes)}
		}
		own, err := l.header(height)
		if err != nil {
			return err
		}
		next, err := l.header(height + 1)
		if err != nil {
			return err
		}
		part, err := proof.Block(&own.header, &next.header, own.validators, next.validators)
		if err != nil {
			return err
		}
		b.Blocks = append(b.Blocks, part)
	}
	if last == 0 || last+1 == way.to {
		return nil
	}
	_, _, ok, err := l.anchors.Of(ctx, view, last+1)
	if err == nil && !ok {
		way.past = last + 1
	}
	return err
}

// locate proves the times of a bundle's blocks: by headers that it shows, or else
// by the accumulator.
func (l *ledger) locate(ctx context.Context, view *app.View, b *proof.Bundle) error {
	shown := map[int64]bool{b.Header.Height: true, b.State().Height: true}
	for _, s := range b.Steps {
		if s.Header != nil {
			shown[s.Header.Height] = true
		}
	}
	for i := range b.Blocks {
		p := &b.Blocks[i]
		p.Index, p.Inclusion = 0, nil
		if shown[p.Height+1] {
			continue
		}
		var ok bool
		var err error
		if p.Index, p.Inclusion, ok, err = l.anchors.Of(ctx, view, p.Height+1); err != nil {
			return err
		}
		if !ok {
			return &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the accumulator has no header of height %d: the bundle is of another ledger", p.Height+1)}
		}
		if err := addAccumulator(view, b); err != nil {
			return err
		}
	}
	return nil
}

func addAccumulator(view *app.View, b *proof.Bundle) error {
	if b.Accumulator != nil {
		return nil
	}
	value, err := view.StateValue(schemas.AccumulatorKey())
	if err != nil {
		return err
	}
	path, err := view.Path(schemas.AccumulatorKey())
	if err != nil {
		return err
	}
	b.Accumulator = &proof.StateLeaf{Value: value, Path: path.Append(nil)}
	return nil
}

// decided is a header with the hash of its validators.
type decided struct {
	header     proof.Header
	validators schemas.Hash
}

func (l *ledger) header(height int64) (*decided, error) {
	if meta := l.meta(height); meta != nil {
		return &decided{headerOf(&meta.Header), schemas.Hash(meta.Header.ValidatorsHash)}, nil
	}
	return nil, fmt.Errorf("%w: the header at height %d is not held here any more", api.ErrUnavailable, height)
}

// signedAt is a header with all votes for it that the node has seen.
func (l *ledger) signedAt(height int64) (*proof.Signed, error) {
	meta := l.meta(height)
	if meta == nil {
		return nil, fmt.Errorf("%w: the header at height %d is not held here any more", api.ErrUnavailable, height)
	}
	commit, err := l.commit(meta)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	out := &proof.Signed{Header: headerOf(&meta.Header), Commit: commit}
	out.Validators, err = l.validatorsAt(height)
	return out, err
}

// validatorsAt are the set of a height.
func (l *ledger) validatorsAt(height int64) ([]proof.Validator, error) {
	var set *types.ValidatorSet
	var err error
	if meta := l.meta(height); meta != nil {
		set, err = l.validatorsUnder(&meta.Header)
	} else { // of the next height they are known before its header
		set, err = l.engine.env.StateStore.LoadValidators(height)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the validators of height %d are not held here: %w", api.ErrUnavailable, height, err)
	}
	return setOf(set), nil
}

func setOf(set *types.ValidatorSet) []proof.Validator {
	out := make([]proof.Validator, 0, len(set.Validators))
	for _, v := range set.Validators {
		out = append(out, proof.Validator{Public: ed25519.PublicKey(v.PubKey.Bytes()), Power: v.VotingPower})
	}
	return out
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

// commitOf leaves out who was absent or voted for nothing.
func commitOf(c *types.Commit) proof.Commit {
	out := proof.Commit{Round: c.Round, Parts: partsOf(c.BlockID.PartSetHeader)}
	for i, s := range c.Signatures {
		if s.BlockIDFlag == types.BlockIDFlagCommit {
			out.Votes = append(out.Votes, proof.Vote{Index: uint16(i), Time: s.Timestamp, Signature: s.Signature})
		}
	}
	return out
}
