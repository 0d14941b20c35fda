package website

import (
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// page is what templates see: an announcement in one language. Every text is plain but Body.
type page struct {
	ID       string // the announcement's
	Name     string // for file names: date, title and ID; it stays what it was when the files first appeared
	Folder   string // FOLDER
	Language string // of the texts
	Suffix   string // the language of the site that the page is for, in lower case; empty when the site has only one
	Main     bool   // in the site's first language
	Kind     string
	Title    string
	Summary  string
	Body     string // Markdown that means the same to the site's engine and runs nothing
	Link     string // where to read more
	Address  string // of the page on the site, from its root; what path.txt says
	Created  time.Time
	Updated  time.Time
	Topics   []string
	Images   []image
	Event    *event // nil when there is none
}

// image is a picture beside the page.
type image struct {
	Name, Folder  string // as of the page
	Number        int    // from 1
	Extension     string // ".png"
	Alt           string
	Caption       string // Alt as Markdown
	Width, Height int
	Path, Address string // in the repository, and on the site from its root; what image.txt says
	URL           string // Address below the path of SITE_URL, for pages whose engine leaves links as they are
}

type event struct {
	Status     string // scheduled, cancelled, postponed
	Cancelled  bool
	Start, End time.Time // in the event's zone; End is zero when not known
	Venue      *place    // nil when there is none
	Online     string
	SignUp     string
	Address    string // where to sign up, else to read more
	Eventbrite string // the number of the event there
	Talks      []talk
	Partners   []announce.Partner
}

type place struct{ ID, Name, Address, URL string }

type talk struct {
	Title       string
	Description string // Markdown as it was written, without HTML
	Twitter     string // of the only speaker, likewise Website
	Website     string
	Speakers    []speaker
}

type speaker struct {
	ID, Name, URL, Twitter string
	handle                 string // the ID that the announcement gives
}

// told is a version for one language of the site.
type told struct {
	slot announce.Language
	announce.Version
}

// told picks a version for each language of the site. The first language always has one.
func (l *layout) told(m announce.Message) []told {
	versions := m.Versions
	if len(versions) == 0 {
		versions = []announce.Version{{Language: m.Language, Subject: m.Subject, Summary: m.Summary, Text: m.Text}}
	}
	slots := l.languages
	if len(slots) == 0 {
		slots = []announce.Language{versions[0].Language}
	}
	if l.kind == plainData {
		slots = slots[:1]
	}
	var out []told
	for i, slot := range slots {
		var best *announce.Version
		for k := range versions {
			v := &versions[k]
			if v.Language == slot || best == nil && v.Language.Base() == slot.Base() {
				best = v
			}
		}
		if best == nil && i == 0 {
			best = &versions[0]
		}
		if best != nil {
			out = append(out, told{slot, *best})
		}
	}
	return out
}

// pages tell the message in each language of the site, the first one first, without paths.
func (l *layout) pages(m announce.Message) []page {
	var out []page
	for _, t := range l.told(m) {
		p := page{
			ID: string(m.Announcement), Folder: l.folder, Language: string(t.Language), Main: len(out) == 0, Kind: string(m.Kind),
			Title: strings.Join(strings.Fields(t.Subject), " "), Summary: strings.Join(strings.Fields(t.Summary), " "), Link: m.Link,
			Created: l.created(m), Updated: m.Updated.In(l.zone), Topics: m.Topics, Event: l.event(m),
		}
		if m.Updated.IsZero() {
			p.Updated = p.Created
		}
		if len(l.languages) > 1 {
			p.Suffix = strings.ToLower(string(t.slot))
		}
		p.Body = l.body(t.Version)
		out = append(out, p)
	}
	return out
}

// body is the text without the title at its beginning, which stands in the front matter.
func (l *layout) body(v announce.Version) string {
	return engine(l.kind).write(markup.Untitled(l.read.Read(v.Text), v.Subject))
}

func (l *layout) created(m announce.Message) time.Time {
	if m.Created.IsZero() {
		return m.Date.In(l.zone)
	}
	return m.Created.In(l.zone)
}

// proposal is a name for the files of an announcement that has none yet.
func (l *layout) proposal(m announce.Message) string {
	day := l.created(m)
	if l.kind == plainData && m.Event != nil {
		day = m.Event.Start.In()
	}
	parts := []string{day.Format(time.DateOnly), slug(l.told(m)[0].Subject), string(m.Announcement)}
	if parts[1] == "" {
		parts = []string{parts[0], parts[2]}
	}
	return strings.Join(parts, "-")
}

// withoutHTML is for Markdown that the site's own pages will read.
var withoutHTML = strings.NewReplacer("<", "&lt;", "{{%", "{{&#37;", "\r\n", "\n")

var eventbrite = regexp.MustCompile(`(?:^|[/-])(\d{9,15})/?$`)

func (l *layout) event(m announce.Message) *event {
	e := m.Event
	if e == nil {
		return nil
	}
	out := &event{Status: "scheduled", Start: e.Start.In(), Online: e.OnlineURL, SignUp: e.SignUpURL, Address: e.SignUpURL, Partners: e.Partners}
	if e.Cancelled || m.Kind == announce.KindCancellation {
		if out.Status, out.Cancelled = "cancelled", true; e.Postponed {
			out.Status = "postponed"
		}
	}
	if !e.End.IsZero() {
		out.End = e.End.Instant.In(out.Start.Location())
	}
	if out.Address == "" {
		out.Address = m.Link
	}
	for _, address := range []string{e.SignUpURL, m.Link} {
		if u, err := url.Parse(address); err == nil && strings.Contains("."+u.Hostname(), ".eventbrite.") {
			if n := eventbrite.FindStringSubmatch(u.Path); n != nil && out.Eventbrite == "" {
				out.Eventbrite = n[1]
			}
		}
	}
	switch {
	case e.Venue != nil:
		out.Venue = &place{underscored(e.Venue.Name), e.Venue.Name, e.Venue.Address, e.Venue.URL}
	case e.OnlineURL != "":
		out.Venue = &place{ID: "online", Name: "En ligne / Online"}
	}
	for _, t := range e.Talks {
		to := talk{Title: t.Title, Description: withoutHTML.Replace(strings.TrimSpace(t.Abstract))}
		for _, s := range t.Speakers {
			to.Speakers = append(to.Speakers, speaker{ID: underscored(s.Name), Name: s.Name, URL: s.URL, Twitter: s.Handles["twitter"], handle: s.Handles[name]})
		}
		if len(to.Speakers) == 1 {
			to.Twitter, to.Website = to.Speakers[0].Twitter, to.Speakers[0].URL
		}
		out.Talks = append(out.Talks, to)
	}
	return out
}

const longestSlug = 48

var ligatures = strings.NewReplacer("œ", "oe", "Œ", "oe", "æ", "ae", "Æ", "ae", "ß", "ss", "ø", "o", "Ø", "o", "ł", "l", "Ł", "l")

// slug is a text as a part of an address: lower-case letters without accents, digits and hyphens.
func slug(s string) string {
	var out strings.Builder
	for _, r := range norm.NFD.String(ligatures.Replace(s)) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			out.WriteRune(unicode.ToLower(r))
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’':
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
	}
	short := out.String()
	if len(short) > longestSlug {
		short = short[:longestSlug+1]
		if i := strings.LastIndexByte(short, '-'); i > 0 {
			short = short[:i]
		}
		short = short[:min(len(short), longestSlug)]
	}
	return strings.Trim(short, "-")
}

// underscored is a name as an ID in data files; never empty.
func underscored(s string) string {
	if id := strings.ReplaceAll(slug(s), "-", "_"); id != "" {
		return id
	}
	return "x" + hashOf([]byte(s)).String()[:8]
}
