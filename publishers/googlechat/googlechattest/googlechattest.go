// Package googlechattest is a simulated Google Chat with one space: the sign-in of service accounts, messages made by a
// Chat app or an incoming webhook, Google's errors, and a client that reads Chat's own marks.
package googlechattest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated space is made of.
const (
	Space     = "spaces/AAAASimulated"
	HookKey   = "simulated-webhook-key"
	HookToken = "simulated-webhook-token"
	email     = "crieur@simulated-project.iam.gserviceaccount.com"
	mostBytes = 32000
)

// Chat is what an administrator could change.
type Chat struct {
	Outside   bool // the app is not in the space
	Disabled  bool // the service account's key was deleted
	HookGone  bool
	Forgetful bool // webhooks know neither request IDs nor names
	Limited   bool // one message a second
}

// Platform is a simulated space. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu       sync.Mutex
	chat     Chat
	messages []*message // oldest first
	requests map[string]*message
	tokens   map[string]bool
	last     time.Time
	pings    int
}

type message struct {
	name, client string
	raw          string
	text         string
	pictures     []picture
	thread       string
	at           time.Time
	edited       int
	deleted      bool
}

type picture struct{ URL, Alt string }

var _ sim.Platform = (*Platform)(nil)

// New opens a space where the app is a member.
func New() *Platform {
	p := &Platform{requests: map[string]*message{}, tokens: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", p.signIn)
	mux.HandleFunc("GET /v1/"+Space, p.asApp(p.space))
	mux.HandleFunc("POST /v1/"+Space+"/messages", p.create)
	mux.HandleFunc("GET /v1/"+Space+"/messages/{id}", p.asApp(p.get))
	mux.HandleFunc("PATCH /v1/"+Space+"/messages/{id}", p.asApp(p.patch))
	mux.HandleFunc("DELETE /v1/"+Space+"/messages/{id}", p.asApp(p.remove))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "NOT_FOUND", "") })
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the space misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures a Chat app.
func (p *Platform) Environ() map[string]string {
	key, _ := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "simulated-project", "private_key_id": "simulated-key", "private_key": account().pem,
		"client_email": email, "token_uri": p.server.URL + "/token",
	})
	return map[string]string{"CREDENTIALS": string(key), "SPACE": Space, "API": p.server.URL}
}

// Webhook is the address of an incoming webhook of the space.
func (p *Platform) Webhook() string {
	return p.server.URL + "/v1/" + Space + "/messages?key=" + HookKey + "&token=" + HookToken
}

// PrivateKey is the service account's.
func PrivateKey() string { return account().pem }

// Close ends the space. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Change lets an administrator change the space.
func (p *Platform) Change(f func(*Chat)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.chat)
}

// Expire ends every access token.
func (p *Platform) Expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.tokens)
}

// Pings is how many people the messages have called.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// Threads are the keys of the threads that the messages are in, oldest first.
func (p *Platform) Threads() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []string
	for _, m := range p.messages {
		keys = append(keys, m.thread)
	}
	return keys
}

// Posts are the messages in the space, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, 0, len(p.messages))
	for _, m := range p.messages {
		post := sim.Post{
			ID: m.name, URL: "https://chat.google.com/room/" + strings.TrimPrefix(Space, "spaces/"), Author: "Crieur", Raw: m.raw, At: m.at,
			Edited: m.edited, Deleted: m.deleted, Key: strings.TrimPrefix(m.client, "client-"),
		}
		post.Text, post.HTML = show(m.text, m.pictures)
		for _, i := range m.pictures {
			post.Images = append(post.Images, sim.Image{URL: i.URL, Alt: i.Alt})
		}
		posts = append(posts, post)
	}
	return posts
}

type serviceAccount struct {
	key *rsa.PrivateKey
	pem string
}

