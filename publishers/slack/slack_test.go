package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/slack/slacktest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh platform.
func open(t testing.TB, webhook bool) (announce.Publisher, *slacktest.Platform) {
	t.Helper()
	platform := slacktest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{Token: announce.NewSecret(env["TOKEN"]), Channel: env["CHANNEL"], API: env["API"]}
	if webhook {
		c = Config{Webhook: announce.NewSecret(platform.Webhook()), API: env["API"]}
	}
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Mercredi %d octobre**, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n), Link: fmt.Sprintf("https://example.org/%d", n),
		Images: []announce.Picture{poster()},
	}
}

// poster is a picture without a public address.
func poster() announce.Picture {
	return announce.Picture{Data: []byte("\x89PNG\r\n\x1a\n"), Type: "image/png", Alt: "L’affiche"}
}

func TestContract(t *testing.T) {
	answer := func(status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	limited := answer(429, `{"ok":false,"error":"ratelimited"}`)
	limited.Header = map[string]string{"Retry-After": "30"}
	publishertest.Run(t, publishertest.Case{
		Name:    "bot",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, false) },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Create: "/chat.postMessage", Secrets: []string{slacktest.Token},
		Unauthorized:    answer(200, `{"ok":false,"error":"invalid_auth"}`),
		Refusal:         answer(200, `{"ok":false,"error":"invalid_blocks","errors":["must be more than 0 characters"]}`),
		RateLimited:     limited,
		RateLimitedBare: answer(429, `{"ok":false,"error":"ratelimited"}`),
		Window:          time.Minute,
	})
	publishertest.Run(t, publishertest.Case{
		Name:    "webhook",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, true) },
		Message: message, Create: "/services/", Secrets: []string{"simulatedhooksecret"},
		Unauthorized: answer(403, "invalid_token"),
		Refusal:      answer(400, "invalid_blocks"),
		Window:       time.Minute,
	})
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée <!channel> & *_~gala~_* : l’IA, ça s’explique 🎉 :tada:",
		Text: `# Soirée \<!channel\> \& \*\_\~gala\~\_\* : l’IA, ça s’explique 🎉 :tada:

**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue <!channel>, <!here>, <@U0CRIEUR>, <#C0ANNOUNCE|annonces> & @everyone ! *_~Aucun~_* signe n’est ` + "`mal <lu>`" + `, ni &amp;lt; ni ~~barré~~ 👩‍💻.

## Au programme

1. **L’œuvre d’Ada** — [notes](https://example.org/notes?a=1&b=<2>|x)
   - en *français*
   - en anglais
2. [piège](javascript:alert(1)) et <https://example.org/été>

> « Où naît l’été ? »
> — une habituée

` + "```go\nfmt.Println(\"<!channel>\")\n```" + `

---

Écrivez à ada@example.org ou voyez www.example.org.`,
		Link: "https://example.org/inscription?x=1&y=2",
		Images: []announce.Picture{
			{URL: "https://example.org/affiche.png", Alt: "L’affiche : une fusée <rouge> & un café"},
			{Data: []byte("\x89PNG\r\n\x1a\n"), Type: "image/png", Alt: "Le plan de la salle"},
		},
	}
}

