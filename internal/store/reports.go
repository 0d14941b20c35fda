package store

import (
	"context"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Class is what a report says of an address.
type Class string

// The classes of reports.
const (
	Hard      Class = "hard"      // there is no such mailbox
	Soft      Class = "soft"      // not now: full, or away
	Block     Class = "block"     // we are refused; it says nothing about the address
	Spam      Class = "complaint" // its reader called it spam
	Left      Class = "unsubscribe"
	Delivered Class = "delivered" // what came before is forgiven
)

// Report is what was heard about an address.
type Report struct {
	ID      string // of the report: it counts once
	At      time.Time
	Source  string // dsn, ses, postmark, ...
	Class   Class
	Status  string // RFC 3463: 5.1.1
	Address int64
	Domain  string
	Detail  string
	Plan    int64 // whose letter it is about; 0: not known
}

// Patience is when bounces are believed.
type Patience struct {
	Hard time.Duration // between a first and a second hard bounce
	Soft int           // soft bounces, none of them forgiven,
	Over time.Duration // that lie so far apart, the first and the last

	// Silent: a mail that was accepted and of which nothing was heard for so long arrived, and what came before is forgiven;
	// zero: only a Delivered report forgives.
	Silent time.Duration
}

// Hear puts a report on record and lets the address leave when it is to be believed. fresh: it was not heard before.
func (db *DB) Hear(ctx context.Context, r Report, p Patience) (fresh bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if r.At.IsZero() {
			r.At = t.now
		}
		// Of whom nothing is known any more, nothing is kept: servers quote the address.
		var one int
		found, err := t.one(ctx, `SELECT 1 FROM addresses WHERE id = ? AND standing <> 'erased'`+t.lock("FOR UPDATE"), []any{r.Address}, &one)
		if err != nil {
			return err
		}
		if !found {
			r.Domain, r.Detail = "", ""
		}
		n, err := t.exec(ctx, `INSERT INTO reports (id, at, source, class, status, address, domain, detail, plan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			clean(r.ID), us(r.At), clean(r.Source), string(r.Class), clean(r.Status), r.Address, clean(r.Domain), clean(r.Detail), r.Plan)
		if fresh = n > 0; err != nil || !fresh {
			return err
		}
		return t.hear(ctx, r, p)
	})
	return fresh && err == nil, err
}

func (t *tx) hear(ctx context.Context, r Report, p Patience) error {
	var standing Standing
	var hardAt, soft, softAt int64
	found, err := t.one(ctx, `SELECT standing, hard_at, soft, soft_at FROM addresses WHERE id = ?`+t.lock("FOR UPDATE"), []any{r.Address}, &standing, &hardAt, &soft, &softAt)
	if err != nil || !found || standing == Erased {
		return err
	}
	if (r.Class == Hard || r.Class == Soft) && (hardAt > 0 || soft > 0) && p.Silent > 0 {
		arrived, err := t.arrived(ctx, r, p.Silent)
		if err != nil {
			return err
		}
		if arrived {
			hardAt, soft, softAt = 0, 0, 0
		}
	}
	d := Deed{How: "report " + r.Source, Detail: r.Status}
	switch r.Class {
	case Spam:
		d.Act = Complaint
		if standing == Unsubscribed || standing == Bounced || standing == Removed {
			return t.complain(ctx, r.Address, d)
		}
		_, err = t.leave(ctx, r.Address, Complained, d)
		return err
	case Left:
		d.Act = Unsubscribe
		_, err = t.leave(ctx, r.Address, Unsubscribed, d)
		return err
	case Delivered:
		hardAt, soft, softAt = 0, 0, 0
	case Hard:
		if standing == Pending || hardAt > 0 && r.At.Sub(at(hardAt)) >= p.Hard {
			d.Act = HasBounced
			_, err = t.leave(ctx, r.Address, Bounced, d)
			return err
		}
		if hardAt == 0 {
			hardAt = us(r.At)
		}
	case Soft:
		if soft++; softAt == 0 {
			softAt = us(r.At)
		}
		if soft >= int64(p.Soft) && r.At.Sub(at(softAt)) >= p.Over {
			d.Act = HasBounced
			_, err = t.leave(ctx, r.Address, Bounced, d)
			return err
		}
	default:
		return nil
	}
	_, err = t.exec(ctx, `UPDATE addresses SET hard_at = ?, soft = ?, soft_at = ? WHERE id = ?`, hardAt, soft, softAt, r.Address)
	return err
}

// arrived tells whether a mail of a mailing reached an address between the report before r and r. It is looked for only when
// something is heard, and only among mailings that were announced since: letters have no index by address.
func (t *tx) arrived(ctx context.Context, r Report, silent time.Duration) (bool, error) {
	var last int64
	if _, err := t.one(ctx, `SELECT COALESCE(MAX(at), 0) FROM reports WHERE address = ? AND id <> ? AND class IN ('hard', 'soft', 'block')`, []any{r.Address, clean(r.ID)}, &last); err != nil {
		return false, err
	}
	var one int
	return t.one(ctx, `SELECT 1 FROM announcements a JOIN plans p ON p.announcement = a.id JOIN letters l ON l.plan = p.id AND l.address = ?
		WHERE a.listed = 1 AND a.id >= ? AND l.shown > 0 AND l.receipt_at > ? AND l.receipt_at <= ? LIMIT 1`,
		[]any{r.Address, string(announce.NewID(at(last))), last, us(r.At.Add(-silent))}, &one)
}

// complain notes a complaint of somebody who had left: they are not asked again either.
func (t *tx) complain(ctx context.Context, id int64, d Deed) error {
	if _, err := t.exec(ctx, `UPDATE addresses SET standing = 'complained', owed = '', updated_at = ? WHERE id = ?`, us(t.now), id); err != nil {
		return err
	}
	t.tell(id, d)
	return t.agree(ctx, id, d)
}

// Reports lists what was heard about an address, the oldest first.
func (db *DB) Reports(ctx context.Context, address int64) ([]Report, error) {
	var all []Report
	err := db.read().each(ctx, `SELECT id, at, source, class, status, address, domain, detail, plan FROM reports WHERE address = ? ORDER BY at, id`, []any{address},
		func(scan func(...any) error) error {
			var r Report
			var when int64
			err := scan(&r.ID, &when, &r.Source, &r.Class, &r.Status, &r.Address, &r.Domain, &r.Detail, &r.Plan)
			r.At = at(when)
			all = append(all, r)
			return err
		})
	return all, db.fault(err)
}

// A mail server that says that an address does not exist is believed when it says so again, between bounceAfter and
// bounceWithin later.
const (
	bounceAfter  = 24 * time.Hour
	bounceWithin = 90 * 24 * time.Hour
)

// gone notes that an address was said not to exist. Elsewhere than in mail that is final: a browser's subscription that was
// ended, a bot that was blocked, a receiver that wants no more.
func (t *tx) gone(ctx context.Context, e *Ended) error {
	address, status := e.Letter.Address, e.Status
	if _, err := t.exec(ctx, `INSERT INTO reports (id, at, source, class, status, address, domain, detail, plan) VALUES (?, ?, ?, 'hard', ?, ?, ?, '', ?) ON CONFLICT DO NOTHING`,
		e.Letter.ID+"-"+strconv.FormatInt(us(e.Letter.Began), 36), us(t.now), byDelivery, clean(status), address, clean(e.Group), e.Letter.Plan); err != nil {
		return err
	}
	var channel string
	var hard int64
	if _, err := t.one(ctx, `SELECT channel, hard_at FROM addresses WHERE id = ?`+t.lock("FOR UPDATE"), []any{address}, &channel, &hard); err != nil {
		return err
	}
	first := at(hard)
	if hard == 0 || t.now.Sub(first) > bounceWithin {
		if _, err := t.exec(ctx, `UPDATE addresses SET hard_at = ? WHERE id = ?`, us(t.now), address); err != nil {
			return err
		}
		first = t.now
	}
	if channel == "email" && t.now.Sub(first) < bounceAfter {
		return nil
	}
	_, err := t.leave(ctx, address, Bounced, Deed{Act: HasBounced, How: "delivery", Detail: status})
	return err
}
