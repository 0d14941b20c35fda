package teams

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/teams/teamstest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns the channel pointed at a fresh flow.
func open(t testing.TB) (*flow, *teamstest.Platform) {
	t.Helper()
	platform := teamstest.New()
	t.Cleanup(platform.Close)
	p, err := New(Config{Webhook: announce.NewSecret(platform.Environ()["WEBHOOK"])}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*flow), platform
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("**Mercredi %d octobre**, 18 h 30\n\nAu *café* : l’été, ça s’en vient ! 🎉", n), Link: fmt.Sprintf("https://example.org/%d", n),
	}
}

func TestContract(t *testing.T) {
	publishertest.Run(t, publishertest.Case{
		Name:    "flow",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t) },
		Message: message, Create: "/workflows/", Window: window, Secrets: []string{teamstest.Signature, "0f1e2d3c4b5a"},
		Unauthorized: sim.Fault{Kind: sim.Answer, Status: 401, Body: `{"error":{"code":"DirectApiAuthorizationRequired","message":"x"}}`},
		Refusal:      sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"error":{"code":"InvalidRequestContent","message":"x"}}`},
		Exempt:       map[string]string{"a cut answer is ambiguous": "a flow answers 202 without a body, so nothing can be cut"},
	})
}

// The flow's 202 says no more than that it will try.
func TestQueuedIsNotPosted(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(f *teamstest.Flow) { f.Failing = true })
	r, err := p.Publish(t.Context(), message(1))
	if err != nil || r.ID != queued || r.URL != "" || len(platform.Posts()) != 0 {
		t.Errorf("%+v, %v, %d posts", r, err, len(platform.Posts()))
	}
}

func TestRefusals(t *testing.T) {
	for body, x := range map[string]struct {
		status  int
		stop    bool
		outcome announce.Outcome
	}{
		`{"error":{"code":"WorkflowTriggerIsNotEnabled"}}`: {400, true, announce.Permanent},
		`{"error":{"code":"TriggerInputSchemaMismatch"}}`:  {400, true, announce.Permanent},
		`{"error":{"code":"AuthorizationFailed"}}`:         {403, true, announce.Permanent},
		`{"error":{"code":"WorkflowNotFound"}}`:            {404, true, announce.Permanent},
		`{"error":{"code":"RequestEntityTooLarge"}}`:       {413, false, announce.Permanent},
		`{"error":{"code":"BadGateway"}}`:                  {502, false, announce.Ambiguous},
		`{"accepted":true}`:                                {201, false, announce.Ambiguous},
	} {
		p, platform := open(t)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: x.status, Body: body})
		_, err := p.Publish(t.Context(), message(1))
		var e *announce.Error
		if !errors.As(err, &e) || e.Stop != x.stop || e.Outcome != x.outcome {
			t.Errorf("%s: %v", body, err)
		}
	}
	p, platform := open(t)
	platform.Change(func(f *teamstest.Flow) { f.Off = true })
	_, err := p.Publish(t.Context(), message(1))
	if err == nil || !strings.HasSuffix(err.Error(), "(400 WorkflowTriggerIsNotEnabled)") {
		t.Error(err)
	}
}

func TestTheRateLimitOfAFlow(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(f *teamstest.Flow) { f.Limited = true })
	var e *announce.Error
	for n := range 5 {
		_, err := p.Publish(t.Context(), message(n))
		if n == 4 && (!errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter.Seconds() != 1) || n < 4 && err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestConfig(t *testing.T) {
	const sig = "?api-version=1&sig=s3cr3t"
	for address, want := range map[string]string{
		"":                                 "WEBHOOK: is not an address",
		"s3cr3t":                           "WEBHOOK: is not an address",
		"http://x.logic.azure.com/a" + sig: "WEBHOOK: must begin",
		"https://u:s3cr3t@x.logic.azure.com/a" + sig:                                                                                       "WEBHOOK: must be a plain",
		"https://example.webhook.office.com/webhookb2/s3cr3t":                                                                              "WEBHOOK: is a connector's",
		"https://logic.azure.com.example.org/s3cr3t" + sig:                                                                                 "WEBHOOK: is not the address of a flow",
		"https://environment.api.powerplatform.com:443/w/s3cr3t":                                                                           "WEBHOOK: lacks its signature",
		"https://prod-01.canadacentral.logic.azure.com:443/workflows/0f/triggers/manual/paths/invoke" + sig:                                "",
		"https://default0f1e.2d.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/0f/triggers/manual" + sig: "",
	} {
		p, err := New(Config{Webhook: announce.NewSecret(address)}, announce.Site{})
		switch {
		case want == "" && (err != nil || p == nil), want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v", address, err)
		case err != nil && strings.Contains(err.Error(), "s3cr3t"):
			t.Errorf("%q: shows the secret: %v", address, err)
		}
	}
}

// gala is everything that could go wrong in a text, in one announcement.
func gala() announce.Message {
	return announce.Message{
		Key: "01k0gala00000000000000000", Rev: 1, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée <at>tous</at> & *_~gala~_* : l’IA, ça s’explique 🎉 @everyone",
		Text: `# Soirée \<at\>tous\</at\> \& \*\_\~gala\~\_\* : l’IA, ça s’explique 🎉 @everyone

