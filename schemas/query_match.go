package schemas

import (
	"math/big"
	"slices"
	"time"
)

// Role says where an event names things, as bits.
type Role uint8

// Roles. Those of classes are of quantity lists.
const (
	RoleEPC    Role = 1 << iota // epcList and childEPCs
	RoleParent                  // parentID
	RoleInput                   // inputEPCList
	RoleOutput                  // outputEPCList
	RoleClass                   // quantityList and childQuantityList
	RoleInputClass
	RoleOutputClass

	RoleAny      = RoleEPC | RoleParent | RoleInput | RoleOutput
	RoleAnyClass = RoleClass | RoleInputClass | RoleOutputClass
)

// Things demands that an event names one of these in one of the roles.
type Things struct {
	In       Role
	IDs      []string // canonical
	Patterns []Pattern
}

// Parties demands a source or destination of a type.
type Parties struct {
	Destination bool
	Type        string   // "" for any
	IDs         []string // canonical
}

// Amount demands a quantity, in any list of an event, that compares so with one of
// the values. UOM "" is any unit; others are converted.
type Amount struct {
	Op     Op
	Values []*big.Rat
	UOM    string
}

// Op says how a value compares.
type Op uint8

// Comparisons.
const (
	Exists Op = iota
	Equal
	Greater
	GreaterOrEqual
	Less
	LessOrEqual
)

// holds reports whether a comparison of a value with an operand came out as wanted.
func (o Op) holds(order int) bool {
	switch o {
	case Equal:
		return order == 0
	case Greater:
		return order > 0
	case GreaterOrEqual:
		return order >= 0
	case Less:
		return order < 0
	case LessOrEqual:
		return order <= 0
	}
	return true
}

// Matches reports whether a record is one that the query asks for, whatever its
// order and pages are. A record whose body is not held matches no demand on what
// only bodies say.
func (q *EventQuery) Matches(r *Record) bool {
	if r.Kind != KindEvent || !q.MatchesSkeleton(r) ||
		q.GERecordTime != nil && r.Time.Before(*q.GERecordTime) || q.LTRecordTime != nil && !r.Time.Before(*q.LTRecordTime) ||
		!inTime(r.Skeleton.EventTime, q.GEEventTime, q.LTEventTime) {
		return false
	}
	if is, known := q.MatchesID(r.EventID); !is && (known || !q.MatchesHash(r.Body)) {
		return false
	}
	if len(q.BizLocations)+len(q.ReadPoints)+len(q.Conditions) == 0 {
		return true
	}
	b, ok := readBodyOf(r.Body)
	return ok && b.isAt("bizLocation", q.BizLocations) && b.isAt("readPoint", q.ReadPoints) && b.all(q.Conditions)
}

// MatchesID reports whether an event is asked for by its eventID. Where it is not,
// known tells whether that is all that is asked: otherwise its hash may be.
func (q *EventQuery) MatchesID(eventID string) (is, known bool) {
	if oneOf(q.EventIDs, eventID) {
		return true, true
	}
	return false, !slices.ContainsFunc(q.EventIDs, func(id string) bool {
		_, hash := ParseHashID(id)
		return hash
	})
}

// MatchesHash reports whether an event is asked for by its hash.
func (q *EventQuery) MatchesHash(body []byte) bool {
	e, err := DecodeEvent(body)
	if err != nil {
		return false
	}
	ids := new(EventHasher).IDs(e)
	for _, asked := range q.EventIDs {
		want, ok := ParseHashID(asked)
		if ok && slices.ContainsFunc(ids, func(id HashID) bool {
			return id.Sum == want.Sum && (len(ids) == 1 || id.Version == want.Version) // one digest is that of both versions
		}) {
			return true
		}
	}
	return false
}

