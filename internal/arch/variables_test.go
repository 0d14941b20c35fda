package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// makers are the functions whose results may be kept in a package variable, and why that is no state.
func makers() map[string]string {
	return map[string]string{
		"errors.New":                              "a sentinel: compared, never changed",
		"regexp.MustCompile":                      "a compiled constant, safe for concurrent use",
		"strings.NewReplacer":                     "a compiled constant, safe for concurrent use",
		"html/template.Must":                      "a template compiled from a literal, safe for concurrent use",
		"html/template.New":                       "the beginning of one",
		"text/template.Must":                      "a template compiled from a literal, safe for concurrent use",
		"text/template.New":                       "the beginning of one",
		"encoding/base32.NewEncoding":             "an alphabet, never changed",
		"encoding/base32.StdEncoding.WithPadding": "an alphabet, never changed",
		"sync.OnceValue":                          "a constant computed at its first use",
		"sync.OnceValues":                         "a constant computed at its first use",
	}
}

// variables: a package variable outside tests is a constant that Go cannot write as one. Its first value has a shape that
// says so, and nothing, tests included, assigns to it or to a part of it, or takes its address.
func variables(h *house) (breaches []string) {
	for _, r := range h.rooms {
		declared := map[types.Object]bool{}
		info := h.resolve(r)
		for _, f := range r.files {
			if f.test {
				continue
			}
			names := packageNames(f.tree)
			for _, d := range f.tree.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.VAR {
					continue
				}
				for _, s := range g.Specs {
					v := s.(*ast.ValueSpec)
					for i, name := range v.Names {
						if name.Name == "_" {
							continue // an assertion about types
						}
						declared[info.Defs[name]] = true
						if why := shape(names, g, v, i); why != "" {
							breaches = append(breaches, fmt.Sprintf("%s: the package variable %s %s: pass it as an argument, or keep it in a struct", h.at(name), name.Name, why))
						}
					}
				}
			}
		}
		for _, f := range r.files {
			breaches = append(breaches, h.changes(f.tree, info, declared)...)
		}
	}
	return breaches
}

// resolve finds what the identifiers of a package stand for, its inner tests included. Imports stay unknown, which is
// enough here.
func (h *house) resolve(r *room) *types.Info {
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	var trees []*ast.File
	for _, f := range r.files {
		if !strings.HasSuffix(f.tree.Name.Name, "_test") {
			trees = append(trees, f.tree)
		}
	}
	c := types.Config{Importer: nobody{}, Error: func(error) {}}
	_, _ = c.Check(r.path, h.set, trees, info) // it always fails, for want of imports
	return info
}

type nobody struct{}

func (nobody) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }

// shape tells what is wrong with the first value of a package variable, or "".
func shape(names map[string]string, g *ast.GenDecl, v *ast.ValueSpec, i int) string {
	for _, doc := range []*ast.CommentGroup{g.Doc, v.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return ""
		}
	}
	if i >= len(v.Values) {
		return "begins empty, so it is there to be changed"
	}
	if pure(names, v.Values[i]) {
		return ""
	}
	return "is made by something that internal/arch does not know as constant"
}

// pure reports whether an expression is made of literals, names, conversions and makers only.
func pure(names map[string]string, e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.Ident, *ast.ArrayType, *ast.MapType, *ast.StructType:
		return true
	case *ast.SelectorExpr:
		return pure(names, e.X)
	case *ast.ParenExpr:
		return pure(names, e.X)
	case *ast.UnaryExpr:
		return e.Op != token.ARROW && e.Op != token.AND && pure(names, e.X)
	case *ast.BinaryExpr:
		return pure(names, e.X) && pure(names, e.Y)
	case *ast.KeyValueExpr:
		return pure(names, e.Key) && pure(names, e.Value)
	case *ast.CompositeLit:
		return !slices.ContainsFunc(e.Elts, func(x ast.Expr) bool { return !pure(names, x) })
	case *ast.CallExpr:
		return made(names, e) && !slices.ContainsFunc(e.Args, func(x ast.Expr) bool { return !argument(names, x) })
	}
	return false
}

// argument reports whether a maker may be given an expression: what is pure, or functions.
func argument(names map[string]string, e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncLit:
		return true
	case *ast.KeyValueExpr:
		return argument(names, e.Value)
	case *ast.CompositeLit:
		return !slices.ContainsFunc(e.Elts, func(x ast.Expr) bool { return !argument(names, x) })
	}
	return pure(names, e)
}

// made reports whether a call is to a maker, to a method of what a maker made, or a conversion of a literal.
func made(names map[string]string, c *ast.CallExpr) bool {
	switch fun := c.Fun.(type) {
	case *ast.ArrayType:
		return true // []byte("...")
	case *ast.SelectorExpr:
		if inner, ok := fun.X.(*ast.CallExpr); ok {
			return pure(names, inner)
		}
		return makers()[qualified(names, fun)] != ""
	}
	return false
}

// qualified is a selector with its import path: encoding/base32.StdEncoding.WithPadding.
func qualified(names map[string]string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return names[e.Name]
	case *ast.SelectorExpr:
		return qualified(names, e.X) + "." + e.Sel.Name
	}
	return ""
}

// changes finds what in a file alters one of the variables.
func (h *house) changes(tree *ast.File, info *types.Info, vars map[types.Object]bool) (breaches []string) {
	names := packageNames(tree)
	say := func(e ast.Expr, how string) {
		if s, ok := e.(*ast.SelectorExpr); ok && how == assigned {
			if x, ok := s.X.(*ast.Ident); ok && names[x.Name] != "" && !local(info, x) {
				breaches = append(breaches, fmt.Sprintf("%s: %s.%s is a variable of another package: leave it alone", h.at(e), x.Name, s.Sel.Name))
			}
		}
		if name := root(e); name != nil && info.Uses[name] != nil && vars[info.Uses[name]] {
			breaches = append(breaches, fmt.Sprintf("%s: the package variable %s %s", h.at(e), name.Name, how))
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					say(e, assigned)
				}
			}
		case *ast.IncDecStmt:
			say(n.X, assigned)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				say(n.Key, assigned)
				say(n.Value, assigned)
			}
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				say(n.X, "has its address taken")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"append", "clear", "copy", "delete"}, f.Name) && len(n.Args) > 0 {
				say(n.Args[0], "is given to "+f.Name)
			}
		}
		return true
	})
	return breaches
}

// local reports whether a name stands for a variable, although a package has it too.
func local(info *types.Info, x *ast.Ident) bool {
	_, ok := info.Uses[x].(*types.Var)
	return ok
}

const assigned = "is assigned to"

// root is the name that an expression such as x.a[i] begins with.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	}
	return nil
}
