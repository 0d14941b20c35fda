// Package web is Crieur over HTTP: the JSON API with its description, the pages that people and search engines see, health and metrics.
package web

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/digest"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/proof"
	"github.com/crieur/crieur/internal/store"
)

// Options are what the handler works with. Service, Store, Site, Links, People, Digests, Metrics and Log are required.
type Options struct {
	Service *broadcast.Service
	Store   *store.DB
	Site    announce.Site
	Links   *people.Links                                                // as in messages
	People  *people.Service                                              // who joins, leaves and chooses
	Digests *digest.Service                                              // what is gathered for those who chose so
	Proxies []netip.Prefix                                               // whose word is taken for where a request comes from (X-Forwarded-For), beside those on this machine
	Feeds   http.Handler                                                 // public feeds and entry pages, mounted at /feeds/, /a/ and /events; nil: none
	Bounces http.Handler                                                 // webhooks of sending services, mounted at /bounces/; nil: none
	Bounced func(ctx context.Context, mail io.Reader, to []string) error // takes in a mail that came back; nil: bounces are not configured
	Metrics *prometheus.Registry

	ServiceWorker []byte                                                // the script that shows notifications in browsers, served as /webpush.js
	PushKey       string                                                // the public key that browsers subscribe with, base64url; empty: no notifications are offered
	PushAddress   func(subscription string) (string, error)             // what a browser's subscription is as an address; required with PushKey
	Telegram      func(b people.Bearer, shown announce.Language) string // where somebody begins to get messages over Telegram, a stranger (the zero bearer) or one who is known, from a page in a language; nil: it is not offered

	Ready    func(context.Context) map[string]error // by component, beside the database
	Stopping <-chan struct{}                        // closed when event streams must end; nil: never
	Version  string
	Log      *slog.Logger
}

// maxBody is the most bytes of a request: an announcement with one uploaded picture of 5 MB in base64, and room for its texts.
const maxBody = 8 << 20

type server struct {
	Options
	api      huma.API
	ready    probe
	pages    map[string]*template.Template
	gate     gate
	networks *networks
	proofs   *proof.Office
}

// probe remembers how a look at something ended for a few seconds: whoever asks often makes no work.
type probe struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

func (p *probe) do(look func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().After(p.until) {
		p.err = look()
		p.until = time.Now().Add(2 * time.Second)
	}
	return p.err
}

// Handler serves everything. Requests whose context carries an actor (see WithActor) need no token.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Crieur", o.Version)
	config.Info.Description = "One announcement, made known everywhere a community listens."
	config.DocsPath = "" // served below, without scripts from elsewhere
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema field in answers
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token made by `crieur token create`."}}
	s := &server{Options: o, api: humago.New(mux, config), pages: compile(), gate: newGate(o.Links), networks: newNetworks(), proofs: proof.New(o.Store, o.Site)}
	s.api.UseMiddleware(s.authenticate)
	s.announcements()
	s.operations()
	s.events()
	s.tasks()
	s.unknownLetters()
	s.schedule()
	s.digests()
	s.bounces()
	s.proofAPI()

	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /docs", s.docs)
	mux.HandleFunc("GET /subscribe", s.subscribePage)
	mux.HandleFunc("POST /subscribe", s.subscribe)
	mux.HandleFunc("GET /subscribe/embed", s.embed)
	mux.HandleFunc("GET /subscribe/challenge", s.challenge)
	mux.HandleFunc("GET /unsubscribe/{token}", s.unsubscribePage)
	mux.HandleFunc("POST /unsubscribe/{token}", s.unsubscribe)
	own := http.NewCrossOriginProtection() // a form of another site may subscribe somebody, and a mail program unsubscribe; nothing else
	for path, page := range map[string][2]http.HandlerFunc{"/confirm/{token}": {s.confirmPage, s.confirm}, "/preferences/{token}": {s.preferencesPage, s.preferences}} {
		mux.HandleFunc("GET "+path, page[0])
		mux.Handle("POST "+path, own.Handler(page[1]))
	}
	mux.HandleFunc("GET /read/{token}", s.read)
	mux.HandleFunc("GET "+proof.KeyPath, s.proofKey)
	mux.HandleFunc("GET /proof/{id}/{seal}", s.proofPage)
	mux.HandleFunc("GET /proof/{id}/{seal}/proof.json", s.proofFile)
	if s.PushKey != "" {
		mux.HandleFunc("GET /webpush.js", s.worker)
		mux.Handle("POST /subscribe/renew", own.Handler(http.HandlerFunc(s.renew)))
	}
	mux.HandleFunc("GET /tasks/{delivery}", s.taskPage)
	mux.HandleFunc("POST /tasks/{delivery}", s.settleTask)
	mux.HandleFunc("GET /tasks/{delivery}/images/{n}", s.taskImage)
	mux.HandleFunc("GET /media/{name}", s.media)
	mux.HandleFunc("GET "+broadcast.LinkPath+"{token}", s.counted)
	mux.HandleFunc("GET "+broadcast.PixelPath+"{token}", s.pixel)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	if o.Bounces != nil {
		mux.Handle("POST /bounces/", http.StripPrefix("/bounces", o.Bounces))
	}
	if o.Feeds != nil {
		for _, path := range []string{"/feeds/", "/a/", "/events"} {
			mux.Handle(path, o.Feeds)
		}
		mux.Handle("GET /{$}", http.RedirectHandler("/events", http.StatusFound))
	}
	return s.guard(explained(mux))
}

