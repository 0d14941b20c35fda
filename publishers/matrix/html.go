package matrix

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// deepest is how many quotations or lists stand within each other. Matrix allows a hundred elements.
const deepest = 10

// write is blocks as HTML, in no other elements than Matrix suggests apps to show.
func write(blocks []markup.Block) string {
	w := &writer{}
	w.flow(blocks, 0)
	return w.String()
}

type writer struct{ strings.Builder }

func (w *writer) say(all ...string) {
	for _, s := range all {
		w.WriteString(s)
	}
}

// run is how many blocks from the first on hold.
func run(blocks []markup.Block, holds func(markup.Block) bool) int {
	n := slices.IndexFunc(blocks, func(b markup.Block) bool { return !holds(b) })
	if n < 0 {
		return len(blocks)
	}
	return n
}

func listed(b markup.Block) bool { return b.Kind == markup.Item || b.Depth > 0 || b.More }

// flow writes blocks that stand in so many quotations.
func (w *writer) flow(blocks []markup.Block, quote int) {
	for len(blocks) > 0 {
		n := 1
		switch b := blocks[0]; {
		case min(b.Quote, deepest) > quote:
			n = run(blocks, func(b markup.Block) bool { return min(b.Quote, deepest) > quote })
			w.say("<blockquote>")
			w.flow(blocks[:n], quote+1)
			w.say("</blockquote>")
		case listed(b):
			n = run(blocks, func(b markup.Block) bool { return min(b.Quote, deepest) == quote && listed(b) })
			w.list(blocks[:n], 0)
		default:
			w.block(b, "p")
		}
		blocks = blocks[n:]
	}
}

// list writes items of one depth and what is below them.
func (w *writer) list(blocks []markup.Block, depth int) {
	for len(blocks) > 0 {
		first := blocks[0]
		numbered := first.Number > 0
		n := run(blocks, func(b markup.Block) bool { return b.Depth > depth || b.More || b.Number > 0 == numbered })
		end := "</ul>"
		switch {
		case !numbered:
			w.say("<ul>")
		case first.Number == 1:
			w.say("<ol>")
			end = "</ol>"
		default:
			w.say(`<ol start="`, strconv.Itoa(first.Number), `">`)
			end = "</ol>"
		}
		w.items(blocks[:n], depth)
		w.say(end)
		blocks = blocks[n:]
	}
}

func (w *writer) items(blocks []markup.Block, depth int) {
	for len(blocks) > 0 {
		// An item is its first block, its further paragraphs, and the lists in it.
		n := 1 + run(blocks[1:], func(b markup.Block) bool { return b.More || b.Depth > depth })
		w.say("<li>")
		for item := blocks[:n]; len(item) > 0; {
			k := 1
			switch b := item[0]; {
			case b.Depth > depth && depth+1 < deepest:
				k = run(item, func(b markup.Block) bool { return b.Depth > depth })
				w.list(item[:k], depth+1)
			case b.More || b.Depth > depth:
				w.block(b, "p")
			default:
				w.block(b, "")
			}
			item = item[k:]
		}
		w.say("</li>")
		blocks = blocks[n:]
	}
}

// block writes one block; words alone stand in the element around.
func (w *writer) block(b markup.Block, around string) {
	switch b.Kind {
	case markup.Rule:
		w.say("<hr>")
		return
	case markup.Code:
		w.say("<pre><code>")
		for _, s := range b.Spans {
			w.say(escape(s.Text))
		}
		w.say("</code></pre>")
		return
	case markup.Heading:
		around = "h" + strconv.Itoa(min(b.Level+3, 6))
	}
	if around != "" {
		w.say("<", around, ">")
	}
	for _, s := range b.Spans {
		w.span(s)
	}
	if around != "" {
		w.say("</", around, ">")
	}
}

func (w *writer) span(s markup.Span) {
	var ends []string
	open := func(tag, attribute string) {
		w.say("<", tag, attribute, ">")
		ends = append(ends, "</"+tag+">")
	}
	if s.Link != "" {
		open("a", ` href="`+strings.ReplaceAll(escape(s.Link), `"`, "&quot;")+`"`)
	}
	if s.Bold {
		open("strong", "")
	}
	if s.Italic {
		open("em", "")
	}
	if s.Strike {
		open("del", "")
	}
	if s.Code {
		open("code", "")
	}
	w.say(strings.ReplaceAll(escape(s.Text), "\n", "<br>"))
	slices.Reverse(ends)
	w.say(ends...)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(s string) string { return escaper.Replace(s) }

// mention makes links of the handles that a template wrote, and tells whom they call. Every other @ stays a character.
func mention(blocks []markup.Block, handles []string) ([]markup.Block, []string) {
	var users []string
	out := slices.Clone(blocks)
	for i := range out {
		var spans []markup.Span
		for _, s := range out[i].Spans {
			spans = append(spans, called(s, handles, &users)...)
		}
		out[i].Spans = spans
	}
	return out, users
}

// called is a span, split where it names one of the handles.
func called(s markup.Span, handles []string, users *[]string) []markup.Span {
	if s.Code || s.Link != "" {
		return []markup.Span{s}
	}
	for at := range s.Text {
		for _, h := range handles {
			id := "@" + h
			if !strings.Contains(h, ":") || !strings.HasPrefix(s.Text[at:], id) || !bounded(s.Text[:at], s.Text[at+len(id):]) {
				continue
			}
			if !slices.Contains(*users, id) {
				*users = append(*users, id)
			}
			before, name, after := s, s, s
			before.Text, name.Text, after.Text = s.Text[:at], id, s.Text[at+len(id):]
			name.Link = "https://matrix.to/#/" + id
			out := []markup.Span{name}
			if before.Text != "" {
				out = []markup.Span{before, name}
			}
			if after.Text != "" {
				out = append(out, called(after, handles, users)...)
			}
			return out
		}
	}
	return []markup.Span{s}
}

// bounded reports whether a name between these ends where it seems to.
func bounded(before, after string) bool {
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' }
	last, _ := utf8.DecodeLastRuneInString(before)
	first, size := utf8.DecodeRuneInString(after)
	next, _ := utf8.DecodeRuneInString(after[size:])
	return !part(last) && !part(first) && !((first == '.' || first == ':') && part(next))
}
