package store

import (
	"context"
	"maps"
	"slices"

	"github.com/crieur/crieur/internal/announce"
)

// Counted is a link of an announcement's mails that is counted; without a target, their pixel.
type Counted struct {
	Token  string // in its address
	Target string
	Count  int
}

// putCounted makes the links of a submission known. Those of an earlier revision stay: they are in mails.
func (t *tx) putCounted(ctx context.Context, s Submission) error {
	for _, c := range s.Counted {
		if _, err := t.exec(ctx, `INSERT INTO counts (token, announcement, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, c.Token, string(s.Announcement.ID), clean(c.Target)); err != nil {
			return err
		}
	}
	return nil
}

// CountedTarget is where a counted link leads. ErrNotFound: there is none.
func (db *DB) CountedTarget(ctx context.Context, token string) (target string, err error) {
	found, err := db.read().one(ctx, `SELECT target FROM counts WHERE token = ?`, []any{clean(token)}, &target)
	if err == nil && !found {
		err = ErrNotFound
	}
	return target, db.fault(err)
}

// AddCounts adds to the counts of links, by token.
func (db *DB) AddCounts(ctx context.Context, by map[string]int) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		for _, token := range slices.Sorted(maps.Keys(by)) { // in one order, so that two servers never wait for each other
			if _, err := t.exec(ctx, `UPDATE counts SET n = n + ? WHERE token = ?`, by[token], token); err != nil {
				return err
			}
		}
		return nil
	})
}

// CountedLinks lists the counted links of an announcement, the most followed first.
func (db *DB) CountedLinks(ctx context.Context, id announce.ID) ([]Counted, error) {
	var all []Counted
	err := db.read().each(ctx, `SELECT token, target, n FROM counts WHERE announcement = ? ORDER BY n DESC, token`, []any{string(id)}, func(scan func(...any) error) error {
		var c Counted
		err := scan(&c.Token, &c.Target, &c.Count)
		all = append(all, c)
		return err
	})
	return all, db.fault(err)
}
