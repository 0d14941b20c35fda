package website

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// rendered is an announcement as files.
type rendered struct {
	change  change
	paths   []string // of its own files: the page in the site's first language, the others, pictures, data
	address string   // of the first page, from the site's root
}

// takes reports whether the layout has a place for such an announcement.
func (l *layout) takes(m announce.Message) error {
	switch {
	case !announcementID.MatchString(string(m.Announcement)):
		return &announce.Error{Outcome: announce.Permanent, Fault: "the website was given a message of no announcement, which has no place there"}
	case l.kind == plainData && (m.Event == nil || m.Kind != announce.KindEvent):
		return &announce.Error{Outcome: announce.Permanent, Field: "kind", Fault: fmt.Sprintf(
			"the website keeps a data file per event, and this is a %s: nothing to do there. To correct or call off an event, amend its announcement; leave this account out of the channels of others", m.Kind)}
	}
	return nil
}

// render tells what the message wants of the repository. before are the announcement's paths so far, as far as they are known.
func (l *layout) render(v view, m announce.Message, before []string) (rendered, error) {
	m.Images = slices.DeleteFunc(slices.Clone(m.Images), func(x announce.Picture) bool { return len(x.Data) == 0 })
	companions := map[string][]byte{}
	refer := func(e *event) error {
		if e == nil || l.kind != plainData && l.data == "" {
			return nil
		}
		return l.refer(v, e, companions)
	}
	proposed := l.proposal(m)
	first := l.pages(m)[0]
	first.Name = proposed
	wish, _, err := l.place(l.path, first, m.Announcement)
	if err != nil {
		return rendered{}, err
	}
	kept, err := l.frozen(v, wish, proposed, m.Announcement, before)
	if err != nil {
		return rendered{}, err
	}
	out, err := l.compose(v, m, refer, kept, companions)
	if err != nil {
		return rendered{}, err
	}
	out.change.remove, err = l.strays(v, m.Announcement, append(slices.Clone(before), out.paths...))
	out.change.remove = slices.DeleteFunc(out.change.remove, func(p string) bool { return slices.Contains(out.paths, p) })
	return out, err
}

// frozen is the name under which the announcement stands in the repository already, else the proposed one.
func (l *layout) frozen(v view, wish, proposed string, id announce.ID, before []string) (string, error) {
	parts := split(wish)
	at := slices.IndexFunc(parts, func(s string) bool { return strings.Contains(s, string(id)) })
	prefix, _, ok := strings.Cut(parts[at], proposed)
	if !ok {
		return proposed, nil
	}
	folder := strings.Join(parts[:at], "/")
	entries, err := v.list(folder)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	for _, p := range before {
		if had := split(p); len(had) > at && strings.Join(had[:at], "/") == folder {
			names = append(names, had[at])
		}
	}
	for _, n := range names {
		if i := strings.Index(n, string(id)); i >= len(prefix) && strings.HasPrefix(n, prefix) {
			return n[len(prefix) : i+len(id)], nil
		}
	}
	return proposed, nil
}

// compose runs the templates.
func (l *layout) compose(v view, m announce.Message, refer func(*event) error, called string, companions map[string][]byte) (rendered, error) {
	if called == "" {
		called = l.proposal(m)
	}
	out := rendered{change: change{put: map[string][]byte{}}}
	put := func(file string, content []byte) error {
		if _, twice := out.change.put[file]; twice {
			return &announce.Error{Outcome: announce.Permanent, Fault: "the templates of the website give two files the path " + file + ": use .Suffix in path.txt, and .Number in image.txt"}
		}
		out.change.put[file] = content
		out.paths = append(out.paths, file)
		return nil
	}
	pages := l.pages(m)
	images, err := l.images(m, called)
	if err != nil {
		return rendered{}, err
	}
	for i := range pages {
		p := &pages[i]
		p.Name, p.Images = called, images
		if refer != nil {
			if err := refer(p.Event); err != nil {
				return rendered{}, err
			}
		}
		file, address, err := l.place(l.path, p, m.Announcement)
		if err != nil {
			return rendered{}, err
		}
		if p.Address = address; i == 0 {
			out.address = address
		}
		text, err := l.run(l.file, p)
		if err == nil {
			err = put(file, []byte(strings.TrimRight(text, "\n")+"\n"))
		}
		if err != nil {
			return rendered{}, err
		}
	}
	for i, x := range images {
		if err := put(x.Path, m.Images[i].Data); err != nil {
			return rendered{}, err
		}
	}
	if l.data != "" && m.Event != nil && m.Kind == announce.KindEvent {
		text, err := l.run(l.record, &pages[0])
		if err == nil {
			err = put(l.data+"/"+called+".yml", []byte(strings.TrimRight(text, "\n")+"\n"))
		}
		if err != nil {
			return rendered{}, err
		}
	}
	for file, content := range companions {
		out.change.put[file] = content
	}
	return out, nil
}

