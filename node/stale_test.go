package node_test

import (
	"errors"
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
	commit(t, n, event(t, 2))
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
