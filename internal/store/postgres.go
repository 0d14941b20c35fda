package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Keys of advisory locks. They are taken in this order, and nothing is locked after lockLog.
const (
	lockSchema int64 = 0x637269657572_01 // "crieur"
	lockAsking int64 = 0x637269657572_04 // makes requests to join count one after the other
	lockGate   int64 = 0x637269657572_02 // shared by claims, exclusive to what holds claims back
	lockLog    int64 = 0x637269657572_03 // makes events commit in the order of their numbers
)

const (
	pgConns      = 16
	pgWrite      = 2 * time.Minute // most time for one transaction, once begun
	clockRefresh = time.Minute
)

// openPostgres leaves a pool whose commits are durable, whatever the server's default, and a clock that follows the server's.
func (db *DB) openPostgres(ctx context.Context) error {
	c, err := pgx.ParseConfig(db.o.URL.Reveal())
	if err != nil {
		return errors.New("the database's address cannot be read: write postgres://user:password@host:5432/name")
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "crieur"
	}
	c.RuntimeParams["lock_timeout"] = "5s"
	c.RuntimeParams["idle_in_transaction_session_timeout"] = "2min"
	c.RuntimeParams["default_transaction_isolation"] = "read committed"
	db.pool = stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
		return err
	}))
	db.pool.SetMaxOpenConns(pgConns)
	db.pool.SetMaxIdleConns(pgConns)
	db.pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.migratePostgres(ctx); err != nil {
		return db.fault(err)
	}
	if err := db.readClock(ctx); err != nil {
		return db.fault(err)
	}
	ctx, db.stop = context.WithCancel(context.WithoutCancel(ctx))
	db.done = make(chan struct{})
	go db.followClock(ctx)
	db.lanes = newLanes(db)
	return nil
}

// migratePostgres migrates while no other server does.
func (db *DB) migratePostgres(ctx context.Context) (err error) {
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, `SET lock_timeout = 0`); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lockSchema); err != nil {
		return err
	}
	err = migrate(ctx, db.pool, goose.DialectPostgres, "migrations/postgres")
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockSchema)
	_, reset := conn.ExecContext(context.WithoutCancel(ctx), `RESET lock_timeout`)
	return errors.Join(err, unlock, reset)
}

// reading is what the database's clock said at a moment here. Time passes from then on by the monotonic clock, so that
// whoever sets the clock of this machine makes nothing early or late.
type reading struct{ there, here time.Time }

// readClock reads the database's clock, exact to half of the time that asking takes.
func (db *DB) readClock(ctx context.Context) error {
	before := time.Now()
	var server int64
	if err := db.pool.QueryRowContext(ctx, `SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint`).Scan(&server); err != nil {
		return err
	}
	db.clock.Store(&reading{there: time.UnixMicro(server), here: before.Add(time.Since(before) / 2)})
	return nil
}

func (db *DB) followClock(ctx context.Context) {
	defer close(db.done)
	tick := time.NewTicker(clockRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ask, cancel := context.WithTimeout(ctx, clockRefresh/4)
		if err := db.readClock(ask); err != nil && ctx.Err() == nil {
			db.o.Log.Warn("the database's clock could not be read; it goes on from what it was last", "error", db.fault(err))
		}
		cancel()
	}
}

// retried is how often a transaction is run that Postgres gave up for the sake of another.
const retried = 4

// writePostgres runs fn in a transaction of its own, again when Postgres chose it as a victim.
func (db *DB) writePostgres(ctx context.Context, fn func(context.Context, *tx) error) error {
	var err error
	for range retried {
		if err = db.tryPostgres(ctx, fn); !victim(err) {
			return err
		}
	}
	return err
}

func (db *DB) tryPostgres(ctx context.Context, fn func(context.Context, *tx) error) error {
	c, err := db.pool.Conn(ctx) // ctx may end the wait for a connection, not what follows
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pgWrite)
	defer cancel()
	begun, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	t := &tx{conn: conn{&numbered{begun, &db.marks}}, db: db, now: db.Now(), lane: db.lane()}
	if err := t.run(ctx, fn); err != nil {
		_ = begun.Rollback() // when even that fails, the server has dropped the transaction with the connection
		return err
	}
	return begun.Commit()
}
