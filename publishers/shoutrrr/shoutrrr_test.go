package shoutrrr

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/shoutrrr/shoutrrrtest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

func made(t testing.TB, serviceURL string) *publisher {
	t.Helper()
	p, err := New(Config{URL: announce.NewSecret(serviceURL)}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*publisher)
}

// open returns a channel pointed at a fresh server: through a service that can be seen, or through one that cannot.
func open(t testing.TB, seen bool) (*publisher, *shoutrrrtest.Platform) {
	t.Helper()
	platform := shoutrrrtest.New()
	t.Cleanup(platform.Close)
	if seen {
		return made(t, platform.Environ()["URL"]), platform
	}
	return made(t, platform.Webhook()), platform
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr", Subject: fmt.Sprintf("Rencontre nᵒ %02d", n),
		Text: fmt.Sprintf("Rencontre nᵒ %02d\n\nMercredi %d octobre, 18 h 30 : l’été <b>arrive</b> & ça se fête ! 🎉\nhttps://example.org/%d", n, n, n),
	}
}

func TestContract(t *testing.T) {
	const check = "no service can be tried without sending, so the check makes no call"
	c := publishertest.Case{
		Name:    "gotify",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, true) },
		Message: message, Can: []string{"check"}, Window: window, Secrets: []string{shoutrrrtest.Token},
		Unauthorized: sim.Fault{Kind: sim.Answer, Status: 401, Body: `{"error":"Unauthorized","errorCode":401,"errorDescription":"x"}`},
		Refusal:      sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"error":"Bad Request","errorCode":400,"errorDescription":"x"}`},
		Exempt:       map[string]string{"a dead credential is seen by the check": check},
	}
	publishertest.Run(t, c)

	// A service that cannot be seen tells neither a refusal from a loss, nor a success from any other answer below 400.
	const any = "the library takes every answer below 400 for success"
	c.Name, c.Open = "generic", func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, false) }
	c.Secrets = []string{shoutrrrtest.Hook}
	for _, name := range []string{"a garbled success is ambiguous", "a truncated success is ambiguous", "an empty success is ambiguous"} {
		c.Exempt[name] = any
	}
	c.Exempt["a cut answer is ambiguous"] = "the receiver answers 204 without a body, so nothing can be cut"
	c.Expect = map[string]announce.Outcome{}
	for _, name := range []string{
		"a refused connection is temporary", "429 with a wait is rate limited", "429 without a wait is rate limited", "401 stops the account", "400 is permanent", "a refusal is permanent",
	} {
		c.Expect[name] = announce.Ambiguous
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

// Every service of the library is known here, so that a new version of it cannot bring one that nobody looked at.
func TestEveryServiceIsKnown(t *testing.T) {
	names := new(router.ServiceRouter).ListServices()
	for _, n := range names {
		if _, ok := services()[n]; !ok {
			t.Errorf("the library knows %s; look how it sends, and give it a row", n)
		}
	}
	for n := range services() {
		if !slices.Contains(names, n) {
			t.Errorf("the library does not know %s", n)
		}
	}
}

// addresses are service URLs as their pages give them.
func addresses() map[string]string {
	return map[string]string{
		"bark":       "bark://:s3cr3t@push.example.org/",
		"discord":    "discord://s3cr3t@123456789",
		"generic":    "generic+https://example.org/s3cr3t?@Authorization=s3cr3t",
		"googlechat": "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=s3cr3t&token=s3cr3t",
		"gotify":     "gotify://push.example.org/As3cr3ts3cr3t00",
		"hangouts":   "hangouts://chat.googleapis.com/v1/spaces/FOO/messages?key=s3cr3t&token=s3cr3t",
		"ifttt":      "ifttt://s3cr3t/?events=announced&value1=x&messagevalue=2",
		"join":       "join://shoutrrr:s3cr3t@join/?devices=one",
		"lark":       "lark://open.larksuite.com/s3cr3t",
		"matrix":     "matrix://ada:s3cr3t@matrix.example.org:443/?rooms=!room1",
		"mattermost": "mattermost://user@example.org/s3cr3t/town",
		"notifiarr":  "notifiarr://s3cr3t?channel=123456789",
		"ntfy":       "ntfy://:s3cr3t@ntfy.example.org/topic",
		"opsgenie":   "opsgenie://api.opsgenie.com/s3cr3t",
		"pagerduty":  "pagerduty:///0123456789abcdef0123456789abcdef",
		"pushbullet": "pushbullet://o.s3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3/",
		"pushover":   "pushover://shoutrrr:s3cr3t@user/?devices=one",
		"rocketchat": "rocketchat://user@example.org/s3cr3t/s3cr3t/@ada",
		"signal":     "signal://example.org:8080/+15145550100/+15145550101",
		"slack":      "slack://hook:AAAAAAAAA-BBBBBBBBB-s3cr3ts3cr3ts3cr3ts3cr3t@webhook",
		"smtp":       "smtp://ada:s3cr3t@mail.example.org:587/?from=a@example.org&to=b@example.org",
		"wecom":      "wecom://s3cr3t",
		"zulip":      "zulip://bot@example.org:s3cr3t@example.org/?stream=a&topic=b",
	}
}

// Every service but those that lie or lead nowhere is taken, without a call, and refused with nothing of its URL.
func TestEveryServiceIsTaken(t *testing.T) {
	for n, k := range services() {
		address, ok := addresses()[n]
		if (k.refuse == "") != ok {
			t.Errorf("%s: no example", n)
		}
		if !ok {
			address = n + "://s3cr3t"
		}
		p, err := New(Config{URL: announce.NewSecret(address)}, announce.Site{})
		switch {
		case ok && err != nil:
			t.Errorf("%s: %v", n, err)
		case !ok && (err == nil || !strings.HasPrefix(err.Error(), "URL: ") || strings.Contains(err.Error(), "s3cr3t")):
			t.Errorf("%s: %v", n, err)
		case ok:
			l := p.Limits()
			r, err := p.(announce.Checker).Check(t.Context())
			if err != nil || l.Text < 500 || !strings.HasPrefix(r.Identity, n) || (k.own != "") != (len(r.Findings) == 1) || strings.Contains(fmt.Sprint(r, p), "s3cr3t") {
				t.Errorf("%s: %+v, %+v, %v", n, l, r, err)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for address, want := range map[string]string{
		"":                                   "URL: is not a service URL",
		"s3cr3t":                             "URL: is not a service URL",
		"fax://s3cr3t":                       `URL: there is no service "fax"; there are bark, discord, generic,`,
		"https://example.org/s3c":            `URL: there is no service "https"`,
		"telegram://s3cr3t@telegram?chats=1": "URL: with the service telegram",
		"slack://s3cr3t":                     "URL: is not an address of the service slack",
		"matrix://:s3cr3t@example.org":       "URL: names no room",
		"matrix://:s3cr3t@example.org/?rooms=a,b": "URL: names several targets",
		"matrix://:s3cr3t@example.org/?rooms=,":   "URL: is not an address of the service matrix",
		"ifttt://s3cr3t/?events=a,b":              "URL: names several targets",
		"smtp://a:s3cr3t@mail.example.org:587/?from=a@example.org&to=b@example.org,c@example.org": "URL: names several targets",
		"smtp://a:s3cr3t@mail.example.org/?from=a@example.org&to=b@example.org&skiptlsverify=yes": "URL: switches the check",
		"gotify://push.example.org/As3cr3ts3cr3t00?insecureskipverify=yes":                        "URL: switches the check",
		"gotify://push.example.org/As3cr3ts3cr3t00?nosuchsetting=s3cr3t":                          "URL: is not an address of the service gotify",
	} {
		_, err := New(Config{URL: announce.NewSecret(address)}, announce.Site{})
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// What goes over the wire of a service that can be seen is one request, whatever the library would do next.
func TestNoRetriesNoRedirects(t *testing.T) {
	var requests atomic.Int32
	status := atomic.Int32{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(100) }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, address := range []string{
		"gotify://" + host + "/As3cr3ts3cr3t00?disabletls=yes", "mattermost://" + host + "/s3cr3t?disabletls=yes", "ntfy://" + host + "/topic?scheme=http&disabletls=yes",
	} {
		for answer, want := range map[int]announce.Outcome{500: announce.Ambiguous, 429: announce.RateLimited, 307: announce.Permanent, 404: announce.Permanent} {
			requests.Store(0)
			status.Store(int32(answer))
			_, err := made(t, address).Publish(t.Context(), message(1))
			if e := fault(t, err); e.Outcome != want || requests.Load() != 1 || strings.Contains(fmt.Sprint(e, e.Err), "s3cr3t") {
				t.Errorf("%s, %d: %+v after %d requests", address[:6], answer, e, requests.Load())
			}
		}
	}
}

// Discord's part of the library tries again five times, and again on each lost connection.
func TestDiscordTriesOnce(t *testing.T) {
	p := made(t, addresses()["discord"])
	w := newWire(t.Context(), p.client)
	s, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	w.watch(s)
	ended, end := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour)) // which it takes for a passing fault
	defer end()
	w.ctx = ended
	if err := s.Send("x", nil); err == nil || !w.watching || !w.seen.Load() {
		t.Errorf("%v, %t", err, w.watching)
	}
}

// A service that waits without end keeps nobody waiting, and does not pile up.
func TestServicesThatHang(t *testing.T) {
	p, platform := open(t, false)
	for range most {
		platform.Script().Push(sim.Fault{Kind: sim.Hang})
	}
	for n := range most + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		before := platform.Script().Left()
		result := make(chan error, 1)
		go func() { _, err := p.Publish(ctx, message(n)); result <- err }()
		for ; n < most && platform.Script().Left() == before; time.Sleep(time.Millisecond) {
			continue
		}
		cancel()
		want := announce.Ambiguous
		if n == most {
			want = announce.Temporary
		}
		if e := fault(t, <-result); e.Outcome != want {
			t.Errorf("%d: %+v", n, e)
		}
	}
	platform.Script().Release()
	for range most { // every one of them comes back
		p.slots <- struct{}{}
	}
}

// A service that cannot be seen says by its error that no connection came about, or nothing.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	_ = l.Close()
	for address, want := range map[string]announce.Outcome{
		"bark://:s3cr3t@" + host + "/?scheme=http":                                announce.Temporary,
		"signal://" + host + "/+15145550100/+15145550101?disabletls=yes":          announce.Temporary,
		"smtp://" + host + "/?from=a@example.org&to=b@example.org&usestarttls=no": announce.Temporary,
		"matrix://ada:s3cr3t@" + host + "/?rooms=!room1&disableTLS=yes":           announce.Temporary,
		"gotify://" + host + "/As3cr3ts3cr3t00?disabletls=yes":                    announce.Temporary,
		"zulip://bot@example.org:s3cr3t@nowhere.invalid/?stream=a&topic=b":        announce.Ambiguous, // the library itself gives up
		"generic://" + host + "/s3cr3t?disabletls=yes":                            announce.Ambiguous,
	} {
		_, err := made(t, address).Publish(t.Context(), message(1))
		if e := fault(t, err); e.Outcome != want || strings.Contains(fmt.Sprint(e, e.Err), "s3cr3t") {
			t.Errorf("%s: %+v", address[:6], e)
		}
	}
}

// A setting that the library finds wrong only when it sends stops the account.
func TestASettingFoundWrongTooLate(t *testing.T) {
	_, err := made(t, "gotify://push.example.org/short").Publish(t.Context(), message(1))
	if e := fault(t, err); e.Outcome != announce.Permanent || !e.Stop {
		t.Errorf("%+v", e)
	}
}

func TestWords(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("Un titre qui n’en finit pas ", 10))
	for _, x := range []struct{ service, subject, text, title, said string }{
		{"gotify", "Titre", "Titre\n\nTexte", "Titre", "Texte"},
		{"gotify", "Titre", "Titre", "Titre", "Titre"},
		{"gotify", "Titre", "Titres et texte", "Titre", "Titres et texte"},
		{"gotify", "Titre", "Texte à @ada, <!here>", "Titre", "Texte à @ada, <!here>"},
		{"pagerduty", "Titre", "Titre\n\nTexte", "", "Titre\n\nTexte"},
		{"pagerduty", "Titre", "Texte", "", "Titre\n\nTexte"},
		{"opsgenie", long, long + "\n\nTexte", "Un titre qui n’en finit pas Un titre qui n’en finit pas Un titre qui n’en finit pas Un titre qui n’en finit pas Un titre qui…", long + "\n\nTexte"},
		{"slack", "Titre <!channel>", "Texte à @tous, @ada et ada@example.org, <@U1>, a < b", "Titre <\u2060!channel>", "Texte à @\u2060tous, @ada et ada@example.org, <\u2060@U1>, a < b"},
		{"zulip", "T", "T @**all** (@ada)", "", "T\n\nT @\u2060**all** (@ada)"},
		{"smtp", "Été", "Été\n\nTexte", "=?utf-8?q?=C3=89t=C3=A9?=", "Texte"},
	} {
		p := made(t, addresses()[x.service])
		title, said := p.words(announce.Message{Subject: x.subject, Text: x.text, Mentions: []string{"ada"}})
		if title != x.title || said != x.said {
			t.Errorf("%s: %q, %q; want %q, %q", x.service, title, said, x.title, x.said)
		}
	}
	if p := made(t, "generic://example.org/hook"); p.titled {
		t.Error("a webhook without a template drops the title")
	}
	for _, s := range []string{strings.Repeat("a", 300), strings.Repeat("👩‍💻", 100), strings.Repeat("été ", 80)} {
		if got := clip(s, 130); len([]rune(got)) > 130 || len([]rune(got)) < 60 {
			t.Errorf("%q", got)
		}
	}
}

func TestGoldenRequests(t *testing.T) {
	m := message(20)
	m.Subject = "Soirée <b>&amp; *_~gala~_* : l’IA, ça s’explique 🎉 @everyone"
	m.Text = m.Subject + "\n\nMercredi 20 octobre 2027, 18 h 30 👩‍💻\nhttps://example.org/inscription?x=1&y=2"
	for name, seen := range map[string]bool{"gotify": true, "generic": false} {
		p, platform := open(t, seen)
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
