package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Recalls. Who made things calls them back: a recall names them, and they are marked.
// What is made of something marked is marked as well, so that a recall goes on with
// the goods. What was made before is found by whoever asks, along the ledger's graph
// (recall_view.go): no rule follows it, since that has no bound. Of a span of time it
// names what the issuer made then, however much that is (recall_span.go).

// recalledRow lists what a recall names.
func recalledRow(r schemas.RecallRef, id string) []byte {
	return append(rowKey(rowRecalled, r.Issuer, r.Recall), id...)
}

// issueRecall begins a recall.
func (m *message) issueRecall(r *schemas.Recall) {
	key := schemas.RecallKey(m.partner, r.Recall)
	if value, _ := m.get(key); value != nil {
		m.result.Code = schemas.NameUsed
		return
	}
	s := schemas.RecallState{Class: r.Class, Instruction: r.Instruction, Deadline: r.Deadline, Issued: m.now(), At: m.at}
	m.callBack(schemas.RecallRef{Issuer: m.partner, Recall: r.Recall}, &s, &r.RecallScope)
	m.countRecalls(1)
}

// extendRecall adds to what a recall names.
func (m *message) extendRecall(r *schemas.ExtendRecall) {
	ref := schemas.RecallRef{Issuer: m.partner, Recall: r.Recall}
	if s := m.recallOf(ref); s == nil || s.Closed != 0 {
		m.result.Code = schemas.NoSuchRecall
	} else {
		m.callBack(ref, s, &r.RecallScope)
	}
}

// closeRecall ends a recall. Its marks stay, and mean nothing any more.
func (m *message) closeRecall(r *schemas.CloseRecall) {
	ref := schemas.RecallRef{Issuer: m.partner, Recall: r.Recall}
	s := m.recallOf(ref)
	if s == nil || s.Closed != 0 {
		m.result.Code = schemas.NoSuchRecall
		return
	}
	s.Closed = m.now()
	m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
	if len(s.Made) > 0 {
		m.closeSpans(r.Recall)
	}
	m.countRecalls(-1)
}

// answerRecall keeps a holder's answer, in the place of an earlier one. It stands in
// the trails of what it names.
func (m *message) answerRecall(r *schemas.AcknowledgeRecall) {
	ref := schemas.RecallRef{Issuer: r.Issuer, Recall: r.Recall}
	if s := m.recallOf(ref); s == nil || s.Closed != 0 {
		m.result.Code = schemas.NoSuchRecall
		return
	}
	for _, h := range r.Held {
		if _, scheme, err := schemas.Canonical(h.ID); err == nil && scheme.Class() {
			m.touchClass(h.ID)
		} else {
			m.touch(m.item(h.ID), seen)
		}
	}
	a := schemas.Acknowledgement{Time: m.now(), At: m.at, Held: r.Held, Done: r.Done}
	m.led.Set(schemas.RecallReplyKey(ref.Issuer, ref.Recall, m.partner), a.Append(nil), nil)
}

func (b *block) recallOf(ref schemas.RecallRef) *schemas.RecallState {
	value, _ := b.get(schemas.RecallKey(ref.Issuer, ref.Recall))
	if value == nil {
		return nil
	}
	s := must(schemas.DecodeRecall(value))
	return &s
}

// callBack marks what a recall names, all of it made by the author.
func (m *message) callBack(ref schemas.RecallRef, s *schemas.RecallState, scope *schemas.RecallScope) {
	for _, id := range scope.Items {
		it := m.item(id)
		if it.Maker != m.partner {
			m.result.Code = schemas.NotMaker
			return
		}
		m.touch(it, seen)
		if holder := m.custodian(it); holder != "" && holder != m.partner {
			m.concern(holder)
			m.flag(schemas.CalledBack)
		}
		if !m.mark(id, ref, s) {
			return
		}
	}
	for _, lot := range scope.Lots {
		if m.marks(lot).Maker != m.partner {
			m.result.Code = schemas.NotMaker
			return
		}
		m.touchClass(lot)
		if !m.mark(lot, ref, s) {
			return
		}
	}
	if !m.openSpans(ref.Recall, s, scope.Made) {
		return
	}
	m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
}

