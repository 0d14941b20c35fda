package website

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// engine is what turns Markdown into pages.
type engine string

// The engines. Each reads Markdown with habits of its own, and some run templates in it.
const (
	hugo     engine = "hugo"
	jekyll   engine = "jekyll"
	eleventy engine = "eleventy"
)

// entities stand for signs that mean something in Markdown or to an engine. A character reference means the sign itself
// and nothing else, everywhere but in code.
var entities = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "{", "&#123;", "}", "&#125;", "[", "&#91;", "]", "&#93;",
	"~", "&#126;", "^", "&#94;", "$", "&#36;", "|", "&#124;", "==", "&#61;&#61;", "++", "&#43;&#43;",
	`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "#", `\#`,
)

var (
	indent    = regexp.MustCompile(`(?m)^[ \t]+`)
	lineStart = regexp.MustCompile(`(?m)^([-+:=]|[0-9]{1,9}[.)])`)
	emojiCode = regexp.MustCompile(`:[A-Za-z0-9_+-]+:`)
)

// words are what somebody wrote, as Markdown that shows just that, wherever it stands.
func words(s string) string { return within("\n", s) }

// within is words for a text that follows another.
func within(before, s string) string {
	var out strings.Builder
	at := 0
	for _, code := range emojiCode.FindAllStringIndex(s, -1) {
		out.WriteString(entities.Replace(s[at:code[0]]) + "&#58;" + entities.Replace(s[code[0]+1:code[1]-1]) + "&#58;")
		at = code[1]
	}
	out.WriteString(entities.Replace(s[at:]))
	first, rest, more := strings.Cut(out.String(), "\n")
	if strings.TrimRight(before, " \t") == "" || strings.HasSuffix(strings.TrimRight(before, " \t"), "\n") {
		first = unmark(first)
	}
	if !more {
		return first
	}
	return first + "\n" + unmark(rest)
}

