package slack

import (
	"regexp"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

const (
	deepest     = 4  // lists nested deeper are shown at this depth
	maxDividers = 10 // more are left out, so that a post never has too many blocks
)

// bareAddress is an address in running text. Unlike goldmark's own it may hold letters of any language.
var bareAddress = regexp.MustCompile(`^https?://[-\pL\pM\pN@:%._+~#=]{1,256}(?::\d+)?(?:[/#?][-\pL\pM\pN@:%_+.~#$!?&/=();,'^{}\[\]]*)?`)

// newMarkdown reads Markdown without raw HTML: "<!channel>" is nothing but words. Safe for concurrent use.
func newMarkdown() parser.Parser {
	without := func(all []util.PrioritizedValue, priority int) []util.PrioritizedValue {
		return slices.DeleteFunc(all, func(v util.PrioritizedValue) bool { return v.Priority == priority })
	}
	const htmlBlock, rawHTML = 900, 400 // their priorities among goldmark's parsers
	return goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(without(parser.DefaultBlockParsers(), htmlBlock)...),
			parser.WithInlineParsers(without(parser.DefaultInlineParsers(), rawHTML)...),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extension.NewLinkify(extension.WithLinkifyURLRegexp(bareAddress)), extension.Strikethrough),
	).Parser()
}

// writer turns parsed Markdown into rich text, where no character of the author's means anything to Slack.
type writer struct {
	src      []byte
	blocks   []slackgo.Block
	elements []slackgo.RichTextElement // of the rich text under way
	spans    []span                    // of the section under way
	dividers int
}

// translate returns md as blocks. A first line that repeats title is left out: the header says it.
func translate(p parser.Parser, md, title string) []slackgo.Block {
	w := &writer{src: []byte(md)}
	root := p.Parse(text.NewReader(w.src))
	if first := root.FirstChild(); first != nil && title != "" && (first.Kind() == ast.KindHeading || first.Kind() == ast.KindParagraph) {
		var said []span
		w.inlines(first, style{}, &said)
		if sameWords(words(said), title) {
			root.RemoveChild(root, first)
		}
	}
	w.flow(root)
	w.endBlock()
	return w.blocks
}

func (w *writer) flow(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.LinkReferenceDefinition:
		case *ast.List:
			w.endSection()
			w.list(n, 0)
		case *ast.Blockquote:
			w.endSection()
			if spans := w.flat(n, style{}); len(spans) > 0 {
				w.elements = append(w.elements, &slackgo.RichTextQuote{Type: slackgo.RTEQuote, Elements: spans})
			}
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			w.endSection()
			if code := w.code(n); code != "" {
				w.elements = append(w.elements, &slackgo.RichTextPreformatted{Type: slackgo.RTEPreformatted, Elements: []span{slackgo.NewRichTextSectionTextElement(code, nil)}})
			}
		case *ast.ThematicBreak:
			if w.dividers++; w.dividers > maxDividers {
				continue
			}
			w.endBlock()
			if len(w.blocks) > 0 && n.NextSibling() != nil {
				w.blocks = append(w.blocks, slackgo.NewDividerBlock())
			}
		default: // paragraphs and headings
			var said []span
			w.inlines(n, style{Bold: n.Kind() == ast.KindHeading}, &said)
			if len(said) == 0 {
				continue
			}
			switch {
			case len(w.spans) > 0:
				w.spans = say(w.spans, "\n\n", style{})
			case len(w.elements) > 0:
				w.spans = say(w.spans, "\n", style{})
			}
			w.spans = join(w.spans, said)
		}
	}
}

func (w *writer) endSection() {
	if len(w.spans) > 0 {
		w.elements = append(w.elements, slackgo.NewRichTextSection(w.spans...))
	}
	w.spans = nil
}

func (w *writer) endBlock() {
	w.endSection()
	if len(w.elements) > 0 {
		w.blocks = append(w.blocks, slackgo.NewRichTextBlock("", w.elements...))
	}
	w.elements = nil
}

