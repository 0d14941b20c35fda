package digest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// A week of a community: who chose a digest gets what is new to them, once, and nothing else.
func TestAWeek(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		must(t, d.db.PutTopic(t.Context(), store.Topic{Name: "rust"}, "test"))
		must(t, d.db.PutTopic(t.Context(), store.Topic{Name: "board", Private: true}, "test"))
		now := d.join(store.Address{Address: "now@example.org", Language: "fr", Everything: true})
		weekly := d.join(store.Address{Address: "weekly@example.org", Language: "fr", Everything: true, Frequency: "weekly"})
		daily := d.join(store.Address{Address: "daily@example.org", Language: "en", Everything: true, Frequency: "daily"})
		rust := d.join(store.Address{Address: "rust@example.org", Language: "en", Topics: []string{"rust"}, Frequency: "weekly"})
		board := d.join(store.Address{Address: "board@example.org", Language: "en", Topics: []string{"board"}, Frequency: "weekly"})

		d.to("2027-03-09T10:00")
		d.news("Far", meeting("2027-05-04T18:00"))
		d.news("Ferris", on("rust"))
		d.news("Gone", meeting("2027-03-12T18:00"))
		off := d.news("Flood", meeting("2027-04-20T18:00"))
		taken := d.news("Mistake")
		moved := d.news("Soon", meeting("2027-04-01T18:00"))
		d.news("Budget", on("board"))
		d.news("Venue changed", func(dr *announce.Draft) { dr.Kind = announce.KindChange })
		first := d.letters()
		if len(first[now]) != 7 { // all but what is private
			t.Errorf("now: %d letters", len(first[now]))
		}
		for _, who := range []int64{weekly, daily} {
			if len(first[who]) != 1 || !strings.Contains(first[who][0], "Venue changed") {
				t.Errorf("%d got at once %q, not only the change", who, first[who])
			}
		}
		d.to("2027-03-10T08:00")
		d.work() // not yet: what came due in this moment is still being put on record
		if got := d.runs("daily"); got != "03-08T08:00 skipped 0 late, 03-09T08:00 skipped 0 late, 03-10T08:00 waiting 0" {
			t.Error(got)
		}
		d.to("2027-03-10T08:01")
		d.work()
		order(t, strings.Join(d.letters()[daily], "\n"), []string{"Announcements of the day", "Coming up", "Gone", "Soon", "Flood", "Far", "News", "All about"}, "Budget", "Venue changed", "Cancelled")

		d.to("2027-03-11T12:00")
		d.amend(moved, func(dr *announce.Draft) { dr.Texts["fr"] = announce.Text{Title: "Bientôt, ailleurs"} })
		d.amend(off, func(dr *announce.Draft) { dr.Event.Cancelled = true })
		a, _, err := d.db.Announcement(t.Context(), taken)
		must(t, err)
		must(t, d.Broadcast.Retract(t.Context(), taken, a.Rev, "ada"))
		d.plan()
		if at := strings.Join(d.letters()[daily], "\n"); !strings.Contains(at, "Flood") {
			t.Errorf("who read of it in a digest is not told at once that it is off: %s", at)
		}
		d.to("2027-03-12T08:30")
		d.work()
		if again := d.letters()[daily]; len(again) > 0 {
			t.Errorf("told again: %v", again)
		}

		d.to("2027-03-15T09:30")
		d.work()
		letters := d.letters()
		if len(letters[weekly]) != 1 || len(letters[rust]) != 1 || len(letters[board]) != 1 || len(letters) != 3 {
			t.Fatalf("%d got %v", len(letters), letters)
		}
		order(t, letters[weekly][0], []string{"Les annonces de la semaine – Rencontres du Fjord", "prévu le lundi 15 mars", "À venir", "Bientôt, ailleurs", "Far", "Nouvelles", "Ferris", "Annulé", "Flood"},
			"Gone", "Mistake", "Soon", "Budget", "Venue")
		order(t, letters[rust][0], []string{"Announcements of the week", "Ferris"}, "Far", "Coming up")
		order(t, letters[board][0], []string{"Announcements of the week", "Budget"}, "Far", "Ferris")
		if got, want := d.runs("weekly"), "03-08T08:00 skipped 0 late, 03-15T08:00 done 3 late"; got != want {
			t.Errorf("%s, not %s", got, want)
		}
		d.to("2027-03-16T09:00")
		d.work()
		if again := d.letters(); len(again) > 0 {
			t.Errorf("told again: %v", again)
		}
		if jobs, err := d.db.Due(t.Context(), 10); err != nil || len(jobs) > 0 && jobs[0].Account == "email" {
			t.Errorf("%v %v", jobs, err)
		}
	})
}

