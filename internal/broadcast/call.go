package broadcast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// perform makes the one call of a claim, or settles a lost one, and says what follows.
func (s *Service) perform(calls context.Context, a account, c store.Claim, h *horizon) verdict {
	if c.Verb == announce.Publish {
		why, err := s.late(calls, c.Delivery, h)
		if err != nil {
			d := ended(c.Delivery)
			d.Attempts--
			d.Next, d.Fault = s.Store.Now().Add(backoff(1)), unread
			return verdict{Delivery: d}
		}
		if why != "" {
			d := ended(c.Delivery)
			d.Attempts--
			d.Rest, d.Fault = announce.Skipped, why
			if d.Lost() {
				d = lost(d, c.Delivery)
				d.Fault = "the answer to the call was lost, and now " + why
			}
			if a.Personal { // it is too late for everybody else, too
				if err := s.Store.Skip(calls, a.Name, d.Announcement, why, s.Store.Owner()); err != nil {
					s.Log.Warn("the rest of a mailing that is too late is skipped one by one", "announcement", d.Announcement, "err", err)
				}
			}
			return verdict{Delivery: d}
		}
	}
	if c.Verb != announce.Settle {
		cost, held, ok := s.afford(calls, a, c)
		if !ok {
			return verdict{Delivery: held}
		}
		s.Point(AfterIntent)
		done := s.call(calls, a, c, c.Verb, false)
		if cost > 0 && done.Err != nil && asError(done.Err).Outcome != announce.Ambiguous {
			if err := s.Store.Refund(context.WithoutCancel(calls), a.Name, cost); err != nil {
				s.Log.Warn("a refused post stays in the month's budget", "account", a.Name, "err", err)
			}
		}
		return s.end(a, done)
	}
	now := s.Store.Now()
	switch a.settling(c.Delivery, now) {
	case repeat:
		if c.Delivery.Calling == announce.Retract && c.Delivery.Wanted && c.Delivery.Paid == 0 { // a death may have come before it was booked
			if _, held, ok := s.afford(calls, a, c); !ok {
				d := c.Delivery
				d.Next, d.Fault = held.Next, held.Fault
				if held.Rest != announce.Moving {
					d.Rest = announce.Person
				}
				return verdict{Delivery: d}
			}
		}
		// What is too late, called off or not wanted any more is not published by a repeat. What is not wanted is repeated all the same
		// where objects are stable, or where nobody can look: it is then known to be there, and taken away.
		why := ""
		if c.Delivery.Calling == announce.Publish {
			var err error
			if why, err = s.late(calls, c.Delivery, h); err != nil {
				return s.unsettled(c.Delivery)
			}
			if why == "" && a.Idempotent != announce.Forever && a.Find {
				if why, err = s.over(calls, c.Delivery); err != nil {
					return s.unsettled(c.Delivery)
				}
			}
		}
		switch {
		case why == "":
			return s.end(a, s.call(calls, a, c, c.Delivery.Calling, true))
		case a.Find:
			return s.look(calls, a, c)
		}
		d := c.Delivery
		d.Rest, d.Fault = announce.Person, "the answer to the call was lost, and now "+why
		return verdict{Delivery: d}
	case look:
		return s.look(calls, a, c)
	case again:
		d := onceMore(c.Delivery, now)
		why, err := s.late(calls, d, h)
		if err != nil {
			return s.unsettled(c.Delivery)
		}
		if why != "" {
			d = c.Delivery
			d.Rest, d.Fault = announce.Person, "the answer to the call was lost, and now "+why
		}
		return verdict{Delivery: d}
	}
	d := c.Delivery
	d.Rest = announce.Person
	if d.Fault == "" {
		d.Fault = "the answer to the call was lost"
	}
	return verdict{Delivery: d}
}

// over tells why nothing more of a delivery's announcement is published on its account, or "".
func (s *Service) over(ctx context.Context, d announce.Delivery) (string, error) {
	if !d.Wanted {
		return "it was retracted", nil
	}
	_, closed, err := s.Store.FirstTold(ctx, d.Announcement)
	if closed {
		return "it was called off", err
	}
	return "", err
}

