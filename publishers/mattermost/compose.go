package mattermost

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// A post has 16,383 code points. Beside the text it holds the title, at most 300 characters, and the words of four
// pictures, each of which may be written with five.
const (
	maxText   = 8500
	maxImages = 4
	maxAlt    = 300
)

// limits holds for both modes.
func limits(r *markup.Reader) announce.Limits {
	return announce.Limits{
		Text: maxText, Links: true, Markdown: true, Images: maxImages, Alt: maxAlt, Picture: announce.PictureLimits{Bytes: 5 << 20, Side: 2560}, Pace: 200 * time.Millisecond,
		Measure: func(text string) int { return utf8.RuneCountInString(write(r.Read(text), nil)) },
	}
}

// compose is the message in Mattermost's Markdown. linked: pictures that anybody can fetch are shown from their address.
func compose(r *markup.Reader, m announce.Message, linked bool) string {
	title := strings.Join(strings.Fields(m.Subject), " ")
	blocks := markup.Untitled(r.Read(m.Text), title)
	var parts []string
	if title != "" {
		parts = append(parts, heading(4, words(title)))
	}
	if said := write(blocks, m.Mentions); said != "" {
		parts = append(parts, said)
	}
	for _, p := range m.Images {
		switch alt := words(strings.Join(strings.Fields(p.Alt), " ")); {
		case linked && p.URL != "":
			parts = append(parts, "!["+alt+"]("+target(p.URL, true)+")")
		case alt != "":
			// An attached file has no text alternative, so the post says it.
			parts = append(parts, "*"+in(m.Language, "Image\u00a0: ", "Picture: ")+alt+"*")
		}
	}
	return strings.Join(parts, "\n\n")
}

// in picks the words for a reader of l.
func in(l announce.Language, french, english string) string {
	if l.Base() == "fr" {
		return french
	}
	return english
}
