// Package telegramtest is a simulated Telegram: the methods of the Bot API that Crieur calls, one chat, and people who can press Start, with Telegram's own
// limits, refusals and reading of HTML.
package telegramtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated Telegram is made of.
const (
	Token   = "1234567890:simulated_bot_token_AAAAAAAAAAAAAAA"
	Bot     = "crieur_simule_bot"
	Channel = "@annonces_simulees"
	Number  = -1001234567890 // of the same chat
	bot     = 1234567890
)

// Chat is what an administrator could change.
type Chat struct {
	Group     bool   // a supergroup, not a channel
	Private   bool   // it has no name
	Status    string // of the bot: administrator, member, restricted, left, kicked
	Post      bool   // the bot may post, in a channel
	Muted     bool   // members may not write, in a group
	Topics    []int  // that are open; none: the group has no topics
	MovedTo   int64  // the group became the supergroup of this number
	RateLimit bool   // one message a second in a chat, twenty a minute in a group, thirty a second in all
	Webhook   string // where the bot's updates go instead of to who asks for them
}

// Platform is a simulated Telegram with one chat. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu       sync.Mutex
	chat     Chat
	messages []*message // oldest first
	shift    time.Duration
	pings    int
	people   map[int64]*person
	inbox    inbox
}

type message struct {
	id      int64
	to      int64 // the person, in a private chat; 0: the chat
	raw     string
	content content
	preview preview
	photo   *photo
	topic   int
	replyTo int64
	at      time.Time
	edited  int
	deleted bool
}

var _ sim.Platform = (*Platform)(nil)

// New opens a public channel where the bot is an administrator who may post.
func New() *Platform {
	p := &Platform{chat: Chat{Status: "administrator", Post: true}, people: map[int64]*person{}, inbox: inbox{news: make(chan struct{}), closed: make(chan struct{})}}
	p.server = httptest.NewServer(p.script.Wrap(http.HandlerFunc(p.serve)))
	return p
}

// Script is how Telegram misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Close ends Telegram. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.inbox.close()
	p.server.Close()
}

// Environ configures a bot in the channel.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"TOKEN": Token, "CHAT": Channel, "API": p.server.URL}
}

// Change lets an administrator change the chat.
func (p *Platform) Change(f func(*Chat)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.chat)
}

// Pass lets time go by.
func (p *Platform) Pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shift += d
}

// Pings is how many people the messages have called by their names.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Replies tells which message each message answers; 0: none.
func (p *Platform) Replies() []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []int64
	for _, m := range p.messages {
		out = append(out, m.replyTo)
	}
	return out
}

// Posts are the messages of the bot, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, len(p.messages))
	for i, m := range p.messages {
		posts[i] = sim.Post{
			ID: fmt.Sprint(m.id), URL: p.link(m), Author: "Crieur", Text: m.content.text, HTML: m.show(), Raw: m.raw, At: m.at,
			Edited: m.edited, Deleted: m.deleted,
		}
		if m.to != 0 {
			posts[i].To, posts[i].URL = fmt.Sprint(m.to), ""
		}
		switch {
		case m.photo != nil:
			posts[i].Images = []sim.Image{{URL: m.photo.uri()}}
		case m.preview.large:
			posts[i].Images = []sim.Image{{URL: m.preview.url}}
		}
	}
	return posts
}

func (p *Platform) link(m *message) string {
	chat := strings.TrimPrefix(Channel, "@")
	if p.chat.Private {
		chat = "c/1234567890"
	}
	if m.topic > 0 {
		chat += fmt.Sprint("/", m.topic)
	}
	return fmt.Sprintf("https://t.me/%s/%d", chat, m.id)
}

func (p *Platform) now() time.Time { return time.Now().Add(p.shift).UTC() }

// refusal is an answer that is no success.
type refusal struct {
	code       int
	say        string
	parameters map[string]any
}

func bad(say string) *refusal {
	return &refusal{code: http.StatusBadRequest, say: "Bad Request: " + say}
}

func forbidden(say string) *refusal {
	return &refusal{code: http.StatusForbidden, say: "Forbidden: " + say}
}

