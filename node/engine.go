package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	cmtnode "github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/proxy"
	rpccore "github.com/cometbft/cometbft/rpc/core"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

const (
	maxExpiryHeights = schemas.MaxExpiry - 100 // leaves room for a node that lags

	gossipSleep   = 5 * time.Millisecond
	flushThrottle = 2 * time.Millisecond
	transferRate  = 512 << 20   // bytes a second to and from one peer
	engineBackend = "goleveldb" // the others need build tags; the setting is the ledger's
	packetPayload = 64 << 10    // both sides must agree, so no setting
	maxInbound    = 512         // connections of peers, those that have not said who they are among them

	discoveryTime = 5 * time.Second  // in which peers tell of their snapshots; the engine allows no less
	chunkTimeout  = 10 * time.Second // after which a chunk is asked of another peer
)

// engineConfig is CometBFT's configuration. What was measured to matter, in this
// order: no wait after a commit, no index of its own, rates and payload, sleeps.
func engineConfig(s *Settings) *config.Config {
	c := config.DefaultConfig()
	c.SetRoot(s.Home)
	c.Moniker = s.Partner
	c.DBBackend, c.DBPath = engineBackend, dataDir
	c.Genesis = genesisFile // keys are handed over in memory
	c.FilterPeers = true    // the ledger says which node ids may connect

	c.RPC.ListenAddress = "" // rpc.go serves a few calls itself
	c.RPC.MaxBodyBytes = 2 * schemas.MaxTransaction
	c.TxIndex.Indexer = "null" // the index is the ledger's, in one batch with the state

	c.P2P.ListenAddress = "tcp://" + s.listen()
	c.P2P.ExternalAddress = s.Advertise
	c.P2P.AddrBook, c.P2P.AddrBookStrict = dataDir+"/addresses.json", false
	c.P2P.PexReactor = false // partners are known by name; nobody is discovered
	c.P2P.AllowDuplicateIP = true
	c.P2P.MaxNumInboundPeers = maxInbound
	c.P2P.FlushThrottleTimeout = flushThrottle
	c.P2P.SendRate, c.P2P.RecvRate = transferRate, transferRate
	c.P2P.MaxPacketMsgPayloadSize = packetPayload

	// The pool is the ledger's, and its reactor ours: of the engine's nothing is used.
	// Without a pool (type nop) it could not join by a snapshot.
	c.Mempool.Type, c.Mempool.Broadcast, c.Mempool.SeenCacheSize = config.MempoolTypeApp, false, 1

	c.Consensus.WalPath = dataDir + "/consensus/wal"
	c.Consensus.TimeoutPropose, c.Consensus.TimeoutProposeDelta = time.Duration(s.ProposeTimeout), time.Duration(s.ProposeTimeout)
	c.Consensus.TimeoutPrevote, c.Consensus.TimeoutPrevoteDelta = time.Duration(s.VoteTimeout), time.Duration(s.VoteTimeout)
	c.Consensus.TimeoutPrecommit, c.Consensus.TimeoutPrecommitDelta = time.Duration(s.VoteTimeout), time.Duration(s.VoteTimeout)
	c.Consensus.TimeoutCommit = 0
	// The doorbell ends the wait for the interval.
	c.Consensus.CreateEmptyBlocks, c.Consensus.CreateEmptyBlocksInterval = true, time.Duration(s.IdleInterval)
	c.Consensus.PeerGossipSleepDuration = gossipSleep
	return c
}

// engine is CometBFT in this process.
type engine struct {
	*cmtnode.Node
	exchange *exchange
	gossip   *gossip
	env      *rpccore.Environment
	state    *consensus.State
	blocks   *headers
	closed   io.Closer // databases that CometBFT leaves open
}

// startable is what the engine needs of the ledger.
type startable interface {
	abci.Application
	pool
	OnOffer(func())
	Pending() (count, bytes int)
}

