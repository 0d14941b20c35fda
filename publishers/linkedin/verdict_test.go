package linkedin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
	"github.com/crieur/crieur/publishers/sim"
)

// TestRefusals holds every refusal of LinkedIn to its outcome.
func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct {
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		field string
		say   string
	}{
		"400":                    {refusal(400, "INVALID"), announce.Permanent, false, "text", "(no because)"},
		"422":                    {refusal(422, "INVALID"), announce.Permanent, false, "text", "change the announcement"},
		"401":                    {refusal(401, "EXPIRED"), announce.Permanent, true, "", "TOKEN_EXPIRES"},
		"403":                    {refusal(403, "ACCESS_DENIED"), announce.Permanent, true, "", "w_organization_social"},
		"404":                    {refusal(404, ""), announce.Permanent, false, "", "API setting"},
		"426":                    {refusal(426, ""), announce.Permanent, true, "", "CRIEUR_LINKEDIN_VERSION"},
		"a dead version in 400":  {refusal(400, "NONEXISTENT_VERSION"), announce.Permanent, true, "", "does not serve version 20"},
		"429":                    {refusal(429, ""), announce.RateLimited, false, "", "waits"},
		"a duplicate of nothing": {refusal(422, "DUPLICATE_POST"), announce.Permanent, false, "text", "says the same"},
	} {
		c, platform := open(t)
		x.fault.OnlyMethod = "POST"
		platform.Script().Push(x.fault)
		_, err := c.Publish(t.Context(), message(1))
		e := failed(t, err, x.want, x.stop)
		if e.Field != x.field || !strings.Contains(e.Fault, x.say) || !strings.HasSuffix(e.Fault, "[x-li-uuid AAY+/x==]") {
			t.Errorf("%s: %+v", name, e)
		}
		if n := len(platform.Posts()); n != 0 {
			t.Errorf("%d posts", n)
		}
	}
	for _, f := range []sim.Fault{
		{Kind: sim.Answer, Status: 201}, {Kind: sim.Answer, Status: 201, Header: map[string]string{"x-restli-id": "x"}}, {Kind: sim.Answer, Status: 204},
		refusal(500, ""), refusal(503, "DUPLICATE_POST"), {Kind: sim.Answer, Status: 302},
	} {
		c, platform := open(t)
		platform.Script().Push(f)
		_, err := c.Publish(t.Context(), message(1))
		failed(t, err, announce.Ambiguous, false)
	}
}

func TestASecretIsNeverQuoted(t *testing.T) {
	c, platform := open(t)
	f := refusal(400, "")
	f.Body = `{"status":400,"message":"Invalid token ` + linkedintest.Token + `"}`
	platform.Script().Push(f)
	_, err := c.Publish(t.Context(), message(1))
	if e := failed(t, err, announce.Permanent, false); strings.Contains(e.Error(), linkedintest.Token) || !strings.Contains(e.Fault, "Invalid token ***") {
		t.Error(e)
	}
}

func TestADeadVersion(t *testing.T) {
	c, _ := open(t, func(c *Config) { c.Version = "202507" })
	_, err := c.Publish(t.Context(), message(1))
	if e := failed(t, err, announce.Permanent, true); !strings.HasPrefix(e.Fault, "VERSION: ") || !strings.Contains(e.Fault, "202507") {
		t.Error(e)
	}
	_, err = c.Check(t.Context())
	failed(t, err, announce.Permanent, true)
}

// What LinkedIn refuses a person is that post, not the account.
func TestAPostThatMayNotBeChanged(t *testing.T) {
	c, platform := open(t)
	r := publish(t, c, message(1))
	platform.Change(func(s *linkedintest.Settings) { s.Write = false })
	_, err := c.Amend(t.Context(), r, message(2))
	failed(t, err, announce.Permanent, false)
	failed(t, c.Retract(t.Context(), r), announce.Permanent, false)
	_, err = c.Publish(t.Context(), message(3))
	failed(t, err, announce.Permanent, true)
}

func TestTheDailyLimit(t *testing.T) {
	c, platform := open(t)
	platform.Change(func(s *linkedintest.Settings) { s.Left = 0 })
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		_, err := c.Publish(t.Context(), message(1))
		if e := failed(t, err, announce.RateLimited, false); e.RetryAfter != want {
			t.Errorf("waits %s, want %s", e.RetryAfter, want)
		}
	}
	_, err := c.Publish(t.Context(), message(1))
	e := failed(t, err, announce.RateLimited, false)
	if at := time.Now().Add(e.RetryAfter).UTC(); at.Hour() != 0 || at.Minute() > 2 {
		t.Errorf("waits until %s", at)
	}
	platform.Change(func(s *linkedintest.Settings) { s.Left = 1 })
	publish(t, c, message(1))
	_, err = c.Publish(t.Context(), message(2))
	if e := failed(t, err, announce.RateLimited, false); e.RetryAfter != time.Minute {
		t.Errorf("waits %s after a success", e.RetryAfter)
	}
	c.refused = 9
	if w := c.wait(http.Header{}, time.Date(2027, 3, 31, 23, 58, 0, 0, time.UTC)); w != 3*time.Minute {
		t.Errorf("waits %s", w)
	}
}
