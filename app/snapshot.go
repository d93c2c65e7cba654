package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A snapshot is what another node needs to go on from a height without the blocks
// before it. It is taken of heights that changed something, because no header
// waits there for its place in the accumulator: everything in it follows from the
// state root. It is written from a view while blocks commit, and has the same
// bytes on every node that runs the same program.

// keepSnapshots is how many snapshots are kept.
const keepSnapshots = 2

// Snapshot is a snapshot that is to be taken.
type Snapshot struct {
	Height  int64
	app     *App
	view    *store.View
	release func()
}

// DueSnapshot returns the snapshot that the last committed block asks for, nil if
// it asks for none: every so many blocks that changed something, on all nodes the
// same. It must be called before the next block commits, and the snapshot be
// released in the end.
func (a *App) DueSnapshot(every uint64) (*Snapshot, error) {
	if a.snapshots == nil || every == 0 {
		return nil, nil
	}
	v, err := a.View()
	if err != nil {
		return nil, err
	}
	changed, err := v.LastChanged()
	if err != nil || changed != v.Height() {
		return nil, err
	}
	head, err := v.AnchorHead()
	if err != nil || (head.Count+1)%every != 0 {
		return nil, err
	}
	view, release, err := a.store.Pin()
	if err != nil {
		return nil, fmt.Errorf("holding a view for a snapshot: %w", err)
	}
	return &Snapshot{Height: view.Height(), app: a, view: view, release: release}, nil
}

// Release gives the snapshot's view back.
func (s *Snapshot) Release() { s.release() }

// Take writes the snapshot. between is called after each chunk, and may wait, so
// that the disk and the processors are left to the blocks.
func (s *Snapshot) Take(ctx context.Context, between func()) (err error) {
	draft, err := s.app.snapshots.Begin(s.Height)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, draft.Drop())
		}
	}()
	w := &snapshotWriter{ctx: ctx, codec: s.app.codec, draft: draft, between: between,
		manifest: schemas.Manifest{ChainID: s.app.chainID(), Height: s.Height, Root: s.view.Root(), Keys: uint64(s.view.Keys())}}
	if err := w.write(s.view, s.Height); err != nil {
		return fmt.Errorf("taking a snapshot of height %d: %w", s.Height, err)
	}
	return draft.Save(w.manifest.Append(nil), keepSnapshots)
}

// snapshotWriter cuts records into chunks.
type snapshotWriter struct {
	ctx      context.Context
	codec    *schemas.Codec
	draft    *store.Draft
	between  func()
	manifest schemas.Manifest
	buf, one []byte
	records  int
}

func (w *snapshotWriter) write(view *store.View, height int64) error {
	for s, err := range view.States() {
		if err == nil {
			err = w.record(&schemas.SnapshotRecord{Kind: schemas.SnapshotState, Key: s.Key, Value: s.Value, Aside: s.Aside})
		}
		if err != nil {
			return err
		}
	}
	for _, rows := range [...]struct {
		row  byte
		kind schemas.SnapshotKind
	}{{rowEvent, schemas.SnapshotEvent}, {rowWithdrawal, schemas.SnapshotDeclaration}, {rowTransaction, schemas.SnapshotNonce}} {
		for row, err := range view.Rows([]byte{rows.row}, nil, false) {
			if err == nil && rows.row == rowTransaction {
				// Of what has expired, the tree has forgotten the ids, and the rules need none.
				var expiry uint64
				if _, expiry, err = decodeTransactionValue(row.Value); expiry < uint64(height) && err == nil {
					err = w.pause()
					if err == nil {
						continue
					}
				}
			}
			if err == nil {
				err = w.record(&schemas.SnapshotRecord{Kind: rows.kind, Key: row.Key[1:], Value: row.Value})
			}
			if err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// pause looks at the context now and then.
func (w *snapshotWriter) pause() error {
	if w.records++; w.records%1024 == 0 {
		return w.ctx.Err()
	}
	return nil
}

func (w *snapshotWriter) record(r *schemas.SnapshotRecord) error {
	w.one = r.Append(w.one[:0])
	if len(w.one) > schemas.MaxSnapshotRecord {
		return fmt.Errorf("key %q has %d bytes, a record of a snapshot %d at most", r.Key, len(w.one), schemas.MaxSnapshotRecord)
	}
	if len(w.buf)+len(w.one) > schemas.SnapshotChunk {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, w.one...)
	return w.pause()
}

func (w *snapshotWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if len(w.manifest.Chunks) == schemas.MaxSnapshotChunks {
		return fmt.Errorf("the state is larger than %d chunks", schemas.MaxSnapshotChunks)
	}
	chunk := w.codec.Compress(w.buf)
	if err := w.draft.Chunk(chunk); err != nil {
		return err
	}
	w.manifest.Chunks = append(w.manifest.Chunks, sha256.Sum256(chunk))
	w.buf = w.buf[:0]
	w.between()
	return w.ctx.Err()
}

// Snapshots returns the heights of the complete snapshots, ascending.
func (a *App) Snapshots() []int64 {
	if a.snapshots == nil {
		return nil
	}
	var heights []int64
	for _, s := range a.snapshots.List() {
		heights = append(heights, s.Height)
	}
	return heights
}

// ListSnapshots offers the complete snapshots to a node that joins.
func (a *App) ListSnapshots(context.Context, *abci.RequestListSnapshots) (*abci.ResponseListSnapshots, error) {
	res := &abci.ResponseListSnapshots{}
	if a.snapshots == nil {
		return res, nil
	}
	for _, s := range a.snapshots.List() {
		m, err := schemas.DecodeManifest(s.Manifest)
		if err != nil {
			a.logger.Error("a snapshot's manifest is damaged", "height", s.Height, "error", err)
			continue
		}
		hash := schemas.ManifestHash(s.Manifest)
		res.Snapshots = append(res.Snapshots, &abci.Snapshot{Height: uint64(s.Height), Format: schemas.SnapshotFormat,
			Chunks: uint32(len(m.Chunks)), Hash: hash[:], Metadata: s.Manifest})
	}
	return res, nil
}

// LoadSnapshotChunk gives a chunk to a node that joins; nothing where it has none.
func (a *App) LoadSnapshotChunk(_ context.Context, req *abci.RequestLoadSnapshotChunk) (*abci.ResponseLoadSnapshotChunk, error) {
	res := &abci.ResponseLoadSnapshotChunk{}
	if a.snapshots == nil || req.Format != schemas.SnapshotFormat || req.Height >= 1<<62 || req.Chunk >= schemas.MaxSnapshotChunks {
		return res, nil
	}
	chunk, err := a.snapshots.Chunk(int64(req.Height), int(req.Chunk))
	if err != nil {
		return nil, err
	}
	res.Chunk = chunk
	return res, nil
}
