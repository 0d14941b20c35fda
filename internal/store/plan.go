package store

import (
	"context"
	"strconv"

	"github.com/crieur/crieur/internal/announce"
)

// Plan enumerates up to page subscribers of the plan that is due longest: each gets a delivery. Who is told is decided
// when the first page is planned. done: no plan is due any more. It can be cut at any point and repeated, by several
// servers at once: nobody is left out, nobody gets two.
func (db *DB) Plan(ctx context.Context, page int) (done bool, planned int, err error) {
	if err := db.room(); err != nil {
		return false, 0, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		done, planned, err = t.plan(ctx, max(1, page))
		return err
	})
	if err != nil {
		return false, 0, err
	}
	return done, planned, nil
}

const duePlan = `FROM plans WHERE wanted = 1 AND done = 0 AND next <= ?`

func (t *tx) plan(ctx context.Context, page int) (done bool, planned int, err error) {
	var d announce.Delivery
	var first, next, started, position, last int64
	found, err := t.one(ctx, `SELECT announcement, account, rev, first_due, next, started, position, last_id `+duePlan+`
		ORDER BY next, announcement, account LIMIT 1`+t.lock("FOR UPDATE SKIP LOCKED"), []any{us(t.now)},
		&d.Announcement, &d.Account, &d.Rev, &first, &next, &started, &position, &last)
	if err != nil || !found {
		return err == nil, 0, err
	}
	if started == 0 {
		if _, err := t.one(ctx, `SELECT COALESCE(MAX(id), 0) FROM addresses`, nil, &last); err != nil {
			return false, 0, err
		}
	}
	if _, err := t.one(ctx, `SELECT language FROM revisions WHERE announcement = ? AND rev = ?`, []any{string(d.Announcement), d.Rev}, &d.Language); err != nil {
		return false, 0, err
	}
	d.Wanted, d.First, d.Next = true, at(first), at(next)
	people, err := t.page(ctx, d, position, last, page)
	if err != nil {
		return false, 0, err
	}
	n, err := t.insert(ctx, people)
	if err != nil {
		return false, 0, err
	}
	over := len(people) < page
	if len(people) > 0 {
		position = people[len(people)-1].subscriber
	}
	if _, err := t.exec(ctx, `UPDATE plans SET started = 1, position = ?, last_id = ?, done = ?, planned = planned + ? WHERE announcement = ? AND account = ?`,
		position, last, flag(over), n, string(d.Announcement), d.Account); err != nil {
		return false, 0, err
	}
	if !over {
		return false, int(n), nil
	}
	var total, others int
	if _, err := t.one(ctx, `SELECT planned FROM plans WHERE announcement = ? AND account = ?`, []any{string(d.Announcement), d.Account}, &total); err != nil {
		return false, 0, err
	}
	t.log(Event{What: "planned", Announcement: d.Announcement, Account: d.Account, Detail: strconv.Itoa(total)})
	_, err = t.one(ctx, `SELECT COUNT(*) `+duePlan, []any{us(t.now)}, &others)
	return others == 0, int(n), err
}

// page is the deliveries, each like d, of the next subscribers after position.
func (t *tx) page(ctx context.Context, d announce.Delivery, position, last int64, page int) (people []held, err error) {
	err = t.each(ctx, `SELECT id, address, language FROM addresses WHERE id > ? AND id <= ? AND channel = ? AND standing = 'active' ORDER BY id LIMIT ?`,
		[]any{position, last, announce.Channel(d.Account), page}, func(scan func(...any) error) error {
			h := held{Delivery: d}
			var language announce.Language
			err := scan(&h.subscriber, &h.To, &language)
			if language != "" {
				h.Language = language
			}
			people = append(people, h)
			return err
		})
	return people, err
}
