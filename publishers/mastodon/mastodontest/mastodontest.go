// Package mastodontest is a simulated server with Mastodon's API: Mastodon itself or, switched over, one like GoToSocial
// that ignores idempotency keys.
package mastodontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// Token is the account's.
const Token = "simulated-mastodon-token"

const (
	accountID = "109302436954721982"
	otherID   = "109302436954721983"
	user      = "rencontre"
	display   = "Rencontre simulée"
)

// Server is what its administrator, or the owner of the account, could change.
type Server struct {
	Ignores   bool     // idempotency keys; and it refuses as GoToSocial does
	Repeats   int      // the status that answers a repeated idempotency key; 0: 200 with the post
	Older     bool     // knows only the first form of the instance's description
	Suspended bool     // the account
	Other     bool     // the token is of another account, whose posts these are not
	Limits    bool     // counts calls as Mastodon does
	Grants    int      // calls in five minutes
	Scopes    []string // of the token
	Slow      int      // how often a new picture is still being processed when asked for
	Characters,
	Link,
	Pictures,
	Alt int
}

// Platform is one simulated server with one account. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu      sync.Mutex
	host    Server
	last    int64
	posts   []*post
	keys    map[string]string // idempotency key to post
	media   map[string]*media
	pings   int
	windows map[string]*windowed
}

var _ sim.Platform = (*Platform)(nil)

// New opens a Mastodon whose account has every right.
func New() *Platform {
	p := &Platform{
		host: Server{
			Scopes: []string{"read", "write:statuses", "write:media"}, Characters: 500, Link: 23, Pictures: 4, Alt: 1500, Grants: 300,
		},
		keys: map[string]string{}, media: map[string]*media{}, windows: map[string]*windowed{},
	}
	mux := http.NewServeMux()
	for pattern, e := range p.endpoints() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, e) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "The page you are looking for isn't here.")
	})
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// NewGoToSocial opens a server like GoToSocial.
func NewGoToSocial() *Platform {
	p := New()
	p.Change(func(s *Server) { s.Ignores, s.Characters, s.Link, s.Pictures = true, 5000, 25, 6 })
	return p
}

// Script is how it misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends it. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures the account.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"API": p.server.URL, "TOKEN": Token}
}

// Change lets the administrator change the server.
func (p *Platform) Change(f func(*Server)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.host)
}

// Pings is how many people were told that a post mentions them.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Say lets the account's owner post by hand.
func (p *Platform) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&post{draft: draft{Status: text, Visibility: "public"}})
}

type endpoint struct {
	scope string
	run   func(http.ResponseWriter, *http.Request, time.Time)
	per   string // what is counted beside all calls
}

func (p *Platform) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET /api/v1/instance":                    {"", p.instance, ""},
		"GET /api/v2/instance":                    {"", p.instance, ""},
		"GET /api/v1/accounts/verify_credentials": {"read:accounts", p.whoami, ""},
		"GET /api/v1/apps/verify_credentials":     {"any", p.app, ""},
		"GET /api/v1/accounts/{id}/statuses":      {"read:statuses", p.list, ""},
		"POST /api/v1/statuses":                   {"write:statuses", p.create, "posts"},
		"GET /api/v1/statuses/{id}":               {"read:statuses", p.show, ""},
		"PUT /api/v1/statuses/{id}":               {"write:statuses", p.edit, ""},
		"DELETE /api/v1/statuses/{id}":            {"write:statuses", p.delete, "deletes"},
		"POST /api/v2/media":                      {"write:media", p.upload, "media"},
		"GET /api/v1/media/{id}":                  {"write:media", p.processed, ""},
	}
}

func (p *Platform) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now().UTC()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	broad, _, _ := strings.Cut(e.scope, ":")
	switch {
	case r.Header.Get("User-Agent") == "" && p.host.Ignores:
		refuse(w, http.StatusTeapot, "I'm a teapot: no user-agent sent with request")
	case e.scope != "" && (!bearer || token != Token):
		p.refuse(w, http.StatusUnauthorized, "The access token is invalid")
	case e.scope != "" && p.host.Suspended:
		p.refuse(w, http.StatusForbidden, "Your login is currently disabled")
	case e.scope != "" && e.scope != "any" && !slices.Contains(p.host.Scopes, e.scope) && !slices.Contains(p.host.Scopes, broad):
		p.refuse(w, http.StatusForbidden, "This action is outside the authorized scopes")
	case !p.granted(w, e.per, now):
		refuse(w, http.StatusTooManyRequests, "Too many requests")
	default:
		r.Body = http.MaxBytesReader(w, r.Body, 100<<20)
		e.run(w, r, now)
	}
}

