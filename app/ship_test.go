package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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
	for i, d := range info.Documents {
		attached := "missing"
		if a := info.Attachment(i + 1); a != nil {
			attached = fmt.Sprintf("%.4s by %s at %d/%d/%d", a.Document, a.Partner, a.At.Height, a.At.Position, a.At.Index)
		}
		s.print("  document %q %.4s: %s", d.Kind, d.Hash, attached)
	}
	for i := range info.Last {
		h := &info.Last[len(info.Last)-1-i]
		line := fmt.Sprintf("  %d %s to %s: %s units=%d took=%d refused=%d", h.Number, signed(&h.Offered), h.To, h.State, h.Units, h.Took, h.Refused)
		if h.Answered.Partner != "" {
			line += " by " + signed(&h.Answered)
		}
		if h.Reason != "" {
			line += " because " + h.Reason
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
	return strings.TrimSuffix(fmt.Sprintf("%s/%s", s.Partner, s.Held), "/") + strings.TrimSuffix(" as "+s.Author, " as ")
}

// overdue answers the script's command: overdue PARTNER.
func (s *script) overdue(partner string) {
	var all []schemas.Record
	var after *schemas.Locator
	for {
		records, next, err := s.view().Overdue(partner, after, 1)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, records...)
		if after = next; after == nil {
			break
		}
	}
	whole, next, err := s.view().Overdue(partner, nil, 100)
	if next != nil || len(whole) != len(all) {
		s.t.Errorf("%d offers page by page, %d at once, and more behind %v", len(all), len(whole), next)
	}
	s.records(all, false, err)
}

// TestSigningsNameTheAuthor: of a hand-over whose message somebody signed by itself, the
// shipment tells that key, and how it is held.
func TestSigningsNameTheAuthor(t *testing.T) {
	s := newScript(t)
	s.sent(`farm: act AddKey {"public":"<public phone>","roles":["device"],"held":"hardware"}`, "farm: obj add epc=a,b step=commissioning",
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","items":["`+full("a")+`"]}`)
	s.submit("farm", false, s.authored("farm/phone", "obj obs epc=a step=shipping to=shop"))
	s.sent("shop: obj obs epc=a step=receiving")
	info, err := s.view().Shipment("urn:example:shipment:1")
	if err != nil || len(info.Last) != 1 {
		t.Fatalf("%+v %v", info, err)
	}
	offered, answered := info.Last[0].Offered, info.Last[0].Answered
	if phone := s.further("farm/phone").keyID(); offered.Author != phone || offered.KeyID == phone || offered.Held != schemas.HeldInHardware {
		t.Errorf("offered by %+v", offered)
	}
	if answered.Author != "" || answered.Partner != "shop" || answered.Held != schemas.HeldByGateway {
		t.Errorf("answered by %+v", answered)
	}
}

// A place that somebody made up begins no page.
func TestOverdueBehindNothing(t *testing.T) {
	s := newScript(t)
	s.sent("farm: obj add epc=a step=commissioning")
	for _, at := range []schemas.Locator{{Height: 99}, {Height: 1, Position: 7}, {Height: 1, Index: 1 << 31}, {Height: -1}} {
		_, _, err := s.view().Overdue("farm", &at, 10)
		var f *schemas.Fault
		if !errors.As(err, &f) || f.Code != schemas.BadParameter {
			t.Errorf("%v: %v", at, err)
		}
	}
}
