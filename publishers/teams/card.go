package teams

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// A flow fails above about 28 KB, some say 21. Text, title (twice), one picture and one link together stay below 20,000 bytes.
const (
	most      = 13000 // bytes of the text's elements, as JSON
	mostAlt   = 500
	mostLink  = 1500
	mostBytes = 1 << 20
	mostSide  = 1024
)

// Limits are those of a flow that posts a card.
func (f *flow) Limits() announce.Limits {
	return announce.Limits{
		Text: most, Links: true, Markdown: true, Images: 1, Alt: mostAlt, Pace: time.Second,
		Picture: announce.PictureLimits{Bytes: mostBytes, Side: mostSide, Types: []string{"image/jpeg", "image/png"}},
		Measure: func(s string) int {
			n := 0
			for _, e := range elements(f.reader.Read(s)) {
				n += weigh(e)
			}
			return n
		},
	}
}

// weigh is how many bytes an element takes in a list.
func weigh(e element) int {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(e) != nil {
		return 0
	}
	return b.Len() // its line end stands for the comma
}

type envelope struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string  `json:"contentType"`
	ContentURL  *string `json:"contentUrl"`
	Content     card    `json:"content"`
}

type card struct {
	Schema   string            `json:"$schema"`
	Type     string            `json:"type"`
	Version  string            `json:"version"`
	Language string            `json:"lang,omitempty"`
	Fallback string            `json:"fallbackText"`
	Body     []element         `json:"body"`
	Actions  []action          `json:"actions,omitempty"`
	Teams    map[string]string `json:"msteams"`
}

// element is a TextBlock or an Image.
type element struct {
	Type      string `json:"type"`
	Text      string `json:"text,omitempty"`
	URL       string `json:"url,omitempty"`
	Alt       string `json:"altText,omitempty"`
	Size      string `json:"size,omitempty"`
	Weight    string `json:"weight,omitempty"`
	Font      string `json:"fontType,omitempty"`
	Spacing   string `json:"spacing,omitempty"`
	Subtle    bool   `json:"isSubtle,omitempty"`
	Separator bool   `json:"separator,omitempty"`
	Wrap      bool   `json:"wrap,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func (f *flow) compose(m announce.Message) envelope {
	title := strings.TrimSpace(m.Subject)
	blocks := markup.Untitled(f.reader.Read(m.Text), title)
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4", Language: string(m.Language),
		Fallback: strings.TrimSpace(title + " " + m.Link), Body: elements(blocks), Teams: map[string]string{"width": "Full"},
	}
	if title != "" {
		c.Body = append([]element{{Type: "TextBlock", Text: line([]markup.Span{{Text: title}}), Size: "Large", Weight: "Bolder", Wrap: true}}, c.Body...)
	}
	for _, i := range m.Images {
		if alt := strings.TrimSpace(i.Alt); i.URL != "" {
			if alt == "" {
				alt = title
			}
			c.Body = append(c.Body, element{Type: "Image", URL: i.URL, Alt: alt, Size: "Stretch"})
		}
	}
	if target, ok := address(m.Link); ok && len(target) <= mostLink {
		label := "Read more"
		if m.Language.Base() == "fr" {
			label = "En savoir plus"
		}
		c.Actions = []action{{Type: "Action.OpenUrl", Title: label, URL: target}}
	}
	return envelope{Type: "message", Attachments: []attachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: c}}}
}

// elements writes each line of the blocks as a text of its own: clients disagree about line breaks and lists inside one.
func elements(blocks []markup.Block) []element {
	var out []element
	separate := false
	for i, b := range blocks {
		if b.Kind == markup.Rule {
			separate = len(out) > 0
			continue
		}
		shape := element{Type: "TextBlock", Wrap: true, Subtle: b.Quote > 0}
		switch b.Kind {
		case markup.Heading:
			shape.Weight, shape.Size = "Bolder", "Medium"
		case markup.Code:
			shape.Font = "Monospace"
		}
		indent, mark := "", ""
		if b.Kind == markup.Item || b.Depth > 0 || b.More {
			indent, mark = strings.Repeat("\u2003", b.Depth), "•\u00a0"
			if b.Number > 0 {
				mark = strconv.Itoa(b.Number) + ".\u00a0"
			}
			if b.More {
				mark = "\u2003"
			}
		}
		for n, spans := range lines(b.Spans) {
			e := shape
			if n > 0 && mark != "" {
				mark = "\u2003"
			}
			if e.Text = line(append([]markup.Span{{Text: indent + mark}}, spans...)); (markup.Block{Spans: spans}).Words() == "" {
				continue
			}
			switch {
			case n > 0:
				e.Spacing = "None"
			case markup.Tight(blocks, i):
				e.Spacing = "Small"
			}
			e.Separator, separate = separate, false
			out = append(out, e)
		}
	}
	return out
}

// lines splits spans at line breaks.
func lines(spans []markup.Span) [][]markup.Span {
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
