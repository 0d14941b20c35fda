package webhook

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// The types of events.
const (
	published = "announcement.published"
	updated   = "announcement.updated"
	retracted = "announcement.retracted"
)

const (
	mostBody = 20_000 // an event stays below what the specification recommends
	mostText = 6_000  // of the text in one language
)

// event is the body of a request.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened; equal on every repeat but for a retraction's
	Data      any       `json:"data"`
}

// telling is the data of announcement.published and announcement.updated: all of what is announced, as it stands now.
type telling struct {
	ID       announce.ID       `json:"id"` // of the announcement
	Delivery string            `json:"delivery"`
	Rev      int               `json:"rev"`
	Kind     announce.Kind     `json:"kind"`
	Language announce.Language `json:"language"` // the first of versions
	Versions []version         `json:"versions"`
	Link     string            `json:"link,omitempty"`
	Event    *announce.Event   `json:"event,omitempty"`
	Images   []image           `json:"images,omitempty"`
	Topics   []string          `json:"topics,omitempty"`
	Created  time.Time         `json:"created_at,omitzero"`
	Updated  time.Time         `json:"updated_at,omitzero"`
	Partial  bool              `json:"partial,omitempty"` // something was left out for size; the link leads to all of it
}

type version struct {
	Language announce.Language `json:"language"`
	Title    string            `json:"title"`
	Summary  string            `json:"summary,omitempty"`
	Text     string            `json:"text,omitempty"` // plain
}

type image struct {
	URL    string `json:"url"`
	Alt    string `json:"alt"`
	Type   string `json:"type,omitempty"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
}

// retraction is the data of announcement.retracted.
type retraction struct {
	ID       announce.ID `json:"id"`
	Delivery string      `json:"delivery"`
	Rev      int         `json:"rev"` // the last that was told
}

// compose writes an event that is smaller than mostBody. What an announcement holds beyond that is left out, the least needed first.
func compose(kind string, at time.Time, m announce.Message) ([]byte, error) {
	t := telling{
		ID: m.Announcement, Delivery: m.Key, Rev: m.Rev, Kind: m.Kind, Language: m.Language, Link: m.Link, Event: m.Event, Topics: m.Topics,
		Created: m.Created, Updated: m.Updated,
	}
	for _, v := range m.Versions {
		t.Versions = append(t.Versions, version{v.Language, v.Subject, v.Summary, v.Text})
	}
	if len(t.Versions) == 0 {
		t.Versions = []version{{m.Language, m.Subject, m.Summary, m.Text}}
	}
	for _, p := range m.Images {
		if p.URL != "" {
			t.Images = append(t.Images, image{p.URL, p.Alt, p.Type, p.Width, p.Height})
		}
	}
	body, err := encode(event{kind, at.UTC(), t})
	for _, leave := range leavings() {
		if err != nil || len(body) < mostBody {
			break
		}
		leave(&t)
		t.Partial = true
		body, err = encode(event{kind, at.UTC(), t})
	}
	return body, err
}

// leavings are what can be left out, in that order. None changes what the message shares with others.
func leavings() []func(*telling) {
	return []func(*telling){
		func(t *telling) { // abstracts are in the texts already
			if t.Event == nil {
				return
			}
			e := *t.Event
			e.Talks = append([]announce.Talk{}, e.Talks...)
			for i := range e.Talks {
				e.Talks[i].Abstract = ""
			}
			t.Event = &e
		},
		func(t *telling) {
			for i := range t.Versions[1:] {
				t.Versions[i+1].Text = ""
			}
		},
		func(t *telling) {
			t.Topics = nil
			if t.Event != nil {
				e := *t.Event
				e.Talks, e.Partners = nil, nil
				t.Event = &e
			}
		},
		func(t *telling) { t.Images = nil },
		func(t *telling) { t.Versions = t.Versions[:1] },
		func(t *telling) { t.Event = nil },
	}
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// written is how many bytes a text takes in JSON.
func written(s string) int {
	b, err := encode(s)
	if err != nil {
		return len(s)
	}
	return len(b) - len(`""`)
}
