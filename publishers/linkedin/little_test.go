package linkedin

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
)

func TestLittleText(t *testing.T) {
	tags := []string{"SagLacIO", "Été2027", "42", "c_d"}
	for text, want := range map[string]string{
		"":                                     "",
		"Bonjour à tous, l’été ! 🎉":            "Bonjour à tous, l’été ! 🎉",
		`\|{}@[]()<>#*_~`:                      `\\\|\{\}\@\[\]\(\)\<\>\#\*\_\~`,
		"#SagLacIO et #Été2027.":               `{hashtag|\#|SagLacIO} et {hashtag|\#|Été2027}.`,
		"#SagLacIO#SagLacIO":                   `{hashtag|\#|SagLacIO}\#SagLacIO`,
		"#SagLacIOx x#SagLacIO ##SagLacIO":     `\#SagLacIOx x\#SagLacIO \#{hashtag|\#|SagLacIO}`,
		"#SagLacIO_":                           `\#SagLacIO\_`,
		"#42 #c_d #autre #":                    `\#42 \#c\_d \#autre \#`,
		"https://example.org/a#SagLacIO":       `https://example.org/a\#SagLacIO`,
		"(https://fr.example.org/Go_(jeu)).":   `\(https://fr.example.org/Go\_\(jeu\)\).`,
		"@[Ada](urn:li:person:1)":              `\@\[Ada\]\(urn:li:person:1\)`,
		"{hashtag|\\#|faux} \\":                `\{hashtag\|\\\#\|faux\} \\`,
		"#SagLacIO\u0301 (autre signe)":        "\\#SagLacIO\u0301 \\(autre signe\\)",
		"ligne\n#SagLacIO\nhttps://x.org/?a=1": "ligne\n{hashtag|\\#|SagLacIO}\nhttps://x.org/?a=1",
	} {
		p := pen{}
		got := p.write(text, tags)
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
		if shown, n := linkedintest.Shown(got); shown != text || n != 0 {
			t.Errorf("%q: readers see %q and %d mentions", text, shown, n)
		}
		if read(got) != text {
			t.Errorf("%q reads back as %q", text, read(got))
		}
	}
}

func TestEncodedLinks(t *testing.T) {
	p := pen{encode: true}
	for text, want := range map[string]string{
		"https://example.org/a_b?c=~d*(e)#f_g":      `https://example.org/a%5Fb?c=%7Ed%2A%28e%29\#f%5Fg`,
		"a_b (https://example.org/@ada), https://x": `a\_b \(https://example.org/%40ada\), https://x`,
		"(https://fr.example.org/Go_(jeu))":         `\(https://fr.example.org/Go%5F%28jeu%29\)`,
		"https://example.org/{été}|\\":              `https://example.org/%7Bété%7D%7C%5C`,
	} {
		if got := p.write(text, nil); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestMeasure(t *testing.T) {
	for text, want := range map[string]int{"": 0, "été": 3, "🎉": 2, "(a)": 5, "#Go": 3 + 13 - 1, "a_b": 4} {
		if got := (pen{}).measure(text); got != want {
			t.Errorf("%q measures %d, want %d", text, got, want)
		}
	}
}

// FuzzNothingIsCut: whatever the text, readers see all of it, and nobody is mentioned.
func FuzzNothingIsCut(f *testing.F) {
	for _, s := range []string{
		`\|{}@[]()<>#*_~`, "#Go #go #été_x", "https://a.org/_(b)#c.", "{hashtag|\\#|Go}", "@[Ada](urn:li:organization:1)", "\\", "#Go\\#Go", "a\u0301#Go\u0301", "https://#Go", "\xff#\xffGo",
	} {
		f.Add(s, "Go", true)
		f.Add(s, "été", false)
	}
	f.Fuzz(func(t *testing.T, text, tag string, encode bool) {
		p := pen{encode: encode}
		little := p.write(text, []string{tag, "Go"})
		shown, mentioned := linkedintest.Shown(little)
		if shown != p.shown(text) || mentioned != 0 {
			t.Fatalf("%q with the tag %q is written %q; readers see %q and %d mentions", text, tag, little, shown, mentioned)
		}
		if !encode && shown != text {
			t.Fatalf("%q is shown as %q", text, shown)
		}
		if got := read(little); utf8.ValidString(text) && got != shown {
			t.Fatalf("%q reads back as %q, want %q", little, got, shown)
		}
		if n := len([]rune(little)); n > p.measure(text) {
			t.Fatalf("%q counts %d, measured %d", little, n, p.measure(text))
		}
		for _, at := range links(p.shown(text)) {
			if s := p.shown(text)[at[0]:at[1]]; encode && strings.ContainsAny(strings.ReplaceAll(s, "#", ""), reserved) {
				t.Fatalf("the link %q needs backslashes", s)
			}
		}
	})
}
