package app

import (
	"crypto/sha256"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// Blocks gives the engine's own encodings of what it decided: a block's header,
// the commit that it carries for the block before, and the set of validators that
// signs it, where that is another than the one before signed. All are agreed on,
// so every node's archive is the same.
type Blocks interface {
	Header(height int64) (header, lastCommit, validators []byte, err error)
}

// txRecord is a transaction of a decided block, with what the rules answered if
// it was admitted.
type txRecord struct {
	tx      *schemas.Transaction // nil: it was refused
	results []schemas.Result
	bodies  store.Ref // where its bodies are
	unkept  []uint32  // messages whose bodies the node does not keep
}

// archiver is where a block is kept: the segments of the store, or nothing.
type archiver interface {
	Append(stream store.Stream, data []byte) (store.Ref, error)
}

// decided is a block as the engine hands it over, or as a replay reads it back.
type decided interface {
	// admit decodes and judges a transaction; errors are *schemas.Fault, or of the disk.
	admit(i int) (*schemas.Transaction, error)
	// rescue is the document by which the network was restarted, which this block has
	// in the place of its first transaction; nil in any other block.
	rescue() *proof.Rescue
	// raw is the hash of a transaction's bytes, and the bytes, nil where they are erased.
	raw(i int) (hash [sha256.Size]byte, bytes []byte)
	// gone is what the archive has of a transaction's bodies that are erased, and
	// remains what the block's i-th erasure left; nil outside a replay.
	gone(i int) []byte
	remains(i int) []byte
	// delays are the erasures that the block put off or made good; nil outside a replay.
	delays() *delays
	// unkept are the messages of the i-th transaction, which has run, whose bodies are not kept.
	unkept(b *block, tx *schemas.Transaction, i int) []uint32
}

// record archives a block: its header, every admitted transaction with its
// skeletons and commitments, and, apart from them so that they can be erased,
// the bodies. Of what was refused, which honest validators never let into a
// block, it keeps code, hash and, with the bodies, the bytes. So the block can be
// computed again, and its header's hash of all transactions with it.
func (a *App) record(b *block, req *abci.RequestFinalizeBlock, source decided, recorded []txRecord, results []*abci.ExecTxResult, out *executed) error {
	archive, ok := b.led.(archiver)
	if !ok {
		return nil // a dry run
	}
	var list []byte
	for i := range recorded {
		r := &recorded[i]
		hash, raw := source.raw(i)
		item := schemas.AppendUint(nil, 1, uint64(results[i].Code)+1)
		var err error
		switch {
		case source.rescue() != nil && i == 0:
			item = schemas.AppendField(item, 2, hash[:]) // the bytes are in the block's record
		case r.tx == nil:
			item = schemas.AppendField(item, 2, hash[:])
			_, err = archive.Append(store.Bodies, raw)
		default:
			err = a.recordTransaction(b, archive, r, schemas.Locator{Height: req.Height, Position: uint32(i)}, hash, source.gone(i), out)
			item = schemas.AppendField(item, 3, encodeIndexes(r.unkept))
		}
		if err != nil {
			return fmt.Errorf("archiving transaction %d: %w", i, err)
		}
		list = schemas.AppendField(list, 6, item)
	}
	if err := a.eraseBodies(b, archive, source, recorded, out); err != nil {
		return err
	}
	entry, err := a.blockRecord(b, req.Hash, source, len(results), list, out)
	if err != nil {
		return err
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

// blockRecord is the archive's record of a block, behind those of its transactions: 1
// time, 2 hash, 3 header, 4 commit for the block before, 5 number of transactions, 6 list:
// what became of each (1 code + 1, 2 hash of its bytes where it was not admitted, 3 bodies
// not kept), 7 height, 8 validators where they changed; places of transactions: 9 of what
// the block's erasures left, in order, 10 of erasures put off, 11 of those made good; 12
// rescue.
func (a *App) blockRecord(b *block, hash []byte, source decided, count int, list []byte, out *executed) (entry []byte, err error) {
	entry = schemas.AppendField(nil, 1, be64(b.now()))
	entry = schemas.AppendField(entry, 2, hash)
	var validators []byte
	if a.blocks != nil {
		var header, commit []byte
		if header, commit, validators, err = a.blocks.Header(b.height); err != nil {
			return nil, fmt.Errorf("reading header %d: %w", b.height, err)
		}
		entry = schemas.AppendField(entry, 3, header)
		entry = schemas.AppendField(entry, 4, commit)
	}
	entry = schemas.AppendUint(entry, 5, uint64(count))
	entry = append(entry, list...)
	entry = schemas.AppendUint(entry, 7, uint64(b.height))
	entry = schemas.AppendField(entry, 8, validators)
	for _, p := range out.erasedAt {
		entry = schemas.AppendField(entry, 9, p[:])
	}
	for _, p := range out.putOff {
		entry = schemas.AppendField(entry, 10, p[:])
	}
	for _, p := range out.late {
		entry = schemas.AppendField(entry, 11, p[:])
	}
	if r := source.rescue(); r != nil {
		entry = schemas.AppendField(entry, 12, r.Encode())
	}
	return entry, nil
}

func (a *App) recordTransaction(b *block, archive archiver, r *txRecord, at schemas.Locator, hash [sha256.Size]byte, gone []byte, out *executed) error {
	records, err := archive.Append(store.Records, a.codec.Frame(r.encode(hash)))
	if err != nil {
		return err
	}
	encoded := gone
	if r.tx.Bodies != nil {
		if encoded, err = a.keptBodies(r, placeOf(at)); err != nil {
			return err
		}
	}
	if len(r.unkept) > 0 {
		b.led.PutRow(unkeptRow(placeOf(at)), encodeIndexes(r.unkept))
	}
	r.bodies, err = archive.Append(store.Bodies, encoded)
	if err != nil {
		return err
	}
	b.led.Emit(txRow(placeOf(at)), r.bodies.Append(records.Append(nil)))
	b.led.PutRow(transactionRow(r.tx.ID), transactionValue(at, r.tx.Header.Expiry))
	receipt := receiptOf(r.tx, at, b.time, r.results)
	indexHashes(b, r, &receipt)
	out.hashes = append(out.hashes, hashesOf(b, r, &receipt))
	out.receipts = append(out.receipts, receipt)
	return nil
}

// encode is the transaction without its bodies: 1 header, 2 signature, 3 message
// (repeated: 1 kind, 2 duplicate key, 3 skeleton, 4 body root), 4 results, 5 the
// SHA-256 of all its bytes, which is what the block's header commits to.
func (r *txRecord) encode(hash [sha256.Size]byte) []byte {
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
	b = schemas.AppendField(b, 4, schemas.AppendResults(nil, r.results))
	return schemas.AppendField(b, 5, hash[:])
}
