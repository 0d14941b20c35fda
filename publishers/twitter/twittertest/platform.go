// Package twittertest is a simulated X: API v2 with its signatures, limits, duplicate rule, error forms and rewritten
// texts, as far as a channel that posts can meet them.
package twittertest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// The account that posts, and the app's keys. Characters that percent-encoding changes are part of them on purpose.
const (
	consumerKey    = "simulatedConsumerKey"
	consumerSecret = "simulated/consumer+secret"
	accessToken    = "1893377219055689728-simulatedToken"
	accessSecret   = "simulated~access&secret"
	userID         = "1893377219055689728"
	handle         = "meetup_sim"
	name           = "Simulated Meetup"
)

const window = 15 * time.Minute

// Platform is one simulated X with one account. Safe for concurrent use.
type Platform struct {
	server *httptest.Server
	script sim.Script

	mu      sync.Mutex
	premium bool
	level   string
	granted map[string]int // calls by endpoint in a window
	used    map[string]int
	resets  map[string]time.Time
	nonces  map[string]bool
	last    int64 // the last number given
	tweets  []*tweet
	media   map[string]*media
}

// New starts a platform on this machine. Its account has no Premium.
func New() *Platform {
	p := &Platform{
		level: "read-write",
		granted: map[string]int{
			"POST /2/tweets": 100, "DELETE /2/tweets/:id": 50, "GET /2/tweets/:id": 900, "GET /2/users/me": 75,
			"GET /2/users/:id/tweets": 900, "POST /2/media/upload": 500, "POST /2/media/metadata": 500,
		},
		used: map[string]int{}, resets: map[string]time.Time{}, nonces: map[string]bool{}, media: map[string]*media{},
	}
	p.server = httptest.NewServer(p.script.Wrap(http.HandlerFunc(p.serve)))
	return p
}

// Script is how it misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends it.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ is the configuration of a channel that posts here.
func (p *Platform) Environ() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]string{
		"CONSUMER_KEY": consumerKey, "CONSUMER_SECRET": consumerSecret, "ACCESS_TOKEN": accessToken, "ACCESS_SECRET": accessSecret,
		"HANDLE": "@" + handle, "PREMIUM": strconv.FormatBool(p.premium), "API": p.server.URL,
	}
}

// Premium gives the account X Premium: it may edit.
func (p *Platform) Premium() { p.set(func() { p.premium = true }) }

// ReadOnly takes the access token's right to write away.
func (p *Platform) ReadOnly() { p.set(func() { p.level = "read" }) }

// Grant sets how many calls of each kind may be made in a window of 15 minutes.
func (p *Platform) Grant(calls int) {
	p.set(func() {
		for endpoint := range p.granted {
			p.granted[endpoint] = calls
		}
	})
}

func (p *Platform) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Platform) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if r.Header.Get("User-Agent") == "" {
		edge(w, http.StatusForbidden, "Access denied")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 8<<20)
	if f := p.authenticate(r, now); f != nil {
		f(w)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/1.1/") {
		old(w, http.StatusForbidden, 453, "You currently have access to a subset of X API V2 endpoints and limited v1.1 endpoints (e.g. media post, oauth) only. If you need access to this endpoint, you may need a different access level.")
		return
	}
	endpoint, id := route(r)
	serve := map[string]func(http.ResponseWriter, *http.Request, string, time.Time){
		"POST /2/tweets": p.create, "DELETE /2/tweets/:id": p.delete, "GET /2/tweets/:id": p.show, "GET /2/users/me": p.whoami,
		"GET /2/users/:id/tweets": p.timeline, "POST /2/media/upload": p.upload, "POST /2/media/metadata": p.describe,
	}[endpoint]
	if serve == nil {
		problem(w, http.StatusNotFound, "about:blank", "Not Found", "Not Found")
		return
	}
	w.Header().Set("x-access-level", p.level)
	if p.limited(w, endpoint, now) {
		problem(w, http.StatusTooManyRequests, "about:blank", "Too Many Requests", "Too Many Requests")
		return
	}
	if r.Method != http.MethodGet && p.level != "read-write" {
		problem(w, http.StatusForbidden, problems+"oauth1-permissions", "Forbidden", "Your client app is not configured with the appropriate oauth1 app permissions for this endpoint.")
		return
	}
	serve(w, r, id, now)
}

