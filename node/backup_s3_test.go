package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waybill-ledger/waybill/node"
)

// backupProcess makes this program make a backup and end, for tests that kill it.
const backupProcess = "WAYBILL_TEST_BACKUP"

func TestMain(m *testing.M) {
	if home := os.Getenv(moverProcess); home != "" {
		if err := moveAndEnd(home); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if options := os.Getenv(backupProcess); options != "" {
		var o node.BackupOptions
		err := json.Unmarshal([]byte(options), &o)
		o.Getenv, o.S3.Getenv = nothing, nothing
		if err == nil {
			_, err = node.Backup(context.Background(), o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func isPut(r *http.Request) bool { return r.Method == http.MethodPut }

// A node that runs is backed up to a bucket; the second backup is small; a home
// comes of it; and what no kept backup has goes.
func TestBackupToBucket(t *testing.T) {
	store := anyS3(t)
	s := alone(t)
	n, err := node.Start(t.Context(), s, "test", io.Discard)
	must(t, err)
	defer func() { must(t, n.Stop()) }()
	commit(t, n, event(t, 1), event(t, 2))
	recipient, file := identity(t)
	o := node.BackupOptions{Home: s.Home, To: store.name("acme/backups"), S3: store.access(), Recipients: []string{recipient}, ValidatorKey: true, Getenv: nothing, Program: "test"}
	first, err := node.Backup(t.Context(), o)
	must(t, err)
	commit(t, n, event(t, 3))
	o.Keep = 1
	second, err := node.Backup(t.Context(), o)
	must(t, err)
	if !second.Running || second.NewBytes >= first.NewBytes || second.Height <= first.Height {
		t.Errorf("the first backup is %+v, the second %+v", first, second)
	}
	if files := store.files("acme/backups/chunks"); len(files) != second.Chunks {
		t.Errorf("%d chunks are kept for a backup of %d", len(files), second.Chunks)
	}
	for _, path := range store.files("acme/backups") {
		b, err := os.ReadFile(path)
		must(t, err)
		if strings.Contains(string(b), "acme-farms") || strings.Contains(string(b), testSecret) {
			t.Errorf("%s can be read by anybody", path)
		}
	}
	restore := node.RestoreOptions{From: o.To, S3: o.S3, Identity: file, DryRun: true}
	if _, err := node.Restore(t.Context(), restore); err != nil {
		t.Error(err)
	}
	restore.DryRun, restore.Home, restore.SignAfter = false, filepath.Join(t.TempDir(), "home"), second.Height+10
	restored, err := node.Restore(t.Context(), restore)
	if err != nil || restored.AppHash != second.AppHash {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	mustHold(t, check(t, restore.Home, false))
}

// Whoever may not use the store is told so, and nothing of the secrets; another
// home's backups do not go among these.
func TestBackupToBucketRefused(t *testing.T) {
	store := newS3(t)
	s := stopped(t)
	o := node.BackupOptions{Home: s.Home, To: store.name("acme"), S3: store.access(), Getenv: nothing, Program: "test"}
	_, err := node.Backup(t.Context(), o)
	must(t, err)
	environment := map[string]string{"AWS_ACCESS_KEY_ID": testAccess, "AWS_SECRET_ACCESS_KEY": testSecret}
	for name, test := range map[string]struct {
		change func(*node.BackupOptions)
		says   string
	}{
		"wrong secret": {func(o *node.BackupOptions) {
			file := filepath.Join(t.TempDir(), "s3.json")
			must(t, os.WriteFile(file, []byte(`{"access_key":"waybill-test","secret_key":"some other secret"}`), 0o600))
			o.S3.Credentials = file
		}, "SignatureDoesNotMatch"},
		"a file that others may read": {func(o *node.BackupOptions) { must(t, os.Chmod(o.S3.Credentials, 0o644)) }, "0644"},
		"no keys":                     {func(o *node.BackupOptions) { o.S3.Credentials = "" }, "AWS_ACCESS_KEY_ID"},
		"no such bucket":              {func(o *node.BackupOptions) { o.To = "s3://elsewhere/acme" }, "NoSuchBucket"},
		"no endpoint":                 {func(o *node.BackupOptions) { o.S3.Endpoint = "127.0.0.1:9" }, "endpoint"},
		"another home":                {func(o *node.BackupOptions) { o.Home = stopped(t).Home }, "another home"},
	} {
		o := o
		o.S3 = store.access()
		test.change(&o)
		if _, err := node.Backup(t.Context(), o); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret that no log") || strings.Contains(err.Error(), "some other secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.S3.Credentials, o.S3.Getenv = "", func(name string) string { return environment[name] }
	if _, err := node.Backup(t.Context(), o); err != nil {
		t.Errorf("with keys in the environment: %v", err)
	}
}

// A backup in a bucket with any object altered, cut or missing restores nothing.
func TestRestoreRefusesADamagedBucket(t *testing.T) {
	store := anyS3(t)
	s := stopped(t)
	o := node.BackupOptions{Home: s.Home, To: store.name(""), S3: store.access(), Getenv: nothing, Program: "test"}
	_, err := node.Backup(t.Context(), o)
	must(t, err)
	restore := func() error {
		_, err := node.Restore(t.Context(), node.RestoreOptions{From: o.To, S3: o.S3, DryRun: true})
		return err
	}
	must(t, restore())
	for _, path := range store.files("") {
		if filepath.Base(path) == "lock" || strings.HasSuffix(path, ".chunks") {
			continue // of the writer's
		}
		before, err := os.ReadFile(path)
		must(t, err)
		flipped := append([]byte(nil), before...)
		flipped[len(flipped)/3] ^= 4
		for name, content := range map[string][]byte{"flipped": flipped, "cut": before[:len(before)-1], "missing": nil} {
			must(t, os.Rename(path, path+".aside")) // with what the store knows of it
			if content != nil {
				must(t, os.WriteFile(path, content, 0o600))
			}
			if restore() == nil {
				t.Errorf("with %s %s the backup is restored", path, name)
			}
			must(t, os.Rename(path+".aside", path))
		}
	}
	must(t, restore())
}

// A store that refuses writes, wherever in a backup, leaves the backups before,
// and the next backup succeeds.
func TestBackupToBucketThatRefusesWrites(t *testing.T) {
	store := anyS3(t)
	s := stopped(t)
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError, http.StatusInsufficientStorage} {
		for at := range int64(3) {
			o := node.BackupOptions{Home: s.Home, To: store.name(fmt.Sprintf("%d/%d", status, at)), S3: store.access(), Getenv: nothing, Program: "test"}
			var puts atomic.Int64
			store.refusing(func(r *http.Request) int {
				if isPut(r) && puts.Add(1) > at*3 {
					return status
				}
				return 0
			})
			if _, err := node.Backup(t.Context(), o); err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%d from write %d on: %v", status, at*3, err)
			}
			store.refusing(nil)
			if _, err := node.Restore(t.Context(), node.RestoreOptions{From: o.To, S3: o.S3, DryRun: true}); err == nil {
				t.Errorf("%d from write %d on: half a backup is restored", status, at*3)
			}
			_, err := node.Backup(t.Context(), o)
			must(t, err)
			if _, err := node.Restore(t.Context(), node.RestoreOptions{From: o.To, S3: o.S3, DryRun: true}); err != nil {
				t.Errorf("%d from write %d on: %v", status, at*3, err)
			}
		}
	}
}

// A backup that is killed at any of its writes is none, and the next one goes on
// from there.
func TestBackupToBucketKilled(t *testing.T) {
	store := anyS3(t)
	s := stopped(t)
	o := node.BackupOptions{Home: s.Home, To: store.name("acme"), S3: store.access(), Program: "test"}
	restores := func(want bool) {
		t.Helper()
		if _, err := node.Restore(t.Context(), node.RestoreOptions{From: o.To, S3: o.S3, DryRun: true}); (err == nil) != want {
			t.Errorf("restored: %v", err)
		}
	}
	options, err := json.Marshal(map[string]any{"Home": o.Home, "To": o.To, "Program": o.Program, "S3": map[string]string{"Endpoint": o.S3.Endpoint, "Credentials": o.S3.Credentials}})
	must(t, err)
	finished := false
	for at := int64(1); !finished; at++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), backupProcess+"="+string(options))
		var puts atomic.Int64
		store.refusing(func(r *http.Request) int {
			if isPut(r) && puts.Add(1) >= at {
				_ = cmd.Process.Kill()
				return http.StatusServiceUnavailable // who is dead has sent nothing whole
			}
			return 0
		})
		must(t, cmd.Start())
		finished = cmd.Wait() == nil
		store.refusing(nil)
		restores(finished)
		if at > 100 {
			t.Fatal("no backup finishes")
		}
	}
}