// list writes one list; the lists inside its items follow them with a deeper indent, as Slack has it.
func (w *writer) list(l *ast.List, depth int) {
	kind, offset := slackgo.RTEListBullet, 0
	if l.IsOrdered() {
		kind, offset = slackgo.RTEListOrdered, max(l.Start-1, 0)
	}
	var items []slackgo.RichTextElement
	end := func() {
		if len(items) > 0 {
			list := slackgo.NewRichTextList(kind, min(depth, deepest), items...)
			if l.IsOrdered() {
				list.Offset, offset = offset, offset+len(items)
			}
			w.elements = append(w.elements, list)
		}
		items = nil
	}
	for item := l.FirstChild(); item != nil; item = item.NextSibling() {
		if spans := w.flat(item, style{}); len(spans) > 0 {
			items = append(items, slackgo.NewRichTextSection(spans...))
		}
		for n := item.FirstChild(); n != nil; n = n.NextSibling() {
			if inner, ok := n.(*ast.List); ok {
				end()
				w.list(inner, depth+1)
			}
		}
	}
	end()
}

// flat is everything in a quotation or a list item, line after line. Lists in list items are left to list.
func (w *writer) flat(parent ast.Node, s style) []span {
	var all []span
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		var said []span
		switch n := n.(type) {
		case *ast.LinkReferenceDefinition, *ast.ThematicBreak:
		case *ast.List:
			if parent.Kind() == ast.KindListItem {
				continue
			}
			for item := n.FirstChild(); item != nil; item = item.NextSibling() {
				if item != n.FirstChild() {
					said = say(said, "\n", s)
				}
				said = join(say(said, "• ", s), w.flat(item, s))
			}
		case *ast.Blockquote, *ast.ListItem:
			said = w.flat(n, s)
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			said = say(said, w.code(n), style{Code: true})
		default:
			inner := s
			inner.Bold = s.Bold || n.Kind() == ast.KindHeading
			w.inlines(n, inner, &said)
		}
		if len(all) > 0 && len(said) > 0 {
			all = say(all, "\n", s)
		}
		all = join(all, said)
	}
	return all
}

func (w *writer) inlines(parent ast.Node, s style, to *[]span) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			value := string(n.Segment.Value(w.src))
			if !n.IsRaw() {
				value = resolve(value)
			}
			if n.HardLineBreak() || n.SoftLineBreak() {
				value += "\n"
			}
			*to = say(*to, value, s)
		case *ast.String:
			*to = say(*to, string(n.Value), s)
		case *ast.CodeSpan:
			code := s
			code.Code = true
			var b strings.Builder
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				if t, ok := c.(*ast.Text); ok {
					b.Write(t.Segment.Value(w.src))
				}
			}
			*to = say(*to, strings.ReplaceAll(b.String(), "\n", " "), code)
		case *ast.Emphasis:
			inner := s
			inner.Italic, inner.Bold = s.Italic || n.Level == 1, s.Bold || n.Level == 2
			w.inlines(n, inner, to)
		case *east.Strikethrough:
			inner := s
			inner.Strike = true
			w.inlines(n, inner, to)
		case *ast.Link:
			w.link(n, string(n.Destination), s, to)
		case *ast.Image:
			w.link(n, string(n.Destination), s, to)
		case *ast.AutoLink:
			address := string(n.URL(w.src))
			if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(address, "mailto:") {
				address = "mailto:" + address
			}
			*to = point(*to, string(n.Label(w.src)), address, s)
		default:
			w.inlines(n, s, to)
		}
	}
}

func (w *writer) link(n ast.Node, destination string, s style, to *[]span) {
	var label []span
	w.inlines(n, style{}, &label)
	*to = point(*to, words(label), resolve(destination), s)
}

func (w *writer) code(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Write(line.Value(w.src))
	}
	return strings.TrimRight(b.String(), " \t\n")
}
