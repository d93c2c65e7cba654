package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Proven tells in words what the bundle proves to whoever trusts its root.
func (r *Report) Proven() []string {
	said := append(r.Restarts(), fmt.Sprintf("Validators with %d of %d votes of a trusted set signed the header of height %d.", r.Signed, r.Power, r.SignedHeight))
	switch {
	case r.led > 0 && r.crossed():
		said = append(said, fmt.Sprintf("%s, each signed by more than two thirds of the set trusted before it, and a rescue behind each at which those who agreed became that set, lead from the root of trust to it.", count(r.led, "header")))
	case r.led == 1:
		said = append(said, "1 header, signed by more than two thirds of the set trusted before it, leads from the root of trust to that set.")
	case r.led > 1:
		said = append(said, fmt.Sprintf("%d headers, each signed by more than two thirds of the set trusted before it, lead from the root of trust to that set.", r.led))
	}
	if r.HeaderHeight != r.SignedHeight {
		said = append(said, fmt.Sprintf("The state that it carries has the header of height %d among those before it.", r.HeaderHeight))
	}
	said = append(said, fmt.Sprintf("What follows is the ledger's state after block %d. By the validators' clocks, all of it was decided before %s.", r.Height, r.Time.Format(time.RFC3339Nano)))
	said = append(said, r.witnessed()...)
	for _, s := range r.asked() {
		said = append(said, s.proven()...)
	}
	said = append(said, r.units()...)
	said = append(said, r.followed()...)
	if r.observed > 0 {
		said = append(said, "What others saw or claimed then of containers and ancestors is there, too: of "+count(r.observed, "thing")+".")
	}
	return said
}

// followed tells of ancestors and containers, where what was asked for can have them:
// as far as records tell, and one that is withheld tells nothing.
func (r *Report) followed() (said []string) {
	made, inside := false, r.has(RoleAncestor, AnItem)
	for _, s := range r.asked() {
		made = made || s.Present && (s.Kind == AnItem || s.Kind == AClass)
		inside = inside || s.Present && s.Kind == AnItem
	}
	far, put := "as far upstream as records tell", "as their records tell"
	if slices.ContainsFunc(r.Events, func(e Event) bool { return e.Form == withheldEvent }) {
		far, put = "as far upstream as records tell that are not withheld", "as those of their records tell that are not withheld"
	}
	switch n := count(r.role(RoleAncestor), "ancestor"); {
	case !made:
	case r.Complete:
		said = append(said, fmt.Sprintf("All that it was made from, %s, is there: %s.", far, n))
	case r.Scope.Ancestors > 0:
		said = append(said, fmt.Sprintf("What it was made from, %s, up to %s, is there: %s.", far, count(int(r.Scope.Ancestors), "transformation"), n))
	}
	if r.Scope.Containers && inside {
		said = append(said, fmt.Sprintf("Of every container that the items were put into, %s, the records while they may have been inside are there: %s.", put, count(r.role(RoleContainer), "container")))
	}
	return said
}

// has reports whether something of the kind has the role.
func (r *Report) has(role string, kind Subject) bool {
	return slices.ContainsFunc(r.Subjects, func(s SubjectReport) bool { return s.Role == role && s.Kind == kind })
}

func (r *Report) role(role string) (n int) {
	for i := range r.Subjects {
		if r.Subjects[i].Role == role {
			n++
		}
	}
	return n
}

func (s *SubjectReport) proven() (said []string) {
	switch {
	case s.Kind == AShipment && !s.Present:
		return []string{"The ledger then had no shipment of the identifier " + s.ID + "."}
	case s.Kind == APartner && !s.Present:
		return []string{"The partner " + s.ID + " had then sent nothing."}
	case !s.Present:
		return []string{"The ledger then had neither an item nor a class or lot of the identifier " + s.ID + "."}
	}
	for _, t := range s.Trails {
		switch {
		case t.Count == 0:
			said = append(said, fmt.Sprintf("The %s of %s then had no record.", t.Trail, s.ID))
		case t.Shown == t.Count:
			said = append(said, fmt.Sprintf("The %s of %s then had %s: all are here, in the order in which they were recorded, and no other followed.", t.Trail, s.ID, count(int(t.Count), "record")))
		case t.Shown > 0:
			said = append(said, fmt.Sprintf("The %s of %s then had %d records: here are all from the %s to the %s.", t.Trail, s.ID, t.Count, ordinal(t.First+1), ordinal(t.First+t.Shown)))
		default:
			said = append(said, fmt.Sprintf("The %s of %s then had %s, which the bundle leaves out.", t.Trail, s.ID, count(int(t.Count), "record")))
		}
	}
	switch s.Kind {
	case AClass:
		return append(said, fmt.Sprintf("What partners then held of it, as far as the records shown here name them: %s. What was packed into containers is held with them, and is not counted here.", count(len(s.Balances), "balance")))
	case APartner:
		return said
	case AShipment:
		return append(said, s.Shipment.proven()...)
	}
	switch {
	case s.Custodian == "":
		said = append(said, "Nobody then held the item.")
	case strings.HasPrefix(s.Custodian, schemas.External):
		said = append(said, "The item was then held outside the network, by "+strings.TrimPrefix(s.Custodian, schemas.External)+".")
	default:
		said = append(said, "The custodian of the item was then the partner "+s.Custodian+".")
	}
	if n := len(s.Containers); n > 0 {
		said = append(said, fmt.Sprintf("The item was then inside %s.", count(n, "container")))
	}
	return said
}

