package broadcast

import (
	"context"
	"fmt"
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
	s.start(ctx)
	g.Go(func() error { s.live(ctx); return nil })
	g.Go(func() error { s.rehearseAll(ctx); return nil })
	g.Go(func() error { s.sweep(ctx); return nil })
	g.Go(func() error { s.plan(ctx); return nil })
	g.Go(func() error { s.probe(ctx); return nil })
	g.Go(func() error { s.warm(ctx); return nil })
	g.Go(func() error { s.recount(ctx, ""); return nil })
	g.Go(func() error { s.remind(ctx); return nil })
	g.Go(func() error { s.makeWaves(ctx); return nil })
	g.Go(func() error { s.watch(ctx); return nil })
	g.Go(func() error { s.attend(ctx); return nil })
	g.Go(func() error { s.noteVisits(ctx); return nil })
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
		s.awake(ctx)
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

// plan turns audiences into letters, page by page.
func (s *Service) plan(ctx context.Context) {
	for ctx.Err() == nil {
		s.awake(ctx)
		done, planned, err := s.Store.Plan(ctx, 2000)
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
		if err := s.Store.ResumeAccount(ctx, st.Account, "crieur"); err == nil {
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
	if a.Personal {
		s.mail(ctx, calls, a, id, end)
	} else {
		s.drain(ctx, calls, a, id, end)
	}
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
		s.record(a, c, s.perform(calls, a, c, h))
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
