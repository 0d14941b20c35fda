package website

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
)

var (
	bare      = flag.String("bare", "", "folder of a bare repository of Git's own, served at -https and -ssh (see .ci/servers/git/run.sh)")
	overHTTPS = flag.String("https", "", "its address over HTTPS")
	token     = flag.String("token", "", "the token for that")
	shellURL  = flag.String("ssh", "", "its address over SSH")
	keyFile   = flag.String("key", "", "file with the deploy key for that")
	knownFile = flag.String("known", "", "file with the host keys for that")
)

// git runs Git in the bare repository.
func git(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", append([]string{"--git-dir", *bare}, args...)...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// transports are the ways to the real repository.
func transports(t *testing.T) map[string]map[string]string {
	t.Helper()
	if *bare == "" {
		t.Skip("NOT RUN: no -bare (see .ci/servers/git/run.sh)")
	}
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(b), "\r\n")
	}
	return map[string]map[string]string{
		"https": {"REPOSITORY": *overHTTPS, "TOKEN": *token, "LAYOUT": "hugo", "LANGUAGES": "fr,en"},
		"ssh":   {"REPOSITORY": *shellURL, "KEY": read(*keyFile), "KNOWN_HOSTS": read(*knownFile), "LAYOUT": "hugo", "LANGUAGES": "fr,en"},
	}
}

func reach(t *testing.T, environ map[string]string, change func(*Config)) *publisher {
	t.Helper()
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: environ})
	if err != nil {
		t.Fatal(err)
	}
	change(&c)
	p, err := New(c, site)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*publisher)
}

func asConfigured(*Config) {}

// fresh is the evening with an ID and a key of its own, and a long body.
func fresh(n int) announce.Message {
	m := evening()
	m.Announcement = announce.NewID(time.Now())
	m.Key, m.Subject = string(announce.NewID(time.Now())), fmt.Sprintf("Soirée d’été nᵒ %d 🎉", n)
	m.Versions[0].Subject, m.Versions[0].Text = m.Subject, strings.Repeat("L’été où naît l’œuvre, *ça* se fête ! 🎉 ", 1000)
	return m
}

func TestRealGit(t *testing.T) {
	for name, environ := range transports(t) {
		for _, filter := range []string{"true", "false"} {
			t.Run(name+" partial clones "+filter, func(t *testing.T) {
				git(t, "config", "uploadpack.allowFilter", filter)
				p := reach(t, environ, asConfigured)
				if r, err := p.Check(t.Context()); err != nil || len(r.Findings) != 0 {
					t.Fatalf("the check says %+v, %v", r, err)
				}
				m := fresh(1)
				if _, there, err := p.Find(t.Context(), m, m.Created); err != nil || there {
					t.Fatalf("found before it is there: %v %v", there, err)
				}
				r := must(t)(p.Publish(t.Context(), m))
				paths := strings.Fields(r.ID)[1:]
				if page := git(t, "show", "main:"+paths[0]); !strings.Contains(page, "nᵒ 1 🎉") || strings.Count(page, "naît l’œuvre") != 1000 {
					t.Errorf("the page reads %.500s", page)
				}
				if got := git(t, "log", "-1", "--format=%an|%(trailers:key=Delivery-Id,valueonly,separator=)|%(trailers:key=Revision,valueonly,separator=)", "main"); got != "Crieur|"+m.Key+"|2" {
					t.Errorf("the commit is %q", got)
				}
				head := git(t, "rev-parse", "main")
				must(t)(p.Publish(t.Context(), m))
				if git(t, "rev-parse", "main") != head {
					t.Error("publishing it again has made a commit")
				}
				if found, there, err := p.Find(t.Context(), m, m.Created); err != nil || !there || found.ID != r.ID {
					t.Errorf("not found: %+v %v %v", found, there, err)
				}
				m.Rev, m.Versions, m.Images = 3, m.Versions[:1], nil
				m.Versions[0].Subject = "Corrigé"
				less := must(t)(p.Amend(t.Context(), r, m))
				if files := git(t, "ls-tree", "-r", "--name-only", "main"); !strings.Contains(files, paths[0]) || strings.Contains(files, paths[1]) || strings.Contains(files, paths[2]) || !strings.Contains(files, "README.md") {
					t.Errorf("after the correction there are\n%s", files)
				}
				for range 2 {
					if err := p.Retract(t.Context(), less); err != nil {
						t.Fatal(err)
					}
				}
				if files := git(t, "ls-tree", "-r", "--name-only", "main"); strings.Contains(files, string(m.Announcement)) {
					t.Errorf("after the withdrawal there are\n%s", files)
				}
				git(t, "fsck", "--strict")
				t.Logf("published, found, amended and retracted over %s, partial clones %s", name, filter)
			})
		}
	}
}

