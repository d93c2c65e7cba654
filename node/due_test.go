package node_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/cometbft/cometbft/types"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// What is due is erased by an order of the node of who recorded it, also if that
// was stopped meanwhile; what is held stays.
func TestDueIsErased(t *testing.T) {
	s := alone(t)
	doc, err := types.GenesisDocFromFile(node.GenesisPath(s.Home))
	if err != nil {
		t.Fatal(err)
	}
	var g schemas.Genesis
	if err := json.Unmarshal(doc.AppState, &g); err != nil {
		t.Fatal(err)
	}
	g.Retention = []schemas.RetentionClass{{Name: "short", Max: 3}}
	if doc.AppState, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(doc.ValidateAndComplete(), doc.SaveAs(node.GenesisPath(s.Home))); err != nil {
		t.Fatal(err)
	}
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
