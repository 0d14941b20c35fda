package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// audience is who is written to over a channel.
type audience struct {
	channel   string
	kind      announce.Kind
	language  announce.Language // of whoever chose none
	zone      string            // of whoever chose none
	topics    []string          // none: the announcement names none
	languages []announce.Language
	only      int64 // the one address; 0: everybody else's rules hold
	follows   int64 // whoever has a letter of this plan; 0: the other rules hold
	before    int   // with follows: a letter from before this revision

	spares     []int64   // whoever got, or is about to get, a letter of these plans is left out,
	since, due time.Time // got since then; about to get by then
}

func audienceOf(a announce.Announcement, p Plan) audience {
	who := audience{
		channel: announce.Channel(p.Account), kind: a.Kind, language: a.Default, zone: a.Zone,
		topics: a.PickedBy(), languages: slices.Clone(a.Audience), only: p.Only,
	}
	if who.topics == nil {
		who.topics = []string{}
	}
	if who.languages == nil {
		who.languages = []announce.Language{}
	}
	return who
}

// where is the condition of membership on a row of addresses, without a standing that may change by the hour.
func (who audience) where(ctx context.Context, c conn, now time.Time) (string, []any, error) {
	if who.only > 0 {
		standing := `standing = 'active'`
		if who.kind == announce.KindConfirm {
			standing = `(standing = 'active' OR standing NOT IN ('complained', 'erased') AND
				(SELECT act FROM consents c WHERE c.address = addresses.id AND act <> 'changed' ORDER BY at DESC LIMIT 1) = 'asked')`
		}
		return `id = ? AND channel = ? AND ` + standing, []any{who.only, who.channel}, nil
	}
	if who.follows > 0 {
		where, args := who.told(now)
		return where, args, nil
	}
	// Pages go by ID: no index on the channel may tempt the database to read everybody for each of them.
	sql := `channel || '' = ? AND standing = 'active' AND paused_until <= ?`
	args := []any{who.channel, us(now)}
	if !who.kind.Urgent() {
		sql += ` AND frequency = 'now'`
	}
	if len(who.languages) > 0 {
		var either []string
		for _, l := range who.languages {
			base := string(l.Base())
			either = append(either, `LOWER(language) = ?`, `LOWER(language) LIKE ?`)
			args = append(args, base, base+"-%")
			if l.Base() == who.language.Base() {
				either = append(either, `language = ''`)
			}
		}
		sql += ` AND (` + strings.Join(either, ` OR `) + `)`
	}
	topics, open, err := who.named(ctx, c)
	if err != nil {
		return "", nil, err
	}
	var either []string
	if open {
		either = append(either, `everything = 1`)
	}
	if len(topics) > 0 {
		either = append(either, `EXISTS (SELECT 1 FROM subscriptions s WHERE s.address = addresses.id AND s.topic IN (?`+strings.Repeat(`, ?`, len(topics)-1)+`))`)
		for _, t := range topics {
			args = append(args, t)
		}
	}
	if len(either) == 0 {
		either = append(either, `1 = 0`)
	}
	sql += ` AND (` + strings.Join(either, ` OR `) + `)`
	if len(who.spares) > 0 {
		heard, more := who.heard()
		sql, args = sql+heard, append(args, more...)
	}
	return sql, args, nil
}

// named is the topics by which the announcement goes out, and whether it is also for those who get everything: it is,
// unless every topic that it names is private. The kind of an announcement is a topic of it, beside those it names; not
// beside private ones alone, which would be told to others.
func (who audience) named(ctx context.Context, c conn) (topics []string, open bool, err error) {
	if len(who.topics) == 0 {
		return []string{string(who.kind)}, true, nil
	}
	private := 0
	args := make([]any, len(who.topics))
	for i, t := range who.topics {
		args[i] = t
	}
	_, err = c.one(ctx, `SELECT COUNT(*) FROM topics WHERE private = 1 AND name IN (?`+strings.Repeat(`, ?`, len(args)-1)+`)`, args, &private)
	open = private < len(slices.Compact(slices.Sorted(slices.Values(who.topics))))
	topics = who.topics
	if open {
		topics = append(slices.Clone(topics), string(who.kind))
	}
	return topics, open, err
}

