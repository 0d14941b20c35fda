package store

import (
	"context"

	"github.com/crieur/crieur/internal/announce"
)

// putItems puts on record what a revision of an edition tells of.
func (t *tx) putItems(ctx context.Context, a announce.Announcement) error {
	if a.Digest == nil {
		return nil
	}
	for _, i := range a.Digest.Items {
		if _, err := t.exec(ctx, `INSERT INTO digest_items (announcement, plan, edition_rev, rev)
			SELECT CAST(? AS TEXT), id, CAST(? AS BIGINT), CAST(? AS BIGINT) FROM plans WHERE announcement = ? AND run > 0`,
			string(i.ID), a.Rev, i.Rev, string(a.ID)); err != nil {
			return err
		}
	}
	return nil
}

// inEdition finds the people who have, or are just getting, an edition that tells of the announcement of a plan, from
// before a revision of it. Its arguments are that plan and that revision.
const inEdition = `SELECT read.address FROM digest_items i CROSS JOIN letters read WHERE i.announcement = (SELECT announcement FROM plans WHERE id = ?) AND i.rev < ?
	AND read.plan = i.plan AND (read.told > 0 AND read.told = i.edition_rev OR read.calling = 'publish' AND read.call_rev = i.edition_rev)`

// begunEditions finds the editions of which inEdition tells, with the revision that does, but for those none of whose letters
// was begun: their tallies say so, without a look at the letters.
const begunEditions = `SELECT i.plan, i.edition_rev FROM digest_items i WHERE i.announcement = (SELECT announcement FROM plans WHERE id = ?) AND i.rev < ?
	AND EXISTS (SELECT 1 FROM tallies n WHERE n.plan = i.plan AND (n.calling <> 0 OR n.published <> 0 OR n.failed <> 0 OR n.unknown <> 0 OR n.retracted <> 0 OR n.skipped <> 0))`

// anybodyRead reports whether inEdition finds somebody.
func (c conn) anybodyRead(ctx context.Context, plan int64, before int) (found bool, err error) {
	var editions [][2]int64
	if err := c.each(ctx, begunEditions, []any{plan, before}, func(scan func(...any) error) error {
		var e [2]int64
		err := scan(&e[0], &e[1])
		editions = append(editions, e)
		return err
	}); err != nil {
		return false, err
	}
	for _, e := range editions {
		var one int
		if found, err = c.one(ctx, `SELECT 1 FROM letters WHERE plan = ? AND (told > 0 AND told = ? OR calling = 'publish' AND call_rev = ?) LIMIT 1`,
			[]any{e[0], e[1], e[1]}, &one); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// waits holds the letters of an edition that tells of what was changed, called off or taken back since: it is written anew
// within seconds.
func (t *tx) waits(ctx context.Context, p *plan) (err error) {
	if p.run == 0 || !p.wanted || p.held {
		return nil
	}
	var one int
	p.held, err = t.one(ctx, `SELECT 1 FROM digest_items i CROSS JOIN announcements a WHERE i.plan = ? AND i.edition_rev = ? AND a.id = i.announcement
		AND (a.rev > i.rev OR a.retracted = 1) LIMIT 1`, []any{p.id, p.rev}, &one)
	return err
}

// Outdated lists the editions with something left to do that tell of what was changed, called off or taken back since.
func (db *DB) Outdated(ctx context.Context) (editions []announce.ID, open bool, err error) {
	var n int
	c := db.read()
	if open, err = c.one(ctx, `SELECT 1 FROM plans WHERE open = 1 AND run > 0 LIMIT 1`, nil, &n); err != nil || !open {
		return nil, false, db.fault(err)
	}
	err = c.each(ctx, `SELECT DISTINCT p.announcement FROM plans p CROSS JOIN digest_items i CROSS JOIN announcements a WHERE p.open = 1 AND p.run > 0 AND p.wanted = 1
		AND i.plan = p.id AND i.edition_rev = p.rev AND a.id = i.announcement AND (a.rev > i.rev OR a.retracted = 1) ORDER BY p.announcement`, nil,
		func(scan func(...any) error) error {
			var id announce.ID
			err := scan(&id)
			editions = append(editions, id)
			return err
		})
	return editions, open, db.fault(err)
}
