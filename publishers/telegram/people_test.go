package telegram

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/telegram/telegramtest"
)

const ada = "4242"

// people returns an account that writes to people. Ada has pressed Start.
func people(t testing.TB) (*People, *telegramtest.Platform) {
	t.Helper()
	platform := telegramtest.New()
	t.Cleanup(platform.Close)
	platform.Press(4242, "Ada", "fr", "")
	return at(t, platform, func(c *Config) { c.People, c.Chat = true, "" }).(*People), platform
}

func personal(n int) announce.Message {
	m := message(n)
	m.To, m.Name, m.Unsubscribe = ada, "Ada *L*", "https://crieur.example.org/u/a_b_c?x=1&y=2"
	m.Text = "Bonjour" + announce.NameMark + " !\n\n" + m.Text + "\n\n[Ne plus recevoir](" + announce.UnsubscribeMark + ")"
	return m
}

func TestContractOfPeople(t *testing.T) {
	publishertest.Run(t, publishertest.Case{
		Name:    "people",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return people(t) },
		Message: personal, Can: []string{"amend", "retract", "check"}, Create: "/sendMessage",
		Secrets:         []string{telegramtest.Token, strings.Split(telegramtest.Token, ":")[1]},
		Unauthorized:    answer(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`),
		RateLimited:     answer(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`),
		Wait:            35 * time.Second,
		RateLimitedBare: answer(429, `{"ok":false,"error_code":429,"description":"Too Many Requests"}`),
		Window:          window,
	})
}

func TestWhatAPersonGets(t *testing.T) {
	p, platform := people(t)
	r, err := p.Publish(t.Context(), personal(1))
	if err != nil || r.URL != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	post := platform.Posts()[0]
	if post.To != ada || !strings.HasPrefix(post.Text, "Bonjour Ada *L* !") || !strings.Contains(post.HTML, `href="https://crieur.example.org/u/a_b_c?x=1&amp;y=2"`) || strings.Contains(post.Raw, ".invalid") {
		t.Errorf("%+v", post)
	}
	m := personal(1)
	m.Text = "C’est demain" + announce.NameMark
	if r, err = p.Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	if post = platform.Posts()[0]; post.Text != "C’est demain Ada *L*" || post.Edited != 1 {
		t.Errorf("%+v", post)
	}
	if err := p.Retract(t.Context(), r); err != nil || !platform.Posts()[0].Deleted {
		t.Error(err)
	}
}

