package facebook

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
	"github.com/crieur/crieur/publishers/facebook/facebooktest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh Page.
func open(t testing.TB, change ...func(*Config)) (*channel, *facebooktest.Platform) {
	t.Helper()
	platform := facebooktest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{
		Page: env["PAGE"], Token: announce.NewSecret(env["TOKEN"]), AppSecret: announce.NewSecret(env["APP_SECRET"]), Version: "v99.0", API: env["API"], // one that does not age
	}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*channel), platform
}

func message(n int) announce.Message {
	title := fmt.Sprintf("Rencontre nᵒ %02d : l’été à Québec & ses « surprises »", n)
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: title, Kind: announce.KindEvent,
		Text: title + " 🎉\n\nMercredi 22 octobre, 18 h 30 <b>au café</b>\n\nhttps://example.org/" + fmt.Sprint(n),
		Link: fmt.Sprintf("https://example.org/%d", n), Date: time.Now(),
	}
}

// picture begins like a PNG, which is all that a Page looks at here.
func picture(n int, alt string) announce.Picture {
	return announce.Picture{Data: fmt.Appendf(nil, "\x89PNG\r\n\x1a\n%d", n), Type: "image/png", Width: 4, Height: 3, Alt: alt}
}

// refusal is an answer of the Graph API.
func refusal(status, code, sub int, more string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: status, Body: fmt.Sprintf(`{"error":{"message":"(#%d) no","type":"OAuthException","code":%d,"error_subcode":%d,"fbtrace_id":"AbC-1_z"%s}}`, code, code, sub, more)}
}

func exhausted(minutes int) map[string]string {
	return map[string]string{"X-Business-Use-Case-Usage": fmt.Sprintf(`{"1":[{"type":"pages","call_count":100,"total_cputime":3,"total_time":4,"estimated_time_to_regain_access":%d}]}`, minutes)}
}

func TestContract(t *testing.T) {
	limited := refusal(400, 32, 0, "")
	limited.Header = exhausted(19)
	text := publishertest.Case{
		Name:    "text",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { p, platform := open(t); return p, platform },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Create: "/feed",
		Secrets:      []string{facebooktest.Token, facebooktest.AppSecret, proof(facebooktest.AppSecret, facebooktest.Token)},
		Unauthorized: refusal(400, 190, 463, ""), Refusal: refusal(200, 100, 0, ""), RateLimited: limited, Wait: 19 * time.Minute, Window: window,
	}
	publishertest.Run(t, text)
	photo := text
	photo.Name, photo.Create = "photo", "/photos"
	photo.Message = func(n int) announce.Message {
		m := message(n)
		m.Images = []announce.Picture{picture(n, "Une affiche")}
		return m
	}
	publishertest.Run(t, photo)
}

func publish(t *testing.T, p announce.Publisher, m announce.Message) announce.Receipt {
	t.Helper()
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func failed(t *testing.T, err error, want announce.Outcome, stop bool) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T), want an *announce.Error", err, err)
	}
	if e.Outcome != want || e.Stop != stop || e.Fault == "" {
		t.Errorf("%s, stop %t, want %s, stop %t: %v", e.Outcome, e.Stop, want, stop, e)
	}
	return e
}

