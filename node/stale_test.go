package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/node"
)

// A home without its gateway's store, or without the last state of what its validator
// signed, does not start, is found by a check, and starts again when that is brought back.
func TestHomeThatLacksSomething(t *testing.T) {
	s := alone(t)
	n := start(t, s)
	commit(t, n, event(t, 1))
	must(t, n.Stop())
	state := filepath.Join(s.Home, "data", "sign_state.json")
	older, err := os.ReadFile(state)
	must(t, err)
	n = start(t, s)
	for i := range 3 { // the first may be in the block that was voted on before
		commit(t, n, event(t, 2+i))
	}
	must(t, n.Stop())

	aside := filepath.Join(t.TempDir(), "aside")
	for _, c := range []struct {
		what, file, says string
		replace          []byte
	}{
		{"no gateway's store", node.GatewayPath(s.Home), "waybill key add", nil},
		{"no sign state", state, "--sign-after", nil},
		{"an older sign state", state, "an older copy", older},
	} {
		must(t, os.Rename(c.file, aside))
		if c.replace != nil {
			must(t, os.WriteFile(c.file, c.replace, 0o600))
		}
		if n, err := node.Start(t.Context(), s, "test", io.Discard); err == nil {
			t.Errorf("%s: the node starts", c.what)
			must(t, n.Stop())
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: start says: %v", c.what, err)
		}
		if r := check(t, s.Home, false); len(r.Faults) != 1 || !strings.HasPrefix(filepath.Join(s.Home, r.Faults[0].File), c.file) {
			t.Errorf("%s: a check finds %v", c.what, r.Faults)
		}
		if _, err := node.Backup(t.Context(), node.BackupOptions{Home: s.Home, To: t.TempDir(), Getenv: func(string) string { return "" }}); err == nil && c.file == node.GatewayPath(s.Home) {
			t.Errorf("%s: a backup is made", c.what)
		}
		must(t, errors.Join(os.RemoveAll(c.file), os.Rename(aside, c.file)))
	}
	must(t, start(t, s).Stop())
	mustHold(t, check(t, s.Home, false))

	// If it is lost for ever, an empty one is made by hand.
	must(t, errors.Join(os.RemoveAll(node.GatewayPath(s.Home)), os.Mkdir(node.GatewayPath(s.Home), 0o700)))
	gateway, err := local.Open(node.GatewayPath(s.Home))
	must(t, err)
	_, _, err = gateway.CreateKey("operator", local.Scopes()...)
	must(t, errors.Join(err, gateway.Close()))
	must(t, start(t, s).Stop())
	mustHold(t, check(t, s.Home, false))
}

// What is damaged in the middle of the gateway's journal, or the engine's, is told when the
// node starts; what a killed node left is removed.
func TestDamagedJournalIsTold(t *testing.T) {
	s := alone(t)
	gateway, err := local.Open(node.GatewayPath(s.Home))
	must(t, err)
	for i := range 400 {
		_, _, err := gateway.CreateKey(fmt.Sprint("key ", i), local.Query)
		must(t, err)
	}
	must(t, gateway.Close())
	left := filepath.Join(s.Home, "data", "write-file-atomic-07257623075072500176")
	must(t, os.WriteFile(left, nil, 0o600))
	said := func() string {
		var log bytes.Buffer
		n, err := node.Start(t.Context(), s, "test", &log)
		must(t, err)
		must(t, n.Stop())
		return log.String()
	}
	journals, err := filepath.Glob(filepath.Join(node.GatewayPath(s.Home), "gateway.db", "*.log"))
	must(t, err)
	journal := journals[len(journals)-1]
	whole, err := os.ReadFile(journal)
	must(t, err)
	if len(whole) < 40<<10 {
		t.Fatalf("%s has %d bytes", journal, len(whole))
	}
	whole[len(whole)/3] ^= 1
	must(t, os.WriteFile(journal, whole, 0o600))
	if log := said(); !strings.Contains(log, filepath.Base(journal)) || !strings.Contains(log, "has lost") {
		t.Errorf("the node says: %s", log)
	}
	if log := said(); strings.Contains(log, "has lost") {
		t.Errorf("the node says once more: %s", log)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed node left is there")
	}
}

// A home whose node was killed while the history took the ledger's place is left as it is by
// a check, a rebuild too: the next start ends that.
func TestCheckBetweenTwoLedgers(t *testing.T) {
	s := stopped(t)
	history := node.HistoryPath(s.Home)
	must(t, errors.Join(os.CopyFS(history, os.DirFS(node.LedgerPath(s.Home))), os.WriteFile(filepath.Join(history, "complete"), nil, 0o600),
		os.Rename(node.LedgerPath(s.Home), node.LedgerPath(s.Home)+".restored")))
	for _, rebuild := range []bool{false, true} {
		if _, err := node.Check(t.Context(), node.CheckOptions{Home: s.Home, Scratch: t.TempDir(), Rebuild: rebuild}); err == nil || !strings.Contains(err.Error(), "start and stop it once") {
			t.Errorf("rebuild %v: the check says %v", rebuild, err)
		}
	}
	must(t, start(t, s).Stop())
	mustHold(t, check(t, s.Home, false))
}
