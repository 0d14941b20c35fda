// Package teamstest is a simulated Teams channel behind a Workflows flow: its trigger with signature, size limit and
// codes, and a client that reads the Markdown of cards more eagerly than any real one.
package teamstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated flow is made of.
const (
	Signature = "simulated-signature-0000000000000000000000000"
	path      = "/workflows/0f1e2d3c4b5a/triggers/manual/paths/invoke"
	mostBytes = 28 << 10
)

// Flow is what its owner could change.
type Flow struct {
	Off     bool // switched off, or its owner has left
	Failing bool // takes cards and posts none
	Limited bool // four requests a second, as the real one
}

// Platform is a simulated channel with one flow. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu    sync.Mutex
	flow  Flow
	posts []sim.Post
	times []time.Time
	pings int
}

var _ sim.Platform = (*Platform)(nil)

// New opens a channel whose flow is on.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	mux.HandleFunc(path, p.trigger)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "WorkflowNotFound") })
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the flow misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"WEBHOOK": p.server.URL + path + "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + Signature}
}

// Close ends the channel. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Change lets the owner change the flow.
func (p *Platform) Change(f func(*Flow)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.flow)
}

// Posts are the cards in the channel, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sim.Post(nil), p.posts...)
}

// Pings is how many people the cards have called.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": "simulated"}})
}

func (p *Platform) trigger(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch q := r.URL.Query(); {
	case q.Get("sig") == "":
		refuse(w, http.StatusUnauthorized, "DirectApiAuthorizationRequired")
		return
	case q.Get("sig") != Signature || q.Get("sp") != "/triggers/manual/run" || q.Get("api-version") != "1":
		refuse(w, http.StatusUnauthorized, "AuthorizationFailed")
		return
	case p.flow.Off:
		refuse(w, http.StatusBadRequest, "WorkflowTriggerIsNotEnabled")
		return
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, "InvalidHttpVerb")
		return
	case p.flow.Limited && len(p.times) >= 4 && now.Sub(p.times[len(p.times)-4]) < time.Second:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "TooManyRequests")
		return
	case len(raw) > mostBytes:
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
		return
	}
	p.times = append(p.times, now)
	c, err := read(raw)
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestContent")
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if p.flow.Failing {
		return
	}
	post := sim.Post{ID: fmt.Sprint(len(p.posts) + 1), Author: "Workflows", Raw: indent(raw), At: now.UTC()}
	post.Text, post.HTML, p.pings = c.show(p.pings)
	for _, e := range c.Body {
		if e.Type == "Image" {
			post.Images = append(post.Images, sim.Image{URL: e.URL, Alt: e.AltText})
		}
	}
	p.posts = append(p.posts, post)
}

type card struct {
	Schema   string    `json:"$schema"`
	Type     string    `json:"type"`
	Version  string    `json:"version"`
	Lang     string    `json:"lang"`
	Fallback string    `json:"fallbackText"`
	Body     []element `json:"body"`
	Actions  []struct {
		Type, Title, URL string
	} `json:"actions"`
	Teams struct {
		Width    string            `json:"width"`
		Entities []json.RawMessage `json:"entities"`
	} `json:"msteams"`
}

type element struct {
	Type, Text, URL, AltText, Size, Weight, FontType, Spacing string
	IsSubtle, Separator, Wrap                                 bool
}

// read takes a card as the flow's action does, and nothing else.
func read(raw []byte) (*card, error) {
	var m struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string  `json:"contentType"`
			ContentURL  *string `json:"contentUrl"`
			Content     card    `json:"content"`
		} `json:"attachments"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		return nil, fmt.Errorf("no message with one card")
	}
	c := m.Attachments[0].Content
	if c.Type != "AdaptiveCard" || c.Schema != "http://adaptivecards.io/schemas/adaptive-card.json" || c.Version != "1.4" || len(c.Body) == 0 {
		return nil, fmt.Errorf("no card of version 1.4")
	}
	for _, e := range c.Body {
		switch {
		case e.Type == "TextBlock" && strings.TrimSpace(e.Text) != "" && e.Wrap && e.URL == "":
		case e.Type == "Image" && strings.HasPrefix(e.URL, "https://") && e.AltText != "" && e.Text == "":
		default:
			return nil, fmt.Errorf("a wrong element: %+v", e)
		}
	}
	for _, a := range c.Actions {
		if u, err := url.Parse(a.URL); err != nil || u.Scheme == "" || a.Type != "Action.OpenUrl" || a.Title == "" {
			return nil, fmt.Errorf("a wrong action: %+v", a)
		}
	}
	return &c, nil
}

func indent(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String() + "\n"
}
