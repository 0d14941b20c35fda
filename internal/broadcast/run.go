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

	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/queue"
)

// Run carries deliveries to their channels until ctx is done, then waits for the calls under way, at most Options.Grace.
// Call it once.
func (s *Service) Run(ctx context.Context) error {
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(s.Grace, cut) })
	defer stop()
	g.Go(func() error { s.sweep(ctx); return nil })
	g.Go(func() error { s.plan(ctx); return nil })
	g.Go(func() error { s.probe(ctx); return nil })
	g.Go(func() error { s.warm(ctx); return nil })
	for _, a := range s.accounts {
		g.Go(func() error {
			err := s.Queue.Consume(ctx, a.Name, workers(a), func(_ context.Context, j queue.Job) { s.work(ctx, calls, a, announce.ID(j.Announcement)) })
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("the queue of %s: %w", a.Name, err)
			}
			return nil
		})
	}
	err := g.Wait()
	s.nudges.Wait()
	return err
}

// warm renders a sample for every account and drops it: templates are compiled at their first use, which would make the
// first announcement wait.
func (s *Service) warm(ctx context.Context) {
	text := announce.Text{Title: "…", Body: "…"}
	d := announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{}}
	for _, l := range s.Site.Languages {
		d.Texts[l] = text
	}
	for _, k := range []announce.Kind{announce.KindNews, announce.KindEvent} {
		if d.Kind = k; k == announce.KindEvent {
			d.Event = &announce.DraftEvent{StartsAt: s.Store.Now().AddDate(0, 1, 0).Format(time.RFC3339)}
		}
		if _, err := s.Preview(ctx, d); err != nil {
			s.Log.Debug("the templates were not warmed up", "err", err)
		}
	}
}

// workers is how many announcements an account works on at once. Calls on one broadcast account keep their order.
func workers(a account) int {
	if a.Personal {
		return 4
	}
	return max(1, a.Concurrent)
}

// sweepEvery is how often the record is looked at when nobody wakes the sweeper.
const sweepEvery = time.Second

