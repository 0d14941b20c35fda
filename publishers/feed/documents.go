package feed

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// kind is one form in which the entries are offered.
type kind struct {
	file, media, title string
	render             func(*view, announce.Language) ([]byte, error)
}

// feeds are the kinds that hubs spread; the calendar is not among them.
func feeds() []kind {
	return []kind{
		{"atom.xml", "application/atom+xml; charset=utf-8", "Atom", (*view).atom},
		{"rss.xml", "application/rss+xml; charset=utf-8", "RSS", (*view).rss},
		{"feed.json", "application/feed+json; charset=utf-8", "JSON Feed", (*view).json},
	}
}

const (
	calendarFile  = "events.ics"
	calendarMedia = "text/calendar; charset=utf-8"
)

func kinds() []kind {
	return append(feeds(), kind{calendarFile, calendarMedia, "iCalendar", (*view).calendar})
}

// address is where the edition of a feed in one language is, whatever address a reader came by.
func (v *view) address(l announce.Language, file string) string {
	return v.site.URL + "/feeds/" + string(l) + "/" + file
}

// home is the list of announcements in a language.
func (v *view) home(l announce.Language) string {
	if l == v.languages[0] {
		return v.site.URL + "/events"
	}
	return v.site.URL + "/events?lang=" + url.QueryEscape(string(l))
}

type rssLink struct {
	Href string `xml:"href,attr"`
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr,omitempty"`
}

type rssGUID struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	Value     string `xml:",chardata"`
}

type rssEnclosure struct {
	URL    string `xml:"url,attr"`
	Length int    `xml:"length,attr"`
	Type   string `xml:"type,attr"`
}

type rssMedia struct {
	URL    string  `xml:"url,attr"`
	Size   int     `xml:"fileSize,attr,omitempty"`
	Type   string  `xml:"type,attr,omitempty"`
	Medium string  `xml:"medium,attr"`
	Alt    rssText `xml:"media:description"`
}

type rssText struct {
	Type  string `xml:"type,attr"`
	Value string `xml:",chardata"`
}

type rssItem struct {
	Title       string        `xml:"title"`
	Link        string        `xml:"link"`
	GUID        rssGUID       `xml:"guid"`
	Published   string        `xml:"pubDate"`
	Updated     string        `xml:"atom:updated"`
	Description string        `xml:"description"`
	Categories  []string      `xml:"category"`
	Enclosure   *rssEnclosure `xml:"enclosure"`
	Media       []rssMedia    `xml:"media:content"`
}

type rssFeed struct {
	XMLName     xml.Name  `xml:"rss"`
	Version     string    `xml:"version,attr"`
	Atom        string    `xml:"xmlns:atom,attr"`
	Media       string    `xml:"xmlns:media,attr"`
	Title       string    `xml:"channel>title"`
	Link        string    `xml:"channel>link"`
	Description string    `xml:"channel>description"`
	Language    string    `xml:"channel>language"`
	Built       string    `xml:"channel>lastBuildDate,omitempty"`
	Minutes     int       `xml:"channel>ttl"`
	Generator   string    `xml:"channel>generator"`
	Links       []rssLink `xml:"channel>atom:link"`
	Items       []rssItem `xml:"channel>item"`
}

const rssTime = "Mon, 02 Jan 2006 15:04:05 GMT"

func (v *view) rss(l announce.Language) ([]byte, error) {
	w := wordsFor(l)
	f := rssFeed{
		Version: "2.0", Atom: "http://www.w3.org/2005/Atom", Media: "http://search.yahoo.com/mrss/",
		Title: v.title(), Link: v.home(l), Description: w.about(v.title()), Language: string(l), Minutes: 60, Generator: "Crieur",
		Links: []rssLink{{Href: v.address(l, "rss.xml"), Rel: "self", Type: "application/rss+xml"}},
	}
	if !v.updated.IsZero() {
		f.Built = v.updated.UTC().Format(rssTime)
	}
	for _, h := range v.hubs {
		f.Links = append(f.Links, rssLink{Href: h, Rel: "hub"})
	}
	for _, e := range v.newest() {
		x := e.in(l)
		i := rssItem{
			Title: x.Subject, Link: e.page, GUID: rssGUID{Value: e.tag}, Published: e.First.UTC().Format(rssTime),
			Updated: e.Updated.UTC().Format(time.RFC3339), Description: e.body(x), Categories: topics(e),
		}
		for _, p := range e.pictures {
			if p.Size > 0 && i.Enclosure == nil {
				i.Enclosure = &rssEnclosure{p.URL, p.Size, p.Type}
			}
			i.Media = append(i.Media, rssMedia{p.URL, p.Size, p.Type, "image", rssText{"plain", p.Alt}})
		}
		f.Items = append(f.Items, i)
	}
	return marshal(f)
}

type atomText struct {
	Type  string `xml:"type,attr"`
	Value string `xml:",chardata"`
}

type atomLink struct {
	Rel    string `xml:"rel,attr"`
	Href   string `xml:"href,attr"`
	Type   string `xml:"type,attr,omitempty"`
	Length int    `xml:"length,attr,omitempty"`
	Lang   string `xml:"hreflang,attr,omitempty"`
	Title  string `xml:"title,attr,omitempty"`
}

type atomTerm struct {
	Term string `xml:"term,attr"`
}

type atomEntry struct {
	Lang       string     `xml:"xml:lang,attr"`
	ID         string     `xml:"id"`
	Title      atomText   `xml:"title"`
	Published  string     `xml:"published"`
	Updated    string     `xml:"updated"`
	Links      []atomLink `xml:"link"`
	Categories []atomTerm `xml:"category"`
	Summary    *atomText  `xml:"summary"`
	Content    atomText   `xml:"content"`
}

