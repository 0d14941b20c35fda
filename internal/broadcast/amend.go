package broadcast

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Amend replaces the announcement by a draft if its revision is still expected. Posts that are out are edited in place
// where the channel can. Elsewhere a correction answers them, or they are published anew, or another message tells what
// changed, in that order: people who were told of an earlier revision hear what changed of the facts, and who was not told
// yet gets the new version only. Where nothing can be done by itself, the row says what a person can do.
func (s *Service) Amend(ctx context.Context, id announce.ID, expected int, d announce.Draft, actor string) (Accepted, error) {
	return s.amend(ctx, id, expected, d, actor, "")
}

// amend is Amend with a reason for the audit log.
func (s *Service) amend(ctx context.Context, id announce.ID, expected int, d announce.Draft, actor, why string) (Accepted, error) {
	old, a, err := s.revised(ctx, id, expected, d)
	if err != nil {
		return Accepted{}, err
	}
	c, err := s.think(ctx, old, a)
	if err != nil {
		return Accepted{}, err
	}
	c.why = why
	return s.make(ctx, &c, actor, "", "")
}

// revised is the current revision and the one that a draft makes of it.
func (s *Service) revised(ctx context.Context, id announce.ID, expected int, d announce.Draft) (old, a announce.Announcement, err error) {
	old, retracted, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return old, a, err
	}
	if retracted {
		return old, a, store.ErrRetracted
	}
	if err := ownWords(old); err != nil {
		return old, a, err
	}
	if old.Rev != expected {
		return old, a, &store.StaleError{Current: old.Rev}
	}
	now := s.Store.Now()
	rules, err := s.rules(ctx, now)
	if err != nil {
		return old, a, err
	}
	rules.Known = true
	if a, err = s.accept(d, rules); err != nil {
		return old, a, err
	}
	a.Updated = now
	succeed(old, &a)
	return old, a, s.take(ctx, &a, old.Images)
}

// ownWords is a Faults when an announcement is a reminder of another one: it says what that one says, and its calendar entry
// is that one's.
func ownWords(a announce.Announcement) error {
	if a.Wave == "" {
		return nil
	}
	return announce.Faults{{Field: "id", Say: fmt.Sprintf("this is the reminder %s of %s, and changes with it: change that one, or what it says of this one in reminders", a.Wave, a.Of)}}
}

// succeed makes a the revision after old.
func succeed(old announce.Announcement, a *announce.Announcement) {
	a.ID, a.Rev, a.Created, a.Of, a.OfRev, a.Wave = old.ID, old.Rev+1, old.Created, old.Of, old.OfRev, old.Wave
	if a.Event == nil {
		return
	}
	a.Event.Sequence = a.Rev - 1
	if old.Event != nil {
		a.Event.Of, a.Event.Entries, a.Event.Sequence = old.Event.Of, old.Event.Entries, max(a.Event.Sequence, old.Event.Sequence+1)
	}
}

// make makes a change. standing and plan: what it rests on, and the plan that it carries out; empty: none.
func (s *Service) make(ctx context.Context, c *change, actor, standing string, plan announce.ID) (Accepted, error) {
	sub, with, err := s.submission(ctx, c, actor)
	if err != nil {
		return Accepted{}, err
	}
	with.Standing, with.Plan = standing, plan
	var followed bool
	for tries := range 5 { // while reminders are being made
		if sub.Waves, err = s.remindersOf(ctx, c.now, actor, c.now.Updated); err != nil {
			return Accepted{}, err
		}
		if followed, err = s.Store.Change(ctx, c.old.Rev, sub, with); !errors.Is(err, store.ErrMade) || tries == 4 {
			break
		}
	}
	if err != nil {
		return Accepted{}, err
	}
	made := Accepted{ID: c.now.ID, Rev: c.now.Rev}
	if sub.Waves != nil {
		made.Reminders = planned(sub.Waves.All)
	}
	s.enqueue(ctx, c.composed, c.now.ID)
	if followed {
		made.FollowUp = c.follow.ID
		s.enqueue(ctx, c.said, c.follow.ID)
	}
	s.Log.Info("amended", "announcement", made.ID, "rev", made.Rev, "closed", c.closes, "follow_up", made.FollowUp, "actor", actor)
	if c.closes {
		s.recall(ctx, made.ID, actor)
	}
	if c.closes || sub.Waves != nil {
		s.recallFollowing(ctx, made.ID, actor)
	}
	s.tellTasks(ctx, made.ID)
	s.nudge()
	return made, nil
}

// Cancel calls an announcement's event off. First nothing that is not out begins any more, of the announcement and of what
// follows it; then what is out says so. why is the reason, by language; none: none is given. A Faults when it has no event.
// It may be repeated.
func (s *Service) Cancel(ctx context.Context, id announce.ID, why map[announce.Language]string, actor string) (Accepted, error) {
	return s.turnEvent(ctx, id, why, actor, func(e *announce.Event, _ string) error {
		e.Cancelled, e.Postponed = true, false
		return nil
	})
}