// sweep nudges everything that is due and not being worked on, as long as ctx lasts. It is what makes lost nudges harmless.
func (s *Service) sweep(ctx context.Context) {
	prune := time.Time{}
	for ctx.Err() == nil {
		wait := sweepEvery
		jobs, err := s.Store.Due(ctx, 10_000)
		if err == nil && len(jobs) > 0 {
			var nudges []queue.Job
			for _, j := range jobs {
				if _, on := s.accounts[j.Account]; on {
					nudges = append(nudges, queue.Job{Account: j.Account, Announcement: string(j.Announcement)})
				}
			}
			err = s.Queue.Enqueue(ctx, nudges...)
		}
		if err == nil {
			var next time.Time
			if next, err = s.Store.NextDue(ctx); err == nil && !next.IsZero() {
				wait = min(wait, max(5*time.Millisecond, next.Sub(s.Store.Now())))
			}
		}
		if now := s.Store.Now(); err == nil && now.Sub(prune) > time.Hour {
			prune = now
			err = s.Store.Prune(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("the sweep failed; it is repeated", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(wait):
		}
	}
}

// plan turns audiences into delivery rows, page by page.
func (s *Service) plan(ctx context.Context) {
	for ctx.Err() == nil {
		done, planned, err := s.Store.Plan(ctx, 1000)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("planning failed; it is repeated", "err", err)
		}
		if planned > 0 {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
		if err != nil || done {
			select {
			case <-ctx.Done():
			case <-s.audience:
			case <-time.After(time.Second):
			}
		}
	}
}

// probe lets a stopped account publish again when its channel can tell that the fault is mended. It looks once, at the start.
func (s *Service) probe(ctx context.Context) {
	states, err := s.Store.Accounts(ctx)
	if err != nil {
		return
	}
	for _, st := range states {
		a, ok := s.accounts[st.Account]
		c, can := a.Publisher.(announce.Checker)
		if !st.Stopped || !ok || !can {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		var report announce.Report
		err := s.guard(a.Name, func() (err error) { report, err = c.Check(ctx); return err })
		cancel()
		if err != nil || severe(report) {
			continue
		}
		if err := s.Store.ResumeAccount(ctx, st.Account); err == nil {
			s.Log.Info("the account works again", "account", st.Account)
			s.nudge()
		}
	}
}

func severe(r announce.Report) bool {
	for _, f := range r.Findings {
		if f.Severe {
			return true
		}
	}
	return false
}

// work makes the calls that are due for an announcement on an account, for one turn at most: then other announcements
// have theirs. ctx ends the taking of work, calls ends the calls.
func (s *Service) work(ctx, calls context.Context, a account, id announce.ID) {
	slot := queue.Job{Account: a.Name, Announcement: string(id)}
	if _, busy := s.working.LoadOrStore(slot, true); busy {
		return
	}
	end := time.Now().Add(turn)
	drains := 1
	if a.Personal {
		drains = max(1, a.Concurrent)
	}
	var g sync.WaitGroup
	for range drains {
		g.Go(func() { s.drain(ctx, calls, a, id, end) })
	}
	g.Wait()
	s.working.Delete(slot)
	if ctx.Err() == nil && time.Now().After(end) {
		if err := s.Queue.Enqueue(ctx, slot); err != nil {
			s.nudge()
		}
	}
}

const (
	patience = 2 * time.Second // how long a worker waits for an account's pace before it leaves the rest to the sweeper
	turn     = 5 * time.Second // how long one announcement keeps an account to itself
)

func (s *Service) drain(ctx, calls context.Context, a account, id announce.ID, end time.Time) {
	var h horizon
	for ctx.Err() == nil && time.Now().Before(end) {
		a.slots <- struct{}{}
		more := s.once(ctx, calls, a, id, &h)
		<-a.slots
		if !more {
			return
		}
	}
}

// once claims one delivery and makes its call. It reports whether there may be more to do.
func (s *Service) once(ctx, calls context.Context, a account, id announce.ID, h *horizon) (more bool) {
	c, ok, err := s.Store.Claim(ctx, a.Name, id, store.ClaimOptions{Owner: s.Store.Owner(), Lease: s.Lease, Pace: a.Pace})
	switch {
	case err != nil:
		if ctx.Err() == nil {
			s.Log.Warn("no delivery could be claimed; the sweeper tries again", "account", a.Name, "announcement", id, "err", err)
		}
		return false
	case ok:
		s.perform(calls, a, c, h)
	case c.Wait > 0 && c.Wait <= patience:
		select {
		case <-ctx.Done():
		case <-time.After(c.Wait):
		}
	default:
		return false
	}
	return true
}

// perform makes the one call of a claim, or settles a lost one, and records how it ended.
func (s *Service) perform(calls context.Context, a account, c store.Claim, h *horizon) {
	if c.Verb == announce.Publish {
		if why := s.late(calls, c.Delivery, h); why != "" {
			d := ended(c.Delivery)
			d.Attempts--
			d.Rest, d.Fault = announce.Skipped, why
			s.record(a, c, verdict{Delivery: d})
			return
		}
	}
	if c.Verb != announce.Settle {
		cost, held, ok := s.afford(calls, a, c)
		if !ok {
			s.record(a, c, verdict{Delivery: held})
			return
		}
		s.Point(AfterIntent)
		done := s.call(calls, a, c, c.Verb, false)
		if cost > 0 && done.Err != nil && asError(done.Err).Outcome != announce.Ambiguous {
			if err := s.Store.Refund(context.WithoutCancel(calls), a.Name, cost); err != nil {
				s.Log.Warn("a refused post stays in the month's budget", "account", a.Name, "err", err)
			}
		}
		s.end(a, c, done)
		return
	}
	now := s.Store.Now()
	switch a.settling(c.Delivery, now) {
	case repeat:
		// What is too late or not wanted any more is not published by a repeat; a channel with stable objects may repeat
		// what is not wanted, for it then takes the same object away.
		why := ""
		if c.Delivery.Calling == announce.Publish {
			why = s.late(calls, c.Delivery, h)
			if why == "" && !c.Delivery.Wanted && a.Idempotent != announce.Forever {
				why = "it was retracted"
			}
		}
		switch {
		case why == "":
			s.end(a, c, s.call(calls, a, c, c.Delivery.Calling, true))
		case a.Find:
			s.look(calls, a, c)
		default:
			d := c.Delivery
			d.Rest, d.Fault = announce.Person, "the answer to the call was lost, and now "+why
			s.record(a, c, verdict{Delivery: d})
		}
	case look:
		s.look(calls, a, c)
	case again:
		d := onceMore(c.Delivery, now)
		if why := s.late(calls, d, h); why != "" {
			d = c.Delivery
			d.Rest, d.Fault = announce.Person, "the answer to the call was lost, and now "+why
		}
		s.record(a, c, verdict{Delivery: d})
	case ask:
		d := c.Delivery
		d.Rest = announce.Person
		if d.Fault == "" {
			d.Fault = "the answer to the call was lost"
		}
		s.record(a, c, verdict{Delivery: d})
	}
}

// horizon is when an announcement becomes too late to publish; zero times: never. It is read once per revision.
type horizon struct {
	rev           int
	expires, over time.Time
}

// late tells why a delivery's announcement is not published any more, or "".
func (s *Service) late(ctx context.Context, d announce.Delivery, h *horizon) string {
	if h.rev != d.Rev {
		a, _, err := s.Store.Announcement(ctx, d.Announcement)
		if err != nil {
			return "" // it was readable when it was claimed; the call is not held up
		}
		*h = horizon{rev: a.Rev, expires: a.Expires.Instant}
		if a.Event != nil && !a.Kind.AboutPast() {
			h.over = a.Event.Over()
		}
	}
	now := s.Store.Now()
	switch {
	case !h.expires.IsZero() && !h.expires.After(now):
		return "it expired before it could be published"
	case !h.over.IsZero() && !h.over.After(now):
		return "the event was over before it could be published"
	}
	return ""
}

// afford books what a call costs. When the account's budget of the month is used up, the delivery waits for the next one.
func (s *Service) afford(ctx context.Context, a account, c store.Claim) (cost int64, held announce.Delivery, ok bool) {
	priced, ok := a.Publisher.(announce.Coster)
	if !ok || a.Budget <= 0 || c.Verb == announce.Retract || c.Verb == announce.Amend && !a.ability.Amend {
		return 0, c.Delivery, true
	}
	if err := s.guard(a.Name, func() error { cost = priced.Cost(c.Message); return nil }); err != nil {
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, asError(err).Error()
		return 0, d, false
	}
	booked, next, err := s.Store.Spend(ctx, a.Name, cost, a.Budget)
	if booked {
		return cost, c.Delivery, true
	}
	d := ended(c.Delivery)
	d.Attempts--
	if err != nil {
		d.Next, d.Fault = s.Store.Now().Add(backoff(1)), "the budget could not be read; it is tried again"
		return 0, d, false
	}
	d.Next = s.Store.Now().Add(time.Hour) // the budget may be raised before the month ends
	if next.Before(d.Next) {
		d.Next = next
	}
	d.Fault = fmt.Sprintf("this post costs %.3f $ and would pass the budget of %.2f $ a month; it waits until %s, or until the budget is raised", float64(cost)/1e6, float64(a.Budget)/1e6, next.Format(time.DateOnly))
	return 0, d, false
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
	defer s.hold(ctx, cancel, c)()
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

func (s *Service) end(a account, c store.Claim, done call) {
	s.record(a, c, a.judge(done, s.Store.Now(), s.SettleGap))
}

// look reads back whether a lost call had its effect.
func (s *Service) look(ctx context.Context, a account, c store.Claim) {
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
	if err == nil {
		if found && r.At.IsZero() {
			r.At = now
		}
		s.record(a, c, verdict{Delivery: looked(c.Delivery, r, found, now, s.SettleGap)})
		return
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
	s.record(a, c, v)
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
	if d.Fault != "" {
		level = s.Log.Warn
	}
	if !a.Personal || d.Fault != "" {
		level("delivery", "account", a.Name, "announcement", d.Announcement, "delivery", d.ID, "verb", c.Verb, "state", d.State(), "fault", d.Fault)
	}
}

func (s *Service) save(ctx context.Context, account string, fence int64, v verdict) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
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
			s.Log.Error("the account stopped; its deliveries wait", "account", account, "fault", v.Stop, "do", "mend it, then: crieur resume "+account)
		}
	}
	return s.Store.Record(ctx, fence, v.Delivery)
}
