package feed

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

//go:embed pages
var files embed.FS

const (
	sheetPath = "/feeds/feed.css"
	htmlMedia = "text/html; charset=utf-8"
)

// page is what every page is made of.
type page struct {
	W                      words
	Language               announce.Language
	Home                   string // the list in this language
	Community, Title       string
	Description, Canonical string
	Root                   string // before addresses of this server
	Feeds, Lists           []link
	Hidden                 bool // search engines are asked to leave it out
}

type link struct {
	URL, Title string
	Language   announce.Language
	Type       template.HTMLAttr // the media type as an attribute: some readers do not decode "&#43;"
}

// article is one version of an entry, as a reader of its language sees it.
type article struct {
	W                    words
	Language             announce.Language
	Direction, Name      string
	Home                 string // the list in its language
	Title, Summary       string
	HTML                 template.HTML
	Pictures             []picture // those that HTML does not show
	Cancelled            bool
	Published, Corrected moment // Corrected is empty when nothing changed
	Calendar             string // where its calendar entry is; empty: there is no event to come to
}

// moment is a time for machines and for people.
type moment struct{ ISO, Text string }

// teaser is an entry in the list.
type teaser struct {
	W                   words // of the list
	URL, Title, Summary string
	Language            announce.Language
	Direction, Place    string
	When                moment
	Cancelled           bool
}

func parsePages() (*template.Template, error) { return template.New("").ParseFS(files, "pages/*.html") }

func (h *handler) stylesheet(w http.ResponseWriter, r *http.Request) {
	b, err := files.ReadFile("pages/feed.css")
	if err != nil {
		h.fault(w)
		return
	}
	newDocument(b, "text/css; charset=utf-8", time.Time{}).serve(w, r, "public, max-age=86400")
}

// frame is a page without its content, in the words of l.
func (v *view) frame(l announce.Language) page {
	p := page{W: wordsFor(l), Language: l, Home: v.home(l), Community: v.title(), Root: v.site.URL}
	for _, x := range v.languages {
		for _, k := range kinds() {
			media, _, _ := strings.Cut(k.media, ";")
			p.Feeds = append(p.Feeds, link{v.address(x, k.file), k.title + " – " + endonym(x), x, template.HTMLAttr(`type="` + media + `"`)})
		}
		p.Lists = append(p.Lists, link{v.home(x), endonym(x), x, ""})
	}
	return p
}

func (v *view) entryPage(e entry) (*document, error) {
	first := e.versions[0]
	data := struct {
		page
		Articles []article
		Image    string
		Event    template.JS // schema.org; empty when there is none
	}{page: v.frame(first.Language)}
	data.Title, data.Description, data.Canonical = first.Subject, first.Summary, e.page
	for _, x := range e.versions {
		data.Articles = append(data.Articles, v.article(e, x))
	}
	if len(e.pictures) > 0 {
		data.Image = e.pictures[0].URL
	}
	var err error
	if data.Event, err = v.schema(e); err != nil {
		return nil, err
	}
	return v.execute("entry.html", data, v.updated)
}

func (v *view) article(e entry, x announce.Version) article {
	w := wordsFor(x.Language).of(e.Message)
	a := article{
		W: w, Language: x.Language, Direction: direction(x.Language), Name: endonym(x.Language), Home: v.home(x.Language), Title: x.Subject, Summary: x.Summary,
		HTML:      template.HTML(x.HTML), // made and sanitised by the templates; the policy of the page allows no script
		Published: v.moment(w, e.First, v.site.Zone), Cancelled: v.cancelled(e),
	}
	if e.Updated.Sub(e.First) >= time.Minute {
		a.Corrected = v.moment(w, e.Updated, v.site.Zone)
	}
	for _, p := range e.pictures {
		if p.Size > 0 {
			a.Pictures = append(a.Pictures, p)
		}
	}
	if e.Message.Event != nil && !a.Cancelled {
		a.Calendar = v.occasion(e).page + ".ics"
	}
	return a
}

func (v *view) cancelled(e entry) bool { return e.Message.Event != nil && v.occasion(e).cancelled }

func (v *view) moment(w words, t time.Time, zone string) moment {
	if loc, err := announce.Zone(zone); err == nil {
		t = t.In(loc)
	}
	return moment{t.Format(time.RFC3339), w.date(t)}
}

// listPage shows what is to come, then the newest of what else was announced.
func (v *view) listPage(l announce.Language, now time.Time) (*document, error) {
	data := struct {
		page
		Upcoming, News []teaser
	}{page: v.frame(l)}
	data.Title, data.Description = data.W.All, data.W.about(v.title())
	data.Canonical = v.home(l)
	modified, until := v.updated, time.Time{}
	var coming []occasion
	for _, o := range v.occasions {
		over := o.Message.Event.Over()
		switch {
		case !o.Removed.IsZero():
		case over.After(now):
			coming = append(coming, o)
			if until.IsZero() || over.Before(until) {
				until = over
			}
		case over.After(modified):
			modified = over
		}
	}
	slices.SortStableFunc(coming, func(a, b occasion) int {
		return a.Message.Event.Start.Instant.Compare(b.Message.Event.Start.Instant)
	})
	for _, o := range coming {
		data.Upcoming = append(data.Upcoming, v.teaser(o.entry, l, o.cancelled))
	}
	for _, e := range v.newest() {
		if !slices.ContainsFunc(coming, func(o occasion) bool { return o.Key == e.Key }) {
			data.News = append(data.News, v.teaser(e, l, v.cancelled(e)))
		}
	}
	d, err := v.execute("events.html", data, modified)
	if err == nil {
		d.until = until
	}
	return d, err
}

func (v *view) teaser(e entry, l announce.Language, cancelled bool) teaser {
	x, w := e.in(l), wordsFor(l).of(e.Message)
	t := teaser{W: w, URL: e.page, Title: x.Subject, Summary: x.Summary, Language: x.Language, Direction: direction(x.Language), Cancelled: cancelled}
	ev := e.Message.Event
	switch {
	case ev == nil:
		t.When = v.moment(w, e.First, v.site.Zone)
		return t
	case ev.Venue != nil:
		t.Place = controls(ev.Venue.Name)
	case ev.OnlineURL != "":
		t.Place = w.Online
	}
	t.When = v.moment(w, ev.Start.Instant, ev.Start.Zone)
	return t
}

// messagePage says that there is nothing at an address, or no longer.
func (v *view) messagePage(l announce.Language, status int) ([]byte, error) {
	if !v.offers(l) {
		l = v.languages[0]
	}
	data := struct {
		page
		Says []article
	}{page: v.frame(l)}
	data.Hidden = true
	said := map[announce.Language]bool{}
	for _, x := range append([]announce.Language{l}, v.languages...) {
		w := wordsFor(x)
		if said[w.Language] {
			continue
		}
		said[w.Language] = true
		a := article{W: w, Language: w.Language, Title: w.NotFound, Summary: w.NotFoundLong}
		if status == http.StatusGone {
			a.Title, a.Summary = w.Gone, w.GoneLong
		}
		data.Says = append(data.Says, a)
	}
	data.Title = data.Says[0].Title
	d, err := v.execute("message.html", data, time.Time{})
	if err != nil {
		return nil, err
	}
	return d.body, nil
}

func (v *view) execute(name string, data any, modified time.Time) (*document, error) {
	var b bytes.Buffer
	if err := v.pages.ExecuteTemplate(&b, name, data); err != nil {
		return nil, err
	}
	return newDocument(b.Bytes(), htmlMedia, modified), nil
}
