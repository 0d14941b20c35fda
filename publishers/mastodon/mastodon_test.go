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
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = p.Publish(ctx, m)
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

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		path  string
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		wait  time.Duration
		say   string
	}{
		"404":                      {"/statuses", sim.Fault{Status: 404, Body: `{"error":"Record not found"}`}, announce.Permanent, false, 0, "API"},
		"403":                      {"/statuses", sim.Fault{Status: 403, Body: `{"error":"This action is outside the authorized scopes"}`}, announce.Permanent, true, 0, "outside the authorized scopes"},
		"403 of a wall":            {"/statuses", sim.Fault{Status: 403, Body: `<html>Blocked</html>`}, announce.Permanent, true, 0, "write:statuses"},
		"418":                      {"/statuses", sim.Fault{Status: 418}, announce.Permanent, false, 0, "refuses"},
		"301":                      {"/statuses", sim.Fault{Status: 301}, announce.Permanent, true, 0, "API"},
		"422":                      {"/statuses", sim.Fault{Status: 422, Body: "{\"error\":\"Trop \\n long\"}"}, announce.Permanent, false, 0, "It says: Trop long"},
		"200 that names nothing":   {"/statuses", sim.Fault{Status: 200, Body: `{}`}, announce.Ambiguous, false, 0, "look"},
		"429 in seconds":           {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"Retry-After": "9"}}, announce.RateLimited, false, 9 * time.Second, "wait"},
		"429 by Unix time":         {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"Date": "Sun, 14 Mar 2027 18:30:00 GMT", "X-RateLimit-Reset": "1805049060"}}, announce.RateLimited, false, 61 * time.Second, "wait"},
		"429 of a time long ago":   {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"X-RateLimit-Reset": "2020-01-01T00:00:00Z"}}, announce.RateLimited, false, time.Second, "wait"},
		"429 of an upload":         {"/media", sim.Fault{Status: 429}, announce.RateLimited, false, 5 * time.Minute, "wait"},
		"upload 500":               {"/media", sim.Fault{Status: 500}, announce.Temporary, false, 0, "again"},
		"upload 422":               {"/media", sim.Fault{Status: 422, Body: `{"error":"File content type is invalid"}`}, announce.Permanent, false, 0, "picture"},
		"upload 403":               {"/media", sim.Fault{Status: 403}, announce.Permanent, true, 0, "write:media"},
		"upload that says nothing": {"/media", sim.Fault{Status: 200, Body: `{}`}, announce.Temporary, false, 0, "picture"},
	} {
		t.Run(name, func(t *testing.T) {
			platform := mastodontest.New()
			p := open(t, platform)
			c.fault.Kind, c.fault.OnlyPath, c.fault.OnlyMethod = sim.Answer, c.path, "POST"
			platform.Script().Push(c.fault)
			_, err := p.Publish(t.Context(), gala(t))
			if e := failed(t, err, c.want, c.stop, c.say); e.RetryAfter != c.wait {
				t.Errorf("waits %s, want %s", e.RetryAfter, c.wait)
			}
			if n := len(platform.Posts()); n != 0 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

func TestRealLimits(t *testing.T) {
	platform := mastodontest.New()
	platform.Change(func(s *mastodontest.Server) { s.Limits, s.Grants = true, 3 })
	p := open(t, platform)
	var err error
	for n := 0; err == nil; n++ {
		if n > 3 {
			t.Fatal("nothing is counted")
		}
		_, err = p.Publish(t.Context(), message(n))
	}
	if e := failed(t, err, announce.RateLimited, false, "wait"); e.RetryAfter < time.Second || e.RetryAfter > 5*time.Minute+time.Second {
		t.Errorf("waits %s", e.RetryAfter)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change option
		what   string
		severe bool
	}{
		"sound":         {func(*mastodontest.Server) {}, "", false},
		"no writing":    {func(s *mastodontest.Server) { s.Scopes = []string{"read"} }, "write:statuses", true},
		"no pictures":   {func(s *mastodontest.Server) { s.Scopes = []string{"read", "write:statuses"} }, "write:media", true},
		"no looking":    {func(s *mastodontest.Server) { s.Scopes = []string{"read:accounts", "write"} }, "may not read", false},
		"older":         {func(s *mastodontest.Server) { s.Older = true }, "", false},
		"no scopes say": {func(s *mastodontest.Server) { s.Ignores = true }, "", false},
	} {
		platform := mastodontest.New()
		platform.Change(c.change)
		report, err := open(t, platform).(announce.Checker).Check(t.Context())
		if err != nil || !strings.HasPrefix(report.Identity, "@rencontre@127.0.0.1") {
			t.Errorf("%s: %+v, %v", name, report, err)
			continue
		}
		switch {
		case c.what == "" && len(report.Findings) != 0:
			t.Errorf("%s: %+v", name, report.Findings)
		case c.what != "" && (len(report.Findings) == 0 || !strings.Contains(report.Findings[0].What, c.what) || report.Findings[0].Severe != c.severe):
			t.Errorf("%s: %+v", name, report.Findings)
		}
	}
	platform := mastodontest.New()
	platform.Change(func(s *mastodontest.Server) { s.Suspended = true })
	_, err := open(t, platform).(announce.Checker).Check(t.Context())
	failed(t, err, announce.Permanent, true, "suspended")
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
