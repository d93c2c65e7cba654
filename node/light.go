package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/light/provider"
	lightdb "github.com/cometbft/cometbft/light/store/db"
	"github.com/cometbft/cometbft/p2p"
	cmtstate "github.com/cometbft/cometbft/proto/tendermint/state"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A node that joins knows one header, from its root of trust. From there the
// engine's light client goes to the snapshot's height by signatures of the
// validators, over headers that peers send: one is asked, others are witnesses.

const (
	// trustPeriod is how old a root of trust may be: who held the validators' keys
	// longer ago could have sold them.
	trustPeriod   = 30 * 24 * time.Hour
	headerRetry   = 250 * time.Millisecond
	maxWitnesses  = 4
	leastProvider = 2 // of headers, where the network has as many other nodes
)

// answerHeader answers a question for a signed header: field 1, the height, none
// for the last.
func (h *headers) answerHeader(_ p2p.ID, question []byte) ([]byte, error) {
	height := int64(0)
	f := schemas.ReadFields(question)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		if n == 1 {
			height = int64(f.Uint(n, v))
		}
	}
	if f.Err() != nil || height < 0 {
		return nil, errNotThere
	}
	block, err := h.light(height)
	if err != nil {
		return nil, err
	}
	proto, err := block.ToProto()
	if err != nil {
		return nil, fmt.Errorf("encoding header %d: %w", height, err)
	}
	return proto.Marshal()
}

// light is a header with its commit and validators; of height 0 the last.
func (h *headers) light(height int64) (*types.LightBlock, error) {
	blocks, err := h.of()
	if err != nil {
		return nil, errNotYet
	}
	validators := h.stateStore()
	last := blocks.Height()
	if height == 0 {
		height = last
	}
	if height > last || height == 0 || validators == nil {
		return nil, errNotYet
	}
	meta := blocks.LoadBlockMeta(height)
	commit := blocks.LoadBlockCommit(height)
	if commit == nil {
		commit = blocks.LoadSeenCommit(height)
	}
	if meta == nil || commit == nil {
		return nil, errNotThere
	}
	set, err := validators.LoadValidators(height)
	if err != nil {
		return nil, errNotThere
	}
	return &types.LightBlock{SignedHeader: &types.SignedHeader{Header: &meta.Header, Commit: commit}, ValidatorSet: set}, nil
}

// lightPeer gives the headers of one peer to the light client.
type lightPeer struct {
	exchange *exchange
	id       p2p.ID
	chainID  string
}

var _ provider.Provider = (*lightPeer)(nil)

// ChainID implements provider.Provider.
func (l *lightPeer) ChainID() string { return l.chainID }

// String names the peer in the light client's log.
func (l *lightPeer) String() string { return string(l.id) }

// ReportEvidence implements provider.Provider: the engine's own protocol carries
// evidence of attacks, once the node has joined.
func (l *lightPeer) ReportEvidence(context.Context, types.Evidence) error { return nil }

// LightBlock implements provider.Provider.
func (l *lightPeer) LightBlock(ctx context.Context, height int64) (*types.LightBlock, error) {
	peer := l.exchange.Switch.Peers().Get(l.id)
	if peer == nil {
		return nil, provider.ErrNoResponse
	}
	answer, err := l.exchange.ask(ctx, peer, headerChannel, schemas.AppendUint(nil, 1, uint64(height)))
	switch {
	case errors.Is(err, errNotYet):
		return nil, provider.ErrHeightTooHigh
	case errors.Is(err, errNotThere):
		return nil, provider.ErrLightBlockNotFound
	case errors.Is(err, errNoAnswer):
		return nil, provider.ErrNoResponse
	case err != nil:
		return nil, err
	}
	var encoded cmtproto.LightBlock
	if err := encoded.Unmarshal(answer); err != nil {
		return nil, provider.ErrBadLightBlock{Reason: err}
	}
	block, err := types.LightBlockFromProto(&encoded)
	if err == nil {
		err = block.ValidateBasic(l.chainID)
	}
	if err == nil && height != 0 && block.Height != height {
		err = fmt.Errorf("header %d was asked for, %d came", height, block.Height)
	}
	if err != nil {
		return nil, provider.ErrBadLightBlock{Reason: err}
	}
	return block, nil
}

// trusted gives state sync what it must believe: all of it follows from the root
// of trust. The light client is made when peers are there, and anew when it has
// dismissed all of its witnesses.
type trusted struct {
	exchange *exchange
	root     *proof.Trust
	genesis  *types.GenesisDoc
	peers    int // other nodes that are configured
	log      cmtlog.Logger

	mu     sync.Mutex // guards client, which is not safe for concurrent use
	client *light.Client
}

