package mastodon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/mastodon/mastodontest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

type option func(*mastodontest.Server)

// open returns the channel pointed at a fresh server, with more settings as name, value.
func open(t testing.TB, platform *mastodontest.Platform, more ...string) announce.Publisher {
	t.Helper()
	t.Cleanup(platform.Close)
	environ := platform.Environ()
	for i := 0; i < len(more); i += 2 {
		environ[more[i]] = more[i+1]
	}
	p, err := configure(environ)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func configure(environ map[string]string) (announce.Publisher, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: environ})
	if err != nil {
		return nil, err
	}
	return New(c, announce.Site{URL: "https://crieur.example"})
}

func message(n int) announce.Message {
	title := fmt.Sprintf("Rencontre nᵒ %02d : l’été à Québec & ses « surprises »", n)
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr-CA", Subject: title, Tags: []string{"SagLacIO"}, Mentions: []string{"club@example.social"},
		Text: title + " 🎉\n\nMercredi 22 octobre, 18 h 30\nAvec @club@example.social et <b>nous</b>\n\nhttps://example.org/evenements/" + fmt.Sprint(n) + "?a=1&copy=2\n#SagLacIO",
		Link: "https://example.org/evenements/" + fmt.Sprint(n),
	}
}

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 3))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestContract(t *testing.T) {
	limited := sim.Fault{Kind: sim.Answer, Status: 429, Body: `{"error":"Too many requests"}`, Header: map[string]string{
		"Date": "Sun, 14 Mar 2027 18:30:00 GMT", "X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2027-03-14T18:35:00.123456Z",
	}}
	bare := limited
	bare.Header = nil
	answer := func(code int, body string) sim.Fault { return sim.Fault{Kind: sim.Answer, Status: code, Body: body} }
	for name, c := range map[string]struct {
		platform func() *mastodontest.Platform
		change   option
		more     []string
		refusal  sim.Fault
		exempt   map[string]string
	}{
		"mastodon": {mastodontest.New, func(*mastodontest.Server) {}, nil, answer(422, `{"error":"Validation failed: Text character limit of 500 exceeded"}`), nil},
		"500 on repeat": {mastodontest.New, func(s *mastodontest.Server) { s.Repeats = 500 }, nil, answer(422, `{"error":"Validation failed"}`),
			map[string]string{"what was never sent is not found": "it publishes one message twice, which this server answers with 500"}},
		"gotosocial": {mastodontest.NewGoToSocial, func(*mastodontest.Server) {}, nil, answer(400, `{"error":"Bad Request: status too long, 5001 characters provided but limit is 5000"}`), nil},
		"warned": {mastodontest.New, func(s *mastodontest.Server) { s.Older = true }, []string{"WARNING", "Jeux vidéo 🎮", "SENSITIVE", "true", "VISIBILITY", "unlisted", "THREAD", "5"},
			answer(422, `{"error":"Validation failed"}`), nil},
	} {
		publishertest.Run(t, publishertest.Case{
			Name: name,
			Open: func(t testing.TB) (announce.Publisher, sim.Platform) {
				p := c.platform()
				p.Change(c.change)
				return open(t, p, c.more...), p
			},
			Message: message, Can: []string{"amend", "retract", "find", "check"}, Secrets: []string{mastodontest.Token},
			Method: "POST", Create: "/api/v1/statuses",
			Unauthorized: answer(401, `{"error":"The access token is invalid"}`), Refusal: c.refusal,
			RateLimited: limited, RateLimitedBare: bare, Wait: 5 * time.Minute, Window: 5 * time.Minute, Exempt: c.exempt,
		})
	}
}

// gala is everything that could go wrong in a text, in one message.
func gala(t testing.TB) announce.Message {
	return announce.Message{
		Key: "01k0gala000000000000000000", Rev: 3, Language: "fr-CA", Subject: "Gala", Tags: []string{"SagLacIO", "FrenchTech"}, Mentions: []string{"club@example.social"},
		Text: "Gala @everyone & <script> 🎉 :tada:\n\nÉcrivez à info@example.org, pas à @info ni à @club@example.social.evil ; merci @club@example.social!\n" +
			"#SagLacIO #SagLacIO2027 #include <stdio.h> C# nᵒ #4 (#secret)\nhttps://social.example/@ada/12#tag, https://example.org/a_(b)?x=@y&#z. ＃plein",
		Images: []announce.Picture{{Data: picture(t), Type: "image/png", Alt: "Affiche : « l’été »"}, {URL: "https://example.org/only-an-address.png"}},
	}
}

