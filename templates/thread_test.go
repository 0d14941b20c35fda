package templates

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

func threadOf(t *testing.T, a announce.Announcement, most int) []announce.Message {
	t.Helper()
	all, err := set(t).Render(Request{Account: "mastodon", Language: "fr", Announcement: a, Site: community(),
		Limits: announce.Limits{Text: 300, Short: true, Links: true, Images: 4, Thread: most}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A long text is told to its end: what the first part leaves out, the next ones say, word by word.
func TestThreadTellsEverything(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	for _, summary := range []string{"Deux présentations et du monde sympathique.", ""} {
		text := a.Texts["fr"]
		text.Summary = summary
		a.Texts["fr"] = text
		all := threadOf(t, a, 9)
		if len(all) < 3 {
			t.Fatalf("%d parts", len(all))
		}
		var told strings.Builder
		for i, m := range all {
			if n := utf8.RuneCountInString(m.Text); n > 300 || m.Part != i || m.Parts != len(all) {
				t.Errorf("part %d of %d, called %d of %d: %d code points", i, len(all), m.Part, m.Parts, n)
			}
			mark := fmt.Sprintf(" (%d/%d)", i+1, len(all))
			if i > 0 != strings.HasSuffix(m.Text, mark) || i > 0 && len(m.Images) > 0 {
				t.Errorf("part %d: %q", i, m.Text)
			}
			told.WriteString(strings.TrimSuffix(m.Text, mark) + " ")
		}
		s := newReader().parse(text.Body)
		whole := s.write(s.root, markup{links: true}).text
		for _, word := range strings.Fields(whole) {
			if !strings.Contains(told.String(), word) {
				t.Errorf("summary %q: %q is told nowhere", summary, word)
			}
		}
		if strings.Contains(strings.Join(strings.Fields(told.String())[60:], " "), ellipsis+" ") {
			t.Errorf("a part ends as if it were cut: %s", told.String())
		}
	}
}

func TestThreadEndsWhereItMust(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	if all := threadOf(t, a, 2); len(all) != 2 || !strings.Contains(all[1].Text, ellipsis) {
		t.Errorf("%+v", all)
	}
	if all := threadOf(t, sample(t, "shortest", announce.KindEvent), 9); len(all) != 1 || all[0].Parts != 0 {
		t.Errorf("a short text has %d parts", len(all))
	}
	a.Texts = map[announce.Language]announce.Text{"fr": {Title: "Octobre", Body: "Oui. " + strings.Repeat("a", 2000)}}
	if all := threadOf(t, a, 9); len(all) != 1 {
		t.Errorf("a word longer than a post is told in %d parts", len(all))
	}
}

func TestLanguagesTogether(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	for _, limit := range []int{0, 3000, 900, 450} {
		m, err := first(set(t).Render(Request{Account: "mastodon", Language: "fr", Also: []announce.Language{"en", "es", "fr"}, Announcement: a, Site: community(),
			Limits: announce.Limits{Text: limit, Short: true, Links: true, Images: 4}}))
		if err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(m.Text); limit > 0 && n > limit || limit == 450 && n < 380 {
			t.Errorf("limit %d: %d code points\n%s", limit, n, m.Text)
		}
		if strings.Count(m.Text, divider) != 1 || strings.Count(m.Text, "#Rust") > 1 {
			t.Errorf("limit %d:\n%s", limit, m.Text)
		}
		for _, must := range []string{"Soirée d’octobre", "October meetup", "21 oct", "Café du Quai"} {
			if !strings.Contains(m.Text, must) {
				t.Errorf("limit %d: no %q\n%s", limit, must, m.Text)
			}
		}
	}
	m, err := first(set(t).Render(Request{Account: "slack", Language: "fr", Also: []announce.Language{"en"}, Announcement: a, Site: community(),
		Limits: announce.Limits{Links: true, Markdown: true}}))
	if err != nil || !strings.Contains(m.Text, "**October meetup: Rust, Git and pizza**") || strings.Contains(m.Text, "Soirée d’octobre") {
		t.Errorf("%v\n%s", err, m.Text)
	}
	_, err = set(t).Render(Request{Account: "mastodon", Language: "fr", Also: []announce.Language{"en"}, Announcement: a, Site: community(),
		Limits: announce.Limits{Text: 120, Short: true, Links: true}})
	if err == nil || !strings.Contains(err.Error(), "is too long for mastodon") {
		t.Errorf("%v", err)
	}
}

// In several languages, too, a text is within the limit or refused.
func TestTogetherNeverOverTheLimit(t *testing.T) {
	s := set(t)
	for _, account := range []string{"slack", "mastodon", "plain", "ntfy"} {
		for _, c := range cases {
			for limit := 120; limit < 2600; limit += 37 {
				r := Request{Account: account, Language: "fr", Also: []announce.Language{"en"}, Announcement: sample(t, c, announce.KindEvent), Site: community(),
					Limits: announce.Limits{Text: limit, Links: true, Markdown: account == "slack", Short: account == "mastodon"}}
				m, err := first(s.Render(r))
				if err == nil && utf8.RuneCountInString(m.Text) > limit {
					t.Fatalf("%s, %s: %d > %d\n%s", account, c, utf8.RuneCountInString(m.Text), limit, m.Text)
				}
				var f announce.Faults
				if err != nil && !errors.As(err, &f) {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestOnlyWholeWordsWereWritten(t *testing.T) {
	for text, want := range map[string]bool{"a #Go b": true, "#Go": true, "#GoLang": false, "#GoLang et #Go.": true, "x #Go_x": false} {
		if standsIn(text, "#Go") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestHashtagsAndHandles(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	a.Event.Partners[1].Handles = map[string]string{"mastodon": "ville@example.social"}
	a.Texts["fr"] = announce.Text{Title: "Octobre #pasmoi", Summary: "Salut @personne"}
	r := Request{Account: "mastodon", Language: "fr", Announcement: a, Site: community(), Hashtags: []string{"saglac io", "rust"},
		Handles: map[string]string{"Noor": "noor@example.social", "Camille": "camille@example.social"},
		Limits:  announce.Limits{Text: 500, Short: true, Links: true}}
	m, err := first(set(t).Render(r))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"SaglacIo", "Rust", "LogicielLibre"}; !slices.Equal(m.Tags, want) || !strings.Contains(m.Text, "#SaglacIo #Rust #LogicielLibre") {
		t.Errorf("%q in\n%s", m.Tags, m.Text)
	}
	if want := []string{"camille@example.social", "noor@example.social", "ville@example.social"}; !slices.Equal(m.Mentions, want) {
		t.Errorf("%q in\n%s", m.Mentions, m.Text)
	}
	r.Limits = announce.Limits{Links: true}
	if m, err = first(set(t).Render(r)); err != nil || !strings.HasSuffix(m.Text, "#SaglacIo #Rust #LogicielLibre #Git") {
		t.Errorf("%v\n%s", err, m.Text)
	}
	r.Hashtags = nil
	if m, err = first(set(t).Render(r)); err != nil || len(m.Tags) > 0 {
		t.Errorf("%v, %q\n%s", err, m.Tags, m.Text)
	}
}