// Whoever changes their mind hears everything once: by itself, or in a digest.
func TestChangingTheFrequency(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		often := func(f store.Frequency) func(*store.Address) { return func(a *store.Address) { a.Frequency = f } }
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true})
		paused := d.join(store.Address{Address: "bob@example.org", Language: "en", Everything: true, Frequency: "daily"})
		got := map[int64]string{}
		hear := func() {
			for who, texts := range d.letters() {
				got[who] += strings.Join(texts, "\n") + "\n"
			}
		}
		d.to("2027-03-08T12:00")
		d.change(paused, func(a *store.Address) { a.PausedUntil = instantOf(t, "2027-03-12T12:00") })
		d.news("One")
		hear()
		d.change(ada, often("weekly"))
		d.to("2027-03-08T13:00")
		d.news("Two")
		d.to("2027-03-09T13:00")
		d.change(ada, often("daily")) // hears at the next daily what weekly would have told
		d.to("2027-03-10T08:01")
		d.work()
		hear()
		d.news("Three")
		d.to("2027-03-10T14:00")
		d.change(ada, often(store.Now)) // hears of the third in one last digest
		d.news("Four")
		hear()
		d.to("2027-03-11T08:01")
		d.work()
		hear()
		d.change(ada, often("weekly"))
		d.to("2027-03-11T09:00")
		d.change(ada, often(store.Now))
		d.news("Five")
		hear()
		d.to("2027-03-13T08:01")
		d.work()
		hear()
		d.to("2027-03-15T08:01")
		d.work()
		hear()
		for _, who := range []int64{ada, paused} {
			for _, title := range []string{"One", "Two", "Three", "Four", "Five"} {
				if n := strings.Count(got[who], "All about "+title+"."); n != 1 {
					t.Errorf("%d heard of %s %d times:\n%s", who, title, n, got[who])
				}
			}
		}
	})
}

// What is being planned at the moment of a change is not lost on those whom the planner has not reached.
func TestChangeAmidAPlan(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true})
		bob := d.join(store.Address{Address: "bob@example.org", Language: "en", Everything: true})
		d.to("2027-03-08T12:00")
		undo := 0
		_, _, err := d.Broadcast.Submit(t.Context(), announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{"en": {Title: "One", Body: "All about One."}}, UndoSeconds: &undo}, "ada", nil)
		must(t, err)
		if _, n, err := d.db.Plan(t.Context(), 1); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		d.to("2027-03-08T12:01")
		for _, who := range []int64{ada, bob} { // ada has a letter, bob has not
			d.change(who, func(a *store.Address) { a.Frequency = "daily" })
		}
		d.plan()
		at := d.letters()
		d.to("2027-03-09T08:01")
		d.work()
		later := d.letters()
		if len(at[ada]) != 1 || len(at[bob]) != 0 || len(later[ada]) != 0 || len(later[bob]) != 1 {
			t.Errorf("at once %v\nlater %v", at, later)
		}
	})
}

// Three days without a server: each missing digest is made once, marked late; what is older than a week is not made.
func TestMissingDigests(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true, Frequency: "daily"})
		for _, day := range []string{"08", "09", "10"} {
			d.to("2027-03-" + day + "T12:00")
			d.news("Day " + day)
		}
		d.to("2027-03-11T10:00")
		d.work()
		d.work()
		texts := d.letters()[ada]
		if got, want := d.runs("daily"), "03-08T08:00 skipped 0 late, 03-09T08:00 done 1 late, 03-10T08:00 done 1 late, 03-11T08:00 done 1 late"; got != want || len(texts) != 3 {
			t.Errorf("%s; %d letters", got, len(texts))
		}
		for _, text := range texts {
			order(t, text, []string{"was due on", "is late", "Day"})
		}
		d.news("Long ago")
		d.to("2027-04-11T10:00")
		d.work()
		if n := strings.Count(d.runs("daily"), "late"); n != 4+7 {
			t.Errorf("%d late runs: %s", n, d.runs("daily"))
		}
		if texts := d.letters()[ada]; len(texts) != 1 || !strings.Contains(texts[0], "Long ago") {
			t.Errorf("what is older than the oldest digest that is made is told all the same, once: %v", texts)
		}
	})
}

