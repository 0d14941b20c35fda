package mattermost

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// Mattermost reads a post thrice: an old Markdown reader of its own on the web, CommonMark in its app, and a third on the
// server, which looks for whom it calls. What is written here means the same to all three.

// write is blocks in Mattermost's Markdown, where no character of the author's means anything but itself. mentions are the
// names that it lets call somebody.
func write(blocks []markup.Block, mentions []string) string {
	var out strings.Builder
	var widths []int // of the marks of the items around, by depth
	for i, b := range blocks {
		if i > 0 {
			out.WriteString("\n")
			if !markup.Tight(blocks, i) {
				out.WriteString(strings.TrimRight(strings.Repeat("> ", min(b.Quote, blocks[i-1].Quote)), " ") + "\n")
			}
		}
		begin, rest := "", ""
		if b.Kind == markup.Item || b.Depth > 0 || b.More {
			mark := "- "
			if b.Number > 0 {
				mark = strconv.Itoa(b.Number) + ". "
			}
			for len(widths) <= b.Depth {
				widths = append(widths, len(mark))
			}
			if !b.More {
				widths = append(widths[:b.Depth], len(mark))
			}
			for _, w := range widths[:b.Depth] {
				begin += strings.Repeat(" ", w)
			}
			rest = begin + strings.Repeat(" ", widths[b.Depth])
			if begin += mark; b.More {
				begin = rest
			}
		}
		for n, l := range strings.Split(block(b, mentions), "\n") {
			if n > 0 {
				out.WriteString("\n")
				begin = rest
			}
			out.WriteString(strings.TrimRight(strings.Repeat("> ", b.Quote)+begin+l, " "))
		}
	}
	return out.String()
}

// block is one block without what stands before its lines.
func block(b markup.Block, mentions []string) string {
	switch b.Kind {
	case markup.Rule:
		return "---"
	case markup.Code:
		fence := strings.Repeat("`", max(3, longest(b.Spans[0].Text)+1))
		return fence + "\n" + b.Spans[0].Text + "\n" + fence
	case markup.Heading:
		return heading(min(b.Level+4, 6), strings.ReplaceAll(line(b.Spans, mentions), "\n", " "))
	}
	return line(b.Spans, mentions)
}

// heading is a title of some level. The web's reader drops a # at its end.
func heading(level int, said string) string {
	if whole := strings.TrimRight(said, "#"); whole != said {
		said = whole + strings.Repeat("&#35;", len(said)-len(whole))
	}
	return strings.Repeat("#", level) + " " + said
}

// longest is the longest run of backticks.
func longest(code string) int {
	most, run := 0, 0
	for _, r := range code {
		if r != '`' {
			run = 0
			continue
		}
		run++
		most = max(most, run)
	}
	return most
}

// line is the words of one block, which may have several lines.
func line(spans []markup.Span, mentions []string) string {
	var out strings.Builder
	for len(spans) > 0 {
		start := out.Len() == 0 || strings.HasSuffix(out.String(), "\n")
		s := spans[0]
		if s.Link == "" {
			out.WriteString(span(s, start, mentions))
			spans = spans[1:]
			continue
		}
		n := slices.IndexFunc(spans, func(x markup.Span) bool { return x.Link != s.Link })
		if n < 0 {
			n = len(spans)
		}
		if n == 1 && s == (markup.Span{Text: s.Link, Link: s.Link}) && !strings.Contains(s.Link, "@") {
			out.WriteString("<" + target(s.Link, false) + ">")
		} else {
			label := ""
			for _, x := range spans[:n] {
				x.Text = strings.ReplaceAll(x.Text, "\n", " ")
				said := span(x, false, nil)
				if !x.Code {
					said = strings.ReplaceAll(said, "://", "&#58;//") // no link within a link
				}
				label += said
			}
			out.WriteString("[" + label + "](" + target(s.Link, true) + ")")
		}
		spans = spans[n:]
	}
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " \t\u00a0")
	}
	return strings.Join(lines, "\n")
}

