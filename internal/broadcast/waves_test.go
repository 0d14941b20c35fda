package broadcast

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/queue"
	"github.com/crieur/crieur/templates"
)

// pinboard is a channel that keeps its posts: one place, or one for each person.
type pinboard struct {
	name     string
	personal bool
	clock    func() time.Time

	mu    sync.Mutex
	posts []shownPost
}

type shownPost struct {
	to, subject, text string
	kind              announce.Kind
	at                time.Time
	edits             int
	gone              bool
}

func (b *pinboard) Name() string { return b.name }
func (b *pinboard) Limits() announce.Limits {
	return announce.Limits{Personal: b.personal, Links: true, Idempotent: announce.Forever}
}

func (b *pinboard) Publish(_ context.Context, m announce.Message) (announce.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts = append(b.posts, shownPost{to: m.To, subject: m.Subject, text: m.Text, kind: m.Kind, at: b.clock()})
	return announce.Receipt{ID: fmt.Sprint(len(b.posts) - 1), At: b.clock()}, nil
}

// pins is a pinboard whose posts can be changed and taken down.
type pins struct{ *pinboard }

func (p pins) change(r announce.Receipt, how func(*shownPost)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int
	_, _ = fmt.Sscan(r.ID, &n)
	how(&p.posts[n])
}

func (p pins) Amend(_ context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	p.change(r, func(x *shownPost) { x.subject, x.text = m.Subject, m.Text; x.edits++ })
	return r, nil
}

func (p pins) Retract(_ context.Context, r announce.Receipt) error {
	p.change(r, func(x *shownPost) { x.gone = true })
	return nil
}

// all are the posts that stand, oldest first.
func (b *pinboard) all() []shownPost {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.posts), func(p shownPost) bool { return p.gone })
}

// of is how many posts of a kind stand.
func (b *pinboard) of(k announce.Kind) (n int) {
	for _, p := range b.all() {
		if p.kind == k {
			n++
		}
	}
	return n
}

// season is a service that runs with a clock set by hand: one place that can be edited, one notice pinboard for organisers,
// and mail to three people.
type season struct {
	*testing.T
	*Service
	place, team, mail *pinboard

	mu  sync.Mutex
	now time.Time
}

