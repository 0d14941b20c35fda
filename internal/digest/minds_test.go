package digest

import (
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// What was called off before it was announced is news to nobody; what was announced as called off is.
func TestCalledOffBeforeItWasAnnounced(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true, Frequency: "daily"})
		id := d.news("Secret", meeting("2027-03-20T18:00"), func(dr *announce.Draft) { dr.PublishAt = "2027-03-12T10:00" })
		d.to("2027-03-10T12:00")
		_, err := d.Broadcast.Cancel(t.Context(), id, nil, "ada")
		must(t, err)
		for _, morning := range []string{"2027-03-11T08:01", "2027-03-12T08:01", "2027-03-13T08:01"} {
			d.to(morning)
			d.plan()
			d.work()
			if got := d.letters(); len(got) > 0 {
				t.Errorf("%s: %v", morning, got)
			}
		}
		d.news("Known elsewhere", meeting("2027-03-20T18:00"), func(dr *announce.Draft) { dr.Event.Cancelled = true })
		d.to("2027-03-14T08:01")
		d.work()
		if got := d.letters(); len(got[ada]) != 1 || !strings.Contains(got[ada][0], "Known elsewhere") || strings.Contains(got[ada][0], "Secret") {
			t.Error(got)
		}
	})
}

// What was not announced at its time, because it was skipped or put off, is told by the digest after it is announced.
func TestAnnouncedAfterItsTime(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		ada := d.join(store.Address{Address: "ada@example.org", Language: "en", Everything: true, Frequency: "daily"})
		later := func(at string) func(*announce.Draft) { return func(dr *announce.Draft) { dr.PublishAt = at } }
		must(t, d.db.Seen(ctx))
		skipped := d.news("Skipped", later("2027-03-08T22:00"))
		off := d.news("Put off", meeting("2027-03-20T18:00"), later("2027-03-10T22:00"))
		d.to("2027-03-09T08:10")
		if missed, _, err := d.db.Wake(ctx, announce.MissedSkip, false); err != nil || len(missed) != 1 {
			t.Fatal(missed, err)
		}
		_, err := d.Broadcast.Postpone(ctx, off, "", nil, "ada")
		must(t, err)
		for _, morning := range []string{"2027-03-09T08:11", "2027-03-10T08:01", "2027-03-11T08:01"} {
			d.to(morning)
			d.plan()
			d.work()
			if got := d.letters(); len(got) > 0 {
				t.Errorf("%s: %v", morning, got)
			}
		}
		d.to("2027-03-11T12:00")
		d.amend(skipped, func(dr *announce.Draft) {
			dr.PublishAt = ""
			dr.Texts["en"] = announce.Text{Title: "Skipped", Body: "After all."}
		})
		_, err = d.Broadcast.Postpone(ctx, off, "2027-04-20T18:00", nil, "ada")
		must(t, err)
		d.plan()
		d.to("2027-03-12T08:01")
		d.work()
		if got := d.letters(); len(got[ada]) != 1 || !strings.Contains(got[ada][0], "Skipped") || !strings.Contains(got[ada][0], "Put off") {
			t.Errorf("announced, and not told: %v", got)
		}
		d.to("2027-03-13T08:01")
		d.work()
		if got := d.letters(); len(got) > 0 {
			t.Errorf("told again: %v", got)
		}
	})
}

// An edition that another server took back amid a run gets no further letters: nothing would ever become of them.
func TestTakenBackAmidARun(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		for _, name := range []string{"ada", "bob"} {
			d.join(store.Address{Address: name + "@example.org", Language: "en", Everything: true, Frequency: "daily"})
		}
		d.to("2027-03-08T12:00")
		mistake := d.news("Mistake")
		d.to("2027-03-09T08:01")
		of, err := d.db.Digest(ctx, "daily")
		must(t, err)
		period, err := announce.ParseWhen("2027-03-09T08:00", community)
		must(t, err)
		r, _, err := d.db.StartDigest(ctx, "daily", period, false, "test")
		must(t, err)
		all, err := d.db.Told(ctx, instantOf(t, "2027-03-08T08:00"), period.Instant)
		must(t, err)
		w := run{Service: d.Service, DigestRun: r, digest: of, accounts: map[string]string{"email": "email"}, editions: map[string]store.Edition{}, gathered: gather(all, of, d.clock())}
		page := func() store.DigestPage {
			t.Helper()
			w.missing = map[string]wanted{}
			p, err := d.db.TellPage(ctx, r.ID, all, []string{"email"}, 1, w.choose)
			must(t, err)
			return p
		}
		if p := page(); !p.Given {
			t.Fatalf("%+v", p)
		}
		must(t, w.issue(ctx))
		if p := page(); p.Letters != 1 {
			t.Fatalf("%+v", p)
		}
		must(t, d.Broadcast.Retract(ctx, mistake, 1, "ada"))
		editions, _, err := d.db.Outdated(ctx)
		must(t, err)
		if len(editions) != 1 {
			t.Fatal(editions)
		}
		if _, err := d.refresh(ctx, map[string]store.Digest{"daily": of}); err != nil {
			t.Fatal(err)
		}
		if p := page(); p.People != 1 || p.Letters != 0 {
			t.Errorf("%+v", p)
		}
		n, err := d.db.Counts(ctx, editions[0], "email")
		must(t, err)
		if n.Planned != 1 || n.By[announce.Waiting] != 0 || n.By[announce.Retracted] != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// No letter of a digest begins in the form that an item had before it was changed, however soon after.
func TestADigestIsNeverOld(t *testing.T) {
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		var who []int64
		for _, name := range []string{"ada", "bob"} {
			who = append(who, d.join(store.Address{Address: name + "@example.org", Language: "en", Everything: true, Frequency: "daily"}))
		}
		d.to("2027-03-08T12:00")
		id := d.news("Before")
		d.to("2027-03-09T08:01")
		d.work()
		jobs, err := d.db.Due(ctx, 10)
		must(t, err)
		var b store.Batch
		for _, j := range jobs {
			if j.Account == "email" && j.Announcement != id && len(b.Letters) == 0 {
				b, err = d.db.Lease(ctx, j.Account, j.Announcement, store.LeaseOptions{Owner: "test", Lease: time.Minute, Most: 10})
				must(t, err)
			}
		}
		if len(b.Letters) != 2 {
			t.Fatalf("%d letters are leased", len(b.Letters))
		}
		d.amend(id, func(dr *announce.Draft) { dr.Texts["en"] = announce.Text{Title: "After", Body: "Now."} })
		for _, l := range b.Letters {
			if began, _, err := d.db.Advance(ctx, nil, l); began == store.Begun || err != nil {
				t.Errorf("begun in its old form: %v %v", began, err)
			}
		}
		must(t, d.db.GiveBack(ctx, &b))
		if got := d.letters(); len(got) > 0 {
			t.Errorf("%v", got)
		}
		d.to("2027-03-09T08:02")
		d.work()
		got := d.letters()
		for _, a := range who {
			if len(got[a]) != 1 || !strings.Contains(got[a][0], "After") || strings.Contains(got[a][0], "Before") {
				t.Errorf("%v", got[a])
			}
		}
	})
}
