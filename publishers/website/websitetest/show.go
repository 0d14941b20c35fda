package websitetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/goccy/go-yaml"
	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"github.com/crieur/crieur/publishers/sim"
)

// announcement is the ID in a file's name.
var announcement = regexp.MustCompile(`[0-9a-hjkmnp-tv-z]{26}`)

// build makes the site anew from the branches, and notes what readers see. An announcement's branch shows as its pull
// request would: that version comes before the main one.
func (p *Platform) build() {
	files := map[string]map[string]plumbing.Hash{} // by announcement and path
	commits := map[string]plumbing.Hash{}
	branches := []string{Branch}
	all, _ := p.store.IterReferences() // memory does not fail
	_ = all.ForEach(func(r *plumbing.Reference) error {
		if strings.HasPrefix(r.Name().String(), "refs/heads/crieur/") {
			branches = append(branches, r.Name().Short())
		}
		return nil
	})
	for _, branch := range branches {
		head := p.head(branch)
		mine := map[string]map[string]plumbing.Hash{}
		for name, h := range p.blobs(head) {
			if id := announcement.FindString(path.Base(name)); id != "" && (branch == Branch || branch == "crieur/"+id) {
				if mine[id] == nil {
					mine[id] = map[string]plumbing.Hash{}
				}
				mine[id][name] = h
			}
		}
		if id, ok := strings.CutPrefix(branch, "crieur/"); ok {
			delete(files, id)
		}
		for id, f := range mine {
			files[id], commits[id] = f, head
		}
	}
	for i := range p.posts {
		p.posts[i].Deleted = files[p.posts[i].ID] == nil
	}
	for _, id := range slices.Sorted(maps.Keys(files)) {
		post, shown := p.show(id, files[id])
		i := slices.IndexFunc(p.posts, func(x sim.Post) bool { return x.ID == id })
		switch {
		case i < 0 && !shown:
		case i < 0:
			p.credit(&post, commits[id])
			p.posts = append(p.posts, post)
		case !shown:
			p.posts[i].Deleted = true
		case p.posts[i].HTML != post.HTML:
			post.Edited, post.At = p.posts[i].Edited+1, p.posts[i].At
			p.credit(&post, commits[id])
			p.posts[i] = post
		}
	}
}

// credit notes who committed a post, and for which delivery.
func (p *Platform) credit(post *sim.Post, commit plumbing.Hash) {
	c, err := object.GetCommit(p.store, commit)
	if err != nil {
		return
	}
	if post.Author = c.Author.Name; post.At.IsZero() {
		post.At = time.Now().UTC()
	}
	for line := range strings.Lines(c.Message) {
		if key, ok := strings.CutPrefix(line, "Delivery-Id: "); ok {
			post.Key = strings.TrimSpace(key)
		}
	}
}

// show is an announcement as readers see it, or not at all if it is a draft.
func (p *Platform) show(id string, files map[string]plumbing.Hash) (sim.Post, bool) {
	post := sim.Post{ID: id}
	names := slices.Sorted(maps.Keys(files))
	slices.SortStableFunc(names, func(a, b string) int { return french(b) - french(a) })
	for _, name := range names {
		content := p.text(files[name])
		var facts map[string]any
		var body string
		switch path.Ext(name) {
		case ".md":
			head, rest, ok := strings.Cut(strings.TrimPrefix(content, "---\n"), "\n---\n")
			if err := yaml.Unmarshal([]byte(head), &facts); err != nil || !ok || !strings.HasPrefix(content, "---\n") {
				return failed(post, name, "the front matter is not YAML"), true
			}
			if runs(rest) && facts["templateEngineOverride"] == nil {
				return failed(post, name, "the text calls a shortcode that does not exist"), true
			}
			body = rest
		case ".yml":
			if err := yaml.Unmarshal([]byte(content), &facts); err != nil {
				return failed(post, name, "the file is not YAML"), true
			}
		default:
			continue
		}
		if facts["draft"] == true || facts["published"] == false || facts["permalink"] == false {
			return post, false
		}
		title := fmt.Sprint(facts["title"])
		shown := p.html(body, files)
		if post.Subject == "" {
			post.Subject, post.Raw, post.URL = title, content, SiteURL+"/posts/"+strings.TrimSuffix(path.Base(name), path.Ext(name))+"/"
		}
		post.Text += title + "\n\n" + strings.TrimSpace(html.UnescapeString(bluemonday.StrictPolicy().Sanitize(shown))) + "\n\n"
		post.HTML += article(title, languageOf(name, facts), facts, shown)
		if pictures, ok := facts["pictures"].([]any); ok && len(post.Images) == 0 {
			for _, x := range pictures {
				if m, ok := x.(map[string]any); ok {
					post.Images = append(post.Images, sim.Image{URL: SiteURL + fmt.Sprint(m["src"]), Alt: fmt.Sprint(m["alt"])})
				}
			}
		}
	}
	post.Text = strings.TrimSpace(post.Text)
	return post, post.Subject != ""
}

