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

// rush is letters that leave as fast as several servers can send them.
type rush struct {
	t           *testing.T
	all         []*DB
	cancelled   atomic.Bool
	begun, late atomic.Int64
	stop        chan struct{}
	group       sync.WaitGroup
}

// rushing lets workers plan and send the letters of announcements until halt.
func rushing(t *testing.T, all []*DB, workers int, ids ...announce.ID) *rush {
	r := &rush{t: t, all: all, stop: make(chan struct{})}
	for i := range workers {
		r.group.Go(func() {
			for {
				select {
				case <-r.stop:
					return
				default:
				}
				if err := r.round(all[i%len(all)], ids); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return r
}

func (r *rush) round(db *DB, ids []announce.ID) error {
	ctx := r.t.Context()
	if _, _, err := db.Plan(ctx, 20); err != nil {
		return err
	}
	for _, id := range ids {
		b, err := db.Lease(ctx, "email", id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 5})
		if err != nil {
			return err
		}
		for _, l := range b.Letters {
			off := r.cancelled.Load()
			began, _, err := db.Advance(ctx, nil, l)
			if err != nil {
				return err
			}
			if began != Begun {
				continue
			}
			if r.begun.Add(1); off {
				r.late.Add(1)
			}
			if _, _, err := db.Advance(ctx, arrived(l, db.Now()), nil); err != nil {
				return err
			}
		}
		if len(b.Letters) > 0 {
			if err := db.GiveBack(ctx, &b); err != nil {
				return err
			}
		}
	}
	return nil
}

// cancel accepts a cancellation after so many letters began, lets the servers go on for a while, and halts them. Nothing may
// have begun afterwards.
func (r *rush) cancel(after int64, how func() error) {
	r.t.Helper()
	for r.begun.Load() < after && !r.t.Failed() {
		runtime.Gosched()
	}
	err := how()
	r.cancelled.Store(true)
	if err != nil {
		r.t.Error(err)
	}
	for range 20 { // looks of all servers that could begin something
		if _, _, err := r.all[0].Plan(r.t.Context(), 20); err != nil {
			r.t.Error(err)
		}
	}
	close(r.stop)
	r.group.Wait()
	if r.late.Load() > 0 || r.begun.Load() < after {
		r.t.Errorf("%d letters began after the cancellation, of %d", r.late.Load(), r.begun.Load())
	}
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
		rushing(t, all, 6, id, later).cancel(n/4, func() error {
			c := s.next(db)
			c.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
			_, err := db.Change(t.Context(), 1, c, Change{Close: true})
			return err
		})
		planAll(t, db, 100)
		for _, id := range []announce.ID{id, later} {
			idle(t, db, id)
			balanced(t, db, id, "email")
		}
	})
}

// Cancelled amid the reminder's own mailing, which two servers send while everybody has the announcement: nothing of it begins
// afterwards, everybody who was told of the event hears that it is off, and nobody twice.
func TestCancelledAmidARemindersMailing(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		const n = 300
		add(t, db, n)
		s, child, w := waving(db)
		s.Deliveries, s.Payloads = nil, s.Payloads[1:]
		id := save(t, db, s)
		planAll(t, db, 100)
		for range n {
			deliver(t, db, id)
		}
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		p.clock.forward(24 * time.Hour)
		planAll(t, db, 100)
		var f Submission
		r := rushing(t, all, 2, w.Child)
		r.cancel(n/3, func() error {
			c := s.next(db)
			c.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
			gone := w
			gone.State = WaveDropped
			c.Waves = &Waves{All: []Wave{gone}, Stopped: []announce.ID{w.Child}}
			f = following(db, c)
			f.Announcement.Kind, f.Announcement.Channels = announce.KindCancellation, []string{"email"}
			_, err := db.Change(t.Context(), 1, c, Change{Close: true, Follow: &f})
			return err
		})
		planAll(t, db, 100)
		idle(t, db, w.Child)
		reminded := int(r.begun.Load())
		if c := balanced(t, db, w.Child, "email"); reminded == n || c.By[announce.Published] != reminded || c.By[announce.Published]+c.By[announce.Retracted]+c.By[announce.SkippedState] != n {
			t.Errorf("%d were reminded: %+v", reminded, c)
		}
		told := map[int64]bool{}
		for range n {
			told[deliver(t, db, f.Announcement.ID).Address] = true
		}
		idle(t, db, f.Announcement.ID)
		if len(told) != n {
			t.Errorf("%d of %d hear that it is off", len(told), n)
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
		must(t, raw(db, `UPDATE letters SET shown = 1, told = 1`))
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

// Whoever waits, when the event is called off, for a repeat of a letter that was lost may have it: it is not known, and they hear
// that it is off.
func TestClosedAfterALostCall(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 2)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 10)
		lost := write(t, db, id)
		end(t, db, refused(lost, func(d *announce.Delivery) { d.Repeats, d.Next = 1, db.Now().Add(time.Hour) }))
		other := deliver(t, db, id)
		n := s.next(db)
		n.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		f := following(db, n)
		f.Announcement.Kind, f.Announcement.Channels = announce.KindCancellation, []string{"email"}
		if told, err := db.Change(t.Context(), 1, n, Change{Follow: &f, Close: true}); !told || err != nil {
			t.Fatal(told, err)
		}
		planAll(t, db, 10)
		if c := balanced(t, db, id, "email"); c.By[announce.Unknown] != 1 || c.By[announce.Published] != 1 {
			t.Errorf("%+v", c)
		}
		got := map[int64]bool{deliver(t, db, f.Announcement.ID).Address: true}
		got[deliver(t, db, f.Announcement.ID).Address] = true
		if !got[lost.Address] || !got[other.Address] {
			t.Errorf("told %v", got)
		}
		p.clock.forward(2 * time.Hour)
		idle(t, db, id)
	})
}

