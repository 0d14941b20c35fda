package digest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // makes schemas
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// desk is a community on a Monday in March 2027, whose clock only the test moves.
type desk struct {
	*Service
	t   testing.TB
	db  *store.DB
	o   store.Options
	mu  sync.Mutex
	now time.Time
}

// paper is an account without a platform: nothing is called here, letters are read from the record.
type paper struct {
	name   string
	limits announce.Limits
}

func (p paper) Name() string            { return p.name }
func (p paper) Limits() announce.Limits { return p.limits }
func (p paper) Publish(context.Context, announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Err: errors.New("nothing is published here")}
}

const community = "America/Toronto"

// both runs a test on SQLite, and on Postgres when there is one.
func both(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newDesk(t, store.Options{Dir: t.TempDir(), MinFree: -1})) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		base := os.Getenv("CRIEUR_TEST_POSTGRES")
		if base == "" {
			t.Skip("CRIEUR_TEST_POSTGRES is not set to the URL of a Postgres in which schemas may be made")
		}
		admin, err := sql.Open("pgx", base)
		must(t, err)
		schema := "d" + string(announce.NewID(time.Now()))
		_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
		must(t, err)
		t.Cleanup(func() {
			_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
			must(t, errors.Join(err, admin.Close()))
		})
		u, err := url.Parse(base)
		must(t, err)
		q := u.Query()
		q.Set("search_path", schema)
		u.RawQuery = q.Encode()
		test(t, newDesk(t, store.Options{URL: announce.NewSecret(u.String())}))
	})
}

func newDesk(t testing.TB, o store.Options) *desk {
	t.Helper()
	d := &desk{t: t, now: instantOf(t, "2027-03-08T07:00")}
	o.Clock = d.clock
	d.o = o
	var err error
	d.db, err = store.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, d.db.Close()) })
	d.Service = d.server(d.db)
	_, err = d.Work(t.Context()) // digests begin now
	must(t, err)
	return d
}

// server is a service on a record, as another process would have it.
func (d *desk) server(db *store.DB) *Service {
	set, err := templates.New(nil)
	must(d.t, err)
	site := announce.Site{Name: "Rencontres du Fjord", URL: "https://fjord.example.org", Zone: community, Languages: []announce.Language{"fr", "en"}}
	log := slog.New(slog.DiscardHandler)
	b := broadcast.New(broadcast.Options{
		Store: db, Templates: set, Site: site, Log: log, Metrics: broadcast.NewMetrics(prometheus.NewRegistry()), Media: media.New(media.Options{}),
		Accounts: []broadcast.Account{
			{Name: "email", Publisher: paper{"email", announce.Limits{Links: true, HTML: true, Personal: true}}},
			{Name: "slack", Publisher: paper{"slack", announce.Limits{Text: 1200, Links: true, Markdown: true}}},
		},
	})
	return New(Options{Store: db, Broadcast: b, Site: site, Log: log})
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// to moves the clock to a wall time of the community.
func (d *desk) to(wall string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = instantOf(d.t, wall)
}

func instantOf(t testing.TB, wall string) time.Time {
	t.Helper()
	w, err := announce.ParseWhen(wall, community)
	must(t, err)
	return w.Instant
}

// join adds somebody.
func (d *desk) join(a store.Address) int64 {
	d.t.Helper()
	a.Channel, a.Standing = "email", store.Active
	_, err := d.db.AddAddresses(d.t.Context(), []store.Address{a}, store.Deed{Act: store.Added, How: "test", Basis: "express"})
	must(d.t, err)
	got, err := d.db.AddressOf(d.t.Context(), "email", a.Address)
	must(d.t, err)
	return got.ID
}

func (d *desk) change(id int64, f func(*store.Address)) {
	d.t.Helper()
	_, err := d.db.ChangeAddress(d.t.Context(), id, func(a *store.Address) error { f(a); return nil }, store.Deed{Act: store.Changed, How: "test"})
	must(d.t, err)
}

// news announces something and lets the planner do its work.
func (d *desk) news(title string, f ...func(*announce.Draft)) announce.ID {
	d.t.Helper()
	undo := 0
	draft := announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{"fr": {Title: title, Body: "Tout sur " + title + "."}, "en": {Title: title, Body: "All about " + title + "."}}, UndoSeconds: &undo}
	for _, f := range f {
		f(&draft)
	}
	a, _, err := d.Broadcast.Submit(d.t.Context(), draft, "ada", nil)
	must(d.t, err)
	d.plan()
	return a.ID
}

// meeting makes a draft an event.
func meeting(start string) func(*announce.Draft) {
	return func(d *announce.Draft) { d.Kind, d.Event = announce.KindEvent, &announce.DraftEvent{StartsAt: start} }
}

func on(topics ...string) func(*announce.Draft) {
	return func(d *announce.Draft) { d.Topics = topics }
}

// amend changes an announcement.
func (d *desk) amend(id announce.ID, f func(*announce.Draft)) {
	d.t.Helper()
	a, _, err := d.db.Announcement(d.t.Context(), id)
	must(d.t, err)
	draft := a.Draft()
	f(&draft)
	_, err = d.Broadcast.Amend(d.t.Context(), id, a.Rev, draft, "ada")
	must(d.t, err)
}

