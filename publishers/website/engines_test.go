package website

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

var (
	hugoCommand     = flag.String("hugo", "", "the command hugo: builds a site from what the channel commits")
	jekyllCommand   = flag.String("jekyll", "", "the command jekyll, likewise")
	eleventyCommand = flag.String("eleventy", "", "the command eleventy, likewise")
)

// traps are texts that mean something to Markdown, to YAML or to a template engine.
func traps() []string {
	return []string{
		hostile, `{{< unclosed`, `{{% unclosed`, `{{</* shown */>}}`, `{{- .Site.Title -}}`, `{% endraw %}{% include x.html %}`, `{# note #}`, `{%- comment -%}`, `<!-- hidden -->`, `<!--more-->`,
		`&lt;b&gt; &amp; &#123;`, `\{{< x >}}`, `---`, `+++`, `[TOC]`, `{:toc}`, `{::options parse_block_html="true" /}`, `{: .class onclick="alert(1)"}`, `*[HTML]: abbreviation`, `[^1]: note`, `[x]: https://example.org`,
		`| a | b |`, `$$ x $$`, `:+1: :heart:`, `1) one`, `12. twelve`, `~~~`, "```", `===`, `* * *`, `\`, `*`, `_`, `a*b*c _d_`, `# title`, `> quote`, `%}`, `}}`, `{{`, `layout: evil`, `"quoted": 'yes'`, `<https://example.org>`, `[[wiki]]`, `C:\new\table`,
	}
}

// trapped is a message full of them: as words, as titles of sections, in lists, quotations, links and code.
func trapped() announce.Message {
	escape := func(s string) string {
		var out strings.Builder
		for _, r := range s {
			if r > ' ' && r < 0x7f && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z') && !('0' <= r && r <= '9') {
				out.WriteByte('\\')
			}
			out.WriteRune(r)
		}
		return out.String()
	}
	m := message(7)
	m.Topics = []string{"Go", "C++"}
	var md strings.Builder
	for i, s := range traps() {
		e := escape(s)
		fmt.Fprintf(&md, "%s\n\n- %s\n    1. %s\n\n> %s\n\n## Titre %d %s\n\n**%s** [%s](<https://example.org/%d?a=1&b={{c}}>)\n\n", e, e, e, e, i, e, e, e, i)
		if inCode(s) {
			fmt.Fprintf(&md, "`%s`\n\n~~~~\n%s\n%s\n~~~~\n\n- item\n\n  ~~~~\n  %s\n  ~~~~\n\n", s, s, s, s)
		}
	}
	m.Subject = "Pièges : " + hostile
	m.Images = []announce.Picture{{Data: pixel(), Type: "image/gif", Alt: hostile}}
	m.Versions = []announce.Version{{Language: "fr", Subject: m.Subject, Summary: hostile, Text: md.String()}, {Language: "en", Subject: "Traps", Summary: "x", Text: "See " + escape(hostile)}}
	return m
}

// inCode reports whether a trap is also set in code. Backquotes would end it, and Hugo's emoji are drawn in code too.
func inCode(s string) bool { return !strings.Contains(s, "`") && !emojiCode.MatchString(s) }

func pixel() []byte {
	return []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
}

func asItIs(s string) string { return s }

// built publishes the traps and lets the site's own program build what was committed. It returns the folder of the result.
func built(t *testing.T, change func(*Config), edit func(string) string, site map[string]string, command ...string) string {
	t.Helper()
	p, platform := open(t, change)
	platform.Commit(site)
	r, err := p.Publish(t.Context(), trapped())
	if err != nil {
		t.Fatal(err)
	}
	if shown, there, err := p.Find(t.Context(), trapped(), trapped().Created); err != nil || !there || shown.ID != r.ID {
		t.Fatalf("not found again: %v %v", there, err)
	}
	dir := t.TempDir()
	for name, text := range platform.Files(websitetest.Branch) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(edit(text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), command[0], command[1:]...)
	build.Dir = dir
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("the site cannot be built: %v\n%s", err, out)
	}
	return dir
}

// seen is what a reader sees of a page, and where its pictures lead.
func seen(t *testing.T, file string) (text string, pictures []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode:
			out.WriteString(n.Data)
		case n.Type == html.ElementNode && n.Data == "img":
			for _, a := range n.Attr {
				out.WriteString(map[string]string{"alt": " " + a.Val + " "}[a.Key])
				if a.Key == "src" {
					pictures = append(pictures, a.Val)
				}
			}
		case n.Type == html.ElementNode && (n.Data == "script" || n.Data == "b"):
			t.Errorf("the page holds a <%s> that somebody wrote", n.Data)
		}
		if n.Type == html.ElementNode {
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("an attribute %s got into <%s>", a.Key, n.Data)
				}
			}
		}
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(out.String()), " "), "\u2060", ""), pictures
}

func shows(t *testing.T, page string) {
	t.Helper()
	text, pictures := seen(t, page)
	for _, s := range traps() {
		want := 6
		if inCode(s) {
			want += 4
		}
		if n := strings.Count(text, strings.Join(strings.Fields(s), " ")); n < want {
			t.Errorf("%q is shown %d times, want %d", s, n, want)
		}
	}
	if len(pictures) != 1 {
		t.Errorf("pictures %v", pictures)
	}
	if t.Failed() {
		t.Logf("%.20000s", text)
	}
}

