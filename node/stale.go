package node

import (
	"bytes"
	"fmt"

	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"
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
