package store

import (
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestAmendedWhileWaiting(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack", "webhook")
		first := db.Now().Add(2 * time.Second)
		s.Deliveries[0].Next = first
		id := save(t, db, s)
		for rev := 1; rev <= 3; rev++ {
			p.clock.forward(time.Second)
			s = s.next(db)
			must(t, db.Revise(t.Context(), rev, s))
		}
		c := claim(t, db, "slack", id)
		due := first.Add(-time.Second) // the first amendment brought it forward; from then on it was due
		if c.Verb != announce.Publish || c.Delivery.CallRev != 4 || !c.Message.Date.Equal(due) {
			t.Errorf("%+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		none(t, db, "slack", id)
	})
}

// An amendment lifts what rests, and what the channel cannot do rests only where there is something to be seen.
func TestReviseWakes(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "failed", "shown", "waiting", "dropped", "calling")
		id := save(t, db, s)
		c := claim(t, db, "failed", id)
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, "refused"
		record(t, db, c, d)
		publish(t, db, "shown", id)
		publish(t, db, "dropped", id)
		calling := claim(t, db, "calling", id)

		n := s.next(db)
		n.Deliveries = append(n.Deliveries[:3:3], n.Deliveries[4], announce.Delivery{Account: "fresh", Language: "fr", Wanted: true, Rev: 2, Next: db.Now()})
		n.Payloads = append(n.Payloads, Payload{Account: "fresh", Language: "fr", Message: announce.Message{Rev: 2, Text: "un, 2"}})
		for i := range n.Deliveries[:4] {
			n.Deliveries[i].Rest, n.Deliveries[i].Fault = announce.Cannot, "edit it by hand"
		}
		must(t, db.Revise(t.Context(), 1, n))
		for account, state := range map[string]announce.State{"failed": announce.Waiting, "shown": announce.Published, "waiting": announce.Waiting,
			"dropped": announce.Waiting, "fresh": announce.Waiting, "calling": announce.CallingNow} {
			if d := only(t, db, id, account); d.State() != state || d.Attempts > 1 {
				t.Errorf("%s: %v %+v", account, d.State(), d)
			}
		}
		if d := only(t, db, id, "shown"); d.Rest != announce.Cannot || d.Fault != "edit it by hand" || d.Rev != 2 || d.Shown != 1 {
			t.Errorf("shown: %+v", d)
		}
		if d := only(t, db, id, "failed"); d.Rest != announce.Moving || d.Fault != "" || d.Attempts != 0 {
			t.Errorf("failed: %+v", d)
		}
		if c := claim(t, db, "dropped", id); c.Verb != announce.Retract {
			t.Errorf("dropped: %+v", c)
		}
		record(t, db, calling, shown(calling, db.Now()))
		if c := claim(t, db, "calling", id); c.Verb != announce.Amend {
			t.Errorf("calling: %+v", c)
		}
	})
}

// A refusal of revision 1 that arrives after revision 2 does not hold revision 2 up.
func TestAmendedDuringACallThatIsRefused(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		id := save(t, db, s)
		c := claim(t, db, "slack", id)
		must(t, db.Revise(t.Context(), 1, s.next(db)))
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, "too long"
		record(t, db, c, d)
		if c := claim(t, db, "slack", id); c.Verb != announce.Publish || c.Delivery.CallRev != 2 || c.Delivery.Attempts != 1 || c.Delivery.Fault != "" {
			t.Errorf("%+v", c)
		}
	})
}

// One post per account stays one when its language changes.
func TestRevisedInAnotherLanguage(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack")
		id := save(t, db, s)
		was := publish(t, db, "slack", id)
		n := s.next(db)
		n.Payloads[0].Language, n.Deliveries[0].Language = "en", "en"
		must(t, db.Revise(t.Context(), 1, n))
		c := claim(t, db, "slack", id)
		if c.Verb != announce.Amend || c.Delivery.ID != was.ID || c.Delivery.Language != "en" || c.Message.Text != "un, 2" {
			t.Errorf("%+v", c)
		}
	})
}

