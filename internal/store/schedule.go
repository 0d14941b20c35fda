package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// publishAt is the moment that an announcement was scheduled for when it was accepted, with the time to take it back; 0:
// it was to be published at once.
func publishAt(a announce.Announcement) int64 {
	at := a.At.Instant
	if !at.After(a.Updated) {
		return 0
	}
	if first := a.Updated.Add(a.Undo); first.After(at) {
		at = first
	}
	return us(at)
}

// untold holds of an announcement a of which nothing began.
const untold = `NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.announcement = a.id AND (d.shown > 0 OR d.calling <> ''))
	AND NOT EXISTS (SELECT 1 FROM plans p WHERE p.announcement = a.id AND p.started = 1)`

// unbegun holds of an announcement a that is to be published and of which nothing began.
const unbegun = `a.retracted = 0 AND a.closed = 0 AND ` + untold + `
	AND (EXISTS (SELECT 1 FROM deliveries d WHERE d.announcement = a.id AND d.todo = 'publish')
		OR EXISTS (SELECT 1 FROM plans p WHERE p.announcement = a.id AND p.open = 1 AND p.wanted = 1))`

// Unbegun is an announcement of which nothing began.
type Unbegun struct {
	Announcement announce.Announcement // its pictures come without their data
	Held         time.Time             // since when it waits for a person; zero: it does not
}

// Unbegun lists the announcements that organisers made, that are to be published and of which nothing began.
func (db *DB) Unbegun(ctx context.Context) ([]Unbegun, error) {
	return db.unbegun(ctx, `a.listed = 1 AND `+unbegun)
}

// HeldAnnouncements lists the announcements that wait for a person because their time came while no server ran, those held last first.
func (db *DB) HeldAnnouncements(ctx context.Context) ([]Unbegun, error) {
	return db.unbegun(ctx, `a.held_at > 0`)
}

func (db *DB) unbegun(ctx context.Context, where string) (all []Unbegun, err error) {
	err = db.read().each(ctx, `SELECT a.id, r.document, a.held_at FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE `+where+` ORDER BY a.held_at DESC, a.id`, nil, func(scan func(...any) error) error {
		var id announce.ID
		var document string
		var held int64
		err := scan(&id, &document, &held)
		all = append(all, Unbegun{db.bare(id, document), at(held)})
		return err
	})
	return all, db.fault(err)
}

// bare is an announcement without the data of its pictures. Of one that cannot be read only the ID is there, so that it
// keeps no other from its time.
func (db *DB) bare(id announce.ID, document string) (a announce.Announcement) {
	if err := json.Unmarshal([]byte(document), &a); err != nil {
		db.o.Log.Error("a stored announcement cannot be read", "announcement", id, "error", err)
		return announce.Announcement{ID: id}
	}
	return a
}

// LateMost is how late a scheduled announcement is published all the same when no server ran at its time.
const LateMost = time.Hour

const (
	signMargin = 5 * time.Minute                // what came so shortly before the last sign of life may not have begun
	farAway    = int64(253_370_764_800_000_000) // 9999-01-01: until somebody says so
	missedWhy  = "its time came while no server ran; to publish it all the same, amend it"

	waveMissedWhy = "its moment passed while no server ran"
)

// Missed is an announcement whose time came while no server ran, more than LateMost ago, and of which nothing began.
type Missed struct {
	Announcement announce.Announcement // its pictures come without their data
	Due          time.Time
	What         announce.IfMissed // what became of it
}

// Wake puts on record that a server starts to work, and decides what becomes of the announcements whose time came while
// none ran: as they say themselves, else by policy. One that has expired or whose event is over is left to the worker,
// which skips it. behind: the clock is behind the last sign of life, so that nothing can be told of the time between, and
// nothing was done; with force it is believed all the same.
func (db *DB) Wake(ctx context.Context, policy announce.IfMissed, force bool) (missed []Missed, behind bool, err error) {
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		missed, behind = nil, false
		var seen int64
		if _, err := t.one(ctx, `SELECT seen_at FROM server`+t.lock("FOR UPDATE"), nil, &seen); err != nil {
			return err
		}
		if behind = at(seen).After(t.now) && !force; behind {
			return nil
		}
		all, err := t.missed(ctx, at(seen))
		if err != nil {
			return err
		}
		for _, m := range all {
			var gone int // a reminder of one that was missed before
			if _, err := t.one(ctx, `SELECT retracted FROM announcements WHERE id = ?`, []any{string(m.Announcement.ID)}, &gone); err != nil {
				return err
			}
			if gone == 1 {
				continue
			}
			if late := m.Announcement.TooLate(); !late.IsZero() && !late.After(t.now) {
				continue
			}
			if m.What = m.Announcement.IfMissed; m.What == "" {
				m.What = policy
			}
			if err := t.miss(ctx, m); err != nil {
				return err
			}
			missed = append(missed, m)
		}
		return t.seen(ctx)
	})
	if err != nil {
		return nil, false, err
	}
	return missed, behind, nil
}

