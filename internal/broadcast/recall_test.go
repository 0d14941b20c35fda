package broadcast

import (
	"context"
	"log/slog"
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
	return announce.Receipt{}, &announce.Error{Ask: true}
}
func (hand) Retract(context.Context, announce.Receipt) error { return &announce.Error{Ask: true} }

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
		if d, err = db.Delivery(ctx, d.ID); err != nil || d.Todo() != announce.Retract || d.Shown != 1 {
			t.Fatalf("%v %+v", err, d)
		}
	}
}
