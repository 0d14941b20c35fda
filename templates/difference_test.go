package templates

import (
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// What became of the facts is said with what they were; of the wording nothing is.
func TestDifference(t *testing.T) {
	set, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	site := announce.Site{Zone: "America/Toronto"}
	zone := func(wall string) announce.When {
		w, err := announce.ParseWhen(wall, "America/Toronto")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	made := func(change func(*announce.Announcement)) announce.Announcement {
		a := announce.Announcement{
			Kind: announce.KindEvent, Default: "fr", Zone: "America/Toronto", Created: time.Date(2027, 10, 1, 12, 0, 0, 0, time.UTC),
			Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre d’octobre", Body: "Venez."}, "en": {Title: "October meetup", Body: "Come."}},
			Event: &announce.Event{Start: zone("2027-10-20T18:30"), End: zone("2027-10-20T21:00"), Zone: "America/Toronto",
				Venue: &announce.Venue{Name: "Cégep", Address: "2505, rue Saint-Hubert"}, Talks: []announce.Talk{{Title: "Go en prod"}}},
		}
		change(&a)
		return a
	}
	place := func(name string) func(*announce.Announcement) {
		return func(a *announce.Announcement) { a.Event.Venue = &announce.Venue{Name: name} }
	}
	same := func(*announce.Announcement) {}
	for _, c := range []struct {
		name       string
		was        []func(*announce.Announcement)
		now        func(*announce.Announcement)
		fr, en     string // of the body, with plain blanks
		french, in string // of the summary
	}{
		{"only the wording", []func(*announce.Announcement){same}, func(a *announce.Announcement) {
			a.Texts["fr"] = announce.Text{Title: "Rencontre d’octobre", Body: "Venez tous."}
		}, "", "", "", ""},
		{"the place", []func(*announce.Announcement){same}, place("Pacini"), "Nouveau lieu : Pacini (au lieu de : Cégep, 2505, rue Saint-Hubert).",
			"New place: Pacini (instead of Cégep, 2505, rue Saint-Hubert).", "Nouveau lieu : Pacini (au lieu de : Cégep, 2505, rue Saint-Hubert).", ""},
		{"the place twice", []func(*announce.Announcement){place("Cégep"), place("Café *")}, place("Pacini"),
			`Nouveau lieu : Pacini (au lieu de : Cégep, puis Café \*).`, `New place: Pacini (instead of Cégep, then Café \*).`, "", ""},
		{"the place, and back", []func(*announce.Announcement){place("Cégep"), place("Café")}, place("Cégep"),
			"Nouveau lieu : Cégep (au lieu de : Café).", "New place: Cégep (instead of Café).", "", ""},
		{"the hour", []func(*announce.Announcement){same}, func(a *announce.Announcement) { a.Event.Start = zone("2027-10-20T19:00") },
			"Nouvel horaire : mercredi 20 octobre, de 19 h à 21 h (au lieu de : mercredi 20 octobre, de 18 h 30 à 21 h).",
			"New hours: Wednesday, October 20, 7 to 9 p.m. (instead of Wednesday, October 20, 6:30 to 9 p.m.).", "", ""},
		{"the day", []func(*announce.Announcement){same}, func(a *announce.Announcement) {
			a.Event.Start, a.Event.End = zone("2027-10-27T18:30"), announce.When{}
		}, "Nouvelle date : mercredi 27 octobre, 18 h 30 (au lieu de : mercredi 20 octobre, de 18 h 30 à 21 h).", "", "", ""},
		{"online", []func(*announce.Announcement){same}, func(a *announce.Announcement) {
			a.Event.Venue, a.Event.OnlineURL = nil, "https://example.org/live"
		}, `- La rencontre se tient en ligne (au lieu de : Cégep, 2505, rue Saint-Hubert).` + "\n- Nouvelle adresse pour participer en ligne : <https://example.org/live>", "",
			"La rencontre se tient en ligne (au lieu de : Cégep, 2505, rue Saint-Hubert).", ""},
		{"the programme", []func(*announce.Announcement){same}, func(a *announce.Announcement) {
			a.Event.Talks = []announce.Talk{{Title: "Rust"}, {Title: "Zig"}}
		}, "- Ajouté au programme : « Rust » et « Zig ».\n- Retiré du programme : « Go en prod ».", "- Added to the programme: “Rust” and “Zig”.\n- Taken off the programme: “Go en prod”.", "", ""},
		{"on again", []func(*announce.Announcement){func(a *announce.Announcement) { a.Event.Cancelled = true }}, same,
			"La rencontre a bien lieu.", "The meetup takes place after all.", "", ""},
		{"the title in one language", []func(*announce.Announcement){same}, func(a *announce.Announcement) {
			a.Texts["en"] = announce.Text{Title: "October talks"}
		}, "", "New title: October talks (instead of October meetup).", "", "New title: October talks (instead of October meetup)."},
	} {
		var was []announce.Announcement
		for _, f := range c.was {
			was = append(was, made(f))
		}
		for l, want := range map[announce.Language][2]string{"fr-CA": {c.fr, c.french}, "en": {c.en, c.in}} {
			body, summary := set.Difference(l, was, made(c.now), site)
			body, summary = strings.ReplaceAll(body, nbsp, " "), strings.ReplaceAll(summary, nbsp, " ")
			if body != want[0] && (want[0] != "" || c.fr == "" && c.en == "") {
				t.Errorf("%s, %s:\n%s\nwant\n%s", c.name, l, body, want[0])
			}
			if want[1] != "" && summary != want[1] {
				t.Errorf("%s, %s: summary\n%s\nwant\n%s", c.name, l, summary, want[1])
			}
		}
	}
}
