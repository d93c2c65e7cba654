package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// A node that was restored has the whole state, and answers what follows from it
// at once. The records of the heights before come afterwards: until then it knows
// exactly which ones it lacks.

func decodeRestored(b []byte) (height int64, err error) {
	if b == nil {
		return 0, nil
	}
	if len(b) != 8 {
		return 0, store.Damaged("the height that the ledger was restored at has %d bytes", len(b))
	}
	return int64(decodeUint64(b)), nil
}

// Restored is the height that the ledger was restored at, 0 if it has all blocks
// from the first.
func (a *App) Restored() (int64, error) { return RestoredAt(a.store) }

// RestoredAt is the same of a store that is not run.
func RestoredAt(s *store.Store) (int64, error) {
	row, err := s.Latest().Row([]byte{rowRestored})
	if err != nil {
		return 0, err
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
	if last, err = decodeRestored(row); err != nil || last == 0 {
		return 0, 0, err
	}
	return 1, last, nil
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

// lacksTrail is the fault of a node that has none of a trail's records from the
// n-th on, though the trail has some: its last ones are older than the snapshot.
func (v *View) lacksTrail(key schemas.TrailKey, from uint64) error {
	missing := v.lacksAny()
	if missing == nil {
		return nil
	}
	head, err := v.TrailHead(key)
	if err != nil || head.Count <= from {
		return err
	}
	return missing
}
