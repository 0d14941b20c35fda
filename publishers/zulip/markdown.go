package zulip

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// compose is the message in Zulip's Markdown, with links to its uploaded pictures, which Zulip shows below the text.
func compose(r *markup.Reader, m announce.Message, pictures []string) string {
	title := strings.Join(strings.Fields(m.Subject), " ")
	blocks := markup.Untitled(r.Read(m.Text), title)
	var parts []string
	if title != "" {
		parts = append(parts, "**"+words(title)+"**")
	}
	if said := write(blocks, m.Mentions); said != "" {
		parts = append(parts, said)
	}
	for i, address := range pictures {
		alt := words(strings.Join(strings.Fields(m.Images[i].Alt), " "))
		if alt == "" {
			alt = "Image"
		}
		parts = append(parts, "["+alt+"]("+address+")")
	}
	return strings.Join(parts, "\n\n")
}

// clip keeps at most n characters of s, cut between words.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	s = string(r[:n-1])
	if i := strings.LastIndex(s, " "); i > len(s)/2 {
		s = s[:i]
	}
	return strings.TrimRight(s, " ,;:–—-") + "…"
}

// write is blocks in Zulip's Markdown, where no character of the author's means anything but itself. mentions are those
// that it lets call somebody: a full name, or a number.
func write(blocks []markup.Block, mentions []string) string {
	var out strings.Builder
	var widths []int // of the marks of the items around, by depth
	for i, b := range blocks {
		if i > 0 {
			out.WriteString("\n")
			if !markup.Tight(blocks, i) || blocks[i-1].More {
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
			rest = indent(widths[:b.Depth+1])
			if begin = rest; !b.More {
				begin = indent(widths[:b.Depth]) + mark
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

// indent is what stands before something within items whose marks are so wide. Zulip counts two blanks for each.
func indent(widths []int) string {
	n := 0
	for _, w := range widths {
		n += w
	}
	return strings.Repeat(" ", min(n, 2*len(widths)+1))
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
		return strings.Repeat("#", min(b.Level+3, 6)) + " " + strings.ReplaceAll(line(b.Spans, mentions), "\n", " ")
	}
	return line(b.Spans, mentions)
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
		s, n := spans[0], 1
		if s.Link == "" {
			out.WriteString(styled(s, start, mentions))
		} else {
			// A label has no marks of its own.
			if n = slices.IndexFunc(spans, func(x markup.Span) bool { return x.Link != s.Link }); n < 0 {
				n = len(spans)
			}
			label := ""
			for _, x := range spans[:n] {
				label += x.Text
			}
			out.WriteString("[" + words(label) + "](" + target(s.Link) + ")")
		}
		spans = spans[n:]
	}
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " \t\u00a0")
	}
	return strings.Join(lines, "\n")
}

// styled is a run of words. A mark of Zulip's ends with its line.
func styled(s markup.Span, start bool, mentions []string) string {
	mark := ""
	switch {
	case s.Code:
	case s.Bold && s.Italic:
		mark = "***"
	case s.Bold:
		mark = "**"
	case s.Italic:
		mark = "*"
	}
	if !s.Code && !s.Strike && mark == "" {
		return text(s.Text, start, mentions)
	}
	lines := strings.Split(s.Text, "\n")
	for i, l := range lines {
		inner := strings.Trim(l, " \u00a0\u202f")
		if inner == "" {
			continue
		}
		before, after, _ := strings.Cut(l, inner)
		said := text(inner, false, mentions)
		if s.Code {
			around := strings.Repeat("`", longest(inner)+1)
			if said = inner; strings.HasPrefix(inner, "`") || strings.HasSuffix(inner, "`") {
				said = " " + inner + " "
			}
			said = around + said + around
		}
		if s.Strike {
			said = "~~" + said + "~~"
		}
		lines[i] = before + mark + said + mark + after
	}
	return strings.Join(lines, "\n")
}

// target is an address as it can stand within ( ).
func target(address string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", "*", "%2A", "`", "%60", "$", "%24", " ", "%20", `\`, "%5C", "\n", "").Replace(address)
}

// words is text on one line that calls nobody.
func words(s string) string { return text(strings.ReplaceAll(s, "\n", " "), true, nil) }

var (
	opening   = regexp.MustCompile(`^(?:(#{1,6}|[-+])(?:\s|$)|([0-9]{1,9}[.)])(?:\s|$)|(>|--))`)
	reference = regexp.MustCompile(`^&(?:#?\w+);`)
	emoji     = regexp.MustCompile(`^:[\w+-]+:`)
)

// text is what the author said, line by line. Zulip knows no backslash: what could mean something is written as a character
// reference. start: at the beginning of a line, where more characters mean something.
func text(s string, start bool, mentions []string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if start {
			start = false
			i += len(s[i:]) - len(strings.TrimLeft(s[i:], " \t\u00a0"))
			if o := opening.FindStringSubmatch(s[i:]); o != nil {
				mark := o[1] + o[2] + o[3]
				if n := len(mark) - 1; o[2] != "" {
					out.WriteString(mark[:n] + refer(rune(mark[n])))
				} else {
					out.WriteString(refer(rune(mark[0])) + mark[1:])
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
		case strings.ContainsRune("*`[]|<\\^", r), r == ':' && emoji.MatchString(s[i:]),
			strings.ContainsRune("~$", r) && (strings.HasPrefix(s[i+1:], string(r)) || strings.HasSuffix(s[:i], string(r))):
			out.WriteString(refer(r))
		case r == '&' && reference.MatchString(s[i:]):
			out.WriteString("&amp;")
		case r == '@':
			name := called(s[:i], s[i+1:], mentions)
			next, _ := utf8.DecodeRuneInString(s[i+1:])
			switch {
			case name != "":
				out.WriteString("@**" + person(name) + "**")
				n += len(name)
			case unicode.IsLetter(next) || unicode.IsDigit(next):
				out.WriteRune(r)
			default: // bold words may follow, which it would call
				out.WriteString(refer(r))
			}
		case r == '#' && i+1 == len(s):
			out.WriteString(refer(r))
		default:
			out.WriteRune(r)
		}
		i += n
	}
	return out.String()
}

// refer is a character that means nothing but itself.
func refer(r rune) string {
	return map[rune]string{
		'*': "&#42;", '`': "&#96;", '[': "&#91;", ']': "&#93;", '|': "&#124;", '<': "&lt;", '\\': "&#92;", '^': "&#94;", ':': "&#58;", '~': "&#126;", '$': "&#36;",
		'@': "&#64;", '#': "&#35;", '-': "&#45;", '+': "&#43;", '>': "&gt;", '.': "&#46;", ')': "&#41;",
	}[r]
}

// called is the name that stands after an @, if the template wrote it.
func called(before, after string, mentions []string) string {
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
	if last, _ := utf8.DecodeLastRuneInString(before); part(last) {
		return ""
	}
	i := slices.IndexFunc(mentions, func(name string) bool {
		rest, ok := strings.CutPrefix(after, name)
		next, size := utf8.DecodeRuneInString(rest)
		beyond, _ := utf8.DecodeRuneInString(rest[size:])
		return ok && name != "" && !part(next) && !(strings.ContainsRune(".-:", next) && size > 0 && part(beyond))
	})
	if i < 0 {
		return ""
	}
	return mentions[i]
}

// person is how Zulip names somebody: by full name, or |42 by number.
func person(name string) string {
	if strings.Trim(name, "0123456789") == "" {
		return "|" + name
	}
	return name
}
