package app

import (
	"errors"
	"io"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// An archive is the same on every node, so a node that lacks its beginning asks
// another for it, block by block, and computes the ledger again from there.

// ArchivedBlock is what the archive has of one block: entries, in order.
type ArchivedBlock struct {
	Height  int64
	Records [][]byte // of its transactions, then its own
	Bodies  [][]byte
}

// Append appends the encoding: 1 height (uint), 2 record, 3 bodies, both repeated
// and there even where they are empty.
func (b *ArchivedBlock) Append(dst []byte) []byte {
	dst = schemas.AppendUint(dst, 1, uint64(b.Height))
	for _, r := range b.Records {
		dst = schemas.AppendEntry(dst, 2, r)
	}
	for _, r := range b.Bodies {
		dst = schemas.AppendEntry(dst, 3, r)
	}
	return dst
}

// DecodeArchivedBlock reads such an encoding. It shares its memory.
func DecodeArchivedBlock(encoded []byte) (b ArchivedBlock, err error) {
	f := schemas.ReadFields(encoded)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			b.Height = int64(f.Uint(n, v))
		case 2:
			b.Records = append(b.Records, v)
		case 3:
			b.Bodies = append(b.Bodies, v)
		default:
			f.Fail(n, "unknown")
		}
	}
	return b, f.Err()
}

// Size is about how many bytes the block takes.
func (b *ArchivedBlock) Size() (n int) {
	for _, list := range [][][]byte{b.Records, b.Bodies} {
		for _, e := range list {
			n += len(e) + 8
		}
	}
	return n
}

// ArchiveReader reads the archive block by block, beside blocks that commit.
type ArchiveReader struct {
	app    *App
	cursor *store.Cursor
}

// ErrNotArchived says that this node's archive does not have a block.
var ErrNotArchived = errors.New("the archive does not have the block")

// Archive reads the archive from a height on; ErrNotArchived where it begins
// later, or ends before.
func (a *App) Archive(from int64) (*ArchiveReader, error) {
	view := a.store.Latest()
	if from < 1 || from > view.Height() {
		return nil, ErrNotArchived
	}
	records, bodies, err := a.behind(view, from)
	if err != nil {
		return nil, err
	}
	r := &ArchiveReader{app: a, cursor: a.store.CursorBehind(records, bodies)}
	for {
		at := r.cursor.Copy()
		b, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), err == nil && b.Height > from:
			return nil, ErrNotArchived
		case err != nil:
			return nil, err
		case b.Height == from:
			r.cursor = at
			return r, nil
		}
	}
}

// behind finds entries before a height's: the record of the last block with
// transactions, and the last bodies; nil where there are none.
func (a *App) behind(view *store.View, from int64) (records, bodies *store.Ref, err error) {
	for row, err := range view.Rows([]byte{rowBlock}, blockRow(from-1), true) {
		if err != nil {
			return nil, nil, err
		}
		if len(row.Value) != 8+store.RefSize {
			return nil, nil, store.Damaged("the place of block %x is damaged", row.Key[1:])
		}
		ref, err := store.DecodeRef(row.Value[8:])
		if err != nil {
			return nil, nil, err
		}
		records = &ref
		break
	}
	for row, err := range view.Rows([]byte{rowBodies}, txRow(placeOf(schemas.Locator{Height: from})), true) {
		if err != nil {
			return nil, nil, err
		}
		if decodeUint64(row.Key[1:]) >= uint64(from) {
			continue
		}
		if len(row.Value) != 2*store.RefSize {
			return nil, nil, store.Damaged("the place of transaction %x is damaged", row.Key[1:])
		}
		ref, err := store.DecodeRef(row.Value[store.RefSize:])
		if err != nil {
			return nil, nil, err
		}
		bodies = &ref
		break
	}
	return records, bodies, nil
}

// Next is the next block; io.EOF behind the last that is committed.
func (r *ArchiveReader) Next() (b ArchivedBlock, err error) {
	r.app.store.Extend(r.cursor)
	cursor := r.cursor.Copy() // a block is read whole, or not at all
	block, err := nextRecords(cursor, &b)
	if err != nil {
		return b, err
	}
	b.Height = block.Height
	for range block.bodies() {
		e, err := cursor.Next(store.Bodies)
		if err != nil {
			return b, err
		}
		b.Bodies = append(b.Bodies, e.Data)
	}
	*r.cursor = *cursor
	return b, nil
}

