package store

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// scheduled is s, to be published at a moment.
func (s Submission) scheduled(at time.Time) Submission {
	s.Announcement.At = announce.When{Wall: at.Format("2006-01-02T15:04:05"), Zone: "UTC", Instant: at}
	for i := range s.Deliveries {
		s.Deliveries[i].First, s.Deliveries[i].Next = at, at
	}
	for i := range s.Plans {
		s.Plans[i].First, s.Plans[i].Next = at, at
	}
	return s
}

// wake is a server that starts.
func wake(t testing.TB, db *DB) []Missed {
	t.Helper()
	missed, behind, err := db.Wake(t.Context(), announce.MissedHold, false)
	must(t, err)
	if behind {
		t.Fatal("the clock is behind")
	}
	return missed
}

func due(t testing.TB, db *DB) int {
	t.Helper()
	jobs, err := db.Due(t.Context(), 10_000)
	must(t, err)
	return len(jobs)
}

// What fell into the time in which no server ran is held, fired or skipped as it says itself or as the server does; what
// is late by at most an hour is published.
func TestMissedWhileDown(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		now := db.Now()
		if missed := wake(t, db); len(missed) > 0 {
			t.Fatalf("%+v", missed)
		}
		make := func(at time.Duration, how announce.IfMissed) announce.ID {
			s := sample(db, "slack").personal(db, "email").scheduled(now.Add(at))
			s.Announcement.IfMissed = how
			return save(t, db, s)
		}
		before := make(-time.Hour, "") // its time was over when it was accepted: at once
		held, fired, skipped := make(time.Hour, ""), make(2*time.Hour, announce.MissedFire), make(3*time.Hour, announce.MissedSkip)
		over := sample(db, "slack").scheduled(now.Add(4 * time.Hour))
		over.Announcement.Event = &announce.Event{Start: announce.When{Instant: now.Add(24 * time.Hour)}}
		over.Announcement.Kind = announce.KindEvent
		past := save(t, db, over)
		late, ahead := make(72*time.Hour-time.Hour, ""), make(73*time.Hour, "")
		p.clock.forward(72 * time.Hour)
		got := map[announce.ID]announce.IfMissed{}
		for _, m := range wake(t, db) {
			got[m.Announcement.ID] = m.What
		}
		if len(got) != 3 || got[held] != announce.MissedHold || got[fired] != announce.MissedFire || got[skipped] != announce.MissedSkip {
			t.Fatalf("missed %v", got)
		}
		if again := wake(t, db); len(again) > 0 {
			t.Errorf("a second server finds %+v", again)
		}
		ready := map[announce.ID]bool{}
		jobs, err := db.Due(t.Context(), 100)
		must(t, err)
		for _, j := range jobs {
			ready[j.Announcement] = true
		}
		for id, want := range map[announce.ID]bool{before: true, held: false, fired: true, skipped: false, past: true, late: true, ahead: false} {
			if ready[id] != want {
				t.Errorf("%s is due: %v, want %v", id, ready[id], want)
			}
		}
		if d := only(t, db, skipped, "slack"); d.Rest != announce.Skipped || d.Fault == "" {
			t.Errorf("%+v", d)
		}
		planAll(t, db, 100)
		for id, want := range map[announce.ID]int{before: 3, held: 0, fired: 3, skipped: 0, late: 3, ahead: 0} {
			if n := balanced(t, db, id, "email"); n.Planned != want {
				t.Errorf("%s has %d letters, want %d", id, n.Planned, want)
			}
		}
		none(t, db, "slack", held)
	})
}

