package website

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

//go:embed layouts
var layouts embed.FS

// plainData is the layout without pages: a data file per event.
const plainData = "yaml"

// layout turns announcements into files. Safe for concurrent use.
type layout struct {
	kind      string // hugo, jekyll, eleventy, yaml
	pictures  bool
	folder    string
	data      string // folder of data files beside pages; empty: none
	locations string
	speakers  string
	languages []announce.Language // of the site; none: each announcement's default
	zone      *time.Location
	below     string // path of the site's address, without a final slash
	drafts    bool   // taking back keeps the pages
	read      *markup.Reader

	path, file, image, record *template.Template
}

func newLayout(c Config, site announce.Site) (*layout, error) {
	folders := map[string]string{string(hugo): "content/posts", string(jekyll): "_posts", string(eleventy): "posts", plainData: "data/io-events"}
	l := &layout{kind: c.Layout, pictures: c.Layout != plainData, languages: c.Languages, zone: time.UTC, drafts: c.Retract == "draft", read: markup.NewReader()}
	if len(l.languages) == 0 {
		l.languages = site.Languages
	}
	if z, err := announce.Zone(site.Zone); err == nil {
		l.zone = z
	}
	if folders[c.Layout] == "" {
		return nil, fmt.Errorf("LAYOUT: %q is none of hugo, jekyll, eleventy and yaml", c.Layout)
	}
	if c.Folder == "" {
		c.Folder = folders[c.Layout]
	}
	for _, f := range []struct {
		name, value string
		to          *string
	}{{"FOLDER", c.Folder, &l.folder}, {"DATA", c.Data, &l.data}, {"LOCATIONS", c.Locations, &l.locations}, {"SPEAKERS", c.Speakers, &l.speakers}} {
		*f.to = strings.Trim(f.value, "/")
		if *f.to != "" && !cleanPath(*f.to) {
			return nil, fmt.Errorf("%s: is not a folder of the repository: write content/posts", f.name)
		}
	}
	for _, x := range l.languages {
		if !languageTag.MatchString(string(x)) {
			return nil, fmt.Errorf("LANGUAGES: %q is not a language tag: write fr, fr-CA or en", x)
		}
	}
	switch {
	case c.Retract != "delete" && c.Retract != "draft":
		return nil, fmt.Errorf("RETRACT: %q is neither delete nor draft", c.Retract)
	case l.drafts && c.Layout == plainData:
		return nil, errors.New("RETRACT: data files have no drafts: write delete")
	case c.Layout == plainData && c.Data != "":
		return nil, errors.New("DATA: is for layouts with pages; with LAYOUT=yaml the folder is FOLDER")
	case c.SiteURL != "" && !siteAddress.MatchString(c.SiteURL):
		return nil, errors.New("SITE_URL: is not the address of a site: write https://example.org")
	}
	if u, err := url.Parse(c.SiteURL); err == nil {
		l.below = strings.TrimRight(u.Path, "/")
	}
	if err := l.parse(c.Templates); err != nil {
		return nil, err
	}
	if err := l.try(); err != nil {
		return nil, fmt.Errorf("TEMPLATES: %w", err)
	}
	return l, nil
}

var (
	languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	siteAddress = regexp.MustCompile(`^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$`)
	segments    = regexp.MustCompile(`^[\pL\pN_.][\pL\pN_.+-]*(/[\pL\pN_.][\pL\pN_.+-]*)*$`)

	announcementID = regexp.MustCompile(`^[0-9a-z]{20,40}$`)
)

// cleanPath reports whether a path stays in the repository and touches nothing of Git's.
func cleanPath(p string) bool {
	return len(p) < 500 && segments.MatchString(p) && !slices.ContainsFunc(split(p), func(s string) bool {
		return s == "." || s == ".." || strings.EqualFold(s, ".git") || strings.HasSuffix(s, ".")
	})
}

// ownPath reports whether a path is one of the announcement's: it bears its ID.
func ownPath(p string, id announce.ID) bool { return cleanPath(p) && strings.Contains(p, string(id)) }

// parse reads the templates, the operator's before the layout's own.
func (l *layout) parse(folder string) error {
	inner, err := fs.Sub(layouts, "layouts/"+l.kind)
	if err != nil {
		return err
	}
	shared := template.New("").Funcs(functions()).Option("missingkey=error")
	if shared, err = shared.ParseFS(layouts, "layouts/common.txt", "layouts/data.txt"); err != nil {
		return err
	}
	var mine fs.FS
	if folder != "" {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return errors.New("TEMPLATES: is not a folder that can be read")
		}
		mine = os.DirFS(folder)
	}
	get := func(name, fallback string) (*template.Template, error) {
		text, from := []byte(fallback), error(nil)
		if fallback == "" {
			text, from = fs.ReadFile(inner, name)
		}
		if mine != nil {
			own, err := fs.ReadFile(mine, name)
			if err == nil {
				text, from = own, nil
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("TEMPLATES: %s cannot be read", name)
			}
		}
		if from != nil {
			return nil, from
		}
		t, err := shared.Clone()
		if err == nil {
			t, err = t.New(name).Parse(string(text))
		}
		if err != nil {
			return nil, fmt.Errorf("TEMPLATES: %w", err) // names the file and the line
		}
		return t, nil
	}
	var errs [4]error
	l.path, errs[0] = get("path.txt", "")
	l.file, errs[1] = get("file.txt", "")
	l.record, errs[2] = get("data.txt", `{{template "data" .}}`)
	if l.pictures {
		l.image, errs[3] = get("image.txt", "")
	}
	return errors.Join(errs[:]...)
}

