package house_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floors: a package imports its own floor's area and what lies below.
var floors = []struct {
	area  string
	floor int
}{
	{"schemas", 0}, {"app", 1}, {"api", 1}, {"node/waybill", 4}, {"node", 2}, {"network", 3}, {"e2e", 5},
}

func areaOf(short string) (area string, floor int, ok bool) {
	for _, f := range floors {
		if short == f.area || strings.HasPrefix(short, f.area+"/") {
			return f.area, f.floor, true
		}
	}
	return "", 0, false
}

// Imports only point down, so that a reader needs to know what lies below and
// nothing else; the state machine and the gateway never meet.
func TestHouseImportsPointDown(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t, "./...") {
		area, floor, ok := areaOf(p.short())
		if !ok {
			t.Errorf("package %s is in no area of the house", p.ImportPath)
			continue
		}
		seen[area] = true
		for _, path := range p.Imports { // tests may look down from any floor, but not up either
			checkImport(t, p, area, floor, path)
		}
		for _, path := range append(p.TestImports, p.XTestImports...) {
			checkImport(t, p, area, floor, path)
		}
	}
	for _, f := range floors {
		if !seen[f.area] {
			t.Errorf("no package in %s: has the house moved?", f.area)
		}
	}
}

func checkImport(t *testing.T, p *listed, area string, floor int, path string) {
	short, inside := strings.CutPrefix(path, module+"/")
	if !inside {
		return
	}
	below, f, ok := areaOf(short)
	if !ok || below != area && f >= floor {
		t.Errorf("%s imports %s, which does not lie below it", p.short(), short)
	}
}

// What each area may import from outside the module, beside the standard library.
var outside = map[string][]string{
	"schemas": {"google.golang.org/protobuf/", "github.com/klauspost/compress/zstd", "github.com/transparency-dev/merkle/"},
	"app":     {"github.com/cometbft/cometbft/abci/types", "google.golang.org/protobuf/encoding/protowire", "github.com/oasisprotocol/curve25519-voi/"},
	// The store opens its databases itself: to tune them, and to fail them in tests.
	"app/store": {"github.com/cosmos/cosmos-db", "github.com/syndtr/goleveldb/", "github.com/cockroachdb/pebble", "github.com/klauspost/compress/snappy"},
	"api": {"github.com/go-chi/chi/v5", "github.com/gorilla/websocket", "github.com/go-playground/validator/v10", "github.com/prometheus/client_golang/",
		"github.com/cosmos/cosmos-db", "github.com/klauspost/compress"},
	// Signed notes and time stamps are others' formats, and in others' libraries.
	"api/audit": {"golang.org/x/mod/sumdb/note", "github.com/digitorus/", "github.com/prometheus/client_golang/"},
}

// The format, the state machine and the gateway stay free of what they do not
// need: above all, schemas of anything but encoders and Merkle primitives.
func TestHouseOutsideImports(t *testing.T) {
	standard := map[string]bool{}
	for _, p := range goList(t, "std") {
		standard[p.ImportPath] = true
	}
	for _, p := range goList(t, "./schemas/...", "./app/...", "./api/...") {
		if p.short() == "schemas/internal/protogen" { // a tool, linked into nothing
			continue
		}
		area, _, _ := areaOf(p.short())
		if _, own := outside[p.short()]; own {
			area = p.short()
		}
		for _, path := range p.Imports {
			if standard[path] || strings.HasPrefix(path, module+"/") {
				continue
			}
			if !slices.ContainsFunc(outside[area], func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix) }) {
				t.Errorf("%s imports %s, which %s may not", p.short(), path, area)
			}
		}
	}
}

// A package is named after what it is, not after being useful.
func TestHouseNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "lib"}
	for _, p := range goList(t, "./...") {
		for _, part := range strings.Split(p.short(), "/") {
			if slices.Contains(banned, part) {
				t.Errorf("package %s: find the noun that it is about", p.short())
			}
		}
	}
}

// tracked lists the files of the repository: those that git would commit, or,
// without git, those that are there.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root(t)
	if out, err := cmd.Output(); err == nil {
		return slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
			_, err := os.Stat(filepath.Join(root(t), name))
			return err != nil // deleted, and not yet committed
		})
	}
	var files []string
	err := filepath.WalkDir(root(t), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == ".git" || d.Name() == "bin") {
				return filepath.SkipDir
			}
			return err
		}
		name, err := filepath.Rel(root(t), path)
		files = append(files, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A stranger guesses the folder before searching.
func TestHouseTopLevel(t *testing.T) {
	folders := []string{"node", "app", "api", "schemas", "network", "docs", "e2e", ".ci"}
	files := []string{"go.mod", "go.sum", "Makefile", "README.md", "LICENSE", ".gitignore"}
	for _, name := range tracked(t) {
		top, _, deeper := strings.Cut(name, "/")
		if deeper && !slices.Contains(folders, top) || !deeper && !slices.Contains(files, top) {
			t.Errorf("%s: the top level is %v and %v", name, folders, files)
		}
	}
}

// Long files hide things. Generated ones are read by nobody.
func TestHouseSizes(t *testing.T) {
	const limit = 500
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n >= limit && !generated(b) {
			t.Errorf("%s has %d lines: files stay under %d", name, n, limit)
		}
	}
}

// A reader finds any rule in one guess: docs/architecture.md names every file of the state
// machine and of the node, alone or by a pattern, and none that is not there.
func TestHouseArchitectureNamesFiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	folder := "" // of a name without one: that of the name before
	for _, m := range regexp.MustCompile("`([a-z/]*/)?([a-z_*]+\\.go)`").FindAllSubmatch(text, -1) {
		if len(m[1]) > 0 {
			folder = string(m[1])
		}
		named = append(named, folder+string(m[2]))
	}
	found := map[string]bool{}
	for _, name := range tracked(t) {
		is := false
		for _, pattern := range named {
			if ok, _ := path.Match(pattern, name); ok {
				is, found[pattern] = true, true
			}
		}
		if dir := path.Dir(name); !is && (dir == "app" || dir == "node") && path.Base(name) != "doc.go" && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s: docs/architecture.md does not say what is there", name)
		}
	}
	for _, name := range named {
		if !found[name] {
			t.Errorf("docs/architecture.md names %s, which is not there", name)
		}
	}
}

func generated(b []byte) bool {
	return regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`).Match(b)
}

// Version numbers mislead here: v1.0.1 sorts above v0.40.0, and is older and
// lacks fixes. An update must be meant.
func TestHouseEnginePinned(t *testing.T) {
	f, err := os.Open(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := false
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(s.Text()), "require "))
		if len(fields) < 2 || fields[0] != "github.com/cometbft/cometbft" {
			continue
		}
		found = true
		if !strings.HasPrefix(fields[1], "v0.40.") {
			t.Errorf("go.mod has cometbft %s: the line that this repository is built on is v0.40", fields[1])
		}
	}
	if !found {
		t.Error("go.mod does not require cometbft")
	}
}

// One kind of dash, and every byte is text.
func TestHouseText(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".md") && name != "Makefile" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if strings.ContainsAny(line, "\u2013\u2014") && !strings.Contains(line, `\u20`) {
				t.Errorf("%s:%d has a long dash: use a comma, a colon or a full stop", name, i+1)
			}
		}
	}
}
