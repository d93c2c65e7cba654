package e2e_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// The guide to spreadsheets works as it stands.
func TestImportPage(t *testing.T) {
	x := shared.get(t)
	guide, err := os.ReadFile(filepath.Join("..", "docs", "import.md"))
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	for kind, name := range map[string]string{"json": "shipped.json", "csv": "shipped.csv"} {
		block := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindSubmatch(guide)
		if block == nil {
			t.Fatalf("the guide has no block %s", kind)
		}
		if err := os.WriteFile(filepath.Join(dir, name), block[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(program, filepath.Join(bin, "waybill")); err != nil {
		t.Fatal(err)
	}
	commands := commandsOf(t, "import.md")
	for _, command := range commands {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + bin + ":/usr/bin:/bin", "WAYBILL_NODE=" + x.members[0].REST, "WAYBILL_KEY=" + x.members[0].Key}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	lot, err := os.ReadFile(filepath.Join(dir, "lot.csv"))
	if err != nil || len(commands) < 4 || !bytes.Contains(lot, []byte("shipping,https://id.gs1.org/01/09521234543213/10/L1,,,1250.5,KGM,2026-05-01")) {
		t.Fatalf("%d commands, %v: %s", len(commands), err, lot)
	}
	book, err := os.ReadFile(filepath.Join(dir, "shipped.xlsx"))
	if err != nil || !bytes.HasPrefix(book, []byte("PK")) {
		t.Fatalf("%v: %d bytes", err, len(book))
	}
}

// An import that is killed half-way is sent again, and each row is recorded once.
func TestImportIsRepeated(t *testing.T) {
	x := shared.get(t)
	dir, run := t.TempDir(), fmt.Sprint(time.Now().UnixNano())
	const rows = 4000
	mapping := `{"source":{"format":"csv"},"time":{"zone":"UTC"},"events":[{"event":{"type":"ObjectEvent","action":"OBSERVE","bizLocation":{"id":"urn:example:{Run}"},
		"eventTime":{"$time":"{Time}"},"epcList":["urn:example:{Run}:{Serial}"]}}]}`
	file := []byte("Time,Run,Serial\n")
	for i := range rows {
		file = fmt.Appendf(file, "2026-05-01T10:00,%s,%d\n", run, i)
	}
	for name, text := range map[string][]byte{"map.json": []byte(mapping), "rows.csv": file} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() *exec.Cmd {
		cmd := exec.Command(program, "import", "rows.csv", "--map", "map.json", "--proceed", "--node", x.members[0].REST, "--key", x.members[0].Key)
		cmd.Dir = dir
		return cmd
	}
	c := x.client(t, 0)
	count := func() (n int) {
		query := url.Values{"EQ_bizLocation": {"urn:example:" + run}, "perPage": {"1000"}}
		for {
			page, err := c.Events(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			if n += len(page.List); page.Next == "" {
				return n
			}
			query.Set("nextPageToken", page.Next)
		}
	}
	first := begin()
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first rows", func() bool { return count() > 0 })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.Wait() // it was killed
	if out, err := begin().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	} else if !bytes.Contains(out, []byte("  duplicate")) {
		t.Error("nothing was there")
	}
	if n := count(); n != rows {
		t.Errorf("%d events of %d rows", n, rows)
	}
}
