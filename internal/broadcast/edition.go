package broadcast

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Issue is a digest to be rendered: what it tells, under a title in each of the community's languages.
type Issue struct {
	Titles map[announce.Language]string
	Digest announce.Digest
}

// issue is the announcement that a digest is. It goes to the named accounts only.
func (s *Service) issue(i Issue, accounts ...string) announce.Announcement {
	now := s.Store.Now()
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: announce.KindDigest, Default: s.spoken(""), Texts: map[announce.Language]announce.Text{},
		Channels: accounts, Zone: s.Site.Zone, Created: now, Updated: now, Digest: &i.Digest,
	}
	for l, title := range i.Titles {
		a.Texts[l] = announce.Text{Title: title}
	}
	return a
}

// fitting renders an issue for each of its accounts with as many items as there is room for, the first ones. The error is a
// Faults when not even one fits.
func (s *Service) fitting(ctx context.Context, a announce.Announcement) (c composed, err error) {
	for _, account := range a.Channels {
		one, d := a, *a.Digest
		one.Channels, one.Digest = []string{account}, &d
		for n := len(a.Digest.Items); ; n /= 2 {
			d.Items, d.More = a.Digest.Items[:n], len(a.Digest.Items)-n
			some, err := s.compose(ctx, one)
			if errors.As(err, new(announce.Faults)) && n > 1 {
				continue
			}
			if err != nil {
				return c, err
			}
			c.payloads, c.deliveries, c.personal = append(c.payloads, some.payloads...), append(c.deliveries, some.deliveries...), append(c.personal, some.personal...)
			break
		}
	}
	return c, nil
}

// Edition puts one form of a digest on record, for people on a personal account: the letters are added by the pages of its
// run. The same key gives the same edition.
func (s *Service) Edition(ctx context.Context, i Issue, account string, run int64, key string) (e store.Edition, err error) {
	a := s.issue(i, account)
	c, err := s.fitting(ctx, a)
	if err != nil {
		return e, fmt.Errorf("the digest %s cannot be rendered for %s: %w", i.Digest.Name, account, err)
	}
	now := a.Created
	c.counted = s.count(&c, a.ID)
	return s.keep(ctx, store.Submission{Announcement: brief(a), Payloads: c.payloads, Counted: c.counted, Plans: []store.Plan{{Account: account, First: now, Next: now, Run: run}}}, account, key)
}

// Reissue brings an edition to what its items are now. Who has it keeps it; whoever waits for it gets it so.
func (s *Service) Reissue(ctx context.Context, id announce.ID, i Issue) error {
	old, _, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return err
	}
	a := s.issue(i, old.Channels...)
	now := a.Created
	a.ID, a.Rev, a.Created = id, old.Rev+1, old.Created
	c, err := s.fitting(ctx, a)
	if err != nil {
		return fmt.Errorf("the digest %s cannot be rendered anew: %w", i.Digest.Name, err)
	}
	c.counted = s.count(&c, a.ID)
	sub := store.Submission{Announcement: brief(a), Payloads: c.payloads, Counted: c.counted, Actor: "crieur", Why: "what it tells of was changed"}
	for _, p := range c.personal {
		sub.Plans = append(sub.Plans, store.Plan{Account: p, First: now, Next: now, Keeps: true})
	}
	if err := s.Store.Revise(ctx, old.Rev, sub); err != nil {
		return err
	}
	s.nudge()
	return nil
}

// brief is a digest's announcement as it is kept: what was rendered of its items' texts is in the messages.
func brief(a announce.Announcement) announce.Announcement {
	d := *a.Digest
	d.Items = slices.Clone(d.Items)
	for n := range d.Items {
		texts := map[announce.Language]announce.Text{}
		for l, t := range d.Items[n].Texts {
			texts[l] = announce.Text{Title: t.Title, Summary: t.Summary}
		}
		d.Items[n].Texts, d.Items[n].Overrides = texts, nil
	}
	a.Digest = &d
	return a
}

func (s *Service) keep(ctx context.Context, sub store.Submission, account, key string) (e store.Edition, err error) {
	id := sub.Announcement.ID
	sub.Actor = "crieur"
	if sub.Key, err = digestKey(key, id); err != nil {
		return e, err
	}
	answer, replayed, err := s.Store.Save(ctx, sub)
	if err != nil {
		return e, err
	}
	if replayed {
		first, _, err := replay(answer)
		if err != nil {
			return e, err
		}
		id = first.ID
	}
	e.Plan, e.First, err = s.Store.PlanOf(ctx, id, account)
	return e, err
}

func digestKey(key string, id announce.ID) (*store.Key, error) {
	answer, err := json.Marshal(Accepted{ID: id, Rev: 1})
	return &store.Key{Token: "digests", Key: key, Hash: sha256.Sum256([]byte(key)), Answer: answer, Status: 202, TTL: noticeTTL}, err
}

// Summary announces a digest on broadcast accounts, those of accounts that are switched on. The same key is one
// announcement. None of them is: the ID is empty.
func (s *Service) Summary(ctx context.Context, i Issue, accounts []string, key string) (announce.ID, error) {
	on := slices.DeleteFunc(slices.Clone(accounts), func(name string) bool { return !s.Broadcasts(name) })
	if len(on) == 0 {
		return "", nil
	}
	a := s.issue(i, on...)
	c, err := s.fitting(ctx, a)
	if err != nil {
		return "", fmt.Errorf("the summary of the digest %s cannot be rendered: %w", i.Digest.Name, err)
	}
	for n := range c.deliveries {
		c.deliveries[n].First, c.deliveries[n].Next = a.Created, a.Created
	}
	k, err := digestKey(key, a.ID)
	if err != nil {
		return "", err
	}
	answer, replayed, err := s.Store.Save(ctx, store.Submission{Announcement: brief(a), Payloads: c.payloads, Deliveries: c.deliveries, Actor: "crieur", Key: k})
	if err != nil {
		return "", err
	}
	if replayed {
		first, _, err := replay(answer)
		return first.ID, err
	}
	s.Metrics.accepted.Inc()
	s.nudge()
	return a.ID, nil
}

// Sample renders a digest for one reader on an account, in their language. Nothing is stored.
func (s *Service) Sample(ctx context.Context, i Issue, account string, l announce.Language) (announce.Message, error) {
	a := s.issue(i, account)
	c, err := s.fitting(ctx, a)
	if err != nil {
		return announce.Message{}, err
	}
	language, _ := a.Pick(s.spoken(l))
	for _, p := range c.payloads {
		if p.Language == language {
			return p.Message, nil
		}
	}
	return announce.Message{}, fmt.Errorf("the digest %s has no text in %s", i.Digest.Name, language)
}

// PersonalAccount is the account over which people on a channel are written to; empty: none is switched on.
func (s *Service) PersonalAccount(channel string) string {
	for _, x := range s.Accounts {
		if a := s.accounts[x.Name]; a.Personal && announce.Channel(a.Name) == channel {
			return a.Name
		}
	}
	return ""
}

// Wake lets letters that were just made be sent at once.
func (s *Service) Wake() { s.nudge() }

// Broadcasts reports whether a name is that of a broadcast account that takes digests.
func (s *Service) Broadcasts(name string) bool {
	a, ok := s.accounts[name]
	return ok && !a.Personal && a.takes(announce.KindDigest)
}
