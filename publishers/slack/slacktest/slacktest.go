// Package slacktest is a simulated Slack: the Web API methods that Crieur calls and incoming webhooks, with Slack's
// own limits, refusals and manner of answering 200 to everything.
package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated workspace is made of.
const (
	Token   = "xoxb-simulated-000000000000-bottoken"
	Channel = "C0ANNOUNCE"
	Person  = "U0ADA00001" // whom the app can write to
	hook    = "/services/T0CRIEUR/B0CRIEUR/simulatedhooksecret"
)

// Workspace is what an administrator could change.
type Workspace struct {
	Scopes     []string
	Member     bool // the app is in the channel
	Private    bool
	Archived   bool
	Person     bool // the token is a person's
	RateLimit  bool // about one message a second, as the real platform
	Page       int  // most messages in a page of history; 0: as asked for
	Unlinkable bool // permanent links are refused
	Uploads    bool // files may be uploaded
	Unseen     bool // what stands at public addresses cannot be fetched
	Slow       int  // how often a file is asked for before it can be shown; less than 0: for ever
}

// Platform is a simulated workspace with one channel and its people. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu       sync.Mutex
	space    Workspace
	messages []*message // oldest first
	files    map[string]*file
	uploads  []*file              // in the order of their requests
	last     map[string]time.Time // of the last post, by channel
	users    map[string]string    // by ID: why the app cannot write to them; empty: it can
	lastTS   string
	pings    int
}

type message struct {
	channel  string
	ts       string
	raw      string
	text     string
	blocks   []block
	metadata json.RawMessage
	edited   int
	deleted  bool
	byHook   bool
	at       time.Time
}

var _ sim.Platform = (*Platform)(nil)

// New opens a workspace where the app has every right and is in the channel.
func New() *Platform {
	p := &Platform{files: map[string]*file{}, last: map[string]time.Time{}, users: map[string]string{Person: ""}, space: Workspace{
		Scopes: []string{"chat:write", "channels:read", "groups:read", "channels:history", "groups:history", "files:write", "files:read", "im:write", "im:history"},
		Member: true, Uploads: true,
	}}
	mux := http.NewServeMux()
	for method, m := range methods() {
		mux.HandleFunc("/api/"+method, func(w http.ResponseWriter, r *http.Request) { p.call(w, r, m) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) { answer(w, refusal("unknown_method")) })
	mux.HandleFunc("/services/", p.webhook)
	mux.HandleFunc("/upload/v1/{ticket}", p.upload)
	mux.HandleFunc("GET /archives/{channel}/{ts}", p.page)
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the workspace misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends the workspace. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures a bot.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"TOKEN": Token, "CHANNEL": Channel, "API": p.server.URL + "/api"}
}

// Webhook is the address of an incoming webhook of the channel.
func (p *Platform) Webhook() string { return p.server.URL + hook }

// Change lets an administrator change the workspace.
func (p *Platform) Change(f func(*Workspace)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.space)
}

// Pings is how many notifications to people or to the whole channel the messages have caused.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Say lets a person write in the channel.
func (p *Platform) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&message{channel: Channel, text: text, byHook: true})
}

// Posts are the messages of the app, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, m := range p.messages {
		if m.raw == "" {
			continue
		}
		post := sim.Post{ID: m.channel + ":" + m.ts, URL: p.link(m), Author: "Crieur", Text: plain(m.blocks), HTML: render(m.blocks), Raw: m.raw, At: m.at, Edited: m.edited, Deleted: m.deleted}
		if user, direct := p.direct(m.channel); direct {
			post.To = user
		}
		if len(m.blocks) == 0 {
			post.Text, post.HTML = m.text, render([]block{{Type: "section", Text: &text{Type: "plain_text", Text: unescape(m.text)}}})
		}
		for _, b := range m.blocks {
			if b.Type == "image" {
				post.Images = append(post.Images, sim.Image{URL: b.source(), Alt: b.AltText})
			}
		}
		var meta struct {
			Payload struct {
				Delivery string `json:"delivery_id"`
			} `json:"event_payload"`
		}
		if json.Unmarshal(m.metadata, &meta) == nil {
			post.Key = meta.Payload.Delivery
		}
		posts = append(posts, post)
	}
	return posts
}