func TestWithdraw(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "waiting", "calling", "shown", "opaque", "refused", "unknown")
		id := save(t, db, s)
		calling := claim(t, db, "calling", id)
		publish(t, db, "shown", id)
		publish(t, db, "opaque", id)
		c := claim(t, db, "refused", id)
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, "refused"
		record(t, db, c, d)
		c = claim(t, db, "unknown", id)
		d = c.Delivery
		d.Rest, d.Fault = announce.Person, "did it appear?"
		record(t, db, c, d)

		must(t, db.Withdraw(t.Context(), id, 1, "ada", map[string]string{"opaque": "delete it by hand", "waiting": "not used"}, db.Now()))
		if _, retracted, err := db.Announcement(t.Context(), id); !retracted || err != nil {
			t.Fatal(retracted, err)
		}
		for account, state := range map[string]announce.State{"waiting": announce.Retracted, "calling": announce.CallingNow, "shown": announce.Waiting,
			"opaque": announce.Published, "refused": announce.Retracted, "unknown": announce.Unknown} {
			if d := only(t, db, id, account); d.State() != state || d.Wanted {
				t.Errorf("%s: %v %+v", account, d.State(), d)
			}
		}
		if d := only(t, db, id, "opaque"); d.Rest != announce.Cannot || d.Fault != "delete it by hand" {
			t.Errorf("opaque: %+v", d)
		}
		none(t, db, "waiting", id)
		record(t, db, calling, shown(calling, db.Now()))
		for _, account := range []string{"calling", "shown"} {
			c := claim(t, db, account, id)
			if c.Verb != announce.Retract {
				t.Errorf("%s: %+v", account, c)
			}
			record(t, db, c, shown(c, db.Now()))
			if d := only(t, db, id, account); d.State() != announce.Retracted {
				t.Errorf("%s: %+v", account, d)
			}
		}
		// A person saw that the lost call had arrived: it is taken away too.
		_, err := db.SettleByPerson(t.Context(), d.ID, func(d announce.Delivery) (announce.Delivery, error) {
			d.Calling, d.Rest, d.Fault, d.Shown, d.Receipt = announce.Nothing, announce.Moving, "", d.CallRev, announce.Receipt{ID: "seen"}
			return d, nil
		}, "ada")
		must(t, err)
		if c := claim(t, db, "unknown", id); c.Verb != announce.Retract {
			t.Errorf("unknown: %+v", c)
		}
	})
}

// A refusal that arrives after a withdrawal leaves nothing to attend to.
func TestWithdrawnDuringACallThatIsRefused(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		id := save(t, db, sample(db, "slack"))
		c := claim(t, db, "slack", id)
		must(t, db.Withdraw(t.Context(), id, 1, "ada", nil, db.Now()))
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, "too long"
		record(t, db, c, d)
		if d := only(t, db, id, "slack"); d.State() != announce.Retracted || d.Todo() != announce.Nothing {
			t.Errorf("%v %+v", d.State(), d)
		}
	})
}

func TestSettleByPerson(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		id := save(t, db, sample(db, "slack"))
		c := claim(t, db, "slack", id)
		again := func(d announce.Delivery) (announce.Delivery, error) {
			d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Moving, ""
			return d, nil
		}
		_, err := db.SettleByPerson(ctx, c.Delivery.ID, again, "ada")
		want(t, err, ErrFenced)
		p.clock.forward(2 * time.Minute)
		_, err = db.SettleByPerson(ctx, c.Delivery.ID, func(d announce.Delivery) (announce.Delivery, error) { return d, ErrStale }, "ada")
		want(t, err, ErrStale)
		d, err := db.SettleByPerson(ctx, c.Delivery.ID, again, "ada")
		if err != nil || d.State() != announce.Waiting {
			t.Fatal(d, err)
		}
		want(t, db.Record(ctx, c.Fence, shown(c, db.Now())), ErrFenced)
		if got := claim(t, db, "slack", id); got.Verb != announce.Publish {
			t.Errorf("%+v", got)
		}
		_, err = db.SettleByPerson(ctx, "nothing", again, "ada")
		want(t, err, ErrNotFound)
	})
}

func TestSkip(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 10)
		s := sample(db, "slack", "twitter").personal(db, "email")
		id := save(t, db, s)
		if _, n, err := db.Plan(ctx, 4); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		deliver(t, db, id)
		for _, account := range []string{"slack", "email"} {
			must(t, db.Skip(ctx, account, id, "the event is over", "worker"))
		}
		none(t, db, "slack", id)
		idle(t, db, id)
		if done, n, err := db.Plan(ctx, 4); !done || n != 0 || err != nil {
			t.Errorf("planned on after a skip: %v %d %v", done, n, err)
		}
		if d := only(t, db, id, "slack"); d.State() != announce.SkippedState || d.Fault != "the event is over" {
			t.Errorf("%+v", d)
		}
		if n := balanced(t, db, id, "email"); !n.Done || n.By[announce.SkippedState] != 3 || n.By[announce.Published] != 1 {
			t.Errorf("%+v", n)
		}
		// The worker may also find out after it claimed.
		c := claim(t, db, "twitter", id)
		d := c.Delivery
		d.Calling, d.Attempts, d.Rest, d.Fault = announce.Nothing, d.Attempts-1, announce.Skipped, "the event is over"
		record(t, db, c, d)
		// Postponed: everybody is told after all.
		must(t, db.Revise(ctx, 1, s.next(db)))
		claim(t, db, "slack", id)
		claim(t, db, "twitter", id)
		if n := planAll(t, db, 4); n != 6 {
			t.Errorf("planned %d more", n)
		}
		if n := balanced(t, db, id, "email"); n.Planned != 10 || n.By[announce.Waiting] != 9 || n.By[announce.Published] != 1 {
			t.Errorf("%+v", n)
		}
	})
}
