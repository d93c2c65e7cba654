package app_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// provesShipment makes the bundle of a shipment, verifies it, and compares what it says
// with what the view does: the shipment, its hand-overs, where its units are, its trail.
func (c *chain) provesShipment(t rapid.TB, id string) *proof.Report {
	t.Helper()
	b, view, err := c.app.Bundle(context.Background(), schemas.BundleQuery{ID: id, Of: schemas.BundleOfShipment, Names: true, Units: true})
	if err != nil {
		t.Fatalf("bundle of %s: %v", id, err)
	}
	r, err := c.sealed(b, view)
	if err != nil {
		t.Fatalf("after %d, the bundle of %s: %v", c.height, id, err)
	}
	info, err := view.Shipment(id)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Asked()
	if (info != nil) != a.Present {
		t.Fatalf("after %d, the bundle of %s says that it is there: %t", c.height, id, a.Present)
	}
	if info == nil {
		return r
	}
	c.tells(t, view, id, []schemas.TrailKind{schemas.ShipmentTrail}, r)
	line := func(who, key string, held schemas.Holding, at schemas.Locator) string {
		return fmt.Sprint(who, " ", key, " ", held, " ", at)
	}
	says, has := []string{fmt.Sprint(a.Shipment.HeldBy, a.Shipment.Contents)}, []string{fmt.Sprint(info.HeldBy, info.Contents)}
	for i := range a.Shipment.Handovers {
		h, w := &a.Shipment.Handovers[i], &info.Last[len(info.Last)-1-i]
		if h.Ended {
			continue // the view ends it
		}
		says = append(says, fmt.Sprint(h.State, h.From, h.To, h.Taken, h.Refused, h.Discrepancies), line(h.Offered.Partner, h.Offered.Key, h.Offered.Held, h.Offered.Locator))
		has = append(has, fmt.Sprint(w.State, w.Offered.Partner, w.To, w.Took, w.Refused, w.Discrepancies), line(w.Offered.Partner, w.Offered.KeyID, w.Offered.Held, w.Offered.At))
		if !h.Offered.Shown || h.Answered != nil && h.Answered.Shown != (h.Answered.Key != "") {
			t.Fatalf("after %d, whose records are there of hand-over %d of %s? %+v %+v", c.height, h.Handover, id, h.Offered, h.Answered)
		}
		if d := h.Dispute; d != nil {
			says, has = append(says, fmt.Sprintln(d.Outcome, len(d.Evidence))), append(has, fmt.Sprintln(w.Dispute.Outcome, len(w.Dispute.Evidence)))
		} else if w.Dispute != nil {
			t.Fatalf("after %d, the bundle of %s lacks a dispute", c.height, id)
		}
	}
	for i := range r.Subjects {
		if u := &r.Subjects[i]; u.Role == proof.RoleUnit {
			it, err := view.Item(u.ID)
			if err != nil {
				t.Fatal(err)
			}
			says, has = append(says, u.ID+u.Custodian+fmt.Sprint(append(u.Containers, "")[0])), append(has, u.ID+it.Custodian+it.Parent)
		}
	}
	if diff := cmp.Diff(has, says); diff != "" {
		t.Fatalf("after %d, the bundle of %s: %s", c.height, id, diff)
	}
	return r
}

// A shipment of many things is proven with where each is, also when they were put into
// containers within containers since, and taken out of them.
func TestBundleOfManyUnits(t *testing.T) {
	s := newScript(t)
	const many = 300
	ids, list, names := "", "", ""
	for i := range many {
		ids, list, names = ids+fmt.Sprintf(",u%d", i), list+fmt.Sprintf(",%q", full(fmt.Sprintf("u%d", i))), names+fmt.Sprintf(" u%d", i)
	}
	s.sent("farm: obj add epc="+ids[1:]+" step=commissioning",
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","items":[`+list[1:]+`]}`,
		`farm: act OfferHandover {"shipment":"urn:example:shipment:1","to":"shop"}`, `shop: act AcceptHandover {"shipment":"urn:example:shipment:1","handover":1}`,
		"shop: agg add parent=P-1 epc="+ids[1:]+" step=packing", "shop: agg add parent=P-2 epc=P-1 step=packing")
	inside := s.provesShipment(t, "urn:example:shipment:1")
	s.sent("shop: agg del parent=P-1", "shop: agg add parent=P-2 epc=u7 step=packing")
	emptied := s.provesShipment(t, "urn:example:shipment:1")
	for name, r := range map[string]*proof.Report{"inside": inside, "emptied": emptied} {
		if r.Asked().Shipment.State != schemas.Delivered || len(r.Asked().Shipment.Contents) != many {
			t.Errorf("%s: %+v", name, r.Asked().Shipment)
		}
	}
	if n := len(inside.Subjects); n != 1+many+2 {
		t.Errorf("%d subjects", n)
	}
}
