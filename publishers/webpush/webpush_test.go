package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/webpush/webpushtest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

var site = announce.Site{URL: "https://example.org"}

func config(platform *webpushtest.Platform) Config {
	env := platform.Environ()
	return Config{Key: announce.NewSecret(env["KEY"]), Contact: env["CONTACT"], Keep: 72 * time.Hour, Services: []string{env["SERVICES"]}, AllowPrivate: true}
}

// open returns the channel with a fresh push service, and a message for a browser there.
func open(t testing.TB) (*channel, *webpushtest.Platform, func(int) announce.Message) {
	t.Helper()
	platform := webpushtest.New()
	t.Cleanup(platform.Close)
	p, err := New(config(platform), site)
	if err != nil {
		t.Fatal(err)
	}
	to := platform.Subscribe(webpushtest.Public)
	return p.(*channel), platform, func(n int) announce.Message { return message(n, to) }
}

func message(n int, to string) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", To: to, Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("Rencontre nᵒ %02d\n\nMercredi %d octobre, 18 h 30 : l’été <b>arrive</b> & ça se fête ! 🎉", n, n), Link: fmt.Sprintf("https://example.org/%d", n),
		Unsubscribe: "https://example.org/u/1", Preferences: "https://example.org/p/1",
	}
}

func fault(t *testing.T, err error) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *announce.Error, got %v", err)
	}
	return e
}

