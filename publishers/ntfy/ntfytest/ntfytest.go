// Package ntfytest is a simulated ntfy server with one topic: its codes, limits, sequences and silent attachments, and,
// on demand, those of a version that knows no sequences.
package ntfytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated server is made of.
const (
	Token  = "tk_simulated0000000000000000000"
	Topic  = "rencontres"
	burst  = 60
	refill = 5 * time.Second
)

// Server is what its administrator could change.
type Server struct {
	Old         bool // before 2.16: no sequences
	MessageSize int  // most bytes of a text; a longer one becomes a file
	Keep        time.Duration
	Quota       int  // messages a day; 0: no end
	Burst       int  // requests at once, as an administrator may raise them; 0: 60
	WriteOnly   bool // the token may not read
	ReadOnly    bool // the token may not write
	Expires     time.Time
}

// Platform is a simulated server. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu      sync.Mutex
	admin   Server
	events  []*event // oldest first
	spent   int      // of the burst
	since   time.Time
	written int
}

type attachment struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Size int    `json:"size,omitempty"`
	URL  string `json:"url"`
}

type event struct {
	ID         string      `json:"id"`
	Sequence   string      `json:"sequence_id,omitempty"`
	Time       int64       `json:"time"`
	Expires    int64       `json:"expires,omitempty"`
	Event      string      `json:"event"`
	Topic      string      `json:"topic"`
	Title      string      `json:"title,omitempty"`
	Message    string      `json:"message,omitempty"`
	Priority   int         `json:"priority,omitempty"`
	Tags       []string    `json:"tags,omitempty"`
	Click      string      `json:"click,omitempty"`
	Attachment *attachment `json:"attachment,omitempty"`

	raw string
	at  time.Time
}

var _ sim.Platform = (*Platform)(nil)

// New opens a server of today, where the token may do everything.
func New() *Platform {
	p := &Platform{admin: Server{MessageSize: 4096, Keep: 12 * time.Hour}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", p.publish)
	mux.HandleFunc("DELETE /{topic}/{sequence}", p.remove)
	mux.HandleFunc("GET /{topic}/json", p.poll)
	mux.HandleFunc("GET /{topic}/auth", p.auth)
	mux.HandleFunc("GET /v1/account", p.account)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, 40401, "page not found") })
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the server misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account with the token.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"TOPIC": Topic, "TOKEN": Token, "API": p.server.URL}
}

// Close ends the server. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Change lets the administrator change the server.
func (p *Platform) Change(f func(*Server)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.admin)
}

// Say lets somebody else publish to the topic.
func (p *Platform) Say(title, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&event{Event: "message", Topic: Topic, Title: title, Message: message})
}

// Forget lets the server forget what it keeps for those who ask later.
func (p *Platform) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		e.Expires = 1
	}
}

func (p *Platform) add(e *event) {
	e.at = time.Now().UTC()
	e.ID, e.Time, e.Expires = fmt.Sprintf("sim%09d", len(p.events)+1), e.at.Unix(), e.at.Add(p.admin.Keep).Unix()
	p.events = append(p.events, e)
}

// refuse answers as ntfy does.
func refuse(w http.ResponseWriter, status, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "http": status, "error": why, "link": "https://ntfy.sh/docs/publish/"})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

var (
	topicName = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)
	address   = regexp.MustCompile(`^https?://`)
	forbidden = []string{"docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1"}
)

// admits checks who asks and how often. It answers itself when it refuses.
func (p *Platform) admits(w http.ResponseWriter, r *http.Request, topic string, write bool) bool {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if bearer && token != Token {
		refuse(w, 401, 40101, "unauthorized")
		return false
	}
	now := time.Now()
	back := int(now.Sub(p.since) / refill)
	p.spent, p.since = max(0, p.spent-back), p.since.Add(time.Duration(back)*refill)
	if p.spent == 0 {
		p.since = now
	}
	if p.spent++; p.spent > cmp.Or(p.admin.Burst, burst) {
		refuse(w, 429, 42901, "limit reached: too many requests")
		return false
	}
	switch {
	case !topicName.MatchString(topic):
		refuse(w, 400, 40009, "invalid request: topic invalid")
	case slices.Contains(forbidden, topic):
		refuse(w, 400, 40010, "invalid request: topic name is not allowed")
	case !bearer && (write || p.admin.WriteOnly), write && p.admin.ReadOnly, !write && p.admin.WriteOnly:
		refuse(w, 403, 40301, "forbidden")
	case write && p.admin.Quota > 0 && p.written >= p.admin.Quota:
		refuse(w, 429, 42908, "limit reached: daily message quota reached")
	default:
		return true
	}
	return false
}

