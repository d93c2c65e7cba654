package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// What happened to an item, as a trace reads it: its events in the order in which
// they are said to have happened, and the half-open intervals in which it was
// inside others.

// errEnough ends a trace that has looked at more than it may.
var errEnough = errors.New("the trace has looked at enough")

// span is a half-open interval of event times.
type span struct{ from, to int64 }

var always = span{math.MinInt64, math.MaxInt64}

func (s span) has(t int64) bool   { return t >= s.from && t < s.to }
func (s span) within(t span) bool { return s.from >= t.from && s.to <= t.to }
func (s span) and(t span) span    { return span{max(s.from, t.from), min(s.to, t.to)} }
func (s span) empty() bool        { return s.from >= s.to }

// stay is an item's being inside another, from an ADD to what ended it.
type stay struct {
	span
	parent string
	event  *schemas.Record // that put it in
	ended  *schemas.Record // that took it out, nil while it is inside
}

// kind says what keeps them together: containment or association, kept apart.
func (s *stay) kind() string {
	if s.event.Skeleton.Type == schemas.AssociationEvent {
		return "association"
	}
	return "containment"
}

// histories reads and remembers the histories that one trace needs.
type histories struct {
	view   *View
	ctx    context.Context
	looked int // records looked at so far
	limit  int // records that may be looked at
	bytes  int // of their skeletons: one event may name twenty thousand things
	events map[string][]*schemas.Record
	nodes  map[string][]*schemas.Record // by transformationID
	stays  map[string][]*stay
	clash  func(id string, second *schemas.Record) // told of a second open parent
}

// of returns an item's or class's events: without voided ones and without the
// declarations that void them, by event time, then ledger order.
func (h *histories) of(id string) ([]*schemas.Record, error) {
	if events, ok := h.events[id]; ok {
		return events, nil
	}
	var places []schemas.Locator
	for _, kind := range [...]schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail, schemas.ClassTrail} {
		for row, err := range h.view.at.Rows(trailPrefix(schemas.TrailKey{Kind: kind, Subject: id}), nil, false) {
			if err != nil {
				return nil, h.view.answered(fmt.Errorf("reading a trail: %w", err))
			}
			at, _, err := decodeTrailValue(row.Value)
			if err != nil {
				return nil, err
			}
			places = append(places, at)
			if h.looked+len(places) > h.limit {
				return nil, errEnough
			}
		}
	}
	timed, err := h.timed(fieldPrefix(fieldParent, id))
	if err != nil {
		return nil, err
	}
	events, err := h.standing(append(places, timed...))
	if err == nil {
		h.events[id] = events
	}
	return events, err
}

// timed are the places behind a prefix of the index.
func (h *histories) timed(prefix []byte) ([]schemas.Locator, error) {
	var places []schemas.Locator
	for cand, err := range h.view.inRange(prefix, nil, false) {
		if err != nil {
			return nil, h.view.answered(fmt.Errorf("reading the index: %w", err))
		}
		places = append(places, cand.at)
		if h.looked+len(places) > h.limit {
			return nil, errEnough
		}
	}
	return places, nil
}

// standing reads the records at places, those that stand.
func (h *histories) standing(places []schemas.Locator) ([]*schemas.Record, error) {
	events := make([]*schemas.Record, 0, len(places))
	for _, at := range places {
		if h.looked++; h.looked%64 == 0 && h.ctx.Err() != nil {
			return nil, h.ctx.Err()
		}
		r, err := h.view.bare(at)
		if err != nil {
			return nil, err
		}
		if h.bytes += len(r.SkeletonBytes); h.bytes > maxTraced {
			return nil, errEnough
		}
		if r.Skeleton.Declaration != nil {
			continue
		}
		void, err := h.view.voidedBy(at)
		if err != nil {
			return nil, err
		}
		if void == nil {
			events = append(events, r)
		}
	}
	slices.SortFunc(events, happened)
	return slices.CompactFunc(events, func(a, b *schemas.Record) bool { return a.Locator == b.Locator }), nil
}

// happened orders records by when they are said to have happened, then as the
// ledger does.
func happened(a, b *schemas.Record) int {
	switch ta, tb := a.Skeleton.EventTime, b.Skeleton.EventTime; {
	case ta < tb:
		return -1
	case ta > tb:
		return 1
	}
	return a.Locator.Compare(b.Locator)
}

