package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// atOnce is how many addresses one transaction changes, so that a long list keeps nobody waiting.
const atOnce = 500

// Taken is what became of addresses that were to be added.
type Taken struct {
	Added      int // new, or back after an organiser had removed them
	Known      int // there already; nothing was changed
	Suppressed int // never to be written to again; nothing of them was kept
}

// AddAddresses adds addresses with what their people chose. Standing is Active or, to have the person confirm first,
// Pending; ID, Person, Created and Updated are not looked at. Somebody who left stays as they are, but for those whom an
// organiser had removed. The deed is logged for each that was added. When it fails, those of Taken are there all the same,
// and the whole list may be given again.
func (db *DB) AddAddresses(ctx context.Context, all []Address, d Deed) (Taken, error) {
	var sum Taken
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return sum, err
	}
	for some := range slices.Chunk(all, atOnce) {
		if err := db.room(); err != nil {
			return sum, err
		}
		var n Taken
		err := db.write(ctx, func(ctx context.Context, t *tx) error {
			n = Taken{}
			for _, a := range some {
				if err := t.takeIn(ctx, key, a, d, &n); err != nil {
					return err
				}
			}
			if n.Added > 0 {
				t.log(Event{Actor: d.How, What: "subscribers", Detail: fmt.Sprintf("%d %s", n.Added, d.Act)})
			}
			return nil
		})
		if err != nil {
			return sum, err
		}
		sum.Added, sum.Known, sum.Suppressed = sum.Added+n.Added, sum.Known+n.Known, sum.Suppressed+n.Suppressed
	}
	return sum, nil
}

// takeIn adds one address and counts what became of it.
func (t *tx) takeIn(ctx context.Context, key []byte, a Address, d Deed, n *Taken) error {
	mailbox := Mailbox(a.Channel, a.Address)
	var one int
	if found, err := t.one(ctx, `SELECT 1 FROM suppressions WHERE hash = ?`, []any{conceal(key, a.Channel, mailbox)}, &one); err != nil || found {
		n.Suppressed += one
		return err
	}
	owed := ""
	if a.Standing == Pending {
		owed = OwesConfirm
	}
	id, added, err := t.put(ctx, a, mailbox, 0, owed, `addresses.standing = 'removed'`)
	if err != nil {
		return err
	}
	if !added {
		n.Known++
		return nil
	}
	n.Added++
	if err := t.choose(ctx, id, a.Topics); err != nil {
		return err
	}
	return t.agree(ctx, id, d)
}

// put inserts an address, or overwrites the one of that mailbox where a condition holds. written: it did either.
func (t *tx) put(ctx context.Context, a Address, mailbox string, replaces int64, owed, where string) (id int64, written bool, err error) {
	owedAt := int64(0)
	if owed != "" {
		owedAt = us(t.now)
	}
	written, err = t.one(ctx, `INSERT INTO addresses (channel, mailbox, address, name, language, zone, standing, paused_until, frequency, digest, digested, quiet_from, quiet_to,
			everything, replaces, owed, owed_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (channel, mailbox) DO UPDATE SET address = excluded.address, name = excluded.name, language = excluded.language, zone = excluded.zone,
			standing = excluded.standing, paused_until = excluded.paused_until, frequency = excluded.frequency,
			digest = excluded.digest, digested = excluded.digested, digest_until = 0, quiet_from = excluded.quiet_from,
			quiet_to = excluded.quiet_to, everything = excluded.everything, hard_at = 0, soft = 0, soft_at = 0, replaces = excluded.replaces,
			owed = excluded.owed, owed_at = excluded.owed_at, updated_at = excluded.updated_at WHERE `+where+` RETURNING id`,
		[]any{
			a.Channel, mailbox, strings.TrimSpace(clean(a.Address)), clean(a.Name), string(a.Language), clean(a.Zone), string(cmp.Or(a.Standing, Active)),
			us(a.PausedUntil), string(cmp.Or(a.Frequency, Now)), a.Frequency.digest(), us(t.now), a.QuietFrom, a.QuietTo, flag(a.Everything), replaces, owed, owedAt, us(t.now), us(t.now),
		}, &id)
	return id, written, err
}

