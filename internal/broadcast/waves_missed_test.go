package broadcast

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// reminding is an event on the evening of 14 May 2027 in Toronto, to be announced at a time.
func (p *place) reminding(at string, how announce.IfMissed, reminders ...string) announce.ID {
	return p.submit("Soirée de mai", at, func(d *announce.Draft) {
		m := meetup(reminders...)
		d.Kind, d.Event, d.Reminders, d.IfMissed, d.UndoSeconds = m.Kind, m.Event, m.Reminders, how, m.UndoSeconds
	})
}

func (p *place) waves(id announce.ID) []Wave {
	p.Helper()
	st, err := p.Status(p.Context(), id)
	p.must(err)
	return st.Reminders
}

// settled waits until no reminder is to be made now and nothing is due.
func (p *place) settled() {
	p.Helper()
	p.until("nothing is to be made and nothing is due", func() bool {
		ids, err := p.Store.WavesIn(p.Context(), store.WavePlanned, p.clock(), 10)
		p.must(err)
		return len(ids) == 0 && len(p.due()) == 0
	})
}

// kinds are the kinds of what is on the wall, in order.
func (p *place) kinds() string {
	p.wall.mu.Lock()
	defer p.wall.mu.Unlock()
	var words []string
	for _, m := range p.wall.posts {
		words = append(words, string(m.Kind))
	}
	return strings.Join(words, " ")
}

// No reminder leaves while its announcement waits for a person or was left out, whether it had been made or not.
func TestWavesOfWhatWasMissed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		down, up string
		how      announce.IfMissed
		decide   func(p *place, id announce.ID)
		at, want string
	}{
		"held":                    {"2027-05-10T12:00", "2027-05-13T09:00", announce.MissedHold, nil, "2027-05-14T17:00", ""},
		"held, one made":          {"2027-05-12T19:30", "2027-05-12T23:30", announce.MissedHold, nil, "2027-05-14T17:00", ""},
		"skipped":                 {"2027-05-10T12:00", "2027-05-13T09:00", announce.MissedSkip, nil, "2027-05-14T17:00", ""},
		"skipped, one made":       {"2027-05-12T19:30", "2027-05-12T23:30", announce.MissedSkip, nil, "2027-05-14T17:00", ""},
		"fired":                   {"2027-05-10T12:00", "2027-05-12T09:00", announce.MissedFire, nil, "2027-05-14T17:00", "event reminder reminder"},
		"released":                {"2027-05-10T12:00", "2027-05-12T09:00", announce.MissedHold, release, "2027-05-14T17:00", "event reminder reminder"},
		"released after a moment": {"2027-05-10T12:00", "2027-05-12T09:00", announce.MissedHold, func(p *place, id announce.ID) { p.at(moment(p.T, "2027-05-13T23:00")); release(p, id) }, "2027-05-14T17:00", "event reminder"},
		"released, one made":      {"2027-05-12T19:30", "2027-05-12T23:30", announce.MissedHold, release, "2027-05-14T17:00", "event reminder reminder"},
		"amended, one made":       {"2027-05-12T19:30", "2027-05-12T23:30", announce.MissedSkip, amendNow, "2027-05-14T17:00", "event reminder reminder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, moment(t, "2027-05-10T11:00"))
			at := "2027-05-11T12:00"
			if strings.Contains(name, "made") {
				at = "2027-05-12T20:00"
			}
			stop := p.running()
			p.until("it works", p.woken.Load)
			id := p.reminding(at, c.how, "-1d", "-2h")
			p.at(moment(t, c.down))
			p.settled()
			stop()
			p.at(moment(t, c.up))
			stop = p.running()
			p.until("it works", p.woken.Load)
			p.settled()
			if c.decide != nil {
				c.decide(p, id)
				p.settled()
			}
			for _, at := range []string{"2027-05-13T18:30", "2027-05-14T16:30", c.at} {
				if m := moment(t, at); m.After(p.clock()) {
					p.at(m)
					p.heldSettled(id)
				}
			}
			stop()
			if got := p.kinds(); got != c.want {
				t.Errorf("%q is out, want %q: %s", got, c.want, states(p.waves(id)))
			}
		})
	}
}