// AppHash implements statesync.StateProvider: the header behind a height carries
// its app hash. It also waits for the one behind that, which State needs.
func (t *trusted) AppHash(ctx context.Context, height uint64) ([]byte, error) {
	if _, err := t.header(ctx, int64(height)+2); err != nil {
		return nil, err
	}
	next, err := t.header(ctx, int64(height)+1)
	if err != nil {
		return nil, err
	}
	return next.AppHash, nil
}

// Commit implements statesync.StateProvider.
func (t *trusted) Commit(ctx context.Context, height uint64) (*types.Commit, error) {
	block, err := t.header(ctx, int64(height))
	if err != nil {
		return nil, err
	}
	return block.Commit, nil
}

// State implements statesync.StateProvider: the engine's state at a height. The
// consensus parameters are those of the genesis document, if the header says so.
func (t *trusted) State(ctx context.Context, height uint64) (state.State, error) {
	var blocks [3]*types.LightBlock
	for i := range blocks {
		var err error
		if blocks[i], err = t.header(ctx, int64(height)+int64(i)); err != nil {
			return state.State{}, err
		}
	}
	last, current, next := blocks[0], blocks[1], blocks[2]
	parameters := *t.genesis.ConsensusParams
	if hash := parameters.Hash(); string(hash) != string(current.ConsensusHash) {
		return state.State{}, fmt.Errorf("header %d has other consensus parameters than the genesis document", current.Height)
	}
	return state.State{
		ChainID: t.genesis.ChainID, InitialHeight: t.genesis.InitialHeight,
		Version:         cmtstate.Version{Consensus: current.Version, Software: version.TMCoreSemVer},
		LastBlockHeight: last.Height, LastBlockTime: last.Time, LastBlockID: last.Commit.BlockID,
		AppHash: current.AppHash, LastResultsHash: current.LastResultsHash,
		LastValidators: last.ValidatorSet, Validators: current.ValidatorSet, NextValidators: next.ValidatorSet,
		LastHeightValidatorsChanged: next.Height,
		ConsensusParams:             parameters, LastHeightConsensusParamsChanged: current.Height,
	}, nil
}

// header is a header that follows from the root of trust. It asks again until the
// context ends: the engine dismisses a snapshot for ever whose headers it did not
// get, though they may be a moment away.
func (t *trusted) header(ctx context.Context, height int64) (*types.LightBlock, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		block, err := t.try(ctx, height)
		if err == nil {
			return block, nil
		}
		t.log.Info("no header yet", "height", height, "err", err)
		timer := time.NewTimer(headerRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("verifying header %d: %w", height, err)
		}
	}
}

func (t *trusted) try(ctx context.Context, height int64) (*types.LightBlock, error) {
	if t.client == nil {
		if err := t.connect(ctx); err != nil {
			return nil, err
		}
	}
	block, err := t.client.VerifyLightBlockAtHeight(ctx, height, time.Now())
	if err != nil && !errors.Is(err, provider.ErrHeightTooHigh) {
		t.client = nil // whom it dismissed may have been slow, not bad
	}
	return block, err
}

func (t *trusted) connect(ctx context.Context) error {
	peers := t.exchange.peers()
	if least := min(leastProvider, t.peers); len(peers) < max(least, 1) {
		return fmt.Errorf("%d peers are connected, %d are needed to compare their headers", len(peers), least)
	}
	providers := make([]provider.Provider, 0, len(peers))
	for _, p := range peers {
		providers = append(providers, &lightPeer{t.exchange, p.ID(), t.genesis.ChainID})
	}
	if len(providers) == 1 { // a network of two: there is nobody else to compare with
		providers = append(providers, providers[0])
	}
	options := light.TrustOptions{Period: trustPeriod, Height: t.root.Height, Hash: t.root.HeaderHash[:]}
	for first := range providers {
		witnesses := slices.Concat(providers[:first], providers[first+1:])
		client, err := light.NewClient(ctx, t.genesis.ChainID, options, providers[first], witnesses[:min(len(witnesses), maxWitnesses)],
			lightdb.New(dbm.NewMemDB(), ""), light.Logger(t.log), light.MaxRetryAttempts(3))
		if err == nil {
			t.client = client
			return nil
		}
		t.log.Error("a peer does not confirm the root of trust", "peer", providers[first], "root", hex.EncodeToString(t.root.HeaderHash[:]), "err", err)
		if first == len(providers)-1 {
			return fmt.Errorf("no peer confirms the root of trust at height %d: take a new one (waybill trust): %w", t.root.Height, err)
		}
	}
	return nil
}
