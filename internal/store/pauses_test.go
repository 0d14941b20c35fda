package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// gone is a letter whose address was said not to exist.
func gone(l *Letter, group string) *Ended {
	e := refused(l, func(d *announce.Delivery) { d.Rest, d.Fault = announce.Failed, "no such user" })
	e.Gone, e.Status, e.Group = true, "550 5.1.1", group
	return e
}

// sendAll sends what is due, and returns to whom.
func sendAll(t *testing.T, db *DB, id announce.ID) (to []int64) {
	t.Helper()
	for {
		b := lease(t, db, id, 100)
		if len(b.Letters) == 0 {
			return to
		}
		for _, l := range b.Letters {
			began, _, err := db.Advance(t.Context(), nil, l)
			if must(t, err); began == Begun {
				if l.Attempts != 1 {
					t.Errorf("the letter to %d was tried %d times", l.Address, l.Attempts)
				}
				to = append(to, l.Address)
				_, _, err = db.Advance(t.Context(), arrived(l, db.Now()), nil)
				must(t, err)
			}
		}
		must(t, db.GiveBack(t.Context(), &b))
	}
}

func TestPausesOfGroups(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx, now := t.Context(), db.Now()
		want := func(until time.Time, since, doubted time.Time, why string) {
			t.Helper()
			all, err := db.GroupPauses(ctx)
			if must(t, err); len(all) != 1 || all[0] != (GroupPause{"email", "example.org", until, since, doubted, why}) {
				t.Fatalf("%+v", all)
			}
		}
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: now.Add(time.Hour), Since: now, Doubted: now, Why: "refuses"}))
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: now.Add(time.Minute), Why: "slow"}))
		want(now.Add(time.Hour), now, now, "refuses")
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: now.Add(2 * time.Hour), Why: "slow"}))
		want(now.Add(2*time.Hour), now, now, "slow")
		p.clock.forward(3 * time.Hour)
		later := db.Now()
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: later.Add(time.Minute), Why: "slow"}))
		want(later.Add(time.Minute), time.Time{}, now, "slow") // it only asks to go slowly now, and is still doubted
		if p.postgres {
			if all, err := p.open(t).GroupPauses(ctx); err != nil || len(all) != 1 {
				t.Errorf("another server knows %+v, %v", all, err)
			}
		}
		p.clock.forward(25 * time.Hour)
		if all, err := db.GroupPauses(ctx); err != nil || len(all) != 0 {
			t.Errorf("kept for more than a day: %+v, %v", all, err)
		}
	})
}

// What is put off waits without an attempt, is due at its time, and at once when the account is resumed.
func TestLettersArePutOff(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 6)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		b := lease(t, db, id, 6)
		until := db.Now().Add(time.Hour)
		for _, l := range b.Letters[:4] {
			l.Next = until
		}
		putOff := func(all []*Letter, paused bool, want int) {
			t.Helper()
			if n, err := db.PutOff(ctx, &b, all, paused); n != want || err != nil {
				t.Fatalf("%d were put off, want %d: %v", n, want, err)
			}
		}
		putOff(b.Letters[:4], true, 0) // somebody ended the pause meanwhile
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: until, Why: "slow"}))
		putOff(b.Letters[:3], true, 3)
		putOff(b.Letters[3:4], false, 1)
		must(t, db.GiveBack(ctx, &b))
		if to := sendAll(t, db, id); !slices.Equal(to, []int64{5, 6}) {
			t.Errorf("sent to %v", to)
		}
		if due, err := db.NextDue(ctx); err != nil || !due.Equal(until) {
			t.Fatal(due, err)
		}
		p.clock.forward(time.Minute)
		must(t, db.ResumeAccount(ctx, "email", "ada"))
		if all, err := db.GroupPauses(ctx); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		// Of a lease that somebody else took over nothing is put off.
		b = lease(t, db, id, 4)
		p.clock.forward(2 * time.Minute)
		other := lease(t, db, id, 4)
		if len(b.Letters) != 4 || len(other.Letters) != 4 {
			t.Fatalf("%d, then %d letters", len(b.Letters), len(other.Letters))
		}
		b.Letters[0].Next = db.Now().Add(time.Hour)
		putOff(b.Letters[:1], false, 0)
		if began, _, err := db.Advance(ctx, nil, other.Letters[0]); began != Begun || err != nil {
			t.Error(began, err)
		}
		balanced(t, db, id, "email")
	})
}

