// Package zuliptest is a simulated Zulip organisation with one channel: the calls of its REST API that Crieur makes, with
// Zulip's own limits and its refusals, most of which have no code.
package zuliptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated organisation is made of.
const (
	Email  = "crieur-bot@zulip.example"
	Key    = "simulatedZulipApiKey0000000000xx"
	Stream = "annonces"
	number = 7
	botID  = 42

	longest      = 10_000
	longestTopic = 60
	largest      = 25 << 20 // of a file
	eachMinute   = 200      // calls
)

// Settings are what an administrator could change.
type Settings struct {
	Hidden    bool // the channel is private and the bot is not in it
	Archived  bool
	Closed    bool // only administrators post in the channel
	Person    bool // the key is a person's
	Admin     bool // the bot is an administrator
	NoEdits   bool // nobody edits
	Edit      int  // seconds for which messages may be edited and deleted; 0: for ever. Late says that they are over
	Late      bool
	Page      int  // most messages in a page; 0: as asked for
	RateLimit bool // 200 calls a minute
}

// Platform is a simulated organisation. Safe for concurrent use.
type Platform struct {
	script   sim.Script
	server   *httptest.Server
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
	bare     *bluemonday.Policy

	mu       sync.Mutex
	settings Settings
	messages []*message // oldest first
	files    map[string]file
	queues   int
	calls    []time.Time
	pings    int
}

type message struct {
	id             int64
	sender         int64
	topic, content string
	raw            url.Values // as it came
	at             time.Time
	edited         int
	moved          time.Time // to another topic; zero: never
	deleted        bool
}

type file struct {
	kind string
	data []byte
}

var _ sim.Platform = (*Platform)(nil)

// New opens an organisation where the bot may post, and edit and delete for ever.
func New() *Platform {
	p := &Platform{files: map[string]file{}, markdown: reader(), policy: shown(), bare: bluemonday.StrictPolicy()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/users/me", p.me)
	mux.HandleFunc("GET /api/v1/get_stream_id", p.stream)
	mux.HandleFunc("GET /api/v1/streams/{id}", p.details)
	mux.HandleFunc("POST /api/v1/register", p.register)
	mux.HandleFunc("DELETE /api/v1/events", p.unregister)
	mux.HandleFunc("POST /api/v1/user_uploads", p.upload)
	mux.HandleFunc("POST /api/v1/messages", p.send)
	mux.HandleFunc("GET /api/v1/messages", p.history)
	mux.HandleFunc("GET /api/v1/messages/{id}", p.one)
	mux.HandleFunc("PATCH /api/v1/messages/{id}", p.edit)
	mux.HandleFunc("DELETE /api/v1/messages/{id}", p.remove)
	p.server = httptest.NewServer(p.script.Wrap(p.authenticated(mux)))
	return p
}

// Script is how the organisation misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends the organisation. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures the bot.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"API": p.server.URL, "EMAIL": Email, "KEY": Key, "STREAM": Stream}
}

// Change lets an administrator change things.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.settings)
}

// Pings is how many people and channels the messages have called.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Queues is how many event queues were opened and not taken away.
func (p *Platform) Queues() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queues
}

// Say lets a person write in the channel.
func (p *Platform) Say(content string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&message{sender: 10, topic: "bavardage", content: content})
}

// Moderate lets a moderator delete a message.
func (p *Platform) Moderate(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.messages {
		if strconv.FormatInt(m.id, 10) == id {
			m.deleted = true
		}
	}
}

// Move lets a moderator put a message in another topic.
func (p *Platform) Move(id, topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.messages {
		if strconv.FormatInt(m.id, 10) == id {
			m.topic, m.moved = topic, time.Now().UTC()
		}
	}
}

func (p *Platform) add(m *message) {
	m.id, m.at = int64(1000+len(p.messages)), time.Now().UTC()
	p.messages = append(p.messages, m)
}

