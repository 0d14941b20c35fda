// Package arch holds the house to its rules: who may import whom, and what nobody may do. It has tests only, which read
// the source and build nothing, so that they speak even while the house does not compile.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house is the source of the module.
type house struct {
	module string
	set    *token.FileSet
	rooms  []*room
}

// room is one package: a folder, its tests included.
type room struct {
	path  string // from the module's root: internal/announce
	files []file
}

type file struct {
	path string
	test bool
	tree *ast.File
}

// read parses every Go file below root, whatever its build constraints.
func read(root string) (*house, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(mod), "\n")
	sources := map[string]string{}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		sources[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return build(strings.TrimSpace(strings.TrimPrefix(line, "module")), sources)
}

// build parses sources by path.
func build(module string, sources map[string]string) (*house, error) {
	h := &house{module: module, set: token.NewFileSet()}
	byPath := map[string]*room{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		tree, err := parser.ParseFile(h.set, name, sources[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		dir := path.Dir(name)
		if byPath[dir] == nil {
			byPath[dir] = &room{path: dir}
			h.rooms = append(h.rooms, byPath[dir])
		}
		byPath[dir].files = append(byPath[dir].files, file{name, strings.HasSuffix(name, "_test.go"), tree})
	}
	return h, nil
}

// imports are the paths that a file imports. Those of this module come without its path.
func (h *house) imports(f file) (ours, others []*ast.ImportSpec) {
	for _, i := range f.tree.Imports {
		if p := h.target(i); p != "" {
			ours = append(ours, i)
		} else {
			others = append(others, i)
		}
	}
	return ours, others
}

// target is the room that an import leads to, or "" for other people's packages.
func (h *house) target(i *ast.ImportSpec) string {
	if rest, ok := strings.CutPrefix(imported(i), h.module+"/"); ok {
		return rest
	}
	return ""
}

func imported(i *ast.ImportSpec) string {
	p, err := strconv.Unquote(i.Path.Value)
	if err != nil {
		panic(err) // the parser takes only strings here
	}
	return p
}

func (h *house) at(n ast.Node) string {
	p := h.set.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// law is one rule: it answers with every breach.
type law struct {
	name string
	hold func(*house) []string
}

func laws() []law {
	return []law{
		{"arrows point down", arrows},
		{"every package says what it is", comments},
		{"libraries stay in their rooms", libraries},
		{"calls that nobody makes", calls},
		{"no package is set up behind its users' backs", inits},
		{"package variables never vary", variables},
	}
}

func TestTheHouse(t *testing.T) {
	h, err := read(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.rooms) < 10 {
		t.Fatalf("only %d packages were found", len(h.rooms))
	}
	for _, l := range laws() {
		t.Run(l.name, func(t *testing.T) {
			for _, breach := range l.hold(h) {
				t.Error(breach)
			}
		})
	}
}
