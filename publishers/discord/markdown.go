package discord

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// pen writes blocks as Discord's Markdown, where only what the pen means has a meaning.
type pen struct {
	preview string // the one address of which Discord may show a preview
}

// units counts as Discord's own app does, which is never less than any other way to count characters.
func units(s string) int { return len(utf16.Encode([]rune(strings.TrimSpace(s)))) }

// write joins blocks. Discord knows one level of quotations.
func (p pen) write(blocks []markup.Block) string {
	blocks = slices.Clone(blocks)
	for i := range blocks {
		blocks[i].Quote = min(blocks[i].Quote, 1)
	}
	return emptyQuote.ReplaceAllString(markup.Write(blocks, p.line, "- "), "> ")
}

var emptyQuote = regexp.MustCompile(`(?m)^>$`) // which Discord takes for the end of the quotation

// joiner has no width. It parts what must not be read together.
const joiner = "\u2060"

func (p pen) line(b markup.Block) string {
	switch b.Kind {
	case markup.Rule:
		return "———"
	case markup.Code:
		code := strings.ReplaceAll(b.Spans[0].Text, "``", "`"+joiner+"`")
		return "```\n" + code + "\n```"
	}
	w := &line{}
	for _, s := range b.Spans {
		if s.Code {
			w.style(style{}) // what is in code could end a style around it
		} else {
			w.style(style{bold: s.Bold || b.Kind == markup.Heading, italic: s.Italic, strike: s.Strike})
		}
		w.put(p.span(s, w.fresh()))
	}
	w.style(style{})
	return w.out.String()
}

func (p pen) span(s markup.Span, fresh bool) string {
	address, mail := strings.CutPrefix(s.Link, "mailto:")
	switch {
	case s.Code:
		return code(s.Text) + p.behind(s)
	case mail && address != s.Text:
		return escape(s.Text, fresh) + " (" + escape(address, false) + ")"
	case s.Link == "" || mail:
		return escape(s.Text, fresh)
	}
	target := "<" + closed.Replace(s.Link) + ">"
	if s.Link == p.preview && !strings.ContainsAny(s.Link, "()<>*~\\ \n") {
		target = s.Link
	}
	switch {
	case s.Text == s.Link:
		return target
	case strings.Contains(s.Text, "://"): // words that look like another address make no link in Discord
		return escape(s.Text, fresh) + " (" + target + ")"
	}
	return "[" + escape(s.Text, false) + "](" + target + ")"
}

// behind is where a link in code leads: code itself cannot be one.
func (p pen) behind(s markup.Span) string {
	if s.Link == "" || s.Link == s.Text {
		return ""
	}
	return " (" + p.span(markup.Span{Text: s.Link, Link: s.Link}, false) + ")"
}

// closed is an address that ends where it should, whatever Discord looks for around it.
var closed = strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", "\n", "%20", "*", "%2A", "~", "%7E", `\`, "%5C")

// code is a run of code between more backticks than it holds.
func code(s string) string {
	most, run := 0, 0
	for _, r := range s {
		if run++; r != '`' {
			run = 0
		}
		most = max(most, run)
	}
	fence := strings.Repeat("`", most+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// style is how words look.
type style struct{ bold, italic, strike bool }

// line is a line being written, with the styles that are open in it.
type line struct {
	out  strings.Builder
	open []string // marks, the outermost first
}

// fresh reports whether what comes next stands at the beginning of a line, where more signs have a meaning.
func (w *line) fresh() bool {
	s := strings.TrimRight(w.out.String(), "*~")
	return s == "" || strings.HasSuffix(s, "\n")
}

func (w *line) put(s string) {
	if before := w.out.String(); s != "" && before != "" && before[len(before)-1] == s[0] && strings.ContainsRune("*~`", rune(s[0])) {
		w.out.WriteString(joiner)
	}
	w.out.WriteString(s)
}

// style closes and opens marks until exactly those of s are open.
func (w *line) style(s style) {
	want := map[string]bool{"**": s.bold, "*": s.italic, "~~": s.strike}
	keep := 0
	for keep < len(w.open) && want[w.open[keep]] {
		keep++
	}
	for len(w.open) > keep {
		last := len(w.open) - 1
		w.out.WriteString(w.open[last])
		w.open = w.open[:last]
	}
	for _, mark := range []string{"**", "~~", "*"} {
		if want[mark] && !slices.Contains(w.open, mark) {
			w.put(mark)
			w.open = append(w.open, mark)
		}
	}
}

var (
	everybody = regexp.MustCompile(`@(everyone|here)`)
	emoji     = regexp.MustCompile(`:[A-Za-z0-9_+-]+:`)
	starts    = regexp.MustCompile(`^([ \t]*)([#>+-]|[0-9]+\.)`)
	addresses = regexp.MustCompile("https?://[^\\s<>«»\"`|]*[^\\s<>«»\"`|.,;:!?)\\]}*_~…\u2019']")
)

// escape makes words mean themselves. Addresses in them stay whole. fresh: they begin a line.
func escape(s string, fresh bool) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		var b strings.Builder
		if at := starts.FindStringSubmatchIndex(l); at != nil && (fresh || i > 0) {
			b.WriteString(l[:at[5]-1] + `\` + l[at[5]-1:at[5]])
			l = l[at[5]:]
		}
		rest := 0
		for _, at := range addresses.FindAllStringIndex(l, -1) {
			b.WriteString(plain(l[rest:at[0]]) + "<" + closed.Replace(l[at[0]:at[1]]) + ">")
			rest = at[1]
		}
		b.WriteString(plain(l[rest:]))
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}

// plain are words in the middle of a line.
func plain(s string) string {
	var b strings.Builder
	codes := emoji.FindAllStringIndex(s, -1)
	for i, r := range s {
		if strings.ContainsRune("\\*_~`|<[]", r) || r == ':' && slices.ContainsFunc(codes, func(c []int) bool { return c[0] == i || c[1]-1 == i }) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return everybody.ReplaceAllString(b.String(), "@"+joiner+"$1")
}
