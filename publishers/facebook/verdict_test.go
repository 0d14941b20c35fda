package facebook

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/facebook/facebooktest"
	"github.com/crieur/crieur/publishers/sim"
)

// TestRefusals holds every refusal of Facebook to its outcome, whatever the status.
func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct {
		code, sub int
		more      string
		want      announce.Outcome
		stop      bool
		wait      time.Duration
		field     string
		say       string
	}{
		"unknown":             {code: 1, want: announce.Ambiguous, say: "look"},
		"service":             {code: 2, want: announce.Ambiguous, say: "look"},
		"transient":           {code: 100, more: `,"is_transient":true`, want: announce.Ambiguous},
		"no code":             {want: announce.Ambiguous},
		"app limit":           {code: 4, want: announce.RateLimited, wait: window},
		"user limit":          {code: 17, want: announce.RateLimited, wait: window},
		"page limit":          {code: 32, want: announce.RateLimited, wait: window},
		"application limit":   {code: 341, want: announce.RateLimited, wait: window},
		"custom limit":        {code: 613, want: announce.RateLimited, wait: window},
		"use case limit":      {code: 80001, want: announce.RateLimited, wait: window},
		"transient limit":     {code: 4, more: `,"is_transient":true`, want: announce.RateLimited, wait: window},
		"too fast":            {code: 368, sub: 1390008, want: announce.RateLimited, wait: tooFast, say: "too fast"},
		"blocked":             {code: 368, sub: 1404006, want: announce.Permanent, stop: true, say: "Page Quality"},
		"session":             {code: 102, want: announce.Permanent, stop: true, say: "TOKEN"},
		"token":               {code: 190, want: announce.Permanent, stop: true, say: "TOKEN"},
		"app removed":         {code: 190, sub: 458, want: announce.Permanent, stop: true, say: "removed"},
		"checkpoint":          {code: 190, sub: 459, want: announce.Permanent, stop: true, say: "sign in"},
		"password":            {code: 190, sub: 460, want: announce.Permanent, stop: true, say: "password"},
		"expired":             {code: 190, sub: 463, want: announce.Permanent, stop: true, say: "expired"},
		"role lost":           {code: 190, sub: 492, want: announce.Permanent, stop: true, say: "role"},
		"permission":          {code: 10, want: announce.Permanent, stop: true, say: "pages_manage_posts"},
		"permissions":         {code: 200, want: announce.Permanent, stop: true, say: "pages_manage_posts"},
		"more permissions":    {code: 299, want: announce.Permanent, stop: true, say: "pages_manage_posts"},
		"capability":          {code: 3, want: announce.Permanent, stop: true, say: "Pages API"},
		"no such Page":        {code: 100, sub: 33, want: announce.Permanent, stop: true, say: "PAGE"},
		"no such alias":       {code: 803, want: announce.Permanent, stop: true, say: "PAGE"},
		"parameter":           {code: 100, want: announce.Permanent, say: "(#100) no"},
		"in words for people": {code: 100, more: `,"error_user_msg":"Votre\n  texte."`, want: announce.Permanent, say: "(Votre texte)"},
		"scrape":              {code: 100, sub: 1609005, want: announce.Permanent, field: "link", say: "Sharing Debugger"},
		"link to Facebook":    {code: 100, sub: 1609008, want: announce.Permanent, field: "link"},
		"photo":               {code: 324, sub: 1366046, want: announce.Permanent, field: "images", say: "4 MB"},
		"abusive":             {code: 368000, sub: 1346003, want: announce.Permanent, field: "text"},
		"duplicate":           {code: 506, want: announce.Permanent, field: "text", say: "the one before"},
		"photos again":        {code: 324, sub: 1366051, want: announce.Permanent, field: "text"},
	} {
		for _, status := range []int{200, 400, 403} {
			c, platform := open(t)
			f := refusal(status, x.code, x.sub, x.more)
			f.OnlyMethod = "POST"
			platform.Script().Push(f)
			_, err := c.Publish(t.Context(), message(1))
			var e *announce.Error
			if !errors.As(err, &e) || e.Outcome != x.want || e.Stop != x.stop || e.RetryAfter != x.wait || e.Field != x.field || !strings.Contains(e.Fault, x.say) {
				t.Errorf("%s in a %d: %+v", name, status, e)
			} else if !strings.HasSuffix(e.Fault, "[fbtrace_id AbC-1_z]") || e.Status == "" {
				t.Errorf("%s in a %d does not say where to look: %v", name, status, e)
			}
			if n := len(platform.Posts()); n != 0 {
				t.Errorf("%d posts", n)
			}
		}
	}
}

