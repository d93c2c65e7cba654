package app

import (
	"fmt"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What a recall of a span of time names is found by the index of what its issuer
// brought into being, by event time, and judged by the leaves that the rules go by.

// making gathers what the issuer of a recall made.
type making struct {
	*tracer
	issuer string
	ids    []string
	known  map[string]bool
}

// gather adds what was made in a span.
func (m *making) gather(s *schemas.RecallSpan) error {
	if m.known == nil {
		m.known = map[string]bool{}
	}
	if err := m.view.lacksAny(); err != nil {
		return err
	}
	if err := m.lots(s); err != nil {
		return err
	}
	from := sliceOf(s.From)
	var events []schemas.Locator
	for cand, err := range m.view.inRange(fieldPrefix(fieldMaker, m.issuer), &from, false) {
		if err != nil {
			return m.view.answered(fmt.Errorf("reading what %s made: %w", m.issuer, err))
		}
		if s.Until != 0 && sliceOf(cand.time) > sliceOf(s.Until) {
			break
		}
		if !s.Covers(s.Class, cand.time, cand.time) {
			continue
		}
		if events = append(events, cand.at); len(events) >= maxReachEvents {
			m.out.Truncated = true
			break
		}
	}
	for some := range slices.Chunk(events, maxReadAhead) {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		m.view.readAhead(some, false)
		for _, at := range some {
			if err := m.things(at, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// things adds those that an event brought into being.
func (m *making) things(at schemas.Locator, s *schemas.RecallSpan) error {
	r, err := m.view.bare(at)
	if err != nil {
		return err
	}
	for _, id := range brought(r.Skeleton) {
		if m.known[id] || len(m.ids) >= maxReachEvents {
			m.out.Truncated = m.out.Truncated || !m.known[id]
			continue
		}
		it, err := m.leafOf(id)
		if err != nil {
			return err
		}
		if it != nil && it.Maker == m.issuer && s.Covers(id, it.Made, it.Made) {
			m.known[id] = true
			m.ids = append(m.ids, id)
		}
	}
	return nil
}

// lots adds the classes and lots.
func (m *making) lots(s *schemas.RecallSpan) error {
	prefix := lotMadeRow(m.issuer, "")
	looked := 0
	for row, err := range m.view.at.Rows(prefix, nil, false) {
		if looked++; err == nil && looked%every == 0 {
			err = m.ctx.Err()
		}
		if err != nil {
			return m.view.answered(fmt.Errorf("reading what %s made: %w", m.issuer, err))
		}
		if looked > maxReachEvents {
			m.out.Truncated = true
			break
		}
		first, last, err := decodeLotMade(row.Value)
		if err != nil {
			return err
		}
		if class := string(row.Key[len(prefix):]); s.Covers(class, first, last) && !m.known[class] {
			m.known[class] = true
			m.ids = append(m.ids, class)
		}
	}
	return nil
}

// spanning are the recalls that name something, by its marks and by who made it when:
// of the latter those that are open.
func (v *View) spanning(id string, marks *schemas.Recalled) ([]schemas.RecallRef, error) {
	if marks.Maker == "" {
		return marks.Recalls, nil
	}
	value, _, err := v.get(schemas.RecallSpansKey(marks.Maker))
	if err != nil {
		return nil, err
	}
	spans, err := schemas.DecodeRecallSpans(value)
	if err != nil {
		return nil, fmt.Errorf("reading the recalls of %s: %w", marks.Maker, err)
	}
	out := marks.Recalls
	for recall := range spans.Covering(id, marks.First, marks.Last) {
		if ref := (schemas.RecallRef{Issuer: marks.Maker, Recall: recall}); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out, nil
}
