package app

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Retention, as the rules have it: a class's shortest time is in the way of an
// order to erase. Its longest is none of theirs: rows say what is due, and the node
// of who recorded the event orders that, so that an erasure is always an order.

// dueRow says that a body is due at a time, in nanoseconds since 1970.
func dueRow(partner, eventID string, at int64) []byte {
	return append(binary.BigEndian.AppendUint64(rowKey(rowDue, partner), uint64(at)), eventID...)
}

// due notes when the body of an event that is in a class is due.
func (m *message) due(eventID, class string, recorded int64) {
	if c, _ := schemas.FindClass(m.dir.parameters.Retention, class); c.Max > 0 {
		m.led.PutRow(dueRow(m.partner, eventID, c.Due(recorded)), present)
	}
}

func (m *message) notDue(partner, eventID string, class schemas.RetentionClass, recorded int64) {
	if class.Max > 0 {
		m.led.DeleteRow(dueRow(partner, eventID, class.Due(recorded)))
	}
}

// classify puts an event into another class, which keeps its body as long at least
// as the one that it is in: otherwise an order would get round the shortest time.
func (m *message) classify(from schemas.RetentionClass, p prior, now *schemas.Erasure) {
	o := m.event.Order
	to, ok := schemas.FindClass(m.dir.parameters.Retention, o.Class)
	switch {
	case !ok, p.time == 0: // or when it was recorded is not known: there were no classes
		m.result.Code = schemas.UnknownClass
		return
	case to.Min < from.Min:
		m.result.Code = schemas.ShorterClass
		return
	}
	m.notDue(m.partner, o.EventID, from, p.time)
	m.due(o.EventID, to.Name, p.time)
	now.Class = to.Name
}

// Standing is how the body of an event stands.
type Standing struct {
	schemas.Erasure
	Held bool // this node's archive has the body, or a copy of it

	Class     string    // retention class; "" in a network without classes, as the times
	From, Due time.Time // when it may be erased first, and when it is to be; zero: never
}

// Erasure tells how the body of a partner's event stands under orders, and in a
// network with retention classes how long it is kept; nil where nothing is to tell.
func (v *View) Erasure(partner, eventID string) (*Standing, error) {
	value, _, err := v.get(schemas.ErasureKey(partner, eventID))
	if err != nil {
		return nil, err
	}
	s := &Standing{}
	if value != nil {
		if s.Erasure, err = schemas.DecodeErasure(value); err != nil {
			return nil, fmt.Errorf("reading an erasure: %w", err)
		}
	}
	if found, err := v.retention(s, partner, eventID); err != nil || value == nil && !found {
		return nil, err
	}
	r, err := v.Record(s.Event)
	if s.Held = r.Body != nil; s.Held || err != nil {
		return s, err
	}
	owed, err := v.row(owedRow(partner, eventID))
	if s.Held = owed != nil; s.Held || err != nil {
		return s, err
	}
	s.Held, err = v.owes(partner, eventID, s.Event) // it is not shown, and yet there
	return s, err
}

// retention adds what the event's class says.
func (v *View) retention(s *Standing, partner, eventID string) (found bool, err error) {
	class, ok := schemas.FindClass(v.app.Retention(), s.Erasure.Class)
	if !ok {
		return false, nil
	}
	row, err := v.row(eventRow(partner, eventID))
	if row == nil || err != nil {
		return false, err
	}
	p, err := decodePrior(row)
	if err != nil {
		return false, err
	}
	if p.time == 0 {
		return false, nil // recorded before there were classes
	}
	s.Event, s.Class, s.From = p.at, class.Name, time.Unix(0, class.From(p.time)).UTC()
	if class.Max > 0 {
		s.Due = time.Unix(0, class.Due(p.time)).UTC()
	}
	return true, nil
}

// Due are eventIDs of a partner whose bodies are due to be erased, and not held,
// those that are due longest first, at most limit.
func (v *View) Due(partner string, limit int) (eventIDs []string, err error) {
	prefix := rowKey(rowDue, partner)
	for row, err := range v.at.Rows(prefix, nil, false) {
		if err != nil {
			return nil, v.answered(fmt.Errorf("reading what is due: %w", err))
		}
		if len(row.Key) < len(prefix)+8 {
			return nil, fmt.Errorf("reading what is due: %w", errRow)
		}
		if int64(decodeUint64(row.Key[len(prefix):])) > v.time.UnixNano() || len(eventIDs) >= limit {
			break
		}
		eventID := string(row.Key[len(prefix)+8:])
		value, _, err := v.get(schemas.ErasureKey(partner, eventID))
		if err != nil {
			return nil, err
		}
		if value != nil {
			e, err := schemas.DecodeErasure(value)
			if err != nil {
				return nil, fmt.Errorf("reading an erasure: %w", err)
			}
			if e.Standing != 0 {
				continue
			}
		}
		eventIDs = append(eventIDs, eventID)
	}
	return eventIDs, nil
}
