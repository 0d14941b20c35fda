package broadcast

import (
	"context"
	"errors"
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

// wall is a channel that keeps what it was given, and whose account can be at fault.
type wall struct {
	mu     sync.Mutex
	posts  []announce.Message
	report announce.Report
	limits announce.Limits
	ill    error
}

func (*wall) Name() string { return "wall" }
func (w *wall) Limits() announce.Limits {
	l := w.limits
	l.Idempotent, l.Links = announce.Forever, true
	return l
}

func (w *wall) Publish(_ context.Context, m announce.Message) (announce.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = append(w.posts, m)
	return announce.Receipt{ID: m.Key}, nil
}

func (w *wall) Check(context.Context) (announce.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report, w.ill
}

// texts are all posts whose text holds a word.
func (w *wall) texts(word string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.posts {
		if text := m.Subject + "\n" + m.Text; strings.Contains(text, word) {
			found = append(found, text)
		}
	}
	return found
}

// place is a service on a clock that only a test moves.
type place struct {
	*testing.T
	*Service
	mu   sync.Mutex
	now  time.Time
	dir  string
	wall *wall
	desk *wall // where organisers hear
}

// newPlace opens a service that does not run yet. set changes its options.
func newPlace(t *testing.T, now time.Time, set ...func(*Options)) *place {
	t.Helper()
	p := &place{T: t, now: now, dir: t.TempDir(), wall: &wall{}, desk: &wall{}}
	db, err := store.Open(t.Context(), store.Options{Dir: p.dir, MinFree: -1, Clock: p.clock})
	p.must(err)
	t.Cleanup(func() { _ = db.Close() })
	set1, err := templates.New(nil)
	p.must(err)
	q, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	p.must(err)
	t.Cleanup(func() { _ = q.Close(context.Background()) })
	o := Options{
		Store: db, Queue: q, Templates: set1, Media: media.New(media.Options{}), Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
		Site:     announce.Site{Name: "Club", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"}},
		Accounts: []Account{{Name: "wall", Publisher: p.wall}, {Name: "desk", Publisher: p.desk, Aside: true}}, Notices: []string{"desk"},
	}
	for _, f := range set {
		f(&o)
	}
	p.Service = New(o)
	return p
}

func (p *place) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *place) at(now time.Time) {
	p.mu.Lock()
	p.now = now
	p.mu.Unlock()
	p.nudge()
}

func (p *place) later(d time.Duration) { p.at(p.clock().Add(d)) }

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// submit announces a title at a time, as it is written.
func (p *place) submit(title, at string, change ...func(*announce.Draft)) announce.ID {
	p.Helper()
	d := announce.Draft{Kind: announce.KindNews, PublishAt: at, Texts: map[announce.Language]announce.Text{"fr": {Title: title}}}
	for _, f := range change {
		f(&d)
	}
	a, _, err := p.Submit(p.Context(), d, "ada", nil)
	p.must(err)
	return a.ID
}

// running is a server that runs from now on, until the function that it returns is called.
func (p *place) running() (stop func()) {
	ctx, cancel := context.WithCancel(p.Context())
	var g sync.WaitGroup
	p.woken.Store(false)
	g.Go(func() { _ = p.Service.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); g.Wait() })
	p.Cleanup(stop)
	return stop
}

// until waits for a condition.
func (p *place) until(what string, ok func() bool) {
	p.Helper()
	end := time.Now().Add(time.Minute)
	for ; !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("never: %s", what)
		}
	}
}

// due are the announcements with work due.
func (p *place) due() (ids []announce.ID) {
	p.Helper()
	jobs, err := p.Store.Due(p.Context(), 10_000)
	p.must(err)
	for _, j := range jobs {
		ids = append(ids, j.Announcement)
	}
	return ids
}