// Resuming an account frees what waits for a pause, also what was tried before; not who sleeps, nor what a server asked to bring later.
func TestResumeLeavesOthersWaiting(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 4)
		must(t, raw(db, `UPDATE addresses SET quiet_from = 420, quiet_to = 1260 WHERE id = 2`)) // it is 8 in Toronto
		s := sample(db).personal(db, "email")
		s.Announcement.Zone = "America/Toronto"
		id := save(t, db, s)
		planAll(t, db, 10)
		later := db.Now().Add(time.Hour)
		b := lease(t, db, id, 4)
		for _, l := range b.Letters {
			if l.Address == 4 {
				continue
			}
			began, _, err := db.Advance(ctx, nil, l)
			if must(t, err); began != Begun {
				t.Fatal(l.Address, began)
			}
			wait := later
			if l.Address == 3 { // it is tried again, and meets a pause
				wait = db.Now().Add(time.Minute)
			}
			_, _, err = db.Advance(ctx, refused(l, func(d *announce.Delivery) { d.Next, d.Fault = wait, "4.2.0 greylisted" }), nil)
			must(t, err)
		}
		must(t, db.PauseGroup(ctx, GroupPause{Account: "email", Group: "example.org", Until: later, Why: "slow"}))
		off := func(b *Batch, address int64) {
			t.Helper()
			for _, l := range b.Letters {
				if l.Address == address {
					l.Next = later
					if n, err := db.PutOff(ctx, b, []*Letter{l}, true); n != 1 || err != nil {
						t.Fatal(n, err)
					}
				}
			}
		}
		off(&b, 4)
		must(t, db.GiveBack(ctx, &b))
		p.clock.forward(time.Minute)
		b = lease(t, db, id, 4)
		if len(b.Letters) != 1 || b.Letters[0].Address != 3 {
			t.Fatalf("%+v", b.Letters)
		}
		off(&b, 3)
		must(t, db.GiveBack(ctx, &b))
		must(t, db.ResumeAccount(ctx, "email", "ada"))
		var to []int64
		for b := lease(t, db, id, 1); len(b.Letters) > 0; b = lease(t, db, id, 1) {
			for _, l := range b.Letters {
				began, _, err := db.Advance(ctx, nil, l)
				if must(t, err); began != Begun {
					t.Fatal(l.Address, began)
				}
				to = append(to, l.Address)
				end(t, db, arrived(l, db.Now()))
			}
		}
		slices.Sort(to)
		if !slices.Equal(to, []int64{3, 4}) {
			t.Errorf("sent to %v: 1 was to be brought later, and 2 sleeps", to)
		}
		balanced(t, db, id, "email")
	})
}

