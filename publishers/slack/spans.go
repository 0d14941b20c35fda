package slack

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"

	slackgo "github.com/slack-go/slack"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/idna"
)

type (
	span  = slackgo.RichTextSectionElement
	style = slackgo.RichTextSectionTextStyle
)

// say adds words in a style; words in the style of those before join them.
func say(spans []span, words string, s style) []span {
	if words == "" {
		return spans
	}
	if len(spans) > 0 {
		if last, ok := spans[len(spans)-1].(*slackgo.RichTextSectionTextElement); ok && (last.Style == nil && s == style{} || last.Style != nil && *last.Style == s) {
			last.Text += words
			return spans
		}
	}
	return append(spans, slackgo.NewRichTextSectionTextElement(words, styled(s)))
}

// join puts more after spans.
func join(spans, more []span) []span {
	if len(more) == 0 {
		return spans
	}
	if t, ok := more[0].(*slackgo.RichTextSectionTextElement); ok {
		s := style{}
		if t.Style != nil {
			s = *t.Style
		}
		spans, more = say(spans, t.Text, s), more[1:]
	}
	return append(spans, more...)
}

// point adds a link, or its words alone when nobody could follow it.
func point(spans []span, label, address string, s style) []span {
	target, ok := reachable(strings.TrimSpace(address))
	if !ok {
		return say(spans, label, s)
	}
	if label = strings.TrimSpace(label); label == target {
		label = ""
	}
	return append(spans, slackgo.NewRichTextSectionLinkElement(target, label, styled(s)))
}

// reachable is an address as it can be followed from anywhere, in ASCII.
func reachable(address string) (string, bool) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "", false
	case u.Scheme == "mailto":
		return u.String(), u.Opaque != ""
	case u.Hostname() == "" || strings.ContainsAny(u.Host, "<>|") || u.Scheme != "http" && u.Scheme != "https":
		return "", false
	}
	if host := u.Hostname(); strings.IndexFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) >= 0 {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", false
		}
		u.Host = strings.Replace(u.Host, host, ascii, 1)
	}
	return strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C").Replace(u.String()), true
}

func styled(s style) *style {
	if s == (style{}) {
		return nil
	}
	return &s
}

// words is what a person reads in spans.
func words(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s := s.(type) {
		case *slackgo.RichTextSectionTextElement:
			b.WriteString(s.Text)
		case *slackgo.RichTextSectionLinkElement:
			switch address := strings.TrimPrefix(s.URL, "mailto:"); {
			case s.Text == "":
				b.WriteString(address)
			case sameAddress(s.Text, address):
				b.WriteString(s.Text)
			default:
				b.WriteString(s.Text + " (" + address + ")")
			}
		}
	}
	return b.String()
}

// sameAddress reports whether label is nothing but the address, as people write it.
func sameAddress(label, address string) bool {
	if u, err := url.PathUnescape(address); err == nil {
		address = u
	}
	bare := func(s string) string {
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://"), "/")
	}
	return bare(label) == bare(address)
}

// weight is how much of Slack's limit on a whole message spans take.
func weight(spans []span) int {
	n := 0
	for _, s := range spans {
		switch s := s.(type) {
		case *slackgo.RichTextSectionTextElement:
			n += units(s.Text)
		case *slackgo.RichTextSectionLinkElement:
			n += units(s.Text) + units(s.URL)
		}
	}
	return n
}

// units counts as JavaScript does, which is never less than any other way to count characters.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

// resolve replaces backslash escapes and character references, once.
func resolve(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			i++
			b.WriteByte(s[i])
		case s[i] == '&':
			if end := strings.IndexByte(s[i:], ';'); end > 1 && end < 34 {
				if ref := html.UnescapeString(s[i : i+end+1]); !strings.HasSuffix(ref, ";") {
					b.WriteString(strings.Map(visible, ref))
					i += end
					continue
				}
			}
			b.WriteByte('&')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// visible drops the control characters that a character reference could smuggle in.
func visible(r rune) rune {
	if unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0xFEFF {
		return -1
	}
	return r
}

func sameWords(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
