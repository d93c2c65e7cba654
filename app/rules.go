package app

import (
	"fmt"

	"github.com/waybill-ledger/waybill/schemas"
)

const (
	maxAhead   = 10 * 60 * 1e9        // nanoseconds that an event's time may lead the block's
	maxWaiting = 30 * 24 * 3600 * 1e9 // nanoseconds that a receipt waits for its offer
	maxOpen    = 4                    // receipts that wait for one item
	maxLots    = 16                   // offers or receipts open for one lot and receiver
	maxDepth   = 16                   // containers within containers
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
	mark := b.led.Mark()
	defer func() {
		if r := recover(); r != nil {
			if failure, ok := r.(ioFailure); ok {
				panic(failure)
			}
			b.led.Revert(mark)
			result = schemas.Result{Code: schemas.RuleFailed}
		}
	}()
	m.execute()
	if m.result.Code != schemas.OK {
		b.led.Revert(mark)
		return schemas.Result{Code: m.result.Code}
	}
	return m.result
}

// execute judges the message: first whether it was recorded before, then what
// the rule of its event type makes of it.
func (m *message) execute() {
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
		m.apply()
	}
	m.save()
	m.register(known)
	m.indexEvent()
}

// apply runs the rule of the event's type.
func (m *message) apply() {
	m.result.Effect = schemas.Observation
	m.answerOffers()
	if m.event.Action == schemas.ActionAdd || m.event.Action == schemas.ActionDelete || m.event.Type == schemas.TransformationEvent {
		if m.touchesAnothers(m.changedInstances()) {
			m.claim()
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

// instances are all instances that the event names, each once, in order.
func (m *message) instances() []string {
	e := m.event
	all := make([]string, 0, len(e.EPCs)+len(e.OutputEPCs)+1)
	seen := make(map[string]bool, len(e.EPCs)+len(e.OutputEPCs)+1)
	add := func(id string) {
		if id != "" && !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	add(m.parent())
	for _, id := range e.EPCs {
		add(id)
	}
	for _, id := range e.OutputEPCs {
		add(id)
	}
	return all
}

// parent is the event's parent where that is a thing that can be held: a
// location that things are associated with is none.
func (m *message) parent() string {
	if m.event.ParentID == "" {
		return ""
	}
	if _, scheme, err := schemas.Canonical(m.event.ParentID); err != nil || scheme == schemas.SGLN {
		return ""
	}
	return m.event.ParentID
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
func (m *message) claim() {
	if m.result.Effect != schemas.Applied {
		m.result.Effect = schemas.Claim
	}
	m.flag(schemas.NotCustodian)
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
		if it.touched == changed || m.custodian(it) == m.partner {
			it.Disposition = m.event.Disposition
		}
	}
}

// Rows of a partner's register: what duplicates, repeated eventIDs and error
// declarations are judged by. They are no leaves of their own; the register's
// log commits to them.
func duplicateRow(partner string, key []byte) []byte {
	return append(rowKey(rowDuplicate, partner), key...)
}

func eventRow(partner, eventID string) []byte { return rowKey(rowEvent, partner, eventID) }

// duplicate looks for an earlier message with the same duplicate key.
func (m *message) duplicate() (first schemas.Locator, ok bool) {
	if len(m.msg.DuplicateKey) == 0 {
		return first, false
	}
	row := m.row(duplicateRow(m.partner, m.msg.DuplicateKey))
	if row == nil {
		return first, false
	}
	return must(schemas.DecodeLocator(row)), true
}

// prior is what the register keeps of a recorded event: where it is, what a
// declaration must repeat, and whether one did.
type prior struct {
	at      schemas.Locator
	content schemas.Hash
	void    bool
}

func (p prior) encode() []byte {
	b := schemas.AppendField(nil, 1, p.at.Append(nil))
	b = schemas.AppendField(b, 2, p.content[:])
	if p.void {
		b = schemas.AppendUint(b, 3, 1)
	}
	return b
}

func decodePrior(b []byte) (p prior, err error) {
	f := schemas.ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			p.at, err = schemas.DecodeLocator(v)
		case 2:
			p.content = f.Hash(n, v)
		case 3:
			p.void = f.Uint(n, v) == 1
		default:
			err = fmt.Errorf("unknown field %d", n)
		}
		if err != nil {
			return p, err
		}
	}
	return p, f.Err()
}

// priorEvent looks for an earlier event of the same partner and eventID.
func (m *message) priorEvent() (p prior, ok bool) {
	if m.event.EventID == "" {
		return p, false
	}
	row := m.row(eventRow(m.partner, m.event.EventID))
	if row == nil {
		return p, false
	}
	return must(decodePrior(row)), true
}

// declare judges an error declaration. It voids the identical event that its own
// partner recorded under the same eventID; custody never moves back.
func (m *message) declare(p prior, known bool) {
	m.result.Effect = schemas.Observation
	m.observe()
	if !known || p.content != schemas.ContentHash(m.event) {
		m.flag(schemas.UnmatchedDeclaration)
		return
	}
	if p.void {
		return
	}
	p.void = true
	m.led.PutRow(eventRow(m.partner, m.event.EventID), p.encode())
	m.led.PutRow(voidRow(p.at), m.at.Append(nil))
	m.appendRegister(schemas.VoidEntry(p.at, m.at))
	m.result.Effect = schemas.Applied
}

// register adds the event to its partner's register.
func (m *message) register(known bool) {
	content := schemas.ContentHash(m.event)
	id := m.msg.EventIDOf()
	if m.event.Declaration != nil {
		id = "" // a declaration reserves no eventID: the event itself may yet come
	} else if !known {
		m.led.PutRow(eventRow(m.partner, id), prior{at: m.at, content: content}.encode())
	}
	if len(m.msg.DuplicateKey) > 0 {
		m.led.PutRow(duplicateRow(m.partner, m.msg.DuplicateKey), m.at.Append(nil))
	}
	m.appendRegister(schemas.RegisterEntry(id, m.msg.DuplicateKey, content, m.at))
}

func (m *message) appendRegister(entry schemas.Hash) {
	r := m.registerOf(m.partner)
	r.events.append(entry)
	m.writeRegister(m.partner, r)
}

// register is a partner's register: its trail and its log of events.
type register struct{ trail, events log }

func (b *block) registerOf(partner string) register {
	_, aside := b.get(schemas.RegisterKey(partner))
	var r register
	r.trail, r.events = readItemLogs(aside)
	return r
}

func (b *block) writeRegister(partner string, r register) {
	leaf := schemas.Register{Trail: r.trail.head(), Events: r.events.head()}
	var aside []byte
	if r.trail.Count > 0 {
		aside = schemas.AppendField(aside, 1, r.trail.AppendTo(nil))
	}
	if r.events.Count > 0 {
		aside = schemas.AppendField(aside, 2, r.events.AppendTo(nil))
	}
	b.led.Set(schemas.RegisterKey(partner), leaf.Append(nil), aside)
}
