package world

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"time"

	"github.com/crieur/crieur/publishers/sim"
)

//go:embed page
var files embed.FS

// WallOptions say what the wall shows beside the platforms.
type WallOptions struct {
	Community string
	PublicURL string          // of the server, whose public feed stands for the website
	Stopping  <-chan struct{} // closed when live updates must end; nil: never
}

type wall struct {
	WallOptions
	world *World
	api   http.Handler
	page  *template.Template
	http  *http.Client
}

// Wall serves the wall under /wall: the page, its live updates, and the form, whose announcements go to api as POST
// /v1/announcements.
func (w *World) Wall(api http.Handler, o WallOptions) http.Handler {
	x := &wall{WallOptions: o, world: w, api: api, http: &http.Client{Timeout: 3 * time.Second}}
	x.page = template.Must(template.ParseFS(files, "page/*.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /wall", func(rw http.ResponseWriter, r *http.Request) { x.show(rw, r, http.StatusOK, fresh(time.Now())) })
	mux.HandleFunc("POST /wall", x.submit)
	mux.HandleFunc("GET /wall/board", func(rw http.ResponseWriter, r *http.Request) {
		x.render(rw, http.StatusOK, "board", x.columns(r.Context()))
	})
	mux.HandleFunc("GET /wall/events", x.events)
	mux.HandleFunc("GET /wall/mail/{account}/{n}", x.mail)
	for _, name := range []string{"wall.css", "wall.js"} {
		mux.HandleFunc("GET /wall/"+name, func(rw http.ResponseWriter, r *http.Request) { http.ServeFileFS(rw, r, files, "page/"+name) })
	}
	return mux
}

// column is one platform as the wall shows it.
type column struct {
	Account, Title, English string
	Feed                    string // base of the public feeds, for the website
	Posts                   []card
}

// card is one post as the wall shows it.
type card struct {
	sim.Post
	Account string
	N       int
	Shown   template.HTML // as the platform renders it; empty for mail, which has a frame of its own
	Mail    bool
}

// columns are all platforms, each with its newest posts first.
func (x *wall) columns(ctx context.Context) []column {
	var out []column
	for _, e := range x.world.entries {
		c := column{Account: e.account, Title: e.title, English: e.english}
		var posts []sim.Post
		if p := x.world.platforms[e.account]; p != nil {
			posts = p.Posts()
		} else {
			c.Feed = x.PublicURL + "/feeds/"
			posts = x.feed(ctx)
		}
		for i, p := range posts {
			k := card{Post: p, Account: e.account, N: i, Mail: p.To != "" && p.Raw != ""}
			if !k.Mail {
				k.Shown = template.HTML(p.HTML) //nolint:gosec // sim.Post promises HTML that is safe to embed
			}
			c.Posts = append(c.Posts, k)
		}
		slices.Reverse(c.Posts)
		out = append(out, c)
	}
	return out
}

// feed reads the server's own feed, oldest first, as any website would.
func (x *wall) feed(ctx context.Context) []sim.Post {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.PublicURL+"/feeds/feed.json", nil)
	if err != nil {
		return nil
	}
	r, err := x.http.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = r.Body.Close() }()
	var doc struct {
		Items []struct {
			ID, URL, Title string
			HTML           string    `json:"content_html"`
			Published      time.Time `json:"date_published"`
		}
	}
	if json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&doc) != nil {
		return nil
	}
	var posts []sim.Post
	for _, i := range doc.Items {
		posts = append(posts, sim.Post{ID: i.ID, URL: i.URL, Subject: i.Title, HTML: i.HTML, At: i.Published})
	}
	slices.Reverse(posts)
	return posts
}

type data struct {
	Community string
	Columns   []column
	Form      form
}

func (x *wall) show(w http.ResponseWriter, r *http.Request, status int, f form) {
	x.render(w, status, "wall", data{x.Community, x.columns(r.Context()), f})
}

// render writes a page or a part of it, whole or not at all.
func (x *wall) render(w http.ResponseWriter, status int, name string, d any) {
	var b bytes.Buffer
	if err := x.page.ExecuteTemplate(&b, name, d); err != nil {
		http.Error(w, "the wall cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data: https:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// mail is a letter's own HTML, in a frame that can do nothing.
func (x *wall) mail(w http.ResponseWriter, r *http.Request) {
	p := x.world.platforms[r.PathValue("account")]
	n, err := strconv.Atoi(r.PathValue("n"))
	if p == nil || err != nil || n < 0 || n >= len(p.Posts()) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'")
	_, _ = io.WriteString(w, p.Posts()[n].HTML)
}

// events tells the page whenever a platform's posts have changed.
func (x *wall) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{}) // it lasts as long as somebody looks
	var last [32]byte
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		var b bytes.Buffer
		if err := x.page.ExecuteTemplate(&b, "board", x.columns(r.Context())); err != nil {
			return
		}
		if sum := sha256.Sum256(b.Bytes()); sum != last {
			last = sum
			if _, err := fmt.Fprintf(w, "event: board\ndata: %x\n\n", sum[:6]); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-x.Stopping:
			return
		case <-tick.C:
		}
	}
}

// ask makes a request of the server's own API.
func (x *wall) ask(ctx context.Context, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/announcements", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	x.api.ServeHTTP(rec, req)
	return rec
}