// marks are the recalls that name a thing or lot, and of a lot its maker.
func (b *block) marks(id string) (r schemas.Recalled) {
	if value, _ := b.get(schemas.RecalledKey(id)); value != nil {
		r = must(schemas.DecodeRecalled(value))
	}
	return r
}

// mark notes that a recall names a thing or lot, in the place of one that is closed
// where there is no room.
func (m *message) mark(id string, ref schemas.RecallRef, s *schemas.RecallState) bool {
	r := m.marks(id)
	if slices.Contains(r.Recalls, ref) {
		return true
	}
	if len(r.Recalls) >= schemas.MaxRecalls {
		r.Recalls = m.openOnes(r.Recalls)
	}
	if len(r.Recalls) >= schemas.MaxRecalls {
		m.result.Code = schemas.TooManyRecalls
		return false
	}
	r.Recalls = append(r.Recalls, ref)
	m.led.Set(schemas.RecalledKey(id), r.Append(nil), nil)
	m.led.PutRow(recalledRow(ref, id), present)
	s.Named++
	return true
}

func (b *block) openOnes(refs []schemas.RecallRef) (open []schemas.RecallRef) {
	for _, ref := range refs {
		if s := b.recallOf(ref); s != nil && s.Closed == 0 {
			open = append(open, ref)
		}
	}
	return open
}

// countRecalls keeps how many recalls are open, so that a network that has none pays
// nothing for them.
func (m *message) countRecalls(by int) {
	value, _ := m.get(schemas.RecallKey("", ""))
	if open := int(decodeChanged(value)) + by; open > 0 {
		m.led.Set(schemas.RecallKey("", ""), schemas.AppendUint(nil, 1, uint64(open)), nil)
	} else {
		m.led.Delete(schemas.RecallKey("", ""))
	}
}

func (b *block) anyRecall() bool {
	value, _ := b.get(schemas.RecallKey("", ""))
	return value != nil
}

// recalls are the open ones that name a thing, lotRecalls those that name a class or lot.
func (m *message) recalls(id string) []schemas.RecallRef {
	it := m.item(id)
	return m.naming(id, m.marks(id).Recalls, it.Maker, it.Made, it.Made)
}

func (m *message) lotRecalls(class string) []schemas.RecallRef {
	r := m.marks(class)
	return m.naming(class, r.Recalls, r.Maker, r.First, r.Last)
}

// shipsRecalled judges what the author is about to hand over: of what is recalled,
// that is refused where custody is strict, and told elsewhere.
func (m *message) shipsRecalled(ids []string, lots []schemas.Quantity) (refused bool) {
	if !m.anyRecall() {
		return false
	}
	var called []string
	judge := func(id string, refs []schemas.RecallRef) {
		for _, ref := range refs {
			m.concern(ref.Issuer)
		}
		if len(refs) > 0 {
			called = append(called, id)
			m.flag(schemas.ShippedRecalled)
		}
	}
	for _, id := range ids {
		judge(id, m.recalls(id))
	}
	for _, q := range lots {
		judge(q.Class, m.lotRecalls(q.Class))
	}
	if len(called) > 0 && m.strict(called...) {
		m.result.Code = schemas.RecalledItem
		return true
	}
	return false
}

// inherit marks what a transformation made of things that are recalled.
func (m *message) inherit() {
	if !m.anyRecall() {
		return
	}
	var refs []schemas.RecallRef
	gather := func(of []schemas.RecallRef) {
		for _, ref := range of {
			if !slices.Contains(refs, ref) && len(refs) < schemas.MaxRecalls {
				refs = append(refs, ref)
			}
		}
	}
	for _, id := range m.event.EPCs {
		gather(m.recalls(id))
	}
	for _, q := range m.event.Quantities {
		gather(m.lotRecalls(q.Class))
	}
	for _, ref := range refs {
		s := m.recallOf(ref)
		for _, id := range outputs(m.event) {
			if !m.mark(id, ref, s) {
				m.result.Code = schemas.OK // what has no room is found along the graph
			}
		}
		m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
		m.flag(schemas.CalledBack)
		m.concern(ref.Issuer)
	}
}
