package telegram

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

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/telegram/telegramtest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh platform.
func open(t testing.TB) (announce.Publisher, *telegramtest.Platform) {
	t.Helper()
	platform := telegramtest.New()
	t.Cleanup(platform.Close)
	return at(t, platform, nil), platform
}

// at is the account of a platform with its settings changed.
func at(t testing.TB, platform *telegramtest.Platform, change func(*Config)) announce.Publisher {
	t.Helper()
	env := platform.Environ()
	c := Config{Token: announce.NewSecret(env["TOKEN"]), Chat: env["CHAT"], API: env["API"]}
	if change != nil {
		change(&c)
	}
	p, err := New(c, announce.Site{Languages: []announce.Language{"fr", "en"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Rencontre nᵒ %02d**\n\nMercredi %d octobre, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n, n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

// pictured is a message with a picture of its own.
func pictured(n int) announce.Message {
	m := message(n)
	m.Images = []announce.Picture{drawn(n)}
	return m
}

func drawn(n int) announce.Picture {
	i := image.NewPaletted(image.Rect(0, 0, 40, 20), color.Palette{color.Gray{Y: uint8(n)}})
	var b bytes.Buffer
	if err := png.Encode(&b, i); err != nil {
		panic(err)
	}
	return announce.Picture{Data: b.Bytes(), Type: "image/png", Width: 40, Height: 20, Alt: "L’affiche : une fusée <rouge> & un café"}
}

func answer(status int, body string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
}

func TestContract(t *testing.T) {
	for name, message := range map[string]func(int) announce.Message{"text": message, "picture": pictured} {
		create := map[string]string{"text": "/sendMessage", "picture": "/sendPhoto"}[name]
		exempt := map[string]string{}
		if name == "picture" {
			exempt["the longest text is taken"] = "a long text is no caption of a picture; see the case text"
		}
		publishertest.Run(t, publishertest.Case{
			Name:    name,
			Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t) },
			Message: message, Can: []string{"amend", "retract", "check"}, Create: create,
			Secrets:         []string{telegramtest.Token, strings.Split(telegramtest.Token, ":")[1]},
			Unauthorized:    answer(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`),
			Refusal:         answer(400, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 4"}`),
			RateLimited:     answer(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`),
			Wait:            35 * time.Second,
			RateLimitedBare: answer(429, `{"ok":false,"error_code":429,"description":"Too Many Requests"}`),
			Window:          window,
			Exempt:          exempt,
		})
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée <b>gala</b> & *_~gala~_* : l’IA, ça s’explique 🎉",
		Text: `**Soirée \<b\>gala\</b\> \& \*\_\~gala\~\_\* : l’IA, ça s’explique 🎉**

**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h\
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue @everyone, @durov, **@**durov et &commat;channel ! Écrivez à ada@example.org ou à @ada. <script>alert(1)</script> &amp;lt; ~~barré~~ 👩‍💻.

## Au programme

1. **L’œuvre d’Ada** — [notes](https://example.org/notes?a=1&b="2")
   - en *français*
   - en **anglais avec ` + "`code <lu>`" + `**
2. [piège](javascript:alert(1)) et <https://example.org/été>

> « Où naît l’été ? »
> — une habituée

` + "```go\nfmt.Println(\"<!channel> & @durov\")\n```" + `

---

[Écrire](mailto:ada@example.org)

#SagLacIO`,
		Mentions: []string{"ada"}, Tags: []string{"SagLacIO"},
		Link: "https://example.org/inscription?x=1&y=2",
	}
}

func TestGoldenRequests(t *testing.T) {
	preview := gala()
	preview.Language = "en"
	preview.Text = strings.Repeat("Été & <hiver>. ", 75)
	preview.Images = []announce.Picture{drawn(1)}
	preview.Images[0].URL = "https://crieur.example.org/media/affiche.png?a=1&b=2"
	picture := gala()
	picture.Images = []announce.Picture{drawn(2)}
	for name, m := range map[string]announce.Message{"text.fr": gala(), "picture.fr": picture, "preview.en": preview} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			post := platform.Posts()[0]
			if n := platform.Pings(); n != len(m.Mentions) && name != "preview.en" {
				t.Errorf("%d people were called", n)
			}
			golden(t, name+".golden.json", []byte(post.Raw))
			golden(t, name+".golden.html", []byte(post.HTML+"\n"))
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

func TestReceipt(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*telegramtest.Chat)
		account func(*Config)
	}{
		"channel":       {func(*telegramtest.Chat) {}, nil},
		"private":       {func(c *telegramtest.Chat) { c.Private = true }, func(c *Config) { c.Chat = "-1001234567890" }},
		"topic":         {func(c *telegramtest.Chat) { c.Group, c.Topics = true, []int{7} }, func(c *Config) { c.Topic = 7 }},
		"private topic": {func(c *telegramtest.Chat) { c.Private, c.Group, c.Topics = true, true, []int{7} }, func(c *Config) { c.Chat, c.Topic = "-1001234567890", 7 }},
	} {
		_, platform := open(t)
		platform.Change(c.change)
		p := at(t, platform, c.account)
		r, err := p.Publish(t.Context(), pictured(1))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		post := platform.Posts()[0]
		if r.URL != post.URL || time.Since(r.At).Abs() > time.Minute {
			t.Errorf("%s: %+v for %s", name, r, post.URL)
		}
		where, ok := read(r)
		byAddress, known := read(announce.Receipt{URL: r.URL})
		if !ok || !known || where.chat != "-1001234567890" || where.language != "fr" || len(where.picture) != 16 || where.message != byAddress.message {
			t.Errorf("%s: %+v is %+v, %+v by its address", name, r, where, byAddress)
		}
	}
}

// A person who settles a lost call gives an address, and no more.
func TestAnAddressIsEnoughToChangeAPost(t *testing.T) {
	for _, m := range []announce.Message{message(1), pictured(1)} {
		p, platform := open(t)
		r, err := p.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		after := m
		after.Text = "Tout autre chose"
		r, err = p.(announce.Amender).Amend(t.Context(), announce.Receipt{URL: r.URL}, after)
		if err != nil {
			t.Fatal(err)
		}
		if posts := platform.Posts(); len(posts) != 1 || !strings.HasPrefix(posts[0].Text, "Tout autre chose") || r.URL == "" {
			t.Errorf("%+v, %+v", r, posts)
		}
		if err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{URL: r.URL}); err != nil || !platform.Posts()[0].Deleted {
			t.Errorf("%v, %+v", err, platform.Posts())
		}
	}
	p, _ := open(t)
	for _, r := range []announce.Receipt{{}, {URL: "https://example.org/1"}, {URL: "https://t.me/x"}, {ID: "sent"}, {ID: "42:1"}, {ID: "-1001:x"}} {
		if err := p.(announce.Retracter).Retract(t.Context(), r); permanent(err) == nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func permanent(err error) *announce.Error {
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent {
		return nil
	}
	return e
}

// What is amended must end as it would have been published, as far as Telegram can.
func TestAmendAcrossPictures(t *testing.T) {
	long := message(2)
	long.Text += "\n\n" + strings.Repeat("mot ", 300)
	shown := long
	shown.Images = []announce.Picture{drawn(3)}
	shown.Images[0].URL = "https://crieur.example.org/affiche.png"
	other := pictured(2)
	other.Images = []announce.Picture{drawn(9)}
	wordy := pictured(2)
	wordy.Text += "\n\n" + strings.Repeat("m", 930)
	for name, c := range map[string]struct {
		from, to announce.Message
		images   int
		refused  string
	}{
		"text to text":                         {message(1), message(2), 0, ""},
		"text to picture":                      {message(1), pictured(2), 1, ""},
		"text to preview":                      {message(1), shown, 1, ""},
		"preview to text":                      {shown, message(1), 0, ""},
		"preview to picture":                   {shown, pictured(2), 1, ""},
		"picture to the same":                  {pictured(1), pictured(1), 1, ""},
		"picture to new words":                 {pictured(1), func() announce.Message { m := message(2); m.Images = pictured(1).Images; return m }(), 1, ""},
		"picture to another":                   {pictured(1), other, 1, ""},
		"picture to a caption without its alt": {pictured(1), wordy, 1, ""},
		"picture to text":                      {pictured(1), message(2), 1, "images"},
		"picture to long":                      {pictured(1), shown, 1, "texts"},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			r, err := p.Publish(t.Context(), c.from)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				again, err := p.(announce.Amender).Amend(t.Context(), r, c.to)
				post := platform.Posts()[0]
				if e := permanent(err); c.refused != "" && (e == nil || e.Field != c.refused || e.Stop || post.Edited > 0) {
					t.Fatalf("%v", err)
				}
				if c.refused != "" {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.Fields(c.to.Subject)[2]; !strings.Contains(post.Text, want) || len(post.Images) != c.images {
					t.Fatalf("%+v", post)
				}
				r = again
			}
			if was, now := platform.Posts()[0], mustPublish(t, p, platform, c.to); name != "picture to a caption without its alt" && (was.Text != now.Text || was.HTML != now.HTML) {
				t.Errorf("amended to %s, published as %s", was.HTML, now.HTML)
			}
		})
	}
}

func mustPublish(t *testing.T, p announce.Publisher, platform *telegramtest.Platform, m announce.Message) sim.Post {
	t.Helper()
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	posts := platform.Posts()
	return posts[len(posts)-1]
}

// Telegram deletes nothing that is older than two days.
func TestAnOldPostBecomesANotice(t *testing.T) {
	english := pictured(2)
	english.Language = "en-CA"
	for _, c := range []struct {
		m      announce.Message
		bare   bool // only the address is known
		notice string
	}{{message(1), false, "Annonce retirée."}, {pictured(1), false, "Annonce retirée."}, {english, false, "This announcement was withdrawn."}, {english, true, "Annonce retirée."}} {
		p, platform := open(t)
		r, err := p.Publish(t.Context(), c.m)
		if err != nil {
			t.Fatal(err)
		}
		if c.bare {
			r.ID = ""
		}
		platform.Pass(49 * time.Hour)
		for range 2 {
			if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			post := platform.Posts()[0]
			if post.Deleted || post.Text != c.notice || strings.Contains(post.HTML, "example.org") {
				t.Errorf("%+v", post)
			}
			if len(c.m.Images) > 0 && post.Images[0].URL == before(t, c.m) {
				t.Error("the picture is still there")
			}
		}
	}
}

// before is the picture of a message as readers get it.
func before(t *testing.T, m announce.Message) string {
	p, platform := open(t)
	return mustPublish(t, p, platform, m).Images[0].URL
}

func TestReplies(t *testing.T) {
	p, platform := open(t)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	second := message(2)
	second.Part, second.Root, second.Parent = 1, r, r
	if _, err := p.Publish(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if got := platform.Replies(); got[0] != 0 || got[1] != 1 {
		t.Errorf("%v", got)
	}
}

func TestPace(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(c *telegramtest.Chat) { c.RateLimit = true })
	mustPublish(t, p, platform, message(1))
	_, err := p.Publish(t.Context(), message(2))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != time.Second {
		t.Errorf("%v", err)
	}
	platform.Pass(p.Limits().Pace)
	mustPublish(t, p, platform, message(2))
}