// Whoever cannot be written to is gone, and nobody else waits for them.
func TestPeopleWhoAreGone(t *testing.T) {
	p, platform := people(t)
	platform.Press(7, "Bob", "en", "")
	platform.Press(8, "Cyd", "en", "")
	platform.Block(7)
	platform.Leave(8)
	for to, gone := range map[string]bool{"7": true, "8": true, "9": true, "@ada": true, "": true, "-100123": true, ada: false} {
		m := personal(1)
		m.To = to
		_, err := p.Publish(t.Context(), m)
		var e *announce.Error
		if !gone && err != nil || gone && (!errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Gone || e.Stop) {
			t.Errorf("%q: %#v", to, err)
		}
	}
	platform.Script().Push(answer(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot can't send messages to the user"}`))
	var e *announce.Error
	if _, err := p.Publish(t.Context(), personal(2)); !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Gone || e.Stop {
		t.Errorf("it has been seen to pass: %#v", err)
	}
}

func TestPaceOfPeople(t *testing.T) {
	p, platform := people(t)
	platform.Change(func(c *telegramtest.Chat) { c.RateLimit = true })
	var e *announce.Error
	if _, err := p.Publish(t.Context(), personal(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), personal(2)); !errors.As(err, &e) || e.Outcome != announce.RateLimited {
		t.Errorf("twice in a second to one person: %v", err)
	}
	platform.Press(7, "Bob", "en", "")
	m := personal(3)
	m.To = "7"
	if _, err := p.Publish(t.Context(), m); err != nil {
		t.Errorf("to another person: %v", err)
	}
	if pace := p.Limits().Pace; pace < time.Second/30 || pace > time.Second/20 {
		t.Errorf("%s", pace)
	}
}

func TestListen(t *testing.T) {
	p, platform := people(t)
	platform.Write(4242, "bonjour")
	platform.Press(7, "Bob  B.", "en", "abc_DEF-1")
	platform.Write(7, "/stop@"+telegramtest.Bot)
	platform.Block(4242)
	want := []Start{
		{Update: 1, ChatID: ada, Name: "Ada", Language: "fr"},
		{Update: 3, ChatID: "7", Name: "Bob B.", Language: "en", Payload: "abc_DEF-1"},
		{Update: 4, ChatID: "7", Name: "Bob B.", Language: "en", Stop: true},
		{Update: 5, ChatID: ada, Name: "Ada", Language: "fr", Stop: true},
		{Update: 6, ChatID: "8", Name: "Cyd", Language: "fr"}, // while it waits
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan Start)
	ended := make(chan error, 1)
	go func() { ended <- p.Listen(ctx, 0, func(s Start) error { heard <- s; return nil }) }()
	for i, w := range want {
		if i == 4 {
			eventually(t, "nothing was confirmed", func() bool { return platform.Waiting() == 0 })
			platform.Press(8, "Cyd", "fr", "")
		}
		if s := <-heard; s != w {
			t.Errorf("%+v, want %+v", s, w)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("it answered %d times", n)
	}
}

// What handle did not take comes again.
func TestListenAgain(t *testing.T) {
	p, platform := people(t)
	full := errors.New("the disk is full")
	if err := p.Listen(t.Context(), 0, func(Start) error { return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	if err := p.Listen(ctx, 0, func(s Start) error { n++; cancel(); return nil }); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	platform.Press(7, "Bob", "en", "")
	ctx, cancel = context.WithCancel(t.Context())
	if err := p.Listen(ctx, 2, func(s Start) error { n += int(s.Update); cancel(); return nil }); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
}

// A bot has one listener, and none beside a webhook.
func TestListeners(t *testing.T) {
	p, platform := people(t)
	hold := make(chan error, 1)
	go func() { hold <- p.Listen(t.Context(), 2, func(Start) error { return nil }) }()
	eventually(t, "nobody listens", func() bool { return platform.Waiting() == 0 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = p.Listen(ctx, 2, func(Start) error { return nil }) }()
	var e *announce.Error
	if err := <-hold; !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || !strings.Contains(e.Fault, "one reader") {
		t.Errorf("%#v", err)
	}
	platform.Change(func(c *telegramtest.Chat) { c.Webhook = "https://example.org/hook" })
	if err := p.Listen(t.Context(), 0, func(Start) error { return nil }); !errors.As(err, &e) || e.Outcome != announce.Permanent {
		t.Errorf("%#v", err)
	}
	report, err := p.Check(t.Context())
	if err != nil || report.Identity != "@"+telegramtest.Bot || len(report.Findings) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestStartLink(t *testing.T) {
	if got := StartLink("crieur_bot", "a-B_9"); got != "https://t.me/crieur_bot?start=a-B_9" {
		t.Error(got)
	}
	for _, payload := range []string{"", "a b", "é", strings.Repeat("a", 65)} {
		if got := StartLink("crieur_bot", payload); got != "" {
			t.Error(got)
		}
	}
}

func TestConfigurationOfPeople(t *testing.T) {
	token := announce.NewSecret(telegramtest.Token)
	for _, c := range []Config{
		{Token: token, API: "https://api.telegram.org", People: true, Chat: "@chat_name"},
		{Token: token, API: "https://api.telegram.org", People: true, Topic: 3},
		{Token: token, API: "https://api.telegram.org"},
	} {
		if _, err := New(c, announce.Site{}); err == nil || !strings.Contains(err.Error(), "PEOPLE=true") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func eventually(t *testing.T, otherwise string, condition func() bool) {
	t.Helper()
	patience := time.After(20 * time.Second)
	for tick := time.Tick(time.Millisecond); !condition(); {
		select {
		case <-patience:
			t.Fatal(otherwise)
		case <-tick:
		}
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{" 700000001 ": "700000001", "@ada": "", "-100123": "", "": ""} {
		if got, err := Address(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}
