// Package matrixtest is a simulated Matrix homeserver with one room, and direct ones: the calls that Crieur makes, refused and answered as
// Dendrite was seen to do it, or by the letter of the specification.
package matrixtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/microcosm-cc/bluemonday"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated homeserver is made of.
const (
	Token = "syt_simulated_matrix_token"
	Alias = "#annonces:matrix.example"
	Room  = "!annonces:matrix.example"
	User  = "@crieur:matrix.example"

	largestEvent  = 65_536
	largestUpload = 10 << 20
)

// Settings are what an administrator of the homeserver or of the room could change.
type Settings struct {
	Outside    bool   // the bot is not in the room
	Level      int    // power of the bot
	Needed     int    // power that a message asks for
	Creator    bool   // the bot made the room, of a version where that is above all levels; its ID has no server
	Encrypted  bool   // the room says so
	Replaced   string // the room's successor
	RateLimit  bool   // ten messages, then one in five seconds
	WaitInBody bool   // the wait is told in the body only, as servers before Matrix 1.10 do
	Page       int    // most events in a page of history; 0: as asked for
	Spec       bool   // transaction IDs belong to the device and are kept; else to the token, until a restart
}

// Platform is a simulated homeserver. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server
	policy *bluemonday.Policy

	mu       sync.Mutex
	settings Settings
	token    string
	events   []*event          // oldest first
	answers  map[string]string // by transaction: the event it made
	media    map[string]upload
	sent     []time.Time // of the bot's messages
	pings    int
	directs  []*direct
	away     bool                // the homeservers of people cannot be reached
	recorded map[string][]string // m.direct of the bot; nil: none
}

type upload struct {
	kind string
	data []byte
}

var _ sim.Platform = (*Platform)(nil)

// New opens a homeserver where the bot is in the room and may write.
func New() *Platform {
	p := &Platform{token: Token, answers: map[string]string{}, media: map[string]upload{}, policy: suggested()}
	mux := http.NewServeMux()
	const v3 = "/_matrix/client/v3"
	mux.HandleFunc("GET "+v3+"/account/whoami", p.whoami)
	mux.HandleFunc("GET "+v3+"/directory/room/{alias}", p.directory)
	mux.HandleFunc("PUT "+v3+"/rooms/{room}/send/m.room.message/{txn}", p.inside(p.send))
	mux.HandleFunc("PUT "+v3+"/rooms/{room}/redact/{event}/{txn}", p.inside(p.redact))
	mux.HandleFunc("GET "+v3+"/rooms/{room}/event/{event}", p.inside(p.one))
	mux.HandleFunc("GET "+v3+"/rooms/{room}/messages", p.inside(p.history))
	mux.HandleFunc("GET "+v3+"/rooms/{room}/state/{kind}", p.inside(p.state))
	mux.HandleFunc("GET "+v3+"/rooms/{room}/state/{kind}/{key}", p.inside(p.state))
	mux.HandleFunc("POST "+v3+"/createRoom", p.createRoom)
	mux.HandleFunc("POST "+v3+"/rooms/{room}/invite", p.inside(p.inviteAgain))
	mux.HandleFunc("GET "+v3+"/user/{user}/account_data/m.direct", p.readDirects)
	mux.HandleFunc("PUT "+v3+"/user/{user}/account_data/m.direct", p.writeDirects)
	mux.HandleFunc("POST /_matrix/media/v3/upload", p.upload)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "M_UNRECOGNIZED", "Unrecognized request")
	})
	p.server = httptest.NewServer(p.script.Wrap(p.authenticated(mux)))
	return p
}

// Script is how the homeserver misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends the homeserver. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures the bot.
func (p *Platform) Environ() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string]string{"API": p.server.URL, "TOKEN": p.token, "ROOM": Alias}
}

// Change lets an administrator change things.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.settings)
}

// Login gives the bot's device another token. The one before is dead.
func (p *Platform) Login() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token += "x"
}

// Restart makes the homeserver forget what it keeps in memory.
func (p *Platform) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settings.Spec {
		clear(p.answers)
	}
}

