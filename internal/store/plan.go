package store

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// plan is a row of plans.
type plan struct {
	id                     int64
	announcement, of       announce.ID // of: what it follows
	account                string
	rev                    int
	wanted, started, done  bool
	first, next            time.Time
	audience               audience
	position, last, leased int64
	planned, fence         int64
	held                   bool          // nothing begins
	keeps                  bool          // a letter that was seen stays as it is
	apart                  time.Duration // of a wave: least time between two letters about its event; 0: that does not matter
	crowded                bool          // with apart, as a round reads it: another mailing may have told of the event since it became due
	run                    int64         // of a digest, whose pages add the letters; 0: the planner does
	canary                 int64         // whoever comes after it waits until canaryUntil; 0: nobody
	canaryUntil            time.Time
	turn                   turn
}

const planColumns = `id, announcement, account, rev, wanted, first_due, next, kind, language, zone, topics, languages, only_to, follows, follows_rev, keeps,
	started, done, position, last_id, planned, leased, fence, turn, turned, turn_rest, turn_fault, turn_first, turn_next, turn_at,
	held_at, canary, canary_until, run, (SELECT a.apart FROM announcements a WHERE a.id = plans.announcement),
	(SELECT a.of FROM announcements a WHERE a.id = plans.announcement)`

func scanPlan(scan func(...any) error) (p plan, err error) {
	var wanted, started, done, first, next, turnFirst, turnNext, turnAt, held, canaryUntil, keeps, apart int64
	var topics, languages string
	if err = scan(&p.id, &p.announcement, &p.account, &p.rev, &wanted, &first, &next, &p.audience.kind, &p.audience.language, &p.audience.zone, &topics, &languages,
		&p.audience.only, &p.audience.follows, &p.audience.before, &keeps, &started, &done, &p.position, &p.last, &p.planned, &p.leased, &p.fence, &p.turn.how, &p.turn.done, &p.turn.rest, &p.turn.fault,
		&turnFirst, &turnNext, &turnAt, &held, &p.canary, &canaryUntil, &p.run, &apart, &p.of); err != nil {
		return p, err
	}
	p.wanted, p.started, p.done, p.first, p.next = wanted == 1, started == 1, done == 1, at(first), at(next)
	p.held, p.keeps, p.canaryUntil, p.apart = held > 0, keeps == 1, at(canaryUntil), time.Duration(apart)*time.Microsecond
	p.turn.first, p.turn.next, p.turn.at = at(turnFirst), at(turnNext), at(turnAt)
	p.audience.channel = announce.Channel(p.account)
	if err = json.Unmarshal([]byte(topics), &p.audience.topics); err == nil {
		err = json.Unmarshal([]byte(languages), &p.audience.languages)
	}
	return p, err
}

// plans reads plans. where goes behind WHERE.
func (c conn) plans(ctx context.Context, where string, args ...any) (all []plan, err error) {
	err = c.each(ctx, `SELECT `+planColumns+` FROM plans WHERE `+where, args, func(scan func(...any) error) error {
		p, err := scanPlan(scan)
		all = append(all, p)
		return err
	})
	return all, err
}

// planOf is the plan of an announcement on an account, locked on Postgres until the change commits.
func (t *tx) planOf(ctx context.Context, id announce.ID, account string) (p plan, found bool, err error) {
	all, err := t.plans(ctx, `announcement = ? AND account = ?`+t.lock("FOR NO KEY UPDATE"), string(id), account)
	if err != nil || len(all) == 0 {
		return p, false, err
	}
	return all[0], true, nil
}

// newPlanID is 30 bits of seconds, then 17 random ones: nearly in the order of time, and never that of another installation.
func newPlanID(now time.Time) int64 {
	return max(0, now.Unix()-1_767_225_600)%(1<<30)<<17 | rand.Int64N(1<<17)
}

