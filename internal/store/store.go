// Package store is the record: announcements and what became of them, in SQLite (one file in the state directory) or
// Postgres. It alone writes SQL. Every change is one durable transaction: when a method returns nil, a crash undoes
// nothing of it; when it returns an error, nothing of it is there.
package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Options say where the record is kept. The zero value of every field but Dir is fit for use.
type Options struct {
	Dir       string           // state directory, locked while the DB is open; created when missing. Empty only with URL
	URL       announce.Secret  // postgres://...; empty: SQLite in Dir
	PublicURL string           // where people reach this server, without a final slash: the base of unsubscribe links
	MinFree   int64            // Save, Plan and AddSubscribers are refused below so many free bytes; 0: 64 MiB, negative: no floor. SQLite only
	Clock     func() time.Time // nil: the system's; Postgres: corrected to the server's
	Log       *slog.Logger     // nil: silent
}

// DB is an open record. Safe for concurrent use.
type DB struct{}

// Open opens the record, creates or migrates it, and locks the state directory. A directory that another process
// holds is a *LockedError; a record written by a newer program is refused.
func Open(ctx context.Context, o Options) (*DB, error) { panic("building") }

// Close waits for writes under way, then releases everything. Later calls on the DB fail.
func (db *DB) Close() error { panic("building") }

// Now is the clock of every lease and schedule, in UTC to the microsecond. Servers that share a Postgres agree on it.
func (db *DB) Now() time.Time { panic("building") }

// Ready reports whether an announcement could be accepted now: it writes durably and reads free space.
func (db *DB) Ready(ctx context.Context) error { panic("building") }

// LockHolder names the process that holds, or last held, the lock of a state directory. Empty: nobody since a clean close.
func LockHolder(dir string) string { panic("building") }