// authenticated checks who calls and how often, as every call does, reads the form, and runs the call with p.mu held.
func (p *Platform) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		email, key, ok := r.BasicAuth()
		if !ok || email != Email || key != Key {
			w.Header().Set("WWW-Authenticate", `Basic realm="zulip"`)
			reply(w, http.StatusUnauthorized, map[string]any{"result": "error", "msg": "Invalid API key", "code": "INVALID_API_KEY"})
			return
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				r.Form, err = url.ParseQuery(string(body) + "&" + r.URL.RawQuery)
			}
			if err != nil {
				refuse(w, "Malformed form")
				return
			}
		} else if r.Method == http.MethodGet {
			r.Form = r.URL.Query()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		now := time.Now()
		if n := len(p.calls); p.settings.RateLimit && n >= eachMinute && now.Sub(p.calls[n-eachMinute]) < time.Minute {
			wait := time.Minute - now.Sub(p.calls[n-eachMinute])
			w.Header().Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', -1, 64))
			w.Header().Set("X-RateLimit-Limit", strconv.Itoa(eachMinute))
			w.Header().Set("X-RateLimit-Remaining", "0")
			reply(w, http.StatusTooManyRequests, map[string]any{"result": "error", "msg": "API usage exceeded rate limit", "code": "RATE_LIMIT_HIT", "retry-after": wait.Seconds()})
			return
		}
		p.calls = append(p.calls, now)
		next.ServeHTTP(w, r)
	})
}

func (p *Platform) me(w http.ResponseWriter, _ *http.Request) {
	role := 400
	if p.settings.Admin {
		role = 200
	}
	answer(w, map[string]any{"user_id": botID, "full_name": "Crieur", "email": Email, "is_bot": !p.settings.Person, "is_admin": p.settings.Admin, "role": role})
}

func (p *Platform) stream(w http.ResponseWriter, r *http.Request) {
	if r.Form.Get("stream") != Stream || p.settings.Hidden {
		refuse(w, "Invalid channel name '"+r.Form.Get("stream")+"'")
		return
	}
	answer(w, map[string]any{"stream_id": number})
}

func (p *Platform) details(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != strconv.Itoa(number) || p.settings.Hidden {
		refuse(w, "Invalid channel ID")
		return
	}
	policy := 1
	if p.settings.Closed {
		policy = 2
	}
	answer(w, map[string]any{"stream": map[string]any{"stream_id": number, "name": Stream, "is_archived": p.settings.Archived, "stream_post_policy": policy}})
}

func (p *Platform) register(w http.ResponseWriter, r *http.Request) {
	if r.Form.Get("fetch_event_types") != `["realm"]` {
		refuse(w, "fetch_event_types is not what this organisation knows")
		return
	}
	p.queues++
	var limit any
	if p.settings.Edit > 0 {
		limit = p.settings.Edit
	}
	answer(w, map[string]any{
		"queue_id": "queue", "last_event_id": -1, "max_message_length": longest, "max_topic_length": longestTopic,
		"realm_allow_message_editing": !p.settings.NoEdits, "realm_message_content_edit_limit_seconds": limit, "realm_message_content_delete_limit_seconds": limit,
	})
}

func (p *Platform) unregister(w http.ResponseWriter, r *http.Request) {
	if r.Form.Get("queue_id") != "queue" {
		reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": "Bad event queue ID", "code": "BAD_EVENT_QUEUE_ID"})
		return
	}
	p.queues--
	answer(w, map[string]any{})
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request) {
	f, header, err := r.FormFile("filename")
	if err != nil {
		refuse(w, "You must specify a file to upload")
		return
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil || len(data) > largest {
		refuse(w, "File is larger than the allowed limit of 25 MiB")
		return
	}
	address := fmt.Sprintf("/user_uploads/2/%02x/x%d/%s", len(p.files)+1, len(p.files)+1, url.PathEscape(header.Filename))
	p.files[address] = file{header.Header.Get("Content-Type"), data}
	answer(w, map[string]any{"uri": address, "url": address, "filename": header.Filename})
}

// refuse is how Zulip says most of its noes: a sentence in the caller's language.
func refuse(w http.ResponseWriter, sentence string) {
	reply(w, http.StatusBadRequest, map[string]any{"result": "error", "msg": sentence, "code": "BAD_REQUEST"})
}

func answer(w http.ResponseWriter, v map[string]any) {
	v["result"], v["msg"] = "success", ""
	reply(w, http.StatusOK, v)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
