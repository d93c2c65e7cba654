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
	m.endRecall(ref, s)
}

func (m *message) endRecall(ref schemas.RecallRef, s *schemas.RecallState) {
	s.Closed = m.now()
	m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
	if len(s.Made) > 0 {
		m.closeSpans(ref)
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
	b.affordLeaf(value)
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
		if !m.name(id, ref, s) {
			return
		}
	}
	for _, lot := range scope.Lots {
		if m.marks(lot).Maker != m.partner {
			m.result.Code = schemas.NotMaker
			return
		}
		m.touchClass(lot)
		if !m.name(lot, ref, s) {
			return
		}
	}
	if !m.openSpans(ref.Recall, s, scope.Made) {
		return
	}
	m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
}

// marks are the recalls that name a thing or lot one by one, and of a lot its maker.
func (b *block) marks(id string) (r schemas.Recalled) {
	if value, _ := b.get(schemas.RecalledKey(id)); value != nil {
		r = must(schemas.DecodeRecalled(value))
	}
	return r
}

// name marks what its maker's recall names.
func (m *message) name(id string, ref schemas.RecallRef, s *schemas.RecallState) bool {
	named, room := m.mark(id, ref)
	if !room {
		m.result.Code = schemas.TooManyRecalls
		return false
	}
	if named {
		s.Named++
	}
	return true
}

// mark marks what its maker's recall names, if it does not yet. Where sixteen open recalls
// name it, one that it inherited gives way: that is found along the graph, and nobody else's
// recalls keep a maker from calling its own things back.
func (m *message) mark(id string, ref schemas.RecallRef) (named, room bool) {
	r := m.marks(id)
	if slices.Contains(r.Recalls, ref) {
		return false, true
	}
	if len(r.Recalls) >= schemas.MaxRecalls {
		m.drop(id, &r, func(ref schemas.RecallRef) bool { return !m.isOpen(ref) })
	}
	if len(r.Recalls) >= schemas.MaxRecalls {
		others := func(of schemas.RecallRef) bool { return of.Issuer != ref.Issuer }
		if i := slices.IndexFunc(r.Recalls, others); i >= 0 {
			oldest := r.Recalls[i]
			m.drop(id, &r, func(ref schemas.RecallRef) bool { return ref == oldest })
			m.unmarked(id, oldest)
		}
	}
	if len(r.Recalls) >= schemas.MaxRecalls {
		return false, false
	}
	m.put(id, &r, ref)
	m.led.Set(schemas.RecalledKey(id), r.Append(nil), nil)
	return true, true
}

// put notes that a recall names a thing or lot. The marks are written by the caller.
func (m *message) put(id string, r *schemas.Recalled, ref schemas.RecallRef) {
	r.Recalls = append(r.Recalls, ref)
	m.led.PutRow(recalledRow(ref, id), present)
	m.marked(id, ref)
}

// drop takes marks off a thing or lot, and out of what their recalls list.
func (m *message) drop(id string, r *schemas.Recalled, which func(schemas.RecallRef) bool) {
	r.Recalls = slices.DeleteFunc(r.Recalls, func(ref schemas.RecallRef) bool {
		gone := which(ref)
		if gone {
			m.led.DeleteRow(recalledRow(ref, id))
		}
		return gone
	})
}

// isOpen reports whether a recall is open. A message that names thousands of things reads
// each recall that names them once.
func (m *message) isOpen(ref schemas.RecallRef) bool {
	open, known := m.openRecalls[ref]
	if !known {
		s := m.recallOf(ref)
		if m.openRecalls == nil {
			m.openRecalls = map[schemas.RecallRef]bool{}
		}
		open = s != nil && s.Closed == 0
		m.openRecalls[ref] = open
	}
	return open
}

// countRecalls keeps how many recalls are open, so that a network that has none pays
// nothing for them.
func (m *message) countRecalls(by int) {
	value, _ := m.get(schemas.RecallKey("", ""))
	if open := int(numberOf(value)) + by; open > 0 {
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

// inherit marks what a transformation made of things that are recalled. What has no room
// for a mark is found along the graph.
func (m *message) inherit() {
	if !m.anyRecall() {
		return
	}
	var refs []schemas.RecallRef
	gather := func(of []schemas.RecallRef) {
		for _, ref := range of {
			if len(refs) < schemas.MaxRecalls && !slices.Contains(refs, ref) {
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
	if len(refs) == 0 {
		return
	}
	made := outputs(m.event)
	m.afford((len(refs) - 1) * len(made)) // one mark of each is no more than the thing itself costs
	counts := make([]uint64, len(refs))
	for _, id := range made {
		m.inheritBy(id, refs, counts)
	}
	for i, ref := range refs {
		s := m.recallOf(ref)
		s.Named += counts[i]
		m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), s.Append(nil), nil)
		m.concern(ref.Issuer)
	}
	m.flag(schemas.CalledBack)
}

// inheritBy marks one thing or lot by all the recalls that it has room for, and counts
// them.
func (m *message) inheritBy(id string, refs []schemas.RecallRef, counts []uint64) {
	r := m.marks(id)
	before := len(r.Recalls)
	for i, ref := range refs {
		if slices.Contains(r.Recalls, ref) {
			continue
		}
		if len(r.Recalls) >= schemas.MaxRecalls {
			m.drop(id, &r, func(ref schemas.RecallRef) bool { return !m.isOpen(ref) })
		}
		if len(r.Recalls) >= schemas.MaxRecalls {
			break
		}
		m.put(id, &r, ref)
		counts[i]++
	}
	if len(r.Recalls) > before || before == schemas.MaxRecalls {
		m.led.Set(schemas.RecalledKey(id), r.Append(nil), nil)
	}
}
