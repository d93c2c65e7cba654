package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A restore believes nobody. The engine gives the app hash of the snapshot's
// height, which it took from headers that two thirds of the validators signed;
// everything else follows from it: a chunk from the manifest, the state from its
// root, what is kept beside a value from the heads in the value, and the rows that
// the rules read from logs whose heads are in the state. What follows from nothing
// is not in a snapshot. A ledger appears at once, when all of it has been checked.

// Bounds of what a restore holds in memory.
const (
	maxRegisters = 1 << 16
	readAtOnce   = 1 << 12 // records
)

// lie is what is wrong with a snapshot, in contrast to a fault of this node.
type lie struct{ err error }

func (l *lie) Error() string { return l.err.Error() }
func (l *lie) Unwrap() error { return l.err }

func lying(format string, args ...any) error { return &lie{fmt.Errorf(format, args...)} }

// restoring is a restore under way. The engine's snapshot connection calls one
// method at a time.
type restoring struct {
	app      *App
	manifest schemas.Manifest
	next     int // chunk
	batch    []readRecord
	into     *store.Restore

	last       schemas.SnapshotRecord // the one before
	registers  map[string]uint32      // by partner: its number, the place of its head
	heads      []schemas.Head         // of registers
	names      []string               // of registers
	filled     int                    // of them, that are not empty
	nonces     map[uint64]schemas.Head
	entries    *store.Sorter // of all registers' logs
	ids        *store.Sorter // of all nonces' logs
	duplicates *store.Sorter // rows
	voids      int           // events that are void, less declarations that void one
	changed    int64         // height that the state says changed it last
	keys       uint64
	timed      bool // the network has retention classes
	rooted     bool // the state was complete, and has the root
}

// OfferSnapshot begins to restore a snapshot, if it is one that this program reads.
func (a *App) OfferSnapshot(ctx context.Context, req *abci.RequestOfferSnapshot) (*abci.ResponseOfferSnapshot, error) {
	answer := func(r abci.ResponseOfferSnapshot_Result) (*abci.ResponseOfferSnapshot, error) {
		return &abci.ResponseOfferSnapshot{Result: r}, nil
	}
	if err := a.stopRestoring(); err != nil {
		return nil, err
	}
	if req.Snapshot == nil || req.Snapshot.Format != schemas.SnapshotFormat {
		return answer(abci.ResponseOfferSnapshot_REJECT_FORMAT)
	}
	m, err := a.checkOffer(req)
	if err != nil {
		a.logger.Warn("a snapshot is refused", "height", req.Snapshot.Height, "error", err)
		return answer(abci.ResponseOfferSnapshot_REJECT_SENDER)
	}
	if height, _ := a.store.Last(); height > 0 {
		// A restore that the engine never learned of, because the node was stopped.
		if err := a.store.Forget(); err != nil {
			a.logger.Error("a snapshot cannot be restored", "error", err)
			return answer(abci.ResponseOfferSnapshot_ABORT)
		}
		a.directory.Store(nil)
	}
	if a.restoring, err = a.newRestoring(m); err != nil {
		return nil, err
	}
	return answer(abci.ResponseOfferSnapshot_ACCEPT)
}

