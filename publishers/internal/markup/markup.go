// Package markup reads the Markdown of a message as a flat list of blocks, so that a channel can write it in its
// platform's own markup without knowing Markdown. No character of the author's means anything but itself.
package markup

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Kind is what a block is.
type Kind int

// The kinds of blocks.
const (
	Paragraph Kind = iota
	Heading
	Item // of a list
	Code // preformatted lines, in the only span
	Rule // a line across, without spans
)

// Block is one paragraph, heading, list item or listing.
type Block struct {
	Kind   Kind
	Level  int    // of a Heading, from 1
	Depth  int    // of an Item, from 0
	Number int    // of an Item of a numbered list; 0: bulleted
	More   bool   // a further paragraph of the Item before it
	Quote  int    // how many quotations it stands in
	Spans  []Span // one line break in their text begins a new line of the block
}

// Span is a run of text in one style.
type Span struct {
	Text                       string
	Link                       string // http, https or mailto; empty: none
	Bold, Italic, Strike, Code bool
}

// Reader reads Markdown. Safe for concurrent use.
type Reader struct{ parser parser.Parser }

// bareAddress is an address in running text, with letters of any language.
var bareAddress = regexp.MustCompile(`^https?://[-\pL\pM\pN@:%._+~#=]{1,256}(?::\d+)?(?:[/#?][-\pL\pM\pN@:%_+.~#$!?&/=();,'^{}\[\]]*)?`)

// NewReader returns a reader that takes raw HTML for words.
func NewReader() *Reader {
	without := func(all []util.PrioritizedValue, priority int) []util.PrioritizedValue {
		return slices.DeleteFunc(all, func(v util.PrioritizedValue) bool { return v.Priority == priority })
	}
	const htmlBlock, rawHTML = 900, 400 // their priorities among goldmark's parsers
	return &Reader{goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(without(parser.DefaultBlockParsers(), htmlBlock)...),
			parser.WithInlineParsers(without(parser.DefaultInlineParsers(), rawHTML)...),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extension.NewLinkify(extension.WithLinkifyURLRegexp(bareAddress)), extension.Strikethrough),
	).Parser()}
}

// Read returns the blocks of a Markdown text, in order.
func (r *Reader) Read(markdown string) []Block {
	w := &walker{src: []byte(markdown)}
	w.flow(r.parser.Parse(text.NewReader(w.src)), place{})
	return w.blocks
}

// place is where a block stands.
type place struct {
	quote, depth, number int
	item, more           bool
}

type walker struct {
	src    []byte
	blocks []Block
}

func (w *walker) add(b Block, p *place) {
	b.Quote = p.quote
	if p.item {
		if b.Kind == Paragraph || b.Kind == Heading {
			b.Kind = Item
		}
		b.Depth, b.Number, b.More = p.depth, p.number, p.more
		p.more = true
	}
	w.blocks = append(w.blocks, b)
}

func (w *walker) flow(parent ast.Node, p place) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.LinkReferenceDefinition:
		case *ast.List:
			w.list(n, p)
			p.more = true
		case *ast.Blockquote:
			inner := p
			inner.quote++
			w.flow(n, inner)
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			if code := w.code(n); code != "" {
				w.add(Block{Kind: Code, Spans: []Span{{Text: code, Code: true}}}, &p)
			}
		case *ast.ThematicBreak:
			w.add(Block{Kind: Rule}, &p)
		case *ast.Heading:
			if spans := w.spans(n); len(spans) > 0 {
				w.add(Block{Kind: Heading, Level: n.Level, Spans: spans}, &p)
			}
		default:
			if spans := w.spans(n); len(spans) > 0 {
				w.add(Block{Spans: spans}, &p)
			}
		}
	}
}

func (w *walker) list(l *ast.List, p place) {
	inner := place{quote: p.quote, item: true}
	if p.item {
		inner.depth = p.depth + 1
	}
	number := 0
	if l.IsOrdered() {
		number = max(l.Start, 1)
	}
	for i := l.FirstChild(); i != nil; i = i.NextSibling() {
		inner.number = number
		before := len(w.blocks)
		w.flow(i, inner)
		if l.IsOrdered() && len(w.blocks) > before {
			number++
		}
	}
}

func (w *walker) spans(n ast.Node) []Span {
	var out []Span
	w.inlines(n, Span{}, &out)
	if len(out) > 0 {
		out[0].Text = strings.TrimLeft(out[0].Text, " \n")
		last := &out[len(out)-1]
		last.Text = strings.TrimRight(last.Text, " \n")
	}
	return slices.DeleteFunc(out, func(s Span) bool { return s.Text == "" })
}

// say adds words in the style of s; words in the style of those before join them.
func say(to *[]Span, words string, s Span) {
	if words == "" {
		return
	}
	s.Text = ""
	if n := len(*to); n > 0 {
		last := &(*to)[n-1]
		style := *last
		style.Text = ""
		if style == s {
			last.Text += words
			return
		}
	}
	s.Text = words
	*to = append(*to, s)
}