func TestGoldenRequests(t *testing.T) {
	long := message(1)
	plain := message(20)
	plain.Images, long.Images = nil, nil
	long.Language = "en"
	long.Subject = strings.TrimSpace(strings.Repeat("A title that does not end ", 9))
	long.Text = strings.Repeat("Été & <hiver>. ", 400)
	for name, m := range map[string]announce.Message{"event.fr": gala(), "plain.fr": plain, "long.en": long} {
		for _, webhook := range []bool{false, true} {
			mode := map[bool]string{false: "bot", true: "webhook"}[webhook]
			t.Run(name+"."+mode, func(t *testing.T) {
				p, platform := open(t, webhook)
				if _, err := p.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				post := platform.Posts()[0]
				if n := platform.Pings(); n != 0 {
					t.Errorf("%d people or channels were called", n)
				}
				golden(t, name+"."+mode+".golden.json", []byte(post.Raw))
				golden(t, name+"."+mode+".golden.html", []byte(post.HTML+"\n"))
				if files := platform.Files(); len(files) > 0 {
					list, err := json.MarshalIndent(files, "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					golden(t, name+"."+mode+".files.golden.json", append(list, '\n'))
				}
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestReceipt(t *testing.T) {
	p, platform := open(t, false)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	post := platform.Posts()[0]
	if r.ID != post.ID || r.URL != post.URL || r.URL == "" || time.Since(r.At).Abs() > time.Minute {
		t.Errorf("%+v for %+v", r, post)
	}
	if post.Key != message(1).Key {
		t.Errorf("the post carries the key %q", post.Key)
	}
}

// The link is a courtesy: nothing that befalls it undoes a post.
func TestALostLinkIsNoFailure(t *testing.T) {
	for name, spoil := range map[string]func(*slacktest.Platform){
		"refused": func(p *slacktest.Platform) { p.Change(func(w *slacktest.Workspace) { w.Unlinkable = true }) },
		"500": func(p *slacktest.Platform) {
			p.Script().Push(sim.Fault{Kind: sim.Answer, Status: 500, OnlyPath: "getPermalink"})
		},
		"dropped": func(p *slacktest.Platform) { // net/http repeats a reading by itself
			p.Script().Push(sim.Fault{Kind: sim.Drop, OnlyPath: "getPermalink"}, sim.Fault{Kind: sim.Drop, OnlyPath: "getPermalink"})
		},
	} {
		p, platform := open(t, false)
		spoil(platform)
		r, err := p.Publish(t.Context(), message(1))
		if err != nil || r.ID == "" || r.URL != "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestFindReadsEveryPage(t *testing.T) {
	p, platform := open(t, false)
	platform.Change(func(w *slacktest.Workspace) { w.Page = 2 })
	began := time.Now()
	want, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 7 {
		platform.Say(fmt.Sprint("parlons ", n))
	}
	find := p.(announce.Finder).Find
	if r, ok, err := find(t.Context(), message(1), began); err != nil || !ok || r.ID != want.ID || r.URL != want.URL {
		t.Errorf("%+v, %t, %v", r, ok, err)
	}
	if _, ok, err := find(t.Context(), message(1), began.Add(time.Hour)); err != nil || ok {
		t.Errorf("found before its time: %t, %v", ok, err)
	}
	for range 100 {
		platform.Say("et encore")
	}
	if _, ok, err := find(t.Context(), message(1), began); err == nil || ok {
		t.Errorf("gave up silently: %t, %v", ok, err)
	}
}

func TestTheKeySurvivesAnEdit(t *testing.T) {
	p, platform := open(t, false)
	began := time.Now()
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	m := message(2)
	m.Key = message(1).Key
	if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if found, ok, err := p.(announce.Finder).Find(t.Context(), message(1), began); err != nil || !ok || found.ID != r.ID {
		t.Errorf("%+v, %t, %v", found, ok, err)
	}
	if post := platform.Posts()[0]; post.Edited != 1 {
		t.Errorf("edited %d times", post.Edited)
	}
}

func TestAReceiptOfAnotherKind(t *testing.T) {
	p, _ := open(t, false)
	for _, id := range []string{"", sent, "C1:", ":1.2"} {
		r := announce.Receipt{ID: id}
		_, amend := p.(announce.Amender).Amend(t.Context(), r, message(1))
		for _, err := range []error{amend, p.(announce.Retracter).Retract(t.Context(), r)} {
			var e *announce.Error
			if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
}

// A channel the account has left stops nobody: what is at fault is that post.
func TestAPostInAFormerChannel(t *testing.T) {
	p, _ := open(t, false)
	err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: "C0FORMERLY:1700000000.000100"})
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop {
		t.Errorf("%v", err)
	}
}

func TestConfig(t *testing.T) {
	token, hook := announce.NewSecret("xoxb-1-s3cr3t"), announce.NewSecret("https://hooks.slack.com/services/T/B/s3cr3t")
	for want, c := range map[string]Config{
		"TOKEN: is required":       {},
		"WEBHOOK: is set beside":   {Token: token, Channel: "C0123456789", Webhook: hook, API: "https://slack.com/api"},
		"TOKEN: is not":            {Token: announce.NewSecret("s3cr3t"), Channel: "C0123456789", API: "https://slack.com/api"},
		"TOKEN: is not a":          {Token: announce.NewSecret("xoxb-s3cr3t\n"), Channel: "C0123456789", API: "https://slack.com/api"},
		"CHANNEL: is required":     {Token: token, API: "https://slack.com/api"},
		"CHANNEL: is not":          {Token: token, Channel: "#annonces", API: "https://slack.com/api"},
		"CHANNEL: goes with TOKEN": {Webhook: hook, Channel: "C0123456789"},
		"API: must begin":          {Token: token, Channel: "C0123456789", API: "http://slack.com/api"},
		"API: is not":              {Token: token, Channel: "C0123456789"},
		"WEBHOOK: is not":          {Webhook: announce.NewSecret("s3cr3t")},
		"WEBHOOK: must begin":      {Webhook: announce.NewSecret("http://hooks.slack.com/s3cr3t")},
	} {
		p, err := New(c, announce.Site{})
		if err == nil || p != nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(Config{Token: token, Channel: "C0123456789", API: "https://slack.com/api/"}, announce.Site{}); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{Webhook: hook}, announce.Site{}); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	with := func(scopes ...string) func(*slacktest.Workspace) {
		return func(w *slacktest.Workspace) { w.Scopes = scopes }
	}
	for name, x := range map[string]struct {
		change func(*slacktest.Workspace)
		severe bool
		say    []string
	}{
		"sound":           {func(*slacktest.Workspace) {}, false, nil},
		"a sound private": {func(w *slacktest.Workspace) { w.Private = true }, false, nil},
		"may not write":   {with("channels:read", "channels:history", "files:write", "files:read"), true, []string{"chat:write"}},
		"may not look":    {with("chat:write", "channels:read", "files:write", "files:read"), false, []string{"channels:history"}},
		"may not look (private)": {func(w *slacktest.Workspace) {
			w.Private = true
			with("chat:write", "groups:read", "files:write", "files:read")(w)
		}, false, []string{"groups:history"}},
		"may not read":      {with("chat:write", "channels:history", "files:write", "files:read"), false, []string{"channels:read"}},
		"may not upload":    {with("chat:write", "channels:read", "channels:history"), false, []string{"files:write and files:read"}},
		"may not see files": {with("chat:write", "channels:read", "channels:history", "files:write"), false, []string{"scope files:read is"}},
		"outside":           {func(w *slacktest.Workspace) { w.Member = false }, true, []string{"/invite @crieur"}},
		"outside, private":  {func(w *slacktest.Workspace) { w.Member, w.Private = false, true }, true, []string{"channel_not_found"}},
		"outside, allowed": {func(w *slacktest.Workspace) {
			w.Member = false
			w.Scopes = append(w.Scopes, "chat:write.public")
		}, false, []string{"/invite @crieur"}},
		"archived": {func(w *slacktest.Workspace) { w.Archived = true }, true, []string{"archived"}},
		"a person": {func(w *slacktest.Workspace) { w.Person = true }, false, []string{"person"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, false)
			platform.Change(x.change)
			r, err := p.(announce.Checker).Check(t.Context())
			if err != nil || r.Identity != "crieur in Simulated community" {
				t.Fatalf("%+v, %v", r, err)
			}
			severe, all := false, ""
			for _, f := range r.Findings {
				severe = severe || f.Severe
				all += f.What + ": " + f.Do + "\n"
			}
			if severe != x.severe || len(r.Findings) != len(x.say) {
				t.Errorf("%+v", r.Findings)
			}
			for _, s := range x.say {
				if !strings.Contains(all, s) {
					t.Errorf("says nothing of %q:\n%s", s, all)
				}
			}
			_, err = p.Publish(context.WithoutCancel(t.Context()), message(1))
			if (err != nil) != x.severe {
				t.Errorf("the check says severe=%t, publishing says %v", x.severe, err)
			}
		})
	}
}

func TestTheRateLimitOfAChannel(t *testing.T) {
	for _, webhook := range []bool{false, true} {
		p, platform := open(t, webhook)
		platform.Change(func(w *slacktest.Workspace) { w.RateLimit = true })
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Fatal(err)
		}
		_, err := p.Publish(t.Context(), message(2))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != time.Second {
			t.Errorf("%v", err)
		}
	}
}
