package app_test

import (
	"fmt"
	"strings"

	"github.com/waybill-ledger/waybill/schemas"
)

// shipment answers the script's command of this name.
func (s *script) shipment(name string) {
	id := "urn:example:shipment:" + name
	info, err := s.view().Shipment(id)
	if info == nil || err != nil {
		s.print("%s: unknown %v", name, err)
		return
	}
	s.subjects[schemas.TrailKey{Kind: schemas.ShipmentTrail, Subject: id}] = true
	line := fmt.Sprintf("%s: %s holder=%s units=%d", name, info.State, info.Holder, info.Units)
	for _, u := range info.Contents {
		line += " " + short(u)
	}
	for _, l := range info.Lots {
		line += fmt.Sprintf(" %s:%s:%s", short(l.Class), l.Quantity, l.UOM)
	}
	if info.HeldBy != "" {
		line += " stopped by " + info.HeldBy
	}
	s.print("%s trail=%d", line, info.Trail.Count)
	for i := range info.Last {
		h := &info.Last[len(info.Last)-1-i]
		line := fmt.Sprintf("  %d %s to %s: %s units=%d took=%d refused=%d", h.Number, signed(&h.Offered), h.To, h.State, h.Units, h.Took, h.Refused)
		if h.Answered.Partner != "" {
			line += " by " + signed(&h.Answered)
		}
		for _, d := range h.Discrepancies {
			line += fmt.Sprintf(" %s=%s:%s", d.What, short(d.ID), d.Quantity)
		}
		s.print("%s", line)
		if d := h.Dispute; d != nil {
			s.print("    disputed by %s evidence=%d from=%s to=%s outcome=%s %s", signed(&d.Opened), len(d.Evidence), d.From, d.To, d.Outcome, signed(&d.Resolved))
		}
	}
	records, err := s.view().Trail(schemas.TrailKey{Kind: schemas.ShipmentTrail, Subject: id}, 0, 100)
	s.records(records, false, err)
}

func signed(s *schemas.Signing) string {
	return strings.TrimSuffix(fmt.Sprintf("%s/%s", s.Partner, s.Held), "/")
}

// overdue answers the script's command: overdue PARTNER.
func (s *script) overdue(partner string) {
	records, err := s.view().Overdue(partner, 100)
	s.records(records, false, err)
}
