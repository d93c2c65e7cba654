package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/node"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestSettingsLaterWins(t *testing.T) {
	home := t.TempDir()
	s := node.DefaultSettings(home)
	s.Partner, s.REST, s.ProposeTimeout = "acme-farms", "127.0.0.1:1001", node.Duration(time.Second)
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	got, err := node.LoadSettings(home, env(map[string]string{"WAYBILL_REST": "127.0.0.1:1002", "WAYBILL_PEERS": " a, b ,", "WAYBILL_PENDING_COUNT": "500"}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Partner != "acme-farms" || got.REST != "127.0.0.1:1002" || got.ProposeTimeout != node.Duration(time.Second) ||
		got.PendingCount != 500 || strings.Join(got.Peers, "+") != "a+b" || got.LogLevel != "info" {
		t.Errorf("settings are %+v", got)
	}
}

func TestSettingsRefused(t *testing.T) {
	home := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(home, node.SettingsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := node.LoadSettings(home, env(nil)); err == nil || !strings.Contains(err.Error(), "waybill init") {
		t.Errorf("without a file: %v", err)
	}
	for text, want := range map[string]string{
		`{"partner": 1}`:              "partner",
		`{"parnter": "acme"}`:         "parnter",
		`{"propose_timeout": "soon"}`: "soon",
		`{"pending_bytes": "lots"}`:   "pending_bytes",
		`{"partner": "acme"} {}`:      "follows",
		`{"partner": "acme"}}`:        "follows",
	} {
		write(text)
		if _, err := node.LoadSettings(home, env(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	write(`{}`)
	if _, err := node.LoadSettings(home, env(map[string]string{"WAYBILL_LOG_JSON": "perhaps"})); err == nil || !strings.Contains(err.Error(), "WAYBILL_LOG_JSON") {
		t.Errorf("a bad environment: %v", err)
	}
}

func TestSettingsCheck(t *testing.T) {
	good := func() node.Settings {
		s := node.DefaultSettings("home")
		s.Partner = "acme-farms"
		return s
	}
	if s := good(); s.Check() != nil {
		t.Fatalf("defaults: %v", s.Check())
	}
	for name, spoil := range map[string]func(*node.Settings){
		"partner":         func(s *node.Settings) { s.Partner = "" },
		"rest":            func(s *node.Settings) { s.REST = "8080" },
		"p2p":             func(s *node.Settings) { s.P2P = "host:99999" },
		"rpc":             func(s *node.Settings) { s.RPC = "0.0.0.0:26657" },
		"peers":           func(s *node.Settings) { s.Peers = []string{"10.0.0.1:26656"} },
		"backend":         func(s *node.Settings) { s.Backend = "paper" },
		"log_level":       func(s *node.Settings) { s.LogLevel = "loud" },
		"propose_timeout": func(s *node.Settings) { s.ProposeTimeout = 0 },
		"expiry_heights":  func(s *node.Settings) { s.ExpiryHeights = 1 << 40 },
		"pending_bytes":   func(s *node.Settings) { s.PendingBytes = 1 },
		"cache_bytes":     func(s *node.Settings) { s.CacheBytes = -1 },
		"gather_events":   func(s *node.Settings) { s.GatherEvents = 0 },
		"webhook_allow":   func(s *node.Settings) { s.WebhookAllow = []string{"10.0.0.1"} },
	} {
		s := good()
		spoil(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), "setting "+name+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	made, err := node.MakeKeys(home)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := node.LoadKeys(home)
	if err != nil {
		t.Fatal(err)
	}
	if made.KeyID() != loaded.KeyID() || made.Node.ID() != loaded.Node.ID() || string(made.Duplicates) != string(loaded.Duplicates) ||
		!made.Validator.Key.PubKey.Equals(loaded.Validator.Key.PubKey) {
		t.Error("keys are loaded otherwise than they were made")
	}
	if _, err := node.MakeKeys(home); err == nil {
		t.Error("keys were made a second time")
	}
	files, err := filepath.Glob(filepath.Join(home, "keys", "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("keys are in %v, %v", files, err)
	}
	for _, path := range append(files, filepath.Join(home, "data", "sign_state.json")) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := node.LoadKeys(home); err == nil || !strings.Contains(err.Error(), "chmod 600") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s readable by others: %v", path, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"damaged": "{", "empty": "{}"} {
			if name == "empty" && strings.HasSuffix(path, "sign_state.json") {
				continue // is the state of one that never signed
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := node.LoadKeys(home); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s %s: %v", path, name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := node.LoadKeys(home); err == nil && !strings.HasSuffix(path, "machine.json") { // homes of before have none
			t.Errorf("%s missing: no error", path)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := node.LoadKeys(home); err != nil {
		t.Errorf("restored keys: %v", err)
	}
}

// What help shows as a default is what the default is, read back.
func TestSettingsShown(t *testing.T) {
	want := node.DefaultSettings("home")
	want.Peers = []string{"a", "b"}
	want.WebhookAllow = []string{"10.0.0.0/8", "fd00::/8"}
	got := node.Settings{Home: "home"}
	shown := want.Fields()
	for i, f := range got.Fields() {
		if err := f.Set(shown[i].Value); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the settings come back otherwise (-want +got):\n%s", d)
	}
}
