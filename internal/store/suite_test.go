package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// clock is a time that only a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// place is where a record is kept: opening it twice opens the same record.
type place struct {
	Options
	postgres bool
	clock    *clock
}

func (p *place) open(t testing.TB, set ...func(*Options)) *DB {
	t.Helper()
	o := p.Options
	for _, f := range set {
		f(&o)
	}
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// servers opens the record as often as it can be open at once: once on SQLite, twice on Postgres.
func (p *place) servers(t testing.TB) []*DB {
	all := []*DB{p.open(t)}
	if p.postgres {
		all = append(all, p.open(t))
	}
	return all
}

func sqlitePlace(t testing.TB) *place {
	c := newClock()
	return &place{Options: Options{Dir: t.TempDir(), MinFree: -1, Clock: c.Now}, clock: c}
}

// postgresPlace is a schema of its own in the database that CRIEUR_TEST_POSTGRES names.
func postgresPlace(t testing.TB) *place {
	base := os.Getenv("CRIEUR_TEST_POSTGRES")
	if base == "" {
		t.Skip("CRIEUR_TEST_POSTGRES is not set to the URL of a Postgres in which schemas may be made")
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "t" + string(announce.NewID(time.Now()))
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		_ = admin.Close()
	})
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	c := newClock()
	return &place{Options: Options{URL: announce.NewSecret(u.String()), Clock: c.Now}, postgres: true, clock: c}
}

