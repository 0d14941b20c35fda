package store

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// After a cancellation nothing begins, of the announcement or of what follows it; what is out says so.
func TestClosed(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 4)
		s := sample(db, "edited", "waiting", "refused").personal(db, "email")
		id := save(t, db, s)
		publish(t, db, "edited", id)
		under := claim(t, db, "refused", id)
		planAll(t, db, 3)
		deliver(t, db, id)
		letter := write(t, db, id)
		reminder := sample(db, "edited").personal(db, "email")
		reminder.Announcement.Kind, reminder.Announcement.Of = announce.KindReminder, id
		later := save(t, db, reminder)
		planAll(t, db, 10)

		n := s.next(db)
		n.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		f := following(db, n)
		f.Announcement.Kind, f.Announcement.Channels = announce.KindCancellation, []string{"email"}
		told, err := db.Change(t.Context(), 1, n, Change{Follow: &f, Close: true})
		if must(t, err); !told {
			t.Error("nobody hears of it")
		}
		d := under.Delivery
		d.Calling, d.Next = announce.Nothing, db.Now()
		record(t, db, under, d)
		end(t, db, refused(letter, func(d *announce.Delivery) { d.Next = db.Now().Add(time.Second) }))
		p.clock.forward(time.Minute)
		planAll(t, db, 10)
		none(t, db, "waiting", id)
		none(t, db, "refused", id)
		none(t, db, "edited", later)
		for _, id := range []announce.ID{id, later} {
			b := lease(t, db, id, 10)
			for _, l := range b.Letters {
				if began, _, err := db.Advance(t.Context(), nil, l); began != Passed || err != nil {
					t.Errorf("begun after the cancellation: %v %v %+v", began, err, l)
				}
			}
			must(t, db.GiveBack(t.Context(), &b))
			idle(t, db, id)
			balanced(t, db, id, "email")
		}
		if c := claim(t, db, "edited", id); c.Verb != announce.Amend || c.Delivery.CallRev != 2 {
			t.Errorf("%+v", c)
		}
		if _, retracted, err := db.Announcement(t.Context(), later); !retracted || err != nil {
			t.Error("nothing of the reminder was out, and it is still there:", err)
		}
		if c := balanced(t, db, f.Announcement.ID, "email"); c.Planned != 1 {
			t.Errorf("%+v", c)
		}
		if l := deliver(t, db, f.Announcement.ID); l.Address != 1 {
			t.Errorf("%+v", l)
		}

		back := n.next(db)
		back.Plans = n.Plans
		must(t, db.Revise(t.Context(), 2, back))
		for _, account := range []string{"waiting", "refused"} {
			if c := claim(t, db, account, id); c.Verb != announce.Publish || c.Delivery.CallRev != 3 {
				t.Errorf("%s: %+v", account, c)
			}
		}
	})
}

// Cancelled while its reminder is being planned and sent by every server: nothing begins afterwards.
func TestCancelledWhileRemindersLeave(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		const n = 400
		add(t, db, n)
		s := sample(db, "slack").personal(db, "email")
		id := save(t, db, s)
		publish(t, db, "slack", id)
		reminder := sample(db).personal(db, "email")
		reminder.Announcement.Kind, reminder.Announcement.Of = announce.KindReminder, id
		later := save(t, db, reminder)

		var cancelled atomic.Bool
		var begun, late atomic.Int64
		var group sync.WaitGroup
		stop := make(chan struct{})
		for i := range 6 {
			group.Go(func() {
				db := all[i%len(all)]
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, _, err := db.Plan(t.Context(), 20); err != nil {
						t.Error(err)
						return
					}
					for _, id := range []announce.ID{id, later} {
						b, err := db.Lease(t.Context(), "email", id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 5})
						if err != nil {
							t.Error(err)
							return
						}
						for _, l := range b.Letters {
							off := cancelled.Load()
							began, _, err := db.Advance(t.Context(), nil, l)
							if err != nil {
								t.Error(err)
								return
							}
							if began != Begun {
								continue
							}
							if begun.Add(1); off {
								late.Add(1)
							}
							if _, _, err := db.Advance(t.Context(), arrived(l, db.Now()), nil); err != nil {
								t.Error(err)
								return
							}
						}
						if len(b.Letters) > 0 {
							if err := db.GiveBack(t.Context(), &b); err != nil {
								t.Error(err)
								return
							}
						}
					}
				}
			})
		}
		for begun.Load() < n/4 && !t.Failed() {
			runtime.Gosched()
		}
		c := s.next(db)
		c.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		_, err := db.Change(t.Context(), 1, c, Change{Close: true})
		cancelled.Store(true)
		if err != nil {
			t.Error(err)
		}
		after := begun.Load()
		for range 20 { // looks of all servers that could begin something
			if _, _, err := db.Plan(t.Context(), 20); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		group.Wait()
		if late.Load() > 0 || after < n/4 {
			t.Errorf("%d letters began after the cancellation, of %d", late.Load(), begun.Load())
		}
		planAll(t, db, 100)
		for _, id := range []announce.ID{id, later} {
			idle(t, db, id)
			balanced(t, db, id, "email")
		}
	})
}

// A cancellation is brought to every reminder that is out and can be edited, however many there are.
func TestCancelledInEveryReminder(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		const n = turnAtOnce + 10
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 1000)
		add(t, db, n)
		reminder := sample(db).personal(db, "email")
		reminder.Announcement.Kind, reminder.Announcement.Of, reminder.Announcement.OfRev = announce.KindReminder, id, 1
		later := save(t, db, reminder)
		planAll(t, db, 1000)
		must(t, raw(db, `UPDATE letters SET shown = 1`))
		must(t, raw(db, `UPDATE tallies SET published = waiting, waiting = 0`))
		balanced(t, db, later, "email")
		renewed := reminder.next(db)
		renewed.Plans = []Plan{{Account: "email", Next: db.Now()}}
		c := s.next(db)
		c.Waves = &Waves{Children: []Submission{renewed}}
		_, err := db.Change(t.Context(), 1, c, Change{Close: true})
		must(t, err)
		planAll(t, db, 1000)
		var edits int
		_, err = db.read().one(t.Context(), `SELECT COUNT(*) FROM letters WHERE wanted = 1 AND shown = 1 AND rev = 2`, nil, &edits)
		must(t, err)
		if edits != n {
			t.Errorf("%d of %d reminders are edited", edits, n)
		}
	})
}
