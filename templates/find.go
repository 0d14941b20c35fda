package templates

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/crieur/crieur/internal/announce"
)

// file is one template file, parsed.
type file struct {
	path    string
	french  bool                   // its name says so: the spaces in its own words are corrected
	body    *parse.Tree            // nil when it holds definitions only
	defines map[string]*parse.Tree // by name
}

// files are the template files of one origin by path, in lower case.
type files map[string]*file

const anyKind = "any"

var fileName = regexp.MustCompile(`^([^/]+)/([a-z-]+)(?:\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*))?\.(txt|html)$`)

// read parses every .txt and .html file. Other files and those whose name begins with a dot are left alone.
func read(from fs.FS) (files, error) {
	found := files{}
	var faults []error
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		switch ext := path.Ext(name); {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && name != ".":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || ext != ".txt" && ext != ".html":
			return nil
		}
		f, err := readFile(from, name)
		if err != nil {
			faults = append(faults, err)
			return nil
		}
		found[strings.ToLower(name)] = f
		return nil
	})
	return found, errors.Join(append(faults, err)...)
}

func readFile(from fs.FS, name string) (*file, error) {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return nil, fmt.Errorf("%s: is not a template's name: write <channel>/<kind>.<language>.txt or .html, such as slack/event.fr.txt", name)
	}
	if kind := parts[2]; !slices.Contains(kinds(), kind) {
		return nil, fmt.Errorf("%s: there is no kind %q: choose among %s", name, kind, strings.Join(kinds(), ", "))
	}
	b, err := fs.ReadFile(from, name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(name).Funcs(speech{}.funcs(markup{})).Parse(string(b))
	if err != nil {
		return nil, err // names the file and the line
	}
	f := &file{path: name, french: announce.Language(parts[3]).Base() == "fr", defines: map[string]*parse.Tree{}}
	for _, d := range t.Templates() {
		if d.Name() != name {
			f.defines[d.Name()] = d.Tree
		} else if !parse.IsEmptyTree(d.Tree.Root) {
			f.body = d.Tree
		}
	}
	return f, nil
}

func kinds() []string {
	all := []string{anyKind, string(announce.KindDigest), string(announce.KindWelcome)}
	for _, k := range announce.Kinds() {
		all = append(all, string(k))
	}
	return all
}

// use says which templates a message needs.
type use struct {
	account  string
	kind     announce.Kind
	language announce.Language
	markdown bool
}

// search lists the files of one extension that apply, the most specific first.
func (s *Set) search(u use, ext string) []*file {
	folders := []string{u.account, announce.Channel(u.account), "default"}
	languages := []string{"." + string(u.language), "." + string(u.language.Base()), ""}
	var found []*file
	seen := map[string]bool{}
	for _, folder := range folders {
		for _, kind := range []string{string(u.kind), anyKind} {
			for _, language := range languages {
				name := strings.ToLower(folder + "/" + kind + language + ext)
				for _, from := range []files{s.own, s.builtin} {
					if f := from[name]; f != nil && !seen[f.path] {
						found = append(found, f)
						seen[f.path] = true // the operator's file stands for the built-in one of the same name
					}
				}
			}
		}
	}
	return found
}

const root = "message"

// trees is what the files say together: the most specific body, and the most specific definition of each name.
func (s *Set) trees(u use, ext string) map[string]*parse.Tree {
	all := map[string]*parse.Tree{}
	take := func(name string, t *parse.Tree, f *file) {
		if t == nil || all[name] != nil {
			return
		}
		t = t.Copy()
		if f.french {
			typeset(t.Root, u.language)
		}
		all[name] = t
	}
	for _, f := range s.search(u, ext) {
		take(root, f.body, f)
		for name, t := range f.defines {
			take(name, t, f)
		}
	}
	return all
}

// bundle are the templates of one use, ready to run.
type bundle struct {
	text *template.Template
	html *htmltemplate.Template
}

const mostBundles = 1000 // a stranger's language tags must not fill the memory

func (s *Set) bundle(u use) (bundle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.ready[u]; ok {
		return b, nil
	}
	say := speech{u.language}
	b := bundle{
		text: template.New(root).Funcs(say.funcs(markup{markdown: u.markdown})).Option("missingkey=error"),
		html: htmltemplate.New(root).Funcs(say.funcs(markup{})).Option("missingkey=error"),
	}
	for name, t := range s.trees(u, ".txt") {
		if _, err := b.text.AddParseTree(name, t); err != nil {
			return bundle{}, err
		}
	}
	for name, t := range s.trees(u, ".html") {
		if _, err := b.html.AddParseTree(name, t); err != nil {
			return bundle{}, err
		}
	}
	if len(s.ready) >= mostBundles {
		clear(s.ready)
	}
	s.ready[u] = b
	return b, nil
}
