package store

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/crieur/crieur/internal/announce"
)

// lanes carry the steps of letters on Postgres: what waits becomes one transaction, and a few of them are under way at once.
type lanes struct {
	db    *DB
	queue chan *laneStep
	quit  chan struct{}
	ended chan struct{}
}

const laneCount = 4

type laneStep struct {
	*advance
	taken atomic.Bool
	err   error
	done  chan struct{}
}

func newLanes(db *DB) *lanes {
	l := &lanes{db: db, queue: make(chan *laneStep, mostGrouped), quit: make(chan struct{}), ended: make(chan struct{})}
	left := make(chan struct{}, laneCount)
	for i := range int64(laneCount) {
		go func() { l.serve(db.lane() + 1 + i); left <- struct{}{} }()
	}
	go func() {
		for range laneCount {
			<-left
		}
		close(l.ended)
	}()
	return l
}

// do returns when the step is durable, or is not there. A caller whose ctx ends gives up only before it began.
func (l *lanes) do(ctx context.Context, a *advance) error {
	s := &laneStep{advance: a, done: make(chan struct{})}
	select {
	case l.queue <- s:
	case <-l.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.done:
		return s.err
	case <-l.ended:
		if s.taken.Swap(true) {
			<-s.done
			return s.err
		}
		return errClosed
	case <-ctx.Done():
		if s.taken.Swap(true) {
			<-s.done
			return s.err
		}
		return ctx.Err()
	}
}

// close lets the steps that wait finish.
func (l *lanes) close() {
	close(l.quit)
	<-l.ended
}

func (l *lanes) serve(lane int64) {
	for {
		select {
		case s := <-l.queue:
			l.together(lane, s)
		case <-l.quit:
			select {
			case s := <-l.queue:
				l.together(lane, s)
			default:
				return
			}
		}
	}
}

// together runs first and what waits beside it in one transaction; when it fails, each by itself.
func (l *lanes) together(lane int64, first *laneStep) {
	var all []*laneStep
	for s := first; s != nil; {
		if !s.taken.Swap(true) {
			all = append(all, s)
		}
		if len(all) == mostGrouped {
			break
		}
		select {
		case s = <-l.queue:
		default:
			s = nil
		}
	}
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgWrite)
	defer cancel()
	err := l.run(ctx, lane, all)
	for _, s := range all {
		if err != nil && len(all) > 1 {
			s.err = l.run(ctx, lane, []*laneStep{s})
		} else {
			s.err = err
		}
		close(s.done)
	}
}

func (l *lanes) run(ctx context.Context, lane int64, all []*laneStep) error {
	return l.db.writePostgres(ctx, func(ctx context.Context, t *tx) error {
		t.lane = lane
		return newRound(t).all(ctx, all)
	})
}

// all is advance for many steps, with few statements.
func (r *round) all(ctx context.Context, steps []*laneStep) error {
	if err := r.t.advisory(ctx, lockGate, true); err != nil {
		return err
	}
	r.t.gated = true
	if err := r.endAll(ctx, steps); err != nil {
		return err
	}
	return r.beginAll(ctx, steps)
}

func (r *round) endAll(ctx context.Context, steps []*laneStep) error {
	var plans, addresses, began, when []int64
	var ids, urls []string
	quick := map[[2]int64]bool{}
	for _, s := range steps {
		s.began, s.fenced = Passed, false
		if s.ended == nil {
			continue
		}
		ours, err := r.ours(ctx, s.ended.Letter.batch)
		if err != nil {
			return err
		}
		if l, d := s.ended.Letter, s.ended.Delivery; ours && s.ended.quick() {
			plans, addresses, began = append(plans, l.Plan), append(addresses, l.Address), append(began, us(l.Began))
			ids, urls, when = append(ids, clean(d.Receipt.ID)), append(urls, clean(d.Receipt.URL)), append(when, us(d.Receipt.At))
		}
	}
	if len(plans) > 0 {
		if err := r.t.each(ctx, `UPDATE letters l SET shown = call_rev, told = call_rev, receipt_id = v.id, receipt_url = v.url, receipt_at = v.at, calling = '', call_rev = 0, began = 0, attempts = 0
			FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::bigint[]) AS v (plan, address, began, id, url, at)
			WHERE l.plan = v.plan AND l.address = v.address AND l.began = v.began AND calling = 'publish' AND rest = '' AND fault = '' AND looks = 0 AND repeats = 0 AND cuts = 0
			AND wanted = 1 AND rev = call_rev AND next <= first_due RETURNING l.plan, l.address`,
			[]any{plans, addresses, began, ids, urls, when}, func(scan func(...any) error) error {
				var plan, address int64
				err := scan(&plan, &address)
				quick[[2]int64{plan, address}] = true
				r.t.count(plan, announce.CallingNow, -1)
				r.t.count(plan, announce.Published, 1)
				return err
			}); err != nil {
			return err
		}
	}
	for _, s := range steps {
		if s.ended == nil || quick[[2]int64{s.ended.Letter.Plan, s.ended.Letter.Address}] {
			continue
		}
		if err := r.end(ctx, s.advance); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) beginAll(ctx context.Context, steps []*laneStep) error {
	var plans, addresses, revs, updated []int64
	mine := map[[2]int64]*advance{}
	var slow []*advance
	for _, s := range steps {
		if s.next == nil {
			continue
		}
		may, p, err := r.mayBegin(ctx, s.advance)
		if err != nil {
			return err
		}
		if !may {
			continue
		}
		if l := s.next; l.quick(p, r.t.now) {
			plans, addresses, revs, updated = append(plans, l.Plan), append(addresses, l.Address), append(revs, int64(l.Rev)), append(updated, l.updated)
			mine[[2]int64{l.Plan, l.Address}] = s.advance
		} else {
			slow = append(slow, s.advance)
		}
	}
	if len(plans) > 0 {
		now := us(r.t.now)
		if err := r.t.each(ctx, `WITH welcome AS (SELECT id, updated_at FROM addresses WHERE id = ANY(?::bigint[]) AND standing = 'active' AND paused_until <= ? FOR SHARE)
			UPDATE letters l SET calling = 'publish', call_rev = l.rev, began = ?, attempts = 1
			FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) AS v (plan, address, rev, updated) JOIN welcome w ON w.id = v.address AND w.updated_at = v.updated
			WHERE l.plan = v.plan AND l.address = v.address AND calling = '' AND rest = '' AND fault = '' AND wanted = 1 AND shown = 0 AND l.rev = v.rev
			AND attempts = 0 AND next <= first_due RETURNING l.plan, l.address`,
			[]any{addresses, now, now, plans, addresses, revs, updated}, func(scan func(...any) error) error {
				var k [2]int64
				err := scan(&k[0], &k[1])
				if a := mine[k]; a != nil {
					a.began = Begun
					a.next.begin(announce.Publish, r.t.now)
					r.t.count(k[0], announce.Waiting, -1)
					r.t.count(k[0], announce.CallingNow, 1)
				}
				return err
			}); err != nil {
			return err
		}
	}
	for _, a := range mine {
		if a.began != Begun {
			slow = append(slow, a)
		}
	}
	slices.SortFunc(slow, func(a, b *advance) int { return cmp.Compare(a.next.Address, b.next.Address) })
	for _, a := range slow {
		if err := r.beginSlow(ctx, a, r.plans[a.next.Plan]); err != nil {
			return err
		}
	}
	return nil
}