// horizon is when an announcement becomes too late to publish; zero times: never. It is read once per revision, by
// whoever needs it first.
type horizon struct {
	mu            sync.Mutex
	rev           int
	expires, over time.Time
}

const unread = "it could not be read whether it is too late; it is tried again"

// unsettled lets a lost call wait: it is settled when it can be read whether it is too late. Its fault stays, which tells a
// lost answer from a death of this program.
func (s *Service) unsettled(d announce.Delivery) verdict {
	d.Next = s.Store.Now().Add(s.SettleGap)
	return verdict{Delivery: d}
}

// late tells why a delivery's announcement is not published any more, or "". When that cannot be read, nothing may be
// published.
func (s *Service) late(ctx context.Context, d announce.Delivery, h *horizon) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rev != d.Rev {
		a, _, err := s.Store.Announcement(ctx, d.Announcement)
		if err != nil {
			s.Log.Warn("an announcement could not be read", "announcement", d.Announcement, "err", err)
			return "", err
		}
		h.rev, h.expires, h.over = a.Rev, a.Expires.Instant, time.Time{}
		if a.Event != nil && !a.Kind.AboutPast() {
			h.over = a.Event.Over()
		}
	}
	now := s.Store.Now()
	switch {
	case !h.expires.IsZero() && !h.expires.After(now):
		return "it expired before it could be published", nil
	case !h.over.IsZero() && !h.over.After(now):
		return "the event was over before it could be published", nil
	}
	return "", nil
}

// hold renews a claim's lease while its call lasts, until the returned function is called. A lease that is lost ends the
// call: somebody else answers for the delivery.
func (s *Service) hold(ctx context.Context, cancel func(), c store.Claim) (release func()) {
	released := make(chan struct{})
	go func() {
		tick := time.NewTicker(s.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-released:
				return
			case <-tick.C:
			}
			if err := s.Store.Renew(context.WithoutCancel(ctx), c.Delivery.ID, c.Fence, s.Lease); errors.Is(err, store.ErrFenced) {
				cancel()
				return
			}
		}
	}()
	return func() { close(released) }
}

// guard runs a channel's code. A panic in it is a lost call: it may have happened. A cause that is not for people is logged.
func (s *Service) guard(account string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("a channel panicked", "account", account, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &announce.Error{Outcome: announce.Ambiguous, Fault: "the channel crashed while it was called; this is a defect of Crieur, please report it"}
		}
	}()
	err = do()
	var known *announce.Error
	if err != nil && !errors.As(err, &known) {
		s.Log.Error("a channel returned an error of no known kind", "account", account, "err", err)
	}
	return err
}

// call makes one call.
func (s *Service) call(ctx context.Context, a account, c store.Claim, verb announce.Verb, repeat bool) (out call) {
	out = call{Delivery: c.Delivery, Verb: verb, Repeat: repeat}
	if repeat {
		out.Delivery.Attempts++
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.Patience, time.Minute))
	defer cancel()
	if c.Fence > 0 { // letters are leased by the batch
		defer s.hold(ctx, cancel, c)()
	}
	began := time.Now()
	out.Err = s.guard(a.Name, func() (err error) {
		switch verb {
		case announce.Amend:
			p, ok := a.Publisher.(announce.Amender)
			if !ok {
				return &announce.Error{Outcome: announce.Permanent, Fault: s.cannotAmend(a.Name)}
			}
			out.Receipt, err = p.Amend(ctx, c.Delivery.Receipt, c.Message)
		case announce.Retract:
			p, ok := a.Publisher.(announce.Retracter)
			if !ok {
				return &announce.Error{Outcome: announce.Permanent, Fault: s.cannotRetract(a.Name)}
			}
			err = p.Retract(ctx, c.Delivery.Receipt)
		default:
			out.Receipt, err = a.Publisher.Publish(ctx, c.Message)
		}
		return err
	})
	s.Metrics.called(out, a.Publisher.Name(), time.Since(began), s.Store.Now())
	if out.Err == nil {
		s.Point(AfterCall)
		if out.Receipt.At.IsZero() {
			out.Receipt.At = s.Store.Now()
		}
	}
	return out
}

func (s *Service) end(a account, done call) verdict { return a.judge(done, s.Store.Now(), s.SettleGap) }