func (p *Platform) link(m *message) string {
	return p.server.URL + "/archives/" + m.channel + "/p" + strings.Replace(m.ts, ".", "", 1)
}

func (p *Platform) page(w http.ResponseWriter, r *http.Request) {
	for _, post := range p.Posts() {
		if !post.Deleted && strings.HasSuffix(post.URL, "/"+r.PathValue("channel")+"/"+r.PathValue("ts")) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<!doctype html><meta charset=utf-8><title>Slack</title>"+post.HTML)
			return
		}
	}
	http.NotFound(w, r)
}

// add gives the message its timestamp, which is its name. p.mu is held.
func (p *Platform) add(m *message) {
	m.at = time.Now().UTC()
	for {
		m.ts = fmt.Sprintf("%d.%06d", m.at.Unix(), m.at.Nanosecond()/1000)
		if m.ts > p.lastTS {
			break
		}
		m.at = m.at.Add(time.Microsecond)
	}
	p.lastTS = m.ts
	p.messages = append(p.messages, m)
}

// arguments are those of one call, whether they came as a form or as JSON.
type arguments map[string]string

func read(r *http.Request) (arguments, string) {
	a := arguments{}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, "request_timeout"
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch media {
	case "application/x-www-form-urlencoded":
		if r.Method == http.MethodGet {
			body = []byte(r.URL.RawQuery)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, "invalid_form_data"
		}
		for k := range form {
			a[k] = form.Get(k)
		}
	case "application/json":
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return nil, "invalid_json"
		}
		for k, v := range fields {
			var s string
			if json.Unmarshal(v, &s) != nil {
				s = string(v)
			}
			a[k] = s
		}
	default:
		return nil, "invalid_post_type"
	}
	return a, ""
}

// raw is what came over the wire, without the token, for a person to look at.
func (a arguments) raw() string {
	out := map[string]any{}
	for k, v := range a {
		switch {
		case k == "token":
		case k == "blocks" || k == "metadata":
			var parsed any
			_ = json.Unmarshal([]byte(v), &parsed)
			out[k] = parsed
		default:
			out[k] = v
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(out)
	return b.String()
}

type reply map[string]any

func refusal(word string, details ...string) reply {
	r := reply{"ok": false, "error": word}
	if len(details) > 0 {
		r["errors"] = details
		messages := make([]string, len(details))
		for i, d := range details {
			messages[i] = "[ERROR] " + d
		}
		r["response_metadata"] = reply{"messages": messages}
	}
	return r
}

func answer(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(r)
}

// call checks the token and the scope of a method, then runs it.
func (p *Platform) call(w http.ResponseWriter, r *http.Request, m method) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	a, word := read(r)
	if word != "" {
		answer(w, refusal(word))
		return
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = a["token"]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch token {
	case Token:
	case "":
		answer(w, refusal("not_authed"))
		return
	default:
		answer(w, refusal("invalid_auth"))
		return
	}
	w.Header().Set("X-Oauth-Scopes", strings.Join(p.space.Scopes, ","))
	needed := m.scope
	if needed != "" && p.space.Private {
		needed = strings.Replace(needed, "channels:", "groups:", 1)
	}
	if strings.HasPrefix(a["channel"], "D") {
		needed = strings.Replace(needed, "channels:", "im:", 1)
	}
	if needed != "" && !slices.Contains(p.space.Scopes, needed) {
		refused := refusal("missing_scope")
		refused["needed"], refused["provided"] = needed, strings.Join(p.space.Scopes, ",")
		answer(w, refused)
		return
	}
	m.run(p, w, a)
}
