package linkedin

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
	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh page.
func open(t testing.TB, change ...func(*Config)) (*channel, *linkedintest.Platform) {
	t.Helper()
	platform := linkedintest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{
		Organization: env["ORGANIZATION"], Token: announce.NewSecret(env["TOKEN"]), TokenExpires: env["TOKEN_EXPIRES"], Version: time.Now().Format("200601"), // one that does not age
		Article: true, Links: escaped, API: env["API"],
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
	title := fmt.Sprintf("Rencontre nᵒ %02d (été) : l’IA & ses <surprises> [*_~|@", n)
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: title, Summary: "Deux conférences (courtes).", Kind: announce.KindEvent,
		Text: title + " 🎉\n\nMercredi 22 octobre, 18 h 30, C:\\café {salle #2}\n\nhttps://example.org/a_b/" + fmt.Sprint(n) + "\n#SagLacIO #LogicielLibre #autre",
		Link: fmt.Sprintf("https://example.org/a_b/%d", n), Tags: []string{"SagLacIO", "LogicielLibre"}, Date: time.Now(),
	}
}

// picture begins like a PNG, which is all that LinkedIn looks at here.
func picture(n int, alt string) announce.Picture {
	return announce.Picture{Data: fmt.Appendf(nil, "\x89PNG\r\n\x1a\n%d", n), Type: "image/png", Width: 4, Height: 3, Alt: alt}
}

// refusal is an answer of LinkedIn's.
func refusal(status int, code string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: status, Header: map[string]string{"x-li-uuid": "AAY+/x=="}, Body: fmt.Sprintf(
		`{"status":%d,"message":"no","code":"","errorDetails":{"inputErrors":[{"code":%q,"description":"because"}]}}`, status, code)}
}

