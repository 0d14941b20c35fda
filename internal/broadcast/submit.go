package broadcast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/queue"
)

// Accepted is the answer to a submission or an amendment.
type Accepted struct {
	ID        announce.ID `json:"id"`
	Rev       int         `json:"rev"`
	FollowUp  announce.ID `json:"follow_up,omitempty"` // the announcement that tells the change where what is out stays
	Reminders []Wave      `json:"reminders,omitempty" doc:"What becomes of each reminder, the earliest first."`
}

// Submit accepts a draft: when it returns without an error, the announcement, its frozen messages and its deliveries
// are durable. With a key that was used before for the same body it returns the first answer and true. The error is a
// Faults when the draft is wrong or does not fit a channel.
func (s *Service) Submit(ctx context.Context, d announce.Draft, actor string, key *store.Key) (Accepted, bool, error) {
	if key != nil {
		slot := key.Token + "\x00" + key.Key
		if _, busy := s.running.LoadOrStore(slot, true); busy {
			return Accepted{}, false, ErrRunning
		}
		defer s.running.Delete(slot)
		answer, _, found, err := s.Store.Recall(ctx, *key)
		if err != nil {
			return Accepted{}, false, err
		}
		if found && !s.outdated(ctx, *key, answer) {
			return replay(answer)
		}
	}
	now := s.Store.Now()
	rules, err := s.rules(ctx, now)
	if err != nil {
		return Accepted{}, false, err
	}
	a, err := s.accept(d, rules)
	if err != nil {
		return Accepted{}, false, err
	}
	a.ID, a.Rev, a.Created, a.Updated = announce.NewID(now), 1, now, now
	if err := s.take(ctx, &a, nil); err != nil {
		return Accepted{}, false, err
	}
	c, err := s.compose(ctx, a)
	if err != nil {
		return Accepted{}, false, err
	}
	at := due(a, now)
	for i := range c.deliveries {
		c.deliveries[i].First, c.deliveries[i].Next = at, at
	}
	accepted := Accepted{ID: a.ID, Rev: a.Rev}
	c.counted = s.count(&c, a.ID)
	sub := store.Submission{Announcement: a, Payloads: c.payloads, Deliveries: c.deliveries, Counted: c.counted, Actor: actor, Key: key}
	if sub.Waves, err = s.remindersOf(ctx, a, actor, now); err != nil {
		return Accepted{}, false, err
	}
	if sub.Waves != nil {
		accepted.Reminders = planned(sub.Waves.All)
	}
	for _, p := range c.personal {
		sub.Plans = append(sub.Plans, store.Plan{Account: p, First: at, Next: at, Keeps: !s.accounts[p].ability.Amend})
	}
	if key != nil {
		if key.Answer, err = json.Marshal(accepted); err != nil {
			return Accepted{}, false, err
		}
		key.Status = 202
	}
	answer, replayed, err := s.Store.Save(ctx, sub)
	if err != nil {
		return Accepted{}, false, err
	}
	if replayed {
		return replay(answer)
	}
	s.Point(AfterCommit)
	s.Metrics.accepted.Inc()
	s.Log.Info("accepted", "announcement", a.ID, "kind", a.Kind, "accounts", len(c.deliveries)+len(c.personal), "due", at, "actor", actor)
	s.nudges.Go(func() { // whoever announces need not wait for it
		if !at.After(now) {
			s.enqueue(ctx, c, a.ID)
		}
		if at.Before(now.Add(sweepEvery)) || !a.At.IsZero() {
			s.nudge()
		}
		s.Point(AfterEnqueue)
	})
	return accepted, false, nil
}

// outdated frees a key that the server made from the body when its announcement was changed or retracted since: sending
// the same file again then means to announce it again.
func (s *Service) outdated(ctx context.Context, key store.Key, answer []byte) bool {
	if !key.Derived {
		return false
	}
	first, _, err := replay(answer)
	if err != nil {
		return false
	}
	a, retracted, err := s.Store.Announcement(ctx, first.ID)
	return err == nil && (retracted || a.Rev > first.Rev) && s.Store.Forget(ctx, key) == nil
}

func replay(answer []byte) (Accepted, bool, error) {
	var a Accepted
	err := json.Unmarshal(answer, &a)
	return a, true, err
}

