package app

import (
	"cmp"
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
	leaves map[string]*schemas.Item     // of the trails that were read; nil: there is none
	nodes  map[string][]*schemas.Record // by transformationID
	stays  map[string][]*stay
	stand  map[schemas.Locator]*schemas.Record     // nil: it does not stand
	clash  func(id string, second *schemas.Record) // told of a second open parent
}

// of returns an item's or class's events: without voided ones and without the
// declarations that void them, by event time, then ledger order.
func (h *histories) of(id string) ([]*schemas.Record, error) {
	if events, ok := h.events[id]; ok {
		return events, nil
	}
	thing := isThing(id)
	places, err := h.trails(id, thing)
	if err != nil {
		return nil, err
	}
	if !thing { // a place or a class can be a parent, and has no custody trail
		timed, err := h.timed(fieldPrefix(fieldParent, id))
		if err != nil {
			return nil, err
		}
		places = append(places, timed...)
	}
	events, err := h.standing(places)
	if err == nil {
		h.events[id] = events
	}
	return events, err
}

// isThing reports whether an identifier is of an instance that can be held, and can be
// nothing else.
func isThing(id string) bool {
	_, scheme, err := schemas.Canonical(id)
	return err == nil && !scheme.Class() && scheme != schemas.SGLN && scheme != schemas.PGLN && scheme != schemas.PrivateURI && scheme != schemas.OtherGS1
}

// trails are the places of all records in an item's or class's trails. Their leaves
// say how long they are: most are short, and read without a range.
func (h *histories) trails(id string, thing bool) (places []schemas.Locator, err error) {
	it, err := h.leafOf(id)
	if err != nil {
		return nil, err
	}
	if it != nil {
		for _, t := range [...]struct {
			kind schemas.TrailKind
			head schemas.Head
		}{{schemas.CustodyTrail, it.Custody}, {schemas.ObservationTrail, it.Observations}} {
			if places, err = h.trail(places, schemas.TrailKey{Kind: t.kind, Subject: id}, t.head.Count); err != nil {
				return nil, err
			}
		}
	}
	if thing {
		return places, nil
	}
	head, err := h.view.TrailHead(schemas.TrailKey{Kind: schemas.ClassTrail, Subject: id})
	if err != nil {
		return nil, err
	}
	return h.trail(places, schemas.TrailKey{Kind: schemas.ClassTrail, Subject: id}, head.Count)
}

// leafOf is an item's leaf, nil where there is none.
func (h *histories) leafOf(id string) (*schemas.Item, error) {
	it, known := h.leaves[id]
	if known {
		return it, nil
	}
	it, err := h.view.leaf(id)
	if err == nil {
		h.leaves[id] = it
	}
	return it, err
}

// shortTrail is how many records are read one by one: a range costs as much as some.
const shortTrail = 4

// trail adds the places of a trail's records, as far as the node has their rows.
func (h *histories) trail(places []schemas.Locator, key schemas.TrailKey, count uint64) ([]schemas.Locator, error) {
	add := func(value []byte) error {
		at, _, err := decodeTrailValue(value)
		if places = append(places, at); err == nil && h.looked+len(places) > h.limit {
			err = errEnough
		}
		return err
	}
	if count <= shortTrail {
		for n := range count {
			value, err := h.view.row(trailRow(key, n))
			if err == nil && value != nil {
				err = add(value)
			}
			if err != nil {
				return nil, err
			}
		}
		return places, nil
	}
	for row, err := range h.view.at.Rows(trailPrefix(key), nil, false) {
		if err != nil {
			return nil, h.view.answered(fmt.Errorf("reading a trail: %w", err))
		}
		if err := add(row.Value); err != nil {
			return nil, err
		}
	}
	return places, nil
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

// standingAt reads one record, nil where it is void or a declaration.
func (h *histories) standingAt(at schemas.Locator) (*schemas.Record, error) {
	r, err := h.view.bare(at)
	if err != nil {
		return nil, err
	}
	if h.bytes += len(r.SkeletonBytes); h.bytes > maxTraced {
		return nil, errEnough
	}
	if r.Skeleton.Declaration != nil {
		return nil, nil
	}
	void, err := h.view.voidedBy(at)
	if err != nil || void != nil {
		return nil, err
	}
	return r, nil
}

// standing reads the records at places, those that stand.
func (h *histories) standing(places []schemas.Locator) ([]*schemas.Record, error) {
	events := make([]*schemas.Record, 0, len(places))
	for _, at := range places {
		if h.looked++; h.looked%64 == 0 && h.ctx.Err() != nil {
			return nil, h.ctx.Err()
		}
		r, known := h.stand[at] // an event that names many is looked at for each
		if !known {
			var err error
			if r, err = h.standingAt(at); err != nil {
				return nil, err
			}
			h.stand[at] = r
		}
		if r != nil {
			events = append(events, r)
		}
	}
	slices.SortFunc(events, happened)
	return slices.CompactFunc(events, func(a, b *schemas.Record) bool { return a.Locator == b.Locator }), nil
}

// happened orders records by when they are said to have happened, then as the
// ledger does.
func happened(a, b *schemas.Record) int {
	return cmp.Or(cmp.Compare(a.Skeleton.EventTime, b.Skeleton.EventTime), a.Locator.Compare(b.Locator))
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
		case e.Type != schemas.AggregationEvent && e.Type != schemas.AssociationEvent, e.ParentID == "", !isListed(e, id):
		case e.Action == schemas.ActionAdd:
			stays = h.enter(stays, r)
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

// isListed reports whether an event has a thing in its list: of things, of children of its
// parent, or of inputs.
func isListed(e *schemas.Skeleton, id string) bool { return isNamed(id, e.EPCs, e.Quantities) }
func isOutput(e *schemas.Skeleton, id string) bool {
	return isNamed(id, e.OutputEPCs, e.OutputQuantities)
}

func isNamed(id string, epcs []string, quantities []schemas.Quantity) bool {
	return slices.Contains(epcs, id) || slices.ContainsFunc(quantities, func(q schemas.Quantity) bool { return q.Class == id })
}

// end ends a stay, if it has not ended before.
func (s *stay) end(r *schemas.Record) {
	if s.ended == nil {
		s.to, s.ended = r.Skeleton.EventTime, r
	}
}

// enter begins a stay; being put again where it is already changes nothing.
func (h *histories) enter(stays []*stay, r *schemas.Record) []*stay {
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
	if len(stays) < 2 {
		return
	}
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
