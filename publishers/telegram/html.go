package telegram

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// pen writes blocks as Telegram's HTML, or without its marks as what readers see.
type pen struct {
	html     bool
	mentions []string // the handles that may call people
}

// units is how Telegram counts what readers see.
func units(s string) int { return len(utf16.Encode([]rune(strings.TrimSpace(s)))) }

// write joins blocks. Quotations become quotations of Telegram's, which know no second level.
func (p pen) write(blocks []markup.Block) string {
	var parts []string
	for len(blocks) > 0 {
		quoted := blocks[0].Quote > 0
		end := slices.IndexFunc(blocks, func(b markup.Block) bool { return b.Quote > 0 != quoted })
		if end < 0 {
			end = len(blocks)
		}
		run := slices.Clone(blocks[:end])
		blocks = blocks[end:]
		for i := range run {
			run[i].Quote = 0
		}
		said := markup.Write(run, p.line, "• ")
		if quoted {
			said = p.wrap("blockquote", said)
		}
		parts = append(parts, said)
	}
	return strings.Join(parts, "\n\n")
}

func (p pen) line(b markup.Block) string {
	if b.Kind == markup.Rule {
		return "———"
	}
	var out strings.Builder
	for _, s := range b.Spans {
		s.Bold = s.Bold || b.Kind == markup.Heading
		if b.Kind == markup.Code {
			out.WriteString(p.wrap("pre", p.verbatim(s.Text)))
			continue
		}
		out.WriteString(p.span(s))
	}
	return out.String()
}

// span writes words in their style. Code takes no other style in Telegram.
func (p pen) span(s markup.Span) string {
	if s.Code && s.Link == "" {
		return p.wrap("code", p.verbatim(s.Text))
	}
	said := p.say(s.Text)
	switch address, mail := strings.CutPrefix(s.Link, "mailto:"); {
	case mail && address != s.Text: // Telegram has no links to mail boxes, but makes them of what looks like one
		said += " (" + p.verbatim(address) + ")"
	case s.Link == s.Text && s.Link != "":
		said = p.link(s.Link, p.verbatim(s.Text))
	case s.Link != "" && !mail:
		said = p.link(s.Link, said)
	}
	for _, style := range []struct {
		on  bool
		tag string
	}{{s.Strike, "s"}, {s.Italic, "i"}, {s.Bold, "b"}} {
		if style.on {
			said = p.wrap(style.tag, said)
		}
	}
	return said
}

func (p pen) link(address, label string) string {
	if !p.html {
		return label
	}
	return `<a href="` + escaper.Replace(address) + `">` + label + "</a>"
}

func (p pen) wrap(tag, said string) string {
	if !p.html {
		return said
	}
	return "<" + tag + ">" + said + "</" + tag + ">"
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// verbatim are words as they are.
func (p pen) verbatim(s string) string {
	if !p.html {
		return s
	}
	return escaper.Replace(s)
}

var handle = regexp.MustCompile(`@[A-Za-z0-9_]*`)

// say are words that call nobody but the people of the template: a sign of no width parts every other @ from its name.
func (p pen) say(s string) string {
	const joiner = "\u2060"
	var out strings.Builder
	rest := 0
	for _, at := range handle.FindAllStringIndex(s, -1) {
		out.WriteString(s[rest : at[0]+1])
		rest = at[0] + 1
		name := s[rest:at[1]]
		called := slices.ContainsFunc(p.mentions, func(m string) bool { return strings.EqualFold(m, name) })
		if inWord := at[0] > 0 && wordByte(s[at[0]-1]); !called && !inWord && (name != "" || at[1] == len(s)) {
			out.WriteString(joiner)
		}
	}
	out.WriteString(s[rest:])
	return p.verbatim(out.String())
}

// wordByte reports whether an @ behind b belongs to a mail address.
func wordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '_'
}
