package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Handler serves the shelf: /feeds/{language}/ atom.xml, rss.xml, feed.json and events.ics, and the same without
// language in the site's default one; /a/{id}, the public page of an entry, /a/{id}.ics and its uploaded pictures;
// /events, the list. Every answer can be asked for conditionally and by HEAD. What was rendered is kept until the
// shelf changes; when the shelf cannot be read, what was last read is shown.
func (c Config) Handler(shelf Shelf, site announce.Site) http.Handler {
	return c.handler(shelf, site, time.Now)
}

func (c Config) handler(shelf Shelf, site announce.Site, now func() time.Time) http.Handler {
	h := &handler{shelf: shelf, site: site, hubs: c.Hubs, max: c.Max, now: now, pages: template.Must(parsePages())}
	if h.max == 0 {
		h.max = defaultMax
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feeds/{file}", func(w http.ResponseWriter, r *http.Request) { h.feed(w, r, languages(site)[0]) })
	mux.HandleFunc("GET /feeds/{language}/{file}", func(w http.ResponseWriter, r *http.Request) { h.feed(w, r, announce.Language(r.PathValue("language"))) })
	mux.HandleFunc("GET "+sheetPath, h.stylesheet)
	mux.HandleFunc("GET /events", h.list)
	mux.HandleFunc("GET /a/{id}", h.entry)
	mux.HandleFunc("GET /a/{id}/image/{number}", h.image)
	return mux
}

type handler struct {
	shelf Shelf
	site  announce.Site
	hubs  []string
	max   int
	now   func() time.Time
	pages *template.Template

	mu   sync.Mutex // one reader of the shelf at once
	last *view
}

const (
	feedAge = "public, max-age=300"
	pageAge = "public, max-age=60"
	policy  = "default-src 'none'; style-src 'self'; img-src 'self' https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// document is something rendered, with what a conditional request compares.
type document struct {
	body        []byte
	media, etag string
	modified    time.Time
	until       time.Time // render again from then on; zero: never
}

func newDocument(body []byte, media string, modified time.Time) *document {
	sum := sha256.Sum256(body)
	return &document{body: body, media: media, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`, modified: latest(modified)}
}

func (d *document) serve(w http.ResponseWriter, r *http.Request, age string) {
	h := w.Header()
	h.Set("Content-Type", d.media)
	h.Set("ETag", d.etag)
	h.Set("Cache-Control", age)
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", d.modified, bytes.NewReader(d.body))
}

// current is the shelf as it is now.
func (h *handler) current(ctx context.Context) (*view, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.read(ctx)
	if err != nil && h.last != nil {
		return h.last, nil
	}
	h.last = v
	return v, err
}

func (h *handler) read(ctx context.Context) (*view, error) {
	indexed, cheap := h.shelf.(Indexed)
	edition := ""
	if cheap {
		var err error
		if edition, err = indexed.Edition(ctx); err != nil {
			return nil, err
		}
		if h.last != nil && h.last.edition == edition {
			return h.last, nil
		}
	}
	items, err := h.shelf.List(ctx)
	if err != nil {
		return nil, err
	}
	if !cheap {
		if edition = editionOf(items); h.last != nil && h.last.edition == edition {
			return h.last, nil
		}
	}
	return newView(items, edition, h), nil
}

func editionOf(items []announce.ShelfItem) string {
	var newest time.Time
	changes := len(items)
	for _, i := range items {
		changes += i.Sequence
		if i.Updated.After(newest) {
			newest = i.Updated
		}
	}
	return fmt.Sprint(newest.UnixNano(), " ", len(items), " ", changes)
}

// rendered is the document of that name, made when it is asked for the first time.
func (v *view) rendered(name string, now time.Time, render func() (*document, error)) (*document, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d, ok := v.documents[name]; ok && (d.until.IsZero() || now.Before(d.until)) {
		return d, nil
	}
	d, err := render()
	if err == nil {
		v.documents[name] = d
	}
	return d, err
}

// view answers for the handler when the shelf has never been read.
func (h *handler) view(w http.ResponseWriter, r *http.Request) (*view, bool) {
	v, err := h.current(r.Context())
	if err != nil {
		h.fault(w)
	}
	return v, err == nil
}

func (h *handler) fault(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "30")
	http.Error(w, "The announcements cannot be read at the moment. Try again soon.", http.StatusServiceUnavailable)
}

func (h *handler) feed(w http.ResponseWriter, r *http.Request, l announce.Language) {
	v, ok := h.view(w, r)
	if !ok {
		return
	}
	n := slices.IndexFunc(kinds(), func(k kind) bool { return k.file == r.PathValue("file") })
	if n < 0 || !v.offers(l) {
		h.message(w, v, l, http.StatusNotFound)
		return
	}
	k := kinds()[n]
	d, err := v.rendered(string(l)+"/"+k.file, h.now(), func() (*document, error) {
		b, err := k.render(v, l)
		return newDocument(b, k.media, v.updated), err
	})
	if err != nil {
		h.fault(w)
		return
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*") // a website's script may read what everybody may read
	header.Add("Link", "<"+v.address(l, k.file)+`>; rel="self"`)
	if k.file != calendarFile {
		for _, hub := range h.hubs {
			header.Add("Link", "<"+hub+`>; rel="hub"`)
		}
	}
	d.serve(w, r, feedAge)
}

// find is the entry of an address, also one that the list has forgotten.
func (h *handler) find(ctx context.Context, v *view, id string) (entry, bool, error) {
	if e, ok := v.byID[id]; ok {
		return e, true, nil
	}
	indexed, ok := h.shelf.(Indexed)
	if !ok {
		return entry{}, false, nil
	}
	i, found, err := indexed.Item(ctx, id)
	if err != nil || !found {
		return entry{}, false, err
	}
	return newEntry(i, h.site), true, nil
}

func (h *handler) entry(w http.ResponseWriter, r *http.Request) {
	v, ok := h.view(w, r)
	if !ok {
		return
	}
	id, calendar := strings.CutSuffix(r.PathValue("id"), ".ics")
	e, found, err := h.find(r.Context(), v, id)
	switch {
	case err != nil:
		h.fault(w)
	case !found, calendar && e.Message.Event == nil:
		h.message(w, v, v.languages[0], http.StatusNotFound)
	case calendar:
		w.Header().Set("Content-Disposition", `inline; filename="`+safeName(id)+`.ics"`)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		newDocument(v.single(e), calendarMedia, v.updated).serve(w, r, pageAge)
	case !e.Removed.IsZero():
		h.message(w, v, e.versions[0].Language, http.StatusGone)
	default:
		name := "a/" + id
		if _, listed := v.byID[id]; !listed {
			name = "" // old pages are rendered when asked for and not kept
		}
		h.page(w, r, v, name, func() (*document, error) { return v.entryPage(e) })
	}
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	v, ok := h.view(w, r)
	if !ok {
		return
	}
	l := announce.Language(r.URL.Query().Get("lang"))
	if !v.offers(l) {
		l = v.languages[0]
	}
	h.page(w, r, v, "events/"+string(l), func() (*document, error) { return v.listPage(l, h.now()) })
}

func (h *handler) page(w http.ResponseWriter, r *http.Request, v *view, name string, render func() (*document, error)) {
	var d *document
	var err error
	if name == "" {
		d, err = render()
	} else {
		d, err = v.rendered(name, h.now(), render)
	}
	if err != nil {
		h.fault(w)
		return
	}
	w.Header().Set("Content-Security-Policy", policy)
	d.serve(w, r, pageAge)
}

// message answers that there is nothing here, or no longer.
func (h *handler) message(w http.ResponseWriter, v *view, l announce.Language, status int) {
	body, err := v.messagePage(l, status)
	if err != nil {
		h.fault(w)
		return
	}
	header := w.Header()
	header.Set("Content-Type", htmlMedia)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", pageAge)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (h *handler) image(w http.ResponseWriter, r *http.Request) {
	v, ok := h.view(w, r)
	if !ok {
		return
	}
	e, found, err := h.find(r.Context(), v, r.PathValue("id"))
	n, bad := strconv.Atoi(r.PathValue("number"))
	switch {
	case err != nil:
		h.fault(w)
	case found && !e.Removed.IsZero():
		h.message(w, v, e.versions[0].Language, http.StatusGone)
	case !found, bad != nil, n < 1, n > len(e.pictures), e.pictures[n-1].Size == 0:
		h.message(w, v, v.languages[0], http.StatusNotFound)
	default:
		w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		newDocument(e.Message.Images[n-1].Data, e.pictures[n-1].Type, e.Updated).serve(w, r, feedAge)
	}
}

// safeName keeps an ID from saying more than a name in a header.
func safeName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, id)
}
