package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// waving is an announcement with one wave, due in a day, and what is made of it.
func waving(db *DB) (s, child Submission, w Wave) {
	s = sample(db, "slack").personal(db, "email")
	due := db.Now().Add(24 * time.Hour)
	w = Wave{At: "-1d", Due: due, Make: db.Now(), State: WavePlanned}
	s.Waves = &Waves{All: []Wave{w}}
	child = sample(db, "slack").personal(db, "email")
	child.Announcement.Kind, child.Announcement.Of, child.Announcement.OfRev, child.Apart = announce.KindReminder, s.Announcement.ID, 1, 12*time.Hour
	child.Deliveries[0].First, child.Deliveries[0].Next = due, due
	child.Plans[0].First, child.Plans[0].Next = due, due
	w.State, w.Child = WaveMade, child.Announcement.ID
	return s, child, w
}

// However many servers make a wave at once, it is made once; and not of a revision that is not current any more.
func TestWaveIsMadeOnce(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		servers := p.servers(t)
		db := servers[0]
		s, child, w := waving(db)
		id := save(t, db, s)
		if ids, err := db.WavesIn(t.Context(), WavePlanned, db.Now(), 10); err != nil || !slices.Equal(ids, []announce.ID{id}) {
			t.Fatalf("to be made: %v %v", ids, err)
		}
		if made, err := db.MakeWave(t.Context(), id, 2, w, &child); made || err != nil {
			t.Fatalf("made of another revision: %v %v", made, err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		times := 0
		for i := range 8 {
			wg.Go(func() {
				mine := child
				mine.Announcement.ID = announce.NewID(db.Now())
				x := w
				x.Child = mine.Announcement.ID
				made, err := servers[i%len(servers)].MakeWave(t.Context(), id, 1, x, &mine)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if made {
					times++
				}
			})
		}
		wg.Wait()
		rows, err := db.Waves(t.Context(), id)
		must(t, err)
		if times != 1 || len(rows) != 1 || rows[0].State != WaveMade {
			t.Fatalf("made %d times: %+v", times, rows)
		}
		if following, err := db.Following(t.Context(), id); err != nil || len(following) != 1 || following[0].ID != rows[0].Child {
			t.Errorf("%+v %v", following, err)
		}
	})
}

// A revision that does not know of a wave that was made in between is refused; one that stops it leaves nothing of it to do.
func TestRevisionDecidesAboutWaves(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		id := save(t, db, s)
		add(t, db, 3)
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		r := s.next(db)
		r.Waves = &Waves{All: []Wave{{At: "-1d", Due: w.Due, State: WavePlanned}}}
		want(t, db.Revise(t.Context(), 1, r), ErrMade)
		r.Waves.Children = []Submission{child.next(db)}
		r.Waves.Children[0].Announcement.Rev = 5
		r.Waves.All[0] = w
		want(t, db.Revise(t.Context(), 1, r), ErrMade)
		if a, _, err := db.Announcement(t.Context(), id); err != nil || a.Rev != 1 {
			t.Fatalf("%+v %v", a, err)
		}
		r.Waves = &Waves{All: []Wave{{At: "-1d", Due: w.Due, State: WaveDropped}}, Stopped: []announce.ID{w.Child}}
		must(t, db.Revise(t.Context(), 1, r))
		p.clock.forward(25 * time.Hour)
		planAll(t, db, 10)
		none(t, db, "slack", w.Child)
		idle(t, db, w.Child)
		if _, retracted, err := db.Announcement(t.Context(), w.Child); !retracted || err != nil {
			t.Errorf("it still stands: %v", err)
		}
	})
}

// Taking an announcement back ends its waves in the same change: those that were made, and those that were not.
func TestWithdrawEndsWaves(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		s.Waves.All = append(s.Waves.All, Wave{At: "-2h", Due: w.Due.Add(12 * time.Hour), Make: db.Now().Add(time.Hour), State: WavePlanned})
		id := save(t, db, s)
		add(t, db, 3)
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		must(t, db.Withdraw(t.Context(), id, 1, "ada", nil, db.Now()))
		p.clock.forward(48 * time.Hour)
		planAll(t, db, 10)
		none(t, db, "slack", w.Child)
		idle(t, db, w.Child)
		if ids, err := db.WavesIn(t.Context(), WavePlanned, db.Now(), 10); err != nil || len(ids) != 0 {
			t.Errorf("still to be made: %v %v", ids, err)
		}
	})
}

