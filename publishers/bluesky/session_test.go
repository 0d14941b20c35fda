package bluesky

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/bluesky/blueskytest"
	"github.com/crieur/crieur/publishers/sim"
)

type option func(*blueskytest.Server)

func TestOneSessionForAll(t *testing.T) {
	p, platform := open(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			if _, err := p.Publish(t.Context(), message(n)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := platform.Signed(); n != 1 {
		t.Errorf("signed in %d times", n)
	}
}

func TestSessionsAreRenewed(t *testing.T) {
	p, platform := open(t)
	publish(t, p, message(1))
	platform.Expire(false)
	_, err := p.Publish(t.Context(), message(2))
	failed(t, err, announce.Temporary, false, "session")
	publish(t, p, message(2))
	if n := platform.Signed(); n != 1 {
		t.Errorf("signed in %d times, where renewing would do", n)
	}
	platform.Expire(true)
	_, err = p.Publish(t.Context(), message(3))
	failed(t, err, announce.Temporary, false, "session")
	publish(t, p, message(3))
	if n := platform.Signed(); n != 2 {
		t.Errorf("signed in %d times", n)
	}
	platform.Change(func(s *blueskytest.Server) { s.Password = "another" })
	platform.Expire(true)
	_, err = p.Publish(t.Context(), message(4))
	failed(t, err, announce.Temporary, false, "session")
	_, err = p.Publish(t.Context(), message(4))
	failed(t, err, announce.Permanent, true, "APP_PASSWORD")
	platform.Change(func(s *blueskytest.Server) { s.Password = blueskytest.Password })
	publish(t, p, message(4))
	if n := len(platform.Posts()); n != 4 {
		t.Errorf("%d posts", n)
	}
}

// A token that is about to end is renewed before it is used.
func TestShortLives(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(s *blueskytest.Server) { s.Life = 30 * time.Second })
	for n := range 3 {
		publish(t, p, message(n))
	}
	if n := platform.Signed(); n != 1 {
		t.Errorf("signed in %d times", n)
	}
}

func TestSigningInFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		say   string
	}{
		"a wrong password":       {answer(401, `{"error":"AuthenticationRequired","message":"Invalid identifier or password"}`), announce.Permanent, true, "APP_PASSWORD"},
		"a code by mail":         {answer(401, `{"error":"AuthFactorTokenRequired","message":"A code was sent"}`), announce.Permanent, true, "app password"},
		"taken down":             {answer(401, `{"error":"AccountTakedown","message":"Account has been taken down"}`), announce.Permanent, true, "suspended"},
		"a name of another form": {answer(400, `{"error":"InvalidRequest","message":"Input/identifier is odd"}`), announce.Permanent, true, "HANDLE"},
		"no such call":           {answer(404, `{"error":"XRPCNotSupported","message":"XRPCNotSupported"}`), announce.Permanent, true, "API"},
		"too often":              {answer(429, `{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}`), announce.RateLimited, false, "wait"},
		"500":                    {answer(500, `{"error":"InternalServerError","message":"Internal Server Error"}`), announce.Temporary, false, "again"},
		"nothing":                {answer(200, `{}`), announce.Temporary, false, "signing in"},
		"a page":                 {answer(200, `<html>`), announce.Temporary, false, "understood"},
		"cut":                    {sim.Fault{Kind: sim.CutAfter}, announce.Temporary, false, "broke off"},
		"a document that lies":   {answer(200, `{"accessJwt":"a.b.c","refreshJwt":"x","did":"did:plc:x","handle":"x.test","didDoc":{"service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":"http://example.org"}]}}`), announce.Permanent, true, "document"},
	} {
		p, platform := open(t)
		c.fault.OnlyPath = "createSession"
		platform.Script().Push(c.fault)
		_, err := p.Publish(t.Context(), message(1))
		failed(t, err, c.want, c.stop, c.say)
		if platform.Script().Left() != 0 {
			t.Errorf("%s: the fault did not hit", name)
		}
		publish(t, p, message(1))
	}
	p, platform := open(t)
	platform.Script().Push(sim.Fault{Kind: sim.Hang, OnlyPath: "createSession"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 2 { // one signs in, one waits for it
		wg.Go(func() {
			_, err := p.Publish(ctx, message(1))
			var e *announce.Error
			if !errors.As(err, &e) || e.Outcome != announce.Temporary {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
}

func TestRefusals(t *testing.T) {
	refusing := func(code int, name string) sim.Fault {
		return answer(code, `{"error":"`+name+`","message":"Because \n so"}`)
	}
	for name, c := range map[string]struct {
		path  string
		fault sim.Fault
		want  announce.Outcome
		stop  bool
		say   string
	}{
		"InvalidRequest":          {"putRecord", refusing(400, "InvalidRequest"), announce.Permanent, false, "It says: Because so"},
		"InvalidToken":            {"putRecord", refusing(400, "InvalidToken"), announce.Temporary, false, "session"},
		"ExpiredToken with a 401": {"putRecord", refusing(401, "ExpiredToken"), announce.Temporary, false, "session"},
		"AuthMissing":             {"putRecord", refusing(401, "AuthMissing"), announce.Permanent, true, "account"},
		"AccountDeactivated":      {"putRecord", refusing(401, "AccountDeactivated"), announce.Permanent, true, "switched off"},
		"RepoTakendown":           {"putRecord", refusing(400, "RepoTakendown"), announce.Permanent, true, "suspended"},
		"Forbidden":               {"putRecord", refusing(403, "Forbidden"), announce.Permanent, true, "account"},
		"BlobNotFound":            {"putRecord", refusing(400, "BlobNotFound"), announce.Temporary, false, "picture"},
		"BlobTooLarge":            {"putRecord", refusing(400, "BlobTooLarge"), announce.Permanent, false, "picture"},
		"InvalidSwap":             {"putRecord", refusing(400, "InvalidSwap"), announce.Temporary, false, "again"},
		"InternalServerError":     {"putRecord", refusing(500, "InternalServerError"), announce.Ambiguous, false, "look"},
		"an odd name":             {"putRecord", refusing(400, "<b>"), announce.Permanent, false, "Because so"},
		"200 that names nothing":  {"putRecord", answer(200, `{}`), announce.Ambiguous, false, "look"},
		"upload 413":              {"uploadBlob", refusing(413, "PayloadTooLarge"), announce.Permanent, false, "picture"},
		"upload 400":              {"uploadBlob", answer(400, `{}`), announce.Permanent, false, "picture"},
		"upload 502":              {"uploadBlob", refusing(502, "UpstreamFailure"), announce.Temporary, false, "again"},
		"upload that names none":  {"uploadBlob", answer(200, `{}`), announce.Temporary, false, "picture"},
		"a name, too often":       {"resolveHandle", refusing(429, "RateLimitExceeded"), announce.RateLimited, false, "wait"},
		"a name, no answer":       {"resolveHandle", sim.Fault{Kind: sim.Drop}, announce.Temporary, false, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t)
			c.fault.OnlyPath = c.path
			platform.Script().Push(c.fault)
			_, err := p.Publish(t.Context(), gala(t))
			e := failed(t, err, c.want, c.stop, c.say)
			if strings.Contains(e.Status, "<") || len(platform.Posts()) != 0 {
				t.Errorf("%q, %d posts", e.Status, len(platform.Posts()))
			}
			publish(t, p, gala(t))
		})
	}
	// A name that the server fails to look up is not worth a post.
	p, platform := open(t)
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 502, OnlyPath: "resolveHandle"})
	publish(t, p, gala(t))
	if n := platform.Pings(); n != 0 {
		t.Errorf("%d accounts were told", n)
	}
}

func TestOthersPosts(t *testing.T) {
	p, platform := open(t, "EDITS", "true")
	for _, id := range []string{"", "x", "at://did:plc:other/app.bsky.feed.post/3kabcdefghijk bafy"} {
		err := p.(announce.Retracter).Retract(t.Context(), announce.Receipt{ID: id})
		failed(t, err, announce.Permanent, false, "by hand")
		_, err = p.(announce.Amender).Amend(t.Context(), announce.Receipt{ID: id}, message(1))
		failed(t, err, announce.Permanent, false, "by hand")
	}
	r := publish(t, p, message(1))
	platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: 400, Body: `{"error":"InvalidSwap","message":"x"}`, OnlyPath: "putRecord"})
	_, err := p.(announce.Amender).Amend(t.Context(), r, message(2))
	failed(t, err, announce.Temporary, false, "same moment")
}