// What a provider at fault did to its addresses is undone, and to no others.
func TestForgive(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 5)
		mail := func() announce.ID {
			id := save(t, db, sample(db).personal(db, "email"))
			planAll(t, db, 10)
			return id
		}
		// The first address is refused a day before, and so has bounced when it is refused again.
		old := mail()
		end(t, db, gone(write(t, db, old), "example.org"))
		p.clock.forward(25 * time.Hour)
		since := db.Now()
		id := mail()
		for i := range 4 {
			end(t, db, gone(write(t, db, id), []string{"example.org", "example.org", "example.net", "example.org"}[i]))
		}
		standing := func() (s string) {
			must(t, db.read().each(ctx, `SELECT standing, hard_at FROM addresses ORDER BY id`, nil, func(scan func(...any) error) error {
				var standing string
				var hard int64
				err := scan(&standing, &hard)
				s += fmt.Sprintf("%s %v; ", standing, hard > 0)
				return err
			}))
			return s
		}
		if s := standing(); s != "bounced true; active true; active true; active true; active false; " {
			t.Fatal(s)
		}
		must(t, raw(db, `UPDATE addresses SET standing = 'unsubscribed' WHERE id = 4`))
		until := db.Now().Add(time.Hour)
		for i, want := range []int{3, 0} {
			if n, err := db.Forgive(ctx, "email", "example.org", since, until); n != want || err != nil {
				t.Errorf("%d, time %d: %v", n, i, err)
			}
		}
		if s := standing(); s != "active true; active false; active true; unsubscribed false; active false; " {
			t.Error(s)
		}
		n := balanced(t, db, id, "email")
		if n.By[announce.FailedState] != 1 || n.By[announce.Waiting] != 4 {
			t.Errorf("%+v", n.By)
		}
		if to := sendAll(t, db, id); !slices.Equal(to, []int64{5}) {
			t.Errorf("sent to %v", to)
		}
		p.clock.forward(time.Hour)
		if to := sendAll(t, db, id); !slices.Equal(to, []int64{1, 2}) {
			t.Errorf("sent to %v after the pause", to)
		}
		if n := balanced(t, db, id, "email"); n.By[announce.Published] != 3 || n.By[announce.FailedState] != 1 || n.By[announce.SkippedState] != 1 {
			t.Errorf("%+v", n.By)
		}
		if n := balanced(t, db, old, "email"); n.By[announce.FailedState] != 1 {
			t.Errorf("what was long before is undone: %+v", n.By)
		}
	})
}

// A mailing with too many bounces or complaints is held: nothing more of it begins until a person says so.
func TestMailingsAreHeld(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 300)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 1000)
		var plan int64
		send := func(n, every int, group string) {
			t.Helper()
			for n > 0 {
				b := lease(t, db, id, n)
				if len(b.Letters) == 0 {
					t.Fatal("nothing is due")
				}
				for i, l := range b.Letters[:min(n, len(b.Letters))] {
					plan, n = l.Plan, n-1
					began, _, err := db.Advance(ctx, nil, l)
					if must(t, err); began != Begun {
						t.Fatal(began)
					}
					e := arrived(l, db.Now())
					if every > 0 && i%every == 0 {
						e = gone(l, group)
					}
					_, _, err = db.Advance(ctx, e, nil)
					must(t, err)
				}
				must(t, db.GiveBack(ctx, &b))
			}
		}
		judge := func(aside string, want bool) {
			t.Helper()
			if held, err := db.Judge(ctx, plan, aside); held != want || err != nil {
				t.Fatalf("held: %v, %v", held, err)
			}
		}
		send(99, 10, "example.org") // 10 of 99
		judge("", false)
		send(1, 0, "")
		judge("example.org", false)
		next := lease(t, db, id, 2)
		judge("", true)
		judge("", false)
		if began, _, err := db.Advance(ctx, nil, next.Letters[0]); began != Held || err != nil {
			t.Errorf("begun although it is held: %v %v", began, err)
		}
		must(t, db.GiveBack(ctx, &next))
		idle(t, db, id)
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 0 {
			t.Errorf("due although it is held: %v %v", jobs, err)
		}
		if due, err := db.NextDue(ctx); err != nil || !due.IsZero() {
			t.Errorf("due at %v, %v", due, err)
		}
		all, err := db.Holds(ctx, id)
		if must(t, err); len(all) != 1 || all[0].Why != "bounces" || all[0].Bad != 10 || all[0].Of != 100 {
			t.Fatalf("%+v", all)
		}
		p.clock.forward(time.Second)
		must(t, db.LetGo(ctx, id, "ada"))
		want(t, db.LetGo(ctx, id, "ada"), ErrNotFound)
		judge("", false) // what was heard before does not count any more
		send(100, 0, "")
		must(t, raw(db, `UPDATE plans SET judged_from = judged_from - 900`)) // as if 900 more had arrived
		complain := func(n int) {
			t.Helper()
			_, err := db.Hear(ctx, Report{ID: fmt.Sprint("c", n), Source: "arf", Class: Spam, Address: int64(5 + n), Plan: plan}, Patience{})
			must(t, err)
		}
		complain(0)
		complain(1)
		judge("", false)
		complain(2)
		judge("", true)
		if all, err := db.Holds(ctx, ""); err != nil || len(all) != 1 || all[0].Why != "complaints" || all[0].Bad != 3 || all[0].Of != 1000 {
			t.Fatalf("%+v, %v", all, err)
		}
		if n := balanced(t, db, id, "email"); n.By[announce.Waiting] != 100 {
			t.Errorf("%+v", n.By)
		}
		// With nothing left to send there is nothing to hold.
		p.clock.forward(time.Second)
		must(t, db.LetGo(ctx, id, "ada"))
		send(100, 2, "example.org")
		judge("", false)
	})
}