func (p *Platform) publish(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, err := io.ReadAll(io.LimitReader(r.Body, int64(p.admin.MessageSize)*2+1))
	var in struct {
		Topic, Title, Message, Click, Icon, Attach, Filename, Email, Delay string
		Priority                                                           int
		Tags                                                               []string
		Sequence                                                           string `json:"sequence_id"`
	}
	switch {
	case err != nil:
		return
	case len(raw) > p.admin.MessageSize*2:
		refuse(w, 413, 41303, "JSON body too large")
		return
	case json.Unmarshal(raw, &in) != nil:
		refuse(w, 400, 40017, "invalid request: request body must be message JSON")
		return
	}
	e := &event{Event: "message", Topic: in.Topic, Title: in.Title, Message: strings.TrimSpace(in.Message), Priority: in.Priority, Tags: in.Tags, Click: in.Click, raw: string(raw)}
	if !p.admits(w, r, in.Topic, true) {
		return
	}
	if !p.admin.Old {
		e.Sequence = in.Sequence
	}
	switch {
	case e.Sequence != "" && !topicName.MatchString(e.Sequence):
		refuse(w, 400, 40049, "invalid request: sequence ID invalid")
		return
	case in.Priority < 0 || in.Priority > 5:
		refuse(w, 400, 40007, "invalid priority parameter")
		return
	case in.Attach != "" && !address.MatchString(in.Attach):
		refuse(w, 400, 40013, "invalid request: attachment URL is invalid")
		return
	case in.Attach != "":
		e.Attachment = &attachment{Name: path.Base(in.Attach), URL: in.Attach}
		e.Message = e.Message[:min(len(e.Message), p.admin.MessageSize)]
	case len(in.Message) > p.admin.MessageSize:
		e.Attachment = &attachment{Name: "attachment.txt", Type: "text/plain; charset=utf-8", Size: len(in.Message), URL: p.server.URL + "/file/attachment.txt"}
		e.Message = "You received a file: attachment.txt"
	case e.Message == "":
		e.Message = "triggered"
	}
	p.add(e)
	p.written++
	answer(w, e)
}

func (p *Platform) remove(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch topic := r.PathValue("topic"); {
	case p.admin.Old || !topicName.MatchString(r.PathValue("sequence")):
		refuse(w, 404, 40401, "page not found")
	case p.admits(w, r, topic, true):
		e := &event{Event: "message_delete", Topic: topic, Sequence: r.PathValue("sequence")}
		p.add(e)
		answer(w, e)
	}
}

func (p *Platform) poll(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.admits(w, r, r.PathValue("topic"), false) {
		return
	}
	since, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	if err != nil || r.URL.Query().Get("poll") != "1" {
		refuse(w, 400, 40008, "invalid since parameter")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	for _, e := range p.events {
		if e.Topic == r.PathValue("topic") && e.Time >= since && e.Expires > time.Now().Unix() {
			_ = json.NewEncoder(w).Encode(e)
		}
	}
}

func (p *Platform) auth(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.admits(w, r, r.PathValue("topic"), false) {
		answer(w, map[string]bool{"success": true})
	}
}

func (p *Platform) account(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := map[string]any{
		"username": "*", "role": "anonymous",
		"limits": map[string]any{"basis": "ip", "messages": p.admin.Quota, "messages_expiry_duration": int(p.admin.Keep.Seconds())},
		"stats":  map[string]any{"messages": p.written, "messages_remaining": max(0, p.admin.Quota-p.written)},
	}
	switch r.Header.Get("Authorization") {
	case "":
	case "Bearer " + Token:
		token := map[string]any{"token": Token, "label": "crieur"}
		if !p.admin.Expires.IsZero() {
			token["expires"] = p.admin.Expires.Unix()
		}
		a["username"], a["role"], a["tokens"] = "crieur", "user", []any{token}
	default:
		refuse(w, 401, 40101, "unauthorized")
		return
	}
	answer(w, a)
}
