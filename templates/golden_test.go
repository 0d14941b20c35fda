package templates

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

var languages = []announce.Language{"fr", "fr-CA", "fr-FR", "en"}

// Every built-in template, in every language and case, is what a person read and found good. "plain" has no folder: it shows default/.
func TestGolden(t *testing.T) {
	s := set(t)
	for _, account := range []string{"plain", "email", "slack", "twitter"} {
		for _, k := range announce.Kinds() {
			for _, l := range languages {
				name := fmt.Sprintf("%s/%s.%s.txt", account, k, l)
				t.Run(name, func(t *testing.T) {
					var b strings.Builder
					for _, c := range cases {
						m := render(t, s, account, l, sample(t, c, k))
						fmt.Fprintf(&b, "######## %s\nsubject: %s\nsummary: %s\nlink: %s\n", c, m.Subject, m.Summary, m.Link)
						for _, p := range m.Images {
							fmt.Fprintf(&b, "image: %s\n", p.Alt)
						}
						fmt.Fprintf(&b, "---- text\n%s\n", visibleSpaces(m.Text))
						if m.HTML != "" {
							fmt.Fprintf(&b, "---- html\n%s\n", visibleSpaces(outline(t, m.HTML)))
						}
					}
					compare(t, name, b.String())
				})
			}
		}
	}
}

// What goes to phones, where each line counts.
func TestGoldenPhones(t *testing.T) {
	s := set(t)
	for _, account := range []string{"sms", "webpush"} {
		for _, l := range languages {
			var b strings.Builder
			for _, k := range []announce.Kind{announce.KindEvent, announce.KindNews, announce.KindCancellation, announce.KindRecap} {
				for _, c := range cases {
					m := render(t, s, account, l, sample(t, c, k))
					fmt.Fprintf(&b, "######## %s, %s\nlink: %s\n%s\n", k, c, m.Link, visibleSpaces(m.Text))
				}
			}
			compare(t, fmt.Sprintf("%s/phones.%s.txt", account, l), b.String())
		}
	}
}

// The letters that Crieur writes to one person: they ask, welcome, and bring a fresh link.
func TestGoldenLetters(t *testing.T) {
	s := set(t)
	for _, account := range []string{"plain", "email"} {
		for _, k := range []announce.Kind{announce.KindConfirm, announce.KindWelcome, announce.KindPreferences} {
			for _, l := range append(languages, "de") {
				name := fmt.Sprintf("%s/%s.%s.txt", account, k, l)
				t.Run(name, func(t *testing.T) {
					var b strings.Builder
					for _, c := range []string{"without", "longest"} {
						a := sample(t, "longest", k)
						a.Texts["de"] = announce.Text{Title: "Oktober"}
						if c == "without" || k != announce.KindWelcome {
							a.Event, a.Link = nil, ""
						}
						for l, text := range a.Texts {
							a.Texts[l] = announce.Text{Title: text.Title}
						}
						a.Images, a.Topics = nil, nil
						r := Request{Account: account, Language: l, Announcement: a, Limits: limitsOf(account), Site: community()}
						r.Limits.Personal = true
						all, err := s.Render(r)
						if err != nil || len(all) != 1 {
							t.Fatalf("%d messages, %v", len(all), err)
						}
						m := all[0]
						if !strings.Contains(m.Text, announce.PreferencesMark) || m.HTML != "" && !strings.Contains(m.HTML, announce.PreferencesMark) {
							t.Error("there is no link")
						}
						if k == announce.KindConfirm && strings.Contains(m.Text+m.HTML, announce.NameMark) {
							t.Error("a stranger could have typed the name")
						}
						fmt.Fprintf(&b, "######## %s\nsubject: %s\n---- text\n%s\n", c, m.Subject, visibleSpaces(m.Text))
						if m.HTML != "" {
							fmt.Fprintf(&b, "---- html\n%s\n", visibleSpaces(outline(t, m.HTML)))
						}
					}
					compare(t, name, b.String())
				})
			}
		}
	}
}

// One whole mail, to be opened in a browser.
func TestGoldenMail(t *testing.T) {
	compare(t, "mail.html", render(t, set(t), "email", "fr", sample(t, "longest", announce.KindEvent)).HTML+"\n")
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs: go test ./templates -update writes it anew; read the difference\n%s", path, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %q\ngot  %q", i+1, w[min(i, len(w)-1)], g[min(i, len(g)-1)])
		}
	}
	return ""
}

// visibleSpaces shows the spaces that look alike: ~ is U+00A0, ¬ is U+202F.
func visibleSpaces(s string) string {
	return strings.NewReplacer(nbsp, "~", "\u202f", "¬").Replace(s)
}

// outline is what a reader gets of an HTML document: without its looks and its frame.
func outline(t *testing.T, doc string) string {
	t.Helper()
	var b strings.Builder
	skip := map[string]bool{"meta": true, "table": true, "tr": true, "td": true, "!doctype": true, "style": true, "head": true, "tbody": true}
	z := html.NewTokenizer(strings.NewReader(doc))
	style := false
	for z.Next() != html.ErrorToken {
		k := z.Token()
		if k.Data == "style" {
			style = k.Type == html.StartTagToken
		}
		switch k.Type {
		case html.TextToken:
			if !style && strings.TrimSpace(k.Data) != "" {
				b.WriteString(k.String())
			} else if !style {
				b.WriteString("\n")
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			if skip[k.Data] {
				continue
			}
			var kept []html.Attribute
			for _, a := range k.Attr {
				if a.Key != "style" && a.Key != "class" {
					kept = append(kept, a)
				}
			}
			k.Attr = kept
			b.WriteString(k.String())
		}
	}
	for strings.Contains(b.String(), "\n\n") {
		s := strings.ReplaceAll(b.String(), "\n\n", "\n")
		b.Reset()
		b.WriteString(s)
	}
	return strings.TrimSpace(b.String())
}
