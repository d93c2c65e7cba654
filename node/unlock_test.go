package node_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/waybill-ledger/waybill/node"
)

func writePrivate(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encrypt(t *testing.T, s *node.Settings, unlock string, files int) {
	t.Helper()
	n, err := node.EncryptKeys(s, unlock)
	if err != nil || n != files {
		t.Fatalf("encrypting with %s: %d files, %v", unlock, n, err)
	}
}

// secretsOf are the bytes that must not be on the disk once keys are encrypted.
func secretsOf(k *node.Keys) [][]byte {
	return [][]byte{k.Partner.Seed(), k.Duplicates, k.Node.PrivKey.Bytes()[:32], k.Machine.PrivKey.Bytes()[:32], k.Validator.Key.PrivKey.Bytes()[:32]}
}

// A node whose keys are encrypted runs as before, with the passphrase alone, and
// writes none of them in clear; without it, it does not start, and says what to do.
func TestEncryptedKeys(t *testing.T) {
	s := alone(t)
	before, err := node.LoadKeys(s.Home)
	if err != nil {
		t.Fatal(err)
	}
	first, second := writePrivate(t, "first", "correct horse\n"), writePrivate(t, "second", "battery staple")
	if _, err := node.EncryptKeys(&s, "file:relative"); err == nil || !strings.Contains(err.Error(), "whole path") {
		t.Errorf("a relative path: %v", err)
	}
	encrypt(t, &s, "file:"+first, 4)
	encrypt(t, &s, "file:"+first, 0) // again changes nothing

	n, err := node.Start(t.Context(), s, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, n, event(t, 1))
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secretsOf(before) {
		for _, dir := range []string{"keys", "data"} {
			files, err := filepath.Glob(filepath.Join(s.Home, dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				for _, form := range [][]byte{secret, []byte(base64.StdEncoding.EncodeToString(secret)[:40])} {
					if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, form) {
						t.Errorf("%s has a secret in clear", file)
					}
				}
			}
		}
	}

	for name, unlock := range map[string]string{
		"unlock must say":         "",
		"the passphrase is wrong": "file:" + second,
		"is empty":                "env:NOT_SET",
		"mode 0644":               "file:" + readable(t),
	} {
		bad := s
		bad.Unlock = unlock
		if _, err := node.Start(t.Context(), bad, "test", io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("unlock %q: %v", unlock, err)
		}
	}

	loaded, err := node.LoadSettings(s.Home, func(string) string { return "" })
	if err != nil || loaded.Unlock != "file:"+first {
		t.Fatalf("the settings keep unlock %q, %v", loaded.Unlock, err)
	}
	encrypt(t, &loaded, "file:"+second, 0) // another passphrase for the same keys
	if k, err := loaded.Keys(); err != nil || !k.Partner.Equal(before.Partner) {
		t.Fatalf("with the new passphrase: %v", err)
	}
	if _, err := s.Keys(); err == nil {
		t.Error("the old passphrase opens the keys still")
	}
	if n, err := node.DecryptKeys(&loaded); err != nil || n != 4 {
		t.Fatalf("decrypting: %d files, %v", n, err)
	}
	if k, err := node.LoadKeys(s.Home); err != nil || !k.Node.PrivKey.Equals(before.Node.PrivKey) {
		t.Errorf("after decrypting: %v", err)
	}
}

// Encrypting may be cut off behind any file, and goes on. Keys may be encrypted to an
// identity that is kept elsewhere.
func TestEncryptionCutOff(t *testing.T) {
	s := alone(t)
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	unlock := "identity:" + writePrivate(t, "identity", own.String()+"\n")
	partner := filepath.Join(s.Home, "keys", "partner.json")
	clear, err := os.ReadFile(partner)
	if err != nil {
		t.Fatal(err)
	}
	encrypt(t, &s, unlock, 4)
	if err := os.WriteFile(partner, clear, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys(); err != nil {
		t.Errorf("keys of which one is in clear: %v", err)
	}
	encrypt(t, &s, unlock, 1)
	r, err := node.ShowKeys(&s)
	if err != nil || len(r.Files) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, f := range r.Files {
		if !f.Encrypted {
			t.Errorf("%s is in clear", f.File)
		}
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s.Unlock = "identity:" + writePrivate(t, "other", other.String()+"\n")
	if _, err := s.Keys(); err == nil || !strings.Contains(err.Error(), "another identity") {
		t.Errorf("another identity: %v", err)
	}
}

func readable(t *testing.T) string {
	t.Helper()
	path := writePrivate(t, "readable", "correct horse")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A backup holds encrypted keys as they are, with what the passphrase opens, and a
// home restored from it needs the passphrase.
func TestBackupOfEncryptedKeys(t *testing.T) {
	s := alone(t)
	runs(t, s, 1)
	getenv := func(name string) string { return map[string]string{"PASSPHRASE": "correct horse"}[name] }
	s.Getenv = getenv
	encrypt(t, &s, "env:PASSPHRASE", 4)
	own, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	vault := filepath.Join(t.TempDir(), "vault")
	b, err := node.Backup(t.Context(), node.BackupOptions{Home: s.Home, To: vault, Recipients: []string{own.Recipient().String()}, ValidatorKey: true, Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	o := node.RestoreOptions{From: vault, Identity: writePrivate(t, "identity", own.String()), SignAfter: b.Height + 10}
	o.Home = filepath.Join(t.TempDir(), "blind")
	if _, err := node.Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("without the passphrase: %v", err)
	}
	o.Home, o.S3.Getenv = filepath.Join(t.TempDir(), "home"), getenv
	if _, err := node.Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	restored, err := node.LoadSettings(o.Home, getenv)
	if err != nil {
		t.Fatal(err)
	}
	k, err := restored.Keys()
	before, errBefore := s.Keys()
	if err != nil || errBefore != nil || !k.Partner.Equal(before.Partner) || k.Machine.ID() == before.Machine.ID() {
		t.Errorf("the restored keys: %v, %v", err, errBefore)
	}
	r, err := node.ShowKeys(&restored)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Files {
		if !f.Encrypted {
			t.Errorf("%s is in clear after the restore", f.File)
		}
	}
}
