package store

import (
	"cmp"
	"context"
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

// insertSQLite numbers the rows itself: nobody else writes meanwhile.
func (t *tx) insertSQLite(ctx context.Context, p imports, all []Import, fresh []int, n *Tally) error {
	var last int64
	if _, err := t.one(ctx, `SELECT MAX(n) FROM (SELECT COALESCE(MAX(seq), 0) AS n FROM sqlite_sequence WHERE name = 'addresses'
		UNION ALL SELECT COALESCE(MAX(id), 0) FROM addresses)`, nil, &last); err != nil {
		return err
	}
	now := us(t.now)
	addresses := &rows{head: `INSERT INTO addresses (id, channel, mailbox, address, name, language, zone, standing, frequency, quiet_from, quiet_to, everything,
		owed, owed_at, created_at, updated_at)`, width: 16}
	consents := &rows{head: `INSERT INTO consents (address, at, act, how, basis, wording, language, network, detail)`, width: 9, tail: ` ON CONFLICT DO NOTHING`}
	topics := &rows{head: `INSERT INTO subscriptions (address, topic)`, width: 2}
	for k, i := range fresh {
		a, id := &all[i].Address, last+1+int64(k)
		owed, owedAt := owing(a, now)
		if err := addresses.add(ctx, t.conn, id, a.Channel, p.mailboxes[i], a.Address, a.Name, string(a.Language), a.Zone, string(a.Standing),
			string(cmp.Or(a.Frequency, Now)), a.QuietFrom, a.QuietTo, flag(a.Everything), owed, owedAt, now, now); err != nil {
			return err
		}
	}
	if err := addresses.end(ctx, t.conn); err != nil {
		return err
	}
	for k, i := range fresh {
		id := last + 1 + int64(k)
		for _, d := range all[i].Deeds {
			if err := consents.add(ctx, t.conn, id, us(d.At), string(d.Act), d.How, d.Basis, p.wordings[d.Words], string(d.Language), d.network(), d.Detail); err != nil {
				return err
			}
		}
		for _, topic := range all[i].Address.Topics {
			if err := topics.add(ctx, t.conn, id, topic); err != nil {
				return err
			}
		}
	}
	n.Added = len(fresh)
	if err := consents.end(ctx, t.conn); err != nil {
		return err
	}
	return topics.end(ctx, t.conn)
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

// rows inserts rows, many with one statement.
type rows struct {
	head, tail string
	width      int
	args       []any
	full       string
}

func (r *rows) add(ctx context.Context, c conn, values ...any) error {
	if r.args = append(r.args, values...); len(r.args) < rowsAtOnce*r.width {
		return nil
	}
	if r.full == "" {
		r.full = r.statement(rowsAtOnce)
	}
	_, err := c.exec(ctx, r.full, r.args...)
	r.args = r.args[:0]
	return err
}

func (r *rows) statement(n int) string {
	one := " (" + marked(r.width) + ")"
	b := make([]byte, 0, len(r.head)+n*(len(one)+1)+len(r.tail)+8)
	b = append(append(b, r.head...), " VALUES"...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one...)
	}
	return string(append(b, r.tail...))
}

// end inserts what waits, so that there are few different statements.
func (r *rows) end(ctx context.Context, c conn) error {
	for size := rowsAtOnce; len(r.args) > 0; size /= 2 {
		for n := size * r.width; len(r.args) >= n; r.args = r.args[n:] {
			if _, err := c.exec(ctx, r.statement(size), r.args[:n]...); err != nil {
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
	var text [9][]string
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
			a.Channel, p.mailboxes[i], a.Address, a.Name, string(a.Language), a.Zone, string(a.Standing), string(cmp.Or(a.Frequency, Now)), owed,
		} {
			text[c][k] = v
		}
		for c, v := range []int64{int64(a.QuietFrom), int64(a.QuietTo), int64(flag(a.Everything)), owedAt} {
			number[c][k] = v
		}
	}
	ids := make(map[string]int64, size)
	if err := t.each(ctx, `INSERT INTO addresses (channel, mailbox, address, name, language, zone, standing, frequency, owed, quiet_from, quiet_to, everything, owed_at, created_at, updated_at)
		SELECT f.*, ?::bigint, ?::bigint FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[],
			?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) AS f
		ON CONFLICT (channel, mailbox) DO NOTHING RETURNING id, channel, mailbox`,
		[]any{
			now, now, text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7], text[8],
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