func TestGoldenRequests(t *testing.T) {
	since := time.Date(2027, 3, 14, 18, 30, 0, 0, time.UTC)
	one, many, hostile, local := message(2), message(3), message(4), message(5)
	one.Images = []announce.Picture{picture(1, "Affiche : « l’été » <b>")}
	many.Images = []announce.Picture{picture(1, "La salle"), picture(2, "")}
	hostile.Text = "@[1234:1:Page] @[5678] @everyone #libre <script>alert(1)</script> \\ & + % = ?\nfin"
	local.Link = "http://127.0.0.1:8080/e/5"
	for name, x := range map[string]struct {
		preview bool
		act     func(c *channel) error
	}{
		"link":    {act: func(c *channel) error { _, err := c.Publish(t.Context(), message(1)); return err }},
		"photo":   {act: func(c *channel) error { _, err := c.Publish(t.Context(), one); return err }},
		"photos":  {act: func(c *channel) error { _, err := c.Publish(t.Context(), many); return err }},
		"preview": {preview: true, act: func(c *channel) error { _, err := c.Publish(t.Context(), one); return err }},
		"hostile": {act: func(c *channel) error { _, err := c.Publish(t.Context(), hostile); return err }},
		"local":   {act: func(c *channel) error { _, err := c.Publish(t.Context(), local); return err }},
		"find":    {act: func(c *channel) error { _, _, err := c.Find(t.Context(), message(1), since); return err }},
		"check":   {act: func(c *channel) error { _, err := c.Check(t.Context()); return err }},
		"amend":   {act: func(c *channel) error { _, err := c.Amend(t.Context(), publish(t, c, message(1)), one); return err }},
		"retract": {act: func(c *channel) error { return c.Retract(t.Context(), publish(t, c, message(1))) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, platform := open(t, func(c *Config) { c.Preview = x.preview })
			if err := x.act(c); err != nil {
				t.Fatal(err)
			}
			if n := platform.Mentions(); n != 0 {
				t.Errorf("%d Pages or people were mentioned", n)
			}
			golden(t, name+".golden.json", strings.Join(platform.Journal(), "\n")+"\n")
		})
	}
	t.Run("html", func(t *testing.T) {
		c, platform := open(t)
		publish(t, c, hostile)
		publish(t, c, many)
		publish(t, c, message(1))
		var all strings.Builder
		for _, p := range platform.Posts() {
			all.WriteString(strings.ReplaceAll(p.HTML, p.At.Format("2 January at 15:04"), "14 March at 18:30") + "\n")
		}
		golden(t, "wall.golden.html", all.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
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

func TestReceipt(t *testing.T) {
	c, platform := open(t)
	m := message(2)
	m.Images = []announce.Picture{picture(1, "x")}
	text, photo := publish(t, c, message(1)), publish(t, c, m)
	posts := platform.Posts()
	if text.ID != posts[0].ID || text.URL != posts[0].URL || time.Since(text.At).Abs() > time.Minute {
		t.Errorf("%+v for %+v", text, posts[0])
	}
	if photo.ID != posts[1].ID || photo.URL != "https://www.facebook.com/"+posts[1].ID || photo.At.IsZero() {
		t.Errorf("%+v for %+v", photo, posts[1])
	}
	if posts[1].Images[0].Alt != "x" || !strings.HasPrefix(posts[1].Images[0].URL, "data:image/png;") {
		t.Errorf("%+v", posts[1].Images)
	}
}

// A photo is uploaded before its post: what befalls it there has made nothing that readers see.
func TestAnUploadMayBeRepeated(t *testing.T) {
	m := message(1)
	m.Images = []announce.Picture{picture(1, "x"), picture(2, "y")}
	for _, f := range []sim.Fault{{Kind: sim.DropAfter}, {Kind: sim.Answer, Status: 500}, refusal(500, 2, 0, ""), {Kind: sim.Answer, Status: 200, Body: `{}`}} {
		c, platform := open(t)
		f.OnlyPath = "/photos"
		platform.Script().Push(f)
		_, err := c.Publish(t.Context(), m)
		failed(t, err, announce.Temporary, false)
		publish(t, c, m)
		if posts := platform.Posts(); len(posts) != 1 || len(posts[0].Images) != 2 {
			t.Errorf("%+v", posts)
		}
	}
}

func TestASecretIsNeverQuoted(t *testing.T) {
	c, platform := open(t)
	f := refusal(400, 100, 0, "")
	f.Body = strings.ReplaceAll(f.Body, "no", "Malformed "+facebooktest.Token+" and "+facebooktest.AppSecret+" and "+c.proof.Reveal())
	platform.Script().Push(f)
	_, err := c.Publish(t.Context(), message(1))
	e := failed(t, err, announce.Permanent, false)
	for _, secret := range []string{facebooktest.Token, facebooktest.AppSecret, c.proof.Reveal()} {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("shows a secret: %v", e)
		}
	}
	if !strings.Contains(e.Fault, "Malformed *** and *** and ***") {
		t.Error(e)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Page: "1234567", Token: announce.NewSecret("EAAs3cr3t"), AppSecret: announce.NewSecret("s3cr3t"), Version: "v26.0", API: "https://graph.facebook.com/"}
	for want, change := range map[string]func(*Config){
		"PAGE":       func(c *Config) { c.Page = "crieur" },
		"TOKEN":      func(c *Config) { c.Token = announce.NewSecret("1|s3cr3t") },
		"APP_SECRET": func(c *Config) { c.AppSecret = announce.NewSecret("s3cr3t\n") },
		"VERSION":    func(c *Config) { c.Version = "26" },
		"API":        func(c *Config) { c.API = "http://graph.facebook.com" },
	} {
		c := good
		change(&c)
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), want+": ") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	p, err := New(good, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	if c := p.(*channel); c.api.Base() != "https://graph.facebook.com/v26.0" || !c.Limits().Card {
		t.Error(c.api.Base())
	}
	good.Preview = true
	if p, err = New(good, announce.Site{}); err != nil || p.Limits().Card {
		t.Error("a card nobody will see", err)
	}
}

func TestMeasure(t *testing.T) {
	measure := func(s string) int { c := channel{}; return c.Limits().Measure(s) }
	for s, want := range map[string]int{"": 0, "été": 3, "🎉": 2, "@[1]": 5, "@ada": 4} {
		if got := measure(s); got != want {
			t.Errorf("%q measures %d, want %d", s, got, want)
		}
	}
}
