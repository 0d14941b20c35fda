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
}

func audienceOf(a announce.Announcement, p Plan) audience {
	who := audience{
		channel: announce.Channel(p.Account), kind: a.Kind, language: a.Default, zone: a.Zone,
		topics: slices.Clone(a.Topics), languages: slices.Clone(a.Audience), only: p.Only,
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
	sql := `channel = ? AND standing = 'active' AND frequency = 'now' AND paused_until <= ?`
	args := []any{who.channel, us(now)}
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
	return sql + ` AND (` + strings.Join(either, ` OR `) + `)`, args, nil
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

// member is somebody in an audience.
type member struct {
	address    int64
	language   announce.Language
	zone       string
	from, till int // minutes after midnight between which nothing is sent; equal: there is no such time
}

// members are the next people of an audience after position, up to last.
func (t *tx) members(ctx context.Context, who audience, position, last int64, page int) (all []member, err error) {
	where, args, err := who.where(ctx, t.conn, t.now)
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, `SELECT id, language, zone, quiet_from, quiet_to FROM addresses WHERE id > ? AND id <= ? AND `+where+` ORDER BY id LIMIT ?`,
		append(append([]any{position, last}, args...), page), func(scan func(...any) error) error {
			m := member{}
			err := scan(&m.address, &m.language, &m.zone, &m.from, &m.till)
			if m.language == "" {
				m.language = who.language
			}
			all = append(all, m)
			return err
		})
	return all, err
}

// awake is when a letter of p may go to m: when p is due, or when the quiet hours that it is now for m are over.
func (m member) awake(now time.Time, p plan) time.Time {
	if m.from == m.till || p.audience.only > 0 {
		return p.first
	}
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
