package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/audit"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// A unit that was made from a lot, put into a box and shipped in it, asked for in
// every way: each bundle verifies, in both forms, and says what happened.
func TestBundleKinds(t *testing.T) {
	x := shared.get(t)
	run := strings.ToLower(random(t))
	unit, box := "https://id.gs1.org/01/09521234543213/21/u"+run, "https://id.gs1.org/01/09521234543213/21/b"+run
	lot := "https://id.gs1.org/01/09521234543213/10/l" + run
	record := func(i int, kind, rest string) {
		t.Helper()
		body := fmt.Sprintf(`{"@context":[{"ex":"https://example.com/"}],"type":%q,"eventTime":"2026-03-01T09:00:00.000Z","eventTimeZoneOffset":"+00:00",%s}`, kind, rest)
		if err := acknowledge(t.Context(), x.plain(t, i), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	record(0, "ObjectEvent", fmt.Sprintf(`"action":"ADD","bizStep":"commissioning","ex:price":7,"quantityList":[{"epcClass":%q,"quantity":5}]`, lot))
	record(1, "ObjectEvent", fmt.Sprintf(`"action":"OBSERVE","bizStep":"inspecting","quantityList":[{"epcClass":%q,"quantity":5}]`, lot))
	record(0, "TransformationEvent", fmt.Sprintf(`"inputQuantityList":[{"epcClass":%q,"quantity":1}],"outputEPCList":[%q],"bizStep":"commissioning"`, lot, unit))
	record(0, "AggregationEvent", fmt.Sprintf(`"action":"ADD","bizStep":"packing","parentID":%q,"childEPCs":[%q]`, box, unit))
	record(0, "ObjectEvent", fmt.Sprintf(`"action":"OBSERVE","bizStep":"shipping","epcList":[%q],"destinationList":[{"type":"possessing_party","destination":"https://id.gs1.org/417/%s"}]`, box, x.members[1].GLN))
	record(1, "ObjectEvent", fmt.Sprintf(`"action":"OBSERVE","bizStep":"receiving","epcList":[%q]`, box))
	record(2, "ObjectEvent", fmt.Sprintf(`"action":"OBSERVE","bizStep":"inspecting","ex:price":9,"epcList":[%q]`, unit))
	x.level(t)
	trust := x.trust(t)
	made, other := x.members[0].Partner, x.members[1].Partner
	for name, c := range map[string]struct {
		query schemas.BundleQuery
		check func(s *audit.Statement) bool
	}{
		"custody":      {schemas.BundleQuery{ID: unit}, func(s *audit.Statement) bool { return len(s.Events) == 2 && s.Asked().Custodian == other }},
		"observations": {schemas.BundleQuery{ID: unit, Observations: true}, func(s *audit.Statement) bool { return len(s.Events) == 3 }},
		"containers":   {schemas.BundleQuery{ID: unit, Containers: true}, func(s *audit.Statement) bool { return len(s.Events) == 4 && len(s.Subjects) == 2 }},
		"ancestors":    {schemas.BundleQuery{ID: unit, Ancestors: 4}, func(s *audit.Statement) bool { return s.Complete && len(s.Events) == 4 && len(s.Subjects) == 3 }},
		"times": {schemas.BundleQuery{ID: unit, Times: true, Names: true, Observations: true, Since: trust.Height}, func(s *audit.Statement) bool {
			return s.Events[0].Time != nil && s.Events[2].Time != nil && s.Events[0].PartnerName != ""
		}},
		"withheld":       {schemas.BundleQuery{ID: unit, Observations: true, Withhold: []string{"ex:price"}}, func(s *audit.Statement) bool { return s.Events[2].Form == "partial" && s.Events[2].Withheld == 1 }},
		"only the steps": {schemas.BundleQuery{ID: unit, Observations: true, Only: []string{"bizStep"}}, func(s *audit.Statement) bool { return s.Events[2].Withheld == 1 }},
		"lot":            {schemas.BundleQuery{ID: lot, Of: schemas.BundleOfLot}, func(s *audit.Statement) bool { return len(s.Events) == 3 && s.Asked().Balances[0].Quantity == "4" }},
		"lot of one": {schemas.BundleQuery{ID: lot, Of: schemas.BundleOfLot, Partner: other}, func(s *audit.Statement) bool {
			return s.Events[0].Form == "withheld" && s.Events[1].Form == "whole" && s.Asked().Trails[0].Shown == 3
		}},
		"partner":           {schemas.BundleQuery{ID: made, Of: schemas.BundleOfPartner}, func(s *audit.Statement) bool { return s.Asked().Trails[0].Shown == s.Asked().Trails[0].Count }},
		"part of a partner": {schemas.BundleQuery{ID: made, Of: schemas.BundleOfPartner, First: 1, Count: 2}, func(s *audit.Statement) bool { return s.Asked().Trails[0].First == 1 && len(s.Events) == 2 }},
		"unknown":           {schemas.BundleQuery{ID: unit + "-never"}, func(s *audit.Statement) bool { return !s.Asked().Present }},
	} {
		b, err := x.client(t, 3).Bundle(t.Context(), c.query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s, err := audit.Verify(b, trust)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !c.check(s) {
			t.Errorf("%s: %s", name, mustJSON(t, s))
		}
		text, err := proof.AppendJSON(nil, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := audit.Verify(text, trust)
		if err != nil || !bytes.Equal(mustJSON(t, again), mustJSON(t, s)) {
			t.Errorf("%s as JSON: %v", name, err)
		}
		if c.query.Withhold != nil && bytes.Contains(b, []byte("ex:price")) {
			t.Errorf("%s: the bundle has what is withheld", name)
		}
	}
	out, errOut, code := x.waybill(t, "bundle", "-o", "json", "--withhold", "ex:price", "--observations", unit)
	if code != 0 || !json.Valid([]byte(out)) || strings.Contains(out, "ex:price") {
		t.Errorf("waybill bundle -o json: %d %s", code, errOut)
	}
}

// An old bundle is proven again under a later header, and says what it said.
func TestRenew(t *testing.T) {
	x := shared.get(t)
	item := captureOne(t, x, 0)
	x.level(t)
	old, err := x.client(t, 1).Bundle(t.Context(), schemas.BundleQuery{ID: item, Times: true})
	if err != nil {
		t.Fatal(err)
	}
	before, err := audit.Verify(old, x.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // headers in the accumulator
		captureOne(t, x, 2)
	}
	x.level(t)
	trust := x.trust(t)
	for range 2 { // also one that was renewed before
		if old, err = x.client(t, 3).Renew(t.Context(), old, trust.Height); err != nil {
			t.Fatal(err)
		}
		after, err := audit.Verify(old, trust)
		if err != nil {
			t.Fatal(err)
		}
		if after.SignedHeight <= before.SignedHeight || after.AppHash != before.AppHash || !bytes.Equal(mustJSON(t, after.Events), mustJSON(t, before.Events)) {
			t.Errorf("before %s\nafter %s", mustJSON(t, before), mustJSON(t, after))
		}
	}
	altered := bytes.Clone(old)
	altered[len(altered)/2] ^= 1
	if b, err := x.client(t, 3).Renew(t.Context(), altered, 0); err == nil {
		if _, err := audit.Verify(b, trust); err == nil {
			t.Error("an altered bundle verifies once it is renewed")
		}
	}
}
