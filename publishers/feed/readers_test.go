package feed_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"
	"github.com/mmcdole/gofeed"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
)

// An independent reader must find in each form what was put on the shelf.
func TestReadersSeeTheSame(t *testing.T) {
	h := served(t)
	for _, file := range []string{"rss.xml", "atom.xml", "feed.json"} {
		for _, l := range community.Languages {
			t.Run(string(l)+"/"+file, func(t *testing.T) {
				body := get(t, h, "/feeds/"+string(l)+"/"+file).Body.Bytes()
				f, err := gofeed.NewParser().Parse(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if f.Title != community.Name || f.FeedLink != "https://cafe.example.org/feeds/"+string(l)+"/"+file || f.Language != string(l) {
					t.Errorf("feed %q at %q in %q", f.Title, f.FeedLink, f.Language)
				}
				var want []string
				for _, key := range []string{"01f", "01e", "01d", "01b", "01c", "01g", "01a"} {
					want = append(want, "tag:cafe.example.org,2027:"+key)
				}
				var got []string
				for _, i := range f.Items {
					got = append(got, i.GUID)
				}
				if strings.Join(got, " ") != strings.Join(want, " ") {
					t.Fatalf("entries\n%v, want\n%v", got, want)
				}
				i := f.Items[len(f.Items)-1]
				title, text := "Soirée d’octobre : l’IA à l’œuvre 🎉", "c’est <strong>gratuit</strong> &amp; ouvert"
				if l == "en" {
					title, text = "October evening: AI at work 🎉", "it’s <strong>free</strong> &amp; open"
				}
				content := i.Content + i.Description
				if i.Title != title || i.Link != "https://cafe.example.org/a/01a" || !strings.Contains(content, text) || !strings.Contains(content, `src="https://cafe.example.org/a/01a/image/1"`) {
					t.Errorf("read back %q, %q, %q", i.Title, i.Link, content)
				}
				if !i.PublishedParsed.Equal(day(1)) || file != "rss.xml" && !i.UpdatedParsed.Equal(day(3)) || strings.Join(i.Categories, "|") != "IA|réseau & café" {
					t.Errorf("read back %v, %v, %v", i.PublishedParsed, i.UpdatedParsed, i.Categories)
				}
				if len(i.Enclosures) != 1 || i.Enclosures[0].Length != "70" || i.Enclosures[0].Type != "image/png" {
					t.Errorf("enclosures %+v", i.Enclosures)
				}
				if news := f.Items[4]; news.Title != "Du neuf & </title> ]]> <b>" && news.Title != "Du neuf & ]]>" || !strings.Contains(news.Content+news.Description, "Un caractère") {
					t.Errorf("odd characters became %q, %q", news.Title, news.Content+news.Description)
				}
			})
		}
	}
}

func TestCalendarReadsBack(t *testing.T) {
	h := served(t)
	w := get(t, h, "/feeds/fr/events.ics")
	if m := w.Header().Get("Content-Type"); m != "text/calendar; charset=utf-8" {
		t.Errorf("is %s", m)
	}
	body := w.Body.String()
	for i, line := range strings.Split(strings.TrimSuffix(body, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") || !utf8.ValidString(line) {
			t.Errorf("line %d is not a content line: %q", i, line)
		}
	}
	if strings.Contains(body, "METHOD") || strings.Count(body, "BEGIN:VTIMEZONE") != 1 || !strings.Contains(body, "TZID:America/Toronto\r\n") {
		t.Errorf("wants its time zone and no method:\n%s", body)
	}
	c, err := ics.ParseCalendar(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ start, status, sequence string }
	got := map[string]seen{}
	for _, e := range c.Events() {
		value := func(p ics.ComponentProperty) string { return e.GetProperty(p).Value }
		start, err := e.GetStartAt()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Id()] = seen{start.UTC().Format(time.RFC3339), value(ics.ComponentPropertyStatus), value(ics.ComponentPropertySequence)}
	}
	want := map[string]seen{
		"01a@cafe.example.org": {"2027-10-20T22:30:00Z", "CONFIRMED", "1"}, // amended once; its reminder is not a second event
		"01d@cafe.example.org": {"2027-11-17T23:30:00Z", "CANCELLED", "1"}, // by correction
		"01e@cafe.example.org": {"2027-12-15T23:30:00Z", "CANCELLED", "1"}, // by an announcement
		"01g@cafe.example.org": {"2027-09-08T16:00:00Z", "CONFIRMED", "0"},
		"01h@cafe.example.org": {"2028-01-19T23:30:00Z", "CANCELLED", "1"}, // taken away
	}
	for uid, x := range want {
		if got[uid] != x {
			t.Errorf("%s is %v, want %v", uid, got[uid], x)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d events, want %d: %v", len(got), len(want), got)
	}
}

// A calendar drops an older sequence, so that it may only grow, whatever happens to an entry.
func TestSequenceNeverGoesBack(t *testing.T) {
	p, platform := start(t)
	m := message(1)
	m.Kind = announce.KindEvent
	last := -1
	step := func(what string, change func(*announce.Event), do func(announce.Message) error) {
		t.Helper()
		e := announce.Event{Start: when(t, "2027-10-20T18:30"), Zone: "America/Toronto"}
		if m.Event != nil {
			e = *m.Event
		}
		change(&e)
		m.Event = &e
		if err := do(m); err != nil {
			t.Fatal(err)
		}
		c, err := ics.ParseCalendar(strings.NewReader(read(t, platform.Site().URL+"/feeds/fr/events.ics")))
		if err != nil || len(c.Events()) != 1 {
			t.Fatalf("%s: %v, %v", what, c, err)
		}
		var n int
		for _, r := range c.Events()[0].GetProperty(ics.ComponentPropertySequence).Value {
			n = n*10 + int(r-'0')
		}
		if n <= last {
			t.Errorf("%s: sequence %d after %d", what, n, last)
		}
		last = n
	}
	same := func(*announce.Event) {}
	put := func(m announce.Message) error { _, err := p.Publish(t.Context(), m); return err }
	amend := func(m announce.Message) error {
		_, err := p.(announce.Amender).Amend(t.Context(), announce.Receipt{ID: string(m.Announcement)}, m)
		return err
	}
	retract := func(m announce.Message) error {
		return p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: string(m.Announcement)})
	}
	step("published", same, put)
	step("amended", func(e *announce.Event) { e.Sequence++ }, amend)
	step("amended twice at once", func(e *announce.Event) { e.Sequence += 2 }, amend)
	step("retracted", same, retract)
}

func TestMax(t *testing.T) {
	var many fixed
	for n := range 60 {
		m := message(n)
		many = append(many, announce.ShelfItem{Key: string(m.Announcement), Message: m, First: day(1).Add(time.Duration(n) * time.Hour), Updated: day(1)})
	}
	for most, want := range map[int]int{0: 50, 7: 7, 200: 60} {
		h := feed.Config{Max: most}.Handler(many, community)
		f, err := gofeed.NewParser().Parse(get(t, h, "/feeds/atom.xml").Body)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Items) != want || f.Items[0].Title != message(59).Subject {
			t.Errorf("MAX %d: %d entries, the first %q", most, len(f.Items), f.Items[0].Title)
		}
	}
	if w := get(t, feed.Config{}.Handler(many, community), "/a/"+string(message(0).Announcement)); w.Code != 200 {
		t.Errorf("an entry that left the feed has no page any more: %d", w.Code)
	}
}
