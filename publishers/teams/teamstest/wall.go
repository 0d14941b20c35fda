package teamstest

import (
	"bytes"
	"html/template"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

var (
	date   = regexp.MustCompile(`\{\{(?:DATE|TIME)\([^)]*\)\}\}`)
	struck = regexp.MustCompile(`~~[^~]+~~`)
	call   = regexp.MustCompile(`<at>[^<]*</at>`)
	page   = template.Must(template.New("").Parse(`<article class="teams"{{with .Lang}} lang="{{.}}"{{end}}>` +
		`{{range .Parts}}{{if .Separator}}<hr>{{end}}` +
		`{{if .Alt}}<img src="{{.URL}}" alt="{{.Alt}}" loading="lazy">{{else}}<div class="{{.Class}}">{{.HTML}}</div>{{end}}{{end}}` +
		`{{range .Actions}}<p><a class="button" href="{{.URL}}" rel="noreferrer">{{.Title}}</a></p>{{end}}</article>`))
)

type part struct {
	Separator       bool
	URL, Alt, Class string
	HTML            template.HTML
}

// show is the card as a client with the whole of Markdown shows it, as words and as HTML, and how many people were called by now.
func (c *card) show(pings int) (string, string, int) {
	md := goldmark.New(goldmark.WithExtensions(extension.Linkify))
	var words []string
	var parts []part
	for _, e := range c.Body {
		x := part{Separator: e.Separator, Class: strings.ToLower(strings.Join(strings.Fields("text "+e.Size+" "+e.Weight+" "+e.FontType), " "))}
		if e.Type == "Image" {
			x.URL, x.Alt = e.URL, e.AltText
			words = append(words, "["+e.AltText+"]")
			parts = append(parts, x)
			continue
		}
		pings += len(call.FindAllString(e.Text, -1))
		src := []byte(struck.ReplaceAllString(date.ReplaceAllString(e.Text, "31/12/1999"), "{struck}"))
		var b bytes.Buffer
		if md.Convert(src, &b) == nil {
			x.HTML = template.HTML(strings.TrimSpace(b.String())) //nolint:gosec // goldmark without raw HTML escapes it
		}
		parts = append(parts, x)
		words = append(words, said(md.Parser().Parse(text.NewReader(src)), src))
	}
	var out strings.Builder
	if err := page.Execute(&out, map[string]any{"Lang": c.Lang, "Parts": parts, "Actions": c.Actions}); err != nil {
		return "", "", pings
	}
	return strings.Join(words, "\n"), out.String(), pings
}

// said is what a reader sees, without what shows nothing. A structure that only Markdown makes is written out, so that it
// does not pass for the author's words.
func said(n ast.Node, src []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Document, *ast.Paragraph, *ast.Emphasis, *ast.Link:
		case *ast.Text:
			b.Write(util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(n.Segment.Value(src)))))
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(src))
		default:
			b.WriteString("{" + n.Kind().String() + "}")
		}
		return ast.WalkContinue, nil
	})
	return strings.ReplaceAll(b.String(), "\u2060", "")
}
