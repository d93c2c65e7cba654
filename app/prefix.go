package app

import (
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// Company prefixes. What is named under one that is registered for a partner, that
// partner alone brings into being. Somebody else's event that would is a claim; where
// custody is strict, in the network or under the prefix, it is refused.

// reserved judges an event that brings things into being.
func (m *message) reserved() bool {
	if len(m.dir.prefixes) == 0 {
		return false
	}
	instances, lots := m.commissioned()
	strict, found := false, false
	reserve := func(id string) {
		if p := m.dir.prefixOf(schemas.CompanyDigits(id)); p != nil && p.Partner != m.partner && m.dir.owns(p) {
			m.concern(p.Partner)
			found, strict = true, strict || p.Strict || m.dir.parameters.Strict
		}
	}
	for _, id := range instances {
		if it := m.item(id); m.custodian(it) == "" {
			reserve(id)
		}
	}
	for _, q := range lots {
		if !slices.ContainsFunc(m.owed, func(o schemas.Quantity) bool { return o.Class == q.Class }) { // else it was received
			reserve(q.Class)
		}
	}
	if strict {
		m.result.Code = schemas.ReservedPrefix
	}
	return found
}

// commissioned are the instances and lots that the event says came into being.
func (m *message) commissioned() ([]string, []schemas.Quantity) {
	switch {
	case m.event.Type == schemas.ObjectEvent && m.event.Action == schemas.ActionAdd:
		return m.event.EPCs, m.event.Quantities
	case m.event.Type == schemas.TransformationEvent:
		return m.event.OutputEPCs, m.event.OutputQuantities
	}
	return nil, nil
}

// owns reports whether a prefix's partner is still there: of one that was removed it
// reserves nothing.
func (d *directory) owns(p *schemas.Prefix) bool {
	owner := d.partner(p.Partner)
	return owner != nil && owner.State != schemas.Removed
}
