package mattermost

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

func TestMarkdown(t *testing.T) {
	reader := markup.NewReader()
	for md, want := range map[string]string{
		"un\ndeux":                              "un\ndeux",
		"**gras _et_ ~~barré~~**":               "**gras** **_et_** **~~barré~~**",
		"l’**été**":                             "l’**été**",
		"*\"a\"*":                               "_\"a\"_",
		`a\*b\_c \[d\] \<e\> \& &amp;lt; C\#`:   "a&#42;b&#95;c &#91;d&#93; &lt;e> & &amp;lt; C#",
		`C:\\temp \\\\ \\* 5 $`:                 `C:\temp \\\\ \\&#42; 5 &#36;`,
		"18:30:45 :tada: :+1:":                  "18:30:45 &#58;tada: :+1:",
		"# C#":                                  "##### C&#35;",
		"`a`` b` ` `` `":                        "```a`` b``` ``` `` ```",
		"[a b](https://example.org/(x)?a|b)":    "[a b](https://example.org/%28x%29?a%7Cb)",
		"[*a*](https://example.org)":            "[*a*](https://example.org)",
		"<https://example.org/a_b>":             "<https://example.org/a_b>",
		"ada@example.org":                       "[ada@example.org](mailto:ada@example.org)",
		"\\# a\n\\- b\n1\\. c\n\\> d\n\\=\n\\+": "\\# a\n\\- b\n1\\. c\n\\> d\n&#61;\n\\+",
		"#SagLacIO -5 1.5":                      "#SagLacIO -5 1.5",
		"- a\n  1. b\n- c":                      "- a\n  1. b\n- c",
		"1. a\n\n   b\n   - c\n\n     d\n2. e":  "1. a\n\n   b\n   - c\n\n     d\n2. e",
		"10. a\n    - b":                        "10. a\n    - b",
		"[a *b*\nc](https://example.org)":       "[a *b* c](https://example.org)",
		"> a\n\nb\n\n---\n\nc":                  "> a\n\nb\n\n---\n\nc",
		"~~~\na\n```\n~~~":                      "````\na\n```\n````",
		"&nbsp;- a":                             "\\- a",
	} {
		got := strings.ReplaceAll(write(reader.Read(md), nil), zeroWidth, "¦")
		if got != want {
			t.Errorf("%q:\n got %q\nwant %q", md, got, want)
		}
	}
}

func TestNobodyIsCalledButByTheTemplate(t *testing.T) {
	reader := markup.NewReader()
	for md, want := range map[string]string{
		"@all, @Here (@channel)":        "@¦all, @¦Here (@¦channel)",
		"x.@all +@all é@all":            "x.@¦all +@¦all é@¦all",
		"a@all":                         "a@all",
		"Avec @ada et @noor.":           "Avec @ada et @¦noor.",
		"@ada. @ada.x @ada_x @adam @ad": "@ada. @¦ada.x @¦ada&#95;x @¦adam @¦ad",
		"**@ada** `@all`":               "**@ada** `@all`",
		`@snake\_case`:                  "@snake_case",
		"[@all](https://example.org/x)": "[@¦all](https://example.org/x)",
	} {
		if got := strings.ReplaceAll(write(reader.Read(md), []string{"ada", "snake_case"}), zeroWidth, "¦"); got != want {
			t.Errorf("%q:\n got %q\nwant %q", md, got, want)
		}
	}
}

func nasty() []string {
	return []string{
		gala().Text, "", "\\", "&", "<", "@all", "- - - a", "1. - > a\n```", "# ", "[", "[]()", "[a](mailto:)", "***", "a\n---\n\n---\n\nb", "> > > a", "\u00a0", "1) a", "- \n  - a", "~~~\n~~~",
		"- ```\n  a\n  ```\n- b", "> 1. a\n>\n>    b", strings.Repeat("> ", 50) + "a", strings.Repeat("- ", 50) + "a", "<!channel> <@U1>", "a\\\n\\- b", "&#64;all &commat;all &amp;#64;all", "**a** @all", "*x*@all", "``@all", "\\`@all\\`",
		"@*all*", "@\u2060all", "@\\all", "=\na", "a\n=", "|a|b|\n|-|-|\n|c|d|", "~~@all~~", "_@here_", "![@all](https://a.example/x.png)",
	}
}

