package app

import (
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// unreceived notes where the item was shipped to a partner who never told that
// it arrived, and neither side took the shipment back.
func (t *tracer) unreceived(s step) error {
	events, err := t.of(s.id)
	if err != nil {
		return err
	}
	for i, r := range events {
		if r.Skeleton.BizStep != shipped || !s.span.has(r.Skeleton.EventTime) || !hands(r.Skeleton, s.id) {
			continue
		}
		to := possessor(t.view.app.partnersByGLN(), r.Skeleton.Destinations)
		if to == "" || to == r.Partner || strings.HasPrefix(to, schemas.External) {
			continue
		}
		closed := closes(events[i+1:], r, to)
		if !closed {
			if closed, err = t.arrivedInside(s.id, r, to); err != nil {
				return err
			}
		}
		if !closed {
			t.gap("shipped_not_received", s.id, r, "shipped by "+r.Partner+" to "+to+", no receipt is recorded")
		}
	}
	return nil
}

// hands reports whether an event hands over this very item, not something that
// it is inside of.
func hands(e *schemas.Skeleton, id string) bool {
	if e.Type == schemas.ObjectEvent || e.ParentID == "" {
		return isListed(e, id)
	}
	return e.ParentID == id
}

// closes reports whether later events tell of the shipment's end.
func closes(later []*schemas.Record, ship *schemas.Record, to string) bool {
	return slices.ContainsFunc(later, func(r *schemas.Record) bool {
		e := r.Skeleton
		return r.Partner == to && (e.BizStep == received || e.BizStep == inspected && e.Disposition == refused) ||
			r.Partner == ship.Partner && e.BizStep == voided
	})
}

// arrivedInside reports whether the item was received inside something.
func (t *tracer) arrivedInside(id string, ship *schemas.Record, to string) (bool, error) {
	stays, err := t.inside(id)
	if err != nil {
		return false, err
	}
	for _, in := range stays {
		events, err := t.of(in.parent)
		if err != nil {
			return false, err
		}
		from := slices.IndexFunc(events, func(r *schemas.Record) bool {
			return r.Skeleton.EventTime >= ship.Skeleton.EventTime && in.has(r.Skeleton.EventTime)
		})
		if from >= 0 && closes(events[from:], ship, to) {
			return true, nil
		}
	}
	return false, nil
}