// queued returns when a statement of this place waits for a lock that another holds, or when over is closed. waits: it does.
func (p *place) queued(t testing.TB, db *DB, over <-chan error) (waits bool, err error) {
	t.Helper()
	for {
		select {
		case err := <-over:
			return false, err
		default:
		}
		var n int
		if _, err := db.read().one(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE application_name = current_setting('application_name') AND wait_event_type = 'Lock'`, nil, &n); err != nil || n > 0 {
			return n > 0, err
		}
	}
}

// both runs a test on SQLite, and on Postgres when there is one.
func both(t *testing.T, test func(t *testing.T, p *place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqlitePlace(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, postgresPlace(t)) })
}

// sample is an announcement on the given broadcast accounts, due now.
func sample(db *DB, accounts ...string) Submission {
	now := db.Now()
	s := Submission{Actor: "ada", Announcement: announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: announce.KindNews, Default: "fr", Zone: "America/Toronto",
		Texts:   map[announce.Language]announce.Text{"fr": {Title: "Réunion d’été", Body: "À bientôt\u00a0!"}},
		Created: now, Updated: now,
	}}
	for _, account := range accounts {
		s.Payloads = append(s.Payloads, Payload{Account: account, Language: "fr", Message: announce.Message{Rev: 1, Language: "fr", Text: "un"}})
		s.Deliveries = append(s.Deliveries, announce.Delivery{Account: account, Language: "fr", Wanted: true, Rev: 1, Next: now})
	}
	return s
}

// personal adds a plan on account, with messages in French and English.
func (s Submission) personal(db *DB, account string) Submission {
	for _, l := range []announce.Language{"fr", "en"} {
		m := announce.Message{Rev: s.Announcement.Rev, Language: l, Text: "un " + string(l)}
		s.Payloads = append(s.Payloads, Payload{Account: account, Language: l, Message: m})
	}
	s.Plans = append(s.Plans, Plan{Account: account, Next: db.Now()})
	return s
}

// next is s amended: every text names its revision.
func (s Submission) next(db *DB) Submission {
	n := s
	n.Announcement.Rev++
	n.Announcement.Updated = db.Now()
	n.Payloads, n.Deliveries, n.Key = nil, nil, nil
	for _, p := range s.Payloads {
		p.Message.Rev, p.Message.Text = n.Announcement.Rev, fmt.Sprintf("%s, %d", p.Message.Text, n.Announcement.Rev)
		n.Payloads = append(n.Payloads, p)
	}
	for _, d := range s.Deliveries {
		d.Rev, d.Next = n.Announcement.Rev, db.Now()
		n.Deliveries = append(n.Deliveries, d)
	}
	return n
}

func save(t testing.TB, db *DB, s Submission) announce.ID {
	t.Helper()
	if _, _, err := db.Save(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.Announcement.ID
}

var worker = ClaimOptions{Owner: "worker", Lease: time.Minute}

func claim(t testing.TB, db *DB, account string, id announce.ID) Claim {
	t.Helper()
	c, ok, err := db.Claim(t.Context(), account, id, worker)
	if err != nil || !ok {
		t.Fatalf("nothing to claim on %s: %v, wait %v", account, err, c.Wait)
	}
	return c
}

func none(t testing.TB, db *DB, account string, id announce.ID) Claim {
	t.Helper()
	c, ok, err := db.Claim(t.Context(), account, id, worker)
	if err != nil || ok {
		t.Fatalf("claimed %v %+v, %v; want nothing", c.Verb, c.Delivery, err)
	}
	return c
}

// shown is the delivery after its call succeeded.
func shown(c Claim, now time.Time) announce.Delivery {
	d := c.Delivery
	d.Calling, d.Attempts, d.Looks, d.Fault = announce.Nothing, 0, 0, ""
	switch c.Verb {
	case announce.Retract:
		d.Shown, d.Receipt = 0, announce.Receipt{}
	default:
		d.Shown, d.Receipt = d.CallRev, announce.Receipt{ID: "r-" + d.ID, URL: "https://example.org/" + d.Account, At: now}
	}
	return d
}

func record(t testing.TB, db *DB, c Claim, d announce.Delivery) {
	t.Helper()
	must(t, db.Record(t.Context(), c.Fence, d))
}

func publish(t testing.TB, db *DB, account string, id announce.ID) announce.Delivery {
	t.Helper()
	c := claim(t, db, account, id)
	d := shown(c, db.Now())
	record(t, db, c, d)
	return d
}

// lease takes up to n letters for the worker.
func lease(t testing.TB, db *DB, id announce.ID, n int) Batch {
	t.Helper()
	b, err := db.Lease(t.Context(), "email", id, LeaseOptions{Owner: "worker", Lease: time.Minute, Most: n})
	must(t, err)
	return b
}

// write leases one letter and begins it.
func write(t testing.TB, db *DB, id announce.ID) *Letter {
	t.Helper()
	b := lease(t, db, id, 1)
	if len(b.Letters) != 1 {
		t.Fatalf("%d letters are due", len(b.Letters))
	}
	if began, _, err := db.Advance(t.Context(), nil, b.Letters[0]); began != Begun || err != nil {
		t.Fatalf("%v %v: %+v", began, err, b.Letters[0])
	}
	return b.Letters[0]
}

// idle checks that no letter is due.
func idle(t testing.TB, db *DB, id announce.ID) {
	t.Helper()
	if b := lease(t, db, id, 1); len(b.Letters) > 0 {
		t.Fatalf("leased %+v; want nothing", b.Letters[0])
	}
}

// arrived is a letter whose call succeeded.
func arrived(l *Letter, now time.Time) *Ended {
	d := l.Delivery
	d.Calling, d.CallRev, d.Began, d.Attempts, d.Looks, d.Fault = announce.Nothing, 0, time.Time{}, 0, 0, ""
	d.Shown, d.Receipt = l.CallRev, announce.Receipt{ID: "r-" + d.ID, At: now}
	if l.Calling == announce.Retract {
		d.Shown, d.Receipt = 0, announce.Receipt{}
	}
	return &Ended{Letter: l, Delivery: d}
}

// refused is a letter whose call ended otherwise.
func refused(l *Letter, change func(*announce.Delivery)) *Ended {
	d := l.Delivery
	d.Calling, d.CallRev, d.Began = announce.Nothing, 0, time.Time{}
	change(&d)
	return &Ended{Letter: l, Delivery: d}
}

// end records how a letter ended and gives its lease back.
func end(t testing.TB, db *DB, e *Ended) {
	t.Helper()
	_, fenced, err := db.Advance(t.Context(), e, nil)
	if must(t, err); fenced {
		t.Fatalf("fenced: %+v", e)
	}
	must(t, db.GiveBack(t.Context(), e.Letter.batch))
}

// deliver writes one letter and sends it.
func deliver(t testing.TB, db *DB, id announce.ID) *Letter {
	t.Helper()
	l := write(t, db, id)
	end(t, db, arrived(l, db.Now()))
	return l
}

func delivery(t testing.TB, db *DB, id string) announce.Delivery {
	t.Helper()
	d, err := db.Delivery(t.Context(), id)
	must(t, err)
	return d
}

// only is the one row of an account.
func only(t testing.TB, db *DB, id announce.ID, account string) announce.Delivery {
	t.Helper()
	all, err := db.Deliveries(t.Context(), id)
	must(t, err)
	var found []announce.Delivery
	for _, d := range all {
		if d.Account == account {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows on %s: %+v", len(found), account, found)
	}
	return found[0]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v; want %v", err, target)
	}
}

func people(n int) []Address {
	all := make([]Address, n)
	for i := range all {
		all[i] = Address{Channel: "email", Everything: true, Address: fmt.Sprintf("person%04d@example.org", i), Name: "Person", Language: []announce.Language{"fr", "en", "fr-CA", "", "de"}[i%5]}
	}
	return all
}

func enlist(ctx context.Context, db *DB, all []Address) (added int, err error) {
	n, err := db.AddAddresses(ctx, all, Deed{Act: Added, How: "test", Basis: "express"})
	return n.Added, err
}

// enlisted are the active mail addresses, in order.
func enlisted(ctx context.Context, db *DB, limit int) ([]Address, error) {
	page, _, err := db.Addresses(ctx, Search{Channel: "email", Standing: []Standing{Active}, Limit: limit})
	return page, err
}

func leave(ctx context.Context, db *DB, id int64) (known bool, err error) {
	return db.EndSubscription(ctx, id, Deed{How: "test"})
}

func add(t testing.TB, db *DB, n int) {
	t.Helper()
	added, err := enlist(t.Context(), db, people(n))
	if err != nil || added != n {
		t.Fatalf("%d added, %v", added, err)
	}
}

func planAll(t testing.TB, db *DB, page int) (planned int) {
	t.Helper()
	for {
		done, n, err := db.Plan(t.Context(), page)
		must(t, err)
		if planned += n; done {
			return planned
		}
	}
}

// balanced checks that a personal account's counts add up, and returns them.
func balanced(t testing.TB, db *DB, id announce.ID, account string) Counts {
	t.Helper()
	n, err := db.Counts(t.Context(), id, account)
	must(t, err)
	sum := 0
	for _, k := range n.By {
		sum += k
	}
	if sum != n.Planned {
		t.Fatalf("%v sums to %d, not to %d", n.By, sum, n.Planned)
	}
	if wrong, err := db.Recount(t.Context(), id); wrong != 0 || err != nil {
		t.Fatalf("%d letters are counted wrong: %v", wrong, err)
	}
	lost(t, db)
	return n
}

// lost checks that every letter with something to do is where it is looked for: behind the last range, fresh in a lease,
// or for later.
func lost(t testing.TB, db *DB) {
	t.Helper()
	var n int
	_, err := db.read().one(t.Context(), `SELECT COUNT(*) FROM (SELECT *, `+letterTodo+` AS todo FROM letters) l JOIN plans p ON p.id = l.plan WHERE l.todo <> '' AND l.address <= p.leased AND l.next <= l.first_due
		AND (p.turn = '' OR l.address <= p.turned) AND NOT EXISTS (SELECT 1 FROM leases s WHERE s.plan = l.plan AND s.later = 0 AND s.first <= l.address AND s.last >= l.address)`, nil, &n)
	if must(t, err); n > 0 {
		t.Fatalf("%d letters would never be looked at again", n)
	}
}

// raw runs SQL that the package itself never runs.
func raw(db *DB, query string, args ...any) error {
	return db.write(context.Background(), func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

func key(name, body string) *Key {
	return &Key{Token: "t", Key: name, Hash: sha256.Sum256([]byte(body)), Answer: []byte(`{"id":"` + strings.Repeat("x", 3) + `"}`), Status: 202, TTL: time.Hour}
}
