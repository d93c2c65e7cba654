package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// A node that was restored has the whole state, and answers what follows from it
// at once. The records of the heights before come afterwards, from the first
// height on: until then it knows exactly which ones it lacks.

// restoredValue is the row of a restored ledger: the height of the snapshot, and
// the height up to which what came before was fetched since.
func restoredValue(height, fetched int64) []byte { return append(be64(height), be64(fetched)...) }

func decodeRestored(b []byte) (height, fetched int64, err error) {
	if b == nil {
		return 0, 0, nil
	}
	if len(b) != 16 {
		return 0, 0, fmt.Errorf("the height that the ledger was restored at has %d bytes: restore the node from a backup or from its peers", len(b))
	}
	return int64(decodeUint64(b)), int64(decodeUint64(b[8:])), nil
}

// Restored is the height that the ledger was restored at, 0 if it has all blocks
// from the first, and the height up to which it has since fetched those before.
func (a *App) Restored() (height, fetched int64, err error) {
	row, err := a.store.Latest().Row([]byte{rowRestored})
	if err != nil {
		return 0, 0, err
	}
	return decodeRestored(row)
}

// Missing is the range of heights whose records the node does not have, both
// included; 0, 0 where it has all.
func (v *View) Missing() (first, last int64, err error) {
	row, err := v.row([]byte{rowRestored})
	if err != nil {
		return 0, 0, err
	}
	height, fetched, err := decodeRestored(row)
	if err != nil || fetched >= height {
		return 0, 0, err
	}
	return fetched + 1, height, nil
}

// lacks tells of a record that the node does not have yet; nil of one that it
// should have.
func (v *View) lacks(height int64) error {
	first, last, err := v.Missing()
	if err != nil || last == 0 || height < first || height > last {
		return err
	}
	return &schemas.Fault{Code: schemas.HistoryMissing, Detail: fmt.Sprintf("this node does not have the records of heights %d to %d yet", first, last)}
}

// lacksAny is the fault of a node that does not have all records.
func (v *View) lacksAny() error {
	_, last, err := v.Missing()
	if err != nil || last == 0 {
		return err
	}
	return v.lacks(last)
}
