package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestSpendNeverPassesTheBudget(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		var booked atomic.Int64
		var g sync.WaitGroup
		for range 20 {
			g.Go(func() {
				ok, next, err := db.Spend(context.Background(), "twitter", 200_000, 1_000_000)
				if err != nil {
					t.Error(err)
				}
				if ok {
					booked.Add(1)
				}
				if next.Day() != 1 || !next.After(db.Now()) || next.Sub(db.Now()) > 31*24*time.Hour {
					t.Errorf("the next month begins at %s", next)
				}
			})
		}
		g.Wait()
		if booked.Load() != 5 {
			t.Errorf("%d posts of 0.20 $ for 1.00 $", booked.Load())
		}
		must(t, db.Refund(context.Background(), "twitter", 200_000))
		if ok, _, err := db.Spend(context.Background(), "twitter", 200_000, 1_000_000); err != nil || !ok {
			t.Errorf("what was given back cannot be spent: %v, %v", ok, err)
		}
		if ok, _, err := db.Spend(context.Background(), "twitter@other", 1_000_000, 1_000_000); err != nil || !ok {
			t.Errorf("another account's budget: %v, %v", ok, err)
		}
	})
}

// What is booked to publish a post anew is booked once, by whoever has the claim, and follows what becomes of the post.
func TestPrepay(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "twitter")
		id := save(t, db, s)
		c := claim(t, db, "twitter", id)
		record(t, db, c, shown(c, db.Now()))
		anew := s.next(db)
		anew.Deliveries[0].Manner = announce.Anew
		must(t, db.Revise(t.Context(), 1, anew))
		spent := func(when string, want int64) {
			t.Helper()
			if got, err := db.Spent(t.Context(), "twitter", db.Now()); err != nil || got != want {
				t.Errorf("%s: %d booked, want %d: %v", when, got, want, err)
			}
		}
		prepay := func(c Claim, amount int64, want bool) {
			t.Helper()
			if ok, _, err := db.Prepay(t.Context(), c.Delivery.ID, c.Fence, amount, 1000); err != nil || ok != want {
				t.Fatalf("prepaid %v, %v", ok, err)
			}
		}
		c = claim(t, db, "twitter", id)
		prepay(c, 1001, false)
		prepay(c, 600, true)
		prepay(c, 600, true)
		spent("booked twice", 600)
		prepay(c, 700, true)
		prepay(c, 400, true)
		spent("dearer, and then cheaper", 400)
		refused := c.Delivery
		refused.Calling, refused.CallRev, refused.Began = announce.Nothing, 0, time.Time{}
		record(t, db, c, refused)
		spent("the post was not taken away", 0)
		if _, _, err := db.Prepay(t.Context(), c.Delivery.ID, c.Fence, 1, 1000); !errors.Is(err, ErrFenced) {
			t.Errorf("without a claim: %v", err)
		}
		c = claim(t, db, "twitter", id)
		prepay(c, 600, true)
		record(t, db, c, shown(c, db.Now()))
		if c = claim(t, db, "twitter", id); c.Verb != announce.Publish || c.Delivery.Paid != 600 {
			t.Fatalf("to be published anew: %+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		if d := only(t, db, id, "twitter"); d.Paid != 0 || d.Shown != 2 {
			t.Errorf("published anew: %+v", d)
		}
		spent("published anew", 600)
	})
}
