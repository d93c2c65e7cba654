package node_test

import (
	"io"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// What is due is erased by an order of the node of who recorded it, also if that
// was stopped meanwhile; what is held stays.
func TestDueIsErased(t *testing.T) {
	s := alone(t)
	alterGenesis(t, s, func(g *schemas.Genesis) { g.Retention = []schemas.RetentionClass{{Name: "short", Max: 3}} })
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := schemas.MakeOrder(schemas.OrderHold, "urn:example:event:2", "", "2026-02-01T12:00:00.000Z")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, patientEvent(t, 2))
	if r := commit(t, n, hold); r.Events[0].Code != schemas.OK {
		t.Fatal(r.Events[0].Code)
	}
	commit(t, n, patientEvent(t, 1))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if n, err = node.Start(t.Context(), s, "test", io.Discard); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; <-n.Ledger().Watch(height(t, n)) {
		e, err := n.Ledger().Erasure(t.Context(), s.Partner, "urn:example:event:1")
		if err != nil || e == nil || e.Class != "short" || e.DueBy.Sub(e.ErasableFrom) != 3*time.Second {
			t.Fatal(e, err)
		}
		if e.Standing == "erased" {
			if e.Receipt == nil {
				t.Error("it is erased, and the node does not say that it holds it no more")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the event stands as %+v", e)
		}
	}
	if e, err := n.Ledger().Erasure(t.Context(), s.Partner, "urn:example:event:2"); err != nil || e.Standing != "held" {
		t.Errorf("the held one stands as %+v, %v", e, err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	mustHold(t, check(t, s.Home, false))
}