// Whoever's letter is about to be repeated after its call was lost, by a server that died while the event was called off, hears
// that it is off: between the look at the lost call and the repeat nothing is on record as called.
func TestClosedWhileACallIsLost(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 1)
		for _, early := range []bool{true, false} { // whether people to tell are found before that moment
			s := sample(db).personal(db, "email")
			id := save(t, db, s)
			planAll(t, db, 10)
			lost := write(t, db, id)
			n := s.next(db)
			n.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
			f := following(db, n)
			f.Announcement.Kind, f.Announcement.Channels = announce.KindCancellation, []string{"email"}
			if told, err := db.Change(t.Context(), 1, n, Change{Follow: &f, Close: true}); !told || err != nil {
				t.Fatal(told, err)
			}
			if early {
				planAll(t, db, 10)
			}
			end(t, db, refused(lost, func(d *announce.Delivery) { d.Cuts, d.Next = 1, db.Now().Add(time.Second) }))
			planAll(t, db, 10)
			silent := func(id announce.ID) {
				t.Helper()
				b := lease(t, db, id, 1)
				if len(b.Letters) != 1 {
					t.Fatalf("early %t: %d letters are due", early, len(b.Letters))
				}
				if began, _, err := db.Advance(t.Context(), nil, b.Letters[0]); began == Begun || err != nil {
					t.Fatalf("early %t: %v %v", early, began, err)
				}
			}
			silent(f.Announcement.ID) // it waits for what becomes of the repeat
			p.clock.forward(2 * time.Minute)
			silent(id)
			if c := balanced(t, db, id, "email"); c.By[announce.Unknown] != 1 {
				t.Errorf("%+v", c)
			}
			p.clock.forward(2 * time.Minute)
			if got := deliver(t, db, f.Announcement.ID); got.Address != lost.Address {
				t.Errorf("told %d", got.Address)
			}
		}
	})
}
