// Package smstest is a simulated Twilio with one account: its codes, its list of messages, and phones that can answer STOP.
package smstest

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/crieur/crieur/publishers/sim"
)

// What every simulated account is made of.
const (
	Account = "AC00000000000000000000000000000001"
	Token   = "simulated-twilio-token"
	Key     = "SK00000000000000000000000000000002"
	Secret  = "simulated-twilio-secret"
	Service = "MG00000000000000000000000000000003"
	From    = "+14185550100"
	most    = 1600
)

// Settings are what Twilio or the owner could change. Landlines take no messages; Unregistered numbers are refused by carriers.
type Settings struct {
	Trial, Suspended, Unregistered bool
	Page                           int // most messages in a list; 0: as asked
	Landlines                      []string
	Silent                         []string // phones whose messages fail at once, with 30003
}

// Platform is a simulated Twilio. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu       sync.Mutex
	settings Settings
	messages []*message // oldest first
	stopped  []string
}

type message struct {
	SID       string  `json:"sid"`
	Account   string  `json:"account_sid"`
	Body      string  `json:"body"`
	To        string  `json:"to"`
	From      *string `json:"from"`
	Service   *string `json:"messaging_service_sid"`
	Direction string  `json:"direction"`
	Status    string  `json:"status"`
	Segments  string  `json:"num_segments"`
	Code      *int    `json:"error_code"`
	Created   string  `json:"date_created"`
	Sent      *string `json:"date_sent"` // null while it waits in the queue

	at  time.Time
	raw string
}

var _ sim.Platform = (*Platform)(nil)

// New opens an account that is paid and registered.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	at := "/2010-04-01/Accounts/" + Account
	mux.HandleFunc("POST "+at+"/Messages.json", p.signed(p.create))
	mux.HandleFunc("GET "+at+"/Messages.json", p.signed(p.list))
	mux.HandleFunc("GET "+at+"/IncomingPhoneNumbers.json", p.signed(p.numbers))
	mux.HandleFunc("GET "+at+".json", p.signed(p.account))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, 404, 20404, "The requested resource "+r.URL.Path+" was not found")
	})
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how Twilio misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"ACCOUNT": Account, "TOKEN": Token, "FROM": From, "PRICE": "0.01", "API": p.server.URL}
}

// Close ends the server. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Change lets Twilio or the owner change the account.
func (p *Platform) Change(f func(*Settings)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.settings)
}

// Answer lets the phone with a number answer: STOP and ARRET end messages to it, START lets them come again.
func (p *Platform) Answer(phone, word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch strings.ToUpper(strings.TrimSpace(word)) {
	case "STOP", "ARRET", "ARRÊT":
		p.stopped = append(p.stopped, phone)
	case "START":
		p.stopped = slices.DeleteFunc(p.stopped, func(x string) bool { return x == phone })
	}
	from := phone
	m := &message{SID: fmt.Sprintf("SM%032x", len(p.messages)+1), Account: Account, Body: word, To: From, From: &from, Direction: "inbound", Status: "received", Segments: "1"}
	m.stamp()
	p.messages = append(p.messages, m)
}

func (m *message) stamp() {
	m.at = time.Now().UTC()
	m.Created = m.at.Format(time.RFC1123Z)
}

// refuse answers as Twilio does.
func refuse(w http.ResponseWriter, status, code int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "message": why, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code), "status": status})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// signed lets in the account's token and the key.
func (p *Platform) signed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		user, password, _ := r.BasicAuth()
		switch {
		case user == Account && password == Token, user == Key && password == Secret && !strings.HasSuffix(r.URL.Path, Account+".json"):
			next(w, r)
		default:
			refuse(w, 401, 20003, "Authenticate")
		}
	}
}

var (
	phone   = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	service = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
)

