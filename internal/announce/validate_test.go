package announce

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var rules = Rules{
	Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Zone: "America/Toronto", Language: "fr",
	Accounts: []string{"feed", "email", "slack", "slack@partners", "twitter"}, Undo: time.Minute,
}

func good() Draft {
	return Draft{
		Kind:  KindEvent,
		Texts: map[Language]Text{"fr": {Title: "Soirée d’hiver ❄️", Body: "Deux conférences.\n\n- une\n- deux"}, "en": {Title: "Winter evening"}},
		Event: &DraftEvent{
			StartsAt: "2027-01-20T18:30", EndsAt: "2027-01-20T21:00", Venue: &Venue{Name: "Café du Clocher"},
			Talks: []Talk{{Title: "Le pouvoir de l’ESP", Speakers: []Speaker{{Name: "Ada", Handles: map[string]string{"twitter": "ada"}}}}},
		},
		Link: "https://example.org/hiver", Images: []Image{{URL: "https://example.org/a.png", Alt: map[Language]string{"fr": "Une salle"}}},
		Channels: []string{"feed", "slack@partners"}, Topics: []string{"hiver 2027"}, Overrides: map[string]Text{"slack": {Body: "Bref."}},
	}
}

func TestGoodDraft(t *testing.T) {
	d := good()
	a, err := d.Announcement(rules)
	if err != nil {
		t.Fatal(err)
	}
	if a.Default != "fr" || a.Zone != "America/Toronto" || a.Undo != time.Minute || a.Event.Zone != "America/Toronto" {
		t.Errorf("defaults are wrong: %+v", a)
	}
	if got := a.Event.Start.Instant.Format(time.RFC3339); got != "2027-01-20T23:30:00Z" {
		t.Errorf("starts at %s", got)
	}
	again, err := a.Draft().Announcement(rules)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Event.Start.Instant.Equal(a.Event.Start.Instant) || again.Default != a.Default || again.Undo != a.Undo {
		t.Errorf("reading it back changed it: %+v", again)
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	seconds := -1
	d := Draft{
		Kind: "party", Default: "de", TimeZone: "Mars/Olympus", PublishAt: "soon", ExpiresAt: "2020-01-01T00:00",
		Texts: map[Language]Text{"fr": {Title: " ", Body: "a\x00b"}, "n'importe": {Title: "x\r\nBcc: y@example.org"}},
		Event: &DraftEvent{
			StartsAt: "2027-01-20T18:30", EndsAt: "2027-01-20T18:00", Venue: &Venue{URL: "javascript:alert(1)"},
			Talks:    []Talk{{Speakers: []Speaker{{Name: "a\nb", Handles: map[string]string{"twitter": "a b"}}}}},
			Partners: []Partner{{URL: "http://user:pw@example.org"}},
		},
		Link: "example.org", Images: []Image{{}, {URL: "https://example.org/a.png", Data: []byte("x"), Alt: map[Language]string{"fr": "x"}}, {Data: []byte("<svg/>")}},
		Channels: []string{"feed", "fax", "feed"}, Topics: []string{"<b>"}, Overrides: map[string]Text{"fax": {}}, UndoSeconds: &seconds,
	}
	_, err := d.Announcement(rules)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("no faults: %v", err)
	}
	for _, field := range []string{
		"kind", "default_language", "time_zone", "publish_at", "expires_at", "texts.fr.title", "texts.fr.body", "texts.n'importe", "texts.n'importe.title",
		"event.venue.name", "event.venue.url", "event.talks[0].title", "event.talks[0].speakers[0].name", "event.talks[0].speakers[0].handles.twitter",
		"event.partners[0].name", "event.partners[0].url", "link", "images[0]", "images[0].alt.de", "images[1]", "images[2].data", "channels[1]", "channels[2]",
		"topics[0]", "overrides.fax", "undo_seconds",
	} {
		if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Field == field }) {
			t.Errorf("nothing is said of %s", field)
		}
	}
	if t.Failed() {
		t.Log(faults)
	}
}

