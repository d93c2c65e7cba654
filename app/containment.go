package app

import "github.com/waybill-ledger/waybill/schemas"

// Containment is (child, parent, parent's epoch). Emptying a container raises its
// epoch, in one write whatever it held; children find out when they are next
// looked at. So a pallet of thousands changes hands, and is emptied, at once.

// settle brings an item up to date with a container that was emptied since it
// was put in: it is outside, and its custodian is who then held the container.
func (m *message) settle(it *item) {
	if it.Parent == "" {
		return
	}
	if m.container(it).Epoch == it.ParentEpoch {
		return
	}
	value, _ := m.get(schemas.ReleaseKey(it.Parent, it.ParentEpoch))
	it.Custodian = must(schemas.DecodeRelease(value))
	it.Parent, it.ParentEpoch = "", 0
}

// container is what an item is in, or was until that was emptied.
func (m *message) container(it *item) *item {
	if _, ok := m.items[it.Parent]; !ok {
		m.follow(it.Parent)
	}
	return m.item(it.Parent)
}

// release empties a container of all that is in it.
func (m *message) release(container *item) {
	if container.Lots > 0 {
		m.unpackAll(container)
	}
	m.letGo(container)
	m.led.Set(schemas.ReleaseKey(container.id, container.Epoch), schemas.AppendRelease(nil, m.partner), nil)
	container.Epoch++
	container.Levels = 0
}

// takeOut takes an item that the partner holds out of the container it is in.
func (m *message) takeOut(it *item) {
	if it.Parent != "" {
		m.carryOut(it)
		it.Parent, it.ParentEpoch, it.Custodian = "", 0, m.partner
	}
}

func (m *message) aggregate() {
	if m.parent() == "" {
		m.changeAll() // at a place, or in something that has no single instance
		return
	}
	parent := m.hold(m.parent(), false)
	switch {
	case m.event.Action == schemas.ActionAdd:
		for _, id := range m.event.EPCs {
			m.putIn(m.hold(id, false), parent)
		}
		if len(m.event.Quantities) > 0 {
			m.nest(parent, 1)
			m.pack(parent, m.event.Quantities)
			m.carryLots(parent, m.event.Quantities)
		}
	case len(m.event.EPCs) == 0 && len(m.event.Quantities) == 0:
		m.release(parent)
	default:
		for _, id := range m.event.EPCs {
			it := m.item(id)
			m.settle(it)
			if it.Parent != parent.id {
				m.flag(schemas.NotContained)
				m.touch(it, seen)
				continue
			}
			m.takeOut(it)
			m.touch(it, changed)
		}
		if len(m.event.Quantities) > 0 {
			m.unpack(parent, m.event.Quantities)
		}
	}
}

// putIn puts a child into a parent, unless that would contradict what the ledger
// knows: then it is flagged, and the child stays where it is.
func (m *message) putIn(child, parent *item) {
	if child.Parent == parent.id {
		return
	}
	if child.Parent != "" {
		m.flag(schemas.ContainmentConflict)
		return
	}
	depth, outermost := uint64(1), parent
	for ; ; outermost = m.container(outermost) {
		if outermost == child {
			m.flag(schemas.ContainmentCycle)
			return
		}
		if m.settle(outermost); outermost.Parent == "" {
			break
		}
		depth++
	}
	if depth+child.Levels > maxDepth {
		m.flag(schemas.ContainmentTooDeep)
		return
	}
	// Its container's hand-over decides from now on: what was open for it alone lapses.
	m.withdraw(child)
	m.nameSpanned(child)
	child.Parent, child.ParentEpoch = parent.id, parent.Epoch
	m.nest(parent, child.Levels+1)
	m.carryIn(child, outermost)
}

// nest notes that a container holds levels of things, and what it is in one more.
func (m *message) nest(it *item, levels uint64) {
	for ; it.Levels < levels; levels++ {
		it.Levels = levels
		m.settle(it)
		if it.touched == none {
			m.write(it) // not part of its trail: nothing happened to it
		}
		if it.Parent == "" {
			return
		}
		it = m.container(it)
	}
}