func TestContract(t *testing.T) {
	limited := refusal(429, "")
	limited.Header["Retry-After"] = "90"
	text := publishertest.Case{
		Name:    "text",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { c, platform := open(t); return c, platform },
		Message: message, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Create: "/posts",
		Secrets:      []string{linkedintest.Token},
		Unauthorized: refusal(401, "EXPIRED"), Refusal: refusal(422, "INVALID"), RateLimited: limited, Wait: 90 * time.Second, Window: window,
	}
	publishertest.Run(t, text)
	card := text
	card.Name = "article with a picture"
	card.Message = func(n int) announce.Message {
		m := message(n)
		m.Images = []announce.Picture{picture(n, "Une affiche")}
		return m
	}
	publishertest.Run(t, card)
	written := text
	written.Name, written.Open = "encoded links", func(t testing.TB) (announce.Publisher, sim.Platform) {
		c, platform := open(t, func(c *Config) { c.Links = encoded })
		return c, platform
	}
	publishertest.Run(t, written)
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
	one, many, hostile, plain := message(2), message(3), message(4), message(5)
	one.Images = []announce.Picture{picture(1, "Affiche : « l’été » <b>")}
	many.Images = []announce.Picture{picture(1, "La salle"), picture(2, "")}
	hostile.Text = "@[Ada](urn:li:person:1) @everyone {hashtag|\\#|libre} #libre #SagLacIOx x#SagLacIO #SagLacIO <script>alert(1)</script> \\\\ \\"
	hostile.Link, hostile.Images = "", nil
	plain.Link, plain.Tags = "", nil
	picturesOnly := func(c *Config) { c.Article = false }
	for name, x := range map[string]struct {
		change func(*Config)
		act    func(c *channel) error
	}{
		"article":   {act: func(c *channel) error { _, err := c.Publish(t.Context(), message(1)); return err }},
		"thumbnail": {act: func(c *channel) error { _, err := c.Publish(t.Context(), one); return err }},
		"picture":   {change: picturesOnly, act: func(c *channel) error { _, err := c.Publish(t.Context(), one); return err }},
		"pictures":  {act: func(c *channel) error { _, err := c.Publish(t.Context(), many); return err }},
		"hostile":   {act: func(c *channel) error { _, err := c.Publish(t.Context(), hostile); return err }},
		"plain":     {act: func(c *channel) error { _, err := c.Publish(t.Context(), plain); return err }},
		"encoded":   {change: func(c *Config) { c.Links = encoded }, act: func(c *channel) error { _, err := c.Publish(t.Context(), plain); return err }},
		"find":      {act: func(c *channel) error { _, _, err := c.Find(t.Context(), message(1), since); return err }},
		"check":     {act: func(c *channel) error { _, err := c.Check(t.Context()); return err }},
		"amend":     {act: func(c *channel) error { _, err := c.Amend(t.Context(), publish(t, c, plain), one); return err }},
		"retract":   {act: func(c *channel) error { return c.Retract(t.Context(), publish(t, c, plain)) }},
	} {
		t.Run(name, func(t *testing.T) {
			var changes []func(*Config)
			if x.change != nil {
				changes = append(changes, x.change)
			}
			c, platform := open(t, changes...)
			if err := x.act(c); err != nil {
				t.Fatal(err)
			}
			if n := platform.Mentions(); n != 0 {
				t.Errorf("%d people or pages were mentioned", n)
			}
			golden(t, name+".golden.json", strings.Join(platform.Journal(), "\n")+"\n")
		})
	}
	t.Run("html", func(t *testing.T) {
		c, platform := open(t)
		publish(t, c, hostile)
		publish(t, c, many)
		publish(t, c, one)
		var all strings.Builder
		for _, p := range platform.Posts() {
			all.WriteString(strings.ReplaceAll(p.HTML, p.At.Format("2 Jan 2006, 15:04"), "14 Mar 2027, 18:30") + "\n")
		}
		golden(t, "wall.golden.html", all.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", file, got)
	}
}

func TestReceipt(t *testing.T) {
	c, platform := open(t)
	r := publish(t, c, message(1))
	if p := platform.Posts()[0]; r.ID != p.ID || r.URL != p.URL || time.Since(r.At).Abs() > time.Minute {
		t.Errorf("%+v for %+v", r, p)
	}
	for _, id := range []string{"", "sent", "urn:li:share:1/../2", "urn:li:share:x"} {
		_, err := c.Amend(t.Context(), announce.Receipt{ID: id}, message(1))
		failed(t, err, announce.Permanent, false)
		failed(t, c.Retract(t.Context(), announce.Receipt{ID: id}), announce.Permanent, false)
	}
}

// Nothing that befalls a picture on its way has made anything that readers see.
func TestAnUploadMayBeRepeated(t *testing.T) {
	m := message(1)
	m.Images = []announce.Picture{picture(1, "x"), picture(2, "y")}
	for name, f := range map[string]sim.Fault{
		"no slot":           {Kind: sim.DropAfter, OnlyPath: "/images"},
		"a slot of nothing": {Kind: sim.Answer, Status: 200, Body: `{}`, OnlyPath: "/images"},
		"a slot elsewhere":  {Kind: sim.Answer, Status: 200, Body: `{"value":{"uploadUrl":"http://192.0.2.1/x","image":"urn:li:image:C"}}`, OnlyPath: "/images"},
		"bytes lost":        {Kind: sim.DropAfter, OnlyMethod: "PUT"},
		"bytes refused":     {Kind: sim.Answer, Status: 503, OnlyMethod: "PUT"},
		"no answer":         {Kind: sim.Answer, Status: 500, OnlyMethod: "GET"},
	} {
		c, platform := open(t)
		platform.Script().Push(f)
		_, err := c.Publish(t.Context(), m)
		e := failed(t, err, announce.Temporary, false)
		if strings.Contains(fmt.Sprint(e.Err), "dms-uploads") {
			t.Errorf("%s: shows the address: %v", name, e.Err)
		}
		publish(t, c, m)
		if posts := platform.Posts(); len(posts) != 1 || len(posts[0].Images) != 2 || posts[0].Images[0].Alt != "x" {
			t.Errorf("%s: %+v", name, posts)
		}
	}
}

func TestAPictureThatTakesItsTime(t *testing.T) {
	m := message(1)
	m.Images = []announce.Picture{picture(1, "x")}
	c, platform := open(t)
	platform.Change(func(s *linkedintest.Settings) { s.Slow = 2 })
	publish(t, c, m)
	m = message(2)
	m.Images = []announce.Picture{picture(1, "x")}
	platform.Change(func(s *linkedintest.Settings) { s.Broken = true })
	_, err := c.Publish(t.Context(), m)
	if e := failed(t, err, announce.Permanent, false); e.Field != "images" {
		t.Error(e)
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

// A token that may not look at pictures may post them.
func TestAPictureThatCannotBeLookedAt(t *testing.T) {
	m := message(1)
	m.Images = []announce.Picture{picture(1, "x")}
	c, platform := open(t)
	platform.Change(func(s *linkedintest.Settings) { s.Read = false })
	publish(t, c, m)
	if n := len(platform.Posts()[0].Images); n != 1 {
		t.Errorf("%d pictures", n)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Organization: "12345", Token: announce.NewSecret("s3cr3t"), TokenExpires: "2027-01-20", Version: "202607", Links: escaped, API: "https://api.linkedin.com/rest/"}
	for want, change := range map[string]func(*Config){
		"ORGANIZATION":  func(c *Config) { c.Organization = "urn:li:organization:1" },
		"TOKEN":         func(c *Config) { c.Token = announce.NewSecret("s3cr3t\n") },
		"TOKEN_EXPIRES": func(c *Config) { c.TokenExpires = "20.1.2027" },
		"VERSION":       func(c *Config) { c.Version = "202613" },
		"LINKS":         func(c *Config) { c.Links = "raw" },
		"API":           func(c *Config) { c.API = "http://api.linkedin.com/rest" },
	} {
		c := good
		change(&c)
		if p, err := New(c, announce.Site{}); err == nil || p != nil || !strings.HasPrefix(err.Error(), want+": ") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(good, announce.Site{}); err != nil {
		t.Error(err)
	}
	good.TokenExpires = ""
	if _, err := New(good, announce.Site{}); err != nil {
		t.Error(err)
	}
}
