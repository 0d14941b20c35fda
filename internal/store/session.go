package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
)

// session runs statements that are written with ? for every argument.
type session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// conn asks a session in the shapes that this package needs.
type conn struct{ on session }

// exec returns how many rows were written.
func (c conn) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := c.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls read for every row. read must not use the session.
func (c conn) each(ctx context.Context, query string, args []any, read func(scan func(...any) error) error) (err error) {
	rows, err := c.on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads the first row into dest. False: there is none.
func (c conn) one(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	err = c.each(ctx, query, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	return found && err == nil, err
}

// many inserts rows with few statements: head VALUES (?, ...), ... tail.
func (c conn) many(ctx context.Context, head string, rows [][]any, tail string) (inserted int64, err error) {
	const at = 64
	for len(rows) > 0 {
		n := 1
		if len(rows) >= at {
			n = at
		}
		mark := "(?" + strings.Repeat(", ?", len(rows[0])-1) + ")"
		var args []any
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		k, err := c.exec(ctx, head+" VALUES "+mark+strings.Repeat(", "+mark, n-1)+tail, args...)
		if err != nil {
			return inserted, err
		}
		inserted, rows = inserted+k, rows[n:]
	}
	return inserted, nil
}

// tx is one change. All of it commits, or nothing.
type tx struct {
	conn
	db      *DB
	now     time.Time        // when it began
	tallies map[int64]*tally // of letters, by plan; written before events
	lane    int64            // where they are written
	gated   bool             // Postgres: the gate is held
	events  []Event          // written last
}

// lock makes rows that are read stay as they are until the change commits. SQLite has one writer at a time anyway.
func (t *tx) lock(how string) string {
	if t.db.postgres() {
		return " " + how
	}
	return ""
}

// advisory takes a lock of Postgres that ends with the change. On SQLite there is one writer at a time anyway.
func (t *tx) advisory(ctx context.Context, key int64, shared bool) error {
	if !t.db.postgres() || key == lockGate && t.gated {
		return nil
	}
	query := `SELECT pg_advisory_xact_lock(?)`
	if shared {
		query = `SELECT pg_advisory_xact_lock_shared(?)`
	}
	_, err := t.exec(ctx, query, key)
	return err
}

// run does fn, then writes the events it left. A panic in fn is an error, so that it costs nobody else's change.
func (t *tx) run(ctx context.Context, fn func(context.Context, *tx) error) (err error) {
	if err := t.guarded(func() error { return fn(ctx, t) }); err != nil {
		return err
	}
	return t.flush(ctx)
}

func (t *tx) guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return fn()
}

// prepared keeps one prepared statement per text. database/sql prepares it on each connection once.
type prepared struct {
	pool interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	known sync.Map // text -> *sql.Stmt
}

func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := p.known.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if other, loaded := p.known.LoadOrStore(query, s); loaded {
		return other.(*sql.Stmt), s.Close()
	}
	return s, nil
}

// close frees the statements: database/sql does not do it for those of a single connection.
func (p *prepared) close() {
	p.known.Range(func(_, s any) bool {
		_ = s.(*sql.Stmt).Close()
		return true
	})
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// marks rewrites ? to $1, $2, ... once per text. No text of this package holds a ? that is not an argument.
type marks struct{ known sync.Map }

func (m *marks) numbered(query string) string {
	if q, ok := m.known.Load(query); ok {
		return q.(string)
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	q, _ := m.known.LoadOrStore(query, b.String())
	return q.(string)
}

// numbered is a session of Postgres.
type numbered struct {
	session
	marks *marks
}

func (n *numbered) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return n.session.ExecContext(ctx, n.marks.numbered(query), args...)
}

func (n *numbered) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return n.session.QueryContext(ctx, n.marks.numbered(query), args...)
}

// read asks outside of any change.
func (db *DB) read() conn {
	if db.postgres() {
		return conn{&numbered{db.pool, &db.marks}}
	}
	return conn{db.stmts}
}

// write runs fn as one durable change. fn may run more than once, so it sets what it returns afresh each time.
func (db *DB) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	if db.postgres() {
		return db.fault(db.writePostgres(ctx, fn))
	}
	return db.fault(db.group.do(ctx, fn))
}

// writeLarge is write for a change to thousands of rows.
func (db *DB) writeLarge(ctx context.Context, fn func(context.Context, *tx) error) error {
	if db.postgres() {
		return db.fault(db.writePostgres(ctx, fn))
	}
	return db.fault(db.group.doLarge(ctx, fn))
}
