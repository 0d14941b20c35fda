package templates

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

func (w *writer) inlines(parent ast.Node) {
	said := "" // by texts that follow one another: what a sign means depends on its neighbours
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		t, ok := n.(*ast.Text)
		if !ok {
			w.words(said)
			said = ""
			w.inline(n)
			continue
		}
		part := string(t.Segment.Value(w.src))
		if !t.IsRaw() {
			part = resolve(part)
		}
		said += part
		if t.HardLineBreak() || t.SoftLineBreak() {
			w.words(said)
			said = ""
			w.lineBreak(t.HardLineBreak())
		}
	}
	w.words(said)
}

func (w *writer) lineBreak(hard bool) {
	if !hard {
		w.raw(" ")
		return
	}
	if w.markdown {
		w.raw(`\`)
	}
	w.newline()
}

func (w *writer) inline(n ast.Node) {
	start := len(w.out)
	switch n := n.(type) {
	case *ast.String:
		w.words(string(n.Value))
	case *ast.CodeSpan:
		w.codeSpan(n)
		w.atom(start, 0)
	case *ast.Emphasis:
		w.wrapped(n, strings.Repeat("*", n.Level), strings.Repeat("_", n.Level))
	case *east.Strikethrough:
		if struck(n) { // already inside one: a second run of tildes would be a code fence
			w.inlines(n)
			return
		}
		w.wrapped(n, "~~", "~~")
	case *ast.Link:
		w.link(n, string(n.Destination))
		w.atom(start, 0)
	case *ast.AutoLink:
		w.autoLink(n)
		w.atom(start, 0)
	case *ast.Image:
		if words := w.plain(n); strings.TrimSpace(words) != "" {
			w.words("[" + words + "]")
		}
		w.atom(start, 0)
	case *ast.RawHTML: // tags only; the words between them are texts
	default:
		w.inlines(n)
	}
}

func struck(n ast.Node) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Kind() == east.KindStrikethrough {
			return true
		}
	}
	return false
}

func (w *writer) wrapped(n ast.Node, mark, other string) {
	if !w.markdown {
		w.inlines(n)
		return
	}
	start := len(w.out)
	if start > w.lineStart && w.out[start-1] == mark[0] {
		mark = other
	}
	w.raw(mark)
	w.inlines(n)
	w.raw(mark)
	w.atom(start, 0)
}

func (w *writer) codeSpan(n *ast.CodeSpan) {
	var b bytes.Buffer
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(w.src))
		}
	}
	code := strings.ReplaceAll(b.String(), "\n", " ")
	if !w.markdown {
		w.raw(code)
		return
	}
	mark := strings.Repeat("`", longest(code, '`')+1)
	pad := ""
	if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") || (strings.HasPrefix(code, " ") && strings.HasSuffix(code, " ")) {
		pad = " "
	}
	w.raw(mark + pad + code + pad + mark)
}

func (w *writer) link(n ast.Node, destination string) {
	label := w.plain(n)
	address, ok := webAddress(string(util.URLEscape([]byte(destination), true)))
	switch {
	case !ok || !w.links:
		w.inlines(n)
	case strings.TrimSpace(label) == "":
		w.address(address)
	case w.markdown:
		w.raw("[")
		w.inlines(n)
		w.raw("](<" + address + ">)")
	case sameAddress(label, address):
		w.raw(address)
	default:
		w.inlines(n)
		w.raw(" (" + strings.TrimPrefix(address, "mailto:") + ")")
	}
}

func (w *writer) autoLink(n *ast.AutoLink) {
	label := string(n.Label(w.src))
	address, ok := webAddress(string(n.URL(w.src)))
	if n.AutoLinkType == ast.AutoLinkEmail {
		address, ok = webAddress("mailto:" + label)
	}
	switch {
	case !w.markdown:
		w.raw(label)
	case !ok || !w.links:
		w.words(label)
	case strings.TrimPrefix(address, "mailto:") == label:
		w.raw("<" + label + ">")
	default:
		w.raw("[")
		w.words(label)
		w.raw("](<" + address + ">)")
	}
}

func (w *writer) address(address string) {
	if w.markdown {
		w.raw("<" + address + ">")
		return
	}
	w.raw(strings.TrimPrefix(address, "mailto:"))
}

// plain is the words below n without any markup.
func (w *writer) plain(n ast.Node) string {
	p := &writer{src: w.src}
	p.inlines(n)
	return string(p.out)
}
