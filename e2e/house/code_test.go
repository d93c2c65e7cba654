package house_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deterministic are the packages in which two nodes must get the same answer
// from the same block.
func deterministic(t *testing.T) []*checked {
	return slices.DeleteFunc(check(t, "./app/..."), func(c *checked) bool { return strings.HasPrefix(c.short(), "app/store") })
}

var bannedImports = []string{"math/rand", "math/rand/v2", "crypto/rand", "os", "os/exec", "os/signal", "net", "syscall", "runtime", "unsafe", "math/big", "hash/maphash"}

var bannedTime = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"}

// The state machine has no clock, randomness, environment or network: anything
// that two nodes could see differently forks them.
func TestHouseStateMachineCalls(t *testing.T) {
	for _, c := range deterministic(t) {
		for _, f := range c.files {
			for _, spec := range f.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if slices.Contains(bannedImports, path) || strings.HasPrefix(path, "net/") {
					t.Errorf("%s: %s imports %s", c.at(spec), c.short(), path)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a go statement: the order of goroutines is no part of the state", c.at(n))
				case *ast.SelectorExpr:
					if o := c.info.Uses[n.Sel]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "time" && slices.Contains(bannedTime, o.Name()) && receiver(o) == "" {
						t.Errorf("%s: time.%s: time is the block's", c.at(n), o.Name())
					}
				}
				return true
			})
		}
	}
}

// receiver names the type whose method o is, "" for others.
func receiver(o types.Object) string {
	f, ok := o.(*types.Func)
	if !ok || f.Signature().Recv() == nil {
		return ""
	}
	return f.Signature().Recv().Type().String()
}

// Floating point differs between machines and compilers.
func TestHouseStateMachineFloats(t *testing.T) {
	for _, c := range deterministic(t) {
		for expr, tv := range c.info.Types {
			if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0 && c.reads(expr) {
				t.Errorf("%s: a floating point value", c.at(expr))
			}
		}
	}
}

// reads reports whether the node is in a file that is checked.
func (c *checked) reads(n ast.Node) bool {
	return slices.ContainsFunc(c.files, func(f *ast.File) bool { return f.Pos() <= n.Pos() && n.Pos() <= f.End() })
}

// The order of a map is random: what depends on it forks nodes. A range over one
// may only collect what is sorted afterwards, fill another map, or delete.
func TestHouseStateMachineMaps(t *testing.T) {
	for _, c := range deterministic(t) {
		for _, f := range c.files {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				sorts := c.sorts(fn)
				ast.Inspect(fn, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.RangeStmt:
						if _, isMap := c.info.Types[n.X].Type.Underlying().(*types.Map); isMap && !c.harmless(n.Body, sorts) {
							t.Errorf("%s: a range over a map whose order matters", c.at(n))
						}
					case *ast.CallExpr:
						if c.isCall(n, "maps", "Keys", "Values", "All") && !c.sortedBy(fn, n) {
							t.Errorf("%s: the entries of a map, not sorted", c.at(n))
						}
					}
					return true
				})
			}
		}
	}
}

func (c *checked) isCall(call *ast.CallExpr, pkg string, names ...string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	o := c.info.Uses[sel.Sel]
	return o != nil && o.Pkg() != nil && o.Pkg().Path() == pkg && slices.Contains(names, o.Name())
}

// sorts reports whether the function sorts something.
func (c *checked) sorts(fn *ast.FuncDecl) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			found = found || c.isCall(call, "sort", "Slice", "SliceStable", "Strings", "Sort") || c.isCall(call, "slices", "Sort", "SortFunc", "SortStableFunc")
		}
		return true
	})
	return found
}

// sortedBy reports whether the call is the argument of one that sorts.
func (c *checked) sortedBy(fn *ast.FuncDecl, call *ast.CallExpr) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if outer, ok := n.(*ast.CallExpr); ok && c.isCall(outer, "slices", "Sorted", "SortedFunc", "SortedStableFunc") && slices.Contains(outer.Args, ast.Expr(call)) {
			found = true
		}
		return true
	})
	return found
}

// harmless reports whether no order can show in the body of a range over a map.
func (c *checked) harmless(body *ast.BlockStmt, sorts bool) bool {
	for _, s := range body.List {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if !c.harmlessAssign(s, sorts) {
				return false
			}
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if !ok {
				return false
			}
			if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "delete" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func (c *checked) harmlessAssign(s *ast.AssignStmt, sorts bool) bool {
	if len(s.Lhs) != 1 || len(s.Rhs) != 1 {
		return false
	}
	if index, ok := s.Lhs[0].(*ast.IndexExpr); ok {
		_, isMap := c.info.Types[index.X].Type.Underlying().(*types.Map)
		return isMap && s.Tok == token.ASSIGN
	}
	call, ok := s.Rhs[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "append" && sorts
}

// Nothing happens because a package is linked in, and nothing in one part of a
// program can change what another part sees.
func TestHousePackageState(t *testing.T) {
	for _, c := range check(t, "./...") {
		vars := map[types.Object]bool{}
		for _, name := range c.types.Scope().Names() {
			if v, ok := c.types.Scope().Lookup(name).(*types.Var); ok && c.reads(posNode(v.Pos())) {
				vars[v] = true
				if what := guarded(v.Type()); what != "" {
					t.Errorf("%s: package-level %s is a %s", c.fset.Position(v.Pos()), name, what)
				}
			}
		}
		for _, f := range c.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if fn, ok := n.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: an init function", c.at(fn))
				}
				for _, changed := range changes(n) {
					if id := base(changed); id != nil && vars[c.info.Uses[id]] {
						t.Errorf("%s: %s changes package-level state", c.at(n), id.Name)
					}
				}
				return true
			})
		}
	}
}

// posNode is a node that is a position alone.
type posNode token.Pos

func (p posNode) Pos() token.Pos { return token.Pos(p) }
func (p posNode) End() token.Pos { return token.Pos(p) }

// guarded names what makes a type mutable for sure.
func guarded(t types.Type) string {
	switch u := t.Underlying().(type) {
	case *types.Chan:
		return "channel"
	case *types.Struct:
		for i := range u.NumFields() {
			if what := guarded(u.Field(i).Type()); what != "" {
				return what
			}
		}
	}
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		if p := n.Obj().Pkg().Path(); p == "sync" || p == "sync/atomic" {
			return filepath.Base(p) + "." + n.Obj().Name()
		}
	}
	return ""
}

// changes lists the expressions that a node assigns to. What is changed through
// a pointer cannot be told here.
func changes(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// base is the variable that an expression is a part of.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
