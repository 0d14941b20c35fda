package discordtest

import (
	"html/template"
	"regexp"
	"strings"
)

// What Discord's app makes of a text: the rules that it has for messages, in their order.
var (
	quoted  = regexp.MustCompile(`^> (.*)$`)
	headed  = regexp.MustCompile(`^(#{1,3}|-#) +(.*)$`)
	listed  = regexp.MustCompile(`^( *)([-*]|[0-9]+\.) +(.*)$`)
	fenced  = regexp.MustCompile("(?s)^```(?:[a-zA-Z0-9_+-]*\n)?(.+?)\n?```")
	quiet   = regexp.MustCompile(`^<(https?://[^\s>]+)>`)
	masked  = regexp.MustCompile(`(?s)^\[((?:\\.|[^\]\\])*)\]\((?:<(https?://[^\s>]+)>|(https?://[^\s()<>]+))\)`)
	bare    = regexp.MustCompile(`^https?://[^\s<]+[^<.,:;"')\]\s]`)
	pill    = regexp.MustCompile(`^(?:<(?:@[!&]?|#|a?:\w+:|t:|/[\w -]+:|id:)[0-9a-zA-Z:]+>|@everyone|@here|:[A-Za-z0-9_+-]+:)`)
	escaped = regexp.MustCompile(`^\\[^0-9A-Za-z\s]`)
)

// read is a text as readers see it: as plain text, and as HTML that is safe to embed.
func read(s string) (text, html string) {
	var t, h []string
	lines := strings.Split(s, "\n")
	for i := 0; i < len(lines); {
		switch l := lines[i]; {
		case quoted.MatchString(l):
			var inner []string
			for ; i < len(lines) && quoted.MatchString(lines[i]); i++ {
				inner = append(inner, lines[i][2:])
			}
			text, html := read(strings.Join(inner, "\n"))
			t = append(t, "> "+strings.ReplaceAll(text, "\n", "\n> "))
			h = append(h, "<blockquote>"+html+"</blockquote>")
		case strings.HasPrefix(strings.TrimSpace(l), "```"):
			block := strings.TrimSpace(l)
			for i++; i < len(lines) && (strings.Count(block, "```") < 2); i++ {
				block += "\n" + lines[i]
			}
			text, html := inline(block)
			t, h = append(t, text), append(h, html)
		case headed.MatchString(l):
			m := headed.FindStringSubmatch(l)
			text, html := inline(m[2])
			t, h = append(t, text), append(h, "<h4>"+html+"</h4>")
			i++
		case listed.MatchString(l):
			m := listed.FindStringSubmatch(l)
			item := m[3]
			for i++; i < len(lines) && strings.HasPrefix(lines[i], "  ") && !listed.MatchString(lines[i]) && strings.TrimSpace(lines[i]) != ""; i++ {
				item += "\n" + strings.TrimSpace(lines[i])
			}
			text, html := inline(item)
			mark, tag := m[2], "ul"
			if mark == "*" {
				mark = "-"
			}
			open := "<ul><li>"
			if mark != "-" {
				tag, open = "ol", `<ol start="`+strings.TrimSuffix(mark, ".")+`"><li>`
			}
			t = append(t, m[1]+mark+" "+strings.ReplaceAll(text, "\n", "\n"+m[1]+strings.Repeat(" ", len(mark)+1)))
			h = append(h, open+html+"</li></"+tag+">")
		default:
			paragraph := l
			for i++; i < len(lines) && !special(lines[i]) && l != "" && lines[i] != ""; i++ {
				paragraph += "\n" + lines[i]
			}
			text, html := inline(paragraph)
			t = append(t, text)
			if html != "" {
				h = append(h, "<p>"+html+"</p>")
			}
		}
	}
	return strings.Join(t, "\n"), strings.Join(h, "")
}

func special(l string) bool {
	return quoted.MatchString(l) || headed.MatchString(l) || listed.MatchString(l) || strings.HasPrefix(strings.TrimSpace(l), "```")
}

// out is what is read so far.
type out struct{ text, html strings.Builder }

func (o *out) say(s string) {
	o.text.WriteString(s)
	o.html.WriteString(strings.ReplaceAll(template.HTMLEscapeString(s), "\n", "<br>"))
}

func (o *out) wrap(tag, inner string) {
	text, html := inline(inner)
	o.text.WriteString(text)
	o.html.WriteString("<" + tag + ">" + html + "</" + strings.Fields(tag)[0] + ">")
}

func (o *out) link(address, text, html string) {
	o.text.WriteString(text)
	o.html.WriteString(`<a href="` + template.HTMLEscapeString(address) + `" rel="noreferrer">` + html + "</a>")
}

// inline reads what stands in lines.
func inline(s string) (text, html string) {
	o := &out{}
	for s != "" {
		s = s[o.next(s):]
	}
	return o.text.String(), o.html.String()
}

