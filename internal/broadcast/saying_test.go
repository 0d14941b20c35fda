package broadcast

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// told are the messages that tell a change, by who got them.
func (s *season) told() map[string][]string {
	out := map[string][]string{}
	for _, p := range s.mail.all() {
		if p.kind == announce.KindChange || p.kind == announce.KindCancellation {
			out[p.to] = append(out[p.to], p.subject+"\n"+strings.ReplaceAll(p.text, "\u00a0", " "))
		}
	}
	return out
}

// amend changes the draft and amends the announcement by it, and lets a minute pass.
func (s *season) amend(id announce.ID, rev int, d *announce.Draft, change func(*announce.Draft)) Accepted {
	s.Helper()
	event, venue := *d.Event, *d.Event.Venue
	d.Event, d.Event.Venue = &event, &venue
	change(d)
	made, err := s.Amend(s.Context(), id, rev, *d, "test")
	if err != nil {
		s.Fatal(err)
	}
	s.to(s.clock().Add(time.Minute))
	return made
}

func moveTo(place string) func(*announce.Draft) {
	return func(d *announce.Draft) { d.Event.Venue.Name = place }
}

// Everybody hears what differs from what they were told last, and nothing that they have heard.
func TestAChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	d := meetup()
	first := d.Event.Venue.Name
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	s.amend(a.ID, 1, &d, moveTo("Pacini"))
	s.until("the move is told", func() bool { return s.mail.of(announce.KindChange) == 3 })
	s.quiet(a.ID)

	d.Texts["fr"] = announce.Text{Title: d.Texts["fr"].Title, Body: "Venez tous."}
	if made := s.amend(a.ID, 2, &d, func(*announce.Draft) {}); made.FollowUp != "" {
		t.Error("the move is told again with a new wording")
	}
	late := []store.Address{{Channel: "email", Address: "zoe@example.org", Standing: store.Active, Everything: true, Frequency: store.Now}}
	if _, err := s.Store.AddAddresses(t.Context(), late, store.Deed{Act: store.Added, How: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Postpone(t.Context(), a.ID, "2027-06-20T18:30", nil, "test"); err != nil {
		t.Fatal(err)
	}
	s.until("the date is told", func() bool { return s.mail.of(announce.KindChange) == 6 })
	s.quiet(a.ID)
	for who, said := range s.told() {
		if len(said) != 2 || !strings.Contains(said[0], "Nouveau lieu : Pacini (au lieu de : "+first) || !strings.Contains(said[1], "Nouvelle date") || strings.Contains(said[1], first) {
			t.Errorf("%s was told\n%s", who, strings.Join(said, "\n---\n"))
		}
	}
	if s.mail.of(announce.KindChange) != 6 {
		t.Errorf("%d messages", s.mail.of(announce.KindChange))
	}
}

// Back where it was: whoever never heard of another place hears nothing.
func TestAChangeAndBack(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	d := meetup()
	first := d.Event.Venue.Name
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	if err := s.Store.Stop(t.Context(), "test", "a test"); err != nil {
		t.Fatal(err)
	}
	s.amend(a.ID, 1, &d, moveTo("Pacini"))
	s.amend(a.ID, 2, &d, moveTo(first))
	if err := s.Store.Resume(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	s.quiet(a.ID)
	following, err := s.Store.Following(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range following {
		s.quiet(f.ID)
	}
	if told := s.told(); len(told) > 0 {
		t.Errorf("told %v", told)
	}
	s.amend(a.ID, 3, &d, moveTo("Pacini"))
	s.until("the move is told", func() bool { return s.mail.of(announce.KindChange) == 3 })
	s.amend(a.ID, 4, &d, moveTo(first))
	s.until("that it is back is told", func() bool { return s.mail.of(announce.KindChange) == 6 })
	for who, said := range s.told() {
		if !strings.Contains(said[1], "Nouveau lieu : "+first+" (au lieu de : Pacini)") {
			t.Errorf("%s was told\n%s", who, said[1])
		}
	}
}

// Where what people have can be edited, it is; and because nobody notices an edit, a message tells what they must know, once.
func TestAnEditThatMattersIsTold(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return pins{b} })
	d := meetup()
	first := d.Event.Venue.Name
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	edited := func(n int) func() bool {
		return func() bool {
			for _, p := range s.mail.all() {
				if p.kind == announce.KindEvent && p.edits < n {
					return false
				}
			}
			return true
		}
	}

	d.Event.Talks = []announce.Talk{{Title: "Rust"}}
	if made := s.amend(a.ID, 1, &d, func(*announce.Draft) {}); made.FollowUp != "" {
		t.Error("a message tells what nobody needs to know")
	}
	s.until("edited", edited(1))

	event, venue := *d.Event, *d.Event.Venue
	next := d
	next.Event, event.Venue, venue.Name = &event, &venue, "Pacini"
	p, err := s.Plan(t.Context(), a.ID, 2, next)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, x := range p.Steps {
		if x.Channel == "email" {
			steps = append(steps, string(x.Step))
			if x.People == nil || *x.People != 3 {
				t.Errorf("%+v", x)
			}
		}
	}
	if got := strings.Join(steps, " "); got != "edit follow-up" {
		t.Errorf("the plan says %q", got)
	}
	if _, err := s.RunPlan(t.Context(), a.ID, p.PlanID, "test"); err != nil {
		t.Fatal(err)
	}
	s.to(s.clock().Add(time.Minute))
	s.until("edited, and told", func() bool { return edited(2)() && s.mail.of(announce.KindChange) == 3 })
	s.amend(a.ID, 3, &next, func(d *announce.Draft) { d.Event.StartsAt, d.Event.EndsAt = "2027-05-21T18:30", "2027-05-21T21:00" })
	s.until("edited and told again", func() bool { return edited(3)() && s.mail.of(announce.KindChange) == 6 })
	s.quiet(a.ID)
	for who, said := range s.told() {
		if len(said) != 2 || !strings.Contains(said[0], "au lieu de : "+first) || !strings.Contains(said[1], "Nouvelle date") || strings.Contains(said[1], first) || strings.Contains(said[1], "Ajouté") {
			t.Errorf("%s was told\n%s", who, strings.Join(said, "\n---\n"))
		}
	}
}

// toll is a channel to people where each message costs seven, and that corrections to one person do not reach.
type toll struct {
	*pinboard
	cut string
}

func (toll) Limits() announce.Limits     { return announce.Limits{Personal: true, Links: true} }
func (toll) Cost(announce.Message) int64 { return 7 }
func (x toll) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if m.To == x.cut && m.Kind == announce.KindChange {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "refused"}
	}
	return x.pinboard.Publish(ctx, m)
}

