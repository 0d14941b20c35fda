package broadcast

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

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
	name := ""
	for _, x := range s.Accounts {
		if a := s.accounts[x.Name]; a.Personal && announce.Channel(a.Name) == l.Channel {
			name = a.Name
			break
		}
	}
	if name == "" {
		s.Log.Warn("a letter was not written: no personal account of its channel is switched on", "channel", l.Channel, "kind", l.Kind)
		return nil
	}
	now := s.Store.Now()
	language := s.spoken(l.Language)
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: l.Kind, Default: language, Texts: map[announce.Language]announce.Text{language: {Title: s.Site.Name}},
		Link: l.Link, Channels: []string{name}, Zone: s.Site.Zone, Created: now, Updated: now,
	}
	if l.Kind == announce.KindWelcome {
		var err error
		if a.Event, err = s.next(ctx); err != nil {
			return err
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

// next is the next event that was announced and is not over, among the newest announcements; nil: there is none.
func (s *Service) next(ctx context.Context) (*announce.Event, error) {
	entries, err := s.Store.Announcements(ctx, "", 100)
	if err != nil {
		return nil, err
	}
	now := s.Store.Now()
	var next *announce.Event
	for _, e := range entries {
		x := e.Announcement.Event
		if x == nil || e.Retracted || x.Cancelled || e.Announcement.Kind == announce.KindCancellation || !x.Over().After(now) || !due(e.Announcement, e.Announcement.Updated).Before(now) {
			continue
		}
		if next == nil || x.Start.Instant.Before(next.Start.Instant) {
			next = x
		}
	}
	return next, nil
}
