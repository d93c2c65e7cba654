package node_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/schemas"
)

// found reads an answer.
func found[T any](t *testing.T, r *told) (out T) {
	t.Helper()
	if r.status != 200 {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	must(t, json.Unmarshal(r.body, &out))
	return out
}

// Whatever somebody should look at is on the list of its partner, and leaves it when it
// has been worked off.
func TestExceptionsAreWorkedOff(t *testing.T) {
	x := startTown(t)
	for i, row := range []struct {
		what string
		flag schemas.Code
		last string // its last line is what the list has, of the node's own partner
	}{
		{"a claim of ours", schemas.NotCustodian, `
			mill: add commissioning a
			event delete destroying a`},
		{"a claim to what is ours", schemas.NotCustodian, `
			event add commissioning a
			mill: delete destroying a`},
		{"a receipt without offer", schemas.AwaitingOffer, `
			mill: add commissioning a
			event observe receiving a`},
		{"a declaration of what nobody recorded", schemas.UnmatchedDeclaration, `event observe storing a id= void=incorrect_data`},
		{"a declaration of what was built upon", schemas.BuiltUpon, recorded + `
			acme-farms: observe shipping a to=mill
			mill: observe receiving a
			event add commissioning a id= {"eventTime":"2026-05-01T10:00:00Z","errorDeclaration":{"declarationTime":"2026-05-02T10:00:00Z","reason":"did_not_occur"}}`},
		{"a conflict of containment", schemas.ContainmentConflict, boxed + `event add packing parent=other a`},
		{"a conflict of balances", schemas.UnknownQuantity, `
			event add commissioning lot=lot:5:KGM
			event delete destroying lot=lot:6:KGM`},
		{"an offer that was rejected", schemas.OfferRejected, `
			acme-farms: add commissioning a; observe shipping a to=mill
			mill: observe inspecting a {"disposition":"non_conformant"}`},
		{"a hand-over that came short", schemas.Differs, `
			acme-farms: add commissioning a,b; AnnounceShipment {"shipment":"$shipment","receiver":"mill","items":["$a","$b"]}; OfferHandover {"shipment":"$shipment","to":"mill"}
			mill: AcceptHandover {"shipment":"$shipment","handover":1,"discrepancies":[{"id":"$a","what":"short"}]}`},
		{"a dispute", schemas.DisputeOpened, `
			acme-farms: add commissioning a; AnnounceShipment {"shipment":"$shipment","receiver":"mill","items":["$a"]}; OfferHandover {"shipment":"$shipment","to":"mill"}
			mill: AcceptHandover {"shipment":"$shipment","handover":1}; DisputeHandover {"shipment":"$shipment","handover":1,"evidence":[{"event":"urn:example:photo"}]}`},
	} {
		t.Run(row.what, func(t *testing.T) {
			s := &playing{town: x, t: t, tag: fmt.Sprintf("listed%d.", i)}
			r := s.script(row.last)
			at := schemas.Locator{Height: r.receipt.Height, Position: r.receipt.Position, Index: uint32(len(r.receipt.Events) - 1)}
			list := found[api.Exceptions](t, s.ask(t, "GET", "/api/v1/exceptions?open=true&perPage=1", ""))
			if len(list.Records) != 1 || list.Records[0].Locator != at || !slices.Contains(list.Records[0].Flags, row.flag) {
				t.Fatalf("the list begins with %+v, not %v", list.Records, at)
			}
			s.settled(t, at)
		})
	}
	t.Run("an offer that nobody answered", func(t *testing.T) {
		s := &playing{town: x, t: t, tag: "unanswered."}
		s.script(announced + "GET /livez") // the last line may be anything that is fine
		s.offerShortly(t, "POST /api/v1/shipments/%$shipment/handovers ", `"to":"haul"`)
		var list api.Exceptions
		for i := 0; len(list.Overdue) == 0; i++ { // time goes on with blocks
			s.script(fmt.Sprintf("event add commissioning tick%d", i))
			list = found[api.Exceptions](t, s.ask(t, "GET", "/api/v1/exceptions?open=true&perPage=100", ""))
		}
		if len(list.Overdue) != 1 {
			t.Fatalf("unanswered are %+v", list.Overdue)
		}
		s.settled(t, list.Overdue[0].Locator)
	})
}

// settled takes a record off the list.
func (s *playing) settled(t *testing.T, at schemas.Locator) {
	t.Helper()
	if r := s.line(t, fmt.Sprintf("POST /api/v1/exceptions/%d/%d/%d/settle {}", at.Height, at.Position, at.Index)); !r.fine() {
		t.Fatalf("%s", r.body)
	}
	list := found[api.Exceptions](t, s.ask(t, "GET", "/api/v1/exceptions?open=true&perPage=100", ""))
	if slices.ContainsFunc(slices.Concat(list.Records, list.Overdue), func(r api.Record) bool { return r.Locator == at }) {
		t.Errorf("%v was settled and is open", at)
	}
}

// Who held what, from hand to hand, is told of an item, of its container and of the
// shipment, with both signatures and how their keys are held.
func TestCustodyChain(t *testing.T) {
	x := startTown(t)
	s := &playing{town: x, t: t, tag: "chain."}
	s.script(`
		event add commissioning a,box
		event add packing parent=box a
		acme-farms: AnnounceShipment {"shipment":"$shipment","carriers":["haul"],"receiver":"mill","items":["$box"]}; OfferHandover {"shipment":"$shipment","to":"haul"}
		haul: AcceptHandover {"shipment":"$shipment","handover":1}
		haul: observe shipping box to=mill
		mill: observe receiving box
		mill: delete unpacking parent=box a
		mill: observe shipping a to=shop
		shop: observe receiving a`)
	chain := func(path string) (out []string) {
		for _, r := range found[api.Trail](t, s.ask(t, "GET", s.fill(path), "")).Records {
			var e struct{ Type, BizStep string }
			if r.Event != nil { // the node keeps its own partner's alone
				must(t, json.Unmarshal(r.Event, &e))
			}
			what := e.BizStep
			if what == "" {
				what = e.Type
			}
			if r.Key != schemas.KeyID(x.keys[r.Partner].Public().(ed25519.PublicKey)) {
				t.Errorf("%s: %+v", path, r)
			}
			out = append(out, fmt.Sprintf("%s/%s %s", r.Partner, r.Held, what))
		}
		return out
	}
	handed := []string{"acme-farms/gateway AnnounceShipment", "acme-farms/gateway OfferHandover", "haul/client AcceptHandover", "haul/client ", "mill/hardware "}
	for path, want := range map[string][]string{
		"/api/v1/shipments/%$shipment/trail": handed,
		"/api/v1/items/%$box/trail":          slices.Concat([]string{"acme-farms/gateway commissioning", "acme-farms/gateway packing"}, handed, []string{"mill/hardware "}),
		"/api/v1/items/%$a/trail":            {"acme-farms/gateway commissioning", "acme-farms/gateway packing", "mill/hardware ", "mill/hardware ", "shop/gateway "},
	} {
		if got := chain(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
	h := found[api.Handovers](t, s.ask(t, "GET", s.fill("/api/v1/shipments/%$shipment/handovers"), "")).Handovers
	if len(h) != 2 || h[0].Offered.Held != schemas.HeldByClient || h[0].Answered.Held != schemas.HeldInHardware || h[1].Offered.Held != schemas.HeldByGateway || h[1].Answered.Held != schemas.HeldByClient {
		t.Errorf("the hand-overs are told as %+v", h)
	}
	for id, holder := range map[string]string{"%$box": "mill", "%$a": "shop"} {
		if it := found[api.Item](t, s.ask(t, "GET", s.fill("/api/v1/items/"+id), "")); it.Custodian != holder {
			t.Errorf("%s is with %s", id, it.Custodian)
		}
	}
}