// A plan counts, and prices, those who are told: not whoever has nothing new to hear.
func TestAPlanPricesWhoHears(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return toll{b, "ada@example.org"} })
	d := meetup()
	first := d.Event.Venue.Name
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	made := s.amend(a.ID, 1, &d, moveTo("Pacini"))
	s.until("two hear of the move", func() bool { return s.mail.of(announce.KindChange) == 2 })
	s.quiet(made.FollowUp)
	d.Event.Venue.Name = first
	p, err := s.Plan(t.Context(), a.ID, 2, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range p.Steps {
		if x.Channel == "email" && (x.Step != WayFollowUp || x.People == nil || *x.People != 2 || x.Cost != 14) {
			t.Errorf("%s, people %v, cost %d", x.Step, *x.People, x.Cost)
		}
	}
}

// Where nobody hears of a change, a plan counts nobody.
func TestAPlanCountsNobodyWhereNobodyHears(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return b })
	d := meetup()
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.quiet(a.ID)
	d.Texts = map[announce.Language]announce.Text{"fr": {Title: d.Texts["fr"].Title, Body: "Venez avec vos amis."}}
	p, err := s.Plan(t.Context(), a.ID, 1, d)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Steps, func(x Step) bool { return x.Channel == "email" })
	if i < 0 || p.Steps[i].Step != WayNone || p.Steps[i].People != nil {
		t.Errorf("%+v", p.Steps)
	}
}
