package proof

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// subject is a subject of the bundle under verification.
type subject struct {
	Thing
	part     *SubjectPart
	asked    bool
	whole    bool              // it was asked for, and all records of its trails that are there must be
	item     schemas.Item      // of an item
	shipment *schemas.Shipment // of one that is there
	heads    [2]schemas.Head
	trails   []*trail // as in part
	report   *SubjectReport
	leaf     bool // something needs its leaf
	unit     bool // of the shipment asked for
}

// trail is a trail of which the bundle has records.
type trail struct {
	key     schemas.TrailKey
	part    *TrailPart
	head    schemas.Head
	entries [][32]byte
	records []placed
}

// kindsOf are the trails that a subject can have, in order.
func kindsOf(s Subject) []schemas.TrailKind {
	switch s {
	case AnItem:
		return []schemas.TrailKind{schemas.CustodyTrail, schemas.ObservationTrail}
	case AClass:
		return []schemas.TrailKind{schemas.ClassTrail}
	case APartner:
		return []schemas.TrailKind{schemas.PartnerTrail}
	case AShipment:
		return []schemas.TrailKind{schemas.ShipmentTrail}
	}
	return nil
}

// askedFor tells how many of the subjects were asked for: one, or an item and a
// class of one identifier.
func askedFor(parts []SubjectPart) int {
	if len(parts) > 1 && parts[0].Kind == AnItem && parts[1].Kind == AClass && parts[0].ID == parts[1].ID {
		return 2
	}
	return min(1, len(parts))
}

// checkSubjects proves the state of what the bundle is about.
func (v *verification) checkSubjects() error {
	asked := askedFor(v.b.Subjects)
	if asked == 0 {
		return errors.New("subjects: the bundle has none")
	}
	if s := v.b.Scope; s.Ancestors > MaxAncestry+1 {
		return fmt.Errorf("scope: %d transformations upstream, at most %d are followed", s.Ancestors, MaxAncestry)
	}
	v.report.Scope = v.b.Scope
	v.report.Subjects = make([]SubjectReport, len(v.b.Subjects))
	for i := range v.b.Subjects {
		part := &v.b.Subjects[i]
		s := &subject{Thing: Thing{part.Kind, part.ID}, part: part, asked: i < asked, whole: i < asked && !partial(part.Kind, &v.b.Scope), report: &v.report.Subjects[i]}
		if _, twice := v.places[s.Thing]; twice || i > asked && !before(&v.b.Subjects[i-1], part) {
			return fmt.Errorf("subject %s %q: it is there twice, or not behind those before it", part.Kind, part.ID)
		}
		v.places[s.Thing] = s
		v.subjects = append(v.subjects, s)
		*s.report = SubjectReport{Kind: part.Kind, ID: part.ID, Role: RoleOther, Present: part.Value != nil, Containers: []string{}}
		if s.asked {
			s.report.Role = RoleAsked
		}
		if err := v.checkSubject(s); err != nil {
			return fmt.Errorf("%s %s: %w", part.Kind, part.ID, err)
		}
		if err := s.listTrails(); err != nil {
			return fmt.Errorf("%s %s: %w", part.Kind, part.ID, err)
		}
	}
	return nil
}

func before(a, b *SubjectPart) bool {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID)) < 0
}