func TestContract(t *testing.T) {
	var at func(int) announce.Message // for the browser of the platform that was opened last
	const anySuccess = "every 2xx is success, whatever its body: RFC 8030 has none"
	publishertest.Run(t, publishertest.Case{
		Name: "push service",
		Open: func(t testing.TB) (announce.Publisher, sim.Platform) {
			p, platform, m := open(t)
			at = m
			return p, platform
		},
		Message: func(n int) announce.Message { return at(n) }, Can: []string{"amend", "check"}, Method: "POST", Create: "/push/", Window: window,
		Secrets: []string{webpushtest.Key, "/push/1"},
		Refusal: sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"code":413,"errno":104}`},
		Exempt: map[string]string{
			"a garbled success is ambiguous": anySuccess, "a truncated success is ambiguous": anySuccess, "an empty success is ambiguous": anySuccess,
			"a dead credential is seen by the check": "push services know no accounts, so the check asks nobody",
		},
	})
}

// The example of RFC 8291 appendix A.
func TestRFC8291(t *testing.T) {
	b := func(s string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	own, err := ecdh.P256().NewPrivateKey(b("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := parse(`{"endpoint":"https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV","keys":{` +
		`"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sealWith(to, []byte("When I grow up, I want to be a watermelon"), own, b("DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	want := "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_" +
		"yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if s := base64.RawURLEncoding.EncodeToString(got); s != want {
		t.Errorf("got %s", s)
	}
}

// A service holds one message of each topic for a browser that is off: the last revision arrives, once.
func TestACorrectionReplacesWhatWasNotDelivered(t *testing.T) {
	p, platform, message := open(t)
	m := message(1)
	platform.Switch(m.To, false)
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Rev, m.Subject = 2, "Rencontre déplacée"
	if _, err := p.Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if n := len(platform.Posts()); n != 0 {
		t.Fatalf("%d notifications on a device that is off", n)
	}
	platform.Switch(m.To, true)
	posts := platform.Posts()
	if len(posts) != 1 || posts[0].Subject != m.Subject || posts[0].Edited != 0 || posts[0].ID != r.ID {
		t.Errorf("%+v", posts)
	}
}

// On the screen the correction takes the place of the first, without a sound.
func TestACorrectionReplacesWhatIsShown(t *testing.T) {
	p, platform, message := open(t)
	m := message(1)
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Rev, m.Subject = 2, "Rencontre déplacée"
	if _, err := p.Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if posts := platform.Posts(); len(posts) != 1 || posts[0].Subject != m.Subject || posts[0].Edited != 1 || platform.Sounds() != 1 || platform.Unreadable() != 0 {
		t.Errorf("%d sounds, %+v", platform.Sounds(), posts)
	}
}

func TestDeadSubscriptions(t *testing.T) {
	p, platform, message := open(t)
	m := message(1)
	platform.Leave(m.To)
	_, err := p.Publish(t.Context(), m)
	if e := fault(t, err); !e.Gone || e.Outcome != announce.Permanent || e.Stop || e.Status != "410" {
		t.Errorf("410: %+v", e)
	}
	good := message(1).To
	for name, to := range map[string]string{
		"no JSON": "someone@example.org", "empty": "", "no keys": `{"endpoint":"https://push.example.org/x"}`, "no address": strings.Replace(good, "http://", "", 1),
		"user": strings.Replace(good, "http://", "http://a:b@", 1), "ftp": strings.Replace(good, "http://", "ftp://", 1),
		"short secret": strings.Replace(good, `"auth":"`, `"auth":"YQ","x":"`, 1), "no point": strings.Replace(good, `"p256dh":"B`, `"p256dh":"C`, 1),
	} {
		m.To = to
		_, err := p.Publish(t.Context(), m)
		if e := fault(t, err); !e.Gone || e.Outcome != announce.Permanent || e.Stop || e.Field != "to" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestAddress(t *testing.T) {
	_, platform, message := open(t)
	want := message(1).To
	var s map[string]any
	if err := json.Unmarshal([]byte(want), &s); err != nil {
		t.Fatal(err)
	}
	s["expirationTime"] = nil
	keys := s["keys"].(map[string]any)
	keys["auth"] = keys["auth"].(string) + "=="
	loose, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{want, string(loose)} {
		got, err := Address(x)
		if err != nil || len(got) > len(want) {
			t.Fatalf("%s, %v", got, err)
		}
		p, err := New(config(platform), site)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Publish(t.Context(), announce.Message{Key: got, Subject: "a", To: got}); err != nil {
			t.Error(err)
		}
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d notifications for the same address twice", n)
	}
	for _, x := range []string{"", "[]", `{"endpoint":"https://example.org/x"}`, strings.Replace(want, "/push/", "/push/"+strings.Repeat("x", 4096), 1)} {
		if got, err := Address(x); err == nil || got != "" {
			t.Errorf("%.40s: %s, %v", x, got, err)
		}
	}
}

// Whoever subscribes gives an address: nothing is sent to private ones, and the account goes on.
func TestPrivateAddresses(t *testing.T) {
	platform := webpushtest.New()
	t.Cleanup(platform.Close)
	c := config(platform)
	c.AllowPrivate = false
	p, err := New(c, site)
	if err != nil {
		t.Fatal(err)
	}
	to := platform.Subscribe(webpushtest.Public)
	for _, x := range []string{to, strings.Replace(to, "http:", "https:", 1), strings.Replace(to, "http://127.0.0.1", "https://localhost", 1)} {
		_, err := p.Publish(t.Context(), message(1, x))
		if e := fault(t, err); !e.Gone || e.Stop || e.Outcome != announce.Permanent || strings.Contains(e.Error(), "127.0.0.1") {
			t.Errorf("%+v", e)
		}
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d notifications", n)
	}
}

// What the service of a stranger says is true of the stranger's subscription only; it can neither stop the account nor let it wait.
func TestOnlyKnownServicesSpeakForAll(t *testing.T) {
	type verdict struct {
		outcome announce.Outcome
		stop    bool
	}
	const y, l, p, a = announce.Temporary, announce.RateLimited, announce.Permanent, announce.Ambiguous
	for answer, want := range map[string]struct{ known, stranger verdict }{
		"429":      {verdict{l, false}, verdict{y, false}},
		"429 3600": {verdict{l, false}, verdict{y, false}},
		"406":      {verdict{l, false}, verdict{y, false}},
		"503 30":   {verdict{l, false}, verdict{y, false}},
		"503":      {verdict{a, false}, verdict{a, false}},
		"500":      {verdict{a, false}, verdict{a, false}},
		"401":      {verdict{p, true}, verdict{p, false}},
		"402":      {verdict{p, false}, verdict{p, false}},
		"403":      {verdict{p, false}, verdict{p, false}},
		"400":      {verdict{p, false}, verdict{p, false}},
		"413":      {verdict{p, false}, verdict{p, false}},
		"301":      {verdict{p, false}, verdict{p, false}},
		"307":      {verdict{p, false}, verdict{p, false}},
	} {
		for _, known := range []bool{true, false} {
			platform := webpushtest.New()
			t.Cleanup(platform.Close)
			c, w := config(platform), want.known
			if !known {
				c.Services, w = nil, want.stranger
			}
			channel, err := New(c, site)
			if err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(answer)
			f := sim.Fault{Kind: sim.Answer, Header: map[string]string{}}
			if f.Status, err = strconv.Atoi(words[0]); err != nil {
				t.Fatal(err)
			}
			if len(words) > 1 {
				f.Header["Retry-After"] = words[1]
			}
			platform.Script().Push(f)
			_, err = channel.Publish(t.Context(), message(1, platform.Subscribe(webpushtest.Public)))
			if e := fault(t, err); e.Outcome != w.outcome || e.Stop != w.stop || e.Gone {
				t.Errorf("%s, known %t: is %s, stop %t, gone %t: %v", answer, known, e.Outcome, e.Stop, e.Gone, e)
			}
		}
	}
	c := &channel{services: []string{"push.example.org"}}
	for host, want := range map[string]bool{
		"fcm.googleapis.com": true, "updates.push.services.mozilla.com": true, "web.push.apple.com": true, "wns2-par02p.notify.windows.com": true, "push.example.org": true,
		"evil.example": false, "fcm.googleapis.com.evil.example": false, "evilpush.apple.com": false, "a.push.example.org": false,
	} {
		if c.heeded(host) != want {
			t.Errorf("%s: %t", host, !want)
		}
	}
}

// Another key than the subscription's is refused by the service for this subscription.
func TestASubscriptionOfAnotherKey(t *testing.T) {
	p, platform, message := open(t)
	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicKey(other)
	if err != nil {
		t.Fatal(err)
	}
	m := message(1)
	m.To = platform.Subscribe(public)
	_, err = p.Publish(t.Context(), m)
	if e := fault(t, err); e.Status != "403" || e.Stop || e.Gone || e.Outcome != announce.Permanent {
		t.Errorf("%+v", e)
	}
	if public, err := PublicKey(announce.NewSecret(webpushtest.Key)); err != nil || public != webpushtest.Public {
		t.Errorf("%s, %v", public, err)
	}
}

// Tokens are used for an hour at most, and for one service.
func TestTokens(t *testing.T) {
	p, platform, message := open(t)
	now := time.Now()
	token := func(after time.Duration) string {
		p.now = func() time.Time { return now.Add(after) }
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Fatal(err)
		}
		return platform.Last().Get("Authorization")
	}
	first := token(0)
	if token(59*time.Minute) != first || token(time.Hour) == first || token(-time.Minute) == first {
		t.Error("a token is used for too short or too long")
	}
	other := webpushtest.New()
	t.Cleanup(other.Close)
	if _, err := p.Publish(t.Context(), announce.Message{Key: "1", Subject: "a", To: other.Subscribe(webpushtest.Public)}); err != nil {
		t.Error(err) // it refuses a token for another service
	}
}

func TestHeaders(t *testing.T) {
	p, platform, message := open(t)
	now := time.Now()
	p.now = func() time.Time { return now }
	event := func(after time.Duration) *announce.Event {
		return &announce.Event{End: announce.When{Instant: now.Add(after)}}
	}
	for name, x := range map[string]struct {
		event   *announce.Event
		kind    announce.Kind
		ttl     string
		urgency string
	}{
		"news":           {nil, announce.KindNews, "259200", "normal"},
		"soon":           {event(2 * time.Hour), announce.KindReminder, "7200", "normal"},
		"far away":       {event(1000 * time.Hour), announce.KindEvent, "259200", "normal"},
		"over":           {event(-2 * time.Hour), announce.KindRecap, "259200", "normal"},
		"falls through":  {event(2 * time.Hour), announce.KindCancellation, "7200", "high"},
		"somewhere else": {event(2 * time.Hour), announce.KindChange, "7200", "high"},
	} {
		m := message(1)
		m.Event, m.Kind = x.event, x.kind
		r, err := p.Publish(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if h := platform.Last(); h.Get("TTL") != x.ttl || h.Get("Urgency") != x.urgency || h.Get("Topic") != r.ID || len(r.ID) != 32 {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestCheck(t *testing.T) {
	p, _, _ := open(t)
	r, err := p.Check(t.Context())
	if err != nil || len(r.Findings) != 0 || r.Identity != "public key "+webpushtest.Public+", "+webpushtest.Contact {
		t.Errorf("%+v, %v", r, err)
	}
	p.site.URL = "http://example.org"
	if r, err = p.Check(t.Context()); err != nil || len(r.Findings) != 1 || r.Findings[0].Severe {
		t.Errorf("%+v, %v", r, err)
	}
	token, err := p.key.sign(claims{Audience: "https://a.example"})
	if err != nil || !p.key.verifies(token) || p.key.verifies(token[:len(token)-2]+"AA") || p.key.verifies("x"+token) || p.key.verifies("") {
		t.Errorf("signatures are not told apart: %v", err)
	}
	for range 1000 { // one in 128 has a number that begins with a zero
		if token, err = p.key.sign(claims{Audience: "https://a.example"}); err != nil || !p.key.verifies(token) {
			t.Fatalf("%s, %v", token, err)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Key: announce.NewSecret(webpushtest.Key), Contact: webpushtest.Contact, Keep: time.Hour}
	for want, change := range map[string]func(*Config){
		"KEY: is not":       func(c *Config) { c.Key = announce.NewSecret(webpushtest.Public) },
		"KEY: is":           func(c *Config) { c.Key = announce.NewSecret("s3cr3t") },
		"CONTACT: is":       func(c *Config) { c.Contact = "mailto: <organisers@example.org>" },
		"CONTACT: is n":     func(c *Config) { c.Contact = "https://localhost" },
		"CONTACT: is ne":    func(c *Config) { c.Contact = "organisers@example.org" },
		"KEEP: must":        func(c *Config) { c.Keep = 700 * time.Hour },
		"KEEP: must be":     func(c *Config) { c.Keep = -time.Second },
		"SERVICES: holds":   func(c *Config) { c.Services = []string{"https://push.example.org"} },
		"SERVICES: holds n": func(c *Config) { c.Services = []string{""} },
	} {
		c := good
		change(&c)
		if _, err := New(c, site); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, contact := range []string{webpushtest.Contact, "https://example.org/contact"} {
		good.Contact = contact
		if _, err := New(good, site); err != nil {
			t.Error(err)
		}
	}
}
