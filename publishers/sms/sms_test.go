package sms

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/sms/smstest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

func config(platform *smstest.Platform) Config {
	env := platform.Environ()
	return Config{Account: env["ACCOUNT"], Token: announce.NewSecret(env["TOKEN"]), From: env["FROM"], Segments: 3, Price: 0.01, API: env["API"]}
}

// open returns the channel pointed at a fresh Twilio.
func open(t testing.TB, change func(*Config)) (*channel, *smstest.Platform) {
	t.Helper()
	platform := smstest.New()
	t.Cleanup(platform.Close)
	c := config(platform)
	if change != nil {
		change(&c)
	}
	p, err := New(c, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*channel), platform
}

func withService(c *Config) { c.From, c.Service = "", smstest.Service }
func withKey(c *Config)     { c.Key, c.Token = smstest.Key, announce.NewSecret(smstest.Secret) }

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", To: "+14185550123", Subject: fmt.Sprintf("Rencontre %02d", n),
		Text: fmt.Sprintf("Rencontre %02d\nMer. %d oct., 18 h 30\nhttps://example.org/%d\nSTOP pour se désabonner", n, n, n),
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
	for name, change := range map[string]func(*Config){"number": nil, "service and key": func(c *Config) { withService(c); withKey(c) }} {
		publishertest.Run(t, publishertest.Case{
			Name:    name,
			Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, change) },
			Message: message, Can: []string{"find", "check"}, Method: "POST", Create: "/Messages.json", Window: window,
			Secrets:         []string{smstest.Token, smstest.Secret, "+14185550123"},
			Unauthorized:    sim.Fault{Kind: sim.Answer, Status: 401, Body: `{"code":20003,"message":"Authenticate","status":401}`},
			RateLimitedBare: sim.Fault{Kind: sim.Answer, Status: 429, Body: `{"code":20429,"message":"Too Many Requests","status":429}`},
			Refusal:         sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"code":21617,"message":"too long","status":400}`},
		})
	}
}

func TestCost(t *testing.T) {
	p, _ := open(t, func(c *Config) { c.Price, c.Budget = 0.0083, 10 })
	m := message(1)
	if got := p.Cost(m); got != 8300 || p.Limits().Budget != 10_000_000 {
		t.Errorf("one segment costs %d, budget %d", got, p.Limits().Budget)
	}
	m.Text = strings.Repeat("ê", 100)
	if got := p.Cost(m); got != 2*8300 {
		t.Errorf("two segments cost %d", got)
	}
}

func TestTheLimitHolds(t *testing.T) {
	for segments := 1; segments <= mostSegments; segments++ {
		p, platform := open(t, func(c *Config) { c.Segments = segments })
		l := p.Limits()
		for _, letter := range []string{"a", "€", "ê", "🎉"} {
			m := message(1)
			for m.Text = "x"; l.Measure(m.Text+letter) <= l.Text; m.Text += letter {
			}
			if _, err := p.Publish(t.Context(), m); err != nil {
				t.Errorf("%d segments of %q: %v", segments, letter, err)
			}
			posts := platform.Posts()
			if raw := posts[len(posts)-1].Raw; !strings.Contains(raw, fmt.Sprintf("Segments: %d\n", segments)) {
				t.Errorf("%q: want %d segments:\n%s", letter, segments, raw)
			}
			m.Text = strings.Repeat(m.Text, 2)
			if _, err := p.Publish(t.Context(), m); fault(t, err).Field != "text" || fault(t, err).Gone {
				t.Errorf("%d segments of %q and more: %v", segments, letter, err)
			}
		}
	}
}

// What the person has of their own is in the message.
func TestPersonalLinks(t *testing.T) {
	p, platform := open(t, nil)
	m := message(1)
	m.Text, m.Name, m.Preferences = "Allo"+announce.NameMark+" : "+announce.PreferencesMark, "Ada", "https://example.org/p/1"
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := platform.Posts()[0]; got.Text != "Allo Ada : https://example.org/p/1\n"+stopFrench || got.To != m.To {
		t.Errorf("%+v", got)
	}
}

func TestNumbersThatTakeNothing(t *testing.T) {
	p, platform := open(t, nil)
	platform.Change(func(s *smstest.Settings) { s.Landlines = []string{"+14185550111"} })
	platform.Answer("+14185550112", "STOP")
	for to, status := range map[string]string{
		"": "", "4185550123": "", "+1 418 555 0123": "", "someone@example.org": "", "+0123456789": "", "+1234567890123456": "",
		"+14185550111": "21614", "+14185550112": "21610",
	} {
		m := message(1)
		m.To = to
		_, err := p.Publish(t.Context(), m)
		if e := fault(t, err); !e.Gone || e.Outcome != announce.Permanent || e.Stop || e.Status != status {
			t.Errorf("%q: %+v", to, e)
		}
	}
	platform.Answer("+14185550112", "START")
	m := message(1)
	m.To = "+14185550112"
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Errorf("after START: %v", err)
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{
		"+14185550123": "+14185550123", " +1 (418) 555-0123 ": "+14185550123", "+33\u00a06.12.34.56.78": "+33612345678",
		"418 555 0123": "", "0033612345678": "", "": "", "+0123456789": "", "+1418555012x": "", "+1": "",
	} {
		if got, err := Address(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}

func TestCodes(t *testing.T) {
	const (
		y, l, p, a = announce.Temporary, announce.RateLimited, announce.Permanent, announce.Ambiguous
	)
	for _, x := range []struct {
		status, code int
		want         announce.Outcome
		stop, gone   bool
	}{
		{400, 21211, p, false, true}, {400, 21610, p, false, true}, {400, 21614, p, false, true},
		{401, 20003, p, true, false}, {401, 20005, p, true, false}, {403, 10001, p, true, false}, {404, 20404, p, true, false}, {404, 0, p, true, false},
		{400, 21606, p, true, false}, {400, 21659, p, true, false}, {400, 21703, p, true, false},
		{400, 21408, p, false, false}, {400, 21608, p, false, false}, {400, 21612, p, false, false}, {400, 21617, p, false, false}, {400, 99999, p, false, false},
		{429, 20429, l, false, false}, {429, 63038, l, false, false}, {429, 21211, l, false, false}, {400, 14107, l, false, false}, {400, 21611, l, false, false},
		{500, 20500, a, false, false}, {503, 20429, a, false, false}, {500, 21211, a, false, false},
		{201, 30002, p, true, false}, {201, 30003, y, false, false}, {201, 30005, p, false, true}, {201, 30007, p, false, false}, {201, 30034, p, true, false},
	} {
		channel, platform := open(t, nil)
		body := fmt.Sprintf(`{"code":%d,"message":"x","status":%d}`, x.code, x.status)
		if x.status == 201 {
			body = fmt.Sprintf(`{"sid":"SM1","status":"failed","error_code":%d}`, x.code)
		}
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: x.status, Body: body})
		_, err := channel.Publish(t.Context(), message(1))
		e := fault(t, err)
		if e.Outcome != x.want || e.Stop != x.stop || e.Gone != x.gone || (x.want == l) != (e.RetryAfter > 0) || e.Status == "" || e.Status == "0" {
			t.Errorf("%d, %d: %+v", x.status, x.code, e)
		}
	}
}

// Twilio takes a message and says at once that it failed: nothing has appeared.
func TestAMessageThatFailsAtOnce(t *testing.T) {
	p, platform := open(t, nil)
	platform.Change(func(s *smstest.Settings) { s.Silent = []string{message(1).To} })
	if _, err := p.Publish(t.Context(), message(1)); fault(t, err).Outcome != announce.Temporary {
		t.Error(err)
	}
	platform.Change(func(s *smstest.Settings) { s.Silent, s.Unregistered = nil, true })
	if _, err := p.Publish(t.Context(), message(1)); !fault(t, err).Stop {
		t.Error(err)
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestFind(t *testing.T) {
	p, platform := open(t, nil)
	m, other := message(1), message(1)
	other.To = "+14185550199"
	began := time.Now()
	if _, err := p.Publish(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, found, err := p.Find(t.Context(), m, began); found || err != nil {
		t.Errorf("somebody else's: %t, %v", found, err)
	}
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if got, found, err := p.Find(t.Context(), m, began); !found || err != nil || got != r {
		t.Errorf("%+v, %t, %v; want %+v", got, found, err, r)
	}
	if _, found, err := p.Find(t.Context(), m, began.Add(time.Hour)); found || err != nil {
		t.Errorf("an earlier one: %t, %v", found, err)
	}
	if _, err := p.Publish(t.Context(), message(3)); err != nil {
		t.Fatal(err)
	}
	platform.Change(func(s *smstest.Settings) { s.Page = 1 })
	if _, found, err := p.Find(t.Context(), message(2), began); found || !fault(t, err).Ask {
		t.Errorf("a list with more: %t, %v", found, err)
	}
	trial, platform := open(t, nil)
	platform.Change(func(s *smstest.Settings) { s.Trial = true })
	if _, err := trial.Publish(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, found, err := trial.Find(t.Context(), other, began); !found || err != nil {
		t.Errorf("of a trial account: %t, %v", found, err)
	}
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		config   func(*Config)
		settings func(*smstest.Settings)
		say      string
		severe   bool
	}{
		"sound":     {nil, func(*smstest.Settings) {}, "", false},
		"key":       {withKey, func(*smstest.Settings) {}, "", false},
		"service":   {withService, func(*smstest.Settings) {}, "", false},
		"trial":     {nil, func(s *smstest.Settings) { s.Trial = true }, "trial account", false},
		"suspended": {nil, func(s *smstest.Settings) { s.Suspended = true }, "is suspended", true},
		"number":    {func(c *Config) { c.From = "+14185550177" }, func(*smstest.Settings) {}, "not a number of this account", true},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, x.config)
			platform.Change(x.settings)
			r, err := p.Check(t.Context())
			if err != nil || !strings.HasPrefix(r.Identity, "Twilio") {
				t.Fatalf("%+v, %v", r, err)
			}
			if (x.say == "") != (len(r.Findings) == 0) || x.say != "" && (!strings.Contains(r.Findings[0].What, x.say) || r.Findings[0].Severe != x.severe) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

func TestGoldenRequests(t *testing.T) {
	wide := message(2)
	wide.Text = "Soirée gala : l’IA, ça s’explique 🎉 <b>&amp;\nMercredi 20 octobre, 18 h 30\nhttps://example.org/x?a=1&b=2"
	plainly := message(3)
	plainly.Text = "« Soirée d’été » – à 18 h 30…\nCafé du Clocher\nhttps://example.org/ete"
	for name, m := range map[string]announce.Message{"wide": wide, "plain": plainly} {
		p, platform := open(t, nil)
		if _, err := p.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".fr.golden.txt", platform.Posts()[0].Raw)
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

func TestConfig(t *testing.T) {
	good := Config{Account: smstest.Account, Token: announce.NewSecret("s3cr3t"), From: smstest.From, Segments: 3, API: "https://api.twilio.com"}
	for _, x := range []struct {
		want   string
		change func(*Config)
	}{
		{"ACCOUNT: is not", func(c *Config) { c.Account = smstest.Key }},
		{"KEY: is not", func(c *Config) { c.Key = smstest.Account }},
		{"FROM: is needed", func(c *Config) { c.From = "" }},
		{"FROM: is needed", func(c *Config) { c.Service = smstest.Service }},
		{"FROM: is not", func(c *Config) { c.From = "Crieur" }},
		{"FROM: is not", func(c *Config) { c.From = "418-555-0100" }},
		{"SERVICE: is not", func(c *Config) { c.From, c.Service = "", "meetup" }},
		{"SEGMENTS: must", func(c *Config) { c.Segments = 0 }},
		{"SEGMENTS: must", func(c *Config) { c.Segments = 11 }},
		{"PRICE: is not", func(c *Config) { c.Price = -1 }},
		{"PRICE: is not", func(c *Config) { c.Price = math.NaN() }},
		{"BUDGET: is not", func(c *Config) { c.Budget = math.Inf(1) }},
		{"BUDGET: needs PRICE", func(c *Config) { c.Budget = 1 }},
		{"BUDGET: does not pay", func(c *Config) { c.Budget, c.Price = 0.02, 0.01 }},
		{"API: must", func(c *Config) { c.API = "http://api.twilio.com" }},
	} {
		c := good
		x.change(&c)
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), x.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", x.want, err)
		}
	}
	for _, change := range []func(*Config){func(*Config) {}, withService, withKey, func(c *Config) { c.From = "12345" }, func(c *Config) { c.Budget, c.Price = 0.03, 0.01 }} {
		c := good
		change(&c)
		if _, err := New(c, announce.Site{}); err != nil {
			t.Error(err)
		}
	}
}
