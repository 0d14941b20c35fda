package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// WaveState is what became of a wave.
type WaveState string

// The states of a wave.
const (
	WavePlanned WaveState = "planned" // its announcement is made when its time is near
	WaveMade    WaveState = "made"    // Child is its announcement
	WaveMerged  WaveState = "merged"  // too close to another, which is told in its place
	WavePast    WaveState = "past"    // its moment had passed when it was decided about, is before the announcement itself, or passed while no server ran
	WaveDropped WaveState = "dropped" // the event is off, or its announcement was left out, or there is nowhere to tell it, or it was taken back
	WaveAwaited WaveState = "awaited" // a recap that is due and has nothing to tell yet
	WaveFailed  WaveState = "failed"  // its announcement could not be made
)

// Wave is a reminder of an announcement's event on record. One that was told and became due again, because the event
// moved, is there twice.
type Wave struct {
	At    string      // announce.Reminder.At
	Due   time.Time   // when it is told
	Make  time.Time   // when its announcement is made
	Child announce.ID // its announcement; empty: there is none yet
	State WaveState
	Why   string // for the author
}

// Waves is what becomes of an announcement's waves in the transaction of its revision.
type Waves struct {
	All      []Wave        // every one, as it is from now on
	Children []Submission  // what was made of them, in its new form
	Stopped  []announce.ID // what was made of them, and is not told
}

