package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// An eventID that is taken is told with the event that has it, and what can be done.
func TestConflictNamesTheEarlierEvent(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", event(7)).want(t, 201)
	first := into[schemas.Receipt](t, h.do("POST", "/epcis/v2/events", event(1, `"eventID":"urn:uuid:1"`)).want(t, 201))
	named := func(detail string) {
		t.Helper()
		for _, want := range []string{"urn:uuid:1", "acme-farms recorded another event", first.Transaction.String(), fmt.Sprintf("height %d", first.Height), "eventTime 2026-05-01T10:01:00Z"} {
			if !strings.Contains(detail, want) {
				t.Errorf("%q lacks %q", detail, want)
			}
		}
		if !regexp.MustCompile(`at 2026-05-01T12:00:\d\d\.\d{3}Z, `).MatchString(detail) {
			t.Errorf("%q tells no record time", detail)
		}
	}
	p := h.do("POST", "/epcis/v2/events", event(2, `"eventID":"urn:uuid:1"`)).problem(t, 409, "event_id_conflict")
	named(p["detail"].(string))
	if p["type"] != "epcisException:ResourceAlreadyExistsException" || !strings.Contains(p["hint"].(string), "errorDeclaration") || p["receipt"] == nil {
		t.Errorf("%v", p)
	}
	for _, how := range []string{"rollback", "proceed"} {
		j := h.job(h.do("POST", "/epcis/v2/capture", document(event(4), event(5, `"eventID":"urn:uuid:1"`)), behaviour, how).want(t, 202).header.Get("Location"))
		if len(j.Errors) != 1 {
			t.Fatalf("%+v", j)
		}
		named(j.Errors[0].Detail)
	}
	j := h.job(h.do("POST", "/epcis/v2/capture", document(event(8, `"eventID":"urn:uuid:2"`), event(9, `"eventID":"urn:uuid:2"`))).want(t, 202).header.Get("Location"))
	if len(j.Errors) != 1 || !strings.Contains(j.Errors[0].Detail, "sent with it") {
		t.Errorf("two of one document: %+v", j)
	}
}

// Who was refused since somebody else holds a thing is told who, if it has to do with
// the thing, and nothing if it has not.
func TestRefusalNamesTheCustodian(t *testing.T) {
	h := newHarness(t, defaults())
	h.do("POST", "/epcis/v2/events", strings.Replace(event(1), "OBSERVE", "ADD", 1)).want(t, 201)
	h.ledger.mu.Lock()
	h.ledger.elsewhere = "haul"
	h.ledger.mu.Unlock()
	gone := func(serial int) string {
		return strings.Replace(event(serial), `"OBSERVE","bizStep":"shipping"`, `"DELETE","bizStep":"destroying"`, 1)
	}
	detail := h.do("POST", "/epcis/v2/events", gone(1)).problem(t, 409, "not_custodian")["detail"].(string)
	if !strings.HasSuffix(detail, "https://id.gs1.org/01/09521234543213/21/1 is held by haul") {
		t.Errorf("a party is told %q", detail)
	}
	h.ledger.mu.Lock()
	h.ledger.records[0].Partner = "somebody"
	h.ledger.mu.Unlock()
	for _, serial := range []int{1, 2} {
		if detail := h.do("POST", "/epcis/v2/events", gone(serial)).problem(t, 409, "not_custodian")["detail"].(string); strings.Contains(detail, "haul") || !strings.HasSuffix(detail, "was refused") {
			t.Errorf("a stranger is told %q", detail)
		}
	}
	h.ledger.mu.Lock()
	h.ledger.records[0].Partner = "acme-farms"
	h.ledger.mu.Unlock()
	j := h.job(h.do("POST", "/epcis/v2/capture", document(event(4), gone(1)), behaviour, "proceed").want(t, 202).header.Get("Location"))
	if len(j.Errors) != 1 || !strings.HasSuffix(j.Errors[0].Detail, "is held by haul") {
		t.Errorf("%+v", j.Errors)
	}
}

// Who acts is told that the act was refused, not an event that it never sent; the job
// that a late outcome is told by says the same.
func TestRefusedAct(t *testing.T) {
	h := newHarness(t, defaults())
	h.ledger.set(func() { h.ledger.denied = schemas.ShipmentKnown })
	const path, body, want = "/api/v1/shipments", `{"shipment":"urn:example:shipment:1","receiver":"shop","items":["urn:epc:id:sgtin:9521234.054321.1001"]}`, "this act was refused"
	if detail := h.do("POST", path, body).problem(t, 409, "shipment_known")["detail"]; detail != want {
		t.Errorf("told %q", detail)
	}
	h = newHarness(t, hasty())
	h.ledger.set(func() { h.ledger.denied, h.ledger.quorum = schemas.ShipmentKnown, false })
	at := h.do("POST", path, body).want(t, 202).header.Get("Location")
	h.ledger.restore()
	if j := h.job(at); len(j.Errors) != 1 || j.Errors[0].Detail != want {
		t.Errorf("the job tells %+v", j.Errors)
	}
}

// A guest is told what it has to do with itself: what its host has to do with a thing
// opens nothing to it.
func TestRefusalTellsGuestsNothingOfTheirHost(t *testing.T) {
	h := newHarness(t, defaults())
	keys := guests(t, h)
	h.do("POST", "/epcis/v2/events", strings.Replace(event(1), "OBSERVE", "ADD", 1)).want(t, 201)
	h.ledger.set(func() { h.ledger.elsewhere, h.ledger.quorum = "haul", false })
	gone := strings.Replace(event(1), `"OBSERVE","bizStep":"shipping"`, `"DELETE","bizStep":"destroying"`, 1)
	at := h.do("POST", "/api/v1/transactions", string(h.signedBy("guest", gone)), "Content-Type", sendBinary, "Authorization", keys["guest"]).want(t, 202).header.Get("Location")
	h.ledger.restore()
	j := h.job(at)
	if len(j.Errors) != 1 || j.Errors[0].Code != schemas.NotCustodian || strings.Contains(j.Errors[0].Detail, "haul") {
		t.Errorf("a guest is told %+v", j.Errors)
	}
}
