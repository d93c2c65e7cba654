package node

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
)

// The engine keeps blocks for nodes that catch up and for evidence of double
// signing; what proofs and queries need is in the archive. So blocks go when two
// snapshots exist, from which whoever is further behind can begin, and when no
// evidence about them counts any more.

const (
	retainEvery = 50  // heights between two looks at what may go
	retainStep  = 100 // blocks that go at a block: it waits for them
	retainLeast = 50  // last blocks that never go
)

// retention decides which blocks the engine may drop.
type retention struct {
	app    *app.App
	blocks *headers
	age    types.EvidenceParams
	target atomic.Int64 // first height that is kept
}

// height is the first height that the engine must keep, after the block of a
// height; 0, it must keep all. The state machine's commit asks for it.
func (r *retention) height(height int64) int64 {
	blocks, err := r.blocks.of()
	if err != nil {
		return 0
	}
	if height%retainEvery == 0 {
		r.target.Store(r.look(height))
	}
	target := min(r.target.Load(), height-retainLeast)
	if base := blocks.Base(); base > 0 && target > base {
		return min(target, base+retainStep)
	}
	return 0
}

// look finds what may go: what is before the last but one snapshot, and older
// than evidence may be, by both of its measures.
func (r *retention) look(height int64) int64 {
	blocks, err := r.blocks.of()
	taken := r.app.Snapshots()
	if err != nil || len(taken) < keptSnapshots {
		return 0
	}
	limit := min(taken[len(taken)-keptSnapshots], height-r.age.MaxAgeNumBlocks)
	last, base := blocks.LoadBlockMeta(height), blocks.Base()
	if last == nil || base < 1 || limit <= base {
		return 0
	}
	young := last.Header.Time.Add(-r.age.MaxAgeDuration)
	return base + int64(sort.Search(int(limit-base), func(i int) bool {
		meta := blocks.LoadBlockMeta(base + int64(i))
		return meta == nil || !meta.Header.Time.Before(young)
	}))
}

// keptSnapshots is how many snapshots must exist before blocks go.
const keptSnapshots = 2

// archivedBlock is a header with its commit that the engine dropped; nil, nil
// where the archive does not have it either.
func (l *ledger) archivedBlock(height int64) (*types.BlockMeta, *types.Commit) {
	header, commit, err := l.app.ArchivedHeader(height)
	if err != nil {
		return nil, nil
	}
	meta, c, err := decodeArchived(header, commit)
	if err != nil {
		l.log.Error("reading the archive", "height", height, "error", err)
		return nil, nil
	}
	return meta, c
}

func decodeArchived(header, commit []byte) (*types.BlockMeta, *types.Commit, error) {
	var h cmtproto.Header
	var c cmtproto.Commit
	if err := proto.Unmarshal(header, &h); err != nil {
		return nil, nil, fmt.Errorf("reading a header: %w", err)
	}
	if err := proto.Unmarshal(commit, &c); err != nil {
		return nil, nil, fmt.Errorf("reading a commit: %w", err)
	}
	decoded, err := types.HeaderFromProto(&h)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a header: %w", err)
	}
	votes, err := types.CommitFromProto(&c)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a commit: %w", err)
	}
	return &types.BlockMeta{BlockID: votes.BlockID, Header: decoded}, votes, nil
}

// validatorsUnder are the validators of a header's height. Of heights whose states the engine
// dropped, they are those of now, if the header says so, or else what the archive has.
func (l *ledger) validatorsUnder(h *types.Header) (*types.ValidatorSet, error) {
	set, err := l.engine.env.StateStore.LoadValidators(h.Height)
	if err == nil {
		return set, nil
	}
	if now := l.engine.state.GetState(); now.Validators != nil && string(now.Validators.Hash()) == string(h.ValidatorsHash) {
		return now.Validators, nil
	}
	rescues, unread := l.app.Rescues()
	for _, r := range rescues { // after which a node may have begun
		if set := setOfEngine(r.Before()); string(set.Hash()) == string(h.ValidatorsHash) {
			return set, nil
		}
	}
	if set, archived := l.archivedValidators(h); archived == nil {
		return set, nil
	} else {
		unread = errors.Join(unread, archived)
	}
	return nil, fmt.Errorf("reading the validators of height %d: %w", h.Height, errors.Join(err, unread))
}

// archivedValidators are the validators of a header that the engine dropped. The
// archive has them at the block with which their time began: one is found between the
// header and another one before it, by halves, at which others signed.
func (l *ledger) archivedValidators(h *types.Header) (*types.ValidatorSet, error) {
	var failed error
	began := 1 + int64(sort.Search(int(h.Height-1), func(i int) bool {
		signers, err := l.signersAt(1 + int64(i))
		failed = errors.Join(failed, err)
		return bytes.Equal(signers, h.ValidatorsHash)
	}))
	if failed != nil {
		return nil, failed
	}
	encoded, err := l.app.ArchivedValidators(began)
	if err != nil {
		return nil, err
	}
	set, err := decodeValidators(encoded)
	if err == nil && !bytes.Equal(set.Hash(), h.ValidatorsHash) {
		err = store.Damaged("the archive has other validators at height %d", began)
	}
	return set, err
}

// signersAt is the hash of the validators of a height, nil where the archive begins
// later. Others follow only upon a block that changed something, two heights behind it
// (or with it, in a rescue), so that none of the empty ones since has to be read.
func (l *ledger) signersAt(height int64) ([]byte, error) {
	filled, err := l.app.LastFilled(height)
	if err != nil {
		return nil, err
	}
	if meta := l.meta(min(height, filled+2)); meta != nil {
		return meta.Header.ValidatorsHash, nil
	}
	return nil, nil
}

// evidenceAge are the network's bounds of evidence.
func evidenceAge(doc *types.GenesisDoc) types.EvidenceParams {
	if doc.ConsensusParams != nil {
		return doc.ConsensusParams.Evidence
	}
	return types.EvidenceParams{MaxAgeNumBlocks: 1 << 40, MaxAgeDuration: 1 << 20 * time.Hour}
}
