// Package webhooktest is a simulated receiver of webhooks, such as a community's own website, and as strict as the
// specification lets one be: it verifies every signature and the age of every attempt, reads events to the letter, and
// drops by its ID what it had before.
package webhooktest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated receiver is made of.
const (
	Secret = "whsec_c2ltdWxhdGVkLXdlYmhvb2stcmVjZWl2ZXIh"
	Path   = "/hooks/simulated-webhook-path/"

	largest   = 20_000
	tolerance = 5 * time.Minute
)

// Platform is a simulated receiver. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu     sync.Mutex
	secret string
	had    map[string]bool // IDs of events
	copies int
	items  []*item // oldest first
}

// item is what the receiver knows of one announcement.
type item struct {
	data    telling
	raw     string
	at      time.Time
	edited  int
	deleted bool
}

var _ sim.Platform = (*Platform)(nil)

// New opens a receiver.
func New() *Platform {
	p := &Platform{secret: Secret, had: map[string]bool{}}
	p.server = httptest.NewServer(p.script.Wrap(http.HandlerFunc(p.receive)))
	return p
}

// Script is how the receiver misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account that tells the receiver.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"URL": p.URL(), "SECRET": Secret, "ALLOW_PRIVATE": "true"}
}

// URL is the receiver's address.
func (p *Platform) URL() string { return p.server.URL + Path + "?source=crieur" }

// Agree gives the receiver another secret.
func (p *Platform) Agree(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = secret
}

// Close ends the receiver. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Copies is how many events were dropped because they had been received before.
func (p *Platform) Copies() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copies
}

// Posts are what the receiver knows, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, 0, len(p.items))
	for _, x := range p.items {
		first := x.data.Versions[0]
		post := sim.Post{
			ID: x.data.ID, Author: "Crieur", Subject: first.Title, Text: first.Text, HTML: x.html(), Raw: x.raw, At: x.at,
			Edited: x.edited, Deleted: x.deleted, Key: x.data.Delivery,
		}
		for _, i := range x.data.Images {
			post.Images = append(post.Images, sim.Image{URL: i.URL, Alt: i.Alt})
		}
		posts = append(posts, post)
	}
	return posts
}

var eventID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (p *Platform) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	id := r.Header.Get("webhook-id")
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "the request broke off")
	case r.URL.Path != Path || r.URL.RawQuery != "source=crieur":
		refuse(w, http.StatusNotFound, "no such hook")
	case r.Method != http.MethodPost:
		refuse(w, http.StatusMethodNotAllowed, "events are posted")
	case r.Header.Get("Content-Type") != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "events are JSON")
	case len(body) >= largest:
		refuse(w, http.StatusRequestEntityTooLarge, "the event is too large")
	case !eventID.MatchString(id):
		refuse(w, http.StatusBadRequest, "webhook-id is missing or odd")
	case !recent(r.Header.Get("webhook-timestamp")):
		refuse(w, http.StatusBadRequest, "webhook-timestamp is missing, too old or too new")
	case !p.signed(r.Header, body):
		refuse(w, http.StatusUnauthorized, "no signature matches")
	default:
		p.take(w, id, body)
	}
}

func recent(timestamp string) bool {
	s, err := strconv.ParseInt(timestamp, 10, 64)
	age := time.Since(time.Unix(s, 0))
	return err == nil && age < tolerance && age > -tolerance
}

func (p *Platform) signed(h http.Header, body []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	for _, s := range strings.Split(h.Get("webhook-signature"), " ") {
		version, encoded, _ := strings.Cut(s, ",")
		sum, err := base64.StdEncoding.DecodeString(encoded)
		if err == nil && version == "v1" && hmac.Equal(sum, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

// take carries an event out, unless it was received before.
func (p *Platform) take(w http.ResponseWriter, id string, body []byte) {
	e, err := read(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.had[id] {
		p.copies++
		answer(w, http.StatusOK, "status", "had")
		return
	}
	p.had[id] = true
	i := slices.IndexFunc(p.items, func(x *item) bool { return x.data.ID == e.data.ID && !x.deleted })
	switch {
	case e.kind == "announcement.retracted" && i >= 0:
		p.items[i].deleted = true
	case e.kind == "announcement.retracted": // it never came
	case i < 0:
		p.items = append(p.items, &item{data: e.data, raw: string(body), at: e.at})
	case e.data.Rev > p.items[i].data.Rev: // an older one came late
		p.items[i].data, p.items[i].raw = e.data, string(body)
		p.items[i].edited++
	}
	answer(w, http.StatusAccepted, "status", "taken")
}

func refuse(w http.ResponseWriter, status int, why string) { answer(w, status, "error", why) }

func answer(w http.ResponseWriter, status int, word, say string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{word: say})
}

func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