func (v *verification) checkSubject(s *subject) (err error) {
	p := s.part
	scheme := schemas.PrivateURI
	if p.Kind == APartner {
		// What is absent has no leaf that vouches for its name: free text could say anything.
		if !schemas.IsPartnerID(p.ID) {
			return errors.New("the identifier is none that a partner can have")
		}
	} else {
		canonical, of, err := schemas.Canonical(p.ID)
		if err != nil || canonical != p.ID {
			return errors.New("the identifier is not in canonical form")
		}
		scheme = of
	}
	if (p.Kind == Unknown) != (p.Value == nil) && p.Kind != APartner && p.Kind != AShipment {
		return errors.New("its value is missing, or there is one of what is unknown")
	}
	switch p.Kind {
	case AnItem:
		if err := v.leaf("leaf", schemas.ItemKey(p.ID), &StateLeaf{p.Value, p.Path}); err != nil {
			return err
		}
		if s.item, err = schemas.DecodeItem(p.Value); err != nil {
			return err
		}
		s.heads = [2]schemas.Head{s.item.Custody, s.item.Observations}
		s.report.Disposition, s.report.Ended, s.report.InShipment = s.item.Disposition, s.item.Ended, s.item.Shipment
		if s.item.Offer != nil && !s.item.Offer.Lapsed(v.report.Time.UnixNano()) {
			s.report.OfferedTo = s.item.Offer.Party
		}
		return v.checkAlone(s, scheme, schemas.ClassKey(p.ID))
	case AClass:
		if err := v.leaf("leaf", schemas.ClassKey(p.ID), &StateLeaf{p.Value, p.Path}); err != nil {
			return err
		}
		if s.heads[0], err = schemas.DecodeSingleHead(p.Value); err != nil {
			return err
		}
		return v.checkAlone(s, scheme, schemas.ItemKey(p.ID))
	case Unknown:
		if !s.asked {
			return errors.New("nobody asked for it")
		}
		if err := v.absent("absence as item", schemas.ItemKey(p.ID), p.Path); err != nil {
			return err
		}
		return v.absent("absence as class", schemas.ClassKey(p.ID), p.Other)
	case AShipment:
		return v.checkShipmentLeaf(s)
	}
	return v.checkActivity(s)
}

// checkActivity proves a partner's register, or that it never sent anything.
func (v *verification) checkActivity(s *subject) error {
	ok, err := v.soleLeaf(s, schemas.RegisterKey(s.part.ID), "register", "absence of a register")
	if !ok || err != nil {
		return err
	}
	register, err := schemas.DecodeRegister(s.part.Value)
	s.heads[0] = register.Trail
	return err
}

// soleLeaf proves the leaf of a subject that has only one, which is nobody's but who is
// asked about, or that there is none; ok tells which. Errors name the leaf and its
// absence as they are given.
func (v *verification) soleLeaf(s *subject, key []byte, leaf, absence string) (ok bool, err error) {
	p := s.part
	switch {
	case !s.asked:
		return false, errors.New("nobody asked for it")
	case p.Other != nil:
		return false, errors.New("it has a path too many")
	case p.Value == nil:
		return false, v.absent(absence, key, p.Path)
	}
	return true, v.leaf(leaf, key, &StateLeaf{p.Value, p.Path})
}

// checkAlone proves that what was asked for is not both item and class, where the
// identifier does not tell and the bundle does.
func (v *verification) checkAlone(s *subject, scheme schemas.Scheme, other []byte) error {
	ambiguous := scheme == schemas.PrivateURI || scheme == schemas.OtherGS1
	both := askedFor(v.b.Subjects) == 2
	s.report.Alone = !ambiguous || s.part.Other != nil
	if s.part.Other == nil {
		return nil
	}
	if !s.asked || !ambiguous || both {
		return errors.New("it has a path too many")
	}
	return v.absent("absence of the other kind", other, s.part.Other)
}

// partial reports whether of what was asked for a part of the trail is a bundle: what
// belongs to it then follows from no record.
func partial(kind Subject, s *Scope) bool {
	return kind == APartner || kind == AClass && s.Ancestors == 0
}

// listTrails takes stock of the trails of which the bundle has records.
func (s *subject) listTrails() error {
	kinds, listed := kindsOf(s.Kind), s.part.Trails
	for i, kind := range kinds {
		head := s.heads[i]
		told := TrailReport{Trail: trailNames(kind), Count: head.Count}
		if len(listed) > 0 && listed[0].Kind == kind {
			part := &listed[0]
			listed = listed[1:]
			switch {
			case head.Count == 0:
				return fmt.Errorf("its %s has no records", trailNames(kind))
			case s.whole && part.First != 0:
				return fmt.Errorf("its %s begins with record %d", trailNames(kind), part.First)
			}
			s.trails = append(s.trails, &trail{key: schemas.TrailKey{Kind: kind, Subject: s.ID}, part: part, head: head})
			told.First = part.First
		} else if s.asked && i == 0 && s.Kind != APartner && head.Count > 0 {
			return fmt.Errorf("its %s is missing", trailNames(kind))
		}
		s.report.Trails = append(s.report.Trails, told)
	}
	if len(listed) > 0 {
		return errors.New("it has a trail that such a subject has not, or trails out of order")
	}
	return nil
}