// A large mailing goes to a share of its people first, and to the others later.
func TestCanary(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t, func(o *Options) { o.Canary, o.CanaryWait = 0.01, 15*time.Minute })
		ctx := t.Context()
		add(t, db, 1000)
		small := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 300)
		if b := lease(t, db, small, 2000); len(b.Letters) != 1000 {
			t.Fatalf("%d of a small mailing", len(b.Letters))
		}
		added, err := enlist(ctx, db, []Address{{Channel: "email", Address: "one@more.example", Everything: true, Name: "One"}})
		if must(t, err); added != 1 {
			t.Fatal(added)
		}
		must(t, raw(db, `UPDATE plans SET open = 0`))
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 300)
		for range 11 {
			deliver(t, db, id)
		}
		idle(t, db, id)
		n, err := db.Counts(ctx, id, "email")
		if must(t, err); !n.Rest.Equal(db.Now().Add(15 * time.Minute)) {
			t.Errorf("the rest goes at %v", n.Rest)
		}
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 0 {
			t.Errorf("due: %v, %v", jobs, err)
		}
		if due, err := db.NextDue(ctx); err != nil || !due.Equal(n.Rest) {
			t.Errorf("due at %v, %v", due, err)
		}
		p.clock.forward(15 * time.Minute)
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 1 {
			t.Errorf("not due: %v, %v", jobs, err)
		}
		if b := lease(t, db, id, 2000); len(b.Letters) != 990 {
			t.Errorf("%d letters", len(b.Letters))
		}
	})
}

// Mail servers are believed the second time, a day later and not much later; other channels at once.
func TestGoneForGood(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		deed := Deed{Act: Added, How: "test", Basis: "express"}
		_, err := db.AddAddresses(ctx, []Address{mail("ada@example.org"), {Channel: "telegram", Address: "42", Everything: true}}, deed)
		must(t, err)
		refuse := func(account string) {
			t.Helper()
			id := save(t, db, sample(db).personal(db, account))
			planAll(t, db, 10)
			b, err := db.Lease(ctx, account, id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: 1})
			if err != nil || len(b.Letters) != 1 {
				t.Fatalf("%d letters, %v", len(b.Letters), err)
			}
			if began, _, err := db.Advance(ctx, nil, b.Letters[0]); began != Begun || err != nil {
				t.Fatal(began, err)
			}
			end(t, db, gone(b.Letters[0], "example.org"))
		}
		standing := func(channel, address string) Standing {
			t.Helper()
			a, err := db.AddressOf(ctx, channel, address)
			must(t, err)
			return a.Standing
		}
		refuse("telegram")
		if s := standing("telegram", "42"); s != Bounced {
			t.Errorf("who blocked the bot is %s", s)
		}
		for i, step := range []struct {
			wait time.Duration
			want Standing
		}{{0, Active}, {23 * time.Hour, Active}, {bounceWithin, Active}, {25 * time.Hour, Bounced}} {
			p.clock.forward(step.wait)
			refuse("email")
			if s := standing("email", "ada@example.org"); s != step.want {
				t.Errorf("%d: %s, want %s", i, s, step.want)
			}
		}
		proof, err := db.Consents(ctx, 1)
		if err != nil || proof[len(proof)-1].Act != HasBounced {
			t.Errorf("%+v %v", proof, err)
		}
	})
}
