package discord

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/discord/discordtest"
)

func TestFindReadsEveryPage(t *testing.T) {
	p, platform := open(t, withBot)
	began := time.Now()
	for n := range 130 {
		platform.Say(fmt.Sprint("parlons ", n))
	}
	platform.Say(strings.TrimSpace(pen{}.write(p.(*bot).markdown.Read(sample(1).Text)))) // somebody says the same words
	for n := range 5 {
		platform.Say(fmt.Sprint("parlons encore ", n))
	}
	find := p.(announce.Finder).Find
	if _, ok, err := find(t.Context(), sample(1), began); err != nil || ok {
		t.Errorf("%t, %v", ok, err)
	}
	want, _ := mustPublish(t, p, platform, sample(1))
	if r, ok, err := find(t.Context(), sample(1), began); err != nil || !ok || r != want {
		t.Errorf("%+v, %t, %v; want %+v", r, ok, err, want)
	}
	if _, ok, err := find(t.Context(), sample(1), began.Add(time.Hour)); err != nil || ok {
		t.Errorf("%t, %v", ok, err)
	}
}

// Without the right to the history Discord shows an empty channel. That is no answer.
func TestFindIsNotFooledByAMissingRight(t *testing.T) {
	for name, change := range map[string]func(*discordtest.Server){
		"role":    func(s *discordtest.Server) { s.Rights &^= readHistory },
		"channel": func(s *discordtest.Server) { s.Denied = readHistory },
	} {
		p, platform := open(t, withBot)
		began := time.Now()
		mustPublish(t, p, platform, sample(1))
		platform.Change(change)
		_, ok, err := p.(announce.Finder).Find(t.Context(), sample(1), began)
		if e := permanent(err); ok || e == nil || !strings.Contains(e.Fault, "Read Message History") {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
		platform.Change(func(s *discordtest.Server) { s.Rights |= administrator })
		if _, ok, err := p.(announce.Finder).Find(t.Context(), sample(2), began); err != nil || ok {
			t.Errorf("%s: as administrator: %t, %v", name, ok, err)
		}
	}
}

func TestNonce(t *testing.T) {
	seen := map[string]bool{}
	for n := range 100 {
		s := nonce(fmt.Sprint("01j", n))
		if len(s) > 25 || seen[s] {
			t.Fatalf("%q", s)
		}
		seen[s] = true
	}
}

func TestEventStates(t *testing.T) {
	p, platform := open(t, withCalendar)
	amend := p.(announce.Amender).Amend
	r, post := mustPublish(t, p, platform, evening(1))
	if !strings.HasPrefix(post.Text, "Rencontre nᵒ 01\n2047-10-02 22:30 UTC – 01:30 UTC\nCafé du Clocher, 19, rue Saint-Joseph, Alma\n\nMercredi") {
		t.Errorf("%s", post.Text)
	}
	platform.Begin()
	late := evening(2)
	late.Event.Start.Instant = time.Now().Add(-time.Hour)
	late.Event.Venue = &announce.Venue{Name: "Chez Ada"}
	if _, err := amend(t.Context(), r, late); err == nil {
		t.Error("an end before the beginning was taken")
	}
	late.Event.End.Instant = time.Date(2047, 10, 3, 0, 0, 0, 0, time.UTC)
	if _, err := amend(t.Context(), r, late); err != nil || !strings.Contains(platform.Posts()[0].Text, "Chez Ada") {
		t.Errorf("%v, %+v", err, platform.Posts()[0])
	}
	for name, begun := range map[string]bool{"scheduled": false, "active": true} {
		p, platform := open(t, withCalendar)
		r, _ := mustPublish(t, p, platform, evening(1))
		if begun {
			platform.Begin()
		}
		off := evening(1)
		off.Event.Cancelled = true
		for range 2 {
			if _, err := p.(announce.Amender).Amend(t.Context(), r, off); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if post := platform.Posts()[0]; post.Deleted == begun { // an active one is completed
			t.Errorf("%s: %+v", name, post)
		}
		_, err := p.(announce.Amender).Amend(t.Context(), r, evening(1))
		if e := permanent(err); e == nil || e.Stop {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.(announce.Retracter).Retract(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := p.(announce.Amender).Amend(t.Context(), r, off); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyEventsAreEvents(t *testing.T) {
	p, platform := open(t, withCalendar)
	reminder, off := evening(1), evening(1)
	reminder.Kind = announce.KindReminder
	off.Event.Cancelled = true
	for _, m := range []announce.Message{sample(1), reminder, off} {
		if _, err := p.Publish(t.Context(), m); permanent(err) == nil || permanent(err).Stop {
			t.Errorf("%v", err)
		}
	}
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d events", n)
	}
	if _, ok, err := p.(announce.Finder).Find(t.Context(), sample(1), time.Now()); ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

// What an event says in its few fields is whole, or ends at a word.
func TestEventFields(t *testing.T) {
	long := evening(1)
	long.Subject = strings.TrimSpace(strings.Repeat("Une soirée d’été, ", 8))
	long.Text = "**" + long.Subject + "**\n\nVenez !"
	long.Event.Venue.Address = strings.Repeat("rue ", 30)
	online := evening(2)
	online.Event.Venue, online.Event.OnlineURL = nil, "https://direct.example.org/octobre"
	nowhere := evening(3)
	nowhere.Event.Venue, nowhere.Link = nil, ""
	for _, c := range []struct {
		m                         announce.Message
		name, location, described string
	}{
		{long, "Une soirée d’été, Une soirée d’été, Une soirée d’été, Une soirée d’été, Une soirée d’été, Une…", "Café du Clocher", "**" + long.Subject + "**\n\nVenez !"},
		{online, "Rencontre nᵒ 02", "https://direct.example.org/octobre", ""},
		{nowhere, "Rencontre nᵒ 03", "Communauté d’exemple", ""},
	} {
		p, platform := open(t, withCalendar)
		f := p.(*calendar).fields(c.m)
		location := f["entity_metadata"].(map[string]any)["location"]
		if f["name"] != c.name || location != c.location || c.described != "" && f["description"] != c.described {
			t.Errorf("%+v", f)
		}
		mustPublish(t, p, platform, c.m)
	}
	for s, want := range map[string]string{"abc def": "abc def", "abcdefghijkl": "abcdefghi…", "abcdef, ghijkl": "abcdef…"} {
		if got := clip(s, 10); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
