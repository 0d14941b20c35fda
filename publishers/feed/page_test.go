package feed_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

// nodes lists every element under n.
func nodes(n *html.Node) []*html.Node {
	var all []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode {
			all = append(all, d)
		}
	}
	return all
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// What can be checked of WCAG 2.2 AA and of the strict policy without eyes.
func TestPagesAreAccessibleAndInert(t *testing.T) {
	h := served(t)
	for _, path := range []string{"/a/01a", "/a/01c", "/a/01d", "/a/01h", "/a/none", "/events", "/events?lang=en", "/events?lang=%22%3E%3Cscript%3E"} {
		t.Run(path, func(t *testing.T) {
			w := get(t, h, path)
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
				t.Errorf("policy %q", policy)
			}
			page, err := html.Parse(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			ids, fragments := map[string]bool{}, []string{}
			headings, level, mains := 0, 0, 0
			for _, n := range nodes(page) {
				if id, ok := attr(n, "id"); ok {
					if ids[id] {
						t.Errorf("id %q is there twice", id)
					}
					ids[id] = true
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
						t.Errorf("<%s %s> does not obey the policy", n.Data, a.Key)
					}
				}
				kind, _ := attr(n, "type")
				switch n.Data {
				case "html", "article", "section":
					if l, ok := attr(n, "lang"); n.Data != "section" && (!ok || l == "") {
						t.Errorf("<%s> has no language", n.Data)
					}
				case "script":
					if kind != "application/ld+json" {
						t.Errorf("a script of type %q", kind)
					}
				case "style", "iframe", "object", "embed":
					t.Errorf("<%s>", n.Data)
				case "img":
					if alt, ok := attr(n, "alt"); !ok || alt == "" {
						t.Error("a picture without a text alternative")
					}
				case "main":
					mains++
				case "a":
					href, _ := attr(n, "href")
					if words(n) == "" || href == "" {
						t.Errorf("a link without words or address: %q", href)
					}
					if f, ok := strings.CutPrefix(href, "#"); ok {
						fragments = append(fragments, f)
					}
				case "h1", "h2", "h3":
					headings++
					now := int(n.Data[1] - '0')
					if level == 0 && now != 1 || now > level+1 && !strings.HasPrefix(path, "/a/01") {
						t.Errorf("<%s> after level %d", n.Data, level)
					}
					level = now
				case "title":
					if words(n) == "" {
						t.Error("no title")
					}
				}
			}
			for _, f := range fragments {
				if !ids[f] {
					t.Errorf("#%s leads nowhere", f)
				}
			}
			if headings == 0 || mains != 1 || !slices.Contains(fragments, "content") {
				t.Errorf("%d headings, %d main parts, fragments %v", headings, mains, fragments)
			}
		})
	}
}

func TestPageLeadsToTheFeeds(t *testing.T) {
	h := served(t)
	for _, path := range []string{"/a/01a", "/events"} {
		page, err := html.Parse(get(t, h, path).Body)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, n := range nodes(page) {
			if rel, _ := attr(n, "rel"); n.Data == "link" && rel == "alternate" {
				href, _ := attr(n, "href")
				found[href], _ = attr(n, "type")
			}
		}
		for _, l := range []string{"fr", "en"} {
			for file, media := range map[string]string{"atom.xml": "application/atom+xml", "rss.xml": "application/rss+xml", "feed.json": "application/feed+json", "events.ics": "text/calendar"} {
				if got := found["https://cafe.example.org/feeds/"+l+"/"+file]; got != media {
					t.Errorf("%s: %s/%s is offered as %q", path, l, file, got)
				}
			}
		}
	}
}

