package templates

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
)

func mail(t testing.TB, l announce.Language) string {
	t.Helper()
	return render(t, set(t), "email", l, sample(t, "longest", announce.KindEvent)).HTML
}

func TestMailIsReadable(t *testing.T) {
	for _, l := range []announce.Language{"fr-CA", "en"} {
		doc := mail(t, l)
		root, err := html.Parse(strings.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		last, firsts, unsubscribe := 0, 0, 0
		each(root, func(n *html.Node) {
			switch n.Data {
			case "html":
				if attr(n, "lang") != string(l) {
					t.Errorf("lang %q", attr(n, "lang"))
				}
			case "h1", "h2", "h3", "h4":
				level := int(n.Data[1] - '0')
				if level > last+1 {
					t.Errorf("%s after h%d", n.Data, last)
				}
				if last = level; level == 1 {
					firsts++
				}
			case "img":
				if attr(n, "alt") == "" {
					t.Error("a picture without words")
				}
			case "table":
				if attr(n, "role") != "presentation" {
					t.Error("a table for looks without its role")
				}
			case "a":
				if attr(n, "href") == "" {
					t.Error("a link to nowhere")
				}
				if attr(n, "href") == announce.UnsubscribeMark {
					unsubscribe++
				}
			}
		})
		if firsts != 1 || unsubscribe != 1 {
			t.Errorf("%d h1, %d ways to unsubscribe", firsts, unsubscribe)
		}
		for _, must := range []string{"Rencontres du Fjord", "12, rue du Quai, Saguenay (Québec) G7X 1A1", "prefers-color-scheme: dark", `src="cid:image2"`, "max-width: 600px"} {
			if !strings.Contains(doc, must) {
				t.Errorf("no %q", must)
			}
		}
		if len(doc) > 60_000 || strings.Contains(doc, "data-inline") || strings.Contains(doc, "ZgotmplZ") {
			t.Errorf("%d bytes", len(doc))
		}
	}
	m := render(t, set(t), "email", "fr", sample(t, "longest", announce.KindEvent))
	if strings.Count(m.Text, announce.UnsubscribeMark) != 1 || !strings.Contains(m.Text, "G7X 1A1") {
		t.Error("the plain part lacks its foot")
	}
}

// Every text has a contrast of 4.5 to 1 with what is behind it, by day and by night.
func TestMailContrast(t *testing.T) {
	doc := mail(t, "fr")
	night := nightRules(t, doc)
	root, err := html.Parse(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	var walk func(n *html.Node, fore, back string, dark bool)
	walk = func(n *html.Node, fore, back string, dark bool) {
		if n.Type == html.TextNode && strings.TrimSpace(n.Data) != "" {
			checked++
			if c := contrast(t, fore, back); c < 4.5 {
				t.Errorf("%q: %s on %s is %.2f (dark: %v)", strings.TrimSpace(n.Data), fore, back, c, dark)
			}
		}
		if n.Type == html.ElementNode {
			if n.Data == "head" || attr(n, "class") == "preheader" {
				return
			}
			for _, d := range append(strings.Split(attr(n, "style"), ";"), night.of(n, dark)...) {
				name, value, _ := strings.Cut(strings.TrimSpace(d), ":")
				switch value = strings.TrimSpace(strings.TrimSuffix(value, "!important")); name {
				case "color":
					fore = value
				case "background-color":
					back = value
				}
			}
			if n.Data == "img" {
				checked++
				if c := contrast(t, fore, back); c < 4.5 {
					t.Errorf("words for a picture: %.2f", c)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, fore, back, dark)
		}
	}
	for _, dark := range []bool{false, true} {
		walk(root, "#000000", "#ffffff", dark)
	}
	if checked < 60 {
		t.Errorf("only %d texts were checked", checked)
	}
}

type nightSheet []rule

func nightRules(t *testing.T, doc string) nightSheet {
	t.Helper()
	block := regexp.MustCompile(`(?s)@media \(prefers-color-scheme: dark\) \{(.*?)\n\}`).FindStringSubmatch(doc)
	if block == nil {
		t.Fatal("no rules for the night")
	}
	rules, err := readRules(block[1])
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// of gives tags first, then classes: the cascade of such simple selectors.
func (s nightSheet) of(n *html.Node, dark bool) []string {
	var tags, classes []string
	for _, r := range s {
		if !dark || r.tag != "" && r.tag != n.Data {
			continue
		}
		if r.class == "" {
			tags = append(tags, strings.Split(r.style, ";")...)
		} else if strings.Contains(" "+attr(n, "class")+" ", " "+r.class+" ") {
			classes = append(classes, strings.Split(r.style, ";")...)
		}
	}
	return append(tags, classes...)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) != 7 {
		t.Fatalf("%q is not a colour", hex)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestInlineStyles(t *testing.T) {
	got, err := inlineStyles(`<style data-inline>p, .a { color: red; margin: 0 } .a { color: blue }</style><style>p{}</style><p class="x a" style="top: 1px" title="a &lt; b">é &amp; <br>`)
	want := `<style>p{}</style><p class="x a" title="a &lt; b" style="color: blue; margin: 0; top: 1px">é &amp; <br>`
	if err != nil || got != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func each(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func BenchmarkRender(b *testing.B) {
	s := set(b)
	for _, account := range []string{"email", "slack", "twitter", "feed"} {
		for _, c := range []string{"shortest", "longest"} {
			r := Request{Account: account, Language: "fr", Announcement: sample(b, c, announce.KindEvent), Limits: limitsOf(account), Site: community()}
			b.Run(fmt.Sprintf("%s/%s", account, c), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Render(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		set(b)
	}
}
