package googlechat

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/googlechat/googlechattest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns a channel pointed at a fresh space.
func open(t testing.TB, hook bool) (announce.Publisher, *googlechattest.Platform) {
	t.Helper()
	platform := googlechattest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	c := Config{Credentials: announce.NewSecret(env["CREDENTIALS"]), Space: env["SPACE"], API: env["API"]}
	if hook {
		c = Config{Webhook: announce.NewSecret(platform.Webhook()), API: env["API"]}
	}
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func messageFor(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Mercredi %d octobre**, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

func TestContract(t *testing.T) {
	answer := func(status int, word string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: fmt.Sprintf(`{"error":{"code":%d,"message":"x","status":%q}}`, status, word)}
	}
	c := publishertest.Case{
		Name:    "app",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, false) },
		Message: messageFor, Can: []string{"amend", "retract", "find", "check"}, Method: "POST", Create: "/messages", Window: window,
		Secrets:      []string{googlechattest.PrivateKey(), "simulated-access-token"},
		Unauthorized: answer(401, "UNAUTHENTICATED"), RateLimitedBare: answer(429, "RESOURCE_EXHAUSTED"), Refusal: answer(400, "INVALID_ARGUMENT"),
	}
	publishertest.Run(t, c)
	c.Name, c.Open = "webhook", func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, true) }
	c.Can, c.Secrets = nil, []string{googlechattest.HookKey, googlechattest.HookToken}
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

// A webhook that knows request IDs or names makes one message, however often it is asked.
func TestAWebhookCalledTwice(t *testing.T) {
	p, platform := open(t, true)
	first, err := p.Publish(t.Context(), messageFor(1))
	if err != nil {
		t.Fatal(err)
	}
	m := messageFor(1)
	m.Rev = 2 // another request, the same name
	second, err := p.Publish(t.Context(), m)
	if err != nil || len(platform.Posts()) != 1 || second.ID != googlechattest.Space+"/messages/client-"+m.Key || first.ID == "" {
		t.Errorf("%+v, %+v, %v, %d posts", first, second, err, len(platform.Posts()))
	}
	if p.Limits().Idempotent != 0 {
		t.Error("promises what Google does not")
	}
}

func TestLanguagesThatAnswerOneAnother(t *testing.T) {
	for _, hook := range []bool{false, true} {
		p, platform := open(t, hook)
		for part := range 2 {
			m := messageFor(part)
			m.Announcement, m.Part, m.Parts = "01jannouncement", part, 2
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Publish(t.Context(), messageFor(2)); err != nil {
			t.Fatal(err)
		}
		correction := messageFor(3)
		correction.Announcement, correction.Of = "01jcorrection", "01jannouncement"
		if _, err := p.Publish(t.Context(), correction); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(platform.Threads(), ","); got != "01jannouncement,01jannouncement,,01jannouncement" {
			t.Error(got)
		}
	}
}

func TestTheNameOfADeletedMessage(t *testing.T) {
	p, platform := open(t, false)
	m := messageFor(1)
	r, err := p.Publish(t.Context(), m)
	if err != nil || r.ID != googlechattest.Space+"/messages/client-"+m.Key || r.URL == "" || r.At.IsZero() {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, rev := range []int{1, 2} {
		m.Rev = rev
		if _, err := p.Publish(t.Context(), m); !fault(t, err).Ask || fault(t, err).Outcome != announce.Permanent {
			t.Error(err)
		}
	}
	if platform.Posts()[0].Key != m.Key {
		t.Errorf("%+v", platform.Posts()[0])
	}
}

func TestAnEndedToken(t *testing.T) {
	p, platform := open(t, false)
	if _, err := p.Publish(t.Context(), messageFor(1)); err != nil {
		t.Fatal(err)
	}
	platform.Expire()
	_, err := p.Publish(t.Context(), messageFor(2))
	if e := fault(t, err); e.Outcome != announce.Temporary || e.Stop {
		t.Errorf("%+v", e)
	}
	if _, err := p.Publish(t.Context(), messageFor(2)); err != nil {
		t.Error(err)
	}
	if n := len(platform.Posts()); n != 2 {
		t.Errorf("%d posts", n)
	}
}

func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct {
		hook    bool
		change  func(*googlechattest.Chat)
		stop    bool
		outcome announce.Outcome
	}{
		"outside":       {false, func(c *googlechattest.Chat) { c.Outside = true }, true, announce.Permanent},
		"key deleted":   {false, func(c *googlechattest.Chat) { c.Disabled = true }, true, announce.Permanent},
		"webhook gone":  {true, func(c *googlechattest.Chat) { c.HookGone = true }, true, announce.Permanent},
		"webhook limit": {true, func(c *googlechattest.Chat) { c.Limited = true }, false, announce.RateLimited},
		"app limit":     {false, func(c *googlechattest.Chat) { c.Limited = true }, false, announce.RateLimited},
	} {
		p, platform := open(t, x.hook)
		platform.Change(x.change)
		_, err := p.Publish(t.Context(), messageFor(1))
		if err == nil {
			_, err = p.Publish(t.Context(), messageFor(2))
		}
		if e := fault(t, err); e.Stop != x.stop || e.Outcome != x.outcome {
			t.Errorf("%s: %+v", name, e)
		}
	}
	platform := googlechattest.New()
	defer platform.Close()
	p, err := New(Config{Webhook: announce.NewSecret(strings.Replace(platform.Webhook(), googlechattest.HookKey, "s3cr3t", 1))}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), messageFor(1)); !fault(t, err).Stop {
		t.Error(err)
	}
}