// Seen puts on record that a server runs.
func (db *DB) Seen(ctx context.Context) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error { return t.seen(ctx) })
}

func (t *tx) seen(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE server SET seen_at = ?`, us(t.now))
	return err
}

func (t *tx) missed(ctx context.Context, seen time.Time) (all []Missed, err error) {
	err = t.each(ctx, `SELECT a.id, r.document, a.publish_at FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE a.publish_at > ? AND a.publish_at < ? AND a.held_at = 0 AND `+unbegun+` ORDER BY a.publish_at, a.id`,
		[]any{max(0, us(seen.Add(-signMargin))), us(t.now.Add(-LateMost))}, func(scan func(...any) error) error {
			var id announce.ID
			var document string
			var due int64
			err := scan(&id, &document, &due)
			all = append(all, Missed{Announcement: t.db.bare(id, document), Due: at(due)})
			return err
		})
	return all, err
}

// miss does what was decided about a missed announcement.
func (t *tx) miss(ctx context.Context, m Missed) error {
	id := m.Announcement.ID
	switch m.What {
	case announce.MissedFire:
		return nil
	case announce.MissedSkip:
		accounts, err := t.accountsOf(ctx, id)
		if err != nil {
			return err
		}
		for _, account := range accounts {
			if err := t.skip(ctx, account, id, missedWhy, ""); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `UPDATE waves SET state = 'past', why = ? WHERE child = ?`, waveMissedWhy, string(id)); err != nil {
			return err
		}
		if err := t.passOver(ctx, id, "the announcement itself was left out: "+missedWhy); err != nil {
			return err
		}
	default:
		if err := t.holdBack(ctx, id, us(t.now)); err != nil {
			return err
		}
		if err := t.unmake(ctx, id, WavePlanned, ""); err != nil { // made again when a person lets it go
			return err
		}
	}
	t.log(Event{What: "missed", Announcement: id, Detail: string(m.What)})
	return nil
}

// holdBack lets an announcement of which nothing began wait for a person, as it does since a moment.
func (t *tx) holdBack(ctx context.Context, id announce.ID, since int64) error {
	if err := t.putOff(ctx, id, farAway, 0); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE announcements SET held_at = ? WHERE id = ?`, since, string(id))
	return err
}

// accountsOf lists the accounts that an announcement goes to.
func (t *tx) accountsOf(ctx context.Context, id announce.ID) (accounts []string, err error) {
	err = t.each(ctx, `SELECT account FROM deliveries WHERE announcement = ? UNION SELECT account FROM plans WHERE announcement = ? ORDER BY account`,
		[]any{string(id), string(id)}, func(scan func(...any) error) error {
			var account string
			err := scan(&account)
			accounts = append(accounts, account)
			return err
		})
	return accounts, err
}

// putOff gives an announcement of which nothing began, and that is due from a moment on, another one.
func (t *tx) putOff(ctx context.Context, id announce.ID, due, from int64) error {
	if _, err := t.exec(ctx, `UPDATE deliveries SET first_due = ?, next = ? WHERE announcement = ? AND todo = 'publish' AND next >= ?`,
		due, due, string(id), from); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE plans SET first_due = ?, next = ? WHERE announcement = ? AND open = 1 AND wanted = 1 AND started = 0 AND next >= ?`,
		due, due, string(id), from)
	return err
}

// Release lets an announcement that is held because its time was missed be published now; its reminders whose moments passed
// meanwhile are not told. False: it is not held.
func (db *DB) Release(ctx context.Context, id announce.ID, actor string) (released bool, err error) {
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE announcements SET held_at = 0, due_at = ? WHERE id = ? AND held_at > 0`, us(t.now), string(id))
		if released = n > 0; err != nil || !released {
			return err
		}
		if err := t.putOff(ctx, id, us(t.now), farAway); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE waves SET state = 'past', why = 'its moment passed while the announcement waited for a person'
			WHERE announcement = ? AND state = 'planned' AND wave LIKE '-%' AND due <= ?`, string(id), us(t.now)); err != nil {
			return err
		}
		t.log(Event{Actor: actor, What: "released", Announcement: id})
		return nil
	})
	return released && err == nil, err
}
