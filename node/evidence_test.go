package node_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"testing"
	"time"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/node"
)

// twice is evidence that the node's own validator voted for two blocks of the height of
// one that it has.
func twice(t *testing.T, s node.Settings, at *types.Block) types.Evidence {
	t.Helper()
	keys, err := s.Keys()
	must(t, err)
	key := keys.Validator.Key
	vote := func(hash byte) *types.Vote {
		part := bytes.Repeat([]byte{hash}, 32)
		v := &types.Vote{Type: cmtproto.PrecommitType, Height: at.Height, BlockID: types.BlockID{Hash: part, PartSetHeader: types.PartSetHeader{Total: 1, Hash: part}},
			Timestamp: at.Time, ValidatorAddress: key.PubKey.Address()}
		v.Signature, err = key.PrivKey.Sign(types.VoteSignBytes(at.ChainID, v.ToProto()))
		must(t, err)
		return v
	}
	e, err := types.NewDuplicateVoteEvidence(vote(1), vote(2), at.Time, types.NewValidatorSet([]*types.Validator{types.NewValidator(key.PubKey, 1)}))
	must(t, err)
	return e
}

// A validator that signs twice all the time has evidence in every block, the last one too.
// The archive has none of it; a backup that ends with such a block is restored all the same.
func TestBackupEndsWithEvidence(t *testing.T) {
	s := alone(t)
	s.IdleInterval = node.Duration(time.Second)
	n := startAlone(t, s)
	commit(t, n, event(t, 1))
	vault := filepath.Join(t.TempDir(), "vault")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var r *node.BackupReport
	for convicted := int64(0); r == nil || r.Height != convicted; {
		if ctx.Err() != nil {
			t.Fatal("no backup ended with a block that carries evidence")
		}
		must(t, n.Convict(twice(t, s, n.Block(0))))
		for convicted = 0; convicted == 0 && ctx.Err() == nil; {
			if last := n.Block(0); len(last.Evidence.Evidence) > 0 {
				convicted = last.Height
			}
		}
		r = backup(t, s.Home, vault)
	}
	must(t, n.Stop())
	home := filepath.Join(t.TempDir(), "home")
	restored, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Home: home, Keys: filepath.Join(s.Home, "keys"), SignAfter: r.Height + 10})
	if err != nil || restored.AppHash != r.AppHash || restored.Blocks < 1 {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	mustHold(t, check(t, home, false))
	mustHold(t, check(t, s.Home, false))
	n, err = node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	commit(t, n, event(t, 2))
	must(t, n.Stop())
}
