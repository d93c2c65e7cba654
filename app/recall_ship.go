package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Where custody is strict, what is recalled goes nowhere but back to who recalls it. Whether
// a thing or lot is recalled, its marks tell, and when it was made; whether something inside
// a container is, the container's list (recall_inside.go).

// onward is what is handed over, to somebody or on the way to somebody, as far as it is
// recalled.
type onward struct {
	*message
	to   []string
	told bool
	ids  []string // what others than who recalls it would have
}

// onward begins to judge what is added to an offer.
func (m *message) onward(o *schemas.Offer) *onward {
	on := &onward{message: m, to: []string{o.Party}}
	if s := m.handedOver(o); s != nil {
		on.to = append(on.to, s.Receiver)
	}
	return on
}

// judge adds the open recalls that name something, or something in it. ids are what strict
// custody may hold of; many says that there are recalls beyond those that are known.
func (on *onward) judge(refs []schemas.RecallRef, many bool, ids ...string) {
	if len(refs) == 0 && !many {
		return
	}
	on.told = true
	if many || slices.ContainsFunc(refs, func(ref schemas.RecallRef) bool { return !slices.Contains(on.to, ref.Issuer) }) {
		on.ids = append(on.ids, ids...)
	}
	for _, ref := range refs {
		on.concern(ref.Issuer)
	}
}

// lots adds those that name a lot which a container holds.
func (on *onward) lots(container *item, ids ...string) {
	for _, l := range on.inside(container) {
		on.judge(on.lotRecalls(l.Class), false, append(ids, container.id, l.Class)...)
	}
}

// refused refuses the message where something recalled would go on in strict custody, and
// tells of it elsewhere.
func (on *onward) refused() bool {
	if len(on.ids) > 0 && on.strict(on.ids...) {
		on.result.Code = schemas.RecalledItem
		return true
	}
	if on.told {
		on.flag(schemas.ShippedRecalled)
	}
	return false
}

// shipsRecalled judges what the author is about to hand over.
func (m *message) shipsRecalled(ids []string, lots []schemas.Quantity, to ...string) (refused bool) {
	if !m.anyRecall() {
		return false
	}
	on := &onward{message: m, to: to}
	for _, id := range ids {
		on.judge(m.recalls(id), false, id)
		if it := m.item(id); it.Levels > 0 {
			in := m.openInside(id)
			on.judge(in.Refs(), in.Many, id)
			on.lots(it)
		}
	}
	for _, q := range lots {
		on.judge(m.lotRecalls(q.Class), false, q.Class)
	}
	return on.refused()
}
