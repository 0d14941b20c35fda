package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Revisions returns every revision of an announcement, the first one first. Pictures come without their data.
func (db *DB) Revisions(ctx context.Context, id announce.ID) (all []announce.Announcement, err error) {
	err = db.read().each(ctx, `SELECT document FROM revisions WHERE announcement = ? ORDER BY rev`, []any{string(id)}, func(scan func(...any) error) error {
		var document string
		if err := scan(&document); err != nil {
			return err
		}
		var a announce.Announcement
		if err := json.Unmarshal([]byte(document), &a); err != nil {
			return fmt.Errorf("a revision of %s cannot be read: %w", id, err)
		}
		all = append(all, a)
		return nil
	})
	return all, db.fault(err)
}

// Payloads returns the frozen messages of a revision, as they are for readers of whom it is not known what they were told.
func (db *DB) Payloads(ctx context.Context, id announce.ID, rev int) (all []Payload, err error) {
	type line struct{ account, language, message, images string }
	var lines []line
	c := db.read()
	if err := c.each(ctx, `SELECT account, language, message, images FROM payloads WHERE announcement = ? AND rev = ? AND since = 0 ORDER BY account, language, part`,
		[]any{string(id), rev}, func(scan func(...any) error) error {
			var l line
			err := scan(&l.account, &l.language, &l.message, &l.images)
			lines = append(lines, l)
			return err
		}); err != nil {
		return nil, db.fault(err)
	}
	for _, l := range lines {
		m, err := c.readMessage(ctx, l.message, l.images)
		if err != nil {
			return nil, db.fault(err)
		}
		all = append(all, Payload{Account: l.account, Language: announce.Language(l.language), Message: m})
	}
	return all, nil
}

// FirstTold is since when readers may have seen something of an announcement; zero: nothing of it is out or was called.
// closed: what is not out is not published any more.
func (db *DB) FirstTold(ctx context.Context, id announce.ID) (since time.Time, closed bool, err error) {
	var first int64
	var shut int
	_, err = db.read().one(ctx, `SELECT a.closed, COALESCE((SELECT MIN(first_due) FROM (
			SELECT first_due FROM deliveries WHERE announcement = a.id AND (shown > 0 OR calling <> '')
			UNION ALL
			SELECT p.first_due FROM plans p WHERE p.announcement = a.id AND EXISTS (
				SELECT 1 FROM tallies t WHERE t.plan = p.id GROUP BY t.plan HAVING SUM(t.calling + t.published + t.unknown) > 0)) out), 0)
		FROM announcements a WHERE a.id = ?`, []any{string(id)}, &shut, &first)
	return at(first), shut == 1, db.fault(err)
}

// Follower is an announcement that follows another.
type Follower struct {
	ID        announce.ID
	Kind      announce.Kind
	Retracted bool // nothing of it is out, or is to be
}

// Following lists what follows an announcement, in the order in which it was made.
func (db *DB) Following(ctx context.Context, id announce.ID) (all []Follower, err error) {
	err = db.read().each(ctx, `SELECT a.id, r.document, a.retracted FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE a.of = ? AND a.of <> '' ORDER BY a.id`, []any{string(id)}, func(scan func(...any) error) error {
		var f Follower
		var document string
		var gone int
		if err := scan(&f.ID, &document, &gone); err != nil {
			return err
		}
		var of struct {
			Kind announce.Kind `json:"kind"`
		}
		err := json.Unmarshal([]byte(document), &of)
		f.Kind, f.Retracted = of.Kind, gone == 1
		all = append(all, f)
		return err
	})
	return all, db.fault(err)
}
