package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// The SQL of a letter's todo and state says what announce.Delivery says, whatever a letter holds.
func TestLetterStates(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		var all []Letter
		for _, wanted := range []bool{true, false} {
			for _, shown := range []int{0, 1, 2, 3} {
				for _, calling := range []announce.Verb{announce.Nothing, announce.Publish, announce.Amend, announce.Retract} {
					for _, rest := range []announce.Rest{announce.Moving, announce.Failed, announce.Skipped, announce.Person, announce.Cannot} {
						for _, fault := range []string{"", "broken"} {
							for looks := range 2 {
								l := Letter{Plan: 1, Address: int64(len(all) + 1)}
								l.Delivery = announce.Delivery{Wanted: wanted, Rev: 2, Shown: shown, Calling: calling, Rest: rest, Fault: fault, Looks: looks}
								all = append(all, l)
							}
						}
					}
				}
			}
		}
		must(t, db.write(t.Context(), func(ctx context.Context, x *tx) error {
			for i := range all {
				if _, err := x.exec(ctx, `INSERT INTO letters (plan, address, language, wanted, rev, first_due, next) VALUES (1, ?, 'fr', 1, 1, 0, 0)`, all[i].Address); err != nil {
					return err
				}
				if err := x.putLetter(ctx, announce.Waiting, &all[i]); err != nil {
					return err
				}
			}
			return nil
		}))
		n := 0
		must(t, db.read().each(t.Context(), `SELECT address, `+letterTodo+`, `+letterState+` FROM letters`, nil, func(scan func(...any) error) error {
			var address int
			var todo announce.Verb
			var state announce.State
			err := scan(&address, &todo, &state)
			if l := all[address-1]; todo != l.Todo() || state != l.State() {
				t.Errorf("%+v: %q %q, want %q %q", l, todo, state, l.Todo(), l.State())
			}
			n++
			return err
		}))
		if n != len(all) {
			t.Errorf("%d of %d", n, len(all))
		}
	})
}

