// Package digest gathers what was announced into digests: for each person who chose one what they have not heard of since
// their last, and a summary for broadcast accounts. A built-in schedule starts them, or somebody outside.
package digest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"golang.org/x/text/language"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// Options are what a Service works with. All but Point are required.
type Options struct {
	Store     *store.DB
	Broadcast *broadcast.Service
	Site      announce.Site
	Log       *slog.Logger
	Point     func(string) // called at each named point of a run; nil: nothing. For fault tests
}

// Service makes digests. Safe for concurrent use, by several servers on one record.
type Service struct {
	Options
	wake chan struct{}
}

// New returns a service. Digests are made while Run runs.
func New(o Options) *Service {
	if o.Point == nil {
		o.Point = func(string) {}
	}
	return &Service{Options: o, wake: make(chan struct{}, 1)}
}

// The points of a run at which a fault test may strike.
const (
	AfterEdition = "after-edition" // an edition is on record, and nobody gets it yet
	AfterPage    = "after-page"    // a page of people is told, others are not
)

const (
	early = 10 * time.Minute   // an outside cron whose clock is a little ahead means the occurrence to come
	late  = time.Hour          // after which a digest says that it is late
	back  = 7 * 24 * time.Hour // missing occurrences are made so long after
	// What came due in the last moment before an occurrence is on record by then, even when the disk is slow.
	settled = 5 * time.Second
	glance  = 2 * time.Second // between two looks at whether letters that wait tell what is still so
)

func (s *Service) schedule(d store.Digest) (Schedule, error) {
	zone := d.Zone
	if zone == "" {
		zone = s.Site.Zone
	}
	return ParseSchedule(d.Schedule, zone)
}

// Next is when a digest is due next by its own schedule; zero: it waits to be started from outside, or is off.
func (s *Service) Next(d store.Digest) announce.When {
	if d.Off || d.Outside {
		return announce.When{}
	}
	plan, err := s.schedule(d)
	if err != nil {
		return announce.When{}
	}
	w, _ := plan.Next(s.Store.Now())
	return w
}

