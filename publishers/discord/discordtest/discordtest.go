// Package discordtest is a simulated Discord: one server with a channel, its webhook, a bot and a calendar, with Discord's
// own limits, refusals, rate headers and reading of Markdown.
package discordtest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated Discord is made of.
const (
	Token     = "MTIzNDU2Nzg5MDEyMzQ1Njc4.simulated.bot-token-of-nobody"
	HookToken = "simulated_webhook_token_of_nobody_0123456789"
	Guild     = "210000000000000001"
	Channel   = "220000000000000001"
	Thread    = "230000000000000001" // in the channel
	Me        = "240000000000000001" // the bot
	hook      = "250000000000000001"
	role      = "260000000000000001" // the bot's
)

// Server is what an administrator could change.
type Server struct {
	Rights    uint64 // of the bot's role, as Discord's bits
	Denied    uint64 // what the channel takes away from the bot's role
	Kind      int    // of the channel: 0 text, 5 announcement, 15 forum
	Absent    bool   // the bot is not on the server
	Unhooked  bool   // the webhook was deleted
	RateLimit bool   // five messages in two seconds
	Page      int    // most messages in one answer; 0: as asked for
}

// Platform is a simulated Discord. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server
	events bool

	mu       sync.Mutex
	set      Server
	messages []*message // oldest first
	calendar []*event   // oldest first
	last     uint64
	pings    int
}

type message struct {
	id, channel, author string // author: Me, hook, or a person
	content, raw        string
	nonce               string
	files               []file
	quiet               bool // no previews of links
	replyTo             string
	at                  time.Time
	edited              int
	deleted             bool
}

type file struct {
	id, name, media, alt string
	data                 []byte
}

var _ sim.Platform = (*Platform)(nil)

// New opens a server where a bot may do all it needs in a text channel.
func New() *Platform {
	const rights = 1<<10 | 1<<11 | 1<<14 | 1<<15 | 1<<16 | 1<<38 | 1<<44
	p := &Platform{set: Server{Rights: rights}}
	p.server = httptest.NewServer(p.script.Wrap(p.routes()))
	return p
}

// NewCalendar opens the same server for a bot that makes events.
func NewCalendar() *Platform {
	p := New()
	p.events = true
	return p
}

// Script is how Discord misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends Discord. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Environ configures a bot in the channel, or one that makes events.
func (p *Platform) Environ() map[string]string {
	out := map[string]string{"TOKEN": Token, "API": p.server.URL + "/api/v10"}
	if p.events {
		out["AS"], out["GUILD"] = "event", Guild
	} else {
		out["CHANNEL"] = Channel
	}
	return out
}

// Webhook is the address of the channel's webhook, as people copy it.
func (p *Platform) Webhook() string { return p.server.URL + "/api/webhooks/" + hook + "/" + HookToken }

// Change lets an administrator change the server.
func (p *Platform) Change(f func(*Server)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.set)
}

// Pings is how many notifications the messages have caused.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Say lets a person write in the channel.
func (p *Platform) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(&message{channel: Channel, author: "270000000000000001", content: text})
}

// Replies tells which message each message answers; empty: none.
func (p *Platform) Replies() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, m := range p.messages {
		out = append(out, m.replyTo)
	}
	return out
}

// Posts are the messages and events of the bot and the webhook, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, m := range p.messages {
		if m.raw == "" {
			continue
		}
		text, html := read(m.content)
		post := sim.Post{
			ID: m.id, URL: "https://discord.com/channels/" + Guild + "/" + m.channel + "/" + m.id, Author: "Crieur",
			Text: text, HTML: m.show(html), Raw: m.raw, At: m.at, Edited: m.edited, Deleted: m.deleted,
		}
		for _, f := range m.files {
			post.Images = append(post.Images, sim.Image{URL: f.uri(), Alt: f.alt})
		}
		posts = append(posts, post)
	}
	for _, e := range p.calendar {
		posts = append(posts, e.post())
	}
	return posts
}

// number is the next number of something made now.
func (p *Platform) number() (string, time.Time) {
	now := time.Now().UTC()
	n := uint64(now.UnixMilli()-1420070400000) << 22
	p.last = max(n, p.last+1)
	return strconv.FormatUint(p.last, 10), now
}

func (p *Platform) add(m *message) {
	m.id, m.at = p.number()
	p.messages = append(p.messages, m)
}

// refusal is an answer that is no success.
type refusal struct {
	status, code int
	say          string
	errors       map[string]any
	wait         float64
}

func no(status, code int, say string) *refusal { return &refusal{status: status, code: code, say: say} }

func invalid(field, code, say string) *refusal {
	return &refusal{status: 400, code: 50035, say: "Invalid Form Body", errors: map[string]any{field: map[string]any{"_errors": []any{map[string]any{"code": code, "message": say}}}}}
}

type handler func(r *http.Request) (status int, result any, refused *refusal)

