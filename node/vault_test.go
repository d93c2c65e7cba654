package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waybill-ledger/waybill/node"
)

// keepOne adds a backup and removes all others.
func keepOne(t *testing.T, home, vault string) (*node.BackupReport, error) {
	t.Helper()
	return node.Backup(t.Context(), node.BackupOptions{Home: home, To: vault, Keep: 1, Getenv: nothing})
}

func restores(t *testing.T, vault string) *node.RestoreReport {
	t.Helper()
	r, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, DryRun: true})
	must(t, err)
	return r
}

// Which backup is the newest its height says, not the clock; the lists by which older ones
// are removed are believed only whole; and nobody removes another home's backups.
func TestBackupsThatAreKept(t *testing.T) {
	s, vault := alone(t), filepath.Join(t.TempDir(), "vault")
	n := start(t, s)
	commit(t, n, event(t, 1))
	old := backup(t, s.Home, vault).Manifest
	// As if the clock had been far ahead.
	late := filepath.Join(vault, "manifests", "2099"+old[4:])
	for _, ending := range []string{"", ".chunks"} {
		must(t, os.Rename(filepath.Join(vault, "manifests", old+ending), late+ending))
	}
	commit(t, n, event(t, 2))
	newer := backup(t, s.Home, vault)
	must(t, n.Stop())
	if r := restores(t, vault); r.Manifest != newer.Manifest || r.Height != newer.Height {
		t.Errorf("the newest backup is %s, the greatest height has %s", r.Manifest, newer.Manifest)
	}
	before := len(filesOf(t, vault))
	list := filepath.Join(vault, "manifests", newer.Manifest+".chunks")
	whole, err := os.ReadFile(list)
	must(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	flipped := []byte(string(whole))
	flipped[70] ^= 1
	// Kept are the one just made, which is whole, and one of the same height before it.
	for what, damaged := range map[string]string{"a line less": strings.Join(lines[:len(lines)-2], ""), "a flipped bit": string(flipped), "empty": "", "no sum, cut": string(whole[65 : len(whole)-7])} {
		must(t, os.WriteFile(list, []byte(damaged), 0o600))
		if _, err := node.Backup(t.Context(), node.BackupOptions{Home: s.Home, To: vault, Keep: 20, Getenv: nothing}); err == nil || !strings.Contains(err.Error(), "--keep") {
			t.Errorf("with a list of chunks with %s: %v", what, err)
		}
		if now := len(filesOf(t, vault)); now < before {
			t.Errorf("with a list of chunks with %s %d files are removed", what, before-now)
		}
	}
	must(t, os.WriteFile(list, whole, 0o600))
	last, err := keepOne(t, s.Home, vault)
	must(t, err)
	if _, err := os.Stat(late); err == nil {
		t.Error("the older backup is kept")
	}
	if r := restores(t, vault); r.Manifest != last.Manifest {
		t.Errorf("what was just made is gone, %s is left", r.Manifest)
	}
	if _, err := keepOne(t, stopped(t).Home, vault); err == nil || !strings.Contains(err.Error(), "another home") {
		t.Errorf("another home's backup: %v", err)
	}
	restores(t, vault)
}

// Of two restores into one home the second does not begin, and harms the first in nothing.
func TestRestoreThatIsUnderWay(t *testing.T) {
	s, vault := stopped(t), filepath.Join(t.TempDir(), "vault")
	backup(t, s.Home, vault)
	home := filepath.Join(t.TempDir(), "home")
	must(t, os.Mkdir(home+".restoring", 0o700))
	mark, err := os.Create(filepath.Join(home+".restoring", ".waybill-restoring"))
	must(t, err)
	must(t, syscall.Flock(int(mark.Fd()), syscall.LOCK_EX))
	must(t, os.WriteFile(filepath.Join(home+".restoring", "card.json"), nil, 0o600))
	restore := func() error {
		_, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Home: home, Keys: filepath.Join(s.Home, "keys"), NewValidatorKey: true})
		return err
	}
	if err := restore(); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("beside another restore: %v", err)
	}
	if _, err := os.Stat(filepath.Join(home+".restoring", "card.json")); err != nil {
		t.Errorf("what the other restore made is gone: %v", err)
	}
	must(t, mark.Close())
	must(t, restore())
	mustHold(t, check(t, home, false))
}

// A dry run writes no keys: one that is killed would leave them where it verifies.
func TestDryRunWritesNoKeys(t *testing.T) {
	s, vault := stopped(t), filepath.Join(t.TempDir(), "vault")
	recipient, file := identity(t)
	backup(t, s.Home, vault, recipient)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	done := make(chan error, 1)
	go func() {
		_, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Identity: file, DryRun: true})
		done <- err
	}()
	archive, keys := false, false
	for len(done) == 0 {
		for pattern, seen := range map[string]*bool{"*/data/ledger/archive/*": &archive, "*/keys/*": &keys} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			must(t, err)
			*seen = *seen || len(found) > 0
		}
	}
	must(t, <-done)
	if !archive || keys {
		t.Errorf("it writes the archive (%v) and keys (%v)", archive, keys)
	}
}