// A cron job that is early, late or doubled means one period; two servers at once make one letter for each.
func TestStartedFromOutside(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		must(t, d.Put(ctx, store.Digest{Name: "friday", Schedule: "0 8 * * 5", Outside: true, Accounts: []string{"slack"}}, "ada"))
		var all []int64
		for i := range 30 {
			all = append(all, d.join(store.Address{Address: fmt.Sprintf("p%d@example.org", i), Language: "en", Everything: true, Frequency: "friday"}))
		}
		d.to("2027-03-10T12:00")
		d.news("One")
		if _, _, err := d.Start(ctx, "friday", "2027-03-12T08:00", "cron"); err == nil {
			t.Error("a period two days ahead was started")
		}
		if _, _, err := d.Start(ctx, "friday", "2027-03-05T09:00", "cron"); err == nil {
			t.Error("a period was started in which it is not due")
		}
		d.to("2027-03-12T07:55") // the clock of the machine that starts it is five minutes ahead
		servers := []*Service{d.Service, d.server(d.db), d.server(d.db)}
		var g errgroup.Group
		var began atomic.Int64
		for _, s := range servers {
			g.Go(func() error {
				r, first, err := s.Start(ctx, "friday", "", "cron")
				if first {
					began.Add(1)
				}
				if err == nil && r.Period.Wall != "2027-03-12T08:00:00" {
					err = fmt.Errorf("the period is %v", r.Period)
				}
				return err
			})
		}
		must(t, g.Wait())
		d.work()
		if got := d.runs("friday"); began.Load() != 1 || got != "03-12T08:00 waiting 0" {
			t.Errorf("started %d times: %s", began.Load(), got)
		}
		d.news("Two") // before it is due
		d.to("2027-03-12T08:02")
		for _, s := range servers {
			g.Go(func() error { _, err := s.Work(ctx); return err })
		}
		must(t, g.Wait())
		d.work()
		got := d.letters()
		for _, who := range all {
			if len(got[who]) != 1 || strings.Count(got[who][0], "All about") != 2 {
				t.Fatalf("%d got %v", who, got[who])
			}
		}
		if _, first, err := d.Start(ctx, "friday", "", "cron"); first || err != nil {
			t.Errorf("started again: %v %v", first, err)
		}
		d.work()
		runs, err := d.db.DigestRuns(ctx, "friday", 10)
		if err != nil || len(runs) != 1 || runs[0].Letters != 30 || runs[0].People != 30 || runs[0].Counts[announce.Published] != 30 || runs[0].Announcement == "" {
			t.Fatalf("%+v %v", runs, err)
		}
		rows, err := d.db.Deliveries(ctx, runs[0].Announcement)
		if err != nil || len(rows) != 1 || rows[0].Account != "slack" {
			t.Errorf("the summary: %+v %v", rows, err)
		}
		listed, err := d.db.Announcements(ctx, "", 10)
		if err != nil || len(listed) != 3 || listed[0].Announcement.Kind != announce.KindDigest {
			t.Errorf("editions are not listed, the summary is: %+v %v", listed, err)
		}
	})
}

// Quiet hours are kept, and whoever left is not written to.
func TestQuietHoursAndLeaving(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		quiet := d.join(store.Address{Address: "q@example.org", Language: "en", Everything: true, Frequency: "daily", QuietFrom: 0, QuietTo: 9 * 60})
		leaver := d.join(store.Address{Address: "l@example.org", Language: "en", Everything: true, Frequency: "daily"})
		d.to("2027-03-08T12:00")
		d.news("One")
		d.to("2027-03-09T08:01")
		d.work()
		if _, err := d.db.EndSubscription(t.Context(), leaver, store.Deed{How: "test"}); err != nil {
			t.Fatal(err)
		}
		if got := d.letters(); len(got) != 0 {
			t.Errorf("sent in the quiet hours, or to somebody who left: %v", got)
		}
		d.to("2027-03-09T09:00")
		if got := d.letters(); len(got[quiet]) != 1 || len(got) != 1 {
			t.Errorf("after the quiet hours: %v", got)
		}
		d.to("2027-03-09T09:05")
		d.work()
		if jobs, err := d.db.Due(t.Context(), 10); err != nil || len(jobs) > 1 {
			t.Errorf("%v %v", jobs, err)
		}
	})
}