// A held announcement goes when it is released, amended or taken back, and by nothing else.
func TestRelease(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		wake(t, db)
		var subs []Submission
		for range 3 {
			s := sample(db, "slack").personal(db, "email").scheduled(db.Now().Add(time.Hour))
			save(t, db, s)
			subs = append(subs, s)
		}
		p.clock.forward(72 * time.Hour)
		if missed := wake(t, db); len(missed) != 3 {
			t.Fatalf("%d are held", len(missed))
		}
		p.clock.forward(72 * time.Hour)
		if n := due(t, db); n != 0 {
			t.Fatalf("%d are due", n)
		}
		if missed := wake(t, db); len(missed) != 0 {
			t.Errorf("held anew: %+v", missed)
		}
		released, amended, retracted := subs[0].Announcement.ID, subs[1].Announcement.ID, subs[2].Announcement.ID
		for i, want := range []bool{true, false} {
			if ok, err := db.Release(t.Context(), released, "ada"); ok != want || err != nil {
				t.Errorf("release %d: %v %v", i, ok, err)
			}
		}
		next := subs[1].next(db).scheduled(db.Now())
		must(t, db.Revise(t.Context(), 1, next))
		must(t, db.Withdraw(t.Context(), retracted, 1, "ada", nil, db.Now()))
		if ok, err := db.Release(t.Context(), retracted, "ada"); ok || err != nil {
			t.Errorf("what was taken back is released: %v %v", ok, err)
		}
		held, err := db.HeldAnnouncements(t.Context())
		if must(t, err); len(held) != 0 {
			t.Errorf("%d are held still", len(held))
		}
		planAll(t, db, 100)
		for _, id := range []announce.ID{released, amended} {
			if d := publish(t, db, "slack", id); !d.First.Equal(db.Now()) {
				t.Errorf("it says that it was due at %v", d.First)
			}
			for range 3 {
				if l := deliver(t, db, id); !l.First.Equal(db.Now()) {
					t.Errorf("a letter says that it was due at %v", l.First)
				}
			}
			idle(t, db, id)
		}
		none(t, db, "slack", retracted)
		idle(t, db, retracted)
		if n := balanced(t, db, retracted, "email"); n.Planned != 0 {
			t.Errorf("%d letters of what was taken back", n.Planned)
		}
	})
}

// A clock that is behind the last sign of life tells nothing of the time between, until it has caught up or is believed.
func TestWakeWithAClockBehind(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		wake(t, db)
		id := save(t, db, sample(db, "slack").scheduled(db.Now().Add(time.Hour)))
		p.clock.forward(-2 * time.Hour)
		if _, behind, err := db.Wake(t.Context(), announce.MissedHold, false); !behind || err != nil {
			t.Fatalf("behind %v, %v", behind, err)
		}
		p.clock.forward(72 * time.Hour)
		if missed := wake(t, db); len(missed) != 1 || missed[0].Announcement.ID != id {
			t.Fatalf("%+v", missed)
		}
		p.clock.forward(-96 * time.Hour)
		if _, behind, err := db.Wake(t.Context(), announce.MissedHold, true); behind || err != nil {
			t.Fatalf("behind %v, %v", behind, err)
		}
		if missed := wake(t, db); len(missed) != 0 {
			t.Errorf("%+v", missed)
		}
	})
}

// Of a thousand announcements missed at once, by two servers that start together, each is held once.
func TestManyMissed(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		servers := p.servers(t)
		db := servers[0]
		wake(t, db)
		const many = 1000
		var g sync.WaitGroup
		at := db.Now().Add(time.Hour)
		for i := range 8 {
			g.Go(func() {
				for range many / 8 {
					save(t, servers[i%len(servers)], sample(db, "slack").scheduled(at))
				}
			})
		}
		g.Wait()
		p.clock.forward(3 * time.Hour)
		found := make(chan int, len(servers))
		for _, s := range servers {
			g.Go(func() {
				missed, _, err := s.Wake(t.Context(), announce.MissedHold, false)
				if err != nil {
					t.Error(err)
				}
				found <- len(missed)
			})
		}
		g.Wait()
		sum := 0
		for range servers {
			sum += <-found
		}
		if sum != many || due(t, db) != 0 {
			t.Errorf("%d held, %d due", sum, due(t, db))
		}
	})
}

