package slack

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackutilsx"
	"github.com/yuin/goldmark/parser"

	"github.com/crieur/crieur/internal/announce"
)

// Slack refuses a message whose blocks hold about 13,000 characters together, and documents no figure. These ceilings
// add up to less than 12,000: title twice (300, 150), text, pictures, one link (2,000).
const (
	maxHeader   = 150
	maxText     = 7000
	maxImages   = 4
	maxAlt      = 500
	maxFallback = 3900 // of the plain text beside the blocks; an edit takes 4,000
	mostLink    = 3000
)

const patience = 2 * time.Minute // pictures are uploaded and looked into before a post is made

// post is a message as Slack takes it.
type post struct {
	blocks   []slackgo.Block
	fallback string // for notifications and screen readers; escaped
}

// limits holds for both modes.
func limits(p parser.Parser) announce.Limits {
	return announce.Limits{
		Text: maxText, Links: true, Markdown: true, Images: maxImages, Alt: maxAlt, Pace: pace,
		Picture: announce.PictureLimits{Bytes: 4_000_000, Side: 2048},
		Measure: func(s string) int { return measure(translate(p, s, "")) },
	}
}

// compose makes the post, with each picture of m as show says.
func compose(p parser.Parser, m announce.Message, show []shown) post {
	var blocks []slackgo.Block
	title := strings.TrimSpace(m.Subject)
	if title != "" {
		header := title
		if units(header) > maxHeader {
			header = clip(header, maxHeader)
			blocks = append(blocks, rich(slackgo.NewRichTextSectionTextElement(title, &style{Bold: true})))
		}
		blocks = append([]slackgo.Block{slackgo.NewHeaderBlock(slackgo.NewTextBlockObject(slackgo.PlainTextType, header, false, false))}, blocks...)
	}
	body := translate(p, m.Text, title)
	blocks = append(blocks, body...)
	for i, picture := range m.Images {
		alt := strings.TrimSpace(picture.Alt)
		label := clip(cmp.Or(alt, title, "Image"), 2000)
		switch s := show[i]; {
		case s.file != "":
			blocks = append(blocks, slackgo.NewImageBlockSlackFile(&slackgo.SlackFileObject{ID: s.file}, label, "", nil))
		case s.address != "":
			blocks = append(blocks, slackgo.NewImageBlock(s.address, label, "", nil))
		case alt != "":
			blocks = append(blocks, rich(slackgo.NewRichTextSectionTextElement(in(m.Language, "Image\u00a0: ", "Picture: ")+alt, &style{Italic: true})))
		}
	}
	if m.Link != "" && units(m.Link) <= mostLink && !strings.Contains(m.Text, m.Link) && !pointsTo(body, m.Link) {
		if link := point(nil, in(m.Language, "En savoir plus", "Read more"), m.Link, style{}); len(link) == 1 {
			blocks = append(blocks, rich(link...))
		}
	}
	return post{blocks: blocks, fallback: fallback(blocks, title)}
}

func rich(spans ...span) slackgo.Block {
	return slackgo.NewRichTextBlock("", slackgo.NewRichTextSection(spans...))
}

// in picks the words for a reader of l.
func in(l announce.Language, french, english string) string {
	if l.Base() == "fr" {
		return french
	}
	return english
}

// fallback is the whole post as words, as much as fits once it is escaped. Nothing in it means anything to Slack.
func fallback(blocks []slackgo.Block, title string) string {
	lines := []string{title}
	for _, b := range blocks {
		switch b := b.(type) {
		case *slackgo.RichTextBlock:
			if said := strings.TrimSpace(plain(b)); said != title {
				lines = append(lines, said)
			}
		case *slackgo.ImageBlock:
			lines = append(lines, b.AltText)
		}
	}
	all := strings.TrimSpace(strings.Join(lines, "\n\n"))
	for most := maxFallback; ; most -= most / 10 {
		if escaped := slackutilsx.EscapeMessage(clip(all, most)); units(escaped) <= maxFallback {
			return escaped
		}
	}
}

// plain is rich text as words.
func plain(b *slackgo.RichTextBlock) string {
	var out []string
	for _, e := range b.Elements {
		switch e := e.(type) {
		case *slackgo.RichTextSection:
			out = append(out, words(e.Elements))
		case *slackgo.RichTextQuote:
			out = append(out, words(e.Elements))
		case *slackgo.RichTextPreformatted:
			out = append(out, words(e.Elements))
		case *slackgo.RichTextList:
			for i, item := range e.Elements {
				mark := "• "
				if e.Style == slackgo.RTEListOrdered {
					mark = strconv.Itoa(e.Offset+i+1) + ". "
				}
				if s, ok := item.(*slackgo.RichTextSection); ok {
					out = append(out, strings.Repeat("  ", e.Indent)+mark+words(s.Elements))
				}
			}
		}
	}
	return strings.Join(out, "\n")
}

// each calls do with every run of spans.
func each(blocks []slackgo.Block, do func([]span)) {
	for _, b := range blocks {
		r, ok := b.(*slackgo.RichTextBlock)
		if !ok {
			continue
		}
		for _, e := range r.Elements {
			switch e := e.(type) {
			case *slackgo.RichTextSection:
				do(e.Elements)
			case *slackgo.RichTextQuote:
				do(e.Elements)
			case *slackgo.RichTextPreformatted:
				do(e.Elements)
			case *slackgo.RichTextList:
				for _, item := range e.Elements {
					if s, ok := item.(*slackgo.RichTextSection); ok {
						do(s.Elements)
					}
				}
			}
		}
	}
}

func measure(blocks []slackgo.Block) int {
	n := 0
	each(blocks, func(s []span) { n += weight(s) })
	return n
}

func pointsTo(blocks []slackgo.Block, address string) bool {
	if same, ok := reachable(address); ok {
		address = same
	}
	found := false
	each(blocks, func(spans []span) {
		for _, s := range spans {
			if l, ok := s.(*slackgo.RichTextSectionLinkElement); ok && strings.TrimSuffix(l.URL, "/") == strings.TrimSuffix(address, "/") {
				found = true
			}
		}
	})
	return found
}

// clip keeps at most n units, ending in an ellipsis when something is missing.
func clip(s string, n int) string {
	if units(s) <= n {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && units(string(r))+1 > n {
		r = r[:len(r)-max(1, (units(string(r))+1-n)/2)]
	}
	return strings.TrimRight(string(r), " \u00a0\n") + "…"
}