// What is held because its time was missed is not told, until it is released; and a digest waits for that to be decided.
func TestWhatIsHeldIsNotTold(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true, Frequency: "daily"})
		must(t, d.db.Seen(ctx))
		draft := announce.Draft{Kind: announce.KindNews, PublishAt: "2027-03-08T22:00", Texts: map[announce.Language]announce.Text{"en": {Title: "Held", Body: "All about it."}}}
		a, _, err := d.Broadcast.Submit(ctx, draft, "ada", nil)
		must(t, err)
		d.to("2027-03-09T08:10")
		d.work()
		if got := d.runs("daily"); got != "03-08T08:00 skipped 0, 03-09T08:00 waiting 0" && got != "03-08T08:00 skipped 0 late, 03-09T08:00 waiting 0" && got != "03-08T08:00 waiting 0 late, 03-09T08:00 waiting 0" {
			t.Errorf("before it is decided: %s", got)
		}
		if missed, _, err := d.db.Wake(ctx, announce.MissedHold, false); err != nil || len(missed) != 1 {
			t.Fatal(missed, err)
		}
		d.work()
		if got := d.letters(); len(got) > 0 || !strings.HasSuffix(d.runs("daily"), "03-09T08:00 skipped 0") {
			t.Errorf("held, and told: %v, %s", got, d.runs("daily"))
		}
		d.to("2027-03-09T10:00")
		if ok, err := d.db.Release(ctx, a.ID, "ada"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		d.plan()
		d.to("2027-03-10T08:01")
		d.work()
		if got := d.letters(); len(got[ada]) != 1 || !strings.Contains(got[ada][0], "All about it") {
			t.Errorf("released, and not told: %v", got)
		}
	})
}

// What is changed or taken back while a digest waits to be sent is told as it is then; whoever has it is told of the change.
func TestChangedWhileItWaits(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		early := d.join(store.Address{Address: "e@example.org", Language: "en", Everything: true, Frequency: "daily"})
		quiet := d.join(store.Address{Address: "q@example.org", Language: "en", Everything: true, Frequency: "daily", QuietFrom: 0, QuietTo: 9 * 60})
		d.to("2027-03-08T12:00")
		place := func(name string) func(*announce.Draft) {
			return func(dr *announce.Draft) { dr.Event.Venue = &announce.Venue{Name: name} }
		}
		moved := d.news("Meetup", meeting("2027-03-20T18:00"), place("Old Hall"))
		taken := d.news("Mistake")
		d.to("2027-03-09T08:01")
		d.work()
		if got := d.letters(); len(got) != 1 || !strings.Contains(got[early][0], "Old Hall") || !strings.Contains(got[early][0], "Mistake") {
			t.Fatal(got)
		}
		d.to("2027-03-09T08:30")
		d.follow(moved, announce.KindChange, func(a *announce.Announcement) { a.Event.Venue = &announce.Venue{Name: "New Hall"} })
		a, _, err := d.db.Announcement(t.Context(), taken)
		must(t, err)
		must(t, d.Broadcast.Retract(t.Context(), taken, a.Rev, "ada"))
		d.work()
		d.plan()
		d.to("2027-03-09T08:40")
		d.plan()
		first := d.letters()
		d.to("2027-03-09T09:01")
		d.work()
		got := d.letters()
		if len(got[quiet]) != 1 {
			t.Fatalf("%v, then %v", first, got)
		}
		order(t, got[quiet][0], []string{"Coming up", "Meetup", "New Hall"}, "Old Hall", "Mistake")
		if len(first[early]) != 1 || !strings.Contains(first[early][0], "New Hall") || len(first[quiet]) != 0 {
			t.Errorf("who has the digest is told of the change: %v", first)
		}
		d.to("2027-03-10T08:01")
		d.work()
		if got := d.letters(); len(got) > 0 {
			t.Errorf("told again: %v", got)
		}

		d.to("2027-03-10T12:00")
		d.follow(moved, announce.KindCancellation, func(a *announce.Announcement) { a.Event.Cancelled = true })
		d.plan()
		off := d.letters()
		for _, who := range []int64{early, quiet} {
			if len(off[who]) != 1 || !strings.Contains(off[who][0], "off: true") {
				t.Errorf("%d is not told at once that it is off: %v", who, off)
			}
		}
		d.to("2027-03-11T10:00")
		d.work()
		if got := d.letters(); len(got) > 0 {
			t.Errorf("told again that it is off: %v", got)
		}
	})
}

// A reminder says again what is known: only the recap of an event is new to whoever read of it in a digest.
func TestRemindersAreNoItems(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true, Frequency: "daily"})
		d.to("2027-03-09T10:00")
		id := d.news("Soon", meeting("2027-03-20T18:00"))
		d.wave(id, announce.KindReminder, "Remember")
		d.wave(id, announce.KindRecap, "Slides")
		d.to("2027-03-10T08:01")
		d.work()
		order(t, strings.Join(d.letters()[ada], "\n"), []string{"Coming up", "Soon", "Slides"}, "Remember")
	})
}
