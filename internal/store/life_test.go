package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestOpenAgain(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		id := save(t, db, sample(db, "slack"))
		c := claim(t, db, "slack", id)
		must(t, db.Close())
		must(t, db.Close())
		if err := db.Ready(t.Context()); err == nil {
			t.Error("a closed record is ready")
		}
		db = p.open(t)
		must(t, db.Ready(t.Context()))
		record(t, db, c, shown(c, db.Now()))
		if d := only(t, db, id, "slack"); d.State() != announce.Published {
			t.Errorf("%+v", d)
		}
	})
}

func TestANewerSchemaIsRefused(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		must(t, raw(db, `INSERT INTO schema_versions (version_id, is_applied) VALUES (?, ?)`, 999, p.truth()))
		must(t, db.Close())
		_, err := Open(t.Context(), p.Options)
		if err == nil || !strings.Contains(err.Error(), "newer Crieur (schema 999") {
			t.Errorf("%v", err)
		}
	})
}

func (p *place) truth() any {
	if p.postgres {
		return true
	}
	return 1
}

func TestTheStateDirectoryIsLocked(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		p.Dir = t.TempDir()
		db := p.open(t)
		holder := lockHolder(p.Dir)
		if !strings.Contains(holder, fmt.Sprintf("process %d on ", os.Getpid())) {
			t.Errorf("holder %q", holder)
		}
		_, err := Open(t.Context(), p.Options)
		var locked *LockedError
		if !errors.As(err, &locked) || !errors.Is(err, ErrLocked) || locked.Holder != holder || locked.Dir != p.Dir || !strings.Contains(err.Error(), holder) {
			t.Errorf("%v", err)
		}
		must(t, db.Ready(t.Context()))
		must(t, db.Close())
		if holder := lockHolder(p.Dir); holder != "" {
			t.Errorf("holder after closing: %q", holder)
		}
		must(t, p.open(t).Ready(t.Context()))
	})
	if holder := lockHolder(filepath.Join(t.TempDir(), "missing")); holder != "" {
		t.Errorf("holder of nothing: %q", holder)
	}
}