func answer(w http.ResponseWriter, result any, r *refusal) {
	w.Header().Set("Content-Type", "application/json")
	out := map[string]any{"ok": true, "result": result}
	if r != nil {
		out = map[string]any{"ok": false, "error_code": r.code, "description": r.say}
		if r.parameters != nil {
			out["parameters"] = r.parameters
			if s, ok := r.parameters["retry_after"]; ok {
				w.Header().Set("Retry-After", fmt.Sprint(s))
			}
		}
		w.WriteHeader(r.code)
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (p *Platform) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/bot")
	token, method, more := strings.Cut(rest, "/")
	run := methods()[strings.ToLower(method)]
	updates := strings.EqualFold(method, "getUpdates")
	switch {
	case !ok || !more || !strings.Contains(token, ":") || token == Token && run == nil && !updates:
		answer(w, nil, &refusal{code: http.StatusNotFound, say: "Not Found"})
		return
	case token != Token:
		answer(w, nil, &refusal{code: http.StatusUnauthorized, say: "Unauthorized"})
		return
	}
	a, refused := read(r)
	if refused != nil {
		answer(w, nil, refused)
		return
	}
	if updates {
		result, refused := p.getUpdates(r, a)
		answer(w, result, refused)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	result, refused := run(p, a)
	answer(w, result, refused)
}

// here finds the chat that a call names.
func (p *Platform) here(a arguments) *refusal {
	named := a.text("chat_id")
	switch {
	case p.addressee(a) != nil:
		return nil
	case named != fmt.Sprint(Number) && (named != Channel || p.chat.Private):
		return bad("chat not found")
	case p.chat.MovedTo != 0:
		r := bad("group chat was upgraded to a supergroup chat")
		r.parameters = map[string]any{"migrate_to_chat_id": p.chat.MovedTo}
		return r
	}
	return nil
}

func (p *Platform) kind() string {
	if p.chat.Group {
		return "supergroup"
	}
	return "channel"
}

// writable says why the bot may not write in the chat of a call, if so.
func (p *Platform) writable(a arguments) *refusal {
	switch c := p.chat; {
	case p.addressee(a) != nil:
		return p.addressee(a).writable()
	case c.Status == "left":
		return forbidden("bot is not a member of the " + p.kind() + " chat")
	case c.Status == "kicked":
		return forbidden("bot was kicked from the " + p.kind() + " chat")
	case !c.Group && (c.Status != "administrator" || !c.Post):
		return bad("need administrator rights in the channel chat")
	case c.Status == "restricted", c.Status == "member" && c.Muted:
		return bad("not enough rights to send text messages to the chat")
	}
	return nil
}

// busy refuses a message to a chat (0, or a person) that comes too soon.
func (p *Platform) busy(to int64) *refusal {
	if !p.chat.RateLimit {
		return nil
	}
	wait, now := 0, p.now()
	here, second := []*message{}, 0
	for _, m := range p.messages {
		if m.to == to {
			here = append(here, m)
		}
		if now.Sub(m.at) < time.Second {
			second++
		}
	}
	n := len(here)
	if n > 0 && now.Sub(here[n-1].at) < time.Second || second >= 30 {
		wait = 1
	}
	if to == 0 && p.chat.Group && n >= 20 && now.Sub(here[n-20].at) < time.Minute {
		wait = 60 - int(now.Sub(here[n-20].at).Seconds())
	}
	if wait == 0 {
		return nil
	}
	return &refusal{code: http.StatusTooManyRequests, say: fmt.Sprint("Too Many Requests: retry after ", wait), parameters: map[string]any{"retry_after": wait}}
}

// find is the message that a call names.
func (p *Platform) find(a arguments, missing string) (*message, *refusal) {
	if r := p.here(a); r != nil {
		return nil, r
	}
	if r := p.writable(a); r != nil {
		return nil, r
	}
	i := slices.IndexFunc(p.messages, func(m *message) bool {
		return fmt.Sprint(m.id) == a.text("message_id") && !m.deleted && m.to == p.addressee(a).number()
	})
	if i < 0 {
		return nil, bad(missing)
	}
	return p.messages[i], nil
}
