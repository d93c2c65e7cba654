package proof

import (
	"encoding/json"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Report is what a verified bundle says. Everything in it follows from the
// bundle and the root of trust alone. What partners reported (bodies, event
// times, places) is proven to have been reported, not to be so.
type Report struct {
	ChainID      string            `json:"chain_id"`
	Height       int64             `json:"height"`        // the state is that after this block
	AppHash      schemas.Hash      `json:"app_hash"`      // of the state
	HeaderHeight int64             `json:"header_height"` // of the header that carries the app hash
	HeaderHash   schemas.Hash      `json:"header_hash"`
	Time         time.Time         `json:"time"`          // of that header: every record is older
	SignedHeight int64             `json:"signed_height"` // of the header that validators signed: that one, or a later one
	SignedHash   schemas.Hash      `json:"signed_hash"`
	SignedTime   time.Time         `json:"signed_time"`
	Signed       int64             `json:"signed"`          // power that signed it
	Power        int64             `json:"power"`           // of all its validators
	Steps        []int64           `json:"steps,omitempty"` // heights of headers between the root of trust and it
	Scope        Scope             `json:"scope"`
	Complete     bool              `json:"complete,omitempty"` // all ancestors that records tell of are there
	Subjects     []SubjectReport   `json:"subjects"`           // as in the bundle: what was asked for first
	Partners     []schemas.Partner `json:"partners,omitempty"`
	Keys         []KeyReport       `json:"keys,omitempty"`      // that signed: each was valid at the heights of what it signed
	Events       []Event           `json:"events"`              // in the order of the ledger
	Witnessed    []Witnessed       `json:"witnessed,omitempty"` // by those whose word was demanded
	Rescues      []RescueReport    `json:"rescues,omitempty"`   // by which the network was restarted, as far as the bundle tells
	Seen         []Seen            `json:"-"`                   // checkpoints that the state is in, whoever signed them

	led                  int // headers between the root of trust and the signed one
	observed, unobserved int // containers and ancestors of which others' observations are there, and of which they are left out
}

// KeyReport is a partner's key, as the state has it.
type KeyReport struct {
	Partner string          `json:"partner"`
	ID      string          `json:"id"`
	Public  string          `json:"public"` // Ed25519, hexadecimal
	Roles   []string        `json:"roles"`
	Held    schemas.Holding `json:"held"`
	From    uint64          `json:"from"`            // first height at which it is valid
	Until   uint64          `json:"until,omitempty"` // last one; 0: no end
}

// Roles of subjects.
const (
	RoleAsked     = "asked"
	RoleContainer = "container"
	RoleAncestor  = "ancestor"
	RoleUnit      = "unit" // of a shipment asked for
	RoleOther     = "other"
)

// SubjectReport is what a bundle proves of one thing or partner.
type SubjectReport struct {
	Kind        Subject           `json:"kind"`
	ID          string            `json:"id"`
	Role        string            `json:"role"`
	Present     bool              `json:"present"`
	Alone       bool              `json:"alone"`               // it is not both item and class
	Custodian   string            `json:"custodian,omitempty"` // of the outermost container; of an item asked for, or of a unit of a shipment
	Containers  []string          `json:"containers"`          // that it is in, outwards; of such an item
	Disposition string            `json:"disposition,omitempty"`
	Ended       bool              `json:"ended,omitempty"`       // consumed, destroyed or decommissioned
	OfferedTo   string            `json:"offered_to,omitempty"`  // whose answer an open offer awaits
	InShipment  string            `json:"in_shipment,omitempty"` // the last one that an item was announced as a unit of
	Trails      []TrailReport     `json:"trails,omitempty"`
	Balances    []schemas.Balance `json:"balances,omitempty"` // of a class or lot asked for: by unit and partner
	Shipment    *ShipmentReport   `json:"shipment,omitempty"`
}

// TrailReport tells which records of a trail the bundle has: Shown ones from First
// on, of Count.
type TrailReport struct {
	Trail string `json:"trail"`
	First uint64 `json:"first"`
	Shown uint64 `json:"shown"`
	Count uint64 `json:"count"`
}

// Event is one record of a report.
type Event struct {
	schemas.Locator
	Trails      []EventTrail     `json:"trails"`
	Form        string           `json:"form"`              // whole, partial, skeleton or withheld
	Time        *time.Time       `json:"time,omitempty"`    // of its block, where the bundle proves it
	EventID     string           `json:"eventID,omitempty"` // its own, or derived from the digest
	Type        string           `json:"type,omitempty"`    // of an act, which is no event, its name
	Action      string           `json:"action,omitempty"`
	BizStep     string           `json:"bizStep,omitempty"`
	Disposition string           `json:"disposition,omitempty"`
	EventTime   *time.Time       `json:"eventTime,omitempty"` // claimed
	Order       string           `json:"order,omitempty"`     // of an order, which is no event: erase, hold or release
	About       string           `json:"about,omitempty"`     // eventID of the event that it is about
	Class       string           `json:"class,omitempty"`     // retention class that it is put into
	Partner     string           `json:"partner"`
	PartnerName string           `json:"partner_name,omitempty"`
	Key         string           `json:"key"`
	Held        schemas.Holding  `json:"held"` // how the key is held
	Actor       string           `json:"actor,omitempty"`
	Author      string           `json:"author,omitempty"`      // key of who signed the event by itself
	AuthorHeld  schemas.Holding  `json:"author_held,omitempty"` // how that is held
	Transaction schemas.Hash     `json:"transaction"`
	Digest      schemas.Hash     `json:"digest"`
	Code        schemas.Code     `json:"code,omitempty"` // why it was refused; in a partner's trail alone
	Effect      schemas.Effect   `json:"effect"`
	Flags       []schemas.Code   `json:"flags"`
	VoidedBy    *schemas.Locator `json:"voided_by,omitempty"` // the declaration that voids it
	Withheld    int              `json:"withheld,omitempty"`  // members that are not shown
	Body        json.RawMessage  `json:"body,omitempty"`      // its members that are shown, by name

	skeleton *schemas.Skeleton
}

// EventTrail is a trail that a record is in.
type EventTrail struct {
	ID    string `json:"id"`
	Trail string `json:"trail"`
}

// in reports whether the record is in a trail.
func (e *Event) in(id string, kind schemas.TrailKind) bool {
	for _, t := range e.Trails {
		if t.ID == id && t.Trail == trailNames(kind) {
			return true
		}
	}
	return false
}

// Asked is what the bundle was asked for.
func (r *Report) Asked() *SubjectReport { return &r.Subjects[0] }

// asked are all subjects that it was asked for: one, or an item and a class.
func (r *Report) asked() []SubjectReport {
	n := 1
	for n < len(r.Subjects) && r.Subjects[n].Role == RoleAsked {
		n++
	}
	return r.Subjects[:n]
}

// trailNames is what reports and errors call a trail.
func trailNames(k schemas.TrailKind) string {
	switch k {
	case schemas.CustodyTrail:
		return "custody trail"
	case schemas.ObservationTrail:
		return "observation trail"
	case schemas.ClassTrail:
		return "class trail"
	case schemas.PartnerTrail:
		return "partner trail"
	case schemas.ShipmentTrail:
		return "shipment trail"
	}
	return "unknown trail"
}

// Forms of events in reports.
const (
	wholeEventName = "whole"
	partialEvent   = "partial"
	bareEvent      = "skeleton"
	withheldEvent  = "withheld"
)

func (s shape) String() string {
	return [...]string{"none", wholeEventName, partialEvent, bareEvent, withheldEvent}[s]
}

func (r *Report) add(m *MessagePart, e *readEvent, trails []EventTrail, h *signedHeader, author *key, at schemas.Locator) {
	out := Event{Locator: at, Trails: trails, Form: e.shape.String(), Partner: h.Partner, Key: h.signer.ID, Held: h.signer.Held, Actor: h.Actor,
		Transaction: h.id, Digest: e.digest, Code: m.Result.Code, Effect: m.Result.Effect, Flags: append([]schemas.Code{}, m.Result.Flags...),
		Withheld: e.withheld, skeleton: e.skeleton}
	if s := e.skeleton; s != nil {
		if out.EventID = s.EventID; out.EventID == "" {
			out.EventID = schemas.DerivedEventID(e.digest)
		}
		at := time.Unix(0, s.EventTime).UTC()
		if s.Order != nil {
			out.Order, out.About, out.Class = s.Order.What.String(), s.Order.EventID, s.Order.Class
		}
		out.Action, out.BizStep, out.Disposition, out.EventTime = s.Action.String(), s.BizStep, s.Disposition, &at
		if out.Type = s.Type.String(); s.Act != nil {
			out.Type = s.Act.Name()
		}
	}
	if author != nil {
		out.Author, out.AuthorHeld = author.ID, author.Held
	}
	if e.event != nil {
		out.Body = json.RawMessage(e.event.Body)
	}
	r.Events = append(r.Events, out)
}

// finish tells what follows from all records together.
func (v *verification) finish() {
	v.findVoided()
	v.findSigned()
	for i := range v.report.Events {
		e := &v.report.Events[i]
		if p := v.partners[e.Partner]; p.Partner != nil {
			e.PartnerName = p.Name
		}
	}
}

// findVoided notes which events a declaration of their own recorder voids. The
// rules let one apply only to the identical event under the same eventID, which
// is in the same item's trails.
func (v *verification) findVoided() {
	events := v.report.Events
	type ref struct{ partner, id string }
	prior := make(map[ref]int)
	for i := range events {
		e := &events[i]
		if e.skeleton == nil || e.skeleton.EventID == "" || e.Code != schemas.OK || e.Effect == schemas.Duplicate {
			continue
		}
		at := ref{e.Partner, e.EventID}
		j, known := prior[at]
		switch {
		case e.skeleton.Declaration == nil:
			prior[at] = i
		case known && e.Effect == schemas.Applied && events[j].VoidedBy == nil &&
			schemas.ContentHash(e.skeleton) == schemas.ContentHash(events[j].skeleton):
			events[j].VoidedBy = &e.Locator
		}
	}
}