func TestAudience(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		people := []struct {
			name, language, standing, frequency string
			everything                          int
			paused                              time.Duration
			topics                              []string
		}{
			{name: "all", standing: "active", frequency: "now", everything: 1},
			{name: "go", language: "en", standing: "active", frequency: "now", topics: []string{"go"}},
			{name: "news", language: "fr-CA", standing: "active", frequency: "now", topics: []string{"news"}},
			{name: "board", language: "en-US", standing: "active", frequency: "now", everything: 1, topics: []string{"board"}},
			{name: "weekly", standing: "active", frequency: "weekly", everything: 1},
			{name: "pending", standing: "pending", frequency: "now", everything: 1},
			{name: "gone", standing: "unsubscribed", frequency: "now", everything: 1},
			{name: "paused", standing: "active", frequency: "now", everything: 1, paused: time.Hour},
		}
		must(t, db.write(ctx, func(ctx context.Context, x *tx) error {
			for _, topic := range []string{"go", "news", "board"} {
				if _, err := x.exec(ctx, `INSERT INTO topics (name, private, labels, place) VALUES (?, ?, '{}', 0)`, topic, flag(topic == "board")); err != nil {
					return err
				}
			}
			for i, m := range people {
				paused := int64(0)
				if m.paused > 0 {
					paused = us(db.Now().Add(m.paused))
				}
				if _, err := x.exec(ctx, `INSERT INTO addresses (id, channel, mailbox, address, name, language, standing, paused_until, frequency, everything, created_at, updated_at)
					VALUES (?, 'email', ?, ?, '', ?, ?, ?, ?, ?, 1, 1)`, i+1, m.name, m.name, m.language, m.standing, paused, m.frequency, m.everything); err != nil {
					return err
				}
				if m.standing == "pending" {
					if err := x.agree(ctx, int64(i+1), Deed{Act: Asked, How: "form"}); err != nil {
						return err
					}
				}
				for _, topic := range m.topics {
					if _, err := x.exec(ctx, `INSERT INTO subscriptions (address, topic) VALUES (?, ?)`, i+1, topic); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		for name, c := range map[string]struct {
			topics    []string
			languages []announce.Language
			want      []string
		}{
			"no topics: everybody, and who chose the kind":     {want: []string{"all", "news", "board"}},
			"a public topic: its readers too":                  {topics: []string{"go"}, want: []string{"all", "go", "news", "board"}},
			"where topics are any words":                       {topics: []string{"rust"}, want: []string{"all", "news", "board"}},
			"a word that is only shown picks nobody":           {topics: []string{"#go"}, want: []string{"all", "news", "board"}},
			"a private topic beside a word that is only shown": {topics: []string{"board", "#go"}, want: []string{"board"}},
			"a private topic alone stays among its readers":    {topics: []string{"board"}, want: []string{"board"}},
			"a private and a public topic":                     {topics: []string{"board", "go"}, want: []string{"all", "go", "news", "board"}},
			"English readers":                                  {topics: []string{"go"}, languages: []announce.Language{"en"}, want: []string{"go", "board"}},
			"French readers, and who chose no language":        {languages: []announce.Language{"fr-FR"}, want: []string{"all", "news"}},
			"German readers":                                   {languages: []announce.Language{"de"}},
			"English and French readers":                       {topics: []string{"go"}, languages: []announce.Language{"de", "en", "fr"}, want: []string{"all", "go", "news", "board"}},
			"a private topic, for readers of another language": {topics: []string{"board"}, languages: []announce.Language{"fr"}},
		} {
			s := sample(db).personal(db, "email")
			s.Announcement.Kind, s.Announcement.Topics, s.Announcement.Audience = announce.KindNews, c.topics, c.languages
			id := save(t, db, s)
			planAll(t, db, 2)
			var got []string
			for {
				b := lease(t, db, id, 3)
				if len(b.Letters) == 0 {
					break
				}
				for _, l := range b.Letters {
					got = append(got, l.To)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
			if n, err := db.Audience(ctx, "email", s.Announcement); n != len(c.want) || err != nil {
				t.Errorf("%s: counted %d, %v", name, n, err)
			}
			balanced(t, db, id, "email")
		}
		// A letter to one person; before they confirmed only to ask them, when they asked to join.
		must(t, raw(db, `INSERT INTO consents (address, at, act, how) VALUES (6, 1, 'asked', 'form')`))
		for _, c := range []struct {
			kind announce.Kind
			who  int64
			want int
		}{{announce.KindConfirm, 6, 1}, {announce.KindWelcome, 6, 0}, {announce.KindWelcome, 2, 1}, {announce.KindWelcome, 5, 1}, {announce.KindConfirm, 7, 0}} {
			s := sample(db).personal(db, "email")
			s.Announcement.Kind, s.Plans[0].Only = c.kind, c.who
			id := save(t, db, s)
			planAll(t, db, 10)
			begun := 0
			for _, l := range lease(t, db, id, 10).Letters {
				began, _, err := db.Advance(ctx, nil, l)
				if must(t, err); began == Begun {
					begun++
					end(t, db, arrived(l, db.Now()))
				}
			}
			if begun != c.want {
				t.Errorf("%s to %s: %d letters", c.kind, people[c.who-1].name, begun)
			}
			idle(t, db, id)
			balanced(t, db, id, "email")
		}
		if entries, err := db.Announcements(ctx, "", 100); err != nil || len(entries) != 12 {
			t.Errorf("%d announcements are listed, %v", len(entries), err)
		}
	})
}

func TestQuietHours(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t) // it is 12:00 UTC: 8 in Toronto, 21 in Tokyo
		add(t, db, 3)
		must(t, raw(db, `UPDATE addresses SET quiet_from = 1260, quiet_to = 480 WHERE id <= 2`))
		must(t, raw(db, `UPDATE addresses SET zone = 'Asia/Tokyo' WHERE id = 2`))
		s := sample(db).personal(db, "email")
		s.Announcement.Zone = "America/Toronto"
		id := save(t, db, s)
		planAll(t, db, 10)
		if b := lease(t, db, id, 10); len(b.Letters) != 2 || b.Letters[0].Address != 1 || b.Letters[1].Address != 3 {
			t.Fatalf("%+v", b.Letters)
		}
		end := time.Date(2027, 3, 14, 23, 0, 0, 0, time.UTC)
		if next, err := db.NextDue(t.Context()); err != nil || next.After(end) {
			t.Fatal(next, err)
		}
		p.clock.forward(end.Sub(db.Now()))
		found := false
		for range 2 {
			b := lease(t, db, id, 10)
			found = found || slices.ContainsFunc(b.Letters, func(l *Letter) bool { return l.Address == 2 && l.First.Before(l.Next) })
		}
		if !found {
			t.Error("nobody wrote after the quiet hours")
		}
		balanced(t, db, id, "email")
	})
}

// A refused letter is tried again at its time, and an address that is said not to exist for a day is believed.
func TestTriedAgain(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 2)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		next := db.Now().Add(time.Minute)
		end(t, db, refused(write(t, db, id), func(d *announce.Delivery) { d.Next, d.Fault = next, "busy (451)" }))
		deliver(t, db, id)
		idle(t, db, id)
		if due, err := db.NextDue(ctx); err != nil || !due.Equal(next) {
			t.Fatal(due, err)
		}
		p.clock.forward(time.Minute)
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		l := write(t, db, id)
		if l.Attempts != 2 || l.Fault != "" {
			t.Errorf("%+v", l)
		}
		e := refused(l, func(d *announce.Delivery) { d.Rest, d.Fault = announce.Failed, "no such user (550 5.1.1)" })
		e.Gone, e.Status = true, "550 5.1.1"
		end(t, db, e)
		if n := balanced(t, db, id, "email"); n.By[announce.FailedState] != 1 || n.By[announce.Published] != 1 {
			t.Fatalf("%+v", n)
		}
		idle(t, db, id)
		if jobs, err := db.Due(ctx, 10); err != nil || len(jobs) != 0 {
			t.Fatal("a plan that is over is due", jobs, err)
		}
		for day, standing := range []string{"active", "bounced"} {
			var got string
			_, err := db.read().one(ctx, `SELECT standing FROM addresses WHERE id = ?`, []any{l.Address}, &got)
			if must(t, err); got != standing {
				t.Fatalf("day %d: %s", day, got)
			}
			if standing == "bounced" {
				break
			}
			p.clock.forward(25 * time.Hour)
			id := save(t, db, sample(db).personal(db, "email"))
			planAll(t, db, 10)
			l := write(t, db, id)
			e := refused(l, func(d *announce.Delivery) { d.Rest, d.Fault = announce.Failed, "no such user (550 5.1.1)" })
			e.Gone, e.Status = true, "550 5.1.1"
			end(t, db, e)
		}
		var detail string
		_, err := db.read().one(ctx, `SELECT detail FROM consents WHERE address = ? AND act = 'bounced'`, []any{l.Address}, &detail)
		if must(t, err); detail != "550 5.1.1" {
			t.Errorf("the log of consent says %q", detail)
		}
	})
}

