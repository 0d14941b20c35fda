// Package assistedtest is a simulated bulletin board. No program can post there: a volunteer pins, changes and removes
// notes by hand.
package assistedtest

import (
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

	"github.com/crieur/crieur/publishers/sim"
)

// Place is how people call the board.
const Place = "Babillard de la bibliothèque"

// Platform is a simulated bulletin board. Safe for concurrent use.
type Platform struct {
	script sim.Script
	server *httptest.Server

	mu    sync.Mutex
	notes []note // oldest first
}

type note struct {
	text    string
	images  []sim.Image
	at      time.Time
	edited  int
	deleted bool
}

var _ sim.Platform = (*Platform)(nil)

// New puts up an empty board. People can read it at its address.
func New() *Platform {
	p := &Platform{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.board)
	mux.HandleFunc("GET /notes/{n}", p.board)
	p.server = httptest.NewServer(p.script.Wrap(mux))
	return p
}

// Script is how the board's page misbehaves next. No channel reads it.
func (p *Platform) Script() *sim.Script { return &p.script }

// Environ configures an account for the board.
func (p *Platform) Environ() map[string]string {
	return map[string]string{"PLACE": Place, "URL": p.server.URL + "/"}
}

// Close takes the board's page off. It may be repeated.
func (p *Platform) Close() {
	p.script.Release()
	p.server.Close()
}

// Pin puts a note on the board, as a volunteer does, and returns its address.
func (p *Platform) Pin(text string, images ...sim.Image) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, note{text: text, images: slices.Clone(images), at: time.Now().UTC()})
	return p.address(len(p.notes) - 1)
}

// Change writes a note anew. It reports whether there is one at that address.
func (p *Platform) Change(url, text string) bool {
	return p.hand(url, func(n *note) { n.text, n.edited = text, n.edited+1 })
}

// Remove takes a note off the board. It reports whether there was one at that address.
func (p *Platform) Remove(url string) bool {
	return p.hand(url, func(n *note) { n.deleted = true })
}

func (p *Platform) hand(url string, do func(*note)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.notes {
		if p.address(i) == url && !p.notes[i].deleted {
			do(&p.notes[i])
			return true
		}
	}
	return false
}

func (p *Platform) address(i int) string { return fmt.Sprintf("%s/notes/%d", p.server.URL, i+1) }

// Posts are the notes that were ever pinned, oldest first.
func (p *Platform) Posts() []sim.Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := make([]sim.Post, len(p.notes))
	for i, n := range p.notes {
		posts[i] = sim.Post{
			ID: strconv.Itoa(i + 1), URL: p.address(i), Author: "Bénévole", Text: n.text, HTML: n.html(), Images: slices.Clone(n.images),
			At: n.at, Edited: n.edited, Deleted: n.deleted,
		}
	}
	return posts
}

// board shows the notes that hang there, or the one that is asked for.
func (p *Platform) board(w http.ResponseWriter, r *http.Request) {
	var shown []template.HTML
	for _, post := range p.Posts() {
		if n := r.PathValue("n"); !post.Deleted && (n == "" || n == post.ID) {
			shown = append(shown, template.HTML(post.HTML)) //nolint:gosec // escaped by the note's own template
		}
	}
	if r.PathValue("n") != "" && len(shown) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = wall.Execute(w, map[string]any{"Place": Place, "Notes": shown}) // a reader who went away needs no page
}

var (
	link = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)]`)
	wall = template.Must(template.New("board").Parse(`<!doctype html><html lang="fr"><meta charset="utf-8"><title>{{.Place}}</title><h1>{{.Place}}</h1>{{range .Notes}}{{.}}{{end}}</html>`))
	page = template.Must(template.New("note").Parse(`<article class="note-pinned">` +
		`<p>{{range .Pieces}}{{if .End}}<br>{{else if .Link}}<a href="{{.Text}}" rel="nofollow">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}</p>` +
		`{{range .Pictures}}<img src="{{.Address}}" alt="{{.Alt}}">{{end}}</article>`))
)

// piece is a run of a note's text: plain, a link, or the end of a line.
type piece struct {
	Text      string
	Link, End bool
}

type picture struct {
	Address template.URL
	Alt     string
}

func (n note) html() string {
	var pieces []piece
	for i, line := range strings.Split(n.text, "\n") {
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
	var pictures []picture
	for _, i := range n.images {
		if strings.HasPrefix(i.URL, "data:image/") || strings.HasPrefix(i.URL, "https://") || strings.HasPrefix(i.URL, "http://") {
			pictures = append(pictures, picture{template.URL(i.URL), i.Alt}) //nolint:gosec // a picture's address: see above
		}
	}
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{"Pieces": pieces, "Pictures": pictures}); err != nil {
		return template.HTMLEscapeString(err.Error())
	}
	return b.String()
}