// next reads the thing that s begins with, and tells its length.
func (o *out) next(s string) int {
	if escaped.MatchString(s) {
		r := []rune(s)[1]
		o.say(string(r))
		return 1 + len(string(r))
	}
	if m := fenced.FindStringSubmatch(s); m != nil {
		o.text.WriteString(m[1])
		o.html.WriteString("<pre>" + template.HTMLEscapeString(m[1]) + "</pre>")
		return len(m[0])
	}
	if code, whole := coded(s); whole > 0 {
		o.text.WriteString(code)
		o.html.WriteString("<code>" + template.HTMLEscapeString(code) + "</code>")
		return whole
	}
	if m := quiet.FindStringSubmatch(s); m != nil {
		o.link(m[1], m[1], template.HTMLEscapeString(m[1]))
		return len(m[0])
	}
	if m := masked.FindStringSubmatch(s); m != nil {
		text, html := inline(m[1])
		o.link(m[2]+m[3], text+" ("+m[2]+m[3]+")", html)
		return len(m[0])
	}
	if m := bare.FindString(s); m != "" {
		o.link(m, m, template.HTMLEscapeString(m))
		return len(m)
	}
	if m := pill.FindString(s); m != "" {
		o.text.WriteString("⟦" + m + "⟧")
		o.html.WriteString("<mark>" + template.HTMLEscapeString(m) + "</mark>")
		return len(m)
	}
	for _, style := range []struct{ mark, tag string }{{"**", "strong"}, {"__", "u"}, {"~~", "s"}, {"||", `span class="spoiler"`}} {
		if inner, ok := between(s, style.mark); ok {
			o.wrap(style.tag, inner)
			return len(inner) + 2*len(style.mark)
		}
	}
	for _, mark := range []string{"*", "_"} {
		if inner, ok := emphasis(s, mark); ok {
			o.wrap("em", inner)
			return len(inner) + 2
		}
	}
	for i, r := range s {
		if i > 0 && !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= 0xC0) || i > 0 && strings.HasPrefix(s[i:], "http") {
			o.say(s[:i])
			return i
		}
	}
	o.say(s)
	return len(s)
}

// coded is the code that s begins with, and its length with the backticks around it.
func coded(s string) (code string, whole int) {
	fence := s[:len(s)-len(strings.TrimLeft(s, "`"))]
	for i := len(fence); fence != "" && i < len(s); i++ {
		if s[i] != '`' {
			continue
		}
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == len(fence) {
			code = s[len(fence):i]
			if strings.HasPrefix(code, " `") || strings.HasSuffix(code, "` ") {
				code = strings.TrimSuffix(strings.TrimPrefix(code, " "), " ")
			}
			return code, i + run
		}
		i += run - 1
	}
	return "", 0
}

// between is what stands between two marks of two signs. A third sign at the end belongs to what is inside.
func between(s, mark string) (string, bool) {
	if !strings.HasPrefix(s, mark) {
		return "", false
	}
	for i := 2; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case i > 2 && strings.HasPrefix(s[i:], mark) && !strings.HasPrefix(s[i+2:], mark[:1]):
			return s[2:i], true
		}
	}
	return "", false
}

// emphasis is what stands between two single signs, with no space after the first and pairs of them inside.
func emphasis(s, mark string) (string, bool) {
	if !strings.HasPrefix(s, mark) || len(s) < 3 || strings.ContainsRune(" \n"+mark, rune(s[1])) {
		return "", false
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], mark+mark):
			i++
		case s[i] == mark[0] && i > 1:
			if after := s[i+1:]; mark == "_" && after != "" && strings.ContainsAny(after[:1], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") {
				continue
			}
			return s[1:i], true
		}
	}
	return "", false
}

// show is the message as the app shows it: the text, the pictures, a preview of the first link that asks for one.
func (m *message) show(html string) string {
	var b strings.Builder
	b.WriteString(`<div class="discord">` + html)
	for _, f := range m.files {
		b.WriteString(`<img src="` + template.HTMLEscapeString(f.uri()) + `" alt="` + template.HTMLEscapeString(f.alt) + `">`)
	}
	if address := m.previewed(); address != "" {
		b.WriteString(`<p class="preview"><a href="` + template.HTMLEscapeString(address) + `" rel="noreferrer">` + template.HTMLEscapeString(address) + `</a></p>`)
	}
	b.WriteString(`</div>`)
	return b.String()
}

var loud = regexp.MustCompile(`(?:^|[^<\w])(https?://[^\s<>()]+[^<>.,:;"')\]\s])`)

func (m *message) previewed() string {
	if m.quiet {
		return ""
	}
	if at := loud.FindStringSubmatch(m.content); at != nil {
		return at[1]
	}
	return ""
}