// unmark takes the meaning from what would begin a list, a heading, a definition or a listing.
func unmark(lines string) string {
	return lineStart.ReplaceAllStringFunc(indent.ReplaceAllString(lines, ""), func(mark string) string {
		last := len(mark) - 1
		return mark[:last] + `\` + mark[last:]
	})
}

// lookAlike are signs to read in place of those that Hugo's Markdown shows as they are written, in the words for a picture only.
var lookAlike = strings.NewReplacer("{", "(", "}", ")", "[", "(", "]", ")", "<", "‹", ">", "›", "`", "’", "*", "∗", "_", " ", "~", "∼", "^", "ˆ", `\`, "⧵", "$", "＄", "&", "＆", ":", "∶", "=", "＝", "++", "＋＋")

// caption are the words for a picture, as Markdown.
func (e engine) caption(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if plain := words(s); e != hugo || plain == s {
		return plain
	}
	return lookAlike.Replace(s)
}

// oneLine are words without line breaks.
func oneLine(s string) string { return words(strings.Join(strings.Fields(s), " ")) }

var (
	simpleAddress = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~/%#?,;+-]*)?$`)
	inAddress     = strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20", `\`, "%5C", "{", "%7B", "}", "%7D", "|", "%7C", "^", "%5E", "`", "%60", `"`, "%22", "'", "%27",
		"[", "%5B", "]", "%5D", "*", "%2A", "\n", "", "\t", "", "&", "&amp;")
)

// write is a text as Markdown for an engine. No character of it means anything but itself, to Markdown or to templates.
func (e engine) write(blocks []markup.Block) string {
	var out strings.Builder
	for i, b := range blocks {
		said := e.block(b)
		if said == "" {
			continue
		}
		quote := strings.Repeat("> ", b.Quote)
		if out.Len() > 0 {
			out.WriteString("\n")
			if !markup.Tight(blocks, i) {
				out.WriteString(strings.TrimRight(strings.Repeat("> ", min(b.Quote, blocks[i-1].Quote)), " ") + "\n")
			}
		}
		first, rest := "", ""
		if b.Kind == markup.Item || b.Depth > 0 || b.More {
			rest = strings.Repeat("    ", b.Depth+1)
			if first = rest; !b.More {
				first = strings.Repeat("    ", b.Depth) + mark(b)
			}
		}
		for n, line := range strings.Split(said, "\n") {
			if n > 0 {
				out.WriteString("\n")
				first = rest
			}
			out.WriteString(quote + first + line)
		}
	}
	return out.String()
}

// mark begins an item.
func mark(b markup.Block) string {
	if b.Number > 0 {
		return strconv.Itoa(b.Number) + ". "
	}
	return "- "
}

func (e engine) block(b markup.Block) string {
	switch b.Kind {
	case markup.Rule:
		return "* * *"
	case markup.Code:
		return e.listing(b.Spans)
	case markup.Heading:
		return strings.Repeat("#", min(max(b.Level, 1), 6)) + " " + strings.ReplaceAll(e.spans(b.Spans), "\n", " ")
	}
	text := indent.ReplaceAllString(e.spans(b.Spans), "") // blanks there would make a listing
	return strings.ReplaceAll(text, "\n", "  \n")         // two blanks: a line break for every engine
}

func (e engine) spans(all []markup.Span) string {
	var out strings.Builder
	for _, s := range all {
		out.WriteString(e.span(out.String(), s))
	}
	return out.String()
}

// span writes a run of text after what was written so far; blanks at its ends stay outside its marks, which would not count otherwise.
func (e engine) span(so string, s markup.Span) string {
	if s.Code {
		return e.code(strings.ReplaceAll(s.Text, "\n", " "), s.Link)
	}
	if s.Link == s.Text && simpleAddress.MatchString(s.Link) {
		return "<" + s.Link + ">"
	}
	core := strings.Trim(s.Text, " \n\u00a0\u202f")
	if core == "" {
		return s.Text
	}
	before, after, _ := strings.Cut(s.Text, core)
	said := within(so[strings.LastIndexByte(so, '\n')+1:]+before, core)
	if s.Link != "" {
		said = "[" + said + "](<" + inAddress.Replace(s.Link) + ">)"
	}
	for _, style := range []struct {
		on   bool
		mark string
	}{{s.Strike, "~~"}, {s.Italic, "*"}, {s.Bold, "**"}} {
		if style.on {
			said = style.mark + said + style.mark
		}
	}
	return before + said + after
}

// templated reports whether a template engine would see something to run.
func templated(s string) bool { return strings.Contains(s, "{{") || strings.Contains(s, "{%") }

// literal is code as HTML, for Jekyll, where Liquid 3 runs in listings too.
var literal = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "{", "&#123;", "}", "&#125;", "\n", "&#10;")

// code writes a run of code, with a fence longer than any inside.
func (e engine) code(text, link string) string {
	fence := strings.Repeat("`", longest(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || strings.HasPrefix(text, " ") && strings.HasSuffix(text, " ") {
		text = " " + text + " "
	}
	said := fence + e.tame(text) + fence
	if e == jekyll && templated(text) {
		said = "<code>" + literal.Replace(text) + "</code>"
	}
	if link != "" {
		said = "[" + said + "](<" + inAddress.Replace(link) + ">)"
	}
	return said
}

func (e engine) listing(spans []markup.Span) string {
	var text string
	for _, s := range spans {
		text += s.Text
	}
	if e == jekyll && templated(text) {
		return "<pre><code>" + literal.Replace(text) + "</code></pre>"
	}
	fence := strings.Repeat("`", max(3, longest(text)+1))
	return fence + "\n" + e.tame(text) + "\n" + fence
}

// longest is the length of the longest run of backquotes.
func longest(s string) int {
	most, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		most = max(most, run)
	}
	return most
}

// tame keeps Hugo from taking code for its own marks, which it does even in listings and may fail to build over. A whole
// shortcode is written as Hugo says that one is shown; a beginning without an end gets an invisible joint.
func (e engine) tame(code string) string {
	if e != hugo {
		return code
	}
	code = strings.ReplaceAll(code, "<!--more-->", "<!--\u2060more-->") // where Hugo cuts its summary
	var out strings.Builder
	for {
		i := strings.Index(code, "{{")
		for i >= 0 && !strings.HasPrefix(code[i+2:], "<") && !strings.HasPrefix(code[i+2:], "%") {
			next := strings.Index(code[i+1:], "{{")
			if next < 0 {
				i = -1
				break
			}
			i += 1 + next
		}
		if i < 0 {
			return out.String() + code
		}
		end := ">}}"
		if code[i+2] == '%' {
			end = "%}}"
		}
		out.WriteString(code[:i+2])
		if n := strings.Index(code[i+3:], end); n >= 0 {
			out.WriteString(code[i+2:i+3] + "/*" + code[i+3:i+3+n] + "*/" + end)
			code = code[i+3+n+3:]
			continue
		}
		out.WriteString("\u2060" + code[i+2:i+3])
		code = code[i+3:]
	}
}