// heldSettled is settled for an announcement that may be held: its reminders then stay planned.
func (p *place) heldSettled(id announce.ID) {
	p.Helper()
	p.settled()
	if n := p.notMade(id); n > 0 && p.state(id) != Held {
		p.Errorf("%d reminders are due and not made", n)
	}
}

func (p *place) notMade(id announce.ID) (n int) {
	for _, w := range p.waves(id) {
		if w.State == store.WavePlanned && !w.Due.After(p.clock()) {
			n++
		}
	}
	return n
}

func release(p *place, id announce.ID) { p.must(p.Release(p.Context(), id, "ada")) }

func amendNow(p *place, id announce.ID) {
	st, err := p.Status(p.Context(), id)
	p.must(err)
	d := st.Announcement
	d.PublishAt = ""
	_, err = p.Amend(p.Context(), id, st.Rev, d, "ada")
	p.must(err)
}

// A reminder whose moment passed by more than an hour while no server ran is held, told or left out as announcements are.
func TestWavesMissedThemselves(t *testing.T) {
	t.Parallel()
	for how, want := range map[announce.IfMissed]struct{ waves, out string }{
		announce.MissedHold: {"-7d made, -2h planned", "event"},
		announce.MissedFire: {"-7d made, -2h planned", "event reminder"},
		announce.MissedSkip: {"-7d past, -2h planned", "event"},
	} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, moment(t, "2027-05-01T11:00"))
			stop := p.running()
			p.until("it works", p.woken.Load)
			id := p.reminding("", how, "-7d", "-2h")
			p.settled()
			stop()
			p.at(moment(t, "2027-05-09T12:00"))
			p.running()
			p.settled()
			p.until(want.out+" is out", func() bool { return p.kinds() == want.out })
			all := p.waves(id)
			if got := states(all); got != want.waves || p.kinds() != want.out {
				t.Errorf("%s and %q, want %v", got, p.kinds(), want)
			}
			if how != announce.MissedHold {
				return
			}
			if all[0].Delivery != Held {
				t.Fatalf("it is %s", all[0].Delivery)
			}
			p.until("organisers hear of it", func() bool { return len(p.desk.texts(string(all[0].Child))) == 1 })
			amendNow(p, id) // a word is corrected: what is held stays so
			p.settled()
			if p.state(all[0].Child) != Held || p.kinds() != "event" {
				t.Errorf("it is %s, out is %q", p.state(all[0].Child), p.kinds())
			}
			release(p, all[0].Child)
			p.until("it is told", func() bool { return p.kinds() == "event reminder" })
		})
	}
}

// What an amendment finds held or left out of a reminder whose moment has passed stays so.
func TestWavesPassedAreNotTold(t *testing.T) {
	t.Parallel()
	for how, want := range map[announce.IfMissed]State{announce.MissedHold: Held, announce.MissedSkip: NeedsAttention} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, moment(t, "2027-05-12T11:00"))
			stop := p.running()
			p.until("it works", p.woken.Load)
			id := p.reminding("", how, "-1d")
			p.settled()
			p.at(moment(t, "2027-05-13T10:00"))
			p.settled()
			stop()
			p.at(moment(t, "2027-05-13T22:00"))
			stop = p.running()
			p.until("it works", p.woken.Load)
			child := p.waves(id)[0].Child
			st, err := p.Status(t.Context(), id)
			p.must(err)
			d := st.Announcement
			d.Event.Venue.Name = "Pacini"
			_, err = p.Amend(t.Context(), id, 1, d, "ada")
			p.must(err)
			p.settled()
			stop()
			if p.state(child) != want || strings.Contains(p.kinds(), "reminder") {
				t.Errorf("it is %s, out is %q", p.state(child), p.kinds())
			}
			if how == announce.MissedHold {
				release(p, child)
				p.running()
				p.until("it says the new place", func() bool { return strings.Contains(p.kinds(), "reminder") })
				if texts := p.wall.texts("Rappel"); len(texts) != 1 || !strings.Contains(texts[0], "Pacini") {
					t.Errorf("%q", texts)
				}
			}
		})
	}
}

