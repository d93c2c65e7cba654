package app

import "github.com/waybill-ledger/waybill/schemas"

const (
	second     = 1_000_000_000    // nanoseconds
	maxAhead   = 10 * 60 * second // nanoseconds that an event's time may lead the block's
	maxLots    = 40               // offers open for one lot and receiver
	maxOwnLots = 16               // of them by one partner, and receipts that wait for one lot
	maxDepth   = 16               // containers within containers
	received   = "receiving"
	shipped    = "shipping"
	voided     = "void_shipping"
	inspected  = "inspecting"
	refused    = "non_conformant"
	possessing = "possessing_party"
)

// run executes one message and answers its result. Whatever happens in a rule,
// the ledger is left either with all of the message's writes or with none.
func (b *block) run(tx *schemas.Transaction, i int, position uint32) (result schemas.Result) {
	m := &message{block: b, tx: tx, msg: &tx.Messages[i], event: &tx.Messages[i].Event.Skeleton, partner: tx.Header.Partner,
		at: schemas.Locator{Height: b.height, Position: position, Index: uint32(i)}, items: map[string]*item{}}
	mark := b.mark()
	defer func() {
		if r := recover(); r != nil {
			code := brokeDown(r)
			b.undo(mark)
			result = schemas.Result{Code: code}
		}
	}()
	m.execute()
	if m.result.Code != schemas.OK {
		b.undo(mark)
		return schemas.Result{Code: m.result.Code}
	}
	return m.result
}

// mark is how far a block has come.
type mark struct{ writes, registered, runs, erased, copied int }

func (b *block) mark() mark {
	return mark{b.led.Mark(), len(b.registered), len(b.runs.log), len(b.erased), len(b.copied)}
}

// undo drops what was written since a mark.
func (b *block) undo(m mark) {
	b.led.Revert(m.writes)
	b.registered = b.registered[:m.registered]
	b.runs.revert(m.runs)
	b.erased, b.copied = b.erased[:m.erased], b.copied[:m.copied]
}

// execute judges the message: first whether it was recorded before, then what
// the rule of its event type makes of it.
func (m *message) execute() {
	switch {
	case m.event.Order != nil:
		m.obey()
		return
	case m.event.Act != nil:
		m.act()
		return
	}
	if first, ok := m.duplicate(); ok {
		m.result.Effect, m.result.First = schemas.Duplicate, &first
		return
	}
	if m.event.EventTime > m.now()+maxAhead {
		m.flag(schemas.FutureTime)
	}
	prior, known := m.priorEvent()
	switch {
	case m.event.Declaration != nil:
		m.declare(prior, known)
	case known:
		m.result.Code = schemas.EventIDConflict
		return
	default:
		if m.apply(); m.result.Code != schemas.OK {
			return
		}
	}
	if m.result.Code != schemas.OK {
		return
	}
	m.conditions()
	m.save()
	m.register()
	m.indexEvent()
	if m.probe != nil {
		m.probe(m)
	}
}

// apply runs the rule of the event's type.
func (m *message) apply() {
	m.result.Effect = schemas.Observation
	m.answerOffers()
	if m.event.Action == schemas.ActionAdd || m.event.Action == schemas.ActionDelete || m.event.Type == schemas.TransformationEvent {
		if reserved := m.reserved(); m.touchesAnothers(m.changedInstances()) || reserved {
			for _, q := range m.owed {
				m.balance(m.partner, q, true)
			}
			m.claim(reserved)
			return
		}
		m.result.Effect = schemas.Applied
		switch m.event.Type {
		case schemas.ObjectEvent:
			m.object()
		case schemas.AggregationEvent:
			m.aggregate()
		case schemas.TransformationEvent:
			m.transform()
		case schemas.TransactionEvent, schemas.AssociationEvent:
			// They link things to business transactions and places: the trail
			// tells it, no custody or containment changes.
			m.changeAll()
		}
	} else {
		m.observe()
	}
	m.makeOffers()
	m.dispose()
}

// instances are all instances that the event names, each once, the parent first.
func (m *message) instances() []string {
	if m.named == nil {
		m.named = m.sortOut()
	}
	return m.named
}

func (m *message) sortOut() []string {
	e := m.event
	parent := m.parent()
	if parent == "" && len(e.OutputEPCs) == 0 && len(e.EPCs) == 1 {
		return e.EPCs
	}
	all := make([]string, 0, len(e.EPCs)+len(e.OutputEPCs)+1)
	seen := make(map[string]bool, len(e.EPCs)+len(e.OutputEPCs)+1)
	for _, list := range [][]string{{parent}, e.EPCs, e.OutputEPCs} {
		for _, id := range list {
			if id != "" && !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}

// parent is the event's parent where that is a thing that can be held: a
// location that things are associated with is none, nor is a class.
func (m *message) parent() string {
	if m.event.ParentID == "" || m.parentKnown {
		return m.parentID
	}
	m.parentKnown = true
	_, scheme, err := schemas.Canonical(m.event.ParentID)
	if err == nil && scheme != schemas.SGLN && scheme != schemas.PGLN && !scheme.Class() {
		m.parentID = m.event.ParentID
	}
	return m.parentID
}

func (m *message) object() {
	for _, id := range m.instances() {
		it := m.hold(id, m.event.Action == schemas.ActionAdd)
		if m.event.Action == schemas.ActionAdd {
			if it.Ended {
				m.flag(schemas.EndedItem)
			}
			it.Ended = false
		} else {
			m.end(it)
		}
	}
	m.move(m.event.Quantities, m.event.Action == schemas.ActionAdd)
}

func (m *message) transform() {
	for _, id := range m.event.EPCs {
		m.end(m.hold(id, false))
	}
	for _, id := range m.event.OutputEPCs {
		m.hold(id, true).Ended = false
	}
	m.move(m.event.Quantities, false)
	m.move(m.event.OutputQuantities, true)
	if m.result.Code == schemas.OK {
		m.inherit()
	}
}

// changeAll takes hold of everything that the event names and changes nothing else.
func (m *message) changeAll() {
	for _, id := range m.instances() {
		m.hold(id, false)
	}
	m.observeClasses()
}

// observe notes the event in the trails of what it names.
func (m *message) observe() {
	for _, id := range m.instances() {
		m.touch(m.item(id), seen)
	}
	m.observeClasses()
}

func (m *message) observeClasses() {
	for _, list := range [][]schemas.Quantity{m.event.Quantities, m.event.OutputQuantities} {
		for _, q := range list {
			m.touchClass(q.Class)
		}
	}
}

// claim records an event that would change what somebody else holds: it is told
// to both, and changes nothing (but what its receipt of offered items did).
func (m *message) claim(reserved bool) {
	if m.strict() || m.strictly {
		if m.result.Code = schemas.NotCustodian; reserved {
			m.result.Code = schemas.ReservedPrefix
		}
		return
	}
	if m.result.Effect != schemas.Applied {
		m.result.Effect = schemas.Claim
	}
	if reserved {
		m.flag(schemas.ReservedPrefix)
	} else {
		m.flag(schemas.NotCustodian)
	}
	m.observe()
}

// dispose keeps the disposition that the event tells of the author's own things.
func (m *message) dispose() {
	if m.event.Disposition == "" || m.result.Effect == schemas.Claim {
		return
	}
	for _, it := range m.order {
		if m.event.Type == schemas.TransformationEvent && it.Ended {
			continue // an input: the disposition is of what came out
		}
		if it.Disposition != m.event.Disposition && (it.own || m.custodian(it) == m.partner) {
			it.Disposition = m.event.Disposition
			m.touch(it, changed)
		}
	}
}