func TestGoldenRequests(t *testing.T) {
	platform := mastodontest.New()
	p := open(t, platform, "WARNING", "Jeux vidéo", "SENSITIVE", "true", "THREAD", "3")
	ctx := t.Context()
	golden := func(name string) {
		t.Helper()
		posts := platform.Posts()
		var got bytes.Buffer
		if err := json.Indent(&got, []byte(posts[len(posts)-1].Raw), "", "  "); err != nil {
			t.Fatal(err)
		}
		said := numbers.ReplaceAllString(got.String(), `"1"`) + "\n"
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(said), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if said != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, said, want)
		}
	}
	root, err := p.Publish(ctx, gala(t))
	if err != nil {
		t.Fatal(err)
	}
	golden("publish.golden.json")
	part := message(2)
	part.Part, part.Parts, part.Root, part.Parent = 1, 2, root, root
	if _, err := p.Publish(ctx, part); err != nil {
		t.Fatal(err)
	}
	golden("reply.golden.json")
	last, err := p.Publish(ctx, message(3))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.(announce.Amender).Amend(ctx, last, gala(t)); err != nil {
		t.Fatal(err)
	}
	golden("amend.golden.json")
	if n := platform.Pings(); n != 3 {
		t.Errorf("%d people were told; want the mention of each of three posts", n)
	}
	if alt := platform.Posts()[0].Images; len(alt) != 1 || alt[0].Alt != "Affiche : « l’été »" {
		t.Errorf("pictures: %+v", alt)
	}
}

// numbers are those that the platform gives.
var numbers = regexp.MustCompile(`"\d{15,}"`)

func failed(t *testing.T, err error, want announce.Outcome, stop bool, say string) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T), want an *announce.Error", err, err)
	}
	if e.Outcome != want || e.Stop != stop || !strings.Contains(e.Fault, say) {
		t.Errorf("%s, stop %t, want %s, stop %t, saying %q: %v", e.Outcome, e.Stop, want, stop, say, e)
	}
	return e
}

func TestLimitsAreTheServers(t *testing.T) {
	for name, c := range map[string]struct {
		platform *mastodontest.Platform
		change   option
		text     int
		images   int
		alt      int
	}{
		"Mastodon":   {mastodontest.New(), func(*mastodontest.Server) {}, 490, 4, 1500},
		"more":       {mastodontest.New(), func(s *mastodontest.Server) { s.Characters, s.Pictures, s.Alt = 11000, 16, 3000 }, 10990, 16, 3000},
		"GoToSocial": {mastodontest.NewGoToSocial(), func(*mastodontest.Server) {}, 4990, 6, 1500},
		"older":      {mastodontest.New(), func(s *mastodontest.Server) { s.Older, s.Characters = true, 2000 }, 1990, 4, 1500},
	} {
		c.platform.Change(c.change)
		p := open(t, c.platform, "WARNING", "Jeux vidéo")
		l := p.Limits()
		if l.Text != c.text || l.Images != c.images || l.Alt != c.alt || l.Picture.Side != 3840 || l.Picture.Bytes != 16<<20 {
			t.Errorf("%s: %+v", name, l)
		}
		c.platform.Close()
		if again := p.Limits(); again.Text != l.Text {
			t.Errorf("%s: is forgotten", name)
		}
	}
	gone := mastodontest.New()
	p := open(t, gone)
	gone.Close()
	if l := p.Limits(); l.Text != 500 || l.Images != 4 {
		t.Errorf("without an answer: %+v", l)
	}
}