// engineParts are what the engine is made of.
type engineParts struct {
	settings *Settings
	genesis  *types.GenesisDoc
	root     *proof.Trust // with one, and no blocks so far, the engine begins with a peer's snapshot
	app      startable
	blocks   *headers
	exchange *exchange
	voter    types.PrivValidator
	id       *p2p.NodeKey
	broken   func(error) // told when one of the engine's databases could not be written
	metrics  cmtnode.MetricsProvider
	log      cmtlog.Logger
}

// errApart tells what to do with an engine and a ledger that cannot come together.
var errApart = errors.New("their files are of different times, or some are lost: restore the whole home from one backup, or make the node anew from its peers (remove everything in data but sign_state.json and gateway, and start it with a root of trust)")

// newEngine makes the engine over the application and brings the two to one
// height (CometBFT's handshake), before any peer is met.
func newEngine(ctx context.Context, of engineParts) (e *engine, err error) {
	s, app, log := of.settings, of.app, of.log
	dbs := &databases{blocks: of.blocks, broken: of.broken, disk: s.TestingOnlyDisk}
	defer func() {
		// The handshake panics where store and application contradict each other.
		if r := recover(); r != nil {
			err = fmt.Errorf("bringing engine and ledger to one height: %.300s: %w", fmt.Sprint(r), errApart)
		}
		if err != nil {
			err = errors.Join(err, dbs.Close())
		}
	}()
	genesis := func() (*types.GenesisDoc, error) { return of.genesis, nil }
	e = &engine{exchange: of.exchange, blocks: of.blocks, closed: dbs}
	e.gossip = newGossip(app, e.catchingUp)
	options := []cmtnode.Option{cmtnode.CustomReactors(map[string]p2p.Reactor{exchangeName: e.exchange, gossipName: e.gossip})}
	c := engineConfig(s)
	if of.root != nil {
		c.StateSync.Enable, c.StateSync.DiscoveryTime, c.StateSync.ChunkRequestTimeout = true, discoveryTime, chunkTimeout
		options = append(options, cmtnode.StateProvider(&trusted{exchange: e.exchange, root: of.root, genesis: of.genesis, peers: len(s.Peers), log: log.With("module", "light")}),
			func(n *cmtnode.Node) { boundOffers(n.Switch()) })
	}
	e.Node, err = cmtnode.NewNodeWithContext(ctx, c, of.voter, of.id,
		proxy.NewConnSyncLocalClientCreator(app), genesis, dbs.open, of.metrics, log, options...)
	if low, high := new(state.ErrAppBlockHeightTooLow), new(state.ErrAppBlockHeightTooHigh); errors.As(err, low) || errors.As(err, high) {
		err = fmt.Errorf("%w: %w", err, errApart)
	}
	if err != nil {
		return nil, fmt.Errorf("making the consensus engine: %w", err)
	}
	e.exchange.SetLogger(log.With("module", "exchange"))
	e.gossip.SetLogger(log.With("module", "gossip"))
	of.blocks.attach(e.BlockStore()) // the one that knows of further blocks
	if e.env, err = e.ConfigureRPC(); err != nil {
		return nil, fmt.Errorf("reaching into the consensus engine: %w", err)
	}
	var ok bool
	if e.state, ok = e.env.ConsensusState.(*consensus.State); !ok {
		return nil, fmt.Errorf("the consensus engine hides its state: %T", e.env.ConsensusState)
	}
	timer := consensus.NewTimeoutTicker()
	timer.SetLogger(log.With("module", "timer"))
	door := newBell(timer, func() bool { count, _ := app.Pending(); return count > 0 })
	e.state.SetTimeoutTicker(door)
	app.OnOffer(door.ring)
	return e, nil
}

// catchingUp reports whether the node still fetches blocks that others made.
func (e *engine) catchingUp() bool { return e.ConsensusReactor().WaitSync() }

// stop stops the engine and waits until it writes nothing any more.
func (e *engine) stop() error {
	var errs []error
	if e.IsRunning() {
		errs = append(errs, e.Stop())
		e.Wait()
	}
	if err := e.ProxyApp().Stop(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, e.closed.Close())...)
}

// headers reads decided blocks from the engine's stores. The ledger archives
// them, already while the engine is being made, and bundles are built on them.
type headers struct {
	mu    sync.RWMutex // guards what follows
	store *store.BlockStore
	state state.Store
	db    dbm.DB // of the blocks
}

