package mastodon

import (
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/mastodon/mastodontest"
	"github.com/crieur/crieur/publishers/sim"
)

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		path  string
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		wait  time.Duration
		say   string
	}{
		"404":                      {"/statuses", sim.Fault{Status: 404, Body: `{"error":"Record not found"}`}, announce.Permanent, false, 0, "API"},
		"403":                      {"/statuses", sim.Fault{Status: 403, Body: `{"error":"This action is outside the authorized scopes"}`}, announce.Permanent, true, 0, "outside the authorized scopes"},
		"403 of a wall":            {"/statuses", sim.Fault{Status: 403, Body: `<html>Blocked</html>`}, announce.Permanent, true, 0, "write:statuses"},
		"418":                      {"/statuses", sim.Fault{Status: 418}, announce.Permanent, false, 0, "refuses"},
		"301":                      {"/statuses", sim.Fault{Status: 301}, announce.Permanent, true, 0, "API"},
		"422":                      {"/statuses", sim.Fault{Status: 422, Body: "{\"error\":\"Trop \\n long\"}"}, announce.Permanent, false, 0, "It says: Trop long"},
		"200 that names nothing":   {"/statuses", sim.Fault{Status: 200, Body: `{}`}, announce.Ambiguous, false, 0, "look"},
		"429 in seconds":           {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"Retry-After": "9"}}, announce.RateLimited, false, 9 * time.Second, "wait"},
		"429 by Unix time":         {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"Date": "Sun, 14 Mar 2027 18:30:00 GMT", "X-RateLimit-Reset": "1805049060"}}, announce.RateLimited, false, 61 * time.Second, "wait"},
		"429 of a time long ago":   {"/statuses", sim.Fault{Status: 429, Header: map[string]string{"X-RateLimit-Reset": "2020-01-01T00:00:00Z"}}, announce.RateLimited, false, time.Second, "wait"},
		"429 of an upload":         {"/media", sim.Fault{Status: 429}, announce.RateLimited, false, 5 * time.Minute, "wait"},
		"upload 500":               {"/media", sim.Fault{Status: 500}, announce.Temporary, false, 0, "again"},
		"upload 422":               {"/media", sim.Fault{Status: 422, Body: `{"error":"File content type is invalid"}`}, announce.Permanent, false, 0, "picture"},
		"upload 403":               {"/media", sim.Fault{Status: 403}, announce.Permanent, true, 0, "write:media"},
		"upload that says nothing": {"/media", sim.Fault{Status: 200, Body: `{}`}, announce.Temporary, false, 0, "picture"},
	} {
		t.Run(name, func(t *testing.T) {
			platform := mastodontest.New()
			p := open(t, platform)
			c.fault.Kind, c.fault.OnlyPath, c.fault.OnlyMethod = sim.Answer, c.path, "POST"
			platform.Script().Push(c.fault)
			_, err := p.Publish(t.Context(), gala(t))
			if e := failed(t, err, c.want, c.stop, c.say); e.RetryAfter != c.wait {
				t.Errorf("waits %s, want %s", e.RetryAfter, c.wait)
			}
			if n := len(platform.Posts()); n != 0 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

func TestRealLimits(t *testing.T) {
	platform := mastodontest.New()
	platform.Change(func(s *mastodontest.Server) { s.Limits, s.Grants = true, 3 })
	p := open(t, platform)
	var err error
	for n := 0; err == nil; n++ {
		if n > 3 {
			t.Fatal("nothing is counted")
		}
		_, err = p.Publish(t.Context(), message(n))
	}
	if e := failed(t, err, announce.RateLimited, false, "wait"); e.RetryAfter < time.Second || e.RetryAfter > 5*time.Minute+time.Second {
		t.Errorf("waits %s", e.RetryAfter)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change option
		what   string
		severe bool
	}{
		"sound":         {func(*mastodontest.Server) {}, "", false},
		"no writing":    {func(s *mastodontest.Server) { s.Scopes = []string{"read"} }, "write:statuses", true},
		"no pictures":   {func(s *mastodontest.Server) { s.Scopes = []string{"read", "write:statuses"} }, "write:media", true},
		"no looking":    {func(s *mastodontest.Server) { s.Scopes = []string{"read:accounts", "write"} }, "may not read", false},
		"older":         {func(s *mastodontest.Server) { s.Older = true }, "", false},
		"no scopes say": {func(s *mastodontest.Server) { s.Ignores = true }, "", false},
	} {
		platform := mastodontest.New()
		platform.Change(c.change)
		report, err := open(t, platform).(announce.Checker).Check(t.Context())
		if err != nil || !strings.HasPrefix(report.Identity, "@rencontre@127.0.0.1") {
			t.Errorf("%s: %+v, %v", name, report, err)
			continue
		}
		switch {
		case c.what == "" && len(report.Findings) != 0:
			t.Errorf("%s: %+v", name, report.Findings)
		case c.what != "" && (len(report.Findings) == 0 || !strings.Contains(report.Findings[0].What, c.what) || report.Findings[0].Severe != c.severe):
			t.Errorf("%s: %+v", name, report.Findings)
		}
	}
	platform := mastodontest.New()
	platform.Change(func(s *mastodontest.Server) { s.Suspended = true })
	_, err := open(t, platform).(announce.Checker).Check(t.Context())
	failed(t, err, announce.Permanent, true, "suspended")
}
