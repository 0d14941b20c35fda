package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Announcement returns the current revision and whether it was retracted.
func (db *DB) Announcement(ctx context.Context, id announce.ID) (a announce.Announcement, retracted bool, err error) {
	var document, images string
	var gone int
	c := db.read()
	found, err := c.one(ctx, `SELECT r.document, r.images, a.retracted FROM announcements a
		JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev WHERE a.id = ?`, []any{string(id)}, &document, &images, &gone)
	switch {
	case err != nil:
		return a, false, db.fault(err)
	case !found:
		return a, false, ErrNotFound
	}
	if err := json.Unmarshal([]byte(document), &a); err != nil {
		return a, false, fmt.Errorf("the announcement %s cannot be read: %w", id, err)
	}
	err = c.fill(ctx, images, len(a.Images), func(i int, data []byte) { a.Images[i].Data = data })
	return a, gone == 1, db.fault(err)
}

// Announcements lists newest first, starting below before (empty: from the newest), those that organisers made. Pictures
// come without their data.
func (db *DB) Announcements(ctx context.Context, before announce.ID, limit int) ([]Entry, error) {
	if before == "" {
		before = "~" // behind every ID
	}
	var all []Entry
	c := db.read()
	err := c.each(ctx, `SELECT r.document, a.retracted, COALESCE((SELECT SUM(p.planned) FROM plans p WHERE p.announcement = a.id), 0)
		FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE a.id < ? AND a.listed = 1 ORDER BY a.id DESC LIMIT ?`, []any{string(before), limit}, func(scan func(...any) error) error {
		var document string
		var gone int
		e := Entry{Counts: map[announce.State]int{}}
		if err := scan(&document, &gone, &e.Planned); err != nil {
			return err
		}
		e.Retracted = gone == 1
		all = append(all, e)
		return json.Unmarshal([]byte(document), &all[len(all)-1].Announcement)
	})
	if err != nil || len(all) == 0 {
		return nil, db.fault(err)
	}
	index := map[announce.ID]int{}
	for i, e := range all {
		index[e.Announcement.ID] = i
	}
	oldest, newest := all[len(all)-1].Announcement.ID, all[0].Announcement.ID
	err = c.each(ctx, `SELECT announcement, state, COUNT(*) FROM deliveries WHERE announcement >= ? AND announcement <= ?
		GROUP BY announcement, state`, []any{string(oldest), string(newest)}, func(scan func(...any) error) error {
		var id announce.ID
		var state announce.State
		var n int
		err := scan(&id, &state, &n)
		if i, ok := index[id]; ok {
			all[i].Counts[state] = n
		}
		return err
	})
	if err != nil {
		return nil, db.fault(err)
	}
	err = c.each(ctx, `SELECT p.announcement, `+sumTally+` FROM plans p JOIN tallies t ON t.plan = p.id WHERE p.announcement >= ? AND p.announcement <= ?
		GROUP BY p.announcement`, []any{string(oldest), string(newest)}, func(scan func(...any) error) error {
		var id announce.ID
		var n tally
		err := scan(append([]any{&id}, n.into()...)...)
		if i, ok := index[id]; ok {
			for s, k := range n.by() {
				all[i].Counts[s] += k
			}
		}
		return err
	})
	return all, db.fault(err)
}

// Deliveries returns an announcement's rows on broadcast accounts, in the order in which they were made.
func (db *DB) Deliveries(ctx context.Context, id announce.ID) ([]announce.Delivery, error) {
	rows, err := db.read().rows(ctx, `announcement = ? ORDER BY id`, string(id))
	all := make([]announce.Delivery, len(rows))
	for i, h := range rows {
		all[i] = h.Delivery
	}
	return all, db.fault(err)
}

// Delivery returns one row, or one letter.
func (db *DB) Delivery(ctx context.Context, deliveryID string) (announce.Delivery, error) {
	if plan, address, ok := ReadLetterKey(deliveryID); ok {
		l, err := db.Letter(ctx, plan, address)
		return l.Delivery, err
	}
	h, err := db.read().delivery(ctx, deliveryID, "")
	return h.Delivery, db.fault(err)
}

