package proof

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// A shipment is proven by its leaf, which has the head of its trail, and by the leaf of
// each of its hand-overs. How many of these there are the shipment says; what followed
// from a message the rules wrote there, so that nobody who reads a bundle needs to know
// them. On request the things that it consists of stand beside it, each with its leaf
// and who holds it.

// shipment adds what is asked for of a shipment beside its records.
func (w *builder) shipment(t Thing) error {
	w.b.Scope.Containers, w.b.Scope.Ancestors = false, 0 // of things alone
	value, _, err := w.State(schemas.ShipmentKey(t.ID))
	if value == nil || err != nil {
		w.b.Scope.Units = false
		return err
	}
	s, err := schemas.DecodeShipment(value)
	if err != nil {
		return fmt.Errorf("reading a shipment: %w", err)
	}
	w.named = append(w.named, s.Parties()...)
	if !w.b.Scope.Units || s.Items == 0 {
		return nil
	}
	if w.b.Units, err = w.leaf(schemas.UnitsKey(t.ID)); err != nil {
		return err
	}
	units, err := schemas.DecodeUnits(w.b.Units.Value)
	if err != nil {
		return fmt.Errorf("reading what a shipment consists of: %w", err)
	}
	for _, id := range units {
		unit := Thing{AnItem, id}
		w.leaves = append(w.leaves, unit)
		if err := w.outwards(unit); err != nil {
			return err
		}
	}
	slices.SortFunc(w.b.Releases, func(a, b ReleasePart) int {
		return cmp.Or(strings.Compare(a.Container, b.Container), cmp.Compare(a.Epoch, b.Epoch))
	})
	return nil
}

// handovers adds the hand-overs of a shipment.
func (w *builder) handovers() error {
	t := w.Asked[0]
	if t.Kind != AShipment || w.b.Subjects[0].Value == nil {
		return nil
	}
	s, err := schemas.DecodeShipment(w.b.Subjects[0].Value)
	if err != nil {
		return fmt.Errorf("reading a shipment: %w", err)
	}
	for n := uint64(1); n <= s.Handovers; n++ {
		l, err := w.leaf(schemas.HandoverKey(t.ID, n))
		if err != nil {
			return err
		}
		value, path, err := w.State(schemas.DisputeKey(t.ID, n))
		if err != nil {
			return fmt.Errorf("reading a dispute: %w", err)
		}
		w.b.Handovers = append(w.b.Handovers, HandoverPart{Leaf: *l, Dispute: StateLeaf{Value: value, Path: path.Append(nil)}})
	}
	return nil
}

// checkShipmentLeaf proves a shipment, or that there is none of its identifier.
func (v *verification) checkShipmentLeaf(s *subject) error {
	ok, err := v.soleLeaf(s, schemas.ShipmentKey(s.part.ID), "leaf", "absence")
	if !ok || err != nil {
		return err
	}
	shipment, err := schemas.DecodeShipment(s.part.Value)
	s.shipment, s.heads[0] = &shipment, shipment.Trail
	return err
}

// checkShipment proves what is told of a shipment beside its leaf: all hand-overs, and,
// if the scope has them, its units.
func (v *verification) checkShipment() error {
	asked, b := v.subjects[0], v.b
	s := asked.shipment
	if s == nil {
		s = &schemas.Shipment{}
	}
	switch {
	case asked.Kind == AShipment && (b.Scope.Containers || b.Scope.Ancestors > 0):
		return errors.New("scope: containers and ancestors are those of things, and this is a shipment")
	case b.Scope.Units && asked.shipment == nil:
		return errors.New("scope: units, of what is no shipment that the ledger has")
	case uint64(len(b.Handovers)) != s.Handovers:
		return fmt.Errorf("hand-overs: %d are there, the shipment has %d", len(b.Handovers), s.Handovers)
	case (b.Units != nil) != (b.Scope.Units && s.Items > 0):
		return errors.New("units: their leaf is missing, or nothing needs it")
	case asked.shipment == nil:
		return nil
	}
	asked.report.Shipment = reportOf(s)
	for i := range b.Handovers {
		h, err := v.handover(asked.ID, uint64(i+1), &b.Handovers[i])
		if err != nil {
			return fmt.Errorf("hand-over %d: %w", i+1, err)
		}
		asked.report.Shipment.Handovers = append(asked.report.Shipment.Handovers, *h)
	}
	if b.Units == nil {
		return nil
	}
	return v.checkUnits(asked)
}

func (v *verification) handover(id string, n uint64, part *HandoverPart) (*HandoverReport, error) {
	if err := v.leaf("leaf", schemas.HandoverKey(id, n), &part.Leaf); err != nil {
		return nil, err
	}
	h, err := schemas.DecodeHandover(part.Leaf.Value)
	if err != nil {
		return nil, err
	}
	out := handoverOf(n, &h, v.report.Time)
	if len(part.Dispute.Value) == 0 {
		return out, v.absent("absence of a dispute", schemas.DisputeKey(id, n), part.Dispute.Path)
	}
	if err := v.leaf("dispute", schemas.DisputeKey(id, n), &part.Dispute); err != nil {
		return nil, err
	}
	d, err := schemas.DecodeDispute(part.Dispute.Value)
	out.Dispute = disputeOf(&d)
	return out, err
}

