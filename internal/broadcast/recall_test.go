package broadcast

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// hand is a channel where a person does everything.
type hand struct{}

func (hand) Name() string            { return "hand" }
func (hand) Limits() announce.Limits { return announce.Limits{Manual: true} }
func (hand) Publish(context.Context, announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, &announce.Error{Ask: true, Fault: "post it"}
}
func (hand) Amend(context.Context, announce.Receipt, announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, &announce.Error{Ask: true, Fault: "change it"}
}
func (hand) Retract(context.Context, announce.Receipt) error {
	return &announce.Error{Ask: true, Fault: "take it down"}
}

// A task of what was taken back becomes a task to take it down, however often that is seen.
func TestRecallTurnsATaskOnce(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s := New(Options{Store: db, Accounts: []Account{{Name: "hand", Publisher: hand{}}}, Log: slog.New(slog.DiscardHandler)})
	now := db.Now()
	a := announce.Announcement{ID: announce.NewID(now), Rev: 1, Kind: announce.KindNews, Default: "fr", Texts: map[announce.Language]announce.Text{"fr": {Title: "x"}}, Created: now, Updated: now}
	if _, _, err := db.Save(ctx, store.Submission{
		Announcement: a, Payloads: []store.Payload{{Account: "hand", Language: "fr", Message: announce.Message{Rev: 1, Language: "fr", Text: "x"}}},
		Deliveries: []announce.Delivery{{Account: "hand", Language: "fr", Wanted: true, Rev: 1, Next: now}},
	}); err != nil {
		t.Fatal(err)
	}
	c, ok, err := db.Claim(ctx, "hand", a.ID, store.ClaimOptions{Owner: "w", Lease: time.Minute})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	d := c.Delivery
	d.Rest, d.Fault = announce.Person, "post it"
	if err := db.Record(ctx, c.Fence, d); err != nil {
		t.Fatal(err)
	}
	if err := db.Withdraw(ctx, a.ID, 1, "ada", nil, db.Now()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.recall(ctx, a.ID, "ada")
		if d, err = db.Delivery(ctx, d.ID); err != nil || d.Rest != announce.Person || d.Fault != "take it down" || d.Shown != 0 || wantedOf(d).Verb != announce.Retract {
			t.Fatalf("%v %+v", err, d)
		}
	}
	events, err := db.EventsOf(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range events {
		if e.What == "settled" {
			t.Errorf("nobody settled anything: %+v", e)
		}
		if e.Detail == "take it down" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if d, err = s.Settle(ctx, a.ID, d.ID, Appeared, nil, announce.Receipt{}, "ada"); err != nil || d.Todo() != announce.Retract {
		t.Errorf("seen, it is not taken down: %v %+v", err, d)
	}
}

// What a person was asked to post of an event that is called off is not to be posted any more, of a reminder neither: they are
// asked to take down what they may have posted, and nothing counts as published until they say so.
func TestCancelledTasks(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return b }, Account{Name: "hand", Publisher: hand{}})
	d := meetup("-1d")
	d.Channels = []string{"place", "hand"}
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	task := func(id announce.ID, fault string) func() bool {
		return func() bool {
			rows, err := s.Store.Deliveries(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(rows, func(d announce.Delivery) bool {
				return d.Account == "hand" && d.Fault == fault && d.Rest == announce.Person
			})
		}
	}
	s.until("somebody is asked", task(a.ID, "post it"))
	s.to(moment(t, "2027-05-13T18:30"))
	s.until("a reminder is made", func() bool { return strings.Contains(states(s.status(a.ID).Reminders), "-1d made") })
	reminder := s.status(a.ID).Reminders[0].Child
	s.until("somebody is asked to remind", task(reminder, "post it"))
	if _, err := s.Cancel(t.Context(), a.ID, nil, "test"); err != nil {
		t.Fatal(err)
	}
	s.to(moment(t, "2027-05-13T18:32"))
	for _, id := range []announce.ID{a.ID, reminder} {
		s.until("they are asked to take it down", task(id, "take it down"))
		rows, err := s.Store.Deliveries(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range rows {
			if d.Account != "hand" {
				continue
			}
			if d.State() != announce.Unknown || d.Shown > 0 || wantedOf(d).Verb != announce.Retract {
				t.Errorf("%s: %+v", d.State(), d)
			}
			if d, err = s.Settle(t.Context(), id, d.ID, Finished, nil, announce.Receipt{}, "test"); err != nil || d.State() != announce.Retracted {
				t.Errorf("%v %s %+v", err, d.State(), d)
			}
		}
	}
	if tasks, err := s.Tasks(t.Context(), 10); err != nil || len(tasks) > 0 {
		t.Errorf("%v %+v", err, tasks)
	}
}

// A change of what a person posted is asked of them in the channel's own words, the last change only, and an address that
// they give is one that can be followed.
func TestAPersonIsAskedToChangeTheirPost(t *testing.T) {
	t.Parallel()
	s := seasonOf(t, func(b *pinboard) announce.Publisher { return b }, Account{Name: "hand", Publisher: hand{}})
	d := meetup()
	d.Channels = []string{"hand"}
	a, _, err := s.Submit(t.Context(), d, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	task := func(verb announce.Verb, rev int, fault string) (row announce.Delivery) {
		t.Helper()
		s.until(fault, func() bool {
			rows, err := s.Store.Deliveries(t.Context(), a.ID)
			if err != nil || len(rows) != 1 {
				t.Fatal(rows, err)
			}
			row = rows[0]
			return row.Rest == announce.Person && row.Fault == fault && wantedOf(row) == Wanted{Verb: verb, Rev: rev}
		})
		return row
	}
	row := task(announce.Publish, 1, "post it")
	for _, wrong := range []string{"there", "javascript:alert(1)"} {
		if _, err := s.Settle(t.Context(), a.ID, row.ID, Finished, nil, announce.Receipt{URL: wrong}, "ada"); err == nil || !strings.Contains(err.Error(), "is not a web address") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := s.Settle(t.Context(), a.ID, row.ID, Finished, nil, announce.Receipt{URL: "https://example.org/1"}, "ada"); err != nil {
		t.Fatal(err)
	}
	for rev, place := range []string{"Pacini", "Salle 3"} {
		d.Event.Venue = &announce.Venue{Name: place}
		if _, err := s.Amend(t.Context(), a.ID, rev+1, d, "test"); err != nil {
			t.Fatal(err)
		}
		task(announce.Amend, rev+2, "change it")
	}
	if row, err = s.Settle(t.Context(), a.ID, row.ID, Finished, nil, announce.Receipt{}, "ada"); err != nil || row.Shown != 3 || row.Receipt.URL != "https://example.org/1" || row.Todo() != announce.Nothing {
		t.Errorf("%v %+v", err, row)
	}
}