// member is somebody in an audience who has quiet hours.
type member struct {
	address    int64
	zone       string
	from, till int // minutes after midnight between which nothing is sent
}

func pageOf(where string) string {
	return `SELECT COUNT(*), COALESCE(MAX(id), CAST(? AS BIGINT)) FROM (SELECT id FROM addresses WHERE id > ? AND id <= ? AND ` + where + ` ORDER BY id LIMIT ?) page`
}

// write adds letters to the next people of a plan's audience, at most a page. over: these were the last.
func (t *tx) write(ctx context.Context, p *plan, page int) (n int64, over bool, err error) {
	where, args, err := p.audience.where(ctx, t.conn, t.now)
	if err != nil {
		return 0, false, err
	}
	after := p.position
	var found int
	if _, err := t.one(ctx, pageOf(where),
		append(append([]any{after, after, p.last}, args...), page), &found, &p.position); err != nil {
		return 0, false, err
	}
	n, err = t.exec(ctx, `INSERT INTO letters (plan, address, language, wanted, rev, first_due, next)
		SELECT CAST(? AS BIGINT), id, CASE WHEN language = '' THEN CAST(? AS TEXT) ELSE language END, 1, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT) FROM addresses WHERE id > ? AND id <= ? AND `+where+` ON CONFLICT DO NOTHING`,
		append([]any{p.id, string(p.audience.language), p.rev, us(p.first), us(p.first), after, p.position}, args...)...)
	if err != nil || p.audience.only > 0 {
		return n, found < page, err
	}
	var quiet []member
	if err := t.each(ctx, `SELECT id, zone, quiet_from, quiet_to FROM addresses WHERE id > ? AND id <= ? AND quiet_from <> quiet_to AND `+where,
		append([]any{after, p.position}, args...), func(scan func(...any) error) error {
			var m member
			err := scan(&m.address, &m.zone, &m.from, &m.till)
			quiet = append(quiet, m)
			return err
		}); err != nil {
		return 0, false, err
	}
	for _, m := range quiet {
		if next := m.awake(t.now, *p); next.After(p.first) {
			if _, err := t.exec(ctx, `UPDATE letters SET next = ? WHERE plan = ? AND address = ?`, us(next), p.id, m.address); err != nil {
				return 0, false, err
			}
		}
	}
	return n, found < page, nil
}

// awake is when a letter of p may go to m: when p is due, or when the quiet hours that it is now for m are over.
func (m member) awake(now time.Time, p plan) time.Time {
	name := m.zone
	if name == "" {
		name = p.audience.zone
	}
	zone, err := announce.Zone(name)
	if err != nil {
		zone = time.UTC
	}
	local := now.In(zone)
	minute := local.Hour()*60 + local.Minute()
	quiet := m.from <= minute && minute < m.till
	if m.from > m.till { // over midnight
		quiet = minute >= m.from || minute < m.till
	}
	if !quiet {
		return p.first
	}
	day := local.Day()
	if minute >= m.till {
		day++
	}
	end := time.Date(local.Year(), local.Month(), day, m.till/60, m.till%60, 0, 0, zone)
	if !end.After(p.first) {
		return p.first
	}
	return end
}

// Audience is how many people an announcement would reach over a personal account now.
func (db *DB) Audience(ctx context.Context, account string, a announce.Announcement) (people int, err error) {
	c := db.read()
	where, args, err := audienceOf(a, Plan{Account: account}).where(ctx, c, db.Now())
	if err != nil {
		return 0, db.fault(err)
	}
	_, err = c.one(ctx, `SELECT COUNT(*) FROM addresses WHERE `+where, args, &people)
	return people, db.fault(err)
}
