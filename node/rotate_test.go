package node_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// ledgerKeys are the keys of the node's partner.
func ledgerKeys(t *testing.T, n *node.Node) map[string]schemas.Key {
	t.Helper()
	view, err := n.Ledger().View()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := view.Keys("acme-farms")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]schemas.Key{}
	for _, k := range keys {
		out[k.ID] = k
	}
	return out
}

func startAlone(t *testing.T, s node.Settings) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n
}

// TestRotation: the gateway's key is changed for another while events are committed,
// the old one ends, and what was there before is found again.
func TestRotation(t *testing.T) {
	s := alone(t)
	before, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	n := startAlone(t, s)
	commit(t, n, event(t, 1))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	id, err := node.RotateKey(&s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.RotateKey(&s); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a second rotation beside the first: %v", err)
	}
	n = startAlone(t, s)
	deadline := time.Now().Add(patience)
	for i := 2; ; i++ {
		commit(t, n, event(t, i))
		if old := ledgerKeys(t, n)[before.KeyID()]; old.Until != 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the old key does not end: %v", ledgerKeys(t, n))
		}
	}
	for {
		after, err := s.Keys()
		if err != nil {
			t.Fatal(err)
		}
		if after.KeyID() == id && after.Next == nil {
			if string(after.Duplicates) != string(before.Duplicates) {
				t.Error("the duplicate secret changed")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new key's file does not take the place of the old one's")
		}
		commit(t, n, event(t, 1)) // recorded before: blocks go on
	}
	if r := commit(t, n, event(t, 1)); r.Events[0].Effect != schemas.Duplicate {
		t.Errorf("what was recorded before is %v", r.Events[0])
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	n = startAlone(t, s)
	commit(t, n, event(t, 1000))
}

// TestEndedKeyStopsNoNode: a node whose gateway's key ended starts, serves, and says
// why it signs nothing.
func TestEndedKeyStopsNoNode(t *testing.T) {
	s := alone(t)
	keys, err := s.Keys()
	if err != nil {
		t.Fatal(err)
	}
	n := startAlone(t, s)
	add, err := schemas.MakeAct(&schemas.AddKey{Public: bytes.Repeat([]byte{0x1a}, 32), Roles: schemas.RoleAdmin, Held: schemas.HeldInHardware}, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	revoke, err := schemas.MakeAct(&schemas.RevokeKey{Key: keys.KeyID()}, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, add)
	if r := commit(t, n, revoke); r.Events[0].Code != schemas.OK {
		t.Fatal(r.Events[0])
	}
	refused := func(n *node.Node) {
		if _, err := n.Ledger().Sign("test", false, []*schemas.Event{event(t, 1)}); err == nil || !strings.Contains(err.Error(), "ended at height") {
			t.Errorf("signing with a key that ended: %v", err)
		}
	}
	refused(n)
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	refused(startAlone(t, s))
}
