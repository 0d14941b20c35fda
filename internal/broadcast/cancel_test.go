package broadcast

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Whatever kind of announcement made an event known, whoever was told of it hears that it is called off, and nothing of
// it begins afterwards.
func TestCancelOfNews(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	d := meetup("-1d")
	d.Kind = announce.KindNews
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.place.all()) == 1 && len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-13T18:29"))
	s.until("one is made", func() bool { return strings.Contains(states(s.status(a.ID).Reminders), "-1d made") })
	made, err := s.Cancel(t.Context(), a.ID, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	if made.FollowUp == "" {
		t.Fatal("nobody is told")
	}
	if _, closed, err := s.Store.FirstTold(t.Context(), a.ID); err != nil || !closed {
		t.Errorf("it is still open: %v", err)
	}
	s.to(moment(t, "2027-05-13T18:30"))
	s.until("called off", func() bool { return s.mail.of(announce.KindCancellation) == 3 })
	s.quiet(a.ID)
	if n := s.mail.of(announce.KindReminder); n != 0 {
		t.Errorf("%d reminders", n)
	}
}

// Whoever joined after the announcement, and knows the event from a reminder only, hears that it is called off.
func TestCancelWhereOnlyAReminderWasRead(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	d := meetup("-1d")
	d.Audience = []announce.Language{"en"} // nobody yet
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.place.all()) == 1 })
	s.quiet(a.ID)
	late := []store.Address{
		{Channel: "email", Address: "zoe@example.org", Language: "en", Standing: store.Active, Everything: true, Frequency: store.Now},
		{Channel: "email", Address: "max@example.org", Language: "en", Standing: store.Active, Everything: true, Frequency: store.Now},
	}
	if _, err := s.Store.AddAddresses(t.Context(), late, store.Deed{Act: store.Added, How: "test"}); err != nil {
		t.Fatal(err)
	}
	s.to(moment(t, "2027-05-13T18:30"))
	s.until("reminded", func() bool { return s.mail.of(announce.KindReminder) == 2 })
	s.quiet(a.ID)
	if _, err := s.Cancel(t.Context(), a.ID, nil, "test"); err != nil {
		t.Fatal(err)
	}
	s.until("called off", func() bool { return s.mail.of(announce.KindCancellation) == 2 })
	s.quiet(a.ID)
	if n := s.mail.of(announce.KindCancellation); n != 2 {
		t.Errorf("%d cancellations", n)
	}
}

// A reminder goes only where the announcement goes too: who reads it hears of changes by the announcement's accounts.
func TestCancelIsHeardWhereRemindersAre(t *testing.T) {
	t.Parallel()
	s := newSeason(t)
	d := meetup("-1d", "+1d")
	d.Reminders[0].Channels = []string{"place", "team"}
	d.Reminders[1].Channels = []string{"team"} // nothing changes any more after the event
	d.Reminders[1].Link = "https://example.org/slides"
	_, err := s.Preview(t.Context(), d)
	_, _, other := s.Submit(t.Context(), d, "test", nil)
	for _, err := range []error{err, other} {
		if got := fields(err); !slices.Equal(got, []string{"reminders[0].channels[1]"}) {
			t.Errorf("%v: %v", got, err)
		}
	}
	d.Channels = []string{"place", "team"}
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Channels = []string{"team"}
	if _, err := s.Amend(t.Context(), a.ID, 1, d, "test"); !slices.Equal(fields(err), []string{"reminders[0].channels[0]"}) {
		t.Error(err)
	}
}

func fields(err error) (all []string) {
	var faults announce.Faults
	errors.As(err, &faults)
	for _, f := range faults {
		all = append(all, f.Field)
	}
	return all
}

// recent is a board that knows keys for an hour, where posts can be found.
type recent struct{ *board }

func (recent) Limits() announce.Limits { return announce.Limits{Links: true, Idempotent: time.Hour} }

// A call that was lost before a cancellation is looked for: it is not made again with what was true before.
func TestCancelWhileACallIsLost(t *testing.T) {
	ctx := t.Context()
	l := begin(t, 1)
	b := &board{fails: func() string { return "before" }, told: func(announce.Message) {}}
	o := l.Options
	o.Accounts, o.Metrics = []Account{{Name: "recent", Publisher: recent{b}}}, NewMetrics(prometheus.NewRegistry())
	s := New(o)
	a, _, err := s.Submit(ctx, l.draft(), "ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	work := func() (verb announce.Verb) {
		t.Helper()
		c, ok, err := s.Store.Claim(ctx, "recent", a.ID, store.ClaimOptions{Owner: "w", Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return ""
		}
		var h horizon
		if err := s.Store.Record(ctx, c.Fence, s.perform(ctx, s.accounts["recent"], c, &h).Delivery); err != nil {
			t.Fatal(err)
		}
		return c.Verb
	}
	if verb := work(); verb != announce.Publish {
		t.Fatal(verb)
	}
	b.fails = func() string { return "" }
	if _, err := s.Cancel(ctx, a.ID, nil, "ada"); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		l.now = l.now.Add(5 * time.Minute)
		work()
	}
	if len(b.posts) > 0 {
		t.Errorf("published after it was called off: %+v", b.posts[0].m)
	}
	rows, err := s.Store.Deliveries(ctx, a.ID)
	if err != nil || len(rows) != 1 || rows[0].State() != announce.Retracted {
		t.Errorf("%+v %v", rows, err)
	}
}

// Where what people have can be edited, what they have of the announcement and of its reminder says that the event is off, and
// a message tells each of them.
func TestCancelEditsWhatPeopleHave(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return pins{b} })
	a, _, err := s.Submit(t.Context(), meetup("-1d"), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.until("announced", func() bool { return len(s.mail.all()) == 3 })
	s.to(moment(t, "2027-05-13T18:30"))
	s.until("reminded", func() bool { return s.mail.of(announce.KindReminder) == 3 })
	s.quiet(a.ID)
	if _, err := s.Cancel(t.Context(), a.ID, nil, "test"); err != nil {
		t.Fatal(err)
	}
	s.to(moment(t, "2027-05-13T18:31"))
	off := func() (n int) {
		for _, p := range s.mail.all() {
			if strings.Contains(p.subject, "Annul") {
				n++
			}
		}
		return n
	}
	s.until("all that people have says so", func() bool { return off() == len(s.mail.all()) })
	s.quiet(a.ID)
	if all := s.mail.all(); s.mail.of(announce.KindEvent) != 3 || s.mail.of(announce.KindCancellation) != 3 {
		t.Errorf("%+v", all)
	}
}
