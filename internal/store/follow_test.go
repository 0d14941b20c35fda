package store

import (
	"maps"
	"strings"
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

// Whoever has only a reminder, because they joined later, hears of a change too, once.
func TestFollowAReminder(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 2)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 10)
		deliver(t, db, id)
		deliver(t, db, id)
		if n, err := enlist(t.Context(), db, []Address{{Channel: "email", Address: "late@example.org", Everything: true}, {Channel: "email", Address: "later@example.org", Everything: true}}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		reminder := sample(db).personal(db, "email")
		reminder.Announcement.Kind, reminder.Announcement.Of, reminder.Announcement.OfRev = announce.KindReminder, id, 1
		later := save(t, db, reminder)
		planAll(t, db, 10)
		for range 3 {
			deliver(t, db, later)
		}
		_, f, _ := followed(t, db, s, Change{}, "email")
		planAll(t, db, 10)
		got := map[int64]bool{}
		for range 3 {
			got[deliver(t, db, f.Announcement.ID).Address] = true
		}
		idle(t, db, f.Announcement.ID)
		if c := balanced(t, db, f.Announcement.ID, "email"); c.Planned != 3 || len(got) != 3 {
			t.Errorf("%v, %+v", got, c)
		}
	})
}

// followed brings s to its next revision, with what tells the change on the given accounts.
func followed(t testing.TB, db *DB, s Submission, c Change, accounts ...string) (next, f Submission, told bool) {
	t.Helper()
	return followedBy(t, db, s, c, func(*Submission) {}, accounts...)
}

// followedBy is followed where vary changes what tells the change.
func followedBy(t testing.TB, db *DB, s Submission, c Change, vary func(*Submission), accounts ...string) (next, f Submission, told bool) {
	t.Helper()
	next = s.next(db)
	for i := range next.Deliveries {
		next.Deliveries[i].Manner = announce.Kept
	}
	next.Plans = nil
	for _, p := range s.Plans {
		next.Plans = append(next.Plans, Plan{Account: p.Account, Next: db.Now(), Keeps: true})
	}
	f = sample(db)
	f.Announcement.Kind, f.Announcement.Of, f.Announcement.OfRev, f.Announcement.Channels = announce.KindChange, s.Announcement.ID, next.Announcement.Rev, accounts
	for _, account := range accounts {
		if len(s.Plans) > 0 && s.Plans[0].Account == account {
			f = f.personal(db, account)
			f.Plans[len(f.Plans)-1].Before = next.Announcement.Rev
			continue
		}
		f.Payloads = append(f.Payloads, Payload{Account: account, Language: "fr", Message: announce.Message{Rev: 1, Language: "fr", Text: "moved"}})
		f.Deliveries = append(f.Deliveries, announce.Delivery{Account: account, Language: "fr", Wanted: true, Rev: 1, Next: db.Now()})
	}
	vary(&f)
	c.Follow = &f
	told, err := db.Change(t.Context(), s.Announcement.Rev, next, c)
	must(t, err)
	return next, f, told
}

// A post that stays as it is is told a change of by another, which answers it, and only where readers see the old one.
func TestFollowedPosts(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "shown", "waiting", "arrives", "fails")
		id := save(t, db, s)
		was := publish(t, db, "shown", id)
		arrives, fails := claim(t, db, "arrives", id), claim(t, db, "fails", id)
		_, f, told := followed(t, db, s, Change{}, "shown", "waiting", "arrives", "fails")
		child := f.Announcement.ID
		rows, err := db.Deliveries(t.Context(), child)
		must(t, err)
		if !told || len(rows) != 3 {
			t.Fatalf("told %v, %d posts follow, want the one that can be seen and the two under way", told, len(rows))
		}
		none(t, db, "shown", id)
		c := claim(t, db, "shown", child)
		if c.Verb != announce.Publish || c.Message.Parent != was.Receipt || c.Message.Root != was.Receipt {
			t.Errorf("%+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		none(t, db, "arrives", child)
		none(t, db, "fails", child)
		if jobs, err := db.Due(t.Context(), 10); err != nil || len(jobs) != 1 || jobs[0] != (Job{"waiting", id}) {
			t.Errorf("due: %v, %v", jobs, err)
		}
		record(t, db, arrives, shown(arrives, db.Now()))
		d := fails.Delivery
		d.Calling, d.Next = announce.Nothing, db.Now()
		record(t, db, fails, d)
		if c := claim(t, db, "arrives", child); c.Message.Parent.ID != "r-"+arrives.Delivery.ID {
			t.Errorf("%+v", c)
		}
		none(t, db, "fails", child)
		if d := only(t, db, child, "fails"); d.Wanted || d.State() != announce.Retracted {
			t.Errorf("tells a change of what nobody saw: %+v", d)
		}
		for _, account := range []string{"waiting", "fails"} {
			if c := claim(t, db, account, id); c.Verb != announce.Publish || c.Delivery.CallRev != 2 {
				t.Errorf("%s: %+v", account, c)
			}
		}
	})
}

