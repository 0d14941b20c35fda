package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/digest"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/publishers"
	"github.com/crieur/crieur/templates"
)

type benchDigestCmd struct {
	People   int    `default:"100000" help:"How many people chose the digest."`
	Postgres string `help:"URL of a Postgres to keep the record in; it is filled with made-up people. Default: SQLite in a temporary directory."`
}

func (benchDigestCmd) Help() string {
	return "Plans a weekly digest for made-up people who chose different topics, read two languages and joined on five different days: a letter for each, " +
		"with what is new to them. Nothing is sent, and nothing leaves the machine.\n\n" +
		"Example:\n  crieur bench digest --people 10000"
}

// Validate is called by the parser.
func (c benchDigestCmd) Validate() error {
	if c.People < 1 {
		return errors.New("--people must be 1 or more")
	}
	return nil
}

func (c benchDigestCmd) Run(ctx context.Context, s *session) (err error) {
	fmt.Fprintf(s.err, "%s, %d cores, Go %s, %d people\n", version(), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), c.People)
	dir, err := os.MkdirTemp("", "crieur-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := openWeek(ctx, map[string]string{
		"CRIEUR_STATE": filepath.Join(dir, "state"), "CRIEUR_DATABASE_URL": c.Postgres, "CRIEUR_CHANNELS": "email", "CRIEUR_PUBLIC_URL": "https://crieur.example.org",
		"CRIEUR_NAME": "Mesure", "CRIEUR_POSTAL_ADDRESS": "1, rue de la Mesure, Québec", "CRIEUR_EMAIL_HOST": "127.0.0.1", "CRIEUR_EMAIL_TLS": "none",
		"CRIEUR_EMAIL_FROM": "Mesure <mesure@example.org>", "CRIEUR_LOG_LEVEL": "warn",
	}, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.db.Close()) }()
	fmt.Fprintln(s.err, "  adding people and announcements")
	if err := w.fill(ctx, c.People); err != nil {
		return err
	}
	w.set(w.monday.Add(time.Minute))
	var peak atomic.Int64
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); watched.Err() == nil; <-tick.C {
			peak.Store(max(peak.Load(), residentMemory()))
		}
	})
	before := residentMemory()
	fmt.Fprintln(s.err, "  planning")
	began, cpu := time.Now(), processCPU()
	_, err = w.digests.Work(ctx)
	took, used := time.Since(began), processCPU()-cpu
	stop()
	watch.Wait()
	if err != nil {
		return err
	}
	runs, err := w.db.DigestRuns(ctx, "weekly", 1)
	if err != nil {
		return err
	}
	letters := 0
	for i := range c.People {
		if slices.ContainsFunc(made(), func(n int) bool { return hears(i, n) }) {
			letters++
		}
	}
	if len(runs) != 1 || runs[0].People != c.People || runs[0].Letters != letters {
		return fmt.Errorf("%+v is not a run for %d people with %d letters", runs, c.People, letters)
	}
	return s.table([]string{"MEASURED", "VALUE"}, [][]string{
		{"people", fmt.Sprint(c.People)}, {"letters", fmt.Sprint(letters)}, {"editions", fmt.Sprint(editions(c.People))},
		{"people per second", fmt.Sprintf("%.0f", float64(c.People)/took.Seconds())},
		{"took", took.Round(time.Millisecond).String()},
		{"CPU seconds per 10,000 people", fmt.Sprintf("%.2f", used.Seconds()/float64(c.People)*1e4)},
		{"memory before", fmt.Sprintf("%.0f MB", float64(before)/1e6)},
		{"peak memory", fmt.Sprintf("%.0f MB", float64(peak.Load())/1e6)},
	})
}

// week is a community whose people chose the weekly digest, in the six days before a Monday at eight.
type week struct {
	db        *store.DB
	broadcast *broadcast.Service
	digests   *digest.Service
	monday    time.Time // the last one that has passed

	mu  sync.Mutex
	now time.Time
}

// openWeek opens a record whose clock stands at the beginning of that week.
func openWeek(ctx context.Context, environ map[string]string, s *session) (w *week, err error) {
	config, err := load(environ)
	if err != nil {
		return nil, err
	}
	plan, err := digest.ParseSchedule("0 8 * * 1", config.Zone)
	if err != nil {
		return nil, err
	}
	monday, _ := plan.Last(time.Now())
	w = &week{monday: monday.Instant, now: monday.Instant.AddDate(0, 0, -6)}
	set, err := templates.New(nil)
	if err != nil {
		return nil, err
	}
	accounts, err := publishers.Open([]string{"email"}, environ, publishers.Deps{Site: config.site()})
	if err != nil {
		return nil, err
	}
	log := logger(config, s.err)
	if w.db, err = store.Open(ctx, store.Options{Dir: config.State, URL: config.DatabaseURL, Log: log, Clock: w.clock}); err != nil {
		return nil, err
	}
	w.broadcast = broadcast.New(broadcast.Options{
		Store: w.db, Templates: set, Media: media.New(media.Options{}), Accounts: []broadcast.Account{broadcast.Account(accounts[0])}, Site: config.site(), Log: log,
		Metrics: broadcast.NewMetrics(prometheus.NewRegistry()),
	})
	w.digests = digest.New(digest.Options{Store: w.db, Broadcast: w.broadcast, Site: config.site(), Log: log})
	return w, nil
}

