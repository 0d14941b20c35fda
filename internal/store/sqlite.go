package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

const (
	fileName  = "crieur.db"
	readers   = 8
	busyAfter = 5 * time.Second
)

// openSQLite leaves one connection for writes, many for reads, and refuses an SQLite whose WAL can corrupt a database.
func (db *DB) openSQLite(ctx context.Context) error {
	path, err := filepath.Abs(filepath.Join(db.o.Dir, fileName))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // subscribers' addresses are for the owner's eyes
	if err != nil {
		return fmt.Errorf("cannot open the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	writes, err := connect(path, 1, "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8000)", "journal_size_limit(67108864)", "secure_delete(1)")
	if err != nil {
		return err
	}
	db.group = newGroup(db, writes)
	if db.pool, err = connect(path, readers, "query_only(1)", "synchronous(FULL)"); err != nil {
		return err
	}
	db.stmts = &prepared{pool: db.pool}
	var version string
	if err := writes.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return db.fault(err)
	}
	if err := soundSQLite(version); err != nil {
		return err
	}
	return db.fault(migrate(ctx, writes, goose.DialectSQLite3, "migrations/sqlite"))
}

func connect(path string, conns int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(" + strconv.Itoa(int(busyAfter/time.Millisecond)) + ")", "foreign_keys(1)", "temp_store(MEMORY)",
	}, pragmas...)}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/ on Windows
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	c, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// soundSQLite refuses versions before 3.51.3: two connections that checkpoint at once could corrupt the database.
func soundSQLite(version string) error {
	var have [3]int
	for i, s := range strings.SplitN(version, ".", 3) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("cannot tell the version of SQLite from %q", version)
		}
		have[i] = n
	}
	least := [3]int{3, 51, 3}
	for i := range have {
		if have[i] != least[i] {
			if have[i] < least[i] {
				return fmt.Errorf("SQLite %s can corrupt a database in WAL mode: build with a version from 3.51.3 on", version)
			}
			break
		}
	}
	return nil
}