func (h *headers) attach(s *store.BlockStore) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = s
}

func (h *headers) attachState(s state.Store) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = s
}

// stateStore is where the validators of each height are, nil before it is open.
func (h *headers) stateStore() state.Store {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.state
}

func (h *headers) of() (*store.BlockStore, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.store == nil {
		return nil, errors.New("the engine's blocks are not open")
	}
	return h.store, nil
}

// Header returns the encoded header of a decided block, the encoded commit that
// it carries for the block before, and the validators that sign it where they are
// others than before.
func (h *headers) Header(height int64) (header, lastCommit, validators []byte, err error) {
	s, err := h.of()
	if err != nil {
		return nil, nil, nil, err
	}
	meta := s.LoadBlockMeta(height)
	if meta == nil {
		return nil, nil, nil, fmt.Errorf("block %d is not in the engine's store", height)
	}
	if header, err = meta.Header.ToProto().Marshal(); err != nil {
		return nil, nil, nil, fmt.Errorf("encoding header %d: %w", height, err)
	}
	// The first block carries no commit.
	if commit := s.LoadBlockCommit(height - 1); commit != nil {
		if lastCommit, err = commit.ToProto().Marshal(); err != nil {
			return nil, nil, nil, fmt.Errorf("encoding commit %d: %w", height-1, err)
		}
	}
	if validators, err = h.validators(s, &meta.Header); err != nil {
		return nil, nil, nil, fmt.Errorf("reading the validators of height %d: %w", height, err)
	}
	return header, lastCommit, validators, nil
}

// validators is the encoding of the set that signs a header's block, if it is
// another than that of the block before.
func (h *headers) validators(s *store.BlockStore, header *types.Header) ([]byte, error) {
	h.mu.RLock()
	states := h.state
	h.mu.RUnlock()
	if states == nil {
		return nil, errors.New("the engine's state is not open")
	}
	if before := s.LoadBlockMeta(header.Height - 1); before != nil {
		if bytes.Equal(before.Header.ValidatorsHash, header.ValidatorsHash) {
			return nil, nil
		}
	} else if set, err := states.LoadValidators(header.Height - 1); err == nil && bytes.Equal(set.Hash(), header.ValidatorsHash) {
		return nil, nil // the engine's blocks begin here, the network does not
	}
	set, err := states.LoadValidators(header.Height)
	if err != nil {
		return nil, err
	}
	return encodeValidators(set), nil
}

// encodeValidators is a validator set as the archive keeps it: field 1 once for
// each in the set's order: 1 Ed25519 key, 2 power.
func encodeValidators(set *types.ValidatorSet) (encoded []byte) {
	for _, v := range set.Validators {
		b := schemas.AppendField(nil, 1, v.PubKey.Bytes())
		encoded = schemas.AppendField(encoded, 1, schemas.AppendUint(b, 2, uint64(v.VotingPower)))
	}
	return encoded
}

// decodeValidators reads such an encoding.
func decodeValidators(encoded []byte) (*types.ValidatorSet, error) {
	var list []*types.Validator
	f := schemas.ReadFields(encoded)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		var public []byte
		power := uint64(0)
		g := schemas.ReadFields(v)
		for m, w, ok := g.Next(); ok; m, w, ok = g.Next() {
			switch m {
			case 1:
				public = w
			case 2:
				power = g.Uint(m, w)
			default:
				g.Fail(m, "unknown")
			}
		}
		if n != 1 || g.Err() != nil || len(public) != ed25519.PublicKeySize || power == 0 || power > 1<<60 {
			return nil, errors.New("the archived set of validators cannot be read")
		}
		list = append(list, types.NewValidator(cmted25519.PubKey(public), int64(power)))
	}
	if f.Err() != nil || len(list) == 0 {
		return nil, errors.New("the archived set of validators cannot be read")
	}
	set := types.NewValidatorSet(list)
	if !bytes.Equal(encodeValidators(set), encoded) {
		return nil, errors.New("the archived set of validators is not in the engine's order")
	}
	return set, nil
}