// limited counts a call, tells in the headers what is left, and whether it was too many.
func (p *Platform) limited(w http.ResponseWriter, endpoint string, now time.Time) bool {
	if !now.Before(p.resets[endpoint]) {
		p.resets[endpoint], p.used[endpoint] = now.Add(window), 0
	}
	p.used[endpoint]++
	left := p.granted[endpoint] - p.used[endpoint]
	w.Header().Set("x-rate-limit-limit", strconv.Itoa(p.granted[endpoint]))
	w.Header().Set("x-rate-limit-remaining", strconv.Itoa(max(0, left)))
	w.Header().Set("x-rate-limit-reset", strconv.FormatInt(p.resets[endpoint].Unix(), 10))
	return left < 0
}

func route(r *http.Request) (endpoint, id string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 3 && parts[1] == "tweets", len(parts) == 4 && parts[1] == "users" && parts[3] == "tweets":
		id, parts[2] = parts[2], ":id"
	}
	return r.Method + " /" + strings.Join(parts, "/"), id
}

func (p *Platform) whoami(w http.ResponseWriter, r *http.Request, _ string, _ time.Time) {
	if !asked(w, r, "user.fields") {
		return
	}
	reply(w, http.StatusOK, map[string]any{"data": map[string]string{"id": userID, "name": name, "username": handle}})
}

// number is a new number of X's kind: the milliseconds since its epoch, then a count.
func (p *Platform) number(now time.Time) string {
	const epoch = 1288834974657
	p.last = max(p.last+1, (now.UnixMilli()-epoch)<<22)
	return strconv.FormatInt(p.last, 10)
}

// problems is how the types of X's problems begin.
const problems = "https://api.twitter.com/2/problems/"

// problem answers in the form of v2.
func problem(w http.ResponseWriter, status int, kind, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": title, "type": kind, "status": status, "detail": detail})
}

// old answers in the form of v1.1.
func old(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, map[string]any{"errors": []any{map[string]any{"message": message, "code": code}}})
}

// edge answers as the servers in front of the API do.
func edge(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"))
}

// invalid answers that a parameter is wrong.
func invalid(w http.ResponseWriter, message string) {
	reply(w, http.StatusBadRequest, map[string]any{
		"errors": []any{map[string]any{"parameters": map[string]any{}, "message": message}},
		"title":  "Invalid Request", "detail": "One or more parameters to your request was invalid.", "type": problems + "invalid-request",
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// asked reports whether the query has none but these parameters, else answers.
func asked(w http.ResponseWriter, r *http.Request, known ...string) bool {
	for _, k := range slices.Sorted(maps.Keys(r.URL.Query())) {
		if !slices.Contains(known, k) {
			invalid(w, "The query parameter ["+k+"] is not one of ["+strings.Join(known, ",")+"]")
			return false
		}
	}
	return true
}

// told reads a JSON body into v and reports whether it holds none but the known fields, else answers.
func told(w http.ResponseWriter, r *http.Request, v any) (raw []byte, ok bool) {
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		invalid(w, "The content type ["+t+"] is not application/json")
		return nil, false
	}
	var body json.RawMessage
	dec := json.NewDecoder(r.Body)
	if err := dec.Decode(&body); err != nil || dec.More() {
		invalid(w, "Invalid JSON")
		return nil, false
	}
	strict := json.NewDecoder(strings.NewReader(string(body)))
	strict.DisallowUnknownFields()
	if err := strict.Decode(v); err != nil {
		invalid(w, "$: "+err.Error())
		return nil, false
	}
	return body, true
}
