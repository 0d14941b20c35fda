package store

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestEachDeliveryIsClaimedOnce(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		accounts := []string{"slack", "twitter", "feed", "webhook", "matrix", "zulip"}
		n := len(accounts)
		id := save(t, db, sample(db, accounts...))
		var mu sync.Mutex
		claimed := map[string]int{}
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				db := all[i%len(all)]
				for _, account := range accounts {
					for {
						c, ok, err := db.Claim(context.Background(), account, id, worker)
						if err != nil {
							t.Error(err)
							return
						}
						if !ok {
							break
						}
						mu.Lock()
						claimed[c.Delivery.ID]++
						mu.Unlock()
						if i%2 == 0 {
							if err := db.Record(context.Background(), c.Fence, shown(c, db.Now())); err != nil {
								t.Error(err)
							}
						}
					}
				}
			})
		}
		group.Wait()
		if len(claimed) != n {
			t.Errorf("%d of %d deliveries were claimed", len(claimed), n)
		}
		for id, k := range claimed {
			if k != 1 {
				t.Errorf("%s was claimed %d times", id, k)
			}
		}
	})
}

func TestClaimAndRecord(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		id := save(t, db, s)
		began := db.Now()
		c := claim(t, db, "slack", id)
		if c.Verb != announce.Publish || c.Message.Text != "un" || c.Delivery.Attempts != 1 || c.Delivery.Calling != announce.Publish ||
			c.Delivery.CallRev != 1 || !c.Delivery.Began.Equal(began) || c.Delivery.State() != announce.CallingNow {
			t.Fatalf("claim %+v", c)
		}
		if d := delivery(t, db, c.Delivery.ID); d != c.Delivery {
			t.Errorf("stored %+v\nclaimed %+v", d, c.Delivery)
		}
		none(t, db, "slack", id)
		d := shown(c, db.Now())
		d.Receipt.ID = "a\x00b\xff" // what a platform may answer
		record(t, db, c, d)
		got := delivery(t, db, d.ID)
		if got.State() != announce.Published || got.Receipt.ID != "ab\uFFFD" || got.Receipt.URL != d.Receipt.URL || !got.First.Equal(began) {
			t.Errorf("recorded %+v", got)
		}
		none(t, db, "slack", id)
		want(t, db.Record(t.Context(), c.Fence, d), ErrFenced)

		p.clock.forward(time.Second)
		must(t, db.Revise(t.Context(), 1, s.next(db)))
		c = claim(t, db, "slack", id)
		if c.Verb != announce.Amend || c.Message.Text != "un, 2" || c.Delivery.Shown != 1 || !c.Message.Date.Equal(began) {
			t.Fatalf("claim %+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		must(t, db.Withdraw(t.Context(), id, 2, "ada", nil, db.Now()))
		c = claim(t, db, "slack", id)
		if c.Verb != announce.Retract {
			t.Fatalf("claim %+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		if d := only(t, db, id, "slack"); d.State() != announce.Retracted {
			t.Errorf("after retraction %+v", d)
		}
	})
}

func TestBackoff(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		id := save(t, db, sample(db, "slack"))
		c := claim(t, db, "slack", id)
		d := c.Delivery
		d.Calling, d.Fault, d.Next = announce.Nothing, "try later", db.Now().Add(time.Minute)
		record(t, db, c, d)
		none(t, db, "slack", id)
		if jobs, err := db.Due(t.Context(), 10); err != nil || len(jobs) != 0 {
			t.Fatalf("due %v, %v", jobs, err)
		}
		if next, err := db.NextDue(t.Context()); err != nil || !next.Equal(d.Next) {
			t.Fatalf("next due %v, %v", next, err)
		}
		p.clock.forward(time.Minute)
		if jobs, err := db.Due(t.Context(), 10); err != nil || len(jobs) != 1 || jobs[0] != (Job{"slack", id}) {
			t.Fatalf("due %v, %v", jobs, err)
		}
		if c = claim(t, db, "slack", id); c.Delivery.Attempts != 2 {
			t.Errorf("attempts %d", c.Delivery.Attempts)
		}
	})
}

func TestALapsedLeaseIsSettled(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		id := save(t, db, s)
		first := claim(t, db, "slack", id)
		must(t, db.Renew(t.Context(), first.Delivery.ID, first.Fence, 2*time.Minute))
		p.clock.forward(90 * time.Second)
		none(t, db, "slack", id)
		must(t, db.Revise(t.Context(), 1, s.next(db))) // meanwhile it was amended
		p.clock.forward(30 * time.Second)
		second := claim(t, db, "slack", id)
		if second.Verb != announce.Settle || second.Delivery.Calling != announce.Publish || second.Delivery.CallRev != 1 || second.Message.Text != "un" ||
			!second.Delivery.Began.Equal(first.Delivery.Began) || second.Fence <= first.Fence {
			t.Fatalf("claim %+v", second)
		}
		want(t, db.Record(t.Context(), first.Fence, shown(first, db.Now())), ErrFenced)
		want(t, db.Renew(t.Context(), first.Delivery.ID, first.Fence, time.Minute), ErrFenced)
		d := second.Delivery
		d.Looks, d.Next = 1, db.Now().Add(time.Minute)
		record(t, db, second, d)
		if got := delivery(t, db, d.ID); got.State() != announce.Unknown {
			t.Errorf("state %v", got.State())
		}
		p.clock.forward(time.Minute)
		third := claim(t, db, "slack", id)
		record(t, db, third, shown(third, db.Now()))
		if c := claim(t, db, "slack", id); c.Verb != announce.Amend || c.Delivery.CallRev != 2 {
			t.Errorf("after settling %+v", c)
		}
	})
}

