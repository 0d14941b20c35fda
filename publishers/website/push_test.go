package website

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

// between puts something before each request to a platform.
func between(t *testing.T, platform *websitetest.Platform, do func(n int, r *http.Request)) string {
	t.Helper()
	target, err := url.Parse(platform.Environ()["REPOSITORY"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do(int(n.Add(1)), r)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + target.Path
}

func TestAMovedBranch(t *testing.T) {
	for name, path := range map[string]string{"before the push": "/info/refs", "during the push": "/git-receive-pack"} {
		t.Run(name, func(t *testing.T) {
			platform := websitetest.New()
			t.Cleanup(platform.Close)
			moves, most := 0, 3
			address := between(t, platform, func(_ int, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, path) && (path != "/info/refs" || r.URL.Query().Get("service") == receivePack) && moves < most {
					moves++
					platform.Commit(map[string]string{"other.md": fmt.Sprintf("%d\n", moves)})
				}
			})
			p, err := New(config(t, platform, func(c *Config) { c.Repository = address }), site)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Publish(t.Context(), message(1)); err != nil {
				t.Fatal(err)
			}
			if posts, files := platform.Posts(), platform.Files(websitetest.Branch); len(posts) != 1 || files["other.md"] != "3\n" || len(platform.Log(websitetest.Branch)) != 1+3+1 {
				t.Errorf("%d posts, %q, %d commits", len(posts), files["other.md"], len(platform.Log(websitetest.Branch)))
			}
			moves, most = 0, 100
			_, err = p.Publish(t.Context(), message(2))
			if e := outcome(t, err); e.Outcome != announce.Temporary || moves != rounds {
				t.Errorf("after %d moves: %v", moves, e)
			}
			if n := len(platform.Posts()); n != 1 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

func TestAPushThatIsNotTaken(t *testing.T) {
	p, platform := open(t)
	platform.Protect()
	_, err := p.Publish(t.Context(), message(1))
	if e := outcome(t, err); e.Outcome != announce.Permanent || e.Stop || e.Status != "protected branch hook declined" || !strings.Contains(e.Fault, "MODE=branch") {
		t.Errorf("got %v", e)
	}
	p, platform = open(t)
	platform.ReadOnly()
	_, err = p.Publish(t.Context(), message(1))
	if e := outcome(t, err); e.Outcome != announce.Permanent || !e.Stop {
		t.Errorf("got %v", e)
	}
	report, err := p.Check(t.Context())
	if err != nil || len(report.Findings) != 1 || !report.Findings[0].Severe || !strings.Contains(report.Findings[0].What, "not write") {
		t.Errorf("the check says %+v, %v", report, err)
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d posts", n)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	p, _ := open(t, func(c *Config) { c.Branch = "gh-pages" })
	if r, err := p.Check(t.Context()); err != nil || len(r.Findings) != 1 || !r.Findings[0].Severe || !strings.Contains(r.Findings[0].What, "no branch gh-pages") {
		t.Errorf("%+v %v", r, err)
	}
	p, _ = open(t, func(c *Config) { c.Layout = "jekyll" })
	if r, err := p.Check(t.Context()); err != nil || len(r.Findings) != 1 || r.Findings[0].Severe || !strings.Contains(r.Findings[0].What, "jekyll") {
		t.Errorf("%+v %v", r, err)
	}
	p, platform := open(t, func(c *Config) { c.Token = announce.NewSecret("gone") })
	if r, err := p.Check(t.Context()); err != nil || len(r.Findings) != 1 || !r.Findings[0].Severe || !strings.Contains(r.Identity, platform.Environ()["REPOSITORY"]) {
		t.Errorf("%+v %v", r, err)
	}
	for status, want := range map[int]string{301: "another address", 403: "read", 404: "no such repository"} {
		p, platform := open(t)
		platform.Script().Push(sim.Fault{Kind: sim.Answer, Status: status, Header: map[string]string{"Location": "/elsewhere"}})
		if r, err := p.Check(t.Context()); err != nil || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].What, want) {
			t.Errorf("%d: %+v %v", status, r, err)
		}
	}
}

// Correcting and taking back may simply be repeated, so that a lost answer is no riddle.
func TestALostCorrection(t *testing.T) {
	for _, fault := range []sim.Fault{{Kind: sim.DropAfter}, {Kind: sim.Answer, Status: 200, Body: "?"}, {Kind: sim.AnswerAfter, Status: 502}} {
		p, platform := open(t)
		m := message(1)
		r := must(t)(p.Publish(t.Context(), m))
		fault.OnlyPath, fault.OnlyMethod = "/"+receivePack, "POST"
		m.Rev, m.Versions[0].Subject = 2, "Autrement"
		platform.Script().Push(fault)
		if _, err := p.Amend(t.Context(), r, m); outcome(t, err).Outcome != announce.Temporary {
			t.Error(err)
		}
		must(t)(p.Amend(t.Context(), r, m))
		platform.Script().Push(fault)
		if err := p.Retract(t.Context(), r); outcome(t, err).Outcome != announce.Temporary {
			t.Error(err)
		}
		if err := p.Retract(t.Context(), r); err != nil || len(platform.Log(websitetest.Branch)) != 4 {
			t.Errorf("%v, %d commits", err, len(platform.Log(websitetest.Branch)))
		}
	}
}

// Nothing is left on the disk, however a call ends.
func TestNothingStaysOnTheDisk(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p, platform := open(t)
	must(t)(p.Publish(t.Context(), message(1)))
	platform.Script().Push(sim.Fault{Kind: sim.CutAfter, OnlyPath: "/" + uploadPack}, sim.Fault{Kind: sim.DropAfter, OnlyPath: "/" + receivePack})
	for range 2 {
		if _, err := p.Publish(t.Context(), message(2)); err == nil {
			t.Error("no error")
		}
	}
	if _, _, err := p.Find(t.Context(), message(2), time.Time{}); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// Large files of the site are neither fetched nor lost.
func TestLargeFilesStay(t *testing.T) {
	platform := websitetest.New()
	t.Cleanup(platform.Close)
	var sent atomic.Int64
	target, err := url.Parse(platform.Environ()["REPOSITORY"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	proxy.ModifyResponse = func(r *http.Response) error { sent.Add(max(r.ContentLength, 0)); return nil }
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	logo := platform.Files(websitetest.Branch)["static/logo.png"]
	noise := make([]byte, 2<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	platform.Commit(map[string]string{"static/film.mp4": string(noise)})
	p, err := New(config(t, platform, func(c *Config) { c.Repository = s.URL + target.Path }), site)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	if files := platform.Files(websitetest.Branch); files["static/logo.png"] != logo || files["static/film.mp4"] != string(noise) {
		t.Error("a file of the site is lost")
	}
	if n := sent.Load(); n > 64<<10 {
		t.Errorf("the host sent %d bytes", n)
	}
}

func TestSSHPinsTheHostKey(t *testing.T) {
	p, platform := overSSH(t)
	if _, err := p.Publish(t.Context(), message(1)); err != nil {
		t.Fatal(err)
	}
	if err := platform.RotateHostKey(); err != nil {
		t.Fatal(err)
	}
	_, err := p.Publish(t.Context(), message(2))
	if e := outcome(t, err); e.Outcome != announce.Permanent || !e.Stop || !strings.Contains(e.Fault, "SHA256:") || !strings.Contains(e.Fault, "KNOWN_HOSTS") {
		t.Errorf("got %v", e)
	}
	r, err := p.(announce.Checker).Check(t.Context())
	if err != nil || len(r.Findings) != 1 || !r.Findings[0].Severe || !strings.Contains(r.Findings[0].What, "host key") {
		t.Errorf("%+v %v", r, err)
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

func TestSSHRefuses(t *testing.T) {
	p, platform := overSSH(t)
	platform.ReadOnly()
	_, err := p.Publish(t.Context(), message(1))
	if e := outcome(t, err); e.Outcome != announce.Permanent || !e.Stop || !strings.Contains(e.Status, "read only") && !strings.Contains(e.Status, "ERROR") {
		t.Errorf("a read-only key: %v", e)
	}
	other, err := websitetest.NewSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	for name, change := range map[string]func(*Config){
		"another key":        func(c *Config) { c.Key = announce.NewSecret(other.Environ()["KEY"]) },
		"another repository": func(c *Config) { c.Repository = strings.Replace(c.Repository, "site.git", "shop.git", 1) },
	} {
		q, err := New(config(t, platform, change), site)
		if err != nil {
			t.Fatal(err)
		}
		_, err = q.Publish(t.Context(), message(1))
		if e := outcome(t, err); e.Outcome != announce.Permanent || !e.Stop {
			t.Errorf("%s: %v", name, e)
		}
	}
	platform.Protect()
	platform.Close()
	_, err = p.Publish(t.Context(), message(1))
	if e := outcome(t, err); e.Outcome != announce.Temporary {
		t.Errorf("a host that is gone: %v", e)
	}
}

func TestSSHLostPush(t *testing.T) {
	p, platform := overSSH(t)
	platform.CutAfterPush()
	_, err := p.Publish(t.Context(), message(1))
	if e := outcome(t, err); e.Outcome != announce.Ambiguous {
		t.Errorf("got %v", e)
	}
	if n := len(platform.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
	_, there, err := p.(announce.Finder).Find(t.Context(), message(1), time.Time{})
	if err != nil || !there {
		t.Errorf("not found: %t %v", there, err)
	}
	if _, err := p.Publish(t.Context(), message(1)); err != nil || len(platform.Log(websitetest.Branch)) != 2 {
		t.Errorf("repeated: %v, %d commits", err, len(platform.Log(websitetest.Branch)))
	}
}

func TestSSHSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	platform, err := websitetest.NewSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(platform.Close)
	c := config(t, platform)
	key := strings.SplitN(c.KnownHosts, " ", 2)[1]
	c.KnownHosts = knownhosts.Normalize(l.Addr().String()) + " " + key
	c.Repository = "ssh://git@" + l.Addr().String() + "/site.git"
	p, err := New(c, site)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	_, err = p.Publish(ctx, message(1))
	if e := outcome(t, err); e.Outcome != announce.Temporary || !errors.Is(e, context.Canceled) {
		t.Errorf("got %v", e)
	}
}
