package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas"
)

// bundles asks for bundles in every way, and sees what reaches the ledger.
func bundles(t *testing.T, h *harness, base, link string) {
	t.Helper()
	lot, partner, shipment := strings.Replace(base, "/items/", "/lots/", 1), "/api/v1/partners/acme-farms", "/api/v1/shipments/urn:example:shipment:7"
	h.ledger.pass(9)
	for path, want := range map[string]schemas.BundleQuery{
		base + "/bundle": {ID: link, Containers: true},
		base + "/bundle?observations=true&containers=false&ancestors=3&names=true&times=true&as=item&since=7&height=9": {ID: link, Of: schemas.BundleOfItem,
			Observations: true, Ancestors: 3, Names: true, Times: true, Since: 7, Height: 9},
		base + "/bundle?withhold=ex%3Aprice%7CreadPoint&only=ilmd&hashIDs=true&as=lot": {ID: link, Of: schemas.BundleOfLot, Containers: true,
			Withhold: []string{"ex:price", "readPoint"}, Only: []string{"ilmd"}, HashIDs: true},
		lot + "/bundle?partner=brook":              {ID: link, Of: schemas.BundleOfLot, Containers: true, Partner: "brook"},
		shipment + "/bundle":                       {ID: "urn:example:shipment:7", Of: schemas.BundleOfShipment},
		shipment + "/bundle?units=true&names=true": {ID: "urn:example:shipment:7", Of: schemas.BundleOfShipment, Units: true, Names: true},
		partner + "/bundle?first=10&count=20":      {ID: "acme-farms", Of: schemas.BundleOfPartner, First: 10, Count: 20},
	} {
		h.do("GET", path, "").want(t, 200)
		h.ledger.mu.Lock()
		if diff := cmp.Diff(want, h.ledger.asked); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		h.ledger.mu.Unlock()
	}
	for _, path := range []string{base + "/bundle?ancestors=17", base + "/bundle?ancestors=-1", base + "/bundle?observations=yes", base + "/bundle?as=partner", base + "/bundle?first=1", base + "/bundle?units=true",
		shipment + "/bundle?containers=true", shipment + "/bundle?units=1",
		base + "/bundle?partner=brook", lot + "/bundle?as=item", lot + "/bundle?observations=true", partner + "/bundle?containers=true", partner + "/bundle?first=-1",
		partner + "/bundle?count=x", base + "/bundle?height=18446744073709551615", base + "/bundle?since=1.5", base + "/bundle?since=12&height=9", base + "/bundle?withhold=" + strings.Repeat("a%7C", 500) + "a"} {
		h.do("GET", path, "").problem(t, 400, "bad_parameter")
	}
	// A root of trust that another node told a moment ago may be before this one; none of another ledger.
	binary := []string{"Content-Type", "application/vnd.waybill.bundle"}
	for _, path := range []string{base, lot, partner, shipment} {
		h.do("GET", path+"/bundle?since=15", "").want(t, 200)
		h.do("GET", path+"/bundle?since=1000", "").problem(t, 400, "bad_parameter")
		h.do("GET", path+"/bundle?height=1000", "").problem(t, 400, "bad_parameter")
	}
	h.do("POST", "/api/v1/bundles?since=1000", "old", binary...).problem(t, 400, "bad_parameter")
	h.ledger.set(func() { h.ledger.network.CatchingUp = true })
	h.do("GET", base+"/bundle?since=1000", "").want(t, 200)
	h.do("POST", "/api/v1/bundles?since=1000", "old", binary...).want(t, 200)
	h.ledger.set(func() { h.ledger.network.CatchingUp = false })

	text := h.do("GET", "/api/v1/items/urn:example:json/bundle", "", "Accept", "application/json").want(t, 200)
	if text.header.Get("Content-Type") != "application/json" || string(text.body) != `{"version":"2"}` || !strings.Contains(text.header.Get("Content-Disposition"), "item.bundle.json") {
		t.Errorf("as JSON: %v %s", text.header, text.body)
	}
	renewed := h.do("POST", "/api/v1/bundles?since=7", "old", binary...).want(t, 200)
	if string(renewed.body) != "old since 7" || renewed.header.Get("Content-Type") != "application/vnd.waybill.bundle" {
		t.Errorf("renewed: %s", renewed.body)
	}
	h.do("POST", "/api/v1/bundles", "", binary...).problem(t, 400, "bad_encoding")
	h.do("POST", "/api/v1/bundles?height=7", "old", binary...).problem(t, 400, "bad_parameter")
	h.do("POST", "/api/v1/bundles", "old").problem(t, 415, "unsupported_media_type")
	h.do("GET", base+"/bundle", "", "Accept", "text/html").problem(t, 406, "not_acceptable")
}
