package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Config is what the state machine needs.
type Config struct {
	Store  *store.Store
	Logger *slog.Logger
	// Blocks gives headers and commits for the archive; nil leaves them out.
	Blocks Blocks
	// CacheBytes bounds what is remembered of archived transactions; of those that are
	// decoded and not in a block yet, twice as much may be. 0 is 32 MiB.
	CacheBytes int
	// PendingBytes and PendingCount bound the transactions that wait for a block; 0 is
	// 256 MiB and 20,000.
	PendingBytes, PendingCount int
	// Snapshots keeps what other nodes restore from; nil takes and offers none.
	Snapshots *store.Snapshots
	// ChainID is the chain that a snapshot must be of; "" takes any.
	ChainID string
	// Invited are the node ids that may connect until the node has caught up, beside
	// those that the ledger knows; nil lets everybody before there is a ledger.
	Invited []string
	// Retain tells, after a block of a height, the first height whose blocks the
	// engine must keep. Where it is nil, or answers 0, the engine keeps all.
	Retain func(height int64) int64
	// Rescue is the document by which the survivors of a network restart it, on their
	// nodes; nil on any other. The block behind its height must begin with it.
	Rescue *proof.Rescue
	// Rules are the newest rules that the program knows, 0 for schemas.RulesVersion.
	// A block of newer ones is not executed.
	Rules uint32
	// Own is the partner whose bodies alone are kept; "", all are.
	Own string
}

// Committed tells of a durable block.
type Committed struct {
	Height  int64
	Time    time.Time
	Changed bool
	Erased  bool // bodies were erased
	// Governed says that partners, their validators or parameters changed.
	Governed bool
	// Receipts of admitted transactions, in order. Of a duplicate they have the place
	// of the first, not its receipt, which View.Transaction reads: a block of
	// duplicates would otherwise wait for as many reads of the archive.
	Receipts []schemas.Receipt
	Bytes    int // of the block's transactions
}

// App is the state machine as CometBFT's application. The engine calls its
// consensus methods one at a time; CheckTx, offers, queries and views run beside them.
type App struct {
	abci.BaseApplication
	store    *store.Store
	codec    *schemas.Codec
	memo     *memo
	pool     *pool
	verifier verifier
	shelf    *shelf[*archived]
	bodies   *shelf[*remains]
	times    *shelf[blockTime]
	rooms    sync.Pool             // *room
	punctual atomic.Pointer[int64] // a height at which no erasure was put off
	hashes   *shelf[hashes]
	blocks   Blocks
	logger   *slog.Logger
	onCommit func(Committed)
	onOffer  func()
	probe    func(*message) // set by tests
	lookups  int            // maxLookups; tests set less
	lookedAt []byte         // row of the erasure put off at which the next block looks first; nil, the first; consensus'
	own      string         // whose bodies alone are kept; "": all are
	rules    uint32         // the newest that are known
	restarts *proof.Rescue  // with the block behind its height; nil: nothing does

	retain    func(height int64) int64
	invited   []string
	snapshots *store.Snapshots
	expected  string     // chain id of the network that this node belongs to, "" if it does not matter
	restoring *restoring // belongs to the snapshot methods alone

	mostProposed atomic.Int64 // bytes of a block; 0, what the engine allows

	caughtUp  atomic.Bool
	directory atomic.Pointer[directory]
	founded   atomic.Pointer[founding]
	signers   atomic.Pointer[signers]

	// What follows belongs to the consensus methods alone.
	initial  func(height int64) *store.Block // begins the first block, with the genesis state
	block    *store.Block                    // begun, and not yet committed
	executed *executed
}

var _ abci.Application = (*App)(nil)

