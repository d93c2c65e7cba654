package app

import (
	"errors"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// readLeaf is what ends by time, as a leaf of a snapshot says, if what is beside the
// leaf follows from it. Of the commonest kind both are read at once.
func readLeaf(key, value, aside []byte) ([]deadline, error) {
	kind, name := schemas.KindOf(key)
	if kind == schemas.ItemLeaf {
		it, err := schemas.DecodeItem(value)
		if err != nil {
			return nil, fmt.Errorf("an item: %w", err)
		}
		return itemDeadline(string(name), &it), checkLogs(aside, it.Custody, it.Observations)
	}
	if err := checkAside(kind, value, aside); err != nil {
		return nil, err
	}
	return deadlinesOf(kind, string(name), key, value)
}

// checkAside checks what is kept beside a state value: logs, which follow from
// the heads in the value. A kind of leaf that keeps anything beside its value must
// be known here or, if it is an item's, above, or no snapshot of it can be restored.
func checkAside(kind schemas.StateKind, value, aside []byte) error {
	switch kind {
	case schemas.RegisterLeaf:
		r, err := schemas.DecodeRegister(value)
		if err != nil {
			return fmt.Errorf("a register: %w", err)
		}
		return checkLogs(aside, r.Trail, r.Events)
	case schemas.ShipmentLeaf:
		s, err := schemas.DecodeShipment(value)
		if err != nil {
			return fmt.Errorf("a shipment: %w", err)
		}
		return checkLog(aside, s.Trail)
	case schemas.AccumulatorLeaf, schemas.ClassLeaf, schemas.NoncesLeaf:
		head, err := schemas.DecodeSingleHead(value)
		if err != nil {
			return fmt.Errorf("a head: %w", err)
		}
		return checkLog(aside, head)
	}
	if len(aside) > 0 {
		return errors.New("something is beside a value that has nothing beside it")
	}
	return nil
}

// checkLogs checks logs that are kept as fields 1, 2, ... those that are empty
// left out.
func checkLogs(aside []byte, heads ...schemas.Head) error {
	f := schemas.ReadFields(aside)
	var again []byte
	for i, head := range heads {
		if head.Count == 0 {
			continue
		}
		n, v, ok := f.Next()
		if !ok || n != uint64(i+1) {
			return fmt.Errorf("log %d is missing beside its head", i+1)
		}
		if err := checkLog(v, head); err != nil {
			return err
		}
		again = schemas.AppendField(again, n, v)
	}
	return f.Exact(aside, again)
}

func checkLog(encoded []byte, head schemas.Head) error {
	l, err := proof.DecodeLog(encoded)
	if err != nil {
		return err
	}
	return l.Check(head)
}
