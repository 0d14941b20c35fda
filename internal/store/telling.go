package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Edition is one form of a digest: the plan by which it is written to people, and the Date of its messages.
type Edition struct {
	Plan  int64
	First time.Time
}

// DigestPage is what became of a page of people.
type DigestPage struct {
	Busy            bool // another server has the run
	Given           bool // the page was given up: an edition is not there yet
	People, Letters int
	Over            bool // these were the last: the run has ended
}

// TellPage writes to the next people on channels whom a run is for, at most page of them, in the edition that choose names: none with a
// Plan of 0. ready false gives the page up, and nothing of it is on record. Who is told, and up to when everybody is told
// then, is one change, so that it can be cut at any point and repeated, by several servers at once. choose may be called
// more than once for the same person.
func (db *DB) TellPage(ctx context.Context, run int64, items []Told, channels []string, page int, choose func(Reader) (e Edition, ready bool)) (p DigestPage, err error) {
	if err := db.room(); err != nil {
		return DigestPage{}, err
	}
	err = db.writeLarge(ctx, func(ctx context.Context, t *tx) (err error) {
		p, err = t.tellPage(ctx, run, items, channels, page, choose)
		return err
	})
	if err == errGiven { //nolint:errorlint // from this package, as it is
		return DigestPage{Given: true}, nil
	}
	if err != nil {
		return DigestPage{}, err
	}
	return p, nil
}

var errGiven = errors.New("an edition is not there yet")

func (t *tx) tellPage(ctx context.Context, run int64, items []Told, channels []string, page int, choose func(Reader) (Edition, bool)) (p DigestPage, err error) {
	r, position, last, err := t.takeRun(ctx, run)
	if err != nil {
		return p, err
	}
	if r.State != RunGoing {
		p.Busy = r.ID == 0
		p.Over = !p.Busy
		return p, nil
	}
	readers, err := t.readers(ctx, r, position, last, channels, page, items)
	if err != nil {
		return p, err
	}
	letters := map[Edition][]Reader{}
	for _, reader := range readers {
		e, ready := choose(reader)
		if !ready {
			p.Given = true // all the others of the page are asked about too, so that what they need is made at once
		}
		if e.Plan > 0 {
			letters[e] = append(letters[e], reader)
		}
	}
	if p.Given {
		return p, errGiven
	}
	for e, to := range letters {
		n, err := t.writeEdition(ctx, e, to)
		if err != nil {
			return p, err
		}
		p.Letters += n
	}
	if err := t.mark(ctx, r, readers); err != nil {
		return p, err
	}
	p.People, p.Over = len(readers), len(readers) < page
	if len(readers) > 0 {
		position = readers[len(readers)-1].Address
	}
	if _, err := t.exec(ctx, `UPDATE digest_runs SET position = ?, people = people + ?, letters = letters + ? WHERE id = ?`, position, p.People, p.Letters, run); err != nil || !p.Over {
		return p, err
	}
	return p, t.endRun(ctx, run)
}

// takeRun makes a run this change's, and begins it when nobody did. Without an ID: another server has it.
func (t *tx) takeRun(ctx context.Context, run int64) (r DigestRun, position, last int64, err error) {
	all, err := t.digestRuns(ctx, `WHERE id = ?`+t.lock("FOR NO KEY UPDATE SKIP LOCKED"), run)
	if err != nil || len(all) == 0 {
		return r, 0, 0, err
	}
	r = all[0]
	if r.State == RunWaiting {
		r.State = RunGoing
		if _, err = t.exec(ctx, `UPDATE digest_runs SET state = 'running', last_id = (SELECT COALESCE(MAX(id), 0) FROM addresses) WHERE id = ?`, run); err != nil {
			return r, 0, 0, err
		}
	}
	_, err = t.one(ctx, `SELECT position, last_id FROM digest_runs WHERE id = ?`, []any{run}, &position, &last)
	return r, position, last, err
}