func (s *season) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// to sets the clock.
func (s *season) to(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

func newSeason(t *testing.T) *season {
	t.Helper()
	return seasonOf(t, func(b *pinboard) announce.Publisher { return b })
}

// seasonOf is newSeason with more accounts, where what people get is as mail makes of a board of theirs.
func seasonOf(t *testing.T, mail func(*pinboard) announce.Publisher, more ...Account) *season {
	t.Helper()
	s := &season{T: t, now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), MinFree: -1, Clock: s.clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.place, s.team, s.mail = &pinboard{name: "place", clock: s.clock}, &pinboard{name: "team", clock: s.clock}, &pinboard{name: "email", personal: true, clock: s.clock}
	s.Service = New(Options{
		Store: db, Queue: q, Templates: set, Media: media.New(media.Options{}), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: NewMetrics(prometheus.NewRegistry()),
		Site:     announce.Site{Name: "Club d’essai", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"}, URL: "https://example.org"},
		Accounts: append([]Account{{Name: "place", Publisher: pins{s.place}}, {Name: "team", Publisher: s.team, Aside: true}, {Name: "email", Publisher: mail(s.mail)}}, more...),
		Notices:  []string{"team"}, ReminderGap: 12 * time.Hour,
	})
	var people []store.Address
	for _, name := range []string{"ada", "bob", "eve"} {
		people = append(people, store.Address{Channel: "email", Address: name + "@example.org", Standing: store.Active, Everything: true, Frequency: store.Now})
	}
	if _, err := db.AddAddresses(t.Context(), people, store.Deed{Act: store.Added, How: "test"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Service.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		_ = q.Close(context.Background())
		_ = db.Close()
	})
	return s
}

// until waits for a condition. The clock stands still.
func (s *season) until(what string, ok func() bool) {
	s.Helper()
	end := time.Now().Add(2 * time.Minute)
	for ; !ok() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	if !ok() {
		s.Fatalf("never: %s\nplace %+v\nmail %+v\nteam %+v", what, s.place.all(), s.mail.all(), s.team.all())
	}
}

func (s *season) status(id announce.ID) Status {
	s.Helper()
	st, err := s.Status(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return st
}

// quiet waits until nothing of an announcement, of its reminders and of what tells its changes is under way or due.
func (s *season) quiet(id announce.ID) {
	s.Helper()
	s.until("nothing is due any more", func() bool {
		st := s.status(id)
		all := []Status{st}
		for _, r := range st.Reminders {
			if r.State == store.WavePlanned && !r.Due.Add(-madeBefore).After(s.clock()) && r.Kind == announce.KindReminder {
				return false
			}
			if r.Child != "" {
				all = append(all, s.status(r.Child))
			}
		}
		for _, f := range st.Followers {
			all = append(all, s.status(f.ID))
		}
		for _, st := range all {
			for _, d := range st.Deliveries {
				if d.Next != nil && !d.Next.After(s.clock()) {
					return false
				}
			}
			if at := st.Times["publish_at"]; !at.IsZero() && at.Instant.After(s.clock()) {
				continue
			}
			for _, p := range st.People {
				if !p.Done || p.Counts[announce.Waiting]+p.Counts[announce.CallingNow] > 0 {
					return false
				}
			}
		}
		return true
	})
}

func meetup(reminders ...string) announce.Draft {
	none := 0
	d := announce.Draft{
		Kind: announce.KindEvent, Texts: map[announce.Language]announce.Text{"fr": {Title: "Soirée de mai", Body: "Venez."}}, UndoSeconds: &none,
		Event: &announce.DraftEvent{StartsAt: "2027-05-14T18:30", EndsAt: "2027-05-14T21:00", Venue: &announce.Venue{Name: "Café du Clocher"}},
	}
	for _, at := range reminders {
		d.Reminders = append(d.Reminders, announce.Reminder{At: at})
	}
	return d
}

func states(all []Wave) string {
	var words []string
	for _, r := range all {
		words = append(words, r.At+" "+string(r.State))
	}
	return strings.Join(words, ", ")
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	w, err := announce.ParseWhen(s, "America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	return w.Instant
}

// Each wave is told once, at its moment and never before, on every channel; a recap waits for what it tells.
func TestWavesAreToldInTheirTime(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	a, _, err := s.Submit(t.Context(), meetup("-7d", "-1d", "-2h", "+1d"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(a.Reminders); got != "-7d planned, -1d planned, -2h planned, +1d planned" {
		t.Fatal(got)
	}
	s.until("announced", func() bool { return len(s.place.all()) == 1 && len(s.mail.all()) == 3 })
	posts, mails := 1, 3
	for _, at := range []string{"2027-05-07T18:30", "2027-05-13T18:30", "2027-05-14T16:30"} {
		due := moment(t, at)
		s.to(due.Add(-time.Second))
		s.quiet(a.ID)
		if p, m := s.place.all(), s.mail.all(); len(p) != posts || len(m) != mails {
			t.Fatalf("before %s: %d posts and %d mails, want %d and %d", at, len(p), len(m), posts, mails)
		}
		s.to(due)
		posts, mails = posts+1, mails+3
		s.until("told at "+at, func() bool { return len(s.place.all()) == posts && len(s.mail.all()) == mails })
		if last := s.place.all()[posts-1]; last.kind != announce.KindReminder || !last.at.Equal(due) || !strings.Contains(last.subject, "Rappel") {
			t.Errorf("%s: %+v", at, last)
		}
	}
	s.to(moment(t, "2027-05-15T21:00"))
	s.until("the recap is awaited", func() bool { return strings.Contains(states(s.status(a.ID).Reminders), "+1d awaited") })
	s.until("organisers hear of it", func() bool {
		return slices.ContainsFunc(s.team.all(), func(p shownPost) bool { return strings.Contains(p.subject, "On attend le retour") })
	})
	s.quiet(a.ID)
	if len(s.place.all()) != posts {
		t.Errorf("an empty recap: %+v", s.place.all())
	}
	d := s.status(a.ID).Announcement
	if _, err := s.Amend(t.Context(), a.ID, 1, d, "test"); err == nil || !strings.Contains(err.Error(), "the event is over") {
		t.Errorf("an event that is over was amended: %v", err)
	}
	d.Reminders[3].Link = "https://example.org/diapos"
	if _, _, err := s.Submit(t.Context(), d, "test", nil); err == nil || !strings.Contains(err.Error(), "the event is over") {
		t.Errorf("an event that is over was announced: %v", err)
	}
	s.to(moment(t, "2027-05-17T09:00"))
	if _, err := s.Amend(t.Context(), a.ID, 1, d, "test"); err != nil {
		t.Fatal(err)
	}
	s.until("the recap is told", func() bool { return len(s.place.all()) == posts+1 && len(s.mail.all()) == mails+3 })
	last := s.place.all()[posts]
	if last.kind != announce.KindRecap || !strings.Contains(last.text, "https://example.org/diapos") || strings.Contains(last.text, "Venez") {
		t.Errorf("%+v", last)
	}
}

// Waves move with their event. What was told already says what is true, and nothing of the old moment leaves.
func TestWavesMoveWithTheEvent(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	a, _, err := s.Submit(t.Context(), meetup("-7d", "-1d"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.place.all()) == 1 && len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-07T18:30"))
	s.until("the first reminder", func() bool { return len(s.place.all()) == 2 && len(s.mail.all()) == 6 })
	s.to(moment(t, "2027-05-13T10:00"))
	s.until("the second is made", func() bool { return strings.Contains(states(s.status(a.ID).Reminders), "-1d made") })

	// Another place, the same evening: the reminder that waits has it, and so has the one that is out.
	d := s.status(a.ID).Announcement
	d.Event.Venue.Name = "Pacini"
	moved, err := s.Amend(t.Context(), a.ID, 1, d, "test")
	if err != nil {
		t.Fatal(err)
	}
	if got := states(moved.Reminders); !strings.Contains(got, "-1d made") || !strings.Contains(got, "-7d made") {
		t.Error(got)
	}
	s.until("nothing says the old place", func() bool {
		return !slices.ContainsFunc(s.place.all(), func(p shownPost) bool { return !strings.Contains(p.text, "Pacini") })
	})

	// Another evening: the reminder that waits waits for it.
	d.Event.StartsAt, d.Event.EndsAt = "2027-05-21T18:30", "2027-05-21T21:00"
	if _, err := s.Amend(t.Context(), a.ID, 2, d, "test"); err != nil {
		t.Fatal(err)
	}
	s.to(moment(t, "2027-05-13T18:31"))
	s.quiet(a.ID)
	if n := s.mail.of(announce.KindReminder); n != 3 {
		t.Errorf("%d mails: a reminder of the old evening left", n)
	}
	if got := states(s.status(a.ID).Reminders); got != "-7d made, -7d made, -1d made" {
		t.Errorf("the week before is there again: %s", got)
	}
	s.to(moment(t, "2027-05-14T18:30"))
	s.until("a week before the new evening", func() bool { return len(s.place.all()) == 3 && s.mail.of(announce.KindReminder) == 6 })
	s.to(moment(t, "2027-05-20T18:30"))
	s.until("the day before it", func() bool { return len(s.place.all()) == 4 && s.mail.of(announce.KindReminder) == 9 })
	for _, p := range s.place.all() {
		if !strings.Contains(p.text, "21 mai") {
			t.Errorf("it says another day: %+v", p)
		}
	}
}

// After a cancellation, or when the announcement is taken back, no reminder leaves.
func TestWavesEndWithTheEvent(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *season, id announce.ID) error{
		"cancelled": func(s *season, id announce.ID) error {
			d := s.status(id).Announcement
			d.Event.Cancelled = true
			_, err := s.Amend(s.Context(), id, 1, d, "test")
			return err
		},
		"put off": func(s *season, id announce.ID) error {
			d := s.status(id).Announcement
			d.Event.Cancelled, d.Event.Postponed = true, true
			_, err := s.Amend(s.Context(), id, 1, d, "test")
			return err
		},
		"taken back": func(s *season, id announce.ID) error { return s.Retract(s.Context(), id, 1, "test") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSeason(t)
			a, _, err := s.Submit(t.Context(), meetup("-1d", "-2h"), "test", nil)
			if err != nil {
				t.Fatal(err)
			}
			s.until("announced", func() bool { return len(s.place.all()) == 1 && len(s.mail.all()) == 3 })
			s.to(moment(t, "2027-05-13T18:29"))
			s.until("one is made", func() bool { return strings.Contains(states(s.status(a.ID).Reminders), "-1d made") })
			child := s.status(a.ID).Reminders[0].Child
			if err := end(s, a.ID); err != nil {
				t.Fatal(err)
			}
			if st := s.status(child); st.State != Retracted {
				t.Errorf("the one that was made is %s", st.State)
			}
			for _, at := range []string{"2027-05-13T18:30", "2027-05-14T16:30"} {
				s.to(moment(t, at))
				s.quiet(a.ID)
			}
			if n := s.mail.of(announce.KindReminder); n != 0 {
				t.Errorf("%d reminders by mail", n)
			}
			for _, p := range s.place.all() {
				if p.kind == announce.KindReminder {
					t.Errorf("%+v", p)
				}
			}
			if got := states(s.status(a.ID).Reminders); strings.Contains(got, "planned") {
				t.Error(got)
			}
			if why := s.status(a.ID).Reminders[1].Why; name != "taken back" && !strings.Contains(why, name) {
				t.Errorf("the last is left out because %q", why)
			}
		})
	}
}

// Nobody gets two messages about an event within the gap: close waves are merged when they are accepted, and a reminder is
// neither posted nor sent where another message has just been.
func TestWavesKeepApart(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	for _, c := range []struct {
		now  string
		at   []string
		want string
	}{
		{"2027-05-01T12:00", []string{"-14h", "-2h"}, "-14h planned, -2h planned"},
		{"2027-05-01T12:00", []string{"-13h", "-2h"}, "-13h merged, -2h planned"},
		{"2027-05-01T12:00", []string{"-20h", "-11h", "-2h"}, "-20h planned, -11h merged, -2h planned"},
		{"2027-05-14T10:00", []string{"-1d", "-2h"}, "-1d past, -2h merged"},
		{"2027-05-14T02:00", []string{"-2h"}, "-2h planned"},
		{"2027-05-01T12:00", []string{"-2h", "+2h"}, "-2h planned, +2h planned"},
	} {
		s.to(moment(t, c.now))
		rules, err := s.rules(t.Context(), s.clock())
		if err != nil {
			t.Fatal(err)
		}
		a, err := meetup(c.at...).Announcement(rules)
		if err != nil {
			t.Fatal(err)
		}
		a.ID, a.Rev, a.Created, a.Updated = announce.NewID(s.clock()), 1, s.clock(), s.clock()
		w, err := s.remindersOf(t.Context(), a, "test", s.clock())
		if err != nil {
			t.Fatal(err)
		}
		got := planned(w.All)
		if words := states(got); words != c.want {
			t.Errorf("%v at %s: %s, want %s", c.at, c.now, words, c.want)
		}
		if last := got[len(got)-1]; last.Kind == announce.KindRecap && last.Due.Before(got[0].Due.Add(12*time.Hour)) {
			t.Errorf("the recap comes %s after the reminder", last.Due.Sub(got[0].Due))
		}
	}

	// A reminder on one channel only does not silence the others.
	s.to(moment(t, "2027-05-01T12:00"))
	d := meetup("-13h", "-2h")
	d.Reminders[1].Channels = []string{"place"}
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(a.Reminders); got != "-13h planned, -2h planned" || !strings.Contains(a.Reminders[0].Why, "not on place") {
		t.Errorf("%s: %+v", got, a.Reminders)
	}
	s.until("announced", func() bool { return len(s.place.all()) == 1 && len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-14T05:30"))
	s.until("reminded by mail", func() bool { return len(s.mail.all()) == 6 })
	s.quiet(a.ID)
	if p := s.place.all(); len(p) != 1 {
		t.Errorf("place %+v", p)
	}
	s.to(moment(t, "2027-05-14T16:30"))
	s.until("reminded on place", func() bool { return len(s.place.all()) == 2 })
	s.quiet(a.ID)
	if n := len(s.mail.all()); n != 6 {
		t.Errorf("%d mails", n)
	}
}

// Whoever heard late, because of their quiet hours or of a channel that was stopped, is not reminded right after.
func TestWavesLeaveOutWhoHasJustHeard(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	s.to(moment(t, "2027-05-14T02:00"))
	eve, err := s.Store.AddressOf(t.Context(), "email", "eve@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.ChangeAddress(t.Context(), eve.ID, func(a *store.Address) error {
		a.QuietFrom, a.QuietTo = 22*60, 8*60
		return nil
	}, store.Deed{Act: store.Changed, How: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.StopAccount(t.Context(), "place", "the token is dead"); err != nil {
		t.Fatal(err)
	}
	a, _, err := s.Submit(t.Context(), meetup("-2h"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("two hear at once", func() bool { return len(s.mail.all()) == 2 })
	s.to(moment(t, "2027-05-14T08:00"))
	s.until("eve hears", func() bool { return len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-14T15:00"))
	if err := s.Resume(t.Context(), "test", "place"); err != nil {
		t.Fatal(err)
	}
	s.until("the place has it", func() bool { return len(s.place.all()) == 1 })
	s.to(moment(t, "2027-05-14T16:30"))
	s.until("two are reminded", func() bool { return len(s.mail.all()) == 5 })
	s.quiet(a.ID)
	reminded := 0
	for _, m := range s.mail.all() {
		if m.kind == announce.KindReminder {
			reminded++
			if m.to == "eve@example.org" {
				t.Error("eve is reminded of what she has just heard")
			}
		}
	}
	if p := s.place.all(); reminded != 2 || len(p) != 1 {
		t.Errorf("%d reminded, place %+v", reminded, p)
	}
	child := s.status(a.ID).Reminders[0].Child
	if d := s.status(child).Deliveries[0]; d.State != announce.SkippedState || d.Fault == "" {
		t.Errorf("%+v", d)
	}
}