// Whoever takes over a lease that ran out gets what has no result, and what was being called to settle.
func TestALeaseRunsOut(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 10)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		b := lease(t, db, id, 6)
		for _, l := range b.Letters[:3] {
			if began, _, err := db.Advance(ctx, nil, l); began != Begun || err != nil {
				t.Fatal(began, err)
			}
		}
		if _, _, err := db.Advance(ctx, arrived(b.Letters[0], db.Now()), nil); err != nil {
			t.Fatal(err)
		}
		balanced(t, db, id, "email")
		p.clock.forward(30 * time.Second)
		must(t, db.RenewLease(ctx, &b, time.Minute))
		p.clock.forward(59 * time.Second)
		other, err := db.Lease(ctx, "email", id, LeaseOptions{Owner: "other", Lease: time.Minute, Most: 6})
		if must(t, err); len(other.Letters) != 4 {
			t.Fatalf("%d letters while the lease lasts", len(other.Letters))
		}
		p.clock.forward(time.Second)
		over := lease(t, db, id, 6)
		if len(over.Letters) != 5 || over.Letters[0].Todo() != announce.Settle || over.Letters[1].Todo() != announce.Settle || over.Letters[2].Todo() != announce.Publish {
			t.Fatalf("taken over: %+v", over.Letters)
		}
		want(t, db.RenewLease(ctx, &b, time.Minute), ErrFenced)
		if began, fenced, err := db.Advance(ctx, arrived(b.Letters[1], db.Now()), b.Letters[4]); began != Passed || !fenced || err != nil {
			t.Error("the first worker went on", began, fenced, err)
		}
		if began, _, err := db.Advance(ctx, nil, over.Letters[0]); began != Begun || !over.Letters[0].Settling() || err != nil {
			t.Error(began, err)
		}
		must(t, db.GiveBack(ctx, &over))
		balanced(t, db, id, "email")
	})
}

