//go:build skeleton

// Package skeletontest is a simulated board, as strict as the real one: it checks the token, the length and the fields
// of every request, limits how fast one may post, and takes the same post twice.
package skeletontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated board is made of.
const (
	Token   = "simulated-board-token"
	Board   = "meetups"
	longest = 500
	most    = 60 // posts in a minute
	page    = 20
)

// Platform is a simulated board. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu        sync.Mutex
	posts     []entry // oldest first
	suspended bool
}

type entry struct {
	ID   string    `json:"id"`
	URL  string    `json:"url"`
	Text string    `json:"text"`
	Key  string    `json:"key"`
	At   time.Time `json:"at"`

	raw     string
	edited  int
	deleted bool
}

var _ sim.Platform = (*Platform)(nil)

// New opens a board on which the account may post.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"name": "Crieur", "boards": []string{Board}})
	})
	mux.HandleFunc("POST /boards/"+Board+"/posts", p.create)
	mux.HandleFunc("GET /boards/"+Board+"/posts", p.list)
	mux.HandleFunc("PUT /boards/"+Board+"/posts/{id}", p.edit)
	mux.HandleFunc("DELETE /boards/"+Board+"/posts/{id}", p.remove)
	p.server = httptest.NewServer(p.script.Wrap(p.authenticated(mux)))
	return p
}

// Script is how the board misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account of the board.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"TOKEN": Token, "BOARD": Board, "API": p.server.URL}
}

// Close ends the board. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Suspend lets the board's moderators suspend the account.
func (p *Platform) Suspend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspended = true
}

// Posts are the posts on the board, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, len(p.posts))
	for i, e := range p.posts {
		posts[i] = sim.Post{
			ID: e.ID, URL: e.URL, Author: "Crieur", Text: e.Text, HTML: show(e.Text), Raw: e.raw, At: e.At,
			Edited: e.edited, Deleted: e.deleted, Key: e.Key,
		}
	}
	return posts
}

// show is a post as the board's page shows it: escaped, with its lines.
func show(text string) string {
	return "<p>" + strings.ReplaceAll(template.HTMLEscapeString(text), "\n", "<br>") + "</p>"
}

func (p *Platform) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		suspended := p.suspended
		p.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer "+Token:
			refuse(w, http.StatusUnauthorized, "bad_token", "")
		case suspended:
			refuse(w, http.StatusForbidden, "suspended", "")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// read decodes a post, and answers itself when it is not one that the board takes.
func read(w http.ResponseWriter, r *http.Request) (e entry, ok bool) {
	var in struct {
		Text string `json:"text"`
		Key  string `json:"key"`
	}
	raw, err := io.ReadAll(r.Body)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	switch {
	case err != nil, d.Decode(&in) != nil, !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		refuse(w, http.StatusBadRequest, "not_a_post", "")
	case strings.TrimSpace(in.Text) == "":
		refuse(w, http.StatusUnprocessableEntity, "empty", "text")
	case utf8.RuneCountInString(in.Text) > longest:
		refuse(w, http.StatusUnprocessableEntity, "too_long", "text")
	default:
		return entry{Text: in.Text, Key: in.Key, raw: string(raw)}, true
	}
	return entry{}, false
}

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	e, ok := read(w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.At = time.Now().UTC()
	if n := len(p.posts); n >= most && e.At.Sub(p.posts[n-most].At) < time.Minute {
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Minute.Seconds())))
		refuse(w, http.StatusTooManyRequests, "slow_down", "")
		return
	}
	e.ID = strconv.Itoa(len(p.posts) + 1)
	e.URL = fmt.Sprintf("https://board.example/b/%s/%s", Board, e.ID)
	p.posts = append(p.posts, e)
	answer(w, http.StatusCreated, e)
}

func (p *Platform) list(w http.ResponseWriter, r *http.Request) {
	since, err := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
	after, _ := strconv.Atoi(r.URL.Query().Get("after")) // none: from the beginning
	if err != nil {
		refuse(w, http.StatusBadRequest, "not_a_time", "since")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	posts, next := []entry{}, ""
	for i, e := range p.posts {
		if i < after || e.deleted || e.At.Before(since) {
			continue
		}
		if len(posts) == page {
			next = strconv.Itoa(i)
			break
		}
		posts = append(posts, e)
	}
	answer(w, http.StatusOK, map[string]any{"posts": posts, "next": next})
}

// at is the place of the post that a request names, or -1 after answering that there is none.
func (p *Platform) at(w http.ResponseWriter, r *http.Request) int {
	i := slices.IndexFunc(p.posts, func(e entry) bool { return e.ID == r.PathValue("id") && !e.deleted })
	if i < 0 {
		refuse(w, http.StatusNotFound, "no_such_post", "")
	}
	return i
}

func (p *Platform) edit(w http.ResponseWriter, r *http.Request) {
	e, ok := read(w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.at(w, r); i >= 0 {
		p.posts[i].Text, p.posts[i].raw = e.Text, e.raw
		p.posts[i].edited++
		answer(w, http.StatusOK, p.posts[i])
	}
}

func (p *Platform) remove(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.at(w, r); i >= 0 {
		p.posts[i].deleted = true
		w.WriteHeader(http.StatusNoContent)
	}
}

func refuse(w http.ResponseWriter, status int, word, field string) {
	answer(w, status, map[string]string{"error": word, "field": field})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