// checkUnits proves what a shipment consists of, each with its leaf; checkCustodians
// proves where they are.
func (v *verification) checkUnits(asked *subject) error {
	if err := v.leaf("units", schemas.UnitsKey(asked.ID), v.b.Units); err != nil {
		return err
	}
	units, err := schemas.DecodeUnits(v.b.Units.Value)
	if err != nil {
		return fmt.Errorf("units: %w", err)
	}
	for _, id := range units {
		u := v.places[Thing{AnItem, id}]
		if u == nil {
			return fmt.Errorf("unit %s: its leaf is missing", id)
		}
		u.unit, u.leaf = true, true
	}
	asked.report.Shipment.Contents = units
	return nil
}

// named are the partners that the subject tells of beside those who signed: who holds
// it, or the parties of a shipment.
func (s *subject) named() (as string, partners []string) {
	if s.shipment != nil {
		return "party", s.shipment.Parties()
	}
	return "custodian", []string{s.report.Custodian}
}

// findSigned notes which of a shipment's doings are among the records here, where the
// signature of each was checked, and why a hand-over was answered as it was.
func (v *verification) findSigned() {
	s := v.report.Asked()
	if s.Shipment == nil {
		return
	}
	records := map[schemas.Locator]*Event{}
	for i := range v.report.Events {
		if e := &v.report.Events[i]; e.in(s.ID, schemas.ShipmentTrail) {
			records[e.Locator] = e
		}
	}
	for i := range s.Shipment.Handovers {
		h := &s.Shipment.Handovers[i]
		for _, done := range h.signings() {
			e := records[done.Locator]
			done.Shown = e != nil && e.Partner == done.Partner
		}
		if h.Answered != nil && h.Answered.Shown {
			h.Reason = records[h.Answered.Locator].reason()
		}
	}
}

// reason is what an act says of why it was done, "" where that is not shown.
func (e *Event) reason() string {
	if e.Body == nil || e.skeleton.Act == nil {
		return ""
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return "" // it was read as an act before
	}
	return body.Reason
}

// ShipmentReport is what a bundle proves of a shipment.
type ShipmentReport struct {
	State      schemas.ShipmentState `json:"state"`
	HeldBy     string                `json:"held_by,omitempty"` // who stopped it
	Shipper    string                `json:"shipper"`
	Carriers   []string              `json:"carriers,omitempty"`
	Receiver   string                `json:"receiver"`
	Inspectors []string              `json:"inspectors,omitempty"`
	Arbiter    string                `json:"arbiter,omitempty"`
	Holder     string                `json:"holder"` // who accepted it last, at first the shipper
	Deadline   time.Time             `json:"deadline,omitzero"`
	Bands      []schemas.Band        `json:"bands,omitempty"`
	Documents  []DocumentReport      `json:"documents,omitempty"` // that its terms require
	Items      uint64                `json:"items"`               // units that were announced
	Contents   []string              `json:"contents,omitempty"`  // they, where the scope has them
	Units      uint64                `json:"units"`               // and lots, that the holder has, as the hand-overs tell
	Lots       []schemas.ShipmentLot `json:"lots,omitempty"`      // with the holder
	Disputed   uint64                `json:"disputed,omitempty"`  // hand-over that is argued about
	Announced  time.Time             `json:"announced,omitzero"`  // of the block
	Handovers  []HandoverReport      `json:"handovers"`           // from the first on
}

// DocumentReport is a document that the terms require, and what was attached for it.
type DocumentReport struct {
	schemas.Document
	Attached *AttachmentReport `json:"attached,omitempty"`
}

// AttachmentReport is a document that was attached.
type AttachmentReport struct {
	Document schemas.Hash `json:"document"`
	Partner  string       `json:"partner"`       // who attached it
	Time     time.Time    `json:"time,omitzero"` // of the block
	schemas.Locator
}

// HandoverReport is one hand-over of a shipment.
type HandoverReport struct {
	Handover      uint64                `json:"handover"` // its number, from 1
	State         schemas.HandoverState `json:"state"`
	Ended         bool                  `json:"ended,omitempty"` // it is open, and its time was over
	From          string                `json:"from"`
	To            string                `json:"to"`
	Until         time.Time             `json:"until,omitzero"`
	Units         uint64                `json:"units"` // and lots, that are handed over
	Taken         uint64                `json:"taken"`
	Refused       uint64                `json:"refused"`
	Offered       Signing               `json:"offered"`
	Answered      *Signing              `json:"answered,omitempty"`
	Reason        string                `json:"reason,omitempty"` // that the act gave which answered, where it is shown
	Discrepancies []schemas.Discrepancy `json:"discrepancies,omitempty"`
	Lots          []schemas.ShipmentLot `json:"lots,omitempty"` // of what was taken
	Dispute       *DisputeReport        `json:"dispute,omitempty"`
}