// Who got a letter about the event not long ago, or is about to get one, is left out of a wave's mailing; so is an account
// with a post.
func TestWaveLeavesOutWhoHeard(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		id := save(t, db, s)
		add(t, db, 4)
		planAll(t, db, 10)
		long := deliver(t, db, id)
		p.clock.forward(13 * time.Hour)
		short := deliver(t, db, id)
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		p.clock.forward(11 * time.Hour)
		add2 := people(5)[4:]
		if n, err := enlist(t.Context(), db, add2); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n := planAll(t, db, 2); n != 2 {
			t.Errorf("%d are reminded, want who heard a day ago and who joined since", n)
		}
		var got []int64
		for range 2 {
			got = append(got, deliver(t, db, w.Child).Address)
		}
		if !slices.Contains(got, long.Address) || slices.Contains(got, short.Address) {
			t.Errorf("reminded %v; %d heard a day ago, %d eleven hours ago", got, long.Address, short.Address)
		}
		none(t, db, "slack", w.Child) // the announcement itself is still to be posted there
		if d := only(t, db, w.Child, "slack"); d.State() != announce.SkippedState || d.Fault == "" {
			t.Errorf("%+v", d)
		}
	})
}

// A call whose end nobody knows keeps reminders away as long as a post or letter that it made would, not for ever.
func TestLostCallKeepsRemindersAwayForATime(t *testing.T) {
	for name, c := range map[string]struct {
		before time.Duration
		told   int
	}{"a day before": {24 * time.Hour, 1}, "an hour before": {time.Hour, 0}} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, p *place) {
				db := p.open(t)
				s, child, w := waving(db)
				id := save(t, db, s)
				add(t, db, 1)
				planAll(t, db, 10)
				p.clock.forward(24*time.Hour - c.before)
				post, letter := claim(t, db, "slack", id), write(t, db, id)
				d := post.Delivery
				d.Rest, d.Fault = announce.Person, "did it appear?"
				record(t, db, post, d)
				d = letter.Delivery
				d.Rest, d.Fault = announce.Person, "did it arrive?"
				end(t, db, &Ended{Letter: letter, Delivery: d})
				if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
					t.Fatal(made, err)
				}
				p.clock.forward(c.before)
				if n := planAll(t, db, 10); n != c.told {
					t.Errorf("%d are reminded, want %d", n, c.told)
				}
				if _, ok, err := db.Claim(t.Context(), "slack", w.Child, worker); ok != (c.told == 1) || err != nil {
					t.Errorf("posted: %v %v", ok, err)
				}
			})
		})
	}
}

// Whoever holds an announcement holds what was made of its waves and did not begin: it is made again once it may go. The
// reminders whose moments pass meanwhile are not told.
func TestHeldAnnouncementHoldsItsWaves(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 2)
		wake(t, db)
		s, child, w := waving(db)
		s = s.scheduled(db.Now().Add(time.Hour))
		soon := Wave{At: "-20h", Due: db.Now().Add(4 * time.Hour), Make: db.Now(), State: WavePlanned}
		s.Waves.All = append(s.Waves.All, soon)
		id := save(t, db, s)
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		p.clock.forward(3 * time.Hour)
		if missed := wake(t, db); len(missed) != 1 || missed[0].Announcement.ID != id {
			t.Fatalf("missed %+v", missed)
		}
		if ids, err := db.WavesIn(t.Context(), WavePlanned, db.Now(), 10); err != nil || len(ids) > 0 {
			t.Errorf("to be made: %v %v", ids, err)
		}
		again := child
		again.Announcement.ID = announce.NewID(db.Now())
		x := w
		x.Child = again.Announcement.ID
		if made, err := db.MakeWave(t.Context(), id, 1, x, &again); made || err != nil {
			t.Errorf("made while it is held: %v %v", made, err)
		}
		p.clock.forward(2 * time.Hour)
		if ok, err := db.Release(t.Context(), id, "ada"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		rows, err := db.Waves(t.Context(), id)
		must(t, err)
		if len(rows) != 2 || rows[0].State != WavePast || rows[1].State != WavePlanned || rows[1].Child != "" {
			t.Fatalf("%+v", rows)
		}
		if made, err := db.MakeWave(t.Context(), id, 1, x, &again); !made || err != nil {
			t.Errorf("made when it is released: %v %v", made, err)
		}
		if _, retracted, err := db.Announcement(t.Context(), w.Child); !retracted || err != nil {
			t.Errorf("the first still stands: %v", err)
		}
	})
}

