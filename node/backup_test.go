package node_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/waybill-ledger/waybill/node"
)

func nothing(string) string { return "" }

func backup(t *testing.T, home, to string, recipients ...string) *node.BackupReport {
	t.Helper()
	r, err := node.Backup(t.Context(), node.BackupOptions{Home: home, To: to, Recipients: recipients, Getenv: nothing, Program: "test", ValidatorKey: len(recipients) > 0})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func identity(t *testing.T) (recipient, file string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "identity")
	must(t, os.WriteFile(file, []byte(id.String()), 0o600))
	return id.Recipient().String(), file
}

// A backup of a running node is restored with the key, and with nothing less.
func TestBackupEncrypted(t *testing.T) {
	s := alone(t)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, n.Stop()) }()
	commit(t, n, event(t, 1), event(t, 2))
	vault := filepath.Join(t.TempDir(), "vault")
	recipient, file := identity(t)
	r := backup(t, s.Home, vault, recipient)
	if !r.Running || !r.Encrypted || r.Height < 1 {
		t.Errorf("the backup is %+v", r)
	}
	for _, path := range filesOf(t, vault) {
		b, err := os.ReadFile(path)
		must(t, err)
		if strings.Contains(string(b), "acme-farms") || strings.Contains(string(b), "commissioning") {
			t.Errorf("%s can be read by anybody", path)
		}
	}
	_, other := identity(t)
	for name, identity := range map[string]string{"no identity": "", "another's": other} {
		if _, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Identity: identity, DryRun: true}); err == nil {
			t.Errorf("with %s the backup is read", name)
		}
	}
	home := filepath.Join(t.TempDir(), "home")
	restored, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Identity: file, Home: home, SignAfter: r.Height + 10})
	if err != nil || restored.AppHash != r.AppHash {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	mustHold(t, check(t, home, false))
}

// A backup with any file damaged, cut short or missing restores nothing.
func TestRestoreRefusesADamagedBackup(t *testing.T) {
	s := stopped(t)
	vault := filepath.Join(t.TempDir(), "vault")
	backup(t, s.Home, vault)
	restore := func() error {
		_, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, DryRun: true})
		return err
	}
	must(t, restore())
	for _, path := range filesOf(t, vault) {
		if name := filepath.Base(path); name == "lock" || name == "owner" || strings.HasSuffix(path, ".chunks") {
			continue // of the writer's
		}
		before, err := os.ReadFile(path)
		must(t, err)
		for name, damage := range map[string]func() error{
			"flipped": func() error {
				after := append([]byte(nil), before...)
				after[len(after)/3] ^= 4
				return os.WriteFile(path, after, 0o600)
			},
			"cut":     func() error { return os.WriteFile(path, before[:len(before)-1], 0o600) },
			"missing": func() error { return os.Remove(path) },
		} {
			must(t, damage())
			if restore() == nil {
				t.Errorf("with %s %s the backup is restored", path, name)
			}
			must(t, os.WriteFile(path, before, 0o600))
		}
	}
	must(t, restore())
}

// A manifest that names files outside a home, whoever wrote it, restores nothing.
func TestRestoreRefusesForeignPaths(t *testing.T) {
	s := stopped(t)
	for _, path := range []string{"../../genesis.json", "/etc/passwd", "keys/../../x", "data/sign_state.json"} {
		vault := filepath.Join(t.TempDir(), "vault")
		name := backup(t, s.Home, vault).Manifest
		old := filepath.Join(vault, "manifests", name)
		b, err := os.ReadFile(old)
		must(t, err)
		forged := strings.Replace(string(b), `"card.json"`, fmt.Sprintf("%q", path), 1)
		if forged == string(b) {
			forged = strings.Replace(string(b), `"archive/bodies-0000000000.seg"`, fmt.Sprintf("%q", path), 1)
		}
		base, _, _ := strings.Cut(name, ".")
		must(t, os.Remove(old))
		must(t, os.WriteFile(filepath.Join(vault, "manifests", fmt.Sprintf("%s.%x.json", base, sha256.Sum256([]byte(forged)))), []byte(forged), 0o600))
		if _, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, DryRun: true}); err == nil || !strings.Contains(err.Error(), "which no backup has") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A validator's old key comes back only with word of where it may sign.