// The second change takes the place of the first where the first has not been told yet; retracting takes all away.
func TestFollowedTwiceAndWithdrawn(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 3)
		s := sample(db, "teams", "chat").personal(db, "email")
		id := save(t, db, s)
		publish(t, db, "teams", id)
		publish(t, db, "chat", id)
		planAll(t, db, 10)
		for range 3 {
			deliver(t, db, id)
		}
		s, first, _ := followed(t, db, s, Change{}, "teams", "chat", "email")
		one := first.Announcement.ID
		publish(t, db, "teams", one)
		planAll(t, db, 10)
		deliver(t, db, one)
		s, second, _ := followed(t, db, s, Change{}, "teams", "email")
		two := second.Announcement.ID
		none(t, db, "teams", one)
		idle(t, db, one)
		if c := balanced(t, db, one, "email"); c.By[announce.Published] != 1 || c.By[announce.Retracted] != 2 {
			t.Errorf("%+v", c)
		}
		if c := claim(t, db, "chat", one); c.Verb != announce.Publish {
			t.Errorf("nothing took its place there: %+v", c)
		}
		planAll(t, db, 10)
		if c := balanced(t, db, two, "email"); c.Planned != 3 {
			t.Errorf("%+v", c)
		}
		publish(t, db, "teams", two)
		must(t, db.Withdraw(t.Context(), id, s.Announcement.Rev, "ada", map[string]string{"email": "mail cannot be taken back"}, db.Now()))
		planAll(t, db, 10)
		idle(t, db, two)
		for _, id := range []announce.ID{one, two} {
			if c := claim(t, db, "teams", id); c.Verb != announce.Retract {
				t.Errorf("%+v", c)
			}
			if _, retracted, err := db.Announcement(t.Context(), id); !retracted || err != nil {
				t.Error(retracted, err)
			}
		}
	})
}

func TestAChangeRestsOnHowThingsStand(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		add(t, db, 2)
		s := sample(db, "slack").personal(db, "email")
		id := save(t, db, s)
		mark := func() string {
			m, err := db.Standing(t.Context(), id)
			must(t, err)
			return m
		}
		before := mark()
		planAll(t, db, 10)
		if mark() != before {
			t.Error("letters that nobody has got yet change it")
		}
		publish(t, db, "slack", id)
		n := s.next(db)
		_, err := db.Change(t.Context(), 1, n, Change{Standing: before})
		want(t, err, ErrMoved)
		before = mark()
		deliver(t, db, id)
		_, err = db.Change(t.Context(), 1, n, Change{Standing: before})
		want(t, err, ErrMoved)
		_, err = db.Change(t.Context(), 1, n, Change{Standing: mark()})
		must(t, err)
	})
}

// A post that cannot be edited may be taken away and published anew: two calls, each of which may be cut.
func TestPublishedAnew(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "twitter")
		id := save(t, db, s)
		was := publish(t, db, "twitter", id)
		n := s.next(db)
		n.Deliveries[0].Manner = announce.Anew
		must(t, db.Revise(t.Context(), 1, n))
		c := claim(t, db, "twitter", id)
		if c.Verb != announce.Retract || c.Delivery.Receipt.ID != was.Receipt.ID {
			t.Fatalf("%+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		if c = claim(t, db, "twitter", id); c.Verb != announce.Publish || c.Delivery.CallRev != 2 {
			t.Fatalf("%+v", c)
		}
		record(t, db, c, shown(c, db.Now()))
		none(t, db, "twitter", id)
		if d := only(t, db, id, "twitter"); d.State() != announce.Published || d.Shown != 2 {
			t.Errorf("%+v", d)
		}
	})
}

