package api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// A body that this node does not keep is told with whom to ask, where there is
// room for it, and left out of EPCIS documents.
func TestUnkeptBodies(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(1, `"eventID":"urn:uuid:1"`)).want(t, 201)
	h.ledger.set(func() { r := &h.ledger.records[0]; r.Body, r.Unkept, r.Partner = nil, true, "brook" })
	trail := into[api.Trail](t, h.do("GET", "/api/v1/items/"+url.PathEscape(itemURN)+"/trail", "").want(t, 200))
	if len(trail.Records) != 1 || trail.Records[0].Event != nil || trail.Records[0].Missing == nil ||
		trail.Records[0].Missing.Code != schemas.BodyNotKept || !strings.HasSuffix(trail.Records[0].Missing.Detail, "brook") {
		t.Fatalf("trail: %+v", trail)
	}
	if p := h.do("GET", "/epcis/v2/events/"+url.PathEscape("urn:uuid:1"), "").problem(t, 404, "body_not_kept"); !strings.HasSuffix(p["detail"].(string), "brook") {
		t.Errorf("the event: %v", p)
	}
	if body := string(h.do("GET", "/epcis/v2/events", "").want(t, 200).body); strings.Contains(body, "urn:uuid:1") {
		t.Errorf("a query answers %s", body)
	}
}
