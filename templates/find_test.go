package templates

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/crieur/crieur/internal/announce"
)

func overlay(t testing.TB, files map[string]string) *Set {
	t.Helper()
	s, err := New(mapFS(files))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mapFS(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// The most specific file wins; without it, the next one does.
func TestSearchOrder(t *testing.T) {
	order := []string{
		"slack@partners/event.fr-CA.txt", "slack@partners/event.fr.txt", "slack@partners/event.txt",
		"slack@partners/any.fr-CA.txt", "slack@partners/any.fr.txt", "slack@partners/any.txt",
		"slack/event.fr-CA.txt", "slack/event.fr.txt", "slack/event.txt", "slack/any.fr-CA.txt", "slack/any.fr.txt", "slack/any.txt",
		"default/event.fr-CA.txt", "default/event.fr.txt", "default/event.txt", "default/any.fr-CA.txt", "default/any.fr.txt", "default/any.txt",
	}
	files := map[string]string{}
	for _, name := range order {
		files[name] = name
	}
	a := sample(t, "shortest", announce.KindEvent)
	for i, want := range order {
		if want == "default/event.fr-CA.txt" {
			break // slack/any.txt is built in, so that nothing less specific shows on slack
		}
		if got := render(t, overlay(t, files), "slack@partners", "fr-CA", a).Text; got != want {
			t.Fatalf("%d: %s instead of %s", i, got, want)
		}
		if want == "slack/any.txt" {
			break
		}
		delete(files, want)
	}
	for _, want := range order {
		if !strings.HasPrefix(want, "default/") {
			delete(files, want)
			continue
		}
		if got := render(t, overlay(t, files), "elsewhere", "fr-CA", a).Text; got != want {
			t.Fatalf("%s instead of %s", got, want)
		}
		delete(files, want)
	}
	if got := render(t, overlay(t, nil), "elsewhere", "fr-CA", a).Text; !strings.Contains(got, "Quand") {
		t.Errorf("the built-in one is not used: %q", got)
	}
}

func TestDefinitionsOverride(t *testing.T) {
	a := sample(t, "longest", announce.KindReminder)
	s := overlay(t, map[string]string{
		"email/reminder.fr.txt": `{{define "subject"}}[Fjord] {{.Title}} ?{{end}}{{define "thanks"}}{{end}}`,
		"default/any.fr.html":   `{{define "thanks"}}<p>Merci !</p>{{end}}`,
		"twitter/any.en.txt":    `{{.Title}} — {{quote .Summary}} {{with .Event}}{{date .Start}} {{clock .Start}}{{end}}`,
		"README.md":             `{{ not a template`,
		".git/any.txt":          `{{ not a template`,
		"email/.any.fr.txt.swp": `{{`,
		"slack@club/any.txt":    `{{.Account}} {{.Channel}} {{.Kind}} {{.Language}} {{host .Link}} {{len .Images}}`,
	})
	m := render(t, s, "email", "fr-FR", a)
	if m.Subject != "[Fjord] Soirée d’octobre : Rust, Git et pizza\u202f?" {
		t.Errorf("subject %q", m.Subject)
	}
	if strings.Contains(m.Text, "partenaires") || !strings.Contains(m.Text, "cet e-mail") {
		t.Errorf("an empty definition does not replace, or the frame is lost:\n%s", m.Text)
	}
	if !strings.Contains(m.HTML, ">Merci\u202f!</p>") || !strings.Contains(m.HTML, "<h1") {
		t.Errorf("HTML\n%s", m.HTML)
	}
	if m := render(t, s, "slack@club", "fr", a); m.Text != "slack@club slack reminder fr fjord.example.org 2" || !strings.HasPrefix(m.Subject, "Rappel") {
		t.Errorf("%q %q", m.Subject, m.Text)
	}
	if m := render(t, s, "twitter", "en", a); !strings.Contains(m.Text, "— “Good news") || !strings.HasSuffix(m.Text, "Wednesday, October 21, 2026 6:30"+nbsp+"p.m.") {
		t.Errorf("%q", m.Text)
	}
}

func TestBadFilesAreNamedAtTheStart(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"slack/event.fr.txt":       {"a\nb\n{{.Title", "slack/event.fr.txt:3"},
		"slack/any.fr.txt":         {"{{nosuch .Title}}", `slack/any.fr.txt:1: function "nosuch" not defined`},
		"email/event.fr.html":      {"<p>\n{{.Nonsense}}</p>", "email/event.fr.html:2"},
		"email/any.en.html":        {`<a href="{{if .Link}}x"{{end}}>`, "email/any.en.html"},
		"default/event.fr.txt":     {`{{with .Event}}{{with .Venue}}{{.Town}}{{end}}{{end}}`, "default/event.fr.txt:1"},
		"default/recap.txt":        {`{{template "nosuch" .}}`, `"nosuch"`},
		"slack@club/any.de.txt":    {`{{names .Title}}`, "takes speakers or partners"},
		"slack/evnt.fr.txt":        {"x", `there is no kind "evnt"`},
		"event.fr.txt":             {"x", "is not a template's name"},
		"slack/event.français.txt": {"x", "is not a template's name"},
		"email/news.html":          {"<style data-inline>p > a { color: red }</style>", "knows tag, .class and tag.class only"},
	} {
		_, err := New(mapFS(map[string]string{name: c.text, "slack/news.txt": "fine"}))
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q in %v", name, c.want, err)
		}
	}
	_, err := New(mapFS(map[string]string{"slack/any.txt": "{{.A", "email/any.txt": "{{.B"}))
	if err == nil || !strings.Contains(err.Error(), "slack/any.txt") || !strings.Contains(err.Error(), "email/any.txt") {
		t.Errorf("not every bad file is named: %v", err)
	}
}

