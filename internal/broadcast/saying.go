package broadcast

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// saying is what a change tells to whoever was told a revision last.
type saying struct {
	since   int
	texts   map[announce.Language]announce.Text // nil: for them nothing of the facts differs
	matters bool                                // whether, when or where it takes place differs
}

// compare finds what became of the facts since each revision that readers may have been told last.
func (s *Service) compare(ctx context.Context, c *change) error {
	revisions, err := s.Store.Revisions(ctx, c.now.ID)
	if err != nil {
		return err
	}
	var was []announce.Announcement
	for i, r := range revisions {
		if r.Rev >= c.now.Rev {
			break
		}
		if last := i+1 == len(revisions) || revisions[i+1].Rev >= c.now.Rev; last || !c.told.IsZero() && !revisions[i+1].Updated.Before(c.told) {
			was = append(was, r)
		}
	}
	told := false
	for _, r := range was {
		x := saying{since: r.Rev, texts: s.differs(c, r), matters: matters(r, c.now)}
		told = told || x.texts == nil
		c.since = append(c.since, x)
	}
	if told && len(was) > 1 {
		if c.heard, err = s.Store.LastTold(ctx, c.now.ID); err != nil {
			return err
		}
	}
	c.facts = s.differs(c, was...)
	if i := slices.IndexFunc(c.since, func(x saying) bool { return x.texts != nil }); c.facts == nil && i >= 0 {
		c.facts = c.since[i].texts
	}
	return nil
}

// differs tells, by language, what became of the facts to a reader who was told some revisions, the oldest first; nil: nothing.
func (s *Service) differs(c *change, was ...announce.Announcement) map[announce.Language]announce.Text {
	some := called(c.now) && slices.ContainsFunc(was, func(w announce.Announcement) bool { return !called(w) || w.Event.Postponed != c.now.Event.Postponed })
	texts := map[announce.Language]announce.Text{}
	for l, text := range c.now.Texts {
		var t announce.Text
		if !called(c.now) { // why it is called off, the event says
			t.Body, t.Summary = s.Templates.Difference(l, was, c.now, s.Site)
			some = some || t.Body != ""
			if e, last := c.now.Event, was[len(was)-1].Event; e != nil && (last == nil || !maps.Equal(e.Why, last.Why)) && t.Body != "" {
				t.Body, t.Summary = e.Reason(l)+"\n\n"+t.Body, strings.TrimSpace(e.Reason(l)+" "+t.Summary)
			}
		}
		t.Title = text.Title
		texts[l] = t
	}
	if !some {
		return nil
	}
	return texts
}

// matters reports whether somebody who means to come must know what became of an event: whether, when or where it takes place.
func matters(was, now announce.Announcement) bool {
	a, b := was.Event, now.Event
	if a == nil || b == nil {
		return (a == nil) != (b == nil)
	}
	place := func(e *announce.Event) announce.Venue {
		if e.Venue == nil {
			return announce.Venue{}
		}
		return announce.Venue{Name: e.Venue.Name, Address: e.Venue.Address}
	}
	other := func(x, y announce.When) bool { // new rules of a time zone leave the clock on the wall as it is
		return !x.Instant.Equal(y.Instant) && (x.Wall != y.Wall || x.Zone != y.Zone)
	}
	return a.Cancelled != b.Cancelled || a.Postponed != b.Postponed || other(a.Start, b.Start) || other(a.End, b.End) ||
		place(a) != place(b) || (a.OnlineURL == "") != (b.OnlineURL == "")
}

// news reports whether readers on an account are told something that differs from what they were told last; matters: only what
// they must know counts. What corrections of the revision before have still to say is out of date with it, so its readers always
// count.
func (c *change) news(account string, matters bool) bool {
	heard := c.heard[account]
	for _, x := range c.since {
		if x.tells(matters) && (len(heard) == 0 || heard[x.since] > 0 || x.since == c.old.Rev) {
			return true
		}
	}
	for rev := range heard {
		if !slices.ContainsFunc(c.since, func(x saying) bool { return x.since == rev }) {
			return c.facts != nil
		}
	}
	return false
}

func (x saying) tells(matters bool) bool { return x.texts != nil && (x.matters || !matters) }

// soon is how long before it is due an announcement may go out while its amendment is being thought through.
const soon = time.Minute

// tellChange makes the announcement that tells the change on the accounts that need one.
func (s *Service) tellChange(ctx context.Context, c *change) (err error) {
	var accounts []string
	for _, w := range c.ways {
		if w.follows() {
			accounts = append(accounts, w.Name)
		}
	}
	if len(accounts) == 0 || c.told.IsZero() && due(c.old, c.old.Updated).After(s.Store.Now().Add(soon)) {
		return nil
	}
	a := announce.Announcement{
		ID: announce.NewID(c.now.Updated), Rev: 1, Of: c.now.ID, OfRev: c.now.Rev, Kind: c.tells(), Default: c.now.Default, Texts: c.facts, Link: c.now.Link,
		Channels: accounts, Topics: c.now.Topics, Zone: c.now.Zone, Expires: c.now.Expires, Created: c.now.Updated, Updated: c.now.Updated,
	}
	if c.now.Event != nil {
		e := *c.now.Event
		e.Of, e.Entries = cmp.Or(e.Of, c.now.ID), s.Templates.Entries(c.now, s.Site)
		e.Talks, e.Partners = nil, nil
		a.Event = &e
	}
	c.follow = a
	if c.said, err = s.compose(ctx, a); err != nil {
		return err
	}
	if err := s.sayEach(ctx, c); err != nil {
		return err
	}
	c.said.counted = s.count(&c.said, a.ID)
	return nil
}

// sayEach adds to what tells the change what it says to those who were told each revision last, where that is something else
// than for everybody.
func (s *Service) sayEach(ctx context.Context, c *change) error {
	base := c.said.payloads
	for _, x := range c.since {
		var own []store.Payload
		if x.texts != nil && !maps.Equal(x.texts, c.facts) {
			a := c.follow
			a.Texts = x.texts
			said, err := s.compose(ctx, a)
			if err != nil {
				return err
			}
			own = said.payloads
		}
		for _, account := range c.follow.Channels {
			w := c.wayOn(account)
			if !x.tells(w.tells) {
				c.said.payloads = append(c.said.payloads, store.Payload{Account: account, Language: c.now.Default, Since: x.since, Silent: true})
				continue
			}
			mine := payloadsOf(own, account)
			if !w.Personal && len(mine) != len(payloadsOf(base, account)) {
				continue // as many posts are there as tell it to everybody
			}
			for _, p := range mine {
				p.Since = x.since
				c.said.payloads = append(c.said.payloads, p)
			}
		}
	}
	return nil
}