func (a *App) checkOffer(req *abci.RequestOfferSnapshot) (m schemas.Manifest, err error) {
	s := req.Snapshot
	if hash := schemas.ManifestHash(s.Metadata); !bytes.Equal(hash[:], s.Hash) {
		return m, errors.New("its manifest has another hash than it is known by")
	}
	if m, err = schemas.DecodeManifest(s.Metadata); err != nil {
		return m, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	switch {
	case uint64(m.Height) != s.Height || len(m.Chunks) != int(s.Chunks):
		return m, errors.New("its manifest tells another height or number of chunks than the offer")
	case !bytes.Equal(m.Root[:], req.AppHash):
		return m, fmt.Errorf("its state has the root %s, the network's headers say %x", m.Root, req.AppHash)
	case a.expected != "" && m.ChainID != a.expected:
		return m, fmt.Errorf("it is of chain %q, this node belongs to %q", m.ChainID, a.expected)
	}
	return m, nil
}

func (a *App) newRestoring(m schemas.Manifest) (*restoring, error) {
	r := &restoring{app: a, manifest: m, batch: make([]readRecord, 0, readAtOnce), registers: map[string]uint32{}, nonces: map[uint64]schemas.Head{}}
	var err error
	if r.into, err = a.store.Restore(); err != nil {
		return nil, err
	}
	if r.entries, err = a.store.Sorter(); err == nil {
		r.ids, err = a.store.Sorter()
	}
	if err == nil {
		r.duplicates, err = a.store.Sorter()
	}
	return r, err
}

// stopRestoring drops a restore that is under way.
func (a *App) stopRestoring() error {
	r := a.restoring
	if r == nil {
		return nil
	}
	a.restoring = nil
	return errors.Join(r.into.Abort(), r.close())
}

func (r *restoring) close() error {
	return errors.Join(r.entries.Close(), r.ids.Close(), r.duplicates.Close())
}

// ApplySnapshotChunk takes the next chunk. One that is not what the manifest
// lists is fetched again from somebody else; a snapshot that says what does not
// follow from the app hash is refused, with who sent it.
func (a *App) ApplySnapshotChunk(ctx context.Context, req *abci.RequestApplySnapshotChunk) (*abci.ResponseApplySnapshotChunk, error) {
	r := a.restoring
	if r == nil {
		return &abci.ResponseApplySnapshotChunk{Result: abci.ResponseApplySnapshotChunk_ABORT}, nil
	}
	if int(req.Index) != r.next {
		return nil, fmt.Errorf("restoring: chunk %d came where %d was due", req.Index, r.next)
	}
	if sha256.Sum256(req.Chunk) != r.manifest.Chunks[r.next] {
		a.logger.Warn("a chunk of a snapshot is not the one that was offered", "chunk", req.Index, "sender", req.Sender)
		return &abci.ResponseApplySnapshotChunk{Result: abci.ResponseApplySnapshotChunk_RETRY,
			RefetchChunks: []uint32{req.Index}, RejectSenders: []string{req.Sender}}, nil
	}
	err := r.chunk(req.Chunk)
	if r.next++; err == nil && r.next == len(r.manifest.Chunks) {
		err = r.finish(ctx)
	}
	if err == nil {
		return &abci.ResponseApplySnapshotChunk{Result: abci.ResponseApplySnapshotChunk_ACCEPT}, nil
	}
	if stopped := a.stopRestoring(); stopped != nil {
		return nil, errors.Join(err, stopped)
	}
	var wrong *lie
	if !errors.As(err, &wrong) {
		return nil, fmt.Errorf("restoring a snapshot: %w", err)
	}
	a.logger.Warn("a snapshot is refused: it does not follow from the network's headers", "height", r.manifest.Height, "sender", req.Sender, "error", err)
	return &abci.ResponseApplySnapshotChunk{Result: abci.ResponseApplySnapshotChunk_REJECT_SNAPSHOT, RejectSenders: []string{req.Sender}}, nil
}

func (r *restoring) chunk(chunk []byte) error {
	rest, err := r.app.codec.ExpandChunk(chunk)
	if err != nil {
		return lying("chunk %d: %w", r.next, err)
	}
	for len(rest) > 0 {
		records := r.batch[:0]
		last := &r.last
		for len(rest) > 0 && len(records) < cap(records) {
			var rec schemas.SnapshotRecord
			if rec, rest, err = schemas.NextSnapshotRecord(rest); err != nil {
				return lying("chunk %d: %w", r.next, err)
			}
			if last.Kind != 0 && !last.Before(&rec) {
				return lying("chunk %d: records are not in order", r.next)
			}
			records = append(records, readRecord{SnapshotRecord: rec})
			last = &records[len(records)-1].SnapshotRecord
		}
		readAll(records)
		for i := range records {
			rec := &records[i]
			if err := r.record(rec); err != nil {
				return fmt.Errorf("chunk %d: key %q: %w", r.next, rec.Key, err)
			}
			r.last = rec.SnapshotRecord
		}
	}
	clear(r.batch[:cap(r.batch)])
	// The next chunk must not keep this one in memory.
	r.last.Key, r.last.Value, r.last.Aside = bytes.Clone(r.last.Key), nil, nil
	return nil
}

func (r *restoring) record(read *readRecord) error {
	if read.Kind == schemas.SnapshotState {
		return r.state(read)
	}
	rec := &read.SnapshotRecord
	if !r.rooted {
		if err := r.root(context.Background()); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case schemas.SnapshotEvent:
		return r.event(read)
	case schemas.SnapshotDeclaration:
		if r.last.Kind != rec.Kind {
			if err := r.into.Flush(); err != nil { // declarations are looked up among events
				return err
			}
		}
		return r.declaration(rec)
	default:
		return r.nonce(rec)
	}
}

// state takes a value of the state. That it is one, the root shows in the end;
// what is beside it follows from the value.
func (r *restoring) state(rec *readRecord) error {
	if len(rec.Key) == 0 {
		return lying("a state key is empty")
	}
	if rec.err != nil {
		return lying("%w", rec.err)
	}
	r.keys++
	if err := r.note(rec); err != nil {
		return err
	}
	return r.into.SetLeaf(rec.leaf, rec.Key, rec.Value, rec.Aside)
}

// note remembers what later checks need, and writes the rows that follow from
// state keys.
func (r *restoring) note(rec *readRecord) error {
	kind, name := schemas.KindOf(rec.Key)
	for i := range rec.ends {
		key, value := rec.ends[i].row()
		if err := r.into.PutRow(key, value); err != nil {
			return err
		}
	}
	switch kind {
	case schemas.RegisterLeaf:
		reg, err := schemas.DecodeRegister(rec.Value)
		if err != nil {
			return lying("%w", err)
		}
		if len(r.registers) >= maxRegisters {
			return lying("more than %d registers", maxRegisters)
		}
		r.registers[string(name)] = uint32(len(r.heads))
		r.names = append(r.names, string(name))
		if r.heads = append(r.heads, reg.Events); reg.Events.Count > 0 {
			r.filled++
		}
	case schemas.NoncesLeaf:
		head, err := schemas.DecodeSingleHead(rec.Value)
		if err != nil || len(name) != 8 {
			return lying("a log of nonces is malformed")
		}
		expiry, height := binary.BigEndian.Uint64(name), uint64(r.manifest.Height)
		if expiry < height || expiry > height+schemas.MaxExpiry {
			return lying("transactions that expire at height %d cannot be remembered at %d", expiry, height)
		}
		r.nonces[expiry] = head
	case schemas.ParametersLeaf:
		p, err := schemas.DecodeParameters(rec.Value)
		if err != nil {
			return lying("the parameters: %w", err)
		}
		r.timed = len(p.Retention) > 0
	case schemas.ErasureLeaf:
		e, err := schemas.DecodeErasure(rec.Value)
		if err != nil {
			return lying("a body's standing: %w", err)
		}
		if e.Standing == schemas.BodyErased {
			return r.into.PutRow(goneRow(e.Event), present)
		}
	case schemas.ChangedLeaf:
		r.changed = numberOf(rec.Value)
	case schemas.BalanceLeaf:
		return r.into.PutRow(rowKey(rowBalance, string(name)), present)
	case schemas.WaitingLeaf:
		return r.into.PutRow(rowKey(rowWaiting, string(name)), present)
	case schemas.RecalledLeaf:
		return r.recalled(string(name), rec.Value)
	case schemas.ProposalLeaf:
		return r.into.PutRow(append([]byte{rowProposal}, name...), present)
	case schemas.ShipmentLeaf:
		return r.shipment(string(name), rec.Value)
	case schemas.ContentsLeaf:
		return r.packed(name, rec.Value)
	}
	return nil
}

// recalled writes the rows of the recalls that name a thing or lot.
func (r *restoring) recalled(id string, value []byte) error {
	marks, err := schemas.DecodeRecalled(value)
	if err != nil {
		return lying("which recalls name something is malformed")
	}
	if marks.Maker != "" {
		if err := r.into.PutRow(lotMadeRow(marks.Maker, id), lotMade(&marks)); err != nil {
			return err
		}
	}
	for _, ref := range marks.Recalls {
		if err := r.into.PutRow(recalledRow(ref, id), present); err != nil {
			return err
		}
	}
	return nil
}

// shipment writes the rows by which its parties find a shipment.
func (r *restoring) shipment(id string, value []byte) error {
	s, err := schemas.DecodeShipment(value)
	if err != nil {
		return lying("a shipment is malformed")
	}
	for _, party := range s.Parties() {
		if err := r.into.PutRow(shipmentRow(party, id), present); err != nil {
			return err
		}
	}
	return nil
}

// packed writes the rows of the lots that a container holds.
func (r *restoring) packed(name, value []byte) error {
	lots, err := schemas.DecodeContents(value)
	if err != nil || len(name) < 9 {
		return lying("what a container holds is malformed")
	}
	for _, h := range lots {
		if err := r.into.PutRow(packedRow(h.Class, h.UOM, string(name[:len(name)-9])), present); err != nil {
			return err
		}
	}
	return nil
}

// root checks that the state is the one that the app hash is of.
func (r *restoring) root(ctx context.Context) error {
	root, keys, err := r.into.Root(ctx)
	if err != nil {
		return err
	}
	if root != r.manifest.Root {
		return lying("its state has the root %x, the network's headers say %s", root, r.manifest.Root)
	}
	if uint64(keys) != r.manifest.Keys || r.keys != r.manifest.Keys {
		return lying("its state has %d keys, its manifest says %d", keys, r.manifest.Keys)
	}
	// Behind the last change a header waits for its place in the accumulator, which
	// no state root tells of.
	if r.changed != r.manifest.Height {
		return lying("its state is that of height %d", r.changed)
	}
	r.rooted = true
	return nil
}

// nonce takes a transaction that could come again.
func (r *restoring) nonce(rec *schemas.SnapshotRecord) error {
	p, expiry, err := decodeTransactionValue(rec.Value)
	if err != nil || len(rec.Key) != len(schemas.Hash{}) || p.height() < 1 || p.height() > r.manifest.Height {
		return lying("a transaction's place is malformed")
	}
	if _, ok := r.nonces[expiry]; !ok {
		return lying("no transaction expires at height %d", expiry)
	}
	var t store.Tuple
	binary.BigEndian.PutUint64(t[:], expiry)
	copy(t[8:], p[:])
	copy(t[32:], rec.Key)
	if err := r.ids.Add(t); err != nil {
		return err
	}
	return r.into.PutRow(transactionRow(schemas.Hash(rec.Key)), rec.Value)
}

// finish checks what could only be checked with everything at hand, and makes the
// restored height the ledger's.
func (r *restoring) finish(ctx context.Context) error {
	if !r.rooted {
		if err := r.root(ctx); err != nil {
			return err
		}
	}
	if r.voids != 0 {
		return lying("events are void that no declaration voids")
	}
	if err := r.logs(ctx, r.entries, 4, func(b []byte) schemas.Head { return r.heads[binary.BigEndian.Uint32(b)] }, r.filled); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	nonces := func(b []byte) schemas.Head { return r.nonces[binary.BigEndian.Uint64(b)] }
	if err := r.logs(ctx, r.ids, 8, nonces, len(r.nonces)); err != nil {
		return fmt.Errorf("transactions that have not expired: %w", err)
	}
	if err := r.writeDuplicates(ctx); err != nil {
		return err
	}
	if err := r.into.PutRow([]byte{rowRestored}, be64(r.manifest.Height)); err != nil {
		return err
	}
	if err := errors.Join(r.close(), r.into.Commit(r.manifest.Height)); err != nil {
		return err
	}
	r.app.restoring = nil
	return r.app.readDirectory()
}

// logs computes the logs of sorted entries, which say in their first bytes what
// log they belong to, and compares them with their heads, of which so many are
// not empty.
func (r *restoring) logs(ctx context.Context, entries *store.Sorter, prefix int, headOf func([]byte) schemas.Head, count int) error {
	var l proof.Log
	var last store.Tuple
	check := func() error {
		if l.Count == 0 {
			return nil
		}
		count--
		if err := l.Check(headOf(last[:prefix])); err != nil {
			return lying("%w", err)
		}
		return nil
	}
	for t, err := range entries.Sorted() {
		if err != nil {
			return err
		}
		if !bytes.Equal(t[:prefix], last[:prefix]) {
			if err := check(); err != nil {
				return err
			}
			l = proof.Log{}
		}
		if l.Extend([32]byte(t[32:])); l.Count%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		last = t
	}
	if err := check(); err != nil {
		return err
	}
	if count != 0 {
		return lying("entries of %d logs are missing", count)
	}
	return nil
}
