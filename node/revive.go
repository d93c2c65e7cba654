package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
)

// keptBlocks is how many of the last blocks a restored engine holds: enough that
// partners who restored other heights, or were down meanwhile, catch up from it
// though nobody else has blocks any more.
const keptBlocks = 10_000

// revival computes the engine's databases again from the archive: its state block
// by block, as the engine itself would have, with every validator's turn to
// propose, and the last blocks, byte by byte, which their ids prove.
type revival struct {
	dir      string // of the databases
	tip      int64
	state    state.State
	states   state.Store
	blocks   *store.BlockStore
	blocksDB dbm.DB
	last     *types.Block  // the engine's own of the tip, where the archive cannot give it back; nil: none is given
	pending  *decidedBlock // whose votes come with the next
}

// decidedBlock is a block of which the votes are awaited.
type decidedBlock struct {
	header  types.Header
	commit  *types.Commit
	txs     [][]byte
	root    []byte
	results []byte
	updates []abci.ValidatorUpdate
}

// unsyncedDB leaves syncing to whoever syncs the directory at the end.
type unsyncedDB struct{ dbm.DB }

func (d unsyncedDB) SetSync(key, value []byte) error { return d.DB.Set(key, value) }
func (d unsyncedDB) DeleteSync(key []byte) error     { return d.DB.Delete(key) }
func (d unsyncedDB) NewBatch() dbm.Batch             { return unsyncedBatch{d.DB.NewBatch()} }

type unsyncedBatch struct{ dbm.Batch }

func (b unsyncedBatch) WriteSync() error { return b.Batch.Write() }

// newRevival begins with the genesis state, in a directory without databases.
func newRevival(dir string, genesis *types.GenesisDoc, tip int64) (*revival, error) {
	r := &revival{dir: dir, tip: tip}
	db, err := dbm.NewDB("state", dbm.GoLevelDBBackend, dir)
	if err != nil {
		return nil, fmt.Errorf("making the engine's state: %w", err)
	}
	r.states = state.NewStore(unsyncedDB{db}, state.StoreOptions{})
	if r.state, err = state.MakeGenesisState(genesis); err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.state.Version.Consensus.App = genesis.ConsensusParams.Version.App
	if err := errors.Join(caught(func() error { return r.states.Save(r.state) }), r.openBlocks()); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *revival) openBlocks() error {
	db, err := dbm.NewDB("blockstore", dbm.GoLevelDBBackend, r.dir)
	if err != nil {
		return fmt.Errorf("making the engine's blocks: %w", err)
	}
	r.blocksDB, r.blocks = db, store.NewBlockStore(unsyncedDB{db})
	return nil
}

func (r *revival) close() error {
	err := r.states.Close()
	if r.blocks != nil {
		err = errors.Join(err, r.blocks.Close())
	}
	return err
}

// forget drops the blocks so far: one is missing behind them.
func (r *revival) forget() error {
	if r.blocks.Height() == 0 {
		return nil
	}
	if err := r.blocks.Close(); err != nil {
		return err
	}
	r.blocks = nil
	if err := os.RemoveAll(filepath.Join(r.dir, "blockstore.db")); err != nil {
		return err
	}
	return r.openBlocks()
}

// next takes the next block, with the votes for the one before.
func (r *revival) next(k *chainCheck, b *app.ReplayedBlock) error {
	if r.pending != nil {
		if err := r.settle(k.commit); err != nil {
			return err
		}
	}
	if b.Rescue != nil { // the block before is settled, and the set after it another
		r.state = restarted(r.state, b.Rescue)
		if err := caught(func() error { return r.states.Bootstrap(r.state) }); err != nil {
			return fmt.Errorf("keeping the engine's state: %w", err)
		}
	}
	r.pending = &decidedBlock{header: *k.before, commit: k.commit, txs: b.Raw, root: k.appHash, results: k.results, updates: b.Updates}
	return nil
}

