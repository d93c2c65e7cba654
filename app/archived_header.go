package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// ArchivedHeader is the engine's encoding of the header of a block that changed
// something, or of the block behind one, from the archive: what proofs need of a
// block once the engine has forgotten it. Of other heights, and where the archive
// does not reach back, the answer is a *schemas.Fault not_found.
func (v *View) ArchivedHeader(height int64) ([]byte, error) {
	none := &schemas.Fault{Code: schemas.NotFound, Detail: fmt.Sprintf("the header at height %d is not held here any more", height)}
	own, err := v.blockRef(height)
	if err != nil {
		return nil, err
	}
	var encoded []byte
	if own != nil {
		encoded, err = v.app.store.Read(store.Records, *own)
	} else {
		before, err := v.blockRef(height - 1)
		if err != nil {
			return nil, err
		}
		if before == nil {
			return nil, none
		}
		entry, err := v.app.store.Behind(*before)
		if err != nil || isTransactionRecord(entry.Data) {
			return nil, none
		}
		encoded = entry.Data
	}
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	var b replayed
	if err := b.decode(encoded); err != nil {
		return nil, err
	}
	if b.Height != height || len(b.Header) == 0 {
		return nil, none
	}
	return b.Header, nil
}

// blockRef is where the archive has a block that changed something, nil where it
// changed nothing.
func (v *View) blockRef(height int64) (*store.Ref, error) {
	row, err := v.row(blockRow(height))
	if err != nil || len(row) != 8+store.RefSize {
		return nil, err
	}
	ref, err := store.DecodeRef(row[8:])
	if err != nil {
		return nil, fmt.Errorf("reading the place of block %d: %w", height, err)
	}
	return &ref, nil
}