func TestOldSQLiteIsRefused(t *testing.T) {
	for version, sound := range map[string]bool{"3.51.2": false, "3.51.3": true, "3.54.1": true, "3.7.0": false, "4.0.0": true, "2.99.99": false, "new": false} {
		if err := soundSQLite(version); (err == nil) != sound {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestTheFileIsPrivateAndDurable(t *testing.T) {
	p := sqlitePlace(t)
	p.Dir = filepath.Join(p.Dir, "état ? 100%")
	db := p.open(t)
	info, err := os.Stat(filepath.Join(p.Dir, fileName))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, db.write(t.Context(), func(ctx context.Context, x *tx) error {
		for pragma, value := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
			var got string
			if _, err := x.one(ctx, "PRAGMA "+pragma, nil, &got); err != nil || got != value {
				t.Errorf("%s is %s, %v", pragma, got, err)
			}
		}
		return nil
	}))
	if _, err := db.pool.Exec(`UPDATE server SET probed_at = 1`); err == nil {
		t.Error("a connection for reading wrote")
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	for _, address := range []string{"postgres://ada:hunter2@127.0.0.1:1/crieur?connect_timeout=1", "postgres://ada:hunter2@[/crieur", "hunter2"} {
		var log bytes.Buffer
		_, err := Open(t.Context(), Options{URL: announce.NewSecret(address), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%v; log %q", err, log.String())
		}
	}
	_, err := Open(t.Context(), Options{})
	if err == nil {
		t.Error("opened nothing")
	}
}

func TestAnUnreachablePostgresIsBusy(t *testing.T) {
	_, err := Open(t.Context(), Options{URL: announce.NewSecret("postgres://ada@127.0.0.1:1/crieur?connect_timeout=1")})
	want(t, err, ErrBusy)
}

func TestPostgresClock(t *testing.T) {
	p := postgresPlace(t)
	p.Clock = nil
	db := p.open(t)
	if d := time.Since(db.Now()).Abs(); d > 30*time.Second {
		t.Errorf("the clock is %v away from that of a server on this machine", d)
	}
	db.clock.Store(&reading{there: time.Now().Add(time.Hour), here: time.Now()})
	if d := time.Until(db.Now()); d < 59*time.Minute {
		t.Errorf("what the server's clock said is not used: %v", d)
	}
	must(t, db.readClock(t.Context()))
	if d := time.Since(db.Now()).Abs(); d > 30*time.Second {
		t.Errorf("after asking again the clock is %v away", d)
	}
}

func TestPostgresCommitsAreDurable(t *testing.T) {
	p := postgresPlace(t)
	u := p.URL.Reveal() + "&synchronous_commit=off"
	p.URL = announce.NewSecret(u)
	db := p.open(t)
	var got string
	_, err := db.read().one(t.Context(), `SHOW synchronous_commit`, nil, &got)
	if err != nil || got != "on" {
		t.Errorf("synchronous_commit is %q, %v", got, err)
	}
}

// What runs all the time, and at a start, never reads a whole table.
func TestHotQueriesUseIndexes(t *testing.T) {
	db := sqlitePlace(t).open(t)
	for query, wants := range map[string]string{
		dueQuery: "deliveries_account_due (account=? AND due<?)",
		`SELECT ` + heldColumns + ` FROM deliveries WHERE ` + longestDue: "deliveries_due (account=? AND announcement=? AND due<?)",
		takeBack:             "deliveries_account_due (account=? AND due>?)",
		takeLater:            "letters_later (plan=? AND next<?)",
		endQuick:             "SEARCH letters USING PRIMARY KEY (plan=? AND address=?)",
		beginQuick:           "SEARCH letters USING PRIMARY KEY (plan=? AND address=?)",
		letterQuery + unsure: "letters_person (plan=? AND address>?)",
		sparedQuery:          "announcements_of (of=?)",
		soonQuery:            "announcements_of (of=?)",
		heardQuery:           "announcements_of (of=?)",
		crowdQuery:           "announcements_of (of=?)",
	} {
		plan := explain(t, db, query)
		if !strings.Contains(plan, wants) || strings.Contains(plan, "SCAN d") || strings.Contains(plan, "SCAN l") {
			t.Errorf("%s\nis done by\n%s", query, plan)
		}
	}
	where, _, err := audience{channel: "email", kind: announce.KindNews, topics: []string{"go"}, languages: []announce.Language{"fr"}}.where(t.Context(), db.read(), db.Now())
	must(t, err)
	followers, _ := audience{channel: "email", follows: 1, before: 2}.told(db.Now())
	if plan := explain(t, db, pageOf(followers)); !strings.Contains(plan, "SEARCH read USING PRIMARY KEY (plan=? AND address=?)") {
		t.Errorf("a page of those who follow reads whole mailings of digests:\n%s", plan)
	}
	for _, query := range []string{pageOf(where), `SELECT id FROM addresses WHERE quiet_from <> quiet_to AND id > ? AND id <= ? AND ` + where} {
		if plan := explain(t, db, query); !strings.Contains(plan, "SEARCH addresses USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\nis done by\n%s", query, plan)
		}
	}
}

// explain is how SQLite goes about a query.
func explain(t testing.TB, db *DB, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	rows, err := db.pool.Query("EXPLAIN QUERY PLAN "+query, args...)
	must(t, err)
	plan := ""
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		plan += step + "\n"
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	return plan
}

func TestAnotherProgramHoldsTheDatabase(t *testing.T) {
	p := sqlitePlace(t)
	db := p.open(t)
	must(t, raw(db, `PRAGMA busy_timeout = 20`))
	other, err := sql.Open("sqlite", filepath.Join(p.Dir, fileName))
	must(t, err)
	defer other.Close()
	hold, err := other.Conn(t.Context())
	must(t, err)
	_, err = hold.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	_, _, err = db.Save(t.Context(), sample(db, "slack"))
	want(t, err, ErrBusy)
	_, err = hold.ExecContext(t.Context(), `ROLLBACK`)
	must(t, err)
	s := sample(db, "slack")
	err = ErrBusy
	for end := time.Now().Add(time.Minute); errors.Is(err, ErrBusy) && time.Now().Before(end); time.Sleep(time.Millisecond) { // a busy machine may take more than 20 ms to let go
		_, _, err = db.Save(t.Context(), s)
	}
	must(t, err)
}
