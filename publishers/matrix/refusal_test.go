package matrix

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/matrix/matrixtest"
	"github.com/crieur/crieur/publishers/sim"
)

func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct {
		fault sim.Fault
		want  announce.Error
	}{
		"no such alias":    {sim.Fault{Kind: sim.Answer, Status: 404, Body: `{"errcode":"M_NOT_FOUND"}`, OnlyPath: "/directory/"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_NOT_FOUND"}},
		"not in the room":  {sim.Fault{Kind: sim.Answer, Status: 403, Body: `{"errcode":"M_FORBIDDEN"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_FORBIDDEN"}},
		"no such room":     {sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"errcode":"M_UNSUPPORTED_ROOM_VERSION"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_UNSUPPORTED_ROOM_VERSION"}},
		"too long":         {sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"errcode":"M_TOO_LARGE"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Field: "text", Status: "M_TOO_LARGE"}},
		"too long there":   {sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"errcode":"M_BAD_JSON"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Field: "text", Status: "M_BAD_JSON"}},
		"picture too big":  {sim.Fault{Kind: sim.Answer, Status: 413, Body: `{"errcode":"M_TOO_LARGE"}`, OnlyPath: "/upload"}, announce.Error{Outcome: announce.Permanent, Field: "images", Status: "M_TOO_LARGE"}},
		"picture refused":  {sim.Fault{Kind: sim.Answer, Status: 403, Body: `{"errcode":"M_FORBIDDEN"}`, OnlyPath: "/upload"}, announce.Error{Outcome: announce.Permanent, Field: "images", Status: "M_FORBIDDEN"}},
		"upload drops":     {sim.Fault{Kind: sim.DropAfter, OnlyPath: "/upload"}, announce.Error{Outcome: announce.Temporary}},
		"upload says yes":  {sim.Fault{Kind: sim.Answer, Status: 200, Body: `{}`, OnlyPath: "/upload"}, announce.Error{Outcome: announce.Temporary}},
		"upload says wait": {sim.Fault{Kind: sim.Answer, Status: 429, Header: map[string]string{"Retry-After": "9"}, Body: `{}`, OnlyPath: "/upload"}, announce.Error{Outcome: announce.RateLimited, Status: "429"}},
		"suspended":        {sim.Fault{Kind: sim.Answer, Status: 403, Body: `{"errcode":"M_USER_SUSPENDED"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_USER_SUSPENDED"}},
		"server is full":   {sim.Fault{Kind: sim.Answer, Status: 403, Body: `{"errcode":"M_RESOURCE_LIMIT_EXCEEDED"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_RESOURCE_LIMIT_EXCEEDED"}},
		"not Matrix":       {sim.Fault{Kind: sim.Answer, Status: 404, Body: `{"errcode":"M_UNRECOGNIZED"}`, OnlyPath: "/whoami"}, announce.Error{Outcome: announce.Permanent, Stop: true, Status: "M_UNRECOGNIZED"}},
		"a word of theirs": {sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"errcode":"M_<script>"}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Permanent, Status: "400"}},
		"yes to nothing":   {sim.Fault{Kind: sim.Answer, Status: 200, Body: `{}`, OnlyPath: "/send/"}, announce.Error{Outcome: announce.Ambiguous}},
	} {
		p, platform := open(t)
		platform.Script().Push(x.fault)
		m := gala()
		_, err := p.Publish(t.Context(), m)
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != x.want.Outcome || e.Stop != x.want.Stop || e.Field != x.want.Field || x.want.Status != "" && e.Status != x.want.Status {
			t.Errorf("%s: %+v", name, err)
		}
		if platform.Script().Left() != 0 {
			t.Errorf("%s: the fault was not met", name)
		}
	}
}

func TestTheRateLimitOfTheHomeserver(t *testing.T) {
	for _, inBody := range []bool{false, true} {
		p, platform := open(t)
		platform.Change(func(s *matrixtest.Settings) { s.RateLimit, s.WaitInBody = true, inBody })
		var e *announce.Error
		for n := range 11 {
			if _, err := p.Publish(t.Context(), message(n+1)); (err != nil) != (n == 10) {
				t.Fatalf("%d: %v", n, err)
			} else if n == 10 && (!errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != 5*time.Second) {
				t.Errorf("%+v", err)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*matrixtest.Settings)
		severe bool
		say    []string
	}{
		"sound":             {func(*matrixtest.Settings) {}, false, nil},
		"outside":           {func(s *matrixtest.Settings) { s.Outside = true }, true, []string{"not in the room"}},
		"too little power":  {func(s *matrixtest.Settings) { s.Needed = 50 }, true, []string{"power level"}},
		"power enough":      {func(s *matrixtest.Settings) { s.Needed, s.Level = 50, 50 }, false, nil},
		"above all levels":  {func(s *matrixtest.Settings) { s.Needed, s.Creator = 50, true }, false, nil},
		"an encrypted room": {func(s *matrixtest.Settings) { s.Encrypted = true }, false, []string{"encrypted"}},
		"upgraded":          {func(s *matrixtest.Settings) { s.Replaced = "!new:matrix.example" }, true, []string{"!new:matrix.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			platform.Change(x.change)
			r, err := p.(announce.Checker).Check(t.Context())
			if err != nil || r.Identity != matrixtest.User+" in "+matrixtest.Alias {
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
			_, err = p.Publish(context.WithoutCancel(t.Context()), message(1))
			if (err != nil) != x.severe {
				t.Errorf("the check says severe=%t, publishing says %v", x.severe, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := Config{API: "https://matrix.example.org/", Token: announce.NewSecret("syt_s3cr3t"), Room: "#a:example.org"}
	for want, change := range map[string]func(*Config){
		"TOKEN: is not":   func(c *Config) { c.Token = announce.NewSecret("s3cr3t\n") },
		"ROOM: is not":    func(c *Config) { c.Room = "annonces" },
		"ROOM: is not a":  func(c *Config) { c.Room = "#annonces" },
		"ROOM: is":        func(c *Config) { c.Room = "!" + strings.Repeat("a", 255) },
		"API: must begin": func(c *Config) { c.API = "http://matrix.example.org" },
		"API: is not":     func(c *Config) { c.API = "matrix.example.org" },
	} {
		c := good
		change(&c)
		p, err := New(c, announce.Site{})
		if err == nil || p != nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, room := range []string{"#a:example.org:8448", "!abc:example.org", "!abc", "#été:example.org"} {
		c := good
		c.Room = room
		if _, err := New(c, announce.Site{}); err != nil {
			t.Errorf("%s: %v", room, err)
		}
	}
}
