package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// All that a removed partner left goes in as many proposals as the bounds of one want, each
// of which the ledger takes, and nothing is left out or there twice.
func TestProposalsOfAll(t *testing.T) {
	var held schemas.Holdings
	for i := range 2500 {
		held.Items = append(held.Items, fmt.Sprintf("https://id.gs1.org/01/09521234543213/21/%d", i))
		held.Lots = append(held.Lots, schemas.LotHolding{Class: fmt.Sprintf("https://id.gs1.org/01/09521234543213/10/%d", i/2), UOM: []string{"", "KGM"}[i%2]})
		held.Shipments = append(held.Shipments, fmt.Sprintf("urn:example:shipment:%d", i))
	}
	for kind, want := range map[schemas.ChangeKind]int{schemas.Reassign: 3, schemas.EndShipments: 25} {
		c := change{Kind: kind.String(), Partner: "dock", Reason: "left"}
		if kind == schemas.Reassign {
			c.To = "coast"
		}
		changes := c.shared(&held)
		if len(changes) != want {
			t.Fatalf("%s: %d proposals", kind, len(changes))
		}
		named := map[string]bool{}
		for i := range changes {
			body, err := json.Marshal(changes[i])
			if err != nil {
				t.Fatal(err)
			}
			act, err := schemas.ReadAct("Propose", body, time.Unix(1_780_000_000, 0))
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			said := &act.Skeleton.Act.(*schemas.Propose).Change
			for _, id := range append(said.Items, said.Shipments...) {
				named[id] = true
			}
			for _, l := range said.Lots {
				named[l.Class+":"+l.UOM] = true
			}
		}
		if all := map[schemas.ChangeKind]int{schemas.Reassign: 5000, schemas.EndShipments: 2500}; len(named) != all[kind] {
			t.Errorf("%s names %d", kind, len(named))
		}
	}
	c := change{Kind: schemas.Reassign.String(), Partner: "dock", To: "coast"}
	if got := c.shared(&schemas.Holdings{Lots: held.Lots[:1]}); len(got) != 1 || len(got[0].Lots) != 1 {
		t.Errorf("lots alone are %+v", got)
	}
}
