package templates

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/crieur/crieur/internal/announce"
)

func TestMarkups(t *testing.T) {
	r := newReader()
	for _, c := range []struct{ name, md, plain, markdown string }{
		{"emphasis", "a *b* **c** ~~d~~", "a b c d", "a *b* **c** ~~d~~"},
		{"link", "voir [la page](https://example.org/a_b)", "voir la page (https://example.org/a_b)", "voir [la page](<https://example.org/a_b>)"},
		{"link that says its address", "[example.org](https://example.org/)", "https://example.org/", "[example.org](<https://example.org/>)"},
		{"reference", "voir [a][1]\n\n[1]: https://example.org", "voir a (https://example.org)", "voir [a](<https://example.org>)"},
		{"bare address", "https://example.org/x_y_z.", "https://example.org/x_y_z.", "<https://example.org/x_y_z>."},
		{"www", "www.example.org ici", "www.example.org ici", "[www.example.org](<http://www.example.org>) ici"},
		{"mail", "<ada@example.org>", "ada@example.org", "<ada@example.org>"},
		{"script address", "[clic](javascript:alert(1))", "clic", "clic"},
		{"relative address", "[clic](/page)", "clic", "clic"},
		{"list", "- a\n- b\n  - c\n\n1. un\n2. deux", "• a\n• b\n  • c\n\n1. un\n2. deux", "- a\n- b\n  - c\n\n1. un\n2. deux"},
		{"tasks", "- [x] fait\n- [ ] à faire", "• ☑ fait\n• ☐ à faire", "- ☑ fait\n- ☐ à faire"},
		{"heading", "# Titre #1", "Titre #1", "## Titre \\#1"},
		{"quotation", "> a\n>\n> b", "> a\n>\n> b", "> a\n>\n> b"},
		{"code", "`a*b`\n\n```go\nx := 1\n```", "a*b\n\nx := 1", "`a*b`\n\n```go\nx := 1\n```"},
		{"code with ticks", "``a`b``", "a`b", "``a`b``"},
		{"indented code", "    x\n    y", "x\ny", "```\nx\ny\n```"},
		{"table", "| a | bb |\n|---|----|\n| été | d |", "a   | bb\nété | d", "```\na   | bb\nété | d\n```"},
		{"soft and hard breaks", "a\nb\\\nc", "a b\nc", "a b\\\nc"},
		{"rule", "a\n\n---\n\nb", "a\n\n* * *\n\nb", "a\n\n---\n\nb"},
		{"image", "![un chat](https://example.org/c.png)", "[un chat]", "\\[un chat\\]"},
		{"inline HTML", "a <b>gras</b> <script>x</script>", "a gras x", "a gras x"},
		{"HTML block", "<div>\n<p>Bonjour <b>toi</b></p><script>alert(1)</script>\n</div>", "Bonjour toi", "Bonjour toi"},
		{"entities", "a &amp; b &lt;c&gt; \\&amp; &#x202e;", "a & b <c> &amp;", "a \\& b \\<c\\> \\&amp;"},
		{"signs at the start of a line", "\\# a\\\n\\- b\\\n1\\. c\\\n\\+ d", "# a\n- b\n1. c\n+ d", "\\# a\\\n\\- b\\\n1\\. c\\\n\\+ d"},
		{"words with underscores", "snake_case et _x_", "snake_case et x", "snake_case et *x*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := r.parse(c.md)
			clean := func(s string) string { return tidy(s) }
			if got := clean(s.write(s.root, markup{links: true}).text); got != c.plain {
				t.Errorf("plain\ngot  %q\nwant %q", got, c.plain)
			}
			if got := clean(s.write(s.root, markup{links: true, markdown: true}).text); got != c.markdown {
				t.Errorf("Markdown\ngot  %q\nwant %q", got, c.markdown)
			}
		})
	}
}

func TestLinksAreLeftOut(t *testing.T) {
	r := newReader()
	s := r.parse("Voir [la page](https://example.org) ou [ici](mailto:ada@example.org).")
	for _, m := range []markup{{}, {markdown: true}} {
		if got := s.write(s.root, m).text; got != "Voir la page ou ici." {
			t.Errorf("%q", got)
		}
	}
	a := sample(t, "longest", announce.KindEvent)
	a.Texts["fr"] = announce.Text{Title: "Sans lien", Body: "Voir [la page](https://example.org)."}
	for _, account := range []string{"twitter", "slack", "plain"} {
		l := limitsOf(account)
		l.Links = false
		m, err := first(set(t).Render(Request{Account: account, Language: "fr", Announcement: a, Limits: l, Site: community()}))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(m.Text, "http") || m.Link != a.Link {
			t.Errorf("%s: link %q\n%s", account, m.Link, m.Text)
		}
	}
}