**Quand** : mercredi 20 octobre 2027, de 18 h 30 à 21 h\
**Où** : Café du Clocher, 19, rue Saint-Joseph, Alma

Le {{DATE(2027-10-20T18:30:00Z,SHORT)}} reste écrit, <at>ada</at>, &amp;lt; et ` + "`mal_lu`" + ` aussi. *_~Aucun~_* signe, ni ~~barré~~ 👩‍💻.

## Au programme

1. **L’œuvre d’Ada** — [notes](https://example.org/notes_(1)?a=1&b=<2>)
   - en *français* et **en _même_ temps**
   - en anglais, mot**coupé**ici

   Une suite.
2. [piège](javascript:alert(1)) et <https://example.org/été_chaud>

19\. Juni est une date, et

\- ceci n’est pas une liste

> « Où naît l’été ? »

` + "```go\nfmt.Println(\"[x](y)\")\n    a_b_c := **p\n```" + `

---

Écrivez à ada@example.org.`,
		Link:   "https://example.org/inscription?x=1&y=2",
		Images: []announce.Picture{{URL: "https://example.org/affiche.png", Alt: "L’affiche : une fusée <rouge> & un *café*"}, {Data: []byte("x"), Alt: "Le plan"}},
	}
}

func TestGoldenRequests(t *testing.T) {
	english := message(20)
	english.Language, english.Text = "en", "Rencontre nᵒ 20\n\nCome."
	for name, m := range map[string]announce.Message{"event.fr": gala(), "plain.en": english} {
		p, platform := open(t)
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		post := platform.Posts()[0]
		if platform.Pings() != 0 {
			t.Error("people were called")
		}
		golden(t, name+".golden.json", post.Raw)
		golden(t, name+".golden.html", post.HTML+"\n")
		golden(t, name+".golden.txt", post.Text+"\n")
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

// The largest card that the limits let through stays below 20,000 bytes.
func TestTheLargestCard(t *testing.T) {
	p, _ := open(t)
	l := p.Limits()
	for _, paragraph := range []string{"été ", "x\n\n", "- a\n", "**a** [b](https://example.org/c) ", "\\* \\_ "} {
		m := message(1)
		m.Text = ""
		for n := 4096; n > 0; n /= 2 { // the most that the limit takes
			if more := m.Text + strings.Repeat(paragraph, n); l.Measure(more) <= l.Text {
				m.Text = more
			}
		}
		m.Subject = strings.Repeat("é", 300)
		m.Link = "https://example.org/" + strings.Repeat("a", mostLink-20)
		m.Images = []announce.Picture{{URL: "https://example.org/" + strings.Repeat("a", 80), Alt: strings.Repeat("é", l.Alt)}}
		raw, err := json.Marshal(p.compose(m))
		if err != nil || len(raw) > 20000 {
			t.Errorf("%q: %d bytes, %v", paragraph, len(raw), err)
		}
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Errorf("%q: %v", paragraph, err)
		}
	}
}

// A title means nothing but itself, whatever it holds.
func FuzzTitle(f *testing.F) {
	for _, s := range []string{"a", "1. x", "2027) y", "- z", "# t", "> q", "===", "---", "a_b_c", "*a*", "[x](y)", "<b>&amp;lt;", "{{DATE(2027-01-01T00:00:00Z)}}", "~~s~~", "~~~~~", "{{{DATE(2027-01-01T00:00:00Z)}}}", "``c``", `\\*`, "<at>x</at>",
		"https://example.org/_a_", "![i](j)", "a\u00a0b", "<https://example.org>", "&#42;", "~~~", "|a|b|", "\\", "[", "]:", "[a]: b", "*", "**", "<!-- x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.TrimSpace(s)
		if want == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u00a0' }) || strings.Contains(s, joiner) {
			return
		}
		p, platform := open(t)
		m := announce.Message{Key: "k", Subject: s, Text: "x"}
		if len(s) > 1000 {
			return
		}
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		got, _, _ := strings.Cut(platform.Posts()[0].Text, "\n")
		if got != want {
			t.Errorf("%q is shown as %q", want, got)
		}
	})
}
