package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/webhook/webhooktest"
)

// each returns an account that tells people's receivers, and the receiver of one who was shown their secret.
func each(t testing.TB) (announce.Publisher, *webhooktest.Platform) {
	t.Helper()
	platform := webhooktest.New()
	t.Cleanup(platform.Close)
	account := announce.NewSecret(webhooktest.Secret)
	p, err := New(Config{People: true, Secret: account, AllowPrivate: true}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ReceiverSecret(account, platform.URL())
	if err != nil {
		t.Fatal(err)
	}
	platform.Agree(own.Reveal())
	return p, platform
}

func TestContractOfPeople(t *testing.T) {
	const (
		anySuccess = "by the specification every 2xx is success, whatever its body"
		alone      = announce.Permanent
	)
	var address string // of the platform that was opened last; the cases run one after another
	personal := func(n int) announce.Message {
		m := message(n)
		m.To = address
		return m
	}
	publishertest.Run(t, publishertest.Case{
		Name: "people",
		Open: func(t testing.TB) (announce.Publisher, sim.Platform) {
			p, platform := each(t)
			address = platform.URL()
			return p, platform
		},
		Message: personal, Can: []string{"amend", "retract"}, Method: "POST", Create: "/hooks/",
		Secrets: []string{webhooktest.Secret, "simulated-webhook-path"},
		Refusal: sim.Fault{Kind: sim.Answer, Status: 422, Body: `{"error":"no"}`},
		Expect: map[string]announce.Outcome{ // one receiver's answer stops and delays nobody else
			"429 with a wait is rate limited": announce.Temporary, "429 without a wait is rate limited": announce.Temporary, "401 stops the account": alone,
		},
		Exempt: map[string]string{
			"a garbled success is ambiguous":   anySuccess,
			"a truncated success is ambiguous": anySuccess,
			"an empty success is ambiguous":    anySuccess,
			"an amendment replaces the post":   "the same revision again is dropped by its ID, also after a retraction; TestEvents tells the rest",
		},
	})
}

func TestWhatAReceiverGets(t *testing.T) {
	p, platform := each(t)
	m := message(1)
	m.To, m.Unsubscribe = platform.URL(), "https://crieur.example.org/u/a_b?x=1&y=2"
	m.Text = "Ne plus recevoir : " + announce.UnsubscribeMark
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if post := platform.Posts()[0]; post.Text != "Ne plus recevoir : "+m.Unsubscribe {
		t.Errorf("%+v", post)
	}
	m.Rev, m.Subject = 2, "Rencontre déplacée"
	if r, err = p.(announce.Amender).Amend(t.Context(), r, m); err != nil || platform.Posts()[0].Subject != m.Subject {
		t.Error(err)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil || !platform.Posts()[0].Deleted {
		t.Error(err)
	}
	platform.Agree(webhooktest.Secret) // which is the account's
	if _, err := p.Publish(t.Context(), m); err == nil {
		t.Error("an event is signed with the account's own secret")
	}
}

func TestReceiverSecret(t *testing.T) {
	account := announce.NewSecret(webhooktest.Secret)
	seen := map[string]bool{}
	for _, address := range []string{"https://a.example/", "https://a.example", "https://b.example/"} {
		s, err := ReceiverSecret(account, address)
		again, _ := ReceiverSecret(account, address)
		if err != nil || seen[s.Reveal()] || s.Reveal() != again.Reveal() {
			t.Errorf("%s: %v", address, err)
		}
		seen[s.Reveal()] = true
		if _, err := newSigner(s.Reveal()); err != nil {
			t.Error(err)
		}
	}
	// openssl dgst -sha256 -mac HMAC -macopt hexkey:$(the bytes of the account's secret), over "receiver https://a.example/"
	if got, _ := ReceiverSecret(account, "https://a.example/"); got.Reveal() != "whsec_JXTY/ek+s48WItFFYZFH1lrWYR1ccYT7XtqjwwfeThA=" {
		t.Error(got.Reveal())
	}
}

// What one receiver answers is about it alone; it cannot be at a private address; 410 ends it.
func TestReceiversThatAreGone(t *testing.T) {
	p, platform := each(t)
	for status, gone := range map[int]bool{410: true, 301: false, 401: false, 402: false, 404: false, 405: false} {
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: status, Header: map[string]string{"Location": "/elsewhere"}})
		m := message(1)
		m.To = platform.URL()
		_, err := p.Publish(t.Context(), m)
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || e.Gone != gone {
			t.Errorf("%d: %#v", status, err)
		}
	}
	strict, err := New(Config{People: true, Secret: announce.NewSecret(webhooktest.Secret)}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	for address, gone := range map[string]bool{
		"": true, "ada@example.org": true, "http://hooks.example.org/": true, platform.URL(): true, "https://me:pw@hooks.example.org/": true, "https://hooks.example.org/#x": true,
		"https://127.0.0.1:1/": false, "https://localhost:1/": false, "https://[::ffff:10.0.0.1]/": false, "https://169.254.169.254/": false, "https://192.168.1.1/": false,
	} {
		m := message(1)
		m.To = address
		_, err := strict.Publish(t.Context(), m)
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || e.Gone != gone || !gone && !strings.Contains(e.Fault, "private") {
			t.Errorf("%q: %#v", address, err)
		}
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestConfigurationOfPeople(t *testing.T) {
	good := announce.NewSecret(webhooktest.Secret)
	for want, c := range map[string]Config{
		"URL: must be empty": {People: true, Secret: good, URL: announce.NewSecret("https://hooks.example.org/")},
		"URL: is required":   {Secret: good},
		"SECRET: must begin": {People: true, Secret: announce.NewSecret("whsk_d2ViaG9vay10ZXN0LXNlZWQtb2YtMzItYnl0ZXMtISE=")},
		"OLD_SECRET: ":       {People: true, Secret: good, OldSecret: announce.NewSecret("odd")},
	} {
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{
		" https://Hooks.Example.org:443\n": "https://hooks.example.org/", "HTTPS://a.example/x?y=%C3%A9": "https://a.example/x?y=%C3%A9", "https://a.example:8443/é": "https://a.example:8443/%C3%A9",
		"http://a.example/": "", "a.example": "", "https:///x": "", "https://me@a.example/": "", "https://a.example/#x": "", "https:a": "", "": "", "https://a.example/" + strings.Repeat("a", 2000): "",
	} {
		got, err := Address(written)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
		if again, _ := Address(got); err == nil && again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	}
}