// ChangeAddress lets change alter what a person chose, at most of an address that is not erased, and logs the deed.
// What change returns as an error is returned, and nothing is changed. ID, Person, Channel, Address and Created stay.
func (db *DB) ChangeAddress(ctx context.Context, id int64, change func(*Address) error, d Deed) (after Address, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		before, err := t.address(ctx, `WHERE id = ?`+t.lock("FOR UPDATE"), id)
		if err != nil {
			return err
		}
		if before.Standing == Erased {
			return ErrNotFound
		}
		after = before
		after.Topics = slices.Clone(before.Topics)
		if err := change(&after); err != nil {
			return err
		}
		after.ID, after.Person, after.Channel, after.Address, after.Created = before.ID, before.Person, before.Channel, before.Address, before.Created
		slices.Sort(after.Topics)
		after.Topics = slices.Compact(after.Topics)
		return t.change(ctx, before, &after, d)
	})
	return after, err
}

func (t *tx) change(ctx context.Context, before Address, after *Address, d Deed) error {
	said := difference(before, *after)
	if len(said) == 0 {
		return nil
	}
	after.Updated = t.now
	if _, err := t.exec(ctx, `UPDATE addresses SET name = ?, language = ?, zone = ?, standing = ?, paused_until = ?, frequency = ?, quiet_from = ?, quiet_to = ?,
		everything = ?, updated_at = ? WHERE id = ?`, clean(after.Name), string(after.Language), clean(after.Zone), string(after.Standing), us(after.PausedUntil),
		string(after.Frequency), after.QuietFrom, after.QuietTo, flag(after.Everything), us(t.now), after.ID); err != nil {
		return err
	}
	if err := t.pace(ctx, before, *after); err != nil {
		return err
	}
	if !slices.Equal(before.Topics, after.Topics) {
		if err := t.choose(ctx, after.ID, after.Topics); err != nil {
			return err
		}
	}
	if d.Detail == "" {
		d.Detail = strings.Join(said, ", ")
	}
	t.tell(after.ID, d)
	return t.agree(ctx, after.ID, d)
}

// difference says what a person chose otherwise, without the name itself.
func difference(a, b Address) (said []string) {
	say := func(different bool, what string, now any) {
		if different {
			said = append(said, fmt.Sprintf("%s: %v", what, now))
		}
	}
	if a.Name != b.Name {
		said = append(said, "name")
	}
	say(a.Language != b.Language, "language", b.Language)
	say(a.Zone != b.Zone, "zone", b.Zone)
	say(a.Standing != b.Standing, "standing", b.Standing)
	say(!a.PausedUntil.Equal(b.PausedUntil), "paused until", us(b.PausedUntil)/1e6)
	say(a.Frequency != b.Frequency, "frequency", b.Frequency)
	say(a.QuietFrom != b.QuietFrom || a.QuietTo != b.QuietTo, "quiet", strconv.Itoa(b.QuietFrom)+"-"+strconv.Itoa(b.QuietTo))
	say(a.Everything != b.Everything, "everything", b.Everything)
	say(!slices.Equal(a.Topics, b.Topics), "topics", strings.Join(b.Topics, " "))
	return said
}

// EndSubscription ends a subscription: nothing for that address begins after it returned. True for every known number,
// again and again. Only what is active or pending changes.
func (db *DB) EndSubscription(ctx context.Context, id int64, d Deed) (known bool, err error) {
	d.Act = Unsubscribe
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		known, err = t.leave(ctx, id, Unsubscribed, d)
		return err
	})
	return known && err == nil, err
}

