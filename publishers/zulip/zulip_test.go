package zulip

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
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/zulip/zuliptest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh organisation.
func open(t testing.TB, changes ...func(*Config)) (announce.Publisher, *zuliptest.Platform) {
	t.Helper()
	platform := zuliptest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{API: env["API"], Email: env["EMAIL"], Key: announce.NewSecret(env["KEY"]), Stream: env["STREAM"]}
	for _, change := range changes {
		change(&c)
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
	byName := publishertest.Case{
		Name:    "by name",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t) },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Create: "/api/v1/messages", Secrets: []string{zuliptest.Key},
		Unauthorized:    answer(401, `{"result":"error","msg":"Invalid API key","code":"INVALID_API_KEY"}`),
		Refusal:         answer(400, `{"result":"error","msg":"Message must not be empty","code":"BAD_REQUEST"}`),
		RateLimited:     answer(429, `{"result":"error","msg":"API usage exceeded rate limit","code":"RATE_LIMIT_HIT","retry-after":28.706}`),
		Wait:            29 * time.Second,
		RateLimitedBare: answer(429, `{"result":"error","msg":"API usage exceeded rate limit","code":"RATE_LIMIT_HIT"}`),
		Window:          unsaid,
	}
	publishertest.Run(t, byName)
	byNumber := byName
	byNumber.Name, byNumber.RateLimited, byNumber.Wait = "by number", sim.Fault{}, 0
	byNumber.Open = func(t testing.TB) (announce.Publisher, sim.Platform) {
		p, platform := open(t, func(c *Config) { c.Stream, c.Topic = "7", "Rencontres" })
		platform.Change(func(s *zuliptest.Settings) { s.Page = 2 })
		return p, platform
	}
	publishertest.Run(t, byNumber)
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 3, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée @**all** & <b>*_~~gala~~_*</b> : l’IA, ça s’explique, en C# et en Rust 🎉 :tada:",
		Text: `**Mercredi 20 octobre 2027**, de 18 h 30 à 21 h\
Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue @\*\*all\*\*, @**everyone**, @*tous*, @\_\*\*Ada\*\*, #**général** et @channel ! *_~Aucun~_* signe n’est ` + "`mal <lu> @**all**`" + `, ni &amp;lt; ni ~~barré~~ 👩‍💻. Avec @Ada et @10. C:\\temp, 5 $ et \$\$x\$\$, a|b ^c.

## Au programme

1. **L’œuvre d’Ada** — [notes *x* \]](https://example.org/notes?a=1&b=<2>*x)
   - en *français*
   - en anglais

   La suite du premier.
2. [piège](javascript:alert(1)) et <https://example.org/été_(a)>

> « Où naît l’été ? »
> — une habituée, <time:2027-10-20T18:30>

` + "```go\nfmt.Println(\"@**all**\")\n```" + `

---

1\. pas une liste
\- ni celle-ci
\# ni un titre #SagLacIO

Écrivez à ada@example.org ou voyez <script>alert(1)</script>.`,
		Link: "https://example.org/inscription?x=1&y=2", Mentions: []string{"Ada", "10"},
		Images: []announce.Picture{{Data: dot, Type: "image/png", Width: 1, Height: 1, Alt: "L’affiche : une [fusée] <rouge> & un café"}, {Data: dot, Type: "image/jpeg"}},
	}
}

// dot is the smallest PNG.
var dot = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82")

func TestGoldenRequests(t *testing.T) {
	for name, m := range map[string]announce.Message{"event.fr": gala(), "plain.fr": message(20)} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			post := platform.Posts()[0]
			if n := platform.Pings(); n != len(m.Mentions) {
				t.Errorf("%d people or channels were called; the template names %d", n, len(m.Mentions))
			}
			golden(t, name+".golden.json", post.Raw)
			golden(t, name+".golden.html", post.HTML+"\n")
		})
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

func TestReceiptAndTopic(t *testing.T) {
	for topic, want := range map[string]string{"": "Annonces", "Rencontres": "Rencontres", ofTitle: "Rencontre nᵒ 01"} {
		p, platform := open(t, func(c *Config) { c.Topic = topic })
		r, err := p.Publish(t.Context(), message(1))
		if err != nil {
			t.Fatal(err)
		}
		post := platform.Posts()[0]
		if r.ID != post.ID || r.URL != post.URL || time.Since(r.At).Abs() > time.Minute || post.Subject != want {
			t.Errorf("%+v for %+v", r, post)
		}
	}
	for title, want := range map[string]string{
		strings.Repeat("é", 60): strings.Repeat("é", 60),
		strings.Repeat("é", 61): strings.Repeat("é", 59) + "…",
		"Une soirée d’octobre où l’on parle de Rust, de Git, et de pizza": "Une soirée d’octobre où l’on parle de Rust, de Git, et de…",
	} {
		if got := clip(title, maxTopic); got != want {
			t.Errorf("%q: %q", title, got)
		}
	}
}

