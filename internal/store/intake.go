package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A statement with thousands of arguments is slower than several with some hundreds, and SQLite takes 32,766 at most.
const rowsAtOnce = 128

// takeAll adds the fresh ones of a list, their deeds and topics.
func (t *tx) takeAll(ctx context.Context, p imports, all []Import, fresh []int, n *Tally) error {
	if len(fresh) == 0 {
		return nil
	}
	p.wordings = map[string]string{}
	for _, i := range fresh {
		for _, d := range all[i].Deeds {
			if _, known := p.wordings[d.Words]; !known {
				hash, err := t.wording(ctx, d.Words)
				if err != nil {
					return err
				}
				p.wordings[d.Words] = hash
			}
		}
	}
	if t.db.postgres() {
		return t.insertPostgres(ctx, p, all, fresh, n)
	}
	return t.insertSQLite(ctx, p, all, fresh, n)
}

// insertSQLite numbers the rows itself: nobody else writes meanwhile. They go in by mailbox, so that each page of the
// index is touched once.
func (t *tx) insertSQLite(ctx context.Context, p imports, all []Import, fresh []int, n *Tally) error {
	var last int64
	if _, err := t.one(ctx, `SELECT MAX(n) FROM (SELECT COALESCE(MAX(seq), 0) AS n FROM sqlite_sequence WHERE name = 'addresses'
		UNION ALL SELECT COALESCE(MAX(id), 0) FROM addresses)`, nil, &last); err != nil {
		return err
	}
	now := us(t.now)
	plain := &rows{conn: t.conn, shared: []any{now}, width: 6, row: `(?, 'email', ?, ?, ?, ?, ?, ?1, ?1)`,
		head: `INSERT INTO addresses (id, channel, mailbox, address, name, language, standing, created_at, updated_at) VALUES `}
	full := &rows{conn: t.conn, width: 18, row: `(` + marked(18) + `)`, head: `INSERT INTO addresses (id, channel, mailbox, address, name, language, zone, standing, frequency, digest, digested, quiet_from, quiet_to,
		everything, owed, owed_at, created_at, updated_at) VALUES `}
	topics := &rows{conn: t.conn, width: 2, row: `(?, ?)`, head: `INSERT INTO subscriptions (address, topic) VALUES `}
	slices.SortFunc(fresh, func(i, k int) int { return cmp.Compare(p.mailboxes[i], p.mailboxes[k]) })
	for k, i := range fresh {
		a, id := &all[i].Address, last+1+int64(k)
		var err error
		if owed, owedAt := owing(a, now); a.plain() && a.Address == p.mailboxes[i] {
			err = plain.add(ctx, id, a.Address, a.Address, a.Name, string(a.Language), string(a.Standing))
		} else {
			err = full.add(ctx, id, a.Channel, p.mailboxes[i], a.Address, a.Name, string(a.Language), a.Zone, string(a.Standing),
				string(cmp.Or(a.Frequency, Now)), a.Frequency.digest(), now, a.QuietFrom, a.QuietTo, flag(a.Everything), owed, owedAt, now, now)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(plain.end(ctx), full.end(ctx)); err != nil {
		return err
	}
	deeds := map[string]*rows{}
	for k, i := range fresh {
		id := last + 1 + int64(k)
		if err := t.prove(ctx, p, deeds, id, all[i].Deeds); err != nil {
			return err
		}
		for _, topic := range all[i].Address.Topics {
			if err := topics.add(ctx, id, topic); err != nil {
				return err
			}
		}
	}
	n.Added = len(fresh)
	for _, r := range deeds {
		if err := r.end(ctx); err != nil {
			return err
		}
	}
	return topics.end(ctx)
}

// plain: all that is not in the first columns is as the schema has it by default.
func (a *Address) plain() bool {
	return a.Channel == "email" && a.Zone == "" && (a.Frequency == "" || a.Frequency == Now) && a.QuietFrom == 0 && a.QuietTo == 0 && a.Everything && a.Standing != Pending
}

// prove logs the deeds of one address. What the deeds of many have in common is given once for all of them.
func (t *tx) prove(ctx context.Context, p imports, shapes map[string]*rows, id int64, deeds []Deed) error {
	shape := ""
	for _, d := range deeds {
		shape += string(d.Act) + cursor + d.How + cursor + d.Basis + cursor + d.Words + cursor + string(d.Language) + cursor
	}
	r := shapes[shape]
	if r == nil {
		r = &rows{
			conn: t.conn, width: 4 * len(deeds), tail: ` ON CONFLICT DO NOTHING`,
			head: `INSERT INTO consents (address, at, act, how, basis, wording, language, network, detail) VALUES `,
		}
		all := make([]string, len(deeds))
		for j := range deeds {
			shared := ""
			for k := range 5 {
				shared += ", ?" + strconv.Itoa(5*j+k+1)
			}
			all[j] = "(?, ?" + shared + ", ?, ?)"
		}
		r.row = strings.Join(all, ", ")
		for _, d := range deeds {
			r.shared = append(r.shared, string(d.Act), d.How, d.Basis, p.wordings[d.Words], string(d.Language))
		}
		shapes[shape] = r
	}
	values := make([]any, 0, 4*len(deeds))
	for _, d := range deeds {
		values = append(values, id, us(d.At), d.network(), d.Detail)
	}
	return r.add(ctx, values...)
}

func owing(a *Address, now int64) (owed string, at int64) {
	if a.Standing == Pending {
		return OwesConfirm, now
	}
	return "", 0
}

func (d Deed) network() string {
	if !d.Network.IsValid() {
		return ""
	}
	return d.Network.Masked().String()
}

// rows inserts rows into SQLite, many with one statement.
type rows struct {
	conn
	head, tail string
	shared     []any // arguments ?1 and on, the same for every row
	width      int   // arguments of one row
	row        string
	args       []any
	full       string
}

func (r *rows) add(ctx context.Context, values ...any) error {
	if r.args == nil {
		r.args = append(make([]any, 0, len(r.shared)+rowsAtOnce*r.width), r.shared...)
	}
	if r.args = append(r.args, values...); len(r.args) < len(r.shared)+rowsAtOnce*r.width {
		return nil
	}
	if r.full == "" {
		r.full = r.statement(rowsAtOnce)
	}
	_, err := r.exec(ctx, r.full, r.args...)
	r.args = r.args[:len(r.shared)]
	return err
}

// statement has the shared arguments in front, so that those of rows need no number: SQLite looks for numbers one by one.
func (r *rows) statement(n int) string {
	shared := ""
	for i := range r.shared {
		shared += ", ?" + strconv.Itoa(i+1)
	}
	if shared != "" {
		shared = "WITH shared AS (SELECT " + shared[2:] + ") "
	}
	return shared + r.head + strings.TrimSuffix(strings.Repeat(r.row+", ", n), ", ") + r.tail
}

// end inserts what waits, with statements of few different sizes.
func (r *rows) end(ctx context.Context) error {
	if r.args == nil {
		return nil
	}
	rest := r.args[len(r.shared):]
	for size := rowsAtOnce; len(rest) > 0; size /= 2 {
		for n := size * r.width; len(rest) >= n; rest = rest[n:] {
			if _, err := r.exec(ctx, r.statement(size), append(slices.Clone(r.shared), rest[:n]...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertPostgres inserts a table's rows with one statement, whose arguments are the columns as arrays: as fast as COPY
// into a temporary table, which it would need beside it. Whoever was added meanwhile by somebody else is known.
func (t *tx) insertPostgres(ctx context.Context, p imports, all []Import, fresh []int, n *Tally) error {
	size := len(fresh)
	var text [10][]string
	for c := range text {
		text[c] = make([]string, size)
	}
	var number [4][]int64
	for c := range number {
		number[c] = make([]int64, size)
	}
	now := us(t.now)
	for k, i := range fresh {
		a := &all[i].Address
		owed, owedAt := owing(a, now)
		for c, v := range []string{
			a.Channel, p.mailboxes[i], a.Address, a.Name, string(a.Language), a.Zone, string(a.Standing), string(cmp.Or(a.Frequency, Now)), a.Frequency.digest(), owed,
		} {
			text[c][k] = v
		}
		for c, v := range []int64{int64(a.QuietFrom), int64(a.QuietTo), int64(flag(a.Everything)), owedAt} {
			number[c][k] = v
		}
	}
	ids := make(map[string]int64, size)
	if err := t.each(ctx, `INSERT INTO addresses (channel, mailbox, address, name, language, zone, standing, frequency, digest, owed, quiet_from, quiet_to, everything, owed_at, created_at, updated_at, digested)
		SELECT f.*, ?::bigint, ?::bigint, ?::bigint FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
			?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) AS f
		ON CONFLICT (channel, mailbox) DO NOTHING RETURNING id, channel, mailbox`,
		[]any{
			now, now, now, text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7], text[8], text[9],
			number[0], number[1], number[2], number[3],
		}, func(scan func(...any) error) error {
			var id int64
			var channel, box string
			err := scan(&id, &channel, &box)
			ids[channel+cursor+box] = id
			return err
		}); err != nil {
		return err
	}
	n.Added, n.Known = len(ids), n.Known+size-len(ids)
	var address, at, subscriber []int64
	var deed [7][]string
	var topics []string
	for _, i := range fresh {
		id, ok := ids[all[i].Address.Channel+cursor+p.mailboxes[i]]
		if !ok {
			continue
		}
		for _, d := range all[i].Deeds {
			address, at = append(address, id), append(at, us(d.At))
			for c, v := range []string{string(d.Act), d.How, d.Basis, p.wordings[d.Words], string(d.Language), d.network(), d.Detail} {
				deed[c] = append(deed[c], v)
			}
		}
		for _, topic := range all[i].Address.Topics {
			subscriber, topics = append(subscriber, id), append(topics, topic)
		}
	}
	if len(address) > 0 {
		if _, err := t.exec(ctx, `INSERT INTO consents (address, at, act, how, basis, wording, language, network, detail)
			SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[]) ON CONFLICT DO NOTHING`,
			address, at, deed[0], deed[1], deed[2], deed[3], deed[4], deed[5], deed[6]); err != nil {
			return err
		}
	}
	if len(topics) == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO subscriptions (address, topic) SELECT * FROM unnest(?::bigint[], ?::text[])`, subscriber, topics)
	return err
}
