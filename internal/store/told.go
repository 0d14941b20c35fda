package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Told is an announcement that a digest may tell of, in its present revision and without pictures.
type Told struct {
	announce.Announcement
	Due       time.Time
	Cancelled time.Time // when it was called off; zero: it was not
	Channels  []string  // personal channels on which it is announced
	Topics    []string  // by which it goes out, its kind among them where that counts
	Open      bool      // it is also for those who get everything
	Page      string    // where the public can read it; empty: nowhere
}

// Reader is somebody whom a digest is to tell.
type Reader struct {
	Address      int64
	Channel      string
	Language     announce.Language // empty: the community's
	Since, Until time.Time         // what came due after Since, up to Until, is told
	everything   bool
	topics       []string
	got          []announce.ID // what they were written by itself, or of whose end
	zone         string
	from, till   int
	mark         int64
}

// For reports whether a reader hears of it: by the same rule by which whoever gets each announcement by itself does.
func (i Told) For(r Reader) bool {
	if !slices.Contains(i.Channels, r.Channel) || slices.Contains(r.got, i.ID) {
		return false
	}
	if len(i.Audience) > 0 && !slices.ContainsFunc(i.Audience, func(l announce.Language) bool {
		return l.Base() == r.Language.Base() || r.Language == "" && l.Base() == i.Default.Base()
	}) {
		return false
	}
	return i.Open && r.everything || slices.ContainsFunc(i.Topics, func(t string) bool { return slices.Contains(r.topics, t) })
}

// Told lists what a digest may tell of that came due up to a moment, and came due or was changed after another: all that
// is announced, and stands. Of the rest people hear otherwise: changes and cancellations go out at once, and what a reminder
// reminds of is told itself.
func (db *DB) Told(ctx context.Context, since, until time.Time) ([]Told, error) {
	return db.told(ctx, `a.listed = 1 AND a.due_at > 0 AND a.due_at <= ? AND (a.due_at > ? OR a.updated_at > ?)`, us(until), us(since), us(since))
}

// ToldOf is Told for some announcements, whenever they came due. What does not stand any more is left out.
func (db *DB) ToldOf(ctx context.Context, ids []announce.ID) ([]Told, error) {
	args := make([]any, len(ids))
	for n, id := range ids {
		args[n] = string(id)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return db.told(ctx, `a.id IN (`+marked(len(ids))+`)`, args...)
}

func (db *DB) told(ctx context.Context, where string, args ...any) ([]Told, error) {
	c := db.read()
	var all []Told
	err := c.each(ctx, `SELECT r.document, a.due_at FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE a.retracted = 0 AND a.held_at = 0 AND `+where+` ORDER BY a.due_at, a.id`,
		args, func(scan func(...any) error) error {
			var document string
			var due int64
			if err := scan(&document, &due); err != nil {
				return err
			}
			i := Told{Due: at(due)}
			if err := json.Unmarshal([]byte(document), &i.Announcement); err != nil {
				return err
			}
			reminds := i.Kind == announce.KindReminder && i.Of != ""
			if i.Images = nil; i.Kind != announce.KindDigest && !i.Kind.Urgent() && !reminds {
				all = append(all, i)
			}
			return nil
		})
	for n := range all {
		if err == nil {
			err = c.fillTold(ctx, &all[n])
		}
	}
	return all, db.fault(err)
}

// Untold reports whether something that came due up to a moment, and after another, has not begun to be told: a server has
// just started, or the planner is behind. What becomes of it is decided in a moment.
func (db *DB) Untold(ctx context.Context, since, until time.Time) (bool, error) {
	var one int
	some, err := db.read().one(ctx, `SELECT 1 FROM announcements a JOIN plans p ON p.announcement = a.id WHERE a.listed = 1 AND a.retracted = 0 AND a.held_at = 0
		AND a.due_at > ? AND a.due_at <= ? AND p.open = 1 AND p.wanted = 1 AND p.started = 0 AND p.only_to = 0 AND p.run = 0 AND p.next <= ? LIMIT 1`,
		[]any{us(since), us(until), us(until)}, &one)
	return some, db.fault(err)
}

// fillTold reads what of an announcement is not in its document.
func (c conn) fillTold(ctx context.Context, i *Told) (err error) {
	who := audienceOf(i.Announcement, Plan{})
	if i.Topics, i.Open, err = who.named(ctx, c); err != nil {
		return err
	}
	if err = c.each(ctx, `SELECT account FROM plans WHERE announcement = ? AND (wanted = 1 OR ? = 1) AND only_to = 0 AND run = 0 ORDER BY account`, []any{string(i.ID), flag(i.Event != nil && i.Event.Cancelled)},
		func(scan func(...any) error) error {
			var account string
			err := scan(&account)
			if channel := announce.Channel(account); !slices.Contains(i.Channels, channel) {
				i.Channels = append(i.Channels, channel)
			}
			return err
		}); err != nil {
		return err
	}
	if _, err = c.one(ctx, `SELECT receipt_url FROM deliveries WHERE announcement = ? AND shown > 0 AND wanted = 1 AND receipt_url <> ''
		AND (account = 'feed' OR account LIKE 'feed@%') ORDER BY account, part LIMIT 1`, []any{string(i.ID)}, &i.Page); err != nil {
		return err
	}
	if i.Event == nil || !i.Event.Cancelled {
		return nil
	}
	return c.each(ctx, `SELECT document, at FROM revisions WHERE announcement = ? ORDER BY rev`, []any{string(i.ID)}, func(scan func(...any) error) error {
		var document string
		var when int64
		var a announce.Announcement
		if err := scan(&document, &when); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(document), &a); err != nil {
			return err
		}
		switch off := a.Event != nil && a.Event.Cancelled; {
		case !off:
			i.Cancelled = time.Time{}
		case i.Cancelled.IsZero():
			i.Cancelled = at(when)
		}
		return nil
	})
}