// putWaves brings the waves of an announcement to their new form. ErrMade: one of them was made, or changed, in between.
func (t *tx) putWaves(ctx context.Context, id announce.ID, w *Waves, now time.Time, actor string) error {
	if w == nil {
		return t.dropWaves(ctx, id)
	}
	old, err := t.waves(ctx, `announcement = ?`, string(id))
	if err != nil {
		return err
	}
	for _, o := range old {
		if o.Child != "" && !slices.ContainsFunc(w.All, func(n Wave) bool { return n.Child == o.Child }) && !slices.Contains(w.Stopped, o.Child) {
			return ErrMade
		}
	}
	for _, child := range w.Stopped {
		if err := t.stop(ctx, child, func(string) bool { return true }, now, actor); err != nil {
			return err
		}
	}
	for _, c := range w.Children {
		retracted, err := t.current(ctx, c.Announcement.ID, c.Announcement.Rev-1)
		if err != nil || retracted {
			return errors.Join(ErrMade, err)
		}
		enc, err := c.encode()
		if err != nil {
			return err
		}
		var held int64
		if _, err := t.one(ctx, `SELECT held_at FROM announcements WHERE id = ?`, []any{string(c.Announcement.ID)}, &held); err != nil {
			return err
		}
		if err := t.revise(ctx, c, enc, false); err != nil {
			return err
		}
		if c.Hold && held > 0 {
			if err := t.holdBack(ctx, c.Announcement.ID, held); err != nil {
				return err
			}
		}
	}
	if _, err := t.exec(ctx, `DELETE FROM waves WHERE announcement = ?`, string(id)); err != nil {
		return err
	}
	for _, x := range w.All {
		if _, err := t.exec(ctx, `INSERT INTO waves (announcement, wave, due, make_at, child, state, why) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			string(id), x.At, us(x.Due), us(x.Make), string(x.Child), string(x.State), clean(x.Why)); err != nil {
			return err
		}
	}
	return nil
}

// dropWaves lets no further announcement be made of the waves of an announcement.
func (t *tx) dropWaves(ctx context.Context, id announce.ID) error {
	_, err := t.exec(ctx, `UPDATE waves SET state = 'dropped', why = '' WHERE announcement = ? AND state IN ('planned', 'awaited', 'failed')`, string(id))
	return err
}

// passOver ends the waves of an announcement that was left out because its time was missed, and those that were made of
// which nothing began.
func (t *tx) passOver(ctx context.Context, id announce.ID, why string) error {
	if _, err := t.exec(ctx, `UPDATE waves SET state = 'dropped', why = ? WHERE announcement = ? AND state IN ('planned', 'awaited', 'failed')`, why, string(id)); err != nil {
		return err
	}
	return t.unmake(ctx, id, WaveDropped, why)
}

// unmake takes back what was made of the waves of an announcement and did not begin, and gives the waves another state.
func (t *tx) unmake(ctx context.Context, id announce.ID, state WaveState, why string) error {
	var made []announce.ID
	err := t.each(ctx, `SELECT a.id FROM announcements a JOIN waves w ON w.child = a.id WHERE w.announcement = ? AND `+unbegun+` ORDER BY a.id`,
		[]any{string(id)}, func(scan func(...any) error) error {
			var child announce.ID
			err := scan(&child)
			made = append(made, child)
			return err
		})
	if err != nil {
		return err
	}
	for _, child := range made {
		if err := t.stop(ctx, child, func(string) bool { return true }, t.now, ""); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE announcements SET held_at = 0 WHERE id = ?`, string(child)); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE waves SET state = ?, why = ?, child = '' WHERE child = ?`, string(state), why, string(child)); err != nil {
			return err
		}
	}
	return nil
}

func (c conn) waves(ctx context.Context, where string, args ...any) (all []Wave, err error) {
	err = c.each(ctx, `SELECT wave, due, make_at, child, state, why FROM waves WHERE `+where+` ORDER BY due, wave, child`, args, func(scan func(...any) error) error {
		var w Wave
		var due, make int64
		err := scan(&w.At, &due, &make, &w.Child, &w.State, &w.Why)
		w.Due, w.Make = at(due), at(make)
		all = append(all, w)
		return err
	})
	return all, err
}

// Waves lists the waves of an announcement, the earliest first.
func (db *DB) Waves(ctx context.Context, id announce.ID) ([]Wave, error) {
	all, err := db.read().waves(ctx, `announcement = ?`, string(id))
	return all, db.fault(err)
}

// Reminding lists announcements that have a wave that is still to be told, and that do not wait for a person.
func (db *DB) Reminding(ctx context.Context) (ids []announce.ID, err error) {
	err = db.read().each(ctx, `SELECT DISTINCT w.announcement FROM waves w JOIN announcements a ON a.id = w.announcement WHERE a.retracted = 0 AND a.held_at = 0
		AND (w.state IN ('planned', 'awaited', 'failed') OR w.state = 'made' AND w.due > ?) ORDER BY w.announcement`, []any{us(db.Now())}, func(scan func(...any) error) error {
		var id announce.ID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, db.fault(err)
}

// WavesIn lists announcements that have a wave in a state and to be made by a moment, the longest due first. Those that wait
// for a person because their time was missed are not there.
func (db *DB) WavesIn(ctx context.Context, state WaveState, by time.Time, limit int) (ids []announce.ID, err error) {
	err = db.read().each(ctx, `SELECT w.announcement FROM waves w JOIN announcements a ON a.id = w.announcement
		WHERE w.state = ? AND w.make_at <= ? AND a.held_at = 0 GROUP BY w.announcement ORDER BY MIN(w.make_at) LIMIT ?`,
		[]any{string(state), us(by), limit}, func(scan func(...any) error) error {
			var id announce.ID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, db.fault(err)
}

// MakeWave puts a wave of s.Announcement.Of on record as an announcement of its own, or why it is not made (s nil), if the
// wave is still to be made from this revision. made: it was; else somebody else did, or decided otherwise.
func (db *DB) MakeWave(ctx context.Context, of announce.ID, rev int, w Wave, s *Submission) (made bool, err error) {
	var enc written
	if s != nil {
		if enc, err = s.encode(); err != nil {
			return false, err
		}
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		made = false
		var now, retracted, closed int
		var held int64
		if _, err := t.one(ctx, `SELECT rev, retracted, closed, held_at FROM announcements WHERE id = ?`+t.lock("FOR NO KEY UPDATE"), []any{string(of)}, &now, &retracted, &closed, &held); err != nil {
			return err
		}
		if now != rev || retracted == 1 || closed == 1 || held > 0 {
			return nil
		}
		n, err := t.exec(ctx, `UPDATE waves SET child = ?, state = ?, why = ? WHERE announcement = ? AND wave = ? AND child = '' AND state = 'planned' AND due = ?`,
			string(w.Child), string(w.State), clean(w.Why), string(of), w.At, us(w.Due))
		if err != nil || n == 0 || s == nil {
			return err
		}
		made = true
		if err := t.save(ctx, *s, enc); err != nil || !s.Hold {
			return err
		}
		t.log(Event{What: "missed", Announcement: s.Announcement.ID, Detail: string(announce.MissedHold)})
		return t.holdBack(ctx, s.Announcement.ID, us(t.now))
	})
	return made && err == nil, err
}

// family is the plans and announcements that tell of the same event as an announcement, itself left out; apart is how far
// from what they tell it must be, 0 where that does not matter.
type family struct {
	root  announce.ID
	apart time.Duration
}

func (c conn) family(ctx context.Context, id announce.ID) (f family, err error) {
	var apart int64
	_, err = c.one(ctx, `SELECT of, apart FROM announcements WHERE id = ?`, []any{string(id)}, &f.root, &apart)
	f.apart = time.Duration(apart) * time.Microsecond
	return f, err
}

// slack is how much nearer two messages about an event may be than they should: a mailing takes its time.
const slack = 10 * time.Minute

// kin is the condition on announcements a that they tell of the same event as another. It takes two times what that one is
// of, and itself. The index of what follows holds nothing else.
const kin = `(a.id = ? OR a.of = ? AND a.of <> '') AND a.id <> ?`

const sparedQuery = `SELECT p.id FROM announcements a CROSS JOIN plans p WHERE ` + kin + ` AND p.announcement = a.id`

// spared finds the mailings whose readers a wave's mailing leaves out, and since when they were read.
func (t *tx) spared(ctx context.Context, p *plan) error {
	f, err := t.family(ctx, p.announcement)
	if err != nil || f.apart == 0 {
		return err
	}
	p.audience.due, p.audience.since = p.first, p.first.Add(-f.apart+slack)
	return t.each(ctx, sparedQuery, []any{string(f.root), string(f.root), string(p.announcement)}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		p.audience.spares = append(p.audience.spares, id)
		return err
	})
}

// heard is the condition that somebody got, or is about to get, a letter of another mailing about the event. A call whose
// end is not known counts as long as a letter would that it sent.
func (who audience) heard() (string, []any) {
	var args []any
	in := ""
	for _, id := range who.spares {
		in += ", ?"
		args = append(args, id)
	}
	return ` AND NOT EXISTS (SELECT 1 FROM letters told WHERE told.plan IN (` + in[2:] + `) AND told.address = addresses.id
		AND (told.shown > 0 AND told.receipt_at > ? OR told.calling = 'publish' AND told.began > ? OR told.wanted = 1 AND told.shown = 0 AND told.rest = '' AND told.first_due <= ?))`,
		append(args, us(who.since), us(who.since), us(who.due))
}

// heardLately reports whether a person got a letter of another mailing about the event of a wave less than its distance ago, or
// may have.
func (t *tx) heardLately(ctx context.Context, p plan, address int64) (bool, error) {
	since := us(t.now.Add(-p.apart + slack))
	var one int
	return t.one(ctx, heardQuery, []any{string(p.of), string(p.of), string(p.announcement), address, since, since}, &one)
}

// crowd finds whether another mailing about the event of a wave may have written to somebody since the wave was due: whom it
// had written to before, the planner left out.
func (t *tx) crowd(ctx context.Context, p *plan) (err error) {
	if p.apart == 0 {
		return nil
	}
	var one int
	p.crowded, err = t.one(ctx, crowdQuery, []any{string(p.of), string(p.of), string(p.announcement), us(t.now), us(p.first.Add(-slack))}, &one)
	return err
}

const crowdQuery = `SELECT 1 FROM announcements a CROSS JOIN plans other WHERE ` + kin + ` AND other.announcement = a.id
	AND (other.open = 1 AND (other.started = 1 OR other.next <= ?) OR other.ended_at > ?) LIMIT 1`

const heardQuery = `SELECT 1 FROM announcements a CROSS JOIN plans other CROSS JOIN letters told
	WHERE ` + kin + ` AND other.announcement = a.id AND told.plan = other.id AND told.address = ?
	AND (told.shown > 0 AND told.receipt_at > ? OR told.calling = 'publish' AND told.began > ?) LIMIT 1`

// faultHeard is of a wave's post that comes too soon after another one about the event.
const faultHeard = "another message about the event appeared here not long ago, or is about to"

// tooSoon reports whether a post of a wave would come too soon after another of the account about the event. Of two waves
// that wait both, the later is told. A call whose end is not known counts as long as a post would that it made.
func (t *tx) tooSoon(ctx context.Context, h held) (bool, error) {
	f, err := t.family(ctx, h.Announcement)
	if err != nil || f.apart == 0 || h.Part > 0 {
		return false, err
	}
	var one int
	since := us(t.now.Add(-f.apart + slack))
	return t.one(ctx, soonQuery, []any{string(f.root), string(f.root), string(h.Announcement), h.Account, since, since, us(t.now), us(h.First)}, &one)
}

const soonQuery = `SELECT 1 FROM announcements a CROSS JOIN deliveries d WHERE ` + kin + ` AND d.announcement = a.id AND d.account = ?
	AND (d.shown > 0 AND d.posted_at > ? OR d.calling = 'publish' AND d.began > ? OR d.wanted = 1 AND d.shown = 0 AND d.rest = '' AND d.first_due <= ? AND (a.apart = 0 OR d.first_due > ?)) LIMIT 1`
