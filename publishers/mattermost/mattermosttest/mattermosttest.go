// Package mattermosttest is a simulated Mattermost server with one channel: the calls of its API that Crieur makes and
// incoming webhooks, with the server's own limits, refusals and short memory for repeats.
package mattermosttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated server is made of.
const (
	Token   = "simulatedmattermosttoken00"
	Channel = "annonces000000000000000000"
	hook    = "/hooks/simulatedmattermosthook000"
	user    = "crieur0000000000000000000x"

	longest       = 16_383
	largestUpload = 100 << 20
	mostFiles     = 10
	mostSince     = 1000
	remembered    = 30 * time.Second // how long a pending_post_id is known
)

// Settings are what an administrator could change.
type Settings struct {
	Outside   bool // the bot is not in the channel
	Unknown   bool // nor in its team, so that it does not know the channel
	Archived  bool
	Person    bool // the token is a person's
	EditLimit bool // nobody edits any more
	OldFiles  bool // an edit leaves the files, as servers before 2025 do
	RateLimit bool // ten calls a second
	NoHooks   bool // webhooks are switched off
}

// Platform is a simulated server. Safe for concurrent use.
type Platform struct {
	script   sim.Script
	server   *httptest.Server
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
	bare     *bluemonday.Policy

	mu       sync.Mutex
	settings Settings
	posts    []*post            // oldest first
	pending  map[string]pending // by pending_post_id
	files    map[string]file
	calls    []time.Time
	pings    int
}

type post struct {
	id, message string
	props       map[string]any
	files       []string
	raw         []byte // as it came
	at, updated time.Time
	edited      int
	deleted     bool
	foreign     bool // somebody else's
}

type pending struct {
	id string
	at time.Time
}

type file struct {
	name, kind string
	data       []byte
}

var _ sim.Platform = (*Platform)(nil)

// New opens a server where the bot is in the channel.
func New() *Platform {
	p := &Platform{pending: map[string]pending{}, files: map[string]file{}, markdown: reader(), policy: shown(), bare: bluemonday.StrictPolicy()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v4/users/me", p.me)
	mux.HandleFunc("GET /api/v4/channels/{channel}", p.channel)
	mux.HandleFunc("GET /api/v4/channels/{channel}/members/me", p.member)
	mux.HandleFunc("GET /api/v4/channels/{channel}/posts", p.since)
	mux.HandleFunc("POST /api/v4/posts", p.create)
	mux.HandleFunc("GET /api/v4/posts/{post}", p.one)
	mux.HandleFunc("PUT /api/v4/posts/{post}/patch", p.patch)
	mux.HandleFunc("DELETE /api/v4/posts/{post}", p.remove)
	mux.HandleFunc("POST /api/v4/files", p.upload)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "api.context.404.app_error")
	})
	all := http.NewServeMux()
	all.Handle("/api/", p.authenticated(mux))
	all.HandleFunc("POST /hooks/{id}", p.webhook)
	all.HandleFunc("GET /_redirect/pl/{post}", p.page)
	p.server = httptest.NewServer(p.script.Wrap(all))
	return p
}

// Script is how the server misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends the server. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures the bot.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"API": p.server.URL, "TOKEN": Token, "CHANNEL": Channel}
}

// Webhook is the address of an incoming webhook of the channel.
func (p *Platform) Webhook() string { return p.server.URL + hook }

// Change lets an administrator change things.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.settings)
}

// Restart makes the server forget which calls it has seen.
func (p *Platform) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.pending)
}

// Pings is how many people and channels the posts have called.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Say lets a person write in the channel.
func (p *Platform) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&post{message: text, foreign: true})
}

// Moderate lets somebody delete a post.
func (p *Platform) Moderate(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.find(id); x != nil {
		x.deleted, x.updated = true, time.Now().UTC()
	}
}

