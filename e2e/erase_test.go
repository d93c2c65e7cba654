package e2e_test

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// An erased body is gone at every node, whose receipts say so; a node that was
// down erases when it comes back, and one that is restored from a backup of before
// does before it is ready. What is left is whole.
func TestErasureAtEveryHolder(t *testing.T) {
	x := start(t, 4)
	id, body := newEvent(0, "erase", 1)
	text := strings.Replace(string(body), `"disposition"`, `"example:patient":"Jane Roe","disposition"`, 1)
	text = strings.Replace(text, `epcis-context.jsonld"]`, `epcis-context.jsonld",{"example":"https://example.org/"}]`, 1)
	if err := acknowledge(t.Context(), x.plain(t, 0), []byte(text)); err != nil {
		t.Fatal(err)
	}
	x.level(t)
	const restored, sleeper = 3, 2
	vault := filepath.Join(t.TempDir(), "backups")
	waybill(t, "backup", "--home", x.members[restored].Home, "--to", vault)
	x.kill(t, sleeper)

	c := x.client(t, 0)
	if _, err := x.client(t, 1).Order(t.Context(), api.OrderRequest{Order: "erase", EventID: id}, client.Write{}); err == nil || client.Problem(err).Code != schemas.UnknownEvent {
		t.Errorf("another partner's order: %v", err)
	}
	waybill(t, "erase", id, "--reason", "asked for by the person concerned", "--node", x.members[0].REST, "--key", x.members[0].Key)
	x.restart(t, sleeper)
	x.kill(t, restored)
	home := x.members[restored].Home
	if err := os.Rename(home, home+".lost"); err != nil {
		t.Fatal(err)
	}
	now, err := c.Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waybill(t, "restore", "--from", vault, "--home", home, "--keys", filepath.Join(home+".lost", "keys"), "--sign-after", "1000000")
	if err := os.WriteFile(filepath.Join(home, "node.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x.restart(t, restored)
	for _, i := range []int{sleeper, restored} {
		x.awaitReady(t, i)
		eventually(t, "it catches up", func() bool {
			n, err := x.plain(t, i).Network(t.Context())
			return err == nil && n.Height >= now.Height
		})
	}
	for i, m := range x.members {
		e, err := x.client(t, i).Erasure(t.Context(), x.members[0].Partner, id)
		if err != nil || e.Standing != "erased" || e.Receipt == nil || e.Receipt.Partner != m.Partner {
			t.Fatalf("%s says %+v, %v", m.Partner, e, err)
		}
		keys, err := node.LoadKeys(m.Home)
		if err != nil {
			t.Fatal(err)
		}
		if !e.Receipt.Verify(keys.Public()) || e.Receipt.Verify(ed25519.PublicKey(make([]byte, 32))) {
			t.Errorf("the receipt of %s is not signed with its key", m.Partner)
		}
		trail, err := x.client(t, i).WholeTrail(t.Context(), "https://id.gs1.org/01/09521234123453/21/erase-1")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(trail); err != nil || strings.Contains(string(b), "Jane Roe") || !strings.Contains(string(b), id) {
			t.Errorf("%s answers the trail %s, %v", m.Partner, b, err)
		}
	}
	x.agree(t)
	for i, m := range x.members {
		x.end(t, i)
		if out := waybill(t, "check", "--home", m.Home); !strings.Contains(out, "everything holds") {
			t.Errorf("%s:\n%s", m.Partner, out)
		}
	}
}
