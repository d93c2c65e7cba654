package schemas

import "math"

// MomentKind is what happened without a message of its own: because time passed, or as
// what a block made of its messages.
type MomentKind uint8

// Kinds of moments. Their numbers order those of one block.
const (
	MomentPassed      MomentKind = 1 + iota // and what it changes holds from the next block on
	MomentRejected                          // too many are against it
	MomentAdmitted                          // From: the height from which it may act
	MomentSuspended                         //
	MomentResumed                           //
	MomentRemoved                           //
	MomentValidator                         // From: the height from which the new validator signs
	MomentNoValidator                       // From: the height from which it signs no more
	MomentParameters                        //
	MomentUpgrade                           // at the first block of the new rules
	MomentOffer                             // of items or a lot, that nobody answered in time
	MomentHandover                          // of a shipment; what was taken of it by then counts as accepted
	MomentOverdue                           // its deadline passed, and its receiver does not have it
	MomentUndecided                         // its voting is over, undecided
)

var momentNames = [...]string{"", "proposal.passed", "proposal.rejected", "partner.admitted", "partner.suspended", "partner.resumed", "partner.removed",
	"validator.changed", "validator.removed", "parameters.changed", "upgrade.in_force", "offer.expired", "handover.expired", "shipment.overdue", "proposal.expired"}

// String returns the name, as the stream's type of it.
func (k MomentKind) String() string {
	if int(k) < len(momentNames) {
		return momentNames[k]
	}
	return ""
}

// MomentKinds returns all kinds.
func MomentKinds() (all []MomentKind) {
	for k := range momentNames[1:] {
		all = append(all, MomentKind(k+1))
	}
	return all
}

// MomentPosition is the position of moments in their block: behind all of its
// transactions. The index counts them.
const MomentPosition = math.MaxUint32 - 1

// Moment is what a Record tells that no message made. Every node tells the same, since
// all of it follows from the ledger; nothing of it is in a trail or a proof.
type Moment struct {
	Kind     MomentKind
	Subjects []string // items, lots, a shipment, a proposal's id or a partner
	Concerns []string // partners: first whose doing ended so, where it is somebody's
	Cause    Locator  // the message that began or decided it; zero where none is named
	From     int64    // height from which it holds, where that is a later one
}

// Append appends the encoding, as nodes keep it beside their ledger: 1 subject
// (repeated), 2 partner (repeated), 3 cause, 4 from. The kind is kept apart.
func (m *Moment) Append(dst []byte) []byte {
	dst = appendTexts(appendTexts(dst, 1, m.Subjects), 2, m.Concerns)
	if m.Cause != (Locator{}) {
		dst = AppendField(dst, 3, m.Cause.Append(nil))
	}
	return AppendUint(dst, 4, uint64(m.From))
}

// DecodeMoment reads such an encoding.
func DecodeMoment(kind MomentKind, b []byte) (m Moment, err error) {
	m.Kind = kind
	f := ReadFields(b)
	for n, v, ok := f.Next(); ok; n, v, ok = f.Next() {
		switch n {
		case 1:
			m.Subjects = append(m.Subjects, string(v))
		case 2:
			m.Concerns = append(m.Concerns, string(v))
		case 3:
			if m.Cause, err = DecodeLocator(v); err != nil {
				f.Fail(n, err.Error())
			}
		case 4:
			m.From = int64(f.Uint(n, v))
		default:
			f.Fail(n, "unknown")
		}
	}
	return m, f.Exact(b, m.Append(nil))
}