// node returns all events of the transformation that an event is of.
func (h *histories) node(r *schemas.Record) ([]*schemas.Record, error) {
	id := r.Skeleton.TransformationID
	if id == "" {
		return []*schemas.Record{r}, nil
	}
	if node, ok := h.nodes[id]; ok {
		return node, nil
	}
	places, err := h.timed(fieldPrefix(fieldTransformation, id))
	if err != nil {
		return nil, err
	}
	node, err := h.standing(places)
	if err == nil {
		h.nodes[id] = node
	}
	return node, err
}

// inside returns the stays of an item or class in others.
func (h *histories) inside(id string) ([]*stay, error) {
	if stays, ok := h.stays[id]; ok {
		return stays, nil
	}
	events, err := h.of(id)
	if err != nil {
		return nil, err
	}
	var stays []*stay
	for _, r := range events {
		switch e := r.Skeleton; {
		case e.Type == schemas.ObjectEvent && e.Action == schemas.ActionDelete && slices.Contains(e.EPCs, id),
			e.Type == schemas.TransformationEvent && slices.Contains(e.EPCs, id):
			for _, s := range stays {
				s.end(r)
			}
		case e.Type != schemas.AggregationEvent && e.Type != schemas.AssociationEvent, e.ParentID == "", !isChild(e, id):
		case e.Action == schemas.ActionAdd:
			stays = h.enter(stays, id, r)
		case e.Action == schemas.ActionDelete:
			for _, s := range stays {
				if s.parent == e.ParentID && s.event.Skeleton.Type == e.Type {
					s.end(r)
				}
			}
		}
	}
	for _, s := range stays {
		if err := h.emptied(s); err != nil {
			return nil, err
		}
	}
	h.stays[id] = stays
	h.conflicts(id, stays)
	return stays, nil
}

func isChild(e *schemas.Skeleton, id string) bool {
	return slices.Contains(e.EPCs, id) || slices.ContainsFunc(e.Quantities, func(q schemas.Quantity) bool { return q.Class == id })
}

// end ends a stay, if it has not ended before.
func (s *stay) end(r *schemas.Record) {
	if s.ended == nil {
		s.to, s.ended = r.Skeleton.EventTime, r
	}
}

// enter begins a stay; being put again where it is already changes nothing.
func (h *histories) enter(stays []*stay, id string, r *schemas.Record) []*stay {
	for _, s := range stays {
		if s.ended == nil && s.parent == r.Skeleton.ParentID && s.event.Skeleton.Type == r.Skeleton.Type {
			return stays
		}
	}
	return append(stays, &stay{span: span{r.Skeleton.EventTime, math.MaxInt64}, parent: r.Skeleton.ParentID, event: r})
}

// emptied ends a stay where its container was emptied without naming what was in
// it, or ceased to be.
func (h *histories) emptied(s *stay) error {
	events, err := h.of(s.parent)
	if err != nil {
		return err
	}
	from, found := slices.BinarySearchFunc(events, s.event, happened)
	if found {
		from++
	}
	for _, r := range events[from:] {
		if s.ended != nil && happened(r, s.ended) >= 0 {
			return nil
		}
		e := r.Skeleton
		empties := e.Type == s.event.Skeleton.Type && e.Action == schemas.ActionDelete && e.ParentID == s.parent &&
			len(e.EPCs) == 0 && len(e.Quantities) == 0
		ceases := (e.Type == schemas.ObjectEvent && e.Action == schemas.ActionDelete || e.Type == schemas.TransformationEvent) &&
			slices.Contains(e.EPCs, s.parent)
		if empties || ceases {
			s.to, s.ended = e.EventTime, r
			return nil
		}
	}
	return nil
}

// conflicts tells of every stay that began while the item was elsewhere. Neither
// is dropped: which of the two is true, the ledger does not know.
func (h *histories) conflicts(id string, stays []*stay) {
	if _, scheme, err := schemas.Canonical(id); err == nil && scheme.Class() {
		return // a lot may well be in several places
	}
	for i, second := range stays {
		for _, first := range stays[:i] {
			if first.kind() == "containment" && second.kind() == "containment" && first.parent != second.parent && !first.and(second.span).empty() {
				h.clash(id, second.event)
				break
			}
		}
	}
}