func (w *walker) inlines(parent ast.Node, s Span, to *[]Span) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		inner := s
		switch n := n.(type) {
		case *ast.Text:
			value := string(n.Segment.Value(w.src))
			if !n.IsRaw() {
				value = resolve(value)
			}
			if n.HardLineBreak() || n.SoftLineBreak() {
				value += "\n"
			}
			say(to, value, s)
		case *ast.String:
			say(to, string(n.Value), s)
		case *ast.CodeSpan:
			inner.Code = true
			var b strings.Builder
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				if t, ok := c.(*ast.Text); ok {
					b.Write(t.Segment.Value(w.src))
				}
			}
			say(to, strings.ReplaceAll(b.String(), "\n", " "), inner)
		case *ast.Emphasis:
			inner.Italic, inner.Bold = s.Italic || n.Level == 1, s.Bold || n.Level == 2
			w.inlines(n, inner, to)
		case *east.Strikethrough:
			inner.Strike = true
			w.inlines(n, inner, to)
		case *ast.Link:
			inner.Link = followable(resolve(string(n.Destination)))
			w.inlines(n, inner, to)
		case *ast.Image:
			inner.Link = followable(resolve(string(n.Destination)))
			w.inlines(n, inner, to)
		case *ast.AutoLink:
			address := string(n.URL(w.src))
			if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(address, "mailto:") {
				address = "mailto:" + address
			}
			inner.Link = followable(address)
			say(to, string(n.Label(w.src)), inner)
		default:
			w.inlines(n, s, to)
		}
	}
}

// resolve undoes what Markdown escapes.
func resolve(s string) string {
	return string(util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences([]byte(s)))))
}

// followable is the address if anybody could follow it, else nothing.
func followable(address string) string {
	address = strings.TrimSpace(address)
	u, err := url.Parse(address)
	switch {
	case err != nil:
	case u.Scheme == "mailto" && u.Opaque != "", (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
		return address
	}
	return ""
}

func (w *walker) code(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Write(line.Value(w.src))
	}
	return strings.TrimRight(b.String(), " \t\n")
}

// Words are what a block says, on one line.
func (b Block) Words() string {
	var t strings.Builder
	for _, s := range b.Spans {
		t.WriteString(s.Text)
	}
	return strings.Join(strings.Fields(t.String()), " ")
}

// Untitled is blocks without a first one that says no more than the title: for platforms that show the title by itself.
func Untitled(blocks []Block, title string) []Block {
	if len(blocks) == 0 || blocks[0].Quote > 0 || blocks[0].Kind != Paragraph && blocks[0].Kind != Heading {
		return blocks
	}
	linked := slices.ContainsFunc(blocks[0].Spans, func(s Span) bool { return s.Link != "" })
	if said := blocks[0].Words(); linked || said == "" || said != strings.Join(strings.Fields(title), " ") {
		return blocks
	}
	return blocks[1:]
}

// Plain writes blocks without any markup: "- " and "1. " before items, "> " before quotations, an address in brackets
// behind the words that lead to it.
func Plain(blocks []Block) string {
	return Write(blocks, func(b Block) string {
		var t strings.Builder
		for _, s := range b.Spans {
			t.WriteString(s.Text)
			if s.Link != "" && s.Link != s.Text && s.Link != "mailto:"+s.Text {
				t.WriteString(" (" + s.Link + ")")
			}
		}
		if b.Kind == Rule {
			return "—"
		}
		return t.String()
	}, "- ")
}

// Write joins blocks, each written by line, with an empty line between them but for the items of a list. It adds the
// marks of items (bullet for those without a number) and of quotations at the beginning of each line.
func Write(blocks []Block, line func(Block) string, bullet string) string {
	var out strings.Builder
	for i, b := range blocks {
		said := line(b)
		if said == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("\n")
			if !Tight(blocks, i) {
				out.WriteString(strings.TrimRight(strings.Repeat("> ", min(b.Quote, blocks[i-1].Quote)), " ") + "\n")
			}
		}
		quote := strings.Repeat("> ", b.Quote)
		first, rest := "", ""
		if b.Kind == Item || b.Depth > 0 || b.More {
			indent := strings.Repeat("  ", b.Depth)
			mark := bullet
			if b.Number > 0 {
				mark = strconv.Itoa(b.Number) + ". "
			}
			rest = indent + strings.Repeat(" ", len([]rune(mark)))
			if first = indent + mark; b.More {
				first = rest
			}
		}
		for n, l := range strings.Split(said, "\n") {
			if n > 0 {
				out.WriteString("\n")
				first = rest
			}
			out.WriteString(quote + first + l)
		}
	}
	return out.String()
}

// Tight reports whether the i-th block follows the one before it without an empty line: items of one list do.
func Tight(blocks []Block, i int) bool {
	return i > 0 && blocks[i].Kind == Item && blocks[i-1].Kind == Item && blocks[i].Quote == blocks[i-1].Quote && !blocks[i].More
}
