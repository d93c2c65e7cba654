package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/api/audit"
)

// A witness is killed at any moment: what is on the disk is all or nothing, and
// the last word is never taken back.
func TestWitnessIsKilled(t *testing.T) {
	h := newHistory(3, four)
	w := newWatch(t, h.trust(1), h)
	w.nodes[0].set(func(n *simNode) { n.anchors = 2 })
	w.signs(h, 2)
	w.Close()
	// Killed while it wrote the next one: half a file, beside its place.
	path := filepath.Join(w.cfg.Dir, "checkpoints", "00000000000000000003")
	if err := os.WriteFile(path+".new", []byte(`{"note":"git`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.shows(h, 2)
	// Killed between cosigning and showing: the file is there, nobody saw it.
	w.nodes[0].set(func(n *simNode) { n.anchors = 3 })
	w.signs(h, 3)
	said := string(w.Checkpoint())
	w.reopen()
	if string(w.Checkpoint()) != said {
		t.Error("the last word was forgotten")
	}
	// Another history of the same size, at all nodes: never a second word.
	w.nodes[0].set(func(n *simNode) { n.history = h.fork(2, 1, "other") })
	w.alarms()
	if string(w.Checkpoint()) != said {
		t.Error("the last word was changed")
	}
}

func TestWitnessDirectory(t *testing.T) {
	h := newHistory(3, four)
	w := newWatch(t, h.trust(1), h)
	if _, err := audit.OpenWitness(w.cfg); err == nil || !strings.Contains(err.Error(), "another witness") {
		t.Errorf("two witnesses in one directory: %v", err)
	}
	w.signs(h, 3)
	w.Close()
	fails := func(why string, cfg audit.WitnessConfig) {
		t.Helper()
		if got, err := audit.OpenWitness(cfg); err == nil {
			got.Close()
			t.Errorf("%s: it opens", why)
		}
	}
	other := w.cfg
	other.Trust = h.trust(2)
	fails("another root of trust", other)
	stranger, err := audit.NewWitnessSigner("witness.example")
	if err != nil {
		t.Fatal(err)
	}
	other = w.cfg
	other.Signer = stranger
	fails("another key", other)
	other = w.cfg
	other.Name = "somebody"
	fails("another name", other)
	path := filepath.Join(w.cfg.Dir, "checkpoints", "00000000000000000003")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good); i += 7 {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := audit.OpenWitness(w.cfg)
		if err != nil {
			continue
		}
		if c, err := audit.OpenCheckpoint(got.Checkpoint(), got.Key()); err != nil || c.Size != 3 {
			t.Errorf("with byte %d damaged it shows %v, %v", i, c, err)
		}
		got.Close()
	}
}

// What is kept is bounded; the last word is always there.
func TestWitnessForgets(t *testing.T) {
	h := newHistory(6, four)
	w := newWatch(t, h.trust(1), h)
	w.cfg.Keep = 2
	w.reopen()
	for size := 1; size <= 6; size++ {
		w.nodes[0].set(func(n *simNode) { n.anchors = size })
		w.signs(h, size)
	}
	entries, err := os.ReadDir(filepath.Join(w.cfg.Dir, "checkpoints"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%d checkpoints are kept: %v", len(entries), err)
	}
	w.reopen()
	w.shows(h, 6)
}

// A disk that fails: nothing is said that is not kept, and the witness goes on when
// the disk does.
func TestWitnessDiskFails(t *testing.T) {
	h := newHistory(3, four)
	w := newWatch(t, h.trust(1), h)
	w.nodes[0].set(func(n *simNode) { n.anchors = 2 })
	w.signs(h, 2)
	said := string(w.Checkpoint())
	dir, aside := filepath.Join(w.cfg.Dir, "checkpoints"), filepath.Join(w.cfg.Dir, "aside")
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	w.nodes[0].set(func(n *simNode) { n.anchors = 3 })
	for range 2 {
		if err := w.Round(context.Background()); err == nil || string(w.Checkpoint()) != said {
			t.Errorf("with a disk that fails: %v, it shows\n%s", err, w.Checkpoint())
		}
	}
	if err := os.Rename(aside, dir); err != nil {
		t.Fatal(err)
	}
	w.signs(h, 3)
	// Evidence that cannot be written is evidence all the same: nothing is cosigned.
	if err := os.Mkdir(filepath.Join(w.cfg.Dir, "alarm.json.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.nodes[0].set(func(n *simNode) { n.history, n.pruned = h.fork(1, 4, "other"), 1 })
	for range 2 {
		if err := w.Round(context.Background()); !errors.Is(err, audit.ErrAlarm) || w.Checkpoint() == nil || !w.Status().Alarm {
			t.Errorf("with evidence that cannot be kept: %v", err)
		}
	}
	w.shows(h, 3)
}
