package googlechat

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// Google Chat takes 32,000 bytes in all: text, title and pictures stay below.
const (
	most      = 24000
	mostAlt   = 500
	mostShown = 4
)

func limits(r *markup.Reader) announce.Limits {
	return announce.Limits{
		Text: most, Links: true, Markdown: true, Images: mostShown, Alt: mostAlt, Replies: true, Pace: time.Second,
		Picture: announce.PictureLimits{Bytes: 5 << 20, Side: 2048},
		Measure: func(s string) int { return weigh(write(r.Read(s))) },
	}
}

// weigh is how many bytes a text takes in the request.
func weigh(s string) int {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return len(s)
	}
	return b.Len() - len("\"\"\n")
}

type message struct {
	Text   string  `json:"text"`
	Syntax string  `json:"markupSyntax"`
	Cards  []card  `json:"cardsV2,omitempty"`
	Thread *thread `json:"thread,omitempty"`
}

type thread struct {
	Key string `json:"threadKey"`
}

type card struct {
	ID   string `json:"cardId"`
	Card struct {
		Sections []section `json:"sections"`
	} `json:"card"`
}

type section struct {
	Widgets []widget `json:"widgets"`
}

type widget struct {
	Image image `json:"image"`
}

type image struct {
	URL string `json:"imageUrl"`
	Alt string `json:"altText"`
}

// compose writes the title in bold, the text, and the pictures that Google Chat can fetch. It names the syntax: that of a
// Chat app depends on when the app was made.
func compose(r *markup.Reader, m announce.Message) message {
	title := strings.Join(strings.Fields(m.Subject), " ")
	blocks := markup.Untitled(r.Read(m.Text), title)
	head := line([]markup.Span{{Text: title, Bold: true}})
	out := message{Text: strings.TrimSpace(head + "\n\n" + write(blocks)), Syntax: "MARKUP_SYNTAX_CHAT"}
	var shown []widget
	for _, i := range m.Images {
		if alt := strings.TrimSpace(i.Alt); i.URL != "" {
			if alt == "" {
				alt = title
			}
			shown = append(shown, widget{image{i.URL, alt}})
		}
	}
	if len(shown) > 0 {
		c := card{ID: "pictures"}
		c.Card.Sections = []section{{shown}}
		out.Cards = []card{c}
	}
	return out
}

func write(blocks []markup.Block) string {
	return markup.Write(blocks, func(b markup.Block) string {
		switch b.Kind {
		case markup.Rule:
			return "———"
		case markup.Code:
			if said := b.Spans[0].Text; !strings.Contains(said, "```") && b.Depth == 0 && b.Quote == 0 && !b.More {
				return "```\n" + uncalled(said) + "\n```"
			}
			return neutral(b.Spans[0].Text)
		case markup.Heading:
			for i := range b.Spans {
				b.Spans[i].Bold = true
			}
		}
		var lines []string
		for _, spans := range split(b.Spans) {
			lines = append(lines, line(spans))
		}
		return strings.Join(lines, "\n")
	}, "- ")
}

// split divides spans at line breaks: no mark reaches over one.
func split(spans []markup.Span) [][]markup.Span {
	out := [][]markup.Span{nil}
	for _, s := range spans {
		for i, part := range strings.Split(s.Text, "\n") {
			if i > 0 {
				out = append(out, nil)
			}
			if part != "" {
				p := s
				p.Text = part
				out[len(out)-1] = append(out[len(out)-1], p)
			}
		}
	}
	return out
}

// joiner shows nothing. Google Chat documents no way to escape its marks; it takes them for marks at the edge of a word only,
// and beside a joiner there is no edge.
const joiner = "\u2060"

var (
	special = regexp.MustCompile(`<(?:users/|https?:|mailto:|custom)`)
	address = strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20")
)

const marks = "*_~`"

// neutral writes words that mean nothing but themselves: nobody is called, nothing is a mark or a link.
func neutral(s string) string {
	s = uncalled(s)
	if !strings.ContainsAny(s, marks) {
		return s
	}
	var b strings.Builder
	runes := append([]rune(s), ' ')
	before := ' '
	for i, r := range runes[:len(runes)-1] {
		if !strings.ContainsRune(marks, r) || inside(before) && inside(runes[i+1]) {
			b.WriteRune(r)
		} else {
			b.WriteString(joiner + string(r) + joiner)
		}
		before = r
	}
	return b.String()
}

// uncalled takes the meaning from what Google Chat reads between angle brackets.
func uncalled(s string) string {
	return special.ReplaceAllStringFunc(s, func(m string) string { return m[:1] + joiner + m[1:] })
}

// inside reports whether a mark between two such letters is inside a word, where it is none.
func inside(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// line writes one line of spans.
func line(spans []markup.Span) string {
	var b strings.Builder
	open := true // the next span may begin with marks
	for i, s := range spans {
		text := neutral(s.Text)
		switch to := link(s.Link); {
		case to != "" && (s.Text == to || strings.TrimSpace(s.Text) == ""):
			text = "<" + to + ">"
		case to != "" && strings.ContainsAny(s.Text, "<>|"):
			text += " (<" + to + ">)"
		case to != "":
			text = "<" + to + "|" + text + ">"
		case s.Code && !strings.Contains(s.Text, "`"):
			text = "`" + uncalled(s.Text) + "`"
		}
		inner := strings.TrimSpace(text)
		start := strings.Index(text, inner)
		lead, tail := text[:start], text[start+len(inner):]
		closed := tail != "" || i+1 == len(spans) || spans[i+1].Link != "" || edge(utf8.DecodeRuneInString(spans[i+1].Text))
		before, after := "", ""
		if inner != "" && closed && (open || lead != "") {
			for _, m := range []struct {
				on   bool
				mark string
			}{{s.Strike, "~"}, {s.Italic, "_"}, {s.Bold, "*"}} {
				if m.on {
					before, after = m.mark+before, after+m.mark
				}
			}
		}
		b.WriteString(lead + before + inner + after + tail)
		open = tail != "" || before == "" && (text == "" && open || text != "" && edge(utf8.DecodeLastRuneInString(s.Text)))
	}
	return b.String()
}

// edge reports whether a mark beside r stands at the edge of a word.
func edge(r rune, _ int) bool {
	return unicode.IsSpace(r) || (unicode.IsPunct(r) || unicode.IsSymbol(r)) && !strings.ContainsRune(marks, r)
}

// link is an address as it can stand between angle brackets. Mail addresses are recognised without.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return ""
	}
	return address.Replace(u.String())
}
