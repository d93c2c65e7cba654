package app

import (
	"bytes"
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

// Conditions returns what was measured of a shipment, by quality, partner and device,
// behind one where that is given: at most limit. more tells whether others follow.
func (v *View) Conditions(shipment string, behind *schemas.MeasuredInfo, limit int) (out []schemas.MeasuredInfo, more bool, err error) {
	prefix := schemas.MeasuredOf(shipment)
	var from []byte
	if behind != nil {
		from = schemas.MeasuredKey(shipment, behind.Of, behind.ReportedBy, behind.Device)
	}
	for leaf, err := range v.at.LeavesFrom(prefix, from) {
		if err != nil {
			return nil, false, v.answered(fmt.Errorf("reading conditions: %w", err))
		}
		if bytes.Equal(leaf.Key, from) {
			continue
		}
		if len(out) >= limit {
			return out, true, nil
		}
		one, err := measuredAt(leaf.Key[len(prefix):], leaf.Value)
		if err == nil {
			err = v.tellEvents(&one)
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading conditions of shipment %q: %w", shipment, err)
		}
		out = append(out, one)
	}
	return out, false, nil
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

// tellEvents finds the eventIDs of the events that a record refers to, as far as the
// node has their records.
func (v *View) tellEvents(one *schemas.MeasuredInfo) error {
	one.Events = map[schemas.Locator]string{}
	for _, e := range []*schemas.Extreme{&one.Least, &one.Greatest, &one.First, &one.Last} {
		if _, known := one.Events[e.At]; known || e.At == (schemas.Locator{}) {
			continue
		}
		r, err := v.bare(e.At)
		if isFault(err, schemas.HistoryMissing) {
			continue
		}
		if err != nil {
			return err
		}
		one.Events[e.At] = r.EventID
	}
	return nil
}
