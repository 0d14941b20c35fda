package webhooktest

import (
	"encoding/json"
	"errors"
	"html/template"
	"regexp"
	"strings"
	"time"
)

// received is an event that was read.
type received struct {
	kind string
	at   time.Time
	data telling // of a retraction: its ID and revision
}

// telling is the data of an announcement, as the channel's page describes it.
type telling struct {
	ID       string          `json:"id"`
	Delivery string          `json:"delivery"`
	Rev      int             `json:"rev"`
	Kind     string          `json:"kind"`
	Language string          `json:"language"`
	Versions []version       `json:"versions"`
	Link     string          `json:"link"`
	Event    json.RawMessage `json:"event"`
	Images   []image         `json:"images"`
	Topics   []string        `json:"topics"`
	Created  time.Time       `json:"created_at"`
	Updated  time.Time       `json:"updated_at"`
	Partial  bool            `json:"partial"`
}

type version struct {
	Language string `json:"language"`
	Title    string `json:"title"`
	Summary  string `json:"summary"`
	Text     string `json:"text"`
}

type image struct {
	URL    string `json:"url"`
	Alt    string `json:"alt"`
	Type   string `json:"type"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

func read(body []byte) (received, error) {
	var e struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := strict(body, &e); err != nil || e.Timestamp.IsZero() {
		return received{}, errors.New("the body is no event")
	}
	out := received{kind: e.Type, at: e.Timestamp}
	switch e.Type {
	case "announcement.published", "announcement.updated":
		if err := strict(e.Data, &out.data); err != nil || len(out.data.Versions) == 0 || out.data.Versions[0].Title == "" {
			return received{}, errors.New("the data is no announcement")
		}
	case "announcement.retracted":
		var gone struct {
			ID       string `json:"id"`
			Delivery string `json:"delivery"`
			Rev      int    `json:"rev"`
		}
		if err := strict(e.Data, &gone); err != nil {
			return received{}, errors.New("the data is no retraction")
		}
		out.data = telling{ID: gone.ID, Delivery: gone.Delivery, Rev: gone.Rev}
	default:
		return received{}, errors.New("the type is not known")
	}
	if out.data.ID == "" || out.data.Delivery == "" || out.data.Rev < 1 {
		return received{}, errors.New("the data names no announcement")
	}
	return out, nil
}

var (
	address = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)]`)
	page    = template.Must(template.New("item").Parse(`<article class="webhook">` +
		`{{range .Versions}}<section lang="{{.Language}}"><h3>{{.Title}}</h3>` +
		`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Text}}" rel="nofollow">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p></section>{{end}}` +
		`{{range .Images}}<img src="{{.URL}}" alt="{{.Alt}}" loading="lazy">{{end}}</article>`))
)

// piece is a run of text: plain, a link, or the end of a line.
type piece struct {
	Text      string
	Link, End bool
}

// Pieces are for the template.
func (v version) Pieces() []piece {
	var all []piece
	for i, line := range strings.Split(v.Text, "\n") {
		if i > 0 {
			all = append(all, piece{End: true})
		}
		end := 0
		for _, at := range address.FindAllStringIndex(line, -1) {
			all = append(all, piece{Text: line[end:at[0]]}, piece{Text: line[at[0]:at[1]], Link: true})
			end = at[1]
		}
		all = append(all, piece{Text: line[end:]})
	}
	return all
}

func (x *item) html() string {
	var b strings.Builder
	if err := page.Execute(&b, x.data); err != nil {
		return template.HTMLEscapeString(err.Error())
	}
	return b.String()
}
