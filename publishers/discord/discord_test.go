package discord

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/discord/discordtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// The ways to publish, by name.
const (
	withBot      = "bot"
	withHook     = "webhook"
	withCalendar = "calendar"
)

// open returns a channel pointed at a fresh platform.
func open(t testing.TB, way string) (announce.Publisher, *discordtest.Platform) {
	t.Helper()
	platform := discordtest.New()
	if way == withCalendar {
		platform = discordtest.NewCalendar()
	}
	t.Cleanup(platform.Close)
	return at(t, platform, way, nil), platform
}

// at is the account of a platform with its settings changed.
func at(t testing.TB, platform *discordtest.Platform, way string, change func(*Config)) announce.Publisher {
	t.Helper()
	env := platform.Environ()
	c := Config{Token: announce.NewSecret(env["TOKEN"]), Channel: env["CHANNEL"], As: env["AS"], Guild: env["GUILD"], API: env["API"]}
	if way == withHook {
		c = Config{Webhook: announce.NewSecret(platform.Webhook())}
	}
	if c.As == "" {
		c.As = "message"
	}
	if change != nil {
		change(&c)
	}
	p, err := New(c, announce.Site{Name: "Communauté d’exemple"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sample(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Kind: announce.KindNews, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Rencontre nᵒ %02d**\n\nMercredi %d octobre, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n, n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

// pictured is a message with two pictures.
func pictured(n int) announce.Message {
	m := sample(n)
	m.Images = []announce.Picture{drawn(n, "L’affiche : une fusée <rouge> & un café"), drawn(n+1, "Le plan de la salle")}
	return m
}

func drawn(n int, alt string) announce.Picture {
	i := image.NewPaletted(image.Rect(0, 0, 40, 20), color.Palette{color.Gray{Y: uint8(n)}})
	var b bytes.Buffer
	if err := png.Encode(&b, i); err != nil {
		panic(err)
	}
	return announce.Picture{Data: b.Bytes(), Type: "image/png", Width: 40, Height: 20, Alt: alt}
}

// evening is an announcement of an event.
func evening(n int) announce.Message {
	m := sample(n)
	m.Kind = announce.KindEvent
	start := time.Date(2047, 10, 1+n, 22, 30, 0, 0, time.UTC)
	m.Event = &announce.Event{
		Start: announce.When{Zone: "America/Toronto", Instant: start}, Zone: "America/Toronto",
		Venue: &announce.Venue{Name: "Café du Clocher", Address: "19, rue Saint-Joseph, Alma"},
	}
	return m
}

func answer(status int, body string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
}

func TestContract(t *testing.T) {
	secrets := []string{discordtest.Token, discordtest.HookToken, "Bot " + discordtest.Token}
	limited := answer(429, `{"message":"You are being rate limited.","retry_after":64.57,"global":false}`)
	invalid := answer(400, `{"message":"Invalid Form Body","code":50035,"errors":{"content":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Must be 2000 or fewer in length."}]}}}`)
	for _, c := range []publishertest.Case{
		{Name: withBot, Message: sample, Can: []string{"amend", "retract", "find", "check"}, Create: "/channels/"},
		{Name: withBot + " with pictures", Message: pictured, Can: []string{"amend", "retract", "find", "check"}, Create: "/channels/"},
		{Name: withHook, Message: sample, Can: []string{"amend", "retract", "check"}, Create: "/webhooks/",
			Unauthorized: answer(401, `{"message":"Invalid Webhook Token","code":50027}`)},
		{Name: withHook + " with pictures", Message: pictured, Can: []string{"amend", "retract", "check"}, Create: "/webhooks/",
			Unauthorized: answer(404, `{"message":"Unknown Webhook","code":10015}`)},
		{Name: withCalendar, Message: evening, Can: []string{"amend", "retract", "find", "check"}, Create: "/scheduled-events"},
	} {
		c.Open = func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, strings.Fields(c.Name)[0]) }
		c.Method, c.Secrets, c.Refusal, c.RateLimited, c.Wait, c.Window = "POST", secrets, invalid, limited, 64570*time.Millisecond, window
		publishertest.Run(t, c)
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindNews, Language: "fr",
		Subject: "Soirée <@123> & *_~gala~_* : l’IA, ça s’explique 🎉",
		Text: `**Soirée \<@123\> \& \*\_\~gala\~\_\* : l’IA, ça s’explique 🎉**

**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h\
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue @everyone, @here, <@!123456789>, <@&42>, <#220000000000000001>, \<t:1618953630:R\> & :tada: ! Ni ||caché|| ni __souligné__, ~~barré~~ 👩‍💻 \[lien\]\(https://example.org\).
\# pas un titre
\- pas une liste
\-# ni petit
1\. ni ça

## Au programme

1. **L’œuvre d’Ada** — [notes](https://example.org/notes_(1)?a=1&b="2")
   - en *français*
   - en **anglais avec ` + "`code **<lu>**`" + `** et ***fort***
2. [piège](javascript:alert(1)) et <https://example.org/été_*fou*>

> « Où naît l’été ? »
> — une habituée

` + "```go\nfmt.Println(\"<@123> @everyone ```\")\n```" + `

---

[Écrire](mailto:ada@example.org)

[S’inscrire](https://example.org/inscription?x=1&y=2)`,
		Link: "https://example.org/inscription?x=1&y=2",
	}
}

func TestGoldenRequests(t *testing.T) {
	picture := gala()
	picture.Images = pictured(1).Images
	party := gala()
	party.Kind, party.Event = announce.KindEvent, evening(1).Event
	party.Images = picture.Images[:1]
	party.Event.End = announce.When{Zone: "America/Toronto", Instant: party.Event.Start.Instant.Add(150 * time.Minute)}
	party.Text = strings.Join(strings.Split(party.Text, "\n\n")[:2], "\n\n")
	for _, c := range []struct {
		name, way string
		m         announce.Message
	}{{"text", withBot, gala()}, {"picture", withBot, picture}, {"text", withHook, gala()}, {"picture", withHook, picture}, {"event", withCalendar, party}} {
		t.Run(c.name+"."+c.way, func(t *testing.T) {
			p, platform := open(t, c.way)
			if _, err := p.Publish(t.Context(), c.m); err != nil {
				t.Fatal(err)
			}
			post := platform.Posts()[0]
			if n := platform.Pings(); n != 0 {
				t.Errorf("%d people were called", n)
			}
			golden(t, c.name+"."+c.way+".golden.json", []byte(post.Raw))
			golden(t, c.name+"."+c.way+".golden.html", []byte(post.HTML+"\n"))
		})
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

func permanent(err error) *announce.Error {
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent {
		return nil
	}
	return e
}

func mustPublish(t *testing.T, p announce.Publisher, platform *discordtest.Platform, m announce.Message) (announce.Receipt, sim.Post) {
	t.Helper()
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	posts := platform.Posts()
	return r, posts[len(posts)-1]
}

func TestReceipt(t *testing.T) {
	for _, way := range []string{withBot, withHook, withCalendar} {
		p, platform := open(t, way)
		for n := range 2 { // the server's number is asked for once
			r, post := mustPublish(t, p, platform, evening(n+1))
			if r.URL != post.URL || !strings.HasSuffix(r.ID, post.ID) || time.Since(r.At).Abs() > time.Minute {
				t.Errorf("%s: %+v for %+v", way, r, post)
			}
		}
		// A person who settles a lost call gives an address, and no more.
		r, post := mustPublish(t, p, platform, evening(3))
		bare := announce.Receipt{URL: strings.Replace(r.URL, "https://", "https://ptb.", 1)}
		after := evening(4)
		if _, err := p.(announce.Amender).Amend(t.Context(), bare, after); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if err := p.(announce.Retracter).Retract(t.Context(), bare); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if last := platform.Posts()[2]; !last.Deleted || last.Edited != 1 || last.ID != post.ID {
			t.Errorf("%s: %+v", way, last)
		}
		for _, r := range []announce.Receipt{{}, {ID: "sent"}, {ID: "bot:1:2"}, {ID: "webhook:999999999999999999:240000000000000001"}, {URL: "https://example.org/channels/1/2/3"}, {ID: "event:999999999999999999:240000000000000001"}} {
			if err := p.(announce.Retracter).Retract(t.Context(), r); permanent(err) == nil || permanent(err).Stop {
				t.Errorf("%s: %+v: %v", way, r, err)
			}
		}
	}
}

// A webhook sees no posts but its own, so that one of somebody else's looks as if it were gone.
func TestAddressOfAnotherPost(t *testing.T) {
	bot, platform := open(t, withBot)
	r, _ := mustPublish(t, bot, platform, sample(1))
	hook := at(t, platform, withHook, nil).(announce.Retracter)
	if e := permanent(hook.Retract(t.Context(), announce.Receipt{URL: r.URL})); e == nil || !e.Ask || e.Stop {
		t.Errorf("%+v", e)
	}
	if platform.Posts()[0].Deleted {
		t.Error("deleted")
	}
}

// The address is a courtesy: nothing that befalls it undoes a post.
func TestALostAddressIsNoFailure(t *testing.T) {
	for _, way := range []string{withBot, withHook} {
		p, platform := open(t, way)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 500, OnlyMethod: "GET"})
		if r, err := p.Publish(t.Context(), sample(1)); err != nil || r.ID == "" || r.URL != "" {
			t.Errorf("%s: %+v, %v", way, r, err)
		}
		if r, err := p.Publish(t.Context(), sample(2)); err != nil || r.URL == "" {
			t.Errorf("%s: %+v, %v", way, r, err)
		}
	}
}

// An edit replaces everything: words, pictures and the preview of links.
func TestAmendAcrossPictures(t *testing.T) {
	one := pictured(4)
	one.Images = one.Images[:1]
	for _, way := range []string{withBot, withHook} {
		for _, from := range []announce.Message{sample(1), pictured(1), one} {
			for _, to := range []announce.Message{sample(2), pictured(2), one} {
				p, platform := open(t, way)
				r, _ := mustPublish(t, p, platform, from)
				if _, err := p.(announce.Amender).Amend(t.Context(), r, to); err != nil {
					t.Fatal(err)
				}
				amended := platform.Posts()[0]
				to.Key = "another"
				_, fresh := mustPublish(t, p, platform, to)
				if amended.HTML != fresh.HTML || amended.Text != fresh.Text || len(amended.Images) != len(to.Images) || platform.Pings() != 0 {
					t.Errorf("%s: amended to %s, published as %s", way, amended.HTML, fresh.HTML)
				}
			}
		}
	}
}

func TestReplies(t *testing.T) {
	p, platform := open(t, withBot)
	r, post := mustPublish(t, p, platform, sample(1))
	second := sample(2)
	second.Part, second.Root, second.Parent = 1, r, r
	mustPublish(t, p, platform, second)
	if got := platform.Replies(); got[0] != "" || got[1] != post.ID || platform.Pings() != 0 {
		t.Errorf("%v", got)
	}
}

func TestThread(t *testing.T) {
	_, platform := open(t, withHook)
	platform.Change(func(s *discordtest.Server) { s.Kind = 15 })
	_, err := at(t, platform, withHook, nil).Publish(t.Context(), sample(1))
	if e := permanent(err); e == nil || !e.Stop || !strings.Contains(e.Fault, "THREAD") {
		t.Errorf("%v", err)
	}
	for way, change := range map[string]func(*Config){
		withHook: func(c *Config) { c.Thread = discordtest.Thread },
		withBot:  func(c *Config) { c.Channel = discordtest.Thread },
	} {
		p := at(t, platform, way, change)
		r, post := mustPublish(t, p, platform, sample(1))
		if !strings.Contains(post.URL, discordtest.Thread) || r.URL != post.URL {
			t.Errorf("%s: %+v", way, r)
		}
		if _, err := p.(announce.Amender).Amend(t.Context(), r, sample(2)); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		// By its address, from wherever the account posts now; then it is gone.
		for _, c := range []struct {
			p announce.Publisher
			r announce.Receipt
		}{{at(t, platform, way, nil), announce.Receipt{URL: r.URL}}, {p, r}} {
			if err := c.p.(announce.Retracter).Retract(t.Context(), c.r); err != nil {
				t.Errorf("%s: %v", way, err)
			}
			if posts := platform.Posts(); !posts[len(posts)-1].Deleted {
				t.Errorf("%s: %+v", way, posts)
			}
		}
	}
}

func TestPace(t *testing.T) {
	for _, way := range []string{withBot, withHook} {
		p, platform := open(t, way)
		platform.Change(func(s *discordtest.Server) { s.RateLimit = true })
		for n := range 5 {
			mustPublish(t, p, platform, sample(n+1))
		}
		_, err := p.Publish(t.Context(), sample(6))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != 1337*time.Millisecond {
			t.Errorf("%v", err)
		}
	}
}

// Discord counts a character of some scripts as two. The words of a picture never cost the post.
func TestLongWordsOfAPicture(t *testing.T) {
	p, _ := open(t, withBot)
	m := sample(1)
	m.Images = []announce.Picture{drawn(1, "𝔘 "+strings.Repeat("𝔄𝔅 ", 340))}
	if n := utf8.RuneCountInString(m.Images[0].Alt); n > p.Limits().Alt {
		t.Fatalf("%d characters", n)
	}
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Error(err)
	}
}
