package proof

import (
	"fmt"
	"math"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// The history of a thing goes on in what it was inside of, and began in what it
// was made from. Which records that takes is worked out here from the records
// themselves, in the order of the ledger, by whoever makes a bundle and by whoever
// checks one. It rather asks for a record too many than for one too few: rules
// may leave a thing where it was, and flag that, so that what a flagged record did
// is not certain.

// placed is a record as far as this needs it. Of a withheld one the skeleton is nil.
type placed struct {
	at     schemas.Locator
	result *schemas.Result
	s      *schemas.Skeleton
}

// window is an interval of the ledger, both ends included.
type window struct{ from, to schemas.Locator }

var (
	firstPlace = schemas.Locator{}
	lastPlace  = schemas.Locator{Height: math.MaxInt64, Position: math.MaxUint32, Index: math.MaxUint32}
)

func earlier(a, b schemas.Locator) schemas.Locator {
	if a.Compare(b) <= 0 {
		return a
	}
	return b
}

func later(a, b schemas.Locator) schemas.Locator {
	if a.Compare(b) >= 0 {
		return a
	}
	return b
}

func (r *placed) applied() bool { return r.s != nil && r.result.Effect == schemas.Applied }

// enters reports whether the record puts the thing into another, and which.
func (r *placed) enters(id string) (parent string, ok bool) {
	if !r.applied() || r.s.Type != schemas.AggregationEvent || r.s.Action != schemas.ActionAdd || !slices.Contains(r.s.EPCs, id) {
		return "", false
	}
	_, scheme, err := schemas.Canonical(r.s.ParentID)
	thing := err == nil && scheme != schemas.SGLN && scheme != schemas.PGLN && !scheme.Class()
	return r.s.ParentID, thing
}

// certain reports whether all that the record puts into something is inside it then.
func (r *placed) certain() bool {
	return !r.result.Has(schemas.ContainmentConflict) && !r.result.Has(schemas.ContainmentCycle) && !r.result.Has(schemas.ContainmentTooDeep)
}

// ends reports whether the record uses up, destroys or decommissions the thing.
func (r *placed) ends(id string) bool {
	return r.applied() && slices.Contains(r.s.EPCs, id) &&
		(r.s.Type == schemas.ObjectEvent && r.s.Action == schemas.ActionDelete || r.s.Type == schemas.TransformationEvent)
}

// leaves reports whether the record takes the thing out of the parent.
func (r *placed) leaves(id, parent string) bool {
	if r.ends(id) {
		return true
	}
	if p, ok := r.enters(id); ok {
		return p != parent && r.certain()
	}
	return r.applied() && r.s.Type == schemas.AggregationEvent && r.s.Action == schemas.ActionDelete && r.s.ParentID == parent &&
		slices.Contains(r.s.EPCs, id) && !r.result.Has(schemas.NotContained)
}

// empties reports whether nothing is inside the thing any more.
func (r *placed) empties(id string) bool {
	if r.ends(id) {
		return true
	}
	return r.applied() && r.s.Type == schemas.AggregationEvent && r.s.Action == schemas.ActionDelete && r.s.ParentID == id &&
		len(r.s.EPCs) == 0 && len(r.s.Quantities) == 0
}

// stay is a thing's being inside another, as its own trail tells.
type stay struct {
	parent string
	window
}

// stays are those of a thing that its records tell of, each put into the list
// where it begins.
func (s *search) stays(id string, records []placed) ([]stay, error) {
	var stays []stay
	var open []int // of stays
	for i := range records {
		r := &records[i]
		kept := open[:0]
		for _, at := range open {
			if err := s.visit(r); err != nil {
				return nil, err
			}
			if r.leaves(id, stays[at].parent) {
				stays[at].to = r.at
			} else {
				kept = append(kept, at)
			}
		}
		open = kept
		parent, ok := r.enters(id)
		if !ok || slices.ContainsFunc(open, func(at int) bool { return stays[at].parent == parent }) {
			continue
		}
		open = append(open, len(stays))
		stays = append(stays, stay{parent, window{r.at, lastPlace}})
	}
	return stays, nil
}

// Thing names a subject of a bundle: by its canonical identifier, a partner by its
// id.
type Thing struct {
	Kind Subject
	ID   string
}

// mainTrail is the trail that tells what became of it.
func (t Thing) mainTrail() schemas.TrailKey {
	switch t.Kind {
	case AClass:
		return schemas.TrailKey{Kind: schemas.ClassTrail, Subject: t.ID}
	case APartner:
		return schemas.TrailKey{Kind: schemas.PartnerTrail, Subject: t.ID}
	case AShipment:
		return schemas.TrailKey{Kind: schemas.ShipmentTrail, Subject: t.ID}
	}
	return schemas.TrailKey{Kind: schemas.CustodyTrail, Subject: t.ID}
}

// need is why a thing belongs to a bundle.
type need struct {
	over      *window // when what contains it belongs to it, too; nil for never
	fromStart bool    // its trail must be there from its begin
	depth     uint64  // transformations between it and what was asked for
	follows   bool    // it was asked for, or is an ancestor: what it was made from belongs to it
	waits     bool    // in the queue
}

// histories is where a search reads records: those of a thing's main trail.
type histories interface {
	// shown are the records known so far, in order.
	shown(t Thing) []placed
	// cover makes sure that the records from one place to another are known, or up
	// to the first at which the thing stops, and answers where that ends.
	cover(t Thing, w window, stops func(*placed) (bool, error)) (schemas.Locator, error)
	// begin makes sure that a thing's records tell what it is in at a place: they
	// are known from the first on, or from one at which it certainly enters something.
	begin(t Thing, at schemas.Locator) error
}

const (
	maxVisits = 20_000_000 // records that a search looks at, or many times as many EPCs in them
	epcsVisit = 16
)

// search finds all that belongs to what was asked for.
type search struct {
	histories
	scope  Scope
	needs  map[Thing]*need
	queue  []Thing
	visits int
	cut    bool // something was made from what is not there
}

// deepest is how many transformations lead to the farthest ancestor.
func (s *search) deepest() (depth uint64) {
	for _, n := range s.needs { // the largest, in whatever order
		if n.follows {
			depth = max(depth, n.depth)
		}
	}
	return depth
}

// visit counts a record that is looked at: what partners record may be entangled
// without end, and whoever checks a bundle has other things to do.
func (s *search) visit(r *placed) error {
	if s.visits++; r.s != nil {
		s.visits += (len(r.s.EPCs) + len(r.s.OutputEPCs)) / epcsVisit
	}
	if s.visits > maxVisits {
		return fmt.Errorf("containers and ancestors take more than %d looks at records: ask for fewer", maxVisits)
	}
	return nil
}

// find answers what belongs to the things asked for.
func find(h histories, scope Scope, asked []Thing) (*search, error) {
	s := &search{histories: h, scope: scope, needs: map[Thing]*need{}}
	for _, t := range asked {
		if t.Kind == AnItem || t.Kind == AClass {
			s.needs[t] = &need{over: &window{firstPlace, lastPlace}, fromStart: true, follows: true, waits: true}
			s.queue = append(s.queue, t)
		}
	}
	for len(s.queue) > 0 {
		t := s.queue[0]
		s.queue = s.queue[1:]
		n := s.needs[t]
		n.waits = false
		if scope.Containers && t.Kind == AnItem && n.over != nil {
			if err := s.containers(t, *n.over); err != nil {
				return nil, err
			}
		}
		if n.follows && n.depth < scope.Ancestors {
			if err := s.ancestors(t, n); err != nil {
				return nil, err
			}
		}
	}
	for t, n := range s.needs { // whether any of them was made from something else: in whatever order
		if n.follows && scope.Ancestors > 0 && n.depth == scope.Ancestors {
			if err := s.ancestors(t, n); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// want notes a need, and looks again at what grew.
func (s *search) want(t Thing, over *window, fromStart, follows bool, depth uint64) {
	n, ok := s.needs[t]
	if !ok {
		n = &need{depth: depth}
		s.needs[t] = n
	}
	n.fromStart = n.fromStart || fromStart
	grown := false
	if over != nil {
		w := *over
		if n.over != nil {
			w = window{earlier(w.from, n.over.from), later(w.to, n.over.to)}
		}
		if n.over == nil || w != *n.over {
			n.over, grown = &w, true
		}
	}
	if follows && (!n.follows || depth < n.depth) {
		n.follows, n.depth, grown = true, depth, true
	}
	if grown && !n.waits {
		n.waits = true
		s.queue = append(s.queue, t)
	}
}

// containers finds what the thing was inside of while it mattered.
func (s *search) containers(t Thing, over window) error {
	if err := s.begin(t, over.from); err != nil {
		return err
	}
	stays, err := s.stays(t.ID, s.shown(t))
	if err != nil {
		return err
	}
	for _, in := range stays {
		if in.to.Compare(over.from) < 0 || in.from.Compare(over.to) > 0 {
			continue
		}
		parent := Thing{AnItem, in.parent}
		end, err := s.cover(parent, window{in.from, earlier(in.to, over.to)}, func(r *placed) (bool, error) {
			return r.at.Compare(in.from) > 0 && r.empties(parent.ID), s.visit(r)
		})
		if err != nil {
			return err
		}
		if end.Compare(over.from) < 0 {
			s.want(parent, nil, false, false, 0) // it had been emptied before, as its trail tells
			continue
		}
		s.want(parent, &window{later(in.from, over.from), end}, false, false, 0)
	}
	return nil
}

// ancestors finds what the thing was made from.
func (s *search) ancestors(t Thing, n *need) error {
	records := s.shown(t)
	for i := range records {
		r := &records[i]
		if err := s.visit(r); err != nil {
			return err
		}
		if !r.applied() || r.s.Type != schemas.TransformationEvent || r.at.Compare(n.over.to) > 0 || !names(r.s.OutputEPCs, r.s.OutputQuantities, t) {
			continue
		}
		var inputs []Thing
		for _, id := range r.s.EPCs {
			inputs = append(inputs, Thing{AnItem, id})
		}
		for _, q := range r.s.Quantities {
			inputs = append(inputs, Thing{AClass, q.Class})
		}
		for _, input := range inputs {
			if input == t {
				continue
			}
			if n.depth >= s.scope.Ancestors {
				if in := s.needs[input]; in == nil || !in.follows || in.over.to.Compare(r.at) < 0 {
					s.cut = true
				}
				continue
			}
			w := window{firstPlace, r.at}
			if _, err := s.cover(input, w, func(r *placed) (bool, error) { return false, s.visit(r) }); err != nil {
				return err
			}
			s.want(input, &w, true, true, n.depth+1)
		}
	}
	return nil
}

func names(epcs []string, quantities []schemas.Quantity, t Thing) bool {
	if t.Kind == AnItem {
		return slices.Contains(epcs, t.ID)
	}
	return slices.ContainsFunc(quantities, func(q schemas.Quantity) bool { return q.Class == t.ID })
}