// settle moves the engine's state behind the pending block, as the engine's own
// updateState does, and keeps the block.
func (r *revival) settle(votes *types.Commit) error {
	p, before := r.pending, r.state
	h := &p.header
	following := before.NextValidators.Copy()
	r.state = before
	if len(p.updates) > 0 { // a rescue made its own before
		changes, err := types.PB2TM.ValidatorUpdates(p.updates)
		if err != nil {
			return fmt.Errorf("reading the changes of validators in block %d: %w", h.Height, err)
		}
		if err := following.UpdateWithChangeSet(changes); err != nil {
			return fmt.Errorf("changing the validators in block %d: %w", h.Height, err)
		}
		r.state.LastHeightValidatorsChanged = h.Height + 2
	}
	following.IncrementProposerPriority(1)
	r.state.LastBlockHeight, r.state.LastBlockID, r.state.LastBlockTime = h.Height, votes.BlockID, h.Time
	r.state.LastValidators, r.state.Validators, r.state.NextValidators = before.Validators.Copy(), before.NextValidators.Copy(), following
	r.state.LastResultsHash, r.state.AppHash = p.results, p.root
	if string(before.Validators.Hash()) != string(h.ValidatorsHash) || string(before.NextValidators.Hash()) != string(h.NextValidatorsHash) || string(before.ConsensusParams.Hash()) != string(h.ConsensusHash) {
		return fmt.Errorf("the validators or parameters of block %d changed in a way that this version cannot follow: begin the node from its peers", h.Height)
	}
	if err := caught(func() error { return r.states.Save(r.state) }); err != nil {
		return fmt.Errorf("keeping the engine's state: %w", err)
	}
	if h.Height <= r.tip-keptBlocks {
		return nil
	}
	return r.keep(p, votes)
}

// keep rebuilds a block. One that cannot be had byte by byte, since it carries
// evidence or its bodies are erased, ends the run of blocks: the engine's begin
// behind it.
func (r *revival) keep(p *decidedBlock, votes *types.Commit) error {
	txs := make(types.Txs, len(p.txs))
	for i, raw := range p.txs {
		if raw == nil {
			return r.keepLast(p, votes)
		}
		txs[i] = raw
	}
	block := types.MakeBlock(p.header.Height, txs, p.commit, nil)
	block.Header = p.header
	parts, err := block.MakePartSet(types.BlockPartSizeBytes)
	if err != nil {
		return fmt.Errorf("rebuilding block %d: %w", p.header.Height, err)
	}
	if !parts.Header().Equals(votes.BlockID.PartSetHeader) {
		return r.keepLast(p, votes)
	}
	return r.save(block, parts, votes)
}

// keepLast takes the tip as the engine had it, if it is the block that was decided.
func (r *revival) keepLast(p *decidedBlock, votes *types.Commit) error {
	if err := r.forget(); err != nil || r.last == nil || p.header.Height != r.tip {
		return err
	}
	parts, err := r.last.MakePartSet(types.BlockPartSizeBytes)
	if err != nil {
		return fmt.Errorf("reading the engine's block %d: %w", r.tip, err)
	}
	if !parts.Header().Equals(votes.BlockID.PartSetHeader) || !bytes.Equal(r.last.Hash(), votes.BlockID.Hash) {
		return fmt.Errorf("the engine's block %d is not the one that was decided", r.tip)
	}
	return r.save(r.last, parts, votes)
}

func (r *revival) save(block *types.Block, parts *types.PartSet, votes *types.Commit) error {
	err := caught(func() error {
		r.blocks.SaveBlock(block, parts, votes)
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping the engine's block %d: %w", block.Height, err)
	}
	return nil
}

// finish takes the votes for the tip, which no block carries.
func (r *revival) finish(votes *types.Commit) error {
	if r.pending == nil {
		return errors.New("the archive has no block")
	}
	if err := r.settle(votes); err != nil {
		return err
	}
	if r.blocks.Height() != r.tip {
		return fmt.Errorf("block %d cannot be rebuilt from the archive, since it carries evidence of a validator's misbehaviour, or bodies that are not kept, and the backup was made by a version that did not keep it: take another backup", r.tip)
	}
	return nil
}