func TestSignInThatFails(t *testing.T) {
	for status, want := range map[int]announce.Outcome{500: announce.Temporary, 429: announce.RateLimited, 403: announce.Permanent, 200: announce.Temporary} {
		p, platform := open(t, false)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: status, Body: `{}`, OnlyPath: "/token"})
		_, err := p.Publish(t.Context(), messageFor(1))
		if e := fault(t, err); e.Outcome != want || e.Stop != (status == 403) || len(platform.Posts()) != 0 {
			t.Errorf("%d: %+v", status, e)
		}
	}
}

func TestCheck(t *testing.T) {
	p, platform := open(t, false)
	r, err := p.(announce.Checker).Check(t.Context())
	if err != nil || r.Identity != "crieur@simulated-project.iam.gserviceaccount.com in Annonces" || len(r.Findings) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	platform.Change(func(c *googlechattest.Chat) { c.Outside = true })
	r, err = p.(announce.Checker).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || !r.Findings[0].Severe {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAReceiptOfAnotherKind(t *testing.T) {
	p, _ := open(t, false)
	for _, id := range []string{"", "sent", "spaces/x", "spaces/x/messages/"} {
		r := announce.Receipt{ID: id}
		_, amend := p.(announce.Amender).Amend(t.Context(), r, messageFor(1))
		for _, err := range []error{amend, p.(announce.Retracter).Retract(t.Context(), r)} {
			if e := fault(t, err); e.Outcome != announce.Permanent || e.Stop {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	gone := announce.Receipt{ID: googlechattest.Space + "/messages/client-never"}
	if _, err := p.(announce.Amender).Amend(t.Context(), gone, messageFor(1)); fault(t, err).Outcome != announce.Permanent || fault(t, err).Stop {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	platform := googlechattest.New()
	defer platform.Close()
	env := platform.Environ()
	key := announce.NewSecret(env["CREDENTIALS"])
	hook := func(s string) Config { return Config{Webhook: announce.NewSecret(s)} }
	for want, c := range map[string]Config{
		"CREDENTIALS: is required":    {},
		"WEBHOOK: is set beside":      {Credentials: key, Webhook: key},
		"SPACE: is required":          {Credentials: key, API: env["API"]},
		"SPACE: goes with":            {Webhook: announce.NewSecret(platform.Webhook()), Space: "spaces/AAAA"},
		"API: must begin":             {Credentials: key, Space: env["SPACE"], API: "http://chat.googleapis.com"},
		"CREDENTIALS: is not the":     {Credentials: announce.NewSecret(`{"type":"s3cr3t"}`), Space: env["SPACE"], API: env["API"]},
		"CREDENTIALS: holds no":       {Credentials: announce.NewSecret(`{"type":"service_account","client_email":"a","private_key":"s3cr3t"}`), Space: env["SPACE"], API: env["API"]},
		"CREDENTIALS: holds a":        {Credentials: announce.NewSecret(`{"type":"service_account","client_email":"a","private_key":"-----BEGIN PRIVATE KEY-----\nczNjcjN0\n-----END PRIVATE KEY-----\n"}`), Space: env["SPACE"], API: env["API"]},
		"CREDENTIALS: names no":       {Credentials: announce.NewSecret(strings.Replace(env["CREDENTIALS"], "http://127.0.0.1", "http://192.0.2.1", 1)), Space: env["SPACE"], API: env["API"]},
		"WEBHOOK: is not an address":  hook("s3cr3t"),
		"WEBHOOK: must begin":         hook("http://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=s3cr3t"),
		"WEBHOOK: is not a Google":    hook("https://example.org/v1/spaces/AAAA/messages?key=k&token=s3cr3t"),
		"WEBHOOK: is not a Google ":   hook("https://chat.googleapis.com/v1/rooms/AAAA?key=k&token=s3cr3t"),
		"WEBHOOK: lacks its key":      hook("https://chat.googleapis.com/v1/spaces/AAAA/messages?token=s3cr3t"),
		"WEBHOOK: lacks its key or i": hook("https://chat.googleapis.com/v1/spaces/AAAA/messages?key=s3cr3t"),
	} {
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "czNj") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(hook("https://chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token=t"), announce.Site{}); err != nil {
		t.Error(err)
	}
}

func TestIdentity(t *testing.T) {
	for _, key := range []string{"01j0", strings.Repeat("k", 57), "É"} {
		id := clientID(key)
		if len(id) > 63 || !strings.HasPrefix(id, "client-") || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || id != clientID(key) {
			t.Errorf("%q: %q", key, id)
		}
	}
	m := messageFor(1)
	a, b := identity(m), identity(m)
	if m.Rev++; a.Encode() != b.Encode() || a.Get("requestId") == identity(m).Get("requestId") || a.Get("messageId") != identity(m).Get("messageId") || len(a.Get("requestId")) != 36 {
		t.Errorf("%v %v", a, identity(m))
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée <users/all> & *_~gala~_* : l’IA, ça s’explique 🎉 @all",
		Text: `# Soirée \<users/all\> \& \*\_\~gala\~\_\* : l’IA, ça s’explique 🎉 @all

**Quand** : mercredi 20 octobre 2027, de 18 h 30 à 21 h\
**Où** : Café du Clocher, 19, rue Saint-Joseph, Alma

Bienvenue <users/all>, <users/123456> & \*tout\* le \_monde\_ : nom_de_fichier, ` + "`mal <lu>`" + `, &amp;lt; et ~~barré~~ 👩‍💻. mot**coupé**ici, **gras *et* plus**.

## Au *programme*

1. **L’œuvre d’Ada** — [notes](https://example.org/notes?a=1&b=<2>|x)
   - en *français*, [a|b>c](https://example.org/c)
   - en anglais
2. [piège](javascript:alert(1)) et <https://example.org/été>

> « Où naît l’été ? »

` + "```go\nfmt.Println(\"<users/all>\")\n```" + `

---

Écrivez à ada@example.org.`,
		Link:   "https://example.org/inscription?x=1&y=2",
		Images: []announce.Picture{{URL: "https://example.org/affiche.png", Alt: "L’affiche : une fusée <rouge> & un café"}, {Data: []byte("x"), Alt: "Le plan"}},
	}
}

func TestGoldenRequests(t *testing.T) {
	for name, m := range map[string]announce.Message{"event.fr": gala(), "plain.fr": messageFor(20)} {
		for _, hook := range []bool{false, true} {
			p, platform := open(t, hook)
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			post := platform.Posts()[0]
			if n := platform.Pings(); n != 0 {
				t.Errorf("%s: %d people were called", name, n)
			}
			golden(t, name+".golden.json", post.Raw)
			golden(t, name+".golden.html", post.HTML+"\n")
		}
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

func TestTheLargestMessage(t *testing.T) {
	p, _ := open(t, false)
	l := p.Limits()
	for _, paragraph := range []string{"été ", "x\n\n", "\\* ", "**a** [b](https://example.org/c) ", "\"quoted\" "} {
		m := messageFor(1)
		m.Subject, m.Text = strings.Repeat("é", 300), ""
		for n := 8192; n > 0; n /= 2 {
			if more := m.Text + strings.Repeat(paragraph, n); l.Measure(more) <= l.Text {
				m.Text = more
			}
		}
		for range l.Images {
			m.Images = append(m.Images, announce.Picture{URL: "https://example.org/" + strings.Repeat("a", 80), Alt: strings.Repeat("é", l.Alt)})
		}
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Errorf("%q: %v", paragraph, err)
		}
		_ = p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: googlechattest.Space + "/messages/" + clientID(m.Key)})
		p, _ = open(t, false)
	}
}

// Words mean nothing but themselves, whatever they hold.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"a", "*a*", "_a_", "~a~", "`a`", "```a```", "<https://example.org|x>", "<users/all>", "a*b*c", "**", "*", "<", "(*a*)", "*a* _b_", "- x", "<mailto:a@b>", "\u00a0*a*\u00a0"} {
		f.Add(s)
	}
	p, platform := open(f, true)
	n := 0
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.Join(strings.Fields(s), " ")
		if want == "" || len(s) > 500 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u00a0' }) || strings.Contains(s, joiner) {
			return
		}
		n++
		began := time.Now().UnixNano()
		if _, err := p.Publish(t.Context(), announce.Message{Key: fmt.Sprint(began, "-", n), Subject: "x", Text: escape(want)}); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		post := posts[len(posts)-1]
		if got := strings.TrimPrefix(post.Text, "x\n\n"); got != want {
			t.Errorf("%q is shown as %q", want, got)
		}
		if strings.Contains(post.HTML, "<a ") && !strings.Contains(want, "http") || platform.Pings() != 0 {
			t.Errorf("%q is shown as %s", want, post.HTML)
		}
	})
}

// escape writes words in Markdown.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 128 && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
