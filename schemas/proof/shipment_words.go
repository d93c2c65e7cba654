package proof

import (
	"fmt"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// proven tells in words who was to get the shipment, through whose hands it went, and
// what differed.
func (s *ShipmentReport) proven() []string {
	roles := fmt.Sprintf("The partner %s announced it for %s", s.Shipper, s.Receiver)
	for _, r := range []struct {
		as string
		of []string
	}{{"carried by", s.Carriers}, {"inspected by", s.Inspectors}, {"with the arbiter", oneOf(s.Arbiter)}} {
		if len(r.of) > 0 {
			roles += ", " + r.as + " " + strings.Join(r.of, " and ")
		}
	}
	said := []string{fmt.Sprintf("%s, with %s.", roles, count(int(s.Items), "thing")), fmt.Sprintf("Its state was then %s; %s held it%s.", s.State, s.Holder, lotsSaid(s.Lots))}
	if s.HeldBy != "" {
		said = append(said, "It was then stopped by "+s.HeldBy+".")
	}
	for i := range s.Documents {
		said = append(said, s.Documents[i].proven())
	}
	for i := range s.Handovers {
		said = append(said, s.Handovers[i].proven())
		if d := s.Handovers[i].Dispute; d != nil {
			said = append(said, d.proven(s.Handovers[i].Handover))
		}
	}
	if len(s.Handovers) == 0 {
		return append(said, "It was never offered to anybody.")
	}
	return append(said, "Of each of these doings whose record is here, the signature by that key of that partner was checked. How the key was held is as the partner had declared it then.")
}

// proven tells of a document that the terms require.
func (d *DocumentReport) proven() string {
	said := "Its terms require "
	switch {
	case d.Hash.IsZero():
		said += fmt.Sprintf("the document %q", d.Kind)
	case d.Kind == "":
		said += "the document " + d.Hash.String()
	default:
		said += fmt.Sprintf("the document %q, %s", d.Kind, d.Hash)
	}
	if a := d.Attached; a != nil {
		return said + fmt.Sprintf("; %s attached %s at %s (record %d/%d/%d).", a.Partner, a.Document, a.Time.Format(time.RFC3339Nano), a.Height, a.Position, a.Index)
	}
	return said + "; it was not attached."
}

func oneOf(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func lotsSaid(lots []schemas.ShipmentLot) (said string) {
	for i, l := range lots {
		said += []string{", with ", ", "}[min(i, 1)] + quantitySaid(l.Quantity, l.UOM) + " of " + l.Class
	}
	return said
}

func quantitySaid(quantity, uom string) string { return strings.TrimSpace(quantity + " " + uom) }

// words is who did something, with what, and which record says so.
func (s *Signing) words() string {
	key := fmt.Sprintf("key %s, held by %s", s.Key, holder(s.Held))
	if s.Author != "" {
		key = fmt.Sprintf("key %s for key %s of the author, held by %s", s.Key, s.Author, holder(s.Held))
	}
	if s.Key == "" {
		key = "with a key that its record tells"
	}
	return fmt.Sprintf("%s (%s, record %d/%d/%d)", s.Partner, key, s.Height, s.Position, s.Index)
}

func holder(h schemas.Holding) string {
	switch h {
	case schemas.HeldByGateway:
		return "the partner's gateway"
	case schemas.HeldByClient:
		return "its client"
	case schemas.HeldInHardware:
		return "hardware"
	}
	return "whoever"
}

// proven tells a hand-over: who offered, who answered, and what differed.
func (h *HandoverReport) proven() string {
	units := "1 thing or lot"
	if h.Units != 1 {
		units = fmt.Sprintf("%d things and lots", h.Units)
	}
	said := fmt.Sprintf("Hand-over %d: %s offered %s to %s, until %s; ", h.Handover, h.Offered.words(), units, h.To, h.Until.Format(time.RFC3339Nano))
	var ended string
	switch h.State {
	case schemas.HandoverAccepted:
		ended = "accepted in full by"
	case schemas.HandoverAcceptedWith:
		ended = "accepted with differences by"
	case schemas.HandoverRejected:
		ended = "rejected by"
	case schemas.HandoverCancelled:
		ended = "withdrawn by"
	case schemas.HandoverExpired:
		ended = "ended by time"
	}
	switch {
	case h.Ended:
		said += fmt.Sprintf("its time was over, and of them %d had been taken and %d refused", h.Taken, h.Refused)
	case h.State == schemas.HandoverOpen:
		said += fmt.Sprintf("it was open, and of them %d had been taken and %d refused", h.Taken, h.Refused)
	case h.Answered != nil:
		said += fmt.Sprintf("%s %s, %d taken and %d refused", ended, h.Answered.words(), h.Taken, h.Refused)
	default: // by neither side
		said += strings.TrimSuffix(ended, " by")
	}
	for i, d := range h.Discrepancies {
		said += []string{"; ", ", "}[min(i, 1)] + d.What.String() + ": "
		if q := quantitySaid(d.Quantity, d.UOM); q != "" {
			said += q + " of "
		}
		said += d.ID
	}
	if h.Reason != "" {
		said += fmt.Sprintf("; because %q", h.Reason)
	}
	return said + "."
}

func (d *DisputeReport) proven(n uint64) string {
	said := fmt.Sprintf("Hand-over %d was disputed by %s", n, d.Opened.words())
	for i, e := range d.Evidence {
		said += []string{", with the evidence ", ", "}[min(i, 1)]
		if !e.Document.IsZero() {
			said += "document " + e.Document.String() + " "
		}
		said = strings.TrimSpace(said + e.Event)
		if e.Partner != "" {
			said += " of " + e.Partner
		}
	}
	switch {
	case d.Resolved != nil && d.From == d.To:
		return said + fmt.Sprintf("; resolved as %s, which both sides said, %s last.", d.Outcome, d.Resolved.words())
	case d.Resolved != nil:
		return said + fmt.Sprintf("; resolved as %s by %s.", d.Outcome, d.Resolved.words())
	}
	said += "; it was open"
	if d.From != "" {
		said += ", who offered proposed " + d.From
	}
	if d.To != "" {
		said += ", the other side " + d.To
	}
	return said + "."
}

// units tells where the units of a shipment were.
func (r *Report) units() []string {
	held, n := map[string]int{}, 0
	for i := range r.Subjects {
		if s := &r.Subjects[i]; s.Role == RoleUnit {
			held[s.Custodian]++
			n++
		}
	}
	if n == 0 {
		return nil
	}
	var parts []string
	for _, who := range sorted(held) {
		name := who
		if who == "" {
			name = "nobody"
		}
		parts = append(parts, fmt.Sprintf("%s held %d", name, held[who]))
	}
	return []string{fmt.Sprintf("Of the %s that it was announced with, %s.", count(n, "thing"), strings.Join(parts, ", "))}
}

func (s *ShipmentReport) notProven() []string {
	said := []string{
		"What became of the shipment's things elsewhere: each has a trail of its own.",
		"That none of the events was declared erroneous since: declarations are in the trails of the things that the events name.",
		"What sensors measured, but for the events at which an excursion from its terms began or ended: they are flagged in its trail.",
	}
	for i := range s.Handovers {
		for _, done := range s.Handovers[i].signings() {
			if !done.Shown {
				said = append(said, fmt.Sprintf("The signature of %s, about hand-over %d: its record came before the offer, and is in that partner's trail.", done.words(), i+1))
			}
		}
	}
	return said
}
