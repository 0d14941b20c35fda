// Package webpushtest is a simulated push service with the browsers behind it: it checks each message as RFC 8030 and RFC
// 8292 say, holds it for a browser that is off, and the browser decrypts it with its own key (RFC 8291) and shows it.
package webpushtest

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
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

// Key is the private key that the simulated browsers have subscribed with, and Public its public key.
const (
	Key     = "5uy11t1VVtcaLUbAd9lXZ8oHI892rmjxJMittiQ9nT8"
	Public  = "BDZiJyOLjjacwf2BLiUv9BWfn4zth5u1O6vxZW5VHoJKZkra534HnzxnevnBaPb84nF4NAgzTpBJ5Xy4TD2ESMk"
	Contact = "mailto:organisers@example.org"
	mostTTL = 28 * 24 * 3600
	most    = 4096
)

// Platform is a simulated push service. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu       sync.Mutex
	browsers []*browser
	shown    []*notification // oldest first
	unread   int
	sounds   int
	last     http.Header
}

// browser has one subscription.
type browser struct {
	key     *ecdh.PrivateKey
	auth    []byte
	allowed string // the public key that may send to it
	gone    bool
	off     bool
	waiting []held
}

// held is a message for a browser that is off.
type held struct {
	topic string
	until time.Time
	body  []byte
}

var _ sim.Platform = (*Platform)(nil)

// New opens a push service without browsers.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /push/{browser}", p.push)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, 102, "no such subscription") })
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the service misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account whose key the browsers of Subscribe know.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"KEY": Key, "CONTACT": Contact, "SERVICES": "127.0.0.1", "ALLOW_PRIVATE": "true"}
}

// Close ends the service. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Subscribe lets another browser subscribe with the public key, and returns its subscription as compact JSON.
func (p *Platform) Subscribe(public string) string {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	b := &browser{key: key, auth: make([]byte, 16), allowed: public}
	_, _ = rand.Read(b.auth)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.browsers = append(p.browsers, b)
	s, _ := json.Marshal(map[string]any{
		"endpoint": fmt.Sprintf("%s/push/%d", p.server.URL, len(p.browsers)),
		"keys":     map[string]string{"p256dh": b64(key.PublicKey().Bytes()), "auth": b64(b.auth)},
	})
	return string(s)
}

// browser is the one of a subscription, or nil.
func (p *Platform) browser(subscription string) *browser {
	var s struct{ Endpoint string }
	_ = json.Unmarshal([]byte(subscription), &s)
	n, _ := strconv.Atoi(s.Endpoint[strings.LastIndexByte(s.Endpoint, '/')+1:])
	if n < 1 || n > len(p.browsers) {
		return nil
	}
	return p.browsers[n-1]
}

// Leave lets the browser of a subscription forget it: the service answers 410 from now on.
func (p *Platform) Leave(subscription string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.browser(subscription); b != nil {
		b.gone = true
	}
}

// Switch turns the device of a subscription off or on. On, it gets what was kept for it and is not too old.
func (p *Platform) Switch(subscription string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.browser(subscription)
	if b == nil {
		return
	}
	if b.off = !on; !on {
		return
	}
	for _, h := range b.waiting {
		if time.Now().Before(h.until) {
			p.deliver(b, h.body)
		}
	}
	b.waiting = nil
}

// Unreadable is how many messages reached a browser that could not decrypt them. It says nothing to anybody then.
func (p *Platform) Unreadable() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unread
}

// Sounds is how often a device made itself heard: once for each notification that took the place of no other.
func (p *Platform) Sounds() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sounds
}

// Last is the header of the last message that was taken.
func (p *Platform) Last() http.Header {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last.Clone()
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// refuse answers as Mozilla's service does.
func refuse(w http.ResponseWriter, status, errno int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": status, "errno": errno, "error": http.StatusText(status), "message": why})
}

var (
	topicForm = regexp.MustCompile(`^[-_A-Za-z0-9]{1,32}$`)
	urgencies = regexp.MustCompile(`^(very-low|low|normal|high)?$`)
)

func (p *Platform) push(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n, _ := strconv.Atoi(r.PathValue("browser"))
	if n < 1 || n > len(p.browsers) {
		refuse(w, 404, 102, "no such subscription")
		return
	}
	b := p.browsers[n-1]
	ttl, err := strconv.Atoi(r.Header.Get("TTL"))
	if err != nil || ttl < 0 {
		refuse(w, 400, 111, "missing or invalid TTL")
		return
	}
	status, why := authorized(r.Header.Get("Authorization"), p.server.URL, b.allowed, time.Now())
	topic := r.Header.Get("Topic")
	switch {
	case status != 0:
		refuse(w, status, 109, why)
	case b.gone:
		refuse(w, 410, 106, "the subscription has ended")
	case r.Header.Get("Content-Encoding") != "aes128gcm":
		refuse(w, 400, 110, "unknown content encoding")
	case topic != "" && !topicForm.MatchString(topic):
		refuse(w, 400, 113, "invalid topic")
	case !urgencies.MatchString(r.Header.Get("Urgency")):
		refuse(w, 400, 113, "invalid urgency")
	case len(body) > most:
		refuse(w, 413, 104, "the message is too large")
	default:
		p.last = r.Header.Clone()
		ttl = min(ttl, mostTTL)
		p.take(b, topic, time.Duration(ttl)*time.Second, body)
		w.Header().Set("Location", fmt.Sprintf("%s/message/%d", p.server.URL, time.Now().UnixNano()))
		w.Header().Set("TTL", strconv.Itoa(ttl))
		w.WriteHeader(http.StatusCreated)
	}
}

// take delivers a message, or holds it in the place of one with the same topic (RFC 8030 section 5.4).
func (p *Platform) take(b *browser, topic string, ttl time.Duration, body []byte) {
	if !b.off {
		p.deliver(b, body)
		return
	}
	h := held{topic, time.Now().Add(ttl), body}
	for i := range b.waiting {
		if topic != "" && b.waiting[i].topic == topic {
			b.waiting[i] = h
			return
		}
	}
	b.waiting = append(b.waiting, h)
}
