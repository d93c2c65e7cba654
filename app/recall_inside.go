package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What recalls name inside a container is one leaf: a short list of recalls, each with how
// many things it names in there, in whatever is inside that, too. A thing's marks are
// counted in all containers that it is in; a container that is packed or taken out brings
// along or takes away what is in its own list. So whether something inside is recalled is
// known where the container is handed over, whatever is inside.
//
// What a container was emptied of is not in it any more, however late it is looked at, and
// keeps its own list: so the one that is emptied takes its list from the containers around
// it, and has none.
//
// A recall that is closed counts nothing. Its count may be left behind, as it names
// nothing ever again, and gives way where there is no room.

// insideOf is a container's list while a message runs.
type insideOf struct {
	schemas.RecalledInside
	id      string
	there   bool // as a leaf
	changed bool
}

// recalledInside is what recalls name inside a container. Each recall is one of the block's
// lookups.
func (m *message) recalledInside(container string) *insideOf {
	in, ok := m.insides[container]
	if ok {
		return in
	}
	in = &insideOf{id: container}
	if value, _ := m.get(schemas.RecalledInsideKey(container)); value != nil {
		in.RecalledInside, in.there = must(schemas.DecodeRecalledInside(value)), true
		m.afford(len(in.Recalls))
	}
	if m.insides == nil {
		m.insides = map[string]*insideOf{}
	}
	m.insides[container] = in
	return in
}

// alter notes that a list is written with the message.
func (m *message) alter(in *insideOf) {
	if !in.changed {
		in.changed = true
		m.insideOrder = append(m.insideOrder, in)
	}
}

func (m *message) saveInside(in *insideOf) {
	key := schemas.RecalledInsideKey(in.id)
	switch {
	case in.Many || len(in.Recalls) > 0:
		m.led.Set(key, in.Append(nil), nil)
	case in.there:
		m.led.Delete(key)
	}
}

// around calls f for each container that a thing is in.
func (m *message) around(it *item, f func(*insideOf)) {
	for m.settle(it); it.Parent != ""; m.settle(it) {
		it = m.container(it)
		f(m.recalledInside(it.id))
	}
}

// countIn notes that an open recall names more things inside a container.
func (m *message) countIn(in *insideOf, more schemas.RecallInside) {
	if in.Many {
		return
	}
	i := in.find(more.RecallRef)
	if i < 0 && len(in.Recalls) >= schemas.MaxRecallsInside {
		in.Recalls = slices.DeleteFunc(in.Recalls, func(r schemas.RecallInside) bool { return !m.isOpen(r.RecallRef) })
	}
	switch {
	case i >= 0:
		in.Recalls[i].Things += more.Things
	case len(in.Recalls) < schemas.MaxRecallsInside:
		in.Recalls = append(in.Recalls, more)
	default:
		in.Many, in.Recalls = true, nil
	}
	m.alter(in)
}

// countOut notes that a recall names fewer.
func (m *message) countOut(in *insideOf, fewer schemas.RecallInside) {
	i := in.find(fewer.RecallRef)
	if i < 0 {
		return // closed, and gave way
	}
	if in.Recalls[i].Things > fewer.Things {
		in.Recalls[i].Things -= fewer.Things
	} else {
		in.Recalls = slices.Delete(in.Recalls, i, i+1)
	}
	m.alter(in)
}

func (in *insideOf) find(ref schemas.RecallRef) int {
	return slices.IndexFunc(in.Recalls, func(r schemas.RecallInside) bool { return r.RecallRef == ref })
}

// brings is what recalls name of a thing and of what is inside it: those that are open
// alone, and each once. Marks beyond the first are among the block's lookups.
func (m *message) brings(it *item) (all schemas.RecalledInside) {
	marks := m.marks(it.id).Recalls
	m.afford(max(0, len(marks)-1))
	for _, ref := range marks {
		if m.isOpen(ref) {
			all.Recalls = append(all.Recalls, schemas.RecallInside{RecallRef: ref, Things: 1})
		}
	}
	if it.Levels == 0 {
		return all
	}
	in := m.recalledInside(it.id)
	all.Many = in.Many
	for _, r := range in.Recalls {
		if i := slices.IndexFunc(all.Recalls, func(of schemas.RecallInside) bool { return of.RecallRef == r.RecallRef }); i >= 0 {
			all.Recalls[i].Things += r.Things
		} else if m.isOpen(r.RecallRef) {
			all.Recalls = append(all.Recalls, r)
		}
	}
	return all
}

