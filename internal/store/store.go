// Package store is the record: announcements and what became of them, in SQLite (one file in the state directory) or
// Postgres. It alone writes SQL. Every change is one durable transaction: when a method returns nil, a crash undoes
// nothing of it; when it returns an error, nothing of it is there.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Options say where the record is kept. The zero value of every field but Dir is fit for use.
type Options struct {
	Dir     string           // state directory, locked while the DB is open; created when missing. Empty only with URL
	URL     announce.Secret  // postgres://...; empty: SQLite in Dir
	MinFree int64            // Save, Plan, Ask and AddAddresses are refused below so many free bytes; 0: 64 MiB, negative: no floor. SQLite only
	Clock   func() time.Time // nil: the system's; Postgres: corrected to the server's
	Log     *slog.Logger     // nil: silent
	Keep    time.Duration    // how long the record knows to whom a letter went, see Prune; 0: for ever

	Canary     float64       // share of a mailing to more than 1,000 people that goes at once; 0: all of it
	CanaryWait time.Duration // before the rest goes
}

const defaultMinFree = 64 << 20

// DB is an open record. Safe for concurrent use.
type DB struct {
	o     Options
	owner string
	lock  *os.File                // nil without Dir
	pool  *sql.DB                 // reads; on Postgres writes too
	group *group                  // SQLite's writer; nil on Postgres
	lanes *lanes                  // Postgres' writers of letters; nil on SQLite
	stmts *prepared               // SQLite's prepared reads; nil on Postgres
	marks marks                   // Postgres' placeholders
	packs packs                   // frozen messages, decoded
	clock atomic.Pointer[reading] // of Postgres; nil: the system's is used
	stop  context.CancelFunc      // ends the clock's goroutine
	done  chan struct{}           // closed when it has ended
	once  sync.Once
}

// Open opens the record, creates or migrates it, and locks the state directory. A directory that another process
// holds is a *LockedError; a record written by a newer program is refused.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Dir == "" && o.URL.Empty() {
		return nil, errors.New("store: neither a state directory nor a database is given")
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{o: o}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) (err error) {
	if db.o.Dir != "" {
		if err = os.MkdirAll(db.o.Dir, 0o700); err != nil {
			return fmt.Errorf("cannot create the state directory: %w", err)
		}
		if db.lock, err = acquire(db.o.Dir, time.Now()); err != nil {
			return err
		}
	}
	if err = db.openOwner(); err != nil {
		return err
	}
	if db.postgres() {
		err = db.openPostgres(ctx)
	} else {
		err = db.openSQLite(ctx)
	}
	if err != nil {
		return err
	}
	if err = db.takeBack(ctx); errors.Is(err, ErrFull) {
		return nil // leases lapse by themselves; a full disk must not keep the server from telling so
	}
	return err
}

func (db *DB) postgres() bool { return !db.o.URL.Empty() }

// Close waits for writes under way, then releases everything. Later calls on the DB fail.
func (db *DB) Close() (err error) {
	db.once.Do(func() { err = db.close() })
	return err
}

func (db *DB) close() error {
	var errs []error
	if db.stop != nil {
		db.stop()
		<-db.done
	}
	if db.lanes != nil {
		db.lanes.close()
	}
	if db.group != nil {
		errs = append(errs, db.group.close())
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	if db.lock != nil {
		errs = append(errs, release(db.lock))
	}
	return errors.Join(errs...)
}

// Now is the clock of every lease and schedule, in UTC to the microsecond. Servers that share a Postgres agree on it.
func (db *DB) Now() time.Time {
	if db.o.Clock != nil {
		return db.o.Clock().UTC().Truncate(time.Microsecond)
	}
	now := time.Now()
	if r := db.clock.Load(); r != nil {
		now = r.there.Add(now.Sub(r.here))
	}
	return now.UTC().Truncate(time.Microsecond)
}

// Ready reports whether an announcement could be accepted now: it writes durably and looks at free space.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.room(); err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE server SET probed_at = ?`, us(t.now))
		return err
	})
}

// room is ErrFull when the disk of SQLite has less free space than the floor.
func (db *DB) room() error {
	if db.postgres() || db.o.MinFree < 0 {
		return nil
	}
	free, err := freeBytes(db.o.Dir)
	if err != nil {
		return fmt.Errorf("cannot tell how much disk space is free: %w", err)
	}
	if free < uint64(db.o.MinFree) {
		return fmt.Errorf("%w: %d MiB are free in %s, at least %d MiB are needed; delete something", ErrFull, free>>20, db.o.Dir, db.o.MinFree>>20)
	}
	return nil
}

// us stores a moment: microseconds since 1970, 0 for none.
func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// at reads what us stored.
func at(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// clean makes text from outside storable everywhere: valid UTF-8 without NUL, which Postgres refuses.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
