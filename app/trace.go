package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// A trace follows the history of an item: what happened to it and to what it was
// inside of, as far up as that goes and never down to what was inside beside it;
// upstream to the inputs of what made it; downstream to the outputs of what used
// it. Containers that a transformation used or made stand for what was in them
// then. Each step is remembered by item, interval and direction, so that it ends.

// step is a part of the way: an item over an interval.
type step struct {
	id       string
	span     span
	up, down bool            // whether transformations are followed
	contents span            // when what is inside goes the same way; empty for never
	depth    int             // edges from the item asked for
	branch   string          // self, upstream or downstream
	by       *schemas.Record // the transformation whose output it is, where the step follows that
}

// tracer is a trace under way.
type tracer struct {
	histories
	query schemas.TraceQuery
	bare  bool // without edges and gaps: who asks wants to know what is met alone
	out   *schemas.Trace
	queue []step
	done  map[string][]step // steps taken, by item
	items map[string]bool
	kept  map[schemas.Locator]bool
	found []*schemas.Record          // events of the answer, each once
	edges map[schemas.TraceEdge]bool // End left out
	links int                        // edges that were looked at, of a bare one
	gaps  map[schemas.TraceGap]bool  // Detail left out
	taken map[use]bool               // transformations that were followed
	steps int                        // that were queued
}

// use is an item's part in a transformation, and the way that was followed from there.
type use struct {
	id             string
	transformation string          // its transformationID; of one without
	at             schemas.Locator // its event
	up             bool
}

// looks is how many records a trace looks at, and links how many edges it may
// have, for each event that it may answer: one event may name thousands of items.
const (
	looks = 16
	links = 8
	steps = 32   // and how many steps may be queued: an item is come to over many intervals
	slack = 1024 // of each, however few events are asked for

	maxTraced = 64 << 20 // bytes of skeletons that are looked at, and of bodies that are answered
)

// Trace follows an item's history.
func (v *View) Trace(ctx context.Context, q schemas.TraceQuery) (*schemas.Trace, error) {
	q.MaxDepth, q.MaxEvents = max(q.MaxDepth, 1), max(q.MaxEvents, 1)
	t := v.tracer(ctx, q)
	t.queue = []step{{id: q.ID, span: always, up: q.Direction&schemas.Upstream != 0, down: q.Direction&schemas.Downstream != 0, contents: always, branch: "self"}}
	if err := t.run(); err != nil {
		return nil, err
	}
	return t.out, t.finish()
}

// tracer begins a trace that has no step yet.
func (v *View) tracer(ctx context.Context, q schemas.TraceQuery) *tracer {
	t := &tracer{
		histories: histories{view: v, ctx: ctx, limit: slack + looks*q.MaxEvents, events: map[string][]*schemas.Record{}, leaves: map[string]*schemas.Item{}, nodes: map[string][]*schemas.Record{}, stays: map[string][]*stay{}, stand: map[schemas.Locator]*schemas.Record{}},
		query:     q, out: &schemas.Trace{ID: q.ID, Height: v.Height(), Items: []schemas.TraceItem{}, Edges: []schemas.TraceEdge{}, Gaps: []schemas.TraceGap{}},
		done: map[string][]step{}, items: map[string]bool{}, kept: map[schemas.Locator]bool{},
		edges: map[schemas.TraceEdge]bool{}, gaps: map[schemas.TraceGap]bool{}, taken: map[use]bool{},
	}
	t.clash = func(id string, second *schemas.Record) {
		t.gap("containment_conflict", id, second, "put into "+second.Skeleton.ParentID+" while it was inside another")
	}
	return t
}