// A message is known by its words, wherever its pictures were put.
func TestFind(t *testing.T) {
	p, platform := open(t)
	began := time.Now()
	platform.Say(compose(p.(*publisher).reader, message(1), nil))
	platform.Script().Push(sim.Fault{Kind: sim.DropAfter, OnlyMethod: "POST", OnlyPath: "/messages"})
	if _, err := p.Publish(t.Context(), gala()); err == nil {
		t.Fatal("no error")
	}
	find := p.(announce.Finder).Find
	if r, ok, err := find(t.Context(), gala(), began); err != nil || !ok || r.ID != platform.Posts()[0].ID {
		t.Errorf("%+v, %t, %v", r, ok, err)
	}
	other := gala()
	other.Text += " (bis)"
	for name, m := range map[string]announce.Message{"what somebody else wrote": message(1), "other words with the same link": other} {
		if _, ok, err := find(t.Context(), m, began); err != nil || ok {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
	}
	if _, ok, err := find(t.Context(), gala(), began.Add(time.Hour)); err != nil || ok {
		t.Errorf("found before its time: %t, %v", ok, err)
	}
	platform.Change(func(s *zuliptest.Settings) { s.Page = 1 })
	for n := range maxPages {
		if _, err := p.Publish(t.Context(), message(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := find(t.Context(), gala(), began); err == nil || ok {
		t.Errorf("gave up silently: %t, %v", ok, err)
	}
}

// Two accounts of one bot may say the same in two topics. Where somebody has moved a message says nothing.
func TestFindInItsTopic(t *testing.T) {
	p, platform := open(t, func(c *Config) { c.Topic = "Annonces" })
	other, began := *p.(*publisher), time.Now()
	other.topic = "Rencontres"
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, there, err := other.Find(t.Context(), message(1), began); there || err != nil {
		t.Errorf("the post of another account: %t, %v", there, err)
	}
	platform.Move(r.ID, "✔ Annonces")
	if again, there, err := p.(announce.Finder).Find(t.Context(), message(1), began); !there || err != nil || again.ID != r.ID {
		t.Errorf("moved: %+v, %t, %v", again, there, err)
	}
}

func TestWhatSomebodyDeleted(t *testing.T) {
	p, platform := open(t)
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

// Zulip says in the same way that a message is not there, that it is too late, and that the channel is hidden.
func TestNoesWithoutACode(t *testing.T) {
	for name, x := range map[string]struct {
		stream string
		change func(*zuliptest.Settings)
		retire bool // it can be taken back none the less
	}{
		"too late":              {zuliptest.Stream, func(s *zuliptest.Settings) { s.Late = true }, false},
		"nobody edits":          {zuliptest.Stream, func(s *zuliptest.Settings) { s.NoEdits = true }, true},
		"an administrator":      {zuliptest.Stream, func(s *zuliptest.Settings) { s.Late, s.Admin = true, true }, true},
		"the channel hidden":    {zuliptest.Stream, func(s *zuliptest.Settings) { s.Hidden = true }, false},
		"hidden, by its number": {"7", func(s *zuliptest.Settings) { s.Hidden = true }, false},
	} {
		p, platform := open(t, func(c *Config) { c.Stream = x.stream })
		r, err := p.Publish(t.Context(), message(1))
		if err != nil {
			t.Fatal(err)
		}
		platform.Change(x.change)
		_, err = p.(announce.Amender).Amend(t.Context(), r, message(2))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop {
			t.Errorf("%s: amend: %v", name, err)
		}
		err = p.(announce.Retracter).Retract(t.Context(), r)
		if (err == nil) != x.retire || platform.Posts()[0].Deleted != x.retire || err != nil && (!errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop) {
			t.Errorf("%s: retract: %v", name, err)
		}
	}
	// What it says already need not be said again.
	p, platform := open(t)
	r, err := p.Publish(t.Context(), gala())
	if err != nil {
		t.Fatal(err)
	}
	platform.Change(func(s *zuliptest.Settings) { s.Late = true })
	if _, err := p.(announce.Amender).Amend(t.Context(), r, gala()); err != nil {
		t.Error(err)
	}
}

func TestReceiptsOfAnotherKind(t *testing.T) {
	p, _ := open(t)
	for _, id := range []string{"", "sent", "-1", "1/../2"} {
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