func TestStructuredData(t *testing.T) {
	h := served(t)
	data := func(path string) map[string]any {
		page, err := html.Parse(get(t, h, path).Body)
		if err != nil {
			t.Fatal(err)
		}
		var out map[string]any
		for _, n := range nodes(page) {
			if n.Data == "script" {
				if err := json.Unmarshal([]byte(words(n)), &out); err != nil {
					t.Fatal(err)
				}
			}
		}
		return out
	}
	a := data("/a/01a")
	for key, want := range map[string]string{
		"@type": "Event", "name": "Soirée d’octobre : l’IA à l’œuvre 🎉", "startDate": "2027-10-20T18:30:00-04:00", "endDate": "2027-10-20T21:00:00-04:00",
		"eventStatus": "https://schema.org/EventScheduled", "eventAttendanceMode": "https://schema.org/MixedEventAttendanceMode", "url": "https://cafe.example.org/a/01a",
	} {
		if a[key] != want {
			t.Errorf("%s is %v, want %s", key, a[key], want)
		}
	}
	if s := data("/a/01d")["eventStatus"]; s != "https://schema.org/EventCancelled" {
		t.Errorf("an event that was called off is %v", s)
	}
	if s := data("/a/01e")["eventStatus"]; s != "https://schema.org/EventCancelled" {
		t.Errorf("an event whose cancellation was announced is %v", s)
	}
	if d := data("/a/01c"); d != nil {
		t.Errorf("news is an event: %v", d)
	}
	if m := data("/a/01g")["eventAttendanceMode"]; m != "https://schema.org/OnlineEventAttendanceMode" {
		t.Errorf("an event online is %v", m)
	}
}

// Data must not end the element that holds it, whatever an author writes.
func TestStructuredDataCannotEscape(t *testing.T) {
	m := message(1)
	m.Kind, m.Event = announce.KindEvent, &announce.Event{Start: when(t, "2027-10-20T18:30"), Venue: &announce.Venue{Name: `</script><script>alert("x")</script><!--`}}
	m.Versions[0].Subject = `</title></script><b>"&'`
	h := feed.Config{}.Handler(fixed{{Key: "x", Message: m, First: day(1), Updated: day(1)}}, community)
	for _, path := range []string{"/a/x", "/events"} {
		page, err := html.Parse(get(t, h, path).Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes(page) {
			if kind, _ := attr(n, "type"); n.Data == "b" || n.Data == "script" && kind != "application/ld+json" {
				t.Errorf("%s: an author made a <%s>", path, n.Data)
			}
		}
	}
}

func TestOtherLanguages(t *testing.T) {
	m := message(1)
	m.Versions = []announce.Version{
		{Language: "ar", Subject: "مرحبا", Text: "أهلا & سهلا\nثانيا"},
		{Language: "fr-CA", Subject: "Bonjour", HTML: "<p>Allô</p>"},
	}
	site := announce.Site{URL: "https://cafe.example.org", Languages: []announce.Language{"fr"}}
	h := feed.Config{}.Handler(fixed{{Key: "x", Message: m, First: day(1), Updated: day(1)}}, site)
	body := get(t, h, "/a/x").Body.String()
	for _, want := range []string{`<article id="ar" lang="ar" dir="rtl">`, "أهلا &amp; سهلا<br>", `lang="fr-CA" hreflang="fr-CA">Français (Canada)`, "– cafe.example.org</title>"} {
		if !strings.Contains(body, want) {
			t.Errorf("missing %q in\n%s", want, body)
		}
	}
	for path, want := range map[string]string{"/feeds/ar/atom.xml": "مرحبا", "/feeds/fr/atom.xml": "Bonjour", "/feeds/fr-CA/rss.xml": "Bonjour"} {
		if w := get(t, h, path); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d without %q", path, w.Code, want)
		}
	}
}

func TestEmptyShelf(t *testing.T) {
	h := feed.Config{}.Handler(fixed{}, announce.Site{})
	for path, want := range map[string]string{
		"/feeds/atom.xml": "<updated>1970-01-01T00:00:00Z</updated>", "/feeds/rss.xml": "<rss", "/feeds/feed.json": `"items": []`, "/feeds/events.ics": "END:VCALENDAR", "/events": "Aucun événement",
	} {
		if w := get(t, h, path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}

// A retraction may be about something that should never have been said.
func TestWhatWasTakenAwayIsNotToldAgain(t *testing.T) {
	h := served(t)
	for _, path := range []string{"/a/01h", "/a/01h.ics", "/events", "/feeds/fr/events.ics", "/feeds/fr/atom.xml", "/feeds/fr/rss.xml", "/feeds/fr/feed.json"} {
		if body := get(t, h, path).Body.String(); strings.Contains(body, "Soirée retirée") || strings.Contains(body, "Retirée.") {
			t.Errorf("%s still tells it", path)
		}
	}
}