// nextRecords reads a block's records, without its bodies.
func nextRecords(cursor *store.Cursor, b *ArchivedBlock) (block replayed, err error) {
	for {
		e, err := cursor.Next(store.Records)
		if err != nil {
			return block, err
		}
		b.Records = append(b.Records, e.Data)
		if !isTransactionRecord(e.Data) {
			return block, block.decode(e.Data)
		}
	}
}

// archivedEntries reads the entries of one block.
type archivedEntries struct{ rest [2][][]byte }

func (a *archivedEntries) Next(s store.Stream) (e store.Entry, err error) {
	if int(s) >= len(a.rest) || len(a.rest[s]) == 0 {
		return e, io.EOF
	}
	e.Data, a.rest[s] = a.rest[s][0], a.rest[s][1:]
	return e, nil
}

// ReadArchived reads a block that somebody sent, without executing it: what its
// header commits to can be compared, and its transactions are those whose hashes
// it tells. Bodies may be missing where this node's state knows of an order. What
// else it says must be computed.
func (a *App) ReadArchived(b *ArchivedBlock) (block *ReplayedBlock, err error) {
	defer refusing(&err)
	source := &archivedEntries{}
	source.rest[store.Records], source.rest[store.Bodies] = b.Records, b.Bodies
	r := &Replay{app: a, cursor: source, judge: func(t *archived) error {
		view, err := a.View()
		if err != nil {
			return err
		}
		if ok, err := view.excused(t); ok || err != nil {
			return err
		}
		return errors.New("bodies are missing, and nobody ordered that")
	}}
	if err := r.read(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(r.block.txs, func(tx replayedTx) bool { return len(tx.unkept) > 0 }) {
		return nil, errNotKept
	}
	if len(source.rest[store.Records])+len(source.rest[store.Bodies]) > 0 || r.block.Height != b.Height {
		return nil, errors.New("more than one block's entries")
	}
	return &r.block.ReplayedBlock, nil
}

// ArchivedHeader is the engine's encoding of a block's header, and of the commit
// for it, which the block behind it carries; ErrNotArchived where one of the two
// is not in the archive. No bodies are read, which may be elsewhere.
func (a *App) ArchivedHeader(height int64) (header, commit []byte, err error) {
	blocks, err := a.archivedRecords(height, 2)
	if err != nil {
		return nil, nil, err
	}
	if len(blocks[0].Header) == 0 {
		return nil, nil, ErrNotArchived
	}
	return blocks[0].Header, blocks[1].LastCommit, nil
}

// ArchivedValidators is the encoding of the set of validators that signed a block,
// empty where the block before had the same; ErrNotArchived where the block is not
// in the archive.
func (a *App) ArchivedValidators(height int64) ([]byte, error) {
	blocks, err := a.archivedRecords(height, 1)
	if err != nil {
		return nil, err
	}
	return blocks[0].Validators, nil
}

// archivedRecords reads the records of so many blocks from a height on.
func (a *App) archivedRecords(from int64, count int) ([]replayed, error) {
	view := a.store.Latest()
	if from < 1 || from > view.Height() {
		return nil, ErrNotArchived
	}
	last, _, err := a.behind(view, from)
	if err != nil {
		return nil, err
	}
	cursor := a.store.CursorBehind(last, nil)
	var blocks []replayed
	for len(blocks) < count {
		block, err := nextRecords(cursor, &ArchivedBlock{})
		if errors.Is(err, io.EOF) {
			return nil, ErrNotArchived
		}
		if err != nil {
			return nil, err
		}
		if block.Height < from {
			continue
		}
		if block.Height != from+int64(len(blocks)) {
			return nil, ErrNotArchived
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// LastFilled is the height of the last block with transactions up to a height, 0
// where there is none.
func (a *App) LastFilled(height int64) (int64, error) {
	for row, err := range a.store.Latest().Rows([]byte{rowBlock}, blockRow(height), true) {
		if err != nil {
			return 0, err
		}
		return int64(decodeUint64(row.Key[1:])), nil
	}
	return 0, nil
}
