package feed

import (
	"cmp"
	"html"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

// view is the shelf at one edition, and what was rendered of it.
type view struct {
	site      announce.Site
	hubs      []string
	max       int
	edition   string
	live      []entry // newest first
	gone      []entry
	occasions []occasion
	byID      map[string]entry
	languages []announce.Language // offered, the default first
	updated   time.Time           // the newest change

	pages *template.Template

	mu        sync.Mutex
	documents map[string]*document
}

// entry is an item ready to be shown.
type entry struct {
	announce.ShelfItem
	page, tag string
	versions  []announce.Version // the default first
	pictures  []picture
}

// picture is an image that readers can fetch. Size is 0 when it lies elsewhere.
type picture struct {
	URL, Type, Alt string
	Size           int
}

func newView(items []announce.ShelfItem, edition string, h *handler) *view {
	v := &view{
		site: h.site, hubs: h.hubs, max: h.max, edition: edition, byID: map[string]entry{}, documents: map[string]*document{},
		languages: slices.Clone(languages(h.site)), pages: h.pages,
	}
	for _, i := range items {
		e := newEntry(i, h.site)
		v.byID[e.Key] = e
		if e.Updated.After(v.updated) {
			v.updated = e.Updated
		}
		if !e.Removed.IsZero() {
			v.gone = append(v.gone, e)
			continue
		}
		v.live = append(v.live, e)
		for _, x := range e.versions {
			if !slices.Contains(v.languages, x.Language) {
				v.languages = append(v.languages, x.Language)
			}
		}
	}
	slices.SortFunc(v.live, func(a, b entry) int {
		return cmp.Or(b.First.Compare(a.First), strings.Compare(b.Key, a.Key))
	})
	v.occasions = occasions(v.live, v.gone)
	return v
}

func newEntry(i announce.ShelfItem, site announce.Site) entry {
	e := entry{ShelfItem: i, page: site.URL + "/a/" + url.PathEscape(i.Key), tag: tag(i, site)}
	m := &i.Message
	for _, x := range m.Versions {
		e.versions = append(e.versions, clean(x))
	}
	if len(e.versions) == 0 {
		e.versions = []announce.Version{clean(announce.Version{Language: m.Language, Subject: m.Subject, Summary: m.Summary, Text: m.Text, HTML: m.HTML})}
	}
	for n, p := range m.Images {
		x := picture{URL: p.URL, Alt: controls(p.Alt)}
		if len(p.Data) > 0 {
			x = picture{URL: e.page + "/image/" + strconv.Itoa(n+1), Type: p.Type, Alt: x.Alt, Size: len(p.Data)}
		}
		e.pictures = append(e.pictures, x)
	}
	return e
}

// tag names an entry for ever (RFC 4151): the host and the year in which it held the name.
func tag(i announce.ShelfItem, site announce.Site) string {
	since := i.Message.Created
	if since.IsZero() {
		since = i.First
	}
	return "tag:" + host(site) + "," + strconv.Itoa(since.UTC().Year()) + ":" + i.Key
}

func host(site announce.Site) string {
	if u, err := url.Parse(site.URL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "crieur"
}

// in is the version for a reader of l: that language, its base, another region of it, else the default.
func (e entry) in(l announce.Language) announce.Version {
	for _, same := range []func(announce.Language) bool{
		func(x announce.Language) bool { return x == l },
		func(x announce.Language) bool { return x == l.Base() },
		func(x announce.Language) bool { return x.Base() == l.Base() },
	} {
		for _, v := range e.versions {
			if same(v.Language) {
				return v
			}
		}
	}
	return e.versions[0]
}

// body is a version's HTML with the uploaded pictures before it; those that lie elsewhere are in the HTML already.
func (e entry) body(v announce.Version) string {
	var b strings.Builder
	for _, p := range e.pictures {
		if p.Size > 0 {
			b.WriteString(`<p><img src="` + html.EscapeString(p.URL) + `" alt="` + html.EscapeString(p.Alt) + "\"></p>\n")
		}
	}
	b.WriteString(v.HTML)
	return b.String()
}

// newest are the entries of a feed.
func (v *view) newest() []entry { return v.live[:min(len(v.live), v.max)] }

func (v *view) offers(l announce.Language) bool { return slices.Contains(v.languages, l) }

func clean(v announce.Version) announce.Version {
	v.Subject, v.Summary, v.Text, v.HTML = controls(v.Subject), controls(v.Summary), controls(v.Text), controls(v.HTML)
	if v.HTML == "" {
		v.HTML = "<p>" + strings.ReplaceAll(html.EscapeString(v.Text), "\n", "<br>\n") + "</p>\n"
	}
	return v
}

// controls drops what XML and HTML have no form for.
func controls(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7F && r < 0xA0 || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}