// A reminder's letter that waited is not sent to whoever heard of the event meanwhile.
func TestWaitingReminderLeavesOutWhoHeard(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		s.Deliveries, s.Payloads = nil, s.Payloads[1:]
		id := save(t, db, s)
		add(t, db, 3)
		planAll(t, db, 10)
		for range 3 {
			deliver(t, db, id)
		}
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		p.clock.forward(24 * time.Hour)
		if n := planAll(t, db, 10); n != 3 {
			t.Fatalf("%d are reminded", n)
		}
		reminded := deliver(t, db, w.Child)
		s.Waves = &Waves{All: []Wave{w}}
		_, f, told := followed(t, db, s, Change{}, "email")
		if !told {
			t.Fatal("nobody is told")
		}
		p.clock.forward(time.Hour)
		planAll(t, db, 10)
		heard := deliver(t, db, f.Announcement.ID)
		for heard.Address == reminded.Address {
			heard = deliver(t, db, f.Announcement.ID)
		}
		b := lease(t, db, w.Child, 10)
		got := map[int64]bool{}
		for _, l := range b.Letters {
			began, _, err := db.Advance(t.Context(), nil, l)
			must(t, err)
			if got[l.Address] = began == Begun; began == Begun {
				_, _, err := db.Advance(t.Context(), arrived(l, db.Now()), nil)
				must(t, err)
			}
		}
		must(t, db.GiveBack(t.Context(), &b))
		if len(b.Letters) != 2 || got[heard.Address] {
			t.Errorf("begun: %v; %d just heard of a change", got, heard.Address)
		}
		if c := balanced(t, db, w.Child, "email"); c.By[announce.SkippedState] != 1 || c.By[announce.Published] != 2 {
			t.Errorf("%+v", c)
		}
	})
}

// Nobody notices an edit: whoever has the announcement is reminded, however lately it was edited, or while it is.
func TestAnEditKeepsNoReminderAway(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		s.Deliveries, s.Payloads = nil, s.Payloads[1:]
		id := save(t, db, s)
		add(t, db, 2)
		planAll(t, db, 10)
		deliver(t, db, id)
		deliver(t, db, id)
		if made, err := db.MakeWave(t.Context(), id, 1, w, &child); !made || err != nil {
			t.Fatal(made, err)
		}
		p.clock.forward(24 * time.Hour)
		next := s.next(db)
		next.Waves = &Waves{All: []Wave{w}}
		must(t, db.Revise(t.Context(), 1, next))
		p.clock.forward(time.Second)
		if l := deliver(t, db, id); l.Calling != announce.Amend {
			t.Fatalf("%+v", l)
		}
		edited := write(t, db, id)
		if n := planAll(t, db, 10); n != 2 {
			t.Fatalf("%d are reminded", n)
		}
		end(t, db, arrived(edited, db.Now()))
		deliver(t, db, w.Child)
		p.clock.forward(time.Hour)
		deliver(t, db, w.Child)
	})
}

// However long a wave's mailing takes, its letters begin the quick way while no other mailing tells of the event; else each
// is looked at, and whoever has just heard gets nothing.
func TestAWaveStaysQuick(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s, child, w := waving(db)
		id := save(t, db, s)
		add(t, db, 4)
		planAll(t, db, 10)
		for range 4 {
			deliver(t, db, id)
		}
		idle(t, db, id)
		made, err := db.MakeWave(t.Context(), id, 1, w, &child)
		if must(t, err); !made {
			t.Fatal("the wave was not made")
		}
		p.clock.forward(24 * time.Hour)
		planAll(t, db, 10)
		quick := func(when string, want bool) {
			t.Helper()
			l := write(t, db, w.Child)
			must(t, db.write(t.Context(), func(ctx context.Context, x *tx) error {
				p, err := newRound(x).plan(ctx, l.Plan)
				if err != nil {
					return err
				}
				fresh := *l
				fresh.Delivery = announce.Delivery{Wanted: true, Rev: l.Rev}
				if got := fresh.quick(p, x.now); got != want {
					t.Errorf("%s: quick %v, want %v", when, got, want)
				}
				return nil
			}))
			end(t, db, arrived(l, db.Now()))
		}
		quick("at once", true)
		p.clock.forward(slack + time.Second)
		quick("the first mailing ended a day ago", true)
		must(t, raw(db, `UPDATE plans SET open = 1 WHERE announcement = ?`, string(id))) // as when a person says that a letter did not arrive
		quick("the first mailing goes on", false)
		p.clock.forward(time.Minute)
		idle(t, db, id)
		quick("the first mailing went on meanwhile", false)
	})
}
