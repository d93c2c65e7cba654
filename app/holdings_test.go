package app_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// What a partner holds is listed, however it came by it: by pages of any size, of what is
// looked at too, and by a node that joined by a snapshot.
func TestHoldings(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{Dir: filepath.Join(t.TempDir(), "ledger")})}
	s.keepSnapshots(filepath.Join(t.TempDir(), "snapshots"))
	s.init()
	s.subjects = map[schemas.TrailKey]bool{}
	s.run([]string{"block",
		"farm: obj add epc=a,b,c,d,e qty=lot1:5:KGM,lot1:2,lot2:1 step=commissioning; agg add parent=P-1 epc=a,b; obj del epc=d qty=lot2:1 step=destroying; obj obs epc=P-1,c step=shipping to=mill; obj obs qty=lot1:2:KGM step=shipping to=mill",
		"mill: obj obs epc=P-1,c step=receiving; obj obs qty=lot1:2:KGM step=receiving; obj del qty=lot3:1 step=destroying; agg del parent=P-1",
		`farm: act AnnounceShipment {"shipment":"urn:example:shipment:1","receiver":"shop","carriers":["mill"],"items":["` + full("e") + `"]}`})
	joined := joining(t, store.Options{})
	joined.restored(s.chain, s.take())
	want := map[string]schemas.Holdings{
		"farm": {Items: []string{full("e")}, Lots: []schemas.LotHolding{{Class: full("lot1"), Quantity: "2", Known: true}, {Class: full("lot1"), UOM: "KGM", Quantity: "3", Known: true}}, Shipments: []string{"urn:example:shipment:1"}},
		"mill": {Items: []string{full("P-1"), full("a"), full("b"), full("c")}, Lots: []schemas.LotHolding{{Class: full("lot1"), UOM: "KGM", Quantity: "2", Known: true}, {Class: full("lot3")}}, Shipments: []string{"urn:example:shipment:1"}},
		"haul": {},
	}
	for partner, want := range want {
		slices.Sort(want.Items)
		for _, v := range []*app.View{s.view(), joined.view()} {
			for limit := 1; limit < 9; limit++ {
				for _, most := range []int{1, 3, 100} {
					var got schemas.Holdings
					for behind, pages := "", 1; ; pages++ {
						page, next, err := v.TestingOnlyHoldings(partner, behind, limit, most)
						told := len(page.Items) + len(page.Lots) + len(page.Shipments)
						if err != nil || told > min(limit, most) || pages > 20 {
							t.Fatalf("%s: a page of %d, %v", partner, told, err)
						}
						got.Items, got.Lots, got.Shipments = append(got.Items, page.Items...), append(got.Lots, page.Lots...), append(got.Shipments, page.Shipments...)
						if behind = next; next == "" {
							break
						}
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Fatalf("%s holds, by pages of %d and %d looked at: %s", partner, limit, most, d)
					}
				}
			}
		}
	}
	if _, _, err := s.view().Holdings("farm", "x", 1); err == nil {
		t.Error("a page begins where none does")
	}
}

// Others look at what a partner holds when it goes, or that is proposed.
func TestLeaving(t *testing.T) {
	s := &script{chain: newChain(t, store.Options{})}
	s.subjects = map[schemas.TrailKey]bool{}
	is := func(partner string, want bool) {
		t.Helper()
		if got, err := s.view().Leaving(partner); got != want || err != nil {
			t.Errorf("that %s leaves is %t, %v", partner, got, err)
		}
	}
	is("mill", false)
	s.run([]string{"block", `farm: act Propose {"kind":"remove-validator","partner":"mill"}`, `mill: act Propose {"kind":"suspend","partner":"shop"}`})
	is("mill", false)
	is("shop", true)
	is("nobody", false)
}
