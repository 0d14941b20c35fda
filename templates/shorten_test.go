package templates

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/crieur/crieur/internal/announce"
)

func TestShortening(t *testing.T) {
	for _, c := range []struct {
		name, text string
		limit      int
		want       string
	}{
		{"fits", "Bonjour tout le monde.", 22, "Bonjour tout le monde."},
		{"sentence before word", "Une première phrase ici. Une seconde phrase", 40, "Une première phrase ici. …"},
		{"word when a sentence keeps too little", "Oui. Une très longue phrase qui ne finit pas de sitôt", 40, "Oui. Une très longue phrase qui ne…"},
		{"no comma before the mark", "Un, deux, trois, quatre", 12, "Un, deux…"},
		{"not at an abbreviation", "Voici M. Untel qui parle de tout et de rien", 12, "Voici M…"},
		{"not at a lead-in", "Tout est prêt.\n\nApportez :\n\nun stylo", 29, "Tout est prêt. …"},
		{"never in an address", "Lire https://example.org/une/page/assez/longue maintenant", 30, "Lire…"},
		{"nothing joined to an address", "Lire https://example.org/page maintenant", 36, "Lire https://example.org/page …"},
		{"non-breaking spaces hold", "Rendez-vous à 18\u00a0h\u00a030 précises", 20, "Rendez-vous à…"},
		{"ideographs", "東京で会いましょう", 6, "東京で会い…"},
		{"families stay whole", "Salut 👩‍👩‍👧‍👦👩‍👩‍👧‍👦 toi", 12, "Salut…"},
		{"one endless word", strings.Repeat("a", 50), 10, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := fitted(&prose{text: c.text}, c.limit)
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// fitted is p alone within a limit of code points.
func fitted(p *prose, limit int) string {
	d := draft{body: p, lead: &prose{}, limit: limit, measure: codePoints, run: func(_ int, body, _ string) (string, error) { return body, nil }}
	text, _, err := d.fit()
	if err != nil {
		panic(err)
	}
	return text
}

func TestShorteningMarkdownByBlocks(t *testing.T) {
	r := newReader()
	const md = "Bonjour **tout le monde** ici.\n\n# Programme\n\n- un\n- [deux](https://example.org/deux)\n\n```\ncode code\n```\n\n> cité par Ada\n\nFin de tout."
	s := r.parse(md)
	p := s.write(s.root, markup{markdown: true, links: true})
	seen := map[string]bool{}
	for limit := utf8.RuneCountInString(p.text); limit > 0; limit-- {
		got := fitted(&p, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Fatalf("%d: %d code points", limit, n)
		}
		seen[got] = true
	}
	for _, want := range []string{
		"Bonjour **tout le monde** ici. …",
		"Bonjour **tout le monde** ici.\n\n## Programme\n\n- un\n- [deux](<https://example.org/deux>) …",
		"Bonjour **tout le monde** ici.\n\n## Programme\n\n- un\n- [deux](<https://example.org/deux>)\n\n```\ncode code\n```\n\n…",
	} {
		if !seen[want] {
			t.Errorf("never %q", want)
		}
	}
	for got := range seen {
		for _, bad := range []string{"Programme …", "Programme…", "**tout…", "code…", "[deux…", "\n-…", "-…"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q in %q", bad, got)
			}
		}
	}
}

func TestDropsLinesByPriorityThenFaults(t *testing.T) {
	s := set(t)
	a := sample(t, "longest", announce.KindEvent)
	r := Request{Account: "twitter", Language: "fr", Announcement: a, Limits: limitsOf("twitter"), Site: community()}
	gone := map[string]int{}
	for limit := 280; limit > 40; limit-- {
		r.Limits.Text = limit
		m, err := first(s.Render(r))
		var f announce.Faults
		if errors.As(err, &f) {
			if limit > 110 {
				t.Fatalf("gives up at %d: %v", limit, err)
			}
			if len(f) != 1 || f[0].Field != "texts.fr.title" || !strings.Contains(f[0].Say, "twitter takes "+fmt.Sprint(limit)) {
				t.Fatalf("%v", f)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := weighted(m.Text); n > limit {
			t.Fatalf("limit %d: %d\n%s", limit, n, m.Text)
		}
		for _, must := range []string{"Soirée d’octobre : Rust, Git et pizza", "https://fjord.example.org/octobre", "21 oct", "Café du Quai"} {
			if !strings.Contains(m.Text, must) {
				t.Fatalf("limit %d: %q was dropped\n%s", limit, must, m.Text)
			}
		}
		for _, may := range []string{"pizza et du monde sympathique.", "#Rust", "Avec ", "ercredi 21 octobre"} {
			if !strings.Contains(m.Text, may) && gone[may] == 0 {
				gone[may] = limit
			}
		}
	}
	order := []string{"#Rust", "ercredi 21 octobre", "Avec ", "pizza et du monde sympathique."}
	for i, x := range order[:len(order)-1] {
		if gone[x] < gone[order[i+1]] {
			t.Errorf("%q went at %d, %q at %d", x, gone[x], order[i+1], gone[order[i+1]])
		}
	}
	if gone["Avec "] == 0 {
		t.Error("the last optional line was never dropped")
	}
}

func TestFaultNamesWhatToShorten(t *testing.T) {
	s := set(t)
	a := sample(t, "no link", announce.KindEvent)
	long := strings.Repeat("mot ", 70)
	for _, c := range []struct {
		field string
		edit  func(*announce.Announcement)
	}{
		{"texts.fr.title", func(a *announce.Announcement) { a.Texts["fr"] = announce.Text{Title: long} }},
		{"overrides.twitter@club.title", func(a *announce.Announcement) {
			a.Overrides = map[string]announce.Text{"twitter@club": {Title: long}}
		}},
		{"overrides.twitter.title", func(a *announce.Announcement) { a.Overrides = map[string]announce.Text{"twitter": {Title: long}} }},
		{"event.venue.name", func(a *announce.Announcement) { a.Event.Venue = &announce.Venue{Name: long} }},
	} {
		b := a
		e := *a.Event
		b.Event, b.Texts = &e, map[announce.Language]announce.Text{"fr": a.Texts["fr"]}
		c.edit(&b)
		_, err := s.Render(Request{Account: "twitter@club", Language: "fr-CA", Announcement: b, Limits: limitsOf("twitter"), Site: community()})
		var f announce.Faults
		if !errors.As(err, &f) || len(f) != 1 || f[0].Field != c.field {
			t.Errorf("want a fault of %s, got %v", c.field, err)
		}
	}
}

func TestAlternativesAreClipped(t *testing.T) {
	a := sample(t, "longest", announce.KindEvent)
	r := Request{Account: "slack", Language: "fr", Announcement: a, Limits: limitsOf("slack"), Site: community()}
	r.Limits.Alt, r.Limits.Images = 20, 1
	m, err := first(set(t).Render(r))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Images) != 1 || m.Images[0].Alt != "Affiche : un crabe…" {
		t.Errorf("%+v", m.Images)
	}
	if got := clipWords(strings.Repeat("é", 30), 10); got != strings.Repeat("é", 9)+"…" {
		t.Errorf("%q", got)
	}
}

// Whatever is cut: valid, never longer than asked for, graphemes and addresses whole.
func FuzzShorten(f *testing.F) {
	f.Add("Bonjour **toi**, lis [ceci](https://example.org/a_b) et https://example.org/c. 👩‍👩‍👧‍👦🇨🇦 Fin.", 20, true)
	f.Add(longFrench, 200, true)
	f.Add(longEnglish, 90, false)
	f.Add("1. a\n2. b\n\n> - c\n>   d\n\n```\ne\n", 9, true)
	f.Add("e\u0301e\u0301 \\*x\\* &amp; <b>y</b> 東京で会いましょう", 7, true)
	f.Add("a | b\n--|--\nc | d\n\n---\n\nx\\\ny", 12, true)
	f.Add("https://example.org/a👓\u2003b c d", 24, false)
	r := newReader()
	f.Fuzz(func(t *testing.T, md string, limit int, markdown bool) {
		if !utf8.ValidString(md) || limit < 1 || limit > 10_000 || len(md) > 5000 {
			return
		}
		s := r.parse(md)
		p := s.write(s.root, markup{markdown: markdown, links: true})
		got := fitted(&p, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Fatalf("%d code points, not %d: %q", n, limit, got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("not UTF-8: %q", got)
		}
		if got == p.text {
			return
		}
		kept := strings.TrimRight(strings.TrimSuffix(got, ellipsis), " \n")
		if !strings.HasPrefix(p.text, kept) {
			t.Fatalf("%q does not begin %q", kept, p.text)
		}
		whole := clusters(p.text)
		if _, found := slices.BinarySearch(whole, len(kept)); !found {
			t.Fatalf("a grapheme is cut: %q", got)
		}
		for _, at := range address.FindAllStringIndex(p.text, -1) {
			if len(kept) > at[0] && len(kept) < at[1] && kept != strings.TrimRight(p.text[:at[1]], ",;:–—-(«“ \u00a0\u202f\\") {
				t.Fatalf("an address is cut: %q", got)
			}
		}
	})
}

// clusters are the ends of the graphemes of s, and 0.
func clusters(s string) []int {
	ends, at, state := []int{0}, 0, -1
	for len(s) > 0 {
		var c string
		c, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		at += len(c)
		ends = append(ends, at)
	}
	return ends
}

// A message is within the limit or refused, on every channel, at every limit, for every sample.
func TestNeverOverTheLimit(t *testing.T) {
	s := set(t)
	for _, account := range []string{"plain", "email", "slack", "twitter", "feed"} {
		for _, k := range announce.Kinds() {
			for _, c := range cases {
				for limit := 30; limit < 2500; limit += 307 {
					r := Request{Account: account, Language: "fr", Announcement: sample(t, c, k), Limits: limitsOf(account), Site: community()}
					r.Limits.Text = limit
					measure := r.Limits.Measure
					if measure == nil {
						measure = codePoints
					}
					m, err := first(s.Render(r))
					var f announce.Faults
					if err != nil && !errors.As(err, &f) {
						t.Fatal(err)
					}
					if err == nil && measure(m.Text) > limit {
						t.Fatalf("%s %s %s: %d > %d", account, k, c, measure(m.Text), limit)
					}
					for _, v := range m.Versions {
						if measure(v.Text) > limit {
							t.Fatalf("%s %s %s, %s: %d > %d", account, k, c, v.Language, measure(v.Text), limit)
						}
					}
				}
			}
		}
	}
}
