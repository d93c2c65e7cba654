package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"

	ledgerstore "github.com/waybill-ledger/waybill/app/store"
)

// staleDepth is how many of the last blocks are searched for votes when a node starts.
const staleDepth = 100

// commitsOf are the votes for a block that the engine has: those that the next block
// carries, and those that it saw itself.
func commitsOf(blocks *store.BlockStore, height int64) (list []*types.Commit) {
	for _, c := range []*types.Commit{blocks.LoadBlockCommit(height), blocks.LoadSeenCommit(height)} {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

// refuseStale refuses a state of what the validator signed that is older than a vote of
// its own in the engine's last blocks: it would let the validator vote once more there.
func refuseStale(v *privval.FilePV, blocks *store.BlockStore) error {
	if v == nil {
		return nil // with a signer
	}
	for height := blocks.Height(); height > max(v.LastSignState.Height, blocks.Base()-1, blocks.Height()-staleDepth); height-- {
		for _, c := range commitsOf(blocks, height) {
			for _, vote := range c.Signatures {
				if vote.BlockIDFlag != types.BlockIDFlagAbsent && bytes.Equal(vote.ValidatorAddress, v.Key.Address) {
					return staleSignState(v.LastSignState.Height, height)
				}
			}
		}
	}
	return nil
}

func staleSignState(says, voted int64) error {
	return fmt.Errorf("the state of what the validator signed is of height %d, and the engine has its vote for block %d: it is an older copy, with which the validator might vote twice; bring the last one back, or restore the home from a backup with --sign-after", says, voted)
}

// tellDamage tells of databases, other than the ledger's, whose journal is damaged in its
// middle: opening one drops what cannot be read, for ever, and nothing would show it. They
// are opened all the same, since nobody has what is in there: what the engine's had is in
// the archive, and a backup's gateway has lost more.
func (n *Node) tellDamage() {
	data := filepath.Join(n.settings.Home, dataDir)
	for _, dir := range []string{ownPath(n.settings.Home), filepath.Join(data, "blockstore.db"), filepath.Join(data, "state.db")} {
		if err := ledgerstore.CheckJournals(dir); err != nil {
			n.log.Error("a database has lost what is damaged in it: of the gateway's, what was accepted, jobs or keys may be missing; of the engine's, waybill check tells which blocks", "database", dir, "error", err)
		}
	}
}

// removeLeft removes what the engine left of a state that it was writing when it was
// killed. Nobody else may run in the home.
func removeLeft(home string) error {
	left, err := filepath.Glob(filepath.Join(home, dataDir, "write-file-atomic-*"))
	if err != nil {
		return nil // of a malformed pattern, which this is not
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing what a killed node left: %w", err)
		}
	}
	return nil
}
