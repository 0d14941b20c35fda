package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// mostGrouped bounds how many changes wait for one commit.
const mostGrouped = 256

var errClosed = errors.New("the record is closed")

func panicked(p any) error { return fmt.Errorf("a change to the record panicked: %v", p) }

// group is SQLite's writer. Changes that arrive together share one transaction and one flush to disk; each has a
// savepoint of its own, so that one's failure is not another's.
type group struct {
	db    *DB
	pool  *sql.DB
	queue chan *change
	quit  chan struct{} // closed: no more changes
	ended chan struct{} // closed: the writer is gone
	conn  *sql.Conn
	stmts *prepared
	round *round // of the steps since the last other change; nil: it begins anew
}

// change is one caller's closure on its way through the writer.
type change struct {
	fn    func(context.Context, *tx) error
	step  *advance    // instead of fn
	large bool        // fn gets a transaction of its own
	taken atomic.Bool // by the writer, or back by the caller who gave up
	err   error
	done  chan struct{}
}

func (c *change) answer(err error) {
	c.err = err
	close(c.done)
}

func newGroup(db *DB, pool *sql.DB) *group {
	g := &group{db: db, pool: pool, queue: make(chan *change, mostGrouped), quit: make(chan struct{}), ended: make(chan struct{})}
	go g.serve()
	return g
}

// do returns when fn's change is durable, or is not there. A caller whose ctx ends gives up only before fn began.
func (g *group) do(ctx context.Context, fn func(context.Context, *tx) error) error {
	return g.queued(ctx, &change{fn: fn, done: make(chan struct{})})
}

// doLarge is do for a change to thousands of rows. It has a transaction of its own: inside a savepoint SQLite keeps what
// each page was before, at twice the cost.
func (g *group) doLarge(ctx context.Context, fn func(context.Context, *tx) error) error {
	return g.queued(ctx, &change{fn: fn, large: true, done: make(chan struct{})})
}

// advance is do for one step of a letter. Steps share one round and have no savepoints: one that fails makes every change
// of the transaction run again by itself.
func (g *group) advance(ctx context.Context, a *advance) error {
	return g.queued(ctx, &change{step: a, done: make(chan struct{})})
}

func (g *group) queued(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.queue <- c:
	case <-g.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
		return c.err
	case <-g.ended:
		if c.taken.Swap(true) {
			<-c.done
			return c.err
		}
		return errClosed
	case <-ctx.Done():
		if c.taken.Swap(true) {
			<-c.done
			return c.err
		}
		return ctx.Err()
	}
}

// close lets the changes that wait finish, then closes the database.
func (g *group) close() error {
	close(g.quit)
	<-g.ended
	g.drop()
	return g.pool.Close()
}

// serve is the only user of the connection. Its statements are never cancelled: that would undo others' changes.
func (g *group) serve() {
	defer close(g.ended)
	ctx := context.Background()
	for {
		select {
		case c := <-g.queue:
			g.together(ctx, c)
		case <-g.quit:
			for c := g.next(); c != nil; c = g.next() {
				g.together(ctx, c)
			}
			return
		}
	}
}

// next is a change that waits already, or nil.
func (g *group) next() *change {
	select {
	case c := <-g.queue:
		return c
	default:
		return nil
	}
}

// more is a change that waits already, or that whoever is about to make one brings when given the chance: a commit costs
// much more than another change in it.
func (g *group) more(ran int) *change {
	c := g.next()
	for i := 0; c == nil && i < patience && ran < mostGrouped; i++ {
		runtime.Gosched()
		c = g.next()
	}
	return c
}

// patience is how often the writer lets others go first before it commits.
const patience = 3

