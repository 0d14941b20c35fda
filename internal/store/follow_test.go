package store

import (
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// following is an announcement that tells those who were told of an earlier revision of s.
func following(db *DB, s Submission) Submission {
	f := sample(db).personal(db, "email")
	f.Announcement.Kind, f.Announcement.Of, f.Announcement.OfRev = announce.KindChange, s.Announcement.ID, s.Announcement.Rev
	f.Plans[0].Before = s.Announcement.Rev
	return f
}

// Whoever has an earlier form of a letter hears what changed, whatever their frequency; whoever was not told yet gets the
// new form only; whoever is just being written to gets one of the two when it is known which.
func TestFollow(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 6)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 10)
		deliver(t, db, id)
		deliver(t, db, id)
		arrives, fails := write(t, db, id), write(t, db, id)
		r := s.next(db)
		r.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		must(t, db.Revise(t.Context(), 1, r))
		must(t, raw(db, `UPDATE addresses SET frequency = 'weekly', updated_at = updated_at + 1 WHERE id = 1`))
		child := save(t, db, following(db, r))
		planAll(t, db, 10)
		if c := balanced(t, db, child, "email"); c.Planned != 4 {
			t.Fatalf("follows %d letters, want the two that arrived and the two under way", c.Planned)
		}
		if one, two := deliver(t, db, child), deliver(t, db, child); one.Address != 1 || two.Address != 2 {
			t.Errorf("followed %d and %d", one.Address, two.Address)
		}
		b := lease(t, db, child, 5)
		for _, l := range b.Letters {
			if began, _, err := db.Advance(t.Context(), nil, l); began != Passed || err != nil {
				t.Errorf("begun before it is known what %d got: %v %v", l.Address, began, err)
			}
		}
		must(t, db.GiveBack(t.Context(), &b))
		end(t, db, arrived(arrives, db.Now()))
		end(t, db, refused(fails, func(d *announce.Delivery) { d.Next = db.Now().Add(time.Second) }))
		p.clock.forward(time.Minute)
		if l := deliver(t, db, child); l.Address != arrives.Address {
			t.Errorf("followed %d, want %d", l.Address, arrives.Address)
		}
		b = lease(t, db, child, 5)
		for _, l := range b.Letters {
			if began, _, err := db.Advance(t.Context(), nil, l); began != Passed || err != nil {
				t.Errorf("%d hears of a change of what they did not get: %v %v", l.Address, began, err)
			}
		}
		must(t, db.GiveBack(t.Context(), &b))
		idle(t, db, child)
		if c := balanced(t, db, child, "email"); c.By[announce.Published] != 3 || c.By[announce.Retracted] != 1 {
			t.Errorf("%+v", c)
		}
		for range 3 {
			if l := deliver(t, db, id); l.CallRev != 2 {
				t.Errorf("%+v", l)
			}
		}
		idle(t, db, id)
	})
}