// A code in a server error is no proof: the post may have appeared.
func TestAServerErrorIsAmbiguousWhateverItSays(t *testing.T) {
	c, platform := open(t)
	f := refusal(500, 100, 0, "")
	platform.Script().Push(f)
	_, err := c.Publish(t.Context(), message(1))
	failed(t, err, announce.Ambiguous, false)
}

func TestATraceIsAWord(t *testing.T) {
	c, platform := open(t)
	f := refusal(400, 506, 0, "")
	f.Body = strings.ReplaceAll(f.Body, "AbC-1_z", "<b>x y</b>")
	platform.Script().Push(f)
	_, err := c.Publish(t.Context(), message(1))
	if e := failed(t, err, announce.Permanent, false); strings.Contains(e.Fault, "<b>") {
		t.Error(e)
	}
}

func TestWhatIsUsedUpKeepsTheNextCallBack(t *testing.T) {
	c, platform := open(t)
	began := time.Now()
	platform.Change(func(s *facebooktest.Settings) { s.Used, s.Regain = 99, 30 })
	r := publish(t, c, message(1))
	platform.Change(func(s *facebooktest.Settings) { s.Used = 100 })
	_, err := c.Publish(t.Context(), message(2))
	e := failed(t, err, announce.RateLimited, false)
	if e.RetryAfter != 30*time.Minute || e.Status != "400, code 32" {
		t.Errorf("%+v", e)
	}
	platform.Change(func(s *facebooktest.Settings) { s.Used = 1 })
	calls := len(platform.Journal())
	_, err = c.Amend(t.Context(), r, message(2))
	e = failed(t, err, announce.RateLimited, false)
	if e.RetryAfter > 30*time.Minute || e.RetryAfter < 29*time.Minute {
		t.Errorf("waits %s", e.RetryAfter)
	}
	_, _, err = c.Find(t.Context(), message(1), began)
	failed(t, err, announce.RateLimited, false)
	if n := len(platform.Journal()); n != calls {
		t.Errorf("%d calls left meanwhile", n-calls)
	}
}

// A success that used up the rest is a success; the next call waits.
func TestTheLastGrantedCallSucceeds(t *testing.T) {
	c, platform := open(t)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 200, Header: map[string]string{"X-App-Usage": `{"call_count":100,"total_time":5,"total_cputime":5}`}, Body: `{"id":"1_2"}`})
	publish(t, c, message(1))
	_, err := c.Publish(t.Context(), message(2))
	if e := failed(t, err, announce.RateLimited, false); e.RetryAfter > window || e.RetryAfter < window-time.Minute {
		t.Errorf("waits %s", e.RetryAfter)
	}
}

func TestUsageOfStrangeHeaders(t *testing.T) {
	for _, s := range []string{"", "x", "{}", `{"1":[]}`, `{"1":{}}`, `{"1":[{"call_count":"100"}]}`, `{"1":[{"call_count":-5,"estimated_time_to_regain_access":-1}]}`} {
		if u := usageOf(map[string][]string{"X-Business-Use-Case-Usage": {s}}); u.exhausted() || u.regain != 0 {
			t.Errorf("%q: %+v", s, u)
		}
	}
	u := usageOf(map[string][]string{"X-Business-Use-Case-Usage": {`{"1":[{"call_count":1e300,"estimated_time_to_regain_access":1e300}]}`}})
	if !u.exhausted() || u.regain != longest {
		t.Errorf("%+v", u)
	}
}

// Facebook has one code for a wrong parameter and for a wrong APP_SECRET: the second is the account's fault.
func TestAWrongSecretStopsTheAccount(t *testing.T) {
	c, _ := open(t, func(c *Config) { c.AppSecret = announce.NewSecret("another") })
	_, err := c.Publish(t.Context(), message(1))
	if e := failed(t, err, announce.Permanent, true); !strings.Contains(e.Fault, "APP_SECRET") {
		t.Error(e)
	}
	if _, err := c.Check(t.Context()); err == nil {
		t.Error("the check finds nothing")
	}
	c, _ = open(t, func(c *Config) { c.Token = announce.NewSecret("EAAother") })
	_, err = c.Publish(t.Context(), message(1))
	failed(t, err, announce.Permanent, true)
	c, _ = open(t, func(c *Config) { c.Page = "999999" })
	_, err = c.Publish(t.Context(), message(1))
	if e := failed(t, err, announce.Permanent, true); !strings.Contains(e.Fault, "PAGE") {
		t.Error(e)
	}
}
