package templates

import (
	"bytes"
	"html/template"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/html"
)

// reader reads authors' Markdown. Raw HTML loses its tags and keeps its words. Safe for concurrent use.
type reader struct {
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
}

func newReader() *reader {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li",
		"table", "thead", "tbody", "tr", "th", "td")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src", "alt").OnElements("img")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	return &reader{
		markdown: goldmark.New(
			goldmark.WithExtensions(extension.Linkify, extension.Strikethrough, extension.Table, extension.TaskList),
			goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(plainer{}, 100))),
		),
		policy: p,
	}
}

// source is an author's Markdown, parsed.
type source struct {
	bytes []byte
	root  ast.Node
}

func (r *reader) parse(s string) source {
	b := []byte(tame(blankStart.ReplaceAllString(strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), " \t\n"), "")))
	return source{b, r.markdown.Parser().Parse(text.NewReader(b))}
}

var blankStart = regexp.MustCompile(`^(?:[ \t]*\n)+`)

const mostBrackets = 1000

var nested = regexp.MustCompile(`(?m)^((?:[ \t]*(?:>|[-+*][ \t]|[0-9]{1,9}[.)][ \t])){12}[ \t]*)([>+*0-9-])`)

// tame bounds what makes the parser's work grow with the square of the text: quotations and lists within each other on one
// line, and brackets. What is beyond stays as words.
func tame(s string) string {
	s = nested.ReplaceAllString(s, `$1\$2`)
	if strings.Count(s, "[") <= mostBrackets {
		return s
	}
	parts := strings.SplitN(s, "[", mostBrackets+1)
	parts[mostBrackets] = strings.ReplaceAll(parts[mostBrackets], "[", `\[`)
	return strings.Join(parts, "[")
}

// html is the Markdown as HTML that is safe to embed anywhere. Headings begin at h2: the title is the h1.
func (r *reader) html(s source) template.HTML {
	var b bytes.Buffer
	if err := r.markdown.Renderer().Render(&b, s.bytes, s.root); err != nil {
		return "" // a bytes.Buffer takes everything; the renderer knows every node of its own parser
	}
	return template.HTML(strings.TrimSpace(r.policy.Sanitize(b.String()))) // #nosec G203 -- sanitised on this line
}

// plainer is the parser's last step: HTML blocks become paragraphs of their words, check
// boxes become signs, headings leave room for the title.
type plainer struct{}

func (plainer) Transform(doc *ast.Document, r text.Reader, _ parser.Context) {
	var blocks []*ast.HTMLBlock
	var boxes []*east.TaskCheckBox
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			blocks = append(blocks, n)
		case *ast.Heading:
			n.Level = min(n.Level+1, 6)
		case *east.TaskCheckBox:
			boxes = append(boxes, n)
		}
		return ast.WalkContinue, nil
	})
	for _, b := range boxes {
		b.Parent().ReplaceChild(b.Parent(), b, ast.NewString([]byte(map[bool]string{true: "☑ ", false: "☐ "}[b.IsChecked])))
	}
	for _, b := range blocks {
		words := wordsOf(htmlOf(b, r.Source()))
		if words == "" {
			b.Parent().RemoveChild(b.Parent(), b)
			continue
		}
		p, s := ast.NewParagraph(), ast.NewString([]byte(words))
		s.SetRaw(true)
		p.AppendChild(p, s)
		p.SetBlankPreviousLines(b.HasBlankPreviousLines())
		b.Parent().ReplaceChild(b.Parent(), b, p)
	}
}

func htmlOf(b *ast.HTMLBlock, src []byte) []byte {
	var out []byte
	for i := range b.Lines().Len() {
		line := b.Lines().At(i)
		out = append(out, line.Value(src)...)
	}
	if b.HasClosure() {
		out = append(out, b.ClosureLine.Value(src)...)
	}
	return out
}

// wordsOf is what a reader of the HTML would read, on one line; scripts and styles are not read.
func wordsOf(b []byte) string {
	var out []string
	z := html.NewTokenizer(bytes.NewReader(b))
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.Join(strings.Fields(strings.Join(out, " ")), " ")
		case html.StartTagToken:
			if name, _ := z.TagName(); string(name) == "script" || string(name) == "style" {
				hidden++
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); hidden > 0 && (string(name) == "script" || string(name) == "style") {
				hidden--
			}
		case html.TextToken:
			if hidden == 0 {
				out = append(out, string(z.Text()))
			}
		}
	}
}

// lead is the first sentences of the first paragraph, plain, on one line; empty when there is no paragraph.
func (s source) lead(most int) string {
	for n := s.root.FirstChild(); n != nil; n = n.NextSibling() {
		if p, ok := n.(*ast.Paragraph); ok {
			w := &writer{src: s.bytes}
			w.inlines(p)
			if words := oneLine(string(w.out)); words != "" {
				return firstSentences(words, most)
			}
		}
	}
	return ""
}
