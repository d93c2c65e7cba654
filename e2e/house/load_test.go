package house_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/waybill-ledger/waybill"

// listed is a package as go list tells of it.
type listed struct {
	ImportPath   string
	Dir          string
	Export       string // file with its exported types
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Standard     bool
}

// short is the package's path in this module, "" outside.
func (p *listed) short() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the repository's root is not where this test looks for it: %v", err)
	}
	return dir
}

// goList runs go list in the repository's root; it needs no network.
func goList(t *testing.T, args ...string) []*listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir, cmd.Stderr = root(t), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []*listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := &listed{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatal("go list found no package: this test would hold nothing")
	}
	return packages
}

// checked is a package whose source was read and whose types are known.
type checked struct {
	*listed
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
	types *types.Package
}

// check parses and type-checks the packages of a pattern, without their tests.
func check(t *testing.T, patterns ...string) []*checked {
	t.Helper()
	exports := map[string]string{}
	for _, p := range goList(t, append([]string{"-export", "-deps"}, patterns...)...) {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	imp := importer.ForCompiler(fset, "gc", lookup)
	var out []*checked
	for _, p := range goList(t, patterns...) {
		if len(p.GoFiles) == 0 {
			continue
		}
		c := &checked{listed: p, fset: fset, info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatalf("parsing: %v", err)
			}
			if !ast.IsGenerated(f) {
				c.files = append(c.files, f)
			}
		}
		all := c.files
		for _, name := range p.GoFiles { // generated files are needed for their types
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err == nil && ast.IsGenerated(f) {
				all = append(all[:len(all):len(all)], f)
			}
		}
		var err error
		if c.types, err = (&types.Config{Importer: imp}).Check(p.ImportPath, fset, all, c.info); err != nil {
			t.Fatalf("type-checking %s: %v", p.ImportPath, err)
		}
		out = append(out, c)
	}
	return out
}

// at is a position as errors show it.
func (c *checked) at(n ast.Node) string {
	p := c.fset.Position(n.Pos())
	return strings.TrimPrefix(p.String(), filepath.Dir(c.Dir)+"/")
}
