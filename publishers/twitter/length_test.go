package twitter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/unicode/norm"
)

// conformance is where X's own cases lie when the repository stands beside them.
const conformance = "../../../shared/twitter-text"

func TestMeasure(t *testing.T) {
	var cases []struct {
		About, Text string
		Want        int
		Links       []string
	}
	read(t, "testdata/length.json", json.Unmarshal, &cases)
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := measure(c.Text); got != c.Want {
			t.Errorf("%s: %q measures %d, want %d", c.About, c.Text, got, c.Want)
		}
		same(t, c.About, found(c.Text), c.Links)
	}
}

func TestMeasureByXsOwnCases(t *testing.T) {
	var file struct {
		Tests map[string][]struct {
			Description, Text string
			Expected          yaml.RawMessage
		}
	}
	xs(t, "validate.yml", &file)
	n := 0
	for suite, emoji := range map[string]bool{"WeightedTweetsCounterTest": false, "WeightedTweetsWithDiscountedEmojiCounterTest": true, "UnicodeDirectionalMarkerCounterTest": true} {
		for _, c := range file.Tests[suite] {
			var want struct {
				Length int `yaml:"weightedLength"`
			}
			if err := yaml.Unmarshal(c.Expected, &want); err != nil {
				t.Fatal(err)
			}
			if got := weigh(norm.NFC.String(c.Text), emoji); got != want.Length {
				t.Errorf("%s: %s: %d, want %d", suite, c.Description, got, want.Length)
			}
			n++
		}
	}
	if n < 40 {
		t.Errorf("only %d cases", n)
	}
}

func TestLinksByXsOwnCases(t *testing.T) {
	var file struct {
		Tests map[string][]struct {
			Description, Text string
			Expected          yaml.RawMessage
		}
	}
	xs(t, "extract.yml", &file)
	n := 0
	for _, suite := range []string{"urls", "tco_urls_with_params"} {
		for _, c := range file.Tests[suite] {
			var want []string
			if err := yaml.Unmarshal(c.Expected, &want); err != nil {
				t.Fatal(err)
			}
			same(t, c.Description, found(c.Text), want)
			n++
		}
	}
	for _, suite := range []string{"urls_with_indices", "urls_with_directional_markers"} {
		for _, c := range file.Tests[suite] {
			var want []struct {
				URL     string
				Indices [2]int
			}
			if err := yaml.Unmarshal(c.Expected, &want); err != nil {
				t.Fatal(err)
			}
			got := links(c.Text)
			if len(got) != len(want) {
				t.Errorf("%s: %d links, want %d", c.Description, len(got), len(want))
				continue
			}
			for i, l := range got {
				if c.Text[l.start:l.end] != want[i].URL || utf8.RuneCountInString(c.Text[:l.start]) != want[i].Indices[0] {
					t.Errorf("%s: %q at %d, want %v", c.Description, c.Text[l.start:l.end], l.start, want[i])
				}
			}
			n++
		}
	}
	var tlds struct {
		Tests map[string][]struct {
			Text     string
			Expected []string
		}
	}
	xs(t, "tlds.yml", &tlds)
	for _, suite := range tlds.Tests {
		for _, c := range suite {
			same(t, c.Text, found(c.Text), c.Expected)
			n++
		}
	}
	if n < 1600 {
		t.Errorf("only %d cases", n)
	}
}

// FuzzMeasure holds for every text: no panic, links in order and apart, lines measured apart add up, and without links none is
// left.
func FuzzMeasure(f *testing.F) {
	for _, s := range []string{"", "é", "README.md", "http://example.com/a(b)c?d=e", "👩‍💻🏳️‍🌈🇨🇦1️⃣", "a.b.c.com。日本", "\xff.com", "xn--a.com", "t.co/abc'"} {
		f.Add(s, "Rendez-vous à 18 h 30")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			measure(a + b)
			return
		}
		a, b = norm.NFC.String(a), norm.NFC.String(b)
		end := 0
		for _, l := range links(a) {
			if l.start < end || l.end <= l.start || l.end > len(a) || !utf8.ValidString(a[l.start:l.end]) {
				t.Fatalf("%q: a link at %v after %d", a, l, end)
			}
			end = l.end
		}
		if n := utf8.RuneCountInString(a); measure(a) > linkWeight*max(n, 1) || a == "" && measure(a) != 0 {
			t.Fatalf("%q of %d characters measures %d", a, n, measure(a))
		}
		if whole, parts := measure("\n"+a+"\n"+b), measure("\n"+a)+measure("\n"+b); whole != parts {
			t.Fatalf("%q and %q: together %d, apart %d", a, b, whole, parts)
		}
		if plain := neutral(a); len(links(norm.NFC.String(plain))) != 0 || len(links(a)) == 0 && plain != a {
			t.Fatalf("%q still holds a link: %q", a, plain)
		}
	})
}

func found(s string) []string {
	s = norm.NFC.String(s)
	var out []string
	for _, l := range links(s) {
		out = append(out, s[l.start:l.end])
	}
	return out
}

func same(t *testing.T, about string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: links %q, want %q", about, got, want)
	}
}

func read(t *testing.T, file string, decode func([]byte, any) error, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := decode(b, into); err != nil {
		t.Fatal(err)
	}
}

func xs(t *testing.T, file string, into any) {
	t.Helper()
	path := filepath.Join(conformance, file)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("X's own cases are not here: put twitter-text/conformance at ../shared/twitter-text beside the repository (%s)", file)
	}
	read(t, path, func(b []byte, v any) error { return yaml.Unmarshal(b, v) }, into)
}
