package mattermost

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/mattermost/mattermosttest"
	"github.com/crieur/crieur/publishers/sim"
)

func TestRefusals(t *testing.T) {
	fault := func(path string, status int, id string) sim.Fault {
		return sim.Fault{Kind: sim.Answer, Status: status, Body: `{"id":"` + id + `"}`, OnlyPath: path}
	}
	permanent := announce.Permanent
	for name, x := range map[string]struct {
		hook  bool
		fault sim.Fault
		want  announce.Error
	}{
		"too long":            {false, fault("/posts", 400, "model.post.is_valid.message_length.app_error"), announce.Error{}},
		"not in the channel":  {false, fault("/channels/", 403, "api.context.permissions.app_error"), announce.Error{Outcome: permanent, Stop: true}},
		"no such channel":     {false, fault("/channels/", 404, "app.channel.get.existing.app_error"), announce.Error{Outcome: permanent, Stop: true}},
		"picture too large":   {false, fault("/files", 413, "api.file.upload_file.too_large_detailed.app_error"), announce.Error{Outcome: permanent, Field: "images"}},
		"no files at all":     {false, fault("/files", 501, "api.file.attachments.disabled.app_error"), announce.Error{Outcome: permanent, Field: "images"}},
		"upload says yes":     {false, sim.Fault{Kind: sim.Answer, Status: 201, Body: `{}`, OnlyPath: "/files"}, announce.Error{Outcome: announce.Temporary}},
		"upload drops":        {false, sim.Fault{Kind: sim.DropAfter, OnlyPath: "/files"}, announce.Error{Outcome: announce.Temporary}},
		"look fails":          {false, fault("/channels/", 500, "app.post.get_posts_since.app_error"), announce.Error{Outcome: announce.Temporary}},
		"hook is gone":        {true, fault("/hooks/", 400, "web.incoming_webhook.invalid.app_error"), announce.Error{Outcome: permanent, Stop: true}},
		"hooks are off":       {true, fault("/hooks/", 501, "web.incoming_webhook.disabled.app_error"), announce.Error{Outcome: permanent, Stop: true}},
		"hook may not":        {true, fault("/hooks/", 403, "web.incoming_webhook.permissions.app_error"), announce.Error{Outcome: permanent, Stop: true}},
		"hook of an archived": {true, fault("/hooks/", 400, "api.post.create_post.can_not_post_to_deleted.error"), announce.Error{Outcome: permanent, Stop: true}},
		"hook says too long":  {true, fault("/hooks/", 400, "model.post.is_valid.message_length.app_error"), announce.Error{Outcome: permanent, Field: "text"}},
		"hook is broken":      {true, fault("/hooks/", 501, "something.else"), announce.Error{Outcome: announce.Ambiguous}},
	} {
		p, platform := open(t, x.hook)
		if name == "too long" {
			x.fault.OnlyMethod, x.want = "POST", announce.Error{Outcome: permanent, Field: "text"}
		}
		platform.Script().Push(x.fault)
		_, err := p.Publish(t.Context(), gala())
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != x.want.Outcome || e.Stop != x.want.Stop || e.Field != x.want.Field || strings.ContainsAny(e.Status, "<>") {
			t.Errorf("%s: %+v", name, err)
		}
		if platform.Script().Left() != 0 {
			t.Errorf("%s: the fault was not met", name)
		}
	}
}

func TestThingsAsTheyAre(t *testing.T) {
	for name, x := range map[string]struct {
		hook   bool
		change func(*mattermosttest.Settings)
	}{
		"archived":                {false, func(s *mattermosttest.Settings) { s.Archived = true }},
		"outside":                 {false, func(s *mattermosttest.Settings) { s.Outside = true }},
		"archived, by a webhook":  {true, func(s *mattermosttest.Settings) { s.Archived = true }},
		"webhooks are turned off": {true, func(s *mattermosttest.Settings) { s.NoHooks = true }},
	} {
		p, platform := open(t, x.hook)
		platform.Change(x.change)
		_, err := p.Publish(t.Context(), message(1))
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Stop {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, platform := open(t, false)
	r, err := p.Publish(t.Context(), message(1))
	if err != nil {
		t.Fatal(err)
	}
	platform.Change(func(s *mattermosttest.Settings) { s.EditLimit = true })
	_, err = p.(announce.Amender).Amend(t.Context(), r, message(2))
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Stop || !strings.Contains(e.Fault, "after some time") {
		t.Errorf("%v", err)
	}
}

func TestTheRateLimitOfTheServer(t *testing.T) {
	p, platform := open(t, false)
	platform.Change(func(s *mattermosttest.Settings) { s.RateLimit = true })
	var e *announce.Error
	for n := range 10 {
		if _, err := p.Publish(t.Context(), message(n+1)); err != nil {
			if !errors.As(err, &e) || e.Outcome != announce.RateLimited || e.RetryAfter != time.Second {
				t.Errorf("%v", err)
			}
			return
		}
	}
	t.Error("never asked to wait")
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		change   func(*mattermosttest.Settings)
		identity string
		severe   bool
		say      []string
	}{
		"sound":    {func(*mattermosttest.Settings) {}, "@crieur in Annonces", false, nil},
		"outside":  {func(s *mattermosttest.Settings) { s.Outside = true }, "@crieur in Annonces", true, []string{"not in the channel"}},
		"unknown":  {func(s *mattermosttest.Settings) { s.Unknown = true }, "@crieur", true, []string{"does not know the channel"}},
		"archived": {func(s *mattermosttest.Settings) { s.Archived = true }, "@crieur", true, []string{"archived"}},
		"a person": {func(s *mattermosttest.Settings) { s.Person = true }, "@crieur in Annonces", false, []string{"person"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, platform := open(t, false)
			platform.Change(x.change)
			r, err := p.(announce.Checker).Check(t.Context())
			if err != nil || r.Identity != x.identity {
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
	token, hook := announce.NewSecret("s3cr3t"), announce.NewSecret("https://chat.example.org/hooks/s3cr3t")
	id := strings.Repeat("a", 26)
	for want, c := range map[string]Config{
		"TOKEN: is required":       {},
		"WEBHOOK: is set beside":   {Token: token, Webhook: hook},
		"TOKEN: is not":            {Token: announce.NewSecret("s3cr3t\n"), API: "https://chat.example.org", Channel: id},
		"API: is required":         {Token: token, Channel: id},
		"CHANNEL: is required":     {Token: token, API: "https://chat.example.org"},
		"CHANNEL: is not":          {Token: token, API: "https://chat.example.org", Channel: "town-square"},
		"CHANNEL: goes with TOKEN": {Webhook: hook, Channel: id},
		"API: must begin":          {Token: token, API: "http://chat.example.org", Channel: id},
		"WEBHOOK: is not":          {Webhook: announce.NewSecret("s3cr3t")},
		"WEBHOOK: must begin":      {Webhook: announce.NewSecret("http://chat.example.org/hooks/s3cr3t")},
	} {
		p, err := New(c, announce.Site{})
		if err == nil || p != nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, api := range []string{"https://chat.example.org", "https://chat.example.org/", "https://example.org/chat/api/v4"} {
		if _, err := New(Config{Token: token, API: api, Channel: id}, announce.Site{}); err != nil {
			t.Error(err)
		}
	}
}