type atomFeed struct {
	XMLName   xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang      string      `xml:"xml:lang,attr"`
	ID        string      `xml:"id"`
	Title     atomText    `xml:"title"`
	Subtitle  atomText    `xml:"subtitle"`
	Updated   string      `xml:"updated"`
	Author    string      `xml:"author>name"`
	Generator string      `xml:"generator"`
	Links     []atomLink  `xml:"link"`
	Entries   []atomEntry `xml:"entry"`
}

func (v *view) atom(l announce.Language) ([]byte, error) {
	f := atomFeed{
		Lang: string(l), ID: "tag:" + host(v.site) + ",2026:crieur:" + string(l), Title: atomText{"text", v.title()},
		Subtitle: atomText{"text", wordsFor(l).about(v.title())}, Updated: latest(v.updated).Format(time.RFC3339), Author: v.title(), Generator: "Crieur",
		Links: []atomLink{
			{Rel: "self", Href: v.address(l, "atom.xml"), Type: "application/atom+xml", Lang: string(l)},
			{Rel: "alternate", Href: v.home(l), Type: "text/html"},
		},
	}
	for _, h := range v.hubs {
		f.Links = append(f.Links, atomLink{Rel: "hub", Href: h})
	}
	for _, e := range v.newest() {
		x := e.in(l)
		a := atomEntry{
			Lang: string(x.Language), ID: e.tag, Title: atomText{"text", x.Subject}, Published: e.First.UTC().Format(time.RFC3339),
			Updated: e.Updated.UTC().Format(time.RFC3339), Content: atomText{"html", e.body(x)},
			Links: []atomLink{{Rel: "alternate", Href: e.page, Type: "text/html"}},
		}
		if x.Summary != "" {
			a.Summary = &atomText{"text", x.Summary}
		}
		if e.Message.Event != nil {
			a.Links = append(a.Links, atomLink{Rel: "related", Href: v.occasion(e).page + ".ics", Type: "text/calendar"})
		}
		for _, p := range e.pictures {
			if p.Size > 0 {
				a.Links = append(a.Links, atomLink{Rel: "enclosure", Href: p.URL, Type: p.Type, Length: p.Size, Title: p.Alt})
			}
		}
		for _, t := range topics(e) {
			a.Categories = append(a.Categories, atomTerm{t})
		}
		f.Entries = append(f.Entries, a)
	}
	return marshal(f)
}

// latest is t, or 1970 for an empty shelf: Atom wants a date.
func latest(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

func marshal(f any) ([]byte, error) {
	b, err := xml.MarshalIndent(f, "", " ")
	return append(append([]byte(xml.Header), b...), '\n'), err
}

type jsonAuthor struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

type jsonHub struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type jsonAttachment struct {
	URL   string `json:"url"`
	Type  string `json:"mime_type"`
	Title string `json:"title,omitempty"`
	Size  int    `json:"size_in_bytes"`
}

type jsonItem struct {
	ID          string            `json:"id"`
	URL         string            `json:"url"`
	Title       string            `json:"title"`
	HTML        string            `json:"content_html"`
	Summary     string            `json:"summary,omitempty"`
	Image       string            `json:"image,omitempty"`
	Published   string            `json:"date_published"`
	Modified    string            `json:"date_modified"`
	Tags        []string          `json:"tags,omitempty"`
	Language    announce.Language `json:"language"`
	Attachments []jsonAttachment  `json:"attachments,omitempty"`
}

type jsonFeed struct {
	Version     string            `json:"version"`
	Title       string            `json:"title"`
	Home        string            `json:"home_page_url"`
	Self        string            `json:"feed_url"`
	Description string            `json:"description"`
	Language    announce.Language `json:"language"`
	Authors     []jsonAuthor      `json:"authors"`
	Hubs        []jsonHub         `json:"hubs,omitempty"`
	Items       []jsonItem        `json:"items"`
}

func (v *view) json(l announce.Language) ([]byte, error) {
	f := jsonFeed{
		Version: "https://jsonfeed.org/version/1.1", Title: v.title(), Home: v.home(l), Self: v.address(l, "feed.json"), Language: l,
		Description: wordsFor(l).about(v.title()), Authors: []jsonAuthor{{v.title(), v.site.URL}}, Items: []jsonItem{},
	}
	for _, h := range v.hubs {
		f.Hubs = append(f.Hubs, jsonHub{"WebSub", h})
	}
	for _, e := range v.newest() {
		x := e.in(l)
		i := jsonItem{
			ID: e.tag, URL: e.page, Title: x.Subject, HTML: e.body(x), Summary: x.Summary, Tags: topics(e), Language: x.Language,
			Published: e.First.UTC().Format(time.RFC3339), Modified: e.Updated.UTC().Format(time.RFC3339),
		}
		for _, p := range e.pictures {
			if i.Image == "" {
				i.Image = p.URL
			}
			if p.Size > 0 {
				i.Attachments = append(i.Attachments, jsonAttachment{p.URL, p.Type, p.Alt, p.Size})
			}
		}
		f.Items = append(f.Items, i)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(f)
	return b.Bytes(), err
}

func topics(e entry) []string {
	var out []string
	for _, t := range e.Message.Topics {
		out = append(out, controls(t))
	}
	return out
}

// title is the community's name.
func (v *view) title() string {
	if v.site.Name == "" {
		return host(v.site)
	}
	return controls(v.site.Name)
}