// carryIn counts what comes into the containers that a thing is in by now, carryOut what
// leaves them. Where it cannot be told what that is, neither can it be of them. What comes
// into something that is offered is offered with it.
func (m *message) carryIn(it, outermost *item) {
	if !m.anyRecall() {
		return
	}
	what := m.brings(it)
	m.spread(it, what, m.countIn)
	if o := outermost.Offer; o != nil {
		on := m.onward(o)
		on.judge(what.Refs(), what.Many, it.id, outermost.id)
		on.lots(it, outermost.id)
		on.refused()
	}
}

// carryLots judges lots that come into something that is offered.
func (m *message) carryLots(container *item, lots []schemas.Quantity) {
	if !m.anyRecall() {
		return
	}
	outermost := m.top(container)
	if o := outermost.Offer; o != nil {
		on := m.onward(o)
		for _, q := range lots {
			on.judge(m.lotRecalls(q.Class), false, q.Class, outermost.id)
		}
		on.refused()
	}
}

// nameSpanned marks a thing that is about to be packed with the recalls of the time when it
// was made. They name nothing one by one, so that without it the container's list would
// lack them.
func (m *message) nameSpanned(it *item) {
	if it.Maker == "" || !m.anyRecall() {
		return
	}
	for recall := range m.spans(it.Maker).Covering(it.id, it.Made, it.Made) {
		ref := schemas.RecallRef{Issuer: it.Maker, Recall: recall}
		if named, _ := m.mark(it.id, ref); named {
			m.led.Set(schemas.RecallKey(ref.Issuer, ref.Recall), m.namedMore(ref), nil)
		}
	}
}

// namedMore is the leaf of a recall that names one thing more.
func (m *message) namedMore(ref schemas.RecallRef) []byte {
	s := m.recallOf(ref)
	s.Named++
	return s.Append(nil)
}

func (m *message) carryOut(it *item) {
	if m.anyRecall() {
		m.spread(it, m.brings(it), m.countOut)
	}
}

func (m *message) spread(it *item, what schemas.RecalledInside, f func(*insideOf, schemas.RecallInside)) {
	if len(what.Recalls) == 0 && !what.Many {
		return
	}
	m.around(it, func(in *insideOf) {
		if what.Many && !in.Many {
			in.Many, in.Recalls = true, nil
			m.alter(in)
		}
		for _, r := range what.Recalls {
			f(in, r)
		}
	})
}

// letGo forgets what recalls name inside a container that is emptied.
func (m *message) letGo(container *item) {
	in := m.recalledInside(container.id)
	if !in.there && !in.changed {
		return
	}
	if m.anyRecall() {
		m.spread(container, in.RecalledInside, m.countOut)
	}
	in.RecalledInside = schemas.RecalledInside{}
	m.alter(in)
}

// marked notes in the containers that a thing is in that a recall names it, unmarked that
// none does any more. A class or lot is in none.
func (m *message) marked(id string, ref schemas.RecallRef) {
	if it, ok := m.items[id]; ok {
		m.around(it, func(in *insideOf) { m.countIn(in, schemas.RecallInside{RecallRef: ref, Things: 1}) })
	}
}

func (m *message) unmarked(id string, ref schemas.RecallRef) {
	if it, ok := m.items[id]; ok {
		m.around(it, func(in *insideOf) { m.countOut(in, schemas.RecallInside{RecallRef: ref, Things: 1}) })
	}
}

// openInside is what open recalls name inside a container.
func (m *message) openInside(container string) (open schemas.RecalledInside) {
	in := m.recalledInside(container)
	open.Many = in.Many
	for _, r := range in.Recalls {
		if m.isOpen(r.RecallRef) {
			open.Recalls = append(open.Recalls, r)
		}
	}
	return open
}
