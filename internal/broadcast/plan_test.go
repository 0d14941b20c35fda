package broadcast

import (
	"reflect"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// The plan of a change of what is not out yet shows what differs; made again, it is answered as the first time. So is a
// cancellation.
func TestPlanOfWhatIsNotOut(t *testing.T) {
	p := newPlace(t, utc("2027-05-01T12:00:00Z"))
	id := p.reminding("2027-05-02T12:00", "", "-7d", "-2h")
	st, err := p.Status(t.Context(), id)
	p.must(err)
	d := st.Announcement
	d.Event.Venue.Name = "Pacini Alma"
	plan, err := p.Plan(t.Context(), id, 1, d)
	p.must(err)
	if len(plan.Steps) != 1 || plan.Steps[0].Step != WayPublish {
		t.Fatalf("%+v", plan.Steps)
	}
	if diff := plan.Steps[0].Difference; !strings.Contains(diff, "- ") || !strings.Contains(diff, "Café du Clocher") || !strings.Contains(diff, "+ ") || !strings.Contains(diff, "Pacini Alma") {
		t.Errorf("the difference is %q", diff)
	}
	made, err := p.RunPlan(t.Context(), id, plan.PlanID, "ada")
	p.must(err)
	again, err := p.RunPlan(t.Context(), id, plan.PlanID, "ada")
	if p.must(err); len(made.Reminders) != 2 || !reflect.DeepEqual(again, made) {
		t.Errorf("made: %+v\nagain: %+v", made, again)
	}
	made, err = p.Cancel(t.Context(), id, nil, "ada")
	p.must(err)
	again, err = p.Cancel(t.Context(), id, nil, "ada")
	if p.must(err); len(made.Reminders) != 2 || !reflect.DeepEqual(again, made) {
		t.Errorf("cancelled: %+v\nagain: %+v", made, again)
	}
}

// A reminder whose moment is before the announcement itself is past, and what was made of it is not told.
func TestReminderBeforeItsAnnouncement(t *testing.T) {
	p := newPlace(t, utc("2027-05-13T19:40:00Z"))
	id := p.reminding("2027-05-14T03:00", "", "-999d", "-2h")
	if all := p.waves(id); all[0].State != store.WavePast || all[1].State != store.WavePlanned {
		t.Fatalf("%+v", all)
	}
	stop := p.running()
	p.until("the reminder is made", func() bool { return p.waves(id)[1].State == store.WaveMade })
	stop()
	st, err := p.Status(t.Context(), id)
	p.must(err)
	child, d := st.Reminders[1].Child, st.Announcement
	d.Event.StartsAt, d.Event.EndsAt, d.PublishAt = "2027-05-14T18:30", "2027-05-14T21:00", "2027-05-14T17:00"
	_, err = p.Amend(t.Context(), id, 1, d, "ada")
	p.must(err)
	if all := p.waves(id); all[0].State != store.WavePast || all[1].State != store.WavePast {
		t.Errorf("%+v", all)
	}
	if st := p.state(child); st != Retracted {
		t.Errorf("what was made of it is %s", st)
	}
}

// Who has what was taken back is to be told by what exists then, and not again where the event was called off before.
func TestAdviceAfterwards(t *testing.T) {
	for name, x := range map[string]struct {
		event, cancelled bool
		want             string
	}{
		"an event":                 {event: true, want: "kind: cancellation"},
		"an event that is off":     {event: true, cancelled: true},
		"what is not of any event": {want: "kind: change"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeason(t)
			d := meetup()
			if !x.event {
				d.Kind, d.Event = announce.KindNews, nil
			}
			a, _, err := s.Submit(t.Context(), d, "ada", nil)
			if err != nil {
				t.Fatal(err)
			}
			mails := func(n int) func() bool { return func() bool { return len(s.mail.all()) == n } }
			s.until("everybody has it", mails(3))
			s.quiet(a.ID)
			if x.cancelled {
				if _, err := s.Cancel(t.Context(), a.ID, nil, "ada"); err != nil {
					t.Fatal(err)
				}
				s.until("everybody has the cancellation", mails(6))
				s.quiet(a.ID)
			}
			if err := s.Retract(t.Context(), a.ID, s.status(a.ID).Rev, "ada"); err != nil {
				t.Fatal(err)
			}
			note := ""
			for _, p := range s.status(a.ID).People {
				note += p.Note
			}
			if !strings.Contains(note, "3 people have it: a message that reached people cannot be taken back") || !strings.Contains(note, x.want) || x.want == "" && strings.Contains(note, "kind:") {
				t.Errorf("%q", note)
			}
		})
	}
}
