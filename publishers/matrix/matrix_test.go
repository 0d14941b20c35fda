package matrix

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/matrix/matrixtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh homeserver.
func open(t testing.TB, changes ...func(*Config)) (announce.Publisher, *matrixtest.Platform) {
	t.Helper()
	platform := matrixtest.New()
	t.Cleanup(platform.Close)
	return connect(t, platform, changes...), platform
}

// connect is a program that starts now.
func connect(t testing.TB, platform *matrixtest.Platform, changes ...func(*Config)) announce.Publisher {
	t.Helper()
	env := platform.Environ()
	c := Config{API: env["API"], Token: announce.NewSecret(env["TOKEN"]), Room: env["ROOM"]}
	for _, change := range changes {
		change(&c)
	}
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Mercredi %d octobre**, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

func TestContract(t *testing.T) {
	answer := func(status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	room := func(change func(*matrixtest.Settings), changes ...func(*Config)) func(testing.TB) (announce.Publisher, sim.Platform) {
		return func(t testing.TB) (announce.Publisher, sim.Platform) {
			p, platform := open(t, changes...)
			platform.Change(change)
			return p, platform
		}
	}
	alias := publishertest.Case{
		Name: "as on Dendrite", Open: room(func(*matrixtest.Settings) {}),
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "PUT", Create: "/send/m.room.message/",
		Secrets:         []string{matrixtest.Token},
		Unauthorized:    answer(401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown token","soft_logout":false}`),
		Refusal:         answer(400, `{"errcode":"M_BAD_JSON","error":"body not in content"}`),
		RateLimited:     answer(429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":7001}`),
		Wait:            8 * time.Second,
		RateLimitedBare: answer(429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests"}`),
		Window:          unsaid,
	}
	publishertest.Run(t, alias)
	other := alias
	other.Name = "by the specification"
	other.Open = room(func(s *matrixtest.Settings) { s.Spec = true }, func(c *Config) { c.Room, c.Notice = matrixtest.Room, true })
	other.RateLimited, other.Wait = sim.Fault{}, 0
	publishertest.Run(t, other)
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 3, Kind: announce.KindEvent, Language: "fr",
		Subject: `Soirée @room & <b>*_~gala~_*</b> : l’IA, "ça" s’explique 🎉`,
		Text: `Soirée @room \& \<b\>\*\_\~gala\~\_\*\</b\> : l’IA, "ça" s’explique 🎉

**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h\
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue @room et @noor:matrix.example ! *_~Aucun~_* signe n’est ` + "`mal <lu>`" + `, ni &amp;lt; ni ~~barré~~ 👩‍💻. Avec @ada:matrix.example.

## Au programme

1. **L’œuvre d’Ada** — [notes](https://example.org/notes?a=1&b=<2>"x)
   - en *français*
   - en anglais

   La suite du premier.
2. [piège](javascript:alert(1)) et <https://example.org/été>

> « Où naît l’été ? »
> — une habituée
>
> - citée

` + "```go\nfmt.Println(\"@room <b>\")\n```" + `

---

Écrivez à ada@example.org ou voyez <script>alert(1)</script>.`,
		Link:     "https://example.org/inscription?x=1&y=2",
		Mentions: []string{"ada:matrix.example"},
		Images:   []announce.Picture{{Data: dot, Type: "image/png", Width: 1, Height: 1, Alt: "L’affiche : une fusée <rouge> & un café"}},
	}
}

// dot is the smallest PNG.
var dot = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

func TestGoldenRequests(t *testing.T) {
	publish := func(t *testing.T, name string, m announce.Message, changes ...func(*Config)) (announce.Publisher, *matrixtest.Platform, announce.Receipt) {
		p, platform := open(t, changes...)
		r, err := p.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		post := platform.Posts()[0]
		golden(t, name+".golden.json", post.Raw)
		golden(t, name+".golden.html", strings.ReplaceAll(post.HTML, "><", ">\n<")+"\n")
		return p, platform, r
	}
	t.Run("event.fr", func(t *testing.T) {
		_, platform, _ := publish(t, "event.fr", gala())
		if n := platform.Pings(); n != 1 {
			t.Errorf("%d people or rooms were called; the template names one", n)
		}
	})
	t.Run("notice.en", func(t *testing.T) {
		m := message(7)
		m.Language = "en"
		p, platform, r := publish(t, "notice.en", m, func(c *Config) { c.Notice = true })
		m = gala()
		m.Images = nil
		if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
			t.Fatal(err)
		}
		golden(t, "amend.golden.json", platform.Posts()[0].Raw)
		if n := platform.Pings(); n != 0 {
			t.Errorf("%d people or rooms were called by an edit", n)
		}
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if !bytes.Equal([]byte(got), want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestReceipt(t *testing.T) {
	p, platform := open(t)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	post := platform.Posts()[0]
	if r.ID != post.ID || r.URL != post.URL || time.Since(r.At).Abs() > time.Minute || post.Key != message(1).Key {
		t.Errorf("%+v for %+v", r, post)
	}
}

// What a homeserver forgets does not double a post, be it by a restart or because the account logged in anew.
func TestALostCallIsNotRepeatedAfterTheHomeserverForgot(t *testing.T) {
	for name, forget := range map[string]func(*matrixtest.Platform){"restart": (*matrixtest.Platform).Restart, "login": (*matrixtest.Platform).Login} {
		p, platform := open(t)
		platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "PUT"})
		if _, err := p.Publish(t.Context(), message(1)); err == nil {
			t.Fatal("no error")
		}
		forget(platform)
		r, err := connect(t, platform).Publish(t.Context(), message(1))
		if posts := platform.Posts(); err != nil || len(posts) != 1 || r.ID != posts[0].ID {
			t.Errorf("%s: %v, %+v, %d posts", name, err, r, len(posts))
		}
	}
}

// While the room cannot be read nothing is written in it.
func TestNothingIsSentBlindly(t *testing.T) {
	p, platform := open(t)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 503, OnlyPath: "/messages"})
	_, err := p.Publish(t.Context(), message(1))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Temporary || len(platform.Posts()) != 0 {
		t.Errorf("%v, %d posts", err, len(platform.Posts()))
	}
}

func TestFind(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(s *matrixtest.Settings) { s.Page = 2 })
	began := time.Now()
	want, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	later := message(2)
	later.Key = message(1).Key
	later.Rev = 2
	if _, err := p.(announce.Amender).Amend(t.Context(), want, later); err != nil {
		t.Fatal(err)
	}
	for n := range 7 {
		platform.Write(map[string]any{"msgtype": "m.text", "body": "transféré", "io.github.crieur.delivery_id": message(1).Key})
		if _, err := p.Publish(t.Context(), message(10+n)); err != nil {
			t.Fatal(err)
		}
	}
	find := p.(announce.Finder).Find
	if r, ok, err := find(t.Context(), message(1), began); err != nil || !ok || r.ID != want.ID {
		t.Errorf("neither an edit nor what others pass on is the post: %+v, %t, %v", r, ok, err)
	}
	if _, ok, err := find(t.Context(), message(1), began.Add(time.Hour)); err != nil || ok {
		t.Errorf("found before its time: %t, %v", ok, err)
	}
	_, event, err := split(want)
	if err != nil {
		t.Fatal(err)
	}
	platform.Moderate(event)
	if _, ok, err := find(t.Context(), message(1), began); err != nil || ok {
		t.Errorf("found although it was removed: %t, %v", ok, err)
	}
}

func TestFindGivesUpAloud(t *testing.T) {
	p, platform := open(t)
	began := time.Now()
	if _, err := p.Publish(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	platform.Change(func(s *matrixtest.Settings) { s.Page = 1 })
	for n := range maxPages {
		if _, err := p.Publish(t.Context(), message(10+n)); err != nil {
			var e *announce.Error
			if !errors.As(err, &e) || e.Outcome != announce.Temporary {
				t.Fatal(err)
			}
		}
	}
	if _, ok, err := p.(announce.Finder).Find(t.Context(), message(1), began); err == nil || ok {
		t.Errorf("%t, %v", ok, err)
	}
}

// Homeservers take an edit of what was removed, and nobody sees it.
func TestWhatAModeratorRemovedIsNotEdited(t *testing.T) {
	p, platform := open(t)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	_, event, err := split(r)
	if err != nil {
		t.Fatal(err)
	}
	platform.Moderate(event)
	_, err = p.(announce.Amender).Amend(t.Context(), r, message(2))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || !strings.Contains(e.Fault, "removed") {
		t.Errorf("%v", err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Errorf("taking away what is gone: %v", err)
	}
}

func TestAPictureComesAndGoesWithAnEdit(t *testing.T) {
	p, platform := open(t)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	with, without := gala(), message(2)
	without.Rev = 4
	for _, m := range []announce.Message{with, without} {
		if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
			t.Fatal(err)
		}
		post := platform.Posts()[0]
		if len(post.Images) != len(m.Images) || strings.Contains(post.HTML, "<img") != (len(m.Images) > 0) {
			t.Errorf("%d pictures shown of %d: %s", len(post.Images), len(m.Images), post.HTML)
		}
	}
}

func TestReceiptsOfAnotherKind(t *testing.T) {
	p, _ := open(t)
	for _, id := range []string{"", "sent", "!a:b", "!a:b/", "#a:b/$x", "C1:1.2"} {
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

// A room the bot has left stops nobody: what is at fault is that post.
func TestAPostInAFormerRoom(t *testing.T) {
	p, _ := open(t)
	if _, err := p.Publish(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: "!former:matrix.example/$abc"})
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop {
		t.Errorf("%v", err)
	}
}
