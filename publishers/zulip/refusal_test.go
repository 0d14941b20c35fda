package zulip

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/zulip/zuliptest"
)

func TestRefusals(t *testing.T) {
	answer := func(path string, status int, body string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: body, OnlyPath: path}
	}
	for name, x := range map[string]struct {
		fault sim.Fault
		want  announce.Error
	}{
		"no such channel":   {answer("/messages", 400, `{"result":"error","code":"STREAM_DOES_NOT_EXIST"}`), announce.Error{Outcome: announce.Permanent, Stop: true}},
		"no organisation":   {answer("/messages", 403, `{"result":"error","code":"REALM_DEACTIVATED"}`), announce.Error{Outcome: announce.Permanent, Stop: true}},
		"no bot":            {answer("/messages", 401, `{"result":"error","code":"USER_DEACTIVATED"}`), announce.Error{Outcome: announce.Permanent, Stop: true}},
		"some reason":       {answer("/messages", 400, `{"result":"error","code":"BAD_REQUEST","msg":"Non"}`), announce.Error{Outcome: announce.Permanent}},
		"a word of theirs":  {answer("/messages", 400, `{"result":"error","code":"<script>"}`), announce.Error{Outcome: announce.Permanent, Status: "400"}},
		"yes to nothing":    {answer("/messages", 200, `{"result":"success"}`), announce.Error{Outcome: announce.Ambiguous}},
		"picture too large": {answer("/user_uploads", 400, `{"result":"error","code":"BAD_REQUEST"}`), announce.Error{Outcome: announce.Permanent, Field: "images"}},
		"upload drops":      {sim.Fault{Kind: sim.DropAfter, OnlyPath: "/user_uploads"}, announce.Error{Outcome: announce.Temporary}},
		"upload to nowhere": {answer("/user_uploads", 200, `{"result":"success"}`), announce.Error{Outcome: announce.Temporary}},
		"upload elsewhere":  {answer("/user_uploads", 200, `{"result":"success","url":"https://a.example/) @**all**"}`), announce.Error{Outcome: announce.Temporary}},
	} {
		p, platform := open(t)
		platform.Script().Push(x.fault)
		_, err := p.Publish(t.Context(), gala())
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != x.want.Outcome || e.Stop != x.want.Stop || e.Field != x.want.Field || x.want.Status != "" && e.Status != x.want.Status {
			t.Errorf("%s: %+v", name, err)
		}
		if platform.Script().Left() != 0 {
			t.Errorf("%s: the fault was not met", name)
		}
	}
}

func TestTheRateLimitOfTheOrganisation(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(s *zuliptest.Settings) { s.RateLimit = true })
	for n := range 201 {
		if _, err := p.Publish(t.Context(), message(n)); (err != nil) != (n == 200) {
			t.Fatalf("%d: %v", n, err)
		} else if e := (*announce.Error)(nil); err != nil && (!errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter <= 0 || e.RetryAfter > unsaid) {
			t.Errorf("%+v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*zuliptest.Settings)
		severe bool
		say    []string
	}{
		"sound":            {func(*zuliptest.Settings) {}, false, nil},
		"hidden":           {func(s *zuliptest.Settings) { s.Hidden = true }, true, []string{"does not know the channel"}},
		"archived":         {func(s *zuliptest.Settings) { s.Archived = true }, true, []string{"archived"}},
		"closed":           {func(s *zuliptest.Settings) { s.Closed = true }, true, []string{"may not post"}},
		"closed, an admin": {func(s *zuliptest.Settings) { s.Closed, s.Admin = true, true }, false, nil},
		"a person":         {func(s *zuliptest.Settings) { s.Person = true }, false, []string{"person"}},
		"ten minutes":      {func(s *zuliptest.Settings) { s.Edit = 600 }, false, []string{"edited for 10m0s only", "deleted for 10m0s only"}},
		"admin, ten too":   {func(s *zuliptest.Settings) { s.Edit, s.Admin = 600, true }, false, []string{"edited for 10m0s only"}},
		"nobody edits":     {func(s *zuliptest.Settings) { s.NoEdits = true }, false, []string{"nobody may edit"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			platform.Change(x.change)
			r, err := p.(announce.Checker).Check(t.Context())
			if err != nil || r.Identity != "Crieur in #annonces" || platform.Queues() != 0 {
				t.Fatalf("%+v, %v, %d queues", r, err, platform.Queues())
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
			_, err = p.Publish(context.WithoutCancel(t.Context()), message(1))
			if (err != nil) != x.severe {
				t.Errorf("the check says severe=%t, publishing says %v", x.severe, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := Config{API: "https://example.zulipchat.com/", Email: "crieur-bot@example.zulipchat.com", Key: announce.NewSecret("s3cr3t"), Stream: "annonces"}
	for want, change := range map[string]func(*Config){
		"EMAIL: is not":   func(c *Config) { c.Email = "crieur" },
		"EMAIL: is not t": func(c *Config) { c.Email = "crieur:x@example.org" },
		"KEY: is not":     func(c *Config) { c.Key = announce.NewSecret("s3cr3t\n") },
		"TOPIC: has":      func(c *Config) { c.Topic = strings.Repeat("é", 61) },
		"API: must begin": func(c *Config) { c.API = "http://example.zulipchat.com" },
		"API: is not":     func(c *Config) { c.API = "example.zulipchat.com" },
	} {
		c := good
		change(&c)
		p, err := New(c, announce.Site{})
		if err == nil || p != nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, api := range []string{good.API, "https://chat.example.org/api/v1"} {
		c := good
		c.API = api
		if _, err := New(c, announce.Site{}); err != nil {
			t.Error(err)
		}
	}
}
