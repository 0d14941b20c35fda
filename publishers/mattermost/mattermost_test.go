package mattermost

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/mattermost/mattermosttest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh server.
func open(t testing.TB, hook bool) (announce.Publisher, *mattermosttest.Platform) {
	t.Helper()
	platform := mattermosttest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{API: env["API"], Token: announce.NewSecret(env["TOKEN"]), Channel: env["CHANNEL"]}
	if hook {
		c = Config{Webhook: announce.NewSecret(platform.Webhook())}
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
	}
}

func TestContract(t *testing.T) {
	answer := func(status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	publishertest.Run(t, publishertest.Case{
		Name:    "bot",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, false) },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Create: "/api/v4/posts", Secrets: []string{mattermosttest.Token},
		Unauthorized: answer(401, `{"id":"api.context.session_expired.app_error","message":"Invalid or expired session, please login again.","status_code":401}`),
		Refusal:      answer(400, `{"id":"model.post.is_valid.message_length.app_error","status_code":400}`),
		Window:       unsaid,
	})
	publishertest.Run(t, publishertest.Case{
		Name:    "webhook",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, true) },
		Message: message, Create: "/hooks/", Secrets: []string{"simulatedmattermosthook"},
		Unauthorized: answer(400, `{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook.","status_code":400}`),
		Refusal:      answer(400, `{"id":"web.incoming_webhook.text.app_error","message":"No text specified.","status_code":400}`),
		Window:       unsaid,
	})
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 3, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée @channel & <b>*_~gala~_*</b> : l’IA, ça s’explique 🎉 :tada: en C#",
		Text: `Soirée @channel \& \<b\>\*\_\~gala\~\_\*\</b\> : l’IA, ça s’explique 🎉 :tada: en C#

**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h\
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue @all, @here, .@channel, @noor\_x et <!channel> ! *_~Aucun~_* signe n’est ` + "`mal <lu> @all`" + `, ni &amp;lt; ni ~~barré~~ 👩‍💻. Avec @ada. C:\\temp, 5 $ et 10 $, a|b.

## Au programme

1. **L’œuvre d’Ada** — [notes *x* \]](https://example.org/notes?a=1&b=<2>|x)
   - en *français*
   - en anglais

   La suite du premier.
2. [piège](javascript:alert(1)) et <https://example.org/été_(a)>

> « Où naît l’été ? »
> — une habituée

` + "```go\nfmt.Println(\"@channel\")\n```" + `

---

1\. pas une liste
\- ni celle-ci
\# ni un titre #SagLacIO

Écrivez à ada@example.org ou voyez <script>alert(1)</script>.`,
		Link: "https://example.org/inscription?x=1&y=2", Tags: []string{"SagLacIO"}, Mentions: []string{"ada"},
		Images: []announce.Picture{
			{URL: "https://example.org/affiche.png", Data: dot, Type: "image/png", Width: 1, Height: 1, Alt: "L’affiche : une fusée <rouge> & un café"},
			{Data: dot, Type: "image/png", Width: 1, Height: 1, Alt: "Le plan [de] la salle"},
		},
	}
}

// dot is the smallest PNG.
var dot = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

func TestGoldenRequests(t *testing.T) {
	for name, m := range map[string]announce.Message{"event.fr": gala(), "plain.fr": message(20)} {
		for _, hook := range []bool{false, true} {
			mode := map[bool]string{false: "bot", true: "webhook"}[hook]
			t.Run(name+"."+mode, func(t *testing.T) {
				p, platform := open(t, hook)
				if _, err := p.Publish(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				post := platform.Posts()[0]
				if n := platform.Pings(); n != len(m.Mentions) {
					t.Errorf("%d people or channels were called; the template names %d", n, len(m.Mentions))
				}
				golden(t, name+"."+mode+".golden.json", post.Raw)
				golden(t, name+"."+mode+".golden.html", post.HTML+"\n")
			})
		}
	}
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
	if got != string(want) {
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
	if r.ID != post.ID || r.URL != post.URL || time.Since(r.At).Abs() > time.Minute || post.Key != message(1).Key {
		t.Errorf("%+v for %+v", r, post)
	}
}

// A server that forgot the call does not double the post.
func TestALostCallIsNotRepeatedAfterARestart(t *testing.T) {
	p, platform := open(t, false)
	platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "POST"})
	if _, err := p.Publish(t.Context(), message(1)); err == nil {
		t.Fatal("no error")
	}
	platform.Restart()
	r, err := p.Publish(t.Context(), message(1))
	if posts := platform.Posts(); err != nil || len(posts) != 1 || r.ID != posts[0].ID {
		t.Errorf("%v, %+v, %d posts", err, r, len(posts))
	}
}

func TestFind(t *testing.T) {
	p, platform := open(t, false)
	began := time.Now()
	want, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	m := message(2)
	m.Key, m.Rev = message(1).Key, 2
	if _, err := p.(announce.Amender).Amend(t.Context(), want, m); err != nil {
		t.Fatal(err)
	}
	find := p.(announce.Finder).Find
	if r, ok, err := find(t.Context(), message(1), began); err != nil || !ok || r.ID != want.ID {
		t.Errorf("the key does not survive an edit: %+v, %t, %v", r, ok, err)
	}
	platform.Moderate(want.ID)
	if _, ok, err := find(t.Context(), message(1), began); err != nil || ok {
		t.Errorf("found although it was deleted: %t, %v", ok, err)
	}
	for range 1000 {
		platform.Say("bla")
	}
	if _, ok, err := find(t.Context(), message(1), began); err == nil || ok {
		t.Errorf("gave up silently: %t, %v", ok, err)
	}
}

func TestWhatSomebodyDeleted(t *testing.T) {
	p, platform := open(t, false)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	platform.Moderate(r.ID)
	_, err = p.(announce.Amender).Amend(t.Context(), r, message(2))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || !strings.Contains(e.Fault, "deleted") {
		t.Errorf("%v", err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Errorf("taking away what is gone: %v", err)
	}
}

// "Not allowed" is what Mattermost says of a post that is not there; of one that is there it is no success.
func TestWhatMayNotBeDeleted(t *testing.T) {
	p, platform := open(t, false)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	platform.Change(func(s *mattermosttest.Settings) { s.Outside = true })
	err = p.(announce.Retracter).Retract(t.Context(), r)
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || platform.Posts()[0].Deleted {
		t.Errorf("%v", err)
	}
}

func TestPicturesComeAndGoWithAnEdit(t *testing.T) {
	for _, old := range []bool{false, true} {
		p, platform := open(t, false)
		platform.Change(func(s *mattermosttest.Settings) { s.OldFiles = old })
		r, err := p.Publish(t.Context(), message(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []announce.Message{gala(), message(2)} {
			if _, err := p.(announce.Amender).Amend(t.Context(), r, m); err != nil {
				t.Fatal(err)
			}
			want := len(m.Images)
			if old {
				want = 0
			}
			if post := platform.Posts()[0]; len(post.Images) != want {
				t.Errorf("%d pictures, want %d", len(post.Images), want)
			}
		}
	}
}

func TestReceiptsOfAnotherKind(t *testing.T) {
	p, _ := open(t, false)
	for _, id := range []string{"", sent, "../channels", strings.Repeat("a", 25) + "/"} {
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