// What is scheduled leaves in its last form, in time and never before, whatever was done to it while it waited; nothing of
// what was taken back leaves. With letters.
func TestNothingOldOfWhatIsScheduled(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		start := db.Now()
		for what, c := range map[string]struct {
			at    []time.Duration // of each revision
			taken bool
		}{
			"later":      {at: []time.Duration{time.Hour, 3 * time.Hour}},
			"sooner":     {at: []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour}},
			"taken back": {at: []time.Duration{time.Hour, 2 * time.Hour}, taken: true},
		} {
			s := sample(db, "slack").personal(db, "email").scheduled(start.Add(c.at[0]))
			id := save(t, db, s)
			for _, at := range c.at[1:] {
				s = s.next(db).scheduled(start.Add(at))
				must(t, db.Revise(t.Context(), s.Announcement.Rev-1, s))
			}
			if c.taken {
				must(t, db.Withdraw(t.Context(), id, s.Announcement.Rev, "ada", nil, db.Now()))
			}
			last := c.at[len(c.at)-1]
			for _, at := range append([]time.Duration{last - time.Microsecond}, c.at...) {
				if at < last || c.taken {
					p.clock.forward(start.Add(at).Sub(db.Now()))
					planAll(t, db, 100)
					none(t, db, "slack", id)
					idle(t, db, id)
				}
			}
			p.clock.forward(start.Add(last).Sub(db.Now()))
			planAll(t, db, 100)
			if c.taken {
				none(t, db, "slack", id)
				idle(t, db, id)
			} else {
				if got := claim(t, db, "slack", id).Message.Rev; got != len(c.at) {
					t.Errorf("%s: revision %d is published", what, got)
				}
				for range 3 {
					if l := deliver(t, db, id); l.CallRev != len(c.at) {
						t.Errorf("%s: a letter of revision %d", what, l.CallRev)
					}
				}
				idle(t, db, id)
			}
			p.clock.forward(start.Sub(db.Now()))
		}
	})
}

// A document that cannot be read keeps nobody from work.
func TestMissedAndUnreadable(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		wake(t, db)
		id := save(t, db, sample(db, "slack").scheduled(db.Now().Add(time.Hour)))
		must(t, raw(db, `UPDATE revisions SET document = ?`, `{"event": 1}`))
		p.clock.forward(3 * time.Hour)
		if missed := wake(t, db); len(missed) != 1 || missed[0].Announcement.ID != id || due(t, db) != 0 {
			t.Errorf("%+v, %d due", missed, due(t, db))
		}
	})
}

// A rehearsal is one server's, comes the lead before its announcement, and again after an amendment.
func TestRehearsalsAreTakenOnce(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		servers := p.servers(t)
		db, other := servers[0], servers[len(servers)-1]
		const lead = 24 * time.Hour
		s := sample(db, "slack").scheduled(db.Now().Add(lead + time.Hour))
		id := save(t, db, s)
		now := save(t, db, sample(db, "slack")) // nothing to rehearse
		list := func(want ...announce.ID) {
			t.Helper()
			ids, err := db.ToRehearse(t.Context(), lead)
			if must(t, err); !slices.Equal(ids, want) {
				t.Fatalf("%v are to be rehearsed, want %v", ids, want)
			}
		}
		take := func(db *DB, id announce.ID, want bool) {
			t.Helper()
			if ours, err := db.TakeRehearsal(t.Context(), id, lead); ours != want || err != nil {
				t.Fatalf("taken %v, %v; want %v", ours, err, want)
			}
		}
		put := func(rev int, findings ...announce.Concern) {
			t.Helper()
			must(t, db.PutRehearsal(t.Context(), id, Rehearsal{rev, db.Now(), findings}, "ada"))
		}
		last := func(rev, findings int) {
			t.Helper()
			got, err := other.Schedule(t.Context(), id)
			must(t, err)
			if r := got.Rehearsal; (r == nil) != (rev == 0) || r != nil && (r.Rev != rev || len(r.Findings) != findings) {
				t.Fatalf("%+v", r)
			}
		}
		list()
		take(db, now, false)
		put(1) // by hand, before
		last(1, 0)
		p.clock.forward(time.Hour)
		list(id)
		take(db, id, true)
		take(other, id, false)
		list()
		last(0, 0)
		p.clock.forward(rehearsing) // whoever took it died
		list(id)
		take(other, id, true)
		put(1, announce.Concern{Probe: "link", Finding: announce.Finding{What: "x", Do: "y"}})
		last(1, 1)
		list()
		take(db, id, false)
		s = s.next(db).scheduled(s.Announcement.At.Instant)
		must(t, db.Revise(t.Context(), 1, s))
		list(id)
		take(db, id, true)
		put(2)
		put(1, announce.Concern{Probe: "link"}) // of somebody who was slower
		last(2, 0)
		list()
		must(t, db.Withdraw(t.Context(), id, 2, "ada", nil, db.Now()))
		list()
	})
}
