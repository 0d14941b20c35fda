package digest

import (
	"strings"
	"testing"

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
