package broadcast

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// Personal lists the channels that write to each person, in the order of the configuration.
func (s *Service) Personal() []string {
	var all []string
	for _, x := range s.Accounts {
		if a := s.accounts[x.Name]; a.Personal && !slices.Contains(all, announce.Channel(a.Name)) {
			all = append(all, announce.Channel(a.Name))
		}
	}
	return all
}

// Tell tells organisers something, once for each key.
func (s *Service) Tell(ctx context.Context, key string, texts map[announce.Language]announce.Text) {
	s.tell(ctx, notice{key: key, texts: texts})
}

// Write puts a letter to one person on record: an announcement of its own whose audience is that address, delivered as any
// other. The same Key twice is one letter. Nothing in it was written by who asked for it.
func (s *Service) Write(ctx context.Context, l people.Letter) error {
	name := s.PersonalAccount(l.Channel)
	if name == "" {
		s.Log.Warn("a letter was not written: no personal account of its channel is switched on", "channel", l.Channel, "kind", l.Kind)
		return nil
	}
	now := s.Store.Now()
	language := s.spoken(l.Language)
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: l.Kind, Default: language, Texts: map[announce.Language]announce.Text{language: {Title: s.Site.Name}},
		Channels: []string{name}, Zone: s.Site.Zone, Created: now, Updated: now,
	}
	if l.Kind == announce.KindWelcome {
		next, found, err := s.next(ctx)
		if err != nil {
			return err
		}
		if found {
			_, text := next.Pick(language)
			event := *next.Event
			event.Of, event.Entries = next.ID, s.Templates.Entries(next, s.Site)
			a.Event, a.Link, a.Zone, a.Texts[language] = &event, next.Link, next.Zone, announce.Text{Title: text.Title}
		}
	}
	c, err := s.compose(ctx, a)
	if err != nil {
		return fmt.Errorf("the letter %s cannot be rendered: %w", l.Kind, err)
	}
	_, _, err = s.Store.Save(ctx, store.Submission{
		Announcement: a, Payloads: c.payloads, Plans: []store.Plan{{Account: name, First: now, Next: now, Only: l.Address}}, Actor: "crieur",
		Key: &store.Key{Token: "letters", Key: l.Key, Hash: sha256.Sum256([]byte(l.Key)), Answer: []byte("{}"), Status: 202, TTL: noticeTTL},
	})
	if err == nil {
		s.nudge()
	}
	return err
}

// spoken is the language of a letter: the person's as the community speaks it, else the community's first.
func (s *Service) spoken(want announce.Language) announce.Language {
	for _, l := range s.Site.Languages {
		if want.Base() == l.Base() {
			return l
		}
	}
	if len(s.Site.Languages) > 0 {
		return s.Site.Languages[0]
	}
	return "en"
}

// next is the announcement of the next event that is known and not over, among the newest announcements.
func (s *Service) next(ctx context.Context) (next announce.Announcement, found bool, err error) {
	entries, err := s.Store.Announcements(ctx, "", 100)
	if err != nil {
		return next, false, err
	}
	now := s.Store.Now()
	off := map[time.Time]bool{}
	for _, e := range entries { // the newest first: what was cancelled since is off
		a := e.Announcement
		if a.Event == nil {
			continue
		}
		if a.Kind == announce.KindCancellation || a.Event.Cancelled {
			off[a.Event.Start.Instant.UTC()] = true
		}
	}
	for _, e := range entries {
		a := e.Announcement
		if a.Event == nil || a.Of != "" || e.Retracted || a.Kind.AboutPast() || !a.Event.Over().After(now) || due(a, a.Updated).After(now) || off[a.Event.Start.Instant.UTC()] {
			continue
		}
		if !found || a.Event.Start.Instant.Before(next.Event.Start.Instant) {
			next, found = a, true
		}
	}
	return next, found, nil
}