// Whatever an author writes, Mattermost takes it, shows its words and calls nobody.
func TestNastyWordsArePublished(t *testing.T) {
	for _, hook := range []bool{false, true} {
		for i, md := range nasty() {
			p, platform := open(t, hook)
			if _, err := p.Publish(t.Context(), announce.Message{Key: "k", Rev: i, Subject: "Titre", Text: md}); err != nil {
				t.Errorf("%.300q: %v", md, err)
			}
			if n := platform.Pings(); n != 0 {
				t.Errorf("%q calls %d: %s", md, n, platform.Posts()[0].Raw)
			}
		}
	}
}

// What the reader of the post sees is what the reader of the Markdown should have seen.
func TestWordsStayAsTheyAre(t *testing.T) {
	reader := markup.NewReader()
	p, platform := open(t, false)
	for i, md := range []string{`\*a\* \_b\_ \~\~c\~\~ \[d\](e) \` + "`f\\`", `C:\\temp \\* \\\\`, `&amp;lt; \<b\> &amp;amp;`, `1\. a`, `\# b`, `\> c`, `\- d`, `\=`, `\| a \| b`, ":tada: 5 $ x $", `a \\`} {
		if _, err := p.Publish(t.Context(), announce.Message{Key: "k" + string(rune('a'+i)), Text: md}); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		if got, want := posts[len(posts)-1].Text, markup.Plain(reader.Read(md)); got != want {
			t.Errorf("%q:\n got %q\nwant %q\n raw %s", md, got, want, posts[len(posts)-1].Raw)
		}
	}
}

// What fits in the text's limit fits in a post, whatever else the message holds.
func TestTheCeilingsAddUp(t *testing.T) {
	for _, hook := range []bool{false, true} {
		p, platform := open(t, hook)
		m := announce.Message{Key: "k", Subject: strings.Repeat("*", 300), Text: strings.Repeat("_<été>. ", 566)}
		if n := p.Limits().Measure(m.Text); n < maxText-1000 || n > maxText {
			t.Fatalf("measures %d", n)
		}
		for range maxImages {
			m.Images = append(m.Images, announce.Picture{Data: dot, Type: "image/png", Alt: strings.Repeat("[", maxAlt)})
		}
		r, err := p.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := p.(announce.Amender); ok {
			if _, err := a.Amend(t.Context(), r, m); err != nil {
				t.Fatal(err)
			}
		}
		if post := platform.Posts()[0]; !strings.Contains(post.Text, m.Subject) || strings.Count(post.Text, m.Images[0].Alt) != maxImages {
			t.Error("something was left out")
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range nasty() {
		f.Add(s)
	}
	reader := markup.NewReader()
	f.Fuzz(func(t *testing.T, md string) {
		said := write(reader.Read(md), nil)
		for i, r := range said {
			if r == '@' && calls(said[:i]) && !strings.HasPrefix(said[i+1:], zeroWidth) && !strings.ContainsAny(said, "`<(") {
				t.Errorf("%q: an @ that calls in %q", md, said)
			}
		}
	})
}

// The server looks for names in addresses, too: a link to somebody's page elsewhere calls nobody here.
func TestAddressesCallNobody(t *testing.T) {
	p, platform := open(t, false)
	m := message(1)
	m.Text = "https://social.example/@ada, [sa page](https://social.example/@ada) et https://social.example/a#@here_"
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	post := platform.Posts()[0]
	if platform.Pings() != 0 {
		t.Errorf("%d people were called: %s", platform.Pings(), post.Raw)
	}
	for _, want := range []string{`<a href="https://social.example/@ada"`, `<a href="https://social.example/a#@here"`} {
		if !strings.Contains(post.HTML, want) {
			t.Errorf("%s is not in %s", want, post.HTML)
		}
	}
	if n := strings.Count(post.HTML, "<a "); n != 3 {
		t.Errorf("%d links: %s", n, post.HTML)
	}
}
