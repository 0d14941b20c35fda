package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/webhook/webhooktest"
)

// open returns the channel pointed at a fresh receiver.
func open(t testing.TB) (*publisher, *webhooktest.Platform) {
	t.Helper()
	platform := webhooktest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	return at(t, env["URL"], env["SECRET"], ""), platform
}

func at(t testing.TB, url, secret, old string) *publisher {
	t.Helper()
	p, err := New(Config{URL: announce.NewSecret(url), Secret: announce.NewSecret(secret), OldSecret: announce.NewSecret(old), AllowPrivate: true}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*publisher)
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Announcement: announce.ID(fmt.Sprintf("01a%023d", n)), Rev: 1, Kind: announce.KindNews, Language: "fr",
		Subject: fmt.Sprintf("Rencontre nᵒ %02d", n), Text: fmt.Sprintf("Rencontre nᵒ %02d : l’été <b>arrive</b> & ça se fête ! 🎉\nhttps://example.org/%d", n, n),
		Date: time.Date(2027, 10, 1, 12, 0, 0, 0, time.UTC), Updated: time.Date(2027, 10, 2, 12, 0, 0, 0, time.UTC),
	}
}

func TestContract(t *testing.T) {
	const anySuccess = "by the specification every 2xx is success, whatever its body"
	publishertest.Run(t, publishertest.Case{
		Name:    "receiver",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { p, platform := open(t); return p, platform },
		Message: message, Can: []string{"amend", "retract"}, Method: "POST", Create: "/hooks/", Window: time.Minute,
		Secrets: []string{webhooktest.Secret, "simulated-webhook-path"},
		Refusal: sim.Fault{Kind: sim.Answer, Status: 422, Body: `{"error":"no"}`},
		Exempt: map[string]string{
			"a garbled success is ambiguous":   anySuccess,
			"a truncated success is ambiguous": anySuccess,
			"an empty success is ambiguous":    anySuccess,
			"an amendment replaces the post":   "the same revision again is dropped by its ID, also after a retraction; TestEvents tells the rest",
		},
	})
}

