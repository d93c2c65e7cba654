package app

import (
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Blocks gives the engine's own encoding of a decided block's header and of the
// commit that it carries for the block before: both are agreed on, so every
// node's archive is the same.
type Blocks interface {
	Header(height int64) (header, lastCommit []byte, err error)
}

// txRecord is an admitted transaction with what the rules answered.
type txRecord struct {
	tx      *schemas.Transaction
	results []schemas.Result
}

// archiver is where a block is kept: the segments of the store, or nothing.
type archiver interface {
	Append(stream store.Stream, data []byte) (store.Ref, error)
}

// record archives a block: its header, every admitted transaction with its
// skeletons and commitments, and, apart from them so that they can be erased,
// the bodies.
func (a *App) record(b *block, req *abci.RequestFinalizeBlock, recorded []txRecord, results []*abci.ExecTxResult, out *executed) error {
	archive, ok := b.led.(archiver)
	if !ok {
		return nil // a dry run
	}
	for i, r := range recorded {
		if r.tx == nil {
			continue
		}
		at := schemas.Locator{Height: req.Height, Position: uint32(i)}
		records, err := archive.Append(store.Records, a.codec.Compress(r.encode()))
		if err != nil {
			return fmt.Errorf("archiving a transaction: %w", err)
		}
		bodies, err := archive.Append(store.Bodies, schemas.EncodeBodies(r.tx.Bodies))
		if err != nil {
			return fmt.Errorf("archiving bodies: %w", err)
		}
		b.led.Emit(txRow(at.Height, at.Position), bodies.Append(records.Append(nil)))
		b.led.PutRow(transactionRow(r.tx.ID), transactionValue(at, r.tx.Header.Expiry))
		out.receipts = append(out.receipts, receiptOf(r.tx, at, b.time, r.results))
	}
	entry := schemas.AppendField(nil, 1, be64(b.now()))
	entry = schemas.AppendField(entry, 2, req.Hash)
	if a.blocks != nil {
		header, commit, err := a.blocks.Header(req.Height)
		if err != nil {
			return fmt.Errorf("reading header %d: %w", req.Height, err)
		}
		entry = schemas.AppendField(entry, 3, header)
		entry = schemas.AppendField(entry, 4, commit)
	}
	entry = schemas.AppendUint(entry, 5, uint64(len(req.Txs)))
	for _, r := range results {
		entry = schemas.AppendField(entry, 6, schemas.AppendUint(nil, 1, uint64(r.Code)+1))
	}
	ref, err := archive.Append(store.Records, entry)
	if err != nil {
		return fmt.Errorf("archiving a block: %w", err)
	}
	if out.changed {
		b.led.Emit(blockRow(req.Height), ref.Append(be64(b.now())))
	}
	return nil
}

// encode is the transaction without its bodies: 1 header, 2 signature, 3 message
// (repeated: 1 kind, 2 duplicate key, 3 skeleton, 4 body root), 4 results.
func (r *txRecord) encode() []byte {
	size := len(r.tx.Raw) + len(r.tx.Signature) + 64
	for i := range r.tx.Messages {
		size += len(r.tx.Messages[i].Skeleton) + 192
	}
	b := schemas.AppendField(make([]byte, 0, size), 1, r.tx.Raw)
	b = schemas.AppendField(b, 2, r.tx.Signature)
	for i := range r.tx.Messages {
		m := &r.tx.Messages[i]
		p := schemas.AppendUint(make([]byte, 0, len(m.Skeleton)+128), 1, uint64(m.Kind))
		p = schemas.AppendField(p, 2, m.DuplicateKey)
		p = schemas.AppendField(p, 3, m.Skeleton)
		p = schemas.AppendField(p, 4, m.BodyRoot[:])
		b = schemas.AppendField(b, 3, p)
	}
	return schemas.AppendField(b, 4, schemas.AppendResults(nil, r.results))
}
