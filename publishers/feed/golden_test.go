package feed_test

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

var update = flag.Bool("update", false, "write the golden documents anew")

// fixed is a shelf that only shows what it holds, and cannot tell its edition.
type fixed []announce.ShelfItem

func (f fixed) Put(context.Context, announce.ShelfItem) error      { return nil }
func (f fixed) Remove(context.Context, string, time.Time) error    { return nil }
func (f fixed) List(context.Context) ([]announce.ShelfItem, error) { return f, nil }

var community = announce.Site{
	Name: "Café des sciences de l’Anse", URL: "https://cafe.example.org", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"},
}

const hub = "https://hub.example.org/"

func when(t testing.TB, wall string) announce.When {
	t.Helper()
	w, err := announce.ParseWhen(wall, community.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func day(n int) time.Time { return time.Date(2027, 9, n, 12, 30, 0, 0, time.UTC) }

// pixel is the smallest PNG.
var pixel = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

// items are an evening in two languages, its reminder, news with everything that could break a document, an evening that was
// called off by correction and one that was called off by announcement, a talk online, and an evening that was taken away.
func items(t testing.TB) fixed {
	t.Helper()
	event := func(begin, end string) *announce.Event {
		e := &announce.Event{Start: when(t, begin), Zone: community.Zone, Venue: &announce.Venue{Name: "L’Entr’acte", Address: "12, rue de l’Église, L’Anse", URL: "https://example.org/entracte"}}
		if end != "" {
			e.End = when(t, end)
		}
		return e
	}
	put := func(key string, n int, kind announce.Kind, e *announce.Event, versions ...announce.Version) announce.ShelfItem {
		v := versions[0]
		return announce.ShelfItem{Key: key, First: day(n), Updated: day(n), Message: announce.Message{
			Key: "k" + key, Announcement: announce.ID(key), Rev: 1, Kind: kind, Language: v.Language, Subject: v.Subject, Summary: v.Summary, Text: v.Text,
			HTML: v.HTML, Event: e, Versions: versions, Created: day(n), Updated: day(n),
		}}
	}
	evening := put("01a", 1, announce.KindEvent, event("2027-10-20T18:30", "2027-10-20T21:00"),
		announce.Version{Language: "fr", Subject: "Soirée d’octobre : l’IA à l’œuvre 🎉", Summary: "Deux présentations, du café ☕ et « l’été indien ».", Text: "Venez !", HTML: "<p class=\"facts\">Mercredi 20 octobre</p>\n<p>Venez nombreux, c’est <strong>gratuit</strong> &amp; ouvert.</p>\n"},
		announce.Version{Language: "en", Subject: "October evening: AI at work 🎉", Summary: "Two talks and coffee ☕.", Text: "Come!", HTML: "<p>Come along, it’s <strong>free</strong> &amp; open.</p>\n"})
	m := &evening.Message
	m.Rev, m.Link, m.Topics = 2, "https://example.org/octobre?a=1&b=2", []string{"IA", "réseau & café"}
	m.Event.Sequence, m.Event.OnlineURL, m.Event.SignUpURL = 1, "https://example.org/direct", "https://example.org/inscription"
	m.Event.Talks = []announce.Talk{{Title: "Les files d’attente", Speakers: []announce.Speaker{{Name: "Ada", URL: "https://example.org/ada"}, {Name: "Grace"}}}}
	m.Event.Partners = []announce.Partner{{Name: "Brioche & Bit", URL: "https://example.org/brioche"}}
	m.Images = []announce.Picture{{Data: pixel, Type: "image/png", Alt: "Affiche : « l’IA »"}, {URL: "https://example.org/b.jpg?x=1&y=2", Alt: "La salle"}}
	evening.Sequence, evening.Updated = 1, day(3)

	reminder := put("01b", 5, announce.KindReminder, event("2027-10-20T18:30", ""), announce.Version{Language: "fr", Subject: "Rappel : c’est demain", Text: "À demain", HTML: "<p>À demain !</p>\n"})
	news := put("01c", 4, announce.KindNews, nil, announce.Version{Language: "fr", Subject: "Du \x0bneuf & </title> ]]> <b>", Summary: "\x00Des \"guillemets\"\x1f", Text: "x", HTML: "<p>Un \x08caractère</p>\n"})
	news.Message.Images = []announce.Picture{{URL: "https://example.org/c.png", Alt: "Ailleurs"}}
	off := put("01d", 6, announce.KindEvent, event("2027-11-17T18:30", ""), announce.Version{Language: "en", Subject: "November evening", Text: "x", HTML: "<p>Called off.</p>\n"})
	off.Message.Event.Cancelled, off.Message.Event.Sequence, off.Sequence = true, 1, 1
	hit := put("01e", 7, announce.KindEvent, event("2027-12-15T18:30", ""), announce.Version{Language: "fr", Subject: "Soirée de décembre", Text: "x", HTML: "<p>Bientôt.</p>\n"})
	struck := put("01f", 8, announce.KindCancellation, event("2027-12-15T18:30", ""), announce.Version{Language: "fr", Subject: "Soirée de décembre : annulée", Text: "x", HTML: "<p>Désolés.</p>\n"})
	online := put("01g", 2, announce.KindEvent, event("2027-09-08T12:00", "2027-09-08T13:00"), announce.Version{Language: "fr", Subject: "Midi en ligne", Text: "x", HTML: "<p>En ligne.</p>\n"})
	online.Message.Event.Venue, online.Message.Event.OnlineURL = nil, "https://example.org/midi"
	gone := put("01h", 9, announce.KindEvent, event("2028-01-19T18:30", ""), announce.Version{Language: "fr", Subject: "Soirée retirée", Text: "x", HTML: "<p>Retirée.</p>\n"})
	gone.Removed, gone.Updated, gone.Sequence = day(10), day(10), 1
	return fixed{gone, struck, hit, off, reminder, news, evening, online}
}

func served(t testing.TB) http.Handler {
	t.Helper()
	return feed.HandlerAt(feed.Config{Hubs: []string{hub}}, items(t), community, func() time.Time { return day(15) })
}

func get(t testing.TB, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return request(t, h, http.MethodGet, path, header...)
}

func request(t testing.TB, h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGolden(t *testing.T) {
	h := served(t)
	for path, file := range map[string]string{
		"/feeds/fr/rss.xml": "fr.rss.xml", "/feeds/fr/atom.xml": "fr.atom.xml", "/feeds/fr/feed.json": "fr.feed.json", "/feeds/fr/events.ics": "fr.events.ics",
		"/feeds/en/rss.xml": "en.rss.xml", "/feeds/en/atom.xml": "en.atom.xml", "/feeds/en/feed.json": "en.feed.json", "/feeds/en/events.ics": "en.events.ics",
		"/a/01a": "entry.html", "/a/01a.ics": "entry.ics", "/a/01d": "cancelled.html", "/a/01e": "struck.html", "/a/01h": "gone.html", "/a/01h.ics": "gone.ics",
		"/events": "events.fr.html", "/events?lang=en": "events.en.html", "/a/none": "missing.html",
	} {
		t.Run(file, func(t *testing.T) {
			got := get(t, h, path).Body.Bytes()
			golden := filepath.Join("testdata", strings.Replace(file, ".", ".golden.", 1))
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s has changed; read it, then run the test with -update:\n%s", golden, got)
			}
		})
	}
}