// run takes steps until none is left, or a limit ends the trace.
func (t *tracer) run() error {
	for len(t.queue) > 0 {
		s := t.queue[0]
		t.queue = t.queue[1:]
		err := t.ctx.Err()
		if err == nil {
			err = t.walk(s)
		}
		if errors.Is(err, errEnough) {
			t.out.Truncated = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish puts the events in order, with their bodies.
func (t *tracer) finish() error {
	slices.SortFunc(t.found, happened)
	t.out.Events = make([]schemas.Record, len(t.found))
	bytes := 0
	for i, r := range t.found {
		if i%64 == 63 && t.ctx.Err() != nil {
			return t.ctx.Err()
		}
		var err error
		if t.query.MaxBytes > 0 && bytes >= t.query.MaxBytes {
			t.out.Truncated, t.out.Events[i] = true, *r
			if t.out.Events[i].VoidedBy, err = t.view.voidedBy(r.Locator); err != nil {
				return err
			}
			continue
		}
		if t.out.Events[i], err = t.view.dressed(r); err != nil {
			return err
		}
		if bytes += len(t.out.Events[i].Body); bytes > maxTraced {
			t.out.Events, t.out.Truncated = t.out.Events[:i], true
			break
		}
	}
	return nil
}

// covered reports whether steps taken before make this one needless.
func (t *tracer) covered(s step) bool {
	for _, d := range t.done[s.id] {
		if s.span.within(d.span) && (d.up || !s.up) && (d.down || !s.down) && (s.contents.empty() || s.contents.within(d.contents)) {
			return true
		}
	}
	return false
}

// walk takes one step.
func (t *tracer) walk(s step) error {
	if t.covered(s) {
		return nil
	}
	if s.depth > t.query.MaxDepth {
		t.out.Truncated = true
		return nil
	}
	t.done[s.id] = append(t.done[s.id], s)
	if alone, err := t.alone(s); alone || err != nil {
		t.met(s, false)
		return err
	}
	events, err := t.of(s.id)
	if err != nil {
		return err
	}
	class := t.meet(s)
	for _, r := range events {
		if !s.span.has(r.Skeleton.EventTime) {
			continue
		}
		if err := t.keep(r); err != nil {
			return err
		}
		t.missing(s.id, r)
	}
	for _, follow := range [...]func(step) error{t.containers, t.contained, t.made, t.used, t.unreceived} {
		if err := follow(s); err != nil {
			return err
		}
	}
	if class && len(events) > 0 {
		t.gap("lot_approximation", s.id, events[0], "what happened to any part of it is shown: which part is not told")
	}
	return nil
}

// few is how many inputs are searched for an output.
const few = 16

// alone reports whether nothing happened to a thing but that it was made by the record
// through which the step came: most of what a recall reaches is so, and has no more to
// follow.
func (t *tracer) alone(s step) (bool, error) {
	if s.by == nil || s.up || len(s.by.Skeleton.EPCs) > few || slices.Contains(s.by.Skeleton.EPCs, s.id) || !isThing(s.id) {
		return false, nil
	}
	if t.looked++; t.looked > t.limit {
		return false, errEnough
	}
	it, err := t.leafOf(s.id)
	return err == nil && it != nil && it.Custody.Count+it.Observations.Count == 1, err
}

// enough ends a trace that has too many edges.
func (t *tracer) enough() error {
	if max(len(t.out.Edges), t.links) > slack+links*t.query.MaxEvents || t.steps > slack+steps*t.query.MaxEvents {
		return errEnough
	}
	return t.ctx.Err()
}

// meet notes an item of the answer.
func (t *tracer) meet(s step) (class bool) {
	_, scheme, err := schemas.Canonical(s.id)
	class = err == nil && scheme.Class()
	t.met(s, class)
	return class
}

func (t *tracer) met(s step, class bool) {
	if !t.items[s.id] {
		t.items[s.id] = true
		t.out.Items = append(t.out.Items, schemas.TraceItem{ID: s.id, Class: class, Depth: s.depth, Direction: s.branch})
	}
}

// keep adds an event to the answer.
func (t *tracer) keep(r *schemas.Record) error {
	if t.kept[r.Locator] {
		return nil
	}
	if len(t.found) >= t.query.MaxEvents {
		return errEnough
	}
	t.kept[r.Locator] = true
	t.found = append(t.found, r)
	return nil
}

// missing notes what an event itself leaves out.
func (t *tracer) missing(id string, r *schemas.Record) {
	e := r.Skeleton
	if (e.Type == schemas.AggregationEvent || e.Type == schemas.AssociationEvent) && e.ParentID == "" {
		t.gap("hidden_parent", id, r, "seen inside something that the event does not name")
	}
}

// containers follows what the item was inside of, while it was.
func (t *tracer) containers(s step) error {
	stays, err := t.inside(s.id)
	if err != nil {
		return err
	}
	for _, in := range stays {
		over := in.and(s.span)
		if over.empty() {
			continue
		}
		if err := t.stayed(s.id, in); err != nil {
			return err
		}
		if _, scheme, err := schemas.Canonical(in.parent); err == nil && (scheme == schemas.SGLN || scheme == schemas.PGLN) {
			continue // a place: what else happens there is not the item's history
		}
		// What uses a container uses what is in it.
		t.follow(step{id: in.parent, span: over, down: s.down, depth: s.depth + 1, branch: s.branch})
	}
	return nil
}

// stayed notes a containment with its evidence.
func (t *tracer) stayed(child string, in *stay) error {
	for _, r := range []*schemas.Record{in.event, in.ended} {
		if r != nil {
			if err := t.keep(r); err != nil {
				return err
			}
		}
	}
	var end *time.Time
	if in.ended != nil {
		at := timeOf(in.ended)
		end = &at
	}
	t.edge(in.kind(), child, in.parent, in.event, end)
	return nil
}

// contained follows what was inside the item.
func (t *tracer) contained(s step) error {
	if s.contents.empty() || !s.up && !s.down {
		return nil
	}
	events, err := t.of(s.id)
	if err != nil {
		return err
	}
	once := map[string]bool{} // all its stays are looked at
	for _, r := range events {
		e := r.Skeleton
		if e.Type != schemas.AggregationEvent && e.Type != schemas.AssociationEvent || e.Action != schemas.ActionAdd || e.ParentID != s.id {
			continue
		}
		for _, child := range inputs(e) {
			if once[child] {
				continue
			}
			once[child] = true
			if err := t.child(s, child); err != nil {
				return err
			}
			if err := t.enough(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tracer) child(s step, child string) error {
	stays, err := t.inside(child)
	if err != nil {
		return err
	}
	for _, in := range stays {
		over := in.and(s.contents)
		if in.parent != s.id || over.empty() {
			continue
		}
		if err := t.stayed(child, in); err != nil {
			return err
		}
		way := in.span
		if s.up {
			way.from, way.to = always.from, min(way.to, s.span.to)
		}
		if s.down {
			way.to = always.to
		}
		t.follow(step{id: child, span: way, up: s.up, down: s.down, contents: over, depth: s.depth + 1, branch: s.branch})
	}
	return nil
}

// made follows the transformations that made the item, to their inputs.
func (t *tracer) made(s step) error {
	if !s.up {
		return nil
	}
	return t.transformations(s, true, func(input string, by *schemas.Record) step {
		at := by.Skeleton.EventTime
		return step{id: input, span: span{always.from, at}, up: true, contents: span{at - 1, at}, depth: s.depth + 1, branch: "upstream"}
	})
}

// used follows the transformations that used the item, to their outputs.
func (t *tracer) used(s step) error {
	if !s.down {
		return nil
	}
	return t.transformations(s, false, func(output string, by *schemas.Record) step {
		at := by.Skeleton.EventTime
		return step{id: output, span: span{at, always.to}, down: true, contents: span{at, at + 1}, depth: s.depth + 1, branch: "downstream", by: by}
	})
}

func inputs(e *schemas.Skeleton) []string  { return named(e.EPCs, e.Quantities) }
func outputs(e *schemas.Skeleton) []string { return named(e.OutputEPCs, e.OutputQuantities) }

func named(epcs []string, quantities []schemas.Quantity) []string {
	out := slices.Clone(epcs)
	for _, q := range quantities {
		out = append(out, q.Class)
	}
	return out
}

// transformations follows those that have the item among their outputs up to their
// inputs, or the other way down. Events of one transformationID are one transformation.
func (t *tracer) transformations(s step, up bool, next func(string, *schemas.Record) step) error {
	near, far := isListed, outputs
	if up {
		near, far = isOutput, inputs
	}
	events, err := t.of(s.id)
	if err != nil {
		return err
	}
	for _, r := range events {
		at := r.Skeleton.EventTime
		if r.Skeleton.Type != schemas.TransformationEvent || at < s.span.from || at > s.span.to || !near(r.Skeleton, s.id) {
			continue
		}
		if t.take(s.id, r, up) {
			if err := t.keep(r); err != nil {
				return err
			}
			continue
		}
		node, err := t.node(r)
		if err != nil {
			return err
		}
		for _, part := range node {
			others := far(part.Skeleton)
			if len(others) > 0 || part == r {
				if err := t.keep(part); err != nil {
					return err
				}
			}
			for _, other := range others {
				if other == s.id {
					continue
				}
				step := next(other, part)
				if up {
					t.edge("transformation", other, s.id, part, nil)
				} else {
					t.edge("transformation", s.id, other, part, nil)
				}
				t.follow(step)
			}
			if err := t.enough(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take reports whether a transformation was followed from an item before. Where it leads
// does not depend on the interval through which the item was come to; followed for each of
// them, a thousand events about the same few lots are millions of steps.
func (t *tracer) take(id string, r *schemas.Record, up bool) (before bool) {
	u := use{id: id, transformation: r.Skeleton.TransformationID, up: up}
	if u.transformation == "" {
		u.at = r.Locator
	}
	before, t.taken[u] = t.taken[u], true
	return before
}

func (t *tracer) follow(s step) {
	if !t.covered(s) {
		t.queue = append(t.queue, s)
		t.steps++
	}
}

func timeOf(r *schemas.Record) time.Time { return time.Unix(0, r.Skeleton.EventTime).UTC() }

// edge notes a link, once, and whether it rests on a claim alone.
func (t *tracer) edge(kind, from, to string, r *schemas.Record, end *time.Time) {
	if t.bare {
		t.links++
		return
	}
	e := schemas.TraceEdge{Kind: kind, From: from, To: to, Start: timeOf(r), Event: r.EventID, At: r.Locator}
	if t.edges[e] {
		return
	}
	t.edges[e] = true
	e.End = end
	t.out.Edges = append(t.out.Edges, e)
	if r.Result.Effect == schemas.Claim {
		t.gap("claim", from, r, "told by "+r.Partner+", who did not hold it")
	}
}

func (t *tracer) gap(kind, id string, r *schemas.Record, detail string) {
	if t.bare {
		return
	}
	g := schemas.TraceGap{Kind: kind, ID: id, Event: r.EventID, At: r.Locator}
	if !t.gaps[g] {
		t.gaps[g] = true
		g.Detail = detail
		t.out.Gaps = append(t.out.Gaps, g)
	}
}