// TestEvents: what is told, in its order, and what is dropped.
func TestEvents(t *testing.T) {
	p, platform := open(t)
	m, other := message(1), message(2)
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	m.Rev, m.Subject = 2, "Rencontre déplacée"
	for range 2 {
		if r, err = p.Amend(t.Context(), r, m); err != nil {
			t.Fatal(err)
		}
		posts := platform.Posts()
		if len(posts) != 2 || posts[0].Subject != m.Subject || posts[0].Edited != 1 || posts[1].Subject != other.Subject || posts[1].Edited != 0 {
			t.Fatalf("after an amendment: %+v", posts)
		}
	}
	if r.ID != "01a00000000000000000000001/01j00000000000000000000001/2" || r.At.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	for range 2 {
		if err := p.Retract(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if posts := platform.Posts(); len(posts) != 2 || !posts[0].Deleted || posts[1].Deleted {
			t.Fatalf("after a retraction: %+v", posts)
		}
	}
	if n := platform.Copies(); n != 2 {
		t.Errorf("%d events were dropped as copies, want the second amendment and the second retraction", n)
	}
	m.Rev, m.Subject = 3, "Rencontre maintenue"
	if _, err := p.Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if posts := platform.Posts(); len(posts) != 3 || posts[2].Subject != m.Subject {
		t.Errorf("a new revision after a retraction is not shown: %+v", posts)
	}
	var e *announce.Error
	if err := p.Retract(t.Context(), announce.Receipt{URL: "https://example.org/"}); !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop {
		t.Errorf("a receipt of a person's: %v", err)
	}
}

func TestStatuses(t *testing.T) {
	const (
		a, y, l, p = announce.Ambiguous, announce.Temporary, announce.RateLimited, announce.Permanent
	)
	for answer, want := range map[string]verdict{
		"410":    {p, p, true, 0, "wants no more"},
		"301":    {p, p, true, 0, "redirections are not followed"},
		"302":    {p, p, true, 0, "redirections are not followed"},
		"303":    {p, p, true, 0, "redirections are not followed"},
		"304":    {p, p, true, 0, "redirections are not followed"},
		"307":    {p, p, true, 0, "redirections are not followed"},
		"308":    {p, p, true, 0, "redirections are not followed"},
		"401":    {p, p, true, 0, "SECRET"},
		"403":    {p, p, true, 0, "SECRET"},
		"404":    {p, p, true, 0, "URL"},
		"405":    {p, p, true, 0, "URL"},
		"400":    {p, p, false, 0, "log"},
		"409":    {p, p, false, 0, ""},
		"413":    {p, p, false, 0, "too large"},
		"422":    {p, p, false, 0, ""},
		"429":    {l, l, false, time.Minute, ""},
		"429 20": {l, l, false, 20 * time.Second, ""},
		"503":    {a, y, false, 0, ""},
		"503 20": {l, l, false, 20 * time.Second, ""},
		"502":    {a, y, false, 0, "same ID"},
		"502 20": {a, y, false, 20 * time.Second, "same ID"},
		"504 20": {a, y, false, 20 * time.Second, "same ID"},
		"408":    {a, y, false, 0, ""},
		"500":    {a, y, false, 0, ""},
		"507":    {a, y, false, 0, ""},
		"425":    {y, y, false, 0, ""},
	} {
		t.Run(answer, func(t *testing.T) {
			channel, platform := open(t)
			words := strings.Fields(answer)
			fault := sim.Fault{Kind: sim.Answer, Header: map[string]string{"Location": "/elsewhere"}}
			if _, err := fmt.Sscan(words[0], &fault.Status); err != nil {
				t.Fatal(err)
			}
			if len(words) > 1 {
				fault.Header["Retry-After"] = words[1]
			}
			platform.Script().Push(fault, fault)
			_, err := channel.Publish(t.Context(), message(1))
			want.hold(t, err, want.publish)
			_, err = channel.Amend(t.Context(), announce.Receipt{}, message(1))
			want.hold(t, err, want.amend)
			if n := len(platform.Posts()); n != 0 {
				t.Errorf("%d posts: a redirection was followed or the event repeated", n)
			}
		})
	}
}

// verdict is what an answer means for an event that publishes, and for one that amends.
type verdict struct {
	publish, amend announce.Outcome
	stop           bool
	wait           time.Duration
	say            string
}

func (v verdict) hold(t *testing.T, err error, want announce.Outcome) {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != want || e.Stop != v.stop || e.RetryAfter != v.wait || !strings.Contains(e.Fault, v.say) {
		t.Errorf("got %#v, want %s %+v", e, want, v)
	}
}

func TestEverySuccessIsSuccess(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 206, 299} {
		p, platform := open(t)
		platform.Script().Push(sim.Fault{Kind: sim.AnswerAfter, Status: status, Body: ""})
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestPrivateReceivers(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	t.Cleanup(s.Close)
	for _, address := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), "https://192.168.1.1/", "https://169.254.169.254/"} {
		p, err := New(Config{URL: announce.NewSecret(address), Secret: announce.NewSecret(webhooktest.Secret)}, announce.Site{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Publish(t.Context(), message(1))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Stop || !strings.Contains(e.Fault, "private") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	good := Config{URL: announce.NewSecret("https://hooks.example.org/a/?b=c"), Secret: announce.NewSecret(webhooktest.Secret)}
	if _, err := New(good, announce.Site{}); err != nil {
		t.Fatal(err)
	}
	const key = "d2ViaG9vay10ZXN0LXNlZWQtb2YtMzItYnl0ZXMtISE=" // 32 bytes
	for _, secret := range []string{"whsk_" + key, "whsec_" + key} {
		c := good
		c.OldSecret = announce.NewSecret(secret)
		if _, err := New(c, announce.Site{}); err != nil {
			t.Error(err)
		}
	}
	var all []string
	for _, c := range []struct {
		variable string
		change   func(*Config)
	}{
		{"URL", func(c *Config) { c.URL = announce.NewSecret("hooks.example.org/a") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("https:///s3cr3t") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("ftp://hooks.example.org/s3cr3t") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("http://hooks.example.org/s3cr3t") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("http://127.0.0.1/s3cr3t") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("https://me:s3cr3t@hooks.example.org/") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("https://hooks.example.org/#s3cr3t") }},
		{"URL", func(c *Config) { c.URL = announce.NewSecret("https://hooks.example.org/s3cr3t\x7f") }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("s3cr3t") }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret(key) }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("whsec_s3cr3t!") }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("whsec_c2hvcnQ=") }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("whsec_" + strings.Repeat("YWFh", 22)) }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("whpk_" + key) }},
		{"SECRET", func(c *Config) { c.Secret = announce.NewSecret("whsk_YWFh") }},
		{"OLD_SECRET", func(c *Config) { c.OldSecret = announce.NewSecret("whsk_" + strings.Repeat("YWFh", 21) + "YQ==") }},
	} {
		bad := good
		c.change(&bad)
		_, err := New(bad, announce.Site{})
		if err == nil || !strings.HasPrefix(err.Error(), c.variable+": ") || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", c.variable, err)
			continue
		}
		all = append(all, err.Error())
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 8 {
		t.Errorf("%d different messages: %v", n, all)
	}
}
