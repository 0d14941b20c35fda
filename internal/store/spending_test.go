package store

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