var named = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// Put adds a digest, or changes the one of that name. The error is a Faults when it cannot be so.
func (s *Service) Put(ctx context.Context, d store.Digest, who string) error {
	var f announce.Faults
	fault := func(field, format string, a ...any) {
		f = append(f, announce.Fault{Field: field, Say: fmt.Sprintf(format, a...)})
	}
	if !named.MatchString(d.Name) || d.Name == string(store.Now) {
		fault("name", "must be lower-case letters, digits and hyphens, at most 40, and not %q", store.Now)
	}
	if _, err := announce.Zone(d.Zone); d.Zone != "" && err != nil {
		fault("time_zone", "%v", err)
	} else if _, err := s.schedule(d); err != nil {
		fault("schedule", "%v", err)
	}
	for i, l := range d.Languages {
		if _, err := language.Parse(string(l)); err != nil {
			fault(fmt.Sprintf("languages[%d]", i), "is not a language tag: write fr, fr-CA or en")
		}
	}
	for l := range d.Labels {
		if _, err := language.Parse(string(l)); err != nil {
			fault("labels", "%q is not a language tag: write fr, fr-CA or en", l)
		}
	}
	for i, a := range d.Accounts {
		if !s.Broadcast.Broadcasts(a) {
			fault(fmt.Sprintf("channels[%d]", i), "%q is not a channel that is switched on here, or it writes to people: those choose their digest themselves", a)
		}
	}
	topics, err := s.Store.Topics(ctx)
	if err != nil {
		return err
	}
	for i, name := range d.Topics {
		if !slices.Contains(announce.Kinds(), announce.Kind(name)) && !slices.ContainsFunc(topics, func(t store.Topic) bool { return t.Name == name }) {
			fault(fmt.Sprintf("topics[%d]", i), "%q is not a topic here", name)
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	defer s.nudge()
	return s.Store.PutDigest(ctx, d, who)
}

// Start starts the run of a period: a wall time at which the digest is due or, when it is empty, that of the occurrence at
// or before now, or at most ten minutes ahead. The run of a period is one, however often it is started: began says whether
// this was the first time. The error is a Faults when nothing is due then.
func (s *Service) Start(ctx context.Context, name, period, how string) (r store.DigestRun, began bool, err error) {
	d, err := s.Store.Digest(ctx, name)
	if err != nil {
		return r, false, err
	}
	if d.Off {
		return r, false, announce.Faults{{Field: "name", Say: "this digest is switched off: switch it on first"}}
	}
	plan, err := s.schedule(d)
	if err != nil {
		return r, false, err
	}
	now := s.Store.Now()
	w, err := occurrence(plan, period, now)
	if err != nil {
		return r, false, err
	}
	r, began, err = s.Store.StartDigest(ctx, d.Name, w, now.Sub(w.Instant) > late, how)
	if err == nil {
		s.nudge()
	}
	return r, began, err
}

func occurrence(plan Schedule, period string, now time.Time) (announce.When, error) {
	if period == "" {
		if w, ok := plan.Next(now); ok && w.Instant.Sub(now) <= early {
			return w, nil
		}
		w, ok := plan.Last(now)
		if !ok {
			return w, announce.Faults{{Field: "period", Say: "this digest was never due yet"}}
		}
		return w, nil
	}
	want, err := announce.ParseWhen(period, plan.zone)
	if err != nil {
		return want, announce.Faults{{Field: "period", Say: err.Error()}}
	}
	w, ok := plan.Last(want.Instant)
	switch {
	case !ok || !w.Instant.Equal(want.Instant):
		return w, announce.Faults{{Field: "period", Say: fmt.Sprintf("this digest is not due then; it was last due at %s (%s) before that", w.Wall, w.Zone)}}
	case w.Instant.Sub(now) > early:
		return w, announce.Faults{{Field: "period", Say: "is more than ten minutes ahead: start it when it is due"}}
	case now.Sub(w.Instant) > back:
		return w, announce.Faults{{Field: "period", Say: "is more than seven days ago: what it would have told is in the next digest"}}
	}
	return w, nil
}

func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run makes digests until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	for {
		next, err := s.Work(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("not every digest could be made; it is tried again", "err", err)
		}
		wait := 30 * time.Second
		if !next.IsZero() {
			wait = min(wait, max(10*time.Millisecond, next.Sub(s.Store.Now())))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(wait):
		}
	}
}

// Work starts what is due, missing occurrences of the last seven days too, and works on every run whose moment has come
// until it has ended. It returns when there is something to do next. It can be cut at any point and repeated.
func (s *Service) Work(ctx context.Context) (next time.Time, err error) {
	now := s.Store.Now()
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	all, err := s.Store.Digests(ctx)
	if err != nil {
		return next, err
	}
	of := map[string]store.Digest{}
	var errs []error
	for _, d := range all {
		of[d.Name] = d
		if d.Off || d.Outside {
			continue
		}
		at, err := s.begin(ctx, d, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("the digest %s: %w", d.Name, err))
		}
		sooner(at)
	}
	runs, err := s.Store.OpenDigestRuns(ctx)
	if err != nil {
		return next, errors.Join(append(errs, err)...)
	}
	for _, r := range runs {
		if at := r.Period.Instant.Add(settled); at.After(now) {
			sooner(at)
			continue
		}
		d, known := of[r.Digest]
		if !known {
			d.Name = r.Digest // it was removed: nobody has it any more, and the run ends
		}
		err := s.tell(ctx, d, r)
		if err == errUntold { //nolint:errorlint // from this package, as it is
			sooner(now.Add(time.Second))
		} else if err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("the digest %s of %s: %w", r.Digest, r.Period.Wall, err))
		}
	}
	waiting, err := s.refresh(ctx, of)
	if waiting {
		sooner(now.Add(glance))
	}
	return next, errors.Join(append(errs, err, s.Store.CloseEditions(ctx))...)
}

// begin puts the runs of occurrences that have passed on record, and tells when the next one comes.
func (s *Service) begin(ctx context.Context, d store.Digest, now time.Time) (time.Time, error) {
	if d.Since.IsZero() {
		d.Since = now
		if err := s.Store.BeginDigest(ctx, d.Name); err != nil {
			return time.Time{}, err
		}
	}
	plan, err := s.schedule(d)
	if err != nil {
		return time.Time{}, err
	}
	since := now.Add(-back)
	if d.Since.After(since) {
		since = d.Since
	}
	due := plan.Between(since, now)
	if len(due) > 0 {
		made, err := s.Store.DigestPeriods(ctx, d.Name, since)
		if err != nil {
			return time.Time{}, err
		}
		for _, w := range due {
			if made[w.Wall] {
				continue
			}
			if _, _, err := s.Store.StartDigest(ctx, d.Name, w, now.Sub(w.Instant) > late, "schedule"); err != nil {
				return time.Time{}, err
			}
		}
	}
	w, _ := plan.Next(now)
	return w.Instant, nil
}
