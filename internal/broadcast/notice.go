package broadcast

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// noticeTTL keeps the key of a notice as long as the record.
const noticeTTL = 100 * 365 * 24 * time.Hour

// noticeFresh is how long a notice that could not be told is still news.
const noticeFresh = 48 * time.Hour

// notice is what organisers hear, in their languages.
type notice struct {
	key   string // the same news has the same key, and is told once
	texts map[announce.Language]announce.Text
	link  string
	on    []string // the accounts that tell it; none: all of Options.Notices
}

// tell puts a notice on record; it then travels as every announcement does. What cannot be told is logged.
func (s *Service) tell(ctx context.Context, n notice) {
	if len(s.Notices) == 0 {
		return
	}
	if _, done := s.told.Load(n.key); done {
		return
	}
	now := s.Store.Now()
	if len(n.on) == 0 {
		n.on = s.Notices
	}
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: announce.KindNotice, Texts: map[announce.Language]announce.Text{}, Link: n.link,
		Channels: n.on, Zone: s.Site.Zone, Created: now, Updated: now,
		Expires: announce.When{Zone: s.Site.Zone, Instant: now.Add(noticeFresh)},
	}
	for _, l := range s.Site.Languages {
		if t, ok := n.texts[l.Base()]; ok {
			a.Texts[l] = t
			if a.Default == "" {
				a.Default = l
			}
		}
	}
	if a.Default == "" {
		a.Default, a.Texts["en"] = "en", n.texts["en"]
	}
	c, err := s.compose(ctx, a)
	if err == nil {
		for i := range c.deliveries {
			c.deliveries[i].First, c.deliveries[i].Next = now, now
		}
		_, _, err = s.Store.Save(ctx, store.Submission{
			Announcement: a, Payloads: c.payloads, Deliveries: c.deliveries, Actor: "crieur",
			Key: &store.Key{Token: "notices", Key: n.key, Hash: sha256.Sum256([]byte(n.key)), Answer: []byte("{}"), Status: 202, TTL: noticeTTL},
		})
	}
	if err != nil {
		s.Log.Warn("organisers could not be told; it is tried again", "notice", n.key, "err", err)
		return
	}
	s.told.Store(n.key, true)
	s.nudge()
}

// tellStopped says, once for each stop, that an account stopped.
func (s *Service) tellStopped(ctx context.Context) {
	if len(s.Notices) == 0 {
		return
	}
	states, err := s.Store.Accounts(ctx)
	if err != nil {
		s.Log.Warn("stopped accounts could not be read", "err", err)
		return
	}
	for _, a := range states {
		if _, on := s.accounts[a.Account]; !on || !a.Stopped {
			continue
		}
		s.tell(ctx, notice{
			key: fmt.Sprintf("stopped:%s:%d", a.Account, a.Since.UnixMicro()),
			texts: map[announce.Language]announce.Text{
				"fr": {Title: "Le canal " + a.Account + " est arrêté", Body: words(a.Fault) + "\n\nCe qui doit y paraître attend. Réparez la cause, puis lancez `crieur resume " + a.Account + "`."},
				"en": {Title: "The channel " + a.Account + " has stopped", Body: words(a.Fault) + "\n\nWhat is to appear there waits. Mend the cause, then run `crieur resume " + a.Account + "`."},
			},
		})
	}
}

// tellHealth says, once at each threshold, that credentials end soon.
func (s *Service) tellHealth(ctx context.Context, c Checkup, now time.Time) {
	if c.Expires.IsZero() {
		return
	}
	left := int(c.Expires.Sub(now).Hours() / 24)
	for _, days := range []int{2, 7, 14} {
		if left > days {
			continue
		}
		day := c.Expires.Format(time.DateOnly)
		s.tell(ctx, notice{
			key: fmt.Sprintf("expires:%s:%s:%d", c.Channel, day, days),
			texts: map[announce.Language]announce.Text{
				"fr": {Title: fmt.Sprintf("Jeton de %s : encore %d j, jusqu’au %s", c.Channel, max(0, left), day), Body: "Renouvelez-le avant : ensuite, plus rien n’y paraîtra. `crieur doctor` dit comment."},
				"en": {Title: fmt.Sprintf("Token of %s: %d days left, until %s", c.Channel, max(0, left), day), Body: "Renew it before: nothing will appear there afterwards. `crieur doctor` says how."},
			},
		})
		return
	}
}

