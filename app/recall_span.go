package app

import (
	"encoding/binary"
	"slices"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// Recalls of a span of time name all that their issuer made in it, and mark nothing:
// that can be a million things. Instead, whatever was made says by whom and when, and
// one leaf for each partner has the spans of its open recalls, which are few. So
// whether a thing is recalled is answered from both, at the same cost however much is.

// spans are those of a partner's open recalls. A message that names thousands of things
// reads each of their makers' once.
func (m *message) spans(maker string) schemas.RecallSpans {
	l, known := m.openRecallSpans[maker]
	if known {
		return l
	}
	if value, _ := m.get(schemas.RecallSpansKey(maker)); value != nil {
		m.affordLeaf(value)
		l = must(schemas.DecodeRecallSpans(value))
	}
	if m.openRecallSpans == nil {
		m.openRecallSpans = map[string]schemas.RecallSpans{}
	}
	m.openRecallSpans[maker] = l
	return l
}

func (m *message) setSpans(maker string, l schemas.RecallSpans) {
	delete(m.openRecallSpans, maker)
	if key := schemas.RecallSpansKey(maker); len(l) > 0 {
		m.led.Set(key, l.Append(nil), nil)
	} else {
		m.led.Delete(key)
	}
}

// openSpans adds to the spans of a recall of the author's, those that it does not have.
func (m *message) openSpans(recall string, s *schemas.RecallState, made []schemas.RecallSpan) bool {
	if len(made) == 0 {
		return true
	}
	open := slices.Clone(m.spans(m.partner))
	for _, span := range made {
		if slices.Contains(s.Made, span) {
			continue
		}
		if len(open) >= schemas.MaxRecallSpans {
			m.result.Code = schemas.TooManyRecalls
			return false
		}
		s.Made, open = append(s.Made, span), append(open, schemas.OpenSpan{Recall: recall, RecallSpan: span})
	}
	m.setSpans(m.partner, open)
	return true
}

func (m *message) closeSpans(ref schemas.RecallRef) {
	m.setSpans(ref.Issuer, slices.DeleteFunc(slices.Clone(m.spans(ref.Issuer)), func(s schemas.OpenSpan) bool { return s.Recall == ref.Recall }))
}

// naming are the open recalls that name something by its marks, or by who made it from
// when to when.
func (m *message) naming(id string, marks []schemas.RecallRef, maker string, first, last int64) []schemas.RecallRef {
	open := slices.DeleteFunc(slices.Clone(marks), func(ref schemas.RecallRef) bool { return !m.isOpen(ref) })
	if maker == "" {
		return open
	}
	for recall := range m.spans(maker).Covering(id, first, last) {
		if ref := (schemas.RecallRef{Issuer: maker, Recall: recall}); !slices.Contains(open, ref) {
			open = append(open, ref)
		}
	}
	return open
}

// make notes who brings a class or lot into being first, and from when to when that
// partner makes any.
func (m *message) make(class string) {
	r, at := m.marks(class), m.event.EventTime
	switch {
	case r.Maker == "":
		r.Maker, r.First, r.Last = m.partner, at, at
	case r.Maker != m.partner || r.First <= at && at <= r.Last:
		return
	default:
		r.First, r.Last = min(r.First, at), max(r.Last, at)
	}
	m.led.Set(schemas.RecalledKey(class), r.Append(nil), nil)
	m.led.PutRow(lotMadeRow(m.partner, class), lotMade(&r))
}

// lotMadeRow lists the classes and lots that a partner brought into being, with when.
func lotMadeRow(maker, class string) []byte { return append(rowKey(rowLotMade, maker), class...) }

func lotMade(r *schemas.Recalled) []byte { return append(be64(r.First), be64(r.Last)...) }

func decodeLotMade(b []byte) (first, last int64, err error) {
	if len(b) != 16 {
		return 0, 0, store.Damaged("when a lot was made has %d bytes", len(b))
	}
	return int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), nil
}

// brought are the things that an event may bring into being.
func brought(e *schemas.Skeleton) []string {
	switch {
	case e.Type == schemas.TransformationEvent:
		return e.OutputEPCs
	case e.Type == schemas.ObjectEvent && e.Action == schemas.ActionAdd:
		return e.EPCs
	}
	return nil
}