func TestRealLimits(t *testing.T) {
	p, platform := open(t)
	platform.Change(func(s *blueskytest.Server) { s.Limits, s.Points = true, 7 })
	publish(t, p, message(1))
	publish(t, p, message(2))
	_, err := p.Publish(t.Context(), message(3))
	if e := failed(t, err, announce.RateLimited, false, "wait"); e.RetryAfter < 59*time.Minute || e.RetryAfter > 61*time.Minute {
		t.Errorf("waits %s", e.RetryAfter)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change option
		more   []string
		what   string
		severe bool
	}{
		"sound":                {func(*blueskytest.Server) {}, nil, "", false},
		"no document":          {func(s *blueskytest.Server) { s.Homeless = true }, nil, "does not know the call", true},
		"deactivated":          {func(s *blueskytest.Server) { s.Status = "deactivated" }, nil, "deactivated", true},
		"a name without owner": {func(s *blueskytest.Server) { s.Handle = "handle.invalid" }, nil, "name", false},
		"its own password":     {func(*blueskytest.Server) {}, []string{"APP_PASSWORD", "own-" + blueskytest.Password}, "own password", false},
		"a code by mail":       {func(s *blueskytest.Server) { s.Factor = true }, []string{"APP_PASSWORD", "own-" + blueskytest.Password}, "app password", true},
	} {
		p, platform := open(t, c.more...)
		platform.Change(c.change)
		report, err := p.(announce.Checker).Check(t.Context())
		if err != nil {
			e := failed(t, err, announce.Permanent, true, c.what)
			report.Findings = []announce.Finding{{Severe: true, What: e.Fault}}
		}
		switch {
		case c.what == "" && (len(report.Findings) != 0 || !strings.HasPrefix(report.Identity, "@rencontre.test on http://127.0.0.1:")):
			t.Errorf("%s: %+v", name, report)
		case c.what != "" && (len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, c.what) || report.Findings[0].Severe != c.severe):
			t.Errorf("%s: %+v", name, report.Findings)
		}
	}
}