// enqueue nudges the workers of every account at once. What is lost here the sweeper finds.
func (s *Service) enqueue(ctx context.Context, c composed, id announce.ID) {
	if s.Queue == nil {
		return // nobody works here; the server that does sweeps
	}
	var jobs []queue.Job
	for _, d := range c.deliveries {
		jobs = append(jobs, queue.Job{Account: d.Account, Announcement: string(id)})
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Queue.Enqueue(ctx, jobs...); err != nil {
		s.Log.Warn("the queue took no nudge; the sweeper will repeat it", "announcement", id, "err", err)
	}
}

// out reports whether a row for the same place is out already, or may be.
func out(rows []announce.Delivery, d announce.Delivery) bool {
	for _, r := range rows {
		if r.Account == d.Account && r.Language == d.Language && r.Part == d.Part {
			return r.Shown > 0 || r.Calling != announce.Nothing
		}
	}
	return false
}

// seen reports whether readers can see a part, as far as is known.
func seen(rows []announce.Delivery, d announce.Delivery) bool {
	return slices.ContainsFunc(rows, func(r announce.Delivery) bool {
		return r.Account == d.Account && r.Language == d.Language && r.Part == d.Part && r.Shown > 0
	})
}

// Retract takes the announcement back if its revision is still expected: what waits is never published, what is out is
// removed where the channel can.
func (s *Service) Retract(ctx context.Context, id announce.ID, expected int, actor string) error {
	cannot, err := s.cannot(ctx, id)
	if err != nil {
		return err
	}
	if err := s.Store.Withdraw(ctx, id, expected, actor, cannot, s.Store.Now()); err != nil {
		return err
	}
	s.Log.Info("retracted", "announcement", id, "actor", actor)
	s.recall(ctx, id, actor)
	s.recallFollowing(ctx, id, actor)
	s.tellTasks(ctx, id)
	s.nudge()
	return nil
}

var errTurned = errors.New("the task was turned round already")

// asksInVain reports whether a person is asked to post, or to correct, what is not wanted any more.
func asksInVain(d announce.Delivery) bool {
	return !d.Wanted && d.Rest == announce.Person && (d.Calling == announce.Publish || d.Calling == announce.Amend)
}

// takeDown is what a person is asked who may have posted what is not wanted any more.
func (s *Service) takeDown(ctx context.Context, d announce.Delivery) string {
	p, ok := s.accounts[d.Account].Publisher.(announce.Retracter)
	if !ok {
		return s.cannotRetract(d.Account)
	}
	if err := s.guard(d.Account, func() error { return p.Retract(ctx, d.Receipt) }); err != nil {
		return asError(err).Error()
	}
	return s.cannotRetract(d.Account)
}

// recall turns what a person was asked to post into what they are asked to take down: they may have posted it and not
// told yet. Until they say, it is not known.
func (s *Service) recall(ctx context.Context, id announce.ID, actor string) {
	rows, err := s.Store.Deliveries(ctx, id)
	for _, d := range rows {
		if !s.accounts[d.Account].Manual || !asksInVain(d) {
			continue
		}
		instruction := s.takeDown(ctx, d)
		turned, failed := s.Store.AskAnew(ctx, d.ID, func(d announce.Delivery) (announce.Delivery, error) {
			if !asksInVain(d) || d.Fault == instruction {
				return d, errTurned
			}
			if d.Manner = announce.Edited; d.Calling == announce.Amend {
				d = ended(d) // it is there, and they are asked to take it down
				d.Attempts, d.Rest, d.Fault, d.Next = 0, announce.Moving, "", s.Store.Now()
			} else {
				d.Fault = instruction
			}
			return d, nil
		}, actor)
		switch {
		case errors.Is(failed, errTurned):
		case failed != nil:
			err = errors.Join(err, failed)
		case open(turned):
			s.tellTask(ctx, turned)
		}
	}
	if err != nil { // the task stays, and its page says that the announcement was taken back
		s.Log.Warn("a task could not be turned round", "announcement", id, "err", err)
	}
}

// recallFollowing is recall for what follows an announcement.
func (s *Service) recallFollowing(ctx context.Context, id announce.ID, actor string) {
	following, err := s.Store.Following(ctx, id)
	if err != nil {
		s.Log.Warn("what follows an announcement could not be read", "announcement", id, "err", err)
	}
	for _, f := range following {
		s.recall(ctx, f.ID, actor)
	}
}

// cannot tells, for each account of an announcement that cannot retract, what a person can do instead.
func (s *Service) cannot(ctx context.Context, id announce.ID) (map[string]string, error) {
	out := map[string]string{}
	for name, a := range s.accounts {
		if !a.ability.Retract {
			out[name] = s.cannotRetract(name)
		}
	}
	rows, err := s.Store.Deliveries(ctx, id)
	if err != nil {
		return nil, err
	}
	names, err := s.Store.PersonalAccounts(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, d := range rows {
		names = append(names, d.Account)
	}
	for _, name := range names {
		if _, on := s.accounts[name]; !on {
			out[name] = switchedOff(name)
		}
	}
	return out, nil
}

func switchedOff(account string) string {
	return account + " is not switched on any more: switch it on again (CRIEUR_CHANNELS), or do it there by hand and settle this delivery as done"
}

func (s *Service) cannotAmend(account string) string {
	return "posts on " + account + " cannot be edited by Crieur; edit it there by hand, then settle this delivery as done"
}

func (s *Service) cannotRetract(account string) string {
	if s.accounts[account].Personal {
		return "a message that reached people cannot be taken back"
	}
	return "posts on " + account + " cannot be deleted by Crieur; delete it there by hand, then settle this delivery as done"
}

// Saw is what a person found out about a delivery.
type Saw string

// What a person can say.
const (
	Appeared Saw = "appeared" // the post, or its change, can be seen
	Absent   Saw = "absent"   // the post, or its change, cannot be seen: do it (again)
	Finished Saw = "done"     // the person did by hand what was wanted
)

// Settle records what a person saw of a delivery that rests, and lets it go on. A Faults when the receipt's URL is not a web
// address, and, with seen, when something else is wanted now than when they looked.
func (s *Service) Settle(ctx context.Context, id announce.ID, delivery string, saw Saw, seen *Wanted, r announce.Receipt, actor string) (announce.Delivery, error) {
	if r.URL != "" {
		if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(r.URL) > 2000 {
			return announce.Delivery{}, announce.Faults{{Field: "url", Say: "is not a web address: write https://example.org/page"}}
		}
	}
	now := s.Store.Now()
	before, err := s.Store.Delivery(ctx, delivery)
	if err != nil {
		return announce.Delivery{}, err
	}
	if before.Announcement != id {
		return announce.Delivery{}, store.ErrNotFound
	}
	d, err := s.Store.SettleByPerson(ctx, delivery, func(d announce.Delivery) (announce.Delivery, error) {
		if seen != nil && *seen != wantedOf(d) {
			return d, announce.Faults{{Field: "seen", Say: "the announcement was changed or taken back since you looked: look again at what is to be done"}}
		}
		return settled(d, saw, r, now)
	}, actor)
	if err == nil {
		s.forgetTask(ctx, before)
	}
	s.nudge()
	return d, err
}

// Wanted is what was wanted of a delivery when a person looked: what they say is about that.
type Wanted struct {
	Verb announce.Verb `json:"verb,omitempty" enum:"publish,amend,retract"`
	Rev  int           `json:"rev"`
}

// wantedOf is what a person is to do about a delivery that waits for them, and for which revision.
func wantedOf(d announce.Delivery) Wanted {
	w := Wanted{Rev: d.Rev}
	switch {
	case d.Rest == announce.Moving:
	case !d.Wanted && (d.Shown > 0 || d.Calling != announce.Nothing):
		w.Verb = announce.Retract
	case d.Wanted && d.Shown == 0:
		w.Verb = announce.Publish
	case d.Wanted && d.Shown < d.Rev:
		w.Verb = announce.Amend
	}
	return w
}

// settled is d after a person told what they saw.
func settled(d announce.Delivery, saw Saw, r announce.Receipt, now time.Time) (announce.Delivery, error) {
	if r.At.IsZero() {
		r.At = now
	}
	resting := d.Rest != announce.Moving || d.Calling != announce.Nothing
	switch {
	case saw == Appeared && d.Calling == announce.Retract:
		d = ended(d) // it is still there, and is taken away again
	case saw == Appeared && d.Calling != announce.Nothing:
		if r.ID == "" {
			r.ID = d.Receipt.ID
		}
		return done(d, d.Calling, r), nil
	case saw == Absent && d.Calling == announce.Amend:
		d = ended(d) // the post stands as it was; the change is made again
	case saw == Absent && d.Calling == announce.Nothing && d.Wanted && d.Shown > 0:
		if d.Rest != announce.Failed {
			return d, announce.Faults{{Field: "saw", Say: "the post is there, in an earlier form: change it by hand and settle it as done, or retract the announcement"}}
		}
		// the change was refused, and is tried again
	case saw == Absent && resting:
		d = ended(d)
		d.Shown, d.Receipt = 0, announce.Receipt{}
	case saw == Finished && resting:
		d = ended(d)
		if d.Wanted {
			d.Shown = d.Rev
			if r.ID != "" || r.URL != "" {
				d.Receipt = r
			}
		} else {
			d.Shown, d.Receipt = 0, announce.Receipt{}
		}
	default:
		return d, announce.Faults{{Field: "saw", Say: fmt.Sprintf("%q does not apply: this delivery is %s", saw, d.State())}}
	}
	d.Attempts, d.Looks, d.Repeats, d.Cuts, d.Rest, d.Fault, d.Next = 0, 0, 0, 0, announce.Moving, "", now
	return d, nil
}
