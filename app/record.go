package app

import (
	"fmt"
	"sync"

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
		b.led.PutRow(txRow(at.Height, at.Position), bodies.Append(records.Append(nil)))
		b.led.PutRow(transactionRow(r.tx.ID), at.Append(nil)[:12])
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
		b.led.PutRow(blockRow(req.Height), ref.Append(be64(b.now())))
	}
	return nil
}

// encode is the transaction without its bodies: 1 header, 2 signature, 3 message
// (repeated: 1 kind, 2 duplicate key, 3 skeleton, 4 body root), 4 results.
func (r *txRecord) encode() []byte {
	b := schemas.AppendField(nil, 1, r.tx.Raw)
	b = schemas.AppendField(b, 2, r.tx.Signature)
	for i := range r.tx.Messages {
		m := &r.tx.Messages[i]
		p := schemas.AppendUint(nil, 1, uint64(m.Kind))
		p = schemas.AppendField(p, 2, m.DuplicateKey)
		p = schemas.AppendField(p, 3, m.Skeleton)
		p = schemas.AppendField(p, 4, m.BodyRoot[:])
		b = schemas.AppendField(b, 3, p)
	}
	return schemas.AppendField(b, 4, schemas.AppendResults(nil, r.results))
}

// archived is a transaction as read back from the archive: its records share
// what they have in common.
type archived struct {
	header    *schemas.Header
	raw       []byte // of the header
	signature []byte
	records   []schemas.Record
	size      int
}

func (a *App) decodeArchived(height int64, position uint32, encoded, bodies []byte) (*archived, error) {
	encoded, err := a.codec.Expand(encoded)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	t := &archived{size: len(encoded)}
	var results []schemas.Result
	f := schemas.ReadFields(encoded)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			t.raw = v
			t.header, err = schemas.DecodeHeader(v)
		case 2:
			t.signature = v
		case 3:
			var r schemas.Record
			r, err = decodeMessageRecord(v)
			r.Locator = schemas.Locator{Height: height, Position: position, Index: uint32(len(t.records))}
			t.records = append(t.records, r)
		case 4:
			results, err = schemas.DecodeResults(v)
		}
		if err != nil {
			return nil, fmt.Errorf("reading a record's field %d: %w", n, err)
		}
	}
	if f.Err() != nil || t.header == nil || len(results) != len(t.records) {
		return nil, fmt.Errorf("a record is damaged: %w", f.Err())
	}
	if err := a.attachBodies(t, bodies); err != nil {
		return nil, err
	}
	id := schemas.TransactionID(t.raw)
	for i := range t.records {
		r := &t.records[i]
		r.Partner, r.KeyID, r.Actor, r.Transaction, r.Result = t.header.Partner, t.header.KeyId, t.header.Actor, id, results[i]
		r.Digest = schemas.Digest(t.header.ChainId, r.Partner, r.Kind, r.SkeletonBytes, r.BodyRoot, r.DuplicateKey)
		if r.EventID = r.Skeleton.EventID; r.EventID == "" {
			r.EventID = schemas.DerivedEventID(r.Digest)
		}
	}
	return t, nil
}

func decodeMessageRecord(b []byte) (r schemas.Record, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			r.Kind = schemas.Kind(f.Uint(n, v))
		case 2:
			r.DuplicateKey = v
		case 3:
			r.SkeletonBytes = v
			if r.Skeleton, err = schemas.DecodeSkeleton(v); err != nil {
				return r, err
			}
		case 4:
			r.BodyRoot = f.Hash(n, v)
		}
	}
	return r, f.Err()
}

func (a *App) attachBodies(t *archived, encoded []byte) error {
	b, err := schemas.DecodeBodies(encoded)
	if err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	joined, err := a.codec.Decompress(b.Frame, int(b.Size))
	if err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	bodies, err := schemas.SplitBodies(joined, len(t.records))
	if err != nil {
		return fmt.Errorf("reading bodies: %w", err)
	}
	t.size += len(joined)
	for i := range t.records {
		t.records[i].Body, t.records[i].Secret = bodies[i], schemas.EventSecret(b.Secret, i)
	}
	return nil
}

// shelf keeps the transactions read last, in two generations like memo.
type shelf struct {
	mu       sync.Mutex // guards what follows
	young    map[[12]byte]*archived
	old      map[[12]byte]*archived
	size     int
	capacity int
}

func newShelf(capacity int) *shelf {
	return &shelf{young: map[[12]byte]*archived{}, capacity: capacity / 2}
}

func (s *shelf) find(key [12]byte) *archived {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.young[key]; ok {
		return t
	}
	return s.old[key]
}

func (s *shelf) keep(key [12]byte, t *archived) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size > s.capacity {
		s.old, s.young, s.size = s.young, map[[12]byte]*archived{}, 0
	}
	s.young[key] = t
	s.size += t.size + 1024*len(t.records)
}