const plainPage = `<!doctype html><html><body><h1>%s</h1>%s</body></html>`

func TestHugoShowsItLiterally(t *testing.T) {
	if *hugoCommand == "" {
		t.Skip("NOT RUN: no -hugo (see .ci/servers/hugo/run.sh)")
	}
	dir := built(t, func(*Config) {}, asItIs, map[string]string{
		"hugo.toml":                    "",
		"config.toml":                  "baseURL = 'https://example.org/'\ndefaultContentLanguage = 'fr'\nenableEmoji = true\ndisableKinds = ['RSS']\n[markup.goldmark.extensions]\ntypographer = false\n[markup.goldmark.parser.attribute]\nblock = true\n[languages.fr]\n[languages.en]\n",
		"layouts/_default/single.html": fmt.Sprintf(plainPage, "{{ .Title }}", "{{ .Content }}"),
		"layouts/_default/list.html":   "{{ range .Pages }}{{ .RelPermalink }} {{ .Summary }}{{ end }}",
	}, *hugoCommand, "--quiet")
	pages, err := filepath.Glob(filepath.Join(dir, "public/posts/*/index.html"))
	if err != nil || len(pages) != 1 {
		t.Fatalf("pages: %v, %v", pages, err)
	}
	shows(t, pages[0])
	english := filepath.Join(dir, "public/en/posts", filepath.Base(filepath.Dir(pages[0])), "index.html")
	if text, _ := seen(t, english); !strings.Contains(text, "Traps") || !strings.Contains(text, hostile) {
		t.Errorf("the English page reads %q", text)
	}
	if _, pictures := seen(t, pages[0]); len(pictures) == 1 {
		if _, err := os.Stat(filepath.Join(dir, "public", filepath.FromSlash(pictures[0]))); err != nil {
			t.Errorf("the picture is not on the site: %v", err)
		}
	}
	t.Log("built with Hugo")
}

func TestJekyllShowsItLiterally(t *testing.T) {
	if *jekyllCommand == "" {
		t.Skip("NOT RUN: no -jekyll (see .ci/servers/hugo/run.sh)")
	}
	site := map[string]string{
		"_config.yml":        "title: x\nkramdown:\n  smart_quotes: apos,apos,quot,quot\n  typographic_symbols: {hellip: ..., mdash: ---, ndash: --, laquo: <<, raquo: '>>', laquo_space: '<< ', raquo_space: ' >>'}\n",
		"_layouts/post.html": fmt.Sprintf(plainPage, "{{ page.title | escape }}", "{{ content }}"),
		"index.html":         "---\n---\n{% for p in site.posts %}{{ p.url }} {{ p.excerpt }}{% endfor %}\n",
	}
	older := func(s string) string { return strings.Replace(s, "render_with_liquid: false\n", "", 1) } // which Jekyll 3 does not know
	for name, edit := range map[string]func(string) string{"4": asItIs, "3": older} {
		t.Run("as Jekyll "+name, func(t *testing.T) {
			dir := built(t, func(c *Config) { c.Layout = "jekyll" }, edit, site, *jekyllCommand, "build", "--quiet", "--trace")
			pages, err := filepath.Glob(filepath.Join(dir, "_site/posts/*/index.html"))
			if err != nil || len(pages) != 1 {
				t.Fatalf("pages: %v, %v", pages, err)
			}
			shows(t, pages[0])
			if _, pictures := seen(t, pages[0]); len(pictures) == 1 {
				if _, err := os.Stat(filepath.Join(dir, "_site", filepath.FromSlash(pictures[0]))); err != nil {
					t.Errorf("the picture is not on the site: %v", err)
				}
			}
		})
	}
	t.Log("built with Jekyll")
}

func TestEleventyShowsItLiterally(t *testing.T) {
	if *eleventyCommand == "" {
		t.Skip("NOT RUN: no -eleventy (see .ci/servers/hugo/run.sh)")
	}
	site := map[string]string{
		".eleventy.js":            "module.exports = c => { c.addPassthroughCopy('posts/*.{png,jpg,gif,webp}'); };\n",
		"_includes/post.njk":      fmt.Sprintf(plainPage, "{{ title }}", "{{ content | safe }}"),
		"posts/posts.json":        `{"layout":"post.njk","tags":"posts"}`,
		"index.njk":               "{% for p in collections.posts %}{{ p.url }}{% endfor %}\n",
		"README.md":               "",
		"content/posts/_index.md": "",
	}
	dir := built(t, func(c *Config) { c.Layout = "eleventy" }, asItIs, site, *eleventyCommand, "--quiet")
	pages, err := filepath.Glob(filepath.Join(dir, "_site/posts/*/index.html"))
	if err != nil || len(pages) != 1 {
		t.Fatalf("pages: %v, %v", pages, err)
	}
	shows(t, pages[0])
	if _, pictures := seen(t, pages[0]); len(pictures) == 1 {
		if _, err := os.Stat(filepath.Join(dir, "_site", filepath.FromSlash(pictures[0]))); err != nil {
			t.Errorf("the picture is not on the site: %v", err)
		}
	}
	t.Log("built with Eleventy")
}
