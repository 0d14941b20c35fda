package website

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/crieur/crieur/publishers/internal/markup"
)

func TestSlug(t *testing.T) {
	for s, want := range map[string]string{
		"De l'IO au Moulin": "de-lio-au-moulin", "Été à l’œuvre, ça naît !": "ete-a-loeuvre-ca-nait", "🎉": "", "--a--B--": "a-b", "日本": "", "C++ & Go": "c-go",
		strings.Repeat("mot ", 40): strings.TrimSuffix(strings.Repeat("mot-", 12), "-"), strings.Repeat("x", 100): strings.Repeat("x", 48),
	} {
		if got := slug(s); got != want {
			t.Errorf("%q is %q, want %q", s, got, want)
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range append(traps(), "", " a", "a ", "yes", "NO", "null", "12:30", "0o7", "1e3", "a: b", "- a", "a #b", "é", "l’été", "\u00a0x", "\u2028", "\u0085", "\t", "a\nb", "'", "\"", "😀", "\ufeff", "a'b", "a, b", "~", "<<", "=") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		one, err := encodeYAML(s)
		if err != nil || strings.ContainsAny(one, "\r\n\u0085\u2028\u2029") {
			t.Fatalf("%q: %q %v", s, one, err)
		}
		list, err := encodeYAML([]string{s, s})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			A string
			B []string
			C []string
			D map[string]string
			E string
		}
		doc := "a: " + one + "\nb:\n- " + one + "\nc: [" + one + ", x]\nd: {k: " + one + "}\ne: end\nb2: " + list + "\n"
		if err := yaml.Unmarshal([]byte(doc), &got); err != nil {
			t.Fatalf("%q: %v\n%s", s, err, doc)
		}
		if got.A != s || got.B[0] != s || got.C[0] != s || len(got.C) != 2 || got.D["k"] != s || got.E != "end" {
			t.Errorf("%q reads back as %+q", s, got)
		}
	})
}

var tags = regexp.MustCompile(`<[^>]*>`)

// What somebody wrote shows as it is, for a Markdown with every extension, and no engine's marks are left.
func FuzzWords(f *testing.F) {
	for _, s := range append(traps(), "    #", "a\n    - b") {
		f.Add(s)
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.DefinitionList, extension.Footnote))
	read := markup.NewReader()
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.Map(func(r rune) rune {
			if r < ' ' && r != '\n' || r == 0x7f || r == '\ufffd' || r >= 0x80 && r < 0xa0 {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, ""))
		for _, e := range []engine{hugo, jekyll, eleventy} {
			said := e.write([]markup.Block{{Spans: []markup.Span{{Text: s}}}})
			if strings.Contains(said, "{") || strings.Contains(said, "<") {
				t.Errorf("%s: %q is written %q", e, s, said)
			}
			var out strings.Builder
			if err := md.Convert([]byte(said), &out); err != nil {
				t.Fatal(err)
			}
			squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
			if shown := squeeze(html.UnescapeString(tags.ReplaceAllString(out.String(), ""))); shown != squeeze(s) {
				t.Errorf("%s: %q is written %q and shown %q", e, s, said, shown)
			}
		}
		// Whatever Markdown it is, nothing of it reaches Hugo's shortcodes, nor Liquid where that runs.
		blocks := read.Read(s)
		if said := hugo.write(blocks); shortcodes(said) || strings.Contains(said, "<!--more-->") {
			t.Errorf("hugo would run something in %q", said)
		}
		if said := jekyll.write(blocks); templated(said) {
			t.Errorf("jekyll would run something in %q", said)
		}
	})
}

var shown = regexp.MustCompile(`(?s)\{\{[<%]/\*.*?\*/[>%]\}\}`)

// shortcodes reports whether Hugo would see one, other than one that is shown.
func shortcodes(s string) bool {
	s = shown.ReplaceAllString(s, "")
	return strings.Contains(s, "{{<") || strings.Contains(s, "{{%")
}
