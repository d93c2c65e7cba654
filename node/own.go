package node

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtstore "github.com/cometbft/cometbft/store"
	"github.com/cometbft/cometbft/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
)

// What the setting bodies says.
const (
	allBodies = "all"
	ownBodies = "own"
)

// own is the partner whose bodies alone the node keeps, "" where it keeps all.
func (s *Settings) own() string {
	if s.Bodies == ownBodies {
		return s.Partner
	}
	return ""
}

// warnOwn says at every start what the network has less of with this node.
func warnOwn(s *Settings, log *slog.Logger) {
	if s.own() != "" {
		log.Warn("bodies of events that others recorded among themselves are not kept: there is one copy less of each, and peers get no history here", "setting", "bodies", "partner", s.Partner)
	}
}

// servesHistory is an error of a node from which no peer may take its history: it
// lacks bodies, or is about to.
func servesHistory(s *Settings, machine *app.App) error {
	withholds, err := machine.Withholds()
	if withholds || s.own() != "" {
		return errors.Join(err, errNotThere)
	}
	return err
}

// blockToKeep is the engine's encoding of a block that the archive alone cannot
// give back, since bodies in it are not kept, or it carries evidence of a validator that
// signed twice; nil of others. A restored engine begins with its last block.
func blockToKeep(s *store.Store, engine *cmtstore.BlockStore, height int64) ([]byte, error) {
	unkept, err := app.UnkeptAt(s, height)
	if err != nil {
		return nil, err
	}
	block := engine.LoadBlock(height)
	if block == nil {
		return nil, fmt.Errorf("the engine does not have block %d", height)
	}
	if !unkept && len(block.Evidence.Evidence) == 0 {
		return nil, nil
	}
	pb, err := block.ToProto()
	if err != nil {
		return nil, fmt.Errorf("encoding block %d: %w", height, err)
	}
	return proto.Marshal(pb)
}

// readBlock reads what blockToKeep gave.
func readBlock(from io.Reader) (*types.Block, error) {
	b, err := io.ReadAll(io.LimitReader(from, types.MaxBlockSizeBytes))
	if err != nil {
		return nil, err
	}
	pb := &cmtproto.Block{}
	if err := proto.Unmarshal(b, pb); err != nil {
		return nil, err
	}
	return types.BlockFromProto(pb)
}
