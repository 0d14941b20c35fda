package assisted

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/assisted/assistedtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

func open(t testing.TB) (announce.Publisher, *assistedtest.Platform) {
	t.Helper()
	platform := assistedtest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	p, err := New(Config{Place: env["PLACE"], URL: env["URL"]}, announce.Site{Languages: []announce.Language{"fr", "en"}})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("Rencontre nᵒ %02d : l’été arrive.\nhttps://example.org/%d", n, n),
	}
}

// TestContract: what a person does cannot be put under contract. TestTasks says what the channel does instead.
func TestContract(t *testing.T) {
	const person = "nothing is called: every call is a task for a person"
	exempt := map[string]string{publishertest.HTTP: person, publishertest.Settle: person}
	for _, clause := range []string{
		"a message is published once", "the longest text is taken", "sixteen at once are sixteen posts", "a refused connection is temporary",
		"cancelled before it left is temporary", "an amendment replaces the post", "a retraction takes the post away",
	} {
		exempt[clause] = person
	}
	publishertest.Run(t, publishertest.Case{
		Name:    "person",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t) },
		Message: message, Can: []string{"amend", "retract"}, Exempt: exempt,
	})
}

func TestTasks(t *testing.T) {
	board := Config{Place: "Groupe Logiciel libre", URL: "https://example.org/groupe"}
	wall := Config{Place: "Mur du café"}
	post := announce.Receipt{ID: "x", URL: "https://example.org/groupe/7"}
	fr, en := announce.Message{Language: "fr-CA"}, announce.Message{Language: "en"}
	one, two := fr, en
	one.Images, two.Images = make([]announce.Picture, 1), make([]announce.Picture, 2)
	two.Language, en.Language = "en-CA", "de"
	publish := func(m announce.Message) func(announce.Publisher) error {
		return func(p announce.Publisher) error { _, err := p.Publish(t.Context(), m); return err }
	}
	amend := func(r announce.Receipt, m announce.Message) func(announce.Publisher) error {
		return func(p announce.Publisher) error { _, err := p.(announce.Amender).Amend(t.Context(), r, m); return err }
	}
	retract := func(r announce.Receipt) func(announce.Publisher) error {
		return func(p announce.Publisher) error { return p.(announce.Retracter).Retract(t.Context(), r) }
	}
	for _, c := range []struct {
		config Config
		first  announce.Language
		call   func(announce.Publisher) error
		want   string
	}{
		{board, "en", publish(fr), "À publier à la main, Groupe Logiciel libre (https://example.org/groupe)\u00a0: collez le texte préparé, puis donnez à Crieur l’adresse de la publication."},
		{board, "en", publish(one), "À publier à la main, Groupe Logiciel libre (https://example.org/groupe)\u00a0: collez le texte préparé, joignez-y l’image et son texte de remplacement, puis donnez à Crieur l’adresse de la publication."},
		{board, "fr", publish(en), "To post by hand, Groupe Logiciel libre (https://example.org/groupe): paste the prepared text, then give Crieur the post’s address."},
		{wall, "fr", publish(two), "To post by hand, Mur du café: paste the prepared text, attach the images and their text alternatives, then give Crieur the post’s address."},
		{board, "en", amend(post, fr), "À corriger à la main, Groupe Logiciel libre (https://example.org/groupe/7)\u00a0: remplacez le texte de la publication par le nouveau texte préparé, puis dites à Crieur que c’est fait."},
		{wall, "fr", amend(announce.Receipt{}, two), "To correct by hand, Mur du café: replace the post’s text with the new prepared text, check the images, then tell Crieur that it is done."},
		{board, "fr", amend(announce.Receipt{ID: "x"}, one), "À corriger à la main, Groupe Logiciel libre (https://example.org/groupe)\u00a0: remplacez le texte de la publication par le nouveau texte préparé, vérifiez les images, puis dites à Crieur que c’est fait."},
		{board, "fr", retract(post), "À retirer à la main, Groupe Logiciel libre (https://example.org/groupe/7)\u00a0: supprimez la publication, puis dites à Crieur que c’est fait."},
		{wall, "en", retract(post), "To take back by hand, Mur du café (https://example.org/groupe/7): delete the post, then tell Crieur that it is done."},
		{wall, "", retract(announce.Receipt{}), "Not to be posted any more, or to take back by hand, Mur du café: if you had posted it, delete the post; then tell Crieur."},
		{wall, "", retract(announce.Receipt{At: time.Now()}), "To take back by hand, Mur du café: delete the post, then tell Crieur that it is done."},
	} {
		site := announce.Site{}
		if c.first != "" {
			site.Languages = []announce.Language{c.first, "de"}
		}
		p, err := New(c.config, site)
		if err != nil {
			t.Fatal(err)
		}
		var e *announce.Error
		if err := c.call(p); !errors.As(err, &e) || e.Outcome != announce.Ambiguous || !e.Ask || e.Stop || e.Gone {
			t.Errorf("want a task, got %#v", err)
			continue
		}
		if e.Error() != c.want {
			t.Errorf("got  %s\nwant %s", e.Error(), c.want)
		}
	}
}

