package templates

import (
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestWhen(t *testing.T) {
	const home, paris, tokyo = "America/Toronto", "Europe/Paris", "Asia/Tokyo"
	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		language         announce.Language
		start, end, zone string
		online           bool
		want, brief      string
	}{
		{"fr", "2026-10-21T18:30", "", home, false, "mercredi 21 octobre, 18~h~30", "mer. 21 oct., 18~h~30"},
		{"fr", "2026-10-21T18:00", "2026-10-21T21:00", home, false, "mercredi 21 octobre, de 18~h à 21~h", "mer. 21 oct., 18~h"},
		{"fr-FR", "2026-08-01T09:05", "2026-08-01T12:00", home, false, "samedi 1er août, de 9~h~05 à 12~h", "sam. 1er août, 9~h~05"},
		{"fr", "2026-12-11T18:30", "2026-12-12T00:00", home, false, "vendredi 11 décembre, de 18~h~30 à minuit", "ven. 11 déc., 18~h~30"},
		{"fr", "2026-12-11T18:30", "2026-12-12T01:30", home, false, "vendredi 11 décembre, de 18~h~30 à 1~h~30", "ven. 11 déc., 18~h~30"},
		{"fr", "2026-10-23T18:00", "2026-10-25T16:00", home, false, "du vendredi 23 octobre, 18~h, au dimanche 25 octobre, 16~h", "ven. 23 oct., 18~h"},
		{"fr", "2026-12-31T20:00", "2027-01-02T10:00", home, false, "du jeudi 31 décembre 2026, 20~h, au samedi 2 janvier 2027, 10~h", "jeu. 31 déc. 2026, 20~h"},
		{"fr", "2027-02-01T18:30", "", home, false, "lundi 1er février 2027, 18~h~30", "lun. 1er févr. 2027, 18~h~30"},
		{"fr", "2025-04-01T18:30", "", home, false, "mardi 1er avril 2025, 18~h~30", "mar. 1er avr. 2025, 18~h~30"},
		{"fr", "2026-10-21T18:30", "", home, true, "mercredi 21 octobre, 18~h~30 (HAE)", "mer. 21 oct., 18~h~30 (HAE)"},
		{"fr-CA", "2026-11-25T18:30", "2026-11-25T20:00", home, true, "mercredi 25 novembre, de 18~h~30 à 20~h (HNE)", "mer. 25 nov., 18~h~30 (HNE)"},
		{"fr-FR", "2026-11-25T18:30", "", home, true, "mercredi 25 novembre, 18~h~30 (UTC−5)", "mer. 25 nov., 18~h~30 (UTC−5)"},
		{"fr", "2026-11-25T18:30", "", paris, false, "mercredi 25 novembre, 18~h~30 (UTC+1)", "mer. 25 nov., 18~h~30 (UTC+1)"},
		{"fr", "2026-11-25T18:30", "", "America/Montreal", false, "mercredi 25 novembre, 18~h~30", "mer. 25 nov., 18~h~30"},
		{"fr", "2026-07-25T18:30", "", "America/Halifax", false, "samedi 25 juillet, 18~h~30 (HAA)", "sam. 25 juill., 18~h~30 (HAA)"},
		{"fr", "2026-07-25T18:30", "", "Asia/Kolkata", false, "samedi 25 juillet, 18~h~30 (UTC+5:30)", "sam. 25 juill., 18~h~30 (UTC+5:30)"},
		{"en", "2026-10-21T18:30", "", home, false, "Wednesday, October 21, 6:30~p.m.", "Wed, Oct 21, 6:30~p.m."},
		{"en-CA", "2026-10-21T18:30", "2026-10-21T21:00", home, true, "Wednesday, October 21, 6:30 to 9~p.m. (EDT)", "Wed, Oct 21, 6:30~p.m. (EDT)"},
		{"en-US", "2026-10-21T11:00", "2026-10-21T14:00", home, false, "Wednesday, October 21, 11~AM to 2~PM", "Wed, Oct 21, 11~AM"},
		{"en", "2026-10-21T12:00", "2026-10-21T15:00", home, false, "Wednesday, October 21, noon to 3~p.m.", "Wed, Oct 21, noon"},
		{"en", "2026-10-21T18:00", "2026-10-22T00:00", home, false, "Wednesday, October 21, 6~p.m. to midnight", "Wed, Oct 21, 6~p.m."},
		{"en", "2027-02-01T00:15", "", home, false, "Monday, February 1, 2027, 12:15~a.m.", "Mon, Feb 1, 2027, 12:15~a.m."},
		{"en-GB", "2026-10-21T18:30", "", paris, false, "Wednesday 21 October, 6:30~pm (CEST)", "Wed 21 Oct, 6:30~pm (CEST)"},
		{"en", "2026-10-21T18:30", "", tokyo, false, "Wednesday, October 21, 6:30~p.m. (UTC+9)", "Wed, Oct 21, 6:30~p.m. (UTC+9)"},
		{"en", "2026-10-23T18:00", "2026-10-25T16:00", home, false, "Friday, October 23, 6~p.m. to Sunday, October 25, 4~p.m.", "Fri, Oct 23, 6~p.m."},
		{"de", "2026-10-21T18:30", "2026-10-21T20:00", home, false, "2026-10-21 18:30–20:00", "2026-10-21 18:30"},
	} {
		e := &announce.Event{Start: when(t, c.start, c.zone), Zone: c.zone}
		if c.end != "" {
			e.End = when(t, c.end, c.zone)
		}
		if c.online {
			e.OnlineURL = "https://example.org"
		}
		x := told{Request: Request{Site: community(), Announcement: announce.Announcement{Event: e, Created: created}}, language: c.language}
		got := x.event(pen{}, e)
		if w, b := visibleSpaces(got.When), visibleSpaces(got.Brief); w != c.want || b != c.brief {
			t.Errorf("%s %s\ngot  %q, %q\nwant %q, %q", c.language, c.start, w, b, c.want, c.brief)
		}
	}
}