func (p *place) state(id announce.ID) State {
	p.Helper()
	st, err := p.Status(p.Context(), id)
	p.must(err)
	return st.State
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// Around the clock changes of 2026 and 2027 each announcement is due at its instant and not a moment before: what a change
// skips at the first valid moment after it, what it repeats at the first time and never again.
func TestInstantsOfSchedules(t *testing.T) {
	p := newPlace(t, utc("2026-01-01T00:00:00Z"), func(o *Options) { o.Queue = nil })
	type row struct {
		wall, zone, instant string
		id                  announce.ID
	}
	rows := []row{
		{wall: "2026-03-08T01:59", zone: "America/Toronto", instant: "2026-03-08T06:59:00Z"},
		{wall: "2026-03-08T02:30", zone: "America/Toronto", instant: "2026-03-08T07:00:00Z"}, // skipped
		{wall: "2026-11-01T01:30", zone: "America/Toronto", instant: "2026-11-01T05:30:00Z"}, // repeated
		{wall: "2026-11-01T01:30:00-05:00", zone: "America/Toronto", instant: "2026-11-01T06:30:00Z"},
		{wall: "2027-03-14T02:30", zone: "America/Toronto", instant: "2027-03-14T07:00:00Z"},
		{wall: "2027-11-07T01:30", zone: "America/Toronto", instant: "2027-11-07T05:30:00Z"},
		{wall: "2026-03-29T02:30", zone: "Europe/Paris", instant: "2026-03-29T01:00:00Z"},
		{wall: "2026-10-25T02:30", zone: "Europe/Paris", instant: "2026-10-25T00:30:00Z"},
		{wall: "2027-03-28T02:00", zone: "Europe/Paris", instant: "2027-03-28T01:00:00Z"},
		{wall: "2027-10-31T02:59", zone: "Europe/Paris", instant: "2027-10-31T00:59:00Z"},
		{wall: "2026-03-08T02:15", zone: "America/St_Johns", instant: "2026-03-08T05:30:00Z"},
		{wall: "2026-11-01T01:30", zone: "America/St_Johns", instant: "2026-11-01T04:00:00Z"},
		{wall: "2027-03-14T02:59", zone: "America/St_Johns", instant: "2027-03-14T05:30:00Z"},
		{wall: "2027-11-07T01:00", zone: "America/St_Johns", instant: "2027-11-07T03:30:00Z"},
		{wall: "2026-03-08T02:30", zone: "Asia/Kathmandu", instant: "2026-03-07T20:45:00Z"},
		{wall: "2027-11-07T01:30", zone: "Asia/Kathmandu", instant: "2027-11-06T19:45:00Z"},
		{wall: "2026-04-05T02:45", zone: "Pacific/Chatham", instant: "2026-04-04T13:00:00Z"},
		{wall: "2026-09-27T02:50", zone: "Pacific/Chatham", instant: "2026-09-26T14:00:00Z"},
		{wall: "2027-04-04T03:15", zone: "Pacific/Chatham", instant: "2027-04-03T13:30:00Z"},
		{wall: "2027-09-26T03:30", zone: "Pacific/Chatham", instant: "2027-09-25T14:00:00Z"},
	}
	for i := range rows {
		rows[i].id = p.submit(rows[i].wall+" "+rows[i].zone, rows[i].wall, func(d *announce.Draft) { d.TimeZone = rows[i].zone })
	}
	slices.SortStableFunc(rows, func(a, b row) int { return utc(a.instant).Compare(utc(b.instant)) })
	fired := 0
	for _, r := range rows {
		p.at(utc(r.instant).Add(-time.Microsecond))
		if slices.Contains(p.due(), r.id) {
			t.Errorf("%s %s is early", r.wall, r.zone)
		}
		p.at(utc(r.instant))
		if !slices.Contains(p.due(), r.id) {
			t.Errorf("%s %s is not due at %s", r.wall, r.zone, r.instant)
		}
		for _, id := range p.due() {
			c, ok, err := p.Store.Claim(t.Context(), "wall", id, store.ClaimOptions{Owner: "w", Lease: time.Minute})
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			p.must(p.Store.Record(t.Context(), c.Fence, done(c.Delivery, announce.Publish, announce.Receipt{ID: c.Delivery.ID, At: p.clock()})))
			fired++
		}
		if n := len(p.due()); n > 0 {
			t.Fatalf("%d are due twice", n)
		}
	}
	p.at(utc("2028-01-01T00:00:00Z"))
	if n := len(p.due()); fired != len(rows) || n > 0 {
		t.Errorf("%d of %d fired, %d are due again", fired, len(rows), n)
	}
}

// A clock that is set two hours forward or back under a running server makes nothing early, lost or double.
func TestClockSteps(t *testing.T) {
	start := utc("2027-01-20T12:00:00Z")
	p := newPlace(t, start)
	stop := p.running()
	p.until("it works", p.woken.Load)
	const each = 5
	all := map[string]announce.ID{}
	title := func(i int) string { return fmt.Sprintf("Annonce %02d.", i) }
	for i := range 4 * each {
		all[title(i)] = p.submit(title(i), start.Add(time.Duration(i+1)*30*time.Minute).Format(time.RFC3339))
	}
	out := func() (n int) {
		for _, id := range all {
			if p.state(id) == Published {
				n++
			}
		}
		return n
	}
	p.later(2 * time.Hour) // those of the first two hours are due, by the only clock there is
	p.until("what is due is out", func() bool { return out() == 4 && len(p.due()) == 0 })
	p.later(-2 * time.Hour)
	if n := len(p.due()); n > 0 {
		t.Errorf("%d are due again", n)
	}
	for i := range 4 * each {
		p.at(start.Add(time.Duration(i+1)*30*time.Minute - time.Microsecond))
		if n := len(p.due()); n > 0 {
			t.Errorf("%d are early before %s", n, title(i))
		}
		p.later(time.Microsecond)
		p.until("it is out in time", func() bool { return out() == max(4, i+1) && len(p.due()) == 0 })
		if i == 2*each {
			p.later(-2 * time.Hour)
			p.later(2 * time.Hour)
		}
	}
	stop()
	for title, id := range all {
		if n := len(p.wall.texts(title)); n != 1 || p.state(id) != Published {
			t.Errorf("%s is %d times out, and %s", title, n, p.state(id))
		}
	}
}

// After three days without a server: what is late by at most an hour is out, the rest waits for a person, organisers hear
// of it once, and each can be released, amended or taken back.
func TestThreeDaysDown(t *testing.T) {
	start := utc("2027-01-20T12:00:00Z")
	p := newPlace(t, start)
	stop := p.running()
	p.until("it works", p.woken.Load)
	at := func(d time.Duration) string { return start.Add(d).Format(time.RFC3339) }
	titles := map[string]announce.ID{}
	say := func(title, when string, change ...func(*announce.Draft)) announce.ID {
		titles[title] = p.submit(title, when, change...)
		return titles[title]
	}
	missed := func(how announce.IfMissed) func(*announce.Draft) {
		return func(d *announce.Draft) { d.IfMissed = how }
	}
	event := func(d *announce.Draft) {
		d.Kind, d.Event = announce.KindEvent, &announce.DraftEvent{StartsAt: at(30 * time.Hour), EndsAt: at(33 * time.Hour)}
	}
	say("Relâchée", at(24*time.Hour))
	say("Corrigée", at(25*time.Hour))
	say("Retirée", at(26*time.Hour))
	say("Quand même", at(27*time.Hour), missed(announce.MissedFire))
	say("Plus jamais", at(28*time.Hour), missed(announce.MissedSkip))
	say("Terminée", at(29*time.Hour), event, missed(announce.MissedFire))
	say("À peine en retard", at(71*time.Hour))
	say("À venir", at(73*time.Hour))
	stop()
	p.later(72 * time.Hour)
	stop = p.running()
	p.until("what may go is out", func() bool { return len(p.wall.texts("")) == 2 && len(p.due()) == 0 })
	for title, want := range map[string]State{"Relâchée": Held, "Corrigée": Held, "Retirée": Held, "Quand même": Published, "Plus jamais": NeedsAttention, "Terminée": NeedsAttention, "À peine en retard": Published, "À venir": Scheduled} {
		p.until(title+" is "+string(want), func() bool { return p.state(titles[title]) == want })
	}
	p.until("organisers are told", func() bool { return len(p.desk.texts("")) >= 2 })
	stop()
	for _, restarts := range []time.Duration{time.Minute, 50 * time.Minute} { // a restart changes nothing and says nothing new
		p.later(restarts)
		again := p.running()
		p.until("it works", p.woken.Load)
		again()
	}
	if told := p.desk.texts(""); len(told) != 2 || len(p.desk.texts("3 annonces attendent")) != 1 || !strings.Contains(p.desk.texts("3 annonces attendent")[0], string(titles["Corrigée"])) || len(p.desk.texts("n’est pas parue")) != 1 {
		t.Errorf("organisers were told:\n%s", strings.Join(told, "\n---\n"))
	}
	p.must(p.Release(t.Context(), titles["Relâchée"], "ada"))
	_, err := p.Amend(t.Context(), titles["Corrigée"], 1, announce.Draft{Kind: announce.KindNews, Texts: map[announce.Language]announce.Text{"fr": {Title: "Corrigée depuis"}}}, "ada")
	p.must(err)
	p.must(p.Retract(t.Context(), titles["Retirée"], 1, "ada"))
	for _, title := range []string{"Relâchée", "À venir", "Retirée"} {
		var faults announce.Faults
		if err := p.Release(t.Context(), titles[title], "ada"); !errors.As(err, &faults) {
			t.Errorf("%s is released: %v", title, err)
		}
	}
	p.later(time.Hour)
	stop = p.running()
	p.until("all is out", func() bool { return len(p.wall.texts("")) >= 5 && len(p.due()) == 0 })
	stop()
	for title, want := range map[string]int{"Relâchée": 1, "Corrigée depuis": 1, "Corrigée": 1, "Retirée": 0, "Quand même": 1, "Plus jamais": 0, "Terminée": 0, "À peine en retard": 1, "À venir": 1} {
		if got := len(p.wall.texts(title)); got != want {
			t.Errorf("%s is %d times out, want %d", title, got, want)
		}
	}
	if st := p.state(titles["Retirée"]); st != Retracted {
		t.Errorf("what was taken back is %s", st)
	}
}

// An event that is over is announced by nobody to nobody, whatever kept the announcement back; only what speaks of the
// past still goes.
func TestNeverAfterTheEvent(t *testing.T) {
	start := utc("2027-01-20T12:00:00Z")
	mail := &post{}
	p := newPlace(t, start, func(o *Options) { o.Accounts = append(o.Accounts, Account{Name: "email", Publisher: mail}) })
	_, err := p.Store.AddAddresses(t.Context(), []store.Address{{Channel: "email", Address: "ada@example.org", Everything: true}}, store.Deed{Act: store.Added, How: "test", Basis: "express"})
	p.must(err)
	p.must(p.Store.Stop(t.Context(), "ada", "until the event is over"))
	stop := p.running()
	p.until("it works", p.woken.Load)
	ids := map[announce.Kind]announce.ID{}
	for _, k := range announce.Kinds() {
		ids[k] = p.submit("Une annonce: "+string(k)+".", start.Add(time.Hour).Format(time.RFC3339), func(d *announce.Draft) {
			d.Kind, d.Event = k, &announce.DraftEvent{StartsAt: start.Add(2 * time.Hour).Format(time.RFC3339), EndsAt: start.Add(3 * time.Hour).Format(time.RFC3339)}
		})
	}
	p.later(3 * time.Hour)
	p.must(p.Service.Resume(t.Context(), "ada", ""))
	for k, id := range ids {
		want, n := NeedsAttention, 0
		if k == announce.KindNews || k == announce.KindRecap {
			want, n = Published, 1
		}
		p.until(string(k)+" is done with", func() bool {
			c, err := p.Store.Counts(t.Context(), id, "email")
			return err == nil && c.Done && c.By[announce.Published]+c.By[announce.SkippedState] == 1 && p.state(id) == want
		})
		title := "annonce: " + string(k) + "."
		if got, letters := len(p.wall.texts(title)), len(mail.texts(title)); got != n || letters != n {
			t.Errorf("%s is %d times out, in %d letters; want %d", k, got, letters, n)
		}
	}
	stop()
}

// When it cannot be read whether the event is over, nothing is announced: it is tried again.
func TestUnreadableEventWaits(t *testing.T) {
	start := utc("2027-01-20T12:00:00Z")
	p := newPlace(t, start)
	id := p.submit("Rencontre", "", func(d *announce.Draft) {
		d.Kind, d.Event = announce.KindEvent, &announce.DraftEvent{StartsAt: start.Add(time.Hour).Format(time.RFC3339)}
	})
	c, ok, err := p.Store.Claim(t.Context(), "wall", id, store.ClaimOptions{Owner: "w", Lease: time.Minute})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	blind, cancel := context.WithCancel(t.Context())
	cancel()
	d := p.perform(blind, p.accounts["wall"], c, &horizon{}).Delivery
	if n := len(p.wall.texts("")); n > 0 || d.Calling != announce.Nothing || d.Attempts != 0 || !d.Next.After(start) {
		t.Errorf("%d posts, %+v", n, d)
	}
	for repeats, claim := 0, c; repeats < 2; repeats++ { // a lost call waits as well, whatever settles it
		claim.Verb, claim.Delivery.Repeats = announce.Settle, repeats
		d := p.perform(blind, p.accounts["wall"], claim, &horizon{}).Delivery
		if n := len(p.wall.texts("")); n > 0 || d.Calling != announce.Publish || !d.Next.After(start) || d.Rest != announce.Moving {
			t.Errorf("%d posts, %+v", n, d)
		}
	}
}