// A correction is not tried out on some people first: it may be about tonight.
func TestCorrectionsAreForEverybodyAtOnce(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t, func(o *Options) { o.Canary, o.CanaryWait = 0.1, time.Hour })
		const n = canaryLeast + 100
		add(t, db, n)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 1000)
		if c := balanced(t, db, id, "email"); c.Rest.IsZero() {
			t.Fatal("the mailing itself is not tried out")
		}
		must(t, raw(db, `UPDATE letters SET shown = 1, told = 1`))
		must(t, raw(db, `UPDATE tallies SET waiting = 0, published = ?`, n))
		next, f, told := followed(t, db, s, Change{}, "email")
		planAll(t, db, 1000)
		if c := balanced(t, db, f.Announcement.ID, "email"); !told || c.Planned != n || !c.Rest.IsZero() {
			t.Errorf("told %v of revision %d: %+v", told, next.Announcement.Rev, c)
		}
	})
}

// Whoever got a reminder in its new form knows of the change already; whoever has the old form hears of it.
func TestFollowAReminderInItsNewForm(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db).personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 10)
		add(t, db, 2)
		reminder := sample(db).personal(db, "email")
		reminder.Announcement.Kind, reminder.Announcement.Of, reminder.Announcement.OfRev = announce.KindReminder, id, 1
		later := save(t, db, reminder)
		planAll(t, db, 10)
		old := deliver(t, db, later)
		renewed := reminder.next(db)
		renewed.Announcement.OfRev = 2
		renewed.Plans = []Plan{{Account: "email", Next: db.Now(), Keeps: true}}
		s.Waves = &Waves{Children: []Submission{renewed}}
		_, f, told := followed(t, db, s, Change{}, "email")
		if !told {
			t.Fatal("nobody is told")
		}
		deliver(t, db, later)
		planAll(t, db, 10)
		if l := deliver(t, db, f.Announcement.ID); l.Address != old.Address {
			t.Errorf("told %d, want %d", l.Address, old.Address)
		}
		idle(t, db, f.Announcement.ID)
		if c := balanced(t, db, f.Announcement.ID, "email"); c.Planned != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// Everybody is told what differs from what they were told last: the people and the posts that heard of an earlier change, those
// that did not, and those of whom it is not known; and for whom nothing differs, those are told nothing.
func TestFollowTellsWhatDiffers(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 4)
		s := sample(db, "told", "new").personal(db, "email")
		id := save(t, db, s)
		publish(t, db, "told", id)
		publish(t, db, "new", id)
		planAll(t, db, 10)
		for range 4 {
			deliver(t, db, id)
		}
		s, first, _ := followed(t, db, s, Change{}, "told", "new", "email")
		one := first.Announcement.ID
		publish(t, db, "told", one)
		planAll(t, db, 10)
		heard := deliver(t, db, one).Address
		lost := write(t, db, one)
		end(t, db, refused(lost, func(d *announce.Delivery) {
			d.Calling, d.CallRev, d.Began, d.Rest, d.Fault = lost.Calling, lost.CallRev, lost.Began, announce.Person, "no answer"
		}))
		flying := write(t, db, one)
		groups, err := db.LastTold(ctx, id)
		if must(t, err); !maps.Equal(groups["email"], map[int]int{1: 3, 2: 1}) || !maps.Equal(groups["told"], map[int]int{2: 1}) || !maps.Equal(groups["new"], map[int]int{1: 1}) {
			t.Errorf("%v", groups)
		}
		_, second, _ := followedBy(t, db, s, Change{}, func(f *Submission) {
			for _, account := range []string{"told", "new", "email"} {
				f.Payloads = append(f.Payloads, Payload{Account: account, Language: "fr", Since: 1, Message: announce.Message{Text: "since 1"}},
					Payload{Account: account, Language: "fr", Since: 2, Message: announce.Message{Text: "since 2"}})
			}
		}, "told", "new", "email")
		two := second.Announcement.ID
		for account, want := range map[string]string{"told": "since 2", "new": "since 1"} {
			if c := claim(t, db, account, two); c.Message.Text != want {
				t.Errorf("%s: %q", account, c.Message.Text)
			} else {
				d := shown(c, db.Now())
				record(t, db, c, d)
				if m, _, err := db.Frozen(ctx, delivery(t, db, d.ID)); m.Text != want || err != nil {
					t.Errorf("%s, later: %q %v", account, m.Text, err)
				}
			}
		}
		planAll(t, db, 10)
		said := map[int64]string{}
		send := func(id announce.ID) {
			b := lease(t, db, id, 10)
			for _, l := range b.Letters {
				began, _, err := db.Advance(ctx, nil, l)
				if must(t, err); began != Begun {
					continue
				}
				m, ok, err := db.Message(ctx, l)
				if must(t, err); !ok {
					t.Errorf("%d gets no message", l.Address)
				}
				said[l.Address] = m.Text
				_, _, err = db.Advance(ctx, arrived(l, db.Now()), nil)
				must(t, err)
			}
			must(t, db.GiveBack(ctx, &b))
		}
		send(two)
		if _, ok := said[flying.Address]; ok || len(said) != 3 {
			t.Errorf("while a call is under way: %v", said)
		}
		end(t, db, arrived(flying, db.Now()))
		p.clock.forward(time.Minute)
		send(two)
		want := map[int64]string{heard: "since 2", lost.Address: "un ", flying.Address: "since 2"}
		for who, text := range said {
			if w := want[who]; w != "" && !strings.HasPrefix(text, w) || w == "" && text != "since 1" {
				t.Errorf("%d was told %q: %v", who, text, said)
			}
		}
		if len(said) != 4 {
			t.Errorf("%v", said)
		}
		balanced(t, db, two, "email")

		s.Announcement.Rev++
		_, third, _ := followedBy(t, db, s, Change{}, func(f *Submission) {
			for _, account := range []string{"told", "email"} {
				f.Payloads = append(f.Payloads, Payload{Account: account, Language: "fr", Since: 3, Silent: true})
			}
		}, "told", "email")
		none(t, db, "told", third.Announcement.ID)
		planAll(t, db, 10)
		clear(said)
		if send(third.Announcement.ID); len(said) > 0 {
			t.Errorf("told what they know: %v", said)
		}
		if c := balanced(t, db, third.Announcement.ID, "email"); c.By[announce.Retracted] != 4 {
			t.Errorf("%+v", c)
		}
	})
}