func TestHTMLIsClean(t *testing.T) {
	r := newReader()
	for md, want := range map[string]string{
		"# A\n\nb":                            "<h2>A</h2>\n<p>b</p>",
		"<script>alert(1)</script>\n\nb":      "<p>b</p>",
		"a <img src=x onerror=alert(1)>":      "<p>a </p>",
		"[a](javascript:alert(1))":            "<p>a</p>",
		"[a](https://example.org \"x\")":      `<p><a href="https://example.org">a</a></p>`,
		"![a](https://example.org/a.png)":     `<p><img src="https://example.org/a.png" alt="a"></p>`,
		"![a](data:image/png;base64,AAAA)":    `<p><img alt="a"></p>`,
		"- [x] a":                             "<ul>\n<li>☑ a</li>\n</ul>",
		"<div style=\"color:red\">a &lt; b":   "<p>a &lt; b</p>",
		"<div>&lt;script&gt;x&lt;/script&gt;": "<p>&lt;script&gt;x&lt;/script&gt;</p>",
	} {
		if got := string(r.html(r.parse(md))); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", md, got, want)
		}
	}
}

// What an author writes never acts: not as a template, not as markup where there is none, not as HTML.
func TestAuthorsTextIsInert(t *testing.T) {
	const nasty = `{{.Site}} {{template "subject"}} <script>alert(1)</script> <!channel> *gras* _x_ [a](b) </td> "quoted" &amp; \ # 1. ` + "`c`"
	a := sample(t, "longest", announce.KindReminder)
	a.Texts = map[announce.Language]announce.Text{"fr": {Title: nasty, Summary: nasty}}
	a.Event.Venue = &announce.Venue{Name: nasty, Address: nasty}
	a.Event.Talks = []announce.Talk{{Title: nasty, Speakers: []announce.Speaker{{Name: nasty, Handles: map[string]string{"twitter": "x"}}}}}
	a.Event.Partners = []announce.Partner{{Name: nasty}}
	s := set(t)
	for _, account := range []string{"plain", "email", "twitter"} {
		r := Request{Account: account, Language: "fr", Announcement: a, Limits: limitsOf(account), Site: community()}
		r.Limits.Text = 0
		m, err := first(s.Render(r))
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != "Rappel"+nbsp+": "+nasty || !strings.Contains(m.Text, nasty) {
			t.Errorf("%s: the text is not as written\n%s", account, m.Text)
		}
		for _, bad := range []string{"<script", "<!channel", "</td> \"", "{{template \"subject\"}} <"} {
			if strings.Contains(m.HTML, bad) {
				t.Errorf("%s: %q in the HTML", account, bad)
			}
		}
	}
	m := render(t, s, "slack", "fr", a)
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.Strikethrough)).Convert([]byte(m.Text), &b); err != nil {
		t.Fatal(err)
	}
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(nasty)
	for _, where := range []string{"</strong>" + nbsp + ": " + escaped, "<strong>" + escaped + "</strong>", "– " + escaped} {
		if !strings.Contains(b.String(), where) {
			t.Errorf("a reader of Markdown does not see %q in\n%s", where, b.String())
		}
	}
	if strings.Contains(b.String(), "raw HTML") {
		t.Errorf("raw HTML\n%s", b.String())
	}
}

func TestAddressesInTitlesStayLinks(t *testing.T) {
	if got := markdownText("voir https://example.org/a_b_c *ici*"); got != `voir <https://example.org/a_b_c> \*ici\*` {
		t.Error(got)
	}
}

func TestNestingIsBounded(t *testing.T) {
	r := newReader()
	for _, md := range []string{strings.Repeat(">", 20_000), strings.Repeat("> ", 20_000), strings.Repeat("- ", 20_000) + "a", strings.Repeat("1. ", 15_000) + "a"} {
		most := 0
		var walk func(n ast.Node, depth int)
		walk = func(n ast.Node, depth int) {
			most = max(most, depth)
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				walk(c, depth+1)
			}
		}
		walk(r.parse(md).root, 0)
		if most > 40 {
			t.Errorf("%.10q…: %d levels", md, most)
		}
	}
	if got := strings.Count(tame(strings.Repeat("[", 3000)), `\[`); got != 3000-mostBrackets {
		t.Errorf("%d brackets are words", got)
	}
}

// An author's Markdown, written again, never swallows what the template says after it, and shows the same words.
func FuzzMarkdownStaysInside(f *testing.F) {
	for _, md := range []string{
		longFrench, "```\nnever closed", "<!-- never closed", "<script>\nx", "- a\n\n      b", "[a]: https://example.org", "a\\", "~~~\n~~~~\n```", "> ```\n> a",
		"1) a\n\n\n   b\n- c\n* d", "***a***b*c***", "``` `\na", "a\n===", "| a |\n|---|\n| `|` |", "![[a](b)](c)", "&#10;- a", "\\\\", "`a\\`", "*a`*`", "_a_**b**_c_",
	} {
		f.Add(md)
	}
	r := newReader()
	other := goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.Strikethrough))
	f.Fuzz(func(t *testing.T, md string) {
		if !utf8.ValidString(md) || len(md) > 3000 || strings.ContainsFunc(md, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }) {
			return
		}
		s := r.parse(md)
		p := s.write(s.root, markup{markdown: true, links: true})
		for _, body := range []string{p.text, p.at(len(p.cuts()) / 2)} {
			doc := []byte("avant\n\n" + body + "\n\nla suite")
			last := other.Parser().Parse(text.NewReader(doc)).LastChild()
			if last.Kind() != ast.KindParagraph || strings.TrimSpace(string(last.Lines().Value(doc))) != "la suite" {
				t.Fatalf("%q was swallowed: %q", "la suite", body)
			}
		}
	})
}