// New opens the state machine over a store.
func New(cfg Config) (*App, error) {
	codec, err := schemas.NewCodec()
	if err != nil {
		return nil, err
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 32 << 20
	}
	if cfg.PendingBytes == 0 {
		cfg.PendingBytes = 256 << 20
	}
	if cfg.PendingCount == 0 {
		cfg.PendingCount = 20000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{store: cfg.Store, codec: codec, memo: newMemo(2 * cfg.CacheBytes), verifier: newVerifier(), shelf: newShelf[*archived](cfg.CacheBytes / 2),
		bodies: newShelf[*remains](cfg.CacheBytes / 2), hashes: newShelf[hashes](cfg.CacheBytes / 16), times: newShelf[blockTime](maxTimes),
		blocks: cfg.Blocks, logger: cfg.Logger, onCommit: func(Committed) {}, onOffer: func() {},
		pool: newPool(cfg.PendingBytes, cfg.PendingCount), lookups: maxLookups,
		snapshots: cfg.Snapshots, expected: cfg.ChainID, invited: cfg.Invited, retain: cfg.Retain, own: cfg.Own, rules: cmp.Or(cfg.Rules, schemas.RulesVersion)}
	cfg.Store.Expect(rowDuplicate, rowEvent, rowTransaction)
	if height, _ := cfg.Store.Last(); height > 0 {
		if err := a.readDirectory(); err != nil {
			return nil, fmt.Errorf("reading the ledger's partners: %w", err)
		}
		if err := a.overwriteAll(); err != nil {
			return nil, err
		}
	}
	if cfg.Rescue != nil {
		if err := a.expectRescue(cfg.Rescue); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// SetBlocks says where headers and commits for the archive come from, before the
// engine starts.
func (a *App) SetBlocks(b Blocks) { a.blocks = b }

// OnCommit sets what is called after each durable block, in order, before the
// engine starts.
func (a *App) OnCommit(f func(Committed)) { a.onCommit = f }

// OnOffer sets what is called when a transaction has come into the pool, while no lock is
// held, before the engine starts.
func (a *App) OnOffer(f func()) { a.onOffer = f }

// Info tells the engine where the ledger stands.
func (a *App) Info(context.Context, *abci.RequestInfo) (*abci.ResponseInfo, error) {
	height, root := a.store.Last()
	res := &abci.ResponseInfo{Data: "waybill", AppVersion: schemas.EngineVersion, LastBlockHeight: height}
	if height > 0 {
		res.LastBlockAppHash = root[:]
	}
	return res, nil
}

// InitChain writes the genesis state. It becomes durable with the first block.
func (a *App) InitChain(_ context.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	g, err := schemas.DecodeGenesis(req.AppStateBytes)
	if err != nil {
		return nil, err
	}
	if len(req.Validators) > 0 {
		if err := checkFounders(g, req.Validators); err != nil {
			return nil, err
		}
	}
	a.initial = func(height int64) *store.Block { return writeGenesis(a.store.Begin(height), req.ChainId, g) }
	a.block = a.initial(req.InitialHeight)
	root, err := a.block.Root()
	if err != nil {
		return nil, fmt.Errorf("hashing the genesis state: %w", err)
	}
	a.directory.Store(newDirectory(g.Parameters(req.ChainId), g.Partners, g.Prefixes))
	a.founded.Store(newFounding(g))
	return &abci.ResponseInitChain{AppHash: root[:]}, nil
}

func writeGenesis(b *store.Block, chainID string, g *schemas.Genesis) *store.Block {
	parameters := g.Parameters(chainID)
	b.Set(schemas.ParametersKey(), parameters.Append(nil), nil)
	for _, p := range g.Partners {
		b.Set(schemas.PartnerKey(p.ID), p.Append(nil), nil)
	}
	for _, k := range g.Keys {
		b.Set(schemas.KeyKey(k.Partner, k.ID), k.Append(nil), nil)
	}
	for _, p := range g.Prefixes {
		b.Set(schemas.PrefixKey(p.Digits), p.Append(nil), nil)
	}
	return b
}

// founding is the state before the first block as admission reads it: partners
// and keys, and no transactions.
type founding struct{ values map[string][]byte }

func newFounding(g *schemas.Genesis) *founding {
	f := &founding{values: map[string][]byte{}}
	for _, p := range g.Partners {
		f.values[string(schemas.PartnerKey(p.ID))] = p.Append(nil)
	}
	for _, k := range g.Keys {
		f.values[string(schemas.KeyKey(k.Partner, k.ID))] = k.Append(nil)
	}
	return f
}

// Get returns a value of the genesis state.
func (f *founding) Get(key []byte) (value, aside []byte, err error) {
	return f.values[string(key)], nil, nil
}

// Row returns nothing: no block has written a row.
func (f *founding) Row([]byte) ([]byte, error) { return nil, nil }

// before is the state before the next block.
func (a *App) before() (state reader, height int64) {
	view := a.store.Latest()
	if f := a.founded.Load(); f != nil && view.Height() == 0 {
		return f, 0
	}
	return view, view.Height()
}

// FinalizeBlock runs a decided block. Nothing is written before Commit. It
// returns an error only when the disk fails, which ends the node.
func (a *App) FinalizeBlock(_ context.Context, req *abci.RequestFinalizeBlock) (res *abci.ResponseFinalizeBlock, err error) {
	defer recovered(&err)
	if u := a.unknown(req.Height); u != nil {
		// Others decided it, and there is no way back to the engine from here that does
		// not end in its panic: the node, which stops in front of this height, ends this.
		a.logger.Error("a block is not executed", "error", u)
		select {}
	}
	// A block may come again, after a crash: what was executed before is dropped.
	a.executed = nil
	switch last, _ := a.store.Last(); {
	case last > 0:
		a.block = a.store.Begin(req.Height)
	case a.initial != nil:
		a.block = a.initial(req.Height)
	default:
		return nil, errors.New("the ledger has no genesis state: begin with InitChain")
	}
	source := a.proposed(req)
	done, results, err := a.execute(a.block, req, source, len(req.Txs))
	if err != nil {
		return nil, fmt.Errorf("executing block %d: %w", req.Height, err)
	}
	root, err := a.block.Root()
	if err != nil {
		return nil, fmt.Errorf("hashing the state of block %d: %w", req.Height, err)
	}
	a.executed, done.txs, done.keys = done, req.Txs, source.keys
	return &abci.ResponseFinalizeBlock{TxResults: results, ValidatorUpdates: done.validators, AppHash: root[:]}, nil
}

// Commit makes the block durable: archive first, then everything else in one
// synced batch.
func (a *App) Commit(context.Context, *abci.RequestCommit) (*abci.ResponseCommit, error) {
	if a.executed == nil {
		return nil, errors.New("committing: no block was executed")
	}
	if err := a.block.Commit(); err != nil {
		return nil, fmt.Errorf("committing block %d: %w", a.executed.height, err)
	}
	done := a.executed
	a.block, a.executed = nil, nil
	a.memo.forget(done.keys)
	if done.governed {
		if err := a.renewDirectory(done); err != nil {
			return nil, fmt.Errorf("block %d: %w", done.height, err)
		}
	}
	a.settle(done)
	for i, h := range done.hashes {
		if r := &done.receipts[i]; h != nil {
			a.hashes.keep(placeOf(schemas.Locator{Height: r.Height, Position: r.Position}), h)
		}
	}
	if err := a.overwrite(done.erase, append(done.erasedAt, done.putOff...)); err != nil {
		return nil, fmt.Errorf("block %d: %w", done.height, err)
	}
	a.onCommit(Committed{Height: done.height, Time: done.time, Changed: done.changed, Erased: len(done.erase) > 0, Governed: done.governed, Receipts: done.receipts, Bytes: done.bytes()})
	res := &abci.ResponseCommit{}
	if a.retain != nil {
		res.RetainHeight = a.retain(done.height)
	}
	return res, nil
}

// Query answers the engine's question whether a peer may connect: the node ids
// of partners may. Everything else is asked of the gateway.
func (a *App) Query(_ context.Context, req *abci.RequestQuery) (*abci.ResponseQuery, error) {
	if strings.HasPrefix(req.Path, "/p2p/filter/addr/") {
		return &abci.ResponseQuery{}, nil // addresses change; identities do not
	}
	if id, ok := strings.CutPrefix(req.Path, "/p2p/filter/id/"); ok {
		if a.AdmitsPeer(id) {
			return &abci.ResponseQuery{}, nil
		}
		return &abci.ResponseQuery{Code: uint32(schemas.Forbidden), Log: "no partner's node"}, nil
	}
	return &abci.ResponseQuery{Code: uint32(schemas.NotFound), Log: "ask the gateway"}, nil
}