// Postpone puts an announcement's event off: to a new start, as a draft writes it, or until one is known. Without one it
// is as Cancel, in other words; an amendment with a date brings it back.
func (s *Service) Postpone(ctx context.Context, id announce.ID, to string, why map[announce.Language]string, actor string) (Accepted, error) {
	return s.turnEvent(ctx, id, why, actor, func(e *announce.Event, zone string) error {
		if to == "" {
			e.Cancelled, e.Postponed = true, true
			return nil
		}
		start, err := announce.ParseWhen(to, zone)
		if err != nil {
			return announce.Faults{{Field: "to", Say: err.Error()}}
		}
		if !e.End.IsZero() {
			end := start.Instant.Add(e.End.Instant.Sub(e.Start.Instant)).In(start.Instant.Location())
			loc, err := announce.Zone(zone)
			if err != nil {
				return announce.Faults{{Field: "to", Say: err.Error()}}
			}
			if e.End, err = announce.ParseWhen(end.In(loc).Format("2006-01-02T15:04"), zone); err != nil {
				return announce.Faults{{Field: "to", Say: err.Error()}}
			}
		}
		e.Start, e.Cancelled, e.Postponed = start, false, false
		return nil
	})
}

// turnEvent amends the event of whatever revision is current.
func (s *Service) turnEvent(ctx context.Context, id announce.ID, why map[announce.Language]string, actor string, turn func(*announce.Event, string) error) (Accepted, error) {
	for {
		old, retracted, err := s.Store.Announcement(ctx, id)
		switch {
		case err != nil:
			return Accepted{}, err
		case retracted:
			return Accepted{}, store.ErrRetracted
		case old.Wave != "":
			return Accepted{}, ownWords(old)
		case old.Event == nil:
			return Accepted{}, announce.Faults{{Field: "id", Say: "this announcement has no event: retract it, or change it"}}
		}
		now := s.Store.Now()
		a := old
		e := *old.Event
		a.Event, a.Updated, e.Why = &e, now, why
		if err := turn(&e, old.Event.Zone); err != nil {
			return Accepted{}, err
		}
		was := old.Event
		if by := e.Start.Instant.Sub(was.Start.Instant); by != 0 && !a.Expires.IsZero() {
			a.Expires = a.Expires.Later(by)
		}
		if len(why) == 0 && e.Cancelled == was.Cancelled && e.Postponed == was.Postponed && e.Start.Instant.Equal(was.Start.Instant) {
			e.Why = was.Why // it was said with a reason before
		}
		if e.Cancelled == was.Cancelled && e.Postponed == was.Postponed && e.Start.Instant.Equal(was.Start.Instant) && maps.Equal(e.Why, was.Why) {
			reminders, err := s.reminders(ctx, id)
			return Accepted{ID: id, Rev: old.Rev, Reminders: reminders}, err // it was said before
		}
		if err := s.checkTurn(ctx, a); err != nil {
			return Accepted{}, err
		}
		succeed(old, &a)
		c, err := s.think(ctx, old, a)
		if err != nil {
			return Accepted{}, err
		}
		switch {
		case e.Postponed:
			c.why = "the event is put off until a new date is known"
		case e.Cancelled:
			c.why = "the event is called off"
		default:
			c.why = "the event is put off to " + e.Start.String()
		}
		made, err := s.make(ctx, &c, actor, "", "")
		if !errors.Is(err, store.ErrStale) {
			return made, err
		}
	}
}

// checkTurn checks what turnEvent was given. Of an event that is called off only the reason is: the rest was accepted
// before, and may be past by now.
func (s *Service) checkTurn(ctx context.Context, a announce.Announcement) error {
	rules, err := s.rules(ctx, a.Updated)
	if err != nil {
		return err
	}
	_, err = a.Draft().Announcement(rules)
	var faults, own announce.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	for _, l := range slices.Sorted(maps.Keys(a.Event.Why)) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(a.Texts)), func(t announce.Language) bool { return t.Base() == l.Base() }) {
			own = append(own, announce.Fault{Field: "why." + string(l), Say: "the announcement has no text in this language"})
		}
	}
	for _, f := range faults {
		if !a.Event.Cancelled && (f.Field == "publish_at" || f.Field == "expires_at") {
			own = append(own, announce.Fault{Field: "to", Say: f.Field + " " + f.Say + ": amend both at once"})
			continue
		}
		field, ours := strings.CutPrefix(f.Field, "event.")
		if ours && field == "starts_at" && !a.Event.Cancelled {
			field = "to"
		}
		if ours && (strings.HasPrefix(field, "why") || !a.Event.Cancelled) {
			own = append(own, announce.Fault{Field: field, Say: f.Say})
		}
	}
	return own.Err()
}

// stale says of a planned change that cannot be made any more that it rests on what was.
func stale(err error) error {
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrRetracted) {
		return store.ErrMoved
	}
	return err
}
