package zulip

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

func TestMarkdown(t *testing.T) {
	reader := markup.NewReader()
	for md, want := range map[string]string{
		"un\ndeux":                             "un\ndeux",
		"**gras _et_ ~~barré~~**":              "**gras** ***et*** **~~barré~~**",
		"**a\nb**":                             "**a**\n**b**",
		`a\*b\_c \[d\] \<e\> \& &amp;lt; C\#`:  "a&#42;b_c &#91;d&#93; &lt;e> & &amp;lt; C&#35;",
		`C:\\temp \$\$ 5 $ ~ \~\~`:             "C:&#92;temp &#36;&#36; 5 $ ~ &#126;&#126;",
		"18:30 :tada:":                         "18:30 &#58;tada:",
		"`a`` b` x":                            "```a`` b``` x",
		"[a *b*\nc](https://example.org/(x)*)": "[a b c](https://example.org/%28x%29%2A)",
		"<https://example.org/a_b>":            "[https://example.org/a_b](https://example.org/a_b)",
		"ada@example.org":                      "[ada@example.org](mailto:ada@example.org)",
		"\\# a\n\\- b\n1\\. c\n\\> d\n\\--\n":  "&#35; a\n&#45; b\n1&#46; c\n&gt; d\n&#45;-",
		"#SagLacIO -5 1.5":                     "#SagLacIO -5 1.5",
		"- a\n  1. b\n- c":                     "- a\n  1. b\n- c",
		"> a\n\nb\n\n---\n\nc":                 "> a\n\nb\n\n---\n\nc",
		"1. a\n   - b\n\n   c\n2. d":           "1. a\n   - b\n\n   c\n\n2. d",
		"1. a\n   1. b\n      - c":             "1. a\n   1. b\n     - c",
		"# Titre":                              "#### Titre",
	} {
		if got := write(reader.Read(md), nil); got != want {
			t.Errorf("%q:\n got %q\nwant %q", md, got, want)
		}
	}
}

func TestNobodyIsCalledButByTheTemplate(t *testing.T) {
	reader := markup.NewReader()
	for md, want := range map[string]string{
		`@\*\*all\*\*`:              "&#64;&#42;&#42;all&#42;&#42;",
		"@**all** @*tous*":          "&#64;**all** &#64;*tous*",
		"@_**all** #**général**":    "&#64;_**all** &#35;**général**",
		"@all ada@example.net x@":   "@all [ada@example.net](mailto:ada@example.net) x&#64;",
		"Avec @Ada, @10. @Adam @1":  "Avec @**Ada**, @**|10**. @Adam @1",
		"[@**all**](https://a.org)": "[&#64;all](https://a.org)",
		"`@**all**`":                "`@**all**`",
	} {
		want = strings.ReplaceAll(want, "[&#64;all]", "[@all]")
		if got := write(reader.Read(md), []string{"Ada", "10"}); got != want {
			t.Errorf("%q:\n got %q\nwant %q", md, got, want)
		}
	}
}

func nasty() []string {
	return []string{
		gala().Text, "\\", "&", "<", "@**all**", "- - - a", "1. - > a\n```", "# ", "[", "[]()", "[a](mailto:)", "***", "a\n---\n\n---\n\nb", "> > > a", "\u00a0", "1) a", "- \n  - a", "~~~\n~~~",
		"- ```\n  a\n  ```\n- b", "> 1. a\n>\n>    b", strings.Repeat("> ", 50) + "a", strings.Repeat("- ", 50) + "a", "&#64;**all**", "@\\*\\*all**x**", "@***all***", "\\@**everyone**", "(@**all**)", "@~~**all**~~",
		"`@`**all**", "@`x`**all**", "**@****all**", "@\n**all**", "> @**all**", "\"@**topic**\"", "<@**stream**", "@**|10**", "| a | b |\n|---|---|\n| c | d |", "@ **all**", "/me danse",
	}
}

// Whatever an author writes, Zulip takes it, shows it and calls nobody.
func TestNastyWordsArePublished(t *testing.T) {
	p, platform := open(t)
	for _, md := range nasty() {
		before := platform.Pings()
		if _, err := p.Publish(t.Context(), announce.Message{Subject: "Titre", Text: md}); err != nil {
			t.Errorf("%.300q: %v", md, err)
		}
		if n := platform.Pings() - before; n != 0 {
			posts := platform.Posts()
			t.Errorf("%q calls %d: %s", md, n, posts[len(posts)-1].Raw)
		}
	}
}

// What the reader of the message sees is what the reader of the Markdown should have seen.
func TestWordsStayAsTheyAre(t *testing.T) {
	reader := markup.NewReader()
	p, platform := open(t)
	for _, md := range []string{`\*a\* \_b\_ \~\~c\~\~ \[d\](e) \` + "`f\\`", `C:\\temp \\* \\\\`, `&amp;lt; \<b\> &amp;amp;`, `1\. a`, `\# b`, `\> c`, `\- d`, `\=`, `\| a \| b`, ":tada: 5 $ x $", `a \\`, "_x_y_", "a\n==="} {
		if _, err := p.Publish(t.Context(), announce.Message{Text: md}); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		if got, want := posts[len(posts)-1].Text, markup.Plain(reader.Read(md)); got != want {
			t.Errorf("%q:\n got %q\nwant %q\n raw %s", md, got, want, posts[len(posts)-1].Raw)
		}
	}
}

func TestTheTitleIsSaidOnce(t *testing.T) {
	p, platform := open(t)
	for md, want := range map[string]int{"Une soirée\n\nTexte": 1, "# Une soirée\n\nTexte": 1, "Texte\n\nUne soirée": 2, "- Une soirée": 2} {
		if _, err := p.Publish(t.Context(), announce.Message{Subject: "Une soirée", Text: md}); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		if got := strings.Count(posts[len(posts)-1].Text, "Une soirée"); got != want {
			t.Errorf("%q: said %d times", md, got)
		}
	}
}

// What fits in the text's limit fits in a message, whatever else it holds.
func TestTheCeilingsAddUp(t *testing.T) {
	p, platform := open(t)
	m := announce.Message{Subject: strings.Repeat("*", 300), Text: strings.Repeat("`<été>`*. ", 595)}
	for range maxImages {
		m.Images = append(m.Images, announce.Picture{Data: dot, Type: "image/png", Alt: strings.Repeat("[", maxAlt)})
	}
	if n := p.Limits().Measure(m.Text); n < maxText-200 || n > maxText {
		t.Fatalf("measures %d", n)
	}
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if post := platform.Posts()[0]; !strings.Contains(post.Text, m.Subject) || len(post.Images) != maxImages || post.Images[0].Alt != m.Images[0].Alt {
		t.Errorf("something was left out: %+v", post)
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range nasty() {
		f.Add(s)
	}
	reader := markup.NewReader()
	f.Fuzz(func(t *testing.T, md string) {
		said := write(reader.Read(md), nil)
		if strings.ContainsAny(said, "`") { // in code everything is a word
			return
		}
		for _, call := range []string{"@**", "@*", "@_**", "@_*"} {
			if strings.Contains(said, call) {
				t.Errorf("%q calls: %q", md, said)
			}
		}
	})
}