func (t *tx) endRun(ctx context.Context, run int64) error {
	if _, err := t.exec(ctx, `UPDATE digest_runs SET state = CASE WHEN letters > 0 OR announcement <> '' THEN 'done' ELSE 'skipped' END, ended_at = ? WHERE id = ?`, us(t.now), run); err != nil {
		return err
	}
	plans, err := t.ids(ctx, `SELECT id FROM plans WHERE run = ? AND run > 0 ORDER BY id`, run)
	if err != nil {
		return err
	}
	for _, id := range plans {
		if _, err := t.exec(ctx, `UPDATE plans SET done = 1 WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}

// readers are the next people whom a run is for, with what of their topics and letters matters for items.
func (t *tx) readers(ctx context.Context, r DigestRun, after, last int64, channels []string, page int, items []Told) ([]Reader, error) {
	if len(channels) == 0 {
		return nil, nil
	}
	args := []any{r.Digest, after, last, us(t.now), us(r.Period.Instant)}
	for _, channel := range channels {
		args = append(args, channel)
	}
	var all []Reader
	index := map[int64]int{}
	err := t.each(ctx, `SELECT id, channel, language, frequency, digested, digest_until, everything, zone, quiet_from, quiet_to FROM addresses
		WHERE digest = ? AND digest <> '' AND id > ? AND id <= ? AND standing = 'active' AND paused_until <= ? AND digested < ?
		AND channel IN (`+marked(len(channels))+`) ORDER BY id LIMIT ?`+t.lock("FOR NO KEY UPDATE"), append(args, page), func(scan func(...any) error) error {
		x := Reader{Until: r.Period.Instant}
		var everything, until int64
		var often Frequency
		err := scan(&x.Address, &x.Channel, &x.Language, &often, &x.mark, &until, &everything, &x.zone, &x.from, &x.till)
		if x.Since, x.everything = at(x.mark), everything == 1; often == Now && at(until).Before(x.Until) {
			x.Until = at(until)
		}
		index[x.Address] = len(all)
		all = append(all, x)
		return err
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all, t.fillReaders(ctx, all, index, items, `a.digest = ? AND a.digest <> '' AND a.id >= ? AND a.id <= ?`, r.Digest, all[0].Address, all[len(all)-1].Address)
}

// Reader is an address as a digest would see it that told it last at since. ErrNotFound: it is not written to.
func (db *DB) Reader(ctx context.Context, id int64, since, until time.Time, items []Told) (Reader, error) {
	c := db.read()
	r := Reader{Address: id, Since: since, Until: until}
	var everything int64
	found, err := c.one(ctx, `SELECT channel, language, everything FROM addresses WHERE id = ? AND standing = 'active'`, []any{id}, &r.Channel, &r.Language, &everything)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return r, db.fault(err)
	}
	all := []Reader{r}
	all[0].everything = everything == 1
	err = c.fillReaders(ctx, all, map[int64]int{id: 0}, items, `a.id = ?`, id)
	return all[0], db.fault(err)
}

// DigestOf is the digest that tells an address next, and the moment up to which it was told. Empty: none does.
func (db *DB) DigestOf(ctx context.Context, id int64) (name string, mark time.Time, err error) {
	var told int64
	_, err = db.read().one(ctx, `SELECT digest, digested FROM addresses WHERE id = ?`, []any{id}, &name, &told)
	return name, at(told), db.fault(err)
}

// fillReaders reads which topics of items people have, and which of the items they got by themselves. on picks the people.
func (c conn) fillReaders(ctx context.Context, all []Reader, index map[int64]int, items []Told, on string, who ...any) (err error) {
	if len(items) == 0 {
		return nil
	}
	topics, ids := map[string]bool{}, make([]any, len(items))
	for n, i := range items {
		ids[n] = string(i.ID)
		for _, topic := range i.Topics {
			topics[topic] = true
		}
	}
	args := slices.Clone(who)
	for topic := range topics {
		args = append(args, topic)
	}
	if len(topics) > 0 {
		err = c.each(ctx, `SELECT s.address, s.topic FROM addresses a CROSS JOIN subscriptions s WHERE `+on+` AND s.address = a.id
			AND s.topic IN (`+marked(len(topics))+`)`, args, func(scan func(...any) error) error {
			var id int64
			var topic string
			err := scan(&id, &topic)
			if n, ok := index[id]; ok {
				all[n].topics = append(all[n].topics, topic)
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	got := func(scan func(...any) error) error {
		var id int64
		var item announce.ID
		err := scan(&id, &item)
		if n, ok := index[id]; ok {
			all[n].got = append(all[n].got, item)
		}
		return err
	}
	var off []any
	for _, i := range items {
		if !i.Cancelled.IsZero() {
			off = append(off, string(i.ID))
		}
	}
	if len(off) > 0 { // whoever was told at once that it is off
		if err := c.each(ctx, `SELECT a.id, f.of FROM addresses a CROSS JOIN announcements f CROSS JOIN plans p CROSS JOIN letters l WHERE `+on+`
			AND f.of IN (`+marked(len(off))+`) AND f.of <> '' AND p.announcement = f.id AND p.kind = 'cancellation' AND l.plan = p.id AND l.address = a.id
			AND (l.shown > 0 OR l.calling <> '' OR l.wanted = 1 AND l.rest = '')`, append(slices.Clone(who), off...), got); err != nil {
			return err
		}
	}
	// Only whoever changed something since they were told last can have got an item by itself.
	return c.each(ctx, `SELECT a.id, p.announcement FROM addresses a CROSS JOIN plans p CROSS JOIN letters l WHERE `+on+`
		AND a.updated_at > a.digested AND p.announcement IN (`+marked(len(ids))+`) AND l.plan = p.id AND l.address = a.id
		AND (l.shown > 0 OR l.calling <> '' OR l.wanted = 1 AND l.rest = '')`, append(slices.Clone(who), ids...), got)
}

// writeEdition adds letters of one edition: behind those that it has, for addresses ascend from page to page. One that was taken
// back has nothing left to tell, and gets none.
func (t *tx) writeEdition(ctx context.Context, e Edition, to []Reader) (n int, err error) {
	all, err := t.plans(ctx, `id = ?`+t.lock("FOR NO KEY UPDATE"), e.Plan)
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		return 0, ErrNotFound
	}
	p := all[0]
	if !p.wanted {
		return 0, nil
	}
	rows := make([][]any, len(to))
	for n, r := range to {
		if r.Language == "" {
			r.Language = p.audience.language
		}
		next := p.first
		if r.from != r.till {
			next = member{r.Address, r.zone, r.from, r.till}.awake(t.now, p)
		}
		rows[n] = []any{p.id, r.Address, string(r.Language), 1, p.rev, us(p.first), us(next)}
		p.position = r.Address
	}
	if _, err := t.many(ctx, `INSERT INTO letters (plan, address, language, wanted, rev, first_due, next)`, rows, ""); err != nil {
		return 0, err
	}
	t.count(p.id, announce.Waiting, int64(len(to)))
	_, err = t.exec(ctx, `UPDATE plans SET started = 1, position = ?, last_id = ?, planned = planned + ? WHERE id = ?`, p.position, p.position, len(to), p.id)
	return len(to), err
}

// mark puts on record up to when people were told. For whoever does not get the digest any more it was the last.
func (t *tx) mark(ctx context.Context, r DigestRun, readers []Reader) error {
	for some := range slices.Chunk(readers, atOnce) {
		args := make([]any, 1, len(some)+1)
		args[0] = us(r.Period.Instant)
		for _, x := range some {
			args = append(args, x.Address)
		}
		if _, err := t.exec(ctx, `UPDATE addresses SET digested = ?, digest = CASE WHEN frequency = 'now' THEN '' ELSE digest END WHERE id IN (`+
			strings.TrimSuffix(strings.Repeat("?, ", len(some)), ", ")+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}