// RemoveAddress takes an address off the list; AddAddresses may bring it back. False: it is not on it.
func (db *DB) RemoveAddress(ctx context.Context, id int64, d Deed) (removed bool, err error) {
	d.Act = WasRemoved
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.address(ctx, `WHERE id = ?`+t.lock("FOR UPDATE"), id)
		if removed = err == nil && (a.Standing == Active || a.Standing == Pending); !removed {
			return ignoreNotFound(err)
		}
		_, err = t.leave(ctx, id, Removed, d)
		return err
	})
	return removed && err == nil, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// leave gives an address that is written to, or waits to be, another standing, and logs why.
func (t *tx) leave(ctx context.Context, id int64, standing Standing, d Deed) (known bool, err error) {
	n, err := t.exec(ctx, `UPDATE addresses SET standing = ?, owed = '', updated_at = ? WHERE id = ? AND standing IN ('active', 'pending')`, string(standing), us(t.now), id)
	if err != nil {
		return false, err
	}
	if n > 0 {
		t.tell(id, d)
		return true, t.agree(ctx, id, d)
	}
	var now Standing
	known, err = t.one(ctx, `SELECT standing FROM addresses WHERE id = ? AND standing <> 'erased'`+t.lock("FOR UPDATE"), []any{id}, &now)
	if err != nil || now != Unsubscribed && now != Bounced {
		return known, err
	}
	last, err := t.lastWord(ctx, id)
	if err != nil || last != Asked {
		return known, err
	}
	// Somebody asked for this address again: no letter that asks it to confirm may begin any more, and none confirms.
	if _, err := t.exec(ctx, `UPDATE addresses SET owed = '', updated_at = ? WHERE id = ?`, us(t.now), id); err != nil {
		return known, err
	}
	t.tell(id, d)
	return known, t.agree(ctx, id, d)
}

// Sweep is one change to many addresses.
type Sweep struct {
	Add, Drop []string   // topics
	Pause     *time.Time // until then nothing is sent; the zero time ends a pause; nil: as it is
	Remove    bool
}

// SweepAddresses changes all addresses of ids or, without ids, all that a search picks, and logs the deed for each that
// changed. When it fails, changed are changed all the same, and it may be repeated.
func (db *DB) SweepAddresses(ctx context.Context, ids []int64, s Search, w Sweep, d Deed) (changed int, err error) {
	if ids != nil {
		for some := range slices.Chunk(ids, atOnce) {
			n, err := db.sweep(ctx, some, w, d)
			if changed += n; err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	for s.Limit = atOnce; ; {
		page, next, err := db.Addresses(ctx, s)
		if err != nil {
			return changed, err
		}
		some := make([]int64, len(page))
		for i, a := range page {
			some[i] = a.ID
		}
		n, err := db.sweep(ctx, some, w, d)
		if changed += n; err != nil || next == "" {
			return changed, err
		}
		s.After = next
	}
}

func (db *DB) sweep(ctx context.Context, ids []int64, w Sweep, d Deed) (changed int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		changed = 0
		for _, id := range ids {
			before, err := t.address(ctx, `WHERE id = ? AND standing <> 'erased'`+t.lock("FOR UPDATE"), id)
			if err != nil {
				if err = ignoreNotFound(err); err != nil {
					return err
				}
				continue
			}
			after := before
			after.Topics = slices.DeleteFunc(slices.Concat(before.Topics, w.Add), func(topic string) bool { return slices.Contains(w.Drop, topic) })
			slices.Sort(after.Topics)
			after.Topics = slices.Compact(after.Topics)
			if w.Pause != nil {
				after.PausedUntil = *w.Pause
			}
			one := d
			one.Act = Changed
			if w.Remove && (before.Standing == Active || before.Standing == Pending) {
				after.Standing, one.Act = Removed, WasRemoved
			}
			if len(difference(before, after)) == 0 {
				continue
			}
			changed++
			if err := t.change(ctx, before, &after, one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}
