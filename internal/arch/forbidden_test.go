package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// home is a library that only some packages may import.
type home struct {
	library string // the import path, or its beginning up to a slash
	rooms   []string
	tests   []string // beside those, in tests only
	why     string
}

func homes() []home {
	sql := []string{"internal/store"}
	return []home{
		{"github.com/nats-io/", []string{"queue"}, []string{"deploy"}, "the queue is the only part that knows NATS"},
		{"database/sql", sql, []string{"internal/digest", "internal/broadcast"}, "the store is the only part that writes SQL, and tests make schemas for it"},
		{"github.com/jackc/pgx/", sql, []string{"internal/digest", "internal/broadcast"}, "the store is the only part that knows its databases"},
		{"modernc.org/sqlite", sql, nil, "the store is the only part that knows its databases"},
		{"github.com/pressly/goose/", sql, nil, "the store is the only part that knows its databases"},
		{"testing", []string{"publishers/publishertest"}, []string{everything}, "simulated platforms are linked into the program, which needs no test machinery"},
	}
}

func libraries(h *house) (breaches []string) {
	all := homes()
	for _, r := range h.rooms {
		for _, f := range r.files {
			_, others := h.imports(f)
			for _, i := range others {
				p := imported(i)
				if r.path == "internal/announce" && strings.Contains(strings.Split(p, "/")[0], ".") {
					breaches = append(breaches, fmt.Sprintf("%s: announce imports the standard library only, not %s", h.at(i), p))
				}
				for _, x := range all {
					rooms := x.rooms
					if f.test {
						rooms = slices.Concat(x.rooms, x.tests)
					}
					if within(p, x.library) && !slices.Contains(rooms, r.path) && !slices.Contains(rooms, everything) {
						breaches = append(breaches, fmt.Sprintf("%s: %s may not import %s: %s", h.at(i), r.path, p, x.why))
					}
				}
			}
		}
	}
	return breaches
}

// within reports whether an import is the library or a package of it.
func within(p, library string) bool {
	return p == strings.TrimSuffix(library, "/") || strings.HasPrefix(p, strings.TrimSuffix(library, "/")+"/")
}

// ban is what nobody, or nobody but some, may say.
type ban struct {
	pkg, names string   // import path, names separated by spaces
	in         where    // which files
	except     []string // packages, as a beginning of their path
	why        string
}

type where string

const (
	anywhere  where = "anywhere"
	inProgram where = "in the program"
	inTests   where = "in tests"
)

func bans() []ban {
	const own = "has no timeout, follows redirects and takes a proxy from the environment: use a client of your own"
	cmd := []string{"cmd/"}
	return []ban{
		{"net/http", "DefaultClient Get Head Post PostForm", anywhere, nil, own},
		{"net/http", "DefaultTransport", inProgram, nil, own},
		{"net/http", "DefaultServeMux Handle HandleFunc ListenAndServe ListenAndServeTLS", anywhere, nil, "is shared by the whole process"},
		{"net/http", "ProxyFromEnvironment", inProgram, cmd, "reads the environment, which only cmd does"},
		{"os", "Getenv LookupEnv Environ ExpandEnv Setenv Unsetenv Clearenv", inProgram, cmd, "the environment is read by cmd only; take what you need as an argument"},
		{"syscall", "Getenv Environ Setenv Unsetenv Clearenv", inProgram, cmd, "the environment is read by cmd only; take what you need as an argument"},
		{"os", "Exit", inProgram, cmd, "only the command ends the process"},
		{"log", "Fatal Fatalf Fatalln Panic Panicf Panicln Print Printf Println", anywhere, nil, "log with the *slog.Logger that you were given; return errors"},
		{"log/slog", "Default SetDefault Info Warn Error Debug InfoContext WarnContext ErrorContext DebugContext", inProgram, nil, "log with the *slog.Logger that you were given"},
		{"time", "Sleep", inTests, nil, "wait on a condition, never on a duration"},
		{"context", "TODO", anywhere, nil, "take the caller's context"},
	}
}

func calls(h *house) (breaches []string) {
	all := bans()
	for _, r := range h.rooms {
		for _, f := range r.files {
			var polls []ast.Stmt
			names := packageNames(f.tree)
			ast.Inspect(f.tree, func(n ast.Node) bool {
				if loop, ok := n.(*ast.ForStmt); ok && loop.Cond != nil && loop.Post != nil {
					polls = append(polls, loop.Post) // for !ok(); time.Sleep(a moment): a wait on a condition
				}
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				if !ok || names[x.Name] == "" {
					return true
				}
				for _, b := range all {
					if b.pkg == names[x.Name] && slices.Contains(strings.Fields(b.names), s.Sel.Name) && b.covers(r.path, f) && !(b.names == "Sleep" && polled(s, polls)) {
						breaches = append(breaches, fmt.Sprintf("%s: %s.%s %s", h.at(s), x.Name, s.Sel.Name, b.why))
					}
				}
				return true
			})
		}
	}
	return breaches
}

// polled reports whether s is the pause of a wait on a condition.
func polled(s ast.Node, polls []ast.Stmt) bool {
	return slices.ContainsFunc(polls, func(p ast.Stmt) bool { return p.Pos() <= s.Pos() && s.End() <= p.End() })
}

func (b ban) covers(room string, f file) bool {
	if slices.ContainsFunc(b.except, func(p string) bool { return strings.HasPrefix(room+"/", p) }) {
		return false
	}
	tests := f.test || kind(room) == "publishers/publishertest"
	return b.in == anywhere || tests == (b.in == inTests)
}

// packageNames maps the names under which a file knows packages to their paths.
func packageNames(tree *ast.File) map[string]string {
	names := map[string]string{}
	for _, i := range tree.Imports {
		p := imported(i)
		name := p[strings.LastIndex(p, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = p
	}
	return names
}

// inits: no func init outside tests.
func inits(h *house) (breaches []string) {
	for _, r := range h.rooms {
		for _, f := range r.files {
			for _, d := range f.tree.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && !f.test && fn.Recv == nil && fn.Name.Name == "init" {
					breaches = append(breaches, h.at(fn)+": func init: do it in New or Open, where the caller sees it")
				}
			}
		}
	}
	return breaches
}