func TestRealGitBranches(t *testing.T) {
	for name, environ := range transports(t) {
		t.Run(name, func(t *testing.T) {
			p := reach(t, environ, func(c *Config) { c.Mode = "branch" })
			m := fresh(2)
			main, mine := git(t, "rev-parse", "main"), "crieur/"+string(m.Announcement)
			r := must(t)(p.Publish(t.Context(), m))
			m.Rev, m.Versions[0].Subject = 3, "Deux"
			must(t)(p.Amend(t.Context(), r, m))
			if git(t, "rev-parse", "main") != main || git(t, "rev-list", "--count", "main.."+mine) != "2" {
				t.Error("the branch does not hold two commits on top of the main one")
			}
			git(t, "fsck", "--strict")
		})
	}
}

// Two servers push to one branch at once: every announcement arrives, none is lost.
func TestRealGitCrowd(t *testing.T) {
	for name, environ := range transports(t) {
		t.Run(name, func(t *testing.T) {
			before := git(t, "rev-list", "--count", "main")
			var all sync.WaitGroup
			errs := make([]error, 8)
			for k := range 2 {
				p := reach(t, environ, asConfigured)
				for i := range 4 {
					all.Go(func() { _, errs[4*k+i] = p.Publish(t.Context(), fresh(10*k+i)) })
				}
			}
			all.Wait()
			for _, err := range errs {
				if err != nil {
					t.Errorf("%v", err)
				}
			}
			if after := git(t, "rev-list", "--count", "main"); after == before {
				t.Errorf("%s commits, were %s", after, before)
			}
			git(t, "fsck", "--strict")
		})
	}
}

func TestRealGitRefuses(t *testing.T) {
	for name, environ := range transports(t) {
		t.Run(name, func(t *testing.T) {
			hook := filepath.Join(*bare, "hooks", "pre-receive")
			if err := os.WriteFile(hook, []byte("#!/bin/sh\necho no >&2\nexit 1\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			p := reach(t, environ, asConfigured)
			_, err := p.Publish(t.Context(), fresh(3))
			if err := os.Remove(hook); err != nil {
				t.Fatal(err)
			}
			if e := outcome(t, err); e.Outcome != announce.Permanent || e.Stop || !strings.Contains(e.Status, "hook declined") {
				t.Errorf("a hook that declines: %v", e)
			}
			wrong := reach(t, environ, func(c *Config) {
				if name == "https" {
					c.Token = announce.NewSecret("another")
				} else {
					c.Repository = strings.Replace(c.Repository, "site.git", "shop.git", 1)
				}
			})
			if _, err := wrong.Publish(t.Context(), fresh(4)); outcome(t, err).Outcome != announce.Permanent || !outcome(t, err).Stop {
				t.Errorf("wrong credentials: %v", err)
			}
			if name == "ssh" {
				stranger := reach(t, environ, func(c *Config) {
					host, _, _ := strings.Cut(c.KnownHosts, " ")
					c.KnownHosts = host + " ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
				})
				if _, err := stranger.Publish(t.Context(), fresh(5)); outcome(t, err).Outcome != announce.Permanent || !strings.Contains(err.Error(), "SHA256:") {
					t.Errorf("another host key: %v", err)
				}
			}
		})
	}
}