// A post that was left out because another had just appeared is not made up for, hours later, by an amendment.
func TestWaveLeftOutStaysSo(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	s.to(moment(t, "2027-05-13T16:00"))
	if _, err := s.Store.StopAccount(t.Context(), "place", "the token is dead"); err != nil {
		t.Fatal(err)
	}
	a, _, err := s.Submit(t.Context(), meetup("-14h"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced by mail", func() bool { return len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-14T03:00"))
	if err := s.Resume(t.Context(), "test", "place"); err != nil {
		t.Fatal(err)
	}
	s.until("the place has it", func() bool { return len(s.place.all()) == 1 })
	s.to(moment(t, "2027-05-14T04:30"))
	s.until("reminded by mail", func() bool { return len(s.mail.all()) == 6 })
	s.quiet(a.ID)
	s.to(moment(t, "2027-05-14T16:00"))
	d := s.status(a.ID).Announcement
	d.Event.Venue.Name = "Pacini"
	if _, err := s.Amend(t.Context(), a.ID, 1, d, "test"); err != nil {
		t.Fatal(err)
	}
	s.until("the place has the new version", func() bool { return strings.Contains(s.place.all()[0].text, "Pacini") })
	s.quiet(a.ID)
	if posts := s.place.all(); len(posts) != 1 {
		t.Errorf("%+v", posts)
	}
}

// A reminder that an organiser took back does not come again with the next amendment.
func TestWaveTakenBackStaysSo(t *testing.T) {
	t.Parallel()
	p := newPlace(t, moment(t, "2027-05-12T11:00"))
	stop := p.running()
	id := p.reminding("", "", "-1d")
	p.settled()
	p.at(moment(t, "2027-05-13T10:00"))
	p.settled()
	child := p.waves(id)[0].Child
	p.must(p.Retract(t.Context(), child, 1, "ada"))
	amendNow(p, id)
	p.at(moment(t, "2027-05-13T18:30"))
	p.settled()
	stop()
	if got := states(p.waves(id)); got != "-1d dropped" || p.kinds() != "event" {
		t.Errorf("%s, out is %q", got, p.kinds())
	}
}

// A reminder is changed with its announcement only; the time zone's rules change nothing of it by themselves.
func TestWaveIsChangedWithItsAnnouncement(t *testing.T) {
	t.Parallel()
	p := newPlace(t, moment(t, "2027-05-12T11:00"))
	stop := p.running()
	id := p.reminding("", "", "-1d")
	p.settled()
	p.at(moment(t, "2027-05-13T10:00"))
	p.settled()
	stop()
	child := p.waves(id)[0].Child
	st, err := p.Status(t.Context(), child)
	p.must(err)
	refused := func(err error) {
		t.Helper()
		var faults announce.Faults
		if !errors.As(err, &faults) || faults[0].Field != "id" || !strings.Contains(err.Error(), string(id)) {
			t.Errorf("refused as %v", err)
		}
	}
	_, err = p.Amend(t.Context(), child, 1, st.Announcement, "ada")
	refused(err)
	_, err = p.Plan(t.Context(), child, 1, st.Announcement)
	refused(err)
	_, err = p.Cancel(t.Context(), child, nil, "ada")
	refused(err)
	_, err = p.Postpone(t.Context(), child, "2027-05-20T18:30", nil, "ada")
	refused(err)
	if got := p.state(child); got != Scheduled {
		t.Errorf("it is %s", got)
	}
}