func TestLanguages(t *testing.T) {
	s := set(t)
	a := sample(t, "longest", announce.KindReminder)
	a.Texts["es"] = announce.Text{Title: "Encuentro", Body: "Hola."}
	for want, subject := range map[announce.Language]string{
		"fr": "Rappel" + nbsp + ": Soirée", "fr-CA": "Rappel" + nbsp + ": Soirée", "en-GB": "Reminder: October", "de": "Rappel" + nbsp + ": Soirée", "es-MX": "Encuentro",
	} {
		if m := render(t, s, "plain", want, a); !strings.HasPrefix(m.Subject, subject) {
			t.Errorf("%s: %q", want, m.Subject)
		}
	}
	if m := render(t, s, "plain", "es", a); !strings.Contains(m.Text, "2026-10-21 18:30–21:00 (UTC−4)") || m.Language != "es" {
		t.Errorf("a language without templates:\n%s", m.Text)
	}
	if m := render(t, s, "plain", "de", a); m.Language != "fr" {
		t.Errorf("%q", m.Language)
	}
}

func TestCalledOffEventsSaySo(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	a.Event.Cancelled = true
	for _, account := range []string{"plain", "slack", "twitter"} {
		m := render(t, set(t), account, "fr", a)
		if !strings.HasPrefix(m.Subject, "Annulation") || strings.Contains(m.Text, "inscription.example.org") || m.Kind != announce.KindEvent || m.Link != a.Link {
			t.Errorf("%s: %q\n%s", account, m.Subject, m.Text)
		}
	}
}

func TestTalksSpeakForThemselves(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	a.Texts = map[announce.Language]announce.Text{"fr": {Title: "Octobre"}}
	m := render(t, set(t), "twitter", "fr", a)
	if !strings.Contains(m.Text, "\n\n• Premiers pas en Rust – @camille_qc et Alex\n• To pull or not to pull? – Noor\n\nPartenaires\u00a0: Exemple inc., la Ville et le cégep\n\nhttps://") || strings.Contains(m.Text, "Avec") {
		t.Error(m.Text)
	}
	for range 6 {
		a.Event.Talks = append(a.Event.Talks, announce.Talk{Title: "Une présentation au titre assez long pour remplir", Speakers: []announce.Speaker{{Name: "Alex"}}})
	}
	if m = render(t, set(t), "twitter", "fr", a); !strings.Contains(m.Text, "Avec @camille_qc, Alex et Noor") || strings.Contains(m.Text, "•") {
		t.Error(m.Text)
	}
}

func TestVersions(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	a.Overrides = map[string]announce.Text{"feed": {Title: "Titre du fil"}}
	m := render(t, set(t), "feed", "en", a)
	if len(m.Versions) != 2 || m.Versions[0].Language != "fr" || m.Versions[1].Language != "en" {
		t.Fatalf("%+v", m.Versions)
	}
	fr, en := m.Versions[0], m.Versions[1]
	if m.Subject != fr.Subject || m.Text != fr.Text || m.HTML != fr.HTML || m.Language != "fr" || m.Summary != fr.Summary {
		t.Error("the message is not its default version")
	}
	if fr.Subject != "Titre du fil" || en.Subject != "October meetup: Rust, Git and pizza" {
		t.Errorf("%q, %q", fr.Subject, en.Subject)
	}
	for _, v := range m.Versions {
		if strings.Contains(v.Text, v.Subject) || v.HTML == "" || strings.Contains(v.HTML, "<h1") || strings.Contains(v.HTML, announce.UnsubscribeMark) {
			t.Errorf("%s\n%s\n%s", v.Language, v.Text, v.HTML)
		}
	}
}

