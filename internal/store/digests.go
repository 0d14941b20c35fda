package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Digest gathers what was announced for whoever chose its name as their frequency.
type Digest struct {
	Name      string
	Schedule  string // cron line of five fields
	Zone      string // IANA; empty: the community's
	Labels    map[announce.Language]string
	Topics    []string            // only what is about one of them; none: whatever it is about
	Languages []announce.Language // only what is written in one of them; none: in whatever language
	Accounts  []string            // broadcast accounts that get a summary too
	Outside   bool                // only started from outside
	Off       bool
	Place     int       // order on pages
	Since     time.Time // occurrences up to then are not made; zero: it never ran
	People    int       // who are told by it next
}

// RunState is how a run of a digest stands.
type RunState string

// The states of a run.
const (
	RunWaiting RunState = "waiting" // its moment has not come
	RunGoing   RunState = "running" // letters are being made
	RunDone    RunState = "done"
	RunSkipped RunState = "skipped" // there was nothing to tell anybody
)

// DigestRun is one occurrence of a digest.
type DigestRun struct {
	ID           int64
	Digest       string
	Period       announce.When // when it was due; it tells what came due up to then
	Late         bool
	How          string // who started it
	State        RunState
	People       int         // so many were looked at
	Letters      int         // so many were written to
	Announcement announce.ID // the summary on broadcast accounts; empty: none
	Created      time.Time
	Ended        time.Time // zero: it goes on
	Counts       map[announce.State]int
}

const digestColumns = `SELECT name, schedule, zone, labels, topics, languages, accounts, outside, off, place, since,
	(SELECT COUNT(*) FROM addresses a WHERE a.digest = digests.name AND a.digest <> '' AND a.standing = 'active') FROM digests `

// digests reads digests. tail goes behind the FROM.
func (c conn) digests(ctx context.Context, tail string, args ...any) (all []Digest, err error) {
	err = c.each(ctx, digestColumns+tail, args, func(scan func(...any) error) error {
		var d Digest
		var labels, topics, languages, accounts string
		var outside, off, since int64
		if err := scan(&d.Name, &d.Schedule, &d.Zone, &labels, &topics, &languages, &accounts, &outside, &off, &d.Place, &since, &d.People); err != nil {
			return err
		}
		d.Outside, d.Off, d.Since = outside == 1, off == 1, at(since)
		for _, x := range []struct {
			text string
			into any
		}{{labels, &d.Labels}, {topics, &d.Topics}, {languages, &d.Languages}, {accounts, &d.Accounts}} {
			if err := json.Unmarshal([]byte(x.text), x.into); err != nil {
				return fmt.Errorf("the digest %s cannot be read: %w", d.Name, err)
			}
		}
		all = append(all, d)
		return nil
	})
	return all, err
}

// Digests lists every digest, in the order of pages.
func (db *DB) Digests(ctx context.Context) ([]Digest, error) {
	all, err := db.read().digests(ctx, `ORDER BY place, name`)
	return all, db.fault(err)
}

// Digest finds a digest by its name. ErrNotFound: there is none.
func (db *DB) Digest(ctx context.Context, name string) (Digest, error) {
	all, err := db.read().digests(ctx, `WHERE name = ?`, clean(name))
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Digest{}, db.fault(err)
	}
	return all[0], nil
}

// PutDigest adds a digest, or changes the one of that name. Since and People are not looked at: occurrences before now are
// made no more when it is new, was off, or had another schedule or zone.
func (db *DB) PutDigest(ctx context.Context, d Digest, actor string) error {
	var columns [4]string
	for i, v := range []any{d.Labels, d.Topics, d.Languages, d.Accounts} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if columns[i] = clean(string(b)); columns[i] == "null" {
			columns[i] = map[bool]string{true: "{}", false: "[]"}[i == 0]
		}
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		t.log(Event{Actor: actor, What: "digest", Detail: d.Name})
		_, err := t.exec(ctx, `INSERT INTO digests (name, schedule, zone, labels, topics, languages, accounts, outside, off, place, since)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
			since = CASE WHEN digests.off = 1 OR digests.outside = 1 OR digests.schedule <> excluded.schedule OR digests.zone <> excluded.zone THEN excluded.since ELSE digests.since END,
			schedule = excluded.schedule, zone = excluded.zone, labels = excluded.labels, topics = excluded.topics, languages = excluded.languages,
			accounts = excluded.accounts, outside = excluded.outside, off = excluded.off, place = excluded.place`,
			clean(d.Name), clean(d.Schedule), clean(d.Zone), columns[0], columns[1], columns[2], columns[3], flag(d.Outside), flag(d.Off), d.Place, us(t.now))
		return err
	})
}

