package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	dbm "github.com/cometbft/cometbft-db"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// checkEngine reads the engine's blocks and state, and holds them against the
// archive. The engine ends the process on state that it cannot read, so that
// databases whose files are damaged are not opened.
func (c *checker) checkEngine(ctx context.Context) {
	data := filepath.Join(c.Home, dataDir)
	for _, name := range []string{"blockstore.db", "state.db"} {
		for _, f := range c.Faults {
			if filepath.Dir(f.File) == c.name(filepath.Join(data, name)) || f.File == c.name(filepath.Join(data, name)) {
				c.note("the engine's blocks were not compared with the archive: their files are damaged")
				return
			}
		}
	}
	blocks, closeBlocks, err := readOnlyDB("blockstore", data)
	if err != nil {
		c.engineFault("blockstore.db", err)
		return
	}
	defer closeBlocks()
	states, closeStates, err := readOnlyDB("state", data)
	if err != nil {
		c.stray = true
		c.engineFault("state.db", err)
		return
	}
	defer closeStates()
	c.checkStoredGenesis(states)
	c.checkBlocks(ctx, blocks, state.NewStore(states, state.StoreOptions{}))
}

func readOnlyDB(name, dir string) (dbm.DB, func(), error) {
	db, err := dbm.NewGoLevelDBWithOpts(name, dir, &opt.Options{ReadOnly: true, ErrorIfMissing: true})
	if err != nil {
		return nil, nil, err
	}
	return db, func() { _ = db.Close() }, nil
}

func (c *checker) engineFault(name string, err error) {
	c.fault(Fault{File: filepath.Join(dataDir, name), Detail: err.Error()})
}

// checkStoredGenesis compares the genesis document with the copy that the engine
// made when it first started: that one is what it goes by.
func (c *checker) checkStoredGenesis(db dbm.DB) {
	b, err := db.Get([]byte("genesisDoc"))
	if err != nil || b == nil {
		return // a node that never started
	}
	text, err := cmtjson.Marshal(c.genesis)
	if err != nil || !bytes.Equal(text, b) {
		c.fault(Fault{File: genesisFile, Detail: "it differs from the one that this node began with"})
	}
}

// checkBlocks reads every block that the engine keeps.
func (c *checker) checkBlocks(ctx context.Context, db dbm.DB, states state.Store) {
	height := int64(0)
	defer func() {
		// The engine's stores panic on what they cannot read.
		if r := recover(); r != nil {
			c.fault(Fault{File: filepath.Join(dataDir, "blockstore.db"), Height: height, Detail: fmt.Sprint(r)})
		}
	}()
	blocks := store.NewBlockStore(db)
	if blocks.Height() == 0 {
		return
	}
	s, err := states.Load()
	if err != nil {
		c.engineFault("state.db", err)
		return
	}
	c.voted = map[string]int64{}
	for height = max(1, blocks.Base()); height <= blocks.Height() && ctx.Err() == nil; height++ {
		for _, commit := range commitsOf(blocks, height) {
			for _, v := range commit.Signatures {
				if v.BlockIDFlag != types.BlockIDFlagAbsent {
					c.voted[v.ValidatorAddress.String()] = height
				}
			}
		}
		if err := checkBlock(blocks, states, height); err != nil {
			c.fault(Fault{File: filepath.Join(dataDir, "blockstore.db"), Height: height, Detail: err.Error()})
		}
	}
	tip := c.chain.tip
	switch {
	case s.LastBlockHeight > blocks.Height() || s.LastBlockHeight+1 < blocks.Height():
		c.engineFault("state.db", fmt.Errorf("the engine's state is of height %d, its blocks reach %d", s.LastBlockHeight, blocks.Height()))
	case c.have != nil && (c.Height > blocks.Height() || c.Height+1 < blocks.Height() || c.Height < s.LastBlockHeight):
		c.engineFault("state.db", fmt.Errorf("the ledger has height %d, the engine's state %d and its blocks %d: they are from different times", c.Height, s.LastBlockHeight, blocks.Height()))
	case tip != nil && tip.Height == s.LastBlockHeight && !bytes.Equal(s.AppHash, tip.Root[:]):
		c.stray = true
		c.engineFault("state.db", fmt.Errorf("the engine has the app hash %x for height %d, the archive comes to %s", s.AppHash, tip.Height, tip.Root))
	}
	if tip != nil && tip.Height >= blocks.Base() && tip.Height <= blocks.Height() {
		if meta := blocks.LoadBlockMeta(tip.Height); meta == nil || !bytes.Equal(meta.BlockID.Hash, tip.Hash) {
			c.fault(Fault{File: filepath.Join(dataDir, "blockstore.db"), Height: tip.Height, Detail: "the engine has another block than the archive"})
		}
	}
}

// checkBlock checks one block of the engine's store: its parts, its hash, and the
// votes that decided it.
func checkBlock(blocks *store.BlockStore, states state.Store, height int64) error {
	meta, block := blocks.LoadBlockMeta(height), blocks.LoadBlock(height)
	if meta == nil || block == nil {
		return errors.New("the block is missing")
	}
	if err := block.ValidateBasic(); err != nil {
		return err
	}
	if !bytes.Equal(block.Hash(), meta.BlockID.Hash) || !bytes.Equal(meta.Header.Hash(), meta.BlockID.Hash) {
		return fmt.Errorf("the block hashes to %x, its id is %x", block.Hash(), meta.BlockID.Hash)
	}
	parts, err := block.MakePartSet(types.BlockPartSizeBytes)
	if err != nil {
		return err
	}
	if !parts.Header().Equals(meta.BlockID.PartSetHeader) {
		return errors.New("the block's parts are not those of its id")
	}
	set, err := states.LoadValidators(height)
	if err != nil {
		return fmt.Errorf("reading the validators: %w", err)
	}
	commit := blocks.LoadBlockCommit(height)
	if commit == nil {
		if commit = blocks.LoadSeenCommit(height); commit == nil {
			return errors.New("the block's votes are missing")
		}
	}
	return set.VerifyCommit(meta.Header.ChainID, meta.BlockID, height, commit)
}
