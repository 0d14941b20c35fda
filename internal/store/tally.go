package store

import (
	"context"
	"hash/fnv"
	"slices"

	"github.com/crieur/crieur/internal/announce"
)

// tallied are the states in the order of the columns of tallies.
func tallied() [7]announce.State {
	return [7]announce.State{announce.Waiting, announce.CallingNow, announce.Published, announce.FailedState, announce.Unknown, announce.Retracted, announce.SkippedState}
}

// tally is how many letters are in each state, or how many more.
type tally [7]int64

func (n *tally) add(s announce.State, k int64) {
	for i, x := range tallied() {
		if x == s {
			n[i] += k
		}
	}
}

// count notes that n more letters of a plan are in a state. It is written with the change.
func (t *tx) count(plan int64, s announce.State, n int64) {
	if t.tallies == nil {
		t.tallies = map[int64]*tally{}
	}
	if t.tallies[plan] == nil {
		t.tallies[plan] = &tally{}
	}
	t.tallies[plan].add(s, n)
}

const putTally = `INSERT INTO tallies (plan, lane, waiting, calling, published, failed, unknown, retracted, skipped) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (plan, lane) DO UPDATE SET waiting = tallies.waiting + excluded.waiting, calling = tallies.calling + excluded.calling,
		published = tallies.published + excluded.published, failed = tallies.failed + excluded.failed, unknown = tallies.unknown + excluded.unknown,
		retracted = tallies.retracted + excluded.retracted, skipped = tallies.skipped + excluded.skipped`

// putTallies writes what was counted. Servers, and those of one that write at once, use lanes of their own.
func (t *tx) putTallies(ctx context.Context) error {
	plans := make([]int64, 0, len(t.tallies))
	for plan, n := range t.tallies {
		if *n != (tally{}) {
			plans = append(plans, plan)
		}
	}
	slices.Sort(plans) // everybody locks in the same order
	for _, plan := range plans {
		n := t.tallies[plan]
		if _, err := t.exec(ctx, putTally, plan, t.lane, n[0], n[1], n[2], n[3], n[4], n[5], n[6]); err != nil {
			return err
		}
	}
	clear(t.tallies)
	return nil
}

// lane is where this server counts; its writers at once take the ones after it.
func (db *DB) lane() int64 {
	if !db.postgres() {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(db.owner))
	return int64(h.Sum32()%16) * 16
}

const sumTally = `COALESCE(SUM(waiting), 0), COALESCE(SUM(calling), 0), COALESCE(SUM(published), 0), COALESCE(SUM(failed), 0),
	COALESCE(SUM(unknown), 0), COALESCE(SUM(retracted), 0), COALESCE(SUM(skipped), 0)`

func (n *tally) into() []any {
	return []any{&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6]}
}

// by is the tally as people read it; states without letters are left out.
func (n *tally) by() map[announce.State]int {
	m := map[announce.State]int{}
	for i, s := range tallied() {
		if n[i] != 0 {
			m[s] = int(n[i])
		}
	}
	return m
}

// Recount counts the letters of every plan that is not over, or of one announcement, row by row. It returns by how many
// letters the counts that are kept are wrong: 0, or the record is at fault.
func (db *DB) Recount(ctx context.Context, id announce.ID) (errors int, err error) {
	type one struct {
		id      int64
		planned int64
		name    string
	}
	var plans []one
	c := db.read()
	err = c.each(ctx, `SELECT id, planned, announcement FROM plans WHERE open = 1 AND ? = '' OR announcement = ?`, []any{string(id), string(id)}, func(scan func(...any) error) error {
		var p one
		err := scan(&p.id, &p.planned, &p.name)
		plans = append(plans, p)
		return err
	})
	if err != nil {
		return 0, db.fault(err)
	}
	for _, p := range plans {
		n, err := db.recount(ctx, p.id)
		if err != nil {
			return errors, db.fault(err)
		}
		if errors += n; n > 0 {
			db.o.Log.Error("letters do not add up; please report it as a defect", "announcement", p.name, "plan", p.id, "letters", n)
		}
	}
	return errors, nil
}

// recount compares what is kept of one plan with its letters, in one look at both.
func (db *DB) recount(ctx context.Context, plan int64) (wrong int, err error) {
	var kept, found tally
	var planned, sum int64
	query := `SELECT (SELECT planned FROM plans WHERE id = ?), kept.*, found.* FROM (SELECT ` + sumTally + ` FROM tallies WHERE plan = ?) kept, (SELECT COUNT(*)`
	for _, s := range tallied() {
		query += `, COALESCE(SUM(CASE WHEN state = '` + string(s) + `' THEN 1 ELSE 0 END), 0)`
	}
	query += ` FROM (SELECT ` + letterState + ` AS state FROM letters WHERE plan = ?) each_one) found`
	into := append(append(append([]any{&planned}, kept.into()...), &sum), found.into()...)
	if _, err := db.read().one(ctx, query, []any{plan, plan, plan}, into...); err != nil {
		return 0, err
	}
	for i := range kept {
		wrong += int(max(kept[i]-found[i], found[i]-kept[i]))
	}
	return wrong + int(max(sum-planned, planned-sum)), nil
}