// BeginDigest makes a digest that never ran begin now: nothing is late that nobody could have made.
func (db *DB) BeginDigest(ctx context.Context, name string) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE digests SET since = ? WHERE name = ? AND since = 0`, us(t.now), name)
		return err
	})
}

// RemoveDigest removes a digest. Whoever chose it gets the digest to instead, which tells them what they have not heard of.
// ErrNotFound: there is none of that name. The error is a Faults when somebody chose it and to is empty or unknown.
func (db *DB) RemoveDigest(ctx context.Context, name, to, actor string) error {
	return db.writeLarge(ctx, func(ctx context.Context, t *tx) error {
		all, err := t.digests(ctx, `WHERE name = ? OR name = ?`+t.lock("FOR UPDATE"), clean(name), clean(to))
		if err != nil {
			return err
		}
		var found, other bool
		people := 0
		for _, d := range all {
			if d.Name == name {
				found, people = true, d.People
			} else {
				other = true
			}
		}
		switch {
		case !found:
			return ErrNotFound
		case to != "" && !other:
			return announce.Faults{{Field: "people_to", Say: fmt.Sprintf("there is no other digest %q", to)}}
		case people > 0 && to == "":
			return announce.Faults{{Field: "people_to", Say: fmt.Sprintf("somebody chose this digest (%d): name the one that they get instead, or only switch it off", people)}}
		}
		if to == "" { // who left, and may come back
			if _, err := t.exec(ctx, `UPDATE addresses SET frequency = 'now', digest = '' WHERE digest = ?`, name); err != nil {
				return err
			}
		} else {
			if _, err := t.exec(ctx, `UPDATE addresses SET frequency = CASE WHEN frequency = digest THEN CAST(? AS TEXT) ELSE frequency END, digest = ?, updated_at = ? WHERE digest = ?`,
				to, to, us(t.now), name); err != nil {
				return err
			}
		}
		t.log(Event{Actor: actor, What: "digest-removed", Detail: name})
		_, err = t.exec(ctx, `DELETE FROM digests WHERE name = ?`, name)
		return err
	})
}

// pace puts on record that a person chose another frequency. Whoever turns to a digest is told by it what comes due from
// now on, and what is being announced at this moment and has not reached them; whoever turns away from one, what lies
// between.
func (t *tx) pace(ctx context.Context, before, after Address) error {
	from, to := before.Frequency.digest(), after.Frequency.digest()
	switch {
	case from == to:
		return nil
	case to == "":
		_, err := t.exec(ctx, `UPDATE addresses SET digest_until = ? WHERE id = ?`, us(t.now), after.ID)
		return err
	case from != "":
		_, err := t.exec(ctx, `UPDATE addresses SET digest = ? WHERE id = ?`, to, after.ID)
		return err
	}
	var under int64
	if _, err := t.one(ctx, `SELECT COALESCE(MIN(first_due), 0) FROM plans WHERE open = 1 AND wanted = 1 AND done = 0 AND run = 0 AND only_to = 0 AND position < ? AND first_due <= ?`,
		[]any{after.ID, us(t.now)}, &under); err != nil {
		return err
	}
	told := us(t.now)
	if under > 0 {
		told = under - 1
	}
	_, err := t.exec(ctx, `UPDATE addresses SET digested = CASE WHEN digest <> '' THEN digested ELSE ? END, digest = ?, digest_until = 0 WHERE id = ?`, told, to, after.ID)
	return err
}
