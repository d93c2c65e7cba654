package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/waybill-ledger/waybill/node"
	"github.com/waybill-ledger/waybill/schemas"
)

// corrupt changes one item's disposition in the database of a node that is
// stopped, as a failing memory would: nothing on the disk tells.
func corrupt(t *testing.T, home, item string) {
	t.Helper()
	db, err := leveldb.OpenFile(filepath.Join(node.LedgerPath(home), "state.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	it := db.NewIterator(util.BytesPrefix(append([]byte{'s'}, schemas.ItemKey(item)...)), nil)
	defer it.Release()
	if !it.Next() {
		t.Fatalf("no item %s", item)
	}
	changed := bytes.Replace(it.Value(), []byte("active"), []byte("actove"), 1)
	if bytes.Equal(changed, it.Value()) {
		t.Fatalf("item %s is not active: %q", item, it.Value())
	}
	if err := db.Put(it.Key(), changed, nil); err != nil {
		t.Fatal(err)
	}
}

// A replica whose state was changed stops when the network decides another, with
// the height in its message, and does not start again as if nothing had been. The
// doctor names the key, from homes and from listings, while the others go on; a
// rebuild mends it.
func TestDivergenceIsFoundAndMended(t *testing.T) {
	x := start(t, 4)
	const sick = 3
	id, body := newEvent(0, "doctor", 1)
	if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
		t.Fatal(err)
	}
	item := "https://id.gs1.org/01/09521234123453/21/doctor-1"
	x.level(t)
	x.end(t, sick)
	home := x.members[sick].Home
	corrupt(t, home, item)
	x.restart(t, sick)
	x.awaitReady(t, sick)
	// The item is touched: what the sick node makes of it differs.
	touched := strings.NewReplacer(`"ADD"`, `"OBSERVE"`, id, id+"-seen", `"disposition":"active",`, "").Replace(string(body))
	if err := acknowledge(t.Context(), x.plain(t, 0), []byte(touched)); err != nil {
		t.Fatal(err)
	}
	cmd := x.again[x.members[sick].Home]
	delete(x.again, x.members[sick].Home)
	if err := cmd.Wait(); err == nil {
		t.Fatal("the node ended well")
	}
	log, err := os.ReadFile(filepath.Join(home, "node.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "is not the one that the validators decided: after height ") {
		t.Errorf("the node's last words: %s", log[max(0, len(log)-2000):])
	}
	if out, err := tryWaybill("start", "--home", home); err == nil || !strings.Contains(out, "waybill doctor diff") {
		t.Errorf("the node starts again: %v\n%s", err, out)
	}

	out, err := tryWaybill("doctor", "diff", x.members[0].Home, home)
	if err == nil || !strings.Contains(out, "item "+item) || !strings.Contains(out, `"active"`) || !strings.Contains(out, `"actove"`) {
		t.Errorf("the doctor says: %v\n%s", err, out)
	}
	// The partner of another node shares a listing of that height.
	height := strings.Fields(out)[1]
	listing := filepath.Join(t.TempDir(), "listing")
	if err := os.WriteFile(listing, []byte(waybill(t, "doctor", "list", "--home", x.members[1].Home, "--height", height)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tryWaybill("doctor", "diff", listing, home); err == nil || !strings.Contains(out, "item "+item) {
		t.Errorf("with a listing the doctor says: %v\n%s", err, out)
	}
	waybill(t, "doctor", "diff", x.members[1].Home, x.members[2].Home)

	if out, err := tryWaybill("check", "--home", home); err == nil || !strings.Contains(out, "doctor-1") {
		t.Errorf("the check says: %v\n%s", err, out)
	}
	waybill(t, "check", "--home", home, "--rebuild")
	x.restart(t, sick)
	x.awaitReady(t, sick)
	x.level(t)
	x.onAllNodesOnce(t, []string{id, id + "-seen"})
	x.agree(t)
}
