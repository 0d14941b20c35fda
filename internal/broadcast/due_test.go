package broadcast

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // makes schemas
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/queue"
	"github.com/crieur/crieur/templates"
)

// So many reminders are due at the same moment (DUE, by default 40): each is told once.
func TestManyRemindersDue(t *testing.T) {
	manyReminders(t, store.Options{Dir: t.TempDir(), MinFree: -1}, 1)
}

// They are with two servers on one Postgres.
func TestManyRemindersDueOnPostgres(t *testing.T) {
	base := os.Getenv("CRIEUR_TEST_POSTGRES")
	if base == "" {
		t.Skip("CRIEUR_TEST_POSTGRES is not set to the URL of a Postgres in which schemas may be made")
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "w" + string(announce.NewID(time.Now()))
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		if err = errors.Join(err, admin.Close()); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	manyReminders(t, store.Options{URL: announce.NewSecret(u.String())}, 2)
}

func manyReminders(t *testing.T, o store.Options, servers int) {
	many := 40
	if n, err := strconv.Atoi(os.Getenv("DUE")); err == nil {
		many = n
	}
	s := &season{T: t, now: time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)}
	s.place, s.team, s.mail = &pinboard{name: "place", clock: s.clock}, &pinboard{name: "team", clock: s.clock}, &pinboard{name: "email", personal: true, clock: s.clock}
	o.Clock, o.Log = s.clock, slog.New(slog.DiscardHandler)
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var ends []func()
	for range servers {
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		q, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Log: o.Log})
		if err != nil {
			t.Fatal(err)
		}
		s.Service = New(Options{
			Store: db, Queue: q, Templates: set, Media: media.New(media.Options{}), Log: o.Log, Metrics: NewMetrics(prometheus.NewRegistry()),
			Site:     announce.Site{Name: "Club", Zone: "America/Toronto", Languages: []announce.Language{"fr"}, URL: "https://example.org"},
			Accounts: []Account{{Name: "place", Publisher: pins{s.place}}}, ReminderGap: 12 * time.Hour,
		})
		run := s.Service.Run
		running.Go(func() { _ = run(ctx) })
		ends = append(ends, func() {
			_ = q.Close(context.Background())
			_ = db.Close()
		})
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
		for _, end := range ends {
			end()
		}
	})
	var g sync.WaitGroup
	const lanes = 8
	for lane := range lanes {
		g.Go(func() {
			for n := lane; n < many; n += lanes {
				d := meetup("-1d")
				d.Texts["fr"] = announce.Text{Title: fmt.Sprintf("Soirée %04d", n)}
				if _, _, err := s.Submit(context.WithoutCancel(ctx), d, "test", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	s.until("all are announced", func() bool { return s.place.of(announce.KindEvent) == many })
	s.to(moment(t, "2027-05-13T18:29").Add(59 * time.Second)) // they are made in time, and none is early
	s.until("all are made", func() bool {
		planned, err := s.Store.WavesIn(t.Context(), store.WavePlanned, s.clock(), many)
		if err != nil {
			t.Fatal(err)
		}
		return len(planned) == 0
	})
	if n := s.place.of(announce.KindReminder); n != 0 {
		t.Errorf("%d are early", n)
	}
	s.to(moment(t, "2027-05-13T18:30"))
	s.until("all are told", func() bool { return s.place.of(announce.KindReminder) >= many })
	s.to(moment(t, "2027-05-13T18:45"))
	s.until("nothing is due", func() bool {
		jobs, err := s.Store.Due(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(jobs) == 0
	})
	told := map[string]int{}
	for _, p := range s.place.all() {
		if p.kind == announce.KindReminder {
			told[p.subject]++
		}
	}
	if n := s.place.of(announce.KindReminder); n != many || len(told) != many {
		t.Errorf("%d reminders, %d different, of %d", n, len(told), many)
	}
}
