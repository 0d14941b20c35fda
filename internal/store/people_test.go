package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestPersonalMessages(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 5)
		id := save(t, db, sample(db).personal(db, "email"))
		if jobs, err := db.Due(t.Context(), 10); err != nil || len(jobs) != 1 || jobs[0] != (Job{"email", id}) {
			t.Fatalf("due %v %v", jobs, err)
		}
		planAll(t, db, 10)
		all, err := enlisted(t.Context(), db, 10)
		must(t, err)
		texts := map[announce.Language]string{"fr": "un fr", "fr-CA": "un fr", "en": "un en", "de": "un fr"}
		for i := range 5 {
			l := write(t, db, id)
			m, usable, err := db.Message(t.Context(), l)
			if s := all[i]; err != nil || !usable || m.To != s.Address || m.Name != s.Name || m.Text != texts[l.Language] || l.Address != s.ID || m.Key != l.ID || m.Date.IsZero() {
				t.Errorf("%+v %+v %v", l, m, err)
			}
			if plan, address, ok := ReadLetterKey(l.ID); !ok || plan != l.Plan || address != l.Address {
				t.Errorf("%s reads as %d %d %v", l.ID, plan, address, ok)
			}
		}
		if d, err := db.Deliveries(t.Context(), id); err != nil || len(d) != 0 {
			t.Errorf("persons among the broadcast rows: %v %v", d, err)
		}
	})
}

// Plan survives every cut: pages that did not commit are planned again, nobody twice.
func TestPlanIsCutAndResumed(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 103)
		id := save(t, db, sample(db).personal(db, "email"))
		ctx := t.Context()
		cut := errors.New("cut")
		planned := 0
		for i := 0; ; i++ {
			if i == 1 {
				added, err := enlist(ctx, db, []Address{{Channel: "email", Address: "late@example.org"}})
				if added != 1 || err != nil {
					t.Fatal(added, err)
				}
			}
			err := db.write(ctx, func(ctx context.Context, x *tx) error {
				if _, n, err := x.plan(ctx, 10); err != nil || n == 0 {
					return errors.Join(err, cut)
				}
				return cut
			})
			want(t, err, cut)
			done, n, err := db.Plan(ctx, 10)
			must(t, err)
			planned += n
			if c := balanced(t, db, id, "email"); c.Planned != planned || c.Done != done {
				t.Fatalf("%+v after %d", c, planned)
			}
			if done {
				break
			}
		}
		entries, err := db.Announcements(ctx, "", 1)
		if planned != 103 || err != nil || entries[0].Planned != 103 {
			t.Errorf("planned %d, %+v, %v", planned, entries, err)
		}
	})
}

func TestPlansOfTwoServers(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		add(t, db, 500)
		var ids []announce.ID
		for range 4 {
			ids = append(ids, save(t, db, sample(db).personal(db, "email")))
		}
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				for {
					done, _, err := all[i%len(all)].Plan(context.Background(), 50)
					if err != nil {
						t.Error(err)
					}
					if done || err != nil {
						return
					}
				}
			})
		}
		group.Wait()
		planAll(t, db, 50)
		for _, id := range ids {
			if n := balanced(t, db, id, "email"); n.Planned != 500 || !n.Done {
				t.Errorf("%+v", n)
			}
		}
	})
}

func TestPlanWaitsForItsTimeAndFollowsTheAnnouncement(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 30)
		s := sample(db).personal(db, "email")
		s.Plans[0].Next = db.Now().Add(time.Hour)
		id := save(t, db, s)
		if done, n, err := db.Plan(ctx, 10); !done || n != 0 || err != nil {
			t.Fatal(done, n, err)
		}
		if next, err := db.NextDue(ctx); err != nil || !next.Equal(s.Plans[0].Next) {
			t.Fatal(next, err)
		}
		p.clock.forward(time.Hour)
		if _, n, err := db.Plan(ctx, 10); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		deliver(t, db, id)
		n := s.next(db)
		n.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		must(t, db.Revise(ctx, 1, n))
		if _, k, err := db.Plan(ctx, 10); k != 10 || err != nil {
			t.Fatal(k, err)
		}
		if c := balanced(t, db, id, "email"); c.Planned != 20 || c.By[announce.Published] != 1 || c.By[announce.Waiting] != 19 {
			t.Fatalf("%+v", c)
		}
		for range 19 {
			l := write(t, db, id)
			if m, _, err := db.Message(ctx, l); err != nil || l.CallRev != 2 || !strings.HasSuffix(m.Text, ", 2") || !m.Date.Equal(s.Plans[0].Next) {
				t.Fatalf("%+v %+v", l, m)
			}
		}
		must(t, db.Withdraw(ctx, id, 2, "ada", map[string]string{"email": "mail cannot be recalled"}, db.Now()))
		if done, k, err := db.Plan(ctx, 10); !done || k != 0 || err != nil {
			t.Fatal(done, k, err)
		}
		if c := balanced(t, db, id, "email"); !c.Done || c.By[announce.Published] != 1 || c.By[announce.CallingNow] != 19 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestUnsubscribeAgainstBeginning(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		const n = 200
		add(t, db, n)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 100)
		subscribers, err := enlisted(t.Context(), db, n)
		must(t, err)
		var mu sync.Mutex
		left := map[string]bool{} // whose unsubscription was answered
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				db := all[i%len(all)]
				for {
					batch, err := db.Lease(context.Background(), "email", id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 7})
					if err != nil {
						t.Error(err)
					}
					if len(batch.Letters) == 0 {
						return
					}
					for _, l := range batch.Letters {
						mu.Lock()
						before := left[l.To]
						mu.Unlock()
						began, _, err := db.Advance(context.Background(), nil, l)
						if err != nil {
							t.Error(err)
						}
						if before && began == Begun {
							t.Errorf("%s was begun after the unsubscription was answered", l.To)
						}
					}
				}
			})
		}
		group.Go(func() {
			for i := len(subscribers) - 1; i >= 0; i -= 2 {
				if _, err := leave(context.Background(), all[len(all)-1], subscribers[i].ID); err != nil {
					t.Error(err)
				}
				mu.Lock()
				left[subscribers[i].Address] = true
				mu.Unlock()
			}
		})
		group.Wait()
		idle(t, db, id)
		c := balanced(t, db, id, "email")
		if c.Planned != n || c.By[announce.Waiting] != 0 || c.By[announce.SkippedState] == 0 {
			t.Errorf("%+v", c)
		}
	})
}