func TestSingleFaults(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(*Draft)
	}{
		{"end before start", "event.ends_at", func(d *Draft) { d.Event.EndsAt = "2027-01-20T18:30" }},
		{"event over", "event.starts_at", func(d *Draft) { d.Event.StartsAt, d.Event.EndsAt = "2026-11-20T18:30", "" }},
		{"reminder of an event that is over", "event.starts_at", func(d *Draft) { d.Kind, d.Event.StartsAt, d.Event.EndsAt = KindReminder, "2026-11-20T18:30", "" }},
		{"unknown zone of the event", "event.time_zone", func(d *Draft) { d.Event.TimeZone = "Local" }},
		{"no start", "event.starts_at", func(d *Draft) { d.Event.StartsAt = "" }},
		{"an event without one", "event", func(d *Draft) { d.Event = nil }},
		{"published after the event", "publish_at", func(d *Draft) { d.PublishAt = "2027-01-21T00:00" }},
		{"expires before it is published", "expires_at", func(d *Draft) { d.PublishAt, d.ExpiresAt = "2027-01-10T00:00", "2027-01-09T00:00" }},
		{"text direction marks", "texts.fr.title", func(d *Draft) { d.Texts["fr"] = Text{Title: "a\u202Eb"} }},
		{"title too long", "texts.fr.title", func(d *Draft) { d.Texts["fr"] = Text{Title: strings.Repeat("é", 301)} }},
		{"not UTF-8", "texts.fr.body", func(d *Draft) { d.Texts["fr"] = Text{Title: "x", Body: "\xff"} }},
		{"no alt text in the default language", "images[0].alt.fr", func(d *Draft) { d.Images[0].Alt = map[Language]string{"en": "A room"} }},
		{"sent in another encoding", "texts.fr.title", func(d *Draft) { d.Texts["fr"] = Text{Title: "Soir\ufffde"} }},
		{"no text", "texts", func(d *Draft) { d.Texts = nil }},
		{"a title that nobody can see", "texts.fr.title", func(d *Draft) { d.Texts["fr"] = Text{Title: "\u200b\u2060 \u00ad"} }},
		{"a speaker whom nobody can see", "event.talks[0].speakers[0].name", func(d *Draft) { d.Event.Talks[0].Speakers[0].Name = "\u200d\ufe0f" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := good()
			c.change(&d)
			_, err := d.Announcement(rules)
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Field != c.field {
				t.Errorf("want one fault at %s, got %v", c.field, err)
			}
		})
	}
}

func TestPastIsFineForRecaps(t *testing.T) {
	for _, k := range []Kind{KindRecap, KindNews} {
		d := good()
		d.Kind, d.Event.StartsAt, d.Event.EndsAt = k, "2026-11-20T18:30", ""
		if _, err := d.Announcement(rules); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func TestPick(t *testing.T) {
	a := Announcement{Default: "fr", Texts: map[Language]Text{"fr": {Title: "f"}, "en-GB": {Title: "e"}}}
	for _, c := range []struct {
		want, lang Language
		title      string
	}{{"fr", "fr", "f"}, {"fr-CA", "fr-CA", "f"}, {"en", "en-GB", "e"}, {"en-US", "en-GB", "e"}, {"de", "fr", "f"}, {"", "fr", "f"}} {
		if l, text := a.Pick(c.want); l != c.lang || text.Title != c.title {
			t.Errorf("Pick(%q) is %q %q", c.want, l, text.Title)
		}
	}
}

func TestNewIDSorts(t *testing.T) {
	now := time.Now()
	a, b := NewID(now), NewID(now.Add(time.Millisecond))
	if a >= b || len(a) != 26 || NewID(now) == a {
		t.Errorf("%s %s", a, b)
	}
}

func TestNamesHaveTheirLength(t *testing.T) {
	for name, good := range map[string]bool{"": false, "é": true, strings.Repeat("é", 64): true, strings.Repeat("é", 65): false, "a b": true, " a": false} {
		if say := BadTopic(name); (say == "") != good {
			t.Errorf("%q: %q", name, say)
		}
	}
	for name, good := range map[string]bool{"": false, "ada@example.org": true, "@ada": false, strings.Repeat("é", 255): true, strings.Repeat("é", 256): false} {
		if is(handleName, 255, name) != good {
			t.Errorf("%q: want %v", name, good)
		}
	}
}