// languageOf is the language of a page, from its front matter or from its name.
func languageOf(name string, facts map[string]any) string {
	if lang, ok := facts["lang"].(string); ok {
		return lang
	}
	return strings.TrimPrefix(path.Ext(strings.TrimSuffix(name, path.Ext(name))), ".")
}

func french(name string) int {
	if strings.Contains(name, ".fr.") {
		return 1
	}
	return 0
}

func failed(post sim.Post, name, why string) sim.Post {
	post.Subject, post.Text = "The site could not be built", name+": "+why
	post.HTML = "<p>" + template.HTMLEscapeString(post.Text) + "</p>"
	return post
}

var (
	shortcode = regexp.MustCompile(`\{\{[<%]`)                            // what Hugo would run
	shownCode = regexp.MustCompile(`(?s)(\{\{[<%])/\*(.*?)\*/([>%]\}\})`) // what it shows instead
)

// runs reports whether Hugo would run something in a text. What stands between {{</* and */>}} is shown.
func runs(body string) bool {
	for _, at := range shortcode.FindAllStringIndex(body, -1) {
		if !strings.HasPrefix(body[at[1]:], "/*") {
			return true
		}
	}
	return false
}

// html is a text as Hugo makes it: Markdown without raw HTML. Pictures stand in the page itself.
func (p *Platform) html(body string, files map[string]plumbing.Hash) string {
	body = shownCode.ReplaceAllString(body, "$1$2$3")
	md := goldmark.New()
	src := []byte(body)
	doc := md.Parser().Parse(text.NewReader(src))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if img, ok := n.(*ast.Image); ok && entering {
			for name, h := range files {
				if path.Base(name) == path.Base(string(img.Destination)) {
					data := p.text(h)
					img.Destination = []byte("data:" + http.DetectContentType([]byte(data)) + ";base64," + base64.StdEncoding.EncodeToString([]byte(data)))
				}
			}
		}
		return ast.WalkContinue, nil
	})
	var out bytes.Buffer
	if err := md.Renderer().Render(&out, src, doc); err != nil {
		return ""
	}
	return out.String()
}

var articleHTML = template.Must(template.New("article").Parse(`<article class="page"{{with .Lang}} lang="{{.}}"{{end}}><h2>{{.Title}}</h2>
{{with .Facts}}<dl class="facts">{{range .}}<dt>{{.Key}}</dt><dd>{{.Value}}</dd>{{end}}</dl>
{{end}}{{.Body}}</article>
`))

type fact struct{ Key, Value string }

// article is a page in one language: its title, what the front matter says of the event, its text.
func article(title, lang string, facts map[string]any, body string) string {
	var list []fact
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		value := fmt.Sprint(facts[key])
		if strings.HasPrefix(key, "event_") || key == "location" || key == "date" {
			list = append(list, fact{strings.ReplaceAll(strings.TrimPrefix(key, "event_"), "_", " "), value})
		}
	}
	var out bytes.Buffer
	err := articleHTML.Execute(&out, struct {
		Lang, Title string
		Facts       []fact
		Body        template.HTML
	}{lang, title, list, template.HTML(body)}) // #nosec G203 -- goldmark without raw HTML
	if err != nil {
		return ""
	}
	return out.String()
}
