package ntfy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/ntfy/ntfytest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns the channel pointed at a fresh server.
func open(t testing.TB, change func(*ntfytest.Server)) (*topic, *ntfytest.Platform) {
	t.Helper()
	platform := ntfytest.New()
	t.Cleanup(platform.Close)
	if change != nil {
		platform.Change(change)
	}
	env := platform.Environ()
	p, err := New(Config{Topic: env["TOPIC"], Token: announce.NewSecret(env["TOKEN"]), API: env["API"]}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*topic), platform
}

func old(s *ntfytest.Server) { s.Old = true }

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("Rencontre nᵒ %02d\n\nMercredi %d octobre, 18 h 30 : l’été <b>arrive</b> & ça se fête ! 🎉\nhttps://example.org/%d", n, n, n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

func TestContract(t *testing.T) {
	c := publishertest.Case{
		Name:    "2.16",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, nil) },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Window: window, Secrets: []string{ntfytest.Token},
		Unauthorized:    sim.Fault{Kind: sim.Answer, Status: 401, Body: `{"code":40101,"http":401,"error":"unauthorized"}`},
		RateLimitedBare: sim.Fault{Kind: sim.Answer, Status: 429, Body: `{"code":42901,"http":429,"error":"limit reached: too many requests"}`},
		Refusal:         sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"code":41303,"http":413,"error":"JSON body too large"}`},
	}
	publishertest.Run(t, c)
	const why = "a server before 2.16 cannot change a notification; the receipt says so and a person is asked"
	c.Name, c.Open = "before 2.16", func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, old) }
	c.Exempt = map[string]string{
		"an amendment replaces the post": why, "a failing amendment may be tried again": why,
		"a retraction takes the post away": why, "a failing retraction may be tried again": why,
		"accepted and lost is settled with one post": "it is found, but cannot be amended: TestAnOldServer",
	}
	publishertest.Run(t, c)
}

func fault(t *testing.T, err error) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *announce.Error, got %v", err)
	}
	return e
}

func TestAnOldServer(t *testing.T) {
	p, platform := open(t, old)
	began := time.Now()
	platform.Script().Push(sim.Fault{Kind: sim.DropAfter})
	if _, err := p.Publish(t.Context(), message(1)); fault(t, err).Outcome != announce.Ambiguous {
		t.Fatal(err)
	}
	r, found, err := p.Find(t.Context(), message(1), began)
	if err != nil || !found || !strings.HasPrefix(r.ID, once) {
		t.Fatalf("%+v, %t, %v", r, found, err)
	}
	_, amend := p.Amend(t.Context(), r, message(2))
	for _, err := range []error{amend, p.Retract(t.Context(), r)} {
		if e := fault(t, err); e.Outcome != announce.Permanent || !e.Ask || e.Stop {
			t.Errorf("%+v", e)
		}
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d notifications", n)
	}
}

// A server that was put back to an old version shows a correction as a second notification, and a person hears of it.
func TestADowngrade(t *testing.T) {
	p, platform := open(t, nil)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil || r.ID != message(1).Key {
		t.Fatalf("%+v, %v", r, err)
	}
	platform.Change(old)
	if _, err := p.Amend(t.Context(), r, message(1)); !fault(t, err).Ask {
		t.Error(err)
	}
	if e := fault(t, p.Retract(t.Context(), r)); e.Outcome != announce.Permanent || e.Stop {
		t.Errorf("%+v", e)
	}
}

// A smaller limit of the server turns a text into a file, or cuts it, with 200.
func TestATextThatIsNotTakenWhole(t *testing.T) {
	for _, picture := range []bool{false, true} {
		p, _ := open(t, func(s *ntfytest.Server) { s.MessageSize = 250 })
		m := message(1)
		m.Text = strings.Repeat("a", 300)
		if picture {
			m.Images = []announce.Picture{{URL: "https://example.org/a.png"}}
		}
		if _, err := p.Publish(t.Context(), m); !fault(t, err).Ask {
			t.Error(err)
		}
	}
}

func TestTheDailyQuota(t *testing.T) {
	p, _ := open(t, func(s *ntfytest.Server) { s.Quota = 1 })
	if _, err := p.Publish(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	_, err := p.Publish(t.Context(), message(2))
	if e := fault(t, err); e.Outcome != announce.RateLimited || e.RetryAfter <= 0 || e.RetryAfter > 24*time.Hour+time.Minute || e.Status != "42908" {
		t.Errorf("%+v", e)
	}
	for now, want := range map[string]time.Duration{"2027-01-01T23:59:00Z": 2 * time.Minute, "2027-01-01T00:00:00Z": 24*time.Hour + time.Minute, "2027-01-01T20:00:00-05:00": 23*time.Hour + time.Minute} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := untilReset(at); got != want {
			t.Errorf("%s: %s, want %s", now, got, want)
		}
	}
}

// "Not there" is said only when the server would still have it.
func TestLookingForWhatIsForgotten(t *testing.T) {
	for keep, since := range map[time.Duration]time.Duration{0: time.Second, time.Hour: 2 * time.Hour} {
		p, _ := open(t, func(s *ntfytest.Server) { s.Keep = keep })
		_, found, err := p.Find(t.Context(), message(1), time.Now().Add(-since))
		if found || !fault(t, err).Ask {
			t.Errorf("%s: %t, %v", keep, found, err)
		}
	}
	p, platform := open(t, nil)
	platform.Say("Rencontre nᵒ 01", "pas celle-là")
	if _, found, err := p.Find(t.Context(), message(1), time.Now()); found || err != nil {
		t.Errorf("%t, %v", found, err)
	}
	platform.Change(func(s *ntfytest.Server) { s.WriteOnly = true })
	if _, found, err := p.Find(t.Context(), message(1), time.Now()); found || !fault(t, err).Ask || fault(t, err).Stop {
		t.Errorf("%t, %v", found, err)
	}
}

func TestRefusalsThatStop(t *testing.T) {
	p, _ := open(t, func(s *ntfytest.Server) { s.ReadOnly = true })
	if _, err := p.Publish(t.Context(), message(1)); !fault(t, err).Stop {
		t.Error(err)
	}
	for _, code := range []int{40009, 40010, 40101, 40301, 42904, 42909} {
		p, platform := open(t, nil)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: code / 100, Body: fmt.Sprintf(`{"code":%d,"http":%d,"error":"x"}`, code, code/100)})
		if _, err := p.Publish(t.Context(), message(1)); !fault(t, err).Stop || fault(t, err).Outcome != announce.Permanent {
			t.Errorf("%d: %v", code, err)
		}
	}
	for code, want := range map[int]announce.Outcome{40013: announce.Permanent, 50701: announce.Temporary, 50001: announce.Ambiguous} {
		p, platform := open(t, nil)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: code / 100, Body: fmt.Sprintf(`{"code":%d}`, code)})
		if _, err := p.Publish(t.Context(), message(1)); fault(t, err).Stop || fault(t, err).Outcome != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*ntfytest.Server)
		say    string
	}{
		"sound":       {func(*ntfytest.Server) {}, ""},
		"ends soon":   {func(s *ntfytest.Server) { s.Expires = time.Now().Add(72 * time.Hour) }, "ends on"},
		"ends late":   {func(s *ntfytest.Server) { s.Expires = time.Now().Add(1000 * time.Hour) }, ""},
		"write only":  {func(s *ntfytest.Server) { s.WriteOnly = true }, "may not read"},
		"keeps none":  {func(s *ntfytest.Server) { s.Keep = 0 }, "keeps no messages"},
		"quota spent": {func(s *ntfytest.Server) { s.Quota = 1 }, "no more messages today"},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, x.change)
			if name == "quota spent" {
				if _, err := p.Publish(t.Context(), message(1)); err != nil {
					t.Fatal(err)
				}
			}
			r, err := p.Check(t.Context())
			if err != nil || !strings.HasSuffix(r.Identity, "as crieur") || !strings.HasPrefix(r.Identity, "topic "+ntfytest.Topic+" on 127.0.0.1") {
				t.Fatalf("%+v, %v", r, err)
			}
			if (x.say == "") != (len(r.Findings) == 0) || x.say != "" && !strings.Contains(r.Findings[0].What, x.say) {
				t.Errorf("%+v", r.Findings)
			}
			if strings.HasPrefix(name, "ends") != !r.Expires.IsZero() {
				t.Errorf("expires %s", r.Expires)
			}
			_ = platform
		})
	}
	platform := ntfytest.New()
	defer platform.Close()
	p, err := New(Config{Topic: "docs", API: platform.Environ()["API"]}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.(announce.Checker).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || !r.Findings[0].Severe || !strings.HasSuffix(r.Identity, "without an account") {
		t.Errorf("%+v, %v", r, err)
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindChange, Language: "fr",
		Subject: "Soirée <b>&amp; =?utf-8?q?=41?= *_~gala~_* : l’IA, ça s’explique 🎉 @everyone",
		Text: "Soirée <b>&amp; =?utf-8?q?=41?= *_~gala~_* : l’IA, ça s’explique 🎉 @everyone\n\nMercredi 20 octobre 2027, de 18 h 30 à 21 h\nCafé du Clocher, 19, rue Saint-Joseph, Alma\n\n" +
			"**Pas** de [balises](https://example.org/x) : \\n reste écrit, \"ainsi\" aussi 👩‍💻.\nhttps://example.org/inscription?x=1&y=2",
		Link:   "https://example.org/inscription?x=1&y=2",
		Images: []announce.Picture{{URL: "https://example.org/affiche.png", Alt: "L’affiche : une fusée <rouge> & un café"}},
	}
}

func TestGoldenRequests(t *testing.T) {
	uploaded := message(7)
	uploaded.Images = []announce.Picture{{Data: []byte("\x89PNG\r\n\x1a\n"), Alt: "Le plan de la salle"}}
	bare := message(8)
	bare.Text, bare.Link = bare.Subject, ""
	for name, m := range map[string]announce.Message{"change.fr": gala(), "uploaded": uploaded, "bare": bare} {
		p, platform := open(t, nil)
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		post := platform.Posts()[0]
		golden(t, name+".golden.json", post.Raw)
		golden(t, name+".golden.html", post.HTML+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

// Whatever text the limit lets through, the server takes it whole, and its picture's words with it when there is room.
func TestTheLimitHoldsForAnyText(t *testing.T) {
	p, _ := open(t, nil)
	l := p.Limits()
	for _, letter := range []string{"a", "é", "\"", "\n\\", "🎉", "<&>", "\u2028"} {
		m := message(1)
		m.Subject = strings.Repeat("🎉", 300)
		m.Images = []announce.Picture{{URL: "https://example.org/" + strings.Repeat("a", 1900), Alt: strings.Repeat("🎉", l.Alt)}}
		m.Text = "x"
		for l.Measure(m.Text+letter+"x") <= l.Text {
			m.Text += letter
		}
		m.Text += "x"
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Errorf("%q: %v", letter, err)
		}
	}
}

func TestSequences(t *testing.T) {
	for _, key := range []string{"01j0", strings.Repeat("k", 65), "é"} {
		if s := sequence(key); !topicName.MatchString(s) || s != sequence(key) {
			t.Errorf("%q: %q", key, s)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Topic: "rencontres", Token: announce.NewSecret("tk_s3cr3t"), API: "https://ntfy.sh"}
	for want, change := range map[string]func(*Config){
		"TOPIC: is not": func(c *Config) { c.Topic = "https://ntfy.sh/rencontres" },
		"TOKEN: is not": func(c *Config) { c.Token = announce.NewSecret("tk_ s3cr3t") },
		"API: must":     func(c *Config) { c.API = "http://ntfy.sh" },
	} {
		c := good
		change(&c)
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(good, announce.Site{}); err != nil {
		t.Error(err)
	}
}
