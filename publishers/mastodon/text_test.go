package mastodon

import (
	"strings"
	"testing"
)

func TestNeutral(t *testing.T) {
	for text, want := range map[string]string{
		"@ada":                         "@·ada",
		"(@ada@example.social)":        "(@·ada@example.social)",
		"@CLUB@example.social, merci":  "@CLUB@example.social, merci",
		"@club@example.socialite":      "@·club@example.socialite",
		"info@example.org":             "info@example.org",
		"@ seul, @é, a@b":              "@ seul, @é, a@b",
		"@123":                         "@·123",
		"#io #IO #io2":                 "#io #IO #·io2",
		"C# F# nᵒ #4 #4e":              "C# F# nᵒ #4 #·4e",
		"https://x.example/@ada#b":     "https://x.example/@ada#b",
		"(https://x.example/@ada),@bo": "(https://x.example/@ada),@·bo",
		"https://x.example/,@bo":       "https://x.example/,@bo",
		"http://@ada":                  "http://@·ada",
		"été_@ada":                     "été_@ada",
	} {
		got := strings.ReplaceAll(neutral(text, []string{"io"}, []string{"club@example.social"}), mark, "·")
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// A server never counts more than the channel does.
func TestMeasure(t *testing.T) {
	long := "https://example.org/" + strings.Repeat("a", 100)
	for _, c := range []struct {
		text                 string
		mastodon, gotosocial int
	}{
		{"", 0, 0}, {"été", 3, 3}, {long, 23, 120}, {"https://a.io", 23, 25}, {"(" + long + ").", 26, 123}, {"@ada", 5, 5}, {"👩‍👩‍👧", 5, 5},
		{"voir " + long + "\n" + long, 52, 246}, {"ahttps://example.org/1", 22, 22},
		{"https://é.io", 23, 25}, {"(https://é.io)(fin)", 30, 32}, {"https://é.example.org/" + strings.Repeat("ü", 20), 44, 46},
	} {
		m, g := mastodons(), mastodons()
		g.link = 25
		if got := m.measure(c.text); got != c.mastodon {
			t.Errorf("%q measures %d on Mastodon, want %d", c.text, got, c.mastodon)
		}
		if got := g.measure(c.text); got != c.gotosocial {
			t.Errorf("%q measures %d on GoToSocial, want %d", c.text, got, c.gotosocial)
		}
	}
}