func (l *layout) images(m announce.Message, called string) ([]image, error) {
	if !l.pictures {
		return nil, nil
	}
	var out []image
	for i, x := range m.Images {
		to := image{Name: called, Folder: l.folder, Number: i + 1, Extension: suffixOf(x.Type), Alt: strings.Join(strings.Fields(x.Alt), " "), Width: x.Width, Height: x.Height}
		var err error
		if to.Path, to.Address, err = l.place(l.image, to, m.Announcement); err != nil {
			return nil, err
		}
		to.Caption = engine(l.kind).caption(x.Alt)
		to.URL = l.below + to.Address
		out = append(out, to)
	}
	return out, nil
}

func suffixOf(media string) string {
	switch media {
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	}
	return ".png"
}

// strays are the announcement's files in the repository: those known, and what stands beside them under its ID.
func (l *layout) strays(v view, id announce.ID, known []string) ([]string, error) {
	out := slices.Clone(known)
	var seen []string
	for _, p := range known {
		folder := path.Dir(p)
		if !strings.Contains(path.Base(p), string(id)) || slices.Contains(seen, folder) {
			continue
		}
		seen = append(seen, folder)
		entries, err := v.list(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if strings.Contains(e.Name, string(id)) && e.Mode.IsFile() {
				out = append(out, path.Join(folder, e.Name))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// withdraw deletes the announcement's files, or makes drafts of its pages and deletes its data.
func (l *layout) withdraw(v view, id announce.ID, known []string) (change, error) {
	all, err := l.strays(v, id, known)
	if err != nil || !l.drafts {
		return change{remove: all}, err
	}
	c := change{put: map[string][]byte{}}
	for _, p := range all {
		e, there, err := v.find(p)
		if err != nil {
			return change{}, err
		}
		content := string(v.read(e))
		switch {
		case !there:
		case l.data != "" && path.Dir(p) == l.data:
			c.remove = append(c.remove, p)
		case strings.HasPrefix(content, "---\n"):
			c.put[p] = []byte(l.draft(content))
		}
	}
	return c, nil
}

// draft is a page that the site's engine leaves out.
func (l *layout) draft(content string) string {
	switch engine(l.kind) {
	case jekyll:
		return set(content, "published", "false")
	case eleventy:
		return set(set(content, "eleventyExcludeFromCollections", "true"), "permalink", "false")
	}
	return set(content, "draft", "true")
}

// set gives a key of the front matter a value.
func set(content, key, value string) string {
	head, rest, _ := strings.Cut(strings.TrimPrefix(content, "---\n"), "\n---\n")
	lines := slices.DeleteFunc(strings.Split(head, "\n"), func(s string) bool { return strings.HasPrefix(s, key+":") })
	return "---\n" + strings.Join(append(lines, key+": "+value), "\n") + "\n---\n" + rest
}

// look tells when the repository does not look like what LAYOUT says.
func (l *layout) look(v view) (*announce.Finding, error) {
	marks := map[string][]string{
		string(hugo):   {"hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml", "config.yml", "config.json", "config"},
		string(jekyll): {"_config.yml", "_config.yaml", "_config.toml"},
	}[l.kind]
	root := split(l.folder)[0]
	if marks == nil || root != "content" && root != "_posts" {
		return nil, nil
	}
	entries, err := v.list("")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if slices.Contains(marks, e.Name) {
			return nil, nil
		}
	}
	return &announce.Finding{What: "The repository has no configuration of " + l.kind + " at its root.", Do: "Check REPOSITORY, BRANCH and LAYOUT, and FOLDER if the site is in a folder of its own."}, nil
}
