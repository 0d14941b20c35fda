package store

import (
	"context"
	"testing"
	"time"
)

// On Postgres, what must wait for a claim waits, and what must be numbered in order of commits is.
func TestWhoWaitsForWhom(t *testing.T) {
	cases := map[string]struct {
		first func(ctx context.Context, x *tx, s Submission) error
		then  func(ctx context.Context, db *DB, id int64) error
	}{
		"an unsubscription for the person's claim": {beginClaim, func(ctx context.Context, db *DB, id int64) error {
			_, err := leave(ctx, db, id)
			return err
		}},
		"a stop for every claim": {beginClaim, func(ctx context.Context, db *DB, _ int64) error { return db.Stop(ctx, "ada", "enough") }},
		"the stop of an account for every claim": {beginClaim, func(ctx context.Context, db *DB, _ int64) error {
			_, err := db.StopAccount(ctx, "email", "enough")
			return err
		}},
		"an event for the event before it": {
			func(ctx context.Context, x *tx, _ Submission) error {
				x.log(Event{What: "stopped"})
				err := x.flush(ctx)
				x.events = nil
				return err
			},
			func(ctx context.Context, db *DB, _ int64) error {
				_, err := db.StopAccount(ctx, "slack", "enough")
				return err
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := postgresPlace(t)
			one, two := p.open(t), p.open(t)
			add(t, one, 1)
			s := sample(one).personal(one, "email")
			save(t, one, s)
			planAll(t, one, 10)
			all, err := enlisted(t.Context(), one, 1)
			must(t, err)
			inside, leave, left, over := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
			go func() {
				left <- one.write(context.Background(), func(ctx context.Context, x *tx) error {
					err := c.first(ctx, x, s)
					close(inside)
					<-leave
					return err
				})
			}()
			<-inside
			go func() { over <- c.then(context.Background(), two, all[0].ID) }()
			waits, err := p.queued(t, one, over)
			if !waits || err != nil {
				t.Errorf("it did not wait: %v", err)
			}
			close(leave)
			must(t, <-left)
			if waits {
				must(t, <-over)
			}
		})
	}
}

func beginClaim(ctx context.Context, x *tx, s Submission) error {
	p, _, err := x.planOf(ctx, s.Announcement.ID, "email")
	if err != nil {
		return err
	}
	b := Batch{Account: "email", Announcement: s.Announcement.ID}
	if err := x.lease(ctx, &p, &b, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 1}); err != nil {
		return err
	}
	l := b.Letters[0]
	l.batch, l.Account = &b, "email"
	return newRound(x).all(ctx, []*laneStep{{advance: &advance{next: l}}})
}