// functions are what templates may call beside text/template's own.
func functions() template.FuncMap {
	return template.FuncMap{
		"yaml":     encodeYAML,
		"markdown": oneLine,
		"slug":     slug,
		"utc":      func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") },
		"date":     func(layout string, t time.Time) string { return t.Format(layout) },
		"trim":     func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
		"base":     path.Base,
		"lower":    strings.ToLower,
		"sponsors": sponsors,
	}
}

// sponsors names partners as a line of HTML, which that field is on the sites that have it.
func sponsors(partners []announce.Partner) string {
	var names []string
	for _, p := range partners {
		names = append(names, strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(p.Name))
	}
	return strings.Join(names, ", ")
}

func (l *layout) run(t *template.Template, p any) (string, error) {
	var out strings.Builder
	if err := t.Execute(&out, p); err != nil {
		return "", &announce.Error{Outcome: announce.Permanent, Err: err, Fault: "a template of the website fails for this announcement: correct " + t.Name()}
	}
	return out.String(), nil
}

// place runs a template whose first line is a path in the repository and whose second is its address on the site.
func (l *layout) place(t *template.Template, p any, id announce.ID) (file, address string, err error) {
	text, err := l.run(t, p)
	if err != nil {
		return "", "", err
	}
	file, address, _ = strings.Cut(strings.TrimSpace(text), "\n")
	file, address = strings.TrimSpace(file), strings.TrimSpace(address)
	switch {
	case !ownPath(file, id):
		return "", "", &announce.Error{Outcome: announce.Permanent, Fault: fmt.Sprintf(
			"%s gives %q, which is no path for this announcement: it holds letters, digits, - _ . and /, and .Name or .ID", t.Name(), short(file))}
	case address != "" && !strings.HasPrefix(address, "/") || strings.ContainsAny(address, "\n<> \"'"):
		return "", "", &announce.Error{Outcome: announce.Permanent, Fault: fmt.Sprintf("%s gives the address %q: it begins with / and has no blanks", t.Name(), short(address))}
	}
	return file, address, nil
}

// try runs the templates on a sample in two languages, so that a mistake is seen at the start.
func (l *layout) try() error {
	made, err := l.compose(view{}, sample(), nil, "", nil)
	var e *announce.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	if err != nil {
		return err
	}
	for file, content := range made.change.put {
		head := content
		if rest, ok := strings.CutPrefix(string(content), "---\n"); ok {
			text, _, closed := strings.Cut(rest, "\n---\n")
			if !closed {
				return fmt.Errorf("file.txt: the front matter of %s does not end with ---", path.Base(file))
			}
			head = []byte(text)
		} else if path.Ext(file) != ".yml" && path.Ext(file) != ".yaml" {
			continue
		}
		var data map[string]any
		if err := yaml.Unmarshal(head, &data); err != nil {
			return fmt.Errorf("file.txt: is not YAML with a title such as %q: write {{yaml .Title}}: %w", sample().Subject, err)
		}
	}
	return nil
}

// sample is a message with everything in it, and signs that break YAML which is not written with care.
func sample() announce.Message {
	start := time.Date(2027, 1, 20, 23, 30, 0, 0, time.UTC)
	when := announce.When{Wall: "2027-01-20T18:30:00", Zone: "America/Toronto", Instant: start}
	title := `Éditeurs : "vim" & l'autre {{x}} # - [a]: yes`
	m := announce.Message{
		Key: "sample", Announcement: "01sample0000000000000000ab", Rev: 1, Kind: announce.KindEvent, Language: "fr", Subject: title, Created: start, Updated: start,
		Link: "https://example.org/", Topics: []string{"a", "b"}, Images: []announce.Picture{{Data: []byte("x"), Type: "image/png", Alt: title}},
		Event: &announce.Event{Start: when, Zone: when.Zone, Venue: &announce.Venue{Name: title, Address: title}, Partners: []announce.Partner{{Name: title}},
			Talks: []announce.Talk{{Title: title, Abstract: title, Speakers: []announce.Speaker{{Name: title}}}}},
	}
	for _, x := range []announce.Language{"fr", "en"} {
		m.Versions = append(m.Versions, announce.Version{Language: x, Subject: title, Summary: title, Text: title})
	}
	return m
}