func TestRestoreAsksHowTheValidatorSigns(t *testing.T) {
	s := stopped(t)
	vault := filepath.Join(t.TempDir(), "vault")
	recipient, file := identity(t)
	height := backup(t, s.Home, vault, recipient).Height
	for name, o := range map[string]node.RestoreOptions{
		"nothing said":  {},
		"below the tip": {SignAfter: height - 1},
		"both":          {SignAfter: height, NewValidatorKey: true},
	} {
		o.From, o.Identity, o.Home = vault, file, filepath.Join(t.TempDir(), "home")
		if _, err := node.Restore(t.Context(), o); err == nil {
			t.Errorf("%s: restored", name)
		}
		if _, err := os.Stat(o.Home); err == nil {
			t.Errorf("%s: there is a home", name)
		}
	}
	home := filepath.Join(t.TempDir(), "home")
	if _, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Identity: file, Home: home, NewValidatorKey: true}); err != nil {
		t.Fatal(err)
	}
	old, err := node.LoadKeys(s.Home)
	must(t, err)
	fresh, err := node.LoadKeys(home)
	must(t, err)
	if fresh.Validator.Key.PubKey.Equals(old.Validator.Key.PubKey) || !fresh.Partner.Equal(old.Partner) {
		t.Error("the validator has its old key, or the partner a new one")
	}
	if _, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Identity: file, Home: home, NewValidatorKey: true}); err == nil {
		t.Error("a home that is there is restored over")
	}
}

// The key that is to follow a validator's comes back with it, and signs as it does
// above the height that is said alone; a new key has no follower.
func TestRestoreWithNextKey(t *testing.T) {
	s := stopped(t)
	public, err := node.MakeNextKey(&s)
	must(t, err)
	_, err = node.RotateKey(&s) // which has a next key, too
	must(t, err)
	vault := filepath.Join(t.TempDir(), "vault")
	recipient, file := identity(t)
	height := backup(t, s.Home, vault, recipient).Height
	for _, o := range []node.RestoreOptions{{SignAfter: height + 7}, {NewValidatorKey: true}, {NoValidatorKey: true}} {
		o.From, o.Identity, o.Home = vault, file, filepath.Join(t.TempDir(), "home")
		if _, err := node.Restore(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(o.Home, "keys", "partner-next.json")); err != nil {
			t.Errorf("the gateway's next key: %v", err)
		}
		key, err := os.ReadFile(filepath.Join(o.Home, "keys", "validator-next.json"))
		if o.SignAfter == 0 {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("beside another key the next one is %s, %v", key, err)
			}
			continue
		}
		if err != nil || !strings.Contains(string(key), base64.StdEncoding.EncodeToString(public)) {
			t.Errorf("the next key is %s, %v", key, err)
		}
		state, err := os.ReadFile(filepath.Join(o.Home, "data", "sign_state_next.json"))
		if err != nil || !strings.Contains(string(state), fmt.Sprintf(`"height": "%d"`, o.SignAfter)) {
			t.Errorf("what it signed is %s, %v", state, err)
		}
	}
}

// The same content is kept once, and what no kept backup has is removed.
func TestBackupKeeps(t *testing.T) {
	s := stopped(t)
	vault := filepath.Join(t.TempDir(), "vault")
	first := backup(t, s.Home, vault)
	second := backup(t, s.Home, vault)
	if second.NewBytes >= first.NewBytes/2 {
		t.Errorf("the first backup wrote %d bytes, the second %d", first.NewBytes, second.NewBytes)
	}
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, event(t, 500))
	must(t, n.Stop())
	r, err := node.Backup(t.Context(), node.BackupOptions{Home: s.Home, To: vault, Getenv: nothing, Program: "test", Keep: 1})
	must(t, err)
	manifests, err := filepath.Glob(filepath.Join(vault, "manifests", "*.json"))
	must(t, err)
	chunks, err := filepath.Glob(filepath.Join(vault, "chunks", "*", "*"))
	must(t, err)
	if len(manifests) != 1 || len(chunks) != r.Chunks {
		t.Errorf("%d manifests and %d chunks are left, of %d", len(manifests), len(chunks), r.Chunks)
	}
	if _, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, DryRun: true}); err != nil {
		t.Error(err)
	}
}

// A restore goes on where one was killed, at whatever moment, and touches nothing that
// no restore made.
func TestRestoreAfterOneThatWasKilled(t *testing.T) {
	s := stopped(t)
	vault := filepath.Join(t.TempDir(), "vault")
	backup(t, s.Home, vault)
	for name, c := range map[string]struct {
		left  []string
		fails string
	}{
		"before the mark":    {nil, ""},
		"behind it":          {[]string{node.RestoreMark}, ""},
		"in the middle":      {[]string{node.RestoreMark, "data"}, ""},
		"of somebody else's": {[]string{"data"}, "no restore made it"},
	} {
		home := filepath.Join(t.TempDir(), "home")
		must(t, os.Mkdir(home+".restoring", 0o700))
		for _, file := range c.left {
			must(t, os.WriteFile(filepath.Join(home+".restoring", file), nil, 0o600))
		}
		_, err := node.Restore(t.Context(), node.RestoreOptions{From: vault, Home: home, Keys: filepath.Join(s.Home, "keys"), NewValidatorKey: true})
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
