package matrix

import (
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

func TestHTML(t *testing.T) {
	reader := markup.NewReader()
	for md, want := range map[string]string{
		"un\ndeux":                              "<p>un<br>deux</p>",
		"**gras _et_ ~~barré~~**":               "<p><strong>gras </strong><strong><em>et</em></strong><strong> </strong><strong><del>barré</del></strong></p>",
		"<b>gras</b> & @room":                   "<p>&lt;b&gt;gras&lt;/b&gt; &amp; @room</p>",
		"[a](https://example.org/?a=1&b=\"c\")": `<p><a href="https://example.org/?a=1&amp;b=&quot;c&quot;">a</a></p>`,
		"[a](javascript:x) [b](data:x)":         "<p>a b</p>",
		"# un\n\n### trois":                     "<h4>un</h4><h6>trois</h6>",
		"3. a\n4. b":                            `<ol start="3"><li>a</li><li>b</li></ol>`,
		"- a\n  1. b\n     - c\n- d":            "<ul><li>a<ol><li>b<ul><li>c</li></ul></li></ol></li><li>d</li></ul>",
		"- a\n\n  suite\n- `b`":                 "<ul><li>a<p>suite</p></li><li><code>b</code></li></ul>",
		"- a\n\n1. b":                           "<ul><li>a</li></ul><ol><li>b</li></ol>",
		"> a\n>\n> > b\n\nc":                    "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>",
		"> - a\n> - b":                          "<blockquote><ul><li>a</li><li>b</li></ul></blockquote>",
		"```\n<a>\n\nb\n```":                    "<pre><code>&lt;a&gt;\n\nb</code></pre>",
		"a\n\n---\n\nb":                         "<p>a</p><hr><p>b</p>",
		"":                                      "",
	} {
		if got := write(reader.Read(md)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", md, got, want)
		}
	}
}

func TestMentions(t *testing.T) {
	const ada = `<a href="https://matrix.to/#/@ada:example.org">@ada:example.org</a>`
	reader := markup.NewReader()
	for md, want := range map[string]string{
		"Avec @ada:example.org.":                         "<p>Avec " + ada + ".</p>",
		"(@ada:example.org, @noor:example.org)":          "<p>(" + ada + ", @noor:example.org)</p>",
		"@ada:example.org et @ada:example.org":           "<p>" + ada + " et " + ada + "</p>",
		"x@ada:example.org":                              "<p>x@ada:example.org</p>",
		"@ada:example.org.evil":                          "<p>@ada:example.org.evil</p>",
		"@ada:example.organic":                           "<p>@ada:example.organic</p>",
		"`@ada:example.org`":                             "<p><code>@ada:example.org</code></p>",
		"[@ada:example.org](https://example.org) @other": `<p><a href="https://example.org">@ada:example.org</a> @other</p>`,
	} {
		blocks, users := mention(reader.Read(md), []string{"ada:example.org", "other"})
		if got := write(blocks); got != want || len(users) != min(1, strings.Count(want, ada)) {
			t.Errorf("%q: %v\n got %s\nwant %s", md, users, got, want)
		}
	}
}

func TestTheTitleIsSaidOnce(t *testing.T) {
	p, platform := open(t)
	for md, want := range map[string]int{
		"Une soirée\n\nTexte":         1,
		"# Une soirée\n\nTexte":       1,
		"**Une soirée**\n\nTexte":     1,
		"Une soirée à Alma\n\nTexte":  2,
		"Texte\n\nUne soirée":         2,
		"- Une soirée\n\nEt la suite": 2,
	} {
		if _, err := p.Publish(t.Context(), announce.Message{Key: md, Subject: "Une soirée", Text: md}); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		last := posts[len(posts)-1]
		if got := strings.Count(last.Text, "Une soirée"); got != want || strings.Count(last.HTML, "Une soirée") != want {
			t.Errorf("%q: said %d times:\n%s", md, got, last.Text)
		}
	}
}

// What fits in the text's limit fits in an event, whatever else the message holds, published and amended.
func TestTheCeilingsAddUp(t *testing.T) {
	p, platform := open(t)
	m := announce.Message{Key: "k", Rev: 1, Subject: strings.Repeat("“&", 150), Images: []announce.Picture{{Data: dot, Type: "image/png", Width: 1, Height: 1, Alt: strings.Repeat("\"🎉", maxAlt/2)}}}
	for _, handle := range []string{"ada", "noor", "camille", "alex"} {
		h := handle + ":" + strings.Repeat("matrix.", 20) + "example"
		m.Mentions = append(m.Mentions, h)
		m.Text += "@" + h + "\n"
	}
	measure := p.Limits().Measure
	for piece := "*été* \"<\\>\" 🎉 "; measure(m.Text+piece) <= maxText; {
		m.Text += piece
		if measure(m.Text+strings.Repeat(piece, 50)) <= maxText {
			m.Text += strings.Repeat(piece, 50)
		}
	}
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Rev = 2
	if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if post := platform.Posts()[0]; !strings.Contains(post.Text, m.Subject) || !strings.Contains(post.Text, m.Images[0].Alt) || platform.Pings() != 4 {
		t.Error("something was left out")
	}
}

func nasty() []string {
	return []string{
		gala().Text, "", "\\", "&", "<", "@room", "- - - a", "1. - > a\n```", "# ", "[", "[]()", "[a](mailto:)", "[a](https://)", "***", "a\n---\n\n---\n\nb",
		"\t- a\n\t\t- b\n\t\t\t- c\n\t\t\t\t- d", "> > > a", "\u00a0", "\u202e", "99999999999. a", "- \n  - a", "~~~\n~~~", "[0](http://:#", "- ```\n  a\n  ```\n- b", "1. > a\n2. b",
		"> 1. a\n>\n>    b\n> 2. c", strings.Repeat("> ", 50) + "a", strings.Repeat("- ", 50) + "a", strings.Repeat("- > ", 40) + "a", "\x00\x01\x1f",
	}
}

// Whatever an author writes, the homeserver takes it, shows it and calls nobody.
func TestNastyWordsArePublished(t *testing.T) {
	p, platform := open(t)
	for i, md := range nasty() {
		if _, err := p.Publish(t.Context(), announce.Message{Key: "k" + string(rune('a'+i)), Subject: "Titre", Text: md}); err != nil {
			t.Errorf("%.300q: %v", md, err)
		}
	}
	if n := platform.Pings(); n != 0 || len(platform.Posts()) != len(nasty()) {
		t.Errorf("%d posts call %d", len(platform.Posts()), n)
	}
}

func FuzzHTML(f *testing.F) {
	for _, s := range nasty() {
		f.Add(s)
	}
	reader := markup.NewReader()
	p, _ := open(f)
	measure := p.Limits().Measure
	f.Fuzz(func(t *testing.T, md string) {
		said := write(reader.Read(md))
		for _, tag := range []string{"p", "ul", "ol", "li", "blockquote", "a", "strong", "em", "del", "code", "pre"} {
			opened := strings.Count(said, "<"+tag+">") + strings.Count(said, "<"+tag+" ")
			if closed := strings.Count(said, "</"+tag+">"); opened != closed {
				t.Errorf("%q: %d <%s> for %d ends:\n%s", md, opened, tag, closed, said)
			}
		}
		if strings.Contains(said, "<script") || strings.Contains(said, `href="javascript`) || measure(md) < 0 {
			t.Errorf("%q:\n%s", md, said)
		}
	})
}
