package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/crieur/crieur/internal/announce"
)

//go:embed pages
var pages embed.FS

//go:embed assets
var assets embed.FS

// view is what every page shows, whatever it is about. Pages exist in French and English.
type view struct {
	Lang   string // of the page: fr or en
	Site   announce.Site
	Here   string // the page's own path
	Events bool   // there is a page of events
	Index  bool   // search engines may list the page
	Fixed  bool   // the page is not to be had in another language
	Script string // of /assets; empty: none
}

// Say picks the words in the page's language. The blanks of French punctuation are set here.
func (v view) Say(fr, en string) string {
	if v.Lang == "fr" {
		return french(fr)
	}
	return en
}

// french makes the blanks before and within punctuation those that no line breaks at (narrow before ; ! and ?).
func french(s string) string {
	return strings.NewReplacer(" ;", "\u202f;", " !", "\u202f!", " ?", "\u202f?", " :", "\u00a0:", "« ", "«\u00a0", " »", "\u00a0»").Replace(s)
}

// Other is the language that the page is not in.
func (v view) Other() string {
	if v.Lang == "fr" {
		return "en"
	}
	return "fr"
}

// Own is the name of a language in that language: "français".
func (v view) Own(l announce.Language) string {
	tag, err := language.Parse(string(l))
	if err != nil {
		return string(l)
	}
	return display.Self.Name(tag)
}

// view is for a page that answers r. own is the language of the person whose page it is; empty: a stranger's. ?lang= and
// the form field of that name come before it, what the browser asks for after it.
func (s *server) view(r *http.Request, own announce.Language) view {
	v := view{Lang: "en", Site: s.Site, Here: r.URL.Path, Events: s.Feeds != nil}
	wishes := []language.Tag{}
	for _, wish := range []string{r.FormValue("lang"), string(own)} {
		if tag, err := language.Parse(wish); err == nil && wish != "" {
			wishes = append(wishes, tag)
		}
	}
	accepted, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	wishes = append(wishes, accepted...)
	for _, l := range s.Site.Languages {
		if tag, err := language.Parse(string(l)); err == nil {
			wishes = append(wishes, tag)
		}
	}
	for _, tag := range wishes {
		if base, _ := tag.Base(); base.String() == "fr" || base.String() == "en" {
			v.Lang = base.String()
			break
		}
	}
	return v
}

// templates are the pages, each within the layout that they share.
func compile() map[string]*template.Template {
	layout := template.Must(template.ParseFS(pages, "pages/layout.html", "pages/parts.html"))
	all := map[string]*template.Template{}
	names, _ := fs.Glob(pages, "pages/*.html")
	for _, name := range names {
		if base := path.Base(name); base != "layout.html" && base != "parts.html" {
			all[base] = template.Must(template.Must(layout.Clone()).ParseFS(pages, name))
		}
	}
	return all
}

const (
	quietPolicy  = "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	scriptPolicy = quietPolicy + "; script-src 'self'; worker-src 'self'; connect-src 'self'"
)

// page renders one of the embedded pages, whole or not at all.
func (s *server) page(w http.ResponseWriter, status int, name string, data interface{ head() view }) {
	var out bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&out, "layout", data); err != nil {
		s.Log.Error("a page could not be rendered", "page", name, "err", err)
		http.Error(w, "This page is broken; the server's log says why.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", data.head().Lang)
	h.Set("Cache-Control", "no-store")
	if !data.head().Index {
		h.Set("X-Robots-Tag", "noindex")
	}
	if data.head().Script != "" {
		h.Set("Content-Security-Policy", scriptPolicy)
	}
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

func (v view) head() view { return v }

// asset serves the program's own style sheet and scripts.
func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, assets, "assets/"+url.PathEscape(r.PathValue("name")))
}

// unavailable answers when the record cannot be read or written now.
func (s *server) unavailable(w http.ResponseWriter, what string, err error) {
	s.Log.Error(what, "err", err)
	w.Header().Set("Retry-After", "30")
	http.Error(w, "Réessayez dans un moment. / Please try again in a moment.", http.StatusServiceUnavailable)
}