// trail finds one of the trails that are there.
func (s *subject) trail(kind schemas.TrailKind) *trail {
	for _, t := range s.trails {
		if t.key.Kind == kind {
			return t
		}
	}
	return nil
}

type release struct {
	container string
	epoch     uint64
}

// released is what the bundle has of a release.
type released struct {
	leaf *StateLeaf
	used bool // and proven
}

// checkCustodians proves who holds the items that were asked for, and the units of a
// shipment.
func (v *verification) checkCustodians() error {
	v.releases = make(map[release]*released, len(v.b.Releases))
	for i := range v.b.Releases {
		r := &v.b.Releases[i]
		if i > 0 {
			if p := &v.b.Releases[i-1]; cmp.Or(strings.Compare(p.Container, r.Container), cmp.Compare(p.Epoch, r.Epoch)) >= 0 {
				return fmt.Errorf("release of %s: it is there twice, or not behind those before it", r.Container)
			}
		}
		v.releases[release{r.Container, r.Epoch}] = &released{leaf: &r.Leaf}
	}
	for _, s := range v.subjects {
		if s.Kind == AnItem && (s.asked || s.unit) {
			holder, err := v.custodian(s)
			if err != nil {
				return fmt.Errorf("custodian of %s: %w", s.ID, err)
			}
			s.report.Custodian = holder
		}
	}
	for i := range v.b.Releases {
		if r := &v.b.Releases[i]; !v.releases[release{r.Container, r.Epoch}].used {
			return fmt.Errorf("release of %s: nothing needs it", r.Container)
		}
	}
	return nil
}

// custodian follows the containers outwards. An item is inside its container
// only while that has the epoch in which it was put in; else the container was
// emptied, and who emptied it got what it let go.
func (v *verification) custodian(s *subject) (string, error) {
	it := &s.item
	for it.Parent != "" {
		where := "container " + it.Parent
		parent := v.places[Thing{AnItem, it.Parent}]
		if parent == nil {
			return "", fmt.Errorf("%s: its leaf is missing", where)
		}
		parent.leaf = true
		if parent.item.Epoch != it.ParentEpoch {
			r := v.releases[release{it.Parent, it.ParentEpoch}]
			if r == nil {
				return "", fmt.Errorf("%s: it was emptied, and the leaf of who did is missing", where)
			}
			if !r.used {
				if err := v.leaf("release of "+where, schemas.ReleaseKey(it.Parent, it.ParentEpoch), r.leaf); err != nil {
					return "", err
				}
				r.used = true
			}
			return schemas.DecodeRelease(r.leaf.Value)
		}
		if len(s.report.Containers) == maxNesting {
			return "", fmt.Errorf("%s: nested deeper than %d", where, maxNesting)
		}
		s.report.Containers = append(s.report.Containers, it.Parent)
		it = &parent.item
	}
	return it.Custodian, nil
}