// windowed counts calls of one kind.
type windowed struct {
	used int
	ends time.Time
}

// granted counts a call and tells what is left, as Mastodon does: the kind nearest to its end.
func (p *Platform) granted(w http.ResponseWriter, per string, now time.Time) bool {
	ok, least := true, -1
	for kind, allowed := range map[string]struct {
		most int
		in   time.Duration
	}{"": {p.host.Grants, 5 * time.Minute}, "posts": {300, 3 * time.Hour}, "media": {30, 30 * time.Minute}, "deletes": {30, 30 * time.Minute}} {
		if kind != "" && kind != per {
			continue
		}
		c := p.windows[kind]
		if c == nil || !now.Before(c.ends) {
			c = &windowed{ends: now.Truncate(allowed.in).Add(allowed.in)}
			p.windows[kind] = c
		}
		if c.used++; !p.host.Limits {
			c.used = min(c.used, allowed.most)
		}
		ok = ok && c.used <= allowed.most
		if left := max(0, allowed.most-c.used); least < 0 || left < least {
			least = left
			w.Header().Set("X-RateLimit-Limit", strconv.Itoa(allowed.most))
			w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(left))
			w.Header().Set("X-RateLimit-Reset", c.ends.Format("2006-01-02T15:04:05.000000Z"))
		}
	}
	return ok
}

// refuse answers in the words of the server's kind.
func (p *Platform) refuse(w http.ResponseWriter, code int, say string) {
	if p.host.Ignores {
		if code == http.StatusUnprocessableEntity {
			code = http.StatusBadRequest
		}
		say = http.StatusText(code) + ": " + say
	}
	refuse(w, code, say)
}

func refuse(w http.ResponseWriter, code int, say string) {
	reply(w, code, map[string]string{"error": say})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

func (p *Platform) instance(w http.ResponseWriter, r *http.Request, _ time.Time) {
	if p.host.Older && strings.HasPrefix(r.URL.Path, "/api/v2/") {
		refuse(w, http.StatusNotFound, "Record not found")
		return
	}
	pictures := map[string]any{"supported_mime_types": []string{"image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4"}, "image_size_limit": 16777216, "image_matrix_limit": 33177600}
	if !p.host.Older {
		pictures["description_limit"] = p.host.Alt
	}
	v := map[string]any{
		"domain": "mastodon.test", "title": "Mastodon", "version": "4.5.2", "api_versions": map[string]int{"mastodon": 7},
		"configuration": map[string]any{
			"statuses":          map[string]int{"max_characters": p.host.Characters, "max_media_attachments": p.host.Pictures, "characters_reserved_per_url": p.host.Link},
			"media_attachments": pictures,
		},
	}
	if p.host.Ignores {
		v["title"], v["version"] = "GoToSocial", "0.20.0+git-a1b2c3d"
		delete(v, "api_versions")
	}
	reply(w, http.StatusOK, v)
}

func (p *Platform) whoami(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	id, user := accountID, user
	if p.host.Other {
		id, user = otherID, "autre"
	}
	reply(w, http.StatusOK, map[string]any{
		"id": id, "username": user, "acct": user, "display_name": display, "url": p.server.URL + "/@" + user, "bot": true,
		"source": map[string]any{"privacy": "public", "sensitive": false, "language": nil},
	})
}

func (p *Platform) app(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	v := map[string]any{"name": "Crieur", "website": nil}
	if !p.host.Ignores {
		v["scopes"] = p.host.Scopes
	}
	reply(w, http.StatusOK, v)
}

// number is a new name for a post or a picture, in the order of time.
func (p *Platform) number(now time.Time) string {
	p.last = max(p.last+1, now.UnixMilli()<<16)
	if p.host.Ignores {
		return fmt.Sprintf("01%024X", p.last)
	}
	return strconv.FormatInt(p.last, 10)
}
