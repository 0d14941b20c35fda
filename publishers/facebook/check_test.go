package facebook

import (
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/facebook/facebooktest"
)

func TestCheck(t *testing.T) {
	end := time.Now().Add(10 * 24 * time.Hour).UTC().Truncate(time.Second)
	for name, x := range map[string]struct {
		change  func(*facebooktest.Settings)
		version string
		severe  bool
		say     []string
	}{
		"sound":                 {change: func(*facebooktest.Settings) {}},
		"silent about itself":   {change: func(s *facebooktest.Settings) { s.Mute = true }},
		"silent and blind":      {change: func(s *facebooktest.Settings) { s.Mute, s.Scopes = true, []string{"pages_manage_posts"} }, say: []string{"pages_read_engagement"}},
		"ends in a while":       {change: func(s *facebooktest.Settings) { s.Expires = end.Add(30 * 24 * time.Hour) }},
		"ends soon":             {change: func(s *facebooktest.Settings) { s.Expires = end }, say: []string{"ends on " + end.Format(dateLayout)}},
		"may not post":          {change: func(s *facebooktest.Settings) { s.Scopes = []string{"pages_read_engagement"} }, severe: true, say: []string{"pages_manage_posts"}},
		"may not read":          {change: func(s *facebooktest.Settings) { s.Scopes = []string{"pages_manage_posts"} }, say: []string{"pages_read_engagement"}},
		"a person's":            {change: func(s *facebooktest.Settings) { s.Type = "USER" }, severe: true, say: []string{"/me/accounts"}},
		"of another Page":       {change: func(s *facebooktest.Settings) { s.Profile = "77777" }, severe: true, say: []string{"77777"}},
		"not published":         {change: func(s *facebooktest.Settings) { s.Hidden = true }, say: []string{"not published"}},
		"much used":             {change: func(s *facebooktest.Settings) { s.Used = 85 }, say: []string{"85 %"}},
		"a version that ended":  {change: func(s *facebooktest.Settings) { s.Oldest = "v21.0" }, version: "v20.0", say: []string{"v20.0 of the Graph API has ended"}},
		"a version ending soon": {change: func(s *facebooktest.Settings) { s.Oldest = "v99.5" }, say: []string{"Facebook answers with version v99.5"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, platform := open(t, func(c *Config) {
				if x.version != "" {
					c.Version = x.version
				}
			})
			platform.Change(x.change)
			r, err := c.Check(t.Context())
			if err != nil || r.Identity != "Simulated Meetup (Page "+facebooktest.Page+")" {
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
			if ends := strings.HasPrefix(name, "ends"); ends == r.Expires.IsZero() {
				t.Errorf("expires %s", r.Expires)
			}
			if _, err = c.Publish(t.Context(), message(1)); (err != nil) != x.severe {
				t.Errorf("the check says severe=%t, publishing says %v", x.severe, err)
			}
		})
	}
}

func TestADeadTokenIsSeen(t *testing.T) {
	c, platform := open(t)
	platform.Change(func(s *facebooktest.Settings) { s.Dead = true })
	_, err := c.Check(t.Context())
	if e := failed(t, err, announce.Permanent, true); !strings.Contains(e.Fault, "password") {
		t.Error(e)
	}
}

func TestAgeing(t *testing.T) {
	day := func(s string) time.Time { at, _ := time.Parse(dateLayout, s); return at }
	for _, x := range []struct {
		version, now, say string
	}{
		{"v26.0", "2026-11-21", ""},
		{"v26.0", "2028-08-30", "ends on 2028-11-21"},
		{"v27.0", "2030-01-01", ""},
		{"v24.0", "2027-11-19", ""},
		{"v24.0", "2027-11-21", "ends on 2028-02-18"},
		{"v24.0", "2028-02-18", "has ended"},
		{"v21.0", "2026-11-21", "ends on 2027-01-21"},
		{"v19.0", "2026-11-21", "has ended"},
		{"v9.0", "2026-11-21", "has ended"},
	} {
		f := ageing(x.version, day(x.now))
		if x.say == "" && len(f) != 0 || x.say != "" && (len(f) != 1 || !strings.Contains(f[0].What, x.say) || f[0].Severe || f[0].Do == "") {
			t.Errorf("%s on %s: %+v", x.version, x.now, f)
		}
	}
}