func TestFrenchSpaces(t *testing.T) {
	for in, want := range map[string][2]string{
		"Quand : demain":        {"Quand~: demain", "Quand~: demain"},
		"Bienvenue ! Ça va ?":   {"Bienvenue! Ça va?", "Bienvenue¬! Ça va¬?"},
		"un ; deux":             {"un; deux", "un¬; deux"},
		"« Salut »":             {"«~Salut~»", "«~Salut~»"},
		"https://a.b?c:d;e!f":   {"https://a.b?c:d;e!f", "https://a.b?c:d;e!f"},
		" : après une variable": {"~: après une variable", "~: après une variable"},
		"&nbsp;&laquo;":         {"&nbsp;&laquo;", "&nbsp;&laquo;"},
	} {
		for i, l := range []announce.Language{"fr-CA", "fr-FR"} {
			if got := visibleSpaces(frenchSpaces(in, l)); got != want[i] {
				t.Errorf("%s %q: %q, want %q", l, in, got, want[i])
			}
		}
	}
}

func TestLists(t *testing.T) {
	three := []string{"A", "B", "C"}
	for l, want := range map[announce.Language]string{"fr": "A, B et C", "en": "A, B and C", "en-US": "A, B, and C", "de": "A, B, C"} {
		s := speech{l}
		if got := s.list(three); got != want {
			t.Errorf("%s: %q", l, got)
		}
		joined := ""
		for i, name := range three {
			joined += s.sep(i, len(three)) + name
		}
		if joined != want {
			t.Errorf("%s: one by one %q", l, joined)
		}
	}
	if got := (speech{"fr"}).list([]string{"A"}); got != "A" {
		t.Error(got)
	}
}

func TestHashtags(t *testing.T) {
	if got := hashtags([]string{"Go", "logiciel libre", "42", "c-est_bon", "été", "non"}, 4); got != "#Go #LogicielLibre #CEst_bon #Été" {
		t.Error(got)
	}
}