func ordinal(n uint64) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// NotProven tells in words what the bundle does not prove.
func (r *Report) NotProven() []string {
	said := []string{
		fmt.Sprintf("What happened after block %d: the bundle is as fresh as that height.", r.Height),
		"That validators were honest: it is assumed that of no set from the root of trust on more than a third of the power, or its keys since, fell to forgers. The root does not expire; an old one rests on old keys.",
	}
	if r.crossed() {
		said = append(said, "That those who are said to be lost are, and that nobody else goes on from the same block: those who agreed on the rescue say so, and whoever accepts it believes them.")
	}
	if slices.ContainsFunc(r.Partners, func(p schemas.Partner) bool { return p.LEI != "" || p.Registration != "" }) {
		said = append(said, "That a partner is the legal entity of its LEI and registration: the members who admitted it found so, and ask their registers.")
	}
	things := false
	for _, s := range r.asked() {
		things = things || s.Present
		switch {
		case !s.Present:
			said = append(said, "That nothing happened to "+s.ID+": only that nobody had reported it.")
			continue
		case s.Kind == AShipment:
			said = append(said, s.Shipment.notProven()...)
		case !s.Alone && s.Kind != APartner && len(r.asked()) == 1:
			said = append(said, "That "+s.ID+" is not the identifier of both an item and a class or lot: the bundle tells of one.")
		}
		if s.Kind != AnItem {
			if s.cut() {
				said = append(said, "That none of the events of "+s.ID+" that are here was declared erroneous since: a declaration may be among its records that are not here.")
			}
			continue
		}
		if !r.Scope.Containers {
			said = append(said, "What happened to containers that the item was in: their hand-overs and unpacking are in their own trails.")
		}
		for _, t := range s.Trails {
			if t.Trail == trailNames(schemas.ObservationTrail) && t.Shown < t.Count {
				said = append(said, "That none of the events was declared erroneous since: declarations are among the observations, which the bundle leaves out.")
			}
		}
	}
	if !things {
		return said
	}
	if n := r.cut(); n > 0 {
		said = append(said, fmt.Sprintf("That none of the events of containers and ancestors was declared erroneous since: of %s the bundle has what counts here, and a declaration may have come later, or be among the observations.", count(n, "thing")))
	}
	if r.unobserved > 0 {
		said = append(said, "What others saw or claimed then of containers and ancestors: of "+count(r.unobserved, "thing")+" the bundle leaves it out.")
	}
	said = append(said, "That everything that happened was reported, or that what was reported is true: no ledger can show that.")
	return append(said, r.notProvenOfEvents()...)
}

// cut reports whether some records of a thing are here, and not all of those among which
// a declaration that one is erroneous would be: of an item the observations.
func (s *SubjectReport) cut() bool {
	if len(s.Trails) == 0 || s.Trails[0].Shown == 0 {
		return false
	}
	last := s.Trails[len(s.Trails)-1]
	return last.Shown < last.Count
}

// cut counts containers and ancestors of which that is so.
func (r *Report) cut() (n int) {
	for i := range r.Subjects {
		if s := &r.Subjects[i]; (s.Role == RoleContainer || s.Role == RoleAncestor) && s.cut() {
			n++
		}
	}
	return n
}

func (r *Report) notProvenOfEvents() (said []string) {
	untimed, withheld, partial, bare, upstream := 0, 0, 0, 0, false
	for i := range r.Events {
		e := &r.Events[i]
		if e.Time == nil {
			untimed++
		}
		switch e.Form {
		case withheldEvent:
			withheld++
		case partialEvent:
			partial++
		case bareEvent:
			bare++
		}
		upstream = upstream || e.Type == schemas.TransformationEvent.String()
	}
	said = append(said, "The claimed times of the events.")
	if untimed > 0 {
		said = append(said, fmt.Sprintf("Of %s, when exactly it was recorded: only the block, the order, and that it was before the header's time.", count(untimed, "event")))
	}
	if withheld > 0 {
		said = append(said, fmt.Sprintf("Of %s, what it says: whoever made the bundle withheld it, and what follows from it is not told.", count(withheld, "event")))
	}
	if partial > 0 {
		said = append(said, fmt.Sprintf("Of %s, what its withheld members say. Rules read none of them.", count(partial, "event")))
	}
	if bare > 0 {
		said = append(said, fmt.Sprintf("Of %s, what it says beside what rules read: its body is not held.", count(bare, "event")))
	}
	switch {
	case upstream && r.Complete:
		said = append(said, "That transformations had no inputs but those in the events here: others may be told by events of the same transformation.")
	case upstream:
		said = append(said, "Where inputs of transformations came from, beyond what is followed here, and inputs that other events of the same transformation tell.")
	}
	return said
}
