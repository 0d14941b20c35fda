package teams

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/internal/markup"
)

// joiner shows nothing and joins nothing that was not joined. Where Teams would take plain words for something else and a
// backslash does not help in every client, it stands between them.
const joiner = "\u2060"

var (
	// What Markdown gives a meaning at the beginning of a line.
	begins = regexp.MustCompile("^(?:[ \t]|[-+#>=~`|]|[0-9]+[.)])")
	// Character references, tags, struck words, and what Teams itself reads: dates to localise, people to call.
	special = regexp.MustCompile(`&#?[0-9A-Za-z]+;|<[A-Za-z/!?]|~~+|\{\{+`)
	escaped = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, "`", "\\`")
	// In an address nothing may end it or be read as markup.
	target = strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", `\`, "%5C", "*", "%2A", "{{", "%7B%7B", "[", "%5B", "]", "%5D")
)

// plain writes words that mean nothing but themselves.
func plain(s string) string {
	s = special.ReplaceAllStringFunc(s, func(x string) string {
		if x[0] == '~' || x[0] == '{' {
			return strings.Join(strings.Split(x, ""), joiner)
		}
		return x[:1] + joiner + x[1:]
	})
	return escaped.Replace(s)
}

// address is a link as it can stand in Markdown and in an action.
func address(link string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(link))
	switch {
	case err != nil, strings.Contains(u.Host, "["): // no place for brackets
		return "", false
	case u.Scheme == "mailto" && u.Opaque != "", (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
		return target.Replace(u.String()), true
	}
	return "", false
}

// line writes one line of spans in the Markdown of a TextBlock: bold, italics and links; all else means itself.
func line(spans []markup.Span) string {
	var b strings.Builder
	open := true // the next span may begin with marks
	for i, s := range spans {
		text := plain(s.Text)
		if to, ok := address(s.Link); ok && strings.TrimSpace(s.Text) != "" {
			text = "[" + text + "](" + to + ")"
		}
		inner := strings.TrimSpace(text)
		start := strings.Index(text, inner)
		lead, tail := text[:start], text[start+len(inner):]
		closed := tail != "" || i+1 == len(spans) || boundary(utf8.DecodeRuneInString(spans[i+1].Text)) || spans[i+1].Link != ""
		marks := ""
		if inner != "" && closed && (open || lead != "") {
			marks = strings.Repeat("_", count(s.Italic)) + strings.Repeat("*", 2*count(s.Bold))
		}
		b.WriteString(lead + reverse(marks) + inner + marks + tail)
		open = tail != "" || marks == "" && (text == "" && open || text != "" && boundary(utf8.DecodeLastRuneInString(s.Text)))
	}
	text := b.String()
	if begins.MatchString(text) {
		text = joiner + text
	}
	return text
}

// boundary reports whether marks next to r, outside of it, are taken for marks: beside a letter they may not be.
func boundary(r rune, _ int) bool {
	return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r)
}

func count(on bool) int {
	if on {
		return 1
	}
	return 0
}

func reverse(marks string) string {
	r := []byte(marks)
	slices.Reverse(r)
	return string(r)
}