func (d *desk) plan() {
	d.t.Helper()
	for done := false; !done; {
		var err error
		done, _, err = d.db.Plan(d.t.Context(), 100)
		must(d.t, err)
	}
}

// work makes what is due.
func (d *desk) work() {
	d.t.Helper()
	_, err := d.Work(d.t.Context())
	must(d.t, err)
}

// letters sends every letter that is due and returns its text, by address.
func (d *desk) letters() map[int64][]string {
	d.t.Helper()
	ctx, all := d.t.Context(), map[int64][]string{}
	jobs, err := d.db.Due(ctx, 100_000)
	must(d.t, err)
	for _, j := range jobs {
		if j.Account != "email" {
			continue
		}
		for {
			b, err := d.db.Lease(ctx, j.Account, j.Announcement, store.LeaseOptions{Owner: "test", Lease: time.Minute, Most: 500})
			must(d.t, err)
			if len(b.Letters) == 0 {
				break
			}
			for _, l := range b.Letters {
				began, _, err := d.db.Advance(ctx, nil, l)
				must(d.t, err)
				if began != store.Begun {
					continue
				}
				m, _, err := d.db.Message(ctx, l)
				must(d.t, err)
				all[l.Address] = append(all[l.Address], m.Subject+"\n"+m.Text)
				after := l.Delivery
				after.Calling, after.Attempts, after.Shown, after.Receipt = announce.Nothing, 0, l.CallRev, announce.Receipt{ID: l.ID, At: d.clock()}
				_, _, err = d.db.Advance(ctx, &store.Ended{Letter: l, Delivery: after}, nil)
				must(d.t, err)
			}
			must(d.t, d.db.GiveBack(ctx, &b))
		}
		if wrong, err := d.db.Recount(ctx, j.Announcement); wrong != 0 || err != nil {
			d.t.Fatalf("%d letters are counted wrong: %v", wrong, err)
		}
	}
	return all
}

// runs are the runs of a digest in words, the oldest first.
func (d *desk) runs(name string) string {
	d.t.Helper()
	all, err := d.db.DigestRuns(d.t.Context(), name, 100)
	must(d.t, err)
	slices.Reverse(all)
	var words []string
	for _, r := range all {
		w := fmt.Sprintf("%s %s %d", r.Period.Wall[5:16], r.State, r.Letters)
		if r.Late {
			w += " late"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}

// order checks that words stand in a text one after another, and others nowhere.
func order(t testing.TB, text string, words []string, nowhere ...string) {
	t.Helper()
	rest := text
	for _, w := range words {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Errorf("%q does not follow in:\n%s", w, text)
			return
		}
		rest = rest[i+len(w):]
	}
	for _, w := range nowhere {
		if strings.Contains(text, w) {
			t.Errorf("%q stands in:\n%s", w, text)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// follow amends an announcement, and tells whoever was told of it before what changed, in an announcement of a kind.
func (d *desk) follow(id announce.ID, kind announce.Kind, f func(*announce.Announcement)) {
	d.t.Helper()
	now := d.clock()
	a, _, err := d.db.Announcement(d.t.Context(), id)
	must(d.t, err)
	f(&a)
	a.Rev, a.Updated = a.Rev+1, now
	said := func(rev int) store.Payload {
		return store.Payload{Account: "email", Language: a.Default, Message: announce.Message{Rev: rev, Subject: "Change", Text: fmt.Sprintf("Now at %s, off: %t", a.Event.Venue.Name, a.Event.Cancelled)}}
	}
	child := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: kind, Default: a.Default, Texts: a.Texts, Zone: a.Zone, Channels: []string{"email"}, Of: id, OfRev: a.Rev, Created: now, Updated: now,
	}
	plan := store.Plan{Account: "email", First: now, Next: now, Keeps: true}
	follows := plan
	follows.Before = a.Rev
	told, err := d.db.Change(d.t.Context(), a.Rev-1, store.Submission{Announcement: a, Payloads: []store.Payload{said(a.Rev)}, Plans: []store.Plan{plan}, Actor: "ada"},
		store.Change{Follow: &store.Submission{Announcement: child, Payloads: []store.Payload{said(1)}, Plans: []store.Plan{follows}, Actor: "ada"}})
	if must(d.t, err); !told {
		d.t.Error("nobody is told of the change")
	}
}

// wave announces an announcement's event again, as its reminders do.
func (d *desk) wave(of announce.ID, kind announce.Kind, title string) {
	d.t.Helper()
	now := d.clock()
	a, _, err := d.db.Announcement(d.t.Context(), of)
	must(d.t, err)
	child := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: kind, Default: a.Default, Texts: map[announce.Language]announce.Text{a.Default: {Title: title}}, Event: a.Event,
		Zone: a.Zone, Channels: []string{"email"}, Of: of, OfRev: a.Rev, Wave: "-1d", Created: now, Updated: now,
	}
	_, _, err = d.db.Save(d.t.Context(), store.Submission{
		Announcement: child, Payloads: []store.Payload{{Account: "email", Language: a.Default, Message: announce.Message{Subject: title, Text: title}}},
		Plans: []store.Plan{{Account: "email", First: now, Next: now}}, Actor: "crieur",
	})
	must(d.t, err)
	d.plan()
}