// One announcement whose reminders cannot be made keeps no other's from being made.
func TestWavesThatCannotBeMadeStopNoOther(t *testing.T) {
	t.Parallel()
	p := newPlace(t, moment(t, "2027-05-12T11:00"))
	stop := p.running()
	bad, good := p.reminding("", "", "-1d"), p.reminding("", "", "-1d")
	p.settled()
	stop()
	a, _, err := p.Store.Announcement(t.Context(), bad)
	p.must(err)
	old := a
	event := *a.Event
	event.Start.Zone, event.Zone = "Nowhere/Gone", "Nowhere/Gone"
	a.Event, a.Rev = &event, 2
	rows, err := p.Store.Waves(t.Context(), bad)
	p.must(err)
	p.must(p.Store.Revise(t.Context(), old.Rev, store.Submission{Announcement: a, Waves: &store.Waves{All: rows}}))
	p.at(moment(t, "2027-05-13T10:00"))
	p.running()
	p.until("the other is made", func() bool { return states(p.waves(good)) == "-1d made" })
	p.until("its own author learns why it is not", func() bool { return states(p.waves(bad)) == "-1d failed" })
}

// Whoever was asked to post a reminder by hand is asked for nothing any more, or to take it down, once its announcement is
// taken back or its event called off.
func TestWaveByHandIsRecalled(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(p *place, id announce.ID) error{
		"cancelled":  func(p *place, id announce.ID) error { _, err := p.Cancel(p.Context(), id, nil, "ada"); return err },
		"taken back": func(p *place, id announce.ID) error { return p.Retract(p.Context(), id, 1, "ada") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, moment(t, "2027-05-12T11:00"), func(o *Options) { o.Accounts = append(o.Accounts, Account{Name: "hand", Publisher: hand{}}) })
			p.running()
			id := p.reminding("", "", "-1d")
			p.at(moment(t, "2027-05-13T18:30"))
			p.until("a person is asked", func() bool { return slices.ContainsFunc(p.rows(id), asked) })
			p.must(end(p, id))
			p.until("nobody is asked to post any more", func() bool {
				return !slices.ContainsFunc(p.rows(id), func(d announce.Delivery) bool { return d.Account == "hand" && d.Fault == "post it" })
			})
			if rows := p.rows(id); !slices.ContainsFunc(rows, func(d announce.Delivery) bool { return d.Account == "hand" && wantedOf(d).Verb == announce.Retract }) {
				t.Errorf("nobody is asked to take it down: %+v", rows)
			}
		})
	}
}

func asked(d announce.Delivery) bool {
	return d.Account == "hand" && d.Calling == announce.Publish && d.Rest == announce.Person
}

// rows are the posts of an announcement's reminders.
func (p *place) rows(id announce.ID) (all []announce.Delivery) {
	for _, w := range p.waves(id) {
		if w.Child != "" {
			rows, err := p.Store.Deliveries(p.Context(), w.Child)
			p.must(err)
			all = append(all, rows...)
		}
	}
	return all
}

// A reminder has its announcement's last moment, unless that is before its own, and its policy.
func TestWaveTakesOverWhatItsAnnouncementSays(t *testing.T) {
	t.Parallel()
	p := newPlace(t, moment(t, "2027-05-01T11:00"))
	for at, expires := range map[string]bool{"-7d": true, "-1d": false} {
		e, err := announce.ParseWhen("2027-05-10T12:00", "America/Toronto")
		p.must(err)
		d := meetup(at)
		rules, err := p.rules(t.Context(), p.clock())
		p.must(err)
		a, err := d.Announcement(rules)
		p.must(err)
		a.Expires, a.IfMissed = e, announce.MissedFire
		w := wave{Reminder: a.Reminders[0]}
		w.when, err = w.Moment(a.Event)
		p.must(err)
		c := p.child(a, w)
		if c.IfMissed != announce.MissedFire || c.Expires.IsZero() == expires {
			t.Errorf("%s: %q, expires %v", at, c.IfMissed, c.Expires)
		}
	}
}
