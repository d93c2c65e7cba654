package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCaptureTriesAllFiles: a file that cannot be read, and one that is refused,
// stop none of the others, and each is told of.
func TestCaptureTriesAllFiles(t *testing.T) {
	posts, types := 0, []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts++
		types = append(types, r.URL.Path+" "+r.Header.Get("Content-Type"))
		w.Header().Set("Content-Type", "application/json")
		code := "ok"
		if r.URL.Query().Get("dryRun") == "true" {
			code = "event_id_conflict"
			w.WriteHeader(http.StatusOK)
		} else {
			w.WriteHeader(http.StatusCreated)
		}
		w.Write([]byte(`{"transaction":"` + strings.Repeat("00", 32) + `","height":2,"position":0,"time":"2026-05-01T10:00:00Z","code":"ok","events":[{"eventID":"urn:x:1","digest":"` +
			strings.Repeat("00", 32) + `","code":"` + code + `","effect":"observation","flags":[]}]}`))
	}))
	defer server.Close()
	dir := t.TempDir()
	good, other := filepath.Join(dir, "good.json"), filepath.Join(dir, "other.json")
	for _, path := range []string{good, other} {
		if err := os.WriteFile(path, []byte(`{"type":"ObjectEvent"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	capture := func(args ...string) (status int, out, errOut bytes.Buffer) {
		args = append([]string{"capture", "--node", server.URL, "--key", "k", "-o", "json"}, args...)
		status = run(t.Context(), args, strings.NewReader(""), &out, &errOut, func(string) string { return "" })
		return status, out, errOut
	}

	status, out, errOut := capture(good, filepath.Join(dir, "missing.json"), other)
	var results []captured
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if status != exitFailed || posts != 2 || len(results) != 3 || results[0].Receipt == nil || results[1].Error == "" || results[2].Receipt == nil {
		t.Errorf("status %d, %d requests: %s", status, posts, out.String())
	}
	if !strings.Contains(errOut.String(), "missing.json") || !strings.Contains(errOut.String(), "1 of 3 files") {
		t.Errorf("standard error: %s", errOut.String())
	}
	if status, _, _ := capture(good, other); status != 0 {
		t.Errorf("status %d of good files", status)
	}
	written := filepath.Join(dir, "written.xml")
	if err := os.WriteFile(written, []byte("\n<ObjectEvent/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if capture("--dry-run", written); types[len(types)-1] != "/epcis/v2/capture application/xml" {
		t.Errorf("an XML file is sent as %s", types[len(types)-1])
	}
	if status, _, _ := capture("--dry-run", good); status != exitFailed {
		t.Errorf("status %d of a dry run that tells of a refusal", status)
	}
}

// TestTrustNeedsNoKey: the root of trust is open, what else a node answers is not.
func TestTrustNeedsNoKey(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/trust" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"chain_id":"c","height":2,"time":"2026-05-01T10:00:00Z","header_hash":"` + strings.Repeat("01", 32) + `","validator_set_hash":"` + strings.Repeat("01", 32) + `"}`))
	}))
	defer server.Close()
	var out, errOut bytes.Buffer
	status := run(t.Context(), []string{"trust", "--node", server.URL}, strings.NewReader(""), &out, &errOut, func(string) string { return "" })
	if status != 0 || !strings.Contains(out.String(), `"chain_id"`) {
		t.Errorf("status %d: %s%s", status, out.String(), errOut.String())
	}
	status = run(t.Context(), []string{"status", "--node", server.URL}, strings.NewReader(""), &out, &errOut, func(string) string { return "" })
	if status != exitUsage {
		t.Errorf("status %d without a key", status)
	}
}