// tellTasks says, once for each, what of an announcement waits for a person.
func (s *Service) tellTasks(ctx context.Context, id announce.ID) {
	if len(s.Notices) == 0 {
		return
	}
	rows, err := s.Store.Deliveries(ctx, id)
	if err != nil {
		s.Log.Warn("tasks could not be read", "announcement", id, "err", err)
		return
	}
	for _, d := range rows {
		if open(d) {
			s.tellTask(ctx, d)
		}
	}
}

// recorded tells of a delivery that has just come to rest at a person, beside the work of the account.
func (s *Service) recorded(delivery string) {
	s.nudges.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		d, err := s.Store.Delivery(ctx, delivery)
		if err != nil {
			s.Log.Warn("a task could not be read", "delivery", delivery, "err", err)
			return
		}
		if s.accounts[d.Account].Manual && asksInVain(d) {
			s.recall(ctx, d.Announcement, "crieur") // taken back while the person was being asked
			return
		}
		if open(d) {
			s.tellTask(ctx, d)
		}
	})
}

// taskNotice is the key under which a task is told.
func taskNotice(d announce.Delivery) string {
	return fmt.Sprintf("task:%s:%d:%s:%s", d.ID, d.Rev, wantedOf(d).Verb, d.Rest)
}

// forgetTask lets a task be told again: a person settled it, and it may come back.
func (s *Service) forgetTask(ctx context.Context, before announce.Delivery) {
	key := taskNotice(before)
	s.told.Delete(key)
	if err := s.Store.Forget(ctx, store.Key{Token: "notices", Key: key}); err != nil {
		s.Log.Warn("if this task comes back, nobody is told again", "delivery", before.ID, "err", err)
	}
}

func (s *Service) tellTask(ctx context.Context, d announce.Delivery) {
	if _, done := s.told.Load(taskNotice(d)); done || len(s.Notices) == 0 {
		return
	}
	t, err := s.task(ctx, d)
	if err != nil {
		s.Log.Warn("a task could not be read", "delivery", d.ID, "err", err)
		return
	}
	if t.kind == announce.KindNotice {
		return // a notice that fails makes no notice
	}
	french := map[announce.Verb]string{announce.Publish: "publier", announce.Amend: "corriger", announce.Retract: "retirer"}[t.Verb]
	english := map[announce.Verb]string{announce.Publish: "post", announce.Amend: "correct", announce.Retract: "take down"}[t.Verb]
	if t.Verb == announce.Nothing {
		return
	}
	body := words(d.Fault)
	if t.Page == "" {
		body += fmt.Sprintf("\n\n`crieur tasks %s`", d.ID)
	}
	s.tell(ctx, notice{
		key:  taskNotice(d),
		link: t.Page,
		texts: map[announce.Language]announce.Text{
			"fr": {Title: clip("À faire sur "+d.Account+" : "+french+" « "+t.Title+" »", 250), Body: body},
			"en": {Title: clip("To do on "+d.Account+": "+english+" “"+t.Title+"”", 250), Body: body},
		},
	})
}

// remind tells of what could not be told before: when the program starts, and every hour.
func (s *Service) remind(ctx context.Context) {
	for ctx.Err() == nil && len(s.Notices) > 0 {
		s.tellStopped(ctx)
		s.tellMissed(ctx)
		rows, err := s.Store.Tasks(ctx, 1000)
		if err != nil {
			s.Log.Warn("tasks could not be read", "err", err)
		}
		for _, d := range rows {
			s.tellTask(ctx, d)
		}
		s.tellWaves(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(time.Hour):
		}
	}
}

var meaningful = regexp.MustCompile("[\\\\`*_{}\\[\\]<>()#+.!|~-]")

// words is text that means nothing to Markdown.
func words(text string) string { return meaningful.ReplaceAllString(text, `\$0`) }

func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
