package main

import (
	"context"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

const markdown = `---
kind: event
title: Soirée de novembre
default_language: fr
event: {starts_at: 2027-11-16T18:30, venue: {name: Café du Clocher}}
texts: {en: {title: November meetup}}
undo_seconds: 0
---
Deux conférences et un verre.

---

Un trait n'est pas la fin.
<!-- lang: en -->
Two talks and a drink.
`

func TestParseDraft(t *testing.T) {
	for name, text := range map[string]string{
		"markdown.md": markdown, "windows.md": "\ufeff" + strings.ReplaceAll(markdown, "\n", "\r\n"),
		"plain.yaml": "kind: event\ndefault_language: fr\nevent: {starts_at: 2027-11-16T18:30, venue: {name: Café du Clocher}}\nundo_seconds: 0\ntexts:\n  fr: {title: Soirée de novembre, body: \"Deux conférences et un verre.\\n\\n---\\n\\nUn trait n'est pas la fin.\"}\n  en: {title: November meetup, body: Two talks and a drink.}\n",
		"plain.json": `{"kind":"event","default_language":"fr","event":{"starts_at":"2027-11-16T18:30","venue":{"name":"Café du Clocher"}},"undo_seconds":0,"texts":{"fr":{"title":"Soirée de novembre","body":"Deux conférences et un verre.\n\n---\n\nUn trait n'est pas la fin."},"en":{"title":"November meetup","body":"Two talks and a drink."}}}`,
	} {
		_, ext, _ := strings.Cut(name, ".")
		d, err := parseDraft([]byte(text), "."+ext, "fr")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fr, en := d.Texts["fr"], d.Texts["en"]
		if fr.Title != "Soirée de novembre" || !strings.HasPrefix(fr.Body, "Deux conférences") || !strings.HasSuffix(fr.Body, "la fin.") {
			t.Errorf("%s: French is %+v", name, fr)
		}
		if en.Title != "November meetup" || en.Body != "Two talks and a drink." {
			t.Errorf("%s: English is %+v", name, en)
		}
		if d.Kind != "event" || d.Event == nil || d.Event.StartsAt != "2027-11-16T18:30" || d.Event.Venue.Name != "Café du Clocher" || d.UndoSeconds == nil || *d.UndoSeconds != 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestMarkdownBodyBeginsWithAList(t *testing.T) {
	d, err := parseDraft([]byte("---\nkind: news\ntitle: x\n---\n- un\n- deux\n"), ".md", "en")
	if err != nil || d.Default != "en" || d.Texts["en"].Body != "- un\n- deux" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestParseDraftSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"kind":"news","colour":"red"}`:               "colour",
		`{"kind":7}`:                                   "kind",
		`{"kind":"news"} {}`:                           "more after",
		"kind: news\ncolour: red\n":                    "colour",
		"kind: [news\n":                                "",
		"---\nkind: news\nfolder: x\n---\ntext":        "folder",
		"---\nkind: news\n":                            "",
		"":                                             "",
		"texts: {fr: {title: [a]}}":                    "title",
		"just a line of text, without any field":       "",
		"---\ntitle: x\nkind: news\ntexts: 3\n---\nhi": "texts must be fields, not a number: such as texts: {fr: {title: ",
		"---\nkind: news\nreminders: soon\n---\nhi":    "reminders must be a list, not text: such as reminders: [{at: -7d}",
		"kind: [event]":                                "kind must be text, not a list: such as kind: event",
		"title: 2027":                                  "",
		"texts: {fr: {title: 2027}}":                   `title must be text, not a number: such as title: "2027", within quotes`,
		"kind: news\nlink: true":                       `link must be text, not true or false: such as link: "true", within quotes`,
		"undo_seconds: soon":                           "undo_seconds must be a whole number, not text: such as undo_seconds: 60",
		"event: {cancelled: maybe}":                    "event.cancelled must be true or false, not text: such as cancelled: true",
		"event: {venue: [here]}":                       "event.venue must be fields, not a list: such as venue: {name: Café du Clocher",
	} {
		ext := ".yaml"
		if strings.HasPrefix(text, "---") {
			ext = ".md"
		}
		_, err := parseDraft([]byte(text), ext, "fr")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (strings.Contains(err.Error(), "announce.") || strings.Contains(err.Error(), "Draft")) {
			t.Errorf("%q: %v speaks of Go", text, err)
		}
	}
}

// What a file lacks is asked for by name, whatever it is written in.
func TestWhatIsMissingIsRequired(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, text := range []string{"kind: event\n", `{"kind":"event"}`, "---\nkind: event\n---\n", "kind: event\ntexts:\n"} {
		var out, errs strings.Builder
		vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}
		code := run(context.Background(), []string{"announce", "-"}, vars, streams{strings.NewReader(text), &out, &errs})
		if code != exitInput || !strings.Contains(errs.String(), "texts: is required: give a title in at least one language") {
			t.Errorf("%q: exit %d, %s", text, code, errs.String())
		}
	}
}

// --yes and --json are of a plan: without one they would make the change that was only to be looked at.
func TestAmendFlagsNeedAPlan(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--yes", "--json"} {
		code, out, errs := commandIn(t, shortDir(t), markdown, "amend", "06gzzmvptafsj9p8rj9wga4xd0", "-", flag)
		if code != exitInput || out != "" || !strings.Contains(errs, "--plan") {
			t.Errorf("%s: exit %d\n%s%s", flag, code, out, errs)
		}
	}
}

// What a mail would be is shown without the marks that stand for each person's own part.
func TestPreviewShowsNoMarks(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	var out, errs strings.Builder
	code := run(context.Background(), []string{"announce", "-", "--dry-run"}, []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}, streams{strings.NewReader(markdown), &out, &errs})
	if code != exitDone || strings.Contains(out.String(), ".invalid") || strings.Contains(out.String(), announce.NameMark) || !strings.Contains(out.String(), "Se désabonner\u00a0: [each person’s own link]") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
}
