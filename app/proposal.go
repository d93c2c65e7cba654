package app

import (
	"context"
	"errors"
	"slices"

	abci "github.com/cometbft/cometbft/abci/types"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-ledger/waybill/schemas"
)

// CheckTx says whether a transaction could be in the next block. Nothing waits for
// a block by it: Offer is what puts it into the pool.
func (a *App) CheckTx(_ context.Context, req *abci.RequestCheckTx) (*abci.ResponseCheckTx, error) {
	state, height := a.before()
	if _, err := a.admission(state, height+1).admit(req.Tx); err != nil {
		code, known := faultCode(err)
		if !known {
			a.logger.Error("checking a transaction", "error", err)
			return &abci.ResponseCheckTx{Code: uint32(schemas.Internal)}, nil
		}
		return &abci.ResponseCheckTx{Code: uint32(code), Log: err.Error()}, nil
	}
	return &abci.ResponseCheckTx{}, nil
}

// faultCode returns the code of a refusal, and false for a fault of the node.
func faultCode(err error) (schemas.Code, bool) {
	var f *schemas.Fault
	if errors.As(err, &f) {
		return f.Code, true
	}
	return schemas.Internal, false
}

// isFault reports whether an error is a refusal of a code.
func isFault(err error, c schemas.Code) bool {
	code, known := faultCode(err)
	return known && code == c
}

// PrepareProposal offers what waits, without what may not be in a block, which
// waits no more, and up to what one block can look up and ProposeAtMost allows. It never
// offers more bytes than it was asked for. The engine's own pool has nothing in a node.
func (a *App) PrepareProposal(_ context.Context, req *abci.RequestPrepareProposal) (*abci.ResponsePrepareProposal, error) {
	if a.unknown(req.Height) != nil {
		return &abci.ResponsePrepareProposal{}, nil
	}
	state, _ := a.before()
	ad := a.admission(state, req.Height)
	lookups := newSurvey(state, a.lookups)
	out := make([][]byte, 0, len(req.Txs))
	size := int64(0)
	if first := a.rescueDue(req.Height); first != nil {
		out, size = append(out, first), sizeInBlock(first)
	}
	most := req.MaxTxBytes
	if n := a.mostProposed.Load(); n > 0 {
		most = min(most, n)
	}
	for _, raw := range slices.Concat(req.Txs, a.pool.next(most)) {
		cost := sizeInBlock(raw)
		if size+cost > most && len(out) > 0 {
			break // it is first in another block
		}
		if size+cost > req.MaxTxBytes {
			continue
		}
		tx, err := ad.admit(raw)
		if err != nil {
			var full blockFull
			if _, fault := faultCode(err); fault && !errors.As(err, &full) {
				a.pool.drop(raw)
			}
			continue
		}
		fits, err := lookups.fits(tx)
		if err != nil {
			a.logger.Error("surveying a proposal", "error", err)
		}
		if !fits && len(out) > 0 {
			break // it is first in another block
		}
		size += cost
		out = append(out, raw)
		if !fits {
			break // more than any block affords: its rules tell, with nothing beside it
		}
	}
	return &abci.ResponsePrepareProposal{Txs: out}, nil
}

// sizeInBlock is what CometBFT counts of a transaction: with its tag and length, as
// field 1.
func sizeInBlock(raw []byte) int64 {
	return int64(protowire.SizeTag(1) + protowire.SizeBytes(len(raw)))
}

// ProcessProposal votes down a block that holds what class A refuses. Conflicts
// between honest transactions are no such thing: the rules answer them by codes.
func (a *App) ProcessProposal(_ context.Context, req *abci.RequestProcessProposal) (*abci.ResponseProcessProposal, error) {
	if u := a.unknown(req.Height); u != nil {
		a.logger.Warn("a proposal is refused", "error", u)
		return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
	}
	state, _ := a.before()
	ad := a.admission(state, req.Height)
	if a.rescueDue(req.Height) != nil && a.rescueIn(req.Height, req.Txs) == nil {
		a.logger.Warn("a proposal is refused: it does not begin with the rescue that this node was started with", "height", req.Height)
		return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
	}
	for i, raw := range req.Txs {
		if i == 0 && a.rescueIn(req.Height, req.Txs) != nil {
			continue
		}
		if _, err := ad.admit(raw); err != nil {
			a.logger.Warn("a proposal is refused", "height", req.Height, "position", i, "error", err)
			return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
		}
	}
	return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_ACCEPT}, nil
}
