package linkedin

import (
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/linkedin/linkedintest"
)

func TestCheck(t *testing.T) {
	const who = "organization " + linkedintest.Organization
	for name, x := range map[string]struct {
		change   func(*linkedintest.Settings)
		config   func(*Config)
		identity string
		severe   bool
		say      []string
	}{
		"sound":             {identity: "Simulated Meetup (" + who + ")"},
		"modest rights":     {change: func(s *linkedintest.Settings) { s.Admin = false }, identity: who},
		"may not read":      {change: func(s *linkedintest.Settings) { s.Read = false }, identity: "Simulated Meetup (" + who + ")", say: []string{"r_organization_social"}},
		"no role":           {change: func(s *linkedintest.Settings) { s.Role = "ANALYST" }, identity: "Simulated Meetup (" + who + ")", severe: true, say: []string{"content administrator"}},
		"no end given":      {config: func(c *Config) { c.TokenExpires = "" }, identity: "Simulated Meetup (" + who + ")", say: []string{"TOKEN_EXPIRES"}},
		"ends soon":         {config: func(c *Config) { c.TokenExpires = time.Now().AddDate(0, 0, 5).Format(time.DateOnly) }, identity: "Simulated Meetup (" + who + ")", say: []string{"less than 7 days"}},
		"ended, it is said": {config: func(c *Config) { c.TokenExpires = "2026-01-01" }, identity: "Simulated Meetup (" + who + ")", say: []string{"still accepts it"}},
	} {
		t.Run(name, func(t *testing.T) {
			if x.config == nil {
				x.config = func(*Config) {}
			}
			c, platform := open(t, x.config)
			if x.change != nil {
				platform.Change(x.change)
			}
			r, err := c.Check(t.Context())
			if err != nil || r.Identity != x.identity || !r.Expires.Equal(c.expires) {
				t.Fatalf("%+v, %v", r, err)
			}
			severe, all := false, ""
			for _, f := range r.Findings {
				severe = severe || f.Severe
				all += f.What + ": " + f.Do + "\n"
			}
			if severe != x.severe || len(r.Findings) != len(x.say) {
				t.Errorf("%+v", r.Findings)
			}
			for _, s := range x.say {
				if !strings.Contains(all, s) {
					t.Errorf("says nothing of %q:\n%s", s, all)
				}
			}
			if _, err = c.Publish(t.Context(), message(1)); (err != nil) != x.severe {
				t.Errorf("the check says severe=%t, publishing says %v", x.severe, err)
			}
		})
	}
}

func TestADeadTokenIsSeen(t *testing.T) {
	c, platform := open(t)
	platform.Change(func(s *linkedintest.Settings) { s.Dead = true })
	r, err := c.Check(t.Context())
	failed(t, err, announce.Permanent, true)
	if r.Expires.IsZero() {
		t.Error("the end of the token is forgotten")
	}
}

// What is said changes on the 14th, 7th and 2nd day before the end only, so that a person is told three times.
func TestDaysLeft(t *testing.T) {
	end := time.Date(2027, 1, 20, 0, 0, 0, 0, time.UTC)
	c := &channel{expires: end}
	said := map[string]bool{}
	for d := 60; d > 0; d-- {
		for _, f := range c.ending(end.Add(-time.Duration(d)*day + time.Hour)) {
			if f.Severe || f.Do == "" || d > 14 {
				t.Errorf("%d days before: %+v", d, f)
			}
			said[f.What] = true
		}
	}
	for _, days := range []string{"14", "7", "2"} {
		if want := "the token ends on 2027-01-20, in less than " + days + " days"; !said[want] || len(said) != 3 {
			t.Errorf("%q is not among %v", want, said)
		}
	}
}

func TestAgeing(t *testing.T) {
	for _, x := range []struct {
		version, now string
		tells        bool
	}{{"202607", "2026-11-21", false}, {"202607", "2027-05-31", false}, {"202607", "2027-06-01", true}, {"202601", "2026-12-01", true}} {
		now, err := time.Parse(time.DateOnly, x.now)
		if err != nil {
			t.Fatal(err)
		}
		if f := ageing(x.version, now); (len(f) == 1) != x.tells || x.tells && (f[0].Severe || f[0].Do == "") {
			t.Errorf("%s on %s: %+v", x.version, x.now, f)
		}
	}
}
