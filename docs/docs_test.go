// Package docs holds what is written about Crieur. It has tests only: that commands, variables, paths and links that the
// pages name exist.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages are all Markdown files of the repository, by their path from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "deploy/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(filepath.ToSlash(f), "../")] = string(b)
		}
	}
	if len(found) < 8 {
		t.Fatalf("only %d pages", len(found))
	}
	return found
}

// commands are those of the command line with the flags of each, as the types of cmd/crieur declare them.
func commands(t *testing.T) map[string][]string {
	t.Helper()
	types := map[string]*ast.StructType{}
	files, err := filepath.Glob("../cmd/crieur/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok {
				if st, ok := s.Type.(*ast.StructType); ok {
					types[s.Name.Name] = st
				}
			}
			return true
		})
	}
	found := map[string][]string{}
	var walk func(prefix, name string)
	walk = func(prefix, name string) {
		for _, f := range types[name].Fields.List {
			if f.Tag == nil {
				continue
			}
			tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
			word := tag.Get("name")
			if word == "" {
				word = kebab(f.Names[0].Name)
			}
			if _, ok := tag.Lookup("cmd"); ok {
				command := strings.TrimSpace(prefix + " " + word)
				found[command] = append(found[command], "--help")
				walk(command, f.Type.(*ast.Ident).Name)
			} else if _, ok := tag.Lookup("arg"); !ok {
				found[prefix] = append(found[prefix], "--"+word)
			}
		}
	}
	walk("", "commands")
	if len(found) < 10 {
		t.Fatalf("only %d commands", len(found))
	}
	return found
}

// kebab is a field's name as the command line spells it: DryRun is dry-run.
func kebab(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(s[i-1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// spoken finds `crieur word ...` in code, be it in a line or in a block.
var (
	block  = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	inline = regexp.MustCompile("`([^`\n]+)`")
	called = regexp.MustCompile(`(?:^|[\s(|;/])crieur((?: +[^\s#;|)>]+)+)`)
)

func TestCommandsExist(t *testing.T) {
	known := commands(t)
	check := func(page, code string) {
		for line := range strings.Lines(code) {
			line, _, _ = strings.Cut(line, " #")
			line = strings.ReplaceAll(line, "go run ./cmd/crieur", "crieur")
			for _, m := range called.FindAllStringSubmatch(strings.TrimRight(line, "\n"), -1) {
				words := strings.Fields(m[1])
				command := words[0]
				if strings.HasPrefix(command, "-") || !regexp.MustCompile(`^[a-z]+$`).MatchString(command) {
					continue
				}
				if len(words) > 1 && known[command+" "+words[1]] != nil {
					command += " " + words[1]
				}
				flags, ok := known[command]
				if !ok {
					t.Errorf("%s: there is no command: crieur %s", page, strings.Join(words, " "))
					continue
				}
				for _, w := range words {
					if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") && !slices.Contains(flags, flag) {
						t.Errorf("%s: crieur %s has no flag %s", page, command, flag)
					}
				}
			}
		}
	}
	for page, text := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			check(page, m[1])
		}
		for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			check(page, m[1])
		}
	}
}

func TestVariablesExist(t *testing.T) {
	example, err := os.ReadFile("../deploy/env.example")
	if err != nil {
		t.Fatal(err)
	}
	var known, channels []string
	for _, m := range regexp.MustCompile(`(?m)^#?(CRIEUR_[A-Z0-9_]+)=`).FindAllStringSubmatch(string(example), -1) {
		known = append(known, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^# ---- channel ([a-z0-9]+) ----`).FindAllStringSubmatch(string(example), -1) {
		channels = append(channels, strings.ToUpper(m[1]))
	}
	var common []string // of every account: CRIEUR_<ACCOUNT>_LANGUAGE
	for _, m := range regexp.MustCompile(`(?m)^#CRIEUR_<ACCOUNT>_([A-Z0-9_]+)=`).FindAllStringSubmatch(string(example), -1) {
		common = append(common, m[1])
	}
	reads := func(name string) bool {
		if slices.Contains(known, name) {
			return true
		}
		for _, c := range channels { // CRIEUR_SLACK_PARTNERS_TOKEN is CRIEUR_SLACK_TOKEN of slack@partners
			prefix := "CRIEUR_" + c + "_"
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				_, variable, second := strings.Cut(rest, "_")
				if second && slices.Contains(known, prefix+variable) {
					return true
				}
				if slices.ContainsFunc(common, func(v string) bool { return rest == v || strings.HasSuffix(rest, "_"+v) }) {
					return true
				}
			}
		}
		return false
	}
	others := []string{"CRIEUR_TEST_POSTGRES", "CRIEUR_DOMAIN", "CRIEUR_SERVERS"} // of tests and of the proxy
	for page, text := range pages(t) {
		for _, name := range regexp.MustCompile(`CRIEUR_[A-Z0-9_]*[A-Z0-9]\b`).FindAllString(text, -1) {
			if strings.HasPrefix(name, "CRIEUR_FAX_") { // the channel that CONTRIBUTING.md adds
				continue
			}
			if !reads(name) && !reads(strings.TrimSuffix(name, "_FILE")) && !slices.Contains(others, name) && !strings.Contains(text, name+"_") {
				t.Errorf("%s: nothing reads %s", page, name)
			}
		}
	}
}

func TestLinksLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	all := pages(t)
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := page
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
				if _, err := os.Stat(filepath.Join("..", to)); err != nil {
					t.Errorf("%s: the link %s leads nowhere", page, m[1])
					continue
				}
			}
			if fragment != "" && !slices.Contains(anchors(all[to]), fragment) {
				t.Errorf("%s: the link %s leads to no heading", page, m[1])
			}
		}
	}
}

// anchors are the headings of a page as links name them.
func anchors(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		out = append(out, b.String())
	}
	return out
}

// TestPathsExist: folders and files of the repository that the pages name in code are there.
func TestPathsExist(t *testing.T) {
	path := regexp.MustCompile(`^(?:\./)?((?:cmd|publishers|queue|templates|deploy|internal|docs)/[A-Za-z0-9_./-]*)$`)
	for page, text := range pages(t) {
		for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			p := path.FindStringSubmatch(m[1])
			if p == nil || strings.Contains(p[1], "...") {
				continue
			}
			name := strings.TrimSuffix(p[1], "/")
			if _, err := os.Stat(filepath.Join("..", name)); err != nil && !slices.ContainsFunc([]string{"fax", "crieur.env", "secrets"}, func(x string) bool { return strings.Contains(name, x) }) {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
}