// look reads back whether a lost call had its effect.
func (s *Service) look(ctx context.Context, a account, c store.Claim) verdict {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	since := c.Delivery.First
	if c.Delivery.Began.Before(since) || since.IsZero() {
		since = c.Delivery.Began
	}
	var r announce.Receipt
	var found bool
	err := s.guard(a.Name, func() (err error) {
		r, found, err = a.Publisher.(announce.Finder).Find(ctx, c.Message, since.Add(-2*time.Minute))
		return err
	})
	now := s.Store.Now()
	if err == nil && found {
		// The same words may have been announced twice: a post that is another delivery's says nothing of this one.
		taken, failed := s.Store.Taken(ctx, c.Delivery, r.ID)
		switch {
		case failed != nil:
			err = &announce.Error{Outcome: announce.Temporary, Fault: "the record could not be read", Err: failed}
		case taken:
			d := c.Delivery
			d.Rest, d.Fault = announce.Person, "the answer to the call was lost, and a post with the same words belongs to another announcement: look whether there are two"
			return verdict{Delivery: d}
		}
	}
	if err == nil {
		if found && r.At.IsZero() {
			r.At = now
		}
		return verdict{Delivery: looked(c.Delivery, r, found, now, s.SettleGap)}
	}
	e := asError(err)
	d := c.Delivery
	d.Attempts++
	d.Fault = "the answer to the call was lost, and looking for it failed: " + e.Error()
	v := verdict{Delivery: d}
	switch {
	case e.Outcome == announce.RateLimited:
		v.Pause = min(max(e.RetryAfter, time.Second), pauseMost)
		v.Delivery.Next = now.Add(v.Pause)
	case e.Stop:
		v.Stop = e.Error()
		v.Delivery.Next = now
	case e.Outcome == announce.Permanent || d.Attempts >= repeatsMost:
		v.Delivery.Rest = announce.Person
	default:
		v.Delivery.Next = now.Add(max(s.SettleGap, backoff(d.Attempts)))
	}
	return v
}

// record puts a verdict on record. It outlives the grace period: a result that is known must not be lost.
func (s *Service) record(a account, c store.Claim, v verdict) {
	ctx := context.Background()
	d := v.Delivery
	var err error
	for try := range 5 {
		if err = s.save(ctx, a.Name, c.Fence, v); err == nil {
			break
		}
		if errors.Is(err, store.ErrFenced) {
			s.Metrics.fenced.Inc()
			s.Log.Warn("somebody else took over the delivery; this result is dropped", "delivery", d.ID, "account", a.Name)
			return
		}
		s.Log.Error("a result could not be put on record", "delivery", d.ID, "account", a.Name, "try", try+1, "err", err)
		time.Sleep(time.Duration(math.Pow(2, float64(try))) * 100 * time.Millisecond)
	}
	if err != nil {
		return // the call stays on record as begun, and is settled when its lease has lapsed
	}
	s.Point(AfterResult)
	level := s.Log.Info
	if d.Fault != "" && !a.Manual {
		level = s.Log.Warn
	}
	level("delivery", "account", a.Name, "announcement", d.Announcement, "delivery", d.ID, "verb", c.Verb, "state", d.State(), "fault", d.Fault)
}

func (s *Service) save(ctx context.Context, account string, fence int64, v verdict) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	if err := s.restrain(ctx, account, v); err != nil {
		return err
	}
	if err := s.Store.Record(ctx, fence, v.Delivery); err != nil {
		return err
	}
	if open(v.Delivery) {
		s.recorded(v.Delivery.ID)
	}
	return nil
}

// restrain lets the account wait or stop when a verdict says so.
func (s *Service) restrain(ctx context.Context, account string, v verdict) error {
	if v.Pause > 0 {
		if err := s.Store.Pause(ctx, account, s.Store.Now().Add(v.Pause), v.Delivery.Fault); err != nil {
			return err
		}
	}
	if v.Stop != "" {
		first, err := s.Store.StopAccount(ctx, account, v.Stop)
		if err != nil {
			return err
		}
		if first {
			s.tellStopped(ctx)
			s.Log.Error("the account stopped; its deliveries wait", "account", account, "fault", v.Stop, "do", "mend it, then: crieur resume "+account)
		}
	}
	return nil
}