func TestPaceAndPause(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		a, b := save(t, db, sample(db, "slack")), save(t, db, sample(db, "slack"))
		o := worker
		o.Pace = 10 * time.Second
		if _, ok, err := db.Claim(ctx, "slack", a, o); !ok || err != nil {
			t.Fatal("the first call was held back", err)
		}
		c, ok, err := db.Claim(ctx, "slack", b, o)
		if ok || err != nil || c.Wait != 10*time.Second {
			t.Fatalf("%v %v, wait %v", ok, err, c.Wait)
		}
		if c, ok, err := db.Claim(ctx, "slack", a, o); ok || err != nil || c.Wait != 0 {
			t.Fatalf("wait %v for nothing (%v)", c.Wait, err)
		}
		p.clock.forward(10 * time.Second)
		until := db.Now().Add(time.Minute)
		must(t, db.Pause(ctx, "slack", until, "too many requests"))
		must(t, db.Pause(ctx, "slack", until.Add(-time.Second), "sooner"))
		if c, ok, err = db.Claim(ctx, "slack", b, o); ok || err != nil || c.Wait != time.Minute {
			t.Fatalf("%v %v, wait %v", ok, err, c.Wait)
		}
		accounts, err := db.Accounts(ctx)
		if err != nil || len(accounts) != 1 || !accounts[0].PausedUntil.Equal(until) || accounts[0].Why != "too many requests" {
			t.Fatalf("%+v %v", accounts, err)
		}
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 0 {
			t.Fatalf("due during a pause: %v, %v", jobs, err)
		}
		if next, err := db.NextDue(ctx); err != nil || !next.Equal(until) {
			t.Fatalf("next due %v, %v", next, err)
		}
		p.clock.forward(time.Minute)
		if _, ok, err := db.Claim(ctx, "slack", b, o); !ok || err != nil {
			t.Fatal("still paused", err)
		}
	})
}

func TestStops(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		id := save(t, db, sample(db, "slack", "twitter").personal(db, "email"))
		if first, err := db.StopAccount(ctx, "slack", "token revoked"); !first || err != nil {
			t.Fatal(first, err)
		}
		if first, err := db.StopAccount(ctx, "slack", "again"); first || err != nil {
			t.Fatal(first, err)
		}
		none(t, db, "slack", id)
		jobs, err := db.Due(ctx, 10)
		if err != nil || len(jobs) != 2 || jobs[0].Account == "slack" || jobs[1].Account == "slack" {
			t.Fatalf("due %v, %v", jobs, err)
		}
		must(t, db.Stop(ctx, "ada", "wrong date"))
		must(t, db.Stop(ctx, "ada", "again"))
		if stopped, since, why, err := db.Stopped(ctx); !stopped || !since.Equal(db.Now()) || why != "wrong date" || err != nil {
			t.Fatal(stopped, since, why, err)
		}
		if c := none(t, db, "twitter", id); c.Wait != 0 {
			t.Error("a stop is not something to wait for")
		}
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 0 {
			t.Fatalf("due while stopped: %v, %v", jobs, err)
		}
		must(t, db.Resume(ctx, "ada"))
		claim(t, db, "twitter", id)
		none(t, db, "slack", id)
		must(t, db.ResumeAccount(ctx, "slack", "ada"))
		claim(t, db, "slack", id)
		if stopped, _, _, err := db.Stopped(ctx); stopped || err != nil {
			t.Fatal(stopped, err)
		}
	})
}

// A stop that has returned is seen by every claim that commits later, on every server.
func TestStopAgainstClaims(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		add(t, db, 300)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 100)
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				db := all[i%len(all)]
				b, err := db.Lease(context.Background(), "email", id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 40})
				if err != nil {
					t.Error(err)
				}
				for _, l := range b.Letters {
					if _, _, err := db.Advance(context.Background(), nil, l); err != nil {
						t.Error(err)
					}
				}
			})
		}
		must(t, db.Stop(t.Context(), "ada", "wrong date"))
		then := balanced(t, db, id, "email").By[announce.CallingNow]
		group.Wait()
		if now := balanced(t, db, id, "email").By[announce.CallingNow]; now != then {
			t.Errorf("%d calls began after everything was stopped", now-then)
		}
	})
}

func TestACorruptMessageHoldsUpNobody(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		s.Deliveries = append(s.Deliveries, announce.Delivery{Account: "slack", Language: "en", Wanted: true, Rev: 1, Next: db.Now().Add(time.Nanosecond)})
		id := save(t, db, s)
		must(t, raw(db, `UPDATE payloads SET message = '{'`))
		none(t, db, "slack", id)
		all, err := db.Deliveries(t.Context(), id)
		must(t, err)
		for _, d := range all {
			if d.State() != announce.FailedState || !strings.Contains(d.Fault, "cannot be read") {
				t.Errorf("%+v", d)
			}
		}
		must(t, db.Revise(t.Context(), 1, s.next(db)))
		claim(t, db, "slack", id)
	})
}