// Pings is how many people and rooms the events have called.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Write lets somebody else in the room send an event with this content.
func (p *Platform) Write(content map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add("@ada:matrix.example", content)
}

// Moderate lets a moderator remove an event.
func (p *Platform) Moderate(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.find(id); e != nil {
		e.redacted = true
	}
}

// room is the ID by which clients know the room. p.mu is held.
func (p *Platform) room() string {
	if p.settings.Creator {
		return strings.Split(Room, ":")[0]
	}
	return Room
}

// authenticated checks the token, as every call does.
func (p *Platform) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		p.mu.Lock()
		known := token == p.token
		p.mu.Unlock()
		switch {
		case token == "":
			refuse(w, http.StatusUnauthorized, "M_MISSING_TOKEN", "Missing access token")
		case !known:
			refuse(w, http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "Unknown token")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// inside runs a call about the room, with p.mu held, for who is in it.
func (p *Platform) inside(run http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case p.direct(r.PathValue("room")) != nil && !p.direct(r.PathValue("room")).expelled:
			run(w, r)
		case r.PathValue("room") != p.room() && r.Method == http.MethodPut && !p.settings.Spec:
			refuse(w, http.StatusBadRequest, "M_UNSUPPORTED_ROOM_VERSION", "missing room info for room")
		case r.PathValue("room") != p.room(), p.settings.Outside:
			refuse(w, http.StatusForbidden, "M_FORBIDDEN", "User "+User+" not in room "+r.PathValue("room"))
		default:
			run(w, r)
		}
	}
}

func (p *Platform) whoami(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"user_id": User, "device_id": "CRIEUR", "is_guest": false})
}

func (p *Platform) directory(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.called(r.PathValue("alias")); d != nil {
		answer(w, map[string]any{"room_id": d.room, "servers": []string{"matrix.example"}})
		return
	}
	if r.PathValue("alias") != Alias {
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Room alias "+r.PathValue("alias")+" not found")
		return
	}
	answer(w, map[string]any{"room_id": p.room(), "servers": []string{"matrix.example"}})
}

func (p *Platform) state(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	d := p.direct(r.PathValue("room"))
	switch kind := r.PathValue("kind"); {
	case kind == "m.room.member" && key == User:
		answer(w, map[string]any{"membership": "join", "displayname": "Crieur"})
	case d != nil && kind == "m.room.member" && key == d.person && d.membership != "":
		answer(w, map[string]any{"membership": d.membership, "is_direct": true})
	case d != nil:
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Event not found.")
	case kind == "m.room.power_levels" && key == "":
		answer(w, map[string]any{"users": map[string]int{"@ada:matrix.example": 100, User: p.settings.Level}, "events_default": p.settings.Needed, "state_default": 50, "redact": 50})
	case kind == "m.room.encryption" && key == "" && p.settings.Encrypted:
		answer(w, map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
	case kind == "m.room.tombstone" && key == "" && p.settings.Replaced != "":
		answer(w, map[string]any{"body": "This room has been replaced", "replacement_room": p.settings.Replaced})
	default:
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Event not found.")
	}
}

func (p *Platform) upload(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, largestUpload+1))
	kind := r.Header.Get("Content-Type")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "M_UNKNOWN", "Request cut short")
		return
	case len(data) > largestUpload:
		refuse(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "Upload request body is too large")
		return
	case kind == "":
		kind = "application/octet-stream"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	uri := "mxc://matrix.example/media" + strconv.Itoa(len(p.media)+1)
	p.media[uri] = upload{kind, data}
	answer(w, map[string]any{"content_uri": uri})
}

// link is the address that opens an event in a person's app.
func link(room, event string) string {
	return "https://matrix.to/#/" + url.QueryEscape(room) + "/" + url.QueryEscape(event) + "?via=matrix.example"
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	reply(w, status, map[string]any{"errcode": code, "error": text})
}

func answer(w http.ResponseWriter, v any) { reply(w, http.StatusOK, v) }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
