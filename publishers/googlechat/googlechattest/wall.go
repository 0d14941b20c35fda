package googlechattest

import (
	"html/template"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	angled   = regexp.MustCompile(`^<((?:https?://|mailto:)[^<>|\s]+)(?:\|([^<>|]*))?>`)
	mention  = regexp.MustCompile(`<users/[^>]+>`)
	bare     = regexp.MustCompile(`^https?://[^\s<>|]*[^\s<>|.,;:!?)]`)
	pictured = template.Must(template.New("").Parse(`{{range .}}<img src="{{.URL}}" alt="{{.Alt}}" loading="lazy">{{end}}`))
)

func calls(text string) int { return len(mention.FindAllString(text, -1)) }

// show is a message as words and as HTML.
func show(text string, pictures []picture) (string, string) {
	var words, html strings.Builder
	html.WriteString(`<article class="googlechat"><p>`)
	for i, block := range strings.Split(text, "```\n") {
		if i%2 == 1 {
			code := strings.TrimSuffix(block, "\n")
			words.WriteString(code)
			html.WriteString("</p><pre>" + template.HTMLEscapeString(code) + "</pre><p>")
			continue
		}
		for n, l := range strings.Split(strings.TrimSuffix(block, "```"), "\n") {
			if n > 0 {
				words.WriteString("\n")
				html.WriteString("<br>")
			}
			inline(l, &words, &html)
		}
	}
	html.WriteString("</p>")
	_ = pictured.Execute(&html, pictures)
	html.WriteString("</article>")
	said := strings.ReplaceAll(words.String(), "\u2060", "")
	for _, i := range pictures {
		said += "\n[" + i.Alt + "]"
	}
	return said, strings.ReplaceAll(html.String(), "<p></p>", "")
}

// inline reads the marks of one line: at the edges of words, in pairs, nested.
func inline(s string, words, html *strings.Builder) {
	before := ' '
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if m := angled.FindStringSubmatch(s); m != nil {
			label := m[2]
			if label == "" {
				label = m[1]
			}
			words.WriteString(label)
			html.WriteString(`<a href="` + template.HTMLEscapeString(m[1]) + `" rel="noreferrer">` + template.HTMLEscapeString(label) + "</a>")
			s, before = s[len(m[0]):], '>'
			continue
		}
		if m := bare.FindString(s); m != "" && edge(before) {
			words.WriteString(m)
			html.WriteString(`<a href="` + template.HTMLEscapeString(m) + `" rel="noreferrer">` + template.HTMLEscapeString(m) + "</a>")
			s, before = s[len(m):], 'a'
			continue
		}
		if tag := map[rune]string{'*': "strong", '_': "em", '~': "s", '`': "code"}[r]; tag != "" && edge(before) {
			if end := closing(s[size:], r); end > 0 {
				inner := s[size : size+end]
				html.WriteString("<" + tag + ">")
				if tag == "code" {
					words.WriteString(inner)
					html.WriteString(template.HTMLEscapeString(inner))
				} else {
					inline(inner, words, html)
				}
				html.WriteString("</" + tag + ">")
				s, before = s[size+end+size:], r
				continue
			}
		}
		words.WriteString(s[:size])
		html.WriteString(template.HTMLEscapeString(s[:size]))
		s, before = s[size:], r
	}
}

// closing is where the mark that closes a run is, or 0.
func closing(s string, mark rune) int {
	if first, _ := utf8.DecodeRuneInString(s); unicode.IsSpace(first) || first == mark {
		return 0
	}
	for i, r := range s {
		if r != mark || i == 0 {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(s[:i])
		next := ' '
		if rest := s[i+1:]; rest != "" {
			next, _ = utf8.DecodeRuneInString(rest)
		}
		if !unicode.IsSpace(last) && edge(next) {
			return i
		}
	}
	return 0
}

func edge(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) }