// A worker that dies holds nobody up: the next start on its directory takes its leases back.
func TestLeasesAreTakenBackAtTheStart(t *testing.T) {
	p := sqlitePlace(t)
	db := p.open(t)
	add(t, db, 4)
	id := save(t, db, sample(db).personal(db, "email"))
	planAll(t, db, 10)
	b, err := db.Lease(t.Context(), "email", id, LeaseOptions{Owner: db.Owner(), Lease: time.Hour, Most: 2})
	must(t, err)
	_, _, err = db.Advance(t.Context(), nil, b.Letters[0])
	must(t, err)
	must(t, db.Close())
	db = p.open(t)
	if b := lease(t, db, id, 10); len(b.Letters) != 2 || b.Letters[0].Todo() != announce.Settle {
		t.Fatalf("%+v", b.Letters)
	}
	balanced(t, db, id, "email")
}

// What becomes of a long mailing reaches its letters page by page; none begins against it meanwhile.
func TestTurnedPageByPage(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		const n = turnAtOnce + 2500
		add(t, db, n)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 1000)
		must(t, raw(db, `UPDATE plans SET leased = ?`, n-10)) // as if all but the last had been leased
		must(t, raw(db, `UPDATE letters SET shown = 1, told = 1 WHERE address <= ?`, n-10))
		must(t, raw(db, `UPDATE tallies SET waiting = 10, published = ?`, n-10))
		b := lease(t, db, id, 5)
		r := s.next(db)
		r.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		must(t, db.Revise(ctx, 1, r))
		if began, _, err := db.Advance(ctx, nil, b.Letters[0]); began == Begun || err != nil {
			t.Fatalf("begun in its earlier form, or twice: %v %v", began, err)
		}
		balanced(t, db, id, "email")
		planAll(t, db, 1000)
		if c := balanced(t, db, id, "email"); c.By[announce.Published] != n-10 || c.By[announce.Waiting] != 10 {
			t.Fatalf("%+v", c)
		}
		must(t, db.GiveBack(ctx, &b))
		p.clock.forward(time.Second)
		for i := range 3 {
			if l := write(t, db, id); l.CallRev != 2 {
				t.Fatalf("%d: %+v", i, l)
			}
		}
		must(t, db.Withdraw(ctx, id, 2, "ada", map[string]string{"email": "mail cannot be taken back"}, db.Now()))
		planAll(t, db, 1000)
		if c := balanced(t, db, id, "email"); c.By[announce.Published] != n-10 || c.By[announce.Retracted] != 7 || c.By[announce.CallingNow] != 3 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestPausedAndMovedPeople(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 10)
		b := lease(t, db, id, 3)
		must(t, raw(db, `UPDATE addresses SET paused_until = ?, updated_at = updated_at + 1 WHERE id = 1`, us(db.Now().Add(time.Hour))))
		must(t, raw(db, `UPDATE addresses SET address = 'new@example.org', updated_at = updated_at + 1 WHERE id = 2`))
		for i, want := range []Beginning{Passed, Begun, Begun} {
			if began, _, err := db.Advance(t.Context(), nil, b.Letters[i]); began != want || err != nil {
				t.Errorf("%d: %v %v", i, began, err)
			}
		}
		if to := b.Letters[1].To; to != "new@example.org" {
			t.Errorf("written to %s", to)
		}
		must(t, db.Pause(t.Context(), "email", db.Now().Add(time.Minute), "slow down"))
		if began, fenced, err := db.Advance(t.Context(), arrived(b.Letters[2], db.Now()), b.Letters[0]); began != Held || fenced || err != nil {
			t.Error(began, fenced, err)
		}
		if c := balanced(t, db, id, "email"); fmt.Sprint(c.By) != fmt.Sprint(map[announce.State]int{announce.SkippedState: 1, announce.CallingNow: 1, announce.Published: 1}) {
			t.Errorf("%+v", c)
		}
	})
}
