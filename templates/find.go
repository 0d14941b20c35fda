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
	all := []string{anyKind, string(announce.KindDigest), string(announce.KindWelcome), string(announce.KindConfirm), string(announce.KindPreferences)}
	for _, k := range announce.Kinds() {
		all = append(all, string(k))
	}
	return all
}

// use says which templates a message needs.
type use struct {
	account         string
	kind            announce.Kind
	language        announce.Language
	markdown, short bool
}

// search lists the files of one extension that apply, the most specific first.
func (s *Set) search(u use, ext string) []*file {
	folders := []string{u.account}
	for _, f := range []string{announce.Channel(u.account), "short", "default"} {
		if !slices.Contains(folders, f) && (f != "short" || u.short) {
			folders = append(folders, f)
		}
	}
	languages := []string{"." + string(u.language)}
	if base := "." + string(u.language.Base()); base != languages[0] {
		languages = append(languages, base)
	}
	languages = append(languages, "")
	var found []*file
	for _, folder := range folders {
		for _, kind := range []string{string(u.kind), anyKind} {
			for _, language := range languages {
				name := strings.ToLower(folder + "/" + kind + language + ext)
				for _, from := range []files{s.own, s.builtin} {
					if f := from[name]; f != nil {
						found = append(found, f)
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

const mostReady = 500 // a stranger's language tags must not fill the memory

// textOf is the text templates of one use, ready to run.
func (s *Set) textOf(u use) (*template.Template, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.texts[u]; t != nil {
		return t, nil
	}
	t := template.New(root).Funcs(speech{u.language}.funcs(markup{markdown: u.markdown})).Option("missingkey=error")
	for name, tree := range s.trees(u, ".txt") {
		if _, err := t.AddParseTree(name, tree); err != nil {
			return nil, err
		}
	}
	if len(s.texts) >= mostReady {
		clear(s.texts)
	}
	s.texts[u] = t
	return t, nil
}

// htmlOf is the HTML templates of one use, ready to run.
func (s *Set) htmlOf(u use) (*htmltemplate.Template, error) {
	u.markdown = false
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.htmls[u]; t != nil {
		return t, nil
	}
	t := htmltemplate.New(root).Funcs(speech{u.language}.funcs(markup{})).Option("missingkey=error")
	for name, tree := range s.trees(u, ".html") {
		if _, err := t.AddParseTree(name, tree); err != nil {
			return nil, err
		}
	}
	if len(s.htmls) >= mostReady {
		clear(s.htmls)
	}
	s.htmls[u] = t
	return t, nil
}
