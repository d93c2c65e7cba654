package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
)

// commandsOf are the commands that a page of the documentation shows: its indented
// lines that begin with the program's name.
func commandsOf(t *testing.T, page string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	return commandsIn(string(text))
}

func commandsIn(text string) (commands []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, " \\\n", " ")) {
		if command, ok := strings.CutPrefix(line, "    waybill "); ok {
			commands = append(commands, "waybill "+strings.TrimSpace(command))
		}
	}
	return commands
}

// The page for auditors works as it stands, in an empty directory; the second half
// of it where there are neither nodes nor keys.
func TestAuditPage(t *testing.T) {
	x := shared.get(t)
	item := captureOne(t, x, 0)
	x.level(t)
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "waybill")); err != nil {
		t.Fatal(err)
	}
	online := []string{"PATH=" + bin + ":/usr/bin:/bin", "NODE1=" + x.members[0].REST, "NODE2=" + x.members[1].REST, "NODE3=" + x.members[2].REST,
		"KEY=" + x.members[0].Key, "ITEM=" + item}
	offline := []string{online[0], online[len(online)-1]}
	verified := 0
	for _, command := range commandsOf(t, "audit.md") {
		cmd := exec.Command("sh", "-c", command)
		if cmd.Dir, cmd.Env = dir, online; strings.HasPrefix(command, "waybill verify") {
			cmd.Env = offline
			verified++
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	statement, err := os.ReadFile(filepath.Join(dir, "statement.txt"))
	if err != nil || verified < 2 {
		t.Fatalf("%d verified: %v", verified, err)
	}
	canonical, _, err := schemas.Canonical(item)
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{canonical, "custodian " + x.members[0].Partner, "commissioning", "recorded 2", "Proven:", "Not proven:"} {
		if !strings.Contains(string(statement), says) {
			t.Errorf("the statement lacks %q:\n%s", says, statement)
		}
	}
	var told struct {
		Proven []string
		Events []struct{ Form string }
	}
	text, err := os.ReadFile(filepath.Join(dir, "customs.json"))
	if err != nil || json.Unmarshal(text, &told) != nil || len(told.Proven) == 0 || len(told.Events) != 1 {
		t.Errorf("%v: %s", err, text)
	}
}

// walk runs the commands that a page of the documentation shows, one after the other
// with the variables that it names, each when all nodes have what the last did. It
// returns what the last command printed that was asked for JSON.
func (x *testNet) walk(t *testing.T, page string, variables ...string) (shown []byte) {
	t.Helper()
	return x.walkIn(t, t.TempDir(), page, variables...)
}

// walkIn is walk in a directory with files that the page names.
func (x *testNet) walkIn(t *testing.T, dir, page string, variables ...string) (shown []byte) {
	t.Helper()
	run := inShell(t, dir, variables...)
	for _, command := range commandsOf(t, page) {
		out := run(command)
		if strings.Contains(command, "-o json") {
			shown = []byte(out)
		}
		x.level(t)
	}
	return shown
}

// inShell runs commands in a directory, with the program and nothing else of what is
// installed here.
func inShell(t *testing.T, dir string, variables ...string) func(command string) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "waybill")); err != nil {
		t.Fatal(err)
	}
	return func(command string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + bin + ":/usr/bin:/bin"}, variables...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
}
