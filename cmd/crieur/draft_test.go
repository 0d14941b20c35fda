package main

import (
	"strings"
	"testing"
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
		"---\ntitle: x\nkind: news\ntexts: 3\n---\nhi": "texts",
	} {
		ext := ".yaml"
		if strings.HasPrefix(text, "---") {
			ext = ".md"
		}
		_, err := parseDraft([]byte(text), ext, "fr")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