// A call that was lost is not repeated to somebody who has left since.
func TestUnsubscribedWhileUnknown(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 1)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		lost := write(t, db, id)
		if known, err := leave(t.Context(), db, lost.Address); !known || err != nil {
			t.Fatal(known, err)
		}
		p.clock.forward(time.Hour)
		b := lease(t, db, id, 10)
		if len(b.Letters) != 1 || b.Letters[0].Todo() != announce.Settle {
			t.Fatalf("%+v", b)
		}
		if began, _, err := db.Advance(t.Context(), nil, b.Letters[0]); began != Passed || err != nil {
			t.Fatal(began, err)
		}
		if d := delivery(t, db, lost.ID); d.State() != announce.SkippedState || d.Fault != faultMaybe {
			t.Errorf("%+v", d)
		}
		if _, fenced, err := db.Advance(t.Context(), arrived(lost, db.Now()), nil); !fenced || err != nil {
			t.Error("a result was written under a lease that somebody else had", err)
		}
		must(t, db.GiveBack(t.Context(), &b))
		balanced(t, db, id, "email")
	})
}

// Who waits for a repeat of a mail whose answer was lost may have it: too late for the repeat, it is not known, and not skipped.
func TestSkippedAfterALostCall(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		id := save(t, db, sample(db, "slack").personal(db, "email"))
		planAll(t, db, 10)
		for _, count := range []func(*announce.Delivery){func(d *announce.Delivery) { d.Repeats = 1 }, func(d *announce.Delivery) { d.Cuts = 1 }} {
			end(t, db, refused(write(t, db, id), func(d *announce.Delivery) {
				d.Next = db.Now().Add(time.Hour)
				count(d)
			}))
		}
		c := claim(t, db, "slack", id)
		d := c.Delivery
		d.Calling, d.CallRev, d.Began, d.Repeats, d.Next = announce.Nothing, 0, time.Time{}, 1, db.Now().Add(time.Hour)
		record(t, db, c, d)
		for _, account := range []string{"email", "slack"} {
			must(t, db.Skip(t.Context(), account, id, "the event is over", ""))
		}
		if n := balanced(t, db, id, "email"); n.By[announce.Unknown] != 2 || n.By[announce.SkippedState] != 1 {
			t.Errorf("%+v", n)
		}
		if d := only(t, db, id, "slack"); d.State() != announce.Unknown || d.Rest != announce.Person || !strings.Contains(d.Fault, "lost") {
			t.Errorf("%+v", d)
		}
		idle(t, db, id)
	})
}

// Of a letter whose call was lost it stays unknown whether it arrived, when its person pauses before it is called once more.
func TestPausedAfterALostCall(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 1)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		l := write(t, db, id)
		end(t, db, refused(l, func(d *announce.Delivery) { d.Next, d.Repeats = db.Now().Add(time.Minute), 1 }))
		_, err := db.ChangeAddress(t.Context(), l.Address, func(a *Address) error { a.PausedUntil = db.Now().Add(time.Hour); return nil }, Deed{Act: Changed, How: "ada"})
		must(t, err)
		p.clock.forward(time.Minute)
		b := lease(t, db, id, 1)
		if len(b.Letters) != 1 {
			t.Fatalf("%+v", b)
		}
		if began, _, err := db.Advance(t.Context(), nil, b.Letters[0]); began == Begun || err != nil {
			t.Fatal(began, err)
		}
		must(t, db.GiveBack(t.Context(), &b))
		d := delivery(t, db, l.ID)
		if d.State() != announce.Unknown || d.Rest != announce.Person || !strings.Contains(d.Fault, faultPaused) {
			t.Errorf("%s: %+v", d.State(), d)
		}
		balanced(t, db, id, "email")
	})
}

// What was lost, and is then taken back before it is called once more, is not known to have stayed away.
func TestTakenBackAfterALostCall(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 2)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		l := write(t, db, id)
		end(t, db, refused(l, func(d *announce.Delivery) { d.Next, d.Repeats = db.Now().Add(time.Minute), 1 }))
		must(t, db.Withdraw(t.Context(), id, 1, "ada", map[string]string{"email": "a letter cannot be taken back"}, db.Now()))
		if n := balanced(t, db, id, "email"); n.By[announce.Unknown] != 1 || n.By[announce.Retracted] != 1 {
			t.Errorf("%+v", n)
		}
		if d := delivery(t, db, l.ID); d.Wanted || d.Rest != announce.Person || d.Calling != announce.Publish || d.CallRev != 1 || d.Began.IsZero() || !strings.Contains(d.Fault, "lost") {
			t.Errorf("%+v", d)
		}
		p.clock.forward(time.Minute)
		idle(t, db, id)
	})
}