// MatchesSkeleton reports what a record's skeleton leaves open, but for times and
// the event's ID.
func (q *EventQuery) MatchesSkeleton(r *Record) bool {
	s := r.Skeleton
	if q.Nothing || len(q.Attributes) > 0 || !oneOf(q.EventTypes, s.Type) || !oneOf(q.Actions, s.Action) || !oneOf(q.BizSteps, s.BizStep) || !oneOf(q.Dispositions, s.Disposition) ||
		!oneOf(q.TransformationIDs, s.TransformationID) || !q.matchesDeclaration(s.Declaration) {
		return false
	}
	for i := range q.Things {
		if !q.Things[i].named(s) {
			return false
		}
	}
	for i := range q.Parties {
		if !q.Parties[i].named(s) {
			return false
		}
	}
	for i := range q.Amounts {
		if !q.Amounts[i].in(s) {
			return false
		}
	}
	return true
}

// MatchesBody reports whether a body meets the conditions on what only bodies say.
func (q *EventQuery) MatchesBody(body []byte) bool {
	if len(q.Conditions) == 0 {
		return true
	}
	b, ok := readBodyOf(body)
	return ok && b.all(q.Conditions)
}

func oneOf[T comparable](wanted []T, have T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, have)
}

func inTime(t int64, from, until *time.Time) bool {
	return (from == nil || t >= from.UnixNano()) && (until == nil || t < until.UnixNano())
}

func (q *EventQuery) matchesDeclaration(d *Declaration) bool {
	if !q.Declared && q.GEDeclared == nil && q.LTDeclared == nil && len(q.Reasons)+len(q.Corrections) == 0 {
		return true
	}
	return d != nil && inTime(d.Time, q.GEDeclared, q.LTDeclared) && oneOf(q.Reasons, d.Reason) &&
		(len(q.Corrections) == 0 || slices.ContainsFunc(d.Corrections, func(id string) bool { return slices.Contains(q.Corrections, id) }))
}

func (w *Things) named(s *Skeleton) bool {
	epcs, classes := RoleEPC, RoleClass
	if s.Type == TransformationEvent {
		epcs, classes = RoleInput, RoleInputClass
	}
	return w.In&RoleParent != 0 && s.ParentID != "" && w.is(s.ParentID) ||
		w.In&epcs != 0 && slices.ContainsFunc(s.EPCs, w.is) ||
		w.In&RoleOutput != 0 && slices.ContainsFunc(s.OutputEPCs, w.is) ||
		w.In&classes != 0 && slices.ContainsFunc(s.Quantities, w.isOf) ||
		w.In&RoleOutputClass != 0 && slices.ContainsFunc(s.OutputQuantities, w.isOf)
}

func (w *Things) is(id string) bool {
	return slices.Contains(w.IDs, id) || slices.ContainsFunc(w.Patterns, func(p Pattern) bool { return p.Matches(id) })
}

func (w *Things) isOf(q Quantity) bool { return w.is(q.Class) }

func (w *Parties) named(s *Skeleton) bool {
	list := s.Sources
	if w.Destination {
		list = s.Destinations
	}
	return slices.ContainsFunc(list, func(p Party) bool { return (w.Type == "" || p.Type == w.Type) && slices.Contains(w.IDs, p.ID) })
}

// in reports whether a quantity of the event compares as wanted.
func (a *Amount) in(s *Skeleton) bool {
	is := func(q Quantity) bool {
		if !q.Known {
			return false
		}
		have, ok := new(big.Rat).SetString(q.Amount.String())
		return ok && compares(a.Op, have, q.UOM, a.Values, a.UOM, false)
	}
	return slices.ContainsFunc(s.Quantities, is) || slices.ContainsFunc(s.OutputQuantities, is)
}

// compares compares an amount with operands, converting units of one dimension;
// unit "" of the operands is any.
func compares(op Op, have *big.Rat, haveUnit string, values []*big.Rat, unit string, spread bool) bool {
	from, to := unitOf{}, unitOf{}
	if unit != "" && unit != haveUnit {
		from, to = unitOfCode(haveUnit), unitOfCode(unit)
		if from.dimension != to.dimension {
			return false
		}
	}
	convert := unitOf.base
	if spread {
		convert = unitOf.spread
	}
	amount := convert(from, have)
	return slices.ContainsFunc(values, func(v *big.Rat) bool { return op.holds(amount.Cmp(convert(to, v))) })
}