func TestOverrides(t *testing.T) {
	s := set(t)
	a := sample(t, "longest", announce.KindEvent)
	a.Overrides = map[string]announce.Text{
		"slack": {Title: "Salut les amis", Body: "Corps de Slack"}, "slack@club": {Title: "Salut le club", Summary: "Court"}, "email": {Title: "Par la poste"},
	}
	m := render(t, s, "slack@club", "fr", a)
	if m.Subject != "Salut le club" || m.Summary != "Court" || !strings.Contains(m.Text, "Corps de Slack") {
		t.Errorf("%q %q\n%s", m.Subject, m.Summary, m.Text)
	}
	if m := render(t, s, "slack", "en", a); m.Subject != "Salut les amis" {
		t.Errorf("%q", m.Subject)
	}
	if m := render(t, s, "twitter", "fr", a); m.Subject != a.Texts["fr"].Title {
		t.Errorf("%q", m.Subject)
	}
	if m := render(t, s, "email", "fr-CA", a); m.Subject != "Par la poste" {
		t.Errorf("%q", m.Subject)
	}
	if m := render(t, s, "email", "en", a); m.Subject != a.Texts["en"].Title {
		t.Errorf("an override reaches people of another language: %q", m.Subject)
	}
}

// One Set serves everybody at once, and the same request always gives the same bytes.
func TestConcurrentAndStable(t *testing.T) {
	s := set(t)
	want := map[string]string{}
	for _, account := range []string{"email", "slack", "twitter", "feed"} {
		want[account] = encoded(t, render(t, s, account, "fr", sample(t, "longest", announce.KindEvent)))
	}
	s = set(t)
	var all sync.WaitGroup
	for account, before := range want {
		for range 4 {
			all.Go(func() {
				m, err := first(s.Render(Request{Account: account, Language: "fr", Announcement: sample(t, "longest", announce.KindEvent), Limits: limitsOf(account), Site: community()}))
				if got := encoded(t, m); err != nil || got != before {
					t.Errorf("%s: %v", account, err)
				}
			})
		}
	}
	all.Wait()
}

func encoded(t *testing.T, m announce.Message) string {
	b, err := json.Marshal(m)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestStrangersLanguagesDoNotFillTheMemory(t *testing.T) {
	s := set(t)
	a := sample(t, "shortest", announce.KindNews)
	for i := range mostReady + 50 {
		render(t, s, "slack", announce.Language(fmt.Sprintf("fr-%d", 1000+i)), a)
	}
	if len(s.texts) > mostReady {
		t.Errorf("%d templates", len(s.texts))
	}
}

// The operator's page names every function, and its examples work.
func TestOperatorsPage(t *testing.T) {
	b, err := os.ReadFile("../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for name := range (speech{}).funcs(markup{}) {
		if !regexp.MustCompile("`" + name + "[ `]").MatchString(page) {
			t.Errorf("%s is not on the page", name)
		}
	}
	example := regexp.MustCompile(`(?s)could be just:\n\n(.*?)\n\nA file may`).FindStringSubmatch(page)
	thanks := regexp.MustCompile(`\n    (\{\{define "thanks".*)`).FindStringSubmatch(page)
	if example == nil || thanks == nil {
		t.Fatal("the examples are gone")
	}
	s := overlay(t, map[string]string{"slack@partners/event.fr.txt": strings.ReplaceAll(example[1], "    ", ""), "default/any.fr.txt": thanks[1]})
	a := sample(t, "emoji", announce.KindEvent)
	if got := render(t, s, "slack@partners", "fr", a).Text; !strings.HasPrefix(got, "**🎃 Spécial Halloween 👩🏽‍💻**, mercredi 21 octobre") || !strings.HasSuffix(got, "[Tout savoir](<https://fjord.example.org/%F0%9F%8E%83>)") {
		t.Error(got)
	}
	if got := render(t, s, "plain", "fr", a).Text; !strings.HasSuffix(got, "Un gros merci à nos commanditaires!") {
		t.Error(got)
	}
}