func (p *Platform) create(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		refuse(w, 400, 21604, "A 'To' phone number is required.")
		return
	}
	to, from, via, body := r.PostForm.Get("To"), r.PostForm.Get("From"), r.PostForm.Get("MessagingServiceSid"), r.PostForm.Get("Body")
	switch {
	case p.settings.Suspended:
		refuse(w, 401, 20005, "Account is not active")
	case to == "":
		refuse(w, 400, 21604, "A 'To' phone number is required.")
	case from == "" && via == "":
		refuse(w, 400, 21603, "A 'From' phone number is required.")
	case via != "" && (!service.MatchString(via) || via != Service):
		refuse(w, 404, 20404, "The requested resource was not found")
	case via == "" && !phone.MatchString(from):
		refuse(w, 400, 21212, "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID.")
	case via == "" && from != From:
		refuse(w, 400, 21659, "The 'From' number is not a Twilio phone number")
	case !phone.MatchString(to):
		refuse(w, 400, 21211, "The 'To' number is not a valid phone number.")
	case body == "":
		refuse(w, 400, 21602, "Message body is required.")
	case len(utf16.Encode([]rune(body))) > most:
		refuse(w, 400, 21617, "The concatenated message body exceeds the 1600 character limit.")
	case p.settings.Trial && to != "+14185550199":
		refuse(w, 400, 21608, "The number is unverified. Trial accounts cannot send messages to unverified numbers.")
	case slices.Contains(p.settings.Landlines, to):
		refuse(w, 400, 21614, "'To' number is not a valid mobile number")
	case slices.Contains(p.stopped, to):
		refuse(w, 400, 21610, "Attempt to send to unsubscribed recipient")
	default:
		m := &message{SID: fmt.Sprintf("SM%032x", len(p.messages)+1), Account: Account, Body: body, To: to, Direction: "outbound-api", Status: "queued", raw: indent(r)}
		if p.settings.Trial {
			m.Body = "Sent from your Twilio trial account - " + body
		}
		if via != "" {
			m.Service, m.Status = &via, "accepted"
		} else {
			m.From = &from
		}
		m.Segments = strconv.Itoa(segments(body))
		m.stamp()
		if code := 30034; p.settings.Unregistered {
			m.Status, m.Code = "failed", &code
		}
		if code := 30003; slices.Contains(p.settings.Silent, to) {
			m.Status, m.Code = "failed", &code
		}
		p.messages = append(p.messages, m)
		answer(w, 201, m)
	}
}

func indent(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s\n", r.URL.Path)
	for _, k := range []string{"To", "From", "MessagingServiceSid", "Body"} {
		if v := r.PostForm.Get(k); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	return b.String()
}

// segments counts as carriers do, the simple way: a pair that would be divided is not looked at.
func segments(body string) int {
	const basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	n, alone, joined := 0, 160, 153
	for _, r := range body {
		switch {
		case strings.ContainsRune("^{}\\[~]|€\f", r):
			n += 2
		case strings.ContainsRune(basic, r):
			n++
		default:
			n, alone, joined = len(utf16.Encode([]rune(body))), 70, 67
		}
		if alone == 70 {
			break
		}
	}
	if n <= alone {
		return 1
	}
	return (n + joined - 1) / joined
}

func (p *Platform) list(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.URL.Query().Get("PageSize"))
	if err != nil || size < 1 {
		size = 50
	}
	size = min(size, 1000)
	if p.settings.Page > 0 {
		size = min(size, p.settings.Page)
	}
	found, next := []*message{}, any(nil)
	for _, m := range slices.Backward(p.messages) {
		if to := r.URL.Query().Get("To"); to != "" && m.To != to {
			continue
		}
		if len(found) == size {
			next = r.URL.Path + "?PageSize=" + strconv.Itoa(size) + "&Page=1"
			break
		}
		found = append(found, m)
	}
	answer(w, 200, map[string]any{"messages": found, "next_page_uri": next, "page": 0, "page_size": size})
}

func (p *Platform) numbers(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	if n := r.URL.Query().Get("PhoneNumber"); n == "" || n == From {
		found = append(found, map[string]any{"phone_number": From, "capabilities": map[string]bool{"voice": true, "sms": true, "mms": true}})
	}
	answer(w, 200, map[string]any{"incoming_phone_numbers": found, "next_page_uri": nil})
}

func (p *Platform) account(w http.ResponseWriter, _ *http.Request) {
	a := map[string]string{"sid": Account, "friendly_name": "Crieur", "status": "active", "type": "Full"}
	if p.settings.Trial {
		a["type"] = "Trial"
	}
	if p.settings.Suspended {
		a["status"] = "suspended"
	}
	answer(w, 200, a)
}

var bubble = template.Must(template.New("").Parse(`<article class="sms"><p>{{range $i, $l := .}}{{if $i}}<br>{{end}}{{$l}}{{end}}</p></article>`))

// Posts are the messages as phones show them, with what each took.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var posts []sim.Post
	for _, m := range p.messages {
		if m.Direction == "inbound" || m.Status == "failed" {
			continue
		}
		var b strings.Builder
		_ = bubble.Execute(&b, strings.Split(m.Body, "\n"))
		posts = append(posts, sim.Post{ID: m.SID, Author: From, To: m.To, Text: m.Body, HTML: b.String(), Raw: m.raw + "Segments: " + m.Segments + "\n", At: m.at})
	}
	return posts
}