func (p *Platform) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, asBot bool, h handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /api/v10"+path, func(w http.ResponseWriter, r *http.Request) { p.answer(w, r, asBot, h) })
	}
	handle("GET /users/@me", true, p.self)
	handle("GET /channels/{channel}", true, p.channel)
	handle("GET /guilds/{guild}", true, p.guild)
	handle("GET /guilds/{guild}/members/{user}", true, p.member)
	handle("GET /channels/{channel}/messages", true, p.list)
	handle("POST /channels/{channel}/messages", true, p.post)
	handle("PATCH /channels/{channel}/messages/{message}", true, p.edit)
	handle("DELETE /channels/{channel}/messages/{message}", true, p.remove)
	handle("GET /webhooks/{hook}/{token}", false, p.hook)
	handle("POST /webhooks/{hook}/{token}", false, p.execute)
	handle("PATCH /webhooks/{hook}/{token}/messages/{message}", false, p.edit)
	handle("DELETE /webhooks/{hook}/{token}/messages/{message}", false, p.remove)
	handle("GET /guilds/{guild}/scheduled-events", true, p.listEvents)
	handle("POST /guilds/{guild}/scheduled-events", true, p.makeEvent)
	handle("GET /guilds/{guild}/scheduled-events/{event}", true, p.getEvent)
	handle("PATCH /guilds/{guild}/scheduled-events/{event}", true, p.editEvent)
	handle("DELETE /guilds/{guild}/scheduled-events/{event}", true, p.removeEvent)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { deny(w, no(404, 0, "404: Not Found")) })
	return mux
}

// answer checks who asks, and runs the request with the server locked.
func (p *Platform) answer(w http.ResponseWriter, r *http.Request, asBot bool, h handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused := p.known(r, asBot); refused != nil {
		deny(w, refused)
		return
	}
	status, result, refused := h(r)
	left := p.left()
	w.Header().Set("X-RateLimit-Limit", "5")
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(left))
	w.Header().Set("X-RateLimit-Reset-After", "2.000")
	w.Header().Set("X-RateLimit-Bucket", "80c17d2f203122d936070c88c8d10f33")
	if refused != nil {
		deny(w, refused)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if result != nil {
		_ = json.NewEncoder(w).Encode(result)
	}
}

func (p *Platform) known(r *http.Request, asBot bool) *refusal {
	switch {
	case !strings.HasPrefix(r.Header.Get("User-Agent"), "DiscordBot ("):
		return no(403, 40333, "internal network error")
	case asBot && r.Header.Get("Authorization") != "Bot "+Token:
		return no(401, 0, "401: Unauthorized")
	case asBot:
		return nil
	case r.PathValue("hook") != hook || p.set.Unhooked:
		return no(404, 10015, "Unknown Webhook")
	case r.PathValue("token") != HookToken:
		return no(401, 50027, "Invalid Webhook Token")
	}
	return nil
}

func deny(w http.ResponseWriter, r *refusal) {
	out := map[string]any{"message": r.say, "code": r.code}
	if r.errors != nil {
		out["errors"] = r.errors
	}
	w.Header().Set("Content-Type", "application/json")
	if r.status == http.StatusTooManyRequests {
		out = map[string]any{"message": "You are being rate limited.", "retry_after": r.wait, "global": false}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.wait))))
		w.Header().Set("X-RateLimit-Scope", "user")
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(out)
}

// left is how many messages may still be written in these two seconds.
func (p *Platform) left() int {
	if !p.set.RateLimit {
		return 4
	}
	n := 5
	for _, m := range p.messages {
		if time.Since(m.at) < 2*time.Second {
			n--
		}
	}
	return max(0, n)
}

func (p *Platform) self(*http.Request) (int, any, *refusal) {
	return 200, map[string]any{"id": Me, "username": "Crieur", "bot": true}, nil
}

func (p *Platform) may(bit uint64) bool { return p.set.Rights&^p.set.Denied&bit != 0 }

// here checks that the bot sees the channel that a request names.
func (p *Platform) here(r *http.Request) *refusal {
	switch c := r.PathValue("channel"); {
	case c != Channel && c != Thread:
		return no(404, 10003, "Unknown Channel")
	case p.set.Absent, !p.may(1 << 10):
		return no(403, 50001, "Missing Access")
	}
	return nil
}

func (p *Platform) channel(r *http.Request) (int, any, *refusal) {
	if refused := p.here(r); refused != nil {
		return 0, nil, refused
	}
	if r.PathValue("channel") == Thread {
		return 200, map[string]any{"id": Thread, "type": 11, "name": "octobre", "guild_id": Guild, "parent_id": Channel}, nil
	}
	rule := map[string]any{"id": role, "type": 0, "allow": "0", "deny": fmt.Sprint(p.set.Denied)}
	return 200, map[string]any{"id": Channel, "type": p.set.Kind, "name": "annonces", "guild_id": Guild, "permission_overwrites": []any{rule}}, nil
}

func (p *Platform) guild(r *http.Request) (int, any, *refusal) {
	switch {
	case r.PathValue("guild") != Guild:
		return 0, nil, no(404, 10004, "Unknown Guild")
	case p.set.Absent:
		return 0, nil, no(403, 50001, "Missing Access")
	}
	roles := []any{map[string]any{"id": Guild, "permissions": "0"}, map[string]any{"id": role, "permissions": fmt.Sprint(p.set.Rights)}}
	return 200, map[string]any{"id": Guild, "name": "Communauté simulée", "roles": roles}, nil
}

func (p *Platform) member(r *http.Request) (int, any, *refusal) {
	if r.PathValue("user") != Me {
		return 0, nil, no(404, 10007, "Unknown Member")
	}
	return 200, map[string]any{"roles": []string{role}}, nil
}

func (p *Platform) hook(*http.Request) (int, any, *refusal) {
	return 200, map[string]any{"id": hook, "type": 1, "name": "Crieur", "channel_id": Channel, "guild_id": Guild, "token": HookToken}, nil
}