// TestNothingIsCalled: a task is the same when the place is away, and when nobody waits for it any more.
func TestNothingIsCalled(t *testing.T) {
	p, platform := open(t)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 500})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		_, err := p.Publish(ctx, message(1))
		var e *announce.Error
		if !errors.As(err, &e) || !e.Ask || !strings.Contains(e.Fault, assistedtest.Place) {
			t.Errorf("got %v", err)
		}
		platform.Close()
	}
	if platform.Script().Left() != 1 || len(platform.Posts()) != 0 {
		t.Error("the place was called")
	}
}

func TestLimits(t *testing.T) {
	p, err := New(Config{Place: "x", Limit: 700, Markdown: true}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	l := p.Limits()
	if l.Text != 700 || l.Measure != nil || !l.Markdown || !l.FreshAmends || !l.Manual || l.Idempotent != 0 || l.Again != 0 || l.Images == 0 {
		t.Errorf("%+v", l)
	}
	if _, can := p.(announce.Finder); can {
		t.Error("claims to look")
	}
}

func TestConfiguration(t *testing.T) {
	for variable, c := range map[string]Config{
		"PLACE": {Place: " "}, "PLACE: ": {Place: "a\nb"}, "LIMIT": {Place: "x", Limit: -1},
		"URL": {Place: "x", URL: "example.org"}, "URL:": {Place: "x", URL: "javascript:alert(1)"}, "URL: ": {Place: "x", URL: "https://exa mple.org/"},
	} {
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), strings.TrimRight(variable, ": ")+": ") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// TestBoard: what a volunteer pins can be read, changed and removed, and nothing in it is more than words.
func TestBoard(t *testing.T) {
	p := assistedtest.New()
	t.Cleanup(p.Close)
	first := p.Pin("<script>alert(1)</script>\nVoyez https://example.org/a?b=c&d=e.", sim.Image{URL: "data:image/png;base64,AA==", Alt: "\"><script>"}, sim.Image{URL: "javascript:alert(1)"})
	second := p.Pin("Autre note")
	if !p.Change(second, "Autre note, corrigée") || p.Change(first+"0", "x") || !p.Remove(first) || p.Remove(first) || p.Change(first, "x") {
		t.Error("notes cannot be told apart")
	}
	posts := p.Posts()
	if len(posts) != 2 || !posts[0].Deleted || posts[0].Edited != 0 || posts[1].Text != "Autre note, corrigée" || posts[1].Edited != 1 || posts[1].Deleted || posts[1].URL != second {
		t.Errorf("%+v", posts)
	}
	for _, want := range []string{"&lt;script&gt;", `<br>Voyez <a href="https://example.org/a?b=c&amp;d=e" rel="nofollow">`, `src="data:image/png;base64,AA=="`, `alt="&#34;&gt;&lt;script&gt;"`} {
		if !strings.Contains(posts[0].HTML, want) {
			t.Errorf("no %s in %s", want, posts[0].HTML)
		}
	}
	if strings.Contains(posts[0].HTML, "<script") || strings.Contains(posts[0].HTML, "javascript:") {
		t.Error(posts[0].HTML)
	}
	for url, status := range map[string]int{p.Environ()["URL"]: 200, second: 200, first: 404, second + "0": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != status || status == 200 && !strings.Contains(string(body), "Autre note, corrigée") || strings.Contains(string(body), "alert(1)") {
			t.Errorf("%s: %d, %v: %s", url, res.StatusCode, err, body)
		}
	}
}