// account is a service account, made once.
var account = sync.OnceValue(func() serviceAccount {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return serviceAccount{key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
})

func refuse(w http.ResponseWriter, status int, word, reason string) {
	e := map[string]any{"code": status, "message": "simulated", "status": word}
	if reason != "" {
		e["details"] = []any{map[string]string{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(v)
}

// asApp lets a Chat app in.
func (p *Platform) asApp(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.admits(w, r) {
			next(w, r)
		}
	}
}

func (p *Platform) admits(w http.ResponseWriter, r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !p.tokens[token]:
		refuse(w, 401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")
	case p.chat.Outside:
		refuse(w, 403, "PERMISSION_DENIED", "")
	default:
		return true
	}
	return false
}

func (p *Platform) space(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]string{"name": Space, "displayName": "Annonces", "spaceType": "SPACE"})
}

var clientID = regexp.MustCompile(`^client-[a-z0-9-]{1,56}$`)

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	hook := q.Has("key") || q.Has("token")
	switch {
	case hook && q.Get("key") != HookKey:
		refuse(w, 400, "INVALID_ARGUMENT", "API_KEY_INVALID")
		return
	case hook && (q.Get("token") != HookToken || p.chat.HookGone):
		refuse(w, 403, "PERMISSION_DENIED", "")
		return
	case !hook && !p.admits(w, r):
		return
	case p.chat.Limited && time.Since(p.last) < time.Second:
		refuse(w, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
		return
	}
	m, ok := read(w, r)
	if !ok {
		return
	}
	client, request := q.Get("messageId"), q.Get("requestId")
	if client != "" && !clientID.MatchString(client) {
		refuse(w, 400, "INVALID_ARGUMENT", "")
		return
	}
	if hook && p.chat.Forgetful {
		client, request = "", ""
	}
	if old := p.requests[request]; old != nil && request != "" {
		answer(w, p.view(old, hook))
		return
	}
	if client != "" && p.find(client) != nil {
		refuse(w, 409, "ALREADY_EXISTS", "")
		return
	}
	if q.Get("messageReplyOption") != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD" {
		m.thread = "" // a thread of its own, whatever was asked for
	}
	m.name, m.client, m.at = Space+"/messages/sim."+strconv.Itoa(len(p.messages)+1), client, time.Now().UTC()
	p.pings += calls(m.text)
	p.messages = append(p.messages, m)
	p.requests[request] = m
	p.last = m.at
	answer(w, p.view(m, hook))
}

// view is a message as it is answered; to a webhook hardly anything.
func (p *Platform) view(m *message, hook bool) map[string]any {
	v := map[string]any{"name": m.name, "thread": map[string]string{"name": Space + "/threads/sim"}}
	if hook {
		return v
	}
	v["createTime"], v["text"], v["space"] = m.at.Format(time.RFC3339Nano), m.text, map[string]string{"name": Space}
	if m.client != "" {
		v["clientAssignedMessageId"] = m.client
	}
	if m.deleted {
		v["deleteTime"] = m.at.Format(time.RFC3339Nano)
	}
	return v
}

func (p *Platform) find(id string) *message {
	for _, m := range p.messages {
		if m.client == id || m.name == Space+"/messages/"+id {
			return m
		}
	}
	return nil
}

// at is the message that a request names, or nil after answering that there is none.
func (p *Platform) at(w http.ResponseWriter, r *http.Request) *message {
	m := p.find(r.PathValue("id"))
	if m == nil || m.deleted {
		refuse(w, 404, "NOT_FOUND", "")
		return nil
	}
	return m
}

func (p *Platform) get(w http.ResponseWriter, r *http.Request) {
	if m := p.at(w, r); m != nil {
		answer(w, p.view(m, false))
	}
}

func (p *Platform) patch(w http.ResponseWriter, r *http.Request) {
	m := p.at(w, r)
	if m == nil {
		return
	}
	if r.URL.Query().Get("updateMask") != "text,cardsV2" {
		refuse(w, 400, "INVALID_ARGUMENT", "")
		return
	}
	if n, ok := read(w, r); ok {
		m.raw, m.text, m.pictures = n.raw, n.text, n.pictures
		m.edited++
		p.pings += calls(m.text)
		answer(w, p.view(m, false))
	}
}

func (p *Platform) remove(w http.ResponseWriter, r *http.Request) {
	if m := p.at(w, r); m != nil {
		m.deleted = true
		answer(w, map[string]string{})
	}
}

// read decodes a message, and answers itself when it is not one that Google Chat takes.
func read(w http.ResponseWriter, r *http.Request) (*message, bool) {
	var in struct {
		Text   string `json:"text"`
		Syntax string `json:"markupSyntax"`
		Thread struct {
			Key string `json:"threadKey"`
		} `json:"thread"`
		CardsV2 []struct {
			ID   string `json:"cardId"`
			Card struct {
				Sections []struct {
					Widgets []struct {
						Image struct {
							URL string `json:"imageUrl"`
							Alt string `json:"altText"`
						} `json:"image"`
					} `json:"widgets"`
				} `json:"sections"`
			} `json:"card"`
		} `json:"cardsV2"`
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	m := &message{}
	switch {
	case err != nil:
		return nil, false
	case d.Decode(&in) != nil, strings.TrimSpace(in.Text) == "" && len(in.CardsV2) == 0, len(raw) > mostBytes, in.Syntax != "MARKUP_SYNTAX_CHAT":
		refuse(w, 400, "INVALID_ARGUMENT", "")
		return nil, false
	}
	for _, c := range in.CardsV2 {
		for _, s := range c.Card.Sections {
			for _, x := range s.Widgets {
				if !strings.HasPrefix(x.Image.URL, "https://") || c.ID == "" {
					refuse(w, 400, "INVALID_ARGUMENT", "")
					return nil, false
				}
				m.pictures = append(m.pictures, picture{x.Image.URL, x.Image.Alt})
			}
		}
	}
	m.text, m.thread = in.Text, in.Thread.Key
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") == nil {
		m.raw = fmt.Sprintln(b.String())
	}
	return m, true
}
