package app

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Conditions returns what was measured of a shipment, by quality, partner and device,
// behind one: at most limit. after is where the next page begins, nil where none follows.
func (v *View) Conditions(shipment string, behind *schemas.MeasuredInfo, limit int) (out []schemas.MeasuredInfo, after *schemas.MeasuredInfo, err error) {
	prefix := schemas.MeasuredOf(shipment)
	var from []byte
	if behind != nil {
		from = schemas.MeasuredKey(shipment, behind.Of, behind.ReportedBy, behind.Device)
	}
	for leaf, err := range v.at.LeavesFrom(prefix, from) {
		if err != nil {
			return nil, nil, v.answered(fmt.Errorf("reading conditions: %w", err))
		}
		if bytes.Equal(leaf.Key, from) {
			continue
		}
		if len(out) == limit {
			return out, &out[limit-1], nil
		}
		one, err := measuredAt(leaf.Key[len(prefix):], leaf.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("reading conditions of shipment %q: %w", shipment, err)
		}
		out = append(out, one)
	}
	return out, nil, nil
}

func measuredAt(key, value []byte) (one schemas.MeasuredInfo, err error) {
	of, rest, _ := bytes.Cut(key, []byte{0})
	partner, device, _ := bytes.Cut(rest, []byte{0})
	if err := one.Of.UnmarshalText(of); err != nil {
		return one, err
	}
	one.ReportedBy, one.Device = string(partner), string(device)
	one.Measured, err = schemas.DecodeMeasured(value)
	return one, err
}
