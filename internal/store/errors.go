package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What a caller may want to tell apart. Test with errors.Is.
var (
	ErrLocked    = errors.New("another process uses this state directory")                       // a *LockedError says which
	ErrStale     = errors.New("the announcement has changed since it was read")                  // a *StaleError says to what
	ErrNotFound  = errors.New("not found")                                                       //
	ErrRetracted = errors.New("the announcement has been retracted")                             // it cannot be amended any more
	ErrMade      = errors.New("a reminder of this announcement was made or changed this moment") // decide about its waves once more
	ErrMoved     = errors.New("what this rests on has changed since")                            // nothing was changed
	ErrFenced    = errors.New("somebody else has taken over this delivery")                      // what was to be recorded is not
	ErrNamed     = errors.New("an announcement that is still to go out names this topic")        //
	ErrKeyReused = errors.New("this idempotency key was used for something else")                //
	ErrFull      = errors.New("the disk is full, or nearly")                                     // nothing was stored; works again when there is room
	ErrBusy      = errors.New("the database does not answer now; try again shortly")             // nothing was stored, unless Postgres was lost during the commit
)

// LockedError names who holds a state directory. It is ErrLocked.
type LockedError struct{ Dir, Holder string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("the state directory %s is in use by another process (%s): stop it first, or choose another directory", e.Dir, e.Holder)
}

// Is makes a LockedError ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// StaleError carries the revision that is current. It is ErrStale.
type StaleError struct{ Current int }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the announcement has changed: its revision is now %d", e.Current)
}

// Is makes a StaleError ErrStale.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// fault turns what a driver says into ErrFull or ErrBusy where that is what happened. Other errors pass.
func (db *DB) fault(err error) error {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, ErrFull), errors.Is(err, ErrBusy):
		return err
	case errors.As(err, &lite):
		return db.faultSQLite(lite, err)
	case errors.As(err, &pg):
		switch {
		case pg.Code == "53100":
			return fmt.Errorf("%w: Postgres: %s", ErrFull, pg.Message)
		case strings.HasPrefix(pg.Code, "53"), strings.HasPrefix(pg.Code, "57"), strings.HasPrefix(pg.Code, "08"), pg.Code == "55P03", victim(err):
			return fmt.Errorf("%w: Postgres: %s", ErrBusy, pg.Message)
		}
		return err
	case unreachable(err):
		return fmt.Errorf("%w: %v", ErrBusy, err)
	}
	return err
}

func (db *DB) faultSQLite(lite *sqlite.Error, err error) error {
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %v", ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: another program holds the database: %v", ErrBusy, err)
	case sqlite3.SQLITE_IOERR:
		// Some writes, such as growing the file of shared memory, do not say that the disk is full.
		if free, statErr := freeBytes(db.o.Dir); statErr == nil && free < 1<<20 {
			return fmt.Errorf("%w: %v", ErrFull, err)
		}
	}
	return err
}

// victim: Postgres gave up this transaction for another; repeating it is right.
func victim(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

func unreachable(err error) bool {
	var dial *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &dial) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.As(err, &network) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