func TestPicturesAreProcessedFirst(t *testing.T) {
	platform := mastodontest.New()
	platform.Change(func(s *mastodontest.Server) { s.Slow = 2 })
	p := open(t, platform)
	m := message(1)
	m.Images = []announce.Picture{{Data: picture(t), Type: "image/png", Alt: "Une salle"}, {Data: picture(t), Type: "image/png"}}
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if posts := platform.Posts(); len(posts[0].Images) != 2 {
		t.Errorf("%+v", posts)
	}
	m.Images[0].Alt = "unprocessable"
	_, err := p.Publish(t.Context(), m)
	if e := failed(t, err, announce.Permanent, false, "picture"); e.Field != "images" {
		t.Errorf("field %q", e.Field)
	}
	platform.Change(func(s *mastodontest.Server) { s.Slow = 1 << 30 })
	m.Images[0].Alt = "Une salle"
	var e *announce.Error
	for limit := 300 * time.Millisecond; limit < time.Minute; limit *= 3 { // a busy machine has not even sent the picture by then
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err = p.Publish(ctx, m)
		cancel()
		if errors.As(err, &e) && strings.Contains(e.Fault, "processing") {
			break
		}
	}
	failed(t, err, announce.Temporary, false, "processing")
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestThread(t *testing.T) {
	platform := mastodontest.New()
	p := open(t, platform, "THREAD", "3")
	if n := p.Limits().Thread; n != 3 {
		t.Errorf("threads of %d", n)
	}
	began := time.Now()
	root, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	part := message(2)
	part.Part, part.Parts, part.Root, part.Parent = 1, 2, root, root
	alone := part
	alone.Parent = announce.Receipt{}
	if _, err := p.Publish(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Visibility string `json:"visibility"`
		To         string `json:"in_reply_to_id"`
	}
	if err := json.Unmarshal([]byte(platform.Posts()[1].Raw), &raw); err != nil || raw.To != root.ID || raw.Visibility != "unlisted" {
		t.Errorf("%+v, %v", raw, err)
	}
	if _, there, err := p.(announce.Finder).Find(t.Context(), alone, began); there || err != nil {
		t.Errorf("an answer is taken for a post: %t, %v", there, err)
	}
	if r, there, err := p.(announce.Finder).Find(t.Context(), part, began); !there || err != nil || r.ID == root.ID {
		t.Errorf("the answer is not found: %+v, %t, %v", r, there, err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	part.Key += "x"
	_, err = p.Publish(t.Context(), part)
	failed(t, err, announce.Permanent, false, "answers")
}

// A server says of a post of another account, and of every post when it is another server, that there is none.
func TestNotThereForThisToken(t *testing.T) {
	for name, c := range map[string]struct {
		visibility string
		change     option
		faults     []sim.Fault
		gone       bool
	}{
		"deleted":                        {"public", func(*mastodontest.Server) {}, nil, true},
		"of another account":             {"public", func(s *mastodontest.Server) { s.Other = true }, nil, false},
		"of another account, in private": {"private", func(s *mastodontest.Server) { s.Other = true }, nil, false},
		"another server": {"public", func(*mastodontest.Server) {}, []sim.Fault{
			{Kind: sim.Answer, Status: 404, Body: "<h1>Not found</h1>"}, {Kind: sim.Answer, Status: 404, Body: "<h1>Not found</h1>"}, {Kind: sim.Answer, Status: 404, Body: "<h1>Not found</h1>"},
		}, false},
	} {
		platform := mastodontest.New()
		p := open(t, platform, "VISIBILITY", c.visibility)
		r, err := p.Publish(t.Context(), message(1))
		if err != nil {
			t.Fatal(err)
		}
		if c.gone {
			if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		platform.Change(c.change)
		platform.Script().Push(c.faults...)
		if err := p.(announce.Retracter).Retract(t.Context(), r); c.gone != (err == nil) {
			t.Errorf("%s: %v", name, err)
		} else if err != nil {
			failed(t, err, announce.Permanent, false, "")
		}
	}
}

// Of a post that a person settled, the address alone is known.
func TestReceiptOfAPerson(t *testing.T) {
	platform := mastodontest.New()
	p := open(t, platform, "THREAD", "3")
	root, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	given := announce.Receipt{URL: root.URL}
	part := message(2)
	part.Part, part.Parts, part.Root, part.Parent = 1, 2, given, given
	if _, err := p.Publish(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	if raw := platform.Posts()[1].Raw; !strings.Contains(raw, `"`+root.ID+`"`) {
		t.Errorf("answers nothing: %s", raw)
	}
	if _, there, err := p.(announce.Finder).Find(t.Context(), part, time.Now()); !there || err != nil {
		t.Errorf("%t, %v", there, err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), given); err != nil || !platform.Posts()[0].Deleted {
		t.Errorf("not taken back: %v", err)
	}
	for _, elsewhere := range []announce.Receipt{{}, {URL: "https://elsewhere.example/@club/112233445566"}} {
		part.Key += "x"
		part.Root, part.Parent = elsewhere, elsewhere
		_, err := p.Publish(t.Context(), part)
		if e := failed(t, err, announce.Permanent, false, "answers"); e != nil && !e.Ask {
			t.Errorf("%+v", e)
		}
		if _, there, err := p.(announce.Finder).Find(t.Context(), part, time.Now()); there || err != nil {
			t.Errorf("%t, %v", there, err)
		}
	}
	if n := len(platform.Posts()); n != 2 {
		t.Errorf("%d posts: a part stands alone", n)
	}
}

// A server shows no server of whom the template mentions, which can make a mention of the author's words behind it.
func TestFindBehindAMention(t *testing.T) {
	p, began := open(t, mastodontest.New()), time.Now()
	m := message(1)
	m.Text = "Avec @club@example.social@ada:example.org\nhttps://example.org/1"
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if again, there, err := p.(announce.Finder).Find(t.Context(), m, began); !there || err != nil || again.ID != r.ID {
		t.Errorf("%+v, %t, %v", again, there, err)
	}
}

// Repeating the key is a second net only: one server gives the post back, one fails, one posts twice.
func TestRepeatedKey(t *testing.T) {
	for name, c := range map[string]struct {
		platform *mastodontest.Platform
		repeats  int
		posts    int
	}{"Mastodon": {mastodontest.New(), 0, 1}, "500 on repeat": {mastodontest.New(), 500, 1}, "GoToSocial": {mastodontest.NewGoToSocial(), 0, 2}} {
		c.platform.Change(func(s *mastodontest.Server) { s.Repeats = c.repeats })
		p := open(t, c.platform)
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Fatal(err)
		}
		_, err := p.Publish(t.Context(), message(1))
		if c.repeats == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.repeats != 0 {
			failed(t, err, announce.Ambiguous, false, "look")
		}
		if n := len(c.platform.Posts()); n != c.posts {
			t.Errorf("%s: %d posts", name, n)
		}
	}
}

// A server that ignores the key would post twice; the house looks first, and finds.
func TestALostPostIsFound(t *testing.T) {
	for _, platform := range []*mastodontest.Platform{mastodontest.New(), mastodontest.NewGoToSocial()} {
		p := open(t, platform)
		if p.Limits().Idempotent != 0 {
			t.Error("relies on the key")
		}
		began, m := time.Now(), gala(t)
		platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "POST", OnlyPath: "/statuses"})
		_, err := p.Publish(t.Context(), m)
		failed(t, err, announce.Ambiguous, false, "look")
		for n := range 90 { // the owner goes on posting
			platform.Say(fmt.Sprintf("Autre chose %d", n))
		}
		r, there, err := p.(announce.Finder).Find(t.Context(), m, began)
		if err != nil || !there || r.ID != platform.Posts()[0].ID || r.URL == "" || r.At.Before(began.Add(-time.Second)) {
			t.Errorf("%+v, %t, %v", r, there, err)
		}
		if _, there, err := p.(announce.Finder).Find(t.Context(), m, began.Add(time.Hour)); there || err != nil {
			t.Errorf("of an hour later: %t, %v", there, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	good := func() map[string]string { return map[string]string{"API": "https://mastodon.example/", "TOKEN": "x"} }
	for variable, value := range map[string]string{
		"API": "https://mastodon.example/api/v1", "TOKEN": "x y", "VISIBILITY": "direct", "WARNING": "a\nb", "THREAD": "26",
	} {
		environ := good()
		environ[variable] = value
		if _, err := configure(environ); err == nil || !strings.HasPrefix(err.Error(), variable+": ") {
			t.Errorf("%s: %v", variable, err)
		}
	}
	if _, err := configure(map[string]string{"API": "mastodon.example", "TOKEN": "x y", "THREAD": "0"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every fault at once: %v", err)
	}
	if _, err := configure(good()); err != nil {
		t.Error(err)
	}
}
