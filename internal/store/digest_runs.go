package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const runColumns = `SELECT id, digest, period, zone, due, late, how, state, people, letters, announcement, created_at, ended_at FROM digest_runs `

// digestRuns reads runs. tail goes behind the FROM.
func (c conn) digestRuns(ctx context.Context, tail string, args ...any) (all []DigestRun, err error) {
	err = c.each(ctx, runColumns+tail, args, func(scan func(...any) error) error {
		var r DigestRun
		var due, late, created, ended int64
		err := scan(&r.ID, &r.Digest, &r.Period.Wall, &r.Period.Zone, &due, &late, &r.How, &r.State, &r.People, &r.Letters, &r.Announcement, &created, &ended)
		r.Period.Instant, r.Late, r.Created, r.Ended = at(due), late == 1, at(created), at(ended)
		all = append(all, r)
		return err
	})
	return all, err
}

// StartDigest puts the run of a period on record. Whoever asks again, at once or later, gets the same run, and false.
func (db *DB) StartDigest(ctx context.Context, name string, period announce.When, late bool, how string) (r DigestRun, began bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO digest_runs (digest, period, zone, due, late, how, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest, period) DO NOTHING`,
			name, period.Wall, period.Zone, us(period.Instant), flag(late), clean(how), us(t.now))
		if err != nil {
			return err
		}
		if began = n > 0; began {
			t.log(Event{Actor: how, What: "digest-run", Detail: name + " " + period.Wall})
		}
		all, err := t.digestRuns(ctx, `WHERE digest = ? AND period = ?`, name, period.Wall)
		if err == nil && len(all) == 0 {
			err = ErrBusy
		}
		if err == nil {
			r = all[0]
		}
		return err
	})
	return r, began && err == nil, err
}

// OpenDigestRuns lists the runs that have not ended, in the order of their periods.
func (db *DB) OpenDigestRuns(ctx context.Context) ([]DigestRun, error) {
	all, err := db.read().digestRuns(ctx, `WHERE state IN ('waiting', 'running') ORDER BY due, id`)
	return all, db.fault(err)
}

// DigestRuns lists the runs of a digest with what became of their letters, the newest period first.
func (db *DB) DigestRuns(ctx context.Context, name string, limit int) ([]DigestRun, error) {
	c := db.read()
	all, err := c.digestRuns(ctx, `WHERE digest = ? ORDER BY due DESC, id DESC LIMIT ?`, name, limit)
	for i := range all {
		var n tally
		if err == nil {
			_, err = c.one(ctx, `SELECT `+sumTally+` FROM plans p JOIN tallies t ON t.plan = p.id WHERE p.run = ? AND p.run > 0`, []any{all[i].ID}, n.into()...)
			all[i].Counts = n.by()
		}
	}
	return all, db.fault(err)
}

// DigestPeriods lists the periods since a moment of which there is a run.
func (db *DB) DigestPeriods(ctx context.Context, name string, since time.Time) (map[string]bool, error) {
	all := map[string]bool{}
	err := db.read().each(ctx, `SELECT period FROM digest_runs WHERE digest = ? AND due >= ?`, []any{name, us(since)}, func(scan func(...any) error) error {
		var period string
		err := scan(&period)
		all[period] = true
		return err
	})
	return all, db.fault(err)
}

// DigestMark is the moment up to which everybody whom a run is for was told; its own when there is nobody.
func (db *DB) DigestMark(ctx context.Context, r DigestRun) (time.Time, error) {
	var mark int64
	_, err := db.read().one(ctx, `SELECT COALESCE(MIN(digested), CAST(? AS BIGINT)) FROM addresses WHERE digest = ? AND digest <> '' AND standing = 'active' AND paused_until <= ?`,
		[]any{us(r.Period.Instant), r.Digest, us(db.Now())}, &mark)
	return at(mark), db.fault(err)
}

// SummaryMark is the moment up to which the broadcast accounts of a run's digest were told: that of the last run that told
// them, or since when the digest runs.
func (db *DB) SummaryMark(ctx context.Context, r DigestRun) (time.Time, error) {
	var mark int64
	_, err := db.read().one(ctx, `SELECT COALESCE((SELECT MAX(due) FROM digest_runs WHERE digest = ? AND due < ? AND state IN ('done', 'skipped')),
		(SELECT since FROM digests WHERE name = ?), 0)`, []any{r.Digest, us(r.Period.Instant), r.Digest}, &mark)
	return at(mark), db.fault(err)
}

// Summarised puts on record which announcement is the summary of a run.
func (db *DB) Summarised(ctx context.Context, run int64, id announce.ID) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE digest_runs SET announcement = ? WHERE id = ?`, string(id), run)
		return err
	})
}

// PlanOf finds the plan by which an announcement writes to people over an account, and the Date of its messages.
func (db *DB) PlanOf(ctx context.Context, id announce.ID, account string) (plan int64, first time.Time, err error) {
	var due int64
	found, err := db.read().one(ctx, `SELECT id, first_due FROM plans WHERE announcement = ? AND account = ?`, []any{string(id), account}, &plan, &due)
	if err == nil && !found {
		err = ErrNotFound
	}
	return plan, at(due), db.fault(err)
}

// CloseEditions closes the plans of runs that ended of which nothing is left to do.
func (db *DB) CloseEditions(ctx context.Context) error {
	var plans []int64
	if err := db.read().each(ctx, `SELECT id FROM plans WHERE open = 1 AND run > 0 AND done = 1 AND turn = '' AND leased >= position`, nil, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		plans = append(plans, id)
		return err
	}); err != nil {
		return db.fault(err)
	}
	for _, id := range plans {
		if err := db.write(ctx, func(ctx context.Context, t *tx) error { return t.restOf(ctx, id) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) restOf(ctx context.Context, plan int64) error {
	all, err := t.plans(ctx, `id = ?`+t.lock("FOR NO KEY UPDATE"), plan)
	if err == nil && len(all) == 1 {
		_, err = t.rest(ctx, &all[0])
	}
	return err
}