func (w *week) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *week) set(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

const (
	weekDays     = 5 // on which people join, and then something is announced
	weekPerDay   = 6
	weekInterest = 8 // topics
)

// made numbers the announcements of a week.
func made() []int {
	all := make([]int, weekDays*weekPerDay)
	for n := range all {
		all[n] = n
	}
	return all
}

// fill lets people join and announcements come due, day by day.
func (w *week) fill(ctx context.Context, people int) error {
	if err := w.db.BeginDigest(ctx, "weekly"); err != nil {
		return err
	}
	for n := range weekInterest {
		if err := w.db.PutTopic(ctx, store.Topic{Name: interest(n)}, "bench"); err != nil {
			return err
		}
	}
	for day := range weekDays {
		var joining []store.Address
		for i := day; i < people; i += weekDays {
			joining = append(joining, weekReader(i))
		}
		if _, err := w.db.AddAddresses(ctx, joining, store.Deed{Act: store.Added, How: "bench", Basis: "express"}); err != nil {
			return err
		}
		w.set(w.clock().Add(time.Hour))
		for n := day * weekPerDay; n < (day+1)*weekPerDay; n++ {
			if _, _, err := w.broadcast.Submit(ctx, weekAnnouncement(n, w.monday), "bench", nil); err != nil {
				return err
			}
		}
		for done := false; !done; {
			var err error
			if done, _, err = w.db.Plan(ctx, 2000); err != nil {
				return err
			}
		}
		w.set(w.clock().Add(23 * time.Hour))
	}
	return nil
}

func interest(n int) string { return fmt.Sprintf("interest-%d", n) }

// weekReader is the i-th of the people: three in ten want everything, the others up to three topics.
func weekReader(i int) store.Address {
	a := store.Address{
		Channel: "email", Standing: store.Active, Address: fmt.Sprintf("reader%d@d%d.example.org", i, i%40), Language: []announce.Language{"fr", "en"}[i/weekDays%2],
		Frequency: "weekly", Everything: i/10%10 < 3,
	}
	if !a.Everything {
		for _, n := range []int{i / 10 % weekInterest, i / 100 % weekInterest, i / 800 % weekInterest} {
			if !slices.Contains(a.Topics, interest(n)) {
				a.Topics = append(a.Topics, interest(n))
			}
		}
	}
	return a
}

// weekAnnouncement is the n-th announcement: most are about a topic, some for readers of English only, some are events.
func weekAnnouncement(n int, monday time.Time) announce.Draft {
	undo := 0
	title := weekTitle(n)
	d := announce.Draft{
		Kind: announce.KindNews, Topics: []string{interest(n % weekInterest)}, Link: fmt.Sprintf("https://example.org/%d", n), UndoSeconds: &undo,
		Texts: map[announce.Language]announce.Text{"fr": {Title: title, Body: "Tout ce qu’il faut savoir."}, "en": {Title: title, Body: "All there is to know."}},
	}
	switch n % weekPerDay {
	case 3:
		d.Kind, d.Event = announce.KindEvent, &announce.DraftEvent{StartsAt: monday.AddDate(0, 2, n).Format(time.RFC3339)}
	case 4:
		d.Audience = []announce.Language{"en"}
	case 5:
		d.Topics = nil
	}
	return d
}

func weekTitle(n int) string { return fmt.Sprintf("n° %04d", n) }

// hears reports whether the n-th announcement is new to the i-th person, and for them.
func hears(i, n int) bool {
	a := weekReader(i)
	switch {
	case n/weekPerDay < i%weekDays, n%weekPerDay == 4 && a.Language != "en":
		return false
	}
	return a.Everything || n%weekPerDay != 5 && slices.Contains(a.Topics, interest(n%weekInterest))
}

// editions is how many different digests so many people get.
func editions(people int) int {
	all := map[string]bool{}
	for i := range people {
		key := ""
		for _, n := range made() {
			if hears(i, n) {
				key += weekTitle(n)
			}
		}
		all[key] = true
	}
	delete(all, "")
	return len(all)
}
