package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// together is how many units one moment names whose offers one message made.
const together = 100

// moments are what happened behind a place without a message of its own, in the order
// of the ledger, at most limit.
func (v *View) moments(after schemas.Locator, limit int) (out []schemas.Record, err error) {
	n, height := uint32(0), int64(0)
	take := func(at int64, m *schemas.Moment) bool {
		r := schemas.Record{Locator: schemas.Locator{Height: height, Position: schemas.MomentPosition, Index: n}, Time: time.Unix(0, at).UTC(), Moment: m}
		if len(m.Concerns) > 0 {
			r.Partner = m.Concerns[0]
		}
		if n++; r.Compare(after) > 0 {
			out = append(out, r)
		}
		return len(out) < limit
	}
	prefix, from := []byte{rowMoment}, after.Height
	if after.Position > schemas.MomentPosition {
		from++
	}
	for row, err := range v.at.Rows(prefix, momentRow(from, 0, ""), false) {
		if err != nil || len(row.Key) < 10 || len(row.Value) < 8 {
			return nil, v.answered(fmt.Errorf("reading what happened in time, at %x: %w", row.Key, err))
		}
		if h := int64(decodeUint64(row.Key[1:])); h != height {
			n, height = 0, h
		}
		at, kind := int64(decodeUint64(row.Value)), row.Key[9]
		if kind == momentsEnded {
			more, err := v.ended(int64(decodeUint64(row.Value[8:])), at, func(m *schemas.Moment) bool { return take(at, m) })
			if !more || err != nil {
				return out, err
			}
			continue
		}
		m, err := schemas.DecodeMoment(schemas.MomentKind(kind), row.Value[8:])
		if err != nil {
			return nil, fmt.Errorf("reading what happened in time: %w", err)
		}
		if !take(at, &m) {
			break
		}
	}
	return out, nil
}

// ended yields what ended between the times of two blocks, and tells whether all was
// taken.
func (v *View) ended(from, until int64, take func(*schemas.Moment) bool) (more bool, err error) {
	var m *schemas.Moment // that grows: of units whose offers one message made
	prefix := []byte{rowDeadline}
	for row, err := range v.at.Rows(prefix, append(prefix, be64(from)...), false) {
		if err != nil {
			return false, v.answered(fmt.Errorf("reading what ends: %w", err))
		}
		d, err := readDeadline(row)
		if err != nil {
			return false, err
		}
		if d.until >= until {
			break
		}
		if met, err := v.met(&d); met {
			continue
		} else if err != nil {
			return false, err
		}
		if m != nil && m.Kind == d.kind && d.kind == schemas.MomentOffer && m.Cause == d.cause && len(m.Subjects) < together {
			if m.Subjects[len(m.Subjects)-1] != d.subject { // of a lot, in another unit
				m.Subjects = append(m.Subjects, d.subject)
			}
			continue
		}
		if m != nil && !take(m) {
			return false, nil
		}
		m = &schemas.Moment{Kind: d.kind, Subjects: []string{d.subject}, Concerns: slices.Clip(d.parties), Cause: d.cause}
	}
	return m == nil || take(m), nil
}

// met reports whether a shipment's deadline was met after all: because some of it had
// been taken when the time of a hand-over ended, which counts as accepted from then on.
func (v *View) met(d *deadline) (bool, error) {
	if d.handover == 0 {
		return false, nil
	}
	value, _, err := v.get(schemas.ShipmentKey(d.subject))
	if err != nil {
		return false, err
	}
	s, err := schemas.DecodeShipment(value)
	if err != nil {
		return false, fmt.Errorf("reading shipment %q: %w", d.subject, err)
	}
	h, err := v.handover(d.subject, d.handover)
	if err != nil {
		return false, err
	}
	return h.Took > 0 && h.Until < d.until && (h.To == s.Receiver || h.To == s.Shipper), nil
}
