package broadcast

import (
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// When the rules of a zone change, reminders of what is out move with the clock on the wall, those that were made as well as those
// that were not; nobody is written to, for whom nothing changed.
func TestRemindersFollowTheRulesOfTheirZone(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	a, _, err := s.Submit(t.Context(), meetup("-7d", "-1d"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	s.to(moment(t, "2027-05-07T12:00"))
	s.until("one is made", func() bool { return states(s.status(a.ID).Reminders) == "-7d made, -1d planned" })
	right := s.status(a.ID).Reminders
	// As if it had been announced by rules that put the clock an hour further.
	now, _, err := s.Store.Announcement(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	old := now
	event := *now.Event
	now.Event, now.Rev = &event, 2
	event.Start.Instant, event.End.Instant = event.Start.Instant.Add(-time.Hour), event.End.Instant.Add(-time.Hour)
	waves, err := s.remindersOf(t.Context(), now, "test", s.clock())
	if err != nil {
		t.Fatal(err)
	}
	for i := range waves.All {
		waves.All[i].Due = waves.All[i].Due.Add(-time.Hour)
	}
	for i := range waves.Children {
		waves.Children[i].Announcement.At.Instant = waves.Children[i].Announcement.At.Instant.Add(-time.Hour)
	}
	with := store.Submission{Announcement: now, Waves: waves, Actor: "test"}
	if with.Payloads, err = s.Store.Payloads(t.Context(), a.ID, old.Rev); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Store.Deliveries(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range rows {
		d.Rev, d.Manner = 2, announce.Kept
		with.Deliveries = append(with.Deliveries, d)
	}
	with.Plans = []store.Plan{{Account: "email", Next: s.clock(), Keeps: true}}
	if err := s.Store.Revise(t.Context(), 1, with); err != nil {
		t.Fatal(err)
	}
	s.retime(t.Context())
	got := s.status(a.ID).Reminders
	for i := range right {
		if i >= len(got) || !got[i].Due.Equal(right[i].Due) || got[i].State != right[i].State {
			t.Fatalf("%+v\nwant %+v", got, right)
		}
	}
	c, _, err := s.Store.Announcement(t.Context(), got[0].Child)
	if err != nil || !c.At.Instant.Equal(right[0].Due) {
		t.Errorf("the one that was made is told at %v, want %v (%v)", c.At, right[0].Due, err)
	}
	s.to(moment(t, "2027-05-07T18:31"))
	s.until("reminded", func() bool { return s.mail.of(announce.KindReminder) == 3 })
	s.quiet(a.ID)
	if n := s.mail.of(announce.KindChange); n != 0 {
		t.Errorf("%d people hear of a change of nothing", n)
	}
}