// add gives the post its ID. p.mu is held.
func (p *Platform) add(x *post) *post {
	x.id = fmt.Sprintf("post%022d", len(p.posts)+1)
	x.at = time.Now().UTC()
	x.updated = x.at
	p.posts = append(p.posts, x)
	return x
}

func (p *Platform) find(id string) *post {
	for _, x := range p.posts {
		if x.id == id && !x.deleted {
			return x
		}
	}
	return nil
}

// authenticated checks the token and the pace, as every call does, and runs it with p.mu held.
func (p *Platform) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+Token {
			refuse(w, http.StatusUnauthorized, "api.context.session_expired.app_error")
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.settings.RateLimit {
			const most = 10
			now := time.Now()
			if n := len(p.calls); n >= most && now.Sub(p.calls[n-most]) < time.Second {
				w.Header().Set("Retry-After", "1")
				w.Header().Set("X-RateLimit-Limit", "10")
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", "1")
				http.Error(w, "limit exceeded", http.StatusTooManyRequests)
				return
			}
			p.calls = append(p.calls, now)
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Platform) me(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"id": user, "username": "crieur", "is_bot": !p.settings.Person, "delete_at": 0})
}

// knows answers when the bot may not see the channel that is named.
func (p *Platform) knows(w http.ResponseWriter, id string, member bool) bool {
	switch {
	case len(id) != 26:
		refuse(w, http.StatusBadRequest, "api.context.invalid_url_param.app_error")
	case id != Channel:
		refuse(w, http.StatusNotFound, "app.channel.get.existing.app_error")
	case p.settings.Unknown, member && p.settings.Outside:
		refuse(w, http.StatusForbidden, "api.context.permissions.app_error")
	default:
		return true
	}
	return false
}

func (p *Platform) channel(w http.ResponseWriter, r *http.Request) {
	if !p.knows(w, r.PathValue("channel"), false) {
		return
	}
	deleted := int64(0)
	if p.settings.Archived {
		deleted = time.Now().UnixMilli()
	}
	answer(w, http.StatusOK, map[string]any{"id": Channel, "display_name": "Annonces", "name": "annonces", "type": "O", "delete_at": deleted})
}

func (p *Platform) member(w http.ResponseWriter, r *http.Request) {
	if !p.knows(w, r.PathValue("channel"), false) {
		return
	}
	if p.settings.Outside {
		refuse(w, http.StatusNotFound, "app.channel.get_member.missing.app_error")
		return
	}
	answer(w, http.StatusOK, map[string]any{"channel_id": Channel, "user_id": user, "roles": "channel_user"})
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, largestUpload+1))
	name := r.URL.Query().Get("filename")
	switch {
	case err != nil, len(data) == 0, name == "", len(name) > 255:
		refuse(w, http.StatusBadRequest, "api.file.upload_file.read_request.app_error")
		return
	case len(data) > largestUpload:
		refuse(w, http.StatusRequestEntityTooLarge, "api.file.upload_file.too_large_detailed.app_error")
		return
	case !p.knows(w, r.URL.Query().Get("channel_id"), true):
		return
	}
	id := fmt.Sprintf("file%022d", len(p.files)+1)
	p.files[id] = file{name, http.DetectContentType(data), data}
	answer(w, http.StatusCreated, map[string]any{"file_infos": []any{map[string]any{"id": id, "name": name, "size": len(data)}}, "client_ids": []string{}})
}

// page is where a permanent link leads.
func (p *Platform) page(w http.ResponseWriter, r *http.Request) {
	for _, x := range p.Posts() {
		if x.ID == r.PathValue("post") && !x.Deleted {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<!doctype html><meta charset=utf-8><title>Mattermost</title>"+x.HTML)
			return
		}
	}
	http.NotFound(w, r)
}

func refuse(w http.ResponseWriter, status int, id string) {
	answer(w, status, map[string]any{"id": id, "message": strings.ReplaceAll(id, ".", " "), "detailed_error": "", "request_id": "simulated", "status_code": status})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
