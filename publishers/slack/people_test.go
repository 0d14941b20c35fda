package slack

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/slack/slacktest"
)

func direct(t testing.TB) (announce.Publisher, *slacktest.Platform) {
	t.Helper()
	platform := slacktest.New()
	t.Cleanup(platform.Close)
	env := platform.Environ()
	p, err := New(Config{People: true, Token: announce.NewSecret(env["TOKEN"]), API: env["API"]}, announce.Site{})
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func personal(n int) announce.Message {
	m := message(n)
	m.To, m.Name, m.Unsubscribe = slacktest.Person, "Ada *L*", "https://crieur.example.org/u/a_b_c?x=1&y=2"
	m.Text = "Bonjour" + announce.NameMark + " !\n\n" + m.Text + "\n\n[Ne plus recevoir](" + announce.UnsubscribeMark + ")"
	return m
}

func TestContractOfPeople(t *testing.T) {
	answer := func(status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	publishertest.Run(t, publishertest.Case{
		Name:    "people",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return direct(t) },
		Message: personal, Can: []string{"amend", "retract", "find", "check"}, Create: "/chat.postMessage", Secrets: []string{slacktest.Token},
		Unauthorized:    answer(200, `{"ok":false,"error":"invalid_auth"}`),
		Refusal:         answer(200, `{"ok":false,"error":"invalid_blocks","errors":["must be more than 0 characters"]}`),
		RateLimitedBare: answer(429, `{"ok":false,"error":"ratelimited"}`),
		Window:          time.Minute,
	})
}

func TestWhatAPersonGets(t *testing.T) {
	p, platform := direct(t)
	r, err := p.Publish(t.Context(), personal(1))
	if err != nil || !strings.HasPrefix(r.ID, "D") {
		t.Fatalf("%+v, %v", r, err)
	}
	post := platform.Posts()[0]
	if post.To != slacktest.Person || !strings.Contains(post.Text, "Bonjour Ada *L* !") || strings.Contains(post.Raw, ".invalid") ||
		!strings.Contains(post.HTML, `href="https://crieur.example.org/u/a_b_c?x=1&amp;y=2"`) || !strings.Contains(post.Text, "L’affiche") {
		t.Errorf("%+v", post)
	}
}

// Whoever cannot be written to is gone; a dead token stops everybody, also while something is changed.
func TestPeopleWhoAreGone(t *testing.T) {
	p, platform := direct(t)
	platform.User("U0BOB00001", "user_disabled")
	platform.User("U0APP00001", "cannot_dm_bot")
	for to, gone := range map[string]bool{"U0BOB00001": true, "U0APP00001": true, "U0CYD00001": true, "": true, "@ada": true, slacktest.Person: false} {
		m := personal(1)
		m.To = to
		_, err := p.Publish(t.Context(), m)
		var e *announce.Error
		if !gone && err != nil || gone && (!errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Gone || e.Stop) {
			t.Errorf("%q: %#v", to, err)
		}
	}
	r, err := p.Publish(t.Context(), personal(2))
	if err != nil {
		t.Fatal(err)
	}
	platform.User(slacktest.Person, "user_disabled") // who was written to before
	var e *announce.Error
	if _, err := p.Publish(t.Context(), personal(3)); !errors.As(err, &e) || !e.Gone || e.Stop {
		t.Errorf("%#v", err)
	}
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Body: `{"ok":false,"error":"token_revoked"}`, OnlyPath: "/chat.update"})
	if _, err := p.(announce.Amender).Amend(t.Context(), r, personal(2)); !errors.As(err, &e) || !e.Stop || e.Gone {
		t.Errorf("%#v", err)
	}
}

func TestCheckOfPeople(t *testing.T) {
	p, platform := direct(t)
	platform.Change(func(w *slacktest.Workspace) { w.Scopes = []string{"chat:write"} })
	r, err := p.(announce.Checker).Check(t.Context())
	if err != nil || len(r.Findings) != 2 || !r.Findings[0].Severe || !strings.Contains(r.Findings[0].What, "im:write") || !strings.Contains(r.Findings[1].What, "im:history") {
		t.Errorf("%+v, %v", r, err)
	}
	var e *announce.Error
	if _, err := p.Publish(t.Context(), personal(1)); !errors.As(err, &e) || !e.Stop {
		t.Errorf("%#v", err)
	}
}

func TestConfigurationOfPeople(t *testing.T) {
	token := announce.NewSecret(slacktest.Token)
	for want, c := range map[string]Config{
		"CHANNEL: must be empty with PEOPLE=true": {People: true, Token: token, Channel: slacktest.Channel},
		"WEBHOOK: must be empty with PEOPLE=true": {People: true, Webhook: announce.NewSecret("https://hooks.slack.com/services/x")},
		"TOKEN: is required":                      {People: true},
		"CHANNEL: is required":                    {Token: token},
	} {
		c.API = "https://slack.com/api"
		if _, err := New(c, announce.Site{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for written, want := range map[string]string{" u0123456789\n": "U0123456789", "<@U0123456789>": "U0123456789", "W0123456789": "W0123456789", "@ada": "", "C0123456789": "", "": ""} {
		if got, err := Address(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}