// Signing is who did something, with which key, and how that was held, as the rules
// noted it then.
type Signing struct {
	Partner   string          `json:"partner"`
	Key       string          `json:"key,omitempty"`       // absent, with held, of an event that came before the offer that it answers
	Held      schemas.Holding `json:"held,omitzero"`       // of the author's key, where there is one
	Author    string          `json:"author,omitempty"`    // key that signed the message itself
	Time      time.Time       `json:"time,omitzero"`       // of the block
	EventTime time.Time       `json:"event_time,omitzero"` // claimed
	schemas.Locator
	Shown bool `json:"shown"` // its record is among those here, and the signature was checked
}

// DisputeReport is an argument about a hand-over.
type DisputeReport struct {
	Open     bool             `json:"open"`
	Opened   Signing          `json:"opened"`
	Evidence []EvidenceReport `json:"evidence,omitempty"`
	From     string           `json:"from_proposes,omitempty"`
	To       string           `json:"to_proposes,omitempty"`
	Outcome  string           `json:"outcome,omitempty"`
	Resolved *Signing         `json:"resolved,omitempty"`
}

// EvidenceReport is a document by its hash, or an event by its eventID, or both.
type EvidenceReport struct {
	Document schemas.Hash `json:"document,omitzero"`
	Event    string       `json:"event,omitempty"`
	Partner  string       `json:"partner,omitempty"` // who brought it
}

func (h *HandoverReport) signings() (all []*Signing) {
	all = append(all, &h.Offered)
	if h.Answered != nil {
		all = append(all, h.Answered)
	}
	if d := h.Dispute; d != nil {
		all = append(all, &d.Opened)
		if d.Resolved != nil {
			all = append(all, d.Resolved)
		}
	}
	return all
}

func reportOf(s *schemas.Shipment) *ShipmentReport {
	return &ShipmentReport{State: s.State, HeldBy: s.HeldBy, Shipper: s.Shipper, Carriers: s.Carriers, Receiver: s.Receiver, Inspectors: s.Inspectors,
		Arbiter: s.Arbiter, Holder: s.Holder, Deadline: timeOf(s.Deadline), Bands: s.Bands, Documents: documentsOf(s), Items: s.Items, Units: s.Units,
		Lots: s.Lots, Disputed: s.Disputed, Announced: timeOf(s.Announced), Handovers: []HandoverReport{}}
}

func documentsOf(s *schemas.Shipment) (out []DocumentReport) {
	for i, term := range s.Documents {
		d := DocumentReport{Document: term}
		if a := s.Attachment(i + 1); a != nil {
			d.Attached = &AttachmentReport{Document: a.Document, Partner: a.Partner, Time: timeOf(a.Time), Locator: a.At}
		}
		out = append(out, d)
	}
	return out
}

// handoverOf tells of a hand-over as of a time. One that is open when its time is over
// stays so in the state: the rules end it when somebody looks at it.
func handoverOf(n uint64, h *schemas.Handover, now time.Time) *HandoverReport {
	return &HandoverReport{Handover: n, State: h.State, Ended: h.State == schemas.HandoverOpen && now.UnixNano() > h.Until, From: h.Offered.Partner, To: h.To,
		Until: timeOf(h.Until), Units: h.Units, Taken: h.Took, Refused: h.Refused, Offered: signingOf(&h.Offered), Answered: signingIf(&h.Answered),
		Discrepancies: h.Discrepancies, Lots: h.Lots}
}

func disputeOf(d *schemas.Dispute) *DisputeReport {
	out := &DisputeReport{Open: d.Outcome == 0, Opened: signingOf(&d.Opened), From: d.From.String(), To: d.To.String(), Outcome: d.Outcome.String(), Resolved: signingIf(&d.Resolved)}
	for _, e := range d.Evidence {
		out.Evidence = append(out.Evidence, EvidenceReport(e))
	}
	return out
}

// signingIf is nil where nobody did it.
func signingIf(s *schemas.Signing) *Signing {
	if s.Partner == "" {
		return nil
	}
	out := signingOf(s)
	return &out
}

func signingOf(s *schemas.Signing) Signing {
	return Signing{Partner: s.Partner, Key: s.KeyID, Held: s.Held, Author: s.Author, Time: timeOf(s.Time), EventTime: timeOf(s.EventTime), Locator: s.At}
}

// timeOf is a time of a leaf, zero where there is none.
func timeOf(nanoseconds int64) (t time.Time) {
	if nanoseconds != 0 {
		t = time.Unix(0, nanoseconds).UTC()
	}
	return t
}