// putPlan adds a plan, or brings it to a's revision; how far it came is kept, and so is its First once it has begun.
func (t *tx) putPlan(ctx context.Context, a announce.Announcement, p Plan) error {
	if err := t.account(ctx, p.Account); err != nil {
		return err
	}
	first := p.First
	if first.IsZero() {
		first = p.Next
	}
	who := audienceOf(a, p)
	topics, err := json.Marshal(who.topics)
	if err != nil {
		return err
	}
	languages, err := json.Marshal(who.languages)
	if err != nil {
		return err
	}
	if err := t.followPlan(ctx, a, p, &who); err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE plans SET open = 1, rev = ?, wanted = 1, next = ?, first_due = CASE WHEN started = 1 THEN first_due ELSE ? END,
		kind = ?, language = ?, zone = ?, topics = ?, languages = ?, keeps = ? WHERE announcement = ? AND account = ?`,
		a.Rev, us(p.Next), us(first), string(who.kind), string(who.language), who.zone, string(topics), string(languages), flag(p.Keeps), string(a.ID), p.Account)
	for n == 0 && err == nil {
		n, err = t.exec(ctx, `INSERT INTO plans (id, announcement, account, rev, first_due, next, kind, language, zone, topics, languages, only_to,
			follows, follows_rev, keeps, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			newPlanID(t.now), string(a.ID), p.Account, a.Rev, us(first), us(p.Next), string(who.kind), string(who.language), who.zone,
			string(topics), string(languages), p.Only, who.follows, who.before, flag(p.Keeps), p.Run)
	}
	return err
}

// Plan writes a letter for up to page people of the plan that is due longest, or tells so many letters of a plan what
// became of it. Who is written to is decided when the first page is planned. done: no plan is due any more. It can be cut
// at any point and repeated, by several servers at once: nobody is left out, nobody gets two.
func (db *DB) Plan(ctx context.Context, page int) (done bool, planned int, err error) {
	if err := db.room(); err != nil {
		return false, 0, err
	}
	page = max(1, page)
	turned, err := db.turnSome(ctx, page)
	if err != nil || turned {
		return false, 0, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		done, planned, err = t.plan(ctx, page)
		return err
	})
	if err != nil {
		return false, 0, err
	}
	return done, planned, nil
}

const duePlan = `open = 1 AND wanted = 1 AND done = 0 AND run = 0 AND next <= ?`

func (t *tx) plan(ctx context.Context, page int) (done bool, planned int, err error) {
	due, err := t.plans(ctx, duePlan+` ORDER BY next, id LIMIT 1`+t.lock("FOR NO KEY UPDATE SKIP LOCKED"), us(t.now))
	if err != nil || len(due) == 0 {
		return err == nil, 0, err
	}
	p := due[0]
	if err := t.spared(ctx, &p); err != nil {
		return false, 0, err
	}
	if !p.started {
		if _, err := t.one(ctx, `SELECT COALESCE(MAX(id), 0) FROM addresses`, nil, &p.last); err != nil {
			return false, 0, err
		}
		if p.audience.only > 0 {
			p.position, p.last = p.audience.only-1, p.audience.only
		} else if p.audience.follows == 0 { // a correction is for everybody at once: the first mailing was tried out
			if err := t.tryOut(ctx, &p); err != nil {
				return false, 0, err
			}
		}
	}
	n, over, err := t.write(ctx, &p, page)
	if err != nil {
		return false, 0, err
	}
	t.count(p.id, announce.Waiting, n)
	if _, err := t.exec(ctx, `UPDATE plans SET started = 1, position = ?, last_id = ?, done = ?, planned = planned + ?, canary = ?, canary_until = ? WHERE id = ?`,
		p.position, p.last, flag(over), n, p.canary, us(p.canaryUntil), p.id); err != nil {
		return false, 0, err
	}
	if !over {
		return false, int(n), nil
	}
	t.log(Event{What: "planned", Announcement: p.announcement, Account: p.account, Detail: strconv.FormatInt(p.planned+n, 10)})
	var others int
	_, err = t.one(ctx, `SELECT COUNT(*) FROM plans WHERE `+duePlan, []any{us(t.now)}, &others)
	return others == 0, int(n), err
}

// canaryLeast is how many people a mailing must have to be tried out on some of them first.
const canaryLeast = 1000

// tryOut decides who of a mailing's people are written to at once: the first ones, the others later.
func (t *tx) tryOut(ctx context.Context, p *plan) error {
	o := t.db.o
	if o.Canary <= 0 || o.CanaryWait <= 0 {
		return nil
	}
	where, args, err := p.audience.where(ctx, t.conn, t.now)
	if err != nil {
		return err
	}
	var n int64
	if _, err := t.one(ctx, `SELECT COUNT(*) FROM addresses WHERE id <= ? AND `+where, append([]any{p.last}, args...), &n); err != nil || n <= canaryLeast {
		return err
	}
	some := int64(math.Ceil(float64(n) * o.Canary))
	p.canaryUntil = t.now.Add(o.CanaryWait)
	_, err = t.one(ctx, `SELECT id FROM addresses WHERE id <= ? AND `+where+` ORDER BY id LIMIT 1 OFFSET ?`, append(append([]any{p.last}, args...), some-1), &p.canary)
	return err
}