// together runs first and every change that arrives meanwhile, commits once, then answers all of them.
func (g *group) together(ctx context.Context, first *change) {
	var ran []*change
	var steps *tx
	begun, lost := false, false
	for c := first; c != nil; c = g.more(len(ran)) {
		if c.taken.Swap(true) {
			continue
		}
		if c.large {
			defer func() { c.answer(g.alone(ctx, c.fn)) }() // after the commit of those before it
			break
		}
		if !begun {
			if err := g.begin(ctx); err != nil {
				c.answer(err)
				g.refuse(err)
				return
			}
			begun, steps = true, g.tx()
		}
		ran = append(ran, c)
		if c.step != nil {
			if g.round == nil {
				g.round = newRound(steps)
			}
			g.round.t = steps
			c.err = steps.guarded(func() error { return g.round.advance(ctx, c.step) })
			lost = c.err != nil
		} else {
			g.round = nil
			c.err, lost = g.savepoint(ctx, c.fn)
		}
		if lost || len(ran) == mostGrouped {
			break
		}
	}
	if !begun {
		return
	}
	if !lost {
		err := steps.putTallies(ctx)
		if err == nil {
			err = g.run(ctx, `COMMIT`)
		}
		if err == nil {
			for _, c := range ran {
				close(c.done)
			}
			return
		}
		ran[len(ran)-1].err = err
	}
	g.round = nil
	g.rollback(ctx)
	if len(ran) == 1 {
		close(ran[0].done)
		return
	}
	// What broke the transaction may be the fault of one of them, or of their number.
	for _, c := range ran {
		c.answer(g.alone(ctx, c.run))
	}
}

// alone runs one change in a transaction of its own.
func (g *group) alone(ctx context.Context, fn func(context.Context, *tx) error) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	err := g.change(ctx, fn)
	if err == nil {
		err = g.run(ctx, `COMMIT`)
	}
	if err != nil {
		g.rollback(ctx)
	}
	return err
}

// refuse answers those who wait now, each of whom would wait for the same lock again.
func (g *group) refuse(err error) {
	for range len(g.queue) {
		if c := g.next(); c != nil && !c.taken.Swap(true) {
			c.answer(err)
		}
	}
}

// savepoint runs fn so that its failure undoes only itself. lost: it undid the whole transaction.
func (g *group) savepoint(ctx context.Context, fn func(context.Context, *tx) error) (err error, lost bool) {
	if err := g.run(ctx, `SAVEPOINT change`); err != nil {
		return err, true
	}
	if err = g.change(ctx, fn); err != nil {
		if g.run(ctx, `ROLLBACK TO change`) != nil {
			return err, true
		}
	}
	if end := g.run(ctx, `RELEASE change`); end != nil {
		return errors.Join(err, end), true
	}
	return err, false
}

func (g *group) change(ctx context.Context, fn func(context.Context, *tx) error) error {
	return g.tx().run(ctx, fn)
}

func (g *group) tx() *tx { return &tx{conn: conn{g.stmts}, db: g.db, now: g.db.Now()} }

// run does the change in a transaction of its own.
func (c *change) run(ctx context.Context, t *tx) error {
	if c.step != nil {
		return newRound(t).advance(ctx, c.step)
	}
	return c.fn(ctx, t)
}

// begin opens the connection when there is none, and takes the write lock.
func (g *group) begin(ctx context.Context) error {
	if g.conn == nil {
		c, err := g.pool.Conn(ctx)
		if err != nil {
			return err
		}
		g.conn, g.stmts = c, &prepared{pool: c}
	}
	return g.run(ctx, `BEGIN IMMEDIATE`)
}

func (g *group) run(ctx context.Context, query string) error {
	_, err := g.stmts.ExecContext(ctx, query)
	return err
}

// rollback ends a transaction that failed; SQLite may have ended it already. A connection that is still inside one
// is of no use any more, so a new one is opened next time.
func (g *group) rollback(ctx context.Context) {
	_ = g.run(ctx, `ROLLBACK`)
	if g.run(ctx, `BEGIN`) != nil || g.run(ctx, `ROLLBACK`) != nil {
		g.drop()
	}
}

func (g *group) drop() {
	if g.conn != nil {
		g.stmts.close()
		_ = g.conn.Raw(func(any) error { return driver.ErrBadConn }) // so that the pool does not keep it
		_ = g.conn.Close()
		g.conn, g.stmts = nil, nil
	}
}