func (c conn) delivery(ctx context.Context, id, lock string) (held, error) {
	rows, err := c.rows(ctx, `id = ?`+lock, id)
	switch {
	case err != nil:
		return held{}, err
	case len(rows) == 0:
		return held{}, ErrNotFound
	}
	return rows[0], nil
}

// Letter returns one letter, with the address as it is now.
func (db *DB) Letter(ctx context.Context, plan, address int64) (Letter, error) {
	c := db.read()
	all, err := c.letters(ctx, `WHERE l.plan = ? AND l.address = ?`, plan, address)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Letter{}, db.fault(err)
	}
	l := *all[0]
	_, err = c.one(ctx, `SELECT announcement, account FROM plans WHERE id = ?`, []any{plan}, &l.Announcement, &l.Account)
	return l, db.fault(err)
}

// Counts tells how a personal account stands, whatever the number of letters. ErrNotFound: the announcement has no plan there.
func (db *DB) Counts(ctx context.Context, id announce.ID, account string) (Counts, error) {
	var n tally
	var wanted, done int
	var rest int64
	var out Counts
	found, err := db.read().one(ctx, `SELECT p.wanted, p.done, p.planned, p.canary_until, `+sumTally+` FROM plans p LEFT JOIN tallies t ON t.plan = p.id
		WHERE p.announcement = ? AND p.account = ? GROUP BY p.id, p.wanted, p.done, p.planned, p.canary_until`,
		[]any{string(id), account}, append([]any{&wanted, &done, &out.Planned, &rest}, n.into()...)...)
	if err == nil && !found {
		err = ErrNotFound
	}
	out.By, out.Done = n.by(), wanted == 0 || done == 1
	if wanted == 1 {
		out.Rest = at(rest)
	}
	return out, db.fault(err)
}

// PersonalAccounts lists the personal accounts that an announcement goes or went to, by name.
func (db *DB) PersonalAccounts(ctx context.Context, id announce.ID) (accounts []string, err error) {
	err = db.read().each(ctx, `SELECT account FROM plans WHERE announcement = ? ORDER BY account`, []any{string(id)}, func(scan func(...any) error) error {
		var account string
		err := scan(&account)
		accounts = append(accounts, account)
		return err
	})
	return accounts, db.fault(err)
}

// Totals counts all deliveries by account and state. oldestDue is zero when nothing is due now or later.
func (db *DB) Totals(ctx context.Context) (by map[string]map[announce.State]int, oldestDue time.Time, err error) {
	by = map[string]map[announce.State]int{}
	c := db.read()
	err = c.each(ctx, `SELECT account, state, COUNT(*) FROM deliveries GROUP BY account, state`, nil, func(scan func(...any) error) error {
		var account string
		var state announce.State
		var n int
		err := scan(&account, &state, &n)
		if by[account] == nil {
			by[account] = map[announce.State]int{}
		}
		by[account][state] = n
		return err
	})
	if err == nil {
		err = c.each(ctx, `SELECT p.account, `+sumTally+` FROM plans p JOIN tallies t ON t.plan = p.id GROUP BY p.account`, nil, func(scan func(...any) error) error {
			var account string
			var n tally
			err := scan(append([]any{&account}, n.into()...)...)
			if by[account] == nil {
				by[account] = map[announce.State]int{}
			}
			for s, k := range n.by() {
				by[account][s] += k
			}
			return err
		})
	}
	if err != nil {
		return nil, time.Time{}, db.fault(err)
	}
	var oldest int64
	_, err = c.one(ctx, `SELECT COALESCE(MIN(due), 0) FROM (SELECT MIN(due) AS due FROM deliveries WHERE due IS NOT NULL
		UNION ALL SELECT MIN(`+planDue+`) FROM plans p WHERE p.open = 1 AND p.held_at = 0 AND `+planBusy+`
		UNION ALL SELECT MIN(`+planLapse+`) FROM plans p WHERE p.open = 1 AND p.held_at = 0 UNION ALL SELECT MIN(`+planLater+`) FROM plans p WHERE p.open = 1 AND p.held_at = 0) work`, nil, &oldest)
	return by, at(oldest), db.fault(err)
}
