package store

import (
	"context"

	"github.com/crieur/crieur/internal/announce"
)

// unsure finds the letters of a plan, after an address, whose call was not seen to end: those that wait for a person, and those
// that are looked at later. It takes the plan, twice the plan and the address, and how many at most.
const unsure = `WHERE l.plan = ? AND l.address IN (SELECT p.address FROM letters p WHERE p.plan = ? AND p.rest = 'person' AND p.address > ?
		UNION ALL SELECT w.address FROM letters w WHERE w.plan = ? AND w.next > w.first_due AND w.address > ?)
	AND l.calling <> '' AND (l.rest <> '' OR l.fault <> '' OR l.looks > 0) ORDER BY l.address LIMIT ?`

// UnknownLetters lists letters whose call was not seen to end, of one announcement or (id empty) of all, the newest mailing
// first: at most limit, after the one with a key, empty for the first.
func (db *DB) UnknownLetters(ctx context.Context, id announce.ID, after string, limit int) (all []Letter, err error) {
	type mailing struct {
		plan    int64
		of      announce.ID
		account string
	}
	plan, address := int64(0), int64(0)
	if after != "" {
		var ok bool
		if plan, address, ok = ReadLetterKey(after); !ok {
			return nil, ErrNotFound
		}
	}
	c := db.read()
	var mailings []mailing
	if err := c.each(ctx, `SELECT p.id, p.announcement, p.account FROM plans p WHERE (? = '' OR p.announcement = ?) AND (? = 0 OR p.id <= ?)
		AND (SELECT SUM(t.unknown) FROM tallies t WHERE t.plan = p.id) > 0 ORDER BY p.id DESC`,
		[]any{string(id), string(id), plan, plan}, func(scan func(...any) error) error {
			var m mailing
			err := scan(&m.plan, &m.of, &m.account)
			mailings = append(mailings, m)
			return err
		}); err != nil {
		return nil, db.fault(err)
	}
	for _, m := range mailings {
		from := int64(0)
		if m.plan == plan {
			from = address
		}
		some, err := c.letters(ctx, unsure, m.plan, m.plan, from, m.plan, from, limit-len(all))
		if err != nil {
			return nil, db.fault(err)
		}
		for _, l := range some {
			l.Announcement, l.Account = m.of, m.account
			all = append(all, *l)
		}
		if len(all) >= limit {
			break
		}
	}
	return all, nil
}
