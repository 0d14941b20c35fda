package bluesky

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

func TestSpell(t *testing.T) {
	accounts := map[string]string{"club.example.test": "did:plc:club"}
	for _, c := range []struct {
		text, shown string
		facets      []string // words and what they are
	}{
		{"", "", nil},
		{"été", "été", nil},
		{"😀 https://example.org/evenements/2027/ete?x=1 😀", "😀 example.org/evenements/2… 😀", []string{"example.org/evenements/2… https://example.org/evenements/2027/ete?x=1"}},
		{"(https://example.org/a_(b)).", "(example.org/a_(b)).", []string{"example.org/a_(b) https://example.org/a_(b)"}},
		{"« https://example.org/ »", "« example.org »", []string{"example.org https://example.org/"}},
		{"https://example.org/x\u202f!", "example.org/x\u202f!", []string{"example.org/x https://example.org/x"}},
		{"HTTPS://EXAMPLE.org/À", "EXAMPLE.org/À", []string{"EXAMPLE.org/À https://example.org/%C3%80"}},
		{"https://bücher.example:8443/x", "bücher.example:8443/x", []string{"bücher.example:8443/x https://xn--bcher-kva.example:8443/x"}},
		{"https://example.org/ééééééééééééééééé fin", "example.org/éééééééééééé… fin", []string{"example.org/éééééééééééé… https://example.org/" + strings.Repeat("%C3%A9", 17)}},
		{"xhttps://example.org https:// http://x", "xhttps://example.org https:// http://x", nil},
		{"#io, #IO #io2 ##io é#io #autre", "#io, #IO #io2 ##io é#io #autre", []string{"#io #io", "#IO #IO", "#io #io"}},
		{"@club.example.test. a@club.example.test @club.example.test.evil @ada.test", "@club.example.test. a@club.example.test @club.example.test.evil @ada.test", []string{"@club.example.test did:plc:club"}},
		{"https://example.org/@club.example.test#io", "example.org/@club.exampl…", []string{"example.org/@club.exampl… https://example.org/@club.example.test#io"}},
	} {
		shown, facets := spell(c.text, []string{"io"}, accounts)
		var got []string
		for _, f := range facets {
			words := shown[f.Index.Start:f.Index.End]
			x := f.Features[0]
			is := x.URI + x.DID
			if x.Tag != "" {
				is = "#" + x.Tag
			}
			got = append(got, words+" "+is)
		}
		if shown != c.shown || strings.Join(got, "|") != strings.Join(c.facets, "|") {
			t.Errorf("%q is shown as %q with %q, want %q with %q", c.text, shown, got, c.shown, c.facets)
		}
	}
}

func TestMeasure(t *testing.T) {
	long := "https://example.org/" + strings.Repeat("a", 100)
	for text, want := range map[string]int{
		"": 0, "été": 3, "👩‍👩‍👧": 2, "🇨🇦": 1, long: 25, "a " + long: 27, strings.Repeat("👩‍👩‍👧‍👦", 100): 250, strings.Repeat("é", 300): 300,
	} {
		if got := measure(text); got != want {
			t.Errorf("%q measures %d, want %d", text, got, want)
		}
	}
}

// FuzzSpell: facets lie within the text in order, whole characters each, and nothing but links changes.
func FuzzSpell(f *testing.F) {
	f.Add("😀 https://example.org/é?x=(1) #io @club.example.test\n")
	f.Add("h#io@https://a.b/@club.example.test")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		shown, facets := spell(text, []string{"io"}, map[string]string{"club.example.test": "did:plc:club"})
		end := 0
		for _, x := range facets {
			if x.Index.Start < end || x.Index.End <= x.Index.Start || x.Index.End > len(shown) || !utf8.ValidString(shown[x.Index.Start:x.Index.End]) {
				t.Fatalf("%+v in %q", x, shown)
			}
			end = x.Index.End
			if uri := x.Features[0].URI; strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Fatalf("%q", uri)
			}
		}
		if !utf8.ValidString(shown) || len(facets) == 0 && shown != text {
			t.Fatalf("%q is shown as %q", text, shown)
		}
		if n := measure(text); n < uniseg.GraphemeClusterCount(shown) || n*10 < len(shown) {
			t.Fatalf("%q measures %d", text, n)
		}
	})
}