// explained answers what no route of the API takes with a problem instead of plain text.
func explained(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" || !strings.HasPrefix(r.URL.Path, "/v1/") {
			mux.ServeHTTP(w, r)
			return
		}
		p := &plainAnswer{header: http.Header{}, status: http.StatusOK}
		h.ServeHTTP(p, r)
		detail := "there is nothing at this address; /docs lists what there is"
		if allow := p.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			detail = "this address takes " + allow
		}
		problem(w, p.status, detail)
	})
}

// plainAnswer keeps the status and headers of an answer and drops its body.
type plainAnswer struct {
	header http.Header
	status int
}

func (p *plainAnswer) Header() http.Header         { return p.header }
func (p *plainAnswer) WriteHeader(status int)      { p.status = status }
func (p *plainAnswer) Write(b []byte) (int, error) { return len(b), nil }

// guard sets the headers that every answer carries, limits bodies, and turns a panic into a 500.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", quietPolicy)
		if r.ContentLength > maxBody {
			h.Set("Connection", "close") // what is left of the body is not read
			if r.ContentLength <= 8*maxBody && r.Header.Get("Expect") == "" {
				_, _ = io.Copy(io.Discard, r.Body) // many clients read no answer before they have sent all
			}
			problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has %d bytes; the most is %d", r.ContentLength, maxBody))
			return
		}
		if r.ContentLength < 0 {
			h.Set("Connection", "close") // its length is not known, so its end may never be read
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.Error("a request crashed", "method", r.Method, "route", r.Pattern, "panic", p, "stack", string(debug.Stack()))
				problem(w, http.StatusInternalServerError, "Crieur failed on this request; its log says more")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// readyz answers 200 while announcements are accepted. The queue or a channel at fault is only told: the database is the record.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	status, lines := http.StatusOK, []string{}
	if err := s.ready.do(func() error { return s.Store.Ready(ctx) }); err != nil {
		s.Log.Error("the database is not ready", "err", err)
		status, lines = http.StatusServiceUnavailable, append(lines, "database: unavailable; the server's log says why")
	} else {
		lines = append(lines, "database: ok")
	}
	if s.Ready != nil {
		for name, err := range s.Ready(ctx) {
			word := "ok"
			if err != nil {
				s.Log.Warn("a component is degraded", "component", name, "err", err)
				word = "degraded; announcements are accepted all the same"
			}
			lines = append(lines, name+": "+word)
		}
	}
	text(w, status, strings.Join(lines, "\n")+"\n")
}

// worker serves the script that shows notifications. It may look after every page of this site.
func (s *server) worker(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Service-Worker-Allowed", "/")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'")
	_, _ = w.Write(s.ServiceWorker)
}
