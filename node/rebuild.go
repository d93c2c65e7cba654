package node

import (
	"fmt"
	"os"
	"path/filepath"

	cmtstore "github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// newReplay begins to compute a ledger again, by a program that knows rules.
func newReplay(s *store.Store, genesis *types.GenesisDoc, rules uint32) (*app.Replay, schemas.Hash, error) {
	r, root, err := app.NewReplay(s, genesis.ChainID, genesis.InitialHeight, genesis.AppState)
	if err == nil {
		r.Knows(rules)
	}
	return r, root, err
}

// rebuild puts the computed database in the place of the home's, and the engine's
// state if that is not what the archive comes to. It may be killed at any moment:
// run again, it begins anew, and the archive is not touched.
func (c *checker) rebuild() error {
	scratch := filepath.Join(LedgerPath(c.Home), "rebuild")
	height, root := c.again.Last()
	if c.chain.faulty || c.Replayed == 0 {
		c.note("nothing was rebuilt: the archive itself has faults; copy the files back from a backup or another node first")
		return os.RemoveAll(scratch)
	}
	var votes *types.Commit
	if c.stray {
		var err error
		if votes, err = c.votesFor(height); err != nil {
			return err
		}
		if err := c.engine.settle(votes); err != nil {
			return err
		}
	}
	c.close()
	c.have, c.again, c.engine = nil, nil, nil
	if votes != nil {
		if err := store.ReplaceDatabase(filepath.Join(scratch, "state.db"), filepath.Join(c.Home, dataDir, "state.db")); err != nil {
			return err
		}
	}
	if err := store.Adopt(store.Options{Dir: LedgerPath(c.Home), Backend: c.settings.Backend}, filepath.Join(scratch, "ledger")); err != nil {
		return err
	}
	if err := os.RemoveAll(scratch); err != nil {
		return fmt.Errorf("removing what the rebuild took: %w", err)
	}
	c.Rebuilt, c.Height, c.AppHash = true, height, schemas.Hash(root).String()
	c.settle(votes != nil)
	return c.forgive()
}

// settle takes the faults back that a rebuild has mended.
func (c *checker) settle(engine bool) {
	ledger := c.name(LedgerPath(c.Home))
	database := c.name(filepath.Join(LedgerPath(c.Home), store.DatabaseName(c.settings.Backend)))
	kept := c.Faults[:0]
	for _, f := range c.Faults {
		mended := f.File == ledger || filepath.Dir(f.File) == database || engine && f.File == filepath.Join(dataDir, "state.db")
		if !mended {
			kept = append(kept, f)
		}
	}
	c.note("%d faults were repaired: state, tree and index were computed again from the archive", len(c.Faults)-len(kept)+c.Further)
	c.Faults, c.Further = kept, 0
}

// votesFor are the votes for a block, as the engine's own store has them.
func (c *checker) votesFor(height int64) (*types.Commit, error) {
	db, done, err := readOnlyDB("blockstore", filepath.Join(c.Home, dataDir))
	if err != nil {
		return nil, fmt.Errorf("reading the votes for block %d: %w", height, err)
	}
	defer done()
	blocks := cmtstore.NewBlockStore(db)
	votes := blocks.LoadSeenCommit(height)
	if votes == nil {
		votes = blocks.LoadBlockCommit(height)
	}
	if votes == nil {
		return nil, fmt.Errorf("the engine has no votes for block %d: restore the node from a backup", height)
	}
	return votes, nil
}

// forgive lets a node start again that diverged, if its state is now the one that
// was decided.
func (c *checker) forgive() error {
	d, err := readDivergence(c.Home)
	if d == nil || err != nil {
		return err
	}
	if d.Height != c.Height || d.Decided != c.AppHash {
		c.note("the node stopped since its state after height %d was not the one that was decided; what was computed is not that either, so that the program or the archive is at fault", d.Height)
		return nil
	}
	c.note("the node stopped since its state was not the one that was decided: now it is")
	return os.Remove(divergencePath(c.Home))
}
