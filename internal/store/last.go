package store

import (
	"context"
	"errors"

	"github.com/crieur/crieur/internal/announce"
)

// lastTold is what somebody was told last of an announcement, by whatever told them: the announcement itself, what tells a
// change of it, a reminder, a digest. An edit tells nothing: nobody notices it.
type lastTold struct {
	rev    int  // 0: nothing, as far as is known
	maybe  int  // a call that was lost may have told them this one
	moving bool // something of it is just being called
}

// before reports whether something was told that is older than a revision, and nothing that is not; since is what was told
// last, or 0 where that is not sure.
func (l lastTold) before(rev int) (since int, older bool) {
	switch {
	case l.rev >= rev, l.rev == 0 && l.maybe == 0:
		return 0, false
	case l.maybe > l.rev:
		return 0, true
	}
	return l.rev, true
}

// letterTold finds the letters by which people were told of the announcement of a plan, or may have been: address, rev, sure,
// moving; which is a condition on letters l. Its arguments are the plan three times, each followed by those of which. Digests
// are those of every channel: one address has only those of its own.
func letterTold(which string) string {
	const (
		again   = `l.calling = '' AND l.rest = '' AND l.told = 0 AND l.repeats + l.cuts > 0` // a call was lost, and is about to be repeated
		how     = `, CASE WHEN l.told > 0 THEN 1 ELSE 0 END AS sure, CASE WHEN l.calling = 'publish' AND l.rest = '' OR ` + again + ` THEN 1 ELSE 0 END AS moving `
		form    = `CASE WHEN l.told > 0 THEN l.told WHEN l.calling = 'publish' THEN l.call_rev ELSE l.rev END`
		arrived = ` AND (l.told > 0 OR l.calling = 'publish' OR ` + again + `)`
	)
	return `SELECT l.address, ` + form + ` AS rev` + how + `FROM letters l WHERE l.plan = ?` + which + arrived + `
		UNION ALL
		SELECT l.address, form.of_rev` + how + `FROM plans first CROSS JOIN announcements other CROSS JOIN plans theirs CROSS JOIN letters l CROSS JOIN revisions form
			WHERE first.id = ? AND other.of = first.announcement AND other.of <> '' AND theirs.announcement = other.id AND theirs.account = first.account
			AND l.plan = theirs.id` + which + arrived + ` AND form.announcement = other.id AND form.rev = ` + form + `
		UNION ALL
		SELECT l.address, i.rev` + how + `FROM digest_items i CROSS JOIN letters l WHERE i.announcement = (SELECT announcement FROM plans WHERE id = ?)
			AND l.plan = i.plan` + which + arrived + ` AND i.edition_rev = ` + form
}

// lastTold is what the person of an address was told last of the announcement of a plan.
func (t *tx) lastTold(ctx context.Context, plan, address int64) (l lastTold, err error) {
	var moving int
	_, err = t.one(ctx, `SELECT COALESCE(MAX(CASE WHEN sure = 1 THEN rev END), 0), COALESCE(MAX(CASE WHEN sure = 0 THEN rev END), 0), COALESCE(MAX(moving), 0)
		FROM (`+letterTold(` AND l.address = ?`)+`) heard`, []any{plan, address, plan, address, plan, address}, &l.rev, &l.maybe, &moving)
	l.moving = moving == 1
	return l, err
}

// lastPosted is what readers of a post were told last of its announcement, by the post itself or by what follows it, but for
// one announcement.
func (t *tx) lastPosted(ctx context.Context, post held, but announce.ID) (l lastTold, err error) {
	if _, err = t.one(ctx, `SELECT COALESCE(MAX(CASE WHEN f.shown > 0 THEN form.of_rev END), 0), COALESCE(MAX(CASE WHEN f.shown = 0 THEN form.of_rev END), 0)
		FROM deliveries f JOIN revisions form ON form.announcement = f.announcement AND form.rev = CASE WHEN f.shown > 0 THEN f.shown ELSE f.call_rev END
		WHERE f.follows = ? AND f.follows <> '' AND f.announcement <> ? AND (f.shown > 0 OR f.calling = 'publish')`, []any{post.ID, string(but)}, &l.rev, &l.maybe); err != nil {
		return l, err
	}
	if l.rev = max(l.rev, post.Shown); post.Calling == announce.Publish {
		l.maybe = max(l.maybe, post.CallRev)
	}
	return l, nil
}

// LastTold counts, by account and by the revision that they were told last, the people and the posts that tell of an
// announcement. A call under way counts as what it carries, unless something is there already.
func (db *DB) LastTold(ctx context.Context, id announce.ID) (map[string]map[int]int, error) {
	out := map[string]map[int]int{}
	count := func(account string, rev, n int) {
		if out[account] == nil {
			out[account] = map[int]int{}
		}
		out[account][rev] += n
	}
	c := db.read()
	if err := c.each(ctx, `SELECT d.account, CASE WHEN d.shown > 0 THEN d.shown ELSE d.call_rev END, COALESCE((SELECT MAX(form.of_rev)
			FROM deliveries f JOIN revisions form ON form.announcement = f.announcement AND form.rev = f.shown WHERE f.follows = d.id AND f.follows <> '' AND f.shown > 0), 0)
		FROM deliveries d WHERE d.announcement = ? AND d.part = 0 AND (d.shown > 0 OR d.calling = 'publish')`, []any{string(id)}, func(scan func(...any) error) error {
		var account string
		var rev, corrected int
		err := scan(&account, &rev, &corrected)
		count(account, max(rev, corrected), 1)
		return err
	}); err != nil {
		return nil, db.fault(err)
	}
	plans, err := c.plans(ctx, `announcement = ? AND run = 0`, string(id))
	if err != nil {
		return nil, db.fault(err)
	}
	for _, p := range plans {
		channel := p.audience.channel
		var args []any
		for range 3 {
			args = append(args, p.id, channel, channel+"@%")
		}
		if err := c.each(ctx, `SELECT rev, COUNT(*) FROM (SELECT address, COALESCE(MAX(CASE WHEN sure = 1 THEN rev END), MAX(rev)) AS rev FROM (`+
			letterTold(` AND l.plan IN (SELECT id FROM plans WHERE account = ? OR account LIKE ?)`)+`) heard
			GROUP BY address) people GROUP BY rev`, args, func(scan func(...any) error) error {
			var rev, n int
			err := scan(&rev, &n)
			count(p.account, rev, n)
			return err
		}); err != nil {
			return nil, db.fault(err)
		}
	}
	return out, nil
}

// silent reports whether whoever was told a revision last is told nothing by a message.
func (t *tx) silent(ctx context.Context, k packKey, since int) (bool, error) {
	if since == 0 {
		return false, nil
	}
	p := t.db.packs.get(k)
	if p == nil {
		var err error
		var corrupt *corruptError
		if p, err = t.readPack(ctx, k); errors.As(err, &corrupt) {
			return false, nil // whoever sends it finds out
		}
		if err != nil {
			return false, err
		}
		t.db.packs.add(k, p)
	}
	return p.silent[since], nil
}