// span is one run of words in one style. start: at the beginning of a line.
func span(s markup.Span, start bool, mentions []string) string {
	if !s.Bold && !s.Italic && !s.Strike && !s.Code {
		return text(s.Text, start, mentions)
	}
	// Marks stand directly at the words that they mark.
	inner := strings.Trim(s.Text, " \n\u00a0\u202f")
	if inner == "" {
		return s.Text
	}
	before, after, _ := strings.Cut(s.Text, inner)
	said := text(inner, false, mentions)
	if s.Code {
		said = strings.ReplaceAll(inner, "\n", " ")
		if strings.HasPrefix(said, "`") || strings.HasSuffix(said, "`") {
			said = " " + said + " "
		}
		mark := strings.Repeat("`", longest(inner)+1)
		said = mark + said + mark
	}
	if s.Strike {
		said = "~~" + said + "~~"
	}
	if s.Italic {
		mark := "*"
		if s.Bold || strings.HasPrefix(said, `"`) {
			mark = "_"
		}
		said = mark + said + mark
	}
	if s.Bold {
		said = "**" + said + "**"
	}
	return before + said + after
}

// target is an address as it can stand within < >, with its brackets as well as within ( ).
func target(address string, brackets bool) string {
	if brackets {
		address = strings.NewReplacer("(", "%28", ")", "%29").Replace(address)
	}
	return strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20", `\`, "%5C", "`", "%60", "\n", "").Replace(address)
}

func wordly(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func first(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }

func last(s string) rune { r, _ := utf8.DecodeLastRuneInString(s); return r }

// words is text on one line that calls nobody.
func words(s string) string { return text(strings.ReplaceAll(s, "\n", " "), true, nil) }

var (
	opening   = regexp.MustCompile(`^(?:(#{1,6}|[-+])(?:\s|$)|([0-9]{1,9}[.)])(?:\s|$)|([->=]))`)
	reference = regexp.MustCompile(`^&#?\w+;`)
	emoji     = regexp.MustCompile(`^:[A-Za-z0-9_+-]*[A-Za-z][A-Za-z0-9_+-]*:`)
)

const zeroWidth = "\u200b"

// text is what the author said, line by line. start: at the beginning of a line, where more characters mean something.
func text(s string, start bool, mentions []string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if start {
			start = false
			i += len(s[i:]) - len(strings.TrimLeft(s[i:], " \t\u00a0"))
			if o := opening.FindStringSubmatch(s[i:]); o != nil {
				mark := o[1] + o[2] + o[3]
				switch {
				case o[2] != "":
					out.WriteString(mark[:len(mark)-1] + `\` + mark[len(mark)-1:])
				case mark == "=":
					out.WriteString("&#61;")
				default:
					out.WriteString(`\` + mark)
				}
				i += len(mark)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n':
			start = true
			out.WriteRune(r)
		case r == '\\' && i+1 < len(s) && s[i+1] < utf8.RuneSelf && wordly(rune(s[i+1])):
			out.WriteRune(r) // means itself before these, and on the web a second would be seen
		case strings.ContainsRune("\\`~|", r):
			out.WriteString(`\` + string(r))
		case strings.ContainsRune("*_[]", r): // the web's reader ends a mark at an escaped one, too
			out.WriteString(map[rune]string{'*': "&#42;", '_': "&#95;", '[': "&#91;", ']': "&#93;"}[r])
		case r == '<':
			out.WriteString("&lt;")
		case r == '$': // formulas
			out.WriteString("&#36;")
		case r == '&' && reference.MatchString(s[i:]):
			out.WriteString("&amp;")
		case r == ':' && emoji.MatchString(s[i:]):
			out.WriteString("&#58;")
		case r == '@':
			name := called(s[:i], s[i+1:], mentions)
			out.WriteString("@" + name)
			n += len(name)
			if name == "" && calls(s[:i]) {
				out.WriteString(zeroWidth)
			}
		default:
			out.WriteRune(r)
		}
		i += n
	}
	return out.String()
}

// calls reports whether an @ after these words could call somebody. In ada@example.org it could not.
func calls(before string) bool {
	r := last(before)
	return before == "" || r >= utf8.RuneSelf || !wordly(r)
}

// called is the name that stands after an @, if the template wrote it.
func called(before, after string, mentions []string) string {
	if !calls(before) {
		return ""
	}
	i := slices.IndexFunc(mentions, func(name string) bool {
		rest, ok := strings.CutPrefix(after, name)
		next, size := utf8.DecodeRuneInString(rest)
		part := func(r rune) bool { return wordly(r) || r == '_' }
		return ok && name != "" && !part(next) && !(strings.ContainsRune(".-:", next) && size > 0 && part(first(rest[size:])))
	})
	if i < 0 {
		return ""
	}
	return mentions[i]
}