// Whoever read of an event in a digest hears what became of it, also when the digest was edited before they could be written to:
// nobody notices an edit. It counts for the account that wrote it, and no other.
func TestFollowAnEditedDigest(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db).personal(db, "email").personal(db, "sms")
		id := save(t, db, s)
		planAll(t, db, 10)
		add(t, db, 1)
		edition := sample(db).personal(db, "email")
		digest := save(t, db, edition)
		planAll(t, db, 10)
		tells := func(rev int) {
			must(t, raw(db, `INSERT INTO digest_items (announcement, plan, edition_rev, rev) SELECT CAST(? AS TEXT), id, CAST(? AS BIGINT), CAST(? AS BIGINT) FROM plans WHERE announcement = ?`,
				string(id), rev, rev, string(digest)))
		}
		tells(1)
		var plan int64
		_, err := db.read().one(t.Context(), `SELECT id FROM plans WHERE announcement = ? AND account = 'email'`, []any{string(id)}, &plan)
		must(t, err)
		read := func(when string, editions int, want bool) {
			t.Helper()
			n := 0
			must(t, db.read().each(t.Context(), begunEditions, []any{plan, 2}, func(scan func(...any) error) error {
				n++
				return scan(new(int64), new(int64))
			}))
			if found, err := db.read().anybodyRead(t.Context(), plan, 2); err != nil || found != want || n != editions {
				t.Errorf("%s: read %v, %d editions looked at, %v", when, found, n, err)
			}
		}
		read("while the edition waits", 0, false)
		reader := deliver(t, db, digest)
		read("when it is out", 1, true)
		groups, err := db.LastTold(t.Context(), id)
		if must(t, err); !maps.Equal(groups["email"], map[int]int{1: 1}) || len(groups["sms"]) > 0 {
			t.Errorf("%v", groups)
		}
		_, f, told := followed(t, db, s, Change{}, "email")
		if !told {
			t.Fatal("nobody is told")
		}
		must(t, db.Revise(t.Context(), 1, edition.next(db)))
		tells(2)
		p.clock.forward(time.Second)
		if l := deliver(t, db, digest); l.Calling != announce.Amend {
			t.Fatalf("%+v", l)
		}
		if n := planAll(t, db, 10); n != 1 {
			t.Fatalf("%d hear of it", n)
		}
		if l := deliver(t, db, f.Announcement.ID); l.Address != reader.Address {
			t.Errorf("%+v", l)
		}
	})
}