// checkNeeds proves that what belongs to the subjects is there, and nothing else.
func (v *verification) checkNeeds() error {
	var asked []Thing
	for _, s := range v.subjects {
		if s.asked {
			asked = append(asked, s.Thing)
		}
	}
	found, err := find(v, v.b.Scope, asked)
	if err != nil {
		return err
	}
	needs, n := found.needs, v.b.Scope.Ancestors
	if n > 0 && !found.cut && n != found.deepest()+1 {
		return fmt.Errorf("scope: %d transformations upstream, where %d lead to the farthest ancestor and nothing is left out", n, found.deepest())
	}
	v.report.Complete = n > 0 && !found.cut && len(needs) > 0 // nobody made a partner from anything
	for _, s := range v.subjects {
		n := needs[s.Thing]
		if s.asked {
			continue
		}
		where := fmt.Sprintf("%s %s", s.Kind, s.ID)
		main := s.trail(s.mainTrail().Kind)
		switch {
		case n == nil && !s.leaf, n == nil && len(s.trails) > 0:
			return fmt.Errorf("%s: nothing needs it", where)
		case n == nil:
			if s.report.Role = RoleContainer; s.unit {
				s.report.Role = RoleUnit
			}
			continue
		case n.fromStart && main != nil && main.part.First > 0:
			return fmt.Errorf("%s: its %s begins with record %d", where, trailNames(main.key.Kind), main.part.First)
		}
		if s.report.Role = RoleContainer; n.follows {
			s.report.Role = RoleAncestor
		}
		if err := v.checkSeen(s, n.over); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// checkSeen proves that what others saw or claimed of a container or ancestor is there
// over the interval that counts, if any of it is.
func (v *verification) checkSeen(s *subject, over *window) error {
	if s.Kind != AnItem || s.heads[1].Count == 0 {
		return nil
	}
	t := s.trail(schemas.ObservationTrail)
	switch {
	case t == nil && over == nil:
		return nil
	case t == nil:
		v.report.unobserved++
		return nil
	case over == nil:
		return errors.New("nothing needs its observations")
	case len(t.records) == 0, t.part.First > 0 && t.records[0].at.Compare(over.from) > 0:
		return errors.New("its first observations are missing")
	case t.part.First+uint64(len(t.records)) < t.head.Count && t.records[len(t.records)-1].at.Compare(over.to) < 0:
		return errors.New("its last observations are missing")
	}
	v.report.observed++
	return nil
}

// shown, cover and begin make the bundle a place where a search reads.

func (v *verification) shown(t Thing) []placed {
	s := v.places[t]
	if s == nil {
		return nil
	}
	main := s.trail(t.mainTrail().Kind)
	if main == nil {
		return nil
	}
	return main.records
}

func (v *verification) cover(t Thing, w window, stops func(*placed) (bool, error)) (schemas.Locator, error) {
	s := v.places[t]
	if s == nil {
		return w.to, fmt.Errorf("%s %s: its records are missing", t.Kind, t.ID)
	}
	main := s.trail(t.mainTrail().Kind)
	if main == nil {
		if s.heads[0].Count > 0 {
			return w.to, fmt.Errorf("%s %s: its records are missing", t.Kind, t.ID)
		}
		return w.to, nil
	}
	if main.part.First > 0 && main.records[0].at.Compare(w.from) > 0 {
		return w.to, fmt.Errorf("%s %s: its records before %v are missing", t.Kind, t.ID, main.records[0].at)
	}
	for i := firstFrom(main.records, w.from); i < len(main.records); i++ {
		r := &main.records[i]
		if r.at.Compare(w.to) > 0 {
			return w.to, nil
		}
		if stop, err := stops(r); stop || err != nil {
			return r.at, err
		}
		if r.at == w.to {
			return w.to, nil
		}
	}
	if main.part.First+uint64(len(main.records)) < main.head.Count {
		return w.to, fmt.Errorf("%s %s: its records behind %v are missing", t.Kind, t.ID, main.records[len(main.records)-1].at)
	}
	return w.to, nil
}

// firstFrom finds the first record that is not before a place.
func firstFrom(records []placed, at schemas.Locator) int {
	i, _ := slices.BinarySearchFunc(records, at, func(r placed, at schemas.Locator) int { return r.at.Compare(at) })
	return i
}

func (v *verification) begin(t Thing, at schemas.Locator) error {
	s := v.places[t]
	if s == nil {
		return fmt.Errorf("%s %s: it is missing", t.Kind, t.ID)
	}
	main := s.trail(t.mainTrail().Kind)
	if main == nil || main.part.First == 0 {
		return nil
	}
	r := &main.records[0]
	if _, enters := r.enters(t.ID); !enters || !r.certain() || r.at.Compare(at) > 0 {
		return fmt.Errorf("%s %s: what it was in at the first of its records is not told", t.Kind, t.ID)
	}
	return nil
}
