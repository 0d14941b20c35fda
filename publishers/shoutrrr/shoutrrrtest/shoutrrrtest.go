// Package shoutrrrtest is a simulated Gotify server and, beside it, a webhook that takes anything: two of the services
// that Shoutrrr knows, one whose calls can be seen and one whose cannot.
package shoutrrrtest

import (
	"bytes"
	"encoding/json"
	"html/template"
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

// What every simulated server is made of.
const (
	Token = "Asimulated.tok1"
	Hook  = "simulated-hook-path"
)

// Platform is a simulated server. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu    sync.Mutex
	posts []sim.Post
}

var _ sim.Platform = (*Platform)(nil)

// New opens a server.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /message", p.gotify)
	mux.HandleFunc("POST /"+Hook, p.hook)
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the server misbehaves next.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account of the Gotify server.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"URL": "gotify://" + p.host() + "/" + Token + "?disabletls=yes"}
}

// Webhook is the service URL of the webhook. It gets the title in a field of its own, and everything else as JSON too.
func (p *Platform) Webhook() string {
	return "generic://" + p.host() + "/" + Hook + "?disabletls=yes&template=json"
}

func (p *Platform) host() string { return strings.TrimPrefix(p.server.URL, "http://") }

// Close ends the server. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Posts are the messages, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sim.Post(nil), p.posts...)
}

func (p *Platform) add(author, title, text string, raw []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := len(p.posts) + 1
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		b.Write(raw)
	}
	p.posts = append(p.posts, sim.Post{
		ID: strconv.Itoa(id), Author: author, Subject: title, Text: text, HTML: show(title, text), Raw: b.String() + "\n", At: time.Now().UTC(),
	})
	return id
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *Platform) gotify(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) {
		answer(w, status, map[string]any{"error": http.StatusText(status), "errorCode": status, "errorDescription": why})
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var in struct {
		Title, Message string
		Priority       int
		Extras         map[string]any
	}
	switch {
	case err != nil:
		return
	case r.URL.Query().Get("token") != Token && r.Header.Get("X-Gotify-Key") != Token:
		refuse(http.StatusUnauthorized, "you need to provide a valid access token")
	case json.Unmarshal(raw, &in) != nil, in.Message == "":
		refuse(http.StatusBadRequest, "Field 'message' is required")
	default:
		id := p.add("Gotify", in.Title, in.Message, raw)
		answer(w, http.StatusOK, map[string]any{"id": id, "appid": 1, "title": in.Title, "message": in.Message, "priority": in.Priority, "date": time.Now().UTC().Format(time.RFC3339)})
	}
}

func (p *Platform) hook(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	var in map[string]string
	if json.Unmarshal(raw, &in) != nil {
		in = map[string]string{"message": string(raw)}
	}
	p.add("Webhook", in["title"], in["message"], raw)
	w.WriteHeader(http.StatusNoContent)
}

type piece struct {
	Text      string
	Link, End bool
}

var (
	link = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)\]]`)
	page = template.Must(template.New("").Parse(`<article class="shoutrrr">{{with .Title}}<h3>{{.}}</h3>{{end}}` +
		`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Text}}" rel="noreferrer">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p></article>`))
)

func show(title, text string) string {
	var pieces []piece
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			pieces = append(pieces, piece{End: true})
		}
		end := 0
		for _, at := range link.FindAllStringIndex(line, -1) {
			pieces = append(pieces, piece{Text: line[end:at[0]]}, piece{Text: line[at[0]:at[1]], Link: true})
			end = at[1]
		}
		pieces = append(pieces, piece{Text: line[end:]})
	}
	var b strings.Builder
	if page.Execute(&b, map[string]any{"Title": title, "Pieces": pieces}) != nil {
		return ""
	}
	return b.String()
}
